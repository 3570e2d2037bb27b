/* SPDX-License-Identifier: Apache-2.0 */
/* From a GGUF file's vocabulary with scores (tokenizer.ggml.model "llama") back to a SentencePiece model: the
 * inverse of vocab/vocab_spm.c. */
#include "convert/gguf_tokenizer_int.h"
#include "formats/spm.h"

/* 0 where the file has none. */
static float score_of(const struct writing *t, size_t id)
{
    const struct meta_kv *kv = meta_find(t->meta, KEY("scores"));
    float score = 0;

    if (kv)
        memcpy(&score, kv->data + 4 * id, sizeof score);
    return score;
}

static enum status check_scores(const struct writing *t, struct err *err)
{
    const struct meta_kv *kv = meta_find(t->meta, KEY("scores"));

    if (kv && (kv->type != META_ARRAY || kv->elem != META_F32 || kv->count != t->n))
        return fail(err, E_FORMAT, "%s: " KEY("scores") ": is no list of %zu f32", t->source->path, t->n);
    for (size_t id = 0; id < t->n; id++)
        if (t->token[id].n == 0)
            return fail(err, E_FORMAT, "%s: " KEY("tokens") ": token %zu is empty, as no piece can be",
                        t->source->path, id);
    return OK;
}

/* Whether a list beside the model names it: those get a score of their own when they are read. */
static bool is_listed(const struct writing *t, size_t id)
{
    int32_t type = gguf_token_type(t, id);

    return (type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED) && score_of(t, id) == VOCAB_SCORE_ADDED;
}

/* The token that a key names, or else the one with the usual text. */
static uint32_t id_of(const struct writing *t, const char *key, const char *usual)
{
    struct slice text;
    uint64_t id;

    if (gguf_token_named(t, key, &id, &text))
        return (uint32_t)id;
    for (size_t i = 0; i < t->n; i++)
        if (slice_eq(t->token[i], usual))
            return (uint32_t)i;
    return SPM_NO_ID;
}

/* A flag that is true unless the file says otherwise. */
static bool is_set(const struct writing *t, const char *key)
{
    const struct meta_kv *kv = meta_find(t->meta, key);

    return !kv || kv->type != META_BOOL || kv->data[0];
}

/* A model has one unknown piece, which lists beside it may have called a control token. */
static uint32_t unknown_id(const struct writing *t)
{
    for (size_t id = 0; id < t->n; id++)
        if (gguf_token_type(t, id) == TOKEN_UNKNOWN)
            return (uint32_t)id;
    return id_of(t, KEY("unknown_token_id"), "<unk>");
}

static enum status note_plain(const struct writing *t, size_t n, struct err *err)
{
    if (n == 0)
        return OK;
    return notes_add(
        t->notes, err,
        "tokenizer.model: %zu tokens of type \"user-defined\" have scores: they come back as normal ones", n);
}

enum status gguf_spm_write(struct writing *t, struct err *err)
{
    const struct spm_settings settings = {
        .add_dummy_prefix = is_set(t, KEY("add_space_prefix")),
        .remove_extra_whitespaces =
            meta_find(t->meta, KEY("remove_extra_whitespaces")) && is_set(t, KEY("remove_extra_whitespaces")),
        .unk = unknown_id(t),
        .bos = id_of(t, KEY("bos_token_id"), "<s>"),
        .eos = id_of(t, KEY("eos_token_id"), "</s>"),
        .pad = id_of(t, KEY("padding_token_id"), "<pad>"),
    };
    struct spm spm = {.piece = arena_array(&t->arena, t->n + 1, sizeof *spm.piece), .n = t->n};
    enum status s = spm.piece ? check_scores(t, err) : fail_nomem(err);
    size_t nplain = 0;

    for (size_t id = 0; id < t->n && s == OK; id++) {
        int32_t type = gguf_token_type(t, id);

        if (type < SPM_NORMAL || type > SPM_BYTE)
            return fail(err, E_FORMAT,
                        "%s: " KEY("token_type") ": token %zu: type=%" PRId32 ": must be from 1 to 6",
                        t->source->path, id, type);
        spm.piece[id] = (struct spm_piece){t->token[id], score_of(t, id),
                                           id == settings.unk ? SPM_UNKNOWN : (enum spm_type)type};
        nplain += type == TOKEN_USER_DEFINED && !is_listed(t, id);
    }
    if (s != OK)
        return s;
    spm_write(&spm, &settings, &t->out->spm);
    s = buf_check(&t->out->spm, "tokenizer.model", err);
    return s == OK ? note_plain(t, nplain, err) : s;
}

void gguf_spm_put_config(const struct writing *t, struct json_writer *w)
{
    const struct meta_kv *prefix = meta_find(t->meta, KEY("add_space_prefix"));
    char id_text[24];

    if (prefix) {
        json_put_key(w, "add_prefix_space");
        json_put_bool(w, is_set(t, KEY("add_space_prefix")));
    }
    json_put_key(w, "added_tokens_decoder");
    json_open(w, '{');
    for (size_t id = 0; id < t->n; id++) {
        if (!is_listed(t, id))
            continue;
        snprintf(id_text, sizeof id_text, "%zu", id);
        json_put_key(w, id_text);
        json_open(w, '{');
        json_put_key(w, "content");
        json_put_strn(w, t->token[id].p, t->token[id].n);
        json_put_key(w, "special");
        json_put_bool(w, gguf_token_type(t, id) == TOKEN_CONTROL);
        json_close(w, '}');
    }
    json_close(w, '}');
}
