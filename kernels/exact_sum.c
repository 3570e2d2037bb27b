/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/exact_sum.h"

#include <math.h>

#define LOWEST (-1074) /* power of two of the lowest limb */

void exact_sum_carry(struct exact_sum *s)
{
    for (int i = 0; i + 1 < EXACT_SUM_LIMBS; i++) {
        int64_t low = s->limb[i] & 0xffffffff;

        s->limb[i + 1] += (s->limb[i] - low) / ((int64_t)1 << 32);
        s->limb[i] = low;
    }
    s->nadd = 1;
}

void exact_sum_join(struct exact_sum *to, struct exact_sum *from)
{
    exact_sum_carry(from);
    for (int i = 0; i < EXACT_SUM_LIMBS; i++)
        to->limb[i] += from->limb[i];
    if (++to->nadd >= EXACT_SUM_ADDS)
        exact_sum_carry(to);
}

double exact_sum_value(const struct exact_sum *s)
{
    struct exact_sum t = *s;
    double sum = 0;

    exact_sum_carry(&t);
    bool negative = t.limb[EXACT_SUM_LIMBS - 1] < 0;
    if (negative) {
        for (int i = 0; i < EXACT_SUM_LIMBS; i++)
            t.limb[i] = -t.limb[i];
        exact_sum_carry(&t);
    }
    for (int i = 0; i < EXACT_SUM_LIMBS; i++)
        sum += t.limb[i] ? ldexp((double)t.limb[i], LOWEST + 32 * i) : 0;
    return negative ? -sum : sum;
}
