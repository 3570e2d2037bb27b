/* SPDX-License-Identifier: Apache-2.0 */
/* A head's tensors as steps of a plan that writes safetensors. */
#ifndef GRAFT_COPY_H
#define GRAFT_COPY_H

#include "arch/head.h"

/* A tensor as a folder has it: all of t, or elements [first, ...) of it under another shape. */
struct head_piece {
    const struct tensor *t;
    const char *name; /* good during the call */
    uint32_t rank;
    const uint64_t *shape;
    uint64_t first;
    bool is_norm; /* of those that may be differences from 1 */
};

/* Calls fn for every piece of a head, named "mtp." whatever the source calls it. Stacked experts of a GGUF
 * file become numbered ones; all else keeps its layout. */
struct head_visit {
    const struct head *head;
    const struct hparams *hp; /* as below */
    void *ctx;
    enum status (*fn)(void *ctx, const struct head_piece *p, struct err *err);
};
enum status head_visit(const struct head_visit *v, struct err *err);

struct head_copy {
    struct plan *plan;
    const struct source *source; /* must outlive the plan */
    const struct head *head;
    const struct hparams *hp; /* of the model that gets it; tensors from a GGUF file have been checked against
                                 its shapes, and get them back where that left out a dimension of 1 */
    enum dtype type;          /* of the written tensors; DT_COUNT: each keeps its own, and its bytes */
    bool subtract_one;        /* absolute norms become differences from 1 */
};

/* Adds a step with one sink for every piece of the head. E_UNSUPPORTED for values that must be converted and
 * cannot. */
enum status head_copy_steps(struct head_copy *c, struct err *err);

/* Adds one tensor under a name, with its bytes. */
enum status copy_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                        const char *name, struct err *err);

#endif
