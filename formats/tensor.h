/* SPDX-License-Identifier: Apache-2.0 */
/* One stored tensor: what it is called and where its bytes are. */
#ifndef FORMATS_TENSOR_H
#define FORMATS_TENSOR_H

#include "formats/dtype.h"

#define TENSOR_MAX_RANK 8
#define TENSOR_MAX_NAME (64 * KIB)

struct tensor_origin; /* convert/canon.h */

struct tensor {
    const char *name; /* borrowed from the owner's arena; no NUL inside, not empty */
    enum dtype dtype;
    uint32_t rank;                   /* 0 for a scalar */
    uint64_t shape[TENSOR_MAX_RANK]; /* outermost first, whatever the file's own order */
    uint32_t file;                   /* index into source.files */
    uint64_t off;                    /* of the first byte, from the start of that file */
    uint64_t nbytes;                 /* of all parts */
    struct {
        uint32_t file;
        uint64_t off;
    } more[DTYPE_MAX_PARTS - 1];        /* where the further parts of a packed type are */
    const struct tensor_origin *origin; /* not stored, but made of what is; NULL: stored */
};

/* Product of the shape (1 for a scalar); false when it does not fit. A zero dimension gives 0 even
 * where the others overflow. */
bool shape_nelem(const uint64_t *shape, uint32_t rank, uint64_t *nelem);

/* "[2, 3]" into out; returns out. */
#define SHAPE_TEXT_MAX 192
const char *shape_text(const uint64_t *shape, uint32_t rank, char out[SHAPE_TEXT_MAX]);

#endif
