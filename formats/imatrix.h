/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Importance matrices: for each weight tensor the mean square of every input column, gathered by llama.cpp's
 * imatrix tool. Both of its files: GGUF, and the older one without a magic number (".dat").
 */
#ifndef FORMATS_IMATRIX_H
#define FORMATS_IMATRIX_H

#include "core/arena.h"
#include "core/map.h"

struct imatrix_entry {
    const char *name;    /* of the weight tensor */
    const float *values; /* nmatrix x (n / nmatrix): one row of importances per expert; 1 where never hit */
    uint64_t n;
    uint64_t nmatrix;  /* 1 for a dense tensor, and in the older file */
    uint64_t nunhit;   /* matrices that calibration never reached */
    const bool *unhit; /* which those are; NULL when there are none */
};

struct imatrix {
    struct arena arena;
    const char *path;    /* as given: it is written into the output */
    const char *dataset; /* the first one; NULL when the file names none */
    uint32_t chunk_count;
    struct imatrix_entry *entries;
    size_t n, cap;
    struct map index;
};

/* E_FORMAT for a damaged file, a sum that is negative or not finite, a tensor without its counts. */
enum status imatrix_load(struct imatrix *im, const char *path, struct err *err);
void imatrix_free(struct imatrix *im); /* legal on a zeroed one */

const struct imatrix_entry *imatrix_find(const struct imatrix *im, const char *name); /* NULL when absent */

#endif
