/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Conversions between float32 and the narrower float formats, bit-exact and element by element: round to
 * nearest even, subnormals kept. Scalar code is the reference for any faster version.
 */
#ifndef KERNELS_FLOATS_H
#define KERNELS_FLOATS_H

#include "core/base.h"

static inline uint32_t float_bits(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float float_from_bits(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

/* A NaN keeps its upper bits and becomes quiet. */
static inline uint16_t bf16_from_f32(float f)
{
    uint32_t u = float_bits(f);

    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static inline float f32_from_bf16(uint16_t h)
{
    return float_from_bits((uint32_t)h << 16);
}

/* |f| >= 65520 becomes infinite; a NaN keeps the upper bits of its payload (1 where they are 0), as in numpy.
 * All cases are computed and one is chosen, so that loops over it vectorize. */
static inline uint16_t f16_from_f32(float f)
{
    uint32_t u = float_bits(f) & 0x7fffffffu, sign = float_bits(f) >> 16 & 0x8000;
    uint32_t payload = u >> 13 & 0x3ff;
    uint32_t nan = 0x7c00 | (payload ? payload : 1);
    uint32_t small =
        float_bits(float_from_bits(u) + 0.5f) - 0x3f000000u; // rounds at 2^-24, subnormals' last bit
    uint32_t normal = (u - ((uint32_t)(127 - 15) << 23) + 0xfff + (u >> 13 & 1)) >> 13;
    uint32_t h = u < 0x38800000u ? small : normal; // 2^-14

    h = u >= 0x47800000u ? 0x7c00 : h; // 65536
    h = u > 0x7f800000u ? nan : h;
    return (uint16_t)(sign | h);
}

/* Signalling NaNs come out quiet: in `wide`, 112 binades too high, what has the highest exponent has it
 * again. */
static inline float f32_from_f16(uint16_t h)
{
    uint32_t u = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t wide = float_bits(float_from_bits(u + ((uint32_t)(2 * 112) << 23)) * 0x1p-112f);
    uint32_t small = float_bits(float_from_bits(0x3f000000u | u >> 13) - 0.5f); // a multiple of 2^-24

    return float_from_bits((u < 0x00800000u ? small : wide) | sign);
}

/* OCP 8-bit floats. E4M3 ("fn": no infinity, 0x7f is NaN), E5M2 (IEEE-like), E8M0 (2^(x-127), 255 NaN). */
float f32_from_e4m3(uint8_t b);
float f32_from_e5m2(uint8_t b);
float f32_from_e8m0(uint8_t b);
/* What is larger than 448 becomes 448, a NaN 0x7f with its sign. */
uint8_t e4m3_from_f32(float f);

/* Arrays. Sources and destinations may be unaligned, and must not overlap. */
void floats_from_bf16(const void *src, float *dst, size_t n);
void floats_from_f16(const void *src, float *dst, size_t n);
void floats_to_bf16(const float *src, void *dst, size_t n);
void floats_to_f16(const float *src, void *dst, size_t n);

/* Index of the first element that is infinite or NaN; n when there is none. */
size_t floats_find_nonfinite(const float *x, size_t n);
size_t floats_find_nonfinite_f16(const void *src, size_t n);
size_t floats_find_nonfinite_bf16(const void *src, size_t n);

#endif
