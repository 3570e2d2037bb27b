/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions of rules: what they say, and whether they hold for a tensor. */
#include "core/nearest.h"
#include "quantize/recipe_int.h"

#include <ctype.h>

#define NUMBER_MAX 1000000
#define WORDS_MAX  64

/* Their names in recipes; a fraction needs a whole. */
static const struct {
    const char *word;
    bool has_whole;
} facts[FACT_COUNT] = {
    [FACT_NTH] = {"nth", true},          [FACT_PLACE] = {"place", true},
    [FACT_LAYER] = {"layer", true},      [FACT_GQA] = {"gqa", false},
    [FACT_EXPERTS] = {"experts", false}, [FACT_LAYERS] = {"layers", false},
    [FACT_HEADS] = {"heads", false},     [FACT_KV_HEADS] = {"kv_heads", false},
    [FACT_COLUMNS] = {"columns", false}, [FACT_ARCH] = {"arch", false},
    [FACT_SPREAD] = {"spread", false},   [FACT_IMATRIX] = {"imatrix", false},
    [FACT_TIED] = {"tied", false},       [FACT_MISFIT] = {"misfit", false},
    [FACT_3D] = {"3d", false},           [FACT_MTP] = {"mtp", false},
};

/* ---- parsing ---- */

static enum recipe_fact find_fact(struct slice word)
{
    for (int f = 0; f < FACT_COUNT; f++)
        if (facts[f].word && slice_eq(word, facts[f].word))
            return (enum recipe_fact)f;
    return FACT_COUNT;
}

/* The comparison at *p, which is moved behind it; false when there is none. */
static bool parse_compare(const char **p, enum recipe_compare *out)
{
    static const struct {
        const char *text;
        enum recipe_compare compare;
    } compares[] = {{"<=", CMP_LE}, {">=", CMP_GE}, {"!=", CMP_NE},
                    {"<", CMP_LT},  {">", CMP_GT},  {"=", CMP_EQ}};

    for (size_t i = 0; i < ARRAY_LEN(compares); i++) {
        if (!str_starts(*p, compares[i].text))
            continue;
        *p += strlen(compares[i].text);
        *out = compares[i].compare;
        return true;
    }
    return false;
}

static bool parse_number(const char **p, uint64_t *value)
{
    if (!isdigit((unsigned char)**p))
        return false;
    for (*value = 0; isdigit((unsigned char)**p) && *value <= NUMBER_MAX; (*p)++)
        *value = *value * 10 + (uint64_t)(**p - '0');
    return *value <= NUMBER_MAX;
}

/* "qwen2,deci,olmo" */
static enum status parse_words(struct arena *a, const char *p, struct recipe_cond *out, struct err *err)
{
    const char **words = arena_array(a, WORDS_MAX, sizeof *words);

    if (!words)
        return fail_nomem(err);
    for (;; p++) {
        size_t n = strcspn(p, ",");

        if (!n)
            return fail(err, E_FORMAT, "the name of an architecture is missing");
        if (out->nword == WORDS_MAX)
            return fail(err, E_LIMIT, "more than %d architectures", WORDS_MAX);
        words[out->nword] = arena_strndup(a, p, n);
        if (!words[out->nword++])
            return fail_nomem(err);
        p += n;
        if (!*p)
            break;
    }
    out->word = words;
    return OK;
}

static enum status parse_value(const char *p, struct recipe_cond *out, struct err *err)
{
    const char *value = p;

    out->other = find_fact(slice_of(p));
    if (out->other < FACT_ARCH)
        return OK;
    out->other = FACT_COUNT;
    if (parse_number(&p, &out->num) && !*p)
        return OK;
    if (*p++ != '/' || !parse_number(&p, &out->den) || *p || !out->den || out->num > out->den)
        return fail(err, E_FORMAT, "\"%s\" is no number, fraction or fact", value);
    if (!facts[out->fact].has_whole)
        return fail(err, E_FORMAT, "\"%s\" is no fraction of anything", facts[out->fact].word);
    return OK;
}

bool recipe_is_fact(const char *word)
{
    return find_fact(slice_of(word)) != FACT_COUNT;
}

static const struct recipe_define *find_defined(const struct recipe_words *words, const char *word)
{
    for (size_t i = words->n; i-- > 0;)
        if (strcmp(words->define[i]->word, word) == 0)
            return words->define[i];
    return NULL;
}

static enum status refuse_word(struct arena *a, const char *word, const struct recipe_words *words,
                               struct err *err)
{
    const char **known = arena_array(a, FACT_COUNT + words->n, sizeof *known);
    size_t n = 0;

    if (!known)
        return fail_nomem(err);
    for (int f = 0; f < FACT_COUNT; f++)
        if (facts[f].word)
            known[n++] = facts[f].word;
    for (size_t i = 0; i < words->n; i++)
        known[n++] = words->define[i]->word;
    const char *near = nearest_of(word, known, n);
    if (near)
        return fail(err, E_FORMAT, "no fact is called \"%s\"; did you mean \"%s\"?", word, near);
    return fail(err, E_FORMAT, "no fact is called \"%s\"", word);
}

/* What follows a fact's name. */
static enum status parse_comparison(struct arena *a, const char *p, struct recipe_cond *out, struct err *err)
{
    const char *word = facts[out->fact].word, *rest = p;
    bool compared = parse_compare(&p, &out->compare);

    if (!compared && *p)
        return fail(err, E_FORMAT, "\"%s%s\" is no comparison", word, rest);
    if (compared && out->fact >= FACT_SPREAD)
        return fail(err, E_FORMAT, "\"%s\" holds or not, and is compared with nothing", word);
    if (!compared && out->fact < FACT_SPREAD)
        return fail(err, E_FORMAT, "\"%s\" must be compared, as in \"%s=%s\"", word, word,
                    out->fact == FACT_ARCH ? "llama" : "8");
    if (!compared)
        return OK;
    if (out->fact != FACT_ARCH)
        return parse_value(p, out, err);
    if (out->compare != CMP_EQ && out->compare != CMP_NE)
        return fail(err, E_FORMAT, "architectures have no order: write \"arch=%s\" or \"arch!=%s\"", p, p);
    return parse_words(a, p, out, err);
}

enum status recipe_cond_parse(struct arena *a, const char *text, const struct recipe_words *words,
                              struct recipe_cond *out, struct err *err)
{
    *out = (struct recipe_cond){.other = FACT_COUNT, .negate = *text == '!'};
    const char *p = text + out->negate;
    size_t n = strcspn(p, "<>=!");
    const char *word = arena_strndup(a, p, n);

    if (!word)
        return fail_nomem(err);
    out->fact = find_fact(slice_of(word));
    if (out->fact != FACT_COUNT)
        return parse_comparison(a, p + n, out, err);
    out->fact = FACT_DEFINED;
    out->define = find_defined(words, word);
    if (!out->define)
        return refuse_word(a, word, words, err);
    return p[n] ? fail(err, E_FORMAT, "\"%s\" holds or not, and is compared with nothing", word) : OK;
}

/* ---- evaluation ---- */

static bool cond_holds(struct recipe_scene *s, const struct recipe_cond *c);

/* A fact's number and what fractions of it are of; false when the tensor has none. */
static bool read_fact(struct recipe_scene *s, enum recipe_fact fact, uint64_t *value, uint64_t *whole)
{
    const struct recipe_model *m = s->model;

    *whole = 0;
    switch (fact) {
    case FACT_NTH:
        *value = s->facts->nth;
        *whole = s->facts->nth_of;
        return true;
    case FACT_PLACE:
        *value = s->facts->place;
        *whole = s->facts->place_of;
        s->no_place = s->no_place || s->facts->no_place;
        return true;
    case FACT_LAYER:
        *value = s->facts->layer;
        *whole = m->n_layer_all;
        return *value != UINT64_MAX;
    case FACT_GQA:
        *value = m->head_count_kv0 ? m->head_count0 / m->head_count_kv0 : 0;
        return true;
    case FACT_EXPERTS:
        *value = m->expert_count;
        return true;
    case FACT_LAYERS:
        *value = m->n_layer_all - m->n_layer_mtp;
        return true;
    case FACT_HEADS:
        *value = m->head_count0;
        return true;
    case FACT_KV_HEADS:
        *value = m->head_count_kv0;
        return true;
    default:
        *value = recipe_columns(s->tensor);
        return true;
    }
}

static bool compare(enum recipe_compare how, uint64_t a, uint64_t b)
{
    switch (how) {
    case CMP_LT:
        return a < b;
    case CMP_LE:
        return a <= b;
    case CMP_GT:
        return a > b;
    case CMP_GE:
        return a >= b;
    case CMP_EQ:
        return a == b;
    default:
        return a != b;
    }
}

static bool number_holds(struct recipe_scene *s, const struct recipe_cond *c)
{
    uint64_t value, whole, limit = c->num, unused;

    if (!read_fact(s, c->fact, &value, &whole))
        return false;
    if (c->other != FACT_COUNT && !read_fact(s, c->other, &limit, &unused))
        return false;
    if (c->den)
        limit = c->num * whole / c->den;
    return compare(c->compare, value, limit);
}

static bool arch_holds(const struct recipe_scene *s, const struct recipe_cond *c)
{
    bool found = false;

    for (size_t i = 0; i < c->nword; i++)
        found = found || strcmp(c->word[i], s->model->arch) == 0;
    return found == (c->compare == CMP_EQ);
}

/* The first and the last eighth, and each third place between. */
static bool is_spread(struct recipe_scene *s)
{
    uint64_t i = s->facts->place, n = s->facts->place_of;

    s->no_place = s->no_place || s->facts->no_place;
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static bool is_defined(struct recipe_scene *s, const struct recipe_define *d)
{
    for (size_t i = 0; i < d->n; i++) {
        bool all = true;

        for (size_t k = 0; all && k < d->line[i].ncond; k++)
            all = cond_holds(s, &d->line[i].cond[k]);
        if (all)
            return true;
    }
    return false;
}

static bool fact_holds(struct recipe_scene *s, const struct recipe_cond *c)
{
    const struct recipe_model *m = s->model;
    const struct recipe_tensor *t = s->tensor;

    switch (c->fact) {
    case FACT_ARCH:
        return arch_holds(s, c);
    case FACT_SPREAD:
        return is_spread(s);
    case FACT_IMATRIX:
        return m->has_imatrix;
    case FACT_TIED:
        return s->tied;
    case FACT_MISFIT:
        return recipe_columns(t) % dtype_block_elems(s->recipe->type) != 0;
    case FACT_3D:
        return t->rank >= 3 && t->shape[t->rank - 3] > 1;
    case FACT_MTP:
        return s->facts->layer < m->n_layer_all && s->facts->layer >= m->n_layer_all - m->n_layer_mtp;
    case FACT_DEFINED:
        return is_defined(s, c->define);
    default:
        return number_holds(s, c);
    }
}

/* Words are defined by earlier words only, so this ends. */
static bool cond_holds(struct recipe_scene *s, const struct recipe_cond *c)
{
    return fact_holds(s, c) != c->negate;
}

bool recipe_rule_fits(struct recipe_scene *s, const struct recipe_rule *rule)
{
    if (rule->pattern ? !pattern_search(rule->pattern, s->tensor->name)
                      : !(rule->roles >> s->facts->role & 1))
        return false;
    for (size_t i = 0; i < rule->ncond; i++)
        if (!cond_holds(s, &rule->cond[i]))
            return false;
    return true;
}
