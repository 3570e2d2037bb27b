/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/tty.h"
#include "core/json.h"
#include "quantize/recipe.h"

#define OUTPUT_MAX (16 * MIB)

struct options {
    bool json;
};

static const struct opt table[] = {
    {.name = "json",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, json),
     .help = "print one JSON object instead of text"},
    OPT_ROW_HELP,
    {0},
};

static const char *const about[] = {
    "A recipe chooses the type of each tensor when a model is quantized: a list of rules, the first that "
    "fits "
    "a tensor deciding. The built-in recipes are those of llama-quantize.",
    "\"list\" prints their names. \"show NAME\" prints the rules of a recipe, those of the groups it "
    "includes "
    "put in, in the form that recipe files have: a start for a recipe of your own. NAME may be such a file, "
    "which is thereby checked. docs/recipes.md explains the rules.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion recipe list", "names, default types and what they are for"},
    {"scion recipe show Q4_K_M > my.recipe", "a copy to change"},
    {"scion recipe show my.recipe", "check a recipe file"},
    {0},
};

static const char *default_name(const struct recipe *r)
{
    return r->action == RECIPE_KEEP ? "keep" : dtype_name(r->type);
}

/* ---- list ---- */

static void add_row(struct buf *out, const struct recipe *r)
{
    char names[64];
    int n = snprintf(names, sizeof names, "%s", r->name);

    for (size_t i = 0; i < r->nalias && n > 0 && (size_t)n < sizeof names; i++)
        n += snprintf(names + n, sizeof names - (size_t)n, ", %s", r->alias[i]);
    buf_printf(out, "%-14s  %-8s  %s\n", names, default_name(r), r->about ? r->about : "");
}

static void put_head(struct json_writer *w, const struct recipe *r)
{
    json_put_key(w, "name");
    json_put_str(w, r->name);
    json_put_key(w, "aliases");
    json_open(w, '[');
    for (size_t i = 0; i < r->nalias; i++)
        json_put_str(w, r->alias[i]);
    json_close(w, ']');
    json_put_key(w, "about");
    if (r->about)
        json_put_str(w, r->about);
    else
        json_put_null(w);
    json_put_key(w, "file_type");
    if (r->file_type >= 0)
        json_put_u64(w, (uint64_t)r->file_type);
    else
        json_put_null(w);
    json_put_key(w, "default");
    json_put_str(w, default_name(r));
}

static enum status list(struct arena *a, bool json, struct buf *out, struct err *err)
{
    struct json_writer w = {.out = out};
    const char *const *names;
    struct recipe *r;
    size_t n;
    enum status st = recipe_names(a, &names, &n, err);

    if (st != OK)
        return st;
    if (json) {
        json_open(&w, '{');
        json_put_key(&w, "recipes");
        json_open(&w, '[');
    } else {
        buf_printf(out, "%-14s  %-8s  about\n", "recipe", "default");
    }
    for (size_t i = 0; st == OK && i < n; i++) {
        st = recipe_load(&r, names[i], err);
        if (st != OK)
            return st;
        if (json) {
            json_open(&w, '{');
            put_head(&w, r);
            json_close(&w, '}');
        } else {
            add_row(out, r);
        }
        recipe_free(r);
    }
    if (json) {
        json_close(&w, ']');
        json_close(&w, '}');
        buf_add_char(out, '\n');
    }
    return st;
}

/* ---- show ---- */

static void put_rule(struct json_writer *w, const struct recipe_rule *rule)
{
    json_open(w, '{');
    json_put_key(w, "selector");
    json_put_str(w, rule->selector);
    json_put_key(w, "conditions");
    json_open(w, '[');
    for (const char *p = rule->conditions; *p; p += strspn(p, " ")) {
        size_t n = strcspn(p, " ");

        json_put_strn(w, p, n);
        p += n;
    }
    json_close(w, ']');
    json_put_key(w, "type");
    json_put_str(w, rule->target);
    json_put_key(w, "section");
    json_put_str(w, rule->section);
    json_put_key(w, "file");
    json_put_str(w, rule->file);
    json_put_key(w, "line");
    json_put_u64(w, rule->line);
    json_close(w, '}');
}

static void put_recipe(struct buf *out, const struct recipe *r)
{
    struct json_writer w = {.out = out};

    json_open(&w, '{');
    put_head(&w, r);
    json_put_key(&w, "needs_imatrix");
    json_open(&w, '[');
    for (int t = 0; t < DT_COUNT; t++)
        if (r->needs_imatrix[t])
            json_put_str(&w, dtype_name((enum dtype)t));
    json_close(&w, ']');
    json_put_key(&w, "defines");
    json_open(&w, '[');
    for (size_t i = 0; i < r->ndefine; i++)
        json_put_str(&w, r->define[i] + strspn(r->define[i], "# "));
    json_close(&w, ']');
    json_put_key(&w, "rules");
    json_open(&w, '[');
    for (size_t i = 0; i < r->n; i++)
        put_rule(&w, &r->rules[i]);
    json_close(&w, ']');
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

/* Line by line, because a file's words may hold control bytes. */
static void add_recipe(struct buf *out, const struct recipe *r)
{
    struct buf text;

    buf_init(&text, OUTPUT_MAX);
    recipe_print(&text, r);
    for (const char *p = text.n ? text.p : ""; *p; p += strspn(p, "\n")) {
        size_t n = strcspn(p, "\n"), ends = strspn(p + n, "\n");

        tty_add_printable(out, p, n);
        buf_add(out, p + n, ends);
        p += n;
    }
    out->failed = out->failed || text.failed;
    buf_free(&text);
}

static enum status show(const char *name, bool json, struct buf *out, struct err *err)
{
    struct recipe *r;
    enum status st = recipe_load(&r, name, err);

    if (st != OK)
        return st;
    (json ? put_recipe : add_recipe)(out, r);
    recipe_free(r);
    return OK;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    const char *what = line->args[0];
    struct buf out;
    enum status st;

    buf_init(&out, OUTPUT_MAX);
    if (strcmp(what, "list") == 0 && line->nargs == 1)
        st = list(line->arena, o->json, &out, err);
    else if (strcmp(what, "show") == 0 && line->nargs == 2)
        st = show(line->args[1], o->json, &out, err);
    else if (strcmp(what, "show") == 0)
        st = fail(err, E_USAGE, "which recipe? \"scion recipe list\" prints their names");
    else if (strcmp(what, "list") == 0)
        st = fail(err, E_USAGE, "one argument too many, \"%s\": scion recipe list", line->args[1]);
    else
        st = fail(err, E_USAGE, "\"%s\" is neither \"list\" nor \"show\"", what);
    if (st == OK)
        st = tty_print(&out, err);
    buf_free(&out);
    return st;
}

const struct cmd_spec cmd_recipe = {run, table, sizeof(struct options), about, example};
