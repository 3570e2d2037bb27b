/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a Hugging Face checkpoint to the plan of a GGUF file, byte for byte the one that llama.cpp's
 * convert_hf_to_gguf.py writes (commit 3f545becc), except where that would write a file that its runtime
 * refuses.
 */
#ifndef CONVERT_CONVERT_H
#define CONVERT_CONVERT_H

#include "card/authorship.h"
#include "gguf/quantize.h"
#include "formats/source.h"
#include "plan/plan.h"

enum mtp_mode {
    MTP_AUTO, /* keep the head that is there, promise none that is not */
    MTP_KEEP, /* the same, but a missing head is an error */
    MTP_DROP,
    MTP_ONLY, /* the head alone, with the embeddings it shares */
    MTP_NMODE
};

/* A head that was taken over from another model in memory: its values are those that a graft would have
 * stored first. */
struct convert_head {
    enum dtype type; /* of its tensors then; DT_COUNT: their own */
    bool absolute;   /* its norms lack the difference from 1 */
};

/* One file of those that are made. */
struct convert_rung {
    const char *out; /* output path; with a trailing '/', or an existing folder: the file is named by rule */
    const char *tag; /* its type as the user wrote it, for {type} in out; NULL: as its name says it */
    const char *label; /* put before its notes and errors; NULL when it is the only one */
    enum dtype type;   /* F32, F16, BF16 or Q8_0; DT_COUNT: by the source's own type */
    const struct quantize_options *quantize; /* then quantized by a recipe, type DT_COUNT; NULL: not */
    enum mtp_mode mtp;
};

struct convert_options {
    const struct convert_rung *rungs; /* one file or more, all from one reading of the source */
    size_t nrung;
    const struct convert_head *head;             /* NULL: the source's own */
    bool mmproj;                                 /* the vision tower instead of the text model */
    uint64_t split_max_bytes, split_max_tensors; /* 0: no limit */
    const char *name;                            /* general.name; NULL: by the rules of authorship */
    const char *pre;                             /* tokenizer.ggml.pre; NULL: detected */
    const struct authorship_overrides *overrides;
    const char *const *allow_unknown; /* shell patterns of source names to leave out when unknown */
    size_t nallow_unknown;
    bool allow_requantize; /* sources that are quantized already */
};

/* Fills an empty plan. The source, opened by canon_open, must outlive it. E_FORMAT for a checkpoint that
 * contradicts itself or its config, E_UNSUPPORTED for an architecture, type or quantization that is not
 * handled. */
enum status convert_to_gguf(struct plan *plan, struct source *source, const struct convert_options *o,
                            struct err *err);

#endif
