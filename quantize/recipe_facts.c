/* SPDX-License-Identifier: Apache-2.0 */
/* What tensors and types are to llama-quantize, as tables. */
#include "quantize/recipe_int.h"

#include <ctype.h>

#define KEY_BYTES 512 /* no key of an architecture is longer */

#define LAYERS_MAX 65536

/* ---- types ---- */

static const struct {
    enum dtype type, substitute;
} substitutes[] = {
    {DT_IQ1_S, DT_IQ4_NL}, {DT_IQ1_M, DT_IQ4_NL},   {DT_IQ2_XXS, DT_IQ4_NL}, {DT_IQ2_XS, DT_IQ4_NL},
    {DT_IQ2_S, DT_IQ4_NL}, {DT_IQ3_XXS, DT_IQ4_NL}, {DT_IQ3_S, DT_IQ4_NL},   {DT_IQ4_XS, DT_IQ4_NL},
    {DT_Q2_0, DT_Q4_0},    {DT_Q2_K, DT_Q4_0},      {DT_Q3_K, DT_Q4_0},      {DT_TQ1_0, DT_Q4_0},
    {DT_TQ2_0, DT_Q4_0},   {DT_Q4_K, DT_Q5_0},      {DT_Q5_K, DT_Q5_1},      {DT_Q6_K, DT_Q8_0},
};

enum dtype recipe_substitute(enum dtype t)
{
    for (size_t i = 0; i < ARRAY_LEN(substitutes); i++)
        if (substitutes[i].type == t)
            return substitutes[i].substitute;
    return DT_COUNT;
}

bool recipe_type_is_writable(enum dtype t)
{
    if (t == DT_F32 || t == DT_F16 || t == DT_BF16)
        return true;
    return dtype_is_quantized(t) && dtype_gguf_id(t) >= 0 && t != DT_Q8_1 &&
           t != DT_Q8_K; // those two are for activations
}

bool recipe_type_needs_imatrix(enum dtype t)
{
    return t == DT_IQ1_S || t == DT_IQ1_M || t == DT_IQ2_XXS || t == DT_IQ2_XS || t == DT_IQ2_S ||
           t == DT_IQ3_XXS;
}

/* ---- tensors that are never converted ---- */

static const struct {
    const char *part, *why;
} fixed_parts[] = {
    {"_norm.weight", "norms stay as they are"},
    {"ffn_gate_inp.weight", "routers stay as they are"},
    {"ffn_gate_tid2eid.weight", "routing tables stay as they are"},
    {"altup", "altup tensors are tiny"},
    {"laurel", "laurel tensors are tiny"},
    {"per_layer_model_proj", "per_layer_model_proj stays as it is"},
    {"ssm_conv1d", "convolutions of recurrent layers are tiny"},
    {"shortconv.conv.weight", "short convolutions are tiny"},
    {"indexer.k_proj.weight", "indexer projections are tiny"},
    {"indexer.q_proj.weight", "indexer projections are tiny"},
    {"time_mix_first.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_w0.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_w1.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_w2.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_v0.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_v1.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_v2.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_a0.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_a1.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_a2.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_g1.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_g2.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_decay_w1.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_decay_w2.weight", "RWKV's mixing tensors are tiny"},
    {"time_mix_lerp_fused.weight", "RWKV's mixing tensors are tiny"},
    {"attn_rel_b.weight", "position tables stay as they are"},
    {".position_embd", "position tables stay as they are"},
    {"sam.pos_embd", "position tables stay as they are"},
    {".rel_pos", "position tables stay as they are"},
    {"sam.neck.", "SAM's neck stays as it is"},
    {"sam.net_", "SAM's convolutions stay as they are"},
    {".patch_embd", "patch embeddings stay as they are"},
    {".patch_merger", "patch mergers stay as they are"},
    {"a.rvq.codebook", "audio codebooks stay as they are"},
    {"mm.a.code_embd", "audio codebooks stay as they are"},
};

/* "Ends with weight", as llama-quantize computes it: its sum wraps round for names of five characters, which
 * pass although they cannot hold the word. */
static bool passes_as_weight(const char *name)
{
    return str_ends(name, "weight") || strlen(name) == 5;
}

const char *recipe_fixed(const struct recipe_tensor *t)
{
    bool is_matrix = false;

    for (uint32_t d = 0; d + 1 < t->rank; d++)
        is_matrix = is_matrix || t->shape[d] > 1;
    if (!is_matrix)
        return "vectors stay as they are";
    if (!passes_as_weight(t->name))
        return "its name does not end with \"weight\"";
    if (strcmp(t->name, "position_embd.weight") == 0 || strcmp(t->name, "token_types.weight") == 0)
        return "position and token type tables stay as they are";
    for (size_t i = 0; i < ARRAY_LEN(fixed_parts); i++)
        if (strstr(t->name, fixed_parts[i].part))
            return fixed_parts[i].why;
    return NULL;
}

/* ---- roles ---- */

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_OUTPUT] = "output", [ROLE_EMBEDDING] = "embedding", [ROLE_ATTN_V] = "attn_v",
    [ROLE_ATTN_K] = "attn_k", [ROLE_ATTN_Q] = "attn_q",       [ROLE_ATTN_OUTPUT] = "attn_output",
    [ROLE_FFN_UP] = "ffn_up", [ROLE_FFN_GATE] = "ffn_gate",   [ROLE_FFN_DOWN] = "ffn_down",
    [ROLE_OTHER] = "other",
};

const char *recipe_role_name(enum recipe_role role)
{
    return role_names[role];
}

enum recipe_role recipe_role_of(const char *name)
{
    static const struct {
        const char *part;
        enum recipe_role role;
    } parts[] = {
        {"attn_qkv.weight", ROLE_ATTN_V}, {"attn_kv_b.weight", ROLE_ATTN_V},
        {"attn_v.weight", ROLE_ATTN_V},   {"attn_k.weight", ROLE_ATTN_K},
        {"attn_q.weight", ROLE_ATTN_Q},   {"attn_output.weight", ROLE_ATTN_OUTPUT},
        {"ffn_up", ROLE_FFN_UP},          {"ffn_gate", ROLE_FFN_GATE},
        {"ffn_down", ROLE_FFN_DOWN},
    };

    if (strcmp(name, "output.weight") == 0)
        return ROLE_OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0 || strcmp(name, "per_layer_token_embd.weight") == 0)
        return ROLE_EMBEDDING;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (strstr(name, parts[i].part))
            return parts[i].role;
    return ROLE_OTHER;
}

uint64_t recipe_layer_of(const char *name)
{
    for (const char *p = strstr(name, "blk."); p; p = strstr(p + 1, "blk.")) {
        const char *digit = p + strlen("blk.");
        uint64_t n = 0;

        while (isdigit((unsigned char)*digit) && n < UINT32_MAX)
            n = n * 10 + (uint64_t)(*digit++ - '0');
        if (digit > p + strlen("blk.") && *digit == '.')
            return n;
    }
    return UINT64_MAX;
}

uint64_t recipe_columns(const struct recipe_tensor *t)
{
    return t->rank ? t->shape[t->rank - 1] : 1;
}

/* ---- the model ---- */

/* A whole number, or the first of an array of them (one for each layer); `otherwise` where the key is
 * missing. */
static uint64_t read_key(const struct meta *meta, const char *arch, const char *key, uint64_t otherwise)
{
    char name[KEY_BYTES]; // not from the heap: out of memory is no missing key
    uint64_t v = otherwise;
    int n = snprintf(name, sizeof name, "%s.%s", arch, key);
    const struct meta_kv *kv = n > 0 && (size_t)n < sizeof name ? meta_find(meta, name) : NULL;

    if (!kv)
        return otherwise;
    struct meta_kv first = *kv;
    if (kv->type == META_ARRAY && kv->count && meta_type_size(kv->elem)) {
        first.type = kv->elem;
        first.count = 1;
        first.nbytes = meta_type_size(kv->elem);
    }
    return meta_u64(&first, &v) ? v : otherwise;
}

enum status recipe_model_read(struct recipe_model *m, const struct meta *meta, struct err *err)
{
    struct slice arch;

    if (!meta_str(meta_find(meta, "general.architecture"), &arch) || !arch.n)
        return fail(err, E_FORMAT, "general.architecture is missing");
    const char *name = arena_strndup(meta->arena, arch.p, arch.n);
    if (!name)
        return fail_nomem(err);
    m->arch = name;
    m->n_layer_all = m->n_layer_mtp = m->expert_count = m->head_count0 = m->head_count_kv0 = 0;
    if (strcmp(name, "clip") == 0) // a projector's own counts are not looked at
        return OK;
    m->n_layer_all = read_key(meta, name, "block_count", 0);
    m->n_layer_mtp = read_key(meta, name, "nextn_predict_layers", 0);
    m->expert_count = read_key(meta, name, "expert_count", 0);
    m->head_count0 = read_key(meta, name, "attention.head_count", 0);
    m->head_count_kv0 = read_key(meta, name, "attention.head_count_kv", m->head_count0);
    if (m->n_layer_all > LAYERS_MAX)
        return fail(err, E_LIMIT, "%s.block_count=%" PRIu64 ": over %d", name, m->n_layer_all, LAYERS_MAX);
    if (m->n_layer_mtp > m->n_layer_all)
        return fail(err, E_FORMAT, "%s.nextn_predict_layers=%" PRIu64 ": there are only %" PRIu64 " blocks",
                    name, m->n_layer_mtp, m->n_layer_all);
    if (strcmp(name, "graniteswitch") == 0) // its router counts as a block
        m->n_layer_all++;
    else if (strcmp(name, "nanbeige") == 0) // its blocks run several times
        m->n_layer_all *= min_u64(read_key(meta, name, "num_loops", 1), LAYERS_MAX);
    return OK;
}
