/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint with its experts in another layout (repack/experts.h): bytes move, values stay, quantized or
 * not.
 */
#ifndef REPACK_REPACK_H
#define REPACK_REPACK_H

#include "repack/experts.h"
#include "formats/source.h"
#include "plan/plan.h"

struct repack_options {
    const char *out; /* folder */
    enum experts_layout experts;
    enum link_mode link;      /* of shards that stay as they are */
    uint64_t split_max_bytes; /* cut all tensors, by ascending name, into new shards of that size; 0: keep
                                 each tensor in its shard, a stack in the one of its first expert */
};

/* Fills an empty plan. The source must outlive it. E_USAGE when there is nothing to do, E_FORMAT for experts
 * that are incomplete or unlike one another, E_UNSUPPORTED for those that the layout cannot hold. */
enum status repack_experts(struct plan *plan, struct source *source, const struct repack_options *o,
                           struct err *err);

#endif
