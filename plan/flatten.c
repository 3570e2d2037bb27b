/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources that are made of others are planned with like any other; here the views of them become views of
 * what they are made of. A view is affine in its indices; one of a made source stays affine where its
 * dimensions fall together with those of the source's own view: then its strides are multiples of those
 * dimensions' places, as the digits of a number are, and no sum carries. Where they do not, the view is cut
 * along its outermost dimension.
 */
#include "plan/plan.h"

#define MAX_VIEWS (1u << 20) /* of one step */

struct flattening {
    struct plan *plan;
    struct plan_step *step;
    const struct plan_made *made;
    const char *name; /* of the made source */
};

/* ---- one view of one view ---- */

/* The digits of a view's flat positions: digit k is the index of dimension k. */
struct digits {
    const struct view *of;
    uint64_t place[VIEW_MAX_DIMS], most[VIEW_MAX_DIMS]; /* most: the largest digit that occurs */
};

static void digits_init(struct digits *d, const struct view *of, uint64_t base)
{
    uint64_t place = 1;

    *d = (struct digits){.of = of};
    for (uint32_t k = of->ndim; k-- > 0;) {
        d->place[k] = place;
        d->most[k] = base / place % of->dim[k].n;
        place *= of->dim[k].n;
    }
}

/* Takes one dimension of the outer view as dimensions of the result, innermost first. */
static bool add_dim(struct digits *d, struct view_dim dim, struct view *w)
{
    while (dim.n > 1) {
        uint32_t k = d->of->ndim - 1;

        while (k > 0 && dim.stride >= d->place[k] * d->of->dim[k].n)
            k--;
        if (dim.stride % d->place[k] || w->ndim == VIEW_MAX_DIMS)
            return false;
        uint64_t by = dim.stride / d->place[k], size = d->of->dim[k].n;
        uint64_t n = dim.n;
        if ((n - 1) * by >= size) { // runs over into the next digit: only if this one is used up evenly
            if (size % by || n % (size / by))
                return false;
            n = size / by;
        }
        d->most[k] += (n - 1) * by;
        w->dim[w->ndim++] = (struct view_dim){n, by * d->of->dim[k].stride};
        dim = (struct view_dim){dim.n / n, dim.stride * n};
    }
    return true;
}

/* v of a source that u is, as a view of u's source; false where it is none. */
static bool compose(const struct view *v, const struct view *u, struct view *out)
{
    struct view w = {.source = u->source, .base = u->base};
    struct digits d;

    digits_init(&d, u, v->base);
    for (uint32_t k = 0; k < u->ndim; k++)
        w.base += d.most[k] * u->dim[k].stride;
    for (uint32_t i = v->ndim; i-- > 0;)
        if (!add_dim(&d, v->dim[i], &w))
            return false;
    for (uint32_t k = 0; k < u->ndim; k++)
        if (d.most[k] >= u->dim[k].n)
            return false;
    *out = (struct view){.source = w.source, .base = w.base, .ndim = w.ndim};
    for (uint32_t i = 0; i < w.ndim; i++)
        out->dim[i] = w.dim[w.ndim - 1 - i];
    if (w.ndim == 0)
        out->dim[out->ndim++] = (struct view_dim){1, 1};
    return true;
}

/* ---- views of several views in a row ---- */

static enum status add_view(const struct flattening *f, const struct view *w, struct err *err)
{
    struct plan_step *step = f->step;

    if (step->nview > 0) { // what follows on the last view joins it
        struct view *last = &step->views[step->nview - 1];

        if (last->source == w->source && last->ndim == 1 && w->ndim == 1 && last->dim[0].stride == 1 &&
            w->dim[0].stride == 1 && last->base + last->dim[0].n == w->base) {
            last->dim[0].n += w->dim[0].n;
            return OK;
        }
    }
    if (step->nview == MAX_VIEWS)
        return fail(err, E_LIMIT, "tensor %s: takes more than %u pieces of %s", step->name, MAX_VIEWS,
                    f->name);
    return plan_add_view(f->plan, step, w, err);
}

/* The view's indices [from, from + n) of its outermost dimension, which goes when it is one. */
static struct view part_of(const struct view *v, uint64_t from, uint64_t n)
{
    struct view part = *v;

    part.base += from * v->dim[0].stride;
    part.dim[0].n = n;
    if (n == 1 && v->ndim > 1) {
        part.ndim--;
        memmove(part.dim, v->dim + 1, part.ndim * sizeof part.dim[0]);
    }
    return part;
}

/* How many indices of v's outermost dimension lie wholly before `end`. */
static uint64_t indices_before(const struct view *v, uint64_t end)
{
    uint64_t inner = view_last(v) - (v->dim[0].n - 1) * v->dim[0].stride; // the last of index 0

    if (inner >= end)
        return 0;
    return v->dim[0].stride ? min_u64((end - 1 - inner) / v->dim[0].stride + 1, v->dim[0].n) : v->dim[0].n;
}

/* Adds v, cut where the pieces of the made source or their dimensions ask for it. Depth is at most the number
 * of dimensions and two cuts for each. */
static enum status add_cut(const struct flattening *f, const struct view *v, struct err *err)
{
    uint64_t first = 0, end = 0, n = 1;
    const struct view *u = NULL;
    struct view w;

    for (size_t i = 0; i < f->made->nview && v->base >= end; i++) {
        u = &f->made->views[i];
        first = end;
        end += view_nelem(u);
    }
    require(u && v->base < end);
    uint64_t before = indices_before(v, end);
    if (before == v->dim[0].n) {
        struct view inside = *v;

        inside.base -= first;
        if (compose(&inside, u, &w))
            return add_view(f, &w, err);
    } else if (before > 0) {
        n = before;
    }
    if (v->dim[0].n == 1) // a single index of the innermost dimension always composes
        return fail(err, E_BUG, "tensor %s: source %s cannot be taken apart", f->step->name, f->name);
    enum status s = OK;
    for (uint64_t i = 0; i < v->dim[0].n && s == OK; i += n) {
        if (before > 0 && before < v->dim[0].n && i >= before)
            n = v->dim[0].n - before;
        struct view part = part_of(v, i, n);
        s = add_cut(f, &part, err);
    }
    return s;
}

/* ---- steps ---- */

static enum status prepend_ops(struct plan_step *step, const struct plan_made *made, struct err *err)
{
    if (step->nop + made->nop > STEP_MAX_OPS)
        return fail(err, E_BUG, "tensor %s: more than %d operations", step->name, STEP_MAX_OPS);
    memmove(step->ops + made->nop, step->ops, step->nop * sizeof step->ops[0]);
    memcpy(step->ops, made->ops, made->nop * sizeof step->ops[0]);
    step->nop += made->nop;
    return OK;
}

static bool same_ops(const struct plan_made *a, const struct plan_made *b)
{
    return a == b || (a && b && a->nop == b->nop && memcmp(a->ops, b->ops, a->nop) == 0);
}

static enum status flatten_step(struct plan *plan, struct plan_step *step, struct err *err)
{
    const struct view *views = step->views;
    const struct plan_made *made = step->nview ? plan->sources[views[0].source].made : NULL;
    size_t n = step->nview;
    bool any = false;
    enum status s = OK;

    for (size_t i = 0; i < n; i++) {
        any = any || plan->sources[views[i].source].made;
        if (!same_ops(plan->sources[views[i].source].made, made))
            return fail(err, E_BUG, "tensor %s: its sources need different operations", step->name);
    }
    if (!any)
        return OK;
    step->views = NULL;
    step->nview = step->view_cap = 0;
    for (size_t i = 0; i < n && s == OK; i++) {
        const struct plan_source *src = &plan->sources[views[i].source];
        struct flattening f = {plan, step, src->made, src->name};

        s = src->made ? add_cut(&f, &views[i], err) : plan_add_view(plan, step, &views[i], err);
    }
    return s == OK ? prepend_ops(step, made, err) : s;
}

/* ---- rows ---- */

/* The part of v within one row of ncol elements; false unless it is all of a row of the source, in whatever
 * order. */
static bool row_of(const struct view *v, uint64_t ncol, struct view *row)
{
    uint64_t n = 1;
    uint32_t i = v->ndim;

    while (i > 0 && n < ncol)
        n *= v->dim[--i].n;
    if (n != ncol)
        return false;
    *row = (struct view){.source = v->source, .ndim = v->ndim - i};
    memcpy(row->dim, v->dim + i, row->ndim * sizeof row->dim[0]);
    bool whole = view_last(row) == ncol - 1 && v->base % ncol == 0;
    for (uint32_t k = 0; k < i; k++)
        whole = whole && v->dim[k].stride % ncol == 0;
    return whole;
}

/* v with its rows in their own order. */
static struct view in_order(const struct view *v, const struct view *row, uint64_t ncol)
{
    struct view out = *v;

    out.ndim = v->ndim - row->ndim;
    out.dim[out.ndim++] = (struct view_dim){ncol, 1};
    view_simplify(&out);
    return out;
}

static bool same_dims(const struct view *a, const struct view *b)
{
    return a->ndim == b->ndim && memcmp(a->dim, b->dim, a->ndim * sizeof a->dim[0]) == 0;
}

/* Views that cut blocks within rows read whole rows; their elements find their places when they are values.
 */
static enum status order_rows(struct plan *plan, struct plan_step *step, struct err *err)
{
    uint64_t ncol = step->rank ? step->shape[step->rank - 1] : 1;
    bool cuts = false;
    struct view row;

    for (size_t i = 0; i < step->nview; i++)
        cuts = cuts || !view_in_blocks(&step->views[i],
                                       dtype_block_elems(plan->sources[step->views[i].source].dtype));
    if (!cuts)
        return OK;
    for (size_t i = 0; i < step->nview; i++) {
        if (!row_of(&step->views[i], ncol, &row) || (i > 0 && !same_dims(&row, &step->row)))
            return fail(err, E_UNSUPPORTED, "tensor %s: its elements lie across the blocks of %s", step->name,
                        plan->sources[step->views[i].source].name);
        step->row = row;
        step->views[i] = in_order(&step->views[i], &row, ncol);
    }
    return OK;
}

enum status plan_flatten(struct plan *plan, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < plan->nstep && s == OK; i++) {
        s = flatten_step(plan, &plan->steps[i], err);
        if (s == OK)
            s = order_rows(plan, &plan->steps[i], err);
    }
    return s;
}
