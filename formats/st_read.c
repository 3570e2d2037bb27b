/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "core/json.h"
#include "formats/gguf.h"
#include "formats/st.h"

#define SIZE_BYTES   8      /* of the header size field */
#define FIRST_BYTES  4096   /* of the header, judged before all of it is read */
#define SHOWN_MAX    120    /* bytes of a hostile name in a message */
#define MAX_METADATA 65536u /* entries */

/* Unsigned integers of a field's JSON array, each with its place in the file. */
struct u64_list {
    const char *field;
    size_t max;
    uint64_t v[TENSOR_MAX_RANK], at[TENSOR_MAX_RANK];
    size_t n;
};

/* One tensor's entry in the header. */
struct entry {
    const char *name;
    uint64_t at; /* of its name */
    enum dtype dtype;
    struct u64_list shape, offsets;
    bool has_dtype, has_shape, has_offsets;
};

struct st_reader {
    struct source *s;
    uint32_t file;
    const char *path;
    uint64_t file_nbytes, header_nbytes; /* header_nbytes: of the JSON text */
    size_t first;                        /* tensor of this file */
    uint64_t seen_nbytes;                /* data of the tensors so far */
    char *text;
    struct json_reader *json;
};

static uint64_t data_start(const struct st_reader *r)
{
    return SIZE_BYTES + r->header_nbytes;
}

static uint64_t data_nbytes(const struct st_reader *r)
{
    return r->file_nbytes - data_start(r);
}

static enum status fail_at(const struct st_reader *r, uint64_t off, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* fmt says "field=value: reason". */
static enum status fail_at(const struct st_reader *r, uint64_t off, struct err *err, const char *fmt, ...)
{
    char text[8 * SHOWN_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail(err, E_FORMAT, "%s:%" PRIu64 ": %s", r->path, off, text);
}

static enum status fail_entry(const struct st_reader *r, const struct entry *e, uint64_t off, struct err *err,
                              const char *fmt, ...) PRINTF_LIKE(5, 6);

static enum status fail_entry(const struct st_reader *r, const struct entry *e, uint64_t off, struct err *err,
                              const char *fmt, ...)
{
    char text[6 * SHOWN_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail_at(r, off, err, "tensor \"%.*s\": %s", SHOWN_MAX, e->name, text);
}

static enum status here(const struct st_reader *r, const struct entry *e, struct err *err, const char *reason)
{
    return fail_entry(r, e, json_token_offset(r->json), err, "%s", reason);
}

/* ---- the data's layout ---- */

static int by_offset(const void *a, const void *b)
{
    const struct tensor *x = *(const struct tensor *const *)a, *y = *(const struct tensor *const *)b;

    if (x->off != y->off)
        return x->off < y->off ? -1 : 1;
    return (x->nbytes > y->nbytes) - (x->nbytes < y->nbytes);
}

/* Whether t starts where the one before it (NULL for the first) ended. */
static enum status check_start(const struct st_reader *r, const struct tensor *before, const struct tensor *t,
                               bool may_gap, struct err *err)
{
    uint64_t start = data_start(r), end = before ? before->off + before->nbytes : start;

    if (before && t->off < end)
        return fail_at(r, t->off, err,
                       "tensor \"%.*s\": data_offsets begin=%" PRIu64
                       ": overlaps tensor \"%.*s\" that ends at %" PRIu64,
                       SHOWN_MAX, t->name, t->off - start, SHOWN_MAX, before->name, end - start);
    if (t->off > end && !may_gap)
        return fail_at(r, end, err,
                       "tensor \"%.*s\": data_offsets begin=%" PRIu64 ": leaves a hole of %" PRIu64
                       " bytes before it",
                       SHOWN_MAX, t->name, t->off - start, t->off - end);
    return OK;
}

/* The tensors' data must tile the file's; of a part of the tensors, none may overlap. */
static enum status check_tiling(const struct st_reader *r, bool is_part, struct err *err)
{
    size_t n = r->s->ntensor - r->first;
    const struct tensor *before = NULL, **order = calloc(n + 1, sizeof *order);
    enum status s = OK;

    if (!order)
        return fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        order[i] = &r->s->tensors[r->first + i];
    qsort(order, n, sizeof *order, by_offset);
    for (size_t i = 0; i < n && s == OK; i++) {
        s = check_start(r, before, order[i], is_part, err);
        before = order[i];
    }
    free(order);
    if (s != OK || is_part)
        return s;
    uint64_t end = before ? before->off + before->nbytes : data_start(r);
    if (end != r->file_nbytes)
        return fail_at(r, end, err, "file size=%" PRIu64 ": the last %" PRIu64 " bytes belong to no tensor",
                       r->file_nbytes, r->file_nbytes - end);
    return OK;
}

/* ---- one entry ---- */

/* The field's value: an array of at most `max` unsigned integers. */
static enum status read_list(struct st_reader *r, const struct entry *e, struct u64_list *list,
                             struct err *err)
{
    enum json_token token;
    enum status s = json_next(r->json, &token, err);

    if (s != OK)
        return s;
    if (token != JSON_ARRAY)
        return fail_entry(r, e, json_token_offset(r->json), err, "%s: is no array", list->field);
    while ((s = json_next(r->json, &token, err)) == OK && token != JSON_ARRAY_END) {
        uint64_t at = json_token_offset(r->json);
        struct slice text = json_token_text(r->json);

        if (list->n == list->max)
            return fail_entry(r, e, at, err, "%s: has more than %zu elements", list->field, list->max);
        if (token != JSON_NUMBER || !json_lexeme_u64(text, &list->v[list->n]))
            return fail_entry(r, e, at, err, "%s[%zu]=%.*s: is no unsigned 64-bit integer", list->field,
                              list->n, (int)min_u64(text.n, SHOWN_MAX), text.n ? text.p : "");
        list->at[list->n++] = at;
    }
    return s;
}

static enum status read_dtype(struct st_reader *r, struct entry *e, struct err *err)
{
    enum json_token token;
    enum status s = json_next(r->json, &token, err);

    if (s != OK)
        return s;
    if (token != JSON_STRING)
        return here(r, e, err, "dtype: is no string");
    struct slice name = json_token_text(r->json);
    e->dtype = dtype_find_st(name);
    if (e->dtype == DT_COUNT)
        return fail_entry(r, e, json_token_offset(r->json), err, "dtype=\"%.*s\": is unknown",
                          (int)min_u64(name.n, SHOWN_MAX), name.n ? name.p : "");
    e->has_dtype = true;
    return OK;
}

static enum status read_field(struct st_reader *r, struct entry *e, struct err *err)
{
    struct slice key = json_token_text(r->json);

    if (slice_eq(key, "dtype"))
        return read_dtype(r, e, err);
    if (slice_eq(key, "shape")) {
        e->has_shape = true;
        return read_list(r, e, &e->shape, err);
    }
    if (slice_eq(key, "data_offsets")) {
        e->has_offsets = true;
        return read_list(r, e, &e->offsets, err);
    }
    return fail_entry(r, e, json_token_offset(r->json), err, "field \"%.*s\": is unknown",
                      (int)min_u64(key.n, SHOWN_MAX), key.n ? key.p : "");
}

static enum status check_entry(const struct st_reader *r, const struct entry *e, struct err *err)
{
    uint64_t nelem, nbytes, begin = e->offsets.v[0], end = e->offsets.v[1];
    char shape[SHAPE_TEXT_MAX];

    if (!e->has_dtype || !e->has_shape || !e->has_offsets)
        return fail_entry(r, e, e->at, err, "%s: is missing",
                          !e->has_dtype   ? "dtype"
                          : !e->has_shape ? "shape"
                                          : "data_offsets");
    if (e->offsets.n != 2)
        return fail_entry(r, e, e->at, err, "data_offsets: has %zu elements, not 2", e->offsets.n);
    if (begin > end)
        return fail_entry(r, e, e->offsets.at[0], err,
                          "data_offsets begin=%" PRIu64 ": lies after its end=%" PRIu64, begin, end);
    if (end > data_nbytes(r))
        return fail_entry(r, e, e->offsets.at[1], err,
                          "data_offsets end=%" PRIu64 ": past the data's %" PRIu64 " bytes", end,
                          data_nbytes(r));
    shape_text(e->shape.v, (uint32_t)e->shape.n, shape);
    if (!shape_nelem(e->shape.v, (uint32_t)e->shape.n, &nelem))
        return fail_entry(r, e, e->at, err, "shape=%s: has more elements than 64 bits can count", shape);
    if (!dtype_nbytes(e->dtype, nelem, &nbytes))
        return fail_entry(r, e, e->at, err, "shape=%s: in %s ends inside a byte, or has more than 2^61 bytes",
                          shape, dtype_st_name(e->dtype));
    if (nbytes != end - begin)
        return fail_entry(r, e, e->offsets.at[0], err,
                          "data_offsets=[%" PRIu64 ", %" PRIu64 "]: %" PRIu64
                          " bytes, but shape=%s in %s takes %" PRIu64,
                          begin, end, end - begin, shape, dtype_st_name(e->dtype), nbytes);
    return OK;
}

/* The tensor whose name is the token just read. */
static enum status read_entry(struct st_reader *r, struct err *err)
{
    struct slice name = json_token_text(r->json);
    struct entry e = {
        .at = json_token_offset(r->json),
        .shape = {.field = "shape", .max = TENSOR_MAX_RANK},
        .offsets = {.field = "data_offsets", .max = 2},
    };
    enum json_token token;

    if (name.n == 0)
        return fail_at(r, e.at, err, "tensor \"\": the name is empty");
    if (name.n > TENSOR_MAX_NAME)
        return fail_at(r, e.at, err, "tensor \"%.*s...\": the name has %zu bytes, over the limit of %" PRIu64,
                       SHOWN_MAX, name.p, name.n, TENSOR_MAX_NAME);
    e.name = arena_strndup(&r->s->arena, name.p, name.n);
    if (!e.name)
        return fail_nomem(err);
    enum status s = json_next(r->json, &token, err);
    if (s == OK && token != JSON_OBJECT)
        return here(r, &e, err, "its entry is no object");
    while (s == OK && (s = json_next(r->json, &token, err)) == OK && token != JSON_OBJECT_END)
        s = read_field(r, &e, err);
    if (s == OK)
        s = check_entry(r, &e, err);
    if (s != OK)
        return s;
    struct tensor t = {
        .name = e.name,
        .dtype = e.dtype,
        .rank = (uint32_t)e.shape.n,
        .file = r->file,
        .off = data_start(r) + e.offsets.v[0],
        .nbytes = e.offsets.v[1] - e.offsets.v[0],
    };
    memcpy(t.shape, e.shape.v, e.shape.n * sizeof t.shape[0]);
    s = source_push_tensor(r->s, &t, err);
    r->seen_nbytes += t.nbytes;
    /* More than there is: some overlap. No need to see the other millions. */
    if (s == OK && r->seen_nbytes > data_nbytes(r))
        s = check_tiling(r, true, err);
    return s;
}

/* ---- the header ---- */

/* One pair, whose key is the token just read; key and value are room to copy into. */
static enum status read_pair(struct st_reader *r, struct buf *key, struct buf *value, struct err *err)
{
    enum json_token token;

    key->n = value->n = 0;
    buf_add(key, json_token_text(r->json).p, json_token_text(r->json).n);
    enum status s = json_next(r->json, &token, err);
    if (s != OK)
        return s;
    if (key->failed)
        return fail_nomem(err);
    if (token != JSON_STRING)
        return fail_at(r, json_token_offset(r->json), err, "__metadata__ \"%.*s\": is no string", SHOWN_MAX,
                       key->p);
    if (r->file != 0)
        return OK;
    if (r->s->st_meta.n == MAX_METADATA)
        return fail(err, E_LIMIT, "%s:%" PRIu64 ": __metadata__: more than %u entries", r->path,
                    json_token_offset(r->json), MAX_METADATA);
    buf_add(value, json_token_text(r->json).p, json_token_text(r->json).n);
    return value->failed ? fail_nomem(err) : meta_set_str(&r->s->st_meta, key->p, value->p, err);
}

static enum status read_metadata(struct st_reader *r, struct err *err)
{
    enum json_token token;
    struct buf key, value;
    enum status s = json_next(r->json, &token, err);

    if (s == OK && token != JSON_OBJECT)
        return fail_at(r, json_token_offset(r->json), err, "__metadata__: is no object");
    buf_init(&key, ST_MAX_HEADER);
    buf_init(&value, ST_MAX_HEADER);
    while (s == OK && (s = json_next(r->json, &token, err)) == OK && token != JSON_OBJECT_END)
        s = read_pair(r, &key, &value, err);
    buf_free(&key);
    buf_free(&value);
    return s;
}

static enum status read_entries(struct st_reader *r, struct err *err)
{
    enum json_token token;
    enum status s = json_next(r->json, &token, err);

    if (s == OK && token != JSON_OBJECT)
        return fail_at(r, SIZE_BYTES, err, "header: is no JSON object");
    while (s == OK && (s = json_next(r->json, &token, err)) == OK && token != JSON_OBJECT_END)
        s = slice_eq(json_token_text(r->json), "__metadata__") ? read_metadata(r, err) : read_entry(r, err);
    return s == OK ? json_next(r->json, &token, err) : s; /* whether anything follows */
}

/* The size field, held against the file. */
static enum status read_size(struct st_reader *r, const struct file *f, struct err *err)
{
    unsigned char field[SIZE_BYTES];

    r->file_nbytes = file_size(f);
    if (r->file_nbytes < SIZE_BYTES)
        return fail_at(r, 0, err, "file size=%" PRIu64 ": a safetensors header needs more", r->file_nbytes);
    enum status s = file_read_at(f, field, sizeof field, 0, err);
    if (s != OK)
        return s;
    if (gguf_probe(field, sizeof field))
        return fail_at(r, 0, err, "is a GGUF file, not safetensors");
    for (int i = SIZE_BYTES - 1; i >= 0; i--)
        r->header_nbytes = r->header_nbytes << 8 | field[i];
    if (r->header_nbytes > r->file_nbytes - SIZE_BYTES)
        return fail_at(r, 0, err,
                       "header size=%" PRIu64 ": the file has %" PRIu64 " bytes, the header claims %" PRIu64,
                       r->header_nbytes, r->file_nbytes, r->header_nbytes);
    if (r->header_nbytes > ST_MAX_HEADER)
        return fail_at(r, 0, err, "header size=%" PRIu64 ": over the limit of %u bytes", r->header_nbytes,
                       ST_MAX_HEADER);
    if (r->header_nbytes < 2)
        return fail_at(r, 0, err, "header size=%" PRIu64 ": too small for a JSON object", r->header_nbytes);
    return OK;
}

/* Bytes of JSON white space that p starts with. */
static size_t blanks(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\n' || p[i] == '\r'))
        i++;
    return i;
}

/* Reads the header's text, but only the first part of one that does not start like JSON. */
static enum status read_text(struct st_reader *r, const struct file *f, struct err *err)
{
    static const char old_fault[] = "{},\"__metadata__\"";
    char first[FIRST_BYTES];
    size_t n = (size_t)min_u64(r->header_nbytes, sizeof first);
    enum status s = file_read_at(f, first, n, SIZE_BYTES, err);

    if (s != OK)
        return s;
    size_t at = blanks(first, n);
    if (at < n && first[at] != '{')
        return fail_at(r, SIZE_BYTES + at, err, "header: starts with byte 0x%02x, not with '{'",
                       (unsigned char)first[at]);
    if (n >= sizeof old_fault - 1 && memcmp(first, old_fault, sizeof old_fault - 1) == 0)
        return fail_at(
            r, SIZE_BYTES + 2, err,
            "header: __metadata__ follows the closed object, a fault of old writers of files without "
            "tensors; write the file again");
    r->text = malloc((size_t)r->header_nbytes);
    if (!r->text)
        return fail_nomem(err);
    return file_read_at(f, r->text, (size_t)r->header_nbytes, SIZE_BYTES, err);
}

enum status st_read(struct source *src, uint32_t file, struct err *err)
{
    const struct file *f = src->files[file].file;
    struct st_reader r = {.s = src, .file = file, .path = src->files[file].path, .first = src->ntensor};
    enum status s = read_size(&r, f, err);

    if (s == OK)
        s = read_text(&r, f, err);
    if (s == OK) {
        r.json = json_reader_new(r.text, (size_t)r.header_nbytes, r.path);
        s = r.json ? OK : fail_nomem(err);
    }
    if (s == OK) {
        json_reader_set_base(r.json, SIZE_BYTES);
        s = read_entries(&r, err);
    }
    /* Released before the index grows: a header may have 100 MB. */
    json_reader_free(r.json);
    free(r.text);
    if (s == OK)
        s = check_tiling(&r, false, err);
    if (s == OK)
        s = source_index_tensors(src, r.first, err);
    if (s == OK)
        src->files[file].header_nbytes = data_start(&r);
    return s;
}

bool st_probe(const unsigned char *head, size_t n, uint64_t file_nbytes)
{
    uint64_t header_nbytes = 0;
    bool is_text = true;

    if (n <= SIZE_BYTES)
        return false;
    for (int i = SIZE_BYTES - 1; i >= 0; i--) {
        header_nbytes = header_nbytes << 8 | head[i];
        is_text = is_text && ((head[i] >= 0x20 && head[i] < 0x7f) || blanks((const char *)head + i, 1));
    }
    n -= SIZE_BYTES;
    size_t at = blanks((const char *)head + SIZE_BYTES, n);
    if (at < n && head[SIZE_BYTES + at] != '{')
        return false;
    /* A size that the file cannot hold is a damaged or cut file, unless those eight bytes are text. */
    return header_nbytes <= ST_MAX_HEADER || (!is_text && at == 0) ||
           header_nbytes <= file_nbytes - SIZE_BYTES;
}
