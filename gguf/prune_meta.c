/* SPDX-License-Identifier: Apache-2.0 */
/* What pruning means for the metadata. Source: llama.cpp's loader of each architecture (commit 3f545becc). */
#include "gguf/block_arrays.h"
#include "gguf/prune_int.h"

/* ---- kinds of blocks that follow from their numbers ---- */

enum place { LAST_OF_PERIOD, FIRST_OF_PERIOD, SECOND_OF_PERIOD };

/* Of every `period` blocks one, at a place, differs from the others. The first row whose architecture and key
 * fit decides for its key. */
static const struct pattern {
    const char *arch; /* NULL: any */
    const char *key;  /* holds the period; an array there tells each block's kind by itself */
    uint64_t period;  /* where the key is missing; 0: then there is no pattern */
    enum place place;
    const char *unless; /* a key that tells each block's kind instead; NULL */
    const char *only;   /* a key without which there is no pattern; NULL */
    const char *what;   /* is at the place */
} patterns[] = {
#define RECURRENT "attention.recurrent_layers"
#define SWA       "attention.sliding_window_pattern"
#define WINDOW    "attention.sliding_window"
    {"qwen35", "full_attention_interval", 4, LAST_OF_PERIOD, RECURRENT, NULL, "full attention"},
    {"qwen35moe", "full_attention_interval", 4, LAST_OF_PERIOD, RECURRENT, NULL, "full attention"},
    {"qwen3next", "full_attention_interval", 4, LAST_OF_PERIOD, RECURRENT, NULL, "full attention"},
    {NULL, "full_attention_interval", 0, LAST_OF_PERIOD, RECURRENT, NULL, "full attention"},
    {"smallthinker", SWA, 4, FIRST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"cohere2moe", SWA, 4, FIRST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"laguna", SWA, 4, FIRST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"modern-bert", SWA, 3, FIRST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"afmoe", SWA, 4, LAST_OF_PERIOD, NULL, NULL, "full attention without positions"},
    {"llama4", SWA, 4, LAST_OF_PERIOD, NULL, NULL, "full attention without positions"},
    {"smollm3", SWA, 4, LAST_OF_PERIOD, NULL, NULL, "attention without positions"},
    {"cohere2", SWA, 4, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"exaone4", SWA, 4, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"exaone-moe", SWA, 4, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"gemma2", SWA, 2, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"gemma3", SWA, 6, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"gemma3n", SWA, 5, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"gemma-embedding", SWA, 6, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"gpt-oss", SWA, 2, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"mellum", SWA, 4, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"muse-glimmer", SWA, 4, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"olmo2", SWA, 4, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {"plamo3", SWA, 8, LAST_OF_PERIOD, NULL, WINDOW, "full attention"},
    {NULL, SWA, 0, LAST_OF_PERIOD, NULL, NULL, "full attention"},
    {NULL, "interleave_moe_layer_step", 0, LAST_OF_PERIOD, NULL, NULL, "experts"},
    {NULL, "moe_every_n_layers", 0, SECOND_OF_PERIOD, NULL, NULL, "experts"},
};

static bool is_special(const struct pattern *t, uint64_t period, uint64_t block)
{
    uint64_t place = t->place == LAST_OF_PERIOD ? period - 1 : t->place == FIRST_OF_PERIOD ? 0 : 1;

    return block % period == place;
}

static uint64_t period_of(const struct prune *p, const struct pattern *t)
{
    const struct meta_kv *kv = prune_find(p, t->key);
    uint64_t period = kv ? 0 : t->period;

    (void)meta_u64(kv, &period);
    if ((t->unless && prune_find(p, t->unless)) || (t->only && !prune_find(p, t->only)))
        return 0;
    return period;
}

static enum status check_pattern(const struct prune *p, const struct pattern *t, struct err *err)
{
    uint64_t period = period_of(p, t);

    for (uint64_t i = 0; period > 1 && i < p->nblock - p->nhead; i++) {
        if (p->gone[i] || is_special(t, period, i) == is_special(t, period, p->number[i]))
            continue;
        return fail(err, E_USAGE,
                    "--prune-layers %s: block %" PRIu64 ", which has %s%s, would become block %" PRIu64
                    ", where the loader expects %s (one of every %" PRIu64 ", %s.%s); runs of %" PRIu64
                    " blocks can be left out",
                    p->list, i, is_special(t, period, i) ? "" : "no ", t->what, p->number[i],
                    is_special(t, period, i) ? "none" : "it", period, p->arch, t->key, period);
    }
    return OK;
}

static enum status check_patterns(const struct prune *p, struct err *err)
{
    const char *decided = NULL;
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(patterns) && s == OK; i++) {
        const struct pattern *t = &patterns[i];

        if ((t->arch && strcmp(t->arch, p->arch) != 0) || (decided && strcmp(decided, t->key) == 0))
            continue;
        decided = t->key;
        s = check_pattern(p, t, err);
    }
    return s;
}

/* ---- counts ---- */

enum count_rule {
    COUNT_SHRINKS, /* of blocks at the beginning: those left out are no longer counted */
    COUNT_HOLDS,   /* of blocks at the beginning, none of which can be left out */
    COUNT_FORBIDS, /* of blocks that use what others compute */
};

static const struct count {
    const char *key;
    enum count_rule rule;
} counts[] = {
    {"leading_dense_block_count", COUNT_SHRINKS},
    {"hash_layer_count", COUNT_SHRINKS},
    {"n_deepstack_layers", COUNT_HOLDS},
    {"attention.shared_kv_layers", COUNT_FORBIDS},
};

static uint64_t gone_before(const struct prune *p, uint64_t block)
{
    return block < p->nblock ? block - p->number[block]
                             : p->nblock - p->number[p->nblock - 1] - !p->gone[p->nblock - 1];
}

enum status prune_check(const struct prune *p, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        uint64_t n = 0;

        (void)meta_u64(prune_find(p, counts[i].key), &n);
        if (counts[i].rule == COUNT_FORBIDS && n > 0)
            return fail(err, E_UNSUPPORTED,
                        "--prune-layers: %s.%s=%" PRIu64 ": blocks of this model use what others compute",
                        p->arch, counts[i].key, n);
        if (counts[i].rule == COUNT_HOLDS && gone_before(p, min_u64(n, p->nblock)) > 0)
            return fail(err, E_USAGE,
                        "--prune-layers %s: %s.%s=%" PRIu64 ": the first blocks cannot be left out", p->list,
                        p->arch, counts[i].key, n);
    }
    return check_patterns(p, err);
}

/* A number in the type that the key has. */
static enum status set_number(const struct prune *p, const struct meta_kv *kv, uint64_t v, struct err *err)
{
    struct meta_kv changed = *kv;
    unsigned char le[8];

    for (size_t i = 0; i < sizeof le; i++)
        le[i] = (unsigned char)(v >> (8 * i));
    changed.data = le;
    return meta_set(p->meta, changed, err);
}

static enum status set_counts(const struct prune *p, struct err *err)
{
    const struct meta_kv *head = prune_find(p, "nextn_predict_layers");
    uint64_t trunk = p->nblock - p->nhead;
    uint64_t gone = gone_before(p, p->nblock), left = p->nhead - (gone - gone_before(p, trunk));
    enum status s = set_number(p, prune_find(p, "block_count"), p->nblock - gone, err);

    if (s == OK && head && left > 0)
        s = set_number(p, head, left, err);
    else if (s == OK && head && p->nhead > 0)
        meta_remove(p->meta, head->key);
    for (size_t i = 0; i < ARRAY_LEN(counts) && s == OK; i++) {
        const struct meta_kv *kv = prune_find(p, counts[i].key);
        uint64_t n;

        if (counts[i].rule == COUNT_SHRINKS && meta_u64(kv, &n))
            s = set_number(p, kv, n - gone_before(p, min_u64(n, p->nblock)), err);
    }
    return s;
}

/* ---- all ---- */

enum status prune_meta(const struct prune *p, struct err *err)
{
    uint64_t *kept = arena_array(p->meta->arena, p->nblock, sizeof *kept);
    struct block_arrays arrays = {p->meta, p->arch, p->nblock, p->nhead};
    uint64_t n = 0;

    if (!kept)
        return fail_nomem(err);
    for (uint64_t i = 0; i < p->nblock; i++)
        if (!p->gone[i])
            kept[n++] = i;
    enum status s = block_arrays_pick(&arrays, kept, n, err);
    return s == OK ? set_counts(p, err) : s;
}
