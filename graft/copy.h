/* SPDX-License-Identifier: Apache-2.0 */
/* A head's tensors as steps of a plan that writes safetensors. */
#ifndef GRAFT_COPY_H
#define GRAFT_COPY_H

#include "graft/pieces.h"
#include "plan/plan.h"

/* What a piece becomes. */
struct head_made {
    struct plan_sink sink; /* its codec is found; a piece of that type whose values stay is copied */
    bool op_set;
    enum op op; /* on the values, when op_set */
};

/* Adds a step with one sink for a piece of a head in `source`, which must outlive the plan. E_UNSUPPORTED for
 * values that must be converted and cannot. */
enum status head_step(struct plan *plan, const struct source *source, const struct head_piece *p,
                      const struct head_made *made, struct err *err);

struct head_copy {
    struct plan *plan;
    const struct source *source; /* must outlive the plan */
    const struct head *head;
    const struct hparams *hp; /* as of struct head_visit */
    enum dtype type;          /* of the written tensors; DT_COUNT: each keeps its own, and its bytes */
    bool subtract_one;        /* absolute norms become differences from 1 */
    bool decodes;             /* what is quantized is written as the values that it means */
};

/* Adds a step with one sink for every tensor of the head, in the layout that it has. */
enum status head_copy_steps(struct head_copy *c, struct err *err);

/* Adds one tensor under a name, with its bytes. */
enum status copy_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                        const char *name, struct err *err);

#endif
