/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the tensors of a mixture's experts are called, in the three layouts in which they come. PARENT is the
 * module that holds them ("model.layers.3.mlp", with any prefix), PART what the tensor is to its projection
 * (".weight", ".scales", ".tq_norms", ...).
 *
 *   split    PARENT.experts.7.gate_proj PART, up_proj, down_proj (w1, w3, w2 in some families)
 *   stacked  PARENT.switch_mlp.gate_proj PART, up_proj, down_proj: a leading axis of experts
 *   fused    PARENT.experts.gate_up_proj PART, down_proj: the same, and the rows of up_proj below those of
 * gate_proj. Unquantized ones have no ".weight".
 */
#ifndef REPACK_EXPERTS_H
#define REPACK_EXPERTS_H

#include "core/arena.h"
#include "core/str.h"
#include "formats/tensor.h"

#define EXPERTS_MAX 65536 /* of one layer */

enum experts_layout { EXPERTS_STACKED, EXPERTS_SPLIT, EXPERTS_FUSED };

enum expert_proj { EXPERT_GATE, EXPERT_UP, EXPERT_DOWN, EXPERT_GATE_UP, EXPERT_PROJ_COUNT };

struct expert_name {
    struct slice parent;
    bool numbered;   /* .experts.7. */
    bool switch_mlp; /* .switch_mlp. instead of .experts. */
    uint32_t number;
    enum expert_proj proj;
    const char *part; /* "" for none: a module's own name, or an unquantized tensor of the fused layout */
};

/* Takes a tensor's or module's name apart, whose bytes *e borrows; false for any other name. */
bool experts_parse(const char *name, struct expert_name *e);

/* The name again, in the arena; NULL when out of memory. */
const char *experts_print(struct arena *a, const struct expert_name *e);

const char *expert_proj_name(enum expert_proj proj);

/* Whether the name is one of that layout. */
bool experts_fits(const struct expert_name *e, enum experts_layout layout);

/* Which of n tensors are not there: their count, and up to a dozen of the numbers as text. */
#define EXPERTS_LIST_MAX 256
size_t experts_missing(const struct tensor *const *tensor, size_t n, char list[EXPERTS_LIST_MAX]);

#endif
