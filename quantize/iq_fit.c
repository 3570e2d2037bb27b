/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/iq_fit.h"

#include <math.h>

#include "quantize/pack.h"
#include "quantize/scale_search.h"

#define NLANE 32 /* trial scales, rounded up to whole vectors */

/* One sub-block's values: magnitudes as the search sees them, their weights, and products of the two. */
struct sub {
    float x[IQ_MAX_SUB], weight[IQ_MAX_SUB], root[IQ_MAX_SUB], product[IQ_MAX_SUB];
};

/* All trial scales side by side: a lane each. */
struct trials {
    int ntrial, nlane; /* lanes beyond ntrial repeat the last trial */
    float inverse[NLANE];
    int32_t level[IQ_MAX_SUB][NLANE];
    int32_t key[IQ_MAX_SUB / 4][NLANE];
    uint16_t point[IQ_MAX_SUB / 4][NLANE];
    float xq[NLANE], qq[NLANE];
};

/* Weighted squared error of one value at one level. */
static inline float error_term(const struct sub *s, int i, float scale, int level)
{
    float e = scale * (float)(2 * level + 1) - s->x[i];

    return s->root[i] * e * e;
}

/* The point for a group's key at a scale: itself, or the best of its list. */
static int choose_point(const struct iq_grid *grid, int32_t key, const struct sub *s, int at, float scale)
{
    int32_t point = grid->at[key];

    if (point >= 0)
        return point;
    if (grid->dim == 8) {
        float term[3 * 8];

        for (int level = 0; level < 3; level++) {
            for (int k = 0; k < 8; k++)
                term[8 * level + k] = error_term(s, at + k, scale, level);
        }
        return iq_grid_nearest8(grid, ~point, term);
    }
    float term[8 * 4];

    for (int level = 0; level < 8; level++) {
        for (int k = 0; k < 4; k++)
            term[4 * level + k] = error_term(s, at + k, scale, level);
    }
    return iq_grid_nearest4(grid, ~point, term);
}

/* ---- trial scales ---- */

static inline int level_for(float x, float inverse, int nlevel)
{
    return clamp_int(nearest_int(0.5f * (inverse * x - 1.0f)), 0, nlevel - 1);
}

static inline void key_group(struct trials *t, const float *x, int g, int dim, int nlevel)
{
    int32_t key[NLANE] = {0};
    int nlane = t->nlane;

    for (int k = dim - 1; k >= 0; k--) {
        float v = x[g * dim + k];
        int32_t level[NLANE];

        for (int c = 0; c < nlane; c++) {
            level[c] = level_for(v, t->inverse[c], nlevel);
            key[c] = key[c] * nlevel + level[c];
        }
        memcpy(t->level[g * dim + k], level, sizeof level);
    }
    memcpy(t->key[g], key, sizeof key);
}

/* Levels of every value at every trial scale, moved to the grid group by group. */
static inline void place_trials(struct trials *t, const struct iq_grid *grid, const struct sub *s, int ngroup,
                                int dim)
{
    for (int g = 0; g < ngroup; g++) {
        key_group(t, s->x, g, dim, dim == 8 ? 3 : 8);
        for (int c = 0; c < t->ntrial; c++) {
            int point = grid->at[t->key[g][c]];

            if (point < 0) {
                point = choose_point(grid, t->key[g][c], s, g * dim, 1.0f / t->inverse[c]);
                const uint8_t *level = grid->levels + point * dim;

                for (int k = 0; k < dim; k++)
                    t->level[g * dim + k][c] = level[k];
            }
            t->point[g][c] = (uint16_t)point;
        }
    }
}

static void sum_trials(struct trials *t, const struct iq_fit_kind *kind, const struct sub *s)
{
    float xq[NLANE] = {0}, qq[NLANE] = {0};
    int nlane = t->nlane;

    for (int i = 0; i < kind->n; i++) {
        float product = s->product[i], weight = s->weight[i];

        for (int c = 0; c < nlane; c++) {
            float q = (float)(2 * t->level[i][c] + 1);

            xq[c] += product * q;
            qq[c] += weight * q * q;
        }
    }
    memcpy(t->xq, xq, sizeof xq);
    memcpy(t->qq, qq, sizeof qq);
}

/* The winning trial, or -1. A trial wins over those before it if its own best scale explains more. */
static int choose_trial(const struct trials *t, float *scale)
{
    float best = 0.0f;
    int winner = -1;

    for (int c = 0; c < t->ntrial; c++) {
        if (t->qq[c] > 0.0f && t->xq[c] * t->xq[c] > best * t->qq[c]) {
            *scale = t->xq[c] / t->qq[c];
            best = *scale * t->xq[c];
            winner = c;
        }
    }
    return winner;
}

/* ---- one sub-block ---- */

/* The second look at the groups, at the scale itself; off: which of them were off the grid. */
static float refit_sub(const struct iq_fit_kind *kind, const struct iq_grid *grid, const struct sub *s,
                       const bool *off, float scale, uint16_t *point)
{
    float inverse = 1.0f / scale, xq = 0.0f, qq = 0.0f;
    int dim = grid->dim;

    for (int g = 0; g < kind->n / dim; g++) {
        int32_t key = 0;

        if (kind->refit == IQ_REFIT_OFF_GRID && !off[g])
            continue;
        for (int k = dim - 1; k >= 0; k--)
            key = key * grid->nlevel + level_for(s->x[g * dim + k], inverse, grid->nlevel);
        point[g] = (uint16_t)choose_point(grid, key, s, g * dim, scale);
    }
    for (int i = 0; i < kind->n; i++) {
        float q = (float)(2 * grid->levels[point[i / dim] * dim + i % dim] + 1);

        xq += s->product[i] * q;
        qq += s->weight[i] * q * q;
    }
    return qq > 0.0f ? xq / qq : scale;
}

/* `range` / top is the scale at which the largest magnitude has the highest level. scale: in, what stays if
 * no trial is good; out. */
static void fit_sub(const struct iq_fit_kind *kind, const struct sub *s, float range, float *scale,
                    uint16_t *point)
{
    const struct iq_grid *grid = iq_grid_get(kind->grid);
    float top = (float)(2 * grid->nlevel - 1);
    int ngroup = kind->n / grid->dim;
    bool off[IQ_MAX_SUB / 4] = {false}, any_off = false;
    struct trials t;

    t.ntrial = 2 * kind->half + 1;
    t.nlane = (t.ntrial + 3) / 4 * 4;
    for (int c = 0; c < t.nlane; c++) {
        int k = c < t.ntrial ? c - kind->half : kind->half;

        t.inverse[c] = (top + (float)k * kind->step) / range;
    }
    if (grid->dim == 8)
        place_trials(&t, grid, s, ngroup, 8);
    else
        place_trials(&t, grid, s, ngroup, 4);
    sum_trials(&t, kind, s);
    int winner = choose_trial(&t, scale);
    for (int g = 0; g < ngroup; g++) {
        point[g] = winner < 0 ? 0 : t.point[g][winner];
        off[g] = winner < 0 ? kind->refit == IQ_REFIT_ALL_IF_OFF_GRID : grid->at[t.key[g][winner]] < 0;
        any_off = any_off || off[g];
    }
    if (*scale > 0.0f && (any_off || kind->refit == IQ_REFIT_ALWAYS))
        *scale = refit_sub(kind, grid, s, off, *scale, point);
}

/* ---- 256 values ---- */

static void weigh(const struct iq_fit_kind *kind, const float *x, const float *weights, float *out)
{
    float sum = 0.0f;

    for (int i = 0; i < IQ_ELEMS; i++)
        sum += x[i] * x[i];
    float sigma2 = kind->sigma2_mul * sum / 256.0f;
    for (int i = 0; i < IQ_ELEMS; i++) {
        float own = x[i] * x[i];

        if (weights != NULL)
            out[i] = weights[i] * sqrtf(sigma2 + own);
        else if (kind->plain == IQ_PLAIN_ONES)
            out[i] = sqrtf(sigma2 + own);
        else
            out[i] = kind->plain == IQ_PLAIN_QUARTER ? 0.25f * sigma2 + own : own;
    }
}

/* Magnitudes of 8 values and their signs. Where signs must be even and are not, the value that matters least
 * changes its sign: its magnitude becomes negative. */
static uint8_t split_signs(const struct iq_fit_kind *kind, const float *x, const float *weight,
                           float *magnitude)
{
    unsigned signs = 0;

    for (int k = 0; k < 8; k++) {
        bool minus = !(x[k] >= 0.0f);

        magnitude[k] = minus ? -x[k] : x[k];
        signs |= (unsigned)minus << k;
    }
    if (kind->even_signs && __builtin_parity(signs)) {
        float least = weight[0] * x[0] * x[0];
        int at = 0;

        for (int k = 1; k < 8; k++) {
            float v = weight[k] * x[k] * x[k];

            if (v < least) {
                least = v;
                at = k;
            }
        }
        magnitude[at] = -magnitude[at];
        signs ^= 1u << at;
    }
    return (uint8_t)signs;
}

float iq_fit_block(const struct iq_fit_kind *kind, const float *x, const float *weights, struct iq_fit *fit)
{
    const struct iq_grid *grid = iq_grid_get(kind->grid);
    float weight[IQ_ELEMS], top = (float)(2 * grid->nlevel - 1), most = 0.0f;
    int n = kind->n, ngroup = n / grid->dim;

    memset(fit, 0, sizeof *fit);
    weigh(kind, x, weights, weight);
    for (int b = 0; b < IQ_ELEMS / n; b++) {
        uint8_t codes[IQ_MAX_SUB], *signs = fit->signs + b * n / 8;
        float range = 0.0f, *scale = &fit->scale[b];
        struct sub s;

        memcpy(s.weight, weight + b * n, (size_t)n * sizeof *weight);
        for (int i = 0; i < n; i += 8)
            signs[i / 8] = split_signs(kind, x + b * n + i, s.weight + i, s.x + i);
        for (int i = 0; i < n; i++) {
            s.root[i] = sqrtf(s.weight[i]);
            s.product[i] = s.weight[i] * s.x[i];
            range = range > s.x[i] ? range : s.x[i];
        }
        *scale = range / top;
        fit->empty[b] = range < kind->least_peak;
        if (!fit->empty[b] && kind->positive_start) {
            struct scale_search search = {.x = s.x, .weights = s.weight, .ngroup = 1, .n = n};

            search.codes = codes;
            search.scale = scale;
            scale_search_positive(&search, 4);
            range = *scale * (float)grid->nlevel;
            fit->empty[b] = range <= 0.0f;
        }
        if (fit->empty[b]) {
            memset(signs, 0, (size_t)n / 8);
            *scale = 0.0f;
            continue;
        }
        fit_sub(kind, &s, range, scale, fit->point + b * ngroup);
        if (*scale < 0.0f) {
            *scale = -*scale;
            for (int i = 0; i < n / 8; i++)
                signs[i] = (uint8_t)~signs[i];
        }
        most = most > *scale ? most : *scale;
    }
    return most;
}

float iq_fit_code_scales(const struct iq_fit_kind *kind, const struct iq_fit *fit, float largest,
                         uint8_t *codes)
{
    float unit = largest / 31.0f, inverse = 1.0f / unit;

    for (int b = 0; b < IQ_ELEMS / kind->n; b++)
        codes[b] = (uint8_t)clamp_int(nearest_int(0.5f * (inverse * fit->scale[b] - 1.0f)), 0, 15);
    return unit;
}
