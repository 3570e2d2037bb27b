/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/gguf_tokenizer.h"

#include <math.h>

#include "card/authorship.h"
#include "convert/gguf_config.h"
#include "convert/gguf_tokenizer_int.h"
#include "vocab/pretok.h"

static void put_str(struct json_writer *w, const char *key, const char *value)
{
    json_put_key(w, key);
    json_put_str(w, value);
}

static void put_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

static bool is_true(const struct writing *t, const char *key)
{
    const struct meta_kv *kv = meta_find(t->meta, key);

    return kv && kv->type == META_BOOL && kv->data[0];
}

/* ---- tokens ---- */

static enum status load_tokens(struct writing *t, struct err *err)
{
    const struct meta_kv *tokens = meta_find(t->meta, KEY("tokens"));
    const struct meta_kv *types = meta_find(t->meta, KEY("token_type"));
    uint64_t pos = 0;

    if (!tokens || tokens->type != META_ARRAY || tokens->elem != META_STR)
        return fail(err, E_FORMAT, "%s: " KEY("tokens") ": is no list of strings", t->source->path);
    if (tokens->count > TOKENIZER_MAX_TOKENS)
        return fail(err, E_LIMIT, "%s: " KEY("tokens") ": %" PRIu64 " tokens: must be at most %" PRIu64,
                    t->source->path, tokens->count, TOKENIZER_MAX_TOKENS);
    if (types && (types->type != META_ARRAY || types->elem != META_I32 || types->count != tokens->count))
        return fail(err, E_FORMAT, "%s: " KEY("token_type") ": is no list of %" PRIu64 " i32",
                    t->source->path, tokens->count);
    t->token = arena_array(&t->arena, tokens->count, sizeof *t->token);
    if (!t->token)
        return fail_nomem(err);
    while (t->n < tokens->count && meta_next_str(tokens, &pos, &t->token[t->n]))
        t->n++;
    t->type = types ? types->data : NULL;
    return OK;
}

int32_t gguf_token_type(const struct writing *t, size_t id)
{
    int32_t type = TOKEN_NORMAL;

    if (t->type)
        memcpy(&type, t->type + 4 * id, sizeof type);
    return type;
}

static bool is_added(const struct writing *t, size_t id)
{
    int32_t type = gguf_token_type(t, id);

    return type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED || type == TOKEN_UNKNOWN;
}

/* An id that no token has: the converter fills the list up. */
static bool is_hole(const struct writing *t, size_t id)
{
    char text[32];

    snprintf(text, sizeof text, "[PAD%zu]", id);
    return gguf_token_type(t, id) == TOKEN_UNUSED && slice_eq(t->token[id], text);
}

/* Libraries number added tokens that the model's vocabulary lacks from its size on. */
static bool follow_without_hole(const struct writing *t)
{
    size_t id = 0;

    while (id < t->n && !is_added(t, id) && !is_hole(t, id))
        id++;
    while (id < t->n && is_added(t, id))
        id++;
    while (id < t->n && is_hole(t, id))
        id++;
    return id == t->n;
}

/* The text of the token that a key's id names. */
bool gguf_token_named(const struct writing *t, const char *key, uint64_t *id, struct slice *text)
{
    if (!meta_u64(meta_find(t->meta, key), id) || *id >= t->n)
        return false;
    *text = t->token[*id];
    return true;
}

/* ---- tokenizer.json ---- */

static void put_added(const struct writing *t, struct json_writer *w)
{
    json_put_key(w, "added_tokens");
    json_open(w, '[');
    for (size_t id = 0; id < t->n; id++) {
        if (!is_added(t, id))
            continue;
        json_open(w, '{');
        json_put_key(w, "id");
        json_put_u64(w, id);
        json_put_key(w, "content");
        json_put_strn(w, t->token[id].p, t->token[id].n);
        put_bool(w, "single_word", false);
        put_bool(w, "lstrip", false);
        put_bool(w, "rstrip", false);
        put_bool(w, "normalized", false);
        put_bool(w, "special", gguf_token_type(t, id) != TOKEN_USER_DEFINED);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* "left right"; a first byte that is a blank belongs to the left one. */
static enum status put_merges(const struct writing *t, struct json_writer *w, struct err *err)
{
    const struct meta_kv *merges = meta_find(t->meta, KEY("merges"));
    struct slice merge;
    uint64_t pos = 0;

    if (merges && (merges->type != META_ARRAY || merges->elem != META_STR))
        return fail(err, E_FORMAT, "%s: " KEY("merges") ": is no list of strings", t->source->path);
    json_put_key(w, "merges");
    json_open(w, '[');
    while (merges && meta_next_str(merges, &pos, &merge)) {
        const char *blank = merge.n > 2 ? memchr(merge.p + 1, ' ', merge.n - 1) : NULL;

        if (!blank || blank + 1 == merge.p + merge.n)
            return fail(err, E_FORMAT, "%s: " KEY("merges") ": \"%.*s\" is no pair of tokens",
                        t->source->path, (int)min_u64(merge.n, 200), merge.p);
        json_open(w, '[');
        json_put_strn(w, merge.p, (size_t)(blank - merge.p));
        json_put_strn(w, blank + 1, merge.n - (size_t)(blank + 1 - merge.p));
        json_close(w, ']');
    }
    json_close(w, ']');
    return OK;
}

static enum status put_model(struct writing *t, const struct pretok_kind *kind, struct json_writer *w,
                             struct err *err)
{
    json_put_key(w, "model");
    json_open(w, '{');
    put_str(w, "type", "BPE");
    json_put_key(w, "dropout");
    json_put_null(w);
    json_put_key(w, "unk_token");
    json_put_null(w);
    put_str(w, "continuing_subword_prefix", "");
    put_str(w, "end_of_word_suffix", "");
    put_bool(w, "fuse_unk", false);
    put_bool(w, "byte_fallback", false);
    put_bool(w, "ignore_merges", kind->ignore_merges);
    json_put_key(w, "vocab");
    json_open(w, '{');
    for (size_t id = 0; id < t->n; id++) {
        if (is_hole(t, id) || (t->listed_apart && is_added(t, id)))
            continue;
        char *key = arena_strndup(&t->arena, t->token[id].p, t->token[id].n);
        if (!key)
            return fail_nomem(err);
        json_put_key(w, key);
        json_put_u64(w, id);
    }
    json_close(w, '}');
    enum status s = put_merges(t, w, err);
    json_close(w, '}');
    return s;
}

static void put_piece(struct json_writer *w, const char *kind, struct slice id, uint64_t type)
{
    json_open(w, '{');
    json_put_key(w, kind);
    json_open(w, '{');
    json_put_key(w, "id");
    json_put_strn(w, id.p, id.n);
    json_put_key(w, "type_id");
    json_put_u64(w, type);
    json_close(w, '}');
    json_close(w, '}');
}

struct frame {
    struct slice bos, eos, sep;
    uint64_t bos_id, eos_id, sep_id;
    bool add_bos, add_eos, add_sep;
};

static void put_sequence(const struct frame *f, const char *key, bool pair, const struct slice *between,
                         struct json_writer *w)
{
    json_put_key(w, key);
    json_open(w, '[');
    if (f->add_bos)
        put_piece(w, "SpecialToken", f->bos, 0);
    put_piece(w, "Sequence", slice_of("A"), 0);
    if (pair && between)
        put_piece(w, "SpecialToken", *between, 0);
    if (pair)
        put_piece(w, "Sequence", slice_of("B"), 1);
    if (f->add_eos)
        put_piece(w, "SpecialToken", f->eos, pair);
    json_close(w, ']');
}

static void put_special(struct json_writer *w, const char *key, struct slice text, uint64_t id)
{
    json_put_key(w, key);
    json_open(w, '{');
    json_put_key(w, "id");
    json_put_strn(w, text.p, text.n);
    json_put_key(w, "ids");
    json_open(w, '[');
    json_put_u64(w, id);
    json_close(w, ']');
    json_put_key(w, "tokens");
    json_open(w, '[');
    json_put_strn(w, text.p, text.n);
    json_close(w, ']');
    json_close(w, '}');
}

/* Special tokens around the text, where there are any. Between two texts a separator, or bos again where
 * the file says of a separator that there is none. */
static enum status put_post_processor(struct writing *t, struct json_writer *w, struct err *err)
{
    struct frame f = {0};
    const struct slice *between = NULL;

    f.add_bos =
        gguf_token_named(t, KEY("bos_token_id"), &f.bos_id, &f.bos) && is_true(t, KEY("add_bos_token"));
    f.add_eos =
        gguf_token_named(t, KEY("eos_token_id"), &f.eos_id, &f.eos) && is_true(t, KEY("add_eos_token"));
    f.add_sep =
        gguf_token_named(t, KEY("seperator_token_id"), &f.sep_id, &f.sep) && is_true(t, KEY("add_sep_token"));
    json_put_key(w, "post_processor");
    if (!f.add_bos && !f.add_eos && !f.add_sep) {
        pretok_put_step("bytes", w);
        return OK;
    }
    if (f.add_sep)
        between = &f.sep;
    else if (f.add_bos && meta_find(t->meta, KEY("add_sep_token")))
        between = &f.bos;
    json_open(w, '{');
    put_str(w, "type", "TemplateProcessing");
    put_sequence(&f, "single", false, NULL, w);
    put_sequence(&f, "pair", true, between, w);
    json_put_key(w, "special_tokens");
    json_open(w, '{');
    const struct {
        bool is;
        struct slice text;
        uint64_t id;
    } used[] = {{f.add_bos, f.bos, f.bos_id},
                {f.add_eos && (!f.add_bos || f.eos_id != f.bos_id), f.eos, f.eos_id},
                {f.add_sep && (!f.add_bos || f.sep_id != f.bos_id) && (!f.add_eos || f.sep_id != f.eos_id),
                 f.sep, f.sep_id}};
    for (size_t i = 0; i < ARRAY_LEN(used); i++) {
        if (!used[i].is)
            continue;
        char *key = arena_strndup(&t->arena, used[i].text.p, used[i].text.n);
        if (!key)
            return fail_nomem(err);
        put_special(w, key, used[i].text, used[i].id);
    }
    json_close(w, '}');
    json_close(w, '}');
    return OK;
}

static enum status find_kind(const struct writing *t, struct pretok_kind *kind, struct err *err)
{
    struct slice pre = slice_of("default");

    meta_str(meta_find(t->meta, KEY("pre")), &pre);
    if (pretok_by_name(pre, kind))
        return OK;
    return notes_add(
        t->notes, err,
        "tokenizer.json: how the pre-tokenizer %.*s splits text is not known here; it gets that of "
        "GPT-2: take the file from the original model",
        (int)min_u64(pre.n, 80), pre.p);
}

static enum status write_tokenizer(struct writing *t, struct err *err)
{
    struct json_writer w = {.out = &t->out->tokenizer};
    struct pretok_kind kind;
    enum status s = find_kind(t, &kind, err);

    if (s != OK)
        return s;
    t->listed_apart = follow_without_hole(t);
    json_open(&w, '{');
    put_str(&w, "version", "1.0");
    json_put_key(&w, "truncation");
    json_put_null(&w);
    json_put_key(&w, "padding");
    json_put_null(&w);
    put_added(t, &w);
    json_put_key(&w, "normalizer");
    if (kind.nfc) {
        json_open(&w, '{');
        put_str(&w, "type", "NFC");
        json_close(&w, '}');
    } else {
        json_put_null(&w);
    }
    json_put_key(&w, "pre_tokenizer");
    pretok_put(&kind, &w);
    s = put_post_processor(t, &w, err);
    json_put_key(&w, "decoder");
    pretok_put_step("bytes", &w);
    if (s == OK)
        s = put_model(t, &kind, &w, err);
    json_close(&w, '}');
    return s == OK ? buf_check(&t->out->tokenizer, "tokenizer.json", err) : s;
}

/* ---- tokenizer_config.json ---- */

static const struct {
    const char *name, *id_key, *add_key;
} specials[] = {
    {"bos", KEY("bos_token_id"), KEY("add_bos_token")},
    {"eos", KEY("eos_token_id"), KEY("add_eos_token")},
    {"unk", KEY("unknown_token_id"), NULL},
    {"sep", KEY("seperator_token_id"), KEY("add_sep_token")},
    {"pad", KEY("padding_token_id"), NULL},
    {"mask", KEY("mask_token_id"), NULL},
};

#define TEMPLATE "tokenizer.chat_template"

static void put_template(struct json_writer *w, struct slice name, struct slice text)
{
    json_open(w, '{');
    json_put_key(w, "name");
    json_put_strn(w, name.p, name.n);
    json_put_key(w, "template");
    json_put_strn(w, text.p, text.n);
    json_close(w, '}');
}

/* One template is a file of its own, unless its line ends would not survive there; several are a list. */
static void put_templates(const struct writing *t, struct json_writer *w)
{
    struct slice def = {0}, text;
    bool has_default = meta_str(meta_find(t->meta, TEMPLATE), &def), list = false;

    for (size_t i = 0; i < t->meta->n; i++)
        list |= str_starts(t->meta->kv[i].key, TEMPLATE ".") && t->meta->kv[i].type == META_STR;
    if (!has_default && !list)
        return;
    if (!list && !memchr(def.p, '\r', def.n)) {
        buf_add(&t->out->chat_template, def.p, def.n);
        return;
    }
    json_put_key(w, "chat_template");
    if (!list) {
        json_put_strn(w, def.p, def.n);
        return;
    }
    json_open(w, '[');
    if (has_default)
        put_template(w, slice_of("default"), def);
    for (size_t i = 0; i < t->meta->n; i++) {
        const struct meta_kv *kv = &t->meta->kv[i];

        if (str_starts(kv->key, TEMPLATE ".") && meta_str(kv, &text))
            put_template(w, slice_of(kv->key + strlen(TEMPLATE ".")), text);
    }
    json_close(w, ']');
}

static enum status write_config(const struct writing *t, bool scores, struct err *err)
{
    struct json_writer w = {.out = &t->out->config};
    char key[32];

    json_open(&w, '{');
    // the class that takes tokenizer.json as it is, or the one that tokenizer.model is for
    put_str(&w, "tokenizer_class", scores ? "LlamaTokenizer" : "PreTrainedTokenizerFast");
    for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
        struct slice text;
        uint64_t id;

        if (specials[i].add_key && meta_find(t->meta, specials[i].add_key)) {
            snprintf(key, sizeof key, "add_%s_token", specials[i].name);
            put_bool(&w, key, is_true(t, specials[i].add_key));
        }
        if (!gguf_token_named(t, specials[i].id_key, &id, &text))
            continue;
        snprintf(key, sizeof key, "%s_token", specials[i].name);
        json_put_key(&w, key);
        json_put_strn(&w, text.p, text.n);
    }
    put_bool(&w, "clean_up_tokenization_spaces", false);
    if (scores)
        gguf_spm_put_config(t, &w);
    put_templates(t, &w);
    json_close(&w, '}');
    enum status s = buf_check(&t->out->chat_template, "chat_template.jinja", err);
    return s == OK ? buf_check(&t->out->config, "tokenizer_config.json", err) : s;
}

/* ---- generation_config.json ---- */

/* eos, and the other tokens that end a turn. */
static void put_ends(const struct writing *t, struct json_writer *w)
{
    static const char *const keys[] = {KEY("eos_token_id"), KEY("eot_token_id"), KEY("eom_token_id")};
    uint64_t id[ARRAY_LEN(keys)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!meta_u64(meta_find(t->meta, keys[i]), &id[n]))
            continue;
        bool again = false;
        for (size_t k = 0; k < n; k++)
            again |= id[k] == id[n];
        n += !again;
    }
    if (n == 0)
        return;
    json_put_key(w, "eos_token_id");
    if (n > 1)
        json_open(w, '[');
    for (size_t i = 0; i < n; i++)
        json_put_u64(w, id[i]);
    if (n > 1)
        json_close(w, ']');
}

static bool put_sampling(const struct meta_kv *kv, const char *name, struct json_writer *w)
{
    struct slice text;
    int32_t i;
    double d;

    if (meta_str(kv, &text)) {
        json_put_key(w, name);
        json_put_strn(w, text.p, text.n);
    } else if (meta_f64(kv, &d) && isfinite(d)) {
        json_put_key(w, name);
        json_put_f64(w, gguf_config_decimal((float)d));
    } else if (kv && kv->type == META_I32) {
        memcpy(&i, kv->data, sizeof i);
        json_put_key(w, name);
        json_put_i64(w, i);
    } else {
        return false;
    }
    return true;
}

static enum status write_generation(const struct writing *t, struct err *err)
{
    struct json_writer w = {.out = &t->out->generation};
    const char *name, *key;
    uint64_t id;
    bool sampled = false;

    json_open(&w, '{');
    if (meta_u64(meta_find(t->meta, KEY("bos_token_id")), &id)) {
        json_put_key(&w, "bos_token_id");
        json_put_u64(&w, id);
    }
    put_ends(t, &w);
    if (meta_u64(meta_find(t->meta, KEY("padding_token_id")), &id)) {
        json_put_key(&w, "pad_token_id");
        json_put_u64(&w, id);
    }
    for (size_t i = 0; authorship_sampling_at(i, &name, &key); i++)
        sampled |= put_sampling(meta_find(t->meta, key), name, &w);
    if (sampled)
        put_bool(&w, "do_sample", true);
    json_close(&w, '}');
    return buf_check(&t->out->generation, "generation_config.json", err);
}

/* ---- the whole ---- */

static enum status write_all(struct writing *t, struct err *err)
{
    struct slice model = slice_of("(none)");
    enum status s = load_tokens(t, err);

    meta_str(meta_find(t->meta, KEY("model")), &model);
    bool scores = slice_eq(model, "llama");
    if (s == OK && slice_eq(model, "gpt2"))
        s = write_tokenizer(t, err);
    else if (s == OK && scores)
        s = gguf_spm_write(t, err);
    else if (s == OK)
        s = notes_add(
            t->notes, err,
            "the file's tokenizer is of kind %.*s, which cannot be told from it: take tokenizer.json or "
            "tokenizer.model from the original model",
            (int)min_u64(model.n, 80), model.p);
    if (s == OK)
        s = write_config(t, scores, err);
    return s == OK ? write_generation(t, err) : s;
}

enum status gguf_tokenizer_write(const struct source *gguf, struct gguf_tokenizer_files *out,
                                 struct notes *notes, struct err *err)
{
    struct writing t = {.source = gguf, .meta = &gguf->meta, .out = out, .notes = notes};

    arena_init(&t.arena, 0);
    buf_init(&out->tokenizer, TOKENIZER_MAX_BYTES);
    buf_init(&out->spm, TOKENIZER_MAX_BYTES);
    buf_init(&out->config, 128 * MIB);
    buf_init(&out->chat_template, 64 * MIB);
    buf_init(&out->generation, MIB);
    enum status s = write_all(&t, err);
    arena_free(&t.arena);
    if (s != OK)
        gguf_tokenizer_free(out);
    return s;
}

void gguf_tokenizer_free(struct gguf_tokenizer_files *f)
{
    buf_free(&f->tokenizer);
    buf_free(&f->spm);
    buf_free(&f->config);
    buf_free(&f->chat_template);
    buf_free(&f->generation);
}
