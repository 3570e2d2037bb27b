/* SPDX-License-Identifier: Apache-2.0 */
/* The type table against the published block layouts of GGUF and the dtype list of safetensors. */
#include "formats/dtype.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* GGUF type ids that exist: name, elements per block, bytes per block. All others below 43 were removed. */
static const struct {
    uint32_t id;
    const char *name;
    uint32_t elems, nbytes;
} ggufs[] = {
    {0, "f32", 1, 4},         {1, "f16", 1, 2},         {2, "q4_0", 32, 18},      {3, "q4_1", 32, 20},
    {6, "q5_0", 32, 22},      {7, "q5_1", 32, 24},      {8, "q8_0", 32, 34},      {9, "q8_1", 32, 36},
    {10, "q2_K", 256, 84},    {11, "q3_K", 256, 110},   {12, "q4_K", 256, 144},   {13, "q5_K", 256, 176},
    {14, "q6_K", 256, 210},   {15, "q8_K", 256, 292},   {16, "iq2_xxs", 256, 66}, {17, "iq2_xs", 256, 74},
    {18, "iq3_xxs", 256, 98}, {19, "iq1_s", 256, 50},   {20, "iq4_nl", 32, 18},   {21, "iq3_s", 256, 110},
    {22, "iq2_s", 256, 82},   {23, "iq4_xs", 256, 136}, {24, "i8", 1, 1},         {25, "i16", 1, 2},
    {26, "i32", 1, 4},        {27, "i64", 1, 8},        {28, "f64", 1, 8},        {29, "iq1_m", 256, 56},
    {30, "bf16", 1, 2},       {34, "tq1_0", 256, 54},   {35, "tq2_0", 256, 66},   {39, "mxfp4", 32, 17},
    {40, "nvfp4", 64, 36},    {41, "q1_0", 128, 18},    {42, "q2_0", 64, 18},
};

static void test_gguf_table(void **state)
{
    size_t with_id = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ggufs); i++) {
        enum dtype t = dtype_find_gguf(ggufs[i].id);
        uint64_t nbytes;

        assert_int_not_equal(t, DT_COUNT);
        assert_int_equal(dtype_find(ggufs[i].name), t);
        assert_int_equal(dtype_gguf_id(t), ggufs[i].id);
        assert_int_equal(dtype_block_elems(t), ggufs[i].elems);
        assert_int_equal(dtype_is_quantized(t), ggufs[i].elems > 1);
        assert_true(dtype_nbytes(t, 3 * (uint64_t)ggufs[i].elems, &nbytes));
        assert_int_equal(nbytes, 3 * ggufs[i].nbytes);
    }
    for (int t = 0; t < DT_COUNT; t++)
        with_id += dtype_gguf_id((enum dtype)t) >= 0;
    assert_int_equal(with_id, ARRAY_LEN(ggufs));
}

static void test_gguf_ids_that_are_none(void **state)
{
    static const uint32_t removed[] = {4, 5, 31, 32, 33, 36, 37, 38};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(removed); i++) {
        assert_int_equal(dtype_find_gguf(removed[i]), DT_COUNT);
        assert_non_null(strstr(dtype_foreign_gguf(removed[i]), "removed"));
    }
    assert_int_equal(dtype_find_gguf(137), DT_COUNT);
    assert_non_null(strstr(dtype_foreign_gguf(137), "ik_llama.cpp"));
    assert_int_equal(dtype_find_gguf(43), DT_COUNT);
    assert_int_equal(dtype_find_gguf(0x7fffffff), DT_COUNT);
    assert_int_equal(dtype_find_gguf(UINT32_MAX), DT_COUNT);
    assert_null(dtype_foreign_gguf(43));
    assert_null(dtype_foreign_gguf(0));
    assert_null(dtype_foreign_gguf(UINT32_MAX));
}

static void test_safetensors_table(void **state)
{
    static const struct {
        const char *name;
        uint32_t nbits;
    } st[] = {
        {"BOOL", 8}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
        {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32},    {"U32", 32},    {"F32", 32},    {"F64", 64},
        {"I64", 64}, {"U64", 64}, {"C64", 64},  {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(st); i++) {
        enum dtype t = dtype_find_st(slice_of(st[i].name));
        uint64_t nbytes;

        assert_int_not_equal(t, DT_COUNT);
        assert_string_equal(dtype_st_name(t), st[i].name);
        assert_false(dtype_is_quantized(t));
        assert_true(dtype_nbytes(t, 8, &nbytes));
        assert_int_equal(nbytes, st[i].nbits);
    }
    assert_int_equal(dtype_find_st(slice_of("bf16")), DT_COUNT);
    assert_int_equal(dtype_find_st(slice_of("Q4_K")), DT_COUNT);
    assert_int_equal(dtype_find_st(slice_of("")), DT_COUNT);
    assert_int_equal(dtype_find_st((struct slice){"F32\0x", 5}), DT_COUNT);
    assert_null(dtype_st_name(DT_Q4_K));
}

/* Parts make up blocks; MLX's rows are whole words. */
static void test_parts(void **state)
{
    size_t npacked = 0;

    (void)state;
    for (int t = 0; t < DT_COUNT; t++) {
        const struct dtype_parts *parts = dtype_parts((enum dtype)t);
        uint64_t ncol = 256, whole = 0, sum = 0;

        assert_true(dtype_nbytes((enum dtype)t, ncol, &whole));
        assert_in_range(parts->n, 1, DTYPE_MAX_PARTS);
        for (uint32_t k = 0; k < parts->n; k++)
            sum += dtype_part_nbytes((enum dtype)t, k, ncol);
        assert_int_equal(sum, whole);
        if (parts->n == 1) {
            assert_null(parts->part[0].suffix);
            assert_int_equal(parts->part[0].dtype, t);
            continue;
        }
        npacked++;
        assert_int_equal(dtype_gguf_id((enum dtype)t), -1);
        assert_null(dtype_st_name((enum dtype)t));
        for (uint32_t k = 0; k < parts->n; k++) {
            static const char *const suffixes[] = {"weight", "scales", "biases"};
            uint64_t nbytes;

            assert_string_equal(parts->part[k].suffix, suffixes[k]);
            assert_non_null(dtype_st_name(parts->part[k].dtype));
            assert_true(dtype_nbytes(parts->part[k].dtype, dtype_part_cols((enum dtype)t, k, ncol), &nbytes));
            assert_int_equal(nbytes, dtype_part_nbytes((enum dtype)t, k, ncol));
        }
    }
    assert_int_equal(npacked, 6 * 3 * 3 + 3);
    assert_int_equal(dtype_part_cols(DT_AFFINE3_G64_F16, 0, 1024), 96);
    assert_int_equal(dtype_part_cols(DT_AFFINE3_G64_F16, 2, 1024), 16);
    assert_int_equal(dtype_parts(DT_AFFINE3_G64_F16)->part[2].dtype, DT_F16);
    assert_int_equal(dtype_part_cols(DT_NVFP4_MLX, 0, 1024), 128);
    assert_int_equal(dtype_part_cols(DT_NVFP4_MLX, 1, 1024), 64);
    assert_int_equal(dtype_parts(DT_NVFP4_MLX)->n, 2);
    assert_int_equal(dtype_parts(DT_NVFP4_MLX)->part[1].dtype, DT_U8);
}

static void test_names_are_unique_and_case_free(void **state)
{
    (void)state;
    for (int t = 0; t < DT_COUNT; t++)
        assert_int_equal(dtype_find(dtype_name((enum dtype)t)), t);
    assert_int_equal(dtype_find("Q4_K"), DT_Q4_K);
    assert_int_equal(dtype_find("BF16"), DT_BF16);
    assert_int_equal(dtype_find("q4_k_m"), DT_COUNT);
    assert_int_equal(dtype_find(""), DT_COUNT);
}

static void test_nbytes(void **state)
{
    uint64_t nbytes = 7;

    (void)state;
    assert_true(dtype_nbytes(DT_Q4_K, 0, &nbytes));
    assert_int_equal(nbytes, 0);
    assert_true(dtype_nbytes(DT_F4, 2, &nbytes));
    assert_int_equal(nbytes, 1);
    assert_true(dtype_nbytes(DT_F6_E2M3, 4, &nbytes));
    assert_int_equal(nbytes, 3);

    assert_false(dtype_nbytes(DT_F4, 3, &nbytes)); // ends inside a byte
    assert_false(dtype_nbytes(DT_F6_E3M2, 2, &nbytes));
    assert_false(dtype_nbytes(DT_Q4_K, 100, &nbytes)); // ends inside a block
    assert_false(dtype_nbytes(DT_F32, (uint64_t)1 << 62, &nbytes));
    assert_false(dtype_nbytes(DT_F64, UINT64_MAX, &nbytes));
    assert_false(dtype_nbytes(DT_Q8_0, UINT64_MAX / 32 * 32, &nbytes));
    assert_int_equal(nbytes, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_table),
        cmocka_unit_test(test_gguf_ids_that_are_none),
        cmocka_unit_test(test_safetensors_table),
        cmocka_unit_test(test_names_are_unique_and_case_free),
        cmocka_unit_test(test_nbytes),
        cmocka_unit_test(test_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
