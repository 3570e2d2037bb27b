/* SPDX-License-Identifier: Apache-2.0 */
/* MLX's types against what mx.quantize and mx.dequantize give on a CPU, and the cases at the edges. */
#include "core/file.h"
#include "core/json.h"
#include "kernels/floats.h"
#include "quantize/codecs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GOLDEN   "tests/golden/mlx/quantize.json"
#define SHARED   "../shared/golden/"
#define VALUES   256 /* of a case */
#define NROW     54  /* of the files */
#define NCOL     1024
#define GROUP    128
#define MAX_PART ((size_t)NROW * NCOL * 4)

/* The type of MLX's parameters, where `floats` is that of the values. */
static enum dtype type_of(const char *mode, int bits, int group, enum dtype floats)
{
    char name[40];

    if (strcmp(mode, "affine") == 0)
        snprintf(name, sizeof name, "affine%d_g%d_%s", bits, group, dtype_name(floats));
    else
        snprintf(name, sizeof name, "%s%s", mode, bits == 4 ? "_mlx" : "");
    enum dtype t = dtype_find(name);
    assert_int_not_equal(t, DT_COUNT);
    assert_int_equal(dtype_block_elems(t), group);
    return t;
}

/* Part k of n values in blocks. */
static void take_part(enum dtype t, uint32_t k, const unsigned char *blocks, size_t n, unsigned char *part)
{
    const struct dtype_parts *parts = dtype_parts(t);

    for (size_t i = 0; i < n; i += dtype_block_elems(t)) {
        for (uint32_t j = 0; j < parts->n; j++) {
            if (j == k) {
                memcpy(part, blocks, parts->part[j].nbytes);
                part += parts->part[j].nbytes;
            }
            blocks += parts->part[j].nbytes;
        }
    }
}

static void assert_part(enum dtype t, uint32_t k, const unsigned char *blocks, size_t n,
                        const unsigned char *want)
{
    size_t nbyte = (size_t)dtype_part_nbytes(t, k, n);
    unsigned char *got = malloc(nbyte);

    assert_non_null(got);
    take_part(t, k, blocks, n, got);
    for (size_t i = 0; i < nbyte; i++)
        if (got[i] != want[i])
            fail_msg("%s: byte %zu of %s: %02x, not %02x", dtype_name(t), i, dtype_parts(t)->part[k].suffix,
                     got[i], want[i]);
    free(got);
}

/* ---- the cases in the tree ---- */

static enum dtype float_type(const char *numpy)
{
    return numpy[0] == 'b' ? DT_BF16 : strcmp(numpy, "float16") == 0 ? DT_F16 : DT_F32;
}

/* Words of that many bytes, as they would lie in a file. */
static void read_words(const struct json *text, size_t word, unsigned char *to, size_t nbyte)
{
    const char *p = json_str(text);
    char *end;

    assert_non_null(p);
    for (size_t i = 0; i < nbyte; i += word, p = end) {
        unsigned long v = strtoul(p, &end, 16);

        assert_true(end != p);
        for (size_t k = 0; k < word; k++)
            to[i + k] = (unsigned char)(v >> 8 * k);
    }
    assert_int_equal(*p, 0);
}

static void read_floats(const struct json *text, enum dtype t, float *x)
{
    unsigned char raw[VALUES * 4];
    size_t word = t == DT_F32 ? 4 : 2;

    read_words(text, word, raw, VALUES * word);
    codec_find(t)->decode(raw, x, VALUES);
}

static void check_case(const struct json *c)
{
    static const char *const fields[] = {"q_u32", "scales", "biases"};
    int64_t bits, group;
    unsigned char blocks[VALUES * 5], want[VALUES * 4];
    float x[VALUES], back[VALUES], dequant[VALUES];

    assert_true(json_int(json_get(c, "bits"), &bits) && json_int(json_get(c, "group_size"), &group));
    enum dtype from = float_type(json_str(json_get(c, "dtype")));
    enum dtype t = type_of(json_str(json_get(c, "mode")), (int)bits, (int)group, from);
    const struct codec *codec = codec_find_mlx(t, MLX_ROUNDING_CPU, from);

    read_floats(json_get(c, "w"), from, x);
    codec->encode(x, blocks, 2, VALUES / 2, NULL);
    for (uint32_t k = 0; k < dtype_parts(t)->n; k++) {
        size_t word = (size_t)dtype_part_nbytes(dtype_parts(t)->part[k].dtype, 0, 1);

        read_words(json_get(c, fields[k]), word, want, (size_t)dtype_part_nbytes(t, k, VALUES));
        assert_part(t, k, blocks, VALUES, want);
    }
    codec->decode(blocks, back, VALUES);
    read_floats(json_get(c, "dequant"), dtype_parts(t)->n == 3 ? from : DT_BF16, dequant);
    for (size_t i = 0; i < VALUES; i++)
        if (float_bits(back[i]) != float_bits(dequant[i]))
            fail_msg("%s: value %zu: %g, not %g", dtype_name(t), i, (double)back[i], (double)dequant[i]);
}

static void test_cases(void **state)
{
    struct json *golden;
    struct err err = {0};
    size_t n = 0;

    (void)state;
    assert_int_equal(json_load(GOLDEN, MIB, &golden, &err), OK);
    for (const struct json *c = json_first(json_get(golden, "cases")); c; c = json_after(c), n++)
        check_case(c);
    assert_int_equal(n, 39);
    json_free(golden);
}

/* ---- the files ---- */

static unsigned char *read_all(const char *path, size_t n)
{
    FILE *f = fopen(path, "rb");
    unsigned char *p = f ? malloc(n + 1) : NULL;

    if (p)
        assert_int_equal(fread(p, 1, n + 1, f), n);
    if (f)
        (void)fclose(f);
    return p;
}

static void check_files(const char *mode, int bits, int group, enum dtype from, const float *x)
{
    enum dtype t = type_of(mode, bits, group, from);
    unsigned char *blocks = malloc((size_t)NROW * NCOL * 5);

    assert_non_null(blocks);
    codec_find_mlx(t, MLX_ROUNDING_CPU, from)->encode(x, blocks, NROW, NCOL, NULL);
    for (uint32_t k = 0; k < dtype_parts(t)->n; k++) {
        char path[160];

        snprintf(path, sizeof path, SHARED "mlx/%s_%s_b%d_g%d.%s.bin", dtype_name(from), mode, bits, group,
                 dtype_parts(t)->part[k].suffix);
        unsigned char *want = read_all(path, (size_t)dtype_part_nbytes(t, k, NROW * NCOL));
        assert_non_null(want);
        assert_part(t, k, blocks, NROW * NCOL, want);
        free(want);
    }
    free(blocks);
}

static void test_files(void **state)
{
    static const enum dtype floats[] = {DT_F32, DT_F16, DT_BF16};
    static const int bits[] = {2, 3, 4, 5, 6, 8}, groups[] = {32, 64, 128};
    float *x = (float *)(void *)read_all(SHARED "ggml/input.f32", NROW * NCOL * sizeof(float));

    (void)state;
    if (!x)
        skip();
    for (size_t f = 0; f < ARRAY_LEN(floats); f++) {
        const struct codec *codec = codec_find(floats[f]);
        unsigned char *narrow = malloc(MAX_PART);
        float *values = malloc(MAX_PART);

        assert_true(narrow && values);
        codec->encode(x, narrow, NROW, NCOL, NULL);
        codec->decode(narrow, values, NROW * NCOL);
        for (size_t b = 0; b < ARRAY_LEN(bits); b++)
            for (size_t g = 0; g < ARRAY_LEN(groups); g++)
                check_files("affine", bits[b], groups[g], floats[f], values);
        check_files("mxfp4", 4, 32, floats[f], values);
        check_files("mxfp8", 8, 32, floats[f], values);
        check_files("nvfp4", 4, 16, floats[f], values);
        free(narrow);
        free(values);
    }
    free(x);
}

/* ---- the edges ---- */

/* A group's first codes and numbers as they are stored. */
struct edge {
    const char *what;
    float first, second, rest; /* of the group */
    int codes[3];              /* theirs */
    float scale, bias;
};

static void check_edges(enum dtype t, enum mlx_rounding rounding, const struct edge *edges, size_t n)
{
    uint32_t group = dtype_block_elems(t), bits = dtype_parts(t)->part[0].nbytes * 8 / group;

    for (size_t e = 0; e < n; e++) {
        unsigned char block[GROUP * 5];
        float x[GROUP], scales[2];
        uint64_t row;

        for (uint32_t i = 0; i < group; i++)
            x[i] = i == 0 ? edges[e].first : i == 1 ? edges[e].second : edges[e].rest;
        codec_find_mlx(t, rounding, DT_F32)->encode(x, block, 1, group, NULL);
        memcpy(&row, block, sizeof row);
        codec_find(dtype_parts(t)->part[1].dtype)->decode(block + dtype_parts(t)->part[0].nbytes, scales, 2);
        for (uint32_t i = 0; i < 3; i++)
            if ((int)(row >> i * bits & ((1u << bits) - 1)) != edges[e].codes[i])
                fail_msg("%s: code %u: %d, not %d", edges[e].what, i,
                         (int)(row >> i * bits & ((1u << bits) - 1)), edges[e].codes[i]);
        if (float_bits(scales[0]) != float_bits(edges[e].scale) || scales[1] != edges[e].bias)
            fail_msg("%s: %a, %a, not %a, %a", edges[e].what, (double)scales[0], (double)scales[1],
                     (double)edges[e].scale, (double)edges[e].bias);
    }
}

static void test_edges(void **state)
{
    static const struct edge zeros[] = {{"zeros", 0, 0, 0, {0, 0, 0}, -1e-7f, 0}};
    static const struct edge zeros_bf16[] = {{"zeros", 0, 0, 0, {0, 0, 0}, -0x1.aep-24f, 0}};
    static const struct edge zeros_f16[] = {{"zeros", 0, 0, 0, {0, 0, 0}, -0x1p-23f, 0}};
    static const struct edge both[] = {
        {"one -1", -1, 0, 0, {0, 15, 15}, 1.0f / 15, -1},  {"one +1", 1, 0, 0, {0, 15, 15}, -1.0f / 15, 1},
        {"symmetric", 1, -1, 0, {0, 14, 7}, -1.0f / 7, 1}, {"tiny", 4e-8f, -4e-8f, 0, {0, 0, 0}, -1e-7f, 0},
        {"constant", 2, 2, 2, {0, 0, 0}, -1e-7f, 2},
    };
    static const struct edge cpu[] = {
        {"negative", -3, -1, -1, {0, 15, 15}, 3.0f / 22, -3},
        {"half", 15, 0, 0.5f, {0, 15, 14}, -1, 15},
        {"half", 15, 0, 2.5f, {0, 15, 12}, -1, 15},
    };
    static const struct edge metal[] = {
        {"negative", -3, -1, -1, {0, 10, 10}, 3.0f / 15, -3},
        {"half", 15, 0, 0.5f, {0, 15, 15}, -1, 15},
        {"half", 15, 0, 2.5f, {0, 15, 13}, -1, 15},
    };
    static const struct edge two_bits[] = {{"clipped", 1, -1, 0, {0, 3, 2}, -0.5f, 1}};

    (void)state;
    for (int rounding = MLX_ROUNDING_CPU; rounding <= MLX_ROUNDING_METAL; rounding++) {
        check_edges(DT_AFFINE4_G32_F32, (enum mlx_rounding)rounding, zeros, 1);
        check_edges(DT_AFFINE3_G64_BF16, (enum mlx_rounding)rounding, zeros_bf16, 1);
        check_edges(DT_AFFINE8_G128_F16, (enum mlx_rounding)rounding, zeros_f16, 1);
        check_edges(DT_AFFINE4_G64_F32, (enum mlx_rounding)rounding, both, ARRAY_LEN(both));
        check_edges(DT_AFFINE2_G32_F32, (enum mlx_rounding)rounding, two_bits, 1);
    }
    check_edges(DT_AFFINE4_G64_F32, MLX_ROUNDING_CPU, cpu, ARRAY_LEN(cpu));
    check_edges(DT_AFFINE4_G64_F32, MLX_ROUNDING_METAL, metal, ARRAY_LEN(metal));
}

/* Codes of the first ten values of a group and its scale. */
static void check_narrow(enum dtype t, enum mlx_rounding rounding, const float first[10], const char *codes,
                         int scale)
{
    unsigned char block[33];
    char got[21];
    float x[32] = {0};

    memcpy(x, first, 10 * sizeof *first);
    codec_find_mlx(t, rounding, DT_F32)->encode(x, block, 1, dtype_block_elems(t), NULL);
    for (int i = 0; i < 5; i++)
        snprintf(got + 2 * i, 3, "%x%x", block[i] & 15, block[i] >> 4);
    if (strcmp(got, codes) != 0 || block[dtype_parts(t)->part[0].nbytes] != scale)
        fail_msg("%s: %s %d, not %s %d", dtype_name(t), got, block[dtype_parts(t)->part[0].nbytes], codes,
                 scale);
}

/* Halves between two codes: down on a CPU, to the even code on a GPU. */
static void test_narrow_edges(void **state)
{
    static const float ties[] = {6, 0.25f, -0.75f, 1.25f, 1.75f, 2.5f, -3.5f, 5, -0.1f, 0}, zeros[10],
                       over[] = {8.4f, 1, 2, 3, 4, -8.4f, 0, 0, 0, 0},
                       infinite[] = {INFINITY, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const enum dtype fours[] = {DT_MXFP4_MLX, DT_NVFP4_MLX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(fours); i++) {
        int one = i == 0 ? 127 : 0x38;

        check_narrow(fours[i], MLX_ROUNDING_CPU, ties, "709234d600", one);
        check_narrow(fours[i], MLX_ROUNDING_METAL, ties, "70a244e680", one);
        check_narrow(fours[i], MLX_ROUNDING_CPU, zeros, "0000000000", i == 0 ? 127 : 0);
        check_narrow(fours[i], MLX_ROUNDING_METAL, zeros, "0000000000", 0);
    }
    check_narrow(DT_MXFP4_MLX, MLX_ROUNDING_CPU, over, "72456f0000", 127); // 2^0.49 beyond 6
    check_narrow(DT_MXFP4_MLX, MLX_ROUNDING_METAL, infinite, "7777777777", 255);
    check_narrow(DT_MXFP8, MLX_ROUNDING_CPU, zeros, "0000000000", 127);
    check_narrow(DT_MXFP8, MLX_ROUNDING_METAL, zeros, "0000000000", 0);
}

/* What is not finite spoils its group alone. */
static void test_not_finite(void **state)
{
    static const float odd[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f};

    (void)state;
    for (int t = 0; t < DT_COUNT; t++) {
        uint32_t group = dtype_block_elems((enum dtype)t);
        uint64_t nbytes = 0;

        if (dtype_parts((enum dtype)t)->n == 1)
            continue;
        assert_true(dtype_nbytes((enum dtype)t, group, &nbytes));
        for (int rounding = MLX_ROUNDING_CPU; rounding <= MLX_ROUNDING_METAL; rounding++) {
            const struct codec *codec = codec_find_mlx((enum dtype)t, (enum mlx_rounding)rounding, DT_BF16);
            unsigned char blocks[GROUP * 10], clean[GROUP * 5];
            float x[2 * GROUP], back[2 * GROUP];

            for (uint32_t i = 0; i < 2 * group; i++)
                x[i] = (float)i;
            codec->encode(x + group, clean, 1, group, NULL);
            for (uint32_t i = 0; i < group; i++)
                x[i] = odd[i % ARRAY_LEN(odd)];
            codec->encode(x, blocks, 1, 2 * (size_t)group, NULL);
            assert_memory_equal(blocks + nbytes, clean, nbytes);
            codec->decode(blocks, back, 2 * (size_t)group);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),        cmocka_unit_test(test_files),      cmocka_unit_test(test_edges),
        cmocka_unit_test(test_narrow_edges), cmocka_unit_test(test_not_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
