/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

struct view view_whole(uint32_t source, uint64_t nelem)
{
    return (struct view){.source = source, .ndim = 1, .dim = {{nelem, 1}}};
}

uint64_t view_nelem(const struct view *v)
{
    uint64_t n = 1;

    for (uint32_t i = 0; i < v->ndim; i++)
        n *= v->dim[i].n;
    return n;
}

void view_simplify(struct view *v)
{
    struct view_dim kept[VIEW_MAX_DIMS];
    uint32_t n = 0;

    for (uint32_t i = 0; i < v->ndim; i++) {
        struct view_dim d = v->dim[i];

        if (d.n == 1)
            continue;
        if (n > 0 && kept[n - 1].stride == d.n * d.stride)
            kept[n - 1] = (struct view_dim){kept[n - 1].n * d.n, d.stride};
        else
            kept[n++] = d;
    }
    if (n == 0)
        kept[n++] = (struct view_dim){1, 1};
    memcpy(v->dim, kept, n * sizeof kept[0]);
    v->ndim = n;
}

uint64_t view_last(const struct view *v)
{
    uint64_t last = v->base;

    for (uint32_t i = 0; i < v->ndim; i++)
        last += (v->dim[i].n - 1) * v->dim[i].stride;
    return last;
}

bool view_in_blocks(const struct view *v, uint32_t block_elems)
{
    const struct view_dim *inner = &v->dim[v->ndim - 1];

    if (block_elems == 1 || view_nelem(v) == 0)
        return true;
    bool whole = v->base % block_elems == 0 && inner->stride == 1 && inner->n % block_elems == 0;
    for (uint32_t i = 0; i + 1 < v->ndim; i++)
        whole = whole && v->dim[i].stride % block_elems == 0;
    return whole;
}
