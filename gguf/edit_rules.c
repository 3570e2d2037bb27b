/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that would leave a file no loader takes. */
#include "gguf/edit_int.h"

#include "core/utf8.h"
#include "formats/gguf.h"

#define ALIGNMENT_MIN 8u // the format asks for a multiple of it
#define ALIGNMENT_MAX (64 * KIB)
#define KEY_BYTES     1024

/* ---- single keys ---- */

/* Without these (after the architecture's name and a dot) no loader takes a model. */
static const char *const needed[] = {
    "context_length",
    "embedding_length",
    "block_count",
    "attention.head_count",
    "attention.layer_norm_rms_epsilon",
};

/* "block_count" of "qwen35.block_count"; NULL for keys that are not the architecture's. */
static const char *suffix_of(const struct edit *e, const char *key)
{
    size_t n = e->arch ? strlen(e->arch) : 0;

    return n && strncmp(key, e->arch, n) == 0 && key[n] == '.' ? key + n + 1 : NULL;
}

static enum status check_alignment(const struct meta_kv *kv, struct err *err)
{
    uint64_t v;

    if (kv->type != META_U32 || !meta_u64(kv, &v))
        return fail(err, E_USAGE, "general.alignment: must be a u32");
    if (v < ALIGNMENT_MIN || v > ALIGNMENT_MAX || (v & (v - 1)))
        return fail(err, E_USAGE, "general.alignment=%" PRIu64 ": must be a power of two from %u to %" PRIu64,
                    v, ALIGNMENT_MIN, (uint64_t)ALIGNMENT_MAX);
    return OK;
}

static enum status check_name(const char *key, struct err *err)
{
    size_t n = strlen(key);

    if (n == 0 || n > GGUF_MAX_KEY)
        return fail(err, E_USAGE, "a key of %zu bytes: must have 1 to %u", n, GGUF_MAX_KEY);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)key[i] <= 0x20 || key[i] == 0x7f)
            return fail(err, E_USAGE, "key \"%s\": must have no blanks and no control bytes", key);
    return utf8_valid(key, n) ? OK : fail(err, E_USAGE, "key \"%s\": must be UTF-8", key);
}

static enum status check_removal(const struct edit *e, const char *key, struct err *err)
{
    const char *suffix = suffix_of(e, key);

    if (strcmp(key, "general.architecture") == 0)
        return fail(err, E_USAGE, "general.architecture: no loader takes a file without it");
    for (size_t i = 0; suffix && i < ARRAY_LEN(needed); i++)
        if (strcmp(suffix, needed[i]) == 0)
            return fail(err, E_USAGE, "%s: no loader takes a model without it", key);
    return OK;
}

enum status edit_check_key(const struct edit *e, const char *key, const struct meta_kv *kv, struct err *err)
{
    enum status s = check_name(key, err);

    if (s != OK)
        return s;
    if (str_starts(key, "GGUF."))
        return fail(err, E_USAGE, "%s: is no key, but follows from what the file holds", key);
    if (gguf_split_is_key(key) && (kv || e->source->nfile > 1))
        return fail(err, E_USAGE, "%s: says how a set of files hangs together; scion split and merge set it",
                    key);
    if (!kv)
        return check_removal(e, key, err);
    if (strcmp(key, "general.alignment") == 0)
        return check_alignment(kv, err);
    if (strcmp(key, "general.architecture") == 0 && (kv->type != META_STR || kv->nbytes == 8))
        return fail(err, E_USAGE, "general.architecture: must be a str that is not empty");
    return OK;
}

/* ---- keys and tensors ---- */

/* Numbers that a tensor's shape repeats. */
static const struct agreement {
    const char *key;    /* after the architecture's name */
    const char *tensor; /* its name, or its name within a block */
    bool columns;       /* its columns, else its outermost dimension */
} agreements[] = {
    {"embedding_length", "token_embd.weight", true},
    {"vocab_size", "token_embd.weight", false},
    {"expert_count", "ffn_down_exps.weight", false},
    {"expert_feed_forward_length", "ffn_down_exps.weight", true},
};

static const struct plan_step *find_step(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->nstep; i++) {
        const char *rest;
        uint64_t block;

        if (strcmp(p->steps[i].name, name) == 0 ||
            (gguf_block(p->steps[i].name, &block, &rest) && strcmp(rest, name) == 0))
            return &p->steps[i];
    }
    return NULL;
}

static bool is_touched(const struct edit *e, const char *key)
{
    return map_find(&e->touched, slice_of(key)) != MAP_NONE;
}

static enum status check_agreement(const struct edit *e, const struct agreement *a, struct err *err)
{
    const struct plan_step *step = find_step(e->plan, a->tensor);
    char key[KEY_BYTES];
    uint64_t v;

    snprintf(key, sizeof key, "%s.%s", e->arch, a->key);
    if (!is_touched(e, key) || !step || step->rank < 2)
        return OK;
    uint64_t want = step->shape[a->columns ? step->rank - 1 : 0];
    const struct meta_kv *kv = meta_find(&e->meta, key);
    if (!kv || (meta_u64(kv, &v) && v == want))
        return OK;
    return fail(err, E_USAGE, "%s: must be %" PRIu64 ", as tensor %s has it", key, want, step->name);
}

static enum status check_tokens(const struct edit *e, struct err *err)
{
    const struct meta_kv *kv = meta_find(&e->meta, "tokenizer.ggml.tokens");
    const struct plan_step *step = find_step(e->plan, "token_embd.weight");

    if (!kv || !step || step->rank < 2 || !is_touched(e, kv->key) || kv->count == step->shape[0])
        return OK;
    return fail(err, E_USAGE, "%s: %" PRIu64 " tokens, but tensor %s has rows for %" PRIu64, kv->key,
                kv->count, step->name, step->shape[0]);
}

/* Blocks that the tensors make up, and how many of them, the last ones, are a prediction head. */
static void count_blocks(const struct plan *p, uint64_t *nblock, uint64_t *nhead)
{
    uint64_t head = UINT64_MAX;

    *nblock = 0;
    for (size_t i = 0; i < p->nstep; i++) {
        const char *rest;
        uint64_t block;

        if (!gguf_block(p->steps[i].name, &block, &rest))
            continue;
        *nblock = max_u64(*nblock, block + 1);
        if (str_starts(rest, "nextn."))
            head = min_u64(head, block);
    }
    *nhead = *nblock - min_u64(head, *nblock);
}

static enum status check_blocks(const struct edit *e, struct err *err)
{
    uint64_t nblock, nhead, v = 0;
    char key[KEY_BYTES];

    count_blocks(e->plan, &nblock, &nhead);
    snprintf(key, sizeof key, "%s.block_count", e->arch);
    if (nblock > 0 && is_touched(e, key) && !(meta_u64(meta_find(&e->meta, key), &v) && v == nblock))
        return fail(err, E_USAGE, "%s: must be %" PRIu64 ", for the tensors' blocks are 0 to %" PRIu64, key,
                    nblock, nblock - 1);
    snprintf(key, sizeof key, "%s.nextn_predict_layers", e->arch);
    const struct meta_kv *head = meta_find(&e->meta, key);
    v = 0;
    if (nblock > 0 && is_touched(e, key) && ((head && !meta_u64(head, &v)) || v != nhead))
        return fail(err, E_USAGE, "%s: must be %" PRIu64 ", for so many blocks have tensors of a head", key,
                    nhead);
    return OK;
}

/* Another name needs the keys of that name. */
static enum status check_architecture(const struct edit *e, struct err *err)
{
    struct slice arch;
    char key[KEY_BYTES];

    if (!e->arch || !meta_str(meta_find(&e->meta, "general.architecture"), &arch) || slice_eq(arch, e->arch))
        return OK;
    snprintf(key, sizeof key, "%.*s.block_count", (int)min_u64(arch.n, KEY_BYTES), arch.p);
    return meta_find(&e->meta, key)
               ? OK
               : fail(err, E_USAGE, "general.architecture=%.*s: the file's keys are of %s, there is no %s",
                      (int)min_u64(arch.n, KEY_BYTES), arch.p, e->arch, key);
}

enum status edit_check_model(const struct edit *e, struct err *err)
{
    enum status s = check_architecture(e, err);

    for (size_t i = 0; i < ARRAY_LEN(agreements) && s == OK && e->arch; i++)
        s = check_agreement(e, &agreements[i], err);
    if (s == OK)
        s = check_tokens(e, err);
    return s == OK && e->arch ? check_blocks(e, err) : s;
}
