/* SPDX-License-Identifier: Apache-2.0 */
/* Decoders of ggml's K types. Value i of a super-block is scale[group] * code - min[group] (q2_K, q4_K, q5_K)
 * or scale[group] * signed code (q3_K, q6_K); the product of the float16 scale and the group's integer is
 * rounded first. */
#include "quantize/codec_k_int.h"
#include "quantize/codecs_int.h"
#include "quantize/pack.h"

/* Where crumbs_put left the codes of group g: from that byte on, above that bit. */
static int crumbs_at(int g)
{
    return g / 8 * 32 + g % 2 * 16;
}

static int crumbs_shift(int g)
{
    return g / 2 % 4 * 2;
}

void q2_k_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q2_K_BYTES, x += K_ELEMS) {
        float d = f16_get(in + Q2_K_D), dmin = f16_get(in + Q2_K_DMIN);

        for (int g = 0; g < 16; g++) {
            float scale = d * (float)(in[g] & 15), min = dmin * (float)(in[g] >> 4);
            const unsigned char *crumbs = in + Q2_K_QS + crumbs_at(g);
            int shift = crumbs_shift(g);

            for (int i = 0; i < 16; i++)
                x[16 * g + i] = scale * (float)(crumbs[i] >> shift & 3) - min;
        }
    }
}

static int q3_k_scale(const unsigned char *scales, int g)
{
    int low = scales[g % 8] >> g / 8 * 4 & 15, high = scales[8 + g % 4] >> g / 4 * 2 & 3;

    return (low | high << 4) - 32;
}

void q3_k_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q3_K_BYTES, x += K_ELEMS) {
        float d = f16_get(in + Q3_K_D);

        for (int g = 0; g < 16; g++) {
            float scale = d * (float)q3_k_scale(in + Q3_K_SCALES, g);
            const unsigned char *crumbs = in + Q3_K_QS + crumbs_at(g), *thirds = in + g % 2 * 16;
            int shift = crumbs_shift(g);

            for (int i = 0; i < 16; i++) {
                int third = thirds[i] >> g / 2 & 1;

                x[16 * g + i] = scale * (float)((crumbs[i] >> shift & 3) + 4 * third - 4);
            }
        }
    }
}

/* The line through the codes of group g of q4_K or q5_K. */
struct line {
    float scale, min;
};

static inline struct line line_get(const unsigned char *in, int g)
{
    return (struct line){f16_get(in) * (float)k_six_scale(in + K_SIXES, g),
                         f16_get(in + 2) * (float)k_six_min(in + K_SIXES, g)};
}

/* Each 32 bytes hold the codes of two groups in their nibbles. */
void q4_k_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q4_K_BYTES) {
        const unsigned char *low = in + Q4_K_QS;

        for (int g = 0; g < 8; g += 2, x += 64, low += 32) {
            struct line first = line_get(in, g), second = line_get(in, g + 1);

            for (int i = 0; i < 32; i++) {
                x[i] = first.scale * (float)(low[i] & 15) - first.min;
                x[i + 32] = second.scale * (float)(low[i] >> 4) - second.min;
            }
        }
    }
}

/* The fifth bits of group g are bits g of 32 bytes. */
void q5_k_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q5_K_BYTES) {
        const unsigned char *low = in + Q5_K_QS, *fifths = in + Q5_K_QH;

        for (int g = 0; g < 8; g += 2, x += 64, low += 32) {
            struct line first = line_get(in, g), second = line_get(in, g + 1);
            uint8_t bit = (uint8_t)(1 << g), next = (uint8_t)(2 << g);

            for (int i = 0; i < 32; i++) {
                x[i] = first.scale * (float)((low[i] & 15) + (fifths[i] & bit ? 16 : 0)) - first.min;
                x[i + 32] = second.scale * (float)((low[i] >> 4) + (fifths[i] & next ? 16 : 0)) - second.min;
            }
        }
    }
}

/* In each half of 128 values, the k-th 32 have their low bits in nibbles of 64 bytes, first the low nibbles,
 * and their upper two bits in bits 2k of 32 bytes. */
void q6_k_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / K_ELEMS; b > 0; b--, in += Q6_K_BYTES) {
        float d = f16_get(in + Q6_K_D);

        for (int g = 0; g < 16; g++, x += 16) {
            int half = g / 8, k = g / 2 % 4;
            const unsigned char *low = in + 64 * half + k % 2 * 32 + g % 2 * 16;
            const unsigned char *high = in + Q6_K_QH + 32 * half + g % 2 * 16;
            float scale = d * (float)(int8_t)in[Q6_K_SCALES + g];

            for (int i = 0; i < 16; i++) {
                int code = (low[i] >> k / 2 * 4 & 15) | (high[i] >> 2 * k & 3) << 4;

                x[i] = scale * (float)(code - 32);
            }
        }
    }
}
