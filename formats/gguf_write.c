/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/gguf.h"

#define LONG_VALUE 4096 /* bytes of a value from which on it is not copied */

static void put_str(struct buf *out, const char *s)
{
    size_t n = strlen(s);

    buf_add_u64(out, n);
    buf_add(out, s, n);
}

/* ---- pieces ---- */

static enum status add_piece(struct gguf_header *h, const void *p, uint64_t n, struct err *err)
{
    if (!add_ok(h->nbytes, n, &h->nbytes) || h->nbytes > GGUF_MAX_HEADER)
        return fail(err, E_LIMIT, "the GGUF header: more than %" PRIu64 " bytes", (uint64_t)GGUF_MAX_HEADER);
    if (!p || !arena_grow(h->arena, (void **)&h->piece, h->n, &h->cap, sizeof *h->piece))
        return fail_nomem(err);
    h->piece[h->n++] = (struct slice){p, (size_t)n};
    return OK;
}

/* What was collected becomes a piece. */
static enum status end_piece(struct gguf_header *h, struct buf *text, struct err *err)
{
    enum status s = buf_check(text, "the GGUF header", err);

    if (s == OK && text->n > 0)
        s = add_piece(h, arena_strndup(h->arena, text->p, text->n), text->n, err);
    text->n = 0;
    return s;
}

static enum status put_meta(struct gguf_header *h, struct buf *text, const struct meta *meta, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < meta->n && s == OK; i++) {
        const struct meta_kv *kv = &meta->kv[i];

        put_str(text, kv->key);
        buf_add_u32(text, kv->type);
        if (kv->type == META_ARRAY) {
            buf_add_u32(text, kv->elem);
            buf_add_u64(text, kv->count);
        }
        if (kv->nbytes < LONG_VALUE) {
            buf_add(text, kv->data, (size_t)kv->nbytes);
            continue;
        }
        s = end_piece(h, text, err);
        if (s == OK)
            s = add_piece(h, kv->data, kv->nbytes, err);
    }
    return s;
}

/* ---- checks ---- */

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

/* The infos, and the entries' offsets within the data; *nbytes of it all. */
static enum status put_entries(struct buf *text, struct gguf_entry *entries, size_t n, uint64_t alignment,
                               uint64_t *nbytes, struct err *err)
{
    uint64_t off = 0, end;

    for (size_t i = 0; i < n; i++) {
        struct gguf_entry *e = &entries[i];

        put_entry(text, e, off);
        e->off = off;
        if (!add_ok(off, e->nbytes, &end) || end > INT64_MAX - alignment)
            return fail(err, E_LIMIT, "tensor '%s': ends beyond any file's size", e->name);
        off = align_up(end, alignment);
    }
    *nbytes = off;
    return OK;
}

static enum status put_all(const struct meta *meta, struct gguf_entry *entries, size_t n,
                           struct gguf_header *out, struct buf *text, struct err *err)
{
    uint64_t alignment, data = 0;
    enum status s = find_alignment(meta, &alignment, err);

    for (size_t i = 0; s == OK && i < n; i++)
        s = check_entry(&entries[i], err);
    buf_add(text, "GGUF", 4);
    buf_add_u32(text, 3);
    buf_add_u64(text, n);
    buf_add_u64(text, meta->n);
    if (s == OK)
        s = put_meta(out, text, meta, err);
    if (s == OK)
        s = put_entries(text, entries, n, alignment, &data, err);
    if (s == OK && !text->failed)
        put_zeros(text, (size_t)(align_up(out->nbytes + text->n, alignment) - (out->nbytes + text->n)));
    if (s == OK)
        s = end_piece(out, text, err);
    for (size_t i = 0; i < n && s == OK; i++)
        entries[i].off += out->nbytes;
    out->file_nbytes = out->nbytes + data;
    return s;
}

enum status gguf_header(const struct meta *meta, struct gguf_entry *entries, size_t n,
                        struct gguf_header *out, struct err *err)
{
    struct buf text;

    buf_init(&text, GGUF_MAX_HEADER);
    enum status s = put_all(meta, entries, n, out, &text, err);
    buf_free(&text);
    return s;
}
