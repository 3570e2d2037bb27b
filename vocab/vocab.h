/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tokenizer of a checkpoint as GGUF metadata (tokenizer.*): tokens, types, scores, merges, special
 * tokens, flags and chat templates, key for key what llama.cpp's converter writes.
 */
#ifndef VOCAB_VOCAB_H
#define VOCAB_VOCAB_H

#include "arch/arch.h"
#include "core/notes.h"
#include "formats/source.h"

/* Token types as GGUF numbers them. */
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,
    TOKEN_USER_DEFINED = 4,
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6,
};

/* Of tokens that lists beside a SentencePiece model add to it. */
#define VOCAB_SCORE_ADDED (-1000.0f)

struct vocab_in {
    struct source *source;     /* for the files beside it */
    const struct json *config; /* config.json's root; its text_config is asked second */
    uint64_t vocab_size;       /* of the model, 0 for the number of tokens */
    enum vocab_kind kind;
    const char *pre; /* the pre-tokenizer's name, or NULL to find it */
};

/* Appends the keys to out, in order. E_USAGE for a name in `pre` that no loader knows; E_FORMAT and E_LIMIT
 * for the files' contents; E_UNSUPPORTED for a tokenizer of another kind or an unknown pre-tokenizer. */
enum status vocab_write(const struct vocab_in *in, struct meta *out, struct notes *notes, struct err *err);

#endif
