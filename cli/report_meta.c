/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "cli/report.h"
#include "cli/tty.h"

#define SHOWN_BYTES    60 /* of a string in text */
#define SHOWN_ELEMENTS 6  /* of an array in text */
#define KEY_COLUMN     44

/* ---- one value ---- */

static uint64_t load_le(const unsigned char *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

/* Shortest decimal that gives the same f32 back, so that 1e-6 does not show as 9.99999997e-07. */
static void float_text(float v, char out[TTY_NUMBER_MAX])
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, TTY_NUMBER_MAX, "%.*g", digits, (double)v);
        if (strtof(out, NULL) == v)
            break;
    }
}

static int64_t load_signed(const struct meta_kv *kv)
{
    unsigned unused = 64 - 8 * meta_type_size(kv->type);

    return (int64_t)(load_le(kv->data, meta_type_size(kv->type)) << unused) >> unused;
}

static void put_scalar(struct json_writer *w, const struct meta_kv *kv)
{
    char text[TTY_NUMBER_MAX];
    struct slice s;
    double d;

    switch (kv->type) {
    case META_U8:
    case META_U16:
    case META_U32:
    case META_U64:
        json_put_u64(w, load_le(kv->data, meta_type_size(kv->type)));
        break;
    case META_I8:
    case META_I16:
    case META_I32:
    case META_I64:
        json_put_i64(w, load_signed(kv));
        break;
    case META_F32:
    case META_F64:
        if (!meta_f64(kv, &d))
            d = NAN;
        if (kv->type == META_F32 && isfinite(d)) {
            float_text((float)d, text);
            d = strtod(text, NULL);
        }
        json_put_f64(w, d);
        break;
    case META_BOOL:
        json_put_bool(w, kv->data[0]);
        break;
    case META_STR:
        if (meta_str(kv, &s))
            json_put_strn(w, s.p, s.n);
        else
            json_put_null(w);
        break;
    case META_ARRAY:
    case META_TYPE_COUNT:
        json_put_null(w);
        break;
    }
}

/* Calls put for the first n elements of an array. */
static void each_element(const struct meta_kv *array, uint64_t n, void *ctx,
                         void (*put)(void *ctx, const struct meta_kv *element))
{
    uint32_t size = meta_type_size(array->elem);
    uint64_t pos = 0;
    struct slice s;

    for (uint64_t i = 0; i < n; i++) {
        struct meta_kv element = {.type = array->elem, .count = 1, .nbytes = size};

        element.data = array->data + i * size;
        if (array->elem == META_STR) {
            uint64_t start = pos;

            if (!meta_next_str(array, &pos, &s))
                return;
            element.data = array->data + start;
            element.nbytes = pos - start;
        }
        put(ctx, &element);
    }
}

/* ---- text ---- */

static void add_short_string(struct buf *out, struct slice s)
{
    buf_add_char(out, '"');
    tty_add_printable(out, s.p, min_u64(s.n, SHOWN_BYTES));
    buf_add_char(out, '"');
    if (s.n > SHOWN_BYTES)
        buf_printf(out, "... (%zu bytes)", s.n);
}

static void add_scalar(struct buf *out, const struct meta_kv *kv)
{
    struct json_writer w = {.out = out};
    struct slice s;
    double d;

    if (meta_str(kv, &s))
        add_short_string(out, s);
    else if (meta_f64(kv, &d) && !isfinite(d))
        buf_add_str(out, isnan(d) ? "nan" : d > 0 ? "inf" : "-inf");
    else
        put_scalar(&w, kv);
}

struct text_list {
    struct buf *out;
    bool started;
};

static void add_element(void *ctx, const struct meta_kv *element)
{
    struct text_list *list = ctx;

    buf_add_str(list->out, list->started ? ", " : "");
    list->started = true;
    add_scalar(list->out, element);
}

static void add_value(struct buf *out, const struct meta_kv *kv)
{
    struct text_list list = {.out = out};

    if (kv->type != META_ARRAY) {
        add_scalar(out, kv);
        return;
    }
    buf_add_char(out, '[');
    if (kv->elem != META_ARRAY)
        each_element(kv, min_u64(kv->count, SHOWN_ELEMENTS), &list, add_element);
    buf_printf(out, "%s]", kv->elem == META_ARRAY || kv->count > SHOWN_ELEMENTS ? ", ..." : "");
}

/* A line's key, then blanks up to the value's column. */
static void add_key(struct buf *out, const char *key, size_t n)
{
    size_t start = out->n;

    tty_add_printable(out, key, n);
    size_t used = min_u64(out->n - start, KEY_COLUMN);
    buf_printf(out, "%*s ", (int)(KEY_COLUMN - used), "");
}

void report_meta_text(struct buf *out, const struct meta *meta)
{
    char type[48];

    for (size_t i = 0; i < meta->n; i++) {
        const struct meta_kv *kv = &meta->kv[i];

        add_key(out, kv->key, strlen(kv->key));
        if (kv->type == META_ARRAY)
            snprintf(type, sizeof type, "%s[%" PRIu64 "]", meta_type_name(kv->elem), kv->count);
        else
            snprintf(type, sizeof type, "%s", meta_type_name(kv->type));
        buf_printf(out, "%-12s ", type);
        add_value(out, kv);
        buf_add_char(out, '\n');
    }
}

static void add_tree_value(struct buf *out, const struct json *v)
{
    struct json_writer w = {.out = out};
    enum json_kind kind = json_kind(v);

    if (kind == JSON_K_STRING)
        add_short_string(out, slice_of(json_str(v)));
    else if (kind == JSON_K_OBJECT)
        buf_add_str(out, "{...}");
    else if (kind == JSON_K_ARRAY)
        buf_add_str(out, "[...]");
    else
        json_put_tree(&w, v);
}

static void add_tree(struct buf *out, struct buf *path, const struct json *v)
{
    size_t n = path->n, i = 0;

    if (json_kind(v) == JSON_K_OBJECT) {
        for (const struct json *c = json_first(v); c && !path->failed; c = json_after(c)) {
            buf_printf(path, ".%s", json_key(c));
            add_tree(out, path, c);
            path->n = n;
        }
        return;
    }
    add_key(out, path->p, path->n);
    if (json_kind(v) != JSON_K_ARRAY) {
        add_tree_value(out, v);
    } else {
        const struct json *c = json_first(v);

        buf_add_char(out, '[');
        for (; c && i < SHOWN_ELEMENTS; c = json_after(c)) {
            buf_add_str(out, i++ ? ", " : "");
            add_tree_value(out, c);
        }
        buf_add_str(out, c ? ", ...]" : "]");
    }
    buf_add_char(out, '\n');
}

void report_tree_text(struct buf *out, const char *prefix, const struct json *v)
{
    struct buf path;

    buf_init(&path, MIB);
    buf_add_str(&path, prefix);
    if (!path.failed)
        add_tree(out, &path, v);
    if (path.failed)
        out->failed = true;
    buf_free(&path);
}

/* ---- JSON ---- */

static void put_element(void *ctx, const struct meta_kv *element)
{
    put_scalar(ctx, element);
}

static void put_array(struct json_writer *w, const struct meta_kv *kv, bool complete)
{
    if (kv->elem == META_ARRAY || (kv->count > REPORT_LONG_ARRAY && !complete)) {
        json_open(w, '{');
        json_put_key(w, "type");
        json_put_str(w, meta_type_name(META_ARRAY));
        json_put_key(w, "elem");
        json_put_str(w, meta_type_name(kv->elem));
        json_put_key(w, "count");
        json_put_u64(w, kv->count);
        json_close(w, '}');
        return;
    }
    json_open(w, '[');
    each_element(kv, kv->count, w, put_element);
    json_close(w, ']');
}

void report_meta_json(struct json_writer *w, const struct meta *meta, bool complete)
{
    json_open(w, '{');
    for (size_t i = 0; i < meta->n; i++) {
        json_put_key(w, meta->kv[i].key);
        if (meta->kv[i].type == META_ARRAY)
            put_array(w, &meta->kv[i], complete);
        else
            put_scalar(w, &meta->kv[i]);
    }
    json_close(w, '}');
}
