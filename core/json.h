/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, strict: RFC 8259, valid UTF-8, no NUL in strings, no duplicate keys, depth <= 64, numbers that
 * a double can hold. Three views: a pull reader that builds nothing (large headers), a tree (libcjson,
 * built only after the strict scan accepted the text), and a writer.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include "core/str.h"

#define JSON_MAX_DEPTH 64

/* ---- pull reader ---- */

enum json_token {
    JSON_END, /* of the document */
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_reader;

/* text is borrowed and need not be terminated; name (borrowed) starts every error: "name:offset: ...". */
struct json_reader *json_reader_new(const char *text, size_t n, const char *name);
void json_reader_free(struct json_reader *r); /* NULL is legal */

/* Where the text starts in its file: added to the offsets in errors and in json_token_offset(). */
void json_reader_set_base(struct json_reader *r, uint64_t off);

/* The next token. Duplicate keys, trailing bytes and all other defects are E_FORMAT. */
enum status json_next(struct json_reader *r, enum json_token *token, struct err *err);

/* Of the token just read: the decoded key or string, or a number's own characters. Borrowed until the
 * next json_next(). */
struct slice json_token_text(const struct json_reader *r);
uint64_t json_token_offset(const struct json_reader *r);

/* Skips the value that starts with the token just read (all of an object or array). */
enum status json_skip(struct json_reader *r, enum json_token token, struct err *err);

/* A number token as an unsigned integer: digits only, no sign, fraction, exponent or leading zero. */
bool json_lexeme_u64(struct slice number, uint64_t *v);

/* ---- tree ---- */

struct json; /* a value; children are borrowed from the root */

/* Python's NaN, Infinity and -Infinity are accepted as numbers when allow_nan is set. */
enum status json_parse(const char *text, size_t n, const char *name, bool allow_nan, struct json **out,
                       struct err *err);
/* file_load + json_parse (with allow_nan), max bytes. */
enum status json_load(const char *path, size_t max, struct json **out, struct err *err);
void json_free(struct json *v); /* of a root; NULL is legal */

enum json_kind { JSON_K_NULL, JSON_K_BOOL, JSON_K_NUMBER, JSON_K_STRING, JSON_K_ARRAY, JSON_K_OBJECT };
enum json_kind json_kind(const struct json *v);
const char *json_kind_name(enum json_kind k); /* "a number", "an object", ... */

/* NULL when v is NULL, is no object, or lacks the key. Linear: iterate large objects instead. */
const struct json *json_get(const struct json *v, const char *key);

/* Children of an object or array in document order: for (c = json_first(v); c; c = json_after(c)). */
const struct json *json_first(const struct json *v);
const struct json *json_after(const struct json *child);
const char *json_key(const struct json *child); /* NULL inside an array */
size_t json_count(const struct json *v);        /* of children; linear */

/* Typed views; each is false / NULL when v is NULL or of another kind. */
const char *json_str(const struct json *v);
bool json_num(const struct json *v, double *out);
bool json_bool(const struct json *v, bool *out);
bool json_int(const struct json *v, int64_t *out); /* whole number within +-2^53; 20.0 counts */
bool json_same(const struct json *a,
               const struct json *b);           /* equal but for the order of keys; NULL is itself */
bool json_written_as_int(const struct json *v); /* the text had neither fraction nor exponent */

/* ---- writer ---- */

/* Appends to a buf; commas and indentation are its business. Zero-initialise, set out. */
struct json_writer {
    struct buf *out;
    unsigned indent; /* blanks; 0: two */
    unsigned depth;
    bool has_item[JSON_MAX_DEPTH];
    bool after_key;
};

void json_open(struct json_writer *w, char bracket); /* '{' or '[' */
void json_close(struct json_writer *w, char bracket);
void json_put_key(struct json_writer *w, const char *key);
void json_put_str(struct json_writer *w, const char *s);
void json_put_strn(struct json_writer *w, const char *s, size_t n); /* invalid UTF-8 as U+FFFD */
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_f64(struct json_writer *w, double v); /* shortest that reads back; null for NaN, Inf */
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_tree(struct json_writer *w, const struct json *v); /* a parsed value again */

/* ---- editing ---- */

/* A member to set: the value is JSON text; NULL takes the member out. A list ends with a NULL key. */
struct json_member {
    const char *key, *value;
};

/* Sets members of the object that the keys of `path` (NULL at the end) lead to, within a text. A value that
 * is there is replaced where it stands; new members follow the last one, spaced as their neighbours are.
 * Every other byte stays. E_FORMAT for a text that is no JSON, or has no such object; `name` starts the
 * errors. On failure the text is as it was. */
enum status json_edit(struct buf *text, const char *name, const char *const *path,
                      const struct json_member *members, struct err *err);

/* Version of the library behind the tree: "1.7.15". */
const char *json_library(void);

#endif
