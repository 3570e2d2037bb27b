/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any checkpoint read as if it were a Hugging Face one: its tensors have the names, shapes and values that
 * the model's class has them by, whatever they are stored as. The way back from a folder for MLX follows from
 * the same tables as the way there (arch/arch.h); so conversions from it are those from the Hugging Face
 * folder that it stands for.
 */
#ifndef CONVERT_CANON_H
#define CONVERT_CANON_H

#include "core/notes.h"
#include "formats/source.h"
#include "plan/plan.h"

/* In the metadata of an MLX folder's shards: the head's experts had numbers, where the class has them fused.
 */
#define CANON_HEAD_KEY      "scion.mtp_experts"
#define CANON_HEAD_NUMBERED "split"

/* How a tensor is made of stored ones. */
struct tensor_origin {
    const struct tensor **of; /* stored; the views' sources are indices of these */
    size_t nof;
    struct plan_made made;
};

/* Opens like source_open; tensors of a folder for MLX then have origins, and the type of the values that
 * their stored parts give: bf16 or f16 where that is the type of the scales. Tensors that no rule makes stay
 * as they are. E_FORMAT for parts that contradict the config, E_UNSUPPORTED as of mlx_join and hparams_read.
 */
enum status canon_open(struct source **out, const char *path, struct err *err);

/* The same for a GGUF file that is to become a folder, with a config.json told from its metadata; for all
 * other sources nothing. Errors as of gguf_config_write and canon_open, and E_IO. */
enum status canon_describe(struct source *s, struct notes *notes, struct err *err);

#endif
