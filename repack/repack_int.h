/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of repack.h share. */
#ifndef REPACK_REPACK_INT_H
#define REPACK_REPACK_INT_H

#include "repack/repack.h"

/* One part of one projection of all experts of a layer. Expert e's matrix is `nelem` elements of its tensor,
 * from base + e * stride on. */
struct repack_matrix {
    enum expert_proj proj;
    const char *part;             /* never "": ".weight" */
    const struct tensor **tensor; /* of each expert where they are numbered, else one for all */
    bool numbered;
    bool shared; /* says the same of all experts, and stands once in a stack (.tq_bits) */
    enum dtype dtype;
    uint32_t rank; /* of one expert's matrix */
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t nelem, base, stride;
};

/* The experts of one layer. */
struct repack_group {
    struct slice parent;
    uint32_t n;      /* experts */
    uint32_t max;    /* largest number in a name */
    bool moves;      /* is in another layout than the one wanted */
    bool plain;      /* has no part but .weight */
    uint32_t *items; /* tensors of the source */
    size_t nitem, item_cap;
    struct repack_matrix *matrices; /* of gate, up and down; a fused one has become two */
    size_t nmatrix, matrix_cap;
};

struct repack {
    struct plan *plan;
    struct source *source;
    const struct repack_options *o;
    struct expert_name *names; /* of each tensor */
    uint32_t *group_of;        /* each tensor's, or MAP_NONE */
    struct repack_group *groups;
    size_t ngroup, group_cap;
    struct map parents; /* -> group */
};

/* Finds the experts: checks that none is missing, and all else of those that will move. */
enum status repack_find(struct repack *r, struct err *err);

/* NULL when the group has none. */
const struct repack_matrix *repack_matrix(const struct repack_group *g, enum expert_proj proj,
                                          const char *part);

/* The tensor that holds expert e. */
static inline const struct tensor *repack_tensor(const struct repack_matrix *m, uint32_t e)
{
    return m->tensor[m->numbered ? e : 0];
}

/* config.json with the settings of quantized experts under their new names. *changed is false, and nothing is
 * written, when it stays as it is. E_UNSUPPORTED where settings differ that have to become one. */
enum status repack_config(const struct repack *r, struct buf *out, bool *changed, struct err *err);

#endif
