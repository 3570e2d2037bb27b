/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/copy.h"

#include "quantize/codecs.h"

/* One tensor to add: all of t, or elements [first, first + nelem) of it under another shape. */
struct piece {
    const struct tensor *t;
    const char *name; /* copied */
    uint32_t rank;
    const uint64_t *shape;
    uint64_t first;
    enum dtype type;
    bool subtract_one;
};

static enum status add_source(struct plan *plan, const struct source *s, const struct piece *p, bool moves,
                              uint32_t *index, struct err *err)
{
    const struct tensor *t = p->t;
    struct plan_source src = {
        .name = t->name,
        .dtype = t->dtype,
        .codec = codec_find(t->dtype),
        .span = {{s->files[t->file].file, t->off}},
    };

    if (!shape_nelem(t->shape, t->rank, &src.nelem))
        return fail(err, E_FORMAT, "%s: tensor %s: its elements do not fit 64 bits", s->files[t->file].path,
                    t->name);
    if (!moves && !src.codec->decode)
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: values of type %s cannot be converted",
                    s->files[t->file].path, t->name, dtype_name(t->dtype));
    return plan_add_source(plan, &src, index, err);
}

static enum status add_piece(struct plan *plan, const struct source *s, const struct piece *p,
                             struct err *err)
{
    bool moves = p->type == p->t->dtype && !p->subtract_one;
    struct plan_sink sink = {.dtype = p->type, .codec = moves ? &plan_verbatim : codec_find(p->type)};
    const char *name = arena_strdup(&plan->arena, p->name);
    struct plan_step *step;
    uint32_t source;

    if (!name)
        return fail_nomem(err);
    enum status st = add_source(plan, s, p, moves, &source, err);
    if (st == OK)
        st = plan_add_step(plan, name, p->shape, p->rank, &step, err);
    if (st != OK)
        return st;
    struct view v = view_whole(source, step->nelem);
    v.base = p->first;
    st = plan_add_view(plan, step, &v, err);
    if (p->subtract_one)
        plan_add_op(step, OP_SUB_ONE);
    return st == OK ? plan_add_sink(plan, step, &sink, err) : st;
}

enum status copy_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                        const char *name, struct err *err)
{
    struct piece p = {.t = t, .name = name, .rank = t->rank, .shape = t->shape, .type = t->dtype};

    return add_piece(plan, source, &p, err);
}

/* The rule of a single expert that makes the same stack. */
static const struct tensor_rule *numbered_rule(const struct arch *arch, const struct tensor_rule *stacked)
{
    for (const struct tensor_rule *const *tables = arch->tables; *tables; tables++)
        for (const struct tensor_rule *r = *tables; r->hf; r++)
            if ((r->flags & RULE_PER_EXPERT) && strcmp(r->gguf, stacked->gguf) == 0)
                return r;
    return NULL;
}

static enum status add_experts(const struct head_copy *c, const struct head_tensor *h,
                               const struct piece *stack, struct err *err)
{
    struct name_match m = {numbered_rule(c->head->arch, h->match.rule), h->match.block, 0};
    char name[NAME_MAX_LEN];
    enum status s = OK;
    uint64_t nelem = 0;

    require(m.rule && shape_nelem(stack->shape + 1, stack->rank - 1, &nelem));
    for (; m.expert < stack->shape[0] && s == OK; m.expert++) {
        struct piece p = *stack;

        name_source(&c->head->hp, &m, name);
        p.name = name;
        p.rank = stack->rank - 1;
        p.shape = stack->shape + 1;
        p.first = m.expert * nelem;
        s = add_piece(c->plan, c->source, &p, err);
    }
    return s;
}

static enum status add_head_tensor(const struct head_copy *c, const struct head_tensor *h, struct err *err)
{
    const struct tensor_form *form = h->match.rule->form;
    bool is_norm = form && form->op_set && form->op == OP_ADD_ONE && !h->is_scale;
    bool in_blocks = c->head->names == HEAD_BLOCKS;
    struct piece p = {
        .t = h->tensor,
        .rank = h->tensor->rank,
        .shape = h->tensor->shape,
        .type = c->type == DT_COUNT ? h->tensor->dtype : c->type,
        .subtract_one = is_norm && c->subtract_one,
    };
    char name[NAME_MAX_LEN];
    uint64_t shape[TENSOR_MAX_RANK];

    if (in_blocks) {
        enum status s = hparams_shape(c->hp, h->match.rule->shape, shape, &p.rank, err);

        if (s != OK)
            return s;
        p.shape = shape;
    }
    if (in_blocks && (h->match.rule->flags & RULE_STACKED))
        return add_experts(c, h, &p, err);
    if (in_blocks)
        name_source(&c->head->hp, &h->match, name);
    else if (c->head->names == HEAD_BARE)
        snprintf(name, sizeof name, "mtp.%s", h->tensor->name);
    else
        (void)name_canonical(h->tensor->name, name);
    p.name = name;
    return add_piece(c->plan, c->source, &p, err);
}

enum status head_copy_steps(const struct head_copy *c, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < c->head->ntensor && s == OK; i++)
        s = add_head_tensor(c, &c->head->tensors[i], err);
    return s;
}
