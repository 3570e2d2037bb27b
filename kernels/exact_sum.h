/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of doubles without rounding, so that the order of addition changes nothing: a fixed-point number wide
 * enough for every finite double, in limbs of 32 bits with room for carries (U. Kulisch's long accumulator).
 */
#ifndef KERNELS_EXACT_SUM_H
#define KERNELS_EXACT_SUM_H

#include "core/base.h"

#define EXACT_SUM_LIMBS 67 /* the lowest one counts 2^-1074 */

/* Zero it to start. */
struct exact_sum {
    int64_t limb[EXACT_SUM_LIMBS];
    uint32_t nadd; /* since the last carry */
};

/* v is finite. */
void exact_sum_add(struct exact_sum *s, double v);
void exact_sum_join(struct exact_sum *to, struct exact_sum *from);

/* The sum, rounded; the same bits for the same addends. */
double exact_sum_value(struct exact_sum *s);

#endif
