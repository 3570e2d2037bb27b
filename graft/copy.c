/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/copy.h"

#include "quantize/codecs.h"

/* What becomes of a piece. */
struct made {
    enum dtype type;
    bool subtract_one;
};

static enum status add_source(struct plan *plan, const struct source *s, const struct head_piece *p,
                              bool moves, uint32_t *index, struct err *err)
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

static enum status add_piece(struct plan *plan, const struct source *s, const struct head_piece *p,
                             const struct made *made, struct err *err)
{
    bool moves = made->type == p->t->dtype && !made->subtract_one;
    struct plan_sink sink = {.dtype = made->type, .codec = moves ? &plan_verbatim : codec_find(made->type)};
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
    if (made->subtract_one)
        plan_add_op(step, OP_SUB_ONE);
    return st == OK ? plan_add_sink(plan, step, &sink, err) : st;
}

enum status copy_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                        const char *name, struct err *err)
{
    struct head_piece p = {.t = t, .name = name, .rank = t->rank, .shape = t->shape};

    return add_piece(plan, source, &p, &(struct made){t->dtype, false}, err);
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

static enum status visit_experts(const struct head_visit *v, const struct head_tensor *h,
                                 const struct head_piece *stack, struct err *err)
{
    struct name_match m = {numbered_rule(v->head->arch, h->match.rule), h->match.block, 0};
    char name[NAME_MAX_LEN];
    enum status s = OK;
    uint64_t nelem = 0;

    require(m.rule && shape_nelem(stack->shape + 1, stack->rank - 1, &nelem));
    for (; m.expert < stack->shape[0] && s == OK; m.expert++) {
        struct head_piece p = *stack;

        name_source(&v->head->hp, &m, name);
        p.name = name;
        p.rank = stack->rank - 1;
        p.shape = stack->shape + 1;
        p.first = m.expert * nelem;
        s = v->fn(v->ctx, &p, err);
    }
    return s;
}

static enum status visit_tensor(const struct head_visit *v, const struct head_tensor *h, struct err *err)
{
    const struct tensor_form *form = h->match.rule->form;
    bool in_blocks = v->head->names == HEAD_BLOCKS;
    struct head_piece p = {
        .t = h->tensor,
        .rank = h->tensor->rank,
        .shape = h->tensor->shape,
        .is_norm = form && form->op_set && form->op == OP_ADD_ONE && !h->is_scale,
    };
    char name[NAME_MAX_LEN];
    uint64_t shape[TENSOR_MAX_RANK];

    if (in_blocks) {
        enum status s = hparams_shape(v->hp, h->match.rule->shape, shape, &p.rank, err);

        if (s != OK)
            return s;
        p.shape = shape;
    }
    if (in_blocks && (h->match.rule->flags & RULE_STACKED))
        return visit_experts(v, h, &p, err);
    if (in_blocks)
        name_source(&v->head->hp, &h->match, name);
    else if (v->head->names == HEAD_BARE)
        snprintf(name, sizeof name, "mtp.%s", h->tensor->name);
    else
        (void)name_canonical(h->tensor->name, name);
    p.name = name;
    return v->fn(v->ctx, &p, err);
}

enum status head_visit(const struct head_visit *v, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < v->head->ntensor && s == OK; i++)
        s = visit_tensor(v, &v->head->tensors[i], err);
    return s;
}

static enum status copy_piece(void *ctx, const struct head_piece *p, struct err *err)
{
    const struct head_copy *c = ctx;
    struct made made = {c->type == DT_COUNT ? p->t->dtype : c->type, p->is_norm && c->subtract_one};

    return add_piece(c->plan, c->source, p, &made, err);
}

enum status head_copy_steps(struct head_copy *c, struct err *err)
{
    struct head_visit v = {.head = c->head, .hp = c->hp, .ctx = c, .fn = copy_piece};

    return head_visit(&v, err);
}
