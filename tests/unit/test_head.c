/* SPDX-License-Identifier: Apache-2.0 */
/* Heads by their names alone: the key sets that are around, what is missing, and how names are spelled. */
#include "arch/head.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define E 256 /* experts of the released models */

static const char *const common[] = {"fc.weight", "norm.weight", "pre_fc_norm_embedding.weight",
                                     "pre_fc_norm_hidden.weight", NULL};
static const char *const layer[] = {
    "input_layernorm.weight",  "post_attention_layernorm.weight", "self_attn.q_proj.weight",
    "self_attn.k_proj.weight", "self_attn.v_proj.weight",         "self_attn.o_proj.weight",
    "self_attn.q_norm.weight", "self_attn.k_norm.weight",         NULL};
static const char *const dense[] = {"mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight",
                                    NULL};
static const char *const shared[] = {"mlp.gate.weight",
                                     "mlp.shared_expert.gate_proj.weight",
                                     "mlp.shared_expert.up_proj.weight",
                                     "mlp.shared_expert.down_proj.weight",
                                     "mlp.shared_expert_gate.weight",
                                     NULL};
static const char *const fused[] = {"mlp.experts.gate_up_proj", "mlp.experts.down_proj", NULL};
static const char *const stacked[] = {"mlp.switch_mlp.gate_proj.weight", "mlp.switch_mlp.up_proj.weight",
                                      "mlp.switch_mlp.down_proj.weight", NULL};
static const char *const attention[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                        "self_attn.o_proj", NULL};
static const char *const dense_linears[] = {"mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", NULL};

struct model {
    struct source source;
    struct head head;
};

static void begin(struct model *m, enum source_kind kind)
{
    *m = (struct model){.source = {.kind = kind, .path = "x"}};
    arena_init(&m->source.arena, 0);
    meta_init(&m->source.meta, &m->source.arena);
    meta_init(&m->source.st_meta, &m->source.arena);
    m->source.files = calloc(1, sizeof *m->source.files);
    assert_non_null(m->source.files);
    m->source.files[0].path = "x";
    m->source.nfile = 1;
}

static void end(struct model *m)
{
    free(m->source.files);
    free(m->source.tensors);
    map_free(&m->source.index);
    meta_free(&m->source.meta);
    meta_free(&m->source.st_meta);
    arena_free(&m->source.arena);
}

static void add(struct model *m, const char *prefix, const char *name)
{
    struct tensor t = {
        .name = arena_printf(&m->source.arena, "%s%s", prefix, name), .rank = 2, .shape = {E, 8}};
    struct err err = {0};

    assert_non_null(t.name);
    assert_int_equal(source_add_tensor(&m->source, &t, &err), OK);
}

static void add_all(struct model *m, const char *prefix, const char *const *names)
{
    for (; *names; names++)
        add(m, prefix, *names);
}

/* What joining the parts of quantized modules gives: weights of a packed type. */
static void quantize(struct model *m, const char *prefix, const char *const *modules)
{
    char name[128];

    for (; *modules; modules++) {
        snprintf(name, sizeof name, "%s%s.weight", prefix, *modules);
        uint32_t i = map_find(&m->source.index, slice_of(name));
        assert_true(i != MAP_NONE);
        m->source.tensors[i].dtype = dtype_find("affine4_g64_bf16");
    }
}

static void add_numbered(struct model *m, const char *prefix, uint64_t n)
{
    static const char *const parts[] = {"gate", "up", "down"};
    char name[128];

    for (uint64_t e = 0; e < n; e++) {
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            snprintf(name, sizeof name, "mlp.experts.%" PRIu64 ".%s_proj.weight", e, parts[i]);
            add(m, prefix, name);
        }
    }
}

static void read_head(struct model *m)
{
    struct err err = {0};

    if (head_read(&m->head, &m->source, NULL, &err) != OK)
        fail_msg("%s", err.text);
}

static void assert_set(struct model *m, size_t n, const char *layout, bool complete)
{
    char missing[HEAD_TEXT_MAX];

    read_head(m);
    assert_int_equal(m->head.ntensor + m->head.nscale, n);
    if (head_is_complete(&m->head) != complete)
        fail_msg("%zu: %s", n, head_missing_text(&m->head, missing));
    assert_string_equal(head_layout_name(&m->head), layout);
    end(m);
}

/* The sets that released heads have, by their counts. */
static void test_sets(void **state)
{
    static const char *const fc[] = {"fc", NULL};
    static const char *const prefixes[] = {"mtp.", "language_model.mtp.", "model.mtp.",
                                           "model.language_model.mtp.", ""};
    static const char *const of_layer[] = {"mtp.layers.0.", "language_model.mtp.layers.0.",
                                           "model.mtp.layers.0.", "model.language_model.mtp.layers.0.",
                                           "layers.0."};
    struct model m;

    (void)state;
    for (size_t p = 0; p < ARRAY_LEN(prefixes); p++) {
        for (int quantized = 0; quantized < 3; quantized++) {
            begin(&m, SOURCE_SAFETENSORS);
            add_all(&m, prefixes[p], common);
            add_all(&m, of_layer[p], layer);
            add_all(&m, of_layer[p], dense);
            if (quantized > 0) {
                quantize(&m, of_layer[p], attention);
                quantize(&m, of_layer[p], dense_linears);
            }
            if (quantized > 1)
                quantize(&m, prefixes[p], fc);
            assert_set(&m, quantized == 0 ? 15 : quantized == 1 ? 29 : 31, "dense", true);
        }
        for (int layout = 0; layout < 3; layout++) {
            begin(&m, SOURCE_SAFETENSORS);
            add_all(&m, prefixes[p], common);
            add_all(&m, of_layer[p], layer);
            add_all(&m, of_layer[p], shared);
            if (layout == 0)
                add_all(&m, of_layer[p], fused);
            if (layout == 1)
                add_all(&m, of_layer[p], stacked);
            if (layout == 2)
                add_numbered(&m, of_layer[p], E);
            assert_set(&m,
                       layout == 0   ? 19
                       : layout == 1 ? 20
                                     : 785,
                       layout == 0   ? "fused experts"
                       : layout == 1 ? "stacked experts"
                                     : "numbered experts",
                       true);
        }
    }
}

static void begin_moe(struct model *m)
{
    begin(m, SOURCE_SAFETENSORS);
    add_all(m, "mtp.", common);
    add_all(m, "mtp.layers.0.", layer);
    add_all(m, "mtp.layers.0.", shared);
}

static void test_mixed(void **state)
{
    struct model m;

    (void)state;
    begin_moe(&m);
    add_numbered(&m, "mtp.layers.0.", E);
    add_all(&m, "mtp.layers.0.", fused);
    assert_set(&m, 787, "mixed layouts of experts", false);
}

static void test_missing(void **state)
{
    char text[HEAD_TEXT_MAX];
    struct model m;

    (void)state;
    begin_moe(&m);
    add_numbered(&m, "mtp.layers.0.", E - 2);
    read_head(&m);
    assert_int_equal(m.head.nmissing, 6);
    assert_string_equal(head_missing_text(&m.head, text),
                        "mtp.layers.0.mlp.experts.{e}.down_proj.weight of expert 254, 255; "
                        "mtp.layers.0.mlp.experts.{e}.gate_proj.weight of expert 254, 255; "
                        "mtp.layers.0.mlp.experts.{e}.up_proj.weight of expert 254, 255");
    end(&m);

    begin_moe(&m);
    add_numbered(&m, "mtp.layers.0.", E + 1);
    read_head(&m);
    assert_int_equal(m.head.nmissing, 0);
    assert_int_equal(m.head.nunknown, 3); /* the router knows 256 */
    assert_false(head_is_complete(&m.head));
    end(&m);

    begin(&m, SOURCE_SAFETENSORS);
    add_all(&m, "mtp.", common + 1);
    add_all(&m, "mtp.layers.1.", layer);
    add_all(&m, "mtp.layers.1.", dense);
    add(&m, "mtp.", "embed_tokens.weight");
    read_head(&m);
    assert_int_equal(m.head.nlayer, 2);
    assert_int_equal(m.head.nmissing, 12); /* a layer, and fc */
    assert_string_equal(m.head.unknown[0]->name, "mtp.embed_tokens.weight");
    end(&m);
}

static void test_none(void **state)
{
    struct err err = {0};
    struct model m;

    (void)state;
    begin(&m, SOURCE_SAFETENSORS);
    add(&m, "", "model.layers.0.input_layernorm.weight");
    add(&m, "", "fc.weight"); /* one name alone is no drafter */
    read_head(&m);
    assert_int_equal(m.head.names, HEAD_NONE);
    assert_false(head_is_complete(&m.head));
    end(&m);

    begin(&m, SOURCE_SAFETENSORS);
    add(&m, "mtp.layers.99999999999.", "input_layernorm.weight");
    assert_int_equal(head_read(&m.head, &m.source, NULL, &err), E_FORMAT);
    end(&m);
}

/* ---- GGUF ---- */

static const char *const block[] = {"attn_norm.weight",
                                    "post_attention_norm.weight",
                                    "attn_q.weight",
                                    "attn_k.weight",
                                    "attn_v.weight",
                                    "attn_output.weight",
                                    "attn_q_norm.weight",
                                    "attn_k_norm.weight",
                                    "ffn_gate.weight",
                                    "ffn_up.weight",
                                    "ffn_down.weight",
                                    "nextn.eh_proj.weight",
                                    "nextn.enorm.weight",
                                    "nextn.shared_head_norm.weight",
                                    NULL};

static void begin_gguf(struct model *m, uint32_t blocks, uint32_t promised)
{
    struct err err = {0};

    begin(m, SOURCE_GGUF);
    assert_int_equal(meta_set_str(&m->source.meta, "general.architecture", "qwen35", &err), OK);
    if (blocks)
        assert_int_equal(meta_set_u32(&m->source.meta, "qwen35.block_count", blocks, &err), OK);
    if (promised)
        assert_int_equal(meta_set_u32(&m->source.meta, "qwen35.nextn_predict_layers", promised, &err), OK);
    add(m, "", "token_embd.weight");
    add(m, "blk.7.", "attn_norm.weight");
}

static void test_gguf(void **state)
{
    static const uint32_t described[][2] = {{9, 1}, {9, 0}, {8, 0}, {0, 0}};
    char text[HEAD_TEXT_MAX];
    struct model m;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(described); i++) {
        begin_gguf(&m, described[i][0], described[i][1]);
        add_all(&m, "blk.8.", block);
        read_head(&m);
        assert_int_equal(m.head.first_block, 8);
        assert_int_equal(m.head.nlayer, 1);
        assert_string_equal(head_missing_text(&m.head, text), "blk.8.nextn.hnorm.weight");
        end(&m);
        begin_gguf(&m, described[i][0], described[i][1]);
        add_all(&m, "blk.8.", block);
        add(&m, "blk.8.", "nextn.hnorm.weight");
        assert_set(&m, 15, "dense", true);
    }
    begin_gguf(&m, 9, 1); /* promised, not there */
    read_head(&m);
    assert_int_equal(m.head.names, HEAD_NONE);
    end(&m);
    begin_gguf(&m, 9, 1); /* without any of its own tensors */
    add(&m, "blk.8.", "attn_norm.weight");
    read_head(&m);
    assert_int_equal(m.head.nmissing, 14);
    end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets), cmocka_unit_test(test_mixed), cmocka_unit_test(test_missing),
        cmocka_unit_test(test_none), cmocka_unit_test(test_gguf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
