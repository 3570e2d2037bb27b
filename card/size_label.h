/* SPDX-License-Identifier: Apache-2.0 */
/* How many parameters a model has, and the short form of it in general.size_label ("9B", "128x8.1B"). */
#ifndef CARD_SIZE_LABEL_H
#define CARD_SIZE_LABEL_H

#include "core/arena.h"

struct size_label_count {
    uint64_t total;   /* elements of all tensors */
    uint64_t shared;  /* of tensors that every token uses */
    uint64_t expert;  /* of one expert, over all tensors that hold stacked experts */
    uint64_t nstack;  /* tensors that hold stacked experts */
    uint64_t nexpert; /* experts, summed over those tensors */
};

/* Counts a tensor under its GGUF name; shape outermost first. False when a sum does not fit. */
bool size_label_add(struct size_label_count *c, const char *name, const uint64_t *shape, uint32_t rank);

/* "494M", or "<mean number of experts>x<shared + one expert>". NULL when out of memory. */
char *size_label_text(const struct size_label_count *c, struct arena *arena);

#endif
