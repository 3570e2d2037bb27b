/* SPDX-License-Identifier: Apache-2.0 */
/* The architecture tables against what released checkpoints hold. */
#include "arch/names.h"
#include "core/arena.h"
#include "core/file.h"
#include "core/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/arch_model.h"

#define REAL_SHAPES "../shared/models/real-shapes/"

/* ---- what a few released models have, each mandatory rule of their families at least once ---- */

struct fact {
    const char *name, *shape;
};

static const struct fact llama_facts[] = {
    {"model.embed_tokens.weight", "[131072,5120]"},
    {"model.norm.weight", "[5120]"},
    {"model.layers.0.input_layernorm.weight", "[5120]"},
    {"model.layers.0.post_attention_layernorm.weight", "[5120]"},
    {"model.layers.0.self_attn.q_proj.weight", "[4096,5120]"},
    {"model.layers.0.self_attn.k_proj.weight", "[1024,5120]"},
    {"model.layers.0.self_attn.v_proj.weight", "[1024,5120]"},
    {"model.layers.0.self_attn.o_proj.weight", "[5120,4096]"},
    {"model.layers.0.mlp.gate_proj.weight", "[14336,5120]"},
    {"model.layers.0.mlp.up_proj.weight", "[14336,5120]"},
    {"model.layers.0.mlp.down_proj.weight", "[5120,14336]"},
    {0},
};

static const struct fact qwen3_facts[] = {
    {"model.embed_tokens.weight", "[151936,1024]"},
    {"model.norm.weight", "[1024]"},
    {"model.layers.0.input_layernorm.weight", "[1024]"},
    {"model.layers.0.post_attention_layernorm.weight", "[1024]"},
    {"model.layers.0.self_attn.q_proj.weight", "[2048,1024]"},
    {"model.layers.0.self_attn.k_proj.weight", "[1024,1024]"},
    {"model.layers.0.self_attn.v_proj.weight", "[1024,1024]"},
    {"model.layers.0.self_attn.o_proj.weight", "[1024,2048]"},
    {"model.layers.0.self_attn.q_norm.weight", "[128]"},
    {"model.layers.0.self_attn.k_norm.weight", "[128]"},
    {"model.layers.0.mlp.gate_proj.weight", "[3072,1024]"},
    {"model.layers.0.mlp.up_proj.weight", "[3072,1024]"},
    {"model.layers.0.mlp.down_proj.weight", "[1024,3072]"},
    {0},
};

static const struct fact qwen3moe_facts[] = {
    {"model.embed_tokens.weight", "[151936,2048]"},
    {"model.norm.weight", "[2048]"},
    {"model.layers.0.input_layernorm.weight", "[2048]"},
    {"model.layers.0.post_attention_layernorm.weight", "[2048]"},
    {"model.layers.0.self_attn.q_proj.weight", "[4096,2048]"},
    {"model.layers.0.self_attn.k_proj.weight", "[512,2048]"},
    {"model.layers.0.self_attn.v_proj.weight", "[512,2048]"},
    {"model.layers.0.self_attn.o_proj.weight", "[2048,4096]"},
    {"model.layers.0.self_attn.q_norm.weight", "[128]"},
    {"model.layers.0.self_attn.k_norm.weight", "[128]"},
    {"model.layers.0.mlp.gate.weight", "[128,2048]"},
    {"model.layers.0.mlp.experts.127.gate_proj.weight", "[768,2048]"},
    {"model.layers.0.mlp.experts.127.up_proj.weight", "[768,2048]"},
    {"model.layers.0.mlp.experts.127.down_proj.weight", "[2048,768]"},
    {"model.layers.0.mlp.experts.gate_up_proj", "[128,1536,2048]"},
    {"model.layers.0.mlp.experts.down_proj", "[128,2048,768]"},
    {0},
};

#define FULL_ATTENTION_FACTS(layer, h, q, k, o)                                                              \
    {layer ".self_attn.q_proj.weight", q}, {layer ".self_attn.k_proj.weight", k},                            \
        {layer ".self_attn.v_proj.weight", k}, {layer ".self_attn.o_proj.weight", o},                        \
        {layer ".self_attn.q_norm.weight", "[256]"}, {layer ".self_attn.k_norm.weight", "[256]"},            \
        {layer ".input_layernorm.weight", h},                                                                \
    {                                                                                                        \
        layer ".post_attention_layernorm.weight", h                                                          \
    }

#define HEAD_FACTS(h, fc)                                                                                    \
    {"mtp.fc.weight", fc}, {"mtp.norm.weight", h}, {"mtp.pre_fc_norm_embedding.weight", h},                  \
    {                                                                                                        \
        "mtp.pre_fc_norm_hidden.weight", h                                                                   \
    }

static const struct fact qwen35_facts[] = {
    {"model.language_model.embed_tokens.weight", "[248320,4096]"},
    {"model.language_model.norm.weight", "[4096]"},
    {"model.language_model.layers.0.linear_attn.A_log", "[32]"},
    {"model.language_model.layers.0.linear_attn.dt_bias", "[32]"},
    {"model.language_model.layers.0.linear_attn.conv1d.weight", "[8192,1,4]"},
    {"model.language_model.layers.0.linear_attn.in_proj_a.weight", "[32,4096]"},
    {"model.language_model.layers.0.linear_attn.in_proj_b.weight", "[32,4096]"},
    {"model.language_model.layers.0.linear_attn.in_proj_qkv.weight", "[8192,4096]"},
    {"model.language_model.layers.0.linear_attn.in_proj_z.weight", "[4096,4096]"},
    {"model.language_model.layers.0.linear_attn.norm.weight", "[128]"},
    {"model.language_model.layers.0.linear_attn.out_proj.weight", "[4096,4096]"},
    {"model.language_model.layers.0.mlp.gate_proj.weight", "[12288,4096]"},
    {"model.language_model.layers.0.mlp.up_proj.weight", "[12288,4096]"},
    {"model.language_model.layers.0.mlp.down_proj.weight", "[4096,12288]"},
    FULL_ATTENTION_FACTS("model.language_model.layers.3", "[4096]", "[8192,4096]", "[1024,4096]",
                         "[4096,4096]"),
    FULL_ATTENTION_FACTS("mtp.layers.0", "[4096]", "[8192,4096]", "[1024,4096]", "[4096,4096]"),
    HEAD_FACTS("[4096]", "[4096,8192]"),
    {0},
};

static const struct fact tower_facts[] = {
    {"model.visual.patch_embed.proj.weight", "[1152,3,2,16,16]"},
    {"model.visual.patch_embed.proj.bias", "[1152]"},
    {"model.visual.pos_embed.weight", "[2304,1152]"},
    {"model.visual.merger.norm.weight", "[1152]"},
    {"model.visual.merger.norm.bias", "[1152]"},
    {"model.visual.merger.linear_fc1.weight", "[4608,4608]"},
    {"model.visual.merger.linear_fc1.bias", "[4608]"},
    {"model.visual.merger.linear_fc2.weight", "[4096,4608]"},
    {"model.visual.merger.linear_fc2.bias", "[4096]"},
    {"model.visual.blocks.26.norm1.weight", "[1152]"},
    {"model.visual.blocks.26.norm1.bias", "[1152]"},
    {"model.visual.blocks.26.norm2.weight", "[1152]"},
    {"model.visual.blocks.26.norm2.bias", "[1152]"},
    {"model.visual.blocks.26.attn.qkv.weight", "[3456,1152]"},
    {"model.visual.blocks.26.attn.qkv.bias", "[3456]"},
    {"model.visual.blocks.26.attn.proj.weight", "[1152,1152]"},
    {"model.visual.blocks.26.attn.proj.bias", "[1152]"},
    {"model.visual.blocks.26.mlp.linear_fc1.weight", "[4304,1152]"},
    {"model.visual.blocks.26.mlp.linear_fc1.bias", "[4304]"},
    {"model.visual.blocks.26.mlp.linear_fc2.weight", "[1152,4304]"},
    {"model.visual.blocks.26.mlp.linear_fc2.bias", "[1152]"},
    {0},
};

#define EXPERT_FACTS(layer, e, gate, up_all, down_all, shared_up, shared_down)                               \
    {layer ".mlp.gate.weight", gate}, {layer ".mlp.experts.gate_up_proj", up_all},                           \
        {layer ".mlp.experts.down_proj", down_all},                                                          \
        {layer ".mlp.experts." e ".gate_proj.weight", shared_up},                                            \
        {layer ".mlp.experts." e ".up_proj.weight", shared_up},                                              \
        {layer ".mlp.experts." e ".down_proj.weight", shared_down},                                          \
        {layer ".mlp.shared_expert.gate_proj.weight", shared_up},                                            \
        {layer ".mlp.shared_expert.up_proj.weight", shared_up},                                              \
        {layer ".mlp.shared_expert.down_proj.weight", shared_down},                                          \
    {                                                                                                        \
        layer ".mlp.shared_expert_gate.weight", "[1,2048]"                                                   \
    }

static const struct fact qwen35moe_facts[] = {
    {"model.embed_tokens.weight", "[248320,2048]"},
    {"model.norm.weight", "[2048]"},
    {"model.layers.0.linear_attn.A_log", "[32]"},
    {"model.layers.0.linear_attn.dt_bias", "[32]"},
    {"model.layers.0.linear_attn.conv1d.weight", "[8192,1,4]"},
    {"model.layers.0.linear_attn.in_proj_a.weight", "[32,2048]"},
    {"model.layers.0.linear_attn.in_proj_b.weight", "[32,2048]"},
    {"model.layers.0.linear_attn.in_proj_qkv.weight", "[8192,2048]"},
    {"model.layers.0.linear_attn.in_proj_z.weight", "[4096,2048]"},
    {"model.layers.0.linear_attn.norm.weight", "[128]"},
    {"model.layers.0.linear_attn.out_proj.weight", "[2048,4096]"},
    EXPERT_FACTS("model.layers.0", "255", "[256,2048]", "[256,1024,2048]", "[256,2048,512]", "[512,2048]",
                 "[2048,512]"),
    EXPERT_FACTS("mtp.layers.0", "0", "[256,2048]", "[256,1024,2048]", "[256,2048,512]", "[512,2048]",
                 "[2048,512]"),
    FULL_ATTENTION_FACTS("model.layers.3", "[2048]", "[8192,2048]", "[512,2048]", "[2048,4096]"),
    HEAD_FACTS("[2048]", "[2048,4096]"),
    {0},
};

static const struct fact qwen3next_facts[] = {
    {"model.embed_tokens.weight", "[151936,2048]"},
    {"model.norm.weight", "[2048]"},
    {"model.layers.0.linear_attn.A_log", "[32]"},
    {"model.layers.0.linear_attn.dt_bias", "[32]"},
    {"model.layers.0.linear_attn.conv1d.weight", "[8192,1,4]"},
    {"model.layers.0.linear_attn.in_proj_ba.weight", "[64,2048]"},
    {"model.layers.0.linear_attn.in_proj_qkvz.weight", "[12288,2048]"},
    {"model.layers.0.linear_attn.norm.weight", "[128]"},
    {"model.layers.0.linear_attn.out_proj.weight", "[2048,4096]"},
    EXPERT_FACTS("model.layers.0", "511", "[512,2048]", "[512,1024,2048]", "[512,2048,512]", "[512,2048]",
                 "[2048,512]"),
    FULL_ATTENTION_FACTS("model.layers.3", "[2048]", "[8192,2048]", "[512,2048]", "[2048,4096]"),
    HEAD_FACTS("[2048]", "[2048,4096]"),
    {0},
};

#define LINEAR_CONFIG                                                                                        \
    "\"linear_num_key_heads\":16,\"linear_num_value_heads\":32,\"linear_key_head_dim\":128,"                 \
    "\"linear_value_head_dim\":128,\"head_dim\":256,\"num_attention_heads\":16,\"mtp_num_hidden_layers\":1," \
    "\"num_hidden_layers\":4,\"rms_norm_eps\":1e-06,\"max_position_embeddings\":262144,"

/* Qwen3-0.6B, Qwen3-30B-A3B, Qwen3.5-9B, Qwen3.5-35B-A3B and Qwen3-Next-80B-A3B with fewer layers; the
 * Llama has head_dim set, so that its attention is narrower than its rows. */
static const struct {
    const char *config;
    const struct fact *text, *vision;
} fact_models[] = {
    {"{\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":5120,"
     "\"head_dim\":128,"
     "\"num_attention_heads\":32,\"num_key_value_heads\":8,\"intermediate_size\":14336,\"vocab_size\":131072,"
     "\"rms_norm_eps\":1e-05,\"max_position_embeddings\":8192}",
     llama_facts, NULL},
    {"{\"architectures\":[\"Qwen3ForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":1024,"
     "\"head_dim\":128,"
     "\"num_attention_heads\":16,\"num_key_value_heads\":8,\"intermediate_size\":3072,\"vocab_size\":151936,"
     "\"rms_norm_eps\":1e-06,\"max_position_embeddings\":40960}",
     qwen3_facts, NULL},
    {"{\"architectures\":[\"Qwen3MoeForCausalLM\"],\"num_hidden_layers\":2,\"hidden_size\":2048,"
     "\"head_dim\":128,"
     "\"num_attention_heads\":32,\"num_key_value_heads\":4,\"intermediate_size\":6144,\"vocab_size\":151936,"
     "\"num_experts\":128,\"num_experts_per_tok\":8,\"moe_intermediate_size\":768,\"rms_norm_eps\":1e-06,"
     "\"max_position_embeddings\":40960}",
     qwen3moe_facts, NULL},
    {"{\"architectures\":[\"Qwen3_5ForConditionalGeneration\"],\"text_config\":{" LINEAR_CONFIG
     "\"hidden_size\":4096,\"num_key_value_heads\":4,\"intermediate_size\":12288,\"vocab_size\":248320},"
     "\"vision_config\":{\"depth\":27,\"hidden_size\":1152,\"intermediate_size\":4304,\"num_heads\":16,"
     "\"out_hidden_size\":4096,\"in_channels\":3,\"patch_size\":16,\"spatial_merge_size\":2,"
     "\"temporal_patch_size\":2,\"num_position_embeddings\":2304}}",
     qwen35_facts, tower_facts},
    {"{\"architectures\":[\"Qwen3_5MoeForCausalLM\"]," LINEAR_CONFIG
     "\"hidden_size\":2048,\"num_key_value_heads\":2,\"vocab_size\":248320,\"num_experts\":256,"
     "\"num_experts_per_tok\":8,\"moe_intermediate_size\":512,\"shared_expert_intermediate_size\":512}",
     qwen35moe_facts, NULL},
    {"{\"architectures\":[\"Qwen3NextForCausalLM\"]," LINEAR_CONFIG
     "\"hidden_size\":2048,\"num_key_value_heads\":2,\"vocab_size\":151936,\"num_experts\":512,"
     "\"num_experts_per_tok\":10,\"moe_intermediate_size\":512,\"shared_expert_intermediate_size\":512,"
     "\"intermediate_size\":5120}",
     qwen3next_facts, NULL},
};

/* Rules that a fact has named. */
struct coverage {
    const struct tensor_rule *met[128];
    size_t n;
};

static enum status check_covered(void *ctx, const struct name_match *m, struct err *err)
{
    const struct coverage *c = ctx;

    (void)err;
    for (size_t i = 0; i < c->n; i++)
        if (c->met[i] == m->rule)
            return OK;
    fail_msg("no fact names %s", m->rule->hf);
    return OK;
}

/* A shape as the lists have it: "[2,3]". */
static const char *shape_of(const struct hparams *hp, const struct tensor_rule *rule,
                            char out[SHAPE_TEXT_MAX])
{
    uint64_t dims[TENSOR_MAX_RANK];
    uint32_t rank;
    struct err err = {0};
    char *to = out;

    if (hparams_shape(hp, rule->shape, dims, &rank, &err) != OK)
        fail_msg("%s", err.text);
    shape_text(dims, rank, out);
    for (const char *from = out; *from; from++)
        if (*from != ' ')
            *to++ = *from;
    *to = '\0';
    return out;
}

static void check_facts(const struct model *m, const struct fact *facts, bool vision)
{
    const struct hparams *hp = vision ? &m->vision : &m->hp;
    struct coverage c = {.n = 0};
    struct err err = {0};
    char shape[SHAPE_TEXT_MAX];

    for (const struct fact *f = facts; f->name; f++) {
        struct name_match got;
        enum name_kind kind =
            vision ? name_match_vision(hp, f->name, &got) : name_match_text(hp, f->name, &got);

        if (kind != NAME_KNOWN)
            fail_msg("%s: not known", f->name);
        if (strcmp(shape_of(hp, got.rule, shape), f->shape) != 0)
            fail_msg("%s: %s, not %s", f->name, shape, f->shape);
        assert_true(c.n < ARRAY_LEN(c.met));
        c.met[c.n++] = got.rule;
    }
    static const unsigned layouts[] = {RULE_FUSED, RULE_PER_EXPERT};

    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        struct name_visit visit = {.experts = layouts[i], .ctx = &c, .fn = check_covered};
        enum status s = vision ? name_visit_vision(hp, &visit, &err) : name_visit_text(hp, &visit, &err);

        if (s != OK)
            fail_msg("%s", err.text);
    }
}

static void test_facts(void **state)
{
    bool seen[64] = {false};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fact_models); i++) {
        struct model m;

        parse_model(&m, fact_models[i].config);
        check_facts(&m, fact_models[i].text, false);
        assert_true((fact_models[i].vision != NULL) == m.tower);
        if (m.tower)
            check_facts(&m, fact_models[i].vision, true);
        for (size_t k = 0; arch_at(k); k++)
            seen[k] |= arch_at(k) == m.hp.arch;
        json_free(m.config);
    }
    for (size_t k = 0; arch_at(k); k++)
        if (!seen[k])
            fail_msg("no facts on %s", arch_at(k)->name);
}

/* ---- whole lists, where they are there ---- */

struct listing {
    struct buf text;
    struct arena arena;
    struct map index;
    const char **name, **shape;
    bool *met;
    size_t n;
    bool numbered_head; /* experts of the head are one tensor each, those of the trunk are fused */
    const struct model *m;
    bool vision, numbered; /* the pass under way */
    size_t differ;
};

/* Lines "name <tab> dtype <tab> [shape]" after a heading. */
static void listing_load(struct listing *l, const char *path)
{
    struct err err = {0};
    size_t nline = 0;
    uint32_t before;

    *l = (struct listing){0};
    arena_init(&l->arena, 0);
    buf_init(&l->text, 4 * MIB);
    if (file_load(path, &l->text, &err) != OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < l->text.n; i++)
        nline += l->text.p[i] == '\n';
    l->name = arena_array(&l->arena, nline + 1, sizeof *l->name);
    l->shape = arena_array(&l->arena, nline + 1, sizeof *l->shape);
    l->met = arena_array(&l->arena, nline + 1, sizeof *l->met);
    assert_true(l->name && l->shape && l->met);
    char *line = strchr(l->text.p, '\n');
    while (line && line[1]) {
        char *name = line + 1, *dtype = strchr(name, '\t'), *shape = dtype ? strchr(dtype + 1, '\t') : NULL;

        assert_non_null(shape);
        if (!shape)
            return; // for the compiler: the assertion does not come back
        line = strchr(shape, '\n');
        *dtype = *shape = '\0';
        if (line)
            *line = '\0';
        l->name[l->n] = name;
        l->shape[l->n] = shape + 1;
        assert_true(map_add(&l->index, slice_of(name), (uint32_t)l->n, &before));
        assert_int_equal(before, MAP_NONE);
        l->n++;
    }
    l->numbered_head = map_find(&l->index, slice_of("mtp.layers.0.mlp.experts.0.up_proj.weight")) != MAP_NONE;
}

static void listing_free(struct listing *l)
{
    map_free(&l->index);
    arena_free(&l->arena);
    buf_free(&l->text);
}

/* Optional tensors: the lists have an output matrix where it is not tied, and no biases. */
static bool is_made(const struct listing *l, const struct name_match *m)
{
    bool tied = false;
    const unsigned flags = m->rule->flags;

    if (flags & RULE_OPTIONAL) {
        (void)json_bool(hparams_find(&l->m->hp, "tie_word_embeddings"), &tied);
        return strcmp(m->rule->hf, "lm_head.weight") == 0 && !tied && !l->numbered;
    }
    if (!(flags & (RULE_FUSED | RULE_PER_EXPERT)))
        return !l->numbered;
    bool head = m->block >= l->m->hp.n_layer;
    return l->numbered == (head && l->numbered_head);
}

static enum status compare_place(void *ctx, const struct name_match *m, struct err *err)
{
    struct listing *l = ctx;
    const struct hparams *hp = l->vision ? &l->m->vision : &l->m->hp;
    char canonical[NAME_MAX_LEN], spelled[NAME_MAX_LEN], shape[SHAPE_TEXT_MAX];

    (void)err;
    if (!is_made(l, m))
        return OK;
    if (l->vision)
        name_source_vision(hp, m, canonical);
    else
        name_source(hp, m, canonical);
    name_spell(&l->m->hp, canonical, spelled);
    shape_of(hp, m->rule, shape);
    uint32_t i = map_find(&l->index, slice_of(spelled));
    if (i == MAP_NONE || l->met[i] || strcmp(shape, l->shape[i]) != 0) {
        print_message("%s %s: listed as %s\n", spelled, shape, i == MAP_NONE ? "nothing" : l->shape[i]);
        l->differ++;
    }
    if (i != MAP_NONE)
        l->met[i] = true;
    return OK;
}

static void compare_model(const char *name)
{
    char path[256];
    struct err err = {0};
    struct listing l;
    struct model m;

    snprintf(path, sizeof path, REAL_SHAPES "%s.json", name);
    load_model(&m, path);
    snprintf(path, sizeof path, REAL_SHAPES "%s.tsv", name);
    listing_load(&l, path);
    l.m = &m;
    struct name_visit visit = {.experts = RULE_FUSED, .with_optional = true, .ctx = &l, .fn = compare_place};
    enum status s = name_visit_text(&m.hp, &visit, &err);
    visit.experts = RULE_PER_EXPERT;
    l.numbered = true;
    if (s == OK)
        s = name_visit_text(&m.hp, &visit, &err);
    l.numbered = false;
    l.vision = true;
    if (s == OK)
        s = name_visit_vision(&m.vision, &visit, &err);
    if (s != OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < l.n; i++) {
        if (!l.met[i]) {
            print_message("%s: no rule makes it\n", l.name[i]);
            l.differ++;
        }
    }
    if (l.differ)
        fail_msg("%s: %zu of %zu tensors differ", name, l.differ, l.n);
    listing_free(&l);
    json_free(m.config);
}

static void test_real_shapes(void **state)
{
    (void)state;
    if (access(REAL_SHAPES, F_OK) != 0)
        skip();
    compare_model("Qwen3.5-0.8B");
    compare_model("Qwen3.5-9B");
    compare_model("Qwen3.5-35B-A3B");
    compare_model("Qwen3.6-35B-A3B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_real_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
