/* SPDX-License-Identifier: Apache-2.0 */
/* Source tensors to plan steps: forms become views. */
#include "arch/form.h"
#include "convert/build_int.h"
#include "convert/canon.h"
#include "repack/experts.h"
#include "quantize/codecs.h"

/* ---- sources and checks ---- */

/* Whether the tensor is NVFP4 in the output too. */
static bool stays(const struct builder *b, const struct tensor *t)
{
    const struct packed *packed = nvfp4_find(b, t);

    return packed && packed->fate == PACKED_STAYS;
}

/* Floats of 8 bits are weights without their scales: there is no use in them alone. */
static bool is_scaled(enum dtype t)
{
    return t == DT_F8_E4M3 || t == DT_F8_E5M2 || t == DT_F8_E8M0;
}

enum status emit_check_type(const struct source *source, const struct tensor *t, struct err *err)
{
    const char *path = source->files[t->file].path;

    if (is_scaled(t->dtype))
        return fail(err, E_UNSUPPORTED,
                    "%s: tensor %s: dtype=%s: is quantized already: convert the original checkpoint", path,
                    t->name, dtype_name(t->dtype));
    if (!codec_find(t->dtype)->decode)
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: values of type %s cannot be converted", path, t->name,
                    dtype_name(t->dtype));
    return OK;
}

enum status emit_check(struct builder *b, const struct name_match *m, const struct tensor *t, struct err *err)
{
    uint64_t want[TENSOR_MAX_RANK], nelem;
    uint32_t rank;
    char have_text[SHAPE_TEXT_MAX], want_text[SHAPE_TEXT_MAX], reason[HPARAMS_TEXT_MAX];
    const char *path = b->source->files[t->file].path;
    enum status s = hparams_shape(&b->hp, m->rule->shape, want, &rank, err);

    if (s != OK)
        return s;
    if (rank != t->rank || memcmp(want, t->shape, rank * sizeof want[0]) != 0)
        return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: the config makes it %s (%s)", path, t->name,
                    shape_text(t->shape, t->rank, have_text), shape_text(want, rank, want_text),
                    hparams_describe(&b->hp, m->rule->shape, reason));
    if (shape_nelem(t->shape, t->rank, &nelem) && nelem == 0)
        return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: has no elements", path, t->name,
                    shape_text(t->shape, t->rank, have_text));
    return nvfp4_find(b, t) ? OK : emit_check_type(b->source, t, err);
}

/* A tensor as it lies in files. */
static enum status add_stored(struct builder *b, const struct tensor *t, uint32_t *index, struct err *err)
{
    const struct source_file *files = b->source->files;
    struct plan_source src = {
        .name = t->name,
        .dtype = t->dtype,
        .codec = codec_find(t->dtype),
        .span = {{files[t->file].file, t->off}},
    };
    const struct packed *packed = nvfp4_find(b, t);

    if (packed)
        src.name = packed->codes->name;
    if (packed && !stays(b, t))
        src.scale = &packed->scale;
    for (uint32_t k = 1; k < dtype_parts(t->dtype)->n; k++)
        src.span[k] = (struct plan_span){files[t->more[k - 1].file].file, t->more[k - 1].off};
    if (packed && t->dtype == DT_NVFP4_MLX) {
        src.codec = &codec_stored_nvfp4;
        src.span[1] = (struct plan_span){files[packed->fine->file].file, packed->fine->off};
    }
    if (!shape_nelem(t->shape, t->rank, &src.nelem))
        return fail(err, E_FORMAT, "tensor %s: its elements do not fit 64 bits", t->name);
    return plan_add_source(b->plan, &src, index, err);
}

static enum status add_made(struct builder *b, const struct tensor *t, uint32_t *index, struct err *err)
{
    const struct tensor_origin *o = t->origin;
    struct arena *a = &b->plan->arena;
    struct plan_source src = {.name = t->name, .dtype = t->dtype, .codec = codec_find(t->dtype)};
    struct plan_made *made = arena_alloc(a, sizeof *made);
    uint32_t *sources = arena_array(a, o->nof, sizeof *sources);
    struct view *views = arena_array(a, o->made.nview, sizeof *views);
    enum status s = made && sources && views ? OK : fail_nomem(err);

    for (size_t i = 0; i < o->nof && s == OK; i++)
        s = add_stored(b, o->of[i], &sources[i], err);
    if (s != OK)
        return s;
    for (size_t i = 0; i < o->made.nview; i++) {
        views[i] = o->made.views[i];
        views[i].source = sources[views[i].source];
        src.nelem += view_nelem(&views[i]);
    }
    *made = o->made;
    made->views = views;
    src.made = made;
    return plan_add_source(b->plan, &src, index, err);
}

static enum status add_source(struct builder *b, const struct tensor *t, uint32_t *index, struct err *err)
{
    return t->origin ? add_made(b, t, index, err) : add_stored(b, t, index, err);
}

enum status emit_step(struct builder *b, const struct name_match *m, const char *own,
                      const struct tensor *shape, struct plan_step **step, struct err *err)
{
    char name[NAME_MAX_LEN];
    uint32_t earlier;

    b->world->name(b, m, own, name);
    const char *copy = arena_strdup(&b->plan->arena, name);
    if (!copy || !map_add(&b->names, slice_of(copy), (uint32_t)b->plan->nstep, &earlier))
        return fail_nomem(err);
    if (earlier != MAP_NONE)
        return fail(err, E_FORMAT, "%s: tensor %s: %s was already made from %s", b->source->path, shape->name,
                    copy, b->plan->sources[b->plan->steps[earlier].views[0].source].name);
    return plan_add_step(b->plan, copy, shape->shape, shape->rank, step, err);
}

static void add_rounding(struct plan_step *step, enum dtype type)
{
    if (type == DT_F16)
        plan_add_op(step, OP_ROUND_F16);
    else if (type == DT_BF16)
        plan_add_op(step, OP_ROUND_BF16);
}

/* Arithmetic on float16 checkpoints is done in float16, as the reference does. A head of another model passes
 * through the values that it would have in this one's files. */
static void add_ops(const struct builder *b, const struct name_match *m, struct plan_step *step,
                    const struct tensor *t)
{
    const struct tensor_form *form = b->world->form(m->rule);
    bool op = form && form->op_set;
    bool taken = b->options->head && !b->vision && head_has(b, m);
    bool absolute = taken && b->options->head->absolute && op && form->op == OP_ADD_ONE;
    enum dtype type = head_stored_type(b, m, t);

    if (absolute)
        plan_add_op(step, OP_SUB_ONE);
    if (absolute || type != t->dtype)
        add_rounding(step, type);
    if (op)
        plan_add_op(step, form->op);
    if (op && type == DT_F16)
        plan_add_op(step, OP_ROUND_F16);
    if (op && type == DT_BF16 && b->world->rounds_bf16)
        plan_add_op(step, OP_ROUND_BF16);
}

/* The step has its views and operations. */
static enum status finish_step(struct builder *b, const struct name_match *m, struct plan_step *step,
                               struct err *err)
{
    return b->world->finish ? b->world->finish(b, m, step, err) : OK;
}

/* ---- forms ---- */

/* What stays in blocks is not to be cut. */
static enum status check_blocks(const struct builder *b, const struct tensor_form *form,
                                const struct tensor *t, const struct formed *f, struct err *err)
{
    for (size_t i = 0; i < f->nview; i++) {
        struct view v = f->view[i];

        view_simplify(&v);
        if (!view_in_blocks(&v, dtype_block_elems(t->dtype)))
            return fail(err, E_UNSUPPORTED, "%s: tensor %s: \"%s\" would cut its groups of %" PRIu32,
                        b->source->path, t->name, form->name, dtype_block_elems(t->dtype));
    }
    return OK;
}

/* One of the tensors that a source tensor becomes, called `own`; part: NULL where it is not taken apart. */
static enum status emit_one(struct builder *b, const struct name_match *m, const char *own,
                            const struct tensor_part *part, const struct tensor *t, uint32_t source,
                            struct err *err)
{
    const struct tensor_form *form = b->world->form(m->rule);
    struct plan_step *step;
    struct formed f;
    enum status s = form_apply(&b->hp, form, part, t, &f, err);

    if (s != OK)
        return wrap(err, "%s", b->source->path);
    struct tensor out = {.name = t->name, .rank = f.rank};
    memcpy(out.shape, f.shape, sizeof out.shape);
    s = check_blocks(b, form, t, &f, err);
    if (s == OK)
        s = emit_step(b, m, own, &out, &step, err);
    for (size_t i = 0; i < f.nview && s == OK; i++) {
        f.view[i].source = source;
        s = plan_add_view(b->plan, step, &f.view[i], err);
    }
    if (s != OK)
        return s;
    add_ops(b, m, step, t);
    return finish_step(b, m, step, err);
}

enum status emit_tensor(struct builder *b, const struct name_match *m, const struct tensor *t,
                        struct err *err)
{
    const struct tensor_form *form = b->world->form(m->rule);
    bool has_parts = form && form->parts;
    const char *own = has_parts ? form->undivided : b->world->own(m->rule);
    uint32_t source;
    enum status s = emit_check(b, m, t, err);

    if (s == OK)
        s = add_source(b, t, &source, err);
    if (s != OK)
        return s;
    if (has_parts && !(own && stays(b, t))) {
        for (const struct tensor_part *part = form->parts; part->name && s == OK; part++)
            s = emit_one(b, m, part->name, part, t, source, err);
        return s;
    }
    s = emit_one(b, m, own, NULL, t, source, err);
    return s == OK && stays(b, t) ? nvfp4_emit_scales(b, m, own, &t, 1, err) : s;
}

/* ---- experts ---- */

static enum status new_group(struct builder *b, const struct name_match *m, struct expert_group **group,
                             struct err *err)
{
    struct arena *a = &b->plan->arena;
    struct expert_group *g;
    size_t n = 0;

    if (!arena_grow(a, (void **)&b->groups, b->ngroup, &b->group_cap, sizeof *b->groups))
        return fail_nomem(err);
    g = &b->groups[b->ngroup];
    *g = (struct expert_group){.block = m->block};
    enum status s = hparams_eval(&b->hp, "E", &g->nexpert, err);
    if (s != OK)
        return s;
    if (g->nexpert > b->source->ntensor)
        return fail(err, E_FORMAT, "%s: num_experts=%" PRIu64 ": the checkpoint has only %zu tensors",
                    b->hp.name, g->nexpert, b->source->ntensor);
    for (const struct tensor_rule *const *table = b->hp.arch->tables; *table; table++) {
        for (const struct tensor_rule *r = *table; r->hf; r++) {
            if (!(r->flags & RULE_PER_EXPERT))
                continue;
            require(n < ARRAY_LEN(g->rules));
            g->rules[n].rule = r;
            g->rules[n].tensor = arena_array(a, g->nexpert, sizeof *g->rules[n].tensor);
            if (!g->rules[n++].tensor)
                return fail_nomem(err);
        }
    }
    b->ngroup++;
    *group = g;
    return OK;
}

static struct expert_group *find_group(const struct builder *b, uint64_t block)
{
    for (size_t i = b->ngroup; i-- > 0;) /* mostly the last one: names are sorted */
        if (b->groups[i].block == block)
            return &b->groups[i];
    return NULL;
}

static enum status emit_stack(struct builder *b, const struct expert_group *g, const struct expert_rule *er,
                              struct err *err)
{
    struct name_match m = {er->rule, g->block, 0};
    struct tensor out = *er->tensor[0];
    struct plan_step *step;

    require(out.rank < TENSOR_MAX_RANK);
    memmove(&out.shape[1], &out.shape[0], out.rank * sizeof out.shape[0]);
    out.shape[0] = g->nexpert;
    out.rank++;
    const char *own = b->world->own(er->rule);
    enum status s = emit_step(b, &m, own, &out, &step, err);
    if (s == OK)
        add_ops(b, &m, step, er->tensor[0]);
    for (uint64_t e = 0; e < g->nexpert && s == OK; e++) {
        uint32_t source;

        if (stays(b, er->tensor[e]) != stays(b, er->tensor[0]))
            return fail(err, E_UNSUPPORTED,
                        "%s: tensor %s: of its layer's experts some are NVFP4, others not", b->source->path,
                        er->tensor[e]->name);
        s = add_source(b, er->tensor[e], &source, err);
        if (s == OK) {
            struct view v = view_whole(source, b->plan->sources[source].nelem);

            s = plan_add_view(b->plan, step, &v, err);
        }
    }
    if (s == OK)
        s = finish_step(b, &m, step, err);
    return s == OK && stays(b, er->tensor[0]) ? nvfp4_emit_scales(b, &m, own, er->tensor, g->nexpert, err)
                                              : s;
}

/* NVFP4 is written as soon as a projection has all its experts. */
static enum status collect(struct builder *b, struct expert_group *g, struct expert_rule *er, uint64_t expert,
                           const struct tensor *t, struct err *err)
{
    if (er->tensor[expert])
        return fail(err, E_FORMAT, "%s: tensor %s: stands beside %s", b->source->path, t->name,
                    er->tensor[expert]->name);
    er->tensor[expert] = t;
    er->nseen++;
    g->nseen++;
    if (!stays(b, t) || er->nseen < g->nexpert)
        return OK;
    er->emitted = true;
    return emit_stack(b, g, er, err);
}

static enum status emit_single(struct builder *b, const struct expert_group *g, const struct expert_rule *er,
                               struct err *err)
{
    enum status s = OK;

    for (uint64_t e = 0; e < g->nexpert && s == OK; e++) {
        struct name_match m = {er->rule, g->block, e};

        s = emit_tensor(b, &m, er->tensor[e], err);
    }
    return s;
}

enum status emit_expert(struct builder *b, const struct name_match *m, const struct tensor *t,
                        struct err *err)
{
    struct expert_group *g = find_group(b, m->block);
    enum status s = emit_check(b, m, t, err);

    if (s == OK && !g)
        s = new_group(b, m, &g, err);
    if (s != OK)
        return s;
    if (m->expert >= g->nexpert)
        return fail(err, E_FORMAT, "%s: tensor %s: expert %" PRIu64 ", but num_experts=%" PRIu64,
                    b->source->path, t->name, m->expert, g->nexpert);
    for (size_t i = 0; i < ARRAY_LEN(g->rules) && s == OK; i++)
        if (g->rules[i].rule == m->rule)
            s = collect(b, g, &g->rules[i], m->expert, t, err);
    if (g->nseen < ARRAY_LEN(g->rules) * g->nexpert)
        return s;
    for (size_t i = 0; i < ARRAY_LEN(g->rules) && s == OK; i++)
        if (!g->rules[i].emitted)
            s = b->world->stacks ? emit_stack(b, g, &g->rules[i], err) : emit_single(b, g, &g->rules[i], err);
    return s;
}

static bool is_complete(const struct expert_group *g)
{
    return g->nseen == ARRAY_LEN(g->rules) * g->nexpert;
}

bool emit_has_experts(const struct builder *b, uint64_t block)
{
    const struct expert_group *g = find_group(b, block);

    return g && is_complete(g);
}

/* Sentence for one block's incomplete rule: which experts are missing. */
static enum status fail_missing(const struct builder *b, const struct expert_group *g,
                                const struct expert_rule *er, struct err *err)
{
    struct name_match m = {er->rule, g->block, 0};
    char name[NAME_MAX_LEN], list[EXPERTS_LIST_MAX];
    size_t nmissing = experts_missing(er->tensor, g->nexpert, list);

    name_source(&b->hp, &m, name);
    return fail(err, E_FORMAT, "%s: the experts like %s are incomplete: %zu of %" PRIu64 " are missing: %s",
                b->source->path, name, nmissing, g->nexpert, list);
}

enum status emit_finish(struct builder *b, struct err *err)
{
    for (size_t i = 0; i < b->ngroup; i++) {
        const struct expert_group *g = &b->groups[i];

        if (is_complete(g))
            continue;
        for (size_t k = 0; k < ARRAY_LEN(g->rules); k++)
            for (uint64_t e = 0; e < g->nexpert; e++)
                if (!g->rules[k].tensor[e])
                    return fail_missing(b, g, &g->rules[k], err);
    }
    return OK;
}
