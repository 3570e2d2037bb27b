/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types whose levels coincide: blocks that change their form and keep their codes and, as real numbers, their
 * values. (MLX rounds the values of 16-bit scales to the scale's type once more when it unpacks them.)
 *
 *   q4_0 q4_1 q5_0 q5_1 q8_0 <-> affine of 4, 5 or 8 bits; into groups of 32 only, from those of any size
 *   mxfp4 <-> mxfp4_mlx, nvfp4 <-> nvfp4_mlx
 *
 * A block has no twin where its numbers do not fit the other type's: -8 d beyond float16, a bias that is not
 * -8 times the scale, a bfloat16 scale that float16 has no room for, scales that are not finite.
 */
#ifndef QUANTIZE_TRANSCODE_H
#define QUANTIZE_TRANSCODE_H

#include "formats/codec.h"

/* False, and *t untouched, when there is none. */
bool transcoder_find(enum dtype from, enum dtype to, struct transcoder *t);

/* From NVFP4 as other checkpoints store it, in the same parts: every block has a twin, scales lose their sign
 * bit. */
extern const struct transcoder transcoder_stored_nvfp4;

#endif
