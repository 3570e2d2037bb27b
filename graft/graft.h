/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving a checkpoint the multi-token-prediction head of another one: a plan that writes the head as a file
 * of its own beside the target's, an index that names it, and a config that promises it. Everything is
 * checked while planning.
 */
#ifndef GRAFT_GRAFT_H
#define GRAFT_GRAFT_H

#include "graft/match.h"
#include "plan/plan.h"

struct graft_options {
    const char *out;     /* the folder to make; NULL: the target's own files are replaced */
    enum dtype type;     /* of the head's tensors; DT_COUNT: as they are */
    enum link_mode link; /* how the other files come into the folder */
    struct graft_wishes wishes;
};

/* Fills an empty plan. Target and donor must outlive it; heads that lie outside their indexes become part of
 * them. The target must be a Hugging Face folder; the donor may also be a file with nothing but a head, a
 * drafter, or a GGUF file. E_FORMAT for what does not fit or is incomplete, E_USAGE for a head that is there
 * already, E_UNSUPPORTED. */
enum status graft_folder(struct plan *plan, struct source *target, struct source *donor,
                         const struct graft_options *o, struct err *err);

/* Fills an empty plan with the head alone, as one safetensors file that can be a donor: the bytes of the file
 * that a graft of it adds; of a GGUF file one to a model of its own type. */
enum status graft_extract(struct plan *plan, struct source *source, const char *out, struct err *err);

/* Fills an empty plan with the folder without its head: shards in which it lies are written again, or left
 * out where they hold nothing else. For MLX, too, where that is a side-car or in the shards. E_FORMAT for a
 * model without a head, or that is nothing else, E_UNSUPPORTED for what is no folder. */
enum status graft_remove(struct plan *plan, struct source *source, const char *out, enum link_mode link,
                         struct err *err);

#endif
