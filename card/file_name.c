/* SPDX-License-Identifier: Apache-2.0 */
#include "card/file_name.h"

#include "card/model_id.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* Blanks and slashes become dashes; gguf-py leaves slashes in all but the base, which would let a card
 * choose the folder. */
static void add_component(struct buf *out, const char *text, bool tidy)
{
    struct slice s = tidy ? model_id_strip(text) : slice_of(text);

    for (size_t i = 0; i < s.n; i++)
        buf_add_char(out, (tidy && s.p[i] == ' ') || s.p[i] == '/' ? '-' : s.p[i]);
}

static enum status add_field(struct buf *out, const struct authorship *a, enum authorship_field f,
                             struct arena *arena, struct err *err)
{
    const char *text;
    enum status st = authorship_text(a, f, &text, arena, err);

    if (st || !text)
        return st;
    buf_add_char(out, '-');
    add_component(out, text, f != AUTHORSHIP_SIZE_LABEL);
    return OK;
}

static enum status add_all(struct buf *out, const struct authorship *a, bool with_size, struct arena *arena,
                           struct err *err)
{
    const char *base, *name;
    enum status st;

    if ((st = authorship_text(a, AUTHORSHIP_BASENAME, &base, arena, err)) ||
        (st = authorship_text(a, AUTHORSHIP_NAME, &name, arena, err)))
        return st;
    add_component(out, base ? base : name ? name : "ggml-model", true);
    if (with_size && (st = add_field(out, a, AUTHORSHIP_SIZE_LABEL, arena, err)))
        return st;
    if ((st = add_field(out, a, AUTHORSHIP_FINETUNE, arena, err)))
        return st;
    return add_field(out, a, AUTHORSHIP_VERSION, arena, err);
}

enum status file_name_default(const char **name, const struct authorship *a, const char *prefix,
                              const char *type_tag, struct arena *arena, struct err *err)
{
    struct buf out;

    buf_init(&out, 16 * MIB); // no field is longer than a model card
    buf_add_str(&out, prefix);
    enum status st = add_all(&out, a, type_tag && !*prefix, arena, err);
    if (!st) {
        buf_add_str(&out, type_tag ? "-" : "-vocab");
        for (const char *p = type_tag; p && *p; p++)
            buf_add_char(&out, upper(*p));
        buf_add_str(&out, ".gguf");
        *name = out.failed ? NULL : arena_strdup(arena, out.p);
        st = *name ? OK : fail_nomem(err);
    }
    buf_free(&out);
    return st;
}

static const struct {
    const char *text;
    char (*letter)(char c); /* NULL: as it is */
} marks[] = {
    {"{}", lower},      {"{ftype}", lower},   {"{outtype}", lower},
    {"{FTYPE}", upper}, {"{OUTTYPE}", upper}, {"{type}", NULL},
};

/* The mark that begins at p, or ARRAY_LEN(marks). */
static size_t mark_at(const char *p)
{
    size_t m = 0;

    while (m < ARRAY_LEN(marks) && !str_starts(p, marks[m].text))
        m++;
    return m;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash : path;
}

bool file_name_has_mark(const char *path)
{
    for (const char *p = last_component(path); *p; p++)
        if (mark_at(p) < ARRAY_LEN(marks))
            return true;
    return false;
}

char *file_name_fill(const char *path, const char *type_tag, struct arena *arena)
{
    size_t tag = strlen(type_tag);
    char *out = arena_alloc(arena, (uint64_t)strlen(path) * (tag + 1) + 1), *w = out;
    const char *base = last_component(path);

    if (!out)
        return NULL;
    for (const char *p = path; *p;) {
        size_t m = p < base ? ARRAY_LEN(marks) : mark_at(p);

        if (m == ARRAY_LEN(marks)) {
            *w++ = *p++;
            continue;
        }
        for (size_t i = 0; i < tag; i++)
            *w++ = marks[m].letter ? marks[m].letter(type_tag[i]) : type_tag[i];
        p += strlen(marks[m].text);
    }
    return out;
}
