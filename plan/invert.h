/* SPDX-License-Identifier: Apache-2.0 */
/* Views turned round: where tensors gather their elements from one other, how that other is gathered from
 * them.
 */
#ifndef PLAN_INVERT_H
#define PLAN_INVERT_H

#include "plan/plan.h"

/* One view of the tensor, `first` being the position, in the elements of the tensor that it makes, of its own
 * first element; view.source is a number for the tensor that it makes. */
struct invert_piece {
    struct view view;
    uint64_t first;
};

/* Sets made->views, in the arena: views in a row that cover the tensor of nelem elements, of the tensors that
 * the pieces make. E_NOMEM, E_LIMIT; E_BUG where the pieces do not hold every element exactly once. */
enum status invert_views(struct arena *a, const struct invert_piece *pieces, size_t n, uint64_t nelem,
                         struct plan_made *made, struct err *err);

#endif
