/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads recipe text. Everything in it lies in the recipe's arena: the built-in text is read first, the user's
 * after it, so a file's recipe may include groups and recipes of both.
 */
#include "core/file.h"
#include "quantize/recipe_int.h"

#include <strings.h>

#define RULES_MAX 65536 /* of a recipe, groups put in */
#define CONDS_MAX 16    /* of a line */
#define NAMES_MAX 8
#define DEPTH_MAX 16

struct entry {
    const char *include;     /* NULL: a rule */
    struct recipe_rule rule; /* file and line of an include too */
};

struct section {
    const char *name[NAMES_MAX];
    size_t nname;
    bool is_recipe, from_user;
    unsigned line;
    const char *about;
    int file_type;
    bool has_default;
    enum recipe_action action;
    enum dtype type;
    bool needs_imatrix[DT_COUNT];
    struct entry *entry;
    size_t n, cap;
};

/* All that was read, and the line being read. */
struct book {
    struct arena *arena;
    struct section **section;
    size_t n, cap;
    struct recipe_words words;
    const char *file;
    unsigned line;
    bool from_user;
    struct section *open; /* that lines belong to; NULL before the first */
};

/* ---- words of a line ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts the next word off; NULL at the line's end or a comment. */
static char *next_word(char **p)
{
    while (is_blank(**p))
        (*p)++;
    if (!**p || **p == '#')
        return NULL;
    char *word = *p;
    while (**p && !is_blank(**p))
        (*p)++;
    if (**p)
        *(*p)++ = '\0';
    return word;
}

static enum status end_line(char **p, struct err *err)
{
    const char *more = next_word(p);

    return more ? fail(err, E_FORMAT, "one word too many: \"%s\"", more) : OK;
}

/* The only word that remains of a line. */
static enum status last_word(char **p, const char *what, char **word, struct err *err)
{
    *word = next_word(p);
    return *word ? end_line(p, err) : fail(err, E_FORMAT, "%s is missing", what);
}

/* Sentences for the command line, where what they blame stands in a file. */
static enum status in_file(enum status st, struct err *err)
{
    if (st == E_USAGE)
        err->status = st = E_FORMAT;
    return st;
}

/* ---- rules ---- */

/* "/.../" up to the first slash without a backslash, or a word. */
static char *next_selector(char **p)
{
    while (is_blank(**p))
        (*p)++;
    if (**p != '/')
        return next_word(p);
    char *word = (*p)++;
    while (**p && **p != '/')
        *p += **p == '\\' && (*p)[1] ? 2 : 1;
    if (**p)
        (*p)++;
    if (**p && is_blank(**p))
        *(*p)++ = '\0';
    return word;
}

static enum status find_role(const char *word, size_t n, uint32_t *roles, struct err *err)
{
    for (int r = 0; r < ROLE_COUNT; r++) {
        if (!slice_eq((struct slice){word, n}, recipe_role_name((enum recipe_role)r)))
            continue;
        *roles |= (uint32_t)1 << r;
        return OK;
    }
    return fail(err, E_FORMAT,
                "\"%.*s\" is no keyword and no role; roles are output, embedding, attn_v, attn_k, "
                "attn_q, attn_output, ffn_up, ffn_gate, ffn_down, other and * for all",
                (int)n, word);
}

static enum status parse_selector(struct book *b, const char *word, struct recipe_rule *rule, struct err *err)
{
    size_t n = strlen(word);

    rule->selector = arena_strdup(b->arena, word);
    if (!rule->selector)
        return fail_nomem(err);
    if (*word == '/') {
        if (n < 3 || word[n - 1] != '/')
            return fail(err, E_FORMAT, "a pattern stands between two slashes, with a blank behind it");
        const char *text = arena_strndup(b->arena, word + 1, n - 2);
        return text ? in_file(pattern_new(b->arena, text, &rule->pattern, err), err) : fail_nomem(err);
    }
    if (strcmp(word, "*") == 0) {
        rule->roles = ((uint32_t)1 << ROLE_COUNT) - 1;
        return OK;
    }
    for (;;) {
        n = strcspn(word, ",");
        enum status st = find_role(word, n, &rule->roles, err);
        if (st != OK || !word[n])
            return st;
        word += n + 1;
    }
}

static enum status parse_target(const char *word, enum recipe_action *action, enum dtype *type,
                                struct err *err)
{
    *action = RECIPE_TYPE;
    *type = DT_F32;
    if (strcmp(word, "keep") == 0)
        *action = RECIPE_KEEP;
    else if (strcmp(word, "default") == 0)
        *action = RECIPE_DEFAULT;
    else
        return in_file(recipe_type_find(word, type, err), err);
    return OK;
}

/* Conditions up to "->" or the line's end; their words joined go to *text, unless that is NULL. */
static enum status parse_conditions(struct book *b, char **p, struct recipe_rule *rule, struct err *err)
{
    struct recipe_cond *cond = arena_array(b->arena, CONDS_MAX, sizeof *cond);
    struct buf text;
    const char *word;
    enum status st = OK;

    if (!cond)
        return fail_nomem(err);
    buf_init(&text, 64 * KIB);
    while (st == OK && (word = next_word(p)) && strcmp(word, "->") != 0) {
        if (rule->ncond == CONDS_MAX)
            st = fail(err, E_LIMIT, "more than %d conditions", CONDS_MAX);
        else
            st = recipe_cond_parse(b->arena, word, &b->words, &cond[rule->ncond], err);
        rule->ncond += st == OK;
        buf_printf(&text, "%s%s", text.n ? " " : "", word);
    }
    if (st == OK)
        st = buf_check(&text, "line", err);
    rule->cond = cond;
    rule->conditions = st == OK ? arena_strdup(b->arena, text.n ? text.p : "") : NULL;
    buf_free(&text);
    return st == OK && !rule->conditions ? fail_nomem(err) : st;
}

static enum status add_entry(struct book *b, const struct entry *e, struct err *err)
{
    struct section *s = b->open;

    if (s->n == RULES_MAX)
        return fail(err, E_LIMIT, "more than %d rules", RULES_MAX);
    if (!arena_grow(b->arena, (void **)&s->entry, s->n, &s->cap, sizeof *s->entry))
        return fail_nomem(err);
    s->entry[s->n] = *e;
    s->entry[s->n].rule.file = b->file;
    s->entry[s->n].rule.line = b->line;
    s->entry[s->n++].rule.section = s->name[0];
    return OK;
}

static enum status parse_rule(struct book *b, char *p, struct err *err)
{
    struct entry e = {0};
    bool arrow = strstr(p, "->") != NULL;
    char *target;
    enum status st = parse_selector(b, next_selector(&p), &e.rule, err);

    if (st == OK && !arrow)
        st = fail(err, E_FORMAT, "a rule ends with \"-> TYPE\"");
    if (st == OK)
        st = parse_conditions(b, &p, &e.rule, err);
    if (st == OK)
        st = last_word(&p, "the type after \"->\"", &target, err);
    if (st == OK)
        st = parse_target(target, &e.rule.action, &e.rule.type, err);
    if (st != OK)
        return st;
    e.rule.target = arena_strdup(b->arena, target);
    return e.rule.target ? add_entry(b, &e, err) : fail_nomem(err);
}

/* ---- keywords ---- */

static const struct section *find_section(const struct book *b, const char *name,
                                          const struct section *except)
{
    for (size_t i = b->n; i-- > 0;)
        for (size_t k = 0; b->section[i] != except && k < b->section[i]->nname; k++)
            if (strcasecmp(b->section[i]->name[k], name) == 0)
                return b->section[i];
    return NULL;
}

static enum status open_section(struct book *b, bool is_recipe, struct err *err)
{
    struct section *s = arena_alloc(b->arena, sizeof *s);

    if (!s || !arena_grow(b->arena, (void **)&b->section, b->n, &b->cap, sizeof *b->section))
        return fail_nomem(err);
    *s =
        (struct section){.is_recipe = is_recipe, .from_user = b->from_user, .line = b->line, .file_type = -1};
    b->section[b->n++] = b->open = s;
    return OK;
}

static enum status name_section(struct book *b, const char *name, size_t n, struct err *err)
{
    struct section *s = b->open;

    if (s->nname == NAMES_MAX)
        return fail(err, E_LIMIT, "more than %d names", NAMES_MAX);
    char *copy = arena_strndup(b->arena, name, n);
    if (!copy)
        return fail_nomem(err);
    const struct section *other = find_section(b, copy, NULL);
    if (other && other->from_user == s->from_user)
        return fail(err, E_FORMAT, "\"%s\" is the name of line %u", copy, other->line);
    s->name[s->nname++] = copy;
    return OK;
}

static enum status parse_header(struct book *b, bool is_recipe, char *p, struct err *err)
{
    const char *name;
    enum status st = open_section(b, is_recipe, err);

    while (st == OK && (name = next_word(&p)))
        st = name_section(b, name, strlen(name), err);
    if (st == OK && !b->open->nname)
        st = fail(err, E_FORMAT, "a name is missing");
    return st;
}

/* A file without a "recipe" line is one recipe, named as the file without its extension. */
static enum status open_unnamed(struct book *b, struct err *err)
{
    struct slice base = path_base(b->file);

    for (size_t n = base.n; n > 1; n--) {
        if (base.p[n - 1] != '.')
            continue;
        base.n = n - 1;
        break;
    }
    enum status st = open_section(b, true, err);
    return st == OK ? name_section(b, base.p, base.n, err) : st;
}

static enum status parse_define(struct book *b, char *p, struct err *err)
{
    struct recipe_words *words = &b->words;
    struct recipe_define *d = words->n ? words->define[words->n - 1] : NULL;
    struct recipe_rule line = {0};
    const char *word = next_word(&p);

    if (!word || recipe_is_fact(word) || strpbrk(word, "<>=!"))
        return fail(err, E_FORMAT, word ? "\"%s\" cannot be defined" : "a word to define is missing", word);
    d = d && strcmp(d->word, word) == 0 ? d : NULL;
    for (size_t i = 0; i < words->n; i++)
        if (strcmp(words->define[i]->word, word) == 0 && (!d || d->from_user != b->from_user))
            return fail(err, E_FORMAT,
                        words->define[i]->from_user == b->from_user
                            ? "the lines that define \"%s\" must stand together"
                            : "\"%s\" is defined by the built-in recipes",
                        word);
    enum status st = parse_conditions(b, &p, &line, err);
    if (st != OK)
        return st;
    for (size_t i = 0; i < line.ncond; i++)
        if (d && line.cond[i].define == d)
            return fail(err, E_FORMAT, "\"%s\" is defined by itself", word);
    if (!line.ncond)
        return fail(err, E_FORMAT, "what \"%s\" means is missing", word);
    if (!d) {
        d = arena_alloc(b->arena, sizeof *d);
        if (!d || !(d->word = arena_strdup(b->arena, word)) ||
            !arena_grow(b->arena, (void **)&words->define, words->n, &words->cap, sizeof *words->define))
            return fail_nomem(err);
        d->from_user = b->from_user;
        words->define[words->n++] = d;
    }
    if (!arena_grow(b->arena, (void **)&d->line, d->n, &d->cap, sizeof *d->line))
        return fail_nomem(err);
    d->line[d->n].text = arena_printf(b->arena, "define %s %s", word, line.conditions);
    d->line[d->n].cond = line.cond;
    d->line[d->n].ncond = line.ncond;
    return d->line[d->n++].text ? OK : fail_nomem(err);
}

static enum status parse_about(struct book *b, char *p, struct err *err)
{
    while (is_blank(*p))
        p++;
    size_t n = strlen(p);
    while (n && is_blank(p[n - 1]))
        n--;
    b->open->about = arena_strndup(b->arena, p, n);
    return b->open->about ? OK : fail_nomem(err);
}

static enum status parse_file_type(struct book *b, char *p, struct err *err)
{
    char *word, *end;
    enum status st = last_word(&p, "a number", &word, err);

    if (st != OK)
        return st;
    unsigned long v = strtoul(word, &end, 10);
    if (*end || *word < '0' || *word > '9' || v > 65535)
        return fail(err, E_FORMAT, "\"%s\" is no number from 0 to 65535", word);
    b->open->file_type = (int)v;
    return OK;
}

static enum status parse_default(struct book *b, char *p, struct err *err)
{
    char *word;
    enum status st = last_word(&p, "a type", &word, err);

    if (st == OK)
        st = parse_target(word, &b->open->action, &b->open->type, err);
    if (st == OK && b->open->action == RECIPE_DEFAULT)
        st = fail(err, E_FORMAT, "the default cannot be \"default\"");
    b->open->has_default = st == OK;
    return st;
}

static enum status parse_needs_imatrix(struct book *b, char *p, struct err *err)
{
    const char *word = next_word(&p);
    enum dtype type;

    if (!word)
        return fail(err, E_FORMAT, "a type is missing");
    for (; word; word = next_word(&p)) {
        if (in_file(recipe_type_find(word, &type, err), err) != OK)
            return err->status;
        b->open->needs_imatrix[type] = true;
    }
    return OK;
}

static enum status parse_include(struct book *b, char *p, struct err *err)
{
    struct entry e = {0};
    char *word;
    enum status st = last_word(&p, "the name of a group or recipe", &word, err);

    if (st != OK)
        return st;
    e.include = arena_strdup(b->arena, word);
    return e.include ? add_entry(b, &e, err) : fail_nomem(err);
}

static enum status parse_line(struct book *b, char *line, struct err *err)
{
    static const struct {
        const char *word;
        bool recipe_only;
        enum status (*parse)(struct book *b, char *p, struct err *err);
    } keywords[] = {
        {"about", true, parse_about},      {"file_type", true, parse_file_type},
        {"default", true, parse_default},  {"needs_imatrix", true, parse_needs_imatrix},
        {"include", false, parse_include},
    };
    char *p = line + strspn(line, " \t\r");
    size_t n = strcspn(p, " \t\r");
    enum status st = OK;

    if (!*p || *p == '#')
        return OK;
    if (slice_eq((struct slice){p, n}, "recipe") || slice_eq((struct slice){p, n}, "group"))
        return parse_header(b, *p == 'r', p + n, err);
    if (slice_eq((struct slice){p, n}, "define"))
        return parse_define(b, p + n, err);
    if (!b->open)
        st = open_unnamed(b, err);
    for (size_t i = 0; st == OK && i < ARRAY_LEN(keywords); i++) {
        if (!slice_eq((struct slice){p, n}, keywords[i].word))
            continue;
        if (keywords[i].recipe_only && !b->open->is_recipe)
            return fail(err, E_FORMAT, "\"%s\" stands in recipes, not in groups", keywords[i].word);
        return keywords[i].parse(b, p + n, err);
    }
    return st == OK ? parse_rule(b, p, err) : st;
}

/* name is borrowed by all that is read. */
static enum status read_text(struct book *b, const char *text, const char *name, struct err *err)
{
    enum status st = OK;

    b->file = name;
    b->line = 0;
    b->open = NULL;
    while (st == OK && *text) {
        size_t n = strcspn(text, "\n");
        char *line = arena_strndup(b->arena, text, n);

        b->line++;
        st = line ? parse_line(b, line, err) : fail_nomem(err);
        text += n + (text[n] == '\n');
    }
    return st == OK ? OK : wrap(err, "%s:%u", name, b->line);
}

/* ---- from a section to a recipe ---- */

struct flat {
    const struct book *book;
    struct recipe *recipe;
    struct recipe_rule *rule;
    size_t cap, nsection;
    bool has_default;
};

static void inherit(struct flat *f, const struct section *s)
{
    struct recipe *r = f->recipe;

    if (s->has_default && !f->has_default) {
        f->has_default = true;
        r->action = s->action;
        r->type = s->type;
    }
    if (r->file_type < 0)
        r->file_type = s->file_type;
    for (int t = 0; t < DT_COUNT; t++)
        r->needs_imatrix[t] = r->needs_imatrix[t] || s->needs_imatrix[t];
}

static enum status flatten(struct flat *f, const struct section *s, unsigned depth, struct err *err)
{
    struct recipe *r = f->recipe;
    enum status st = OK;

    inherit(f, s);
    if (++f->nsection > RULES_MAX)
        return fail(err, E_LIMIT, "%s:%u: more than %d includes", s->entry ? s->entry->rule.file : "",
                    s->line, RULES_MAX);
    for (size_t i = 0; st == OK && i < s->n; i++) {
        const struct entry *e = &s->entry[i];
        const struct section *other = e->include ? find_section(f->book, e->include, s) : NULL;

        if (e->include && (!other || depth == DEPTH_MAX))
            st = fail(err, E_FORMAT, "%s:%u: %s \"%s\"", e->rule.file, e->rule.line,
                      other ? "too many includes inside includes at" : "no group or recipe is called",
                      e->include);
        else if (e->include)
            st = flatten(f, other, depth + 1, err);
        else if (r->n == RULES_MAX)
            st = fail(err, E_LIMIT, "%s:%u: more than %d rules", e->rule.file, e->rule.line, RULES_MAX);
        else if (!arena_grow(&r->arena, (void **)&f->rule, r->n, &f->cap, sizeof *f->rule))
            st = fail_nomem(err);
        else
            f->rule[r->n++] = e->rule;
    }
    return st;
}

static void mark_used(const struct recipe_cond *cond, size_t n, const struct recipe_words *words)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < words->n; k++)
            if (cond[i].define == words->define[k])
                words->define[k]->used = true;
}

/* The lines that define the words that rules use, and those that these use. */
static enum status list_defines(struct recipe *r, const struct recipe_words *words, struct err *err)
{
    const char **list = NULL;
    size_t cap = 0;

    for (size_t i = 0; i < r->n; i++)
        mark_used(r->rules[i].cond, r->rules[i].ncond, words);
    for (size_t k = words->n; k-- > 0;) // a word uses earlier ones only
        for (size_t i = 0; words->define[k]->used && i < words->define[k]->n; i++)
            mark_used(words->define[k]->line[i].cond, words->define[k]->line[i].ncond, words);
    for (size_t k = 0; k < words->n; k++)
        for (size_t i = 0; words->define[k]->used && i < words->define[k]->n; i++) {
            if (!arena_grow(&r->arena, (void **)&list, r->ndefine, &cap, sizeof *list))
                return fail_nomem(err);
            list[r->ndefine] = words->define[k]->line[i].text;
            if (!words->define[k]->from_user) // known without being said, and not to be said again
                list[r->ndefine] = arena_printf(&r->arena, "# %s", list[r->ndefine]);
            if (!list[r->ndefine++])
                return fail_nomem(err);
        }
    r->define = list;
    return OK;
}

static enum status make_recipe(const struct book *b, const struct section *s, struct recipe *r,
                               struct err *err)
{
    struct flat f = {.book = b, .recipe = r};

    r->name = s->name[0];
    r->alias = s->name + 1;
    r->nalias = s->nname - 1;
    r->about = s->about;
    r->file_type = -1;
    enum status st = flatten(&f, s, 0, err);
    r->rules = f.rule;
    if (st == OK && !f.has_default)
        st = fail(err, E_FORMAT, "%s:%u: recipe \"%s\" has no \"default TYPE\"", b->file, s->line, r->name);
    return st == OK ? list_defines(r, &b->words, err) : st;
}

/* The one recipe of the user's file. */
static enum status find_only(const struct book *b, const struct section **out, struct err *err)
{
    *out = NULL;
    for (size_t i = 0; i < b->n; i++) {
        if (!b->section[i]->from_user || !b->section[i]->is_recipe)
            continue;
        if (*out)
            return fail(err, E_FORMAT, "%s:%u: a second recipe; a file holds one", b->file,
                        b->section[i]->line);
        *out = b->section[i];
    }
    return *out ? OK : fail(err, E_FORMAT, "%s: no recipe in it", b->file);
}

enum status recipe_read(struct recipe **out, const char *name, const char *text, struct err *err)
{
    struct recipe *r = calloc(1, sizeof *r);
    const struct section *s = NULL;
    struct book b = {0};

    *out = NULL;
    if (!r)
        return fail_nomem(err);
    arena_init(&r->arena, 0);
    b.arena = &r->arena;
    enum status st = read_text(&b, recipe_text, "recipes.txt", err);
    if (st == OK && !text) {
        s = find_section(&b, name, NULL);
        s = s && s->is_recipe ? s : NULL;
    } else if (st == OK) {
        const char *copy = arena_strdup(&r->arena, name);

        b.from_user = true;
        st = copy ? read_text(&b, text, copy, err) : fail_nomem(err);
        if (st == OK)
            st = find_only(&b, &s, err);
    }
    if (st == OK && s)
        st = make_recipe(&b, s, r, err);
    if (st != OK || !s)
        recipe_free(r);
    else
        *out = r;
    return st;
}
