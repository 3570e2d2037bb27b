/* SPDX-License-Identifier: Apache-2.0 */
/* Small arithmetic that the block codecs share, each function exactly as ggml's quantizers round. */
#ifndef QUANTIZE_PACK_H
#define QUANTIZE_PACK_H

#include <math.h>

#include "kernels/floats.h"

/* Rounds half to even by letting the sum's last bit be the unit. That holds for -2^22 <= f < 2^22 - 0.5; what
 * it gives beyond, for infinities and for NaN is part of the formats' definition too. */
static inline int nearest_int(float f)
{
    return (int)(float_bits(f + 12582912.0f) & 0x7fffff) - 0x400000;
}

static inline int clamp_int(int v, int lo, int hi)
{
    v = v < hi ? v : hi;
    return v > lo ? v : lo;
}

/* Truncates towards zero; 0 for NaN and where the value leaves int32: there x86's conversion gives INT32_MIN,
 * of which the formats keep the low byte. No branch, so that loops over it vectorize. */
static inline int truncated_int(float v)
{
    float safe = fabsf(v) < 0x1p31f ? v : 0.0f;

    return (int)safe;
}

/* roundf for |v| <= 2^22: half away from zero. The constant is the largest float below 0.5, so that the sum
 * cannot round up to the next integer. */
static inline int rounded_int(float v)
{
    return truncated_int(v + copysignf(0x1.fffffep-2f, v));
}

/* A NaN loses its payload. */
static inline void f16_put(unsigned char *p, float f)
{
    uint16_t h = isnan(f) ? (uint16_t)(float_bits(f) >> 16 & 0x8000) | 0x7e00 : f16_from_f32(f);

    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

static inline float f16_get(const unsigned char *p)
{
    return f32_from_f16((uint16_t)(p[0] | p[1] << 8));
}

/* The bits of the largest |x[i]|, which order as magnitudes do; a NaN's are above those of infinity. */
static inline uint32_t peak_bits(const float *x, int n)
{
    int32_t most = 0;

    for (int i = 0; i < n; i++) {
        int32_t u = (int32_t)(float_bits(x[i]) & 0x7fffffff);

        most = most > u ? most : u;
    }
    return (uint32_t)most;
}

#define BITS_INFINITY 0x7f800000u

/* Largest |x[i]|; NaNs count as 0. */
static inline float peak(const float *x, int n)
{
    uint32_t most = peak_bits(x, n);

    if (most > BITS_INFINITY) {
        most = 0;
        for (int i = 0; i < n; i++) {
            uint32_t u = float_bits(x[i]) & 0x7fffffff;

            most = u > most && u <= BITS_INFINITY ? u : most;
        }
    }
    return float_from_bits(most);
}

/* The first x[i] of largest magnitude, with its sign; +0 when all are zero. */
static inline float signed_peak(const float *x, int n)
{
    float most = peak(x, n);
    int i = 0;

    if (most == 0.0f)
        return 0.0f;
    while (fabsf(x[i]) != most)
        i++;
    return x[i];
}

/* 256 codes of two bits in 64 bytes: bytes 0..31 hold the first 128, the k-th 32 of them in bits 2k. */
static inline void crumbs_put(unsigned char *out, const uint8_t *codes)
{
    for (int half = 0; half < 2; half++, out += 32, codes += 128) {
        for (int i = 0; i < 32; i++)
            out[i] = (unsigned char)(codes[i] | codes[i + 32] << 2 | codes[i + 64] << 4 | codes[i + 96] << 6);
    }
}

#endif
