/* SPDX-License-Identifier: Apache-2.0 */
/* Which importance weights each tensor gets, and what happens where there are none. */
#ifndef CONVERT_IMPORTANCE_H
#define CONVERT_IMPORTANCE_H

#include "formats/imatrix.h"
#include "plan/plan.h"

/* For tensors whose type must not be written without importance data. */
enum importance_missing {
    MISSING_ERROR,   /* listed, and nothing is done */
    MISSING_NEUTRAL, /* all columns weigh alike */
    MISSING_BORROW,  /* of a tensor that sees the same input, else of the nearest layer, else neutral */
};

struct importance {
    const struct imatrix *imatrix; /* NULL: none was given */
    enum importance_missing policy;
    struct plan *plan; /* for its arena and notes */
    /* filled while tensors are asked for */
    const char *first_missing;
    size_t nmissing;
};

/* Every entry must name one of the plan's tensors: E_USAGE for another model's data. */
enum status importance_check(const struct importance *im, struct err *err);

/* Sets the sink's weights from the step's entry; where there is none and the type needs one, by the policy.
 * MISSING_ERROR only counts: importance_finish tells. E_FORMAT for an entry of the wrong length. */
enum status importance_set(struct importance *im, const struct plan_step *step, struct plan_sink *sink,
                           bool needed, struct err *err);

/* E_USAGE naming the tensors that lack importance data. */
enum status importance_finish(const struct importance *im, struct err *err);

#endif
