/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iq1_s, iq1_m: 256 values in groups of 8, each a point of a grid with levels -1, 0, 1 that is shifted as a
 * whole by +1/8 or -1/8.
 *
 *   iq1_s  d, points' low bytes [32], u16 [8] for sub-blocks of 32: four times 3 high bits, scale code, shift
 *   iq1_m  points' low bytes [32], nibbles [16]: 3 high bits and the shift of each group; u16 [4]: scale
 * codes of 3 bits for four sub-blocks of 16, and above them a nibble of d
 *
 * Scale code c stands for d * (2 * c + 1). A sub-block is fitted by cutting its sorted values in three, for
 * the three levels, at every pair of places. Bit-identical to ggml's as compiled for x86-64 without FMA and
 * linked to a C library with a stable qsort: the order of every sum and product is part of the definition.
 */
#include <float.h>

#include "quantize/codecs_int.h"
#include "quantize/iq_grids.h"
#include "quantize/iq_pack.h"
#include "quantize/pack.h"

#define S_BYTES 50
#define M_BYTES 56
#define S_SUB   32
#define M_SUB   16
#define DELTA   0.125f

/* What the levels 0, 1, 2 stand for, shifted up and down. */
static const float shifted[2][3] = {{-1 + DELTA, DELTA, 1 + DELTA}, {-1 - DELTA, -DELTA, 1 - DELTA}};

/* A sub-block's result. down: of the shifts of its first and second half, bits 1 and 0 (in iq1_s: 3 or 0). */
struct fit {
    float scale;
    unsigned down;
    uint16_t point[S_SUB / 8];
};

/* Two places to cut sorted values, and the shifts. */
struct cut {
    int first, second; /* values before `first` get level 0, from `second` on level 2 */
    unsigned down;
    float scale, best; /* best: scale times the weighted product of values and levels */
};

static void weigh(const float *x, const float *weights, float *out)
{
    float sum = 0.0f;

    for (int i = 0; i < IQ_ELEMS; i++)
        sum += x[i] * x[i];
    float sigma2 = 2.0f * sum / 256.0f;
    for (int i = 0; i < IQ_ELEMS; i++)
        out[i] = weights[i] * sqrtf(sigma2 + x[i] * x[i]);
}

/* order[r]: place of the value of rank r; equals (-0 and 0 too) in their order. By counting, without
 * branches. */
static inline void sort_places(const float *x, int n, uint8_t *order)
{
    int32_t key[S_SUB];

    for (int i = 0; i < n; i++) {
        int32_t bits = (int32_t)float_bits(x[i] + 0.0f);

        key[i] = bits ^ (bits >> 31 & 0x7fffffff);
    }
    for (int i = 0; i < n; i++) {
        int rank = 0;

        // A loop that is unrolled whole is not vectorized.
#pragma GCC unroll 1
        for (int j = 0; j < n; j++)
            rank += (key[j] < key[i]) | ((key[j] == key[i]) & (j < i));
        order[rank] = (uint8_t)i;
    }
}

static float largest(const float *x, int n)
{
    float most = 0.0f;

    for (int i = 0; i < n; i++)
        most = most > fabsf(x[i]) ? most : fabsf(x[i]);
    return most;
}

/* Sums for the cuts with one `first`: at [second * second_step + d * shift_step] those of shifts[d]. */
struct row {
    int n, nshift, second_step, shift_step; /* second = first..n */
    const unsigned *shifts;
    float xq[4 * (S_SUB + 1)], qq[4 * (S_SUB + 1)];
};

/* Whether any of n sums may be better than what was found. An accepted cut's `best` is more than the one
 * before but for rounding, for which the margin is ample while no result is near the subnormals. */
static inline bool any_promising(const struct cut *cut, const float *xq, const float *qq, int n)
{
    float least = cut->best > 1e-30f ? cut->best * (1.0f - 0x1p-12f) : -FLT_MAX;
    int any = 0;

    for (int i = 0; i < n; i++)
        any |= (qq[i] > 0.0f) & (xq[i] * xq[i] > least * qq[i]);
    return any;
}

/* A cut is kept if its best scale explains more than those before. */
static void consider_row(struct cut *cut, const struct row *row, int first)
{
    for (int second = first; second <= row->n; second++) {
        for (int d = 0; d < row->nshift; d++) {
            int at = second * row->second_step + d * row->shift_step;
            float xq = row->xq[at], qq = row->qq[at];

            if (qq > 0.0f && xq * xq > cut->best * qq) {
                *cut = (struct cut){.first = first, .second = second, .down = row->shifts[d]};
                cut->scale = xq / qq;
                cut->best = cut->scale * xq;
            }
        }
    }
}

/* ---- from a cut to points of the grid ---- */

static int choose_point(const struct iq_grid *grid, const uint8_t *level, const float *x, const float *weight,
                        float scale, const float *value)
{
    float term[3 * 8];
    int key = 0;

    for (int k = 7; k >= 0; k--)
        key = 3 * key + level[k];
    if (grid->at[key] >= 0)
        return grid->at[key];
    for (int l = 0; l < 3; l++) {
        for (int k = 0; k < 8; k++) {
            float e = scale * value[l] - x[k];

            term[8 * l + k] = weight[k] * e * e;
        }
    }
    return iq_grid_nearest8(grid, ~grid->at[key], term);
}

/* The shift of value i in a sub-block of n. */
static inline const float *values_at(unsigned down, int i, int n)
{
    return shifted[i < n / 2 ? down >> 1 : down & 1];
}

/* A scale below 0 turns levels and shifts around. Where a group was not a point of the grid, the scale is
 * fitted once more to the points that replace it. */
static void finish(struct fit *fit, const struct cut *cut, const uint8_t *order, const float *x,
                   const float *weight, int n)
{
    const struct iq_grid *grid = iq_grid_get(IQ_GRID_1S);
    uint8_t level[S_SUB];
    bool minus = cut->scale < 0.0f, moved = false;
    float xq = 0.0f, qq = 0.0f;

    for (int r = 0; r < n; r++) {
        int l = r < cut->first ? 0 : r < cut->second ? 1 : 2;

        level[order[r]] = (uint8_t)(minus ? 2 - l : l);
    }
    fit->scale = minus ? -cut->scale : cut->scale;
    fit->down = minus ? 3 - cut->down : cut->down;
    for (int i = 0; i < n; i += 8) {
        int point = choose_point(grid, level + i, x + i, weight + i, fit->scale, values_at(fit->down, i, n));

        moved = moved || memcmp(grid->levels + 8 * point, level + i, 8) != 0;
        memcpy(level + i, grid->levels + 8 * point, 8);
        fit->point[i / 8] = (uint16_t)point;
    }
    if (!moved)
        return;
    for (int i = 0; i < n; i++) {
        float wq = weight[i] * values_at(fit->down, i, n)[level[i]];

        xq += wq * x[i];
        qq += wq * values_at(fit->down, i, n)[level[i]];
    }
    if (xq > 0.0f && qq > 0.0f)
        fit->scale = xq / qq;
}

/* ---- iq1_s ---- */

static struct cut cut_s(const float *x, const float *weight, const uint8_t *order)
{
    struct cut cut = {.first = -1, .best = -FLT_MAX};
    float sum_wx[S_SUB + 1], sum_w[S_SUB + 1];
    static const unsigned both[2] = {0, 3};
    struct row row;

    sum_wx[0] = sum_w[0] = 0.0f;
    for (int r = 0; r < S_SUB; r++) {
        sum_wx[r + 1] = sum_wx[r] + weight[order[r]] * x[order[r]];
        sum_w[r + 1] = sum_w[r] + weight[order[r]];
    }
    row = (struct row){.n = S_SUB, .nshift = 2, .second_step = 1, .shift_step = S_SUB + 1, .shifts = both};
    for (int first = 0; first <= S_SUB; first++) {
        bool promising = false;

        for (int d = 0; d < 2; d++) {
            const float *v = shifted[d];
            float *xq = row.xq + d * row.shift_step, *qq = row.qq + d * row.shift_step;

            for (int second = first; second <= S_SUB; second++) {
                float mid = sum_w[second] - sum_w[first], end = sum_w[S_SUB] - sum_w[second];

                xq[second] = sum_wx[first] * v[0] + (sum_wx[second] - sum_wx[first]) * v[1] +
                             (sum_wx[S_SUB] - sum_wx[second]) * v[2];
                qq[second] = sum_w[first] * v[0] * v[0] + mid * v[1] * v[1] + end * v[2] * v[2];
            }
            promising |= any_promising(&cut, xq + first, qq + first, S_SUB + 1 - first);
        }
        if (promising)
            consider_row(&cut, &row, first);
    }
    return cut;
}

static void encode_s(const float *x, unsigned char *out, const float *weights)
{
    struct fit fit[IQ_ELEMS / S_SUB];
    float weight[IQ_ELEMS], ones[IQ_ELEMS], most = 0.0f;
    uint8_t order[S_SUB];

    for (int i = 0; weights == NULL && i < IQ_ELEMS; i++)
        ones[i] = 1.0f;
    weigh(x, weights == NULL ? ones : weights, weight);
    memset(fit, 0, sizeof fit);
    memset(out, 0, S_BYTES);
    for (int b = 0; b < IQ_ELEMS / S_SUB; b++) {
        const float *xb = x + S_SUB * b, *wb = weight + S_SUB * b;

        if (largest(xb, S_SUB) < 1e-12f)
            continue;
        sort_places(xb, S_SUB, order);
        struct cut cut = cut_s(xb, wb, order);
        if (cut.first < 0)
            continue;
        finish(&fit[b], &cut, order, xb, wb, S_SUB);
        most = most > fit[b].scale ? most : fit[b].scale;
    }
    float unit = most / 15.0f, inverse = most == 0.0f ? 0.0f : 1.0f / unit;
    f16_put(out, unit * 1.125f);
    for (int b = 0; b < IQ_ELEMS / S_SUB; b++) {
        unsigned high = 0;

        for (int g = 0; g < 4; g++) {
            out[2 + 4 * b + g] = (unsigned char)fit[b].point[g];
            high |= (unsigned)fit[b].point[g] >> 8 << 3 * g;
        }
        if (most != 0.0f) {
            high |= (unsigned)clamp_int(nearest_int(0.5f * (inverse * fit[b].scale - 1.0f)), 0, 7) << 12;
            high |= (fit[b].down & 1) << 15;
        }
        u16_put(out + 34 + 2 * b, high);
    }
}

/* x[k] = scale * (level of the point - 1 + shift) */
static inline void put_group(float *x, float scale, unsigned point, float shift)
{
    uint64_t packed = iq_spread8(iq1s_codes[point]);
    uint8_t level[8];

    memcpy(level, &packed, 8);
#pragma GCC unroll 1
    for (int k = 0; k < 8; k++)
        x[k] = scale * ((float)(level[k] - 1) + shift);
}

void iq1_s_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += S_BYTES) {
        float d = f16_get(in);

        for (int b = 0; b < IQ_ELEMS / S_SUB; b++) {
            unsigned high = u16_get(in + 34 + 2 * b);
            float scale = d * (float)(2 * (high >> 12 & 7) + 1), shift = high >> 15 ? -DELTA : DELTA;

            for (int g = 0; g < 4; g++, x += 8)
                put_group(x, scale, in[2 + 4 * b + g] | (high >> 3 * g & 7) << 8, shift);
        }
    }
}

/* ---- iq1_m ---- */

/* Sums for the four pairs of shifts: lanes 0..3 values times levels, 4..7 levels times levels. */
#define NLANE 8

/* What the value of each rank adds to the lanes at each level. */
static void fill_terms(float (*term)[M_SUB][NLANE], const float *x, const float *weight, const uint8_t *order)
{
    for (int l = 0; l < 3; l++) {
        for (int r = 0; r < M_SUB; r++) {
            int i = order[r];

            for (unsigned down = 0; down < 4; down++) {
                float q = values_at(down, i, M_SUB)[l];

                term[l][r][down] = weight[i] * q * x[i];
                term[l][r][4 + down] = weight[i] * q * q;
            }
        }
    }
}

static inline void add_lanes(float *sum, const float *term)
{
    for (int k = 0; k < NLANE; k++)
        sum[k] += term[k];
}

static struct cut cut_m(const float *x, const float *weight, const uint8_t *order)
{
    struct cut cut = {.first = -1, .best = -FLT_MAX};
    float term[3][M_SUB][NLANE], low[NLANE] = {0};
    static const unsigned all[4] = {0, 1, 2, 3};
    struct row row;

    row = (struct row){.n = M_SUB, .nshift = 4, .second_step = 4, .shift_step = 1, .shifts = all};
    fill_terms(term, x, weight, order);
    for (int first = 0; first <= M_SUB; first++) {
        float mid[NLANE];

        memcpy(mid, low, sizeof mid);
        for (int second = first; second <= M_SUB; second++) {
            float sum[NLANE];

            memcpy(sum, mid, sizeof sum);
            for (int r = second; r < M_SUB; r++)
                add_lanes(sum, term[2][r]);
            memcpy(row.xq + 4 * second, sum, 4 * sizeof *sum);
            memcpy(row.qq + 4 * second, sum + 4, 4 * sizeof *sum);
            if (second < M_SUB)
                add_lanes(mid, term[1][second]);
        }
        if (any_promising(&cut, row.xq + 4 * first, row.qq + 4 * first, 4 * (M_SUB + 1 - first)))
            consider_row(&cut, &row, first);
        if (first < M_SUB)
            add_lanes(low, term[0][first]);
    }
    return cut;
}

/* The block's scale, fitted to what all codes stand for; fills in the scale codes. */
static float refit_m(const struct fit *fit, float unit, const float *x, const float *weight, uint8_t *codes)
{
    const struct iq_grid *grid = iq_grid_get(IQ_GRID_1S);
    float inverse = 1.0f / unit, xq = 0.0f, qq = 0.0f;

    for (int b = 0; b < IQ_ELEMS / M_SUB; b++) {
        int code = clamp_int(nearest_int(0.5f * (inverse * fit[b].scale - 1.0f)), 0, 7);

        codes[b] = (uint8_t)code;
        for (int i = 0; i < M_SUB; i++, x++, weight++) {
            int level = grid->levels[8 * fit[b].point[i / 8] + i % 8];
            float q = values_at(fit[b].down, i, M_SUB)[level] * (float)(2 * code + 1);

            xq += *weight * q * *x;
            qq += *weight * q * q;
        }
    }
    return qq > 0.0f ? xq / qq : unit;
}

static void encode_m(const float *x, unsigned char *out, const float *weights)
{
    struct fit fit[IQ_ELEMS / M_SUB];
    float weight[IQ_ELEMS], most = 0.0f;
    uint8_t order[M_SUB], codes[IQ_ELEMS / M_SUB];

    if (weights != NULL)
        weigh(x, weights, weight);
    for (int i = 0; weights == NULL && i < IQ_ELEMS; i++)
        weight[i] = x[i] * x[i];
    memset(fit, 0, sizeof fit);
    memset(out, 0, M_BYTES);
    for (int b = 0; b < IQ_ELEMS / M_SUB; b++) {
        const float *xb = x + M_SUB * b, *wb = weight + M_SUB * b;

        if (largest(xb, M_SUB) < 1e-7f)
            continue;
        sort_places(xb, M_SUB, order);
        struct cut cut = cut_m(xb, wb, order);
        if (cut.first < 0)
            continue;
        finish(&fit[b], &cut, order, xb, wb, M_SUB);
        most = most > fit[b].scale ? most : fit[b].scale;
        for (int g = 0; g < 2; g++) {
            out[2 * b + g] = (unsigned char)fit[b].point[g];
            out[32 + b] |= (unsigned char)(fit[b].point[g] >> 8 << 4 * g);
        }
    }
    if (most == 0.0f)
        return;
    unsigned char d[2];
    f16_put(d, refit_m(fit, most / 15.0f, x, weight, codes) * 1.1125f);
    for (int b = 0; b < IQ_ELEMS / M_SUB; b += 4) {
        unsigned scales = (u16_get(d) >> b & 15) << 12;

        for (int k = 0; k < 4; k++) {
            scales |= (unsigned)codes[b + k] << 3 * k;
            out[32 + b + k] |= (unsigned char)((fit[b + k].down >> 1) << 3 | (fit[b + k].down & 1) << 7);
        }
        u16_put(out + 48 + b / 2, scales);
    }
}

void iq1_m_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t block = 0; block < n / IQ_ELEMS; block++, in += M_BYTES) {
        unsigned half = 0;

        for (int k = 0; k < 4; k++)
            half |= u16_get(in + 48 + 2 * k) >> 12 << 4 * k;
        float d = f32_from_f16((uint16_t)half);
        for (int b = 0; b < IQ_ELEMS / M_SUB; b++, x += M_SUB) {
            unsigned code = u16_get(in + 48 + b / 4 * 2) >> b % 4 * 3 & 7, high = in[32 + b];
            float scale = d * (float)(2 * code + 1);

            put_group(x, scale, in[2 * b] | (high & 7) << 8, high & 8 ? -DELTA : DELTA);
            put_group(x + 8, scale, in[2 * b + 1] | (high & 0x70) << 4, high & 0x80 ? -DELTA : DELTA);
        }
    }
}

ENCODE_ROWS(iq1_s_encode, encode_s, IQ_ELEMS, S_BYTES)
ENCODE_ROWS(iq1_m_encode, encode_m, IQ_ELEMS, M_BYTES)
