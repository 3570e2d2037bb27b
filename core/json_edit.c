/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing members of one object in a text. The reader says where each member of the object stands; the text
 * is then put together anew from its own bytes and the new values.
 */
#include "core/json_int.h"
#include "core/map.h"

/* A member as it stands in the text. */
struct place {
    size_t key, value, end;
    uint32_t change; /* index into the members to set, or MAP_NONE */
};

struct edit {
    struct json_reader *r;
    struct slice text;
    const struct json_member *members;
    size_t nmember;
    struct map index;    /* key -> member to set */
    struct place *place; /* members of the object, in order */
    size_t n, cap;
    size_t open, close; /* offsets of the first byte behind '{' and of '}' */
};

/* ---- finding ---- */

/* The end of the value that stands before the token just read: only blanks and a comma lie between. */
static size_t end_before_token(const struct edit *e)
{
    size_t end = (size_t)json_token_offset(e->r);

    while (end > 0 && memchr(" \t\r\n,", e->text.p[end - 1], 5))
        end--;
    return end;
}

/* Moves into the object that the key's value is. */
static enum status descend(struct edit *e, const char *key, struct err *err)
{
    enum json_token token;
    enum status s;

    while ((s = json_next(e->r, &token, err)) == OK && token != JSON_OBJECT_END) {
        bool found = slice_eq(json_token_text(e->r), key);

        s = json_next(e->r, &token, err);
        if (s != OK)
            return s;
        if (found && token == JSON_OBJECT)
            return OK;
        if (found)
            break;
        s = json_skip(e->r, token, err);
        if (s != OK)
            return s;
    }
    return s == OK ? fail(err, E_FORMAT, "%s: %s: there is no such object", e->r->name, key) : s;
}

static bool add_place(struct edit *e, struct place p)
{
    if (e->n == e->cap) {
        size_t bigger = e->cap ? 2 * e->cap : 64;
        struct place *grown = realloc(e->place, bigger * sizeof *grown);

        if (!grown)
            return false;
        e->place = grown;
        e->cap = bigger;
    }
    e->place[e->n++] = p;
    return true;
}

/* The members of the object whose '{' was just read. */
static enum status list_places(struct edit *e, struct err *err)
{
    enum json_token token;
    enum status s;

    e->open = (size_t)json_token_offset(e->r) + 1;
    while ((s = json_next(e->r, &token, err)) == OK) {
        if (e->n > 0)
            e->place[e->n - 1].end = end_before_token(e);
        if (token == JSON_OBJECT_END)
            break;
        struct place p = {.key = (size_t)json_token_offset(e->r),
                          .change = map_find(&e->index, json_token_text(e->r))};
        s = json_next(e->r, &token, err);
        if (s != OK)
            return s;
        p.value = (size_t)json_token_offset(e->r);
        if (!add_place(e, p))
            return fail_nomem(err);
        s = json_skip(e->r, token, err);
        if (s != OK)
            return s;
    }
    e->close = (size_t)json_token_offset(e->r);
    return s;
}

static enum status find_object(struct edit *e, const char *const *path, struct err *err)
{
    enum json_token token;
    enum status s = json_next(e->r, &token, err);

    if (s == OK && token != JSON_OBJECT)
        return fail(err, E_FORMAT, "%s: is no JSON object", e->r->name);
    for (; *path && s == OK; path++)
        s = descend(e, *path, err);
    if (s == OK)
        s = list_places(e, err);
    while (s == OK && token != JSON_END) // the rest must be sound too
        s = json_next(e->r, &token, err);
    return s;
}

/* ---- putting together ---- */

static void add_part(const struct edit *e, struct buf *out, size_t from, size_t to)
{
    buf_add(out, e->text.p + from, to - from);
}

/* What stands between a key and its value, as the first member has it. */
static void add_colon(const struct edit *e, struct buf *out)
{
    size_t from;

    if (e->n == 0) {
        buf_add_str(out, ": ");
        return;
    }
    for (from = e->place[0].value; e->text.p[from - 1] != '"'; from--)
        ;
    add_part(e, out, from, e->place[0].value);
}

/* What stands between two members, as the first two have it. */
static void add_separator(const struct edit *e, struct buf *out)
{
    if (e->n >= 2) {
        add_part(e, out, e->place[0].end, e->place[1].key);
        return;
    }
    buf_add_char(out, ',');
    if (e->n == 1)
        add_part(e, out, e->open, e->place[0].key);
    else
        buf_add_char(out, ' ');
}

static void add_new(const struct edit *e, struct buf *out, const struct json_member *m)
{
    struct json_writer w = {.out = out};

    json_put_str(&w, m->key);
    add_colon(e, out);
    buf_add_str(out, m->value);
}

static void compose(const struct edit *e, const bool *met, struct buf *out)
{
    size_t kept = 0, last_end = e->n ? e->place[e->n - 1].end : e->open;

    add_part(e, out, 0, e->open);
    for (size_t i = 0; i < e->n; i++) {
        const struct place *p = &e->place[i];
        const char *value = p->change == MAP_NONE ? NULL : e->members[p->change].value;

        if (p->change != MAP_NONE && !value)
            continue;
        if (kept++ == 0)
            add_part(e, out, e->open, e->place[0].key);
        else
            add_part(e, out, e->place[i - 1].end, p->key);
        add_part(e, out, p->key, value ? p->value : p->end);
        if (value)
            buf_add_str(out, value);
    }
    for (size_t i = 0; i < e->nmember; i++) {
        if (met[i] || !e->members[i].value)
            continue;
        if (kept++ > 0)
            add_separator(e, out);
        else if (e->n > 0)
            add_part(e, out, e->open, e->place[0].key);
        add_new(e, out, &e->members[i]);
    }
    add_part(e, out, last_end, e->text.n);
}

static enum status apply(struct edit *e, struct buf *text, struct err *err)
{
    bool *met = calloc(e->nmember + 1, sizeof *met);
    struct buf out;

    if (!met)
        return fail_nomem(err);
    for (size_t i = 0; i < e->n; i++)
        if (e->place[i].change != MAP_NONE)
            met[e->place[i].change] = true;
    buf_init(&out, text->max);
    compose(e, met, &out);
    free(met);
    enum status s = buf_check(&out, e->r->name, err);
    if (s != OK) {
        buf_free(&out);
        return s;
    }
    buf_free(text);
    *text = out;
    return OK;
}

enum status json_edit(struct buf *text, const char *name, const char *const *path,
                      const struct json_member *members, struct err *err)
{
    struct edit e = {.r = json_reader_new(text->n ? text->p : "", text->n, name),
                     .text = {text->p, text->n},
                     .members = members};
    enum status s = e.r ? OK : fail_nomem(err);
    uint32_t existing;

    for (; members[e.nmember].key && s == OK; e.nmember++)
        if (!map_add(&e.index, slice_of(members[e.nmember].key), (uint32_t)e.nmember, &existing))
            s = fail_nomem(err);
    if (s == OK) {
        json_reader_allow_nan(e.r);
        s = find_object(&e, path, err);
    }
    if (s == OK)
        s = apply(&e, text, err);
    json_reader_free(e.r);
    map_free(&e.index);
    free(e.place);
    return s;
}
