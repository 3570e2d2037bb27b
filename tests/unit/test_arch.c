/* SPDX-License-Identifier: Apache-2.0 */
/* The architecture tables against themselves, the samples and known numbers of tensors. */
#include "arch/names.h"
#include "core/arena.h"
#include "core/map.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/arch_model.h"

#define GGUF_NAME_MAX 63 /* bytes that ggml keeps of a name */

/* Calls check for the configs in samples/. */
static void each_sample(void (*check)(const struct model *m, void *ctx), void *ctx)
{
    DIR *d = opendir("samples");
    const struct dirent *e;
    char path[512];
    size_t n = 0;

    assert_non_null(d);
    while ((e = readdir(d))) {
        struct model m;

        if (!str_ends(e->d_name, ".json"))
            continue;
        snprintf(path, sizeof path, "samples/%s", e->d_name);
        load_model(&m, path);
        check(&m, ctx);
        json_free(m.config);
        n++;
    }
    closedir(d);
    assert_true(n > 0);
}

/* ---- the registry ---- */

static void note_arch(const struct model *m, void *ctx)
{
    bool *seen = ctx;

    for (size_t i = 0; arch_at(i); i++)
        seen[i] |= arch_at(i) == m->hp.arch;
}

static void test_registry(void **state)
{
    bool seen[64] = {false};

    (void)state;
    each_sample(note_arch, seen);
    for (size_t i = 0; arch_at(i); i++) {
        assert_true(i < ARRAY_LEN(seen));
        if (!seen[i])
            fail_msg("%s has no config in samples/", arch_at(i)->name);
        assert_non_null(arch_at(i)->hf_classes[0]);
        for (const char *const *c = arch_at(i)->hf_classes; *c; c++)
            assert_ptr_equal(arch_find(*c), arch_at(i)); /* a class belongs to one architecture */
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(arch_at(i)->name, arch_at(k)->name);
    }
    assert_null(arch_find("LlamaForCausalL"));
    assert_null(arch_find(""));
}

/* ---- every rule at every place ---- */

struct walk {
    const struct model *m;
    bool vision;
    struct arena arena;
    struct map source, gguf; /* names met */
    size_t n;
};

static const struct hparams *walk_hp(const struct walk *w)
{
    return w->vision ? &w->m->vision : &w->m->hp;
}

static uint64_t eval(const struct walk *w, const char *expr)
{
    struct err err = {0};
    uint64_t v = 0;

    if (hparams_eval(walk_hp(w), expr, &v, &err) != OK)
        fail_msg("%s: %s", expr, err.text);
    return v;
}

/* Groups cover the axis behind `skip`, in an order that names each once. */
static void check_groups(const struct walk *w, const struct tensor_form *f, const uint64_t *shape)
{
    uint64_t product = 1;
    unsigned named = 0, n = 0;

    while (n < 3 && f->group[n])
        product *= eval(w, f->group[n++]);
    for (unsigned i = 0; i < n; i++) {
        assert_true(f->perm[i] < n);
        named |= 1u << f->perm[i];
    }
    assert_int_equal(named, (1u << n) - 1);
    assert_true(product + (f->skip ? eval(w, f->skip) : 0) == shape[f->axis]);
}

/* Together the parts take each index of the axis exactly once. */
static void check_parts(const struct walk *w, const struct tensor_form *f, const uint64_t *shape)
{
    uint64_t n = shape[f->axis];
    unsigned char *taken = calloc(n, 1);

    assert_non_null(taken);
    for (const struct tensor_part *p = f->parts; p->name; p++) {
        uint64_t length = 0;

        assert_non_null(p->slice[0].outer);
        for (const struct axis_slice *s = p->slice; s->outer; s++) {
            uint64_t outer = eval(w, s->outer), inner = eval(w, s->inner);
            uint64_t start = eval(w, s->start), len = eval(w, s->len);

            assert_true(len > 0 && start + len <= inner && outer * inner == n);
            for (uint64_t o = 0; o < outer; o++)
                for (uint64_t i = start; i < start + len; i++)
                    assert_int_equal(taken[o * inner + i]++, 0);
            length += outer * len;
        }
        if (f->drop_axis && f->drop_axis == f->axis)
            assert_true(length == 1);
    }
    assert_null(memchr(taken, 0, n));
    free(taken);
}

static void check_form(const struct walk *w, const struct tensor_rule *r, const uint64_t *shape,
                       uint32_t rank)
{
    const struct tensor_form *f = r->form;

    assert_true((r->gguf == NULL) == (f && f->parts));
    if (!f)
        return;
    assert_non_null(f->name);
    assert_true(f->axis < rank && f->drop_axis < rank);
    if (f->group[0])
        check_groups(w, f, shape);
    if (f->parts)
        check_parts(w, f, shape);
    else if (f->drop_axis)
        assert_true(shape[f->drop_axis] == 1);
}

/* Experts after the first share the name of their stack; all else is new. */
static void check_gguf_name(struct walk *w, const struct name_match *m, const char *gguf)
{
    char name[NAME_MAX_LEN];
    uint32_t before;

    if (w->vision)
        name_gguf_vision(&w->m->vision, m, gguf, name);
    else
        name_gguf(&w->m->hp, m, gguf, name);
    assert_true(strlen(name) <= GGUF_NAME_MAX);
    assert_null(strchr(name, '{'));
    const char *kept = arena_strdup(&w->arena, name);
    assert_non_null(kept);
    assert_true(map_add(&w->gguf, slice_of(kept), (uint32_t)w->n, &before));
    if ((before != MAP_NONE) != (m->expert > 0))
        fail_msg("%s: %s", m->rule->hf, name);
}

static void assert_recognised(const struct walk *w, const char *name, const struct name_match *want)
{
    struct name_match got;
    enum name_kind kind =
        w->vision ? name_match_vision(&w->m->vision, name, &got) : name_match_text(&w->m->hp, name, &got);

    if (kind != NAME_KNOWN || got.rule != want->rule || got.expert != want->expert)
        fail_msg("%s is not recognised by its own rule", name);
    if (want->rule->scope != SCOPE_MODEL)
        assert_true(got.block == want->block);
}

static enum status check_place(void *ctx, const struct name_match *m, struct err *err)
{
    struct walk *w = ctx;
    char canonical[NAME_MAX_LEN], spelled[NAME_MAX_LEN], again[NAME_MAX_LEN];
    uint64_t shape[TENSOR_MAX_RANK], nelem;
    uint32_t rank = 0, before;

    enum status s = hparams_shape(walk_hp(w), m->rule->shape, shape, &rank, err);
    if (s != OK)
        return s;
    assert_true(rank > 0 && shape_nelem(shape, rank, &nelem) && nelem > 0);
    check_form(w, m->rule, shape, rank);

    if (w->vision)
        name_source_vision(&w->m->vision, m, canonical);
    else
        name_source(&w->m->hp, m, canonical);
    name_spell(&w->m->hp, canonical, spelled);
    assert_true(name_canonical(spelled, again));
    assert_string_equal(again, canonical);
    assert_recognised(w, canonical, m);
    assert_recognised(w, spelled, m);
    if (w->vision) {
        struct name_match ignored;

        assert_int_equal(name_match_text(&w->m->hp, spelled, &ignored), NAME_VISION);
    }
    const char *kept = arena_strdup(&w->arena, canonical);
    assert_non_null(kept);
    assert_true(map_add(&w->source, slice_of(kept), (uint32_t)w->n, &before));
    assert_int_equal(before, MAP_NONE);

    const struct tensor_form *f = m->rule->form;
    if (m->rule->gguf)
        check_gguf_name(w, m, m->rule->gguf);
    for (const struct tensor_part *p = f ? f->parts : NULL; p && p->name; p++)
        check_gguf_name(w, m, p->name);
    w->n++;
    return OK;
}

static void walk_once(const struct model *m, bool vision, unsigned experts)
{
    struct walk w = {.m = m, .vision = vision};
    struct name_visit visit = {.experts = experts, .with_optional = true, .ctx = &w, .fn = check_place};
    struct err err = {0};

    arena_init(&w.arena, 0);
    enum status s =
        vision ? name_visit_vision(&m->vision, &visit, &err) : name_visit_text(&m->hp, &visit, &err);
    if (s != OK)
        fail_msg("%s", err.text);
    assert_true(w.n > 0);
    map_free(&w.source);
    map_free(&w.gguf);
    arena_free(&w.arena);
}

static void walk_model(const struct model *m, void *ctx)
{
    (void)ctx;
    walk_once(m, false, RULE_FUSED);
    walk_once(m, false, RULE_PER_EXPERT);
    walk_once(m, false, RULE_STACKED);
    if (m->tower)
        walk_once(m, true, 0);
}

static void test_every_rule(void **state)
{
    (void)state;
    each_sample(walk_model, NULL);
}

/* ---- visiting ---- */

static enum status stop_at_third(void *ctx, const struct name_match *m, struct err *err)
{
    size_t *n = ctx;

    (void)m;
    return ++*n < 3 ? OK : (fail)(err, E_LIMIT, "enough"); /* the function, not cmocka's macro */
}

static void test_visit_stops(void **state)
{
    size_t n = 0;
    struct name_visit visit = {.ctx = &n, .fn = stop_at_third};
    struct err err = {0};
    struct model m;

    (void)state;
    load_model(&m, "samples/tiny-qwen35.json");
    assert_int_equal(name_visit_text(&m.hp, &visit, &err), E_LIMIT);
    assert_string_equal(err.text, "enough");
    assert_int_equal(n, 3);
    n = 0;
    assert_int_equal(name_visit_vision(&m.vision, &visit, &err), E_LIMIT);
    assert_int_equal(n, 3);
    json_free(m.config);
}

/* ---- names that no rule knows ---- */

static void assert_kind(const struct model *m, const char *name, enum name_kind want)
{
    struct name_match got;
    enum name_kind kind = name_match_text(&m->hp, name, &got);

    if (kind != want)
        fail_msg("%s: kind %d, not %d", name, (int)kind, (int)want);
}

static void test_names_refused(void **state)
{
    static const char *const unknown[] = {
        "",
        "model.layers.0",
        "model.layers.x.input_layernorm.weight",
        "model.layers.00.input_layernorm.weight",
        "model.layers.-1.input_layernorm.weight",
        "model.layers.99999999999999999999.input_layernorm.weight",
        "model.layers.0.input_layernorm.weight2",
        "model.layers.0.input_layernorm.bias",
        "model.layers.0.self_attn.q_proj.weight", /* in a linear layer */
        "model.layers.3.linear_attn.A_log",       /* in a full one */
        "mtp.layers.0.linear_attn.A_log",
        "mtp.fc.bias",
        "model.layers.0.mlp.experts.1.gate_proj",
        "model.layers.0.mlp.experts.01.gate_proj.weight",
        "model.layers.0.mlp.experts.gate_proj.weight",
        "lm_head.bias",
    };
    struct name_match got;
    struct model m;
    char longest[NAME_MAX_LEN + 64];

    (void)state;
    load_model(&m, "samples/tiny-qwen35moe.json");
    assert_int_equal(m.hp.n_layer, 4);
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_kind(&m, unknown[i], NAME_UNKNOWN);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_kind(&m, longest, NAME_UNKNOWN);
    assert_kind(&m, "model.layers.0.self_attn.rotary_emb.inv_freq", NAME_COMPUTED);
    assert_kind(&m, "model.visual.blocks.0.norm1.weight", NAME_VISION);
    assert_kind(&m, "model.layers.3.mlp.experts.gate_up_proj.weight", NAME_KNOWN); /* fused, spelled so */

    assert_int_equal(name_match_text(&m.hp, "model.layers.4.input_layernorm.weight", &got), NAME_BEYOND);
    assert_int_equal(got.block, 4);
    assert_int_equal(name_match_text(&m.hp, "mtp.layers.0.input_layernorm.weight", &got), NAME_KNOWN);
    assert_int_equal(got.block, 4); /* the head's first block stands behind the trunk's last */
    json_free(m.config);

    load_model(&m, "samples/tiny-qwen3.json"); /* has no head */
    assert_kind(&m, "mtp.layers.0.input_layernorm.weight", NAME_UNKNOWN);
    assert_kind(&m, "mtp.fc.weight", NAME_UNKNOWN);
    json_free(m.config);
}

static void test_vision_names_refused(void **state)
{
    struct name_match got;
    struct model m;

    (void)state;
    load_model(&m, "samples/tiny-qwen35.json");
    assert_true(m.tower);
    assert_int_equal(name_match_vision(&m.vision, "model.visual.blocks.0.norm1.weight", &got), NAME_KNOWN);
    assert_int_equal(name_match_vision(&m.vision, "model.visual.blocks.2.norm1.weight", &got), NAME_BEYOND);
    assert_int_equal(got.block, 2);
    assert_int_equal(name_match_vision(&m.vision, "model.visual.blocks.0.norm3.weight", &got), NAME_UNKNOWN);
    assert_int_equal(name_match_vision(&m.vision, "model.visual.blocks..norm1.weight", &got), NAME_UNKNOWN);
    assert_int_equal(name_match_vision(&m.vision, "model.norm.weight", &got), NAME_UNKNOWN);
    json_free(m.config);
}

static void test_canonical_names(void **state)
{
    static const char *const names[][2] = {
        {"model.language_model.layers.0.x", "model.layers.0.x"},
        {"language_model.model.layers.0.x", "model.layers.0.x"},
        {"model.layers.0.x", "model.layers.0.x"},
        {"language_model.lm_head.weight", "lm_head.weight"},
        {"model.mtp.fc.weight", "mtp.fc.weight"},
        {"mtp.fc.weight", "mtp.fc.weight"},
        {"model.visual.pos_embed.weight", "visual.pos_embed.weight"},
    };
    char out[NAME_MAX_LEN], longest[NAME_MAX_LEN + 1];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_true(name_canonical(names[i][0], out));
        assert_string_equal(out, names[i][1]);
    }
    memset(longest, 'a', NAME_MAX_LEN);
    longest[NAME_MAX_LEN] = '\0';
    assert_false(name_canonical(longest, out));
    longest[NAME_MAX_LEN - 1] = '\0';
    assert_true(name_canonical(longest, out));
    assert_true(name_is_mtp("model.mtp.fc.weight"));
    assert_false(name_is_mtp("model.layers.0.mtp.fc.weight"));
}

/* ---- how many tensors the released models have as GGUF ---- */

static enum status count_gguf(void *ctx, const struct name_match *m, struct err *err)
{
    size_t *n = ctx;
    const struct tensor_form *f = m->rule->form;

    (void)err;
    *n += m->rule->gguf != NULL;
    for (const struct tensor_part *p = f ? f->parts : NULL; p && p->name; p++)
        ++*n;
    return OK;
}

static size_t count_tensors(struct hparams *hp, uint64_t n_mtp, bool tied)
{
    size_t n = tied ? 0 : 1; /* the output matrix is optional, and left out by the visit */
    struct name_visit visit = {.experts = RULE_FUSED, .ctx = &n, .fn = count_gguf};
    struct err err = {0};

    hp->n_mtp = n_mtp;
    if (name_visit_text(hp, &visit, &err) != OK)
        fail_msg("%s", err.text);
    return n;
}

static void test_tensor_counts(void **state)
{
    static const struct {
        const char *class;
        int layers;
        bool tied;
        size_t without, with; /* the head */
    } models[] = {
        {"Qwen3_5ForConditionalGeneration", 24, true, 320, 335},       /* 0.8B */
        {"Qwen3_5ForConditionalGeneration", 32, false, 427, 442},      /* 9B */
        {"Qwen3_5ForConditionalGeneration", 64, false, 851, 866},      /* 27B */
        {"Qwen3_5MoeForConditionalGeneration", 40, false, 733, 753},   /* 35B-A3B */
        {"Qwen3_5MoeForConditionalGeneration", 48, false, 879, 899},   /* 122B-A10B */
        {"Qwen3_5MoeForConditionalGeneration", 60, false, 1098, 1118}, /* 397B-A17B */
        {"Qwen3NextForCausalLM", 48, false, 843, 863},                 /* 80B-A3B */
    };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        struct model m;

        snprintf(text, sizeof text,
                 "{\"architectures\":[\"%s\"],\"num_hidden_layers\":%d,\"vocab_size\":512,"
                 "\"hidden_size\":256,\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":64,"
                 "\"intermediate_size\":512,\"linear_num_key_heads\":2,\"linear_num_value_heads\":4,"
                 "\"linear_key_head_dim\":64,\"linear_value_head_dim\":64,\"num_experts\":4,"
                 "\"num_experts_per_tok\":2,\"moe_intermediate_size\":64,"
                 "\"shared_expert_intermediate_size\":64,\"rms_norm_eps\":1e-06,"
                 "\"max_position_embeddings\":4096,\"mtp_num_hidden_layers\":1}",
                 models[i].class, models[i].layers);
        parse_model(&m, text);
        assert_int_equal(m.hp.promised, 1);
        assert_int_equal(count_tensors(&m.hp, 0, models[i].tied), models[i].without);
        assert_int_equal(count_tensors(&m.hp, 1, models[i].tied), models[i].with);
        json_free(m.config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry),
        cmocka_unit_test(test_every_rule),
        cmocka_unit_test(test_visit_stops),
        cmocka_unit_test(test_names_refused),
        cmocka_unit_test(test_vision_names_refused),
        cmocka_unit_test(test_canonical_names),
        cmocka_unit_test(test_tensor_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
