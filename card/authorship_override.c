/* SPDX-License-Identifier: Apache-2.0 */
/* What the user says of a model, one key at a time or as a JSON object. */
#include <errno.h>
#include <math.h>

#include "card/authorship.h"
#include "core/utf8.h"

#define KEY_MAX 64 /* longer than every key */

static enum status set(struct authorship_overrides *o, enum authorship_field f, const struct card *c)
{
    o->field[f] = c;
    o->is_set[f] = true;
    return OK;
}

/* Edit distance, of which only the order matters; both are shorter than KEY_MAX. */
static size_t distance(struct slice a, const char *b)
{
    size_t row[KEY_MAX], nb = strlen(b);

    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j], best = diagonal + (a.p[i - 1] != b[j - 1]);

            best = (size_t)min_u64(best, min_u64(above, row[j - 1]) + 1);
            diagonal = above;
            row[j] = best;
        }
    }
    return row[nb];
}

static bool is_settable(enum authorship_field f)
{
    return authorship_type(f) != AUTHORSHIP_SOURCES;
}

/* Names the nearest key for one that looks like ours, else all there are. */
static enum status unknown_key(struct slice key, struct err *err)
{
    enum authorship_field best = AUTHORSHIP_NAME;
    size_t best_distance = SIZE_MAX;
    struct buf all;

    if (key.n >= 8 && key.n < KEY_MAX && memcmp(key.p, "general.", 8) == 0) {
        for (enum authorship_field f = 0; f < AUTHORSHIP_NFIELD; f++) {
            size_t d = is_settable(f) ? distance(key, authorship_key(f)) : SIZE_MAX;

            best = d < best_distance ? f : best;
            best_distance = d < best_distance ? d : best_distance;
        }
        return fail(err, E_USAGE, "metadata key %.*s: no such key; the nearest is %s", (int)key.n, key.p,
                    authorship_key(best));
    }
    buf_init(&all, 4 * KIB);
    for (enum authorship_field f = 0; f < AUTHORSHIP_NFIELD; f++)
        if (is_settable(f))
            buf_printf(&all, "%s%s", all.n ? ", " : "", authorship_key(f) + strlen("general."));
    if (all.failed) {
        buf_free(&all);
        return fail_nomem(err);
    }
    fail(err, E_USAGE, "metadata key %.*s: only what describes the model can be set: general. followed by %s",
         (int)min_u64(key.n, KEY_MAX), key.p, all.p);
    buf_free(&all);
    return E_USAGE;
}

static bool read_number(const char *text, enum authorship_type type, struct card *c)
{
    char *end;

    if (text[strspn(text, "+-.0123456789eE")] != '\0') // no hex, no names, no blanks
        return false;
    errno = 0;
    c->number = strtod(text, &end);
    if (end == text || *end || errno == ERANGE)
        return false;
    if (type == AUTHORSHIP_REAL)
        return isfinite((float)c->number);
    return c->number >= INT32_MIN && c->number <= INT32_MAX && c->number == trunc(c->number);
}

static enum status add_item(struct authorship_overrides *o, enum authorship_field f, const char *text,
                            struct err *err)
{
    struct card *list = card_new(o->arena, CARD_LIST), *item = card_new_str(o->arena, text);
    const struct card *before = o->field[f];

    if (!list || !item)
        return fail_nomem(err);
    for (size_t i = 0; before && i < before->n; i++)
        if (!card_append(o->arena, list, NULL, before->pair[i].value))
            return fail_nomem(err);
    if (!card_append(o->arena, list, NULL, item))
        return fail_nomem(err);
    return set(o, f, list);
}

enum status authorship_override(struct authorship_overrides *o, const char *key_value, struct err *err)
{
    const char *eq = strchr(key_value, '=');
    enum authorship_field f = 0;

    if (!eq)
        return fail(err, E_USAGE, "metadata %s: expected KEY=VALUE", key_value);
    struct slice key = {key_value, (size_t)(eq - key_value)};
    while (f < AUTHORSHIP_NFIELD && !(is_settable(f) && slice_eq(key, authorship_key(f))))
        f++;
    if (f == AUTHORSHIP_NFIELD)
        return unknown_key(key, err);
    const char *value = eq + 1;
    if (!utf8_valid(value, strlen(value)))
        return fail(err, E_USAGE, "metadata %s: value=%s: not UTF-8", authorship_key(f), value);
    if (!*value)
        return set(o, f, NULL);
    if (authorship_type(f) == AUTHORSHIP_LIST)
        return add_item(o, f, value, err);
    struct card *c = card_new_str(o->arena, value);
    if (!c)
        return fail_nomem(err);
    if (authorship_type(f) == AUTHORSHIP_TEXT)
        return set(o, f, c);
    c->kind = CARD_FLOAT;
    if (!read_number(value, authorship_type(f), c))
        return fail(err, E_USAGE, "metadata %s: value=%s: expected %s", authorship_key(f), value,
                    authorship_type(f) == AUTHORSHIP_REAL ? "a number" : "a whole number of 32 bits");
    return set(o, f, c);
}

/* ---- JSON ---- */

/* Where in the object we are, for errors. */
struct place {
    const char *name, *key;
    struct arena *arena;
};

static enum status wrong_type(const struct place *at, const struct json *v, const char *wanted,
                              struct err *err)
{
    return fail(err, E_USAGE, "%s: %s: is %s; expected %s", at->name, at->key, json_kind_name(json_kind(v)),
                wanted);
}

static enum status json_text(const struct place *at, const struct json *v, struct card **out, struct err *err)
{
    if (!json_str(v))
        return wrong_type(at, v, "text", err);
    *out = card_new_str(at->arena, json_str(v));
    return *out ? OK : fail_nomem(err);
}

/* An object of texts; a null in it is as if it were not there. */
static enum status json_source(const struct place *at, const struct json *v, struct card **out,
                               struct err *err)
{
    enum status st = OK;

    if (json_kind(v) != JSON_K_OBJECT)
        return wrong_type(at, v, "a list of objects", err);
    *out = card_new(at->arena, CARD_MAP);
    if (!*out)
        return fail_nomem(err);
    for (const struct json *c = json_first(v); !st && c; c = json_after(c)) {
        struct card *text;
        const char *key = arena_strdup(at->arena, json_key(c));

        if (!key)
            return fail_nomem(err);
        if (json_kind(c) == JSON_K_NULL)
            continue;
        st = json_text(at, c, &text, err);
        if (!st && !card_append(at->arena, *out, key, text))
            return fail_nomem(err);
    }
    return st;
}

static enum status json_value(const struct place *at, enum authorship_type type, const struct json *v,
                              struct card **out, struct err *err)
{
    bool is_list = type == AUTHORSHIP_LIST || type == AUTHORSHIP_SOURCES;
    enum status st = OK;

    if (type == AUTHORSHIP_TEXT)
        return json_text(at, v, out, err);
    *out = card_new(at->arena, is_list ? CARD_LIST : CARD_FLOAT);
    if (!*out)
        return fail_nomem(err);
    if (!is_list)
        return json_num(v, &(*out)->number) ? OK : wrong_type(at, v, "a number", err);
    if (json_kind(v) != JSON_K_ARRAY)
        return wrong_type(at, v, type == AUTHORSHIP_LIST ? "a list of texts" : "a list of objects", err);
    for (const struct json *c = json_first(v); !st && c; c = json_after(c)) {
        struct card *item = NULL;

        st = type == AUTHORSHIP_LIST ? json_text(at, c, &item, err) : json_source(at, c, &item, err);
        if (!st && !card_append(at->arena, *out, NULL, item))
            return fail_nomem(err);
    }
    return st;
}

/* The field of a key in gguf-py's form, or AUTHORSHIP_NFIELD. */
static enum authorship_field json_field(const char *key)
{
    if (strcmp(key, "general.base_models") == 0)
        return AUTHORSHIP_BASE_MODELS;
    if (strcmp(key, "general.datasets") == 0)
        return AUTHORSHIP_DATASETS;
    for (enum authorship_field f = 0; f < AUTHORSHIP_NFIELD; f++)
        if (is_settable(f) && f != AUTHORSHIP_LICENSE && strcmp(key, authorship_key(f)) == 0)
            return f;
    return AUTHORSHIP_NFIELD;
}

enum status authorship_override_json(struct authorship_overrides *o, const struct json *object,
                                     const char *name, struct notes *notes, struct err *err)
{
    enum status st = OK;

    if (json_kind(object) != JSON_K_OBJECT)
        return fail(err, E_USAGE, "%s: holds %s; expected an object", name,
                    json_kind_name(json_kind(object)));
    for (const struct json *c = json_first(object); !st && c; c = json_after(c)) {
        enum authorship_field f = json_field(json_key(c));
        struct place at = {name, json_key(c), o->arena};
        struct card *value = NULL;

        if (f == AUTHORSHIP_NFIELD) {
            st =
                notes_add(notes, err, "%s: %s: cannot be set from a file; it is left out", name, json_key(c));
            continue;
        }
        if (json_kind(c) != JSON_K_NULL)
            st = json_value(&at, authorship_type(f), c, &value, err);
        if (!st)
            st = set(o, f, value);
    }
    return st;
}
