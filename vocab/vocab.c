/* SPDX-License-Identifier: Apache-2.0 */
#include "vocab/vocab.h"

#include "vocab/pretok.h"
#include "vocab/vocab_int.h"

#define CONFIG_MAX_BYTES    (128 * MIB)
#define CODE_LLAMA_VOCAB    32016 /* its infilling tokens are known by number */
#define CODE_LLAMA_EOT      32010
#define GRANITE_SMALL_VOCAB 49152 /* these models want no bos token */

enum status vocab_list_init(struct vocab *v, struct token_list *l, uint64_t n, bool scores, struct err *err)
{
    *l = (struct token_list){.n = (size_t)n};
    if (n > TOKENIZER_MAX_TOKENS)
        return fail(err, E_LIMIT, "vocab_size=%" PRIu64 ": more than %" PRIu64 " tokens", n,
                    TOKENIZER_MAX_TOKENS);
    l->text = arena_array(&v->arena, n, sizeof *l->text);
    l->type = arena_array(&v->arena, n, sizeof *l->type);
    l->score = scores ? arena_array(&v->arena, n, sizeof *l->score) : NULL;
    return l->text && l->type && (l->score || !scores) ? OK : fail_nomem(err);
}

static enum status check_unique(const struct token_list *l, struct err *err)
{
    struct map seen = {0};
    enum status s = OK;

    for (size_t i = 0; i < l->n && !s; i++) {
        uint32_t other;

        if (!map_add(&seen, l->text[i], (uint32_t)i, &other))
            s = fail_nomem(err);
        else if (other != MAP_NONE)
            s = fail(err, E_FORMAT, "tokenizer: token=%.*s: ids %" PRIu32 " and %zu have the same text",
                     (int)min_u64(l->text[i].n, 200), l->text[i].p, other, i);
    }
    map_free(&seen);
    return s;
}

static enum status put_scores(struct vocab *v, const struct token_list *l, struct err *err)
{
    struct buf b;

    buf_init(&b, TOKENIZER_MAX_TOKENS * 4);
    for (size_t i = 0; i < l->n; i++) {
        uint32_t bits;

        memcpy(&bits, &l->score[i], sizeof bits);
        buf_add_u32(&b, bits);
    }
    enum status s = buf_check(&b, "the scores", err);
    if (!s)
        s = meta_set(v->out,
                     (struct meta_kv){.key = "tokenizer.ggml.scores",
                                      .type = META_ARRAY,
                                      .elem = META_F32,
                                      .count = l->n,
                                      .data = (const unsigned char *)b.p,
                                      .nbytes = b.n},
                     err);
    buf_free(&b);
    return s;
}

enum status vocab_put_list(struct vocab *v, const struct token_list *l, struct err *err)
{
    enum status s = check_unique(l, err);

    if (!s)
        s = meta_set_strs(v->out, "tokenizer.ggml.tokens", l->text, l->n, err);
    if (!s && l->score)
        s = put_scores(v, l, err);
    return s ? s : meta_set_i32s(v->out, "tokenizer.ggml.token_type", l->type, l->n, err);
}

static bool starts(struct slice text, const char *with)
{
    return text.n >= strlen(with) && memcmp(text.p, with, strlen(with)) == 0;
}

static bool ends(struct slice text, const char *with)
{
    size_t n = strlen(with);

    return text.n >= n && memcmp(text.p + text.n - n, with, n) == 0;
}

bool vocab_looks_special(struct slice text)
{
    static const char *const exact[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};

    for (size_t i = 0; i < ARRAY_LEN(exact); i++)
        if (slice_eq(text, exact[i]))
            return true;
    return (starts(text, "<|") && ends(text, "|>")) || (starts(text, "<｜") && ends(text, "｜>")) ||
           (starts(text, "<unused") && ends(text, ">"));
}

struct slice vocab_plain_blanks(struct arena *a, struct slice text)
{
    char *p = arena_strndup(a, text.p, text.n);
    size_t n = 0;

    for (size_t i = 0; p && i < text.n; i++) {
        bool blank = text.n - i >= 3 && memcmp(text.p + i, "▁", 3) == 0;

        p[n++] = blank ? ' ' : text.p[i];
        i += blank ? 2 : 0;
    }
    return (struct slice){p, n};
}

/* ---- the kinds ---- */

/* What the Llama class of the reference sets around any kind of tokenizer. */
static enum status put_llama(struct vocab *v, const char *model, struct err *err)
{
    struct source *src = v->in->source;
    bool add_prefix_space, done = false;
    enum status s = OK;

    if (!source_beside(src, "tokenizer.json") && source_beside(src, "tekken.json"))
        return fail(err, E_UNSUPPORTED,
                    "%s: tekken.json: a tokenizer of this kind cannot be read; tokenizer.json is needed",
                    src->path);
    if (json_bool(json_get(v->config, "add_prefix_space"), &add_prefix_space))
        s = meta_set_bool(v->out, "tokenizer.ggml.add_space_prefix", add_prefix_space, err);
    if (s)
        return s;
    if (model)
        s = vocab_put_spm(v, model, err);
    else
        s = vocab_put_llama_hf(v, &done, err);
    if (!s && !model && !done)
        s = vocab_put_bpe(v, err);
    if (!s && v->in->vocab_size == CODE_LLAMA_VOCAB)
        s = vocab_put_specials(v, &(struct special_request){.fim = true, .eot = CODE_LLAMA_EOT}, err);
    if (!s && v->in->vocab_size == GRANITE_SMALL_VOCAB)
        s = meta_set_bool(v->out, "tokenizer.ggml.add_bos_token", false, err);
    return s;
}

static enum status put_kind(struct vocab *v, struct err *err)
{
    const char *model = source_beside(v->in->source, "tokenizer.model");

    switch (v->in->kind) {
    case VOCAB_LLAMA:
        return put_llama(v, model, err);
    case VOCAB_SPM_OR_BPE:
        return model ? vocab_put_spm(v, model, err) : vocab_put_bpe(v, err);
    case VOCAB_BPE:
        break;
    }
    return vocab_put_bpe(v, err);
}

/* tokenizer_config.json; NULL when it is missing. */
static enum status load_config(const struct vocab_in *in, struct json **config, struct err *err)
{
    const char *path = source_beside(in->source, "tokenizer_config.json");
    enum status s = path ? json_load(path, CONFIG_MAX_BYTES, config, err) : OK;

    if (!s && *config && json_kind(*config) != JSON_K_OBJECT)
        return fail(err, E_FORMAT, "%s: it is %s, not an object", path, json_kind_name(json_kind(*config)));
    return s;
}

/* tokenizer.json; the model in it is left out where tokenizer.model has the vocabulary. */
static enum status load_tokenizer(struct vocab *v, struct tokenizer *tok, struct err *err)
{
    const char *path = source_beside(v->in->source, "tokenizer.json");
    bool spm = v->in->kind != VOCAB_BPE && source_beside(v->in->source, "tokenizer.model");

    if (!path)
        return OK;
    enum status s = tokenizer_load(tok, path, !spm, err);
    if (!s)
        v->tok = tok;
    return s;
}

enum status vocab_write(const struct vocab_in *in, struct meta *out, struct notes *notes, struct err *err)
{
    struct vocab v = {.in = in, .out = out, .notes = notes};
    struct json *config = NULL;
    struct tokenizer tok = {.type = ""};
    enum status s = in->pre ? pretok_check_name(in->pre, err) : OK;

    if (s)
        return s;
    arena_init(&v.arena, 0);
    s = load_config(in, &config, err);
    v.config = json_first(config) ? config : NULL;
    if (!s)
        s = load_tokenizer(&v, &tok, err);
    if (!s)
        s = put_kind(&v, err);
    tokenizer_free(&tok);
    json_free(config);
    arena_free(&v.arena);
    return s;
}
