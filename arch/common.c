/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that several families share. Symbols: V vocabulary, H hidden size, F feed-forward size, E experts,
 * FE feed-forward size of one expert. */
#include "arch/archs.h"

const struct tensor_rule rules_embeddings[] = {
    {SCOPE_MODEL, "model.embed_tokens.weight", "token_embd.weight", "V,H", 0, 0, NULL},
    {SCOPE_MODEL, "lm_head.weight", "output.weight", "V,H", 0, RULE_OPTIONAL, NULL},
    {0},
};

const struct tensor_rule rules_dense_mlp[] = {
    {SCOPE_LAYER, "mlp.gate_proj.weight", "ffn_gate.weight", "F,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "mlp.up_proj.weight", "ffn_up.weight", "F,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "mlp.down_proj.weight", "ffn_down.weight", "H,F", IN_ALL, 0, NULL},
    {0},
};

const struct mlx_rule mlx_router = {.bits = 8};

static const struct mlx_rule mlx_switch_gate = {"mlp.switch_mlp.gate_proj.weight"};
static const struct mlx_rule mlx_switch_up = {"mlp.switch_mlp.up_proj.weight"};
static const struct mlx_rule mlx_switch_down = {"mlp.switch_mlp.down_proj.weight"};

/* [E, 2F, H]: of each expert the gate's rows, then the up projection's. */
static const struct tensor_part gate_up_parts[] = {
    {"ffn_gate_exps.weight", {{"1", "2*FE", "0", "FE"}}},
    {"ffn_up_exps.weight", {{"1", "2*FE", "FE", "FE"}}},
    {0},
};

const struct tensor_form form_split_gate_up = {
    .name = "split gate and up", .axis = 1, .parts = gate_up_parts};

static const struct tensor_part switch_parts[] = {
    {"mlp.switch_mlp.gate_proj.weight", {{"1", "2*FE", "0", "FE"}}},
    {"mlp.switch_mlp.up_proj.weight", {{"1", "2*FE", "FE", "FE"}}},
    {0},
};

static const struct tensor_form split_switch = {
    .name = "split gate and up", .axis = 1, .parts = switch_parts};
static const struct mlx_rule mlx_gate_up = {.form = &split_switch};

const struct tensor_rule rules_experts[] = {
    {SCOPE_LAYER, "mlp.gate.weight", "ffn_gate_inp.weight", "E,H", IN_ALL, 0, NULL, &mlx_router},
    {SCOPE_LAYER, "mlp.experts.gate_up_proj", NULL, "E,2*FE,H", IN_ALL, RULE_FUSED, &form_split_gate_up,
     &mlx_gate_up},
    {SCOPE_LAYER, "mlp.experts.down_proj", "ffn_down_exps.weight", "E,H,FE", IN_ALL, RULE_FUSED, NULL,
     &mlx_switch_down},
    {SCOPE_LAYER, "mlp.experts.{e}.down_proj.weight", "ffn_down_exps.weight", "H,FE", IN_ALL, RULE_PER_EXPERT,
     NULL, &mlx_switch_down},
    {SCOPE_LAYER, "mlp.experts.{e}.gate_proj.weight", "ffn_gate_exps.weight", "FE,H", IN_ALL, RULE_PER_EXPERT,
     NULL, &mlx_switch_gate},
    {SCOPE_LAYER, "mlp.experts.{e}.up_proj.weight", "ffn_up_exps.weight", "FE,H", IN_ALL, RULE_PER_EXPERT,
     NULL, &mlx_switch_up},
    {SCOPE_LAYER, "mlp.switch_mlp.down_proj.weight", "ffn_down_exps.weight", "E,H,FE", IN_HEAD, RULE_STACKED,
     NULL},
    {SCOPE_LAYER, "mlp.switch_mlp.gate_proj.weight", "ffn_gate_exps.weight", "E,FE,H", IN_HEAD, RULE_STACKED,
     NULL},
    {SCOPE_LAYER, "mlp.switch_mlp.up_proj.weight", "ffn_up_exps.weight", "E,FE,H", IN_HEAD, RULE_STACKED,
     NULL},
    {0},
};
