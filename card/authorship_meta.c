/* SPDX-License-Identifier: Apache-2.0 */
/* From what is known to typed keys: which values gguf-py writes, as what, and which it cannot. */
#include <math.h>

#include "card/authorship.h"

static const struct {
    const char *key;
    enum authorship_type type;
} fields[] = {
#define X(id, type, key) [id] = {key, AUTHORSHIP_##type},
#include "card/authorship.def"
#undef X
};

/* Texts a base model or dataset may have, in the file's order. */
static const char *const source_keys[] = {
    "name", "author", "version", "organization", "description", "url", "doi", "uuid", "repo_url",
};

const char *authorship_key(enum authorship_field f)
{
    return fields[f].key;
}

enum authorship_type authorship_type(enum authorship_field f)
{
    return fields[f].type;
}

/* A text, or another scalar as written unless it is nothing (false, 0). */
static const char *scalar_text(const struct card *c)
{
    if (!c || c->kind == CARD_STR || card_is_true(c))
        return c ? c->text : NULL;
    return NULL;
}

/* A list's item as written, false and 0 included; NULL for nothing, lists and maps. */
static const char *item_text(const struct card *c)
{
    return c->kind == CARD_NULL ? NULL : c->text;
}

/* The scalars of a list joined with commas; NULL when out of memory. */
static char *join(const struct card *list, struct arena *arena)
{
    uint64_t n = 1;

    for (size_t i = 0; i < list->n; i++)
        n += item_text(list->pair[i].value) ? strlen(item_text(list->pair[i].value)) + 1 : 0;
    char *text = arena_alloc(arena, n), *p = text;
    for (size_t i = 0; text && i < list->n; i++) {
        const char *item = item_text(list->pair[i].value);

        if (!item)
            continue;
        if (p > text)
            *p++ = ',';
        memcpy(p, item, strlen(item));
        p += strlen(item);
    }
    return text;
}

enum status authorship_text(const struct authorship *a, enum authorship_field f, const char **text,
                            struct arena *arena, struct err *err)
{
    const struct card *c = a->field[f];

    *text = scalar_text(c);
    if (f != AUTHORSHIP_LICENSE || !c || c->kind != CARD_LIST)
        return OK;
    *text = join(c, arena);
    return *text ? OK : fail_nomem(err);
}

static enum status note_unfit(struct notes *notes, const char *key, const char *wanted, struct err *err)
{
    return notes_add(notes, err, "%s: the value found is not %s; it is left out", key, wanted);
}

static enum status put_text(struct meta *out, enum authorship_field f, const struct authorship *a,
                            struct notes *notes, struct err *err)
{
    const char *text;
    enum status st = authorship_text(a, f, &text, out->arena, err);

    if (st)
        return st;
    if (text && *text)
        return meta_set_str(out, fields[f].key, text, err);
    if (!text && card_is_true(a->field[f]))
        return note_unfit(notes, fields[f].key, "text", err);
    return OK;
}

static bool is_number(const struct card *c)
{
    return c->kind == CARD_BOOL || c->kind == CARD_INT || c->kind == CARD_FLOAT;
}

static bool fits_i32(const struct card *c)
{
    return is_number(c) && c->number >= INT32_MIN && c->number <= INT32_MAX && c->number == trunc(c->number);
}

/* Infinity fits; a finite number that would become infinite does not. */
static bool fits_f32(const struct card *c)
{
    return is_number(c) && (!isfinite(c->number) || isfinite((float)c->number));
}

static enum status put_number(struct meta *out, enum authorship_field f, const struct card *c,
                              struct notes *notes, struct err *err)
{
    if (fields[f].type == AUTHORSHIP_REAL) {
        if (!fits_f32(c))
            return note_unfit(notes, fields[f].key, "a number", err);
        return meta_set_f32(out, fields[f].key, (float)c->number, err);
    }
    if (!fits_i32(c))
        return note_unfit(notes, fields[f].key, "a whole number of 32 bits", err);
    uint32_t bits = (uint32_t)(int32_t)c->number;
    const unsigned char data[] = {(unsigned char)bits, (unsigned char)(bits >> 8),
                                  (unsigned char)(bits >> 16), (unsigned char)(bits >> 24)};
    return meta_set(
        out,
        (struct meta_kv){
            .key = fields[f].key, .type = META_I32, .count = 1, .data = data, .nbytes = sizeof data},
        err);
}

static enum status put_texts(struct meta *out, const char *key, const struct card *list, struct notes *notes,
                             struct err *err)
{
    struct slice *item = arena_array(out->arena, list->n, sizeof *item);
    size_t n = 0;

    if (!item)
        return fail_nomem(err);
    for (size_t i = 0; i < list->n; i++)
        if (item_text(list->pair[i].value))
            item[n++] = slice_of(item_text(list->pair[i].value));
    enum status st = n ? meta_set_strs(out, key, item, n, err) : OK;
    return !st && n < list->n ? note_unfit(notes, key, "a list of texts alone", err) : st;
}

/* A list of numbers or bools alone is an array of them, as in gguf-py, odd as that is for tags: 32-bit
 * values, bools as bytes. */
static enum status put_numbers(struct meta *out, const char *key, const struct card *list, struct err *err)
{
    enum card_kind kind = list->pair[0].value->kind;
    struct meta_kv kv = {.key = key, .type = META_ARRAY, .count = list->n};
    struct buf data;

    buf_init(&data, 4 * list->n);
    for (size_t i = 0; i < list->n; i++) {
        double v = list->pair[i].value->number;
        float f = (float)v;
        uint32_t bits = 0;

        memcpy(&bits, &f, sizeof bits);
        if (kind == CARD_BOOL)
            buf_add_char(&data, v != 0);
        else
            buf_add_u32(&data, kind == CARD_FLOAT ? bits : (uint32_t)(int32_t)v);
    }
    kv.elem = kind == CARD_BOOL ? META_BOOL : kind == CARD_FLOAT ? META_F32 : META_I32;
    kv.data = (const unsigned char *)data.p;
    kv.nbytes = data.n;
    enum status st = data.failed ? fail_nomem(err) : meta_set(out, kv, err);
    buf_free(&data);
    return st;
}

static enum status put_list(struct meta *out, const char *key, const struct card *list, struct notes *notes,
                            struct err *err)
{
    bool numbers = list->n > 0 && is_number(list->pair[0].value);

    for (size_t i = 0; numbers && i < list->n; i++) {
        const struct card *c = list->pair[i].value;

        numbers = c->kind == list->pair[0].value->kind && (c->kind == CARD_FLOAT ? fits_f32(c) : fits_i32(c));
    }
    if (numbers)
        return put_numbers(out, key, list, err);
    return list->n ? put_texts(out, key, list, notes, err) : OK;
}

static enum status put_sources(struct meta *out, const char *prefix, const struct card *list,
                               struct notes *notes, struct err *err)
{
    const char *key = arena_printf(out->arena, "%s.count", prefix);
    enum status st = key ? meta_set_u32(out, key, (uint32_t)list->n, err) : fail_nomem(err);

    for (size_t i = 0; !st && i < list->n; i++) {
        for (size_t k = 0; !st && k < ARRAY_LEN(source_keys); k++) {
            const struct card *c = card_get(list->pair[i].value, source_keys[k]);
            const char *text = scalar_text(c);

            if (!card_is_true(c))
                continue;
            key = arena_printf(out->arena, "%s.%zu.%s", prefix, i, source_keys[k]);
            if (!key)
                return fail_nomem(err);
            st = text ? meta_set_str(out, key, text, err) : note_unfit(notes, key, "text", err);
        }
    }
    return st;
}

enum status authorship_to_meta(const struct authorship *a, struct meta *out, struct notes *notes,
                               struct err *err)
{
    enum status st = OK;

    for (enum authorship_field f = 0; !st && f < AUTHORSHIP_NFIELD; f++) {
        const struct card *c = a->field[f];

        if (!c)
            continue;
        switch (fields[f].type) {
        case AUTHORSHIP_TEXT:
            st = put_text(out, f, a, notes, err);
            break;
        case AUTHORSHIP_COUNT:
        case AUTHORSHIP_REAL:
            st = put_number(out, f, c, notes, err);
            break;
        case AUTHORSHIP_LIST:
            st = put_list(out, fields[f].key, c, notes, err);
            break;
        case AUTHORSHIP_SOURCES:
            st = put_sources(out, fields[f].key, c, notes, err);
            break;
        }
    }
    return st;
}
