/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/mlx_opts.h"

#include <strings.h>

const char *const mlx_opts_modes[] = {"auto", "affine", "mxfp4", "mxfp8", "nvfp4", NULL};
const char *const mlx_opts_dtypes[] = {"auto", "bf16", "f16", NULL};
const char *const mlx_opts_roundings[] = {"cpu", "metal", NULL};

static const enum dtype dtypes[] = {DT_COUNT, DT_BF16, DT_F16};

static enum status read_type(const char *type, struct mlx_options *mlx, struct err *err)
{
    static const struct {
        const char *name;
        enum dtype type;
    } types[] = {{"f32", DT_F32}, {"f16", DT_F16}, {"bf16", DT_BF16}};

    if (strcasecmp(type, "auto") == 0)
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcasecmp(type, types[i].name) != 0)
            continue;
        if (mlx->quantize)
            return fail(err, E_USAGE,
                        "--type %s does not quantize, --bits, --group-size and --mode do: --dtype names the "
                        "type of what is not quantized",
                        type);
        if (mlx->dtype != DT_COUNT && mlx->dtype != types[i].type)
            return fail(err, E_USAGE, "--type %s and --dtype %s: give one", type, dtype_name(mlx->dtype));
        mlx->dtype = types[i].type;
        return OK;
    }
    return fail(err, E_USAGE,
                "--type %s: --to mlx has auto, f32, f16 and bf16; --bits, --group-size and --mode quantize",
                type);
}

enum status mlx_opts_read(const struct mlx_opts *o, const char *type, struct mlx_options *mlx,
                          struct err *err)
{
    enum status s = OK;

    mlx->text_only = o->text_only;
    mlx->dtype = dtypes[o->dtype];
    mlx->metal = o->rounding == 1;
    if (o->mode || o->bits || o->group_size)
        s = mlx_set_mode(mlx, o->mode ? (enum mlx_mode)(o->mode - 1) : MLX_AFFINE, o->bits, o->group_size,
                         err);
    if (s == OK && type)
        s = read_type(type, mlx, err);
    if (s == OK && mlx->mtp == MTP_ONLY)
        s = fail(err, E_USAGE, "--mtp only: an MLX folder of the head alone is not written");
    if (s == OK && mlx->metal && !mlx->quantize)
        s = fail(err, E_USAGE, "--mlx-rounding metal: nothing is quantized without --bits or --mode");
    return s;
}
