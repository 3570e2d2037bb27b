/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantization as an edit of a plan: a recipe chooses each tensor's type, the steps take llama-quantize's
 * order, the metadata its keys. Source: llama.cpp's llama-quantize (commit 3f545becc), byte for byte.
 */
#ifndef CONVERT_QUANTIZE_H
#define CONVERT_QUANTIZE_H

#include "convert/importance.h"
#include "formats/source.h"
#include "quantize/recipe.h"

struct quantize_options {
    const struct recipe *recipe;
    const struct recipe_overrides *overrides;
    const struct imatrix *imatrix; /* NULL: none */
    enum importance_missing missing;
    const char *explain; /* a tensor's name: *explanation gets why it has its type; NULL */
    struct buf *explanation;
    bool allow_requantize; /* sources that are quantized already */
    uint64_t split_max_bytes, split_max_tensors;
    const char *out;
};

/* Edits steps that each have one sink with the type of an unquantized file, and that file's metadata. Notes
 * tell of fallbacks. E_USAGE, E_FORMAT, E_UNSUPPORTED. */
enum status quantize_edit(struct plan *plan, struct meta *meta, const struct quantize_options *o,
                          struct err *err);

/* The whole plan for a GGUF source. */
enum status quantize_gguf(struct plan *plan, struct source *source, const struct quantize_options *o,
                          struct err *err);

#endif
