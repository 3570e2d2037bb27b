/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search that iq2_xxs, iq2_xs, iq2_s, iq3_xxs and iq3_s share: 256 values become sub-blocks with a scale,
 * signs, and a grid point for each group of 8 or 4 magnitudes. Bit-identical to ggml's as compiled for x86-64
 * without FMA: the order of every sum and product is part of the definition.
 */
#ifndef QUANTIZE_IQ_FIT_H
#define QUANTIZE_IQ_FIT_H

#include "quantize/iq_grids.h"
#include "quantize/iq_pack.h"

#define IQ_MAX_SUB 32 /* values in a sub-block, at most */

/* Which groups get a new point for the scale that was found, where any of them was off the grid. */
enum iq_refit { IQ_REFIT_OFF_GRID, IQ_REFIT_ALL_IF_OFF_GRID, IQ_REFIT_ALWAYS };

/* A value's weight when there are no importance weights: as if those were 1, x * x, sigma2 / 4 + x * x. */
enum iq_plain { IQ_PLAIN_ONES, IQ_PLAIN_SQUARE, IQ_PLAIN_QUARTER };

struct iq_fit_kind {
    enum iq_grid_id grid;
    int n;            /* values in a sub-block: 16 or 32 */
    int half;         /* trial scales: k = -half..half */
    float step;       /* of a trial: (top + step * k) / largest magnitude, top = 2 * nlevel - 1 */
    float least_peak; /* sub-blocks below it are zero */
    float sigma2_mul; /* sigma2, which enters the weights, is this times the mean square of the 256 values */
    enum iq_plain plain;
    bool even_signs;     /* an even number of minus signs in 8 values; the eighth is not stored */
    bool positive_start; /* the scale to try around is one that scale_search_positive finds */
    enum iq_refit refit;
};

/* `empty`: the sub-block's values are all (nearly) zero, its scale, points and signs are 0. */
struct iq_fit {
    float scale[IQ_ELEMS / 16];
    bool empty[IQ_ELEMS / 16];
    uint16_t point[IQ_ELEMS / 4]; /* one per group */
    uint8_t signs[IQ_ELEMS / 8];  /* bit set: minus */
};

/* 256 values. weights: as many importance weights, or NULL. Returns the largest scale. */
float iq_fit_block(const struct iq_fit_kind *kind, const float *x, const float *weights, struct iq_fit *fit);

/* Four-bit codes of the sub-blocks' scales, a code meaning (2 * code + 1) * unit, where unit = largest / 31;
 * largest > 0. Returns unit. */
float iq_fit_code_scales(const struct iq_fit_kind *kind, const struct iq_fit *fit, float largest,
                         uint8_t *codes);

#endif
