/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far what is written is from the values it was made of, measured while it is written. The values of a
 * tensor are those that are handed to the encoder: gathered, computed and rounded as the plan says. What is
 * written is decoded again.
 *
 * The sums are exact (kernels/exact_sum.h) over fixed runs of elements, so that neither tiles nor threads nor
 * interruptions change a bit of them.
 */
#ifndef PLAN_QUALITY_H
#define PLAN_QUALITY_H

#include "kernels/exact_sum.h"
#include "plan/tile.h"

/* x: a value; y: what is read back; w: the importance of its column. */
enum quality_sum {
    QUALITY_EE, /* (x - y)^2 */
    QUALITY_XX, /* x^2 */
    QUALITY_YY, /* y^2 */
    QUALITY_XY, /* x y */
    QUALITY_W,  /* w; this and those after it stay 0 for tensors without weights */
    QUALITY_WEE,
    QUALITY_WXX,
    QUALITY_SUMS
};

/* Of one tensor in one output, or of several together. */
struct quality_row {
    double sum[QUALITY_SUMS];
    double max_error;   /* largest |x - y| */
    uint64_t n;         /* pairs in the sums */
    uint64_t nonfinite; /* pairs left out, as one of the two is infinite or NaN */
};

/* Of a part of a tensor. */
struct quality_part {
    struct exact_sum sum[QUALITY_SUMS];
    double max_error;
    uint64_t n, nonfinite;
};

struct quality {
    const struct plan *plan;
    size_t *first; /* of each step's sinks in rows */
    struct quality_row *rows;
    struct quality_part *now; /* of the step in progress, one for each sink */
};

/* E_NOMEM. The plan is borrowed. */
enum status quality_open(struct quality *q, const struct plan *p, struct err *err);
void quality_close(struct quality *q);

/* What measuring takes: of the plan, and of each tile in memory. */
uint64_t quality_bytes(const struct plan *p);
uint64_t quality_tile_bytes(const struct plan *p);

/* Adds what one sink got of a tile, or of a part of it. */
void quality_measure(const struct tile_result *r, struct quality_part *part);

/* Adds a tile's parts, one for each sink of its step. A step's tiles come together, its last one last. */
void quality_add(struct quality *q, const struct tile *t, struct quality_part *parts);

const struct quality_row *quality_of(const struct quality *q, size_t step, size_t sink);
void quality_join(struct quality_row *to, const struct quality_row *from);

/* ---- numbers of a row ---- */

double quality_rms(const struct quality_row *r);               /* of the values: sqrt(mean x^2) */
double quality_rmse(const struct quality_row *r);              /* sqrt(mean (x - y)^2) */
double quality_relative(const struct quality_row *r);          /* rmse / rms; 0 for 0 / 0 */
double quality_cosine(const struct quality_row *r);            /* 1 where both are zero, 0 where one is */
bool quality_weighted(const struct quality_row *r);            /* whether the next two mean anything */
double quality_weighted_rmse(const struct quality_row *r);     /* sqrt(sum w (x - y)^2 / sum w) */
double quality_weighted_relative(const struct quality_row *r); /* sqrt(sum w (x - y)^2 / sum w x^2) */

#endif
