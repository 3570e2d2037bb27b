/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "core/utf8.h"
#include "formats/st.h"

#define SIZE_BYTES  8
#define ALIGN_BYTES 8

/* Source: the order of Dtype in github.com/huggingface/safetensors (tensor.rs), checked against version 0.8.
 */
static const enum dtype by_rank[] = {
    DT_BOOL, DT_F4,  DT_F6_E2M3, DT_F6_E3M2, DT_U8,  DT_I8,  DT_F8_E5M2, DT_F8_E4M3, DT_F8_E8M0, DT_I16,
    DT_U16,  DT_F16, DT_BF16,    DT_I32,     DT_U32, DT_F32, DT_C64,     DT_F64,     DT_I64,     DT_U64,
};

int st_type_rank(enum dtype t)
{
    for (size_t i = 0; i < ARRAY_LEN(by_rank); i++)
        if (by_rank[i] == t)
            return (int)i;
    return -1;
}

/* At depth 0 the JSON writer adds nothing to the string. */
static void add_string(struct buf *b, struct slice text)
{
    struct json_writer w = {.out = b};

    json_put_strn(&w, text.p, text.n);
}

static enum status add_metadata(struct buf *b, const struct meta *m, struct err *err)
{
    buf_add_str(b, "\"__metadata__\":{");
    for (size_t i = 0; i < m->n; i++) {
        struct slice text;

        if (!meta_str(&m->kv[i], &text))
            return fail(err, E_UNSUPPORTED, "metadata \"%s\": is %s; safetensors can hold only strings",
                        m->kv[i].key, meta_type_name(m->kv[i].type));
        if (!utf8_valid(text.p, text.n) || !utf8_valid(m->kv[i].key, strlen(m->kv[i].key)))
            return fail(err, E_UNSUPPORTED, "metadata \"%s\": is no valid UTF-8", m->kv[i].key);
        if (i)
            buf_add_char(b, ',');
        add_string(b, slice_of(m->kv[i].key));
        buf_add_char(b, ':');
        add_string(b, text);
    }
    buf_add_char(b, '}');
    return OK;
}

static enum status check_entry(const struct st_entry *e, struct err *err)
{
    uint64_t nelem, nbytes;
    char shape[SHAPE_TEXT_MAX];

    if (!e->name[0] || strcmp(e->name, "__metadata__") == 0 || !utf8_valid(e->name, strlen(e->name)))
        return fail(err, E_UNSUPPORTED, "tensor \"%s\": safetensors cannot hold that name", e->name);
    if (!dtype_st_name(e->dtype))
        return fail(err, E_UNSUPPORTED, "tensor \"%s\": safetensors has no type for %s", e->name,
                    dtype_name(e->dtype));
    if (e->rank > TENSOR_MAX_RANK || !shape_nelem(e->shape, e->rank, &nelem) ||
        !dtype_nbytes(e->dtype, nelem, &nbytes))
        return fail(err, E_UNSUPPORTED, "tensor \"%s\": shape %s of %s is no whole number of bytes", e->name,
                    shape_text(e->shape, e->rank, shape), dtype_name(e->dtype));
    require(nbytes == e->nbytes);
    return OK;
}

static void add_entry(struct buf *b, const struct st_entry *e)
{
    add_string(b, slice_of(e->name));
    buf_printf(b, ":{\"dtype\":\"%s\",\"shape\":[", dtype_st_name(e->dtype));
    for (uint32_t i = 0; i < e->rank; i++)
        buf_printf(b, "%s%" PRIu64, i ? "," : "", e->shape[i]);
    buf_printf(b, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", e->off, e->off + e->nbytes);
}

enum status st_header(struct st_entry *entries, size_t n, const struct meta *metadata, struct buf *out,
                      struct err *err)
{
    size_t start = out->n;
    uint64_t end = 0;
    enum status s = OK;

    buf_add_u64(out, 0); /* the size, known below */
    buf_add_char(out, '{');
    if (metadata)
        s = add_metadata(out, metadata, err);
    for (size_t i = 0; i < n && s == OK; i++) {
        s = check_entry(&entries[i], err);
        if (s != OK)
            break;
        entries[i].off = end; /* from the start of the data, for now */
        if (!add_ok(end, entries[i].nbytes, &end))
            return fail(err, E_LIMIT, "tensor \"%s\": the data has more bytes than 64 bits count",
                        entries[i].name);
        if (i || metadata)
            buf_add_char(out, ',');
        add_entry(out, &entries[i]);
    }
    if (s != OK)
        return s;
    buf_add_char(out, '}');
    while (!out->failed && (out->n - start) % ALIGN_BYTES)
        buf_add_char(out, ' ');
    if ((s = buf_check(out, "safetensors header", err)) != OK)
        return s;

    uint64_t header = out->n - start - SIZE_BYTES;
    if (header > ST_MAX_HEADER)
        return fail(err, E_LIMIT, "safetensors header: %" PRIu64 " bytes, over the limit of %u", header,
                    ST_MAX_HEADER);
    for (size_t i = 0; i < SIZE_BYTES; i++)
        out->p[start + i] = (char)(unsigned char)(header >> 8 * i);
    for (size_t i = 0; i < n; i++)
        if (!add_ok(entries[i].off, SIZE_BYTES + header, &entries[i].off))
            return fail(err, E_LIMIT, "tensor \"%s\": the data has more bytes than 64 bits count",
                        entries[i].name);
    return OK;
}
