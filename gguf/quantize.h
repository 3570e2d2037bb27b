/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quantization as an edit of a draft: a recipe chooses each tensor's type, the tensors take llama-quantize's
 * order, the metadata its keys. Source: llama.cpp's llama-quantize (commit 3f545becc), byte for byte.
 */
#ifndef GGUF_QUANTIZE_H
#define GGUF_QUANTIZE_H

#include "gguf/draft.h"
#include "gguf/importance.h"
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
};

/* One file of several that are made from one reading of the source. */
struct quantize_rung {
    const char *path;
    const char *label; /* put before its notes and errors; NULL when it is the only one */
    const struct quantize_options *options;
};

struct quantize_request {
    const struct quantize_rung *rungs;
    size_t nrung;
    const char *prune;                           /* blocks to leave out: prune_edit(); NULL */
    uint64_t split_max_bytes, split_max_tensors; /* of one file; 0: no limit */
};

/* Types of which every value is a 16-bit float. Models are published in them, so that quantizing one adds no
 * loss to an earlier one; llama-quantize refuses these too. */
bool quantize_decodes_exactly(enum dtype t);

/* Edits the draft of an unquantized file to that of a quantized one. Notes tell of fallbacks. E_USAGE,
 * E_FORMAT, E_UNSUPPORTED. */
enum status quantize_edit(struct draft *d, const struct quantize_options *o, struct err *err);

/* The first half of it: the tensors' types, shapes and order; the metadata stays. */
enum status quantize_types(struct draft *d, const struct quantize_options *o, struct err *err);

/* The whole plan for a GGUF source; importance data names its blocks as the source does. */
enum status quantize_gguf(struct plan *plan, const struct source *source, const struct quantize_request *q,
                          struct err *err);

#endif
