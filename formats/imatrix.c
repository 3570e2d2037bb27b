/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/imatrix.h"

#include <math.h>

#include "core/utf8.h"
#include "formats/gguf.h"

#define IMATRIX_ARENA_LIMIT (16 * GIB)
#define SUMS                ".in_sum2"
#define COUNTS              ".counts"

/* ---- both files ---- */

static enum status check_values(const struct imatrix *im, const char *name, const float *v, uint64_t n,
                                struct err *err)
{
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(v[i]) || v[i] < 0)
            return fail(err, E_FORMAT, "%s: entry %s: value %" PRIu64 "=%g: must be finite and not negative",
                        im->path, name, i, (double)v[i]);
    return OK;
}

/* A later entry of the same name replaces the earlier one, as in llama.cpp. */
static enum status add_entry(struct imatrix *im, const struct imatrix_entry *e, struct err *err)
{
    uint32_t earlier;

    if (!arena_grow(&im->arena, (void **)&im->entries, im->n, &im->cap, sizeof *im->entries) ||
        !map_add(&im->index, slice_of(e->name), (uint32_t)im->n, &earlier))
        return fail_nomem(err);
    im->entries[earlier == MAP_NONE ? im->n++ : earlier] = *e;
    return OK;
}

/* ---- GGUF ---- */

static enum status read_floats(struct imatrix *im, const struct source *s, const struct tensor *t,
                               float **out, struct err *err)
{
    *out = arena_alloc(&im->arena, t->nbytes);
    if (!*out)
        return fail_nomem(err);
    return file_read_at(s->files[t->file].file, *out, (size_t)t->nbytes, t->off, err);
}

/* Mean squares of one tensor: sums over counts, matrix by matrix. */
static enum status add_pair(struct imatrix *im, const struct source *s, const struct tensor *sums,
                            const struct tensor *counts, struct err *err)
{
    struct imatrix_entry e = {.n = sums->nbytes / 4, .nmatrix = counts->nbytes / 4};
    float *values, *count;

    if (sums->dtype != DT_F32 || counts->dtype != DT_F32)
        return fail(err, E_FORMAT, "%s: tensor %s: must be f32, and its counts too", im->path, sums->name);
    if (e.nmatrix == 0 || e.n == 0 || e.n % e.nmatrix)
        return fail(err, E_FORMAT, "%s: tensor %s: %" PRIu64 " sums for %" PRIu64 " counts", im->path,
                    sums->name, e.n, e.nmatrix);
    enum status st = read_floats(im, s, sums, &values, err);
    if (st == OK)
        st = read_floats(im, s, counts, &count, err);
    if (st == OK)
        st = check_values(im, sums->name, values, e.n, err);
    if (st == OK)
        st = check_values(im, counts->name, count, e.nmatrix, err);
    if (st != OK)
        return st;
    uint64_t ncol = e.n / e.nmatrix;
    bool *unhit = arena_array(&im->arena, e.nmatrix, sizeof *unhit);
    if (!unhit)
        return fail_nomem(err);
    for (uint64_t m = 0; m < e.nmatrix; m++) {
        float c = roundf(count[m]);

        unhit[m] = c <= 0;
        e.nunhit += unhit[m];
        for (uint64_t i = 0; i < ncol; i++)
            values[m * ncol + i] = c > 0 ? values[m * ncol + i] / c : 1.0f;
    }
    e.values = values;
    e.unhit = e.nunhit > 0 ? unhit : NULL;
    e.name = arena_strndup(&im->arena, sums->name, strlen(sums->name) - strlen(SUMS));
    return e.name ? add_entry(im, &e, err) : fail_nomem(err);
}

static enum status read_keys(struct imatrix *im, const struct source *s, struct err *err)
{
    static const char *const required[] = {"imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"};
    const struct meta_kv *datasets = meta_find(&s->meta, required[0]);
    uint64_t pos = 0, chunks = 0;
    struct slice first;

    for (size_t i = 0; i < ARRAY_LEN(required); i++)
        if (!meta_find(&s->meta, required[i]))
            return fail(err, E_FORMAT, "%s: is no importance matrix: key %s is missing", im->path,
                        required[i]);
    (void)meta_u64(meta_find(&s->meta, required[1]), &chunks);
    im->chunk_count = (uint32_t)min_u64(chunks, UINT32_MAX);
    if (meta_next_str(datasets, &pos, &first)) {
        im->dataset = arena_strndup(&im->arena, first.p, first.n);
        if (!im->dataset)
            return fail_nomem(err);
    }
    return OK;
}

static enum status load_gguf(struct imatrix *im, struct err *err)
{
    struct source *s = NULL;
    enum status st = source_open(&s, im->path, err);

    if (st == OK)
        st = read_keys(im, s, err);
    for (size_t i = 0; i < (st == OK ? s->ntensor : 0) && st == OK; i++) {
        const struct tensor *t = &s->tensors[i];
        bool sums = str_ends(t->name, SUMS), counts = str_ends(t->name, COUNTS);
        size_t stem = strlen(t->name) - strlen(sums ? SUMS : COUNTS);
        char other[512];

        if (!sums && !counts)
            continue;
        snprintf(other, sizeof other, "%.*s%s", (int)stem, t->name, sums ? COUNTS : SUMS);
        const struct tensor *pair = source_find(s, other);
        if (!pair)
            st = fail(err, E_FORMAT, "%s: tensor %s: there is no %s", im->path, t->name, other);
        else if (sums)
            st = add_pair(im, s, t, pair, err);
    }
    source_close(s);
    return st;
}

/* ---- the older file ---- */

struct cursor {
    const struct imatrix *im;
    const struct buf *text;
    size_t at;
};

/* n bytes at the cursor; NULL (E_FORMAT, naming the field) when fewer are left. */
static const void *take(struct cursor *c, const char *field, uint64_t n, struct err *err)
{
    const char *p = c->text->p + c->at;

    if (n > c->text->n - c->at) {
        fail(err, E_FORMAT, "%s:%zu: %s needs %" PRIu64 " bytes, but %zu are left", c->im->path, c->at, field,
             n, c->text->n - c->at);
        return NULL;
    }
    c->at += (size_t)n;
    return p;
}

static enum status take_i32(struct cursor *c, const char *field, int32_t least, int32_t *v, struct err *err)
{
    size_t at = c->at;
    const void *p = take(c, field, 4, err);

    if (!p)
        return err->status;
    memcpy(v, p, 4);
    if (*v < least)
        return fail(err, E_FORMAT, "%s:%zu: %s=%d: must be at least %d", c->im->path, at, field, *v, least);
    return OK;
}

/* An entry's name, terminated, in the arena. */
static enum status take_name(struct imatrix *im, struct cursor *c, const char **out, struct err *err)
{
    size_t at = c->at;
    int32_t n = 0;
    enum status s = take_i32(c, "name length", 1, &n, err);
    const char *name = s == OK ? take(c, "name", (uint64_t)n, err) : NULL;

    if (!name)
        return err->status;
    if (memchr(name, 0, (size_t)n) || !utf8_valid(name, (size_t)n))
        return fail(err, E_FORMAT, "%s:%zu: an entry's name is no text", im->path, at);
    *out = arena_strndup(&im->arena, name, (size_t)n);
    return *out ? OK : fail_nomem(err);
}

static enum status read_entry(struct imatrix *im, struct cursor *c, struct err *err)
{
    struct imatrix_entry e = {.nmatrix = 1};
    int32_t ncall = 0, nval = 0;
    enum status s = take_name(im, c, &e.name, err);

    if (s == OK)
        s = take_i32(c, "number of calls", INT32_MIN, &ncall, err);
    if (s == OK)
        s = take_i32(c, "number of values", 1, &nval, err);
    if (s != OK)
        return s;
    const void *data = take(c, "values", (uint64_t)nval * 4, err);
    if (!data)
        return err->status;
    e.n = (uint64_t)nval;
    float *values = arena_array(&im->arena, e.n, sizeof *values);
    if (!values)
        return fail_nomem(err);
    memcpy(values, data, e.n * 4);
    s = check_values(im, e.name, values, e.n, err);
    for (uint64_t i = 0; i < e.n && ncall > 0; i++)
        values[i] /= (float)ncall;
    e.values = values;
    return s == OK ? add_entry(im, &e, err) : s;
}

/* After the entries there may be the number of chunks and the dataset's name. */
static enum status read_trailer(struct imatrix *im, struct cursor *c, struct err *err)
{
    int32_t chunks = 0, n = 0;

    if (c->at == c->text->n)
        return OK;
    enum status s = take_i32(c, "number of chunks", 0, &chunks, err);
    if (s == OK)
        s = take_i32(c, "dataset length", 0, &n, err);
    if (s != OK)
        return s;
    const char *name = take(c, "dataset", (uint64_t)n, err);
    if (!name)
        return err->status;
    im->chunk_count = (uint32_t)chunks;
    im->dataset = n ? arena_strndup(&im->arena, name, (size_t)n) : NULL;
    return n && !im->dataset ? fail_nomem(err) : OK;
}

static enum status load_legacy(struct imatrix *im, struct err *err)
{
    struct buf text;
    struct cursor c = {im, &text, 0};
    int32_t n = 0;

    buf_init(&text, 4 * GIB);
    enum status s = file_load(im->path, &text, err);
    if (s == OK)
        s = take_i32(&c, "number of entries", 1, &n, err);
    for (int32_t i = 0; i < n && s == OK; i++)
        s = read_entry(im, &c, err);
    if (s == OK)
        s = read_trailer(im, &c, err);
    buf_free(&text);
    return s;
}

/* ---- */

static enum status is_gguf(const char *path, bool *gguf, struct err *err)
{
    struct file *f = NULL;
    unsigned char head[16];
    enum status s = file_open(&f, path, err);

    if (s != OK)
        return s;
    size_t n = (size_t)min_u64(file_size(f), sizeof head);
    s = file_read_at(f, head, n, 0, err);
    *gguf = s == OK && gguf_probe(head, n);
    file_close(f);
    return s;
}

enum status imatrix_load(struct imatrix *im, const char *path, struct err *err)
{
    bool gguf;

    *im = (struct imatrix){0};
    arena_init(&im->arena, IMATRIX_ARENA_LIMIT);
    enum status s = is_gguf(path, &gguf, err);
    if (s != OK)
        return s;
    im->path = arena_strdup(&im->arena, path);
    if (!im->path)
        return fail_nomem(err);
    s = gguf ? load_gguf(im, err) : load_legacy(im, err);
    if (s == OK && im->n == 0)
        s = fail(err, E_FORMAT, "%s: has no entries", path);
    return s;
}

void imatrix_free(struct imatrix *im)
{
    map_free(&im->index);
    arena_free(&im->arena);
    *im = (struct imatrix){0};
}

const struct imatrix_entry *imatrix_find(const struct imatrix *im, const char *name)
{
    uint32_t i = map_find(&im->index, slice_of(name));

    return i == MAP_NONE ? NULL : &im->entries[i];
}
