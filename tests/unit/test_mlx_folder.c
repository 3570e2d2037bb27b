/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/mlx.h"
#include "formats/st.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64]; /* a fresh one for every test */

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/scion-mlx-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}

static void put(const char *name, const void *p, size_t n)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

struct stored {
    const char *name;
    enum dtype dtype;
    uint64_t shape[3];
    uint32_t rank;
};

/* A shard of the tensors up to one without a name, filled with zeros. */
static void put_shard(const char *name, const struct stored *t)
{
    struct st_entry e[16];
    uint64_t total = 0;
    size_t n = 0;
    struct buf b;
    struct err err = {0};

    for (; t->name; t++, n++) {
        uint64_t nelem = 1;

        e[n] = (struct st_entry){.name = t->name, .dtype = t->dtype, .rank = t->rank, .shape = t->shape};
        assert_true(shape_nelem(t->shape, t->rank, &nelem) && dtype_nbytes(t->dtype, nelem, &e[n].nbytes));
        total += e[n].nbytes;
    }
    buf_init(&b, MIB);
    assert_int_equal(st_header(e, n, NULL, &b, &err), OK);
    memset(buf_extend(&b, (size_t)total), 0, (size_t)total);
    put(name, b.p, b.n);
    buf_free(&b);
}

static void put_config(const char *text)
{
    put("config.json", text, strlen(text));
}

static struct source *join_ok(void)
{
    struct source *s = NULL;
    struct err err = {0};

    if (source_open(&s, dir, &err) != OK || mlx_join(s, &err) != OK)
        fail_msg("%s", err.text);
    return s;
}

/* Joining fails so, and the sentence contains `want`. */
static void assert_fails(enum status status, const char *want)
{
    struct source *s = NULL;
    struct err err = {0};

    assert_int_equal(source_open(&s, dir, &err), OK);
    enum status got = mlx_join(s, &err);
    if (got != status || !strstr(err.text, want))
        fail_msg("got %s: %s", got == OK ? "OK" : status_tag(got), err.text);
    source_close(s);
}

#define AFFINE4 "{\"quantization\":{\"bits\":4,\"group_size\":64"
#define W(r, c)                                                                                              \
    {                                                                                                        \
        "a.weight", DT_U32, {r, c}, 2                                                                        \
    }
#define S(t, r, c)                                                                                           \
    {                                                                                                        \
        "a.scales", t, {r, c}, 2                                                                             \
    }
#define B(t, r, c)                                                                                           \
    {                                                                                                        \
        "a.biases", t, {r, c}, 2                                                                             \
    }
#define SHARD(...) put_shard("model.safetensors", (const struct stored[]){__VA_ARGS__, {0}})

static void test_join(void **state)
{
    (void)state;
    put_config(AFFINE4 "}}");
    SHARD(W(3, 16), S(DT_BF16, 3, 2), B(DT_BF16, 3, 2), {"norm.weight", DT_BF16, {128}, 1});
    struct source *s = join_ok();
    const struct tensor *t = source_find(s, "a.weight");

    assert_int_equal(s->kind, SOURCE_MLX);
    assert_int_equal(s->ntensor, 2);
    assert_non_null(t);
    assert_int_equal(t->dtype, DT_AFFINE4_G64_BF16);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[1], 128);
    assert_int_equal(t->nbytes, 3 * 64 + 2 * 3 * 4);
    assert_int_not_equal(t->more[0].off, t->more[1].off);
    assert_null(source_find(s, "a.scales"));
    assert_int_equal(mlx_value_type(t->dtype), DT_BF16);
    source_close(s);
}

/* Modules of their own, by either spelling, in modes whose numbers need not be written. */
static void test_overrides(void **state)
{
    static const char config[] = AFFINE4 ",\"language_model.model.x\":{\"bits\":8,\"group_size\":32},"
                                         "\"model.language_model.y\":{\"mode\":\"mxfp4\"},"
                                         "\"z\":true,\"w\":false,\"none\":{\"bits\":3}}}";

    (void)state;
    put_config(config);
    SHARD({"language_model.model.x.weight", DT_U32, {2, 16}, 2},
          {"language_model.model.x.scales", DT_F16, {2, 2}, 2},
          {"language_model.model.x.biases", DT_F16, {2, 2}, 2},
          {"language_model.model.y.weight", DT_U32, {2, 8}, 2},
          {"language_model.model.y.scales", DT_U8, {2, 2}, 2}, {"z.weight", DT_U32, {2, 2, 8}, 3},
          {"z.scales", DT_F32, {2, 2, 1}, 3}, {"z.biases", DT_F32, {2, 2, 1}, 3},
          {"w.weight", DT_BF16, {2, 64}, 2});
    struct source *s = join_ok();

    assert_int_equal(source_find(s, "language_model.model.x.weight")->dtype, DT_AFFINE8_G32_F16);
    assert_int_equal(source_find(s, "language_model.model.y.weight")->dtype, DT_MXFP4_MLX);
    assert_int_equal(mlx_value_type(DT_MXFP4_MLX), DT_BF16);
    assert_int_equal(source_find(s, "z.weight")->dtype, DT_AFFINE4_G64_F32);
    assert_int_equal(source_find(s, "w.weight")->dtype, DT_BF16);
    source_close(s);
}

/* An entry without quant_method is MLX's, whatever its name. */
static void test_older_entry(void **state)
{
    (void)state;
    put_config("{\"quantization_config\":{\"bits\":2,\"group_size\":32}}");
    SHARD(W(2, 2), S(DT_BF16, 2, 1), B(DT_BF16, 2, 1));
    struct source *s = join_ok();
    assert_int_equal(source_find(s, "a.weight")->dtype, DT_AFFINE2_G32_BF16);
    source_close(s);
    put_config("{\"quantization_config\":{\"bits\":2,\"group_size\":32,\"quant_method\":\"gptq\"}}");
    s = join_ok();
    assert_int_equal(s->kind, SOURCE_HF);
    source_close(s);
}

/* Loaders take every model*.safetensors, listed or not; parts of one weight may lie in several. */
static void test_unlisted_shards(void **state)
{
    static const char index[] = "{\"weight_map\":{\"a.weight\":\"model-1.safetensors\"}}";

    (void)state;
    put_config(AFFINE4 "}}");
    put("model.safetensors.index.json", index, strlen(index));
    put_shard("model-1.safetensors", (const struct stored[]){W(2, 8), B(DT_BF16, 2, 1), {0}});
    put_shard("model-2.safetensors", (const struct stored[]){S(DT_BF16, 2, 1), {0}});
    put_shard("other.safetensors", (const struct stored[]){{"b.weight", DT_BF16, {1}, 1}, {0}});
    struct source *s = join_ok();

    assert_int_equal(s->ntensor, 1);
    assert_int_equal(s->tensors[0].file, 0);
    assert_int_equal(s->tensors[0].more[0].file, 1);
    assert_int_equal(s->tensors[0].more[1].file, 0);
    assert_int_equal(s->nunlisted, 1);
    source_close(s);
}

static void test_parts_missing(void **state)
{
    (void)state;
    put_config(AFFINE4 "}}");
    SHARD(W(2, 8), S(DT_BF16, 2, 1));
    assert_fails(E_FORMAT, "tensor a.scales: there is no a.biases, which mode affine needs");
    SHARD(W(2, 8), B(DT_BF16, 2, 1));
    assert_fails(E_FORMAT, "tensor a.biases: there is no scales beside it");
    SHARD(S(DT_BF16, 2, 1), B(DT_BF16, 2, 1));
    assert_fails(E_FORMAT, ": there is no weight beside it");
    SHARD(W(2, 8));
    assert_fails(E_FORMAT, "tensor a.weight: dtype=u32: there are no scales beside it");
    put_config("{\"quantization\":{\"bits\":4,\"group_size\":32,\"mode\":\"mxfp4\"}}");
    SHARD(W(2, 8), S(DT_U8, 2, 2), B(DT_U8, 2, 2));
    assert_fails(E_FORMAT, "tensor a.biases: mode mxfp4 has no biases");
    put_config("{}");
    SHARD({"language_model.model.a.weight", DT_U32, {2, 8}, 2},
          {"language_model.model.a.scales", DT_BF16, {2, 1}, 2});
    assert_fails(E_FORMAT, "quantization is missing, but tensor language_model.model.a.scales is there");
}

static void test_types(void **state)
{
    (void)state;
    put_config(AFFINE4 "}}");
    SHARD({"a.weight", DT_I32, {2, 8}, 2}, S(DT_BF16, 2, 1), B(DT_BF16, 2, 1));
    assert_fails(E_FORMAT, "tensor a.weight: dtype=i32: must be u32, as a.scales is there");
    SHARD(W(2, 8), S(DT_U8, 2, 1), B(DT_U8, 2, 1));
    assert_fails(E_FORMAT, "tensor a.scales: dtype=u8: scales of mode affine are f32, f16 or bf16");
    SHARD(W(2, 8), S(DT_BF16, 2, 1), B(DT_F16, 2, 1));
    assert_fails(E_FORMAT, "tensor a.biases: dtype=f16: the scales are bf16");
    put_config("{\"quantization\":{\"bits\":8,\"group_size\":32,\"mode\":\"mxfp8\"}}");
    SHARD(W(2, 8), S(DT_BF16, 2, 1));
    assert_fails(E_FORMAT, "tensor a.scales: dtype=bf16: scales of mode mxfp8 are u8");
}

static void test_shapes(void **state)
{
    (void)state;
    put_config(AFFINE4 "}}");
    SHARD(W(2, 16), S(DT_BF16, 2, 1), B(DT_BF16, 2, 1));
    assert_fails(E_FORMAT,
                 "tensor a.weight: shape=[2, 16]: rows of 512 bits are not the scales' 1 groups of 64 "
                 "values in 4 bits (bits=4, group_size=64 in config.json)");
    SHARD(W(3, 8), S(DT_BF16, 2, 1), B(DT_BF16, 2, 1));
    assert_fails(E_FORMAT, "tensor a.weight: shape=[3, 8]: does not fit the scales' [2, 1]");
    SHARD(W(2, 8), S(DT_BF16, 2, 1), B(DT_BF16, 2, 2));
    assert_fails(E_FORMAT, "tensor a.biases: shape=[2, 2]: the scales' is [2, 1]");
    SHARD({"a.weight", DT_U32, {8}, 1}, {"a.scales", DT_BF16, {1}, 1}, {"a.biases", DT_BF16, {1}, 1});
    assert_fails(E_FORMAT, "tensor a.weight: shape=[8]: does not fit");
}

static void test_settings(void **state)
{
    static const struct {
        const char *config;
        enum status status;
        const char *want;
    } rows[] = {
        {"{\"quantization\":{\"bits\":4}}", E_FORMAT, "quantization: group_size is missing"},
        {"{\"quantization\":{\"group_size\":64}}", E_FORMAT, "quantization: bits is missing"},
        {"{\"quantization\":{\"bits\":0,\"group_size\":64}}", E_FORMAT, "bits=0: must be a whole number"},
        {"{\"quantization\":{\"bits\":\"4\",\"group_size\":64}}", E_FORMAT, "bits is a string"},
        {"{\"quantization\":{\"bits\":4,\"group_size\":1e300}}", E_FORMAT, "group_size=1e+300"},
        {"{\"quantization\":{\"bits\":7,\"group_size\":64}}", E_UNSUPPORTED,
         "bits=7 and group_size=64: mode affine"},
        {"{\"quantization\":{\"bits\":4,\"group_size\":4096}}", E_UNSUPPORTED, "group_size=4096"},
        {"{\"quantization\":{\"bits\":4,\"group_size\":64,\"mode\":\"x\"}}", E_UNSUPPORTED, "mode=x"},
        {"{\"quantization\":{\"bits\":4,\"group_size\":64,\"mode\":1}}", E_FORMAT, "mode=1: must be a text"},
        {AFFINE4 ",\"a\":{\"bits\":-1}}}", E_FORMAT, "quantization: a: bits=-1"},
        {AFFINE4 ",\"a\":{\"bits\":8}}}", E_FORMAT, "rows of 256 bits"},
        {AFFINE4 ",\"a\":false}}", E_FORMAT, "a=false: means not quantized, but a.scales is there"},
        {AFFINE4 ",\"a\":{}}}", E_FORMAT, "a={}: means not quantized"},
    };

    (void)state;
    SHARD(W(2, 8), S(DT_BF16, 2, 1), B(DT_BF16, 2, 1));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put_config(rows[i].config);
        assert_fails(rows[i].status, rows[i].want);
    }
}

static void test_others_stay(void **state)
{
    (void)state;
    put_config("{\"model_type\":\"x\"}");
    SHARD({"a.weight", DT_BF16, {2, 64}, 2}, {"a.scales", DT_BF16, {2}, 1});
    struct source *s = join_ok();
    assert_int_equal(s->kind, SOURCE_HF);
    assert_int_equal(s->ntensor, 2);
    source_close(s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_join, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overrides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_older_entry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unlisted_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parts_missing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_others_stay, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
