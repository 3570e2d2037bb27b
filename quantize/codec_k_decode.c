/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders of ggml's K types. Value i of a super-block is scale[group] * code - min[group] (q2_K, q4_K, q5_K)
 * or scale[group] * signed code (q3_K, q6_K); the product of the float16 scale and the group's integer is
 * rounded first. */
#include "quantize/codec_k_int.h"
#include "quantize/codecs_int.h"
#include "quantize/pack.h"

void q2_k_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q2_K_BYTES, x += K_ELEMS) {
        float d = f16_get(in + Q2_K_D), dmin = f16_get(in + Q2_K_DMIN);

        for (int g = 0; g < 16; g++) {
            float scale = d * (float)(in[g] & 15), min = dmin * (float)(in[g] >> 4);

            for (int i = 16 * g; i < 16 * g + 16; i++)
                x[i] = scale * (float)crumb_get(in + Q2_K_QS, i) - min;
        }
    }
}

static int q3_k_scale(const unsigned char *scales, int g)
{
    int low = scales[g % 8] >> g / 8 * 4 & 15, high = scales[8 + g % 4] >> g / 4 * 2 & 3;

    return (low | high << 4) - 32;
}

void q3_k_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q3_K_BYTES, x += K_ELEMS) {
        float d = f16_get(in + Q3_K_D);

        for (int g = 0; g < 16; g++) {
            float scale = d * (float)q3_k_scale(in + Q3_K_SCALES, g);

            for (int i = 16 * g; i < 16 * g + 16; i++) {
                int third = in[i % 32] >> i / 32 & 1;

                x[i] = scale * (float)((crumb_get(in + Q3_K_QS, i) | third << 2) - 4);
            }
        }
    }
}

/* Codes of the 32 values of group g: each 32 bytes hold two groups in their nibbles. */
static int nibble_get(const unsigned char *qs, int g, int i)
{
    return qs[g / 2 * 32 + i] >> g % 2 * 4 & 15;
}

void q4_k_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q4_K_BYTES) {
        float d = f16_get(in), dmin = f16_get(in + 2);

        for (int g = 0; g < 8; g++, x += 32) {
            float scale = d * (float)k_six_scale(in + K_SIXES, g);
            float min = dmin * (float)k_six_min(in + K_SIXES, g);

            for (int i = 0; i < 32; i++)
                x[i] = scale * (float)nibble_get(in + Q4_K_QS, g, i) - min;
        }
    }
}

/* The fifth bits of group g are bits g of 32 bytes. */
void q5_k_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q5_K_BYTES) {
        float d = f16_get(in), dmin = f16_get(in + 2);

        for (int g = 0; g < 8; g++, x += 32) {
            float scale = d * (float)k_six_scale(in + K_SIXES, g);
            float min = dmin * (float)k_six_min(in + K_SIXES, g);

            for (int i = 0; i < 32; i++) {
                int code = nibble_get(in + Q5_K_QS, g, i) | (in[Q5_K_QH + i] >> g & 1) << 4;

                x[i] = scale * (float)code - min;
            }
        }
    }
}

/* In each half of 128 values, the k-th 32 have their low bits in nibbles of 64 bytes, first the low nibbles,
 * and their upper two bits in bits 2k of 32 bytes. */
void q6_k_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q6_K_BYTES) {
        float d = f16_get(in + Q6_K_D);

        for (int part = 0; part < 8; part++, x += 32) {
            int half = part / 4, k = part % 4;
            const unsigned char *low = in + 64 * half + 32 * (k & 1), *high = in + Q6_K_QH + 32 * half;
            const unsigned char *scales = in + Q6_K_SCALES + 2 * part;
            float scale[2] = {d * (float)(int8_t)scales[0], d * (float)(int8_t)scales[1]};

            for (int i = 0; i < 32; i++) {
                int code = (low[i] >> k / 2 * 4 & 15) | (high[i] >> 2 * k & 3) << 4;

                x[i] = scale[i / 16] * (float)(code - 32);
            }
        }
    }
}
