/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Qwen3.5 and 3.6 (dense and MoE) and Qwen3-Next: three linear-attention layers to one with full attention,
 * a multi-token-prediction head, norms stored as the difference from 1.
 *
 * Linear attention has NK key heads and NV value heads, R = NV / NK. Qwen3.5's checkpoints store value heads
 * grouped by key head; GGUF wants them tiled: head j * NK + g comes from g * R + j.
 */
#include "arch/archs.h"
#include "arch/hparams.h"

static const struct symbol symbols[] = {
    {"V", "vocab_size", NULL},
    {"H", "hidden_size", NULL},
    {"NH", "num_attention_heads", NULL},
    {"NKV", "num_key_value_heads", "NH"},
    {"HD", "head_dim", "256"},
    {"F", "intermediate_size", NULL},
    {"NK", "linear_num_key_heads", NULL},
    {"NV", "linear_num_value_heads", NULL},
    {"DK", "linear_key_head_dim", NULL},
    {"DV", "linear_value_head_dim", NULL},
    {"R", NULL, "NV/NK"},
    {"K", "linear_conv_kernel_dim", "4"},
    {"E", "num_experts|num_local_experts", NULL},
    {"FE", "moe_intermediate_size", NULL},
    {"FS", "shared_expert_intermediate_size", NULL},
    {"INTERVAL", "full_attention_interval", "4"},
    {"USED", "num_experts_per_tok|num_experts_per_token|top_k_experts", NULL},
    {0},
};

#define QWEN_NEXT_CHECKS                                                                                     \
    {"HD", CHECK_POSITIVE, NULL}, {"INTERVAL", CHECK_POSITIVE, NULL}, {"NH", CHECK_MULTIPLE, "NKV"},         \
        {"NV", CHECK_MULTIPLE, "NK"}, {"DK", CHECK_POSITIVE, NULL},                                          \
    {                                                                                                        \
        "DV", CHECK_POSITIVE, NULL                                                                           \
    }

static const struct config_check dense_checks[] = {QWEN_NEXT_CHECKS, {0}};
static const struct config_check moe_checks[] = {QWEN_NEXT_CHECKS, {"USED", CHECK_AT_MOST, "E"}, {0}};

/* ---- values ---- */

static const struct tensor_form norm = {.name = "add 1", .op_set = true, .op = OP_ADD_ONE};

static const struct tensor_form value_rows = {
    .name = "tile value heads (rows)", .group = {"NK", "R", "DV"}, .perm = {1, 0, 2}};
static const struct tensor_form value_heads = {
    .name = "tile value heads", .group = {"NK", "R", "1"}, .perm = {1, 0, 2}};
static const struct tensor_form value_rows_after_keys = {.name = "tile value heads (rows after q and k)",
                                                         .skip = "2*NK*DK",
                                                         .group = {"NK", "R", "DV"},
                                                         .perm = {1, 0, 2}};
static const struct tensor_form value_columns = {
    .name = "tile value heads (columns)", .axis = 1, .group = {"NK", "R", "DV"}, .perm = {1, 0, 2}};
static const struct tensor_form decay = {.name = "tile value heads, -exp",
                                         .group = {"NK", "R", "1"},
                                         .perm = {1, 0, 2},
                                         .op_set = true,
                                         .op = OP_NEG_EXP};
static const struct tensor_form convolution = {.name = "squeeze, tile value heads",
                                               .skip = "2*NK*DK",
                                               .group = {"NK", "R", "DV"},
                                               .perm = {1, 0, 2},
                                               .drop_axis = 1};

/* Qwen3-Next keeps its own order of value heads. */
static const struct tensor_form decay_in_order = {.name = "-exp", .op_set = true, .op = OP_NEG_EXP};
static const struct tensor_form squeezed = {.name = "squeeze", .drop_axis = 1};

/* Per key head the rows are q (DK), k (DK), v (R*DV), z (R*DV). */
static const struct tensor_part qkvz_parts[] = {
    {"attn_qkv.weight",
     {{"NK", "2*DK+2*R*DV", "0", "DK"},
      {"NK", "2*DK+2*R*DV", "DK", "DK"},
      {"NK", "2*DK+2*R*DV", "2*DK", "R*DV"}}},
    {"attn_gate.weight", {{"NK", "2*DK+2*R*DV", "2*DK+R*DV", "R*DV"}}},
    {0},
};
static const struct tensor_form split_qkvz = {
    .name = "split q, k, v and z", .parts = qkvz_parts, .undivided = "ssm_in.weight"};

/* ---- in MLX ---- */

static const struct tensor_form channels_last = {.name = "move the channel axis", .axes = "021"};

static const struct mlx_rule mlx_norm = {.form = &norm};
static const struct mlx_rule mlx_decay = {.flags = MLX_OWN_TYPE};
static const struct mlx_rule mlx_convolution = {.form = &channels_last, .flags = MLX_PLAIN};
static const struct mlx_rule mlx_plain = {.flags = MLX_PLAIN};

/* ---- tensors ---- */

static const struct tensor_rule common_rules[] = {
    {SCOPE_MODEL, "model.norm.weight", "output_norm.weight", "H", 0, 0, &norm, &mlx_norm},
    {SCOPE_LAYER, "input_layernorm.weight", "attn_norm.weight", "H", IN_ALL, 0, &norm, &mlx_norm},
    {SCOPE_LAYER, "post_attention_layernorm.weight", "post_attention_norm.weight", "H", IN_ALL, 0, &norm,
     &mlx_norm},
    {SCOPE_LAYER, "self_attn.q_proj.weight", "attn_q.weight", "2*NH*HD,H", IN_FULL | IN_HEAD, 0, NULL},
    {SCOPE_LAYER, "self_attn.k_proj.weight", "attn_k.weight", "NKV*HD,H", IN_FULL | IN_HEAD, 0, NULL},
    {SCOPE_LAYER, "self_attn.v_proj.weight", "attn_v.weight", "NKV*HD,H", IN_FULL | IN_HEAD, 0, NULL},
    {SCOPE_LAYER, "self_attn.o_proj.weight", "attn_output.weight", "H,NH*HD", IN_FULL | IN_HEAD, 0, NULL},
    {SCOPE_LAYER, "self_attn.q_norm.weight", "attn_q_norm.weight", "HD", IN_FULL | IN_HEAD, 0, &norm,
     &mlx_norm},
    {SCOPE_LAYER, "self_attn.k_norm.weight", "attn_k_norm.weight", "HD", IN_FULL | IN_HEAD, 0, &norm,
     &mlx_norm},
    {SCOPE_LAYER, "linear_attn.norm.weight", "ssm_norm.weight", "DV", IN_LINEAR, 0, NULL},
    {SCOPE_MTP, "mtp.fc.weight", "nextn.eh_proj.weight", "H,2*H", 0, 0, NULL, &mlx_plain},
    {SCOPE_MTP, "mtp.pre_fc_norm_embedding.weight", "nextn.enorm.weight", "H", 0, 0, &norm, &mlx_norm},
    {SCOPE_MTP, "mtp.pre_fc_norm_hidden.weight", "nextn.hnorm.weight", "H", 0, 0, &norm, &mlx_norm},
    {SCOPE_MTP, "mtp.norm.weight", "nextn.shared_head_norm.weight", "H", 0, 0, &norm, &mlx_norm},
    {0},
};

static const struct tensor_rule tiled_linear_rules[] = {
    {SCOPE_LAYER, "linear_attn.in_proj_qkv.weight", "attn_qkv.weight", "2*NK*DK+NV*DV,H", IN_LINEAR, 0,
     &value_rows_after_keys},
    {SCOPE_LAYER, "linear_attn.in_proj_z.weight", "attn_gate.weight", "NV*DV,H", IN_LINEAR, 0, &value_rows},
    {SCOPE_LAYER, "linear_attn.in_proj_b.weight", "ssm_beta.weight", "NV,H", IN_LINEAR, 0, &value_heads},
    {SCOPE_LAYER, "linear_attn.in_proj_a.weight", "ssm_alpha.weight", "NV,H", IN_LINEAR, 0, &value_heads},
    {SCOPE_LAYER, "linear_attn.A_log", "ssm_a", "NV", IN_LINEAR, 0, &decay, &mlx_decay},
    {SCOPE_LAYER, "linear_attn.dt_bias", "ssm_dt.bias", "NV", IN_LINEAR, 0, &value_heads},
    {SCOPE_LAYER, "linear_attn.conv1d.weight", "ssm_conv1d.weight", "2*NK*DK+NV*DV,1,K", IN_LINEAR, 0,
     &convolution, &mlx_convolution},
    {SCOPE_LAYER, "linear_attn.out_proj.weight", "ssm_out.weight", "H,NV*DV", IN_LINEAR, 0, &value_columns},
    {0},
};

static const struct tensor_rule grouped_linear_rules[] = {
    {SCOPE_LAYER, "linear_attn.in_proj_qkvz.weight", NULL, "2*NK*DK+2*NV*DV,H", IN_LINEAR, 0, &split_qkvz},
    {SCOPE_LAYER, "linear_attn.in_proj_ba.weight", "ssm_ba.weight", "2*NV,H", IN_LINEAR, 0, NULL},
    {SCOPE_LAYER, "linear_attn.A_log", "ssm_a", "NV", IN_LINEAR, 0, &decay_in_order},
    {SCOPE_LAYER, "linear_attn.dt_bias", "ssm_dt.bias", "NV", IN_LINEAR, 0, NULL},
    {SCOPE_LAYER, "linear_attn.conv1d.weight", "ssm_conv1d.weight", "2*NK*DK+NV*DV,1,K", IN_LINEAR, 0,
     &squeezed, &mlx_convolution},
    {SCOPE_LAYER, "linear_attn.out_proj.weight", "ssm_out.weight", "H,NV*DV", IN_LINEAR, 0, NULL},
    {0},
};

static const struct tensor_rule shared_expert_rules[] = {
    {SCOPE_LAYER, "mlp.shared_expert.gate_proj.weight", "ffn_gate_shexp.weight", "FS,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "mlp.shared_expert.up_proj.weight", "ffn_up_shexp.weight", "FS,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "mlp.shared_expert.down_proj.weight", "ffn_down_shexp.weight", "H,FS", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "mlp.shared_expert_gate.weight", "ffn_gate_inp_shexp.weight", "1,H", IN_ALL, 0, NULL,
     &mlx_router},
    {0},
};

/* ---- metadata ---- */

static enum status nextn_layers(const struct hparams *hp, struct meta *out, struct err *err)
{
    char key[META_KEY_MAX];

    if (hp->n_mtp == 0)
        return OK;
    return meta_set_u32(out, hparams_key(hp, "nextn_predict_layers", key), (uint32_t)hp->n_mtp, err);
}

static enum status rope_dimensions(const struct hparams *hp, struct meta *out, struct err *err)
{
    char key[META_KEY_MAX];
    const struct json *v = hparams_rope(hp, "partial_rotary_factor");
    double factor = 0.25;
    uint64_t head_dim;
    enum status s = hparams_eval(hp, "HD", &head_dim, err);

    if (s == OK && v && (!json_num(v, &factor) || !(factor > 0 && factor <= 1)))
        s = hparams_refuse(hp, v, "a number above 0, at most 1", err);
    if (s != OK)
        return s;
    double n = (double)head_dim * factor;
    if (!(n >= 1 && n <= UINT32_MAX))
        return fail(err, E_FORMAT, "%s: partial_rotary_factor=%g: makes %g of head_dim=%" PRIu64 " rotary",
                    hp->name, factor, n, head_dim);
    return meta_set_u32(out, hparams_key(hp, "rope.dimension_count", key), (uint32_t)n, err);
}

/* The sections that the released models have, for configs that leave them out. */
static enum status default_sections(const struct hparams *hp, struct meta *out, struct err *err)
{
    static const int32_t sections[4] = {11, 11, 10, 0};
    char key[META_KEY_MAX];

    if (hparams_rope(hp, "mrope_section"))
        return OK;
    return meta_set_i32s(out, hparams_key(hp, "rope.dimension_sections", key), sections, 4, err);
}

#define QWEN_NEXT_KEYS                                                                                       \
    {"expert_feed_forward_length", KEY_U32, "moe_intermediate_size", NULL},                                  \
        {"expert_shared_feed_forward_length", KEY_U32, "shared_expert_intermediate_size", NULL},             \
        {"nextn_predict_layers", KEY_FUNCTION, NULL, nextn_layers},                                          \
        {"ssm.conv_kernel", KEY_EXPR, "K", NULL}, {"ssm.state_size", KEY_EXPR, "DK", NULL},                  \
        {"ssm.group_count", KEY_EXPR, "NK", NULL}, {"ssm.time_step_rank", KEY_EXPR, "NV", NULL},             \
        {"ssm.inner_size", KEY_EXPR, "DV*NV", NULL},                                                         \
        {"full_attention_interval", KEY_EXPR, "INTERVAL", NULL},                                             \
    {                                                                                                        \
        "rope.dimension_count", KEY_FUNCTION, NULL, rope_dimensions                                          \
    }

static const struct key_rule qwen35_keys[] = {
    QWEN_NEXT_KEYS,
    {"rope.dimension_sections", KEY_FUNCTION, NULL, default_sections},
    {0},
};

static const struct key_rule qwen3next_keys[] = {
    QWEN_NEXT_KEYS,
    {0},
};

/* ---- vision tower ---- */

static const struct symbol vision_symbols[] = {
    {"D", "hidden_size", NULL},
    {"F", "intermediate_size", NULL},
    {"C", "in_channels", "3"},
    {"T", "temporal_patch_size", "2"},
    {"P", "patch_size", "16"},
    {"M", "spatial_merge_size", "2"},
    {"NP", "num_position_embeddings", "2304"},
    {"OUT", "out_hidden_size", NULL},
    {"DEPTH", "depth", NULL},
    {"NH", "num_attention_heads|num_heads|heads", NULL},
    {0},
};

static const struct config_check vision_checks[] = {
    {"D", CHECK_MULTIPLE, "NH"},
    {"DEPTH", CHECK_POSITIVE, NULL},
    {0},
};

/* [D, C, 2, P, P]: one tensor per frame of the pair. */
static const struct tensor_part frames[] = {
    {"v.patch_embd.weight", {{"1", "2", "0", "1"}}},
    {"v.patch_embd.weight.1", {{"1", "2", "1", "1"}}},
    {0},
};
static const struct tensor_form split_frames = {
    .name = "split the two frames", .axis = 2, .parts = frames, .drop_axis = 2};

static const struct tensor_form colours_last = {.name = "move the colour axis", .axes = "02341"};
static const struct mlx_rule mlx_patch = {.form = &colours_last};

static const struct tensor_rule vision_rules[] = {
    {SCOPE_MODEL, "visual.patch_embed.proj.weight", NULL, "D,C,T,P,P", 0, RULE_PATCH, &split_frames,
     &mlx_patch},
    {SCOPE_MODEL, "visual.patch_embed.proj.bias", "v.patch_embd.bias", "D", 0, 0, NULL},
    {SCOPE_MODEL, "visual.pos_embed.weight", "v.position_embd.weight", "NP,D", 0, 0, NULL},
    {SCOPE_MODEL, "visual.merger.norm.weight", "v.post_ln.weight", "D", 0, 0, NULL},
    {SCOPE_MODEL, "visual.merger.norm.bias", "v.post_ln.bias", "D", 0, 0, NULL},
    {SCOPE_MODEL, "visual.merger.linear_fc1.weight", "mm.0.weight", "D*M*M,D*M*M", 0, 0, NULL},
    {SCOPE_MODEL, "visual.merger.linear_fc1.bias", "mm.0.bias", "D*M*M", 0, 0, NULL},
    {SCOPE_MODEL, "visual.merger.linear_fc2.weight", "mm.2.weight", "OUT,D*M*M", 0, 0, NULL},
    {SCOPE_MODEL, "visual.merger.linear_fc2.bias", "mm.2.bias", "OUT", 0, 0, NULL},
    {SCOPE_LAYER, "norm1.weight", "ln1.weight", "D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "norm1.bias", "ln1.bias", "D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "norm2.weight", "ln2.weight", "D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "norm2.bias", "ln2.bias", "D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "attn.qkv.weight", "attn_qkv.weight", "3*D,D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "attn.qkv.bias", "attn_qkv.bias", "3*D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "attn.proj.weight", "attn_out.weight", "D,D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "attn.proj.bias", "attn_out.bias", "D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "mlp.linear_fc1.weight", "ffn_up.weight", "F,D", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "mlp.linear_fc1.bias", "ffn_up.bias", "F", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "mlp.linear_fc2.weight", "ffn_down.weight", "D,F", IN_FULL, 0, NULL},
    {SCOPE_LAYER, "mlp.linear_fc2.bias", "ffn_down.bias", "D", IN_FULL, 0, NULL},
    {0},
};

static const struct tensor_rule *const vision_tables[] = {vision_rules, NULL};

static const struct vision_arch qwen3vl_tower = {
    .prefix = "visual.",
    .layer_hf = "visual.blocks.{i}.",
    .layer_gguf = "v.blk.{i}.",
    .depth = "DEPTH",
    .tables = vision_tables,
    .symbols = vision_symbols,
    .checks = vision_checks,
    .projector = "qwen3vl_merger",
};

/* ---- the architectures ---- */

static const struct mlx_arch mlx_qwen35 = {"qwen3_5", "language_model.", "vision_tower.", true};
static const struct mlx_arch mlx_qwen35moe = {"qwen3_5_moe", "language_model.", "vision_tower.", true};
static const struct mlx_arch mlx_qwen3next = {"qwen3_next", "", NULL, false};

static const char *const qwen35_classes[] = {"Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM", NULL};
static const char *const qwen35_types[] = {"qwen3_5", "qwen3_5_text", NULL};
static const struct config_fixed qwen35_fixed[] = {
    {"hidden_act", "\"silu\""},
    {"attn_output_gate", "true"},
    {"mamba_ssm_dtype", "\"float32\""},
    {0},
};
static const struct tensor_rule *const qwen35_tables[] = {rules_embeddings, common_rules, tiled_linear_rules,
                                                          rules_dense_mlp, NULL};

const struct arch arch_qwen35 = {
    .name = "qwen35",
    .mlx = &mlx_qwen35,
    .hf_classes = qwen35_classes,
    .hf_types = qwen35_types,
    .fixed = qwen35_fixed,
    .rope_parameters = true,
    .tables = qwen35_tables,
    .symbols = symbols,
    .checks = dense_checks,
    .keys = qwen35_keys,
    .full_interval = "INTERVAL",
    .has_mtp = true,
    .vocab = VOCAB_BPE,
    .vision = &qwen3vl_tower,
};

static const char *const qwen35moe_classes[] = {"Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM",
                                                NULL};
static const char *const qwen35moe_types[] = {"qwen3_5_moe", "qwen3_5_moe_text", NULL};
static const struct tensor_rule *const qwen35moe_tables[] = {
    rules_embeddings, common_rules, tiled_linear_rules, rules_experts, shared_expert_rules, NULL};

const struct arch arch_qwen35moe = {
    .name = "qwen35moe",
    .mlx = &mlx_qwen35moe,
    .hf_classes = qwen35moe_classes,
    .fused_experts = true,
    .hf_types = qwen35moe_types,
    .fixed = qwen35_fixed,
    .rope_parameters = true,
    .tables = qwen35moe_tables,
    .symbols = symbols,
    .checks = moe_checks,
    .keys = qwen35_keys,
    .full_interval = "INTERVAL",
    .has_mtp = true,
    .vocab = VOCAB_BPE,
    .vision = &qwen3vl_tower,
};

static const char *const qwen3next_classes[] = {"Qwen3NextForCausalLM", NULL};
static const char *const qwen3next_types[] = {"qwen3_next", NULL};
static const struct config_fixed qwen3next_fixed[] = {
    {"hidden_act", "\"silu\""},
    {"norm_topk_prob", "true"},
    {"decoder_sparse_step", "1"},
    {"mlp_only_layers", "[]"},
    {0},
};
static const struct tensor_rule *const qwen3next_tables[] = {
    rules_embeddings, common_rules, grouped_linear_rules, rules_experts, shared_expert_rules, NULL};

const struct arch arch_qwen3next = {
    .name = "qwen3next",
    .mlx = &mlx_qwen3next,
    .hf_classes = qwen3next_classes,
    .hf_types = qwen3next_types,
    .fixed = qwen3next_fixed,
    .tables = qwen3next_tables,
    .symbols = symbols,
    .checks = moe_checks,
    .keys = qwen3next_keys,
    .full_interval = "INTERVAL",
    .has_mtp = true,
    .vocab = VOCAB_BPE,
};
