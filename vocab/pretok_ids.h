/* SPDX-License-Identifier: Apache-2.0 */
/* The fingerprint of a tokenizer: the ids of the fixed string, printed and hashed. */
#ifndef VOCAB_PRETOK_IDS_H
#define VOCAB_PRETOK_IDS_H

#include "vocab/tokenizer.h"
#include "core/sha256.h"

/* How a pre-tokenizer cuts the fixed string; see pretok.def. */
struct split {
    const char *lengths; /* of the pieces in bytes: "34 4 1*50" */
    bool whitespace;     /* added tokens may cut the leading white space */
};

/* t with its added tokens complete; config is tokenizer_config.json or NULL. E_UNSUPPORTED when an added
 * token cuts the string where the split is not known; E_FORMAT. */
enum status pretok_hash(const struct tokenizer *t, const struct json *config, const struct split *split,
                        char out[SHA256_HEX], struct err *err);

/* The fixed string. */
struct slice pretok_text(void);

/* A node's "type", "" when it has none; and a switch of it. */
const char *json_type_of(const struct json *v);
bool json_is_true(const struct json *v, const char *key, bool missing);

#endif
