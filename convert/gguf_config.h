/* SPDX-License-Identifier: Apache-2.0 */
/* From a GGUF file's metadata and tensors back to a config.json: the inverse of arch/keys.c, by the same
 * tables. */
#ifndef CONVERT_GGUF_CONFIG_H
#define CONVERT_GGUF_CONFIG_H

#include "core/notes.h"
#include "formats/source.h"

/* Appends to out (an initialised buf, of some KiB) a config.json of the text model, without a wrapper, that
 * hparams_read() accepts and that gives the file's metadata again. What the file does not tell, the
 * architecture's tables do; what cannot be told is a note. E_UNSUPPORTED for an architecture that no table
 * knows or rope settings that no config can say; E_FORMAT for missing or impossible numbers. */
enum status gguf_config_write(const struct source *gguf, struct buf *out, struct notes *notes,
                              struct err *err);

/* The float type that the file was made in: that of its matrices; bfloat16 where some are quantized, as it is
 * what those are most often made from. */
enum dtype gguf_config_dtype(const struct source *gguf);

/* The number that a person wrote where the file has v: the shortest decimal fraction that rounds to it. */
double gguf_config_decimal(float v);

#endif
