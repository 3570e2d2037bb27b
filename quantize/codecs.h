/* SPDX-License-Identifier: Apache-2.0 */
/* The table of codecs: one row per type that scion can read as numbers or write. */
#ifndef QUANTIZE_CODECS_H
#define QUANTIZE_CODECS_H

#include "formats/codec.h"

/* Never NULL for a known type; its encode or decode is NULL where that direction does not exist. */
const struct codec *codec_find(enum dtype t);

/* MLX gives different codes on a CPU and on a GPU. Of its types of narrow floats the CPU's also depend on the
 * type of the values that it is given (`from`; any that is not of 16 bits counts as float32). codec_find
 * gives the CPU's for float32. */
enum mlx_rounding { MLX_ROUNDING_CPU, MLX_ROUNDING_METAL };

const struct codec *codec_find_mlx(enum dtype t, enum mlx_rounding rounding, enum dtype from);

/* NVFP4 as checkpoints store it, in the parts of DT_NVFP4_MLX, with the values that it has in GGUF: scales
 * have no sign there. Read only; transcode.h has what writes it. */
extern const struct codec codec_stored_nvfp4;

#endif
