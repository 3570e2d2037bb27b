/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a Hugging Face checkpoint to the plan of an MLX folder: array by array what mlx_lm's own convert makes
 * (0.32), or mlx_vlm's (0.7) where the checkpoint has a vision tower. docs/mlx.md tells where it differs.
 */
#ifndef CONVERT_TO_MLX_H
#define CONVERT_TO_MLX_H

#include "convert/convert.h"
#include "formats/mlx.h"

struct mlx_options {
    const char *out;                  /* the folder: it shall not exist, or be empty */
    enum mtp_mode mtp;                /* AUTO leaves the head out; no ONLY */
    uint64_t split_max_bytes;         /* of a shard's tensors; 0: no limit */
    const char *const *allow_unknown; /* as of convert_options */
    size_t nallow_unknown;
    bool text_only;   /* leave the vision tower out */
    enum dtype dtype; /* F32, F16 or BF16: of what is not quantized, of scales and biases; DT_COUNT: what the
                         config names, else each tensor's own */
    bool quantize;
    struct mlx_setting setting;
    bool allow_requantize; /* sources that are quantized already */
    bool metal;            /* round as MLX does on a GPU, not as on a CPU */
};

/* Sets mode, bits and group_size, 0 standing for the mode's own. E_USAGE for what the mode does not have. */
enum status mlx_set_mode(struct mlx_options *o, enum mlx_mode mode, uint64_t bits, uint64_t group_size,
                         struct err *err);

/* Fills an empty plan. The source and the options must outlive it. Errors as of convert_to_gguf. */
enum status convert_to_mlx(struct plan *plan, struct source *source, const struct mlx_options *o,
                           struct err *err);

#endif
