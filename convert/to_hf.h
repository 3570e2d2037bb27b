/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From any checkpoint to the plan of a Hugging Face folder: the tensors that the model's class has, under its
 * names; a config.json that promises just these; all other files as they are.
 */
#ifndef CONVERT_TO_HF_H
#define CONVERT_TO_HF_H

#include "convert/convert.h"

struct hf_options {
    const char *out;                  /* the folder: it shall not exist, or be empty */
    enum mtp_mode mtp;                /* no ONLY */
    uint64_t split_max_bytes;         /* of a shard's tensors; 0: no limit */
    const char *const *allow_unknown; /* as of convert_options */
    size_t nallow_unknown;
    enum dtype
        dtype; /* F32, F16 or BF16; DT_COUNT: each tensor's own, of a quantized one that of its values */
};

/* Fills an empty plan. The source, opened by canon_open, and the options must outlive it. Errors as of
 * convert_to_gguf. */
enum status convert_to_hf(struct plan *plan, struct source *source, const struct hf_options *o,
                          struct err *err);

#endif
