/* SPDX-License-Identifier: Apache-2.0 */
/* The options of MLX folders. */
#ifndef CLI_MLX_OPTS_H
#define CLI_MLX_OPTS_H

#include "cli/opt.h"
#include "convert/to_mlx.h"

/* A member `struct mlx_opts mlx` takes them. */
struct mlx_opts {
    uint64_t bits, group_size; /* 0: the mode's */
    int mode, dtype, rounding;
    bool text_only;
};

extern const char *const mlx_opts_modes[], *const mlx_opts_dtypes[], *const mlx_opts_roundings[];

#define OPT_ROWS_MLX(type)                                                                                   \
    {.name = "bits",                                                                                         \
     .kind = OPT_U64,                                                                                        \
     OPT_FIELD(type, mlx.bits),                                                                              \
     .arg = "N",                                                                                             \
     .min = 1,                                                                                               \
     .help = "with --to mlx: quantize to 2, 3, 4, 5, 6 or 8 bits"},                                          \
        {.name = "group-size",                                                                               \
         .kind = OPT_U64,                                                                                    \
         OPT_FIELD(type, mlx.group_size),                                                                    \
         .arg = "N",                                                                                         \
         .min = 1,                                                                                           \
         .help = "with --to mlx: quantize in groups of 32, 64 (if nothing else is said) or 128 numbers"},    \
        {.name = "mode",                                                                                     \
         .kind = OPT_ENUM,                                                                                   \
         OPT_FIELD(type, mlx.mode),                                                                          \
         .arg = "MODE",                                                                                      \
         .choices = mlx_opts_modes,                                                                          \
         .help =                                                                                             \
             "with --to mlx: how to quantize: affine (auto, once --bits or --group-size is given), or a "    \
             "mode with bits and groups of its own"},                                                        \
        {.name = "dtype",                                                                                    \
         .kind = OPT_ENUM,                                                                                   \
         OPT_FIELD(type, mlx.dtype),                                                                         \
         .arg = "TYPE",                                                                                      \
         .choices = mlx_opts_dtypes,                                                                         \
         .help = "with --to mlx: type of what is not quantized, of scales and biases; auto is the "          \
                 "checkpoint's"},                                                                            \
        {.name = "text-only",                                                                                \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, mlx.text_only),                                                                     \
         .help = "with --to mlx: leave the vision tower out"},                                               \
    {                                                                                                        \
        .name = "mlx-rounding", .kind = OPT_ENUM, OPT_FIELD(type, mlx.rounding), .arg = "WHERE",             \
        .choices = mlx_opts_roundings,                                                                       \
        .help = "with --to mlx: round as MLX does on a CPU (if nothing is said), or on a GPU (metal)"        \
    }

/* Sets what the rows say, and by --type (its text, or NULL) the type; the rest of mlx is the caller's, and
 * set. E_USAGE. */
enum status mlx_opts_read(const struct mlx_opts *o, const char *type, struct mlx_options *mlx,
                          struct err *err);

#endif
