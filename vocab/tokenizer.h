/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Hugging Face fast tokenizer in memory: tokenizer.json, and what tokenizer_config.json adds to its
 * vocabulary. Everything is held as the files have it; nothing is tokenized here.
 */
#ifndef VOCAB_TOKENIZER_H
#define VOCAB_TOKENIZER_H

#include "core/arena.h"
#include "core/json.h"
#include "core/map.h"

#define TOKENIZER_MAX_BYTES  (512 * MIB)         /* of tokenizer.json */
#define TOKENIZER_MAX_TOKENS ((uint64_t)1 << 22) /* ids stay below; the largest known have 2^18 */

struct added_token {
    struct slice text;
    uint32_t id;
    bool special, normalized;
    bool trims;      /* lstrip, rstrip or single_word */
    bool in_file;    /* listed in tokenizer.json's added_tokens */
    bool in_decoder; /* listed in tokenizer_config.json's added_tokens_decoder */
};

struct tokenizer {
    struct arena arena;
    const char *path;

    const char *type;    /* model.type, "" when there is none */
    struct slice *token; /* the model's vocabulary, in file order */
    uint32_t *id;        /* of token[i] */
    size_t ntoken;
    struct map by_text;  /* text -> index into token */
    struct slice *merge; /* "left right", by rank */
    size_t nmerge;
    bool byte_fallback, ignore_merges;
    bool affixes; /* a prefix or suffix marks parts of words */

    struct added_token *added; /* tokenizer.json's in file order, then the others */
    size_t nadded, added_cap;
    struct map added_by_text; /* text -> index into added */

    struct json *added_tokens, *normalizer, *pre_tokenizer, *post_processor, *decoder; /* NULL for null */
};

/* Reads tokenizer.json; with_model = false leaves the model's vocabulary and merges out. That no two texts
 * share an id is for those to check who lay out the list. On failure there is nothing to free. E_FORMAT,
 * E_LIMIT, E_IO. */
enum status tokenizer_load(struct tokenizer *t, const char *path, bool with_model, struct err *err);
void tokenizer_free(struct tokenizer *t);

/* Adds tokenizer.json's added_tokens; the last step of tokenizer_load(). */
enum status tokenizer_add_listed(struct tokenizer *t, struct err *err);

/* Adds what tokenizer_config.json (an object, or NULL) knows: added_tokens_decoder, and the special tokens
 * named there, as the tokenizer library does when it opens the folder. */
enum status tokenizer_add_config(struct tokenizer *t, const struct json *config, struct err *err);

/* Id of a text among the added tokens, else in the model's vocabulary; false when it is in neither. */
bool tokenizer_find(const struct tokenizer *t, struct slice text, uint32_t *id);

/* The text of a special token in tokenizer_config.json: a string, or an object's "content". NULL if none. */
const char *tokenizer_special_text(const struct json *entry);

/* Calls visit for each special token that tokenizer_config.json names: bos_token ... mask_token, then
 * additional_special_tokens and extra_special_tokens; and those that its tokenizer_class assumes. Stops at
 * the first status that is not OK and returns it. */
typedef enum status tokenizer_visit(void *ctx, const char *text, struct err *err);
enum status tokenizer_each_special(const struct json *config, tokenizer_visit *visit, void *ctx,
                                   struct err *err);

#endif
