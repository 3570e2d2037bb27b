/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pre-tokenizer's name (tokenizer.ggml.pre). Converters name it after the SHA-256 of the ids that the
 * whole tokenizer gives for one fixed string. The string being fixed, each known pre-tokenizer's split of it
 * is a constant (pretok.def), so that no regular expression is run here.
 */
#ifndef VOCAB_PRETOK_H
#define VOCAB_PRETOK_H

#include "vocab/tokenizer.h"
#include "core/notes.h"
#include "core/sha256.h"

struct pretok {
    const char *family; /* pretok.def's name of the row */
    const char *name;   /* for tokenizer.ggml.pre */
    bool by_hash;       /* the vocabulary is a known one; else name is the family's */
    char hash[SHA256_HEX];
};

/* Names the pre-tokenizer of t, whose added tokens are complete; config is tokenizer_config.json or NULL.
 * E_UNSUPPORTED with the fingerprint when its split is not known. */
enum status pretok_find(const struct tokenizer *t, const struct json *config, struct pretok *out,
                        struct err *err);

/* How vocabularies with the name in tokenizer.ggml.pre split text. */
struct pretok_kind {
    const char *const *step; /* canonical, see pretok.def; NULL ends */
    bool ignore_merges, nfc;
};

/* False for a name whose split is not known: then the kind is GPT-2's. */
bool pretok_by_name(struct slice name, struct pretok_kind *out);

/* Writes the value of tokenizer.json's pre_tokenizer, or one canonical step as an object: "bytes" serves as a
 * post-processor and decoder too. */
void pretok_put_step(const char *step, struct json_writer *w);
void pretok_put(const struct pretok_kind *k, struct json_writer *w);

/* The name in the table of hashes, or NULL; static. */
const char *pretok_by_hash(const char *hash);

/* E_USAGE, with the nearest name, unless loaders know the name for a byte-level vocabulary. */
enum status pretok_check_name(const char *name, struct err *err);

#endif
