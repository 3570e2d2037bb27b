/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/floats.h"

#include <math.h>

uint16_t f16_from_f32(float f)
{
    uint32_t u = float_bits(f);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);

    u &= 0x7fffffffu;
    if (u > 0x7f800000u)
        return sign | 0x7e00;
    if (u >= 0x47800000u) /* 65536 and above */
        return sign | 0x7c00;
    if (u < 0x38800000u) /* below 2^-14: adding 0.5 rounds at the subnormals' last bit, 2^-24 */
        return sign | (uint16_t)(float_bits(float_from_bits(u) + 0.5f) - 0x3f000000u);
    u -= (uint32_t)(127 - 15) << 23;
    u += 0xfff + (u >> 13 & 1);
    return sign | (uint16_t)(u >> 13);
}

float f32_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1f, mantissa = h & 0x3ff;

    if (exponent == 0x1f)
        return float_from_bits(sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0));
    if (exponent == 0) /* mantissa * 2^-24, exact */
        return float_from_bits(sign | float_bits((float)mantissa * 0x1p-24f));
    return float_from_bits(sign | (exponent + 127 - 15) << 23 | mantissa << 13);
}

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

/* 2^q for -126 <= q <= 127. */
static float power_of_two(int q)
{
    return float_from_bits((uint32_t)(q + 127) << 23);
}

float exp_f32(float x)
{
    static const float ln2_high = 0.693145751953125f, ln2_low = 1.428606765330187045e-06f;
    static const float poly[] = {0.000198527617612853646f, 0.00139304355252534151f, 0.00833336077630519867f,
                                 0.0416664853692054749f,   0.16666667163372039794f, 0.5f};

    if (x < -104.0f)
        return 0.0f;
    if (x > 100.0f)
        return INFINITY;
    if (isnan(x))
        return x;
    float scaled = rintf(x * 1.442695040888963407359924681001892137426645954152985934135449406931f);
    int q = (int)scaled;
    float s = fmaf(scaled, -ln2_high, x);
    s = fmaf(scaled, -ln2_low, s);
    float u = poly[0];
    for (size_t i = 1; i < ARRAY_LEN(poly); i++)
        u = fmaf(u, s, poly[i]);
    float y = 1.0f + fmaf(s * s, u, s);
    return y * power_of_two(q >> 1) * power_of_two(q - (q >> 1));
}
