/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaving blocks out of a model, as an edit of a plan made by from_gguf(): the blocks behind them move up,
 * and the metadata follows, so that the file loads. A multi-token-prediction head stays behind the other
 * blocks; without it the metadata promises none.
 */
#ifndef GGUF_PRUNE_H
#define GGUF_PRUNE_H

#include "formats/imatrix.h"
#include "plan/plan.h"

/* `list` is "20,21" or "20-22", numbers of the source's blocks. E_USAGE for a list that does not fit the
 * model, leaves nothing of it, or brings a block to a place where the loader expects one of another kind;
 * E_FORMAT for metadata that contradicts the tensors; E_UNSUPPORTED for models whose blocks need one another.
 */
enum status prune_edit(struct plan *plan, struct meta *meta, const char *list, struct err *err);

/* Importance data of the source, renamed to a pruned plan's names; free it with imatrix_free(). `from` and
 * the plan must outlive it. */
enum status prune_imatrix(const struct plan *plan, const struct imatrix *from, struct imatrix *to,
                          struct err *err);

#endif
