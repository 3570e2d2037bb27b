/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/facts.h"

#include "arch/head_config.h"
#include "vocab/pretok.h"

#define TOKENIZER_CONFIG_MAX (64 * MIB)

const char *mtp_state_name(enum mtp_state s)
{
    static const char *const names[] = {
        [MTP_ABSENT] = "absent",
        [MTP_PROMISED] = "promised",
        [MTP_PRESENT] = "present",
    };

    return names[s];
}

/* ---- tokenizer ---- */

/* The kind, the number of tokens (one more than the largest id) and, where its split is known, the
 * pre-tokenizer. */
static enum status describe_tokenizer(struct source *s, const struct tokenizer *t, const struct json *config,
                                      struct facts *f, struct err *err)
{
    struct pretok pre;
    struct err why = {0};

    for (size_t i = 0; i < t->ntoken; i++)
        f->tokens = max_u64(f->tokens, (uint64_t)t->id[i] + 1);
    for (size_t i = 0; i < t->nadded; i++)
        f->tokens = max_u64(f->tokens, (uint64_t)t->added[i].id + 1);
    f->tokenizer = arena_strdup(&s->arena, *t->type ? t->type : "of an unnamed kind");
    if (!f->tokenizer)
        return fail_nomem(err);
    enum status st = pretok_find(t, config, &pre, &why); /* a split that nobody knows is no failure here */
    if (st == OK)
        f->pre = arena_strdup(&s->arena, pre.name);
    return st == E_NOMEM || (st == OK && !f->pre) ? fail_nomem(err) : OK;
}

static enum status read_tokenizer(struct source *s, const char *path, struct facts *f, struct err *err)
{
    const char *config_path = source_beside(s, "tokenizer_config.json");
    struct json *config = NULL;
    struct tokenizer t;
    enum status st = tokenizer_load(&t, path, true, err);

    if (st != OK)
        return st;
    if (config_path)
        st = json_load(config_path, TOKENIZER_CONFIG_MAX, &config, err);
    if (st == OK)
        st = tokenizer_add_config(&t, config, err);
    if (st == OK)
        st = describe_tokenizer(s, &t, config, f, err);
    json_free(config);
    tokenizer_free(&t);
    return st;
}

static enum status find_tokenizer(struct source *s, struct facts *f, struct err *err)
{
    const char *path = source_beside(s, "tokenizer.json");

    if (path)
        return read_tokenizer(s, path, f, err);
    if (source_beside(s, "tokenizer.model"))
        f->tokenizer = "SentencePiece";
    else if (source_beside(s, "vocab.json"))
        f->tokenizer = "BPE";
    return OK;
}

/* ---- Hugging Face ---- */

/* The first of the keys, a NULL-terminated list, that config.json has: in text_config, else at its root. */
static uint64_t config_u64(const struct json *config, const char *const *keys)
{
    const struct json *text = json_get(config, "text_config");
    int64_t v;

    for (; *keys; keys++)
        if ((json_int(json_get(text, *keys), &v) || json_int(json_get(config, *keys), &v)) && v >= 0)
            return (uint64_t)v;
    return 0;
}

/* Heads stand apart ("mtp.layers.0..."), or follow the last layer ("model.layers.61...", a vision tower's
 * layers being another count). */
static bool is_hf_mtp(const char *name, const struct facts *f)
{
    const char *layer = strstr(name, "layers.");

    if (str_starts(name, "mtp.") || strstr(name, ".mtp."))
        return true;
    if (!f->mtp_layers || !f->layers || !layer || strstr(name, "vision"))
        return false;
    char *end;
    unsigned long n = strtoul(layer + strlen("layers."), &end, 10);
    return *end == '.' && n >= f->layers;
}

static void read_config(const struct source *s, struct facts *f)
{
    static const char *const layers[] = {"num_hidden_layers", "n_layer", "num_layers", NULL};
    static const char *const experts[] = {"num_experts", "num_local_experts", "n_routed_experts", NULL};
    static const char *const used[] = {"num_experts_per_tok", "num_experts_per_token", NULL};

    f->format = s->kind == SOURCE_MLX ? "mlx" : s->kind == SOURCE_HF ? "huggingface" : "safetensors";
    f->architecture = json_str(json_first(json_get(s->config, "architectures")));
    if (!f->architecture)
        f->architecture = json_str(json_get(s->config, "model_type"));
    f->layers = config_u64(s->config, layers);
    f->experts = config_u64(s->config, experts);
    f->experts_used = f->experts ? config_u64(s->config, used) : 0;
    f->mtp_layers = config_u64(s->config, head_config_counts);
    for (size_t i = 0; i < s->ntensor; i++)
        f->mtp_tensors += is_hf_mtp(s->tensors[i].name, f);
}

/* ---- GGUF ---- */

static uint64_t arch_u64(const struct source *s, const char *arch, const char *key)
{
    char full[512];
    uint64_t v;

    snprintf(full, sizeof full, "%s.%s", arch, key);
    return meta_u64(meta_find(&s->meta, full), &v) ? v : 0;
}

/* NULL when the key is absent or no string. */
static enum status meta_text(struct source *s, const char *key, const char **text, struct err *err)
{
    struct slice v;

    if (!meta_str(meta_find(&s->meta, key), &v))
        return OK;
    *text = arena_strndup(&s->arena, v.p, v.n);
    return *text ? OK : fail_nomem(err);
}

/* A head is a block after the last layer; what tells it from a layer is its nextn tensors. */
static void count_gguf_mtp(const struct source *s, struct facts *f)
{
    bool found = false;

    for (size_t i = 0; i < s->ntensor; i++) {
        const char *name = s->tensors[i].name;
        bool nextn = strstr(name, ".nextn.") != NULL;
        bool block = f->mtp_layers && str_starts(name, "blk.") &&
                     strtoul(name + strlen("blk."), NULL, 10) >= f->layers;

        found |= nextn;
        f->mtp_tensors += nextn || block;
    }
    if (!found)
        f->mtp_tensors = 0;
}

static enum status read_gguf(struct source *s, struct facts *f, struct err *err)
{
    f->format = "gguf";
    enum status st = meta_text(s, "general.architecture", &f->architecture, err);
    if (st == OK)
        st = meta_text(s, "tokenizer.ggml.model", &f->tokenizer, err);
    if (st == OK)
        st = meta_text(s, "tokenizer.ggml.pre", &f->pre, err);
    if (st != OK)
        return st;
    const struct meta_kv *tokens = meta_find(&s->meta, "tokenizer.ggml.tokens");
    f->tokens = tokens && tokens->type == META_ARRAY ? tokens->count : 0;
    if (f->architecture) {
        uint64_t blocks = arch_u64(s, f->architecture, "block_count");

        f->mtp_layers = arch_u64(s, f->architecture, "nextn_predict_layers");
        f->layers = blocks > f->mtp_layers ? blocks - f->mtp_layers : blocks;
        f->experts = arch_u64(s, f->architecture, "expert_count");
        f->experts_used = arch_u64(s, f->architecture, "expert_used_count");
    }
    count_gguf_mtp(s, f);
    return OK;
}

/* ---- all ---- */

static enum status note(struct source *s, struct facts *f, struct err *err)
{
    enum status st = OK;

    for (size_t i = 0; st == OK && i < s->nunlisted; i++)
        st = notes_add(&f->notes, err, "%s lies in the folder, but the index does not name it",
                       s->unlisted[i]);
    if (st == OK && s->nhidden)
        st = notes_add(&f->notes, err,
                       "%zu tensor%s in the shards (the first: %.120s), but the index does not name %s",
                       s->nhidden, s->nhidden == 1 ? " lies" : "s lie", s->hidden[0].name,
                       s->nhidden == 1 ? "it" : "them");
    if (st == OK && f->mtp == MTP_PROMISED)
        st = notes_add(&f->notes, err,
                       "an MTP head of %" PRIu64 " layer%s is promised, but no tensor of it is here",
                       f->mtp_layers, f->mtp_layers == 1 ? "" : "s");
    if (st == OK && f->mtp == MTP_PRESENT && !f->mtp_layers && s->kind != SOURCE_SAFETENSORS)
        st = notes_add(&f->notes, err, "tensors of an MTP head are here, but nothing describes it");
    bool quantized = json_get(s->config, "quantization") || json_get(s->config, "quantization_config");
    if (st == OK && quantized && s->kind != SOURCE_MLX)
        st = notes_add(&f->notes, err,
                       "the weights are stored quantized: parameters and bits per weight "
                       "count stored elements");
    return st;
}

enum status facts_read(struct source *s, struct facts *f, struct err *err)
{
    *f = (struct facts){.notes.arena = &s->arena};
    for (size_t i = 0; i < s->ntensor; i++)
        report_count(&f->totals, &s->tensors[i]);
    for (size_t i = 0; i < s->nfile; i++)
        f->file_nbytes += file_size(s->files[i].file);
    enum status st = OK;
    if (s->kind == SOURCE_GGUF) {
        st = read_gguf(s, f, err);
    } else {
        read_config(s, f);
        st = find_tokenizer(s, f, err);
    }
    if (st != OK)
        return st;
    f->mtp = f->mtp_tensors ? MTP_PRESENT : f->mtp_layers ? MTP_PROMISED : MTP_ABSENT;
    return note(s, f, err);
}
