/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/invert.h"

#define MAX_RUNS (1u << 18)

/* Elements [at, at + n) of the tensor, all from one view of what is made of them. */
struct run {
    uint64_t at, n;
    struct view view;
};

struct runs {
    struct arena *arena;
    struct run *item;
    size_t n, cap;
};

/* A dimension of a piece: how far apart its indices are in the tensor, and in what the piece makes. */
struct dim {
    uint64_t n, from, to;
};

/* Dimensions by falling distance in the tensor. */
static uint32_t sort_dims(const struct view *v, struct dim dims[VIEW_MAX_DIMS])
{
    uint32_t n = 0;
    uint64_t to = 1;

    for (uint32_t i = v->ndim; i-- > 0; to *= v->dim[i].n) {
        struct dim d = {v->dim[i].n, v->dim[i].stride, to};
        uint32_t k = n;

        if (d.n == 1)
            continue;
        for (; k > 0 && dims[k - 1].from < d.from; k--)
            dims[k] = dims[k - 1];
        dims[k] = d;
        n++;
    }
    return n;
}

static enum status add_run(struct runs *r, const struct run *run, struct err *err)
{
    if (r->n == MAX_RUNS)
        return fail(err, E_LIMIT, "a tensor of more than %u pieces", MAX_RUNS);
    if (!arena_grow(r->arena, (void **)&r->item, r->n, &r->cap, sizeof *r->item))
        return fail_nomem(err);
    r->item[r->n++] = *run;
    return OK;
}

/* Its innermost dimensions are one run of the tensor as long as they join; the others count runs. */
static enum status add_piece(struct runs *r, const struct invert_piece *p, struct err *err)
{
    struct dim dims[VIEW_MAX_DIMS];
    uint32_t n = sort_dims(&p->view, dims), outer = n;
    struct run run = {p->view.base, 1, {.source = p->view.source, .base = p->first}};
    uint64_t index[VIEW_MAX_DIMS] = {0}, count = 1;
    enum status s = OK;

    while (outer > 0 && dims[outer - 1].from == run.n)
        run.n *= dims[--outer].n;
    for (uint32_t i = outer; i < n; i++)
        run.view.dim[run.view.ndim++] = (struct view_dim){dims[i].n, dims[i].to};
    if (run.view.ndim == 0)
        run.view.dim[run.view.ndim++] = (struct view_dim){1, 1};
    for (uint32_t i = 0; i < outer; i++)
        count *= dims[i].n;
    for (uint64_t i = 0; i < count && s == OK; i++) {
        s = add_run(r, &run, err);
        for (uint32_t k = outer; k-- > 0;) {
            run.at += dims[k].from;
            run.view.base += dims[k].to;
            if (++index[k] < dims[k].n)
                break;
            run.at -= dims[k].n * dims[k].from;
            run.view.base -= dims[k].n * dims[k].to;
            index[k] = 0;
        }
    }
    return s;
}

static int by_place(const void *a, const void *b)
{
    const struct run *x = a, *y = b;

    return (x->at > y->at) - (x->at < y->at);
}

enum status invert_views(struct arena *a, const struct invert_piece *pieces, size_t n, uint64_t nelem,
                         struct plan_made *made, struct err *err)
{
    struct runs r = {.arena = a};
    uint64_t end = 0;
    enum status s = OK;

    for (size_t i = 0; i < n && s == OK; i++)
        s = add_piece(&r, &pieces[i], err);
    if (s != OK)
        return s;
    if (r.n > 1)
        qsort(r.item, r.n, sizeof *r.item, by_place);
    made->views = arena_array(a, r.n, sizeof *made->views);
    if (!made->views)
        return fail_nomem(err);
    for (size_t i = 0; i < r.n; i++) {
        if (r.item[i].at != end)
            return fail(err, E_BUG, "views do not cover a tensor once: element %" PRIu64, end);
        made->views[i] = r.item[i].view;
        end += r.item[i].n;
    }
    made->nview = r.n;
    return end == nelem ? OK : fail(err, E_BUG, "views do not cover a tensor: %" PRIu64 " elements", end);
}
