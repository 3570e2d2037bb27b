/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/canon.h"

#include "arch/form.h"
#include "arch/head.h"
#include "convert/build_int.h"
#include "convert/canon_int.h"
#include "convert/gguf_config.h"
#include "formats/gguf.h"
#include "formats/mlx.h"
#include "plan/invert.h"
#include "quantize/codecs.h"

#define CONFIG_MAX (16 * MIB)

struct reading {
    struct source *source;
    struct builder b;      /* of a model as it is stored: no more of it than names and forms need */
    struct tensor *stored; /* as the source had them; in its arena, like all that lasts */
    bool *used;
    size_t nstored;
    enum dtype file_type;     /* of a GGUF file, else DT_COUNT */
    struct map index;         /* spelled() -> stored */
    struct name_match absent; /* experts whose first one is not there: the others are not looked for */
    unsigned only;            /* visits pass other rules over: RULE_* bits; 0: none */
    bool numbers_head;        /* the head's experts have numbers, unlike the class's */
    struct tensor *tensors;   /* made so far */
    size_t n, cap;
};

/* ---- names ---- */

#define SOURCE_TOWER "visual."

/* A stored name without what loaders' renames change, the tower's as the class has it; out has NAME_MAX_LEN
 * bytes. Empty when it does not fit. */
static const char *spelled(const char *name, char *out)
{
    static const char *const towers[] = {"vision_tower.", "model.vision_tower."};

    if (!name_canonical(name, out))
        out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(towers); i++) {
        size_t n = strlen(towers[i]), m = strlen(SOURCE_TOWER);

        if (!str_starts(out, towers[i]))
            continue;
        memmove(out + m, out + n, strlen(out + n) + 1);
        memcpy(out, SOURCE_TOWER, m);
    }
    return out;
}

static const struct tensor *find_stored(struct reading *r, const struct name_match *m, const char *own)
{
    char name[NAME_MAX_LEN], key[NAME_MAX_LEN];

    r->b.world->name(&r->b, m, own, name);
    uint32_t i = map_find(&r->index, slice_of(spelled(name, key)));
    if (i == MAP_NONE)
        return NULL;
    r->used[i] = true;
    return &r->stored[i];
}

static enum status index_stored(struct reading *r, struct err *err)
{
    for (size_t i = 0; i < r->nstored; i++) {
        const struct tensor *t = &r->stored[i];
        char name[NAME_MAX_LEN];
        const char *key = arena_strdup(&r->source->arena, spelled(t->name, name));
        uint32_t other;

        if (!key || !map_add(&r->index, slice_of(key), (uint32_t)i, &other))
            return fail_nomem(err);
        if (other != MAP_NONE && *key)
            return fail(err, E_FORMAT, "%s: tensor %s: stands beside %s", r->source->files[t->file].path,
                        t->name, r->stored[other].name);
    }
    return OK;
}

/* The name that the class has for it. */
static const char *class_name(const struct reading *r, const struct name_match *m)
{
    char name[NAME_MAX_LEN], whole[NAME_MAX_LEN];

    if (r->b.vision)
        name_source_vision(&r->b.hp, m, name);
    else
        name_source(&r->b.hp, m, name);
    name_spell(&r->b.hp, name, whole);
    return arena_strdup(&r->source->arena, whole);
}

/* ---- what a tensor is made of ---- */

#define PARTS_MAX 4

/* The stored tensors of one rule at one place, and what they are pieces of. */
struct parts {
    const struct name_match *m;
    struct tensor whole; /* of the class */
    const struct tensor *of[PARTS_MAX];
    struct formed formed[PARTS_MAX];
    size_t n;
};

static const char *path_of(const struct reading *r, const struct tensor *t)
{
    return r->source->files[t->file].path;
}

/* GGUF need not write outermost dimensions of 1. */
static bool same_shape(const struct formed *f, const struct tensor *t, bool gguf)
{
    uint32_t skip = 0;

    while (gguf && f->rank - skip > t->rank && f->shape[skip] == 1)
        skip++;
    return f->rank - skip == t->rank && memcmp(f->shape + skip, t->shape, t->rank * sizeof t->shape[0]) == 0;
}

static enum status check_shape(const struct reading *r, const struct parts *p, size_t i, struct err *err)
{
    const struct formed *f = &p->formed[i];
    const struct tensor *t = p->of[i];
    char have[SHAPE_TEXT_MAX], want[SHAPE_TEXT_MAX], reason[HPARAMS_TEXT_MAX];

    if (same_shape(f, t, r->source->kind == SOURCE_GGUF))
        return OK;
    return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: the config makes it %s (%s)", path_of(r, t), t->name,
                shape_text(t->shape, t->rank, have), shape_text(f->shape, f->rank, want),
                hparams_describe(&r->b.hp, p->m->rule->shape, reason));
}

/* One of the stored tensors. Experts with numbers of their own are stored as the outermost axis of one. */
static enum status add_part(struct reading *r, struct parts *p, const struct tensor_part *part,
                            const struct tensor *of, struct err *err)
{
    const struct tensor_rule *rule = p->m->rule;
    struct formed *f = &p->formed[p->n];
    enum status s = form_apply(&r->b.hp, r->b.world->form(rule), part, &p->whole, f, err);

    require(p->n < PARTS_MAX);
    if (s == OK && (rule->flags & RULE_PER_EXPERT) && r->b.world->stacks) {
        require(f->rank < TENSOR_MAX_RANK);
        memmove(f->shape + 1, f->shape, f->rank * sizeof f->shape[0]);
        f->rank++;
        s = hparams_eval(&r->b.hp, "E", &f->shape[0], err);
    }
    p->of[p->n] = of;
    if (s == OK)
        s = check_shape(r, p, p->n++, err);
    return s == OK ? emit_check_type(r->source, of, err) : s;
}

/* Those of the rule, all or none. */
static enum status find_parts(struct reading *r, struct parts *p, struct err *err)
{
    const struct tensor_form *form = r->b.world->form(p->m->rule);
    const struct tensor_part *part = form ? form->parts : NULL;
    const struct tensor *of[PARTS_MAX], *there = NULL;
    char missing[NAME_MAX_LEN] = "";
    enum status s = OK;
    size_t n = 0;

    do {
        const char *own = part ? part[n].name : r->b.world->own(p->m->rule);

        require(n < PARTS_MAX);
        of[n] = find_stored(r, p->m, own);
        if (of[n])
            there = of[n];
        else
            r->b.world->name(&r->b, p->m, own, missing);
        n++;
    } while (part && part[n].name);
    if (!there)
        return OK;
    if (*missing)
        return fail(err, E_FORMAT, "%s: tensor %s is missing, but %s is there", r->source->path, missing,
                    there->name);
    for (size_t i = 0; i < n && s == OK; i++)
        s = add_part(r, p, part ? &part[i] : NULL, of[i], err);
    return s;
}

/* ---- origins ---- */

static enum status add_views(struct reading *r, const struct parts *p, struct tensor_origin *o,
                             struct err *err)
{
    struct invert_piece pieces[PARTS_MAX * PART_MAX_SLICES];
    uint64_t nelem;
    size_t n = 0;

    require(shape_nelem(p->whole.shape, p->whole.rank, &nelem));
    for (size_t i = 0; i < p->n; i++) {
        uint64_t first = p->m->expert * nelem; // 0, but for experts that are stacked

        for (size_t k = 0; k < p->formed[i].nview; k++) {
            struct view v = p->formed[i].view[k];

            v.source = (uint32_t)i;
            pieces[n++] = (struct invert_piece){v, first};
            first += view_nelem(&v);
        }
    }
    enum status s = invert_views(&r->source->arena, pieces, n, nelem, &o->made, err);
    return s == OK ? OK : wrap(err, "tensor %s", p->whole.name);
}

/* All of one stored tensor, as it is. */
static bool is_stored(const struct tensor_origin *o, enum dtype type)
{
    const struct tensor *of = o->of[0];
    const struct view *v = o->made.views;
    uint64_t nelem;

    return o->nof == 1 && of->dtype == type && o->made.nop == 0 && o->made.nview == 1 && v->ndim == 1 &&
           v->dim[0].stride == 1 && shape_nelem(of->shape, of->rank, &nelem) && v->dim[0].n == nelem;
}

/* What the form does to values is taken back, in the type in which the class has them. */
static enum status add_ops(struct reading *r, const struct tensor_form *form, struct tensor_origin *o,
                           enum dtype *type, struct err *err)
{
    struct plan_made *made = &o->made;
    enum op op = form && form->op_set ? form->op : OP_COUNT, inverse;
    enum status s = canon_type(r->source, o, op, r->file_type, type, err);

    if (s != OK || op == OP_COUNT)
        return s;
    require(op_inverse(op, &inverse));
    made->ops[made->nop++] = (uint8_t)inverse;
    if (*type == DT_F16 || *type == DT_BF16)
        made->ops[made->nop++] = *type == DT_F16 ? OP_ROUND_F16 : OP_ROUND_BF16;
    return OK;
}

/* The class's tensor; *t is a stored one with its name where nothing needs to be done. */
static enum status make_tensor(struct reading *r, const struct parts *p, struct tensor *t, struct err *err)
{
    struct arena *a = &r->source->arena;
    struct tensor_origin *o = arena_alloc(a, sizeof *o);

    if (!o || !(o->of = arena_array(a, p->n, sizeof *o->of)))
        return fail_nomem(err);
    *t = p->whole;
    t->file = p->of[0]->file;
    t->off = p->of[0]->off;
    for (; o->nof < p->n; o->nof++) {
        o->of[o->nof] = p->of[o->nof];
        t->nbytes += p->of[o->nof]->nbytes;
    }
    enum status s = add_views(r, p, o, err);
    if (s != OK)
        return s;
    for (size_t i = 0; i < o->made.nview; i++)
        view_simplify(&o->made.views[i]);
    s = add_ops(r, r->b.world->form(p->m->rule), o, &t->dtype, err);
    t->origin = is_stored(o, t->dtype) ? NULL : o;
    return s;
}

/* A config may promise any number of experts. */
static enum status check_experts(const struct reading *r, struct err *err)
{
    uint64_t n = 0;
    enum status s = hparams_eval(&r->b.hp, "E", &n, err);

    if (s == OK && n > HEAD_MAX_EXPERTS)
        s = fail(err, E_FORMAT, "%s: num_experts=%" PRIu64 ": at most %d are possible", r->b.hp.name, n,
                 HEAD_MAX_EXPERTS);
    return s;
}

static bool is_passed_over(const struct reading *r, const struct name_match *m)
{
    bool numbered = m->rule->flags & RULE_PER_EXPERT;

    if (r->numbers_head && (m->rule->flags & RULE_EXPERTS) && numbered != head_has(&r->b, m))
        return true;
    return (r->only && !(m->rule->flags & r->only)) ||
           (m->expert > 0 && m->rule == r->absent.rule && m->block == r->absent.block);
}

static enum status visit(void *ctx, const struct name_match *m, struct err *err)
{
    struct reading *r = ctx;
    struct parts p = {.m = m};
    struct tensor t;
    bool numbered = m->rule->flags & RULE_PER_EXPERT;

    if (is_passed_over(r, m))
        return OK;
    enum status s = numbered && m->expert == 0 ? check_experts(r, err) : OK;
    if (s == OK && !(p.whole.name = class_name(r, m)))
        return fail_nomem(err);
    if (s == OK)
        s = hparams_shape(&r->b.hp, m->rule->shape, p.whole.shape, &p.whole.rank, err);
    if (s == OK)
        s = find_parts(r, &p, err);
    if (numbered && m->expert == 0 && p.n == 0)
        r->absent = *m;
    if (s != OK || p.n == 0)
        return s;
    s = make_tensor(r, &p, &t, err);
    if (s == OK && !arena_grow(&r->source->arena, (void **)&r->tensors, r->n, &r->cap, sizeof t))
        return fail_nomem(err);
    if (s == OK)
        r->tensors[r->n++] = t;
    return s;
}

/* ---- the form that a folder is in ---- */

/* Where it has the class's axes, it is all in the class's form, be it under MLX's names: loaders go by that,
 * too. */
static enum status find_raw(void *ctx, const struct name_match *m, struct err *err)
{
    struct reading *r = ctx;
    const struct tensor_form *form = r->b.world->form(m->rule);
    struct tensor whole = {.name = m->rule->hf};
    struct formed f;

    if (r->b.world != &build_mlx_world || !form || !form->axes)
        return OK;
    const struct tensor *t = find_stored(r, m, r->b.world->own(m->rule));
    enum status s = t ? hparams_shape(&r->b.hp, m->rule->shape, whole.shape, &whole.rank, err) : OK;
    if (s == OK && t)
        s = form_apply(&r->b.hp, form, NULL, &whole, &f, err);
    if (s == OK && t && t->rank == whole.rank &&
        memcmp(t->shape, whole.shape, t->rank * sizeof t->shape[0]) == 0 &&
        memcmp(t->shape, f.shape, t->rank * sizeof t->shape[0]) != 0)
        r->b.world = &build_hf_world;
    return s;
}

static enum status visit_all(struct reading *r, unsigned experts,
                             enum status (*fn)(void *ctx, const struct name_match *m, struct err *err),
                             struct err *err)
{
    struct name_visit v = {.experts = experts, .with_optional = true, .ctx = r, .fn = fn};

    return r->b.vision ? name_visit_vision(&r->b.hp, &v, err) : name_visit_text(&r->b.hp, &v, err);
}

static bool says_numbers_head(const struct reading *r)
{
    const struct meta_kv *kv = meta_find(&r->source->st_meta, CANON_HEAD_KEY);
    struct slice value;

    return kv && meta_str(kv, &value) && slice_eq(value, CANON_HEAD_NUMBERED);
}

static enum status read_model(struct reading *r, struct err *err)
{
    unsigned experts = r->b.hp.arch->fused_experts ? RULE_FUSED : RULE_PER_EXPERT;
    enum status s = visit_all(r, 0, find_raw, err);

    r->numbers_head =
        !r->b.vision && r->b.world == &build_mlx_world && experts == RULE_FUSED && says_numbers_head(r);
    if (s == OK)
        s = visit_all(r, experts, visit, err);
    if (s == OK && !r->b.vision && (r->numbers_head || r->b.world == &build_hf_world)) { // either layout
        r->only = RULE_EXPERTS ^ experts ^ RULE_STACKED;
        s = visit_all(r, r->only, visit, err);
        r->only = 0;
    }
    r->numbers_head = false;
    return s;
}

/* ---- all ---- */

/* Made by the architecture's formula, not from the checkpoint. */
static bool is_generated(const char *name)
{
    return strcmp(name, "rope_freqs.weight") == 0;
}

/* A tensor as it is, but of the type of its values where it is packed: experts that were repacked have the
 * class's names already. */
static enum status keep_tensor(struct reading *r, const struct tensor *stored, struct tensor *t,
                               struct err *err)
{
    struct arena *a = &r->source->arena;
    struct tensor_origin *o;
    uint64_t nelem;

    *t = *stored;
    if (dtype_parts(stored->dtype)->n == 1)
        return OK;
    o = arena_alloc(a, sizeof *o);
    if (!o || !(o->of = arena_array(a, 1, sizeof *o->of)) ||
        !(o->made.views = arena_array(a, 1, sizeof *o->made.views)))
        return fail_nomem(err);
    require(shape_nelem(stored->shape, stored->rank, &nelem));
    o->of[o->nof++] = stored;
    o->made.views[o->made.nview++] = view_whole(0, nelem);
    t->dtype = mlx_value_type(stored->dtype);
    t->origin = o;
    return OK;
}

/* What no rule has made stays, under the names that the class has for it. */
static enum status add_rest(struct reading *r, struct err *err)
{
    bool generates = r->b.hp.arch->generate && r->source->kind == SOURCE_GGUF;

    for (size_t i = 0; i < r->nstored; i++) {
        struct name_match m;
        struct tensor t;
        char key[NAME_MAX_LEN];

        if (r->used[i] || (generates && is_generated(r->stored[i].name)))
            continue;
        enum status s = keep_tensor(r, &r->stored[i], &t, err);
        if (s != OK)
            return s;
        if (str_starts(spelled(t.name, key), SOURCE_TOWER))
            t.name = arena_printf(&r->source->arena, "model.%s", key);
        else if (name_match_text(&r->b.hp, t.name, &m) == NAME_KNOWN)
            t.name = class_name(r, &m);
        if (!t.name || !arena_grow(&r->source->arena, (void **)&r->tensors, r->n, &r->cap, sizeof t))
            return fail_nomem(err);
        r->tensors[r->n++] = t;
    }
    return OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

/* The source's tensors become those that were made. */
static enum status set_tensors(struct reading *r, struct err *err)
{
    struct tensor *tensors = calloc(r->n + 1, sizeof *tensors);

    if (!tensors)
        return fail_nomem(err);
    if (r->n > 0)
        memcpy(tensors, r->tensors, r->n * sizeof *tensors);
    qsort(tensors, r->n, sizeof *tensors, by_name);
    return source_set_tensors(r->source, tensors, r->n, err);
}

static enum status keep_stored(struct reading *r, struct err *err)
{
    struct source *s = r->source;

    r->nstored = s->ntensor;
    r->stored = arena_array(&s->arena, s->ntensor, sizeof *r->stored);
    r->used = arena_array(&s->arena, s->ntensor, sizeof *r->used);
    if (!r->stored || !r->used)
        return fail_nomem(err);
    if (s->ntensor > 0)
        memcpy(r->stored, s->tensors, s->ntensor * sizeof *r->stored);
    return index_stored(r, err);
}

static enum status read_tower(struct reading *r, const struct build_world *world, struct err *err)
{
    const struct hparams text = r->b.hp;
    const struct json *config = json_get(text.root, "vision_config");

    if (!text.arch->vision || !config || json_kind(config) != JSON_K_OBJECT)
        return OK;
    r->b.vision = true;
    r->b.world = world;
    enum status s = hparams_vision(&text, &r->b.hp, err);
    if (s == OK)
        s = read_model(r, err);
    r->b.vision = false;
    r->b.hp = text;
    return s;
}

/* Layers of the head that there can be: names tell. */
static enum status count_head(struct reading *r, struct err *err)
{
    struct hparams *hp = &r->b.hp;

    if (r->source->kind != SOURCE_GGUF)
        return head_count_layers(r->source, &hp->n_mtp, err);
    for (size_t i = 0; i < r->source->ntensor; i++) {
        const char *rest;
        uint64_t block;

        if (gguf_block(r->source->tensors[i].name, &block, &rest) && block >= hp->n_layer)
            hp->n_mtp = max_u64(hp->n_mtp, block - hp->n_layer + 1);
    }
    hp->n_mtp = min_u64(hp->n_mtp, hp->promised);
    return OK;
}

static enum status canonize(struct source *source, const struct build_world *world, struct err *err)
{
    struct reading r = {.source = source, .b = {.world = world, .source = source}};
    const char *config = source_beside(source, "config.json");
    bool gguf = source->kind == SOURCE_GGUF;
    enum status s = hparams_read(&r.b.hp, source->config, config ? config : source->path, err);

    r.file_type = gguf ? gguf_config_dtype(source) : DT_COUNT;
    if (s == OK && !gguf && !r.b.hp.arch->mlx)
        s = fail(err, E_UNSUPPORTED, "%s: there are no MLX folders of %s", source->path, r.b.hp.hf_class);
    if (s == OK)
        s = count_head(&r, err);
    if (s == OK)
        s = keep_stored(&r, err);
    if (s == OK)
        s = read_model(&r, err);
    if (s == OK && !gguf)
        s = read_tower(&r, world, err);
    if (s == OK)
        s = add_rest(&r, err);
    if (s == OK)
        s = set_tensors(&r, err);
    map_free(&r.index);
    return s;
}

enum status canon_open(struct source **out, const char *path, struct err *err)
{
    enum status s = source_open(out, path, err);

    if (s == OK)
        s = mlx_join(*out, err);
    if (s == OK && (*out)->kind == SOURCE_MLX && (*out)->config)
        s = canonize(*out, &build_mlx_world, err);
    return s;
}

static enum status read_config(struct source *s, struct notes *notes, struct err *err)
{
    struct buf text;

    buf_init(&text, CONFIG_MAX);
    enum status st = gguf_config_write(s, &text, notes, err);
    if (st == OK)
        st = buf_check(&text, "config.json", err);
    if (st == OK)
        st = json_parse(text.p, text.n, s->path, false, &s->config, err);
    buf_free(&text);
    return st;
}

enum status canon_describe(struct source *s, struct notes *notes, struct err *err)
{
    if (s->kind != SOURCE_GGUF || s->config)
        return OK;
    enum status st = read_config(s, notes, err);
    return st == OK ? canonize(s, &build_gguf_world, err) : st;
}
