/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/gguf.h"

static void put_str(struct buf *out, const char *s)
{
    size_t n = strlen(s);

    buf_add_u64(out, n);
    buf_add(out, s, n);
}

/* The reference writer leaves these out, and so their count. */
static bool is_empty(const struct meta_kv *kv)
{
    struct slice s;

    return kv->type == META_ARRAY ? kv->count == 0 : meta_str(kv, &s) && s.n == 0;
}

static void put_meta(struct buf *out, const struct meta *meta)
{
    for (size_t i = 0; i < meta->n; i++) {
        const struct meta_kv *kv = &meta->kv[i];

        if (is_empty(kv))
            continue;
        put_str(out, kv->key);
        buf_add_u32(out, kv->type);
        if (kv->type == META_ARRAY) {
            buf_add_u32(out, kv->elem);
            buf_add_u64(out, kv->count);
        }
        buf_add(out, kv->data, (size_t)kv->nbytes);
    }
}

static enum status find_alignment(const struct meta *meta, uint64_t *alignment, struct err *err)
{
    const struct meta_kv *kv = meta_find(meta, "general.alignment");

    *alignment = GGUF_DEFAULT_ALIGNMENT;
    if (!kv)
        return OK;
    if (kv->type != META_U32 || !meta_u64(kv, alignment))
        return fail(err, E_USAGE, "general.alignment of type %s: must be a u32", meta_type_name(kv->type));
    if (*alignment == 0 || (*alignment & (*alignment - 1)))
        return fail(err, E_USAGE, "general.alignment=%" PRIu64 ": not a power of two", *alignment);
    return OK;
}

/* What the format cannot hold; sizes that contradict each other are our own mistake. */
static enum status check_entry(const struct gguf_entry *e, struct err *err)
{
    uint64_t nelem, nbytes, ncol = e->rank ? e->shape[e->rank - 1] : 1;

    if (dtype_gguf_id(e->dtype) < 0)
        return fail(err, E_UNSUPPORTED, "tensor '%s': GGUF has no type %s", e->name, dtype_name(e->dtype));
    if (e->rank > GGUF_MAX_RANK)
        return fail(err, E_UNSUPPORTED, "tensor '%s': GGUF holds at most %d dimensions, not %" PRIu32,
                    e->name, GGUF_MAX_RANK, e->rank);
    if (ncol % dtype_block_elems(e->dtype))
        return fail(err, E_UNSUPPORTED,
                    "tensor '%s': rows of %" PRIu64 " elements are not whole %s blocks of %" PRIu32, e->name,
                    ncol, dtype_name(e->dtype), dtype_block_elems(e->dtype));
    require(shape_nelem(e->shape, e->rank, &nelem) && dtype_nbytes(e->dtype, nelem, &nbytes));
    require(nbytes == e->nbytes);
    return OK;
}

/* One tensor info; `off` counts from the start of the data section. */
static void put_entry(struct buf *out, const struct gguf_entry *e, uint64_t off)
{
    put_str(out, e->name);
    buf_add_u32(out, e->rank ? e->rank : 1);
    if (e->rank == 0)
        buf_add_u64(out, 1);
    for (uint32_t d = e->rank; d-- > 0;)
        buf_add_u64(out, e->shape[d]);
    buf_add_u32(out, (uint32_t)dtype_gguf_id(e->dtype));
    buf_add_u64(out, off);
}

static void put_zeros(struct buf *out, size_t n)
{
    void *at = buf_extend(out, n);

    if (at)
        memset(at, 0, n);
}

enum status gguf_header(const struct meta *meta, struct gguf_entry *entries, size_t n, struct buf *out,
                        uint64_t *file_nbytes, struct err *err)
{
    const size_t start = out->n;
    uint64_t alignment, off = 0, nkey = 0;
    enum status s = find_alignment(meta, &alignment, err);

    for (size_t i = 0; s == OK && i < n; i++)
        s = check_entry(&entries[i], err);
    if (s != OK)
        return s;

    for (size_t i = 0; i < meta->n; i++)
        nkey += !is_empty(&meta->kv[i]);
    buf_add(out, "GGUF", 4);
    buf_add_u32(out, 3);
    buf_add_u64(out, n);
    buf_add_u64(out, nkey);
    put_meta(out, meta);
    for (size_t i = 0; i < n; i++) {
        struct gguf_entry *e = &entries[i];
        uint64_t end;

        put_entry(out, e, off);
        e->off = off;
        if (!add_ok(off, e->nbytes, &end) || end > INT64_MAX - alignment)
            return fail(err, E_LIMIT, "tensor '%s': ends beyond any file's size", e->name);
        off = align_up(end, alignment);
    }
    if (!out->failed)
        put_zeros(out, (size_t)(align_up(out->n - start, alignment) - (out->n - start)));
    if ((s = buf_check(out, "the GGUF header", err)) != OK)
        return s;

    const uint64_t data = out->n - start;
    for (size_t i = 0; i < n; i++)
        entries[i].off += data;
    *file_nbytes = data + off;
    return OK;
}
