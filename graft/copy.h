/* SPDX-License-Identifier: Apache-2.0 */
/* A head's tensors as steps of a plan that writes safetensors. */
#ifndef GRAFT_COPY_H
#define GRAFT_COPY_H

#include "arch/head.h"

struct head_copy {
    struct plan *plan;
    const struct source *source; /* must outlive the plan */
    const struct head *head;
    const struct hparams *hp; /* of the model that gets it; tensors from a GGUF file have been checked against
                                 its shapes, and get them back where that left out a dimension of 1 */
    enum dtype type;          /* of the written tensors; DT_COUNT: each keeps its own, and its bytes */
    bool subtract_one;        /* absolute norms become differences from 1 */
};

/* Adds a step with one sink for every tensor of the head, named "mtp." whatever the source calls it. Stacked
 * experts of a GGUF file become numbered ones; all else keeps its layout. E_UNSUPPORTED for values that must
 * be converted and cannot. */
enum status head_copy_steps(const struct head_copy *c, struct err *err);

/* Adds one tensor under a name, with its bytes. */
enum status copy_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                        const char *name, struct err *err);

#endif
