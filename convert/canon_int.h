/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that read checkpoints as their class's share. */
#ifndef CONVERT_CANON_INT_H
#define CONVERT_CANON_INT_H

#include "convert/canon.h"

/* The type in which the class has a tensor of that origin; op: what was done to its values (OP_COUNT:
 * nothing). What a quantized one holds is of its scales' type in MLX, of the file's in GGUF (`file`;
 * DT_COUNT: no GGUF). float32 in a GGUF file of another type is what its converter made of that type, where
 * every value can be: to tell, they are read. E_IO. */
enum status canon_type(const struct source *s, const struct tensor_origin *o, enum op op, enum dtype file,
                       enum dtype *type, struct err *err);

#endif
