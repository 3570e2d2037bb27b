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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
