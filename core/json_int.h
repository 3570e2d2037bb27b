/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the JSON code share beyond core/json.h; for core/json*.c only. */
#ifndef CORE_JSON_INT_H
#define CORE_JSON_INT_H

#include "core/json.h"

#define JSON_SHOWN_MAX 120 /* bytes of a key or number in a message */

enum json_expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* after '[' */
    EXPECT_KEY,
    EXPECT_KEY_OR_END, /* after '{' */
    EXPECT_COMMA_OR_END,
    EXPECT_NOTHING,
};

/* Hashes of the keys of one open object. Open addressing; 0 marks an empty slot. */
struct json_keys {
    uint64_t *slot;
    size_t n, nslot;
};

struct json_reader {
    const char *text;
    size_t n, pos;
    const char *name;
    uint64_t base;
    bool allow_nan;
    enum json_expect expect;
    unsigned depth;
    bool is_object[JSON_MAX_DEPTH];
    struct json_keys keys[JSON_MAX_DEPTH];
    struct buf decoded; /* a string that had escapes, or a number's terminated copy */
    size_t token_off;
    struct slice token_text;
    double number;
};

/* "name:offset: " and fmt, which says "what: reason". E_FORMAT. */
enum status json_fail_at(const struct json_reader *r, size_t off, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Whether the text at off spells the word; what follows it is for the next token to judge. */
bool json_spells(const struct json_reader *r, size_t off, const char *word);

/* The string whose quote is at r->pos, decoded into token_text. */
enum status json_lex_string(struct json_reader *r, struct err *err);

/* The number that starts at r->pos, into token_text and number. */
enum status json_lex_number(struct json_reader *r, struct err *err);

/* NaN, Infinity or -Infinity at r->pos, where they are allowed. */
bool json_lex_nan(struct json_reader *r);

/* From now on those are JSON_NUMBER tokens. */
void json_reader_allow_nan(struct json_reader *r);

/* The value of the JSON_NUMBER token just read. */
double json_token_number(const struct json_reader *r);

/* Writes a value that is JSON text already. */
void json_put_raw(struct json_writer *w, const char *text);

#endif
