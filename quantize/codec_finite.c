/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the scales of encoded blocks are finite: one or two float16 in each, in all types but a few. */
#include "quantize/codecs_int.h"

static inline bool is_finite_f16(const unsigned char *p)
{
    return (p[1] & 0x7c) != 0x7c;
}

#define FIND(name, bytes, is_finite)                                                                         \
    size_t name##_find_nonfinite(const void *src, size_t n)                                                  \
    {                                                                                                        \
        const unsigned char *block = src;                                                                    \
                                                                                                             \
        for (size_t i = 0; i < n; i++, block += (bytes))                                                     \
            if (!(is_finite))                                                                                \
                return i;                                                                                    \
        return n;                                                                                            \
    }

/* name, bytes of a block, where the scale lies (and the minimum) */
#define ONE_SCALE(name, bytes, d) FIND(name, bytes, is_finite_f16(block + (d)))
#define TWO_SCALES(name, bytes, d, m)                                                                        \
    FIND(name, bytes, is_finite_f16(block + (d)) && is_finite_f16(block + (m)))

ONE_SCALE(q4_0, 18, 0)
TWO_SCALES(q4_1, 20, 0, 2)
ONE_SCALE(q5_0, 22, 0)
TWO_SCALES(q5_1, 24, 0, 2)
ONE_SCALE(q8_0, 34, 0)
TWO_SCALES(q2_k, 84, 80, 82)
ONE_SCALE(q3_k, 110, 108)
TWO_SCALES(q4_k, 144, 0, 2)
TWO_SCALES(q5_k, 176, 0, 2)
ONE_SCALE(q6_k, 210, 208)
ONE_SCALE(q1_0, 18, 0)
ONE_SCALE(q2_0, 18, 0)
ONE_SCALE(tq1_0, 54, 52)
ONE_SCALE(tq2_0, 66, 64)
ONE_SCALE(iq4_nl, 18, 0)
ONE_SCALE(iq4_xs, 136, 0)
ONE_SCALE(iq2_xxs, 66, 0)
ONE_SCALE(iq2_xs, 74, 0)
ONE_SCALE(iq2_s, 82, 0)
ONE_SCALE(iq3_xxs, 98, 0)
ONE_SCALE(iq3_s, 110, 0)
ONE_SCALE(iq1_s, 50, 0)

/* E8M0 knows one NaN and no infinity. nvfp4's scales are finite whatever their bits. */
FIND(mxfp4, 17, block[0] != 0xff)

/* The scale's four nibbles are the upper ones of four 16-bit words, the exponent in the last two of them. */
FIND(iq1_m, 56, (block[55] & 0x70) != 0x70 || (block[53] & 0xc0) != 0xc0)
