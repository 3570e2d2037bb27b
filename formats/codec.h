/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How values become the bytes of a type and back. quantize/ implements it; plans carry pointers to it,
 * so the executor knows no type by name.
 */
#ifndef FORMATS_CODEC_H
#define FORMATS_CODEC_H

#include "formats/dtype.h"

struct codec {
    /* nrow rows of ncol values each (ncol a multiple of the block's elements) into dst. A tile of many
     * rows at once, so that an implementation may work across blocks. `weights`, when not NULL, holds
     * ncol importance weights that apply to every row. NULL when the type cannot be written. */
    void (*encode)(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);

    /* n values (a multiple of the block's elements). NULL when the type cannot be read as numbers. */
    void (*decode)(const void *src, float *x, size_t n);

    /* Changes n encoded values in place to what encode(decode()) would give; NULL where that is nothing.
     * It lets a copy stand in for a conversion. */
    void (*recode)(void *data, size_t n);

    /* The first of n encoded blocks (of elements, where the type has none) whose scale or value is infinite
     * or NaN; n when all are finite. NULL where it cannot happen, or means nothing. */
    size_t (*find_nonfinite)(const void *src, size_t n);

    /* The encoder looks at a whole row, so a row must not be cut into tiles. */
    bool whole_rows;

    /* Tells the encoders of one type apart: what an interrupted run wrote with one is not for another. */
    uint32_t variant;
};

/* Blocks of one type that say the same in another. A block that has no such twin is decoded and encoded. */
struct transcoder {
    enum dtype from, to;

    /* n values, a multiple of the elements of both types' blocks. False when some block has no twin; then
     * what is in dst means nothing. */
    bool (*convert)(const struct transcoder *t, const void *src, void *dst, size_t n);
};

#endif
