/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of doubles without rounding, so that the order of addition changes nothing: a fixed-point number wide
 * enough for every finite double, in limbs of 32 bits with room for carries (U. Kulisch's long accumulator).
 */
#ifndef KERNELS_EXACT_SUM_H
#define KERNELS_EXACT_SUM_H

#include "core/base.h"

#define EXACT_SUM_LIMBS 67         /* the lowest one counts 2^-1074 */
#define EXACT_SUM_ADDS  (1u << 30) /* after so many at most comes a carry */

/* Zero it to start. */
struct exact_sum {
    int64_t limb[EXACT_SUM_LIMBS];
    uint32_t nadd; /* since the last carry */
};

/* Leaves 0..2^32-1 in every limb but the last, which has the sign. */
void exact_sum_carry(struct exact_sum *s);

/* v is finite. Each limb gets less than 2^32. */
static inline void exact_sum_add(struct exact_sum *s, double v)
{
    uint64_t bits, mantissa;

    if (v == 0)
        return;
    memcpy(&bits, &v, sizeof bits);
    mantissa = bits & (((uint64_t)1 << 52) - 1);
    unsigned exponent = bits >> 52 & 0x7ff;
    if (exponent > 0)
        mantissa |= (uint64_t)1 << 52;
    else
        exponent = 1;
    unsigned at = (exponent - 1) / 32, shift = (exponent - 1) % 32;
    uint64_t low = mantissa << shift, high = shift ? mantissa >> (64 - shift) : 0;
    int64_t sign = bits >> 63 ? -1 : 1;
    s->limb[at] += sign * (int64_t)(low & 0xffffffff);
    s->limb[at + 1] += sign * (int64_t)(low >> 32);
    s->limb[at + 2] += sign * (int64_t)high;
    if (++s->nadd >= EXACT_SUM_ADDS)
        exact_sum_carry(s);
}

void exact_sum_join(struct exact_sum *to, struct exact_sum *from);

/* The sum, rounded; the same bits for the same addends. */
double exact_sum_value(const struct exact_sum *s);

#endif
