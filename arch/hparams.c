/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/hparams.h"

#include "arch/check.h"
#include "arch/expr.h"
#include "arch/head_config.h"
#include "core/nearest.h"

#define MAX_LAYERS 4096 /* far above any real model; keeps a hostile count from costing memory */

const struct json *hparams_find(const struct hparams *hp, const char *keys)
{
    char key[96];

    for (const char *p = keys; *p;) {
        size_t n = strcspn(p, "|");

        require(n < sizeof key);
        memcpy(key, p, n);
        key[n] = '\0';
        const struct json *v = json_get(hp->text, key);
        if (!v)
            v = json_get(hp->root, key);
        if (v)
            return v;
        p += n + (p[n] == '|');
    }
    return NULL;
}

/* What the class assumes for one of the keys, or NULL. */
static const char *default_of(const struct hparams *hp, const char *keys)
{
    for (const struct config_default *d = hp->arch->defaults; d && d->key; d++) {
        size_t n = strlen(d->key);

        for (const char *p = keys; *p;) {
            size_t m = strcspn(p, "|");

            if (m == n && memcmp(p, d->key, n) == 0)
                return d->value;
            p += m + (p[m] == '|');
        }
    }
    return NULL;
}

enum status hparams_refuse(const struct hparams *hp, const struct json *v, const char *must, struct err *err)
{
    const char *text = json_str(v);
    char number[32];
    double d;

    if (text)
        return fail(err, E_FORMAT, "%s: %s=\"%.80s\": must be %s", hp->name, json_key(v), text, must);
    if (json_num(v, &d)) {
        snprintf(number, sizeof number, "%.15g", d);
        if (strtod(number, NULL) != d)
            snprintf(number, sizeof number, "%.17g", d);
        return fail(err, E_FORMAT, "%s: %s=%s: must be %s", hp->name, json_key(v), number, must);
    }
    return fail(err, E_FORMAT, "%s: %s: is %s, must be %s", hp->name, json_key(v),
                json_kind_name(json_kind(v)), must);
}

enum status hparams_num(const struct hparams *hp, const char *keys, bool *found, double *v, struct err *err)
{
    const struct json *j = hparams_find(hp, keys);
    const char *dflt;

    *found = true;
    if (j && json_kind(j) != JSON_K_NULL)
        return json_num(j, v) ? OK : hparams_refuse(hp, j, "a number", err);
    dflt = default_of(hp, keys);
    if (dflt && strchr("0123456789", dflt[0])) {
        *v = strtod(dflt, NULL);
        return OK;
    }
    if (dflt) {
        uint64_t n;
        enum status s = hparams_eval(hp, dflt, &n, err);

        *v = (double)n;
        return s;
    }
    *found = false;
    return OK;
}

enum status hparams_u64(const struct hparams *hp, const char *keys, bool *found, uint64_t *v, struct err *err)
{
    const struct json *j = hparams_find(hp, keys);
    int64_t i;
    double d;

    if (j && json_kind(j) != JSON_K_NULL) {
        *found = true;
        if (!json_int(j, &i) || i < 0)
            return hparams_refuse(hp, j, "a whole number from 0 on", err);
        *v = (uint64_t)i;
        return OK;
    }
    enum status s = hparams_num(hp, keys, found, &d, err);
    *v = s == OK && *found ? (uint64_t)d : 0;
    return s;
}

/* ---- symbols and expressions ---- */

static const struct symbol *find_symbol(const struct hparams *hp, struct slice name)
{
    for (const struct symbol *sym = hp->symbols; sym->name; sym++)
        if (slice_eq(name, sym->name))
            return sym;
    return NULL;
}

static enum status symbol_value(void *ctx, struct slice name, uint64_t *v, struct err *err)
{
    const struct hparams *hp = ctx;
    const struct symbol *sym = find_symbol(hp, name);

    if (!sym)
        return fail(err, E_BUG, "size symbol '%.*s' is in no table", (int)name.n, name.p);
    if (hp->symbol[sym - hp->symbols].set) {
        *v = hp->symbol[sym - hp->symbols].value;
        return OK;
    }
    if (sym->keys)
        return fail(err, E_FORMAT, "%.*s is missing", (int)strcspn(sym->keys, "|"), sym->keys);
    return expr_eval(slice_of(sym->fallback), &(struct expr_symbols){ctx, symbol_value}, v, err);
}

static enum status eval_slice(const struct hparams *hp, struct slice expr, uint64_t *v, struct err *err)
{
    struct expr_symbols symbols = {(void *)(uintptr_t)hp, symbol_value};
    enum status s = expr_eval(expr, &symbols, v, err);

    return s == OK ? OK : wrap(err, "%s", hp->name);
}

enum status hparams_eval(const struct hparams *hp, const char *expr, uint64_t *v, struct err *err)
{
    return eval_slice(hp, slice_of(expr), v, err);
}

const char *hparams_describe(const struct hparams *hp, const char *expr, char out[HPARAMS_TEXT_MAX])
{
    bool shown[HPARAMS_MAX_SYMBOLS] = {0};
    size_t w = 0;

    out[0] = '\0';
    for (const char *p = expr; *p && w < HPARAMS_TEXT_MAX;) {
        size_t n = strcspn(p, "*/+-,");
        const struct symbol *sym = find_symbol(hp, (struct slice){p, n});
        size_t i = sym ? (size_t)(sym - hp->symbols) : 0;

        if (sym && sym->keys && hp->symbol[i].set && !shown[i]) {
            const struct json *v = hparams_find(hp, sym->keys);
            const char *key = v ? json_key(v) : sym->keys;

            w += (size_t)snprintf(out + w, HPARAMS_TEXT_MAX - w, "%s%.*s=%" PRIu64, w ? ", " : "",
                                  (int)strcspn(key, "|"), key, hp->symbol[i].value);
            shown[i] = true;
        }
        p += n + (p[n] != '\0');
    }
    return out;
}

/* Table order: a fallback refers to earlier rows only. */
static enum status read_symbols(struct hparams *hp, struct err *err)
{
    for (size_t i = 0; hp->symbols[i].name; i++) {
        const struct symbol *sym = &hp->symbols[i];

        require(i < HPARAMS_MAX_SYMBOLS);
        enum status s = OK;
        if (sym->keys)
            s = hparams_u64(hp, sym->keys, &hp->symbol[i].set, &hp->symbol[i].value, err);
        if (s != OK)
            return s;
        if (!hp->symbol[i].set && sym->fallback) {
            struct err ignored = {0};

            /* A fallback over symbols that are missing themselves leaves this one missing too. */
            hp->symbol[i].set = hparams_eval(hp, sym->fallback, &hp->symbol[i].value, &ignored) == OK;
        }
    }
    return OK;
}

enum status hparams_shape(const struct hparams *hp, const char *shape, uint64_t out[TENSOR_MAX_RANK],
                          uint32_t *rank, struct err *err)
{
    *rank = 0;
    for (const char *p = shape; *p;) {
        size_t n = strcspn(p, ",");

        require(*rank < TENSOR_MAX_RANK);
        enum status s = eval_slice(hp, (struct slice){p, n}, &out[*rank], err);
        if (s != OK)
            return s;
        ++*rank;
        p += n + (p[n] == ',');
    }
    return OK;
}

/* ---- reading ---- */

/* The first of a section's architectures; *class stays when the section has none. */
static enum status read_class(const struct json *section, const char *name, const char **class,
                              struct err *err)
{
    const struct json *list = json_get(section, "architectures");
    const char *first = list && json_kind(list) == JSON_K_ARRAY ? json_str(json_first(list)) : NULL;

    if (!list || json_kind(list) == JSON_K_NULL)
        return OK;
    if (!first)
        return fail(err, E_FORMAT, "%s: architectures: must be a list of class names", name);
    *class = first;
    return OK;
}

static enum status unknown_class(const char *class, const char *name, struct err *err)
{
    const char *known[64];
    size_t n = 0;

    if (!class)
        return fail(err, E_FORMAT, "%s: architectures is missing: it names the model's class", name);
    for (size_t i = 0; arch_at(i); i++)
        for (const char *const *c = arch_at(i)->hf_classes; *c && n < ARRAY_LEN(known); c++)
            known[n++] = *c;
    const char *near = nearest_of(class, known, n);
    return fail(err, E_UNSUPPORTED, "%s: architecture %s is not known%s%s%s", name, class,
                near ? " (the nearest known is " : "", near ? near : "", near ? ")" : "");
}

static enum status read_layers(struct hparams *hp, struct err *err)
{
    bool found;
    enum status s =
        hparams_u64(hp, "n_layers|num_hidden_layers|n_layer|num_layers", &found, &hp->n_layer, err);

    if (s != OK)
        return s;
    if (!found)
        return fail(err, E_FORMAT, "%s: num_hidden_layers is missing", hp->name);
    if (hp->n_layer == 0 || hp->n_layer > MAX_LAYERS)
        return fail(err, E_FORMAT, "%s: num_hidden_layers=%" PRIu64 ": must be 1 to %d", hp->name,
                    hp->n_layer, MAX_LAYERS);
    found = !hp->arch->has_mtp;
    for (size_t i = 0; head_config_counts[i] && s == OK && !found; i++) {
        s = hparams_u64(hp, head_config_counts[i], &found, &hp->promised, err);
        if (s == OK && hp->promised > MAX_LAYERS)
            s = fail(err, E_FORMAT, "%s: %s=%" PRIu64 ": must be at most %d", hp->name, head_config_counts[i],
                     hp->promised, MAX_LAYERS);
    }
    return s;
}

enum status hparams_read(struct hparams *hp, const struct json *config, const char *name, struct err *err)
{
    const struct json *text = json_get(config, "text_config");

    if (json_kind(config) != JSON_K_OBJECT)
        return fail(err, E_FORMAT, "%s: is %s, not an object", name, json_kind_name(json_kind(config)));
    if (text && json_kind(text) != JSON_K_OBJECT)
        return fail(err, E_FORMAT, "%s: text_config is %s, not an object", name,
                    json_kind_name(json_kind(text)));
    const char *class = NULL;
    enum status s = read_class(config, name, &class, err);
    if (s == OK)
        s = read_class(text, name, &class, err);
    if (s != OK)
        return s;
    *hp =
        (struct hparams){.root = config, .text = text ? text : config, .name = name, .wrapper = text != NULL};
    hp->arch = class ? arch_find(class) : NULL;
    if (!hp->arch)
        return unknown_class(class, name, err);
    hp->hf_class = class;
    hp->symbols = hp->arch->symbols;
    s = check_kinds(hp, err);
    if (s == OK)
        s = read_layers(hp, err);
    if (s == OK)
        s = read_symbols(hp, err);
    return s == OK ? check_symbols(hp, hp->arch->checks, err) : s;
}

enum status hparams_vision(const struct hparams *text, struct hparams *vision, struct err *err)
{
    const struct json *section = json_get(text->root, "vision_config");

    if (!text->arch->vision)
        return fail(err, E_UNSUPPORTED, "%s: no vision tower is known for %s", text->name, text->hf_class);
    if (!section || json_kind(section) != JSON_K_OBJECT)
        return fail(err, E_FORMAT, "%s: vision_config is missing", text->name);
    *vision = *text;
    vision->text = section;
    vision->symbols = text->arch->vision->symbols;
    memset(vision->symbol, 0, sizeof vision->symbol);
    enum status s = read_symbols(vision, err);
    return s == OK ? check_symbols(vision, text->arch->vision->checks, err) : s;
}

unsigned hparams_layer_kind(const struct hparams *hp, uint64_t block)
{
    struct err ignored = {0};
    uint64_t interval = 1;

    if (block >= hp->n_layer)
        return IN_HEAD;
    if (!hp->arch->full_interval || hparams_eval(hp, hp->arch->full_interval, &interval, &ignored) != OK)
        return IN_FULL;
    return interval && (block + 1) % interval == 0 ? IN_FULL : IN_LINEAR;
}

const char *hparams_key(const struct hparams *hp, const char *suffix, char out[META_KEY_MAX])
{
    snprintf(out, META_KEY_MAX, "%s.%s", hp->arch->name, suffix);
    return out;
}
