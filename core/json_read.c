/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pull reader: one pass, no recursion. Its memory is one decoded string and, for every object that is
 * open, a set of its keys' 64-bit hashes. Two different keys of one object collide with a probability
 * below 1e-6 even among millions; that would be a false refusal, which the next run's seed lifts.
 */
#include "core/hash.h"
#include "core/json_int.h"

#define KEYS_MIN  16 /* slots of a new set */
#define KEYS_KEPT 64 /* a larger set is freed with its object, so that clearing stays cheap */

struct json_reader *json_reader_new(const char *text, size_t n, const char *name)
{
    struct json_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->text = text;
    r->n = n;
    r->name = name;
    buf_init(&r->decoded, n);
    return r;
}

void json_reader_free(struct json_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < JSON_MAX_DEPTH; i++)
        free(r->keys[i].slot);
    buf_free(&r->decoded);
    free(r);
}

void json_reader_set_base(struct json_reader *r, uint64_t off)
{
    r->base = off;
}

void json_reader_allow_nan(struct json_reader *r)
{
    r->allow_nan = true;
}

struct slice json_token_text(const struct json_reader *r)
{
    return r->token_text;
}

uint64_t json_token_offset(const struct json_reader *r)
{
    return r->base + r->token_off;
}

double json_token_number(const struct json_reader *r)
{
    return r->number;
}

/* ---- keys of an object ---- */

static uint64_t *keys_probe(const struct json_keys *k, uint64_t hash)
{
    size_t i = hash & (k->nslot - 1);

    while (k->slot[i] && k->slot[i] != hash)
        i = (i + 1) & (k->nslot - 1);
    return &k->slot[i];
}

static bool keys_grow(struct json_keys *k)
{
    struct json_keys bigger = {.n = k->n, .nslot = k->nslot ? 2 * k->nslot : KEYS_MIN};

    bigger.slot = calloc(bigger.nslot, sizeof *bigger.slot);
    if (!bigger.slot)
        return false;
    for (size_t i = 0; i < k->nslot; i++)
        if (k->slot[i])
            *keys_probe(&bigger, k->slot[i]) = k->slot[i];
    free(k->slot);
    *k = bigger;
    return true;
}

/* Adds a key; *is_new says whether the set lacked it. False when out of memory. */
static bool keys_add(struct json_keys *k, struct slice key, bool *is_new)
{
    uint64_t hash = hash_seeded(key.p, key.n);

    if (hash == 0)
        hash = 1;
    if ((k->n + 1) * 4 > k->nslot * 3 && !keys_grow(k))
        return false;
    uint64_t *slot = keys_probe(k, hash);
    *is_new = *slot == 0;
    if (*is_new)
        k->n++;
    *slot = hash;
    return true;
}

static void keys_clear(struct json_keys *k)
{
    if (k->nslot > KEYS_KEPT) {
        free(k->slot);
        *k = (struct json_keys){0};
    } else if (k->n) {
        memset(k->slot, 0, k->nslot * sizeof *k->slot);
        k->n = 0;
    }
}

/* ---- structure ---- */

static void skip_blanks(struct json_reader *r)
{
    while (r->pos < r->n) {
        char c = r->text[r->pos];

        if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
            break;
        r->pos++;
    }
}

static enum status open_container(struct json_reader *r, bool is_object, struct err *err)
{
    if (r->depth == JSON_MAX_DEPTH)
        return json_fail_at(r, r->pos, err, "value: nested deeper than %d levels", JSON_MAX_DEPTH);
    r->is_object[r->depth] = is_object;
    r->depth++;
    r->pos++;
    r->expect = is_object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return OK;
}

static void value_done(struct json_reader *r)
{
    r->expect = r->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

static enum json_token close_container(struct json_reader *r)
{
    bool is_object = r->is_object[r->depth - 1];

    r->depth--;
    r->pos++;
    if (is_object)
        keys_clear(&r->keys[r->depth]);
    value_done(r);
    return is_object ? JSON_OBJECT_END : JSON_ARRAY_END;
}

static enum status read_key(struct json_reader *r, struct err *err)
{
    bool is_new;

    if (r->text[r->pos] != '"')
        return json_fail_at(r, r->pos, err, "key: a string must stand here");
    enum status s = json_lex_string(r, err);
    if (s != OK)
        return s;
    if (!keys_add(&r->keys[r->depth - 1], r->token_text, &is_new))
        return fail_nomem(err);
    if (!is_new)
        return json_fail_at(r, r->token_off, err, "key \"%.*s\": appears twice in one object",
                            (int)min_u64(r->token_text.n, JSON_SHOWN_MAX), r->token_text.p);
    skip_blanks(r);
    if (r->pos == r->n || r->text[r->pos] != ':')
        return json_fail_at(r, r->pos, err, "key \"%.*s\": no ':' follows",
                            (int)min_u64(r->token_text.n, JSON_SHOWN_MAX), r->token_text.p);
    r->pos++;
    r->expect = EXPECT_VALUE;
    return OK;
}

static bool read_word(struct json_reader *r, enum json_token *token)
{
    static const struct {
        const char *word;
        enum json_token token;
    } words[] = {{"true", JSON_TRUE}, {"false", JSON_FALSE}, {"null", JSON_NULL}};

    for (size_t w = 0; w < ARRAY_LEN(words); w++) {
        if (!json_spells(r, r->pos, words[w].word))
            continue;
        r->pos += strlen(words[w].word);
        *token = words[w].token;
        return true;
    }
    return false;
}

static enum status read_value(struct json_reader *r, enum json_token *token, struct err *err)
{
    unsigned char c = (unsigned char)r->text[r->pos];
    enum status s = OK;

    if (c == '{' || c == '[') {
        *token = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        return open_container(r, c == '{', err);
    }
    if (c == '"') {
        *token = JSON_STRING;
        s = json_lex_string(r, err);
    } else if (json_lex_nan(r)) {
        *token = JSON_NUMBER;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        *token = JSON_NUMBER;
        s = json_lex_number(r, err);
    } else if (r->pos == 0 && json_spells(r, 0, "\xEF\xBB\xBF")) {
        s = json_fail_at(r, 0, err, "text: a byte order mark is not allowed");
    } else if (r->pos == 0 && json_spells(r, 0, "version https://git-lfs")) {
        s = json_fail_at(r, 0, err, "text: is a git-LFS pointer to the file (fetch it with: git lfs pull)");
    } else if (!read_word(r, token)) {
        s = json_fail_at(r, r->pos, err, "value: byte 0x%02x starts none", c);
    }
    if (s == OK)
        value_done(r);
    return s;
}

/* Takes the comma after an item; the state then expects the next one. */
static void take_comma(struct json_reader *r)
{
    if (r->expect != EXPECT_COMMA_OR_END || r->pos == r->n || r->text[r->pos] != ',')
        return;
    r->expect = r->is_object[r->depth - 1] ? EXPECT_KEY : EXPECT_VALUE;
    r->pos++;
    skip_blanks(r);
}

enum status json_next(struct json_reader *r, enum json_token *token, struct err *err)
{
    skip_blanks(r);
    take_comma(r);
    r->token_off = r->pos;
    r->token_text = (struct slice){0};
    if (r->pos == r->n) {
        if (r->expect != EXPECT_NOTHING)
            return json_fail_at(r, r->pos, err, r->n ? "text: ends too early" : "text: is empty");
        *token = JSON_END;
        return OK;
    }

    char c = r->text[r->pos];
    if (r->expect == EXPECT_NOTHING)
        return json_fail_at(r, r->pos, err, "text: byte 0x%02x follows the complete value", (unsigned char)c);
    bool may_end = r->expect == EXPECT_VALUE_OR_END || r->expect == EXPECT_KEY_OR_END ||
                   r->expect == EXPECT_COMMA_OR_END;
    if (may_end && c == (r->is_object[r->depth - 1] ? '}' : ']')) {
        *token = close_container(r);
        return OK;
    }
    if (r->expect == EXPECT_COMMA_OR_END)
        return json_fail_at(r, r->pos, err, "%s: byte 0x%02x where ',' or '%c' must stand",
                            r->is_object[r->depth - 1] ? "object" : "array", (unsigned char)c,
                            r->is_object[r->depth - 1] ? '}' : ']');
    if (r->expect == EXPECT_KEY || r->expect == EXPECT_KEY_OR_END) {
        *token = JSON_KEY;
        return read_key(r, err);
    }
    return read_value(r, token, err);
}

enum status json_skip(struct json_reader *r, enum json_token token, struct err *err)
{
    if (token != JSON_OBJECT && token != JSON_ARRAY)
        return OK;
    unsigned outside = r->depth - 1;
    while (r->depth > outside) {
        enum status s = json_next(r, &token, err);

        if (s != OK)
            return s;
    }
    return OK;
}
