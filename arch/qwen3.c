/* SPDX-License-Identifier: Apache-2.0 */
/* Qwen3, dense and MoE: full attention everywhere, norms on query and key heads. */
#include "arch/archs.h"

/* HD comes from the class's default where it has one (dense), else from H and NH (MoE). */
static const struct symbol symbols[] = {
    {"V", "vocab_size", NULL},
    {"H", "hidden_size", NULL},
    {"NH", "num_attention_heads", NULL},
    {"NKV", "num_key_value_heads", "NH"},
    {"HD", "head_dim", "H/NH"},
    {"F", "intermediate_size", NULL},
    {"E", "num_experts|num_local_experts", NULL},
    {"FE", "moe_intermediate_size", NULL},
    {"USED", "num_experts_per_tok|num_experts_per_token|top_k_experts", NULL},
    {0},
};

static const struct config_check dense_checks[] = {
    {"HD", CHECK_MULTIPLE, "2"},
    {"NH", CHECK_MULTIPLE, "NKV"},
    {0},
};

static const struct config_check moe_checks[] = {
    {"HD", CHECK_MULTIPLE, "2"},
    {"NH", CHECK_MULTIPLE, "NKV"},
    {"USED", CHECK_AT_MOST, "E"},
    {0},
};

static const struct config_default dense_defaults[] = {
    {"head_dim", "128"},
    {"max_position_embeddings", "32768"},
    {"rope_theta", "10000"},
    {"rms_norm_eps", "1e-06"},
    {0},
};

static const struct config_default moe_defaults[] = {
    {"max_position_embeddings", "32768"},
    {"rope_theta", "10000"},
    {"rms_norm_eps", "1e-06"},
    {0},
};

static const struct tensor_rule attention_rules[] = {
    {SCOPE_MODEL, "model.norm.weight", "output_norm.weight", "H", 0, 0, NULL},
    {SCOPE_LAYER, "input_layernorm.weight", "attn_norm.weight", "H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "post_attention_layernorm.weight", "ffn_norm.weight", "H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.q_proj.weight", "attn_q.weight", "NH*HD,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.k_proj.weight", "attn_k.weight", "NKV*HD,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.v_proj.weight", "attn_v.weight", "NKV*HD,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.o_proj.weight", "attn_output.weight", "H,NH*HD", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.q_proj.bias", "attn_q.bias", "NH*HD", IN_ALL, RULE_OPTIONAL, NULL},
    {SCOPE_LAYER, "self_attn.k_proj.bias", "attn_k.bias", "NKV*HD", IN_ALL, RULE_OPTIONAL, NULL},
    {SCOPE_LAYER, "self_attn.v_proj.bias", "attn_v.bias", "NKV*HD", IN_ALL, RULE_OPTIONAL, NULL},
    {SCOPE_LAYER, "self_attn.q_norm.weight", "attn_q_norm.weight", "HD", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.k_norm.weight", "attn_k_norm.weight", "HD", IN_ALL, 0, NULL},
    {0},
};

static const char *const qwen3_classes[] = {"Qwen3ForCausalLM", NULL};
static const char *const qwen3_types[] = {"qwen3", NULL};
static const struct config_fixed qwen3_fixed[] = {{"hidden_act", "\"silu\""}, {0}};
static const struct tensor_rule *const qwen3_tables[] = {rules_embeddings, attention_rules, rules_dense_mlp,
                                                         NULL};

static const struct mlx_arch mlx_qwen3 = {"qwen3", ""};

const struct arch arch_qwen3 = {
    .name = "qwen3",
    .mlx = &mlx_qwen3,
    .hf_classes = qwen3_classes,
    .hf_types = qwen3_types,
    .fixed = qwen3_fixed,
    .tables = qwen3_tables,
    .symbols = symbols,
    .checks = dense_checks,
    .defaults = dense_defaults,
    .vocab = VOCAB_SPM_OR_BPE,
};

static const char *const qwen3moe_classes[] = {"Qwen3MoeForCausalLM", NULL};
static const char *const qwen3moe_types[] = {"qwen3_moe", NULL};
static const struct config_fixed qwen3moe_fixed[] = {
    {"hidden_act", "\"silu\""},
    {"norm_topk_prob", "true"},
    {"decoder_sparse_step", "1"},
    {"mlp_only_layers", "[]"},
    {0},
};
static const struct tensor_rule *const qwen3moe_tables[] = {rules_embeddings, attention_rules, rules_experts,
                                                            NULL};

static const struct key_rule qwen3moe_keys[] = {
    {"expert_feed_forward_length", KEY_U32, "moe_intermediate_size", NULL},
    {"expert_shared_feed_forward_length", KEY_U32, "shared_expert_intermediate_size", NULL},
    {0},
};

static const struct mlx_arch mlx_qwen3moe = {"qwen3_moe", ""};

const struct arch arch_qwen3moe = {
    .name = "qwen3moe",
    .mlx = &mlx_qwen3moe,
    .hf_classes = qwen3moe_classes,
    .hf_types = qwen3moe_types,
    .fixed = qwen3moe_fixed,
    .tables = qwen3moe_tables,
    .symbols = symbols,
    .checks = moe_checks,
    .defaults = moe_defaults,
    .keys = qwen3moe_keys,
    .vocab = VOCAB_BPE,
};
