/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A head's tensors under the names that checkpoints have them by, with their experts in the layout that is
 * wanted: each as pieces of stored ones.
 */
#ifndef GRAFT_PIECES_H
#define GRAFT_PIECES_H

#include "arch/head.h"

/* Elements of a stored tensor, in a row. */
struct head_span {
    const struct tensor *t;
    uint64_t first, nelem;
};

struct head_piece {
    const char *name; /* "mtp." and so on; good during the call, as all of this */
    uint32_t rank;
    const uint64_t *shape;
    const struct head_span *span; /* in order they are the tensor */
    size_t nspan;
    bool is_norm; /* of those that may be differences from 1 */
};

/* Calls fn for every tensor of a complete head. */
struct head_visit {
    const struct head *head;
    const struct hparams *hp; /* of the model that gets it: tensors from a GGUF file get back shapes where
                                 that left out a dimension of 1 */
    unsigned experts; /* RULE_FUSED, RULE_PER_EXPERT or RULE_STACKED; 0: as they are stored, numbered where
                         that is a GGUF file */
    void *ctx;
    enum status (*fn)(void *ctx, const struct head_piece *p, struct err *err);
};
enum status head_visit(const struct head_visit *v, struct err *err);

#endif
