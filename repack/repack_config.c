/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of single modules in config.json follow their modules' names. */
#include "repack/repack_int.h"
#include "core/json.h"

/* Objects whose members are modules' paths, beside settings for all modules. */
static const char *const settings_keys[] = {"quantization", "quantization_config"};

/* The settings of one layer's experts. */
struct layer {
    struct slice parent;
    uint32_t n;
    const struct json **value[EXPERT_DOWN + 1]; /* [n] each; NULL: none of their own */
    bool written;
};

struct edit {
    const struct repack *r;
    struct arena arena;
    struct layer *layers;
    size_t nlayer, layer_cap;
    struct map parents; /* -> layer */
};

static bool is_object(const struct json *v)
{
    return v && json_kind(v) == JSON_K_OBJECT;
}

static bool is_text_config(const struct json *member)
{
    return is_object(member) && strcmp(json_key(member), "text_config") == 0;
}

static bool is_settings(const struct json *member)
{
    for (size_t i = 0; i < ARRAY_LEN(settings_keys); i++)
        if (strcmp(json_key(member), settings_keys[i]) == 0)
            return is_object(member);
    return false;
}

static bool is_module(const struct json *member, struct expert_name *e)
{
    return experts_parse(json_key(member), e) && !e->part[0];
}

/* Whether some module's path changes, here or in an object inside. */
static bool needs_edit(const struct repack *r, const struct json *object)
{
    struct expert_name e;

    for (const struct json *m = json_first(object); m; m = json_after(m)) {
        if (is_text_config(m) && needs_edit(r, m))
            return true;
        for (const struct json *k = is_settings(m) ? json_first(m) : NULL; k; k = json_after(k))
            if (is_module(k, &e) && !experts_fits(&e, r->o->experts))
                return true;
    }
    return false;
}

/* ---- reading ---- */

/* Experts of a layer, also when its path is spelled in another way than those of the tensors. */
static uint32_t count_of(const struct repack *r, struct slice parent)
{
    uint32_t i = map_find(&r->parents, parent), n = 0;

    if (i != MAP_NONE && r->groups[i].n)
        return r->groups[i].n;
    for (size_t k = 0; k < r->ngroup; k++)
        n = r->groups[k].n > n ? r->groups[k].n : n;
    return n;
}

static enum status layer_of(struct edit *d, struct slice parent, struct layer **layer, struct err *err)
{
    uint32_t i = map_find(&d->parents, parent), existing;

    if (i == MAP_NONE) {
        struct layer fresh = {.parent = parent, .n = count_of(d->r, parent)};

        for (size_t p = 0; p < ARRAY_LEN(fresh.value); p++)
            if (!(fresh.value[p] = arena_array(&d->arena, fresh.n, sizeof *fresh.value[p])))
                return fail_nomem(err);
        i = (uint32_t)d->nlayer;
        if (!arena_grow(&d->arena, (void **)&d->layers, d->nlayer, &d->layer_cap, sizeof fresh) ||
            !map_add(&d->parents, parent, i, &existing))
            return fail_nomem(err);
        d->layers[d->nlayer++] = fresh;
    }
    *layer = &d->layers[i];
    return OK;
}

static enum status set_value(const struct edit *d, struct layer *l, enum expert_proj proj, uint32_t e,
                             const struct json *value, struct err *err)
{
    const struct json **at = &l->value[proj][e];

    if (*at && !json_same(*at, value))
        return fail(err, E_FORMAT, "%s: config.json: %s: is set twice, and not alike", d->r->source->path,
                    json_key(value));
    *at = value;
    return OK;
}

static enum status read_module(struct edit *d, const struct json *member, const struct expert_name *e,
                               struct err *err)
{
    struct layer *l = NULL;
    enum status s = layer_of(d, e->parent, &l, err);
    enum expert_proj first = e->proj == EXPERT_GATE_UP ? EXPERT_GATE : e->proj;
    enum expert_proj last = e->proj == EXPERT_GATE_UP ? EXPERT_UP : e->proj;

    if (s == OK && e->numbered && e->number >= l->n)
        s = fail(err, E_FORMAT, "%s: config.json: %s: there are only %" PRIu32 " experts", d->r->source->path,
                 json_key(member), l->n);
    for (int p = (int)first; p <= (int)last && s == OK; p++)
        for (uint32_t k = e->numbered ? e->number : 0; k < (e->numbered ? e->number + 1 : l->n) && s == OK;
             k++)
            s = set_value(d, l, (enum expert_proj)p, k, member, err);
    return s;
}

static enum status read_settings(struct edit *d, const struct json *settings, struct err *err)
{
    struct expert_name e;
    enum status s = OK;

    for (const struct json *m = json_first(settings); m && s == OK; m = json_after(m))
        if (is_module(m, &e))
            s = read_module(d, m, &e, err);
    return s;
}

/* ---- writing ---- */

static enum status put_module(struct edit *d, const struct layer *l, struct expert_name e,
                              const struct json *value, struct json_writer *w, struct err *err)
{
    e.parent = l->parent;
    e.part = "";
    const char *key = experts_print(&d->arena, &e);
    if (!key)
        return fail_nomem(err);
    if (value) {
        json_put_key(w, key);
        json_put_tree(w, value);
    }
    return OK;
}

/* The one setting of all experts. */
static enum status merge(const struct edit *d, const struct layer *l, enum expert_proj proj, struct err *err)
{
    for (uint32_t e = 1; e < l->n; e++)
        if (!json_same(l->value[proj][e], l->value[proj][0]))
            return fail(err, E_UNSUPPORTED,
                        "%s: config.json: %.*s: %s of expert %" PRIu32
                        " has other settings than that of expert 0: "
                        "they cannot become one",
                        d->r->source->path, (int)l->parent.n, l->parent.p, expert_proj_name(proj), e);
    return OK;
}

static enum status put_stacked(struct edit *d, const struct layer *l, struct json_writer *w, struct err *err)
{
    bool fused = d->r->o->experts == EXPERTS_FUSED;
    enum status s = OK;

    for (int p = 0; p <= EXPERT_DOWN && s == OK; p++)
        s = merge(d, l, (enum expert_proj)p, err);
    if (s == OK && fused && !json_same(l->value[EXPERT_GATE][0], l->value[EXPERT_UP][0]))
        s = fail(err, E_UNSUPPORTED,
                 "%s: config.json: %.*s: gate_proj and up_proj have other settings: they cannot be fused",
                 d->r->source->path, (int)l->parent.n, l->parent.p);
    for (int p = 0; p <= EXPERT_DOWN && s == OK; p++) {
        bool both = fused && p != EXPERT_DOWN;
        struct expert_name e = {.switch_mlp = !fused, .proj = both ? EXPERT_GATE_UP : (enum expert_proj)p};

        if (!(both && p == EXPERT_UP))
            s = put_module(d, l, e, l->value[p][0], w, err);
    }
    return s;
}

static enum status put_layer(struct edit *d, const struct layer *l, struct json_writer *w, struct err *err)
{
    enum status s = OK;

    if (d->r->o->experts != EXPERTS_SPLIT)
        return put_stacked(d, l, w, err);
    for (uint32_t k = 0; k < l->n; k++)
        for (int p = 0; p <= EXPERT_DOWN && s == OK; p++) {
            struct expert_name e = {.numbered = true, .number = k, .proj = (enum expert_proj)p};

            s = put_module(d, l, e, l->value[p][k], w, err);
        }
    return s;
}

/* The settings object, a layer's modules where the first of them stood. */
static enum status put_settings(struct edit *d, const struct json *settings, struct json_writer *w,
                                struct err *err)
{
    struct expert_name e;
    enum status s = OK;

    json_open(w, '{');
    for (const struct json *m = json_first(settings); m && s == OK; m = json_after(m)) {
        if (!is_module(m, &e)) {
            json_put_key(w, json_key(m));
            json_put_tree(w, m);
            continue;
        }
        struct layer *l = &d->layers[map_find(&d->parents, e.parent)];
        if (!l->written)
            s = put_layer(d, l, w, err);
        l->written = true;
    }
    json_close(w, '}');
    return s;
}

static enum status edit_settings(const struct repack *r, const struct json *settings, struct json_writer *w,
                                 struct err *err)
{
    struct edit d = {.r = r};

    arena_init(&d.arena, GIB);
    enum status s = read_settings(&d, settings, err);
    if (s == OK)
        s = put_settings(&d, settings, w, err);
    map_free(&d.parents);
    arena_free(&d.arena);
    return s;
}

static enum status put_object(const struct repack *r, const struct json *object, struct json_writer *w,
                              struct err *err)
{
    enum status s = OK;

    json_open(w, '{');
    for (const struct json *m = json_first(object); m && s == OK; m = json_after(m)) {
        json_put_key(w, json_key(m));
        if (is_settings(m))
            s = edit_settings(r, m, w, err);
        else if (is_text_config(m))
            s = put_object(r, m, w, err);
        else
            json_put_tree(w, m);
    }
    json_close(w, '}');
    return s;
}

enum status repack_config(const struct repack *r, struct buf *out, bool *changed, struct err *err)
{
    const struct json *config = r->source->config;
    struct json_writer w = {.out = out};
    bool moves = false;

    for (size_t i = 0; i < r->ngroup; i++)
        moves = moves || r->groups[i].moves;
    *changed = moves && is_object(config) && needs_edit(r, config);
    if (!*changed)
        return OK;
    enum status s = put_object(r, config, &w, err);
    buf_add_char(out, '\n');
    return s == OK ? buf_check(out, "config.json", err) : s;
}
