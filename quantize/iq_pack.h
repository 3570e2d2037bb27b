/* SPDX-License-Identifier: Apache-2.0 */
/* Bits and rows of the iq types' blocks. */
#ifndef QUANTIZE_IQ_PACK_H
#define QUANTIZE_IQ_PACK_H

#include "kernels/floats.h"

#define IQ_ELEMS 256 /* values in a block, iq4_nl's apart */

static inline void u16_put(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static inline void u32_put(unsigned char *p, uint32_t v)
{
    u16_put(p, v & 0xffff);
    u16_put(p + 2, v >> 16);
}

static inline unsigned u16_get(const unsigned char *p)
{
    return (unsigned)p[0] | (unsigned)p[1] << 8;
}

static inline uint32_t u32_get(const unsigned char *p)
{
    return u16_get(p) | (uint32_t)u16_get(p + 2) << 16;
}

/* Eight signs, a bit for each (set: minus), of the seven that are stored where their number is even. */
static inline unsigned even_signs(unsigned seven)
{
    seven &= 127;
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

/* x[i] = scale * (byte i of levels), negated where bit i of signs is set, i < 8. */
static inline void put_signed8(float *x, float scale, uint64_t levels, unsigned signs)
{
#define MINUS(n)                                                                                             \
    {                                                                                                        \
        (n & 1u) << 31, (n & 2u) << 30, (n & 4u) << 29, (n & 8u) << 28                                       \
    }
    static const uint32_t minus_of[16][4] = {
        MINUS(0), MINUS(1), MINUS(2),  MINUS(3),  MINUS(4),  MINUS(5),  MINUS(6),  MINUS(7),
        MINUS(8), MINUS(9), MINUS(10), MINUS(11), MINUS(12), MINUS(13), MINUS(14), MINUS(15),
    };
#undef MINUS
    uint8_t level[8];
    uint32_t minus[8];

    memcpy(level, &levels, 8);
    memcpy(minus, minus_of[signs & 15], 16);
    memcpy(minus + 4, minus_of[signs >> 4 & 15], 16);
    // A loop that is unrolled whole is not vectorized.
#pragma GCC unroll 1
    for (int i = 0; i < 8; i++)
        x[i] = float_from_bits(float_bits(scale * (float)level[i]) ^ minus[i]);
}

/* An encoder of rows from one of a block, void encode(const float *x, unsigned char *out, const float
 * *weights). */
#define ENCODE_ROWS(name, encode, elems, bytes)                                                              \
    void name(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)                     \
    {                                                                                                        \
        unsigned char *out = dst;                                                                            \
                                                                                                             \
        for (size_t row = 0; row < nrow; row++) {                                                            \
            for (size_t c = 0; c < ncol; c += (elems), x += (elems), out += (bytes))                         \
                encode(x, out, weights == NULL ? NULL : weights + c);                                        \
        }                                                                                                    \
    }

#endif
