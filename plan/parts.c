/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/parts.h"

#include "plan/tile.h"

uint64_t parts_start(enum dtype t, uint32_t k, uint64_t n)
{
    uint64_t start = 0;

    while (k-- > 0)
        start += dtype_part_nbytes(t, k, n);
    return start;
}

/* Part k of the first block that is meant. */
static unsigned char *part_at(enum dtype t, uint32_t k, const struct planar *p)
{
    return p->bytes + parts_start(t, k, p->n) + dtype_part_nbytes(t, k, p->at);
}

void parts_gather(enum dtype t, const struct view *staged, const struct planar *from, void *blocks)
{
    const struct dtype_parts *parts = dtype_parts(t);
    uint32_t block = dtype_block_elems(t), stride = (uint32_t)parts_start(t, parts->n, block);

    for (uint32_t k = 0; k < parts->n; k++)
        tile_gather(staged, part_at(t, k, from), (unsigned char *)blocks + parts_start(t, k, block),
                    parts->part[k].nbytes, stride);
}

void parts_scatter(enum dtype t, const void *blocks, uint64_t n, const struct planar *to)
{
    const struct dtype_parts *parts = dtype_parts(t);
    uint64_t block = dtype_block_elems(t), stride = parts_start(t, parts->n, block);

    for (uint32_t k = 0; k < parts->n; k++) {
        const unsigned char *from = (const unsigned char *)blocks + parts_start(t, k, block);
        unsigned char *out = part_at(t, k, to);
        size_t unit = parts->part[k].nbytes;

        for (uint64_t i = 0; i < n / block; i++)
            memcpy(out + i * unit, from + i * stride, unit);
    }
}
