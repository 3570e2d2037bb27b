/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Llama. Checkpoints keep the two halves of each rotary pair apart (all first halves of a head, then all
 * second halves); GGUF's llama wants the pairs side by side: row 2i + j of a head comes from j * HD/2 + i.
 */
#include <float.h>
#include <math.h>

#include "arch/archs.h"
#include "arch/hparams.h"
#include "kernels/sleef.h"

static const struct symbol symbols[] = {
    {"V", "vocab_size", NULL},
    {"H", "hidden_size", NULL},
    {"NH", "num_attention_heads", NULL},
    {"NKV", "num_key_value_heads", NULL},
    {"HD", "head_dim", NULL},
    {"F", "intermediate_size", NULL},
    {0},
};

static const struct config_default defaults[] = {
    {"head_dim", "H/NH"},      {"num_key_value_heads", "NH"},       {"rope_theta", "10000"},
    {"rms_norm_eps", "1e-06"}, {"max_position_embeddings", "2048"}, {0},
};

static const struct config_check checks[] = {
    {"HD", CHECK_MULTIPLE, "2"},
    {"NH", CHECK_MULTIPLE, "NKV"},
    {0},
};

static const struct tensor_form query_pairs = {
    .name = "pair rotary rows", .group = {"NH", "2", "HD/2"}, .perm = {0, 2, 1}};
static const struct tensor_form key_pairs = {
    .name = "pair rotary rows", .group = {"NKV", "2", "HD/2"}, .perm = {0, 2, 1}};

static const struct tensor_rule rules[] = {
    {SCOPE_MODEL, "model.norm.weight", "output_norm.weight", "H", 0, 0, NULL},
    {SCOPE_LAYER, "input_layernorm.weight", "attn_norm.weight", "H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "post_attention_layernorm.weight", "ffn_norm.weight", "H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.q_proj.weight", "attn_q.weight", "NH*HD,H", IN_ALL, 0, &query_pairs},
    {SCOPE_LAYER, "self_attn.k_proj.weight", "attn_k.weight", "NKV*HD,H", IN_ALL, 0, &key_pairs},
    {SCOPE_LAYER, "self_attn.v_proj.weight", "attn_v.weight", "NKV*HD,H", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.o_proj.weight", "attn_output.weight", "H,NH*HD", IN_ALL, 0, NULL},
    {SCOPE_LAYER, "self_attn.q_proj.bias", "attn_q.bias", "NH*HD", IN_ALL, RULE_OPTIONAL, &query_pairs},
    {SCOPE_LAYER, "self_attn.k_proj.bias", "attn_k.bias", "NKV*HD", IN_ALL, RULE_OPTIONAL, &key_pairs},
    {SCOPE_LAYER, "self_attn.v_proj.bias", "attn_v.bias", "NKV*HD", IN_ALL, RULE_OPTIONAL, NULL},
    {SCOPE_LAYER, "self_attn.o_proj.bias", "attn_output.bias", "H", IN_ALL, RULE_OPTIONAL, NULL},
    {SCOPE_LAYER, "mlp.gate_proj.bias", "ffn_gate.bias", "F", IN_ALL, RULE_OPTIONAL, NULL},
    {SCOPE_LAYER, "mlp.up_proj.bias", "ffn_up.bias", "F", IN_ALL, RULE_OPTIONAL, NULL},
    {SCOPE_LAYER, "mlp.down_proj.bias", "ffn_down.bias", "H", IN_ALL, RULE_OPTIONAL, NULL},
    {0},
};

/* ---- rope factors of Llama 3.1 and later ---- */

struct rope_numbers {
    float theta, factor, low, high, original;
};

static enum status rope_number(const struct hparams *hp, const char *key, float fallback, float *out,
                               struct err *err)
{
    const struct json *v = hparams_rope(hp, key);
    double d = fallback;

    if (v && (!json_num(v, &d) || !(d >= FLT_MIN && d <= FLT_MAX)))
        return hparams_refuse(hp, v, "a number above 0", err);
    *out = (float)d;
    return OK;
}

static enum status read_rope_numbers(const struct hparams *hp, struct rope_numbers *n, struct err *err)
{
    const struct {
        const char *key;
        float fallback, *to;
    } rows[] = {
        {"rope_theta", 10000, &n->theta},
        {"factor", 8, &n->factor},
        {"low_freq_factor", 1, &n->low},
        {"high_freq_factor", 4, &n->high},
        {"original_max_position_embeddings", 8192, &n->original},
    };
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(rows) && s == OK; i++)
        s = rope_number(hp, rows[i].key, rows[i].fallback, rows[i].to, err);
    if (s == OK && n->low >= n->high)
        s = fail(err, E_FORMAT, "%s: low_freq_factor=%g: must be below high_freq_factor=%g", hp->name,
                 (double)n->low, (double)n->high);
    return s;
}

/* theta^(i / half), as torch computes it for a whole array: groups of 16 by its vector library, the rest
 * one by one, which is the correctly rounded value. */
static float rope_power(float theta, uint64_t i, uint64_t half)
{
    float exponent = (float)(2 * i) / (float)(2 * half);

    return i < half / 16 * 16 ? pow_f32(theta, exponent) : (float)pow((double)theta, (double)exponent);
}

/* One factor per rotary pair: 1 for short wavelengths, `factor` for long ones, smooth in between. Every step
 * is rounded to float32, and a number over a tensor is the number times the tensor's reciprocal, as in torch.
 */
static void rope_factors(const struct rope_numbers *n, float *out, uint64_t half)
{
    float theta = n->theta, factor = n->factor, low = n->low, high = n->high, original = n->original;
    float low_wavelength = original / low, high_wavelength = original / high;
    float two_pi = (float)(2 * 3.14159265358979323846);

    for (uint64_t i = 0; i < half; i++) {
        float frequency = 1.0f / rope_power(theta, i, half);
        float wavelength = two_pi * (1.0f / frequency);

        if (wavelength < high_wavelength) {
            out[i] = 1.0f;
        } else if (wavelength > low_wavelength) {
            out[i] = factor;
        } else {
            float smooth = (original * (1.0f / wavelength) - low) / (high - low);

            out[i] = 1.0f / ((1.0f - smooth) / factor + smooth);
        }
    }
}

static enum status make_rope_freqs(const struct hparams *hp, struct plan *plan, struct err *err)
{
    const char *type = json_str(hparams_rope(hp, "rope_type"));
    struct rope_numbers numbers;
    uint64_t head_dim, half;

    if (!type || strcmp(type, "llama3") != 0)
        return OK;
    enum status s = hparams_eval(hp, "HD", &head_dim, err);
    if (s == OK)
        s = read_rope_numbers(hp, &numbers, err);
    if (s != OK)
        return s;
    half = head_dim / 2;
    if (half == 0 || half > 65536)
        return fail(err, E_FORMAT, "%s: head_dim=%" PRIu64 ": not in range", hp->name, head_dim);
    float *factors = arena_array(&plan->arena, half, sizeof *factors);
    if (!factors)
        return fail_nomem(err);
    rope_factors(&numbers, factors, half);

    struct plan_source src = {
        .name = "rope factors", .dtype = DT_F32, .span = {{.data = factors}}, .nelem = half};
    struct plan_step *step;
    uint32_t source;
    s = plan_add_source(plan, &src, &source, err);
    if (s == OK)
        s = plan_add_step(plan, "rope_freqs.weight", &half, 1, &step, err);
    if (s == OK) {
        struct view v = view_whole(source, half);

        s = plan_add_view(plan, step, &v, err);
    }
    return s;
}

/* ---- the architecture ---- */

static const struct key_rule keys[] = {
    {"vocab_size", KEY_U32, "vocab_size", NULL},
    {"rope.dimension_count", KEY_EXPR, "HD", NULL},
    {0},
};

static const char *const classes[] = {"LlamaForCausalLM", NULL};
static const char *const types[] = {"llama", NULL};
static const struct config_fixed fixed[] = {{"hidden_act", "\"silu\""}, {0}};
static const struct tensor_rule *const tables[] = {rules_embeddings, rules, rules_dense_mlp, NULL};

static const struct mlx_arch mlx_llama = {"llama", ""};

const struct arch arch_llama = {
    .name = "llama",
    .mlx = &mlx_llama,
    .hf_classes = classes,
    .hf_types = types,
    .fixed = fixed,
    .tables = tables,
    .symbols = symbols,
    .checks = checks,
    .defaults = defaults,
    .keys = keys,
    .vocab = VOCAB_LLAMA,
    .generate = make_rope_freqs,
};
