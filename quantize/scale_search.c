/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/scale_search.h"

#include <float.h>

#include "quantize/pack.h"

#define LEAST_PEAK 1e-15f /* below it a group counts as zero */

/* ---- symmetric ---- */

/* Candidate 0 is the plain scale; 1..18 move it by -0.9..0.9 levels; the rest fill up vectors and are not
 * looked at. */
#define NTRIAL         20
#define NTRIAL_USED    19
#define TRIAL_SHIFT(k) ((k) == 0 ? 0 : (k) <= 9 ? (k)-10 : (k)-9)

struct trials {
    float inverse[NTRIAL];
    float xl[NTRIAL]; /* sum of w * x * level */
    float ll[NTRIAL]; /* sum of w * level * level */
};

/* All candidates at once: they do not depend on each other, and each sum runs over the values in order. */
static void try_inverses(struct trials *t, const float *x, const float *w, int n, int nlevel)
{
    memset(t->xl, 0, sizeof t->xl);
    memset(t->ll, 0, sizeof t->ll);
    for (int i = 0; i < n; i++) {
        float v = x[i], weight = w[i], wx = weight * v;

        for (int k = 0; k < NTRIAL; k++) {
            float l = (float)clamp_int(nearest_int(t->inverse[k] * v), -nlevel, nlevel - 1);

            t->xl[k] += wx * l;
            t->ll[k] += weight * l * l;
        }
    }
}

static float symmetric_group(const float *x, const float *w, int n, int nlevel, uint8_t *codes)
{
    struct trials t;
    float top = signed_peak(x, n), squares[SCALE_SEARCH_MAX];

    if (fabsf(top) < LEAST_PEAK) {
        memset(codes, 0, (size_t)n);
        return 0.0f;
    }
    for (int k = 0; k < NTRIAL; k++)
        t.inverse[k] = -((float)nlevel + 0.1f * (float)TRIAL_SHIFT(k)) / top;
    for (int i = 0; i < n; i++)
        squares[i] = x[i] * x[i];
    try_inverses(&t, x, w ? w : squares, n, nlevel);

    float scale = t.ll[0] != 0.0f ? t.xl[0] / t.ll[0] : 0.0f, best = scale * t.xl[0];
    int winner = 0;
    for (int k = 1; k < NTRIAL_USED; k++) {
        if (t.ll[k] > 0.0f && t.xl[k] * t.xl[k] > best * t.ll[k]) {
            scale = t.xl[k] / t.ll[k];
            best = scale * t.xl[k];
            winner = k;
        }
    }
    for (int i = 0; i < n; i++)
        codes[i] = (uint8_t)(nlevel + clamp_int(nearest_int(t.inverse[winner] * x[i]), -nlevel, nlevel - 1));
    return scale;
}

void scale_search_symmetric(const struct scale_search *s, int nlevel)
{
    for (size_t g = 0; g < s->ngroup; g++) {
        size_t at = g * (size_t)s->n;

        s->scale[g] =
            symmetric_group(s->x + at, s->weights ? s->weights + at : NULL, s->n, nlevel, s->codes + at);
    }
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

/* ---- scale and minimum ---- */

struct min_group {
    const float *x, *w;
    int n;
    bool absolute;
    float lo, hi;
    float sum_w, sum_wx;
};

static void measure_range(struct min_group *g)
{
    g->lo = g->hi = g->x[0];
    g->sum_w = g->w[0];
    g->sum_wx = g->w[0] * g->x[0];
    for (int i = 1; i < g->n; i++) {
        g->lo = g->x[i] < g->lo ? g->x[i] : g->lo;
        g->hi = g->x[i] > g->hi ? g->x[i] : g->hi;
        g->sum_w += g->w[i];
        g->sum_wx += g->w[i] * g->x[i];
    }
    if (g->lo > 0.0f)
        g->lo = 0.0f;
}

static void choose_levels(const struct min_group *g, float inverse, int nlevel, float *level)
{
    for (int i = 0; i < g->n; i++)
        level[i] = (float)clamp_int(nearest_int(inverse * (g->x[i] - g->lo)), 0, nlevel);
}

static float weigh_error(const struct min_group *g, const float *level, float scale, float lo)
{
    float term[SCALE_SEARCH_MAX], sum = 0.0f;

    for (int i = 0; i < g->n; i++) {
        float e = scale * level[i] + lo - g->x[i];

        term[i] = g->w[i] * (g->absolute ? fabsf(e) : e * e);
    }
    for (int i = 0; i < g->n; i++)
        sum += term[i];
    return sum;
}

/* The least-squares scale and minimum for given levels; a minimum above 0 is not allowed. False when the
 * levels determine none. */
static bool fit_line(const struct min_group *g, const float *level, float *scale, float *lo)
{
    float sum_l = 0.0f, sum_ll = 0.0f, sum_lx = 0.0f;

    for (int i = 0; i < g->n; i++) {
        float wl = g->w[i] * level[i];

        sum_l += wl;
        sum_ll += wl * level[i];
        sum_lx += wl * g->x[i];
    }
    float det = g->sum_w * sum_ll - sum_l * sum_l;
    if (!(det > 0.0f))
        return false;
    *scale = (g->sum_w * sum_lx - g->sum_wx * sum_l) / det;
    *lo = (sum_ll * g->sum_wx - sum_l * sum_lx) / det;
    if (*lo > 0.0f) {
        *lo = 0.0f;
        *scale = sum_lx / sum_ll;
    }
    return true;
}

static float search_min_group(struct min_group *g, const struct min_search *m, float *min, uint8_t *codes)
{
    float best_level[SCALE_SEARCH_MAX], tried[2][SCALE_SEARCH_MAX] = {{0}, {-1.0f}};
    size_t nbytes = (size_t)g->n * sizeof(float);

    measure_range(g);
    if (g->hi <= g->lo) {
        memset(codes, 0, (size_t)g->n);
        *min = -g->lo;
        return 0.0f;
    }
    float inverse = (float)m->nlevel / (g->hi - g->lo), scale = 1.0f / inverse;
    choose_levels(g, inverse, m->nlevel, best_level);
    float best = weigh_error(g, best_level, scale, g->lo);
    for (int k = 0; k <= m->last; k++) {
        float *level = tried[k & 1], trial_scale, lo;

        inverse = (m->from + m->step * (float)k + (float)m->nlevel) / (g->hi - g->lo);
        choose_levels(g, inverse, m->nlevel, level);
        // The fit depends on the levels alone: those of the last candidate lost, or are in use, already.
        if (memcmp(level, tried[!(k & 1)], nbytes) == 0 || !fit_line(g, level, &trial_scale, &lo))
            continue;
        float err = weigh_error(g, level, trial_scale, lo);
        if (err < best) {
            memcpy(best_level, level, nbytes);
            best = err;
            scale = trial_scale;
            g->lo = lo;
        }
    }
    for (int i = 0; i < g->n; i++)
        codes[i] = (uint8_t)best_level[i];
    *min = -g->lo;
    return scale;
}

void scale_search_min(const struct scale_search *s, const struct min_search *m)
{
    for (size_t k = 0; k < s->ngroup; k++) {
        size_t at = k * (size_t)s->n;
        struct min_group g = {.x = s->x + at, .w = s->weights + at, .n = s->n, .absolute = m->absolute};

        s->scale[k] = search_min_group(&g, m, &s->min[k], s->codes + at);
    }
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
