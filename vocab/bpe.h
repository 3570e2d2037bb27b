/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-level BPE over short pieces of text: what the fingerprint of a pre-tokenizer needs, no more. Bytes
 * become characters by GPT-2's table; the leftmost pair of lowest rank is merged until none is left.
 */
#ifndef VOCAB_BPE_H
#define VOCAB_BPE_H

#include "vocab/tokenizer.h"

#define BPE_MAX_PIECE 512 /* bytes */

/* The character that stands for a byte, and back: false when cp stands for none. */
uint32_t bpe_char(unsigned char byte);
bool bpe_byte(uint32_t cp, unsigned char *byte);

struct bpe {
    const struct tokenizer *t; /* borrowed */
    struct map by_pair;        /* "left right" -> index of its first merge */
    uint32_t *rank;            /* by that index */
};

/* Indexes the merges. On failure there is nothing to free. */
enum status bpe_init(struct bpe *b, const struct tokenizer *t, struct err *err);
void bpe_free(struct bpe *b);

/* Appends the ids of one piece (n <= BPE_MAX_PIECE bytes) to ids, which has room for n more. A byte whose
 * character the vocabulary lacks is left out. E_FORMAT when a merge gives a text without an id. */
enum status bpe_encode(const struct bpe *b, struct slice piece, uint32_t *ids, size_t *nid, struct err *err);

#endif
