/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/exact_sum.h"

#include <math.h>

#define LOWEST    (-1074) /* power of two of the lowest limb */
#define ADDS_MOST (1u << 30)

/* Leaves 0..2^32-1 in every limb but the last, which has the sign. */
static void carry(struct exact_sum *s)
{
    for (int i = 0; i + 1 < EXACT_SUM_LIMBS; i++) {
        int64_t low = s->limb[i] & 0xffffffff;

        s->limb[i + 1] += (s->limb[i] - low) / ((int64_t)1 << 32);
        s->limb[i] = low;
    }
    s->nadd = 1;
}

void exact_sum_add(struct exact_sum *s, double v)
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
    if (++s->nadd >= ADDS_MOST)
        carry(s);
}

void exact_sum_join(struct exact_sum *to, struct exact_sum *from)
{
    carry(from);
    for (int i = 0; i < EXACT_SUM_LIMBS; i++)
        to->limb[i] += from->limb[i];
    if (++to->nadd >= ADDS_MOST)
        carry(to);
}

double exact_sum_value(struct exact_sum *s)
{
    double sum = 0;

    carry(s);
    bool negative = s->limb[EXACT_SUM_LIMBS - 1] < 0;
    if (negative) {
        for (int i = 0; i < EXACT_SUM_LIMBS; i++)
            s->limb[i] = -s->limb[i];
        carry(s);
    }
    for (int i = 0; i < EXACT_SUM_LIMBS; i++)
        sum += s->limb[i] ? ldexp((double)s->limb[i], LOWEST + 32 * i) : 0;
    return negative ? -sum : sum;
}
