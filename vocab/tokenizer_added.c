/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens beside the model's own vocabulary: listed in tokenizer.json or known to tokenizer_config.json. */
#include "vocab/tokenizer.h"

bool tokenizer_find(const struct tokenizer *t, struct slice text, uint32_t *id)
{
    uint32_t at = map_find(&t->added_by_text, text);

    if (at != MAP_NONE) {
        *id = t->added[at].id;
        return true;
    }
    at = map_find(&t->by_text, text);
    if (at != MAP_NONE)
        *id = t->id[at];
    return at != MAP_NONE;
}

static enum status append(struct tokenizer *t, const char *text, uint32_t id, struct err *err)
{
    struct added_token a = {.id = id};
    uint32_t existing;

    a.text.p = arena_strdup(&t->arena, text);
    if (!a.text.p || !arena_grow(&t->arena, (void **)&t->added, t->nadded, &t->added_cap, sizeof *t->added))
        return fail_nomem(err);
    a.text.n = strlen(text);
    if (!map_add(&t->added_by_text, a.text, (uint32_t)t->nadded, &existing))
        return fail_nomem(err);
    t->added[t->nadded++] = a;
    return OK;
}

static bool flag(const struct json *v, const char *key, bool missing)
{
    bool b = missing;

    json_bool(json_get(v, key), &b);
    return b;
}

static void set_flags(struct added_token *a, const struct json *v)
{
    a->special = flag(v, "special", false);
    a->normalized = flag(v, "normalized", !a->special);
    a->trims = flag(v, "lstrip", false) || flag(v, "rstrip", false) || flag(v, "single_word", false);
}

static enum status add_listed(struct tokenizer *t, const struct json *v, struct err *err)
{
    const char *content = json_str(json_get(v, "content"));
    const struct json *idv = json_get(v, "id");
    uint32_t other;
    int64_t id;

    if (!content || !json_written_as_int(idv) || !json_int(idv, &id) || id < 0)
        return fail(err, E_FORMAT, "%s: added_tokens: an entry needs a content and an id of at least 0",
                    t->path);
    if ((uint64_t)id >= TOKENIZER_MAX_TOKENS)
        return fail(err, E_LIMIT, "%s: added_tokens: id=%" PRId64 ": ids must be below %" PRIu64, t->path, id,
                    TOKENIZER_MAX_TOKENS);
    if (tokenizer_find(t, slice_of(content), &other) && other != (uint32_t)id)
        return fail(err, E_FORMAT,
                    "%s: added_tokens: token=%s: its id is %" PRId64 " here and %" PRIu32 " elsewhere",
                    t->path, content, id, other);
    if (content[0] == '\0' || map_find(&t->added_by_text, slice_of(content)) != MAP_NONE)
        return OK;
    enum status s = append(t, content, (uint32_t)id, err);
    if (!s) {
        set_flags(&t->added[t->nadded - 1], v);
        t->added[t->nadded - 1].in_file = true;
    }
    return s;
}

enum status tokenizer_add_listed(struct tokenizer *t, struct err *err)
{
    enum status s = OK;

    for (const struct json *v = json_first(t->added_tokens); v && !s; v = json_after(v))
        s = add_listed(t, v, err);
    return s;
}

/* One entry of added_tokens_decoder. A text that is known keeps its id, whatever the key says. */
static enum status add_decoder_entry(struct tokenizer *t, const struct json *v, struct err *err)
{
    const char *content = json_str(json_get(v, "content"));
    uint64_t id;
    uint32_t known;

    if (!content)
        return fail(err, E_FORMAT, "tokenizer_config.json: added_tokens_decoder: key=%s: no content",
                    json_key(v));
    if (!json_lexeme_u64(slice_of(json_key(v)), &id) || id >= TOKENIZER_MAX_TOKENS)
        return fail(err, E_FORMAT,
                    "tokenizer_config.json: added_tokens_decoder: key=%s: no id below %" PRIu64, json_key(v),
                    TOKENIZER_MAX_TOKENS);
    if (content[0] == '\0')
        return OK;
    uint32_t at = map_find(&t->added_by_text, slice_of(content));
    if (at == MAP_NONE) {
        bool base = tokenizer_find(t, slice_of(content), &known);
        enum status s = append(t, content, base ? known : (uint32_t)id, err);

        if (s)
            return s;
        at = (uint32_t)t->nadded - 1;
    }
    set_flags(&t->added[at], v);
    t->added[at].in_decoder = true;
    return OK;
}

/* The id that a text new to every list gets: behind all others. */
static uint32_t next_id(const struct tokenizer *t)
{
    uint32_t next = (uint32_t)t->ntoken;

    for (size_t i = 0; i < t->nadded; i++)
        if (t->added[i].id >= next)
            next = t->added[i].id + 1;
    return next;
}

static enum status add_special(void *ctx, const char *text, struct err *err)
{
    struct tokenizer *t = ctx;
    uint32_t at = map_find(&t->added_by_text, slice_of(text)), id;

    if (text[0] == '\0')
        return OK;
    if (at != MAP_NONE) {
        // the library registers again, as special, only what the decoder list holds
        if (t->added[at].in_decoder)
            t->added[at].special = true;
        return OK;
    }
    if (!tokenizer_find(t, slice_of(text), &id))
        id = next_id(t);
    enum status s = append(t, text, id, err);
    if (!s)
        t->added[t->nadded - 1].special = true;
    return s;
}

enum status tokenizer_add_config(struct tokenizer *t, const struct json *config, struct err *err)
{
    const struct json *decoder = json_get(config, "added_tokens_decoder");
    enum status s = OK;

    if (decoder && json_kind(decoder) != JSON_K_OBJECT && json_kind(decoder) != JSON_K_NULL)
        return fail(err, E_FORMAT, "tokenizer_config.json: added_tokens_decoder is %s, not an object",
                    json_kind_name(json_kind(decoder)));
    for (const struct json *v = json_first(decoder); v && !s; v = json_after(v))
        s = add_decoder_entry(t, v, err);
    return s ? s : tokenizer_each_special(config, add_special, t, err);
}

const char *tokenizer_special_text(const struct json *entry)
{
    const char *text = json_str(entry);

    return text ? text : json_str(json_get(entry, "content"));
}

/* What tokenizer classes assume for keys that tokenizer_config.json does not have at all. */
static const char *class_default(const struct json *config, const char *key)
{
    static const struct {
        const char *class, *key, *text;
    } defaults[] = {
        {"LlamaTokenizer", "bos_token", "<s>"},           {"LlamaTokenizer", "eos_token", "</s>"},
        {"LlamaTokenizer", "unk_token", "<unk>"},         {"Qwen2Tokenizer", "unk_token", "<|endoftext|>"},
        {"Qwen2Tokenizer", "eos_token", "<|endoftext|>"}, {"Qwen2Tokenizer", "pad_token", "<|endoftext|>"},
        {"GPT2Tokenizer", "unk_token", "<|endoftext|>"},  {"GPT2Tokenizer", "bos_token", "<|endoftext|>"},
        {"GPT2Tokenizer", "eos_token", "<|endoftext|>"},
    };
    const char *class = json_str(json_get(config, "tokenizer_class"));

    if (!class || json_get(config, key))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(defaults); i++) {
        size_t n = strlen(defaults[i].class);

        if (strncmp(class, defaults[i].class, n) == 0 && (!class[n] || strcmp(class + n, "Fast") == 0) &&
            strcmp(key, defaults[i].key) == 0)
            return defaults[i].text;
    }
    return NULL;
}

/* All tokens of a list, or of an object whose keys name them. */
static enum status visit_list(const struct json *list, tokenizer_visit *visit, void *ctx, struct err *err)
{
    enum status s = OK;

    for (const struct json *v = json_first(list); v && !s; v = json_after(v)) {
        const char *text = tokenizer_special_text(v);

        if (text)
            s = visit(ctx, text, err);
    }
    return s;
}

enum status tokenizer_each_special(const struct json *config, tokenizer_visit *visit, void *ctx,
                                   struct err *err)
{
    static const char *const keys[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(keys) && !s; i++) {
        const char *text = tokenizer_special_text(json_get(config, keys[i]));

        if (!text)
            text = class_default(config, keys[i]);
        if (text)
            s = visit(ctx, text, err);
    }
    if (!s)
        s = visit_list(json_get(config, "additional_special_tokens"), visit, ctx, err);
    return s ? s : visit_list(json_get(config, "extra_special_tokens"), visit, ctx, err);
}
