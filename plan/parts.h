/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors of packed types (dtype_parts) lie in files as several tensors, and in memory, wherever values are
 * made of them or of values them, as blocks. Between the two they are planar: the bytes of the first part of
 * all blocks, then those of the second part, and so on.
 */
#ifndef PLAN_PARTS_H
#define PLAN_PARTS_H

#include "plan/plan.h"

/* Where part k of n planar elements starts. */
uint64_t parts_start(enum dtype t, uint32_t k, uint64_t n);

/* Planar elements: n in all, of which those from `at` on are meant. */
struct planar {
    unsigned char *bytes;
    uint64_t n, at;
};

/* Blocks in output order from planar elements; `staged` counts in blocks (tile.h). */
void parts_gather(enum dtype t, const struct view *staged, const struct planar *from, void *blocks);

/* n elements in blocks to planar ones. */
void parts_scatter(enum dtype t, const void *blocks, uint64_t n, const struct planar *to);

#endif
