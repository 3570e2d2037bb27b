/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting a plan into tiles: the units of work, small enough for the memory budget, each a part of one
 * view that can be read, transformed and written without any other. How a plan is cut changes nothing in
 * the bytes.
 */
#ifndef PLAN_TILE_H
#define PLAN_TILE_H

#include "plan/plan.h"

struct tile {
    const struct plan_step *step;
    struct view view; /* the part of the step's view */
    uint64_t first;   /* index of its first element in the output tensor */
    uint64_t nelem;
};

/* Walks a plan's tiles in order. Zero it, set plan and tile_elems. */
struct tile_walk {
    const struct plan *plan;
    uint64_t tile_elems; /* a tile has at most that many elements; at least tile_min_elems(plan) */
    size_t step, view;
    uint64_t view_first; /* of the current view, in the tensor */
    uint64_t pos;        /* in the current view */
};

/* False at the end. */
bool tile_next(struct tile_walk *w, struct tile *t);

/* Tiles of a step, and so its views, hold a multiple of that many elements: a block, or a row where a codec
 * needs one. */
uint64_t tile_granule(const struct plan *p, const struct plan_step *step);

/* How many elements of a tile of the step are worked on together: as many as stay in a processor's cache, or
 * the granule. */
uint64_t tile_part_elems(const struct plan *p, const struct plan_step *step);

/* Whether the values are the source's, in the order of its elements. */
static inline bool tile_keeps_values(const struct tile *t, const struct plan_source *src)
{
    return t->step->nop == 0 && t->step->row.ndim == 0 && !src->scale;
}

/* Whether a sink gets the source's values as they are, and so its bytes. */
static inline bool tile_is_copy(const struct tile *t, const struct plan_source *src,
                                const struct plan_sink *sink)
{
    return tile_keeps_values(t, src) && !sink->rounds && sink->dtype == src->dtype;
}

/* Whether it gets them in another form that says the same. */
static inline bool tile_is_transcoded(const struct tile *t, const struct plan_source *src,
                                      const struct plan_sink *sink)
{
    return tile_keeps_values(t, src) && !sink->rounds && sink->transcode.convert &&
           sink->transcode.from == src->dtype;
}

/* Either of the two: no values are made for it. */
static inline bool tile_keeps_bits(const struct tile *t, const struct plan_source *src,
                                   const struct plan_sink *sink)
{
    return tile_is_copy(t, src, sink) || tile_is_transcoded(t, src, sink);
}

/* What one sink got of a tile. */
struct tile_result {
    const struct tile *tile;
    const struct plan_source *source;
    const struct plan_sink *sink;
    const void *raw;   /* the source's blocks, in the order of the output */
    const float *x;    /* what the encoder got; where bits are kept the values, or nothing */
    const void *bytes; /* blocks of the sink's type */
};

/* The smallest legal tile_elems, and the step that asks for it. */
uint64_t tile_min_elems(const struct plan *p, const struct plan_step **step);

/* How a tile comes into memory: `count` reads of `run` source blocks each, staged one after the other, from
 * which `staged` (strides in blocks of the staging area) gives the elements in output order. */
struct tile_read {
    uint64_t run, count; /* in blocks */
    struct view outer;   /* start of each run: view over the source in blocks */
    struct view staged;  /* base 0; simplified */
    bool contiguous;     /* the staging area is already in output order */
};

/* Never stages more than twice the tile's own blocks. */
void tile_read_plan(const struct tile *t, uint32_t block_elems, uint32_t block_bytes, struct tile_read *r);

/* Copies units of unit_bytes from staging into output order, out_stride bytes apart. */
void tile_gather(const struct view *staged, const void *staging, void *out, uint32_t unit_bytes,
                 uint32_t out_stride);

#endif
