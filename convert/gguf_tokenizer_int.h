/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that tell a tokenizer from a GGUF file share. */
#ifndef CONVERT_GGUF_TOKENIZER_INT_H
#define CONVERT_GGUF_TOKENIZER_INT_H

#include "convert/gguf_tokenizer.h"
#include "vocab/vocab.h"

#define KEY(name) "tokenizer.ggml." name

struct writing {
    const struct source *source;
    const struct meta *meta;
    struct gguf_tokenizer_files *out;
    struct notes *notes;
    struct arena arena;
    struct slice *token;       /* by id */
    const unsigned char *type; /* i32 each; NULL: all are normal */
    size_t n;
    bool listed_apart; /* added tokens are not in the model's vocabulary, but follow it without a hole */
};

/* Of a token, as GGUF numbers them: enum token_type. */
int32_t gguf_token_type(const struct writing *t, size_t id);

/* The token whose id a key gives; false when there is none. */
bool gguf_token_named(const struct writing *t, const char *key, uint64_t *id, struct slice *text);

/* ---- gguf_spm.c: vocabularies with scores ---- */

/* tokenizer.model. E_FORMAT for scores that do not fit the tokens. */
enum status gguf_spm_write(struct writing *t, struct err *err);

/* What tokenizer_config.json says of such a vocabulary: the tokens that were added to it. */
void gguf_spm_put_config(const struct writing *t, struct json_writer *w);

#endif
