/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must not be written unasked: values that a block cannot hold, blocks whose scale came out infinite or
 * NaN, and finite values that an operation or a narrower type makes infinite. Elements that are NaN or
 * infinite themselves pass into element types, and copies of elements are not looked at.
 */
#ifndef PLAN_FINITE_H
#define PLAN_FINITE_H

#include "plan/tile.h"

struct finite_flaw {
    enum { FINITE_OK, FINITE_VALUE, FINITE_SCALE, FINITE_OVERFLOW } kind;
    enum dtype type; /* of the block, or of the result */
    uint64_t at;     /* element of the tile */
    float value;     /* of FINITE_VALUE, FINITE_OVERFLOW */
};

/* The first flaw of the first kind that there is. */
struct finite_flaw finite_check(const struct tile_result *r);

/* E_FORMAT, naming the tensor and its element. */
enum status finite_fail(const struct finite_flaw *flaw, const struct tile *t, const struct plan_source *from,
                        struct err *err);

#endif
