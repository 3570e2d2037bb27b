/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/tile.h"

/* Runs at least this long are worth a read of their own; shorter ones are read together with what lies
 * between them, as long as that is no more than they are. */
#define LONG_RUN_BYTES (256 * KIB)

#define PART_ELEMS (16 * KIB) /* 64 KiB of values: with their blocks, half a second-level cache at most */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Block sizes are powers of two, so the largest is a multiple of all. */
uint64_t tile_granule(const struct plan *p, const struct plan_step *step)
{
    uint64_t g = 1;

    if (step->row.ndim > 0)
        return max_u64(step->shape[step->rank - 1], 1);
    for (size_t i = 0; i < step->nsink; i++) {
        const struct plan_sink *sink = &step->sinks[i];

        if (step->rank && (sink->codec->whole_rows || sink->weights))
            return max_u64(step->shape[step->rank - 1], 1);
        g = max_u64(g, dtype_block_elems(sink->dtype));
    }
    for (size_t i = 0; i < step->nview; i++)
        g = max_u64(g, dtype_block_elems(p->sources[step->views[i].source].dtype));
    return g;
}

uint64_t tile_part_elems(const struct plan *p, const struct plan_step *step)
{
    uint64_t g = tile_granule(p, step);

    return max_u64(PART_ELEMS / g * g, g);
}

/* Elements per index of dimension j. */
static uint64_t inner_elems(const struct view *v, uint32_t j)
{
    uint64_t n = 1;

    for (uint32_t i = j + 1; i < v->ndim; i++)
        n *= v->dim[i].n;
    return n;
}

/* The dimension to cut and how many of its indices go into one tile: tiles are boxes of the view, so that
 * each is a view itself. */
static uint32_t choose_cut(const struct view *v, uint64_t g, uint64_t tile_elems, uint64_t *chunk)
{
    uint32_t j = 0;

    while (j + 1 < v->ndim && inner_elems(v, j) > tile_elems &&
           v->dim[j + 1].n * inner_elems(v, j + 1) % g == 0)
        j++;
    uint64_t inner = inner_elems(v, j), step = g / gcd(g, inner);
    *chunk = max_u64(tile_elems / inner / step * step, step);
    return j;
}

uint64_t tile_min_elems(const struct plan *p, const struct plan_step **step)
{
    uint64_t largest = 0;

    *step = NULL;
    for (size_t i = 0; i < p->nstep; i++) {
        uint64_t g = tile_granule(p, &p->steps[i]);

        for (size_t k = 0; k < p->steps[i].nview; k++) {
            const struct view *v = &p->steps[i].views[k];
            uint64_t chunk;
            uint32_t cut = choose_cut(v, g, 0, &chunk);

            if (view_nelem(v) > 0 && chunk * inner_elems(v, cut) > largest) {
                largest = chunk * inner_elems(v, cut);
                *step = &p->steps[i];
            }
        }
    }
    return max_u64(largest, 1);
}

/* The box of v that holds flat position pos: index `at` of the cut dimension on, at most chunk of them. */
static void cut_box(const struct view *v, uint32_t cut, uint64_t chunk, uint64_t pos, struct view *box)
{
    uint64_t inner = inner_elems(v, cut), index = pos / inner, at = index % v->dim[cut].n;

    *box = (struct view){.source = v->source, .base = v->base + at * v->dim[cut].stride};
    index /= v->dim[cut].n;
    for (uint32_t i = cut; i-- > 0;) {
        box->base += index % v->dim[i].n * v->dim[i].stride;
        index /= v->dim[i].n;
    }
    for (uint32_t i = cut; i < v->ndim; i++)
        box->dim[box->ndim++] = v->dim[i];
    box->dim[0].n = min_u64(chunk, v->dim[cut].n - at);
}

bool tile_next(struct tile_walk *w, struct tile *t)
{
    for (; w->step < w->plan->nstep; w->step++, w->view = 0, w->view_first = 0, w->pos = 0) {
        const struct plan_step *step = &w->plan->steps[w->step];

        for (; w->view < step->nview; w->view++, w->pos = 0) {
            const struct view *v = &step->views[w->view];
            uint64_t n = view_nelem(v), chunk;

            if (w->pos >= n) {
                w->view_first += n;
                continue;
            }
            uint32_t cut = choose_cut(v, tile_granule(w->plan, step), w->tile_elems, &chunk);
            t->step = step;
            cut_box(v, cut, chunk, w->pos, &t->view);
            t->first = w->view_first + w->pos;
            t->nelem = view_nelem(&t->view);
            w->pos += t->nelem;
            return true;
        }
    }
    return false;
}

/* Indices of v's dimensions by ascending stride. */
static void sort_by_stride(const struct view *v, uint32_t order[VIEW_MAX_DIMS])
{
    for (uint32_t i = 0; i < v->ndim; i++) {
        uint32_t k = i;

        for (; k > 0 && v->dim[order[k - 1]].stride > v->dim[i].stride; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

/* The view in blocks of the source instead of elements. */
static struct view in_blocks(const struct view *v, uint32_t block_elems)
{
    struct view b = *v;

    b.base /= block_elems;
    for (uint32_t i = 0; i < b.ndim; i++)
        if (i + 1 == b.ndim)
            b.dim[i].n /= block_elems;
        else
            b.dim[i].stride /= block_elems;
    return b;
}

void tile_read_plan(const struct tile *t, uint32_t block_elems, uint32_t block_bytes, struct tile_read *r)
{
    struct view v = block_elems > 1 ? in_blocks(&t->view, block_elems) : t->view;
    uint32_t order[VIEW_MAX_DIMS], k = 0;
    uint64_t run = 1, inside = 1;

    sort_by_stride(&v, order);
    r->staged = v;
    r->staged.base = 0;
    for (; k < v.ndim; k++) {
        const struct view_dim *d = &v.dim[order[k]];
        uint64_t longer = (d->n - 1) * d->stride + run;

        if (longer != inside * d->n && (run * block_bytes >= LONG_RUN_BYTES || longer > 2 * inside * d->n))
            break;
        run = longer;
        inside *= d->n;
    }
    r->run = run;
    r->count = 1;
    r->outer = (struct view){.base = v.base, .ndim = v.ndim - k};
    for (uint32_t i = k; i < v.ndim; i++) {
        r->outer.dim[v.ndim - 1 - i] = v.dim[order[i]];
        r->staged.dim[order[i]].stride = run * r->count;
        r->count *= v.dim[order[i]].n;
    }
    view_simplify(&r->staged);
    r->contiguous = r->staged.ndim == 1 && r->staged.dim[0].stride == 1;
}

/* A fixed size lets the compiler turn each copy into one load and store. */
#define COPY_STRIDED(bytes)                                                                                  \
    for (uint64_t i = 0; i < d.n; i++)                                                                       \
    memcpy(out + i * out_stride, from + i * d.stride * (bytes), (bytes))

static void copy_innermost(struct view_dim d, const unsigned char *from, unsigned char *out, uint32_t unit,
                           size_t out_stride)
{
    if (d.stride == 1 && out_stride == unit) {
        memcpy(out, from, d.n * unit);
        return;
    }
    switch (unit) {
    case 1:
        COPY_STRIDED(1);
        break;
    case 2:
        COPY_STRIDED(2);
        break;
    case 4:
        COPY_STRIDED(4);
        break;
    default:
        COPY_STRIDED(unit);
    }
}

void tile_gather(const struct view *staged, const void *staging, void *out, uint32_t unit_bytes,
                 uint32_t out_stride)
{
    const unsigned char *from = staging;
    unsigned char *to = out;
    uint64_t index[VIEW_MAX_DIMS] = {0}, offset = 0;
    struct view_dim inner = staged->dim[staged->ndim - 1];
    uint64_t nrun = view_nelem(staged) / inner.n;

    for (uint64_t i = 0; i < nrun; i++) {
        copy_innermost(inner, from + offset * unit_bytes, to, unit_bytes, out_stride);
        to += inner.n * out_stride;
        /* The next index of the outer dimensions, with carries. */
        for (uint32_t k = staged->ndim - 1; k-- > 0;) {
            offset += staged->dim[k].stride;
            if (++index[k] < staged->dim[k].n)
                break;
            offset -= staged->dim[k].n * staged->dim[k].stride;
            index[k] = 0;
        }
    }
}
