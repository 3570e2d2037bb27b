/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iq2_xxs, iq2_xs, iq2_s: 256 values, magnitudes as points of an eight-dimensional grid, signs apart.
 *
 *   iq2_xxs  d, 8 x { points u8[4], u32: four times 7 signs, scale code in the top 4 bits }   sub-blocks of
 * 32 iq2_xs   d, 32 x u16 { point 9 bits, 7 signs }, scale codes 4 bits                        sub-blocks of
 * 16 iq2_s    d, points' low bytes [32], 8 signs [32], points' high 2 bits [8], scale codes    sub-blocks of
 * 16
 *
 * Levels 0, 1, 2 stand for magnitudes 8, 25, 43, and scale code c for d * (c + 1/2) / 4.
 */
#include "quantize/codecs_int.h"
#include "quantize/iq_fit.h"
#include "quantize/iq_pack.h"
#include "quantize/pack.h"

#define XXS_BYTES 66
#define XS_BYTES  74
#define S_BYTES   82
#define NGROUP    32 /* of 8 values */
#define NSUB16    16

static const struct iq_fit_kind xxs_kind = {.grid = IQ_GRID_2XXS,
                                            .n = 32,
                                            .half = 6,
                                            .step = 0.1f,
                                            .least_peak = 1e-15f,
                                            .sigma2_mul = 1.0f,
                                            .plain = IQ_PLAIN_ONES,
                                            .even_signs = true,
                                            .positive_start = true,
                                            .refit = IQ_REFIT_ALWAYS};
static const struct iq_fit_kind xs_kind = {.grid = IQ_GRID_2XS,
                                           .n = 16,
                                           .half = 9,
                                           .step = 0.1f,
                                           .least_peak = 1e-15f,
                                           .sigma2_mul = 1.0f,
                                           .plain = IQ_PLAIN_ONES,
                                           .even_signs = true,
                                           .refit = IQ_REFIT_OFF_GRID};
static const struct iq_fit_kind s_kind = {.grid = IQ_GRID_2S,
                                          .n = 16,
                                          .half = 9,
                                          .step = 0.1f,
                                          .least_peak = 1e-8f,
                                          .sigma2_mul = 2.0f,
                                          .plain = IQ_PLAIN_QUARTER,
                                          .refit = IQ_REFIT_OFF_GRID};

/* Bytes 8, 25 or 43 for a packed point's levels. */
static uint64_t magnitudes(uint16_t code)
{
    uint64_t level = iq_spread8(code);

    return level * 17 + (level >> 1 & 0x0101010101010101u) + 0x0808080808080808u;
}

static float sub_scale(float d, unsigned code)
{
    return d * (0.5f + (float)code) * 0.25f;
}

/* ---- iq2_xxs ---- */

static void encode_xxs(const float *x, unsigned char *out, const float *weights)
{
    struct iq_fit fit;
    uint8_t codes[IQ_ELEMS / 32];
    float largest = iq_fit_block(&xxs_kind, x, weights, &fit);

    memset(out, 0, XXS_BYTES);
    if (largest == 0.0f)
        return;
    f16_put(out, iq_fit_code_scales(&xxs_kind, &fit, largest, codes));
    for (int b = 0; b < IQ_ELEMS / 32; b++) {
        unsigned char *to = out + 2 + 8 * b;
        uint32_t tail = (uint32_t)codes[b] << 28;

        for (int l = 0; l < 4; l++) {
            to[l] = (unsigned char)fit.point[4 * b + l];
            tail |= (uint32_t)(fit.signs[4 * b + l] & 127) << 7 * l;
        }
        u32_put(to + 4, tail);
    }
}

void iq2_xxs_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += XXS_BYTES) {
        float d = f16_get(in);

        for (int b = 0; b < IQ_ELEMS / 32; b++) {
            const unsigned char *from = in + 2 + 8 * b;
            uint32_t tail = u32_get(from + 4);
            float scale = sub_scale(d, tail >> 28);

            for (int l = 0; l < 4; l++, x += 8)
                put_signed8(x, scale, magnitudes(iq2xxs_codes[from[l]]), even_signs(tail >> 7 * l));
        }
    }
}

/* ---- iq2_xs ---- */

static void encode_xs(const float *x, unsigned char *out, const float *weights)
{
    struct iq_fit fit;
    uint8_t codes[NSUB16];
    float largest = iq_fit_block(&xs_kind, x, weights, &fit);

    memset(out, 0, XS_BYTES);
    if (largest == 0.0f)
        return;
    f16_put(out, iq_fit_code_scales(&xs_kind, &fit, largest, codes));
    for (int g = 0; g < NGROUP; g++)
        u16_put(out + 2 + 2 * g, (unsigned)fit.point[g] | (fit.signs[g] & 127u) << 9);
    for (int b = 0; b < NSUB16; b++)
        out[66 + b / 2] |= (unsigned char)(codes[b] << 4 * (b % 2));
}

void iq2_xs_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += XS_BYTES) {
        float d = f16_get(in);

        for (int g = 0; g < NGROUP; g++, x += 8) {
            unsigned q = u16_get(in + 2 + 2 * g);
            float scale = sub_scale(d, in[66 + g / 4] >> g % 4 / 2 * 4 & 15);

            put_signed8(x, scale, magnitudes(iq2xs_codes[q & 511]), even_signs(q >> 9));
        }
    }
}

/* ---- iq2_s ---- */

static void encode_s(const float *x, unsigned char *out, const float *weights)
{
    struct iq_fit fit;
    uint8_t codes[NSUB16] = {0};
    float largest = iq_fit_block(&s_kind, x, weights, &fit);

    memset(out, 0, S_BYTES);
    if (largest != 0.0f)
        f16_put(out, iq_fit_code_scales(&s_kind, &fit, largest, codes) * 0.9875f);
    for (int g = 0; g < NGROUP; g++) {
        out[2 + g] = (unsigned char)fit.point[g];
        out[34 + g] = fit.signs[g];
        out[66 + g / 4] |= (unsigned char)(fit.point[g] >> 8 << 2 * (g % 4));
    }
    for (int b = 0; b < NSUB16; b++)
        out[74 + b / 2] |= (unsigned char)(codes[b] << 4 * (b % 2));
}

void iq2_s_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += S_BYTES) {
        float d = f16_get(in);

        for (int g = 0; g < NGROUP; g++, x += 8) {
            unsigned point = in[2 + g] | (in[66 + g / 4] >> 2 * (g % 4) & 3u) << 8;
            float scale = sub_scale(d, in[74 + g / 4] >> g % 4 / 2 * 4 & 15);

            put_signed8(x, scale, magnitudes(iq2s_codes[point]), in[34 + g]);
        }
    }
}

ENCODE_ROWS(iq2_xxs_encode, encode_xxs, IQ_ELEMS, XXS_BYTES)
ENCODE_ROWS(iq2_xs_encode, encode_xs, IQ_ELEMS, XS_BYTES)
ENCODE_ROWS(iq2_s_encode, encode_s, IQ_ELEMS, S_BYTES)
