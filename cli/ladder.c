/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ladder.h"

#include "cli/tty.h"
#include "card/file_name.h"

#define LADDER_MAX (1 * MIB) /* bytes of a ladder file */
#define RUNGS_MAX  256
#define WORDS_MAX  128 /* of a line */

const char *const rung_mtp_choices[] = {"auto", "keep", "drop", "only", NULL};

#define OPTIONS_FIELD(f) .offset = offsetof(struct rung_options, f)
const struct opt rung_table[] = {
    OPT_ROWS_QUANTIZE(struct rung_options, quantize),
    {.name = "mtp", .kind = OPT_ENUM, OPTIONS_FIELD(mtp), .arg = "MODE", .choices = rung_mtp_choices},
    {0},
};

static enum status add_rung(struct ladder *l, const char *type, const char *out, struct err *err)
{
    if (l->n == RUNGS_MAX)
        return fail(err, E_LIMIT, "more than %d rungs", RUNGS_MAX);
    if (!arena_grow(l->arena, (void **)&l->rungs, l->n, &l->cap, sizeof *l->rungs))
        return fail_nomem(err);
    l->rungs[l->n++] = (struct ladder_rung){.type = type, .out = out};
    return OK;
}

/* ---- a list of types ---- */

enum status ladder_from_types(struct ladder *l, const char *types, const char *out,
                              const struct rung_options *base, struct err *err)
{
    enum status s = OK;

    for (const char *p = types ? types : ""; s == OK; p++) {
        size_t n = strcspn(p, ",");
        const char *type = types ? arena_strndup(l->arena, p, n) : NULL;

        if (types && n == 0)
            return fail(err, E_USAGE, "--type %s: a type is missing", types);
        s = types && !type ? fail_nomem(err) : add_rung(l, type, out, err);
        if (s == OK)
            l->rungs[l->n - 1].options = *base;
        p += n;
        if (!*p)
            break;
    }
    if (s == OK && l->n > 1 && !file_name_has_mark(out))
        return fail(err, E_USAGE, "-o %s: several types need {type} in it, as in model-{type}.gguf", out);
    for (size_t i = 0; i < l->n && l->n > 1; i++)
        l->rungs[i].label = l->rungs[i].type;
    return s;
}

/* ---- a file ---- */

/* The next word, unquoted in place; NULL at the end of the line. A '#' where a word would begin ends it. */
static char *next_word(char **at, bool *unclosed)
{
    char *p = *at + strspn(*at, " \t\r"), *word = p, *w = p;
    bool quoted = false;

    if (!*p || *p == '#')
        return NULL;
    for (; *p && (quoted || !strchr(" \t\r", *p)); p++) {
        if (*p == '"')
            quoted = !quoted;
        else
            *w++ = *p;
    }
    *unclosed = quoted;
    *at = *p ? p + 1 : p;
    *w = '\0';
    return word;
}

/* "name=value" and "flag" as they stand on a command line; other words, and options already written so, stay.
 */
static char *as_option(struct ladder *l, char *word)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
    bool option = n > 0 && word[0] != '-' && word[n] == '=';

    for (const struct opt *o = rung_table; o->name && !option; o++)
        option = o->kind == OPT_FLAG && strcmp(o->name, word) == 0;
    return option ? arena_printf(l->arena, "--%s", word) : word;
}

static bool has_own_quantize(const struct opt_line *line)
{
    for (const struct opt *o = rung_table; o->name; o++)
        if (line->seen[o - rung_table] && o->offset != offsetof(struct rung_options, mtp))
            return true;
    return false;
}

static enum status parse_words(struct ladder *l, int n, char **words, const struct rung_options *base,
                               struct err *err)
{
    struct rung_options *options = arena_alloc(l->arena, sizeof *options);
    struct opt_line line = {.table = rung_table, .options = options, .arena = l->arena};
    enum status s = options ? opt_parse(&line, n, words, err) : fail_nomem(err);

    if (s != OK)
        return s;
    if (line.nargs > 2)
        return fail(err, E_USAGE, "\"%s\" is no option of a rung", line.args[2]);
    if (line.nargs < 2)
        return fail(err, E_USAGE, "a rung begins with its type and its output");
    opt_inherit(&line, base);
    s = add_rung(l, line.args[0], line.args[1], err);
    if (s == OK) {
        l->rungs[l->n - 1].options = *options;
        l->rungs[l->n - 1].own_quantize = has_own_quantize(&line);
    }
    return s;
}

static enum status parse_line(struct ladder *l, char *text, const struct rung_options *base, struct err *err)
{
    char **words = arena_array(l->arena, WORDS_MAX, sizeof *words), *word;
    bool unclosed = false;
    int n = 0;

    if (!words)
        return fail_nomem(err);
    while (!unclosed && (word = next_word(&text, &unclosed))) {
        if (n == WORDS_MAX)
            return fail(err, E_LIMIT, "more than %d words", WORDS_MAX);
        words[n] = n < 2 ? word : as_option(l, word);
        if (!words[n++])
            return fail_nomem(err);
    }
    if (unclosed)
        return fail(err, E_USAGE, "a quote is not closed");
    return n > 0 ? parse_words(l, n, words, base, err) : OK;
}

enum status ladder_from_file(struct ladder *l, const char *path, const struct rung_options *base,
                             struct err *err)
{
    struct buf text;
    unsigned number = 0;

    buf_init(&text, LADDER_MAX);
    enum status s = file_load(path, &text, err);
    char *rest = s == OK ? arena_strndup(l->arena, text.p ? text.p : "", text.n) : NULL;
    if (s == OK && !rest)
        s = fail_nomem(err);
    if (s == OK && strlen(rest) != text.n)
        s = fail(err, E_FORMAT, "%s: is no text", path);
    for (char *line; s == OK && (line = strsep(&rest, "\n"));) {
        number++;
        if ((s = parse_line(l, line, base, err)) != OK)
            wrap(err, "%s:%u", path, number);
    }
    buf_free(&text);
    if (s == OK && l->n == 0)
        s = fail(err, E_USAGE, "%s: there is no rung in it", path);
    for (size_t i = 0; i < l->n && l->n > 1; i++)
        l->rungs[i].label = l->rungs[i].out;
    return s;
}

enum status ladder_read(struct ladder *l, const struct ladder_request *q, struct err *err)
{
    if (q->file && (q->types || q->out || q->base->quantize.recipe))
        return fail(err, E_USAGE,
                    "--ladder %s: names types and outputs: --type, --recipe and -o do not go with it",
                    q->file);
    if (q->file)
        return ladder_from_file(l, q->file, q->base, err);
    if (!q->out)
        return fail(err, E_USAGE, "-o OUT.gguf is missing: where to write");
    return ladder_from_types(l, q->types, q->out, q->base, err);
}

/* ---- jobs ---- */

static const struct imatrix *find_loaded(const struct ladder *l, const char *path)
{
    for (size_t i = 0; path && i < l->n; i++)
        if (l->rungs[i].quantizes && l->rungs[i].options.quantize.imatrix &&
            strcmp(l->rungs[i].options.quantize.imatrix, path) == 0)
            return l->rungs[i].job.options.imatrix;
    return NULL;
}

enum status ladder_open_job(struct ladder *l, struct ladder_rung *rung, const char *recipe, struct err *err)
{
    const struct imatrix *loaded = find_loaded(l, rung->options.quantize.imatrix);
    enum status s = quantize_job_open(&rung->job, &rung->options.quantize, recipe, loaded, err);

    rung->quantizes = true;
    return s == OK || !rung->label ? s : wrap(err, "%s", rung->label);
}

const char *ladder_tag(const struct ladder_rung *rung)
{
    return rung->type && !strpbrk(rung->type, "./") ? rung->type : NULL;
}

enum status ladder_print_explanations(const struct ladder *l, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < l->n && s == OK; i++) {
        const struct ladder_rung *rung = &l->rungs[i];
        struct buf out;

        if (!rung->quantizes)
            continue;
        buf_init(&out, MIB);
        if (rung->label)
            buf_printf(&out, "%s: ", rung->label);
        buf_add(&out, rung->job.explanation.p, rung->job.explanation.n);
        s = tty_print(&out, err);
        buf_free(&out);
    }
    return s;
}

void ladder_close(struct ladder *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->rungs[i].quantizes)
            quantize_job_close(&l->rungs[i].job);
}
