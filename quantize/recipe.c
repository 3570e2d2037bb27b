/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/recipe.h"

#include "core/file.h"
#include "core/nearest.h"
#include "quantize/recipe_int.h"

#define FILE_MAX (1 * MIB)

void recipe_free(struct recipe *r)
{
    if (!r)
        return;
    arena_free(&r->arena);
    free(r);
}

enum status recipe_parse(struct recipe **out, const char *text, const char *name, struct err *err)
{
    return recipe_read(out, name, text, err);
}

enum status recipe_type_find(const char *name, enum dtype *type, struct err *err)
{
    const char *known[DT_COUNT];
    size_t n = 0;

    *type = dtype_find(name);
    if (*type != DT_COUNT && recipe_type_is_writable(*type))
        return OK;
    if (*type != DT_COUNT)
        return fail(err, E_USAGE, "type \"%s\" cannot be written to GGUF by quantization", name);
    for (int t = 0; t < DT_COUNT; t++)
        if (recipe_type_is_writable((enum dtype)t))
            known[n++] = dtype_name((enum dtype)t);
    const char *near = nearest_of(name, known, n);
    if (near)
        return fail(err, E_USAGE, "unknown type \"%s\"; did you mean \"%s\"?", name, near);
    return fail(err, E_USAGE, "unknown type \"%s\"", name);
}

/* ---- the built-in recipes ---- */

enum status recipe_names(struct arena *a, const char *const **names, size_t *n, struct err *err)
{
    const char **list = NULL;
    size_t cap = 0;

    *n = 0;
    for (const char *p = recipe_text; *p; p += *p == '\n') {
        size_t len = strcspn(p, "\n");

        if (str_starts(p, "recipe ")) {
            size_t start = strlen("recipe ");

            if (!arena_grow(a, (void **)&list, *n, &cap, sizeof *list))
                return fail_nomem(err);
            list[*n] = arena_strndup(a, p + start, strcspn(p + start, " \n"));
            if (!list[(*n)++])
                return fail_nomem(err);
        }
        p += len;
    }
    *names = list;
    return OK;
}

static enum status refuse_name(const char *name, struct err *err)
{
    const char *const *names;
    struct arena a;
    size_t n;

    arena_init(&a, 0);
    enum status st = recipe_names(&a, &names, &n, err);
    if (st == OK) {
        const char *near = nearest_of(name, names, n);

        st = near ? fail(err, E_USAGE, "no recipe or file is called \"%s\"; did you mean \"%s\"?", name, near)
                  : fail(err, E_USAGE,
                         "no recipe or file is called \"%s\"; \"scion recipe list\" names the recipes", name);
    }
    arena_free(&a);
    return st;
}

enum status recipe_load(struct recipe **out, const char *name_or_file, struct err *err)
{
    struct buf text;
    enum status st = recipe_read(out, name_or_file, NULL, err);

    if (st != OK || *out)
        return st;
    if (!path_exists(name_or_file))
        return refuse_name(name_or_file, err);
    buf_init(&text, FILE_MAX);
    st = file_load(name_or_file, &text, err);
    if (st == OK && text.n && memchr(text.p, '\0', text.n))
        st = fail(err, E_FORMAT, "%s: a NUL byte; a recipe is text", name_or_file);
    if (st == OK)
        st = recipe_parse(out, text.n ? text.p : "", name_or_file, err);
    buf_free(&text);
    return st;
}

/* ---- printing ---- */

static void print_head(struct buf *out, const struct recipe *r)
{
    buf_printf(out, "recipe %s", r->name);
    for (size_t i = 0; i < r->nalias; i++)
        buf_printf(out, " %s", r->alias[i]);
    buf_add_char(out, '\n');
    if (r->about)
        buf_printf(out, "    about %s\n", r->about);
    if (r->file_type >= 0)
        buf_printf(out, "    file_type %d\n", r->file_type);
    buf_printf(out, "    default %s\n", r->action == RECIPE_KEEP ? "keep" : dtype_name(r->type));
    const char *before = "    needs_imatrix";
    for (int t = 0; t < DT_COUNT; t++) {
        if (r->needs_imatrix[t]) {
            buf_printf(out, "%s %s", before, dtype_name((enum dtype)t));
            before = "";
        }
    }
    if (!*before)
        buf_add_char(out, '\n');
}

void recipe_print(struct buf *out, const struct recipe *r)
{
    int selector = 0, conditions = 0;

    for (size_t i = 0; i < r->ndefine; i++)
        buf_printf(out, "%s\n", r->define[i]);
    if (r->ndefine)
        buf_add_char(out, '\n');
    print_head(out, r);
    for (size_t i = 0; i < r->n; i++) {
        selector = (int)max_u64((uint64_t)selector, min_u64(strlen(r->rules[i].selector), 40));
        conditions = (int)max_u64((uint64_t)conditions, min_u64(strlen(r->rules[i].conditions), 60));
    }
    for (size_t i = 0; i < r->n; i++)
        buf_printf(out, "    %-*s %-*s -> %s\n", selector, r->rules[i].selector, conditions,
                   r->rules[i].conditions, r->rules[i].target);
}
