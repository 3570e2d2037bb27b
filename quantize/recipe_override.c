/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line says beside the recipe. */
#include "core/file.h"
#include "quantize/recipe.h"

#define FILE_MAX (1 * MIB)

void recipe_overrides_init(struct recipe_overrides *o)
{
    *o = (struct recipe_overrides){
        .output_type = DT_COUNT,
        .embedding_type = DT_COUNT,
        .mtp_type = DT_COUNT,
    };
    arena_init(&o->arena, 0);
}

void recipe_overrides_free(struct recipe_overrides *o)
{
    arena_free(&o->arena);
    recipe_overrides_init(o);
}

enum status recipe_override_type(struct recipe_overrides *o, const char *pattern_is_type, struct err *err)
{
    const char *equals = strchr(pattern_is_type, '=');
    struct recipe_override added = {.text = arena_strdup(&o->arena, pattern_is_type)};

    if (!equals || equals == pattern_is_type)
        return fail(err, E_USAGE, "\"%s\" is not of the form PATTERN=TYPE", pattern_is_type);
    char *pattern = arena_strndup(&o->arena, pattern_is_type, (size_t)(equals - pattern_is_type));
    if (!added.text || !pattern)
        return fail_nomem(err);
    for (char *p = pattern; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    enum status st = recipe_type_find(equals + 1, &added.type, err);
    if (st == OK)
        st = pattern_new(&o->arena, pattern, &added.pattern, err);
    if (st == OK && !arena_grow(&o->arena, (void **)&o->types, o->ntype, &o->type_cap, sizeof *o->types))
        st = fail_nomem(err);
    if (st == OK)
        o->types[o->ntype++] = added;
    return st;
}

enum status recipe_override_types_file(struct recipe_overrides *o, const char *path, struct err *err)
{
    static const char blanks[] = " \t\r\n\v\f";
    struct buf text;

    buf_init(&text, FILE_MAX);
    enum status st = file_load(path, &text, err);
    if (st == OK && text.n && memchr(text.p, '\0', text.n))
        st = fail(err, E_FORMAT, "%s: a NUL byte; this must be text", path);
    for (char *p = text.p; st == OK && p;) {
        p += strspn(p, blanks);
        if (!*p)
            break;
        char *end = p + strcspn(p, blanks);
        char *next = *end ? end + 1 : end;
        *end = '\0';
        if (recipe_override_type(o, p, err) != OK)
            st = wrap(err, "%s", path);
        p = next;
    }
    buf_free(&text);
    return st;
}

enum status recipe_override_keep(struct recipe_overrides *o, const char *pattern, struct err *err)
{
    struct recipe_override added = {.text = arena_strdup(&o->arena, pattern), .type = DT_COUNT};

    if (!added.text)
        return fail_nomem(err);
    enum status st = pattern_new(&o->arena, pattern, &added.pattern, err);
    if (st == OK && !arena_grow(&o->arena, (void **)&o->keeps, o->nkeep, &o->keep_cap, sizeof *o->keeps))
        st = fail_nomem(err);
    if (st == OK)
        o->keeps[o->nkeep++] = added;
    return st;
}
