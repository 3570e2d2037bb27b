/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iq4_nl, iq4_xs: four-bit codes for 16 unevenly spaced levels.
 *
 *   iq4_nl  32 values: d, codes as in q4_0
 *   iq4_xs  256 values: d, high 2 bits of the scales of 32 u16, low 4 bits [4], codes of each 32 as above
 *
 * In iq4_xs, 32 values have the scale d * (stored - 32).
 */
#include "quantize/codecs_int.h"
#include "quantize/iq_pack.h"
#include "quantize/pack.h"

#define NL_ELEMS 32
#define NL_BYTES 18
#define XS_BYTES 136
#define NSUB     8
#define NTRIAL   16 /* scales tried: one lane each */

/* X(first, last, code, level): the level nearest to h / 2 - 256 for h = first..last, the upper one of two.
 * Midpoints of levels are multiples of 1/2. */
// clang-format off
#define RANGES(X)                                                                                            \
    X(0, 280, 0, -127)   X(281, 324, 1, -104) X(325, 363, 2, -83)  X(364, 397, 3, -65)                       \
    X(398, 427, 4, -49)  X(428, 454, 5, -35)  X(455, 479, 6, -22)  X(480, 502, 7, -10)                       \
    X(503, 525, 8, 1)    X(526, 549, 9, 13)   X(550, 574, 10, 25)  X(575, 602, 11, 38)                       \
    X(603, 633, 12, 53)  X(634, 669, 13, 69)  X(670, 713, 14, 89)  X(714, 1023, 15, 113)
// clang-format on

#define LEVEL(first, last, code, level)       [code] = level,
#define RANGE_CODE(first, last, code, level)  [first... last] = code,
#define RANGE_LEVEL(first, last, code, level) [first... last] = level,
static const float levels[16] = {RANGES(LEVEL)};
static const uint8_t code_of_half_steps[1024] = {RANGES(RANGE_CODE)};
static const float level_of_half_steps[1024] = {RANGES(RANGE_LEVEL)};

/* floor(2 * v) + 512 for |v| < 2^20, by letting the last bit of a sum be the unit; something for others. */
static inline int half_steps(float v)
{
    float u = v + v, sum = u + 12582912.0f;

    return (int)(float_bits(sum) - float_bits(12582912.0f) + 512 - (sum - 12582912.0f > u));
}

/* NaN has the highest code. */
static inline uint8_t nearest_code(float v)
{
    int at = half_steps(v);

    at = v > -256.0f ? at : 0;
    at = v < 255.0f ? at : 1023;
    return code_of_half_steps[at];
}

static void weigh(const float *x, const float *weights, float *out, int n)
{
    float sum = 0.0f;

    if (weights == NULL) {
        for (int i = 0; i < n; i++)
            out[i] = x[i] * x[i];
        return;
    }
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    float sigma2 = sum * (2.0f / (float)n);
    for (int i = 0; i < n; i++)
        out[i] = weights[i] * sqrtf(sigma2 + x[i] * x[i]);
}

/* The scale of 32 values among those that put the largest at -127 or up to 7 above or below. */
static float find_scale(const float *x, const float *weight)
{
    float most = signed_peak(x, NL_ELEMS), inverse[NTRIAL];
    float qx[NTRIAL] = {0}, qq[NTRIAL] = {0};

    if (fabsf(most) < 1e-15f)
        return 0.0f;
    for (int t = 1; t < NTRIAL; t++)
        inverse[t] = (float)(t - 8 - 127) / most;
    inverse[0] = 1.0f / (-most / -127.0f);
    for (int i = 0; i < NL_ELEMS; i++) {
        int32_t at[NTRIAL];
        float q[NTRIAL];

        // Loops that are unrolled whole are not vectorized.
#pragma GCC unroll 1
        for (int t = 0; t < NTRIAL; t++)
            at[t] = half_steps(inverse[t] * x[i]) & 1023; // cuts NaNs only: |inverse * x| < 136
        for (int t = 0; t < NTRIAL; t++)
            q[t] = level_of_half_steps[at[t]];
#pragma GCC unroll 1
        for (int t = 0; t < NTRIAL; t++) {
            qx[t] += weight[i] * q[t] * x[i];
            qq[t] += weight[i] * q[t] * q[t];
        }
    }
    float scale = qq[0] > 0.0f ? qx[0] / qq[0] : 0.0f, best = scale * qx[0];
    for (int t = 1; t < NTRIAL; t++) {
        if (qq[t] > 0.0f && qx[t] * qx[t] > best * qq[t]) {
            scale = qx[t] / qq[t];
            best = scale * qx[t];
        }
    }
    return scale;
}

static void put_codes(const float *x, float inverse, unsigned char *out)
{
    uint8_t code[NL_ELEMS];

    for (int i = 0; i < NL_ELEMS; i++)
        code[i] = nearest_code(inverse * x[i]);
    for (int i = 0; i < NL_ELEMS / 2; i++)
        out[i] = (unsigned char)(code[i] | code[i + NL_ELEMS / 2] << 4);
}

static void get_codes(const unsigned char *in, float scale, float *x)
{
    for (int i = 0; i < NL_ELEMS / 2; i++) {
        x[i] = scale * levels[in[i] & 15];
        x[i + NL_ELEMS / 2] = scale * levels[in[i] >> 4];
    }
}

static float inverse_or_0(float v)
{
    return v != 0.0f ? 1.0f / v : 0.0f;
}

static void encode_nl(const float *x, unsigned char *out, const float *weights)
{
    float weight[NL_ELEMS];

    weigh(x, weights, weight, NL_ELEMS);
    float d = find_scale(x, weight);
    f16_put(out, d);
    put_codes(x, inverse_or_0(d), out + 2);
}

void iq4_nl_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / NL_ELEMS; block++, in += NL_BYTES, x += NL_ELEMS)
        get_codes(in + 2, f16_get(in), x);
}

/* A block of zeros has d = -0. */
static void encode_xs(const float *x, unsigned char *out, const float *weights)
{
    float weight[IQ_ELEMS], scale[NSUB];
    unsigned high = 0;

    weigh(x, weights, weight, IQ_ELEMS);
    for (int b = 0; b < NSUB; b++)
        scale[b] = find_scale(x + 32 * b, weight + 32 * b);
    float d = -signed_peak(scale, NSUB) / 32.0f, inverse = inverse_or_0(d);
    f16_put(out, d);
    memset(out + 4, 0, NSUB / 2);
    for (int b = 0; b < NSUB; b++) {
        int l = clamp_int(nearest_int(inverse * scale[b]), -32, 31);

        put_codes(x + 32 * b, inverse_or_0(d * (float)l), out + 8 + 16 * b);
        out[4 + b / 2] |= (unsigned char)(((l + 32) & 15) << 4 * (b % 2));
        high |= (unsigned)(l + 32) >> 4 << 2 * b;
    }
    u16_put(out + 2, high);
}

void iq4_xs_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += XS_BYTES) {
        float d = f16_get(in);
        unsigned high = u16_get(in + 2);

        for (int b = 0; b < NSUB; b++, x += 32) {
            int scale = (in[4 + b / 2] >> 4 * (b % 2) & 15) | (int)(high >> 2 * b & 3) << 4;

            get_codes(in + 8 + 16 * b, d * (float)(scale - 32), x);
        }
    }
}

ENCODE_ROWS(iq4_nl_encode, encode_nl, NL_ELEMS, NL_BYTES)
ENCODE_ROWS(iq4_xs_encode, encode_xs, IQ_ELEMS, XS_BYTES)
