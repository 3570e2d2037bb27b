/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: one row per architecture. */
#include "arch/archs.h"

static const struct arch *const archs[] = {
    &arch_qwen35, &arch_qwen35moe, &arch_qwen3next, &arch_qwen3, &arch_qwen3moe, &arch_llama,
};

const struct arch *arch_at(size_t i)
{
    return i < ARRAY_LEN(archs) ? archs[i] : NULL;
}

const struct arch *arch_find(const char *hf_class)
{
    for (size_t i = 0; i < ARRAY_LEN(archs); i++)
        for (const char *const *c = archs[i]->hf_classes; *c; c++)
            if (strcmp(*c, hf_class) == 0)
                return archs[i];
    return NULL;
}
