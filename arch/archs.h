/* SPDX-License-Identifier: Apache-2.0 */
/* The families' tables, for the registry; and the tables that several families share. */
#ifndef ARCH_ARCHS_H
#define ARCH_ARCHS_H

#include "arch/arch.h"

extern const struct arch arch_qwen35, arch_qwen35moe, arch_qwen3next; /* qwen35.c */
extern const struct arch arch_qwen3, arch_qwen3moe;                   /* qwen3.c */
extern const struct arch arch_llama;                                  /* llama.c */

/* common.c */
extern const struct tensor_rule rules_embeddings[]; /* token embeddings, output */
extern const struct tensor_rule rules_dense_mlp[];  /* gate, up, down */
extern const struct tensor_rule rules_experts[];    /* router; gate, up, down in each layout */
extern const struct tensor_form form_split_gate_up;
extern const struct mlx_rule mlx_router; /* also of the shared expert's gate */

#endif
