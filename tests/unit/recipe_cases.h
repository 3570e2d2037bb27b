/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What llama.cpp (commit 3f545becc) decides for models that exist only as lists of names and shapes: its own
 * llama_quant_compute_types() was called with them. A row says which tensors differ from the recipe's default:
 * "attn_v q6_k" for all of that name, "attn_v q6_k@0-3,6" for those layers. Recipes that llama.cpp aborts on (a
 * projector where a rule asks for heads) are left out.
 */
#ifndef TESTS_UNIT_RECIPE_CASES_H
#define TESTS_UNIT_RECIPE_CASES_H

#include "core/base.h"

struct model_part {
    const char *name; /* of a block's tensor without ".weight"; in front of the blocks: the whole name */
    uint64_t columns;
};

#define PARTS_MAX 12

struct model_case {
    const char *arch;
    uint64_t blocks, n_layer, experts, heads, kv_heads;
    const char *prefix; /* of a block's number */
    struct model_part front[PARTS_MAX], block[PARTS_MAX];
};

static const struct model_case llama = {
    "llama", 32, 32, 0, 32, 32, "blk.",
    {{"output.weight", 4096}, {"token_embd.weight", 4096}},
    {{"attn_k", 4096}, {"attn_output", 4096}, {"attn_q", 4096}, {"attn_v", 4096}, {"ffn_down", 11008},
     {"ffn_gate", 4096}, {"ffn_up", 4096}},
};
static const struct model_case llama_70b = {
    "llama", 80, 80, 0, 64, 8, "blk.",
    {{"output.weight", 8192}, {"token_embd.weight", 8192}},
    {{"attn_k", 8192}, {"attn_output", 8192}, {"attn_q", 8192}, {"attn_v", 8192}, {"ffn_down", 28672},
     {"ffn_gate", 8192}, {"ffn_up", 8192}},
};
static const struct model_case mixtral = {
    "llama", 32, 32, 8, 32, 8, "blk.",
    {{"output.weight", 4096}, {"token_embd.weight", 4096}},
    {{"attn_k", 4096}, {"attn_output", 4096}, {"attn_q", 4096}, {"attn_v", 4096}, {"ffn_down_exps", 14336},
     {"ffn_gate_exps", 4096}, {"ffn_gate_inp", 4096}, {"ffn_up_exps", 4096}},
};
static const struct model_case tied = {
    "qwen2", 24, 24, 0, 14, 2, "blk.",
    {{"token_embd.weight", 896}},
    {{"attn_k", 896}, {"attn_output", 896}, {"attn_q", 896}, {"attn_v", 896}, {"ffn_down", 4864},
     {"ffn_gate", 896}, {"ffn_up", 896}},
};
static const struct model_case falcon = {
    "falcon", 32, 32, 0, 71, 1, "blk.",
    {{"output.weight", 4608}, {"token_embd.weight", 4608}},
    {{"attn_output", 4608}, {"attn_qkv", 4608}, {"ffn_down", 18432}, {"ffn_up", 4608}},
};
static const struct model_case clip = {
    "clip", 27, 0, 0, 0, 0, "v.blk.",
    {{"v.patch_embd.weight", 1152}},
    {{"attn_out", 1152}, {"attn_q", 1152}, {"attn_v", 1152}, {"ffn_down", 4352}, {"ffn_up", 1152}},
};

enum importance { ANY, WITHOUT, WITH };

static const struct recipe_case {
    const struct model_case *model;
    const char *recipe;
    enum importance importance;
    const char *differs;
} recipe_cases[] = {
    {&llama, "F16", ANY, ""},
    {&llama, "BF16", ANY, ""},
    {&llama, "F32", ANY, ""},
    {&llama, "Q4_0", WITHOUT, "output q6_k"},
    {&llama, "Q4_0", WITH, "output q6_k; ffn_down q4_1@0-3"},
    {&llama, "Q4_1", ANY, "output q6_k"},
    {&llama, "Q5_0", WITHOUT, "output q6_k"},
    {&llama, "Q5_0", WITH, "output q6_k; ffn_down q5_1@0-3"},
    {&llama, "Q5_1", ANY, "output q6_k"},
    {&llama, "Q8_0", ANY, ""},
    {&llama, "Q1_0", ANY, "output q6_k"},
    {&llama, "Q2_0", ANY, "output q6_k; token_embd q4_k"},
    {&llama, "MXFP4_MOE", ANY,
     "output q8_0; token_embd q8_0; attn_k q8_0; attn_output q8_0; attn_q q8_0; attn_v q8_0; ffn_down "
     "q8_0; ffn_gate q8_0; ffn_up q8_0"},
    {&llama, "Q2_K", ANY, "output q6_k; attn_output q3_k; attn_v q3_k; ffn_down q3_k"},
    {&llama, "Q2_K_S", ANY, "output q6_k; ffn_down q4_k@0-3"},
    {&llama, "Q3_K_S", ANY, "output q6_k"},
    {&llama, "Q3_K_M", ANY,
     "output q6_k; attn_output q4_k; attn_v q5_k@0-1; attn_v q4_k@2-31; ffn_down q5_k@0-1; ffn_down "
     "q4_k@2-31"},
    {&llama, "Q3_K_L", ANY, "output q6_k; attn_output q5_k; attn_v q5_k; ffn_down q5_k"},
    {&llama, "Q4_K_S", ANY, "output q6_k; attn_v q5_k@0-3; ffn_down q5_k@0-3"},
    {&llama, "Q4_K_M", ANY,
     "output q6_k; attn_v q6_k@0-3,6,9,12,15,18,21,24,27-31; ffn_down q6_k@0-3,6,9,12,15,18,21,24,27-31"},
    {&llama, "Q5_K_S", ANY, "output q6_k"},
    {&llama, "Q5_K_M", ANY,
     "output q6_k; attn_v q6_k@0-3,6,9,12,15,18,21,24,27-31; ffn_down q6_k@0-3,6,9,12,15,18,21,24,27-31"},
    {&llama, "Q6_K", ANY, ""},
    {&llama, "IQ1_S", ANY,
     "output q5_k; token_embd q2_k; attn_output iq2_xxs; attn_v q2_k; ffn_down q2_k@0-3"},
    {&llama, "IQ1_M", ANY,
     "output q5_k; token_embd q2_k; attn_output iq2_xxs; attn_v q2_k; ffn_down q2_k@0-3"},
    {&llama, "IQ2_XXS", ANY, "output q5_k; token_embd q2_k; attn_v q2_k; ffn_down q2_k@0-3"},
    {&llama, "IQ2_XS", ANY, "output q5_k; token_embd q2_k; attn_v q2_k; ffn_down q2_k@0-3"},
    {&llama, "IQ2_S", ANY,
     "output q5_k; token_embd iq3_s; attn_output iq3_s; attn_v iq3_s; ffn_down iq3_s@0-3"},
    {&llama, "IQ2_M", ANY,
     "output q5_k; token_embd iq3_s; attn_output iq3_s; attn_v iq3_s; ffn_down iq3_s@0-3"},
    {&llama, "IQ3_XXS", WITHOUT,
     "output q5_k; token_embd iq3_s; attn_k iq2_s; attn_output iq3_s; attn_q iq2_s; attn_v iq3_s; "
     "ffn_down q4_k@0-3; ffn_down q3_k@4-31"},
    {&llama, "IQ3_XXS", WITH, "output q5_k; token_embd iq3_s; attn_k iq2_s; attn_output iq3_s; attn_q iq2_s"},
    {&llama, "IQ3_XS", ANY,
     "output q6_k; attn_k iq3_xxs; attn_q iq3_xxs; ffn_gate iq3_xxs@4-27; ffn_up iq3_xxs@4-27"},
    {&llama, "IQ3_S", ANY, "output q6_k"},
    {&llama, "IQ3_M", ANY, "output q6_k; attn_output q4_k; attn_v q4_k; ffn_down q4_k@0-3"},
    {&llama, "IQ4_NL", WITHOUT, "output q6_k; ffn_down q5_k@0-3"},
    {&llama, "IQ4_NL", WITH, "output q6_k"},
    {&llama, "IQ4_XS", WITHOUT, "output q6_k; ffn_down q5_k@0-3"},
    {&llama, "IQ4_XS", WITH, "output q6_k"},
    {&llama, "TQ1_0", ANY, "output q6_k; token_embd q4_k"},
    {&llama, "TQ2_0", ANY, "output q6_k; token_embd q4_k"},
    {&llama_70b, "F16", ANY, ""},
    {&llama_70b, "BF16", ANY, ""},
    {&llama_70b, "F32", ANY, ""},
    {&llama_70b, "Q4_0", WITHOUT, "output q6_k"},
    {&llama_70b, "Q4_0", WITH, "output q6_k; ffn_down q4_1@0-9"},
    {&llama_70b, "Q4_1", ANY, "output q6_k"},
    {&llama_70b, "Q5_0", WITHOUT, "output q6_k"},
    {&llama_70b, "Q5_0", WITH, "output q6_k; ffn_down q5_1@0-9"},
    {&llama_70b, "Q5_1", ANY, "output q6_k"},
    {&llama_70b, "Q8_0", ANY, ""},
    {&llama_70b, "Q1_0", ANY, "output q6_k"},
    {&llama_70b, "Q2_0", ANY, "output q6_k; token_embd q4_k"},
    {&llama_70b, "MXFP4_MOE", ANY,
     "output q8_0; token_embd q8_0; attn_k q8_0; attn_output q8_0; attn_q q8_0; attn_v q8_0; ffn_down "
     "q8_0; ffn_gate q8_0; ffn_up q8_0"},
    {&llama_70b, "Q2_K", ANY, "output q6_k; attn_output q3_k; attn_v q5_k; ffn_down q3_k"},
    {&llama_70b, "Q2_K_S", ANY, "output q6_k; attn_v q5_k; ffn_down q4_k@0-9"},
    {&llama_70b, "Q3_K_S", ANY, "output q6_k; attn_v q5_k"},
    {&llama_70b, "Q3_K_M", ANY,
     "output q6_k; attn_output q4_k; attn_v q5_k; ffn_down q5_k@0-4; ffn_down q4_k@5-79"},
    {&llama_70b, "Q3_K_L", ANY, "output q6_k; attn_output q5_k; attn_v q5_k; ffn_down q5_k"},
    {&llama_70b, "Q4_K_S", ANY, "output q6_k; attn_v q5_k; ffn_down q5_k@0-9"},
    {&llama_70b, "Q4_K_M", ANY,
     "output q6_k; attn_v q6_k@0-9,12,15,18,21,24,27,30,33,36,39,42,45,48,51,54,57,60,63,66,69-79; "
     "attn_v q5_k@10-11,13-14,16-17,19-20,22-23,25-26,28-29,31-32,34-35,37-38,40-41,43-44,46-47,49-50,"
     "52-53,55-56,58-59,61-62,64-65,67-68; ffn_down q6_k@0-9,12,15,18,21,24,27,30,33,36,39,42,45,48,51,"
     "54,57,60,63,66,69-79"},
    {&llama_70b, "Q5_K_S", ANY, "output q6_k"},
    {&llama_70b, "Q5_K_M", ANY,
     "output q6_k; attn_v q6_k@0-9,12,15,18,21,24,27,30,33,36,39,42,45,48,51,54,57,60,63,66,69-79; "
     "ffn_down q6_k@0-9,12,15,18,21,24,27,30,33,36,39,42,45,48,51,54,57,60,63,66,69-79"},
    {&llama_70b, "Q6_K", ANY, ""},
    {&llama_70b, "IQ1_S", ANY,
     "output q5_k; token_embd q2_k; attn_output iq2_xxs; attn_v q4_k; ffn_down q2_k@0-9"},
    {&llama_70b, "IQ1_M", ANY,
     "output q5_k; token_embd q2_k; attn_output iq2_xxs; attn_v q4_k; ffn_down q2_k@0-9"},
    {&llama_70b, "IQ2_XXS", ANY, "output q5_k; token_embd q2_k; attn_v q4_k; ffn_down q2_k@0-9"},
    {&llama_70b, "IQ2_XS", ANY, "output q5_k; token_embd q2_k; attn_v q4_k; ffn_down q2_k@0-9"},
    {&llama_70b, "IQ2_S", ANY,
     "output q5_k; token_embd iq3_s; attn_output iq3_s; attn_v q4_k; ffn_down iq3_s@0-9"},
    {&llama_70b, "IQ2_M", ANY,
     "output q5_k; token_embd iq3_s; attn_output iq3_s; attn_v q4_k; ffn_down iq3_s@0-9"},
    {&llama_70b, "IQ3_XXS", WITHOUT,
     "output q5_k; token_embd iq3_s; attn_k iq2_s; attn_output iq3_s; attn_q iq2_s; attn_v q5_k; "
     "ffn_down q4_k@0-9; ffn_down q3_k@10-79"},
    {&llama_70b, "IQ3_XXS", WITH,
     "output q5_k; token_embd iq3_s; attn_k iq2_s; attn_output iq3_s; attn_q iq2_s; attn_v q5_k"},
    {&llama_70b, "IQ3_XS", ANY,
     "output q6_k; attn_k iq3_xxs; attn_q iq3_xxs; attn_v q5_k; ffn_gate iq3_xxs@10-69; ffn_up "
     "iq3_xxs@10-69"},
    {&llama_70b, "IQ3_S", ANY, "output q6_k; attn_v q5_k"},
    {&llama_70b, "IQ3_M", ANY, "output q6_k; attn_output q4_k; attn_v q5_k; ffn_down q4_k@0-9"},
    {&llama_70b, "IQ4_NL", WITHOUT, "output q6_k; attn_v q5_k; ffn_down q5_k@0-9"},
    {&llama_70b, "IQ4_NL", WITH, "output q6_k; attn_v q5_k"},
    {&llama_70b, "IQ4_XS", WITHOUT, "output q6_k; attn_v q5_k; ffn_down q5_k@0-9"},
    {&llama_70b, "IQ4_XS", WITH, "output q6_k; attn_v q5_k"},
    {&llama_70b, "TQ1_0", ANY, "output q6_k; token_embd q4_k"},
    {&llama_70b, "TQ2_0", ANY, "output q6_k; token_embd q4_k"},
    {&mixtral, "F16", ANY, ""},
    {&mixtral, "BF16", ANY, ""},
    {&mixtral, "F32", ANY, ""},
    {&mixtral, "Q4_0", WITHOUT, "output q6_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "Q4_0", WITH, "output q6_k; attn_k q8_0; attn_v q8_0; ffn_down_exps q4_1@0-3"},
    {&mixtral, "Q4_1", ANY, "output q6_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "Q5_0", WITHOUT, "output q6_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "Q5_0", WITH, "output q6_k; attn_k q8_0; attn_v q8_0; ffn_down_exps q5_1@0-3"},
    {&mixtral, "Q5_1", ANY, "output q6_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "Q8_0", ANY, ""},
    {&mixtral, "Q1_0", ANY, "output q6_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "Q2_0", ANY, "output q6_k; token_embd q4_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "MXFP4_MOE", ANY,
     "output q8_0; token_embd q8_0; attn_k q8_0; attn_output q8_0; attn_q q8_0; attn_v q8_0"},
    {&mixtral, "Q2_K", ANY, "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0; ffn_down_exps q3_k"},
    {&mixtral, "Q2_K_S", ANY, "output q6_k; attn_k q8_0; attn_v q8_0; ffn_down_exps q4_k@0-3"},
    {&mixtral, "Q3_K_S", ANY, "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0"},
    {&mixtral, "Q3_K_M", ANY,
     "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0; ffn_down_exps q5_k@0-1; ffn_down_exps "
     "q4_k@2-31"},
    {&mixtral, "Q3_K_L", ANY, "output q6_k; attn_k q8_0; attn_v q8_0; ffn_down_exps q5_k"},
    {&mixtral, "Q4_K_S", ANY,
     "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0; ffn_down_exps q5_k@0-3"},
    {&mixtral, "Q4_K_M", ANY,
     "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0; ffn_down_exps q6_k@0-3,6,9,12,15,18,21,"
     "24,27-31"},
    {&mixtral, "Q5_K_S", ANY, "output q6_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "Q5_K_M", ANY,
     "output q6_k; attn_k q8_0; attn_v q8_0; ffn_down_exps q6_k@0-3,6,9,12,15,18,21,24,27-31"},
    {&mixtral, "Q6_K", ANY, "attn_k q8_0; attn_v q8_0"},
    {&mixtral, "IQ1_S", ANY,
     "output q5_k; token_embd q2_k; attn_k q4_k; attn_output q5_k; attn_v q4_k; ffn_down_exps q2_k@0-3"},
    {&mixtral, "IQ1_M", ANY,
     "output q5_k; token_embd q2_k; attn_k q4_k; attn_output q5_k; attn_v q4_k; ffn_down_exps q2_k@0-3"},
    {&mixtral, "IQ2_XXS", ANY,
     "output q5_k; token_embd q2_k; attn_k q4_k; attn_output q5_k; attn_v q4_k; ffn_down_exps q2_k@0-3"},
    {&mixtral, "IQ2_XS", ANY,
     "output q5_k; token_embd q2_k; attn_k q4_k; attn_output q5_k; attn_v q4_k; ffn_down_exps q2_k@0-3"},
    {&mixtral, "IQ2_S", ANY,
     "output q5_k; token_embd iq3_s; attn_k q4_k; attn_output q5_k; attn_v q4_k; ffn_down_exps iq3_s@0-3"},
    {&mixtral, "IQ2_M", ANY,
     "output q5_k; token_embd iq3_s; attn_k q4_k; attn_output q5_k; attn_v q4_k; ffn_down_exps iq3_s@0-3"},
    {&mixtral, "IQ3_XXS", WITHOUT,
     "output q5_k; token_embd iq3_s; attn_k q8_0; attn_output q5_k; attn_q iq2_s; attn_v q8_0; "
     "ffn_down_exps q4_k@0-3; ffn_down_exps q3_k@4-31"},
    {&mixtral, "IQ3_XXS", WITH,
     "output q5_k; token_embd iq3_s; attn_k q8_0; attn_output q5_k; attn_q iq2_s; attn_v q8_0"},
    {&mixtral, "IQ3_XS", ANY,
     "output q6_k; attn_k q8_0; attn_output q5_k; attn_q iq3_xxs; attn_v q8_0; ffn_gate_exps "
     "iq3_xxs@4-27; ffn_up_exps iq3_xxs@4-27"},
    {&mixtral, "IQ3_S", ANY, "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0"},
    {&mixtral, "IQ3_M", ANY,
     "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0; ffn_down_exps q4_k@0-3,6,9,12,15,18,21,"
     "24,27-31"},
    {&mixtral, "IQ4_NL", WITHOUT,
     "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0; ffn_down_exps q5_k@0-3"},
    {&mixtral, "IQ4_NL", WITH, "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0"},
    {&mixtral, "IQ4_XS", WITHOUT,
     "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0; ffn_down_exps q5_k@0-3"},
    {&mixtral, "IQ4_XS", WITH, "output q6_k; attn_k q8_0; attn_output q5_k; attn_v q8_0"},
    {&mixtral, "TQ1_0", ANY, "output q6_k; token_embd q4_k; attn_k q8_0; attn_v q8_0"},
    {&mixtral, "TQ2_0", ANY, "output q6_k; token_embd q4_k; attn_k q8_0; attn_v q8_0"},
    {&tied, "F16", ANY, ""},
    {&tied, "BF16", ANY, ""},
    {&tied, "F32", ANY, ""},
    {&tied, "Q4_0", WITHOUT, "token_embd q8_0"},
    {&tied, "Q4_0", WITH, "token_embd q8_0; ffn_down q4_1@0-2"},
    {&tied, "Q4_1", ANY, "token_embd q8_0"},
    {&tied, "Q5_0", WITHOUT, "token_embd q8_0"},
    {&tied, "Q5_0", WITH, "token_embd q8_0; ffn_down q5_1@0-2"},
    {&tied, "Q5_1", ANY, "token_embd q8_0"},
    {&tied, "Q8_0", ANY, ""},
    {&tied, "Q1_0", ANY, "token_embd q8_0"},
    {&tied, "Q2_0", ANY, "token_embd q8_0"},
    {&tied, "MXFP4_MOE", ANY,
     "token_embd q8_0; attn_k q8_0; attn_output q8_0; attn_q q8_0; attn_v q8_0; ffn_down q8_0; ffn_gate "
     "q8_0; ffn_up q8_0"},
    {&tied, "Q2_K", ANY,
     "token_embd q8_0; attn_k q4_0; attn_output q4_0; attn_q q4_0; attn_v q5_0; ffn_down q3_k; ffn_gate "
     "q4_0; ffn_up q4_0"},
    {&tied, "Q2_K_S", ANY,
     "token_embd q8_0; attn_k q4_0; attn_output q4_0; attn_q q4_0; attn_v q5_0; ffn_down q4_k@0-2; "
     "ffn_gate q4_0; ffn_up q4_0"},
    {&tied, "Q3_K_S", ANY,
     "token_embd q8_0; attn_k q4_0; attn_output q4_0; attn_q q4_0; attn_v q4_0; ffn_gate q4_0; ffn_up q4_0"},
    {&tied, "Q3_K_M", ANY,
     "token_embd q8_0; attn_k q4_0; attn_output q5_0; attn_q q4_0; attn_v q5_1@0-1; attn_v q5_0@2-23; "
     "ffn_down q5_k@0; ffn_down q4_k@1-23; ffn_gate q4_0; ffn_up q4_0"},
    {&tied, "Q3_K_L", ANY,
     "token_embd q8_0; attn_k q4_0; attn_output q5_1; attn_q q4_0; attn_v q5_1; ffn_down q5_k; ffn_gate "
     "q4_0; ffn_up q4_0"},
    {&tied, "Q4_K_S", ANY,
     "token_embd q8_0; attn_k q5_0; attn_output q5_0; attn_q q5_0; attn_v q5_1@0-3; attn_v q5_0@4-23; "
     "ffn_down q5_k@0-2; ffn_gate q5_0; ffn_up q5_0"},
    {&tied, "Q4_K_M", ANY,
     "token_embd q8_0; attn_k q5_0; attn_output q5_0; attn_q q5_0; attn_v q8_0@0-2,5,8,11,14,17,20-23; "
     "attn_v q5_0@3-4,6-7,9-10,12-13,15-16,18-19; ffn_down q6_k@0-2,5,8,11,14,17,20-23; ffn_gate q5_0; "
     "ffn_up q5_0"},
    {&tied, "Q5_K_S", ANY,
     "token_embd q8_0; attn_k q5_1; attn_output q5_1; attn_q q5_1; attn_v q5_1; ffn_gate q5_1; ffn_up q5_1"},
    {&tied, "Q5_K_M", ANY,
     "token_embd q8_0; attn_k q5_1; attn_output q5_1; attn_q q5_1; attn_v q8_0@0-2,5,8,11,14,17,20-23; "
     "attn_v q5_1@3-4,6-7,9-10,12-13,15-16,18-19; ffn_down q6_k@0-2,5,8,11,14,17,20-23; ffn_gate q5_1; "
     "ffn_up q5_1"},
    {&tied, "Q6_K", ANY,
     "token_embd q8_0; attn_k q8_0; attn_output q8_0; attn_q q8_0; attn_v q8_0; ffn_gate q8_0; ffn_up q8_0"},
    {&tied, "IQ1_S", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_down "
     "q2_k@0-2; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ1_M", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_down "
     "q2_k@0-2; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ2_XXS", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_down "
     "q2_k@0-2; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ2_XS", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_down "
     "q2_k@0-2; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ2_S", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_down "
     "iq3_s@0-2; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ2_M", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_down "
     "iq3_s@0-2; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ3_XXS", WITHOUT,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_down "
     "q4_k@0-2; ffn_down q3_k@3-23; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ3_XXS", WITH,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_gate iq4_nl; "
     "ffn_up iq4_nl"},
    {&tied, "IQ3_XS", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_gate iq4_nl; "
     "ffn_up iq4_nl"},
    {&tied, "IQ3_S", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_gate iq4_nl; "
     "ffn_up iq4_nl"},
    {&tied, "IQ3_M", ANY,
     "token_embd q8_0; attn_k iq4_nl; attn_output q5_0; attn_q iq4_nl; attn_v q5_0; ffn_down q4_k@0-2; "
     "ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ4_NL", WITHOUT, "token_embd q8_0; attn_v q5_1; ffn_down q5_k@0-2"},
    {&tied, "IQ4_NL", WITH, "token_embd q8_0; attn_v q5_1"},
    {&tied, "IQ4_XS", WITHOUT,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_1; ffn_down "
     "q5_k@0-2; ffn_gate iq4_nl; ffn_up iq4_nl"},
    {&tied, "IQ4_XS", WITH,
     "token_embd q8_0; attn_k iq4_nl; attn_output iq4_nl; attn_q iq4_nl; attn_v q5_1; ffn_gate iq4_nl; "
     "ffn_up iq4_nl"},
    {&tied, "TQ1_0", ANY,
     "token_embd q8_0; attn_k q4_0; attn_output q4_0; attn_q q4_0; attn_v q4_0; ffn_gate q4_0; ffn_up q4_0"},
    {&tied, "TQ2_0", ANY,
     "token_embd q8_0; attn_k q4_0; attn_output q4_0; attn_q q4_0; attn_v q4_0; ffn_gate q4_0; ffn_up q4_0"},
    {&falcon, "F16", ANY, ""},
    {&falcon, "BF16", ANY, ""},
    {&falcon, "F32", ANY, ""},
    {&falcon, "Q4_0", WITHOUT, "output q8_0"},
    {&falcon, "Q4_0", WITH, "output q8_0; ffn_down q4_1@0-3"},
    {&falcon, "Q4_1", ANY, "output q8_0"},
    {&falcon, "Q5_0", WITHOUT, "output q8_0"},
    {&falcon, "Q5_0", WITH, "output q8_0; ffn_down q5_1@0-3"},
    {&falcon, "Q5_1", ANY, "output q8_0"},
    {&falcon, "Q8_0", ANY, ""},
    {&falcon, "Q1_0", ANY, "output q8_0"},
    {&falcon, "Q2_0", ANY, "output q8_0; token_embd q4_k"},
    {&falcon, "MXFP4_MOE", ANY,
     "output q8_0; token_embd q8_0; attn_output q8_0; attn_qkv q8_0; ffn_down q8_0; ffn_up q8_0"},
    {&falcon, "Q2_K", ANY, "output q8_0; attn_qkv q4_k; ffn_down q3_k"},
    {&falcon, "Q2_K_S", ANY, "output q8_0; attn_qkv q4_k; ffn_down q4_k@0-3"},
    {&falcon, "Q3_K_S", ANY, "output q8_0"},
    {&falcon, "Q3_K_M", ANY,
     "output q8_0; attn_qkv q5_k@0-1; attn_qkv q4_k@2-31; ffn_down q5_k@0-1; ffn_down q4_k@2-3,6,9,12,"
     "15,18,21,24,27-31"},
    {&falcon, "Q3_K_L", ANY, "output q8_0; attn_output q4_k; attn_qkv q5_k; ffn_down q4_k"},
    {&falcon, "Q4_K_S", ANY, "output q8_0; attn_qkv q5_k@0-3"},
    {&falcon, "Q4_K_M", ANY,
     "output q8_0; attn_qkv q6_k@0-3,6,9,12,15,18,21,24,27-31; ffn_down q6_k@0-1; ffn_down q5_k@2-3,6,9,"
     "12,15,18,21,24,27-31"},
    {&falcon, "Q5_K_S", ANY, "output q8_0"},
    {&falcon, "Q5_K_M", ANY,
     "output q8_0; attn_qkv q6_k@0-3,6,9,12,15,18,21,24,27-31; ffn_down q6_k@0-3,6,9,12,15,18,21,24,27-31"},
    {&falcon, "Q6_K", ANY, "output q8_0"},
    {&falcon, "IQ1_S", ANY,
     "output q8_0; token_embd q2_k; attn_output iq2_xxs; attn_qkv q4_k; ffn_down q2_k@0-3"},
    {&falcon, "IQ1_M", ANY,
     "output q8_0; token_embd q2_k; attn_output iq2_xxs; attn_qkv q4_k; ffn_down q2_k@0-3"},
    {&falcon, "IQ2_XXS", ANY, "output q8_0; token_embd q2_k; attn_qkv q4_k; ffn_down q2_k@0-3"},
    {&falcon, "IQ2_XS", ANY, "output q8_0; token_embd q2_k; attn_qkv q4_k; ffn_down q2_k@0-3"},
    {&falcon, "IQ2_S", ANY,
     "output q8_0; token_embd iq3_s; attn_output iq3_s; attn_qkv q4_k; ffn_down iq3_s@0-3"},
    {&falcon, "IQ2_M", ANY,
     "output q8_0; token_embd iq3_s; attn_output iq3_s; attn_qkv q4_k; ffn_down iq3_s@0-3"},
    {&falcon, "IQ3_XXS", WITHOUT,
     "output q8_0; token_embd iq3_s; attn_qkv q4_k; ffn_down q4_k@0-3; ffn_down q3_k@4-31"},
    {&falcon, "IQ3_XXS", WITH, "output q8_0; token_embd iq3_s; attn_qkv q4_k"},
    {&falcon, "IQ3_XS", ANY, "output q8_0; attn_qkv q4_k; ffn_up iq3_xxs@4-27"},
    {&falcon, "IQ3_S", ANY, "output q8_0; attn_qkv q4_k"},
    {&falcon, "IQ3_M", ANY, "output q8_0; attn_qkv q4_k; ffn_down q4_k@0-3"},
    {&falcon, "IQ4_NL", WITHOUT, "output q8_0; attn_qkv q5_k; ffn_down q5_k@0-3"},
    {&falcon, "IQ4_NL", WITH, "output q8_0; attn_qkv q5_k"},
    {&falcon, "IQ4_XS", WITHOUT, "output q8_0; attn_qkv q5_k; ffn_down q5_k@0-3"},
    {&falcon, "IQ4_XS", WITH, "output q8_0; attn_qkv q5_k"},
    {&falcon, "TQ1_0", ANY, "output q8_0; token_embd q4_k"},
    {&falcon, "TQ2_0", ANY, "output q8_0; token_embd q4_k"},
    {&clip, "F16", ANY, ""},
    {&clip, "BF16", ANY, ""},
    {&clip, "F32", ANY, ""},
    {&clip, "Q4_0", ANY, ""},
    {&clip, "Q4_1", ANY, ""},
    {&clip, "Q5_0", ANY, ""},
    {&clip, "Q5_1", ANY, ""},
    {&clip, "Q8_0", ANY, ""},
    {&clip, "Q1_0", ANY, ""},
    {&clip, "Q2_0", ANY, ""},
    {&clip, "MXFP4_MOE", ANY, "attn_out q8_0; attn_q q8_0; attn_v q8_0; ffn_down q8_0; ffn_up q8_0"},
    {&clip, "Q3_K_S", ANY, "attn_out q4_0; attn_q q4_0; attn_v q4_0; ffn_up q4_0"},
    {&clip, "Q3_K_M", ANY,
     "attn_out q4_0; attn_q q4_0; attn_v q5_1@0-1; attn_v q5_0@2-26; ffn_down q4_k; ffn_up q4_0"},
    {&clip, "Q3_K_L", ANY, "attn_out q4_0; attn_q q4_0; attn_v q5_1; ffn_down q5_k; ffn_up q4_0"},
    {&clip, "Q4_K_S", ANY, "attn_out q5_0; attn_q q5_0; attn_v q5_1@0-3; attn_v q5_0@4-26; ffn_up q5_0"},
    {&clip, "Q4_K_M", ANY,
     "attn_out q5_0; attn_q q5_0; attn_v q8_0@0-2,5,8,11,14,17,20,23-26; attn_v q5_0@3-4,6-7,9-10,12-13,"
     "15-16,18-19,21-22; ffn_down q6_k; ffn_up q5_0"},
    {&clip, "Q5_K_S", ANY, "attn_out q5_1; attn_q q5_1; attn_v q5_1; ffn_up q5_1"},
    {&clip, "Q5_K_M", ANY,
     "attn_out q5_1; attn_q q5_1; attn_v q8_0@0-2,5,8,11,14,17,20,23-26; attn_v q5_1@3-4,6-7,9-10,12-13,"
     "15-16,18-19,21-22; ffn_down q6_k; ffn_up q5_1"},
    {&clip, "Q6_K", ANY, "attn_out q8_0; attn_q q8_0; attn_v q8_0; ffn_up q8_0"},
    {&clip, "IQ3_M", ANY, "attn_out iq4_nl; attn_q iq4_nl; attn_v q5_0; ffn_up iq4_nl"},
    {&clip, "TQ1_0", ANY, "attn_out q4_0; attn_q q4_0; attn_v q4_0; ffn_up q4_0"},
    {&clip, "TQ2_0", ANY, "attn_out q4_0; attn_q q4_0; attn_v q4_0; ffn_up q4_0"},
};

#endif
