/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The searches by which ggml's quantizers choose the scale (and minimum) of a group of values: each tries a
 * fixed list of scales and keeps the one of least weighted error. Results are bit-identical to ggml's as
 * compiled for x86-64 without FMA: the order of every sum and product is part of the definition.
 *
 * A call does a run of groups that lie one after another and have nothing to do with each other, so that an
 * implementation may put one group in each vector lane.
 */
#ifndef QUANTIZE_SCALE_SEARCH_H
#define QUANTIZE_SCALE_SEARCH_H

#include "core/base.h"

#define SCALE_SEARCH_MAX 32 /* values in a group, at most */

/* ngroup groups of n values. */
struct scale_search {
    const float *x;
    const float *weights; /* one per value; NULL (scale_search_symmetric alone): x * x */
    size_t ngroup;
    int n;          /* a multiple of 4, up to SCALE_SEARCH_MAX */
    uint8_t *codes; /* out: ngroup * n */
    float *scale;   /* out: ngroup */
    float *min;     /* out: ngroup; scale_search_min alone */
};

/* x = scale * (code - nlevel), codes 0..2 * nlevel - 1: nineteen scales around -nlevel / peak. The scale may
 * be negative. Where all is (nearly) zero, scale and codes are 0: code 0, not nlevel. */
void scale_search_symmetric(const struct scale_search *s, int nlevel);

/* The same with nlevel = 4, n = 16 and x * x as weights, by changing one code at a time while that helps. */
void scale_search_descent(const struct scale_search *s);

/* x = scale * code - min, codes 0..nlevel, min >= 0. Candidate k of 0..last has nlevel + (from + step * k)
 * levels over the range; an accepted candidate's minimum replaces the range's lower end for those that
 * follow. */
struct min_search {
    int nlevel;
    float from, step;
    int last;
    bool absolute; /* error is |e|, not e * e */
};

void scale_search_min(const struct scale_search *s, const struct min_search *m);

/* x = scale * code, codes 0..nlevel, for values that are not negative. A negative value's code wraps: it is
 * the low byte of a negative number. */
void scale_search_positive(const struct scale_search *s, int nlevel);

#endif
