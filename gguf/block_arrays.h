/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata arrays with an element for each block of a model. */
#ifndef GGUF_BLOCK_ARRAYS_H
#define GGUF_BLOCK_ARRAYS_H

#include "formats/meta.h"

struct block_arrays {
    struct meta *meta;
    const char *arch;
    uint64_t nblock; /* as the metadata counts them */
    uint64_t nhead;  /* the last ones, which an array may leave out */
};

/* Makes element i of every such array the one that was of block from[i], for i below n. Blocks that an array
 * has no element for are left out. */
enum status block_arrays_pick(const struct block_arrays *b, const uint64_t *from, uint64_t n,
                              struct err *err);

#endif
