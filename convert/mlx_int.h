/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that build an MLX folder share. */
#ifndef CONVERT_MLX_INT_H
#define CONVERT_MLX_INT_H

#include "convert/build_int.h"
#include "convert/to_mlx.h"

/* A module whose quantization is not the folder's. */
struct mlx_override {
    const char *path; /* of the module */
    uint64_t block;
    struct mlx_setting setting; /* affine */
};

/* Which type each tensor gets, and what that tells of the whole folder. */
struct mlx_types {
    const struct mlx_options *options;
    enum dtype dtype; /* as in the options, DT_COUNT resolved by the config where it can be */
    struct mlx_override *overrides;
    size_t noverride, override_cap;
    size_t nquantized, nskipped;
    const char *skipped; /* the first that could not be quantized, its rows, and the group */
    uint64_t skipped_row, skipped_group;
    uint64_t nparam; /* numbers in all tensors */
};

/* ---- mlx_types.c ---- */

/* Resolves the type. */
void mlx_types_init(struct mlx_types *x, const struct mlx_options *o, const struct hparams *hp);

/* Gives a step its sink: the `finish` of the world. */
enum status mlx_types_choose(struct builder *b, const struct name_match *m, struct plan_step *step,
                             struct err *err);

/* Notes what could not be quantized; E_USAGE when nothing could. Orders the overrides. */
enum status mlx_types_finish(struct mlx_types *x, struct builder *b, struct err *err);

/* ---- mlx_config.c ---- */

/* config.json of the folder, from the source's: laid out and ordered as mlx_lm writes it. */
enum status mlx_config_write(const struct builder *b, struct buf *out, struct err *err);

#endif
