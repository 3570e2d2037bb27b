/* SPDX-License-Identifier: Apache-2.0 */
/* What prune.c and prune_meta.c share. */
#ifndef GGUF_PRUNE_INT_H
#define GGUF_PRUNE_INT_H

#include "gguf/prune.h"

struct prune {
    struct plan *plan;
    struct meta *meta;
    const char *list; /* as given */
    const char *arch;
    uint64_t nblock; /* of the source; the head's are the last */
    uint64_t nhead;
    bool *gone;       /* [nblock] */
    uint64_t *number; /* [nblock]: of the kept ones, in the output */
};

/* The value of "<arch>.<suffix>", or NULL. */
const struct meta_kv *prune_find(const struct prune *p, const char *suffix);

/* Refuses what the metadata says cannot be pruned so. */
enum status prune_check(const struct prune *p, struct err *err);

/* Counts of blocks, and arrays with an element for each. */
enum status prune_meta(const struct prune *p, struct err *err);

#endif
