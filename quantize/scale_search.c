/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/scale_search.h"

#include <float.h>

#include "quantize/pack.h"

#define LEAST_PEAK 1e-15f /* below it a group counts as zero */

/* ---- groups side by side ---- */

/* The first two searches do NLANE groups at once. Their loops go over the lanes and inside over the values,
 * so that sums stay in registers; with a constant number of values that is what compilers vectorize: FOR_N
 * makes it one. */
#define NLANE  8
#define INLINE inline __attribute__((always_inline))

#define FOR_N(n, function, ...)                                                                              \
    do {                                                                                                     \
        if ((n) == 32)                                                                                       \
            function(__VA_ARGS__, 32);                                                                       \
        else if ((n) == 16)                                                                                  \
            function(__VA_ARGS__, 16);                                                                       \
        else                                                                                                 \
            function(__VA_ARGS__, n);                                                                        \
    } while (0)

static size_t lane_at(const struct scale_search *s, size_t group)
{
    return min_u64(group, s->ngroup - 1) * (size_t)s->n;
}

/* Group `first` and those that follow it; where there are none, the last one once more. */
static INLINE void fill_lanes(float (*x)[NLANE], float (*w)[NLANE], const struct scale_search *s,
                              size_t first, int n)
{
    for (size_t k = 0; k < NLANE; k++) {
        size_t at = lane_at(s, first + k);

        for (int i = 0; i < n; i++) {
            float v = s->x[at + (size_t)i];

            x[i][k] = v;
            w[i][k] = s->weights ? s->weights[at + (size_t)i] : v * v;
        }
    }
}

/* The nearest integer within least..most, both well inside of what nearest_int gives. */
static INLINE float nearest_level(float v, float least, float most)
{
    float level = (float)nearest_int(v);

    level = level < most ? level : most;
    return level > least ? level : least;
}

/* ---- symmetric ---- */

struct symmetric {
    float x[SCALE_SEARCH_MAX][NLANE], w[SCALE_SEARCH_MAX][NLANE], wx[SCALE_SEARCH_MAX][NLANE];
    float top[NLANE];
    float inverse[NLANE], xl[NLANE], ll[NLANE];          /* of the trial */
    float scale[NLANE], explained[NLANE], winner[NLANE]; /* of the best so far; winner: its inverse */
};

/* The trial's sums of w * x * level and w * level * level. */
static INLINE void sum_symmetric(struct symmetric *r, float nlevel, int n)
{
    for (int k = 0; k < NLANE; k++) {
        float sum_xl = 0.0f, sum_ll = 0.0f;

#pragma GCC unroll 1
        for (int i = 0; i < n; i++) {
            float level = nearest_level(r->inverse[k] * r->x[i][k], -nlevel, nlevel - 1.0f);

            sum_xl += r->wx[i][k] * level;
            sum_ll += r->w[i][k] * level * level;
        }
        r->xl[k] = sum_xl;
        r->ll[k] = sum_ll;
    }
}

static INLINE void try_symmetric(struct symmetric *r, float nlevel, int n)
{
    for (int k = 0; k < NLANE; k++)
        r->inverse[k] = r->winner[k] = -nlevel / r->top[k];
    sum_symmetric(r, nlevel, n);
    for (int k = 0; k < NLANE; k++) {
        r->scale[k] = r->ll[k] != 0.0f ? r->xl[k] / r->ll[k] : 0.0f;
        r->explained[k] = r->scale[k] * r->xl[k];
    }
    for (int t = -9; t <= 9; t++) {
        float levels = nlevel + 0.1f * (float)t;

        if (t == 0)
            continue;
        for (int k = 0; k < NLANE; k++)
            r->inverse[k] = -levels / r->top[k];
        sum_symmetric(r, nlevel, n);
        for (int k = 0; k < NLANE; k++) {
            float xl = r->xl[k], ll = r->ll[k], scale = xl / ll, explained = scale * xl;
            bool better = (ll > 0.0f) & (xl * xl > r->explained[k] * ll);

            r->scale[k] = better ? scale : r->scale[k];
            r->explained[k] = better ? explained : r->explained[k];
            r->winner[k] = better ? r->inverse[k] : r->winner[k];
        }
    }
}

/* The last argument is s->n. */
static INLINE void search_symmetric(const struct scale_search *s, int nlevel, int n)
{
    struct symmetric r;

    for (size_t g = 0; g < s->ngroup; g += NLANE) {
        fill_lanes(r.x, r.w, s, g, n);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < NLANE; k++)
                r.wx[i][k] = r.w[i][k] * r.x[i][k];
        for (size_t k = 0; k < NLANE; k++)
            r.top[k] = signed_peak(s->x + lane_at(s, g + k), n);
        try_symmetric(&r, (float)nlevel, n);
        for (size_t k = 0; k < NLANE && g + k < s->ngroup; k++) {
            const float *x = s->x + (g + k) * (size_t)n;
            uint8_t *codes = s->codes + (g + k) * (size_t)n;
            bool is_zero = fabsf(r.top[k]) < LEAST_PEAK;

            s->scale[g + k] = is_zero ? 0.0f : r.scale[k];
            for (int i = 0; i < n; i++)
                codes[i] =
                    (uint8_t)(nlevel + clamp_int(nearest_int(r.winner[k] * x[i]), -nlevel, nlevel - 1));
            if (is_zero)
                memset(codes, 0, (size_t)n);
        }
    }
}

void scale_search_symmetric(const struct scale_search *s, int nlevel)
{
    FOR_N(s->n, search_symmetric, s, nlevel);
}

/* ---- scale and minimum ---- */

struct min_lanes {
    float x[SCALE_SEARCH_MAX][NLANE], w[SCALE_SEARCH_MAX][NLANE];
    float level[SCALE_SEARCH_MAX][NLANE], inverse[NLANE]; /* of the trial */
    float lo[NLANE], hi[NLANE];
    float sum_w[NLANE], sum_wx[NLANE], sum_l[NLANE], sum_ll[NLANE], sum_lx[NLANE];
    float scale[NLANE], min[NLANE], det[NLANE]; /* of the trial; it has neither where det is not above 0 */
    float err[NLANE];
    bool is_flat[NLANE]; /* nothing to search */
    struct {
        float err[NLANE], scale[NLANE];
        float inverse[NLANE], lo[NLANE]; /* its levels come from these */
    } best;
};

static INLINE void measure_range(struct min_lanes *m, int n)
{
    for (int k = 0; k < NLANE; k++) {
        float lo = m->x[0][k], hi = lo, sum_w = m->w[0][k], sum_wx = sum_w * lo;

#pragma GCC unroll 1
        for (int i = 1; i < n; i++) {
            float x = m->x[i][k], w = m->w[i][k];

            lo = x < lo ? x : lo;
            hi = x > hi ? x : hi;
            sum_w += w;
            sum_wx += w * x;
        }
        m->lo[k] = lo;
        m->hi[k] = hi;
        m->sum_w[k] = sum_w;
        m->sum_wx[k] = sum_wx;
    }
    for (int k = 0; k < NLANE; k++) {
        m->lo[k] = m->lo[k] > 0.0f ? 0.0f : m->lo[k];
        m->is_flat[k] = m->hi[k] <= m->lo[k];
    }
}

/* Levels under `inverse`, and their sums. */
static INLINE void choose_levels(struct min_lanes *m, float nlevel, int n)
{
    for (int k = 0; k < NLANE; k++) {
        float sum_l = 0.0f, sum_ll = 0.0f, sum_lx = 0.0f, inverse = m->inverse[k], lo = m->lo[k];

#pragma GCC unroll 1
        for (int i = 0; i < n; i++) {
            float x = m->x[i][k], level = nearest_level(inverse * (x - lo), 0.0f, nlevel);
            float wl = m->w[i][k] * level;

            m->level[i][k] = level;
            sum_l += wl;
            sum_ll += wl * level;
            sum_lx += wl * x;
        }
        m->sum_l[k] = sum_l;
        m->sum_ll[k] = sum_ll;
        m->sum_lx[k] = sum_lx;
    }
}

/* The least-squares scale and minimum for the levels; a minimum above 0 is not allowed. */
static INLINE void fit_lines(struct min_lanes *m)
{
    for (int k = 0; k < NLANE; k++) {
        float sum_w = m->sum_w[k], sum_wx = m->sum_wx[k];
        float sum_l = m->sum_l[k], sum_ll = m->sum_ll[k], sum_lx = m->sum_lx[k];
        float det = sum_w * sum_ll - sum_l * sum_l;
        float min = (sum_ll * sum_wx - sum_l * sum_lx) / det;
        float scale = (sum_w * sum_lx - sum_wx * sum_l) / det, through_0 = sum_lx / sum_ll;

        m->det[k] = det;
        m->min[k] = min > 0.0f ? 0.0f : min;
        m->scale[k] = min > 0.0f ? through_0 : scale;
    }
}

static INLINE void weigh_error(struct min_lanes *m, bool absolute, int n)
{
    for (int k = 0; k < NLANE; k++) {
        float sum = 0.0f, scale = m->scale[k], min = m->min[k];

#pragma GCC unroll 1
        for (int i = 0; i < n; i++) {
            float e = scale * m->level[i][k] + min - m->x[i][k];

            sum += m->w[i][k] * (absolute ? fabsf(e) : e * e);
        }
        m->err[k] = sum;
    }
}

/* Starts with the plain scale over the range. */
static INLINE void start_min(struct min_lanes *m, const struct min_search *how, int n)
{
    measure_range(m, n);
    for (int k = 0; k < NLANE; k++)
        m->inverse[k] = (float)how->nlevel / (m->hi[k] - m->lo[k]);
    choose_levels(m, (float)how->nlevel, n);
    for (int k = 0; k < NLANE; k++) {
        m->best.inverse[k] = m->inverse[k];
        m->best.scale[k] = m->scale[k] = 1.0f / m->inverse[k];
        m->best.lo[k] = m->min[k] = m->lo[k];
    }
}

static INLINE void try_min(struct min_lanes *m, const struct min_search *how, bool absolute, int n)
{
    start_min(m, how, n);
    weigh_error(m, absolute, n);
    memcpy(m->best.err, m->err, sizeof m->err);
    for (int t = 0; t <= how->last; t++) {
        float levels = how->from + how->step * (float)t + (float)how->nlevel;

        for (int k = 0; k < NLANE; k++)
            m->inverse[k] = levels / (m->hi[k] - m->lo[k]);
        choose_levels(m, (float)how->nlevel, n);
        fit_lines(m);
        weigh_error(m, absolute, n);
        for (int k = 0; k < NLANE; k++) {
            bool better = (m->det[k] > 0.0f) & (m->err[k] < m->best.err[k]);

            m->best.err[k] = better ? m->err[k] : m->best.err[k];
            m->best.scale[k] = better ? m->scale[k] : m->best.scale[k];
            m->best.inverse[k] = better ? m->inverse[k] : m->best.inverse[k];
            m->best.lo[k] = better ? m->lo[k] : m->best.lo[k];
            m->lo[k] = better ? m->min[k] : m->lo[k];
        }
    }
}

/* The last argument is s->n. */
static INLINE void search_min(const struct scale_search *s, const struct min_search *how, int n)
{
    struct min_lanes m;

    for (size_t g = 0; g < s->ngroup; g += NLANE) {
        fill_lanes(m.x, m.w, s, g, n);
        if (how->absolute)
            try_min(&m, how, true, n);
        else
            try_min(&m, how, false, n);
        for (size_t k = 0; k < NLANE && g + k < s->ngroup; k++) {
            const float *x = s->x + (g + k) * (size_t)n;
            uint8_t *codes = s->codes + (g + k) * (size_t)n;

            s->scale[g + k] = m.is_flat[k] ? 0.0f : m.best.scale[k];
            s->min[g + k] = -m.lo[k];
            for (int i = 0; i < n; i++)
                codes[i] = (uint8_t)clamp_int(nearest_int(m.best.inverse[k] * (x[i] - m.best.lo[k])), 0,
                                              how->nlevel);
            if (m.is_flat[k])
                memset(codes, 0, (size_t)n);
        }
    }
}

void scale_search_min(const struct scale_search *s, const struct min_search *how)
{
    FOR_N(s->n, search_min, s, how);
}

/* ---- descent ---- */

#define DESCENT_N     16
#define DESCENT_LEVEL 4
#define NSWEEP        5

static float descent_group(const float *x, uint8_t *codes)
{
    int level[DESCENT_N];
    float top = signed_peak(x, DESCENT_N), xl = 0.0f, ll = 0.0f;
    bool changed = true;

    if (fabsf(top) < LEAST_PEAK) {
        memset(codes, 0, DESCENT_N);
        return 0.0f;
    }
    float inverse = (float)-DESCENT_LEVEL / top;
    for (int i = 0; i < DESCENT_N; i++) {
        float w = x[i] * x[i];

        level[i] = clamp_int(nearest_int(inverse * x[i]), -DESCENT_LEVEL, DESCENT_LEVEL - 1);
        xl += w * x[i] * (float)level[i];
        ll += w * (float)level[i] * (float)level[i];
    }
    for (int sweep = 0; sweep < NSWEEP && changed; sweep++) {
        changed = false;
        for (int i = 0; i < DESCENT_N; i++) {
            float w = x[i] * x[i], old = (float)level[i];
            float a = xl - w * x[i] * old;

            if (!(a > 0.0f))
                continue;
            float b = ll - w * old * old;
            int next = clamp_int(nearest_int(x[i] * b / a), -DESCENT_LEVEL, DESCENT_LEVEL - 1);
            if (next == level[i])
                continue;
            a += w * x[i] * (float)next;
            b += w * (float)next * (float)next;
            if (b > 0.0f && a * a * ll > xl * xl * b) {
                level[i] = next;
                xl = a;
                ll = b;
                changed = true;
            }
        }
    }
    for (int i = 0; i < DESCENT_N; i++)
        codes[i] = (uint8_t)(level[i] + DESCENT_LEVEL);
    return ll > 0.0f ? xl / ll : 0.0f;
}

void scale_search_descent(const struct scale_search *s)
{
    for (size_t g = 0; g < s->ngroup; g++)
        s->scale[g] = descent_group(s->x + g * DESCENT_N, s->codes + g * DESCENT_N);
}

/* ---- positive ---- */

static int at_most(int v, int limit)
{
    return v < limit ? v : limit;
}

/* The scale among nine, as its inverse. The first candidate's codes are bytes, those of the others are not.
 */
static float choose_positive(const float *x, const float *w, int n, int nlevel, float hi)
{
    float inverse = (float)nlevel / hi, scale = 1.0f / inverse, best = 0.0f;

    for (int i = 0; i < n; i++) {
        float e = x[i] - scale * (float)(uint8_t)nearest_int(inverse * x[i]);

        best += w[i] * e * e;
    }
    for (int k = -4; k <= 4; k++) {
        float trial = (0.1f * (float)k + (float)nlevel) / hi, trial_scale = 1.0f / trial, err = 0.0f;

        if (k == 0)
            continue;
        for (int i = 0; i < n; i++) {
            float e = x[i] - trial_scale * (float)at_most(nearest_int(trial * x[i]), nlevel);

            err += w[i] * e * e;
        }
        if (err < best) {
            best = err;
            inverse = trial;
        }
    }
    return inverse;
}

static float positive_group(const float *x, const float *w, int n, int nlevel, uint8_t *codes)
{
    float hi = 0.0f, xl = 0.0f, ll = 0.0f;
    bool changed = true;

    for (int i = 0; i < n; i++)
        hi = hi > x[i] ? hi : x[i];
    if (hi < LEAST_PEAK) {
        memset(codes, 0, (size_t)n);
        return 0.0f;
    }
    float inverse = choose_positive(x, w, n, nlevel, hi);
    for (int i = 0; i < n; i++) {
        int l = at_most(nearest_int(inverse * x[i]), nlevel);

        codes[i] = (uint8_t)l;
        xl += w[i] * x[i] * (float)l;
        ll += w[i] * (float)l * (float)l;
    }
    for (int sweep = 0; sweep < NSWEEP && changed; sweep++) {
        changed = false;
        for (int i = 0; i < n; i++) {
            float old = (float)codes[i];
            float a = xl - w[i] * x[i] * old, b = ll - w[i] * old * old;

            if (!(a > 0.0f && b > 0.0f))
                continue;
            int next = at_most(nearest_int(x[i] * b / a), nlevel);
            if (next == codes[i])
                continue;
            a += w[i] * x[i] * (float)next;
            b += w[i] * (float)next * (float)next;
            if (a * a * ll > xl * xl * b) {
                codes[i] = (uint8_t)next;
                xl = a;
                ll = b;
                changed = true;
            }
        }
    }
    return ll > 0.0f ? xl / ll : 0.0f;
}

void scale_search_positive(const struct scale_search *s, int nlevel)
{
    for (size_t g = 0; g < s->ngroup; g++) {
        size_t at = g * (size_t)s->n;

        s->scale[g] = positive_group(s->x + at, s->weights + at, s->n, nlevel, s->codes + at);
    }
}
