/* SPDX-License-Identifier: Apache-2.0 */
/* Vocabularies with scores, tokenizer.ggml.model "llama": tokenizer.model, or its twin in tokenizer.json. */
#include "vocab/vocab_int.h"
#include "formats/spm.h"

#define ADDED_MAX_BYTES (64 * MIB)
#define SCORE_UNUSED    -10000.0f

/* ---- tokenizer.model ---- */

static enum status put_pieces(struct vocab *v, struct token_list *l, const struct spm *spm, struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (i < spm->n) {
            enum spm_type type = spm->piece[i].type;

            // the reference knows no user-defined pieces; the numbers of the others agree
            l->text[i] = spm->piece[i].text;
            l->score[i] = spm->piece[i].score;
            l->type[i] = type == SPM_USER_DEFINED ? TOKEN_NORMAL : (int32_t)type;
            continue;
        }
        const char *pad = arena_printf(&v->arena, "[PAD%zu]", i);
        if (!pad)
            return fail_nomem(err);
        l->text[i] = slice_of(pad);
        l->score[i] = SCORE_UNUSED;
        l->type[i] = TOKEN_UNUSED;
    }
    if (spm->n > l->n)
        return notes_add(v->notes, err,
                         "tokenizer.model has %zu pieces for a vocabulary of %zu; the last were left out",
                         spm->n, l->n);
    return OK;
}

/* Sets one token of the lists beside the model. Ids that are too large are left out. */
static enum status set_token(struct vocab *v, struct token_list *l, uint64_t id, struct slice text,
                             int32_t type, struct err *err)
{
    if (id >= l->n) {
        l->nleft_out++;
        return OK;
    }
    const char *copy = arena_strndup(&v->arena, text.p, text.n);
    if (!copy)
        return fail_nomem(err);
    l->text[id] = (struct slice){copy, text.n};
    l->score[id] = VOCAB_SCORE_ADDED;
    l->type[id] = type;
    return OK;
}

/* added_tokens.json: {"text": id}. */
static enum status put_added_file(struct vocab *v, struct token_list *l, struct err *err)
{
    const char *path = source_beside(v->in->source, "added_tokens.json");
    struct json *root = NULL;
    enum status s = path ? json_load(path, ADDED_MAX_BYTES, &root, err) : OK;

    if (!s && root && json_kind(root) != JSON_K_OBJECT)
        s = fail(err, E_FORMAT, "%s: it is %s, not an object", path, json_kind_name(json_kind(root)));
    for (const struct json *e = json_first(root); e && !s; e = json_after(e)) {
        int64_t id;

        if (!json_int(e, &id) || id < 0)
            s = fail(err, E_FORMAT, "%s: token=%s: its id must be a number of at least 0", path, json_key(e));
        else
            s = set_token(v, l, (uint64_t)id, slice_of(json_key(e)), TOKEN_USER_DEFINED, err);
    }
    json_free(root);
    return s;
}

static enum status put_decoder_entry(struct vocab *v, struct token_list *l, const struct json *e,
                                     struct err *err)
{
    const char *content = json_str(json_get(e, "content"));
    bool special = false;
    uint64_t id;

    if (!json_lexeme_u64(slice_of(json_key(e)), &id) || !content)
        return fail(err, E_FORMAT,
                    "tokenizer_config.json: added_tokens_decoder: key=%s: not an id with a content",
                    json_key(e));
    struct slice text = slice_of(content);
    json_bool(json_get(e, "special"), &special);
    if (special || vocab_looks_special(text))
        return set_token(v, l, id, text, TOKEN_CONTROL, err);
    text = vocab_plain_blanks(&v->arena, text);
    return text.p ? set_token(v, l, id, text, TOKEN_USER_DEFINED, err) : fail_nomem(err);
}

static enum status put_head(struct vocab *v, const struct token_list *l, struct err *err)
{
    enum status s = meta_set_str(v->out, "tokenizer.ggml.model", "llama", err);

    if (!s)
        s = meta_set_str(v->out, "tokenizer.ggml.pre", "default", err);
    if (!s && v->in->pre)
        s = notes_add(v->notes, err, "--pre %s has no effect: this tokenizer has no pre-tokenizer",
                      v->in->pre);
    if (!s)
        s = vocab_put_list(v, l, err);
    return s ? s : vocab_put_specials(v, &(struct special_request){.n_vocab = l->n}, err);
}

enum status vocab_put_spm(struct vocab *v, const char *model_path, struct err *err)
{
    const struct json *decoder = json_get(v->config, "added_tokens_decoder");
    struct token_list l = {0};
    struct spm spm;
    enum status s = spm_read(&spm, model_path, &v->arena, err);

    if (!s)
        s = vocab_list_init(v, &l, v->in->vocab_size ? v->in->vocab_size : spm.n, true, err);
    if (!s)
        s = put_pieces(v, &l, &spm, err);
    if (!s)
        s = put_added_file(v, &l, err);
    for (const struct json *e = json_first(decoder); e && !s; e = json_after(e))
        s = put_decoder_entry(v, &l, e, err);
    if (!s && l.nleft_out)
        s = notes_add(v->notes, err, "%zu added tokens have ids from %zu on and were left out", l.nleft_out,
                      l.n);
    return s ? s : put_head(v, &l, err);
}

/* ---- byte-fallback BPE in tokenizer.json ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_byte_token(struct slice t)
{
    return t.n == 6 && memcmp(t.p, "<0x", 3) == 0 && is_hex(t.p[3]) && is_hex(t.p[4]) && t.p[5] == '>';
}

/* Texts of the special tokens that tokenizer_config.json names. */
struct named {
    struct map texts;
};

static enum status add_named(void *ctx, const char *text, struct err *err)
{
    struct named *named = ctx;
    uint32_t existing;

    return map_add(&named->texts, slice_of(text), 0, &existing) ? OK : fail_nomem(err);
}

/* The base vocabulary, which must have the ids from 0 on without a hole. */
static enum status put_base(struct vocab *v, struct token_list *l, const struct named *named, struct err *err)
{
    const struct tokenizer *t = v->tok;

    for (size_t i = 0; i < t->ntoken; i++) {
        uint32_t id = t->id[i];

        if (id >= t->ntoken)
            return fail(err, E_FORMAT,
                        "%s: model.vocab: id=%" PRIu32 ": the %zu tokens must be numbered from 0 on", t->path,
                        id, t->ntoken);
        if (l->text[id].p)
            return fail(err, E_FORMAT, "%s: model.vocab: id=%" PRIu32 ": two tokens have it", t->path, id);
        bool control = map_find(&named->texts, t->token[i]) != MAP_NONE;
        l->text[id] = t->token[i];
        l->score[id] = VOCAB_SCORE_ADDED;
        l->type[id] = is_byte_token(t->token[i]) ? TOKEN_BYTE : control ? TOKEN_CONTROL : TOKEN_NORMAL;
    }
    return OK;
}

static int by_id(const void *a, const void *b)
{
    const struct added_token *const *x = a, *const *y = b;

    return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

/* Added tokens beyond the base vocabulary, by id, one after the other: holes close. */
static enum status put_added(struct vocab *v, struct token_list *l, const struct named *named,
                             struct err *err)
{
    const struct tokenizer *t = v->tok;
    const struct added_token **more = arena_array(&v->arena, t->nadded + 1, sizeof *more);
    size_t n = 0;

    if (!more)
        return fail_nomem(err);
    for (size_t i = 0; i < t->nadded; i++)
        if (t->added[i].id >= t->ntoken)
            more[n++] = &t->added[i];
    qsort(more, n, sizeof *more, by_id);
    for (size_t i = 0; i < n; i++) {
        if (i && more[i]->id == more[i - 1]->id)
            return fail(err, E_FORMAT, "%s: added_tokens: id=%" PRIu32 ": both \"%s\" and \"%s\" have it",
                        t->path, more[i]->id, more[i - 1]->text.p, more[i]->text.p);
        bool control = map_find(&named->texts, more[i]->text) != MAP_NONE;
        l->text[t->ntoken + i] = more[i]->text;
        l->score[t->ntoken + i] = VOCAB_SCORE_ADDED;
        l->type[t->ntoken + i] = control ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
    }
    l->n = t->ntoken + n;
    return OK;
}

enum status vocab_put_llama_hf(struct vocab *v, bool *done, struct err *err)
{
    struct tokenizer *t = v->tok;
    const char *decoder = t ? json_str(json_get(t->decoder, "type")) : NULL;
    struct named named = {{0}};
    struct token_list l = {0};

    *done = false;
    if (!t || strcmp(t->type, "BPE") != 0 || !t->byte_fallback || !decoder ||
        strcmp(decoder, "Sequence") != 0)
        return OK;
    *done = true;
    enum status s = tokenizer_add_config(t, v->config, err);
    if (!s)
        s = tokenizer_each_special(v->config, add_named, &named, err);
    if (!s)
        s = vocab_list_init(v, &l, t->ntoken + t->nadded, true, err);
    if (!s)
        s = put_base(v, &l, &named, err);
    if (!s)
        s = put_added(v, &l, &named, err);
    map_free(&named.texts);
    return s ? s : put_head(v, &l, err);
}
