/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a model card: what YAML front matter or a JSON object holds, with the type YAML 1.1 gives a
 * scalar and its text as written. Everything lives in an arena; one value may hang in several places
 * (YAML aliases), so a value is never changed once it is shared.
 */
#ifndef CARD_CARD_H
#define CARD_CARD_H

#include "core/arena.h"

enum card_kind {
    CARD_NULL,
    CARD_BOOL,
    CARD_INT,
    CARD_FLOAT,
    CARD_STR,
    CARD_OTHER, /* a scalar that is none of these: a date, binary data, the merge key "<<" */
    CARD_LIST,
    CARD_MAP,
};

struct card_pair {
    const char *key; /* NULL in a list */
    const struct card *value;
};

struct card {
    enum card_kind kind;
    const char *text; /* of a scalar, as written; NULL for a list or map, or where there is none to give */
    double number;    /* of a bool (0 or 1), int or float */
    struct card_pair *pair;
    size_t n, cap;
};

/* NULL when out of memory. card_new_str copies. */
struct card *card_new(struct arena *arena, enum card_kind kind);
struct card *card_new_str(struct arena *arena, const char *text);

/* Adds to a list (key NULL) or map; key and value are borrowed. False when out of memory. */
bool card_append(struct arena *arena, struct card *to, const char *key, const struct card *value);

/* Sets kind and number of a plain (unquoted) scalar from c->text. Rules: YAML 1.1 as PyYAML's
 * safe_load resolves them (yes/no/on/off are bools, 1_000 and 1:30 are ints, 1e5 is a string). */
void card_resolve(struct card *c);

/* The value of a key; of several the last. NULL when c is no map or lacks it. */
const struct card *card_get(const struct card *c, const char *key);

/* Text of a string value; NULL for all else, NULL included. */
const char *card_str(const struct card *c);

/* What Python calls true: not null, false, zero, empty text, empty list or map. NULL is false. */
bool card_is_true(const struct card *c);

#endif
