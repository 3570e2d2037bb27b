/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iq3_xxs, iq3_s: 256 values, magnitudes as points of a four-dimensional grid, signs apart, sub-blocks of 32.
 *
 *   iq3_xxs  d, points u8[64], 8 x u32 { four times 7 signs, scale code in the top 4 bits }
 *   iq3_s    d, points' low bytes [64], points' ninth bits [8], 8 signs [32], scale codes 4 bits [4]
 */
#include "quantize/codecs_int.h"
#include "quantize/iq_fit.h"
#include "quantize/iq_pack.h"
#include "quantize/pack.h"

#define XXS_BYTES 98
#define S_BYTES   110
#define NSUB      8

static const struct iq_fit_kind xxs_kind = {.grid = IQ_GRID_3XXS,
                                            .n = 32,
                                            .half = 15,
                                            .step = 0.2f,
                                            .least_peak = 1e-8f,
                                            .sigma2_mul = 2.0f,
                                            .plain = IQ_PLAIN_SQUARE,
                                            .even_signs = true,
                                            .refit = IQ_REFIT_OFF_GRID};
/* Only a sub-block of zeros is empty: the least float above 0. */
static const struct iq_fit_kind s_kind = {.grid = IQ_GRID_3S,
                                          .n = 32,
                                          .half = 9,
                                          .step = 0.2f,
                                          .least_peak = 0x1p-149f,
                                          .sigma2_mul = 2.0f,
                                          .plain = IQ_PLAIN_SQUARE,
                                          .refit = IQ_REFIT_ALL_IF_OFF_GRID};

/* ---- iq3_xxs ---- */

/* Bytes 4, 12, 20, 28, 36, 44, 52, 62 for levels 0..7. */
static uint32_t xxs_magnitudes(uint16_t code)
{
    uint32_t level = iq_spread4(code), is7 = level & level >> 1 & level >> 2 & 0x01010101u;

    return level * 8 + 0x04040404u + is7 * 2;
}

static void encode_xxs(const float *x, unsigned char *out, const float *weights)
{
    struct iq_fit fit;
    uint8_t codes[NSUB];
    float largest = iq_fit_block(&xxs_kind, x, weights, &fit);

    memset(out, 0, XXS_BYTES);
    if (largest == 0.0f)
        return;
    f16_put(out, iq_fit_code_scales(&xxs_kind, &fit, largest, codes) * 1.0125f);
    for (int g = 0; g < 64; g++)
        out[2 + g] = (unsigned char)fit.point[g];
    for (int b = 0; b < NSUB; b++) {
        uint32_t tail = (uint32_t)codes[b] << 28;

        for (int l = 0; l < 4; l++)
            tail |= (uint32_t)(fit.signs[4 * b + l] & 127) << 7 * l;
        u32_put(out + 66 + 4 * b, tail);
    }
}

void iq3_xxs_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += XXS_BYTES) {
        float d = f16_get(in);

        for (int g = 0; g < 32; g++, x += 8) {
            uint32_t tail = u32_get(in + 66 + g / 4 * 4);
            float scale = d * (0.5f + (float)(tail >> 28)) * 0.5f;
            uint64_t low = xxs_magnitudes(iq3xxs_codes[in[2 + 2 * g]]);
            uint64_t high = xxs_magnitudes(iq3xxs_codes[in[3 + 2 * g]]);

            put_signed8(x, scale, low | high << 32, even_signs(tail >> 7 * (g % 4)));
        }
    }
}

/* ---- iq3_s ---- */

/* Bytes 1, 3, ... 15. */
static uint32_t s_magnitudes(unsigned point)
{
    return iq_spread4(iq3s_codes[point]) * 2 + 0x01010101u;
}

/* ggml does not leave room for the points' low bytes and the signs of a sub-block of zeros: those of all that
 * follow move up. Ninth bits and scale codes stay in place, so readers see garbage in such a block, but the
 * same garbage everywhere. */
static void encode_s(const float *x, unsigned char *out, const float *weights)
{
    struct iq_fit fit;
    uint8_t codes[NSUB] = {0};
    unsigned char *low = out + 2, *signs = out + 74;
    float largest = iq_fit_block(&s_kind, x, weights, &fit);

    memset(out, 0, S_BYTES);
    if (largest != 0.0f)
        f16_put(out, iq_fit_code_scales(&s_kind, &fit, largest, codes) * 1.033f);
    for (int b = 0; b < NSUB; b++) {
        const uint16_t *point = fit.point + 8 * b;

        out[106 + b / 2] |= (unsigned char)(codes[b] << 4 * (b % 2));
        if (fit.empty[b])
            continue;
        for (int g = 0; g < 8; g++) {
            *low++ = (unsigned char)point[g];
            out[66 + b] |= (unsigned char)(point[g] >> 8 << g);
        }
        memcpy(signs, fit.signs + 4 * b, 4);
        signs += 4;
    }
}

void iq3_s_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += S_BYTES) {
        float d = f16_get(in);

        for (int g = 0; g < 32; g++, x += 8) {
            unsigned ninth = in[66 + g / 4] >> g % 4 * 2, code = in[106 + g / 8] >> g % 8 / 4 * 4 & 15;
            uint64_t low = s_magnitudes(in[2 + 2 * g] | (ninth & 1) << 8);
            uint64_t high = s_magnitudes(in[3 + 2 * g] | (ninth >> 1 & 1) << 8);

            put_signed8(x, d * (float)(1 + 2 * code), low | high << 32, in[74 + g]);
        }
    }
}

ENCODE_ROWS(iq3_xxs_encode, encode_xxs, IQ_ELEMS, XXS_BYTES)
ENCODE_ROWS(iq3_s_encode, encode_s, IQ_ELEMS, S_BYTES)
