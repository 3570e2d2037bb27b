/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/copy.h"

#include "formats/mlx.h"
#include "quantize/codecs.h"

static enum status add_source(struct plan *plan, const struct source *s, const struct tensor *t, bool moves,
                              uint32_t *index, struct err *err)
{
    struct plan_source src = {
        .name = t->name,
        .dtype = t->dtype,
        .codec = codec_find(t->dtype),
        .span = {{s->files[t->file].file, t->off}},
    };

    for (uint32_t k = 1; k < dtype_parts(t->dtype)->n; k++)
        src.span[k] = (struct plan_span){s->files[t->more[k - 1].file].file, t->more[k - 1].off};
    if (!shape_nelem(t->shape, t->rank, &src.nelem))
        return fail(err, E_FORMAT, "%s: tensor %s: its elements do not fit 64 bits", s->files[t->file].path,
                    t->name);
    if (!moves && !src.codec->decode)
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: values of type %s cannot be converted",
                    s->files[t->file].path, t->name, dtype_name(t->dtype));
    return plan_add_source(plan, &src, index, err);
}

/* Spans of one tensor that follow each other share its source. */
static enum status add_views(struct plan *plan, const struct source *s, const struct head_piece *p,
                             bool moves, struct plan_step *step, struct err *err)
{
    uint32_t source = 0;
    enum status st = OK;

    for (size_t i = 0; i < p->nspan && st == OK; i++) {
        if (i == 0 || p->span[i].t != p->span[i - 1].t)
            st = add_source(plan, s, p->span[i].t, moves, &source, err);
        struct view v = view_whole(source, p->span[i].nelem);
        v.base = p->span[i].first;
        if (st == OK)
            st = plan_add_view(plan, step, &v, err);
    }
    return st;
}

static bool keeps(const struct head_piece *p, const struct head_made *made)
{
    bool same = !made->op_set;

    for (size_t i = 0; i < p->nspan && same; i++)
        same = p->span[i].t->dtype == made->sink.dtype;
    return same;
}

enum status head_step(struct plan *plan, const struct source *source, const struct head_piece *p,
                      const struct head_made *made, struct err *err)
{
    bool moves = keeps(p, made);
    struct plan_sink sink = made->sink;
    const char *name = arena_strdup(&plan->arena, p->name);
    struct plan_step *step;

    if (!name)
        return fail_nomem(err);
    enum status st = plan_add_step(plan, name, p->shape, p->rank, &step, err);
    if (st == OK)
        st = add_views(plan, source, p, moves, step, err);
    if (st != OK)
        return st;
    if (made->op_set)
        plan_add_op(step, made->op);
    if (moves)
        sink = (struct plan_sink){.dtype = sink.dtype, .codec = &plan_verbatim};
    else if (!sink.codec)
        sink.codec = codec_find(sink.dtype);
    return plan_add_sink(plan, step, &sink, err);
}

enum status copy_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                        const char *name, struct err *err)
{
    struct head_span span = {.t = t};
    struct head_piece p = {.name = name, .rank = t->rank, .shape = t->shape, .span = &span, .nspan = 1};

    if (!shape_nelem(t->shape, t->rank, &span.nelem))
        return fail(err, E_FORMAT, "%s: tensor %s: its elements do not fit 64 bits",
                    source->files[t->file].path, t->name);
    return head_step(plan, source, &p, &(struct head_made){.sink.dtype = t->dtype}, err);
}

static enum status copy_piece(void *ctx, const struct head_piece *p, struct err *err)
{
    const struct head_copy *c = ctx;
    enum dtype own = p->span[0].t->dtype;
    bool decodes = c->decodes && dtype_parts(own)->n > 1;
    struct head_made made = {
        .sink.dtype = c->type != DT_COUNT ? c->type
                      : decodes           ? mlx_value_type(own)
                                          : own,
        .op_set = p->is_norm && c->subtract_one,
        .op = OP_SUB_ONE,
    };

    return head_step(c->plan, c->source, p, &made, err);
}

enum status head_copy_steps(struct head_copy *c, struct err *err)
{
    struct head_visit v = {.head = c->head, .hp = c->hp, .ctx = c, .fn = copy_piece};

    return head_visit(&v, err);
}
