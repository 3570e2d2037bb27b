/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Special token ids, add_*_token and normalizer flags, by the rules of llama.cpp's gguf-py (SpecialVocab):
 * what tokenizer.json's post-processor adds is read first and may rename special tokens, then
 * tokenizer_config.json gives texts, then config.json gives ids for what is still open.
 */
#include "vocab/vocab_int.h"

enum special {
    SP_BOS,
    SP_EOS,
    SP_UNK,
    SP_SEP,
    SP_PAD,
    SP_CLS,
    SP_MASK,
    SP_EOT,
    SP_EOM,
    SP_PREFIX,
    SP_SUFFIX,
    SP_MIDDLE,
    SP_FSEP,
    SP_COUNT
};

static const struct {
    const char *name;
    const char *id_key, *add_key; /* NULL: GGUF has none */
} types[SP_COUNT] = {
    [SP_BOS] = {"bos", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.add_bos_token"},
    [SP_EOS] = {"eos", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.add_eos_token"},
    [SP_UNK] = {"unk", "tokenizer.ggml.unknown_token_id", NULL},
    [SP_SEP] = {"sep", "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.add_sep_token"},
    [SP_PAD] = {"pad", "tokenizer.ggml.padding_token_id", NULL},
    [SP_CLS] = {"cls", NULL, NULL},
    [SP_MASK] = {"mask", "tokenizer.ggml.mask_token_id", NULL},
    [SP_EOT] = {"eot", "tokenizer.ggml.eot_token_id", NULL},
    [SP_EOM] = {"eom", "tokenizer.ggml.eom_token_id", NULL},
    [SP_PREFIX] = {"prefix", NULL, NULL},
    [SP_SUFFIX] = {"suffix", NULL, NULL},
    [SP_MIDDLE] = {"middle", NULL, NULL},
    [SP_FSEP] = {"fsep", NULL, NULL},
};

/* An entry such as "eos_token". Given as an object it equals no plain text, as in the reference. */
struct text {
    const char *s; /* NULL: none */
    bool object;
};

/* A set that remembers the order in which its members came. */
struct order {
    enum special item[SP_COUNT];
    size_t n;
};

struct specials {
    struct vocab *v;
    const struct special_request *req;
    struct order examined;
    struct text text[SP_COUNT]; /* tokenizer_config.json's, as changed by the post-processor */
    struct text sep;            /* as the post-processor knows it: not all changes reach it */
    struct order with_id, with_add;
    uint32_t id[SP_COUNT];
    bool add[SP_COUNT];
    int lowercase, strip_accents; /* -1: not said */
};

static bool put(struct order *o, enum special type)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->item[i] == type)
            return false;
    o->item[o->n++] = type;
    return true;
}

static void set_add(struct specials *s, enum special type, bool add)
{
    put(&s->with_add, type);
    s->add[type] = add;
}

static bool same(struct text t, const char *s)
{
    return t.s && !t.object && strcmp(t.s, s) == 0;
}

static struct text plain(const char *s)
{
    return (struct text){s, false};
}

/* ---- the post-processor ---- */

static const char *special_of(const struct json *item)
{
    const char *id = json_str(json_get(json_get(item, "SpecialToken"), "id"));

    return id && id[0] ? id : NULL;
}

static const struct json *item_at(const struct json *list, size_t at)
{
    const struct json *v = json_kind(list) == JSON_K_ARRAY ? json_first(list) : NULL;

    while (v && at--)
        v = json_after(v);
    return v;
}

static void read_first(struct specials *s, const char *first)
{
    struct text *bos = &s->text[SP_BOS], *cls = &s->text[SP_CLS];

    if (!s->v->config)
        *bos = plain(first);
    else if (!same(*bos, first) && !same(*cls, first)) {
        if (!bos->s)
            *bos = plain(first);
        if (!cls->s)
            *cls = plain(first);
    }
    set_add(s, SP_BOS, same(*bos, first) || same(*cls, first));
}

static void read_last(struct specials *s, const char *last)
{
    struct text *eos = &s->text[SP_EOS];

    if (s->v->config && !same(*eos, last)) {
        if (put(&s->examined, SP_EOT))
            s->text[SP_EOT] = *eos;
        else if (put(&s->examined, SP_EOM))
            s->text[SP_EOM] = *eos;
    }
    *eos = plain(last);
    set_add(s, SP_EOS, true);
}

/* "pair": A, one or two separators, B, inside the first and last token of "single". */
static void read_pair(struct specials *s, const struct json *pair, const char *first, const char *last)
{
    size_t n = json_count(pair), from = 0;
    const char *head = special_of(item_at(pair, 0)), *tail = n ? special_of(item_at(pair, n - 1)) : NULL;

    if (first && head && strcmp(head, first) == 0)
        from = 1;
    if (last && tail && strcmp(tail, last) == 0)
        n--;
    if (n < from + 3)
        return; // nothing between A and B
    const char *a = json_str(json_get(json_get(item_at(pair, from), "Sequence"), "id"));
    const char *b = json_str(json_get(json_get(item_at(pair, n - 1), "Sequence"), "id"));
    if (!a || !b || strcmp(a, "A") != 0 || strcmp(b, "B") != 0)
        return;
    const char *one = special_of(item_at(pair, from + 1));
    const char *two = n - from == 4 ? special_of(item_at(pair, from + 2)) : NULL;
    bool add = one && !last && (same(s->sep, one) || same(s->text[SP_EOS], one));

    if (two && (same(s->sep, two) || same(s->text[SP_EOS], two)))
        add = true;
    set_add(s, SP_SEP, add);
    if (add && !s->sep.s && s->v->config)
        s->text[SP_SEP] = s->text[SP_EOS];
}

static void read_template(struct specials *s, const struct json *processor)
{
    const struct json *single = json_get(processor, "single"), *pair = json_get(processor, "pair");
    const char *first = NULL, *last = NULL;
    size_t n = json_count(single);

    if (n > 1) {
        first = special_of(item_at(single, 0));
        last = special_of(item_at(single, n - 1));
    }
    if (first)
        read_first(s, first);
    if (last)
        read_last(s, last);
    if (pair)
        read_pair(s, pair, first, last);
}

static void read_roberta(struct specials *s, const struct json *processor)
{
    const char *cls = json_str(json_first(json_get(processor, "cls")));
    const char *sep = json_str(json_first(json_get(processor, "sep")));

    set_add(s, SP_BOS, true);
    set_add(s, SP_EOS, true);
    set_add(s, SP_SEP, true);
    if (!s->v->config)
        return;
    if (!s->text[SP_CLS].s)
        s->text[SP_CLS] = cls ? plain(cls) : s->text[SP_BOS];
    if (!s->sep.s)
        s->sep = s->text[SP_SEP] = sep ? plain(sep) : s->text[SP_EOS];
}

static void read_processor(struct specials *s, const struct json *processor)
{
    const char *type = json_str(json_get(processor, "type"));

    if (type && strcmp(type, "RobertaProcessing") == 0)
        read_roberta(s, processor);
    if (type && strcmp(type, "TemplateProcessing") == 0)
        read_template(s, processor);
}

static void read_post_processor(struct specials *s)
{
    const struct json *post = s->v->tok->post_processor, *list = json_get(post, "processors");

    if (!s->text[SP_BOS].s)
        s->text[SP_BOS] = s->text[SP_CLS];
    if (!s->text[SP_EOS].s)
        s->text[SP_EOS] = s->text[SP_SEP];
    s->sep = s->text[SP_SEP];
    if (!list)
        read_processor(s, post);
    for (const struct json *p = json_first(list); p; p = json_after(p))
        read_processor(s, p);
}

/* ---- the normalizer ---- */

static void read_normalizer(struct specials *s, const struct json *v)
{
    const char *type = json_str(json_get(v, "type"));
    bool b;

    if (!type)
        return;
    if (strcmp(type, "Lowercase") == 0)
        s->lowercase = true;
    else if (strcmp(type, "StripAccents") == 0)
        s->strip_accents = true;
    else if (strcmp(type, "BertNormalizer") == 0) {
        if (json_get(v, "lowercase"))
            s->lowercase = json_bool(json_get(v, "lowercase"), &b) ? b : -1;
        if (json_get(v, "strip_accents"))
            s->strip_accents = json_bool(json_get(v, "strip_accents"), &b) ? b : -1;
    } else if (strcmp(type, "Sequence") == 0) {
        for (const struct json *p = json_first(json_get(v, "normalizers")); p; p = json_after(p))
            read_normalizer(s, p);
    }
}

/* ---- ids ---- */

static enum status set_id(struct specials *s, enum special type, const struct json *v, struct err *err)
{
    int64_t id;
    const char *name = types[type].name;

    if (!v || !json_written_as_int(v))
        return OK; // null, or a list of several
    if (!json_int(v, &id) || id < 0 || id > UINT32_MAX)
        return fail(err, E_FORMAT, "config.json: %s_token_id: it must be from 0 to %" PRIu32, name,
                    UINT32_MAX);
    if (s->req->n_vocab && (uint64_t)id >= s->req->n_vocab)
        return notes_add(s->v->notes, err,
                         "special token %s: its id %" PRId64 " is not below the vocabulary's size %" PRIu64
                         " and was left out",
                         name, id, s->req->n_vocab);
    if (put(&s->with_id, type))
        s->id[type] = (uint32_t)id;
    return OK;
}

/* The id of the first entry of tokenizer.json's added_tokens with that text. */
static const struct json *listed_id(const struct vocab *v, const char *text)
{
    for (const struct json *a = json_first(v->tok ? v->tok->added_tokens : NULL); a; a = json_after(a)) {
        const char *content = json_str(json_get(a, "content"));

        if (content && strcmp(content, text) == 0)
            return json_get(a, "id");
    }
    return NULL;
}

static enum status read_ids(struct specials *s, struct err *err)
{
    const struct json *root = s->v->in->config, *inner = json_get(root, "text_config");
    enum status st = OK;
    char key[32];

    for (size_t i = 0; i < s->examined.n && s->v->config && !st; i++) {
        enum special type = s->examined.item[i];
        bool add;

        snprintf(key, sizeof key, "add_%s_token", types[type].name);
        if (json_bool(json_get(s->v->config, key), &add))
            set_add(s, type, add);
        if (s->text[type].s)
            st = set_id(s, type, listed_id(s->v, s->text[type].s), err);
    }
    for (size_t i = 0; i < s->examined.n && !st; i++) {
        enum special type = s->examined.item[i];

        snprintf(key, sizeof key, "%s_token_id", types[type].name);
        const struct json *id = json_get(root, key);
        if (!id || json_kind(id) == JSON_K_NULL)
            id = json_get(inner, key);
        st = set_id(s, type, id, err);
    }
    return st;
}

/* ---- writing ---- */

static enum status put_ids(struct specials *s, struct err *err)
{
    struct meta *out = s->v->out;
    enum status st = OK;

    for (size_t i = 0; i < s->with_id.n && !st; i++) {
        enum special type = s->with_id.item[i];

        if (types[type].id_key)
            st = meta_set_u32(out, types[type].id_key, s->id[type], err);
        else
            st = notes_add(s->v->notes, err, "special token %s (id %" PRIu32 ") has no key in GGUF",
                           types[type].name, s->id[type]);
    }
    for (size_t i = 0; i < s->with_add.n && !st; i++) {
        enum special type = s->with_add.item[i];

        if (types[type].add_key)
            st = meta_set_bool(out, types[type].add_key, s->add[type], err);
    }
    return st;
}

static enum status put_normalizer(struct specials *s, struct err *err)
{
    enum status st = OK;

    if (s->lowercase >= 0)
        st = meta_set_bool(s->v->out, "tokenizer.ggml.normalizer.lowercase", s->lowercase, err);
    if (!st && s->strip_accents >= 0)
        st = meta_set_bool(s->v->out, "tokenizer.ggml.normalizer.strip_accents", s->strip_accents, err);
    return st;
}

static void read_texts(struct specials *s)
{
    for (size_t i = 0; i < SP_COUNT; i++) {
        char key[32];

        snprintf(key, sizeof key, "%s_token", types[i].name);
        const struct json *entry = json_get(s->v->config, key);
        const char *text = tokenizer_special_text(entry);
        if (text && (text[0] || json_kind(entry) == JSON_K_OBJECT))
            s->text[i] = (struct text){text, json_kind(entry) == JSON_K_OBJECT};
    }
}

enum status vocab_put_specials(struct vocab *v, const struct special_request *req, struct err *err)
{
    static const enum special usual[] = {SP_BOS, SP_EOS, SP_UNK, SP_SEP, SP_PAD, SP_CLS, SP_MASK};
    static const enum special fim[] = {SP_PREFIX, SP_SUFFIX, SP_MIDDLE, SP_FSEP, SP_EOT};
    struct specials s = {.v = v, .req = req, .lowercase = -1, .strip_accents = -1};

    for (size_t i = 0; i < (req->fim ? ARRAY_LEN(fim) : ARRAY_LEN(usual)); i++)
        put(&s.examined, req->fim ? fim[i] : usual[i]);
    read_texts(&s);
    if (v->tok) {
        read_normalizer(&s, v->tok->normalizer);
        read_post_processor(&s);
    }
    enum status st = read_ids(&s, err);
    if (st)
        return st;
    if (req->fim && put(&s.with_id, SP_EOT))
        s.id[SP_EOT] = req->eot;
    st = put_ids(&s, err);
    if (!st && v->config)
        st = vocab_put_chat(v, err);
    return st ? st : put_normalizer(&s, err);
}
