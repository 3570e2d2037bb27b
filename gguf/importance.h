/* SPDX-License-Identifier: Apache-2.0 */
/* Which importance weights each tensor gets, and what happens where there are none. */
#ifndef GGUF_IMPORTANCE_H
#define GGUF_IMPORTANCE_H

#include "gguf/draft.h"
#include "formats/imatrix.h"

/* For tensors whose type must not be written without importance data. */
enum importance_missing {
    MISSING_ERROR,   /* listed, and nothing is done */
    MISSING_NEUTRAL, /* all columns weigh alike */
    MISSING_BORROW,  /* of a tensor that sees the same input, else of the nearest layer, else neutral; for a
                        single expert that calibration never reached likewise */
};

/* Zero it, set the first three. */
struct importance {
    const struct imatrix *imatrix; /* NULL: none was given */
    enum importance_missing policy;
    struct draft *draft; /* its plan's arena and notes are used */
    /* filled while tensors are asked for */
    size_t nmissing;
    const char *first_missing;
    const float *ones; /* the neutral weights, for all tensors */
};

/* Every entry must name one of the draft's tensors, or one that it leaves out: E_USAGE for another model's
 * data. */
enum status importance_check(const struct importance *im, struct err *err);

/* Sets the sink's weights from the tensor's entry; where there is none and the type needs one, by the policy.
 * MISSING_ERROR notes the tensor: importance_finish fails. E_FORMAT for an entry of the wrong length. */
enum status importance_set(struct importance *im, struct draft_tensor *t, bool needed, struct err *err);

/* E_USAGE, naming the first, when tensors lack importance data; the notes name each. */
enum status importance_finish(const struct importance *im, struct err *err);

#endif
