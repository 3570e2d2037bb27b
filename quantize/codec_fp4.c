/* SPDX-License-Identifier: Apache-2.0 */
/* Four-bit floats (E2M1) under a narrow scale: mxfp4 has 32 to a power of two (E8M0), nvfp4 sixteen to an
 * unsigned E4M3. They make no use of importance weights. */
#include "quantize/codecs_int.h"
#include "quantize/pack.h"

#define MX_ELEMS 32
#define MX_BYTES 17
#define NV_ELEMS 64
#define NV_BYTES 36
#define NV_GROUP 16 /* values to a scale */

/* E2M1 values, doubled; scales are halved to match. */
static const int8_t doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* ---- codes ---- */

/* The definition: the first code of least distance. */
static uint8_t search_code(float v, float scale)
{
    float best = fabsf((float)doubled[0] * scale - v);
    uint8_t code = 0;

    for (uint8_t k = 1; k < 16; k++) {
        float distance = fabsf((float)doubled[k] * scale - v);

        if (distance < best) {
            best = distance;
            code = k;
        }
    }
    return code;
}

/* What the search gives where all levels are finite and the distances to two of them differ: the number of
 * midpoints below |v|. */
static uint8_t count_code(float v, float scale)
{
    float a = fabsf(v);
    int code = (a > 0.5f * scale) + (a > 1.5f * scale) + (a > 2.5f * scale) + (a > 3.5f * scale) +
               (a > 5.0f * scale) + (a > 7.0f * scale) + (a > 10.0f * scale);

    return (uint8_t)(v < 0.0f && code > 0 ? code | 8 : code);
}

/* n values, the first half into the low nibbles of n / 2 bytes. `most` is their peak. */
static void pack_codes(const float *x, int n, float most, float scale, unsigned char *out)
{
    uint8_t codes[MX_ELEMS];

    if (scale == 0.0f) {
        memset(codes, 0, sizeof codes);
    } else if (most <= 0x1p26f * scale && scale < 0x1p125f) {
        for (int i = 0; i < n; i++)
            codes[i] = count_code(x[i], scale);
    } else {
        for (int i = 0; i < n; i++)
            codes[i] = search_code(x[i], scale);
    }
    for (int i = 0; i < n / 2; i++)
        out[i] = (unsigned char)(codes[i] | codes[i + n / 2] << 4);
}

static void unpack_codes(const unsigned char *in, int n, float scale, float *x)
{
    for (int i = 0; i < n / 2; i++) {
        x[i] = (float)doubled[in[i] & 15] * scale;
        x[i + n / 2] = (float)doubled[in[i] >> 4] * scale;
    }
}

/* ---- mxfp4 ---- */

/* How many units in the last place a float may lie below 2^k for log2f to round its logarithm up to k: half
 * the spacing of floats below k, over the slope of the logarithm, which makes 2^j * ln 2 for |k| in the j-th
 * binade; a quarter as much at k = -127 and so on, where floats are subnormal and their last place does not
 * shrink. */
static uint32_t log2_slack(int k)
{
    int magnitude = k > 0 ? k - 1 : -k, j = -1;

    for (; magnitude > 0; magnitude >>= 1)
        j++;
    if (k <= -126)
        j -= -125 - k;
    return j > 0 ? (uint32_t)(0.6931472f * (float)(1 << j)) : 0;
}

/* floorf(log2f(v)) of a libm that rounds log2f correctly there, for finite v > 0. */
static int floor_log2(float v)
{
    uint32_t bits = float_bits(v), next;
    int k = (int)(bits >> 23) - 127;

    if (k < -126) {
        k = -150;
        for (uint32_t m = bits; m > 0; m >>= 1)
            k++;
    }
    next = k + 1 >= -126 ? (uint32_t)(k + 1 + 127) << 23 : (uint32_t)1 << (k + 1 + 149);
    return next - bits <= log2_slack(k + 1) ? k + 1 : k;
}

/* 2^(e - 128). */
static float e8m0_half(uint8_t e)
{
    return float_from_bits(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23);
}

/* The exponent leaves two bits for the largest value; that of a tiny block wraps. */
static uint8_t mx_exponent(float most)
{
    if (most == 0.0f || isinf(most))
        return 0;
    return (uint8_t)(floor_log2(most) - 2 + 127);
}

void mxfp4_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;

    (void)weights;
    for (size_t b = nrow * ncol / MX_ELEMS; b > 0; b--, x += MX_ELEMS, out += MX_BYTES) {
        float most = peak(x, MX_ELEMS);

        out[0] = mx_exponent(most);
        pack_codes(x, MX_ELEMS, most, e8m0_half(out[0]), out + 1);
    }
}

void mxfp4_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / MX_ELEMS; b > 0; b--, x += MX_ELEMS, in += MX_BYTES)
        unpack_codes(in + 1, MX_ELEMS, e8m0_half(in[0]), x);
}

/* ---- nvfp4 ---- */

/* Rounds half up by the first dropped bit alone. Everything from 256 on becomes 448, the largest scale. */
static uint8_t ue4m3_from_f32(float v)
{
    if (!(v > 0.0f))
        return 0;
    uint32_t bits = float_bits(v < 448.0f ? v : 448.0f);
    int exponent = (int)(bits >> 23) - 127 + 7;
    if (exponent <= 0) { // a multiple of 2^-9, never rounded up to the least normal scale
        int code = (int)(float_from_bits(bits) * 512.0f + 0.5f);

        return (uint8_t)(code < 7 ? code : 7);
    }
    uint32_t code = (uint32_t)exponent << 3 | (bits >> 20 & 7);
    code += bits >> 19 & 1;
    return (uint8_t)(code < 15 << 3 ? code : 0x7e);
}

/* Half the scale. The NaN pattern counts as 0; the sign bit does not count. */
static float ue4m3_half(uint8_t u)
{
    uint32_t exponent = u >> 3 & 15, mantissa = u & 7;

    if (u == 0x7f)
        return 0.0f;
    if (exponent == 0)
        return (float)mantissa * 0x1p-10f;
    return float_from_bits((exponent + 127 - 8) << 23 | mantissa << 20);
}

void nvfp4_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;

    (void)weights;
    for (size_t b = nrow * ncol / NV_ELEMS; b > 0; b--, out += NV_BYTES) {
        for (int g = 0; g < NV_ELEMS / NV_GROUP; g++, x += NV_GROUP) {
            float most = peak(x, NV_GROUP);

            out[g] = ue4m3_from_f32(most / 6.0f);
            pack_codes(x, NV_GROUP, most, ue4m3_half(out[g]), out + 4 + NV_GROUP / 2 * g);
        }
    }
}

void nvfp4_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / NV_ELEMS; b > 0; b--, in += NV_BYTES) {
        for (int g = 0; g < NV_ELEMS / NV_GROUP; g++, x += NV_GROUP)
            unpack_codes(in + 4 + NV_GROUP / 2 * g, NV_GROUP, ue4m3_half(in[g]), x);
    }
}

/* ---- nvfp4 as checkpoints store it ---- */

/* Groups of 16: the codes in order, then the scale. */
static void stored_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t g = n / NV_GROUP; g > 0; g--) {
        float scale = ue4m3_half(in[NV_GROUP / 2] & 0x7f);

        for (int i = 0; i < NV_GROUP / 2; i++) {
            *x++ = (float)doubled[in[i] & 15] * scale;
            *x++ = (float)doubled[in[i] >> 4] * scale;
        }
        in += NV_GROUP / 2 + 1;
    }
}

const struct codec codec_stored_nvfp4 = {.decode = stored_decode};
