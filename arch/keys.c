/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata that every text model gets from its config, in the reference converter's order. */
#include "arch/keys.h"

#include <float.h>

#include "arch/hparams.h"

/* rope_parameters, else rope_scaling; their full_attention part where they are split by layer kind. */
static const struct json *rope_section(const struct hparams *hp)
{
    const struct json *rope = hparams_find(hp, "rope_parameters");

    if (!rope || json_kind(rope) != JSON_K_OBJECT)
        rope = hparams_find(hp, "rope_scaling");
    if (!rope || json_kind(rope) != JSON_K_OBJECT)
        return NULL;
    const struct json *full = json_get(rope, "full_attention");
    return full ? full : rope;
}

const struct json *hparams_rope(const struct hparams *hp, const char *key)
{
    static const struct {
        const char *key, *inner, *outer;
    } old[] = {
        {"rope_theta", "rope_theta",
         "global_rope_theta|rope_global_theta|rope_theta_global|rope_theta|rotary_emb_base"},
        {"rope_type", "type", NULL},
        {"partial_rotary_factor", "partial_rotary_factor", "partial_rotary_factor|rope_pct|rope_percent"},
        {"original_max_position_embeddings", "original_max_position_embeddings",
         "original_max_position_embeddings"},
    };
    const struct json *rope = rope_section(hp), *v = json_get(rope, key);

    for (size_t i = 0; !v && i < ARRAY_LEN(old); i++) {
        if (strcmp(key, old[i].key) != 0)
            continue;
        v = json_get(rope, old[i].inner);
        if (!v && old[i].outer)
            v = hparams_find(hp, old[i].outer);
    }
    return v && json_kind(v) != JSON_K_NULL ? v : NULL;
}

/* Python writes NaN and Infinity into configs; no key that runtimes read may have them. */
static enum status set_f32_of(const struct hparams *hp, const char *suffix, const struct json *v,
                              struct meta *out, struct err *err)
{
    char key[META_KEY_MAX];
    double d;

    if (!v || json_kind(v) == JSON_K_NULL)
        return OK;
    if (!json_num(v, &d) || !(d >= -FLT_MAX && d <= FLT_MAX))
        return hparams_refuse(hp, v, "a number that float32 can hold", err);
    return meta_set_f32(out, hparams_key(hp, suffix, key), (float)d, err);
}

static enum status set_positive_of(const struct hparams *hp, const char *suffix, const struct json *v,
                                   struct meta *out, struct err *err)
{
    double d;

    if (json_num(v, &d) && !(d >= FLT_MIN))
        return hparams_refuse(hp, v, "a number above 0", err);
    return set_f32_of(hp, suffix, v, out, err);
}

static enum status set_u32_of(const struct hparams *hp, const char *key, const struct json *v,
                              struct meta *out, struct err *err)
{
    int64_t i;

    if (!json_int(v, &i) || i < 0 || i > UINT32_MAX)
        return hparams_refuse(hp, v, "a whole number from 0 to 2^32 - 1", err);
    return meta_set_u32(out, key, (uint32_t)i, err);
}

static enum status block_count(const struct hparams *hp, struct meta *out, struct err *err)
{
    char key[META_KEY_MAX];

    return meta_set_u32(out, hparams_key(hp, "block_count", key), (uint32_t)(hp->n_layer + hp->n_mtp), err);
}

static enum status causal(const struct hparams *hp, struct meta *out, struct err *err)
{
    const struct json *j = hparams_find(hp, "is_causal");
    char key[META_KEY_MAX];
    bool v = true;

    if (j && json_kind(j) != JSON_K_NULL && !json_bool(j, &v))
        return hparams_refuse(hp, j, "true or false", err);
    if (v)
        return OK;
    return meta_set_bool(out, hparams_key(hp, "attention.causal", key), false, err);
}

static enum status rope_yarn(const struct hparams *hp, struct meta *out, struct err *err)
{
    static const struct {
        const char *suffix, *from[2];
    } extra[] = {
        {"rope.scaling.yarn_ext_factor", {"extrapolation_factor", NULL}},
        {"rope.scaling.yarn_attn_factor", {"attention_factor", "attn_factor"}},
        {"rope.scaling.yarn_beta_fast", {"beta_fast", NULL}},
        {"rope.scaling.yarn_beta_slow", {"beta_slow", NULL}},
    };
    char key[META_KEY_MAX];
    const struct json *original = hparams_rope(hp, "original_max_position_embeddings");

    if (!original)
        return fail(err, E_FORMAT, "%s: rope_type=yarn: original_max_position_embeddings is missing",
                    hp->name);
    enum status s =
        set_u32_of(hp, hparams_key(hp, "rope.scaling.original_context_length", key), original, out, err);
    for (size_t i = 0; i < ARRAY_LEN(extra) && s == OK; i++) {
        const struct json *v = hparams_rope(hp, extra[i].from[0]);

        if (!v && extra[i].from[1])
            v = hparams_rope(hp, extra[i].from[1]);
        s = set_f32_of(hp, extra[i].suffix, v, out, err);
    }
    return s;
}

static enum status rope_scaling(const struct hparams *hp, struct meta *out, struct err *err)
{
    const char *type = json_str(hparams_rope(hp, "rope_type"));
    const struct json *factor = hparams_rope(hp, "factor");
    char key[META_KEY_MAX];
    bool longrope = type && (strcmp(type, "su") == 0 || strcmp(type, "longrope") == 0);
    bool linear = type && strcmp(type, "linear") == 0 && factor,
         yarn = type && strcmp(type, "yarn") == 0 && factor;

    hparams_key(hp, "rope.scaling.type", key);
    if (longrope)
        return meta_set_str(out, key, "longrope", err);
    if (!linear && !yarn)
        return OK;
    enum status s = meta_set_str(out, key, type, err);
    if (s == OK)
        s = set_positive_of(hp, "rope.scaling.factor", factor, out, err);
    return s == OK && yarn ? rope_yarn(hp, out, err) : s;
}

static enum status rope_sections(const struct hparams *hp, struct meta *out, struct err *err)
{
    const struct json *list = hparams_rope(hp, "mrope_section");
    int32_t v[4] = {0};
    size_t n = 0;
    char key[META_KEY_MAX];

    if (!list)
        return OK;
    if (json_kind(list) != JSON_K_ARRAY)
        return hparams_refuse(hp, list, "a list", err);
    for (const struct json *c = json_first(list); c && n < 4; c = json_after(c), n++) {
        int64_t i;

        if (!json_int(c, &i) || i < 0 || i > INT32_MAX)
            return fail(err, E_FORMAT, "%s: mrope_section[%zu]: must be a whole number from 0 to 2^31 - 1",
                        hp->name, n);
        v[n] = (int32_t)i;
    }
    if (v[0] == 0 && v[1] == 0 && v[2] == 0)
        return fail(err, E_FORMAT, "%s: mrope_section: one of the first three must be above 0", hp->name);
    return meta_set_i32s(out, hparams_key(hp, "rope.dimension_sections", key), v, 4, err);
}

static enum status rope_freq(const struct hparams *hp, struct meta *out, struct err *err)
{
    const struct json *theta = hparams_rope(hp, "rope_theta");
    char key[META_KEY_MAX];
    bool found = false;
    double d = 0;

    if (theta)
        return set_positive_of(hp, "rope.freq_base", theta, out, err);
    enum status s = hparams_num(hp, "rope_theta", &found, &d, err); /* the class's default */
    if (s == OK && found)
        s = meta_set_f32(out, hparams_key(hp, "rope.freq_base", key), (float)d, err);
    return s;
}

static enum status rope_freq_swa(const struct hparams *hp, struct meta *out, struct err *err)
{
    const struct json *rope = hparams_find(hp, "rope_parameters");
    const struct json *theta = json_get(json_get(rope, "sliding_attention"), "rope_theta");

    if (!theta)
        theta = hparams_find(
            hp, "local_rope_theta|rope_local_theta|rope_theta_local|swa_rope_theta|rope_local_base_freq");
    return set_positive_of(hp, "rope.freq_base_swa", theta, out, err);
}

static enum status gating(const struct hparams *hp, struct meta *out, struct err *err)
{
    static const struct {
        const char *name;
        uint32_t id;
    } known[] = {{"softmax", 1}, {"sigmoid", 2}, {"sqrtsoftplus", 4}};
    const struct json *v = hparams_find(hp, "score_function|scoring_func|score_func|moe_router_activation|"
                                            "moe_router_activation_func|expert_selection_fn");
    const char *name = json_str(v);
    char key[META_KEY_MAX];

    if (!v || json_kind(v) == JSON_K_NULL)
        return OK;
    for (size_t i = 0; name && i < ARRAY_LEN(known); i++)
        if (strcmp(name, known[i].name) == 0)
            return meta_set_u32(out, hparams_key(hp, "expert_gating_func", key), known[i].id, err);
    if (!name)
        return hparams_refuse(hp, v, "a string", err);
    return fail(err, E_UNSUPPORTED, "%s: %s=%s: only softmax, sigmoid and sqrtsoftplus are known", hp->name,
                json_key(v), name);
}

/* Keeps the key's place: its value is not the model's, but each file's. */
static enum status file_type(const struct hparams *hp, struct meta *out, struct err *err)
{
    (void)hp;
    return meta_set_u32(out, "general.file_type", 0, err);
}

const struct key_rule keys_generic[] = {
    {"block_count", KEY_FUNCTION, NULL, block_count},
    {"context_length", KEY_U32,
     "max_position_embeddings|n_ctx|n_positions|max_length|max_sequence_length|model_max_length", NULL, true},
    {"embedding_length", KEY_U32, "hidden_size|n_embd|dim", NULL},
    {"feed_forward_length", KEY_U32,
     "prefix_dense_intermediate_size|dense_intermediate_size|intermediate_size|n_inner|hidden_dim", NULL},
    {"attention.head_count", KEY_U32, "num_attention_heads|n_head|n_heads", NULL},
    {"attention.head_count_kv", KEY_U32, "num_key_value_heads|n_kv_heads", NULL},
    {"attention.causal", KEY_FUNCTION, NULL, causal},
    {"rope.scaling", KEY_FUNCTION, NULL, rope_scaling},
    {"rope.dimension_sections", KEY_FUNCTION, NULL, rope_sections},
    {"rope.freq_base", KEY_FUNCTION, NULL, rope_freq},
    {"rope.freq_base_swa", KEY_FUNCTION, NULL, rope_freq_swa},
    {"attention.layer_norm_rms_epsilon", KEY_F32, "rms_norm_eps|norm_eps", NULL, true},
    {"attention.layer_norm_epsilon", KEY_F32, "layer_norm_eps|layer_norm_epsilon|norm_epsilon", NULL},
    {"expert_count", KEY_U32, "num_local_experts|num_experts|n_routed_experts", NULL},
    {"expert_used_count", KEY_U32, "num_experts_per_tok|num_experts_per_token|top_k_experts", NULL},
    {"expert_group_count", KEY_U32, "n_group", NULL},
    {"expert_group_used_count", KEY_U32, "topk_group", NULL},
    {"expert_gating_func", KEY_FUNCTION, NULL, gating},
    {"attention.key_length", KEY_U32, "head_dim", NULL},
    {"attention.value_length", KEY_U32, "head_dim", NULL},
    {".general.file_type", KEY_FUNCTION, NULL, file_type},
    {NULL, KEY_U32, NULL, NULL},
};

static enum status missing(const struct hparams *hp, const struct key_rule *k, struct err *err)
{
    return k->required
               ? fail(err, E_FORMAT, "%s: %.*s is missing", hp->name, (int)strcspn(k->from, "|"), k->from)
               : OK;
}

static enum status set_u32(const struct hparams *hp, const struct key_rule *k, const char *key,
                           struct meta *out, struct err *err)
{
    bool found;
    uint64_t n;
    enum status s = hparams_u64(hp, k->from, &found, &n, err);

    if (s != OK)
        return s;
    if (!found)
        return missing(hp, k, err);
    if (n > UINT32_MAX || (n == 0 && k->required))
        return fail(err, E_FORMAT, "%s: %.*s=%" PRIu64 ": must be %s to 2^32 - 1", hp->name,
                    (int)strcspn(k->from, "|"), k->from, n, k->required ? "1" : "0");
    return meta_set_u32(out, key, (uint32_t)n, err);
}

static enum status set_f32(const struct hparams *hp, const struct key_rule *k, const char *key,
                           struct meta *out, struct err *err)
{
    bool found;
    double d;
    enum status s = hparams_num(hp, k->from, &found, &d, err);

    if (s != OK)
        return s;
    if (!found)
        return missing(hp, k, err);
    if (!(d >= 0 && d <= FLT_MAX))
        return hparams_refuse(hp, hparams_find(hp, k->from), "a number from 0 on that float32 can hold", err);
    return meta_set_f32(out, key, (float)d, err);
}

static enum status apply(const struct hparams *hp, const struct key_rule *k, struct meta *out,
                         struct err *err)
{
    char full[META_KEY_MAX];
    const char *key = k->key[0] == '.' ? k->key + 1 : hparams_key(hp, k->key, full);
    enum status s;
    uint64_t n;

    switch (k->kind) {
    case KEY_U32:
        return set_u32(hp, k, key, out, err);
    case KEY_F32:
        return set_f32(hp, k, key, out, err);
    case KEY_EXPR:
        s = hparams_eval(hp, k->from, &n, err);
        if (s == OK && n > UINT32_MAX)
            s = fail(err, E_FORMAT, "%s: %s=%" PRIu64 ": does not fit 32 bits", hp->name, k->key, n);
        return s == OK ? meta_set_u32(out, key, (uint32_t)n, err) : s;
    case KEY_FUNCTION:
        return k->function(hp, out, err);
    }
    return fail(err, E_BUG, "key rule %s has no kind", k->key);
}

enum status keys_apply(const struct hparams *hp, const struct key_rule *rules, struct meta *out,
                       struct err *err)
{
    enum status s = OK;

    for (; rules && rules->key && s == OK; rules++)
        s = apply(hp, rules, out, err);
    return s;
}

enum status hparams_to_meta(const struct hparams *hp, struct meta *out, struct err *err)
{
    enum status s = keys_apply(hp, keys_generic, out, err);

    return s == OK ? keys_apply(hp, hp->arch->keys, out, err) : s;
}

void keys_put_in_order(struct meta *meta, const struct arch *arch, const char *suffix)
{
    const struct hparams hp = {.arch = arch};
    const struct key_rule *rule = arch->keys;
    char key[META_KEY_MAX], later[META_KEY_MAX];

    while (rule && rule->key && strcmp(rule->key, suffix) != 0)
        rule++;
    hparams_key(&hp, suffix, key);
    for (rule += rule && rule->key; rule && rule->key; rule++)
        if (meta_move_before(meta, key, hparams_key(&hp, rule->key, later)))
            return;
}
