/* SPDX-License-Identifier: Apache-2.0 */
#include "vocab/tokenizer.h"

#include "core/file.h"

/* State of one reading. */
struct loading {
    struct tokenizer *t;
    struct json_reader *r;
    struct buf text;
    bool with_model;
    size_t token_cap, id_cap, merge_cap;
};

static enum status fail_at(const struct loading *l, struct err *err, const char *what, const char *reason)
{
    return fail(err, E_FORMAT, "%s:%" PRIu64 ": %s: %s", l->t->path, json_token_offset(l->r), what, reason);
}

static enum status copy_text(struct loading *l, struct slice *out, struct err *err)
{
    struct slice text = json_token_text(l->r);

    out->p = arena_strndup(&l->t->arena, text.p, text.n);
    out->n = text.n;
    return out->p ? OK : fail_nomem(err);
}

/* The id in the number token just read. */
static enum status read_id(const struct loading *l, enum json_token token, uint32_t *id, struct err *err)
{
    struct slice text = json_token_text(l->r);
    uint64_t v;

    if (token != JSON_NUMBER || !json_lexeme_u64(text, &v))
        return fail_at(l, err, "model.vocab", "an id must be a number without sign or fraction");
    if (v >= TOKENIZER_MAX_TOKENS)
        return fail(err, E_LIMIT, "%s:%" PRIu64 ": model.vocab: id=%" PRIu64 ": ids must be below %" PRIu64,
                    l->t->path, json_token_offset(l->r), v, TOKENIZER_MAX_TOKENS);
    *id = (uint32_t)v;
    return OK;
}

static enum status read_vocab(struct loading *l, struct err *err)
{
    struct tokenizer *t = l->t;

    for (;;) {
        enum json_token token;
        struct slice text;
        uint32_t id = 0, existing;
        enum status s = json_next(l->r, &token, err);

        if (s || token == JSON_OBJECT_END)
            return s;
        if ((s = copy_text(l, &text, err)) || (s = json_next(l->r, &token, err)) ||
            (s = read_id(l, token, &id, err)))
            return s;
        if (!arena_grow(&t->arena, (void **)&t->token, t->ntoken, &l->token_cap, sizeof *t->token) ||
            !arena_grow(&t->arena, (void **)&t->id, t->ntoken, &l->id_cap, sizeof *t->id) ||
            !map_add(&t->by_text, text, (uint32_t)t->ntoken, &existing))
            return fail_nomem(err);
        t->token[t->ntoken] = text;
        t->id[t->ntoken++] = id;
    }
}

/* A pair ["a", "b"] as "a b", with a blank inside a part written as U+0120, its byte-level character. */
static enum status read_merge_pair(struct loading *l, struct slice *merge, struct err *err)
{
    struct buf b;
    enum status s = OK;
    enum json_token token;
    unsigned n = 0;

    buf_init(&b, l->text.n * 2 + 2);
    while (!(s = json_next(l->r, &token, err)) && token == JSON_STRING && n < 2) {
        struct slice part = json_token_text(l->r);

        if (n++)
            buf_add_char(&b, ' ');
        for (size_t i = 0; i < part.n; i++) {
            if (part.p[i] == ' ')
                buf_add_str(&b, "\xC4\xA0");
            else
                buf_add_char(&b, part.p[i]);
        }
    }
    if (!s && (token != JSON_ARRAY_END || n != 2))
        s = fail_at(l, err, "model.merges", "a merge must be a pair of strings");
    if (!s)
        s = buf_check(&b, "a merge", err);
    if (!s) {
        *merge = (struct slice){arena_strndup(&l->t->arena, b.p, b.n), b.n};
        s = merge->p ? OK : fail_nomem(err);
    }
    buf_free(&b);
    return s;
}

static enum status read_merges(struct loading *l, struct err *err)
{
    struct tokenizer *t = l->t;
    enum json_token form = JSON_END; /* of the first merge */

    for (;;) {
        enum json_token token;
        struct slice merge;
        enum status s = json_next(l->r, &token, err);

        if (s || token == JSON_ARRAY_END)
            return s;
        if (form == JSON_END)
            form = token;
        if (token != form || (token != JSON_STRING && token != JSON_ARRAY))
            return fail_at(l, err, "model.merges", "all merges must be strings, or all pairs of strings");
        s = token == JSON_STRING ? copy_text(l, &merge, err) : read_merge_pair(l, &merge, err);
        if (s)
            return s;
        if (!arena_grow(&t->arena, (void **)&t->merge, t->nmerge, &l->merge_cap, sizeof *t->merge))
            return fail_nomem(err);
        t->merge[t->nmerge++] = merge;
    }
}

static enum status read_model_value(struct loading *l, struct slice key, enum json_token token,
                                    struct err *err)
{
    struct tokenizer *t = l->t;
    bool affix = slice_eq(key, "continuing_subword_prefix") || slice_eq(key, "end_of_word_suffix");

    if (slice_eq(key, "vocab") && token == JSON_OBJECT && l->with_model)
        return read_vocab(l, err);
    if (slice_eq(key, "merges") && token == JSON_ARRAY && l->with_model)
        return read_merges(l, err);
    if (slice_eq(key, "type") && token == JSON_STRING) {
        struct slice type;
        enum status s = copy_text(l, &type, err);

        if (!s)
            t->type = type.p;
        return s;
    }
    if (slice_eq(key, "byte_fallback"))
        t->byte_fallback = token == JSON_TRUE;
    if (slice_eq(key, "ignore_merges"))
        t->ignore_merges = token == JSON_TRUE;
    if (affix && token == JSON_STRING && json_token_text(l->r).n)
        t->affixes = true;
    return json_skip(l->r, token, err);
}

#define KEY_MAX 64 /* longer than any key that is looked for */

/* The reader's text goes away with the next token. */
static void copy_key(const struct loading *l, char key[KEY_MAX])
{
    struct slice text = json_token_text(l->r);
    size_t n = min_u64(text.n, KEY_MAX - 1);

    memcpy(key, text.p, n);
    key[n] = '\0';
}

static enum status read_model(struct loading *l, struct err *err)
{
    for (;;) {
        enum json_token token;
        char key[KEY_MAX];
        enum status s = json_next(l->r, &token, err);

        if (s || token == JSON_OBJECT_END)
            return s;
        copy_key(l, key);
        if ((s = json_next(l->r, &token, err)) || (s = read_model_value(l, slice_of(key), token, err)))
            return s;
    }
}

/* A small part as a tree: the text from the token just read to the end of its value. */
static enum status read_tree(struct loading *l, enum json_token token, struct json **tree, struct err *err)
{
    uint64_t start = json_token_offset(l->r);
    enum status s = json_skip(l->r, token, err);

    if (s || (token != JSON_OBJECT && token != JSON_ARRAY))
        return s;
    return json_parse(l->text.p + start, json_token_offset(l->r) + 1 - start, l->t->path, false, tree, err);
}

static enum status read_top_value(struct loading *l, const char *key, enum json_token token, struct err *err)
{
    struct tokenizer *t = l->t;
    const struct {
        const char *key;
        struct json **tree;
    } trees[] = {
        {"added_tokens", &t->added_tokens},
        {"normalizer", &t->normalizer},
        {"pre_tokenizer", &t->pre_tokenizer},
        {"post_processor", &t->post_processor},
        {"decoder", &t->decoder},
    };

    for (size_t i = 0; i < ARRAY_LEN(trees); i++)
        if (strcmp(key, trees[i].key) == 0)
            return read_tree(l, token, trees[i].tree, err);
    if (strcmp(key, "model") == 0 && token == JSON_OBJECT)
        return read_model(l, err);
    return json_skip(l->r, token, err);
}

static enum status read_top(struct loading *l, struct err *err)
{
    enum json_token token;
    enum status s = json_next(l->r, &token, err);

    if (!s && token != JSON_OBJECT)
        return fail_at(l, err, "tokenizer", "it must be an object");
    while (!s) {
        char key[KEY_MAX];

        s = json_next(l->r, &token, err);
        if (s || token == JSON_OBJECT_END)
            break;
        copy_key(l, key);
        s = json_next(l->r, &token, err);
        if (!s)
            s = read_top_value(l, key, token, err);
    }
    return s ? s : json_next(l->r, &token, err); // trailing bytes
}

enum status tokenizer_load(struct tokenizer *t, const char *path, bool with_model, struct err *err)
{
    struct loading l = {.t = t, .with_model = with_model};

    *t = (struct tokenizer){.type = ""};
    arena_init(&t->arena, 0);
    buf_init(&l.text, TOKENIZER_MAX_BYTES);
    t->path = arena_strdup(&t->arena, path);
    enum status s = t->path ? file_load(path, &l.text, err) : fail_nomem(err);
    if (!s) {
        l.r = json_reader_new(l.text.p ? l.text.p : "", l.text.n, t->path);
        s = l.r ? read_top(&l, err) : fail_nomem(err);
    }
    if (!s)
        s = tokenizer_add_listed(t, err);
    json_reader_free(l.r);
    buf_free(&l.text);
    if (s)
        tokenizer_free(t);
    return s;
}

void tokenizer_free(struct tokenizer *t)
{
    json_free(t->added_tokens);
    json_free(t->normalizer);
    json_free(t->pre_tokenizer);
    json_free(t->post_processor);
    json_free(t->decoder);
    map_free(&t->by_text);
    map_free(&t->added_by_text);
    arena_free(&t->arena);
    *t = (struct tokenizer){.type = ""};
}
