/* SPDX-License-Identifier: Apache-2.0 */
/* Giving a GGUF file the multi-token-prediction head of another model. */
#ifndef CONVERT_ADD_HEAD_H
#define CONVERT_ADD_HEAD_H

#include "arch/head.h"
#include "convert/convert.h"

struct add_head_options {
    struct source *donor;     /* must outlive the plan; NULL: the target loses the head that it has */
    const struct head *head;  /* of the donor; complete, and it fits */
    const struct hparams *hp; /* the target's; n_layer is where the head goes */
    bool absolute;            /* the donor's norms; GGUF's are always */
    const struct quantize_options *quantize; /* how the head is to be quantized; NULL: not */
    const char *out;
    uint64_t split_max_bytes, split_max_tensors; /* 0: no limit */
};

/* Fills an empty plan: all tensors of the target as they are but for a head that it has, then the donor's
 * head: from a GGUF file as it is, else converted to the target's float type. Metadata counts the blocks. The
 * order of the tensors is llama-quantize's where the target has that. E_FORMAT, E_UNSUPPORTED, E_USAGE. */
enum status add_head_gguf(struct plan *plan, const struct source *target, const struct add_head_options *o,
                          struct err *err);

/* Fills an empty plan with the head of a GGUF file and the tensors of no block, which it shares: the file of
 * "convert --mtp only". hp is the source's, n_layer where the head begins. */
enum status take_head_gguf(struct plan *plan, const struct source *source, const struct hparams *hp,
                           const char *out, struct err *err);

/* Whether a head of floats is to be quantized: the target is, and the head is not from a GGUF file. */
bool add_head_quantizes(const struct source *target, const struct source *donor);

#endif
