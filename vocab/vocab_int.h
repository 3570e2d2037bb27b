/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of vocab_write() share. */
#ifndef VOCAB_VOCAB_INT_H
#define VOCAB_VOCAB_INT_H

#include "vocab/tokenizer.h"
#include "vocab/vocab.h"

/* One run of vocab_write(). */
struct vocab {
    const struct vocab_in *in;
    struct meta *out;
    struct notes *notes;
    struct arena arena;        /* freed at its end */
    const struct json *config; /* tokenizer_config.json; NULL when there is none, or an empty one */
    struct tokenizer *tok;     /* tokenizer.json, or NULL */
};

struct token_list {
    struct slice *text; /* a NULL p: no token has that id */
    int32_t *type;
    float *score; /* NULL: none are written */
    size_t n;
    size_t nleft_out; /* tokens whose ids were too large */
};

/* n empty slots in v's arena; E_LIMIT over TOKENIZER_MAX_TOKENS. */
enum status vocab_list_init(struct vocab *v, struct token_list *l, uint64_t n, bool scores, struct err *err);

/* Writes tokens, scores and types. Two ids with one text are E_FORMAT: loaders stop at them. */
enum status vocab_put_list(struct vocab *v, const struct token_list *l, struct err *err);

/* Whether an added token has the looks of a control token. */
bool vocab_looks_special(struct slice text);

/* A copy of text with every U+2581 as a blank; p is NULL when out of memory. */
struct slice vocab_plain_blanks(struct arena *a, struct slice text);

/* The kinds. vocab_put_llama_hf leaves *done false, and writes nothing, when tokenizer.json is of another
 * kind. */
enum status vocab_put_bpe(struct vocab *v, struct err *err);
enum status vocab_put_spm(struct vocab *v, const char *model_path, struct err *err);
enum status vocab_put_llama_hf(struct vocab *v, bool *done, struct err *err);

/* Special tokens: which types are examined, and ids that the converter knows for itself. */
struct special_request {
    uint64_t n_vocab; /* ids from here on are skipped; 0 for no limit */
    bool fim;         /* the types prefix, suffix, middle, fsep and eot instead of bos ... mask */
    uint32_t eot;     /* with fim: the eot id unless a file names one */
};

/* Writes special token ids, add_*_token, chat templates and normalizer flags. */
enum status vocab_put_specials(struct vocab *v, const struct special_request *req, struct err *err);

/* Writes the chat templates of the folder; needs v->config. */
enum status vocab_put_chat(struct vocab *v, struct err *err);

#endif
