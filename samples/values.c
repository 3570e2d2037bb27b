/* SPDX-License-Identifier: Apache-2.0 */
/* Values of realistic spread, a pure function of seed, tensor and index. */
#include "core/rng.h"
#include "kernels/floats.h"
#include "samples/sample.h"

struct spread {
    float mean, deviation;
};

/* Norms lie near 1, or near 0 where the checkpoint keeps their difference from 1. */
static struct spread spread_of(const struct sample *s, const char *name)
{
    bool deltas = s->hp.arch->has_mtp;

    if (str_ends(name, "linear_attn.norm.weight"))
        return (struct spread){1.0f, 0.1f};
    if (strstr(name, "visual.") && strstr(name, "norm") && str_ends(name, ".weight"))
        return (struct spread){1.0f, 0.1f};
    if (str_ends(name, "norm.weight") || strstr(name, "pre_fc_norm"))
        return (struct spread){deltas ? 0.0f : 1.0f, 0.1f};
    if (str_ends(name, "A_log"))
        return (struct spread){1.0f, 1.0f};
    if (str_ends(name, "dt_bias"))
        return (struct spread){-2.0f, 1.0f};
    if (str_ends(name, "conv1d.weight"))
        return (struct spread){0.0f, 0.2f};
    return (struct spread){0.0f, 0.02f};
}

/* Codes of any bits, scales of groups from 2 to nearly 16, scales of tensors near 2^-10 and of inputs near
 * 2^-6; those to divide by are the inverse. */
static void packed_values(const struct sample_tensor *t, uint64_t key, uint64_t first, size_t n, void *out)
{
    unsigned char *to = out;

    if (t->dtype == DT_F32) {
        float scale = (1.0f + (float)(rng_bits(key, 0) >> 40) * 0x1p-24f) *
                      (strstr(t->name, "input") ? 0x1p-6f : 0x1p-10f);

        scale = str_ends(t->name, "global_scale") ? 1.0f / scale : scale;
        memcpy(to, &scale, sizeof scale);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = rng_bits(key, first + i);

        to[i] = (unsigned char)(t->dtype == DT_U8 ? bits : 0x40 + bits % 24);
    }
}

void sample_values(const struct sample *s, const struct sample_tensor *t, uint64_t first, size_t n, void *out)
{
    struct spread spread = spread_of(s, t->name);
    uint64_t key = rng_key(s->options->seed, t->name);
    unsigned char *to = out;

    if (t->rank == 0 || t->dtype == DT_U8 || t->dtype == DT_F8_E4M3) {
        packed_values(t, key, first, n, out);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float x = spread.mean + spread.deviation * rng_normal(key, first + i);
        uint16_t half = t->dtype == DT_BF16 ? bf16_from_f32(x) : f16_from_f32(x);

        if (t->dtype == DT_F32)
            memcpy(to + 4 * i, &x, 4);
        else
            memcpy(to + 2 * i, &half, 2);
    }
}
