/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/quality.h"

#include <math.h>

#define RUN   16   /* elements that are added in double; a divisor of every block */
#define CHUNK 1024 /* elements that are decoded at once; a multiple of every block */
#define LANES 4    /* sums side by side, so that they vectorize */

static size_t max_sinks(const struct plan *p)
{
    size_t n = 1;

    for (size_t i = 0; i < p->nstep; i++)
        n = max_u64(n, p->steps[i].nsink);
    return n;
}

static size_t count_sinks(const struct plan *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->nstep; i++)
        n += p->steps[i].nsink;
    return n;
}

enum status quality_open(struct quality *q, const struct plan *p, struct err *err)
{
    size_t n = 0;

    *q = (struct quality){.plan = p};
    q->first = calloc(p->nstep + 1, sizeof *q->first);
    q->rows = calloc(count_sinks(p) + 1, sizeof *q->rows);
    q->now = calloc(max_sinks(p), sizeof *q->now);
    if (!q->first || !q->rows || !q->now) {
        quality_close(q);
        return fail_nomem(err);
    }
    for (size_t i = 0; i < p->nstep; n += p->steps[i++].nsink)
        q->first[i] = n;
    return OK;
}

void quality_close(struct quality *q)
{
    free(q->first);
    free(q->rows);
    free(q->now);
    *q = (struct quality){0};
}

uint64_t quality_tile_bytes(const struct plan *p)
{
    return max_sinks(p) * sizeof(struct quality_part);
}

uint64_t quality_bytes(const struct plan *p)
{
    return quality_tile_bytes(p) + count_sinks(p) * sizeof(struct quality_row) + p->nstep * sizeof(size_t);
}

/* ---- measuring ---- */

/* Sums over a run, lane by lane and then lane after lane. */
static inline void sum_run(const float *x, const float *y, const float *w, double sum[QUALITY_SUMS])
{
    double lane[QUALITY_SUMS][LANES] = {0};

    for (size_t i = 0; i < RUN; i++) {
        double a = x[i], b = y[i], e = a - b;

        lane[QUALITY_EE][i % LANES] += e * e;
        lane[QUALITY_XX][i % LANES] += a * a;
        lane[QUALITY_YY][i % LANES] += b * b;
        lane[QUALITY_XY][i % LANES] += a * b;
        if (w) {
            lane[QUALITY_W][i % LANES] += w[i];
            lane[QUALITY_WEE][i % LANES] += w[i] * (e * e);
            lane[QUALITY_WXX][i % LANES] += w[i] * (a * a);
        }
    }
    for (int k = 0; k < QUALITY_SUMS; k++)
        sum[k] = (lane[k][0] + lane[k][1]) + (lane[k][2] + lane[k][3]);
}

static inline double max_error(const float *x, const float *y)
{
    double most[LANES] = {0};

    for (size_t i = 0; i < RUN; i++) {
        double e = fabs((double)x[i] - (double)y[i]);

        most[i % LANES] = e > most[i % LANES] ? e : most[i % LANES];
    }
    return fmax(fmax(most[0], most[1]), fmax(most[2], most[3]));
}

static void add_run(const float *x, const float *y, const float *w, struct quality_part *part);

/* The same for a run in which not all is finite: such pairs become zeros, which add nothing. */
static void add_cleared(const float *x, const float *y, const float *w, struct quality_part *part)
{
    float clear[3][RUN] = {0};
    uint64_t n = 0;

    for (size_t i = 0; i < RUN; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i])) {
            n++;
            continue;
        }
        clear[0][i] = x[i];
        clear[1][i] = y[i];
        clear[2][i] = w ? w[i] : 0;
    }
    add_run(clear[0], clear[1], w ? clear[2] : NULL, part);
    part->n -= n;
    part->nonfinite += n;
}

static void add_run(const float *x, const float *y, const float *w, struct quality_part *part)
{
    double sum[QUALITY_SUMS];

    sum_run(x, y, w, sum);
    /* Squares of finite floats, and a float more, are far below the largest double. */
    if (!isfinite(sum[QUALITY_XX] + sum[QUALITY_YY])) {
        add_cleared(x, y, w, part);
        return;
    }
    for (int k = 0; k < (w ? QUALITY_SUMS : QUALITY_W); k++)
        exact_sum_add(&part->sum[k], sum[k]);
    part->max_error = fmax(part->max_error, max_error(x, y));
    part->n += RUN;
}

/* The same for a run of one element without weights. */
static inline void add_one(float x, float y, struct quality_part *part)
{
    double a = x, b = y, e = a - b;

    if (!isfinite(e)) {
        part->nonfinite++;
        return;
    }
    exact_sum_add(&part->sum[QUALITY_EE], e * e);
    exact_sum_add(&part->sum[QUALITY_XX], a * a);
    exact_sum_add(&part->sum[QUALITY_YY], b * b);
    exact_sum_add(&part->sum[QUALITY_XY], a * b);
    part->max_error = fmax(part->max_error, fabs(e));
    part->n++;
}

/* The importance of the columns from an element on; a run never leaves its row, as rows are whole blocks. */
static const float *weights_at(const struct tile_result *r, uint64_t at)
{
    const struct plan_step *step = r->tile->step;
    uint64_t ncol = step->rank ? step->shape[step->rank - 1] : 1, row = at / ncol;

    if (!r->sink->weights)
        return NULL;
    uint64_t matrix = r->sink->weight_rows ? row / r->sink->weight_rows : 0;
    return r->sink->weights + matrix * ncol + at % ncol;
}

void quality_measure(const struct tile_result *r, struct quality_part *part)
{
    const struct plan_sink *sink = r->sink;
    const unsigned char *bytes = r->bytes;
    float y[CHUNK];
    uint64_t chunk_bytes = 0;

    require(dtype_nbytes(sink->dtype, CHUNK, &chunk_bytes));
    for (uint64_t at = 0; at < r->tile->nelem; at += CHUNK, bytes += chunk_bytes) {
        size_t n = min_u64(CHUNK, r->tile->nelem - at);
        const float *x = r->x + at;

        sink->codec->decode(bytes, y, n);
        /* Tiles of blocks begin and end with a block; others anywhere, and so must be added one by one. */
        if (dtype_is_quantized(sink->dtype))
            for (size_t i = 0; i < n; i += RUN)
                add_run(x + i, y + i, weights_at(r, r->tile->first + at + i), part);
        else
            for (size_t i = 0; i < n; i++)
                add_one(x[i], y[i], part);
    }
}

/* ---- collecting ---- */

static void finish_row(struct quality_part *part, struct quality_row *row)
{
    for (int k = 0; k < QUALITY_SUMS; k++)
        row->sum[k] = exact_sum_value(&part->sum[k]);
    row->max_error = part->max_error;
    row->n = part->n;
    row->nonfinite = part->nonfinite;
    memset(part, 0, sizeof *part);
}

void quality_add(struct quality *q, const struct tile *t, struct quality_part *parts)
{
    size_t step = (size_t)(t->step - q->plan->steps);

    for (size_t i = 0; i < t->step->nsink; i++) {
        struct quality_part *now = &q->now[i];

        for (int k = 0; k < QUALITY_SUMS; k++)
            exact_sum_join(&now->sum[k], &parts[i].sum[k]);
        now->max_error = fmax(now->max_error, parts[i].max_error);
        now->n += parts[i].n;
        now->nonfinite += parts[i].nonfinite;
        if (t->first + t->nelem == t->step->nelem)
            finish_row(now, &q->rows[q->first[step] + i]);
    }
}

const struct quality_row *quality_of(const struct quality *q, size_t step, size_t sink)
{
    return &q->rows[q->first[step] + sink];
}

void quality_join(struct quality_row *to, const struct quality_row *from)
{
    for (int k = 0; k < QUALITY_SUMS; k++)
        to->sum[k] += from->sum[k];
    to->max_error = fmax(to->max_error, from->max_error);
    to->n += from->n;
    to->nonfinite += from->nonfinite;
}

/* ---- numbers ---- */

static double root_of_ratio(double a, double b)
{
    return a == 0 ? 0 : sqrt(a / b);
}

double quality_rms(const struct quality_row *r)
{
    return root_of_ratio(r->sum[QUALITY_XX], (double)r->n);
}

double quality_rmse(const struct quality_row *r)
{
    return root_of_ratio(r->sum[QUALITY_EE], (double)r->n);
}

double quality_relative(const struct quality_row *r)
{
    return root_of_ratio(r->sum[QUALITY_EE], r->sum[QUALITY_XX]);
}

double quality_cosine(const struct quality_row *r)
{
    double x = r->sum[QUALITY_XX], y = r->sum[QUALITY_YY];

    if (x == 0 || y == 0)
        return x == y;
    return fmin(fmax(r->sum[QUALITY_XY] / sqrt(x * y), -1), 1);
}

bool quality_weighted(const struct quality_row *r)
{
    return r->sum[QUALITY_W] > 0;
}

double quality_weighted_rmse(const struct quality_row *r)
{
    return root_of_ratio(r->sum[QUALITY_WEE], r->sum[QUALITY_W]);
}

double quality_weighted_relative(const struct quality_row *r)
{
    return root_of_ratio(r->sum[QUALITY_WEE], r->sum[QUALITY_WXX]);
}
