/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code books ("grids") of the iq1, iq2 and iq3 types: a group of 8 (or 4) values is stored as the number
 * of a point of the grid. Points have small integer levels; for each combination of levels that is no point,
 * the nearest ones are listed once, in the order in which an encoder tries them.
 */
#ifndef QUANTIZE_IQ_GRIDS_H
#define QUANTIZE_IQ_GRIDS_H

#include "core/base.h"

/* Packed points, level of dimension 0 in the lowest bits. Eight dimensions: two bits each, levels 0..2. Four
 * dimensions: three bits each, levels 0..7. A decoder needs no more than these. */
extern const uint16_t iq1s_codes[2048]; /* iq1_s and iq1_m */
extern const uint16_t iq2xxs_codes[256];
extern const uint16_t iq2xs_codes[512];
extern const uint16_t iq2s_codes[1024];
extern const uint16_t iq3xxs_codes[256];
extern const uint16_t iq3s_codes[512];

enum iq_grid_id {
    IQ_GRID_1S,
    IQ_GRID_2XXS,
    IQ_GRID_2XS,
    IQ_GRID_2S,
    IQ_GRID_3XXS,
    IQ_GRID_3S,
    IQ_GRID_COUNT
};

/* A point's key is the sum of level[k] * nlevel^k. */
struct iq_grid {
    const uint16_t *codes;
    int npoint, dim;
    int nlevel;            /* of a dimension: 3 or 8 */
    int nshell;            /* distances that a list covers: all points at the nshell smallest ones */
    const uint8_t *levels; /* npoint * dim */
    const uint8_t *slots;  /* npoint * dim: level * dim + k, but first of eight: the first four's key */
    const int32_t *at;     /* by key: a point's number, or ~(start of its list) */
    const uint16_t *lists; /* a list: its length, then points by ascending distance, then number */
    size_t nlist;          /* entries in lists */
};

/* Built at the first call for a grid, by any thread; takes some hundredths of a second then. Never NULL. */
const struct iq_grid *iq_grid_get(enum iq_grid_id id);

/* The list for any packed code, point or not and also with levels of 3, into list (room for npoint); its
 * length. */
int iq_grid_neighbours(const struct iq_grid *grid, unsigned code, uint16_t *list);

/* The point of the list at `at` with the least sum over k of term[dim * (level of dimension k) + k], added up
 * in order of k; the first of equals. A list's first point where every sum is NaN or infinite. */
int iq_grid_nearest8(const struct iq_grid *grid, int at, const float *term);
int iq_grid_nearest4(const struct iq_grid *grid, int at, const float *term);

/* The eight two-bit levels of a packed code as bytes, dimension 0 in the lowest. */
static inline uint64_t iq_spread8(uint16_t code)
{
    uint64_t v = code;

    v = (v | v << 24) & 0x000000ff000000ffu;
    v = (v | v << 12) & 0x000f000f000f000fu;
    return (v | v << 6) & 0x0303030303030303u;
}

/* The four three-bit levels of a packed code as bytes, dimension 0 in the lowest. */
static inline uint32_t iq_spread4(uint16_t code)
{
    uint32_t v = code;

    v = (v | v << 10) & 0x003f003fu;
    return (v | v << 5) & 0x07070707u;
}

#endif
