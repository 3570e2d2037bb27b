/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/floats.h"
#include "quantize/codecs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct codec *q8_0;

static int find_q8_0(void **state)
{
    (void)state;
    q8_0 = codec_find(DT_Q8_0);
    return 0;
}

static void encode(const float x[32], uint16_t *scale, int8_t codes[32])
{
    unsigned char block[36];

    memset(block, 0xee, sizeof block);
    q8_0->encode(x, block + 1, 1, 32, NULL);
    assert_int_equal(block[0], 0xee);
    assert_int_equal(block[35], 0xee);
    memcpy(scale, block + 1, 2);
    memcpy(codes, block + 3, 32);
}

static void test_q8_0_zero(void **state)
{
    static const float zeros[32] = {0.0f, -0.0f};
    uint16_t scale;
    int8_t codes[32];

    (void)state;
    encode(zeros, &scale, codes);
    assert_int_equal(scale, 0);
    for (int i = 0; i < 32; i++)
        assert_int_equal(codes[i], 0);
}

/* Halves go away from zero; the scale is 1 exactly. */
static void test_q8_0_ties(void **state)
{
    static const float x[32] = {127,   0.5f,        -0.5f,   1.5f, -1.5f,     2.5f,
                                -2.5f, 0.49999997f, -126.5f, -127, 126.49999f};
    static const int8_t want[32] = {127, 1, -1, 2, -2, 3, -3, 0, -127, -127, 126};
    uint16_t scale;
    int8_t codes[32];

    (void)state;
    encode(x, &scale, codes);
    assert_int_equal(scale, 0x3c00);
    assert_memory_equal(codes, want, 32);
}

/* The codes come from the exact scale, not from the float16 that is stored. */
static void test_q8_0_scale(void **state)
{
    float x[32] = {1.0f, -0.7f, 0.3f, 1e-3f};
    uint16_t scale;
    int8_t codes[32];

    (void)state;
    encode(x, &scale, codes);
    assert_int_equal(scale, 0x2008); // 1/127 = 0.00787 -> 0x1.02p-7
    assert_true(codes[0] == 127 && codes[1] == -89 && codes[2] == 38 && codes[3] == 0);
    /* Here the float16 scale is zero, and the codes are still those of the exact one. */
    for (int i = 0; i < 32; i++)
        x[i] = (float)(i - 16) * 1e-7f;
    encode(x, &scale, codes);
    assert_int_equal(scale, 0);
    assert_true(codes[0] == -127 && codes[16] == 0 && codes[31] == 119);
    x[0] = 1e7f; // and here it is infinite
    encode(x, &scale, codes);
    assert_int_equal(scale, 0x7c00);
    assert_true(codes[0] == 127 && codes[1] == 0);
}

/* The scale's inverse is infinite: products out of all range, of which the low byte is kept, and 0 * inf. */
static void test_q8_0_subnormal(void **state)
{
    static const float x[32] = {0x1p-149f, -0x1p-149f, 0.0f, 0x1p-140f};
    uint16_t scale;
    int8_t codes[32];

    (void)state;
    encode(x, &scale, codes);
    assert_int_equal(scale, 0);
    for (int i = 0; i < 32; i++)
        assert_int_equal(codes[i], 0);
}

static void test_q8_0_infinity(void **state)
{
    float x[32] = {1.0f, INFINITY, -2.0f};
    uint16_t scale;
    int8_t codes[32];

    (void)state;
    encode(x, &scale, codes);
    assert_int_equal(scale, 0x7c00);
    assert_true(codes[0] == 0 && codes[1] == 0 && codes[2] == 0);
    x[1] = NAN;
    encode(x, &scale, codes);
    assert_int_equal(scale & 0x7fff, 0x7e00);
    assert_true(codes[0] == 0 && codes[1] == 0 && codes[2] == 0);
}

static void test_q8_0_decode(void **state)
{
    unsigned char blocks[68] = {0x00, 0xc0, 0x7f, 0x80, 0x01, 0xff}; // scale -2
    float x[65];

    (void)state;
    blocks[34] = 0x01; // scale 2^-24
    blocks[36] = 0x03;
    x[64] = 7.0f;
    q8_0->decode(blocks, x, 64);
    assert_true(x[0] == -254.0f && x[1] == 256.0f && x[2] == -2.0f && x[3] == 2.0f && x[4] == 0.0f);
    assert_true(x[32] == 0x1.8p-23f && x[33] == 0.0f && x[64] == 7.0f);
}

/* Rows one by one or all at once; weights change nothing. */
static void test_q8_0_rows(void **state)
{
    static float x[4][96];
    static const float weights[96] = {3, 1, 4, 1, 5};
    unsigned char whole[4 * 102], rows[4 * 102];

    (void)state;
    for (uint64_t i = 0; i < 4 * 96; i++)
        x[i / 96][i % 96] = (float)((double)(int64_t)((i + 1) * 0x9e3779b97f4a7c15u) * 0x1p-63);
    q8_0->encode(x[0], whole, 4, 96, NULL);
    for (int i = 0; i < 4; i++)
        q8_0->encode(x[i], rows + 102 * i, 1, 96, weights);
    assert_memory_equal(whole, rows, sizeof rows);
    /* What comes back is within half a step, and a little for the rounding of the scale. */
    static float back[4 * 96];
    q8_0->decode(whole, back, 4 * 96);
    for (int i = 0; i < 4 * 96; i++)
        assert_true(fabsf(back[i] - x[i / 96][i % 96]) < 0.0045f);
}

/* Where a codec can recode, copying with it is the same as decoding and encoding again. */
static void test_recode(void **state)
{
    static uint16_t all[65536], again[65536];
    static float x[65536];

    (void)state;
    for (uint32_t h = 0; h < 65536; h++)
        all[h] = (uint16_t)h;
    const struct codec *bf16 = codec_find(DT_BF16);
    bf16->decode(all, x, 65536);
    bf16->encode(x, again, 1, 65536, NULL);
    bf16->recode(all, 65536);
    assert_memory_equal(all, again, sizeof all);
    /* float16 has none: but for NaNs nothing changes anyway. */
    const struct codec *f16 = codec_find(DT_F16);
    assert_null(f16->recode);
    for (uint32_t h = 0; h < 65536; h++)
        all[h] = (h & 0x7c00) == 0x7c00 ? 0 : (uint16_t)h;
    f16->decode(all, x, 65536);
    f16->encode(x, again, 1, 65536, NULL);
    assert_memory_equal(all, again, sizeof all);
}

static void assert_decodes(enum dtype t, const void *bytes, size_t n, const float *want)
{
    unsigned char moved[65];
    float x[8];
    uint64_t nbytes = 0;

    assert_true(dtype_nbytes(t, n, &nbytes));
    memcpy(moved + 1, bytes, nbytes);
    codec_find(t)->decode(moved + 1, x, n);
    for (size_t i = 0; i < n; i++)
        if (x[i] != want[i])
            fail_msg("%s: value %zu is %a, not %a", dtype_name(t), i, (double)x[i], (double)want[i]);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_decodes(DT_F32, (const float[]){1.5f, -0x1p-149f}, 2, (const float[]){1.5f, -0x1p-149f});
    assert_decodes(DT_F64, (const double[]){0.1, 1e300, -1e-300}, 3, (const float[]){0.1f, INFINITY, 0.0f});
    assert_decodes(DT_I8, (const int8_t[]){-128, 127, -1}, 3, (const float[]){-128, 127, -1});
    assert_decodes(DT_U8, (const uint8_t[]){0, 255}, 2, (const float[]){0, 255});
    assert_decodes(DT_BOOL, (const uint8_t[]){0, 1}, 2, (const float[]){0, 1});
    assert_decodes(DT_I16, (const int16_t[]){-32768, 32767}, 2, (const float[]){-32768, 32767});
    assert_decodes(DT_U16, (const uint16_t[]){65535, 1}, 2, (const float[]){65535, 1});
    assert_decodes(DT_I32, (const int32_t[]){INT32_MIN, 16777217}, 2, (const float[]){-0x1p31f, 16777216});
    assert_decodes(DT_U32, (const uint32_t[]){UINT32_MAX, 3}, 2, (const float[]){0x1p32f, 3});
    assert_decodes(DT_I64, (const int64_t[]){INT64_MIN, -7}, 2, (const float[]){-0x1p63f, -7});
    assert_decodes(DT_U64, (const uint64_t[]){UINT64_MAX, 9}, 2, (const float[]){0x1p64f, 9});
    assert_decodes(DT_F16, (const uint16_t[]){0x3c00, 0x0001}, 2, (const float[]){1, 0x1p-24f});
    assert_decodes(DT_BF16, (const uint16_t[]){0xbf80, 0x0001}, 2, (const float[]){-1, 0x1p-133f});
    assert_decodes(DT_F8_E4M3, (const uint8_t[]){0x38, 0xfe}, 2, (const float[]){1, -448});
    assert_decodes(DT_F8_E5M2, (const uint8_t[]){0x3c, 0xfc}, 2, (const float[]){1, -INFINITY});
    assert_decodes(DT_F8_E8M0, (const uint8_t[]){127, 0}, 2, (const float[]){1, 0x1p-127f});
}

/* Every type has a row; what can be encoded can be decoded. */
static void test_table(void **state)
{
    unsigned nencode = 0;

    (void)state;
    for (int t = 0; t < DT_COUNT; t++) {
        const struct codec *c = codec_find((enum dtype)t);

        assert_non_null(c);
        assert_true(!c->encode || c->decode);
        nencode += c->encode != NULL;
    }
    assert_true(nencode >= 4);
    assert_null(codec_find(DT_C64)->decode);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q8_0_zero),     cmocka_unit_test(test_q8_0_ties),
        cmocka_unit_test(test_q8_0_scale),    cmocka_unit_test(test_q8_0_subnormal),
        cmocka_unit_test(test_q8_0_infinity), cmocka_unit_test(test_q8_0_decode),
        cmocka_unit_test(test_q8_0_rows),     cmocka_unit_test(test_recode),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, find_q8_0, NULL);
}
