/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SentencePiece models (tokenizer.model): the pieces of a ModelProto, straight from and to protobuf's wire
 * format. Source: sentencepiece_model.proto, fields pieces = 1 {piece = 1, score = 2, type = 3},
 * trainer_spec = 2 and normalizer_spec = 3. Reading skips all but the pieces.
 */
#ifndef FORMATS_SPM_H
#define FORMATS_SPM_H

#include "core/arena.h"
#include "core/str.h"

#define SPM_MAX_BYTES (256 * MIB)

/* The numbers are the file format's. */
enum spm_type {
    SPM_NORMAL = 1,
    SPM_UNKNOWN = 2,
    SPM_CONTROL = 3,
    SPM_USER_DEFINED = 4,
    SPM_UNUSED = 5,
    SPM_BYTE = 6,
};

struct spm_piece {
    struct slice text; /* UTF-8, not empty */
    float score;       /* no NaN */
    enum spm_type type;
};

struct spm {
    struct spm_piece *piece; /* by id */
    size_t n;
};

/* Reads path; the pieces lie in the arena. E_FORMAT, E_LIMIT, E_IO. */
enum status spm_read(struct spm *out, const char *path, struct arena *arena, struct err *err);

/* The same from bytes; name starts the errors. */
enum status spm_parse(struct spm *out, struct slice bytes, const char *name, struct arena *arena,
                      struct err *err);

#define SPM_NO_ID UINT32_MAX

struct spm_settings {
    bool add_dummy_prefix, remove_extra_whitespaces;
    uint32_t unk, bos, eos, pad; /* ids of pieces, or SPM_NO_ID */
};

/* Appends a byte-pair model with those pieces, whose scores rank the merges. */
void spm_write(const struct spm *spm, const struct spm_settings *settings, struct buf *out);

#endif
