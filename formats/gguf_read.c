/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/gguf.h"

#include <stdarg.h>

#include "core/utf8.h"

#define WINDOW_BYTES     (256 * KIB) // more than any key, tensor name or fixed-size field
#define MAX_HEADER_BYTES GIB         // before the tensor data
#define MAX_KEYS         (1u << 20)
#define MAX_ARRAY_DEPTH  4

/* The smallest records: a one-byte key with a one-byte value; a one-byte name without dimensions. */
#define MIN_KEY_RECORD    (8 + 1 + 4 + 1)
#define MIN_TENSOR_RECORD (8 + 1 + 4 + 4 + 8)

/* A file without tensors may end right after its metadata, without the padding; but no real one has an
 * alignment above this. */
#define MAX_BARE_ALIGNMENT (64 * KIB)

#define SHOWN_BYTES 80                        // of a name, in a message
#define SHOWN_MAX   (4 * SHOWN_BYTES + 3 + 1) // the room that takes

/* Where a tensor's bytes are, for judging the layout as a whole. */
struct extent {
    uint64_t off, nbytes; /* off is relative to the data section */
    uint64_t field;       /* place of the offset field in the file */
    size_t tensor;        /* index into source.tensors */
};

/* One file's header, read through a window that slides forward. */
struct reader {
    struct source *source;
    uint32_t file_index;
    const struct file *file;
    const char *path;
    uint64_t file_nbytes;
    uint64_t end; /* the header may not reach beyond: end of file, or the cap */
    uint64_t pos; /* next byte */

    unsigned char *window;
    uint64_t window_off; /* its place in the file */
    size_t window_n;     /* bytes in it */

    char subject[SHOWN_MAX + 16]; /* " (key 'x')" for messages; empty outside a record */
    uint64_t nkey, ntensor;       /* as the file claims */
    uint32_t version, alignment;

    struct extent *extents;
    size_t nextent, cap_extents;
};

/* ---- messages ---- */

static enum status fail_at(const struct reader *r, uint64_t off, enum status status, struct err *err,
                           const char *fmt, ...) PRINTF_LIKE(5, 6);

/* "path:off: ..." */
static enum status fail_at(const struct reader *r, uint64_t off, enum status status, struct err *err,
                           const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail(err, status, "%s:%" PRIu64 ": %s", r->path, off, text);
}

/* A name for a message: its beginning, with a NUL made visible. fail() escapes the rest. */
static const char *show(struct slice s, char out[SHOWN_MAX])
{
    size_t w = 0;

    for (size_t i = 0; i < s.n && i < SHOWN_BYTES; i++) {
        if (s.p[i])
            out[w++] = s.p[i];
        else
            w += (size_t)snprintf(out + w, SHOWN_MAX - w, "\\x00");
    }
    snprintf(out + w, SHOWN_MAX - w, "%s", s.n > SHOWN_BYTES ? "..." : "");
    return out;
}

/* A length or count that the rest of the file cannot hold. */
static enum status fail_too_many(const struct reader *r, uint64_t off, const char *field, uint64_t value,
                                 struct err *err)
{
    if (r->end < r->file_nbytes)
        return fail_at(r, off, E_LIMIT, err,
                       "%s=%" PRIu64 ": takes the header over the limit of %" PRIu64 " bytes%s", field, value,
                       MAX_HEADER_BYTES, r->subject);
    return fail_at(r, off, E_FORMAT, err,
                   "%s=%" PRIu64 ": does not fit in the %" PRIu64 " bytes left in the file%s", field, value,
                   r->end - r->pos, r->subject);
}

static enum status fail_short(const struct reader *r, size_t n, const char *field, struct err *err)
{
    if (r->end < r->file_nbytes)
        return fail_at(r, r->pos, E_LIMIT, err, "%s: the header is over the limit of %" PRIu64 " bytes%s",
                       field, MAX_HEADER_BYTES, r->subject);
    return fail_at(r, r->pos, E_FORMAT, err,
                   "file_size=%" PRIu64 ": the file ends %" PRIu64 " bytes into the %zu of %s%s",
                   r->file_nbytes, r->end - r->pos, n, field, r->subject);
}

/* ---- fields ---- */

static enum status refill(struct reader *r, struct err *err)
{
    size_t n = (size_t)min_u64(WINDOW_BYTES, r->end - r->pos);

    r->window_n = 0;
    enum status s = file_read_at(r->file, r->window, n, r->pos, err);
    if (s != OK)
        return s;
    r->window_off = r->pos;
    r->window_n = n;
    return OK;
}

/* The next n bytes, at most WINDOW_BYTES, borrowed until the next call. */
static enum status take(struct reader *r, size_t n, const char *field, const unsigned char **p,
                        struct err *err)
{
    if (n > r->end - r->pos)
        return fail_short(r, n, field, err);
    if (r->pos < r->window_off || r->pos + n > r->window_off + r->window_n) {
        enum status s = refill(r, err);

        if (s != OK)
            return s;
    }
    *p = r->window + (r->pos - r->window_off);
    r->pos += n;
    return OK;
}

static enum status take_u32(struct reader *r, const char *field, uint32_t *v, struct err *err)
{
    const unsigned char *p = r->window;
    enum status s = take(r, 4, field, &p, err);

    if (s == OK)
        *v = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return s;
}

static enum status take_u64(struct reader *r, const char *field, uint64_t *v, struct err *err)
{
    const unsigned char *p = r->window;
    enum status s = take(r, 8, field, &p, err);

    if (s != OK)
        return s;
    *v = 0;
    for (int i = 7; i >= 0; i--)
        *v = *v << 8 | p[i];
    return OK;
}

/* A key or name of 1 to max bytes, borrowed as above. `field` names its length. */
static enum status take_name(struct reader *r, uint64_t max, const char *field, struct slice *v,
                             struct err *err)
{
    const unsigned char *p = r->window;
    uint64_t at = r->pos, n;
    enum status s = take_u64(r, field, &n, err);

    if (s != OK)
        return s;
    if (n == 0)
        return fail_at(r, at, E_FORMAT, err, "%s=0: must not be empty", field);
    if (n > r->end - r->pos)
        return fail_too_many(r, at, field, n, err);
    if (n > max)
        return fail_at(r, at, E_FORMAT, err, "%s=%" PRIu64 ": longer than the %" PRIu64 " bytes allowed",
                       field, n, max);
    s = take(r, (size_t)n, field, &p, err);
    *v = (struct slice){(const char *)p, (size_t)n};
    return s;
}

/* ---- start of the file ---- */

bool gguf_probe(const unsigned char *head, size_t n)
{
    return n >= 4 && memcmp(head, "GGUF", 4) == 0;
}

static enum status check_version(struct reader *r, struct err *err)
{
    uint32_t v = r->version;

    if (v == 2 || v == 3)
        return OK;
    if (v && (v & 0xffff) == 0)
        return fail_at(r, 4, E_FORMAT, err, "version=0x%08" PRIx32 ": byte-swapped, a big-endian file", v);
    if (v == 1)
        return fail_at(r, 4, E_UNSUPPORTED, err,
                       "version=1: a format of 2023 with 32-bit lengths; versions 2 and 3 are read");
    if (v == 0)
        return fail_at(r, 4, E_FORMAT, err, "version=0: there is no such version");
    return fail_at(r, 4, E_UNSUPPORTED, err, "version=%" PRIu32 ": unknown; versions 2 and 3 are read", v);
}

static enum status read_start(struct reader *r, struct err *err)
{
    const unsigned char *magic = r->window;
    enum status s = take(r, 4, "magic", &magic, err);

    if (s != OK)
        return s;
    if (!gguf_probe(magic, 4))
        return fail_at(r, 0, E_FORMAT, err,
                       "magic=%02x%02x%02x%02x: not a GGUF file, which starts with 47475546", magic[0],
                       magic[1], magic[2], magic[3]);
    if ((s = take_u32(r, "version", &r->version, err)) != OK || (s = check_version(r, err)) != OK ||
        (s = take_u64(r, "tensor_count", &r->ntensor, err)) != OK ||
        (s = take_u64(r, "kv_count", &r->nkey, err)) != OK)
        return s;

    /* Before anything is allocated for them. */
    uint64_t left = r->end - r->pos;
    if (r->nkey > left / MIN_KEY_RECORD)
        return fail_too_many(r, 16, "kv_count", r->nkey, err);
    if (r->ntensor > (left - r->nkey * MIN_KEY_RECORD) / MIN_TENSOR_RECORD)
        return fail_too_many(r, 8, "tensor_count", r->ntensor, err);
    if (r->nkey > MAX_KEYS)
        return fail_at(r, 16, E_LIMIT, err, "kv_count=%" PRIu64 ": over the limit of %u keys", r->nkey,
                       MAX_KEYS);
    return OK;
}

/* ---- metadata ---- */

static enum status take_type(struct reader *r, const char *field, enum meta_type *type, struct err *err)
{
    uint64_t at = r->pos;
    uint32_t v;
    enum status s = take_u32(r, field, &v, err);

    if (s != OK)
        return s;
    if (v >= META_TYPE_COUNT)
        return fail_at(r, at, E_FORMAT, err, "%s=%" PRIu32 ": no such type%s", field, v, r->subject);
    *type = (enum meta_type)v;
    return OK;
}

static enum status skip_bools(struct reader *r, uint64_t count, struct err *err)
{
    while (count > 0) {
        const unsigned char *p = r->window;
        size_t n = (size_t)min_u64(count, WINDOW_BYTES);
        uint64_t at = r->pos;
        enum status s = take(r, n, "value", &p, err);

        if (s != OK)
            return s;
        for (size_t i = 0; i < n; i++)
            if (p[i] > 1)
                return fail_at(r, at + i, E_FORMAT, err, "value=%u: a bool is 0 or 1%s", p[i], r->subject);
        count -= n;
    }
    return OK;
}

static enum status skip_str(struct reader *r, struct err *err)
{
    uint64_t at = r->pos, n;
    enum status s = take_u64(r, "string_length", &n, err);

    if (s != OK)
        return s;
    if (n > r->end - r->pos)
        return fail_too_many(r, at, "string_length", n, err);
    r->pos += n;
    return OK;
}

/* Passes count elements of a fixed-size type. */
static enum status skip_fixed(struct reader *r, enum meta_type type, uint64_t count, struct err *err)
{
    uint64_t nbytes;

    if (!mul_ok(count, meta_type_size(type), &nbytes) || nbytes > r->end - r->pos)
        return fail_too_many(r, r->pos - 8, "array_count", count, err);
    if (type == META_BOOL)
        return skip_bools(r, count, err);
    r->pos += nbytes;
    return OK;
}

/* Checks an array from its element type on, and stands behind it afterwards. An array of arrays repeats
 * the same form, hence the recursion; MAX_ARRAY_DEPTH bounds it. */
static enum status skip_array(struct reader *r, unsigned depth, enum meta_type *elem, uint64_t *count,
                              struct err *err)
{
    uint64_t at = r->pos;
    enum status s = take_type(r, "array_type", elem, err);

    if (s != OK || (s = take_u64(r, "array_count", count, err)) != OK)
        return s;
    if (meta_type_size(*elem))
        return skip_fixed(r, *elem, *count, err);
    if (*elem == META_ARRAY && depth == MAX_ARRAY_DEPTH)
        return fail_at(r, at, E_FORMAT, err, "array_type=9: arrays are nested more than %d deep%s",
                       MAX_ARRAY_DEPTH, r->subject);
    if (*count > (r->end - r->pos) / (*elem == META_STR ? 8 : 12))
        return fail_too_many(r, at + 4, "array_count", *count, err);
    for (uint64_t i = 0; s == OK && i < *count; i++) {
        enum meta_type inner_elem;
        uint64_t inner_count;

        s = *elem == META_STR ? skip_str(r, err) : skip_array(r, depth + 1, &inner_elem, &inner_count, err);
    }
    return s;
}

/* An allocation that the arena refused. */
static enum status fail_arena(const struct reader *r, const struct arena *a, uint64_t off, uint64_t nbytes,
                              struct err *err)
{
    if (a->limit && nbytes > a->limit - min_u64(a->used, a->limit))
        return fail_at(r, off, E_LIMIT, err,
                       "value_size=%" PRIu64 ": takes the metadata over the limit of %" PRIu64 " bytes%s",
                       nbytes, a->limit, r->subject);
    return fail_nomem(err);
}

/* Reads the value that starts at r->pos into the arena. */
static enum status read_value(struct reader *r, struct arena *arena, struct meta_kv *kv, struct err *err)
{
    uint64_t start = r->pos;
    const unsigned char *p = r->window;
    enum status s = OK;

    kv->count = 1;
    if (kv->type == META_ARRAY) {
        s = skip_array(r, 1, &kv->elem, &kv->count, err);
        start += 12; // the element type and count are in kv
    } else if (kv->type == META_STR) {
        s = skip_str(r, err);
    } else if (kv->type == META_BOOL) {
        s = skip_bools(r, 1, err);
    } else {
        s = take(r, meta_type_size(kv->type), "value", &p, err);
    }
    if (s != OK)
        return s;

    kv->nbytes = r->pos - start;
    unsigned char *data = arena_alloc(arena, kv->nbytes);
    if (!data)
        return fail_arena(r, arena, start, kv->nbytes, err);
    kv->data = data;
    if (start >= r->window_off && r->pos <= r->window_off + r->window_n) {
        memcpy(data, r->window + (start - r->window_off), (size_t)kv->nbytes);
        return OK;
    }
    return file_read_at(r->file, data, (size_t)kv->nbytes, start, err);
}

static enum status check_key(struct reader *r, uint64_t at, struct slice key, struct err *err)
{
    char shown[SHOWN_MAX];

    if (!utf8_valid(key.p, key.n))
        return fail_at(r, at, E_FORMAT, err, "key='%s': not UTF-8", show(key, shown));
    for (size_t i = 0; i < key.n; i++) {
        unsigned char c = (unsigned char)key.p[i];

        if (c < 0x20 || c == 0x7f)
            return fail_at(r, at, E_FORMAT, err, "key='%s': has the control byte 0x%02x", show(key, shown),
                           c);
    }
    return OK;
}

/* The two keys that decide how everything else is read. */
static enum status check_known_key(struct reader *r, uint64_t at, const struct meta_kv *kv, struct err *err)
{
    uint64_t v;

    if (strcmp(kv->key, "general.architecture") == 0 && kv->type != META_STR)
        return fail_at(r, at, E_FORMAT, err, "general.architecture=%s: must be a str",
                       meta_type_name(kv->type));
    if (strcmp(kv->key, "general.alignment") != 0)
        return OK;
    if (kv->type != META_U32 || !meta_u64(kv, &v))
        return fail_at(r, at, E_FORMAT, err, "general.alignment=%s: must be a u32", meta_type_name(kv->type));
    if (v == 0 || (v & (v - 1)))
        return fail_at(r, at, E_FORMAT, err, "general.alignment=%" PRIu64 ": not a power of two", v);
    r->alignment = (uint32_t)v;
    return OK;
}

static enum status read_key(struct reader *r, struct meta *m, struct err *err)
{
    struct meta_kv kv = {0};
    struct slice key;
    char shown[SHOWN_MAX];
    uint64_t at = r->pos, value_at;

    r->subject[0] = '\0';
    enum status s = take_name(r, GGUF_MAX_KEY, "key_length", &key, err);
    if (s != OK || (s = check_key(r, at + 8, key, err)) != OK)
        return s;
    snprintf(r->subject, sizeof r->subject, " (key '%s')", show(key, shown));
    kv.key = arena_strndup(m->arena, key.p, key.n);
    if (!kv.key)
        return fail_arena(r, m->arena, at, key.n, err);
    if (meta_find(m, kv.key))
        return fail_at(r, at + 8, E_FORMAT, err, "key='%s': occurs twice", shown);
    if ((s = take_type(r, "value_type", &kv.type, err)) != OK)
        return s;
    value_at = r->pos;
    if ((s = read_value(r, m->arena, &kv, err)) != OK || (s = check_known_key(r, value_at, &kv, err)) != OK)
        return s;
    return meta_adopt(m, kv, err);
}

/* ---- tensors ---- */

static enum status read_dims(struct reader *r, struct tensor *t, struct err *err)
{
    uint64_t at = r->pos, dim;
    enum status s = take_u32(r, "n_dims", &t->rank, err);

    if (s != OK)
        return s;
    if (t->rank > GGUF_MAX_RANK)
        return fail_at(r, at, E_FORMAT, err, "n_dims=%" PRIu32 ": more than %d%s", t->rank, GGUF_MAX_RANK,
                       r->subject);
    /* The file has the row length first; in memory it is last. */
    for (uint32_t i = t->rank; i-- > 0;) {
        at = r->pos;
        if ((s = take_u64(r, "dim", &dim, err)) != OK)
            return s;
        if (dim > INT64_MAX)
            return fail_at(r, at, E_FORMAT, err, "dim=%" PRIu64 ": not below 2^63%s", dim, r->subject);
        t->shape[i] = dim;
    }
    return OK;
}

static enum status read_dtype(struct reader *r, struct tensor *t, struct err *err)
{
    char shape[SHAPE_TEXT_MAX];
    uint64_t at = r->pos, nelem;
    uint32_t id;
    enum status s = take_u32(r, "type", &id, err);

    if (s != OK)
        return s;
    t->dtype = dtype_find_gguf(id);
    if (t->dtype == DT_COUNT) {
        const char *foreign = dtype_foreign_gguf(id);

        return fail_at(r, at, E_FORMAT, err, "type=%" PRIu32 ": %s%s", id, foreign ? foreign : "no such type",
                       r->subject);
    }
    uint64_t ncol = t->rank ? t->shape[t->rank - 1] : 1;
    shape_text(t->shape, t->rank, shape);
    if (ncol % dtype_block_elems(t->dtype))
        return fail_at(r, at, E_FORMAT, err,
                       "type=%s: rows of %" PRIu64 " elements are not whole blocks of %" PRIu32 "%s",
                       dtype_name(t->dtype), ncol, dtype_block_elems(t->dtype), r->subject);
    if (!shape_nelem(t->shape, t->rank, &nelem) || nelem > INT64_MAX)
        return fail_at(r, at, E_FORMAT, err, "shape=%s: the number of elements overflows%s", shape,
                       r->subject);
    if (!dtype_nbytes(t->dtype, nelem, &t->nbytes))
        return fail_at(r, at, E_FORMAT, err, "shape=%s: the number of bytes as %s overflows%s", shape,
                       dtype_name(t->dtype), r->subject);
    return OK;
}

static enum status add_extent(struct reader *r, struct extent e, struct err *err)
{
    if (r->nextent == r->cap_extents) {
        size_t cap = r->cap_extents ? r->cap_extents * 2 : 64;
        struct extent *p = realloc(r->extents, cap * sizeof *p);

        if (!p)
            return fail_nomem(err);
        r->extents = p;
        r->cap_extents = cap;
    }
    r->extents[r->nextent++] = e;
    return OK;
}

static enum status read_tensor(struct reader *r, struct err *err)
{
    struct source *source = r->source;
    struct tensor t = {.file = r->file_index};
    struct slice name;
    char shown[SHOWN_MAX];
    uint64_t at = r->pos, off_at;

    r->subject[0] = '\0';
    enum status s = take_name(r, TENSOR_MAX_NAME, "name_length", &name, err);
    if (s != OK)
        return s;
    snprintf(r->subject, sizeof r->subject, " (tensor '%s')", show(name, shown));
    if (memchr(name.p, '\0', name.n))
        return fail_at(r, at + 8, E_FORMAT, err, "name='%s': has a NUL byte", shown);
    uint32_t twin = map_find(&source->index, name);
    if (twin != MAP_NONE)
        return fail_at(r, at + 8, E_FORMAT, err, "name='%s': a tensor of this name is already in %s", shown,
                       source->files[source->tensors[twin].file].path);
    t.name = arena_strndup(&source->arena, name.p, name.n);
    if (!t.name)
        return fail_arena(r, &source->arena, at, name.n, err);

    if ((s = read_dims(r, &t, err)) != OK || (s = read_dtype(r, &t, err)) != OK)
        return s;
    off_at = r->pos;
    if ((s = take_u64(r, "offset", &t.off, err)) != OK)
        return s;
    if (t.off % r->alignment)
        return fail_at(r, off_at, E_FORMAT, err,
                       "offset=%" PRIu64 ": not a multiple of the alignment %" PRIu32 "%s", t.off,
                       r->alignment, r->subject);
    s = add_extent(r, (struct extent){t.off, t.nbytes, off_at, source->ntensor}, err);
    return s == OK ? source_add_tensor(source, &t, err) : s;
}

/* ---- layout of the data ---- */

static int by_place(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    if (x->off != y->off)
        return x->off < y->off ? -1 : 1;
    if (x->nbytes != y->nbytes)
        return x->nbytes < y->nbytes ? -1 : 1;
    return x->tensor < y->tensor ? -1 : x->tensor > y->tensor;
}

/* A tensor that does not start where the one before it (`last`, or none) and its padding end. */
static enum status fail_place(const struct reader *r, const struct extent *e, const struct extent *last,
                              uint64_t expected, struct err *err)
{
    const struct tensor *t = r->source->tensors;
    char a[SHOWN_MAX], b[SHOWN_MAX];

    show(slice_of(t[e->tensor].name), a);
    if (e->off > expected)
        return fail_at(r, e->field, E_FORMAT, err,
                       "offset=%" PRIu64 ": %" PRIu64 " bytes before tensor '%s' belong to no tensor", e->off,
                       e->off - expected, a);
    require(last != NULL);
    return fail_at(r, e->field, E_FORMAT, err,
                   "offset=%" PRIu64 ": tensor '%s' overlaps tensor '%s' or its padding", e->off, a,
                   show(slice_of(t[last->tensor].name), b));
}

/* The tensors must tile the data section: no overlap, no hole but the padding, nothing behind. */
static enum status check_tiling(struct reader *r, uint64_t avail, struct err *err)
{
    const struct extent *last = NULL;
    uint64_t expected = 0, end = 0;

    if (r->nextent)
        qsort(r->extents, r->nextent, sizeof *r->extents, by_place);
    for (size_t i = 0; i < r->nextent; i++) {
        const struct extent *e = &r->extents[i];
        char shown[SHOWN_MAX];

        if (e->off < expected || (e->off > expected && e->off <= avail))
            return fail_place(r, e, last, expected, err);
        if (!add_ok(e->off, e->nbytes, &end))
            end = UINT64_MAX; // past the end of any file
        if (end > avail)
            return fail_at(r, e->field, E_FORMAT, err,
                           "offset=%" PRIu64 ": tensor '%s' of %" PRIu64 " bytes ends %" PRIu64
                           " bytes past the end of the file",
                           e->off, show(slice_of(r->source->tensors[e->tensor].name), shown), e->nbytes,
                           end - avail);
        expected = align_up(end, r->alignment);
        last = e;
    }
    if (avail > expected)
        return fail_at(r, r->file_nbytes - (avail - expected), E_FORMAT, err,
                       "file_size=%" PRIu64 ": %" PRIu64 " bytes follow the last tensor", r->file_nbytes,
                       avail - expected);
    return OK;
}

/* Judges the data section and makes the tensors' offsets count from the start of the file. */
static enum status place_data(struct reader *r, struct err *err)
{
    uint64_t data = align_up(r->pos, r->alignment);
    bool bare = r->nextent == 0 && r->alignment <= MAX_BARE_ALIGNMENT;

    if (data > r->file_nbytes && bare)
        data = r->file_nbytes;
    if (data > r->file_nbytes)
        return fail_at(r, r->pos, E_FORMAT, err,
                       "file_size=%" PRIu64 ": %" PRIu64 " bytes of the padding to alignment %" PRIu32
                       " are missing",
                       r->file_nbytes, data - r->file_nbytes, r->alignment);
    enum status s = check_tiling(r, r->file_nbytes - data, err);
    if (s != OK)
        return s;
    for (size_t i = 0; i < r->nextent; i++)
        r->source->tensors[r->extents[i].tensor].off += data;
    r->source->files[r->file_index].header_nbytes = data;
    return OK;
}

/* ---- whole files ---- */

static enum status read_header(struct reader *r, struct meta *m, struct err *err)
{
    enum status s = read_start(r, err);

    for (uint64_t i = 0; s == OK && i < r->nkey; i++)
        s = read_key(r, m, err);
    for (uint64_t i = 0; s == OK && i < r->ntensor; i++)
        s = read_tensor(r, err);
    return s == OK ? place_data(r, err) : s;
}

enum status gguf_read_part(struct source *source, uint32_t file, struct meta *m, struct err *err)
{
    const struct source_file *sf = &source->files[file];
    struct reader r = {
        .source = source,
        .file_index = file,
        .file = sf->file,
        .path = sf->path,
        .file_nbytes = file_size(sf->file),
        .end = min_u64(file_size(sf->file), MAX_HEADER_BYTES),
        .alignment = GGUF_DEFAULT_ALIGNMENT,
    };

    r.window = malloc((size_t)min_u64(WINDOW_BYTES, r.end + 1));
    enum status s = r.window ? read_header(&r, m, err) : fail_nomem(err);
    if (s == OK && file == 0) {
        source->gguf_version = r.version;
        source->alignment = r.alignment;
    }
    free(r.window);
    free(r.extents);
    return s;
}

enum status gguf_read(struct source *s, uint32_t file, struct err *err)
{
    require(file == 0);
    meta_init(&s->meta, &s->arena);
    return gguf_read_part(s, file, &s->meta, err);
}
