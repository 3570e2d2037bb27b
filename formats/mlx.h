/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders for MLX. A quantized module stores its matrix as several tensors (weight, scales and, in affine
 * mode, biases); config.json's "quantization" says with which mode, bits and group, for all modules and for
 * some of their own. Source: the loaders of mlx_lm 0.32 and mlx_vlm 0.6 (docs/formats-mlx.md).
 */
#ifndef FORMATS_MLX_H
#define FORMATS_MLX_H

#include "formats/source.h"

enum mlx_mode { MLX_AFFINE, MLX_MXFP4, MLX_MXFP8, MLX_NVFP4, MLX_NMODE };

struct mlx_setting {
    enum mlx_mode mode;
    uint64_t bits, group_size;
};

const char *mlx_mode_name(enum mlx_mode mode);
struct mlx_setting mlx_mode_default(enum mlx_mode mode);

/* The type of a setting with scales (and biases) of a float type; DT_COUNT when there is none. */
enum dtype mlx_type(const struct mlx_setting *m, enum dtype scales);

/* The float type of the values that a tensor of a packed type has: of its scales, bf16 where they are bytes.
 */
enum dtype mlx_value_type(enum dtype packed);

/* Whether safetensors were written for MLX: config.json says so, the shards (format=mlx), or their names. */
bool mlx_is(const struct source *s);

/* The file in a sub-folder that holds the vision tower, as OptiQ has it; NULL when the config names none. */
const char *mlx_vision_file(const struct source *s);

/* Reads such a folder as its loaders do: all of its model*.safetensors, whatever the index says, and of each
 * weight with scales one tensor of a packed type. Its kind becomes SOURCE_MLX. Other sources stay as they
 * are. E_FORMAT for parts that are missing, or do not fit each other or the config, E_UNSUPPORTED for
 * settings that MLX does not have. */
enum status mlx_join(struct source *s, struct err *err);

/* Which tensors of a source are a multi-token-prediction head's, and what they tell without a config. */
struct mlx_head {
    bool (*is_of)(const char *name);
    /* How many values a row of a quantized matrix has; false: nothing tells. */
    bool (*row_length)(const struct source *s, const char *module, uint64_t *n);
};

/* Joins the parts of a head alone, whatever it lies in. Its settings are those of its modules in
 * "quantization", or what "mtplx_mtp_quantization" says of them or of all, or what follows from the length of
 * their rows, or the folder's. Errors as of mlx_join. */
enum status mlx_join_head(struct source *s, const struct mlx_head *head, struct err *err);

#endif
