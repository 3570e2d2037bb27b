/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/names.h"
#include "convert/gguf_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/arch_model.h"

/* A GGUF source of metadata and tensor names alone. */
struct file_like {
    struct source source;
    struct tensor tensors[4];
    struct arena arena;
    struct notes notes;
    struct buf config;
};

static void add_tensor(struct file_like *f, const char *name, uint64_t rows, uint64_t columns)
{
    struct tensor *t = &f->tensors[f->source.ntensor];
    uint32_t existing;

    *t = (struct tensor){.name = name, .dtype = DT_BF16, .rank = 2, .shape = {rows, columns}};
    assert_true(map_add(&f->source.index, slice_of(name), (uint32_t)f->source.ntensor++, &existing));
}

static void set_up_file(struct file_like *f)
{
    *f = (struct file_like){.source = {.kind = SOURCE_GGUF, .path = "x.gguf"}};
    f->source.tensors = f->tensors;
    arena_init(&f->arena, 0);
    meta_init(&f->source.meta, &f->arena);
    f->notes.arena = &f->arena;
    buf_init(&f->config, MIB);
}

static void tear_down_file(struct file_like *f)
{
    meta_free(&f->source.meta);
    map_free(&f->source.index);
    buf_free(&f->config);
    arena_free(&f->arena);
}

/* The file that a checkpoint with this config becomes. */
static void make_file(struct file_like *f, const struct model *m)
{
    uint64_t vocab, width;
    bool tied = false;
    struct err err = {0};

    set_up_file(f);
    assert_int_equal(hparams_eval(&m->hp, "V", &vocab, &err), OK);
    assert_int_equal(hparams_eval(&m->hp, "H", &width, &err), OK);
    add_tensor(f, "token_embd.weight", vocab, width);
    json_bool(hparams_find(&m->hp, "tie_word_embeddings"), &tied);
    if (!tied)
        add_tensor(f, "output.weight", vocab, width);
    assert_int_equal(meta_set_str(&f->source.meta, "general.architecture", m->hp.arch->name, &err), OK);
    assert_int_equal(hparams_to_meta(&m->hp, &f->source.meta, &err), OK);
}

static void write_config(struct file_like *f)
{
    struct err err = {0};

    if (gguf_config_write(&f->source, &f->config, &f->notes, &err) != OK)
        fail_msg("%s", err.text);
}

static void expect_refused(struct file_like *f, enum status status, const char *text)
{
    struct err err = {0};

    f->config.n = 0;
    assert_int_equal(gguf_config_write(&f->source, &f->config, &f->notes, &err), status);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
}

/* ---- the way there and back ---- */

static void expect_same_meta(const struct meta *a, const struct meta *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        const struct meta_kv *x = &a->kv[i], *y = meta_find(b, x->key);

        if (!y || x->type != y->type || x->nbytes != y->nbytes || memcmp(x->data, y->data, x->nbytes) != 0)
            fail_msg("%s", x->key);
    }
}

struct shapes {
    const struct hparams *hp;
    struct buf text;
};

static enum status add_shape(void *ctx, const struct name_match *m, struct err *err)
{
    struct shapes *s = ctx;
    uint64_t shape[TENSOR_MAX_RANK];
    uint32_t rank;
    char name[NAME_MAX_LEN], text[SHAPE_TEXT_MAX];
    enum status status = hparams_shape(s->hp, m->rule->shape, shape, &rank, err);

    name_source(s->hp, m, name);
    buf_printf(&s->text, "%s %s\n", name, status == OK ? shape_text(shape, rank, text) : "?");
    return status;
}

static void list_shapes(struct shapes *s, const struct hparams *hp)
{
    struct err err = {0};
    const struct name_visit visit = {.experts = RULE_FUSED, .ctx = s, .fn = add_shape};

    s->hp = hp;
    buf_init(&s->text, 16 * MIB);
    if (name_visit_text(hp, &visit, &err) != OK)
        fail_msg("%s", err.text);
    assert_true(s->text.n > 0 && !s->text.failed);
}

static void expect_same_shapes(const struct hparams *a, const struct hparams *b)
{
    struct shapes x, y;

    list_shapes(&x, a);
    list_shapes(&y, b);
    assert_string_equal(x.text.p, y.text.p);
    buf_free(&x.text);
    buf_free(&y.text);
}

static void expect_round_trip(const struct model *m)
{
    struct file_like f;
    struct model back;
    struct meta meta;
    struct err err = {0};

    make_file(&f, m);
    write_config(&f);
    parse_model(&back, f.config.p);
    assert_int_equal(back.hp.n_layer, m->hp.n_layer);
    assert_int_equal(back.hp.promised, m->hp.promised);
    assert_false(back.hp.wrapper);
    meta_init(&meta, &f.arena);
    assert_int_equal(meta_set_str(&meta, "general.architecture", back.hp.arch->name, &err), OK);
    assert_int_equal(hparams_to_meta(&back.hp, &meta, &err), OK);
    expect_same_meta(&f.source.meta, &meta);
    expect_same_shapes(&m->hp, &back.hp);
    meta_free(&meta);
    json_free(back.config);
    tear_down_file(&f);
}

static void test_samples(void **state)
{
    static const char *const names[] = {"tiny-llama",     "tiny-qwen3",  "tiny-qwen3moe",
                                        "tiny-qwen3next", "tiny-qwen35", "tiny-qwen35moe"};
    char path[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct model m;

        snprintf(path, sizeof path, "samples/%s.json", names[i]);
        load_model(&m, path);
        expect_round_trip(&m);
        json_free(m.config);
    }
}

#define QWEN3(more)                                                                                          \
    "{\"architectures\":[\"Qwen3ForCausalLM\"],\"hidden_size\":64,\"num_attention_heads\":4,\"head_dim\":"   \
    "32,"                                                                                                    \
    "\"num_hidden_layers\":2,\"vocab_size\":100,\"intermediate_size\":96,\"rms_norm_eps\":1e-5," more "}"

static void test_rope(void **state)
{
    static const char *const configs[] = {
        QWEN3("\"rope_scaling\":{\"rope_type\":\"yarn\",\"factor\":4.0,\"beta_fast\":32.5,"
              "\"original_max_position_embeddings\":32768,\"attention_factor\":1.1}"),
        QWEN3("\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5},\"rope_theta\":12345.678"),
        QWEN3("\"is_causal\":false,\"n_group\":2,\"topk_group\":1,\"score_function\":\"sigmoid\""),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(configs); i++) {
        struct model m;

        parse_model(&m, configs[i]);
        expect_round_trip(&m);
        json_free(m.config);
    }
}

/* Each number of rotary dimensions comes back, whatever the fraction is. */
static void test_partial_rope(void **state)
{
    struct model m;

    (void)state;
    load_model(&m, "samples/tiny-qwen3next.json");
    for (uint32_t n = 1; n <= 64; n++) {
        struct file_like f;
        struct model back;
        struct meta meta;
        struct err err = {0};
        uint64_t v = 0;

        make_file(&f, &m);
        assert_int_equal(meta_set_u32(&f.source.meta, "qwen3next.rope.dimension_count", n, &err), OK);
        write_config(&f);
        parse_model(&back, f.config.p);
        meta_init(&meta, &f.arena);
        if (hparams_to_meta(&back.hp, &meta, &err) != OK)
            fail_msg("%s", err.text);
        assert_true(meta_u64(meta_find(&meta, "qwen3next.rope.dimension_count"), &v));
        assert_int_equal(v, n);
        meta_free(&meta);
        json_free(back.config);
        tear_down_file(&f);
    }
    json_free(m.config);
}

/* ---- what else is said ---- */

static void test_text(void **state)
{
    struct file_like f;
    struct model m;
    struct err err = {0};

    (void)state;
    load_model(&m, "samples/tiny-qwen35.json");
    make_file(&f, &m);
    assert_int_equal(meta_set_u32(&f.source.meta, "tokenizer.ggml.eos_token_id", 509, &err), OK);
    write_config(&f);
    static const char *const parts[] = {
        "\"architectures\": [\"Qwen3_5ForCausalLM\"]",
        "\"model_type\": \"qwen3_5_text\"",
        "\"tie_word_embeddings\": false",
        "\"torch_dtype\": \"bfloat16\"",
        "\"eos_token_id\": 509",
        "\"rms_norm_eps\": 1e-06",
        "\"mtp_num_hidden_layers\": 1",
        "\"mrope_section\": [3, 3, 2]",
        "\"partial_rotary_factor\": 0.25",
        "\"linear_attention\",\n    \"full_attention\"\n  ]",
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        if (!strstr(f.config.p, parts[i]))
            fail_msg("%s not in %s", parts[i], f.config.p);
    assert_int_equal(f.notes.n, 0);
    json_free(m.config);
    tear_down_file(&f);
}

static void test_rope_factors(void **state)
{
    char path[] = "/tmp/scion-config-XXXXXX";
    const float factors[4] = {1, 1.5f, 32, 32};
    int fd = mkstemp(path);
    struct file_like f;
    struct model m;
    struct err err = {0};
    struct source_file file = {.path = path};

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, factors, sizeof factors), sizeof factors);
    close(fd);
    load_model(&m, "samples/tiny-llama.json");
    make_file(&f, &m);
    assert_int_equal(file_open(&file.file, path, &err), OK);
    f.source.files = &file;
    f.source.nfile = 1;
    add_tensor(&f, "rope_freqs.weight", 4, 1);
    f.tensors[1].dtype = DT_F32;
    f.tensors[1].nbytes = sizeof factors;
    write_config(&f);
    assert_non_null(strstr(f.config.p, "\"rope_type\": \"llama3\""));
    assert_non_null(strstr(f.config.p, "\"factor\": 32.0"));
    assert_int_equal(f.notes.n, 1);
    f.tensors[1].nbytes = 1 << 20;
    expect_refused(&f, E_UNSUPPORTED, "rope_freqs.weight: 1048576 bytes");
    file_close(file.file);
    unlink(path);
    json_free(m.config);
    tear_down_file(&f);
}

static void test_refused(void **state)
{
    struct file_like f;
    struct model m;
    struct err err = {0};
    struct meta *meta = &f.source.meta;

    (void)state;
    load_model(&m, "samples/tiny-qwen35.json");
    make_file(&f, &m);
    assert_int_equal(meta_set_u32(meta, "qwen35.ssm.inner_size", 257, &err), OK);
    expect_refused(&f, E_FORMAT, "qwen35.ssm.inner_size=257: is no multiple of");
    assert_int_equal(meta_set_u32(meta, "qwen35.ssm.inner_size", 256, &err), OK);
    assert_int_equal(meta_set_u32(meta, "qwen35.nextn_predict_layers", 5, &err), OK);
    expect_refused(&f, E_FORMAT, "block_count=5: must be above 5");
    assert_int_equal(meta_set_u32(meta, "qwen35.nextn_predict_layers", 1, &err), OK);
    assert_int_equal(meta_set_u32(meta, "qwen35.rope.dimension_count", 65, &err), OK);
    expect_refused(&f, E_FORMAT, "dimension_count=65: must be 1 to head_dim=64");
    assert_int_equal(meta_set_u32(meta, "qwen35.rope.dimension_count", 16, &err), OK);
    assert_int_equal(meta_set_str(meta, "qwen35.rope.scaling.type", "longrope", &err), OK);
    expect_refused(&f, E_UNSUPPORTED, "rope.scaling.type=longrope");
    assert_true(meta_remove(meta, "qwen35.rope.scaling.type"));
    assert_int_equal(meta_set_str(meta, "qwen35.embedding_length", "x", &err), OK);
    expect_refused(&f, E_FORMAT, "qwen35.embedding_length: is a str, must be a whole number");
    assert_true(meta_remove(meta, "qwen35.ssm.group_count"));
    assert_int_equal(meta_set_u32(meta, "qwen35.embedding_length", 256, &err), OK);
    expect_refused(&f, E_FORMAT, "linear_num_key_heads is missing");
    assert_true(meta_remove(meta, "qwen35.block_count"));
    expect_refused(&f, E_FORMAT, "x.gguf: qwen35.block_count is missing");
    assert_int_equal(meta_set_str(meta, "general.architecture", "mamba", &err), OK);
    expect_refused(&f, E_UNSUPPORTED, "general.architecture=mamba");
    json_free(m.config);
    tear_down_file(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),      cmocka_unit_test(test_rope),
        cmocka_unit_test(test_partial_rope), cmocka_unit_test(test_text),
        cmocka_unit_test(test_rope_factors), cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
