/* SPDX-License-Identifier: Apache-2.0 */
/* What every plan for a GGUF source starts from: its tensors as they are. */
#ifndef GGUF_FROM_GGUF_H
#define GGUF_FROM_GGUF_H

#include "gguf/draft.h"
#include "formats/source.h"

/* Fills an empty plan with a step for each tensor of the source, in its order, and meta (initialised, with
 * the plan's arena) with its metadata, split keys included. The source must outlive both. E_USAGE when it is
 * no GGUF file. */
enum status from_gguf(struct plan *plan, const struct source *source, struct meta *meta, struct err *err);

/* A step for one tensor, named as it is. */
enum status from_gguf_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                             struct err *err);

/* A draft of a file that has all of the plan's steps as they are, and the metadata. */
enum status from_gguf_draft(struct draft *d, struct plan *plan, const struct meta *meta, struct err *err);

/* Brings general.size_label up to date with the plan's steps, where it is what the source's tensors give. */
enum status from_gguf_size_label(const struct plan *plan, const struct source *source, struct meta *meta,
                                 struct err *err);

/* The source tensor of one of these steps. */
const struct plan_source *from_gguf_source(const struct plan *plan, size_t step);

#endif
