/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A GGUF file while it is being decided on: its metadata, and which of the plan's steps become its tensors,
 * in which order, shape and type. Several drafts may take the same steps: each step is read and transformed
 * once for all of them.
 */
#ifndef GGUF_DRAFT_H
#define GGUF_DRAFT_H

#include "formats/gguf.h"
#include "plan/plan.h"

struct draft_tensor {
    size_t step;      /* of the plan */
    const char *name; /* the step's */
    uint32_t rank;
    uint64_t shape[TENSOR_MAX_RANK];
    struct plan_sink sink; /* its type is chosen; the layout sets the rest */
};

struct draft {
    struct plan *plan;
    struct meta meta;             /* of the file, or the first of a set */
    struct draft_tensor *tensors; /* in the file's order; in the plan's arena */
    size_t n;
    const struct map *left_out; /* names of tensors that the source has and this file has not; may be NULL */
    const char *path;           /* of the file; parts of a set are named after it */
    uint64_t split_max_bytes, split_max_tensors; /* of one file; 0: no limit */
    bool metadata_first;                         /* a first file without tensors */
    enum gguf_split_order order;                 /* of the split keys; GGUF_SPLIT_TOOL also counts a tensor's
                                                    padding to 32 among its bytes */
};

/* Metadata borrowed from `meta`, and room for n tensors. E_NOMEM. */
enum status draft_init(struct draft *d, struct plan *plan, const struct meta *meta, size_t n,
                       struct err *err);
void draft_free(struct draft *d);

/* Takes a step, in a type; there is room for it. */
void draft_add(struct draft *d, size_t step, enum dtype type);

/* Puts the tensors into the order and shapes of llama-quantize: those of no block first, then by block and
 * name; outermost dimensions of 1 are left out. */
void draft_order(struct draft *d);

/* Whether tensors are in that order already; fewer than two tell nothing. */
bool draft_is_ordered(const struct draft *d);

#endif
