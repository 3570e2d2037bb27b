/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/floats.h"

#include <math.h>

float f32_from_e4m3(uint8_t b)
{
    uint32_t exponent = b >> 3 & 15, mantissa = b & 7;
    float magnitude;

    if ((b & 0x7f) == 0x7f)
        magnitude = NAN;
    else if (exponent == 0)
        magnitude = (float)mantissa * 0x1p-9f;
    else
        magnitude = float_from_bits((exponent + 127 - 7) << 23 | mantissa << 20);
    return b & 0x80 ? -magnitude : magnitude;
}

uint8_t e4m3_from_f32(float f)
{
    uint32_t u = float_bits(f);
    uint8_t sign = (uint8_t)(u >> 24 & 0x80);

    u &= 0x7fffffffu;
    if (u > 0x7f800000u)
        return sign | 0x7f;
    if (u >= 0x43e00000u) /* 448 */
        return sign | 0x7e;
    if (u < 0x3c800000u) /* below 2^-6: adding 2^14 rounds at the subnormals' last bit, 2^-9 */
        return sign | (uint8_t)(float_bits(float_from_bits(u) + 0x1p14f) - 0x46800000u);
    u -= (uint32_t)(127 - 7) << 23;
    u += 0x7ffff + (u >> 20 & 1);
    return sign | (uint8_t)(u >> 20);
}

float f32_from_e5m2(uint8_t b)
{
    return f32_from_f16((uint16_t)(b << 8));
}

float f32_from_e8m0(uint8_t b)
{
    if (b == 255)
        return NAN;
    return b == 0 ? 0x1p-127f : float_from_bits((uint32_t)b << 23);
}

void floats_from_bf16(const void *src, float *dst, size_t n)
{
    const unsigned char *s = src;

    for (size_t i = 0; i < n; i++) {
        uint16_t h;

        memcpy(&h, s + 2 * i, 2);
        dst[i] = f32_from_bf16(h);
    }
}

void floats_from_f16(const void *src, float *dst, size_t n)
{
    const unsigned char *s = src;

    for (size_t i = 0; i < n; i++) {
        uint16_t h;

        memcpy(&h, s + 2 * i, 2);
        dst[i] = f32_from_f16(h);
    }
}

void floats_to_bf16(const float *src, void *dst, size_t n)
{
    unsigned char *d = dst;

    for (size_t i = 0; i < n; i++) {
        uint16_t h = bf16_from_f32(src[i]);

        memcpy(d + 2 * i, &h, 2);
    }
}

void floats_to_f16(const float *src, void *dst, size_t n)
{
    unsigned char *d = dst;

    for (size_t i = 0; i < n; i++) {
        uint16_t h = f16_from_f32(src[i]);

        memcpy(d + 2 * i, &h, 2);
    }
}

/* Runs of that many elements at once: loops of fixed length and without a way out vectorize. */
#define FIND_RUN   64
#define FIND_RUN16 128

size_t floats_find_nonfinite(const float *x, size_t n)
{
    size_t i = 0;

    for (; i + FIND_RUN <= n; i += FIND_RUN) {
        uint32_t any = 0;

        for (int k = 0; k < FIND_RUN; k++)
            any |= float_bits(x[i + k] - x[i + k]); // 0, but for infinity and NaN
        if (any)
            break;
    }
    while (i < n && isfinite(x[i]))
        i++;
    return i;
}

/* least: the bits of infinity, below those of NaNs. */
static size_t find_nonfinite16(const unsigned char *src, size_t n, int16_t least)
{
    size_t i = 0;
    int16_t v;

    for (; i + FIND_RUN16 <= n; i += FIND_RUN16) {
        int16_t run[FIND_RUN16], most = 0;

        memcpy(run, src + 2 * i, sizeof run);
        for (int k = 0; k < FIND_RUN16; k++) {
            v = run[k] & 0x7fff;
            most = v > most ? v : most;
        }
        if (most >= least)
            break;
    }
    for (; i < n; i++) {
        memcpy(&v, src + 2 * i, sizeof v);
        if ((v & 0x7fff) >= least)
            break;
    }
    return i;
}

size_t floats_find_nonfinite_f16(const void *src, size_t n)
{
    return find_nonfinite16(src, n, 0x7c00);
}

size_t floats_find_nonfinite_bf16(const void *src, size_t n)
{
    return find_nonfinite16(src, n, 0x7f80);
}
