/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/pieces.h"

#include "repack/experts.h"

#define NPROJ 3 // EXPERT_GATE, EXPERT_UP, EXPERT_DOWN

/* The experts of one layer: rows x columns of each projection, and where each expert's are. */
struct experts {
    uint64_t n;
    uint64_t shape[NPROJ][2];
    struct head_span *span; /* [NPROJ][n] */
};

/* ---- one stored tensor ---- */

/* The shape that the checkpoint's class has; *shape is room for it. */
static enum status class_shape(const struct head_visit *v, const struct head_tensor *h,
                               uint64_t shape[TENSOR_MAX_RANK], uint32_t *rank, struct err *err)
{
    if (v->head->names == HEAD_BLOCKS)
        return hparams_shape(v->hp, h->match.rule->shape, shape, rank, err);
    memcpy(shape, h->tensor->shape, sizeof h->tensor->shape);
    *rank = h->tensor->rank;
    return OK;
}

static uint64_t count(const uint64_t *shape, uint32_t rank)
{
    uint64_t n = 0;

    require(shape_nelem(shape, rank, &n));
    return n;
}

static enum status visit_whole(const struct head_visit *v, const struct head_tensor *h, struct err *err)
{
    const struct tensor_form *form = h->match.rule->form;
    uint64_t shape[TENSOR_MAX_RANK];
    struct head_span span = {.t = h->tensor};
    struct head_piece p = {.shape = shape, .span = &span, .nspan = 1};
    char name[NAME_MAX_LEN];
    enum status s = class_shape(v, h, shape, &p.rank, err);

    if (s != OK)
        return s;
    span.nelem = count(shape, p.rank);
    p.is_norm = form && form->op_set && form->op == OP_ADD_ONE;
    if (v->head->names == HEAD_BLOCKS)
        name_source(&v->head->hp, &h->match, name);
    else if (v->head->names == HEAD_BARE)
        snprintf(name, sizeof name, "mtp.%s", h->tensor->name);
    else
        (void)name_canonical(h->tensor->name, name);
    p.name = name;
    return v->fn(v->ctx, &p, err);
}

/* ---- taking experts apart ---- */

static void put(struct experts *x, enum expert_proj proj, uint64_t e, const struct head_span *span,
                const uint64_t *shape)
{
    x->span[proj * x->n + e] = *span;
    memcpy(x->shape[proj], shape, sizeof x->shape[proj]);
}

/* Of a tensor with a leading axis of experts; a fused one has gate's rows before up's. */
static void put_stack(struct experts *x, enum expert_proj proj, const struct tensor *t, const uint64_t *shape)
{
    bool fused = proj == EXPERT_GATE_UP;
    uint64_t one[2] = {fused ? shape[1] / 2 : shape[1], shape[2]};
    struct head_span span = {.t = t, .nelem = one[0] * one[1]};

    for (uint64_t e = 0; e < x->n; e++) {
        put(x, fused ? EXPERT_GATE : proj, e, &span, one);
        span.first += span.nelem;
        if (!fused)
            continue;
        put(x, EXPERT_UP, e, &span, one);
        span.first += span.nelem;
    }
}

static enum status collect(const struct head_visit *v, uint64_t layer, struct experts *x, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < v->head->ntensor && s == OK; i++) {
        const struct head_tensor *h = &v->head->tensors[i];
        uint64_t shape[TENSOR_MAX_RANK];
        char name[NAME_MAX_LEN];
        struct expert_name e;
        uint32_t rank;

        if (!(h->match.rule->flags & RULE_EXPERTS) || h->match.block != layer)
            continue;
        name_source(&v->head->hp, &h->match, name);
        require(experts_parse(name, &e));
        s = class_shape(v, h, shape, &rank, err);
        if (s != OK || !e.numbered) {
            put_stack(x, e.proj, h->tensor, shape);
        } else {
            struct head_span span = {.t = h->tensor, .nelem = count(shape, rank)};

            put(x, e.proj, h->match.expert, &span, shape);
        }
    }
    return s;
}

/* ---- putting them together ---- */

static enum status visit_numbered(const struct head_visit *v, uint64_t layer, const struct experts *x,
                                  struct err *err)
{
    char name[NAME_MAX_LEN];
    enum status s = OK;

    for (uint64_t e = 0; e < x->n && s == OK; e++) {
        for (enum expert_proj proj = EXPERT_GATE; proj < NPROJ && s == OK; proj++) {
            struct head_piece p = {name, 2, x->shape[proj], &x->span[proj * x->n + e], 1, false};

            snprintf(name, sizeof name, "mtp.layers.%" PRIu64 ".mlp.experts.%" PRIu64 ".%s.weight", layer, e,
                     expert_proj_name(proj));
            s = v->fn(v->ctx, &p, err);
        }
    }
    return s;
}

static enum status visit_stack(const struct head_visit *v, uint64_t layer, const struct experts *x,
                               enum expert_proj proj, struct err *err)
{
    const uint64_t shape[] = {x->n, x->shape[proj][0], x->shape[proj][1]};
    bool stacked = v->experts == RULE_STACKED;
    char name[NAME_MAX_LEN];
    struct head_piece p = {name, 3, shape, &x->span[proj * x->n], x->n, false};

    snprintf(name, sizeof name, "mtp.layers.%" PRIu64 ".mlp.%s.%s%s", layer,
             stacked ? "switch_mlp" : "experts", expert_proj_name(proj), stacked ? ".weight" : "");
    return v->fn(v->ctx, &p, err);
}

static enum status visit_gate_up(const struct head_visit *v, uint64_t layer, const struct experts *x,
                                 struct err *err)
{
    const uint64_t shape[] = {x->n, 2 * x->shape[EXPERT_GATE][0], x->shape[EXPERT_GATE][1]};
    struct head_span *span = calloc(2 * x->n, sizeof *span);
    char name[NAME_MAX_LEN];
    struct head_piece p = {name, 3, shape, span, 2 * x->n, false};

    if (!span)
        return fail_nomem(err);
    for (uint64_t e = 0; e < x->n; e++) {
        span[2 * e] = x->span[EXPERT_GATE * x->n + e];
        span[2 * e + 1] = x->span[EXPERT_UP * x->n + e];
    }
    snprintf(name, sizeof name, "mtp.layers.%" PRIu64 ".mlp.experts.gate_up_proj", layer);
    enum status s = v->fn(v->ctx, &p, err);
    free(span);
    return s;
}

static enum status visit_experts(const struct head_visit *v, uint64_t layer, struct err *err)
{
    struct experts x = {.n = v->head->nexpert};
    enum status s;

    x.span = calloc(NPROJ * x.n + 1, sizeof *x.span);
    s = x.span ? collect(v, layer, &x, err) : fail_nomem(err);
    if (s == OK && v->experts == RULE_FUSED) {
        s = visit_gate_up(v, layer, &x, err);
        if (s == OK)
            s = visit_stack(v, layer, &x, EXPERT_DOWN, err);
    } else if (s == OK && v->experts == RULE_STACKED) {
        for (enum expert_proj proj = EXPERT_GATE; proj < NPROJ && s == OK; proj++)
            s = visit_stack(v, layer, &x, proj, err);
    } else if (s == OK) {
        s = visit_numbered(v, layer, &x, err);
    }
    free(x.span);
    return s;
}

enum status head_visit(const struct head_visit *v, struct err *err)
{
    const struct head *h = v->head;
    struct head_visit w = *v;
    enum status s = OK;

    if (w.experts == 0 && h->names == HEAD_BLOCKS)
        w.experts = RULE_PER_EXPERT;
    bool moves = h->experts != 0 && w.experts != 0 && h->experts != w.experts;
    for (size_t i = 0; i < h->ntensor && s == OK; i++)
        if (!moves || !(h->tensors[i].match.rule->flags & RULE_EXPERTS))
            s = visit_whole(&w, &h->tensors[i], err);
    for (uint64_t layer = 0; layer < h->nlayer && moves && s == OK; layer++)
        s = visit_experts(&w, layer, err);
    return s;
}
