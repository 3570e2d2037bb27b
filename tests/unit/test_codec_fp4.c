/* SPDX-License-Identifier: Apache-2.0 */
/* The scales and rounding of the four-bit float types where they are not what one would expect. */
#include "kernels/floats.h"
#include "quantize/codecs.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void mxfp4(const float x[32], unsigned char block[17])
{
    codec_find(DT_MXFP4)->encode(x, block, 1, 32, NULL);
}

static void nvfp4(const float x[64], unsigned char block[36])
{
    codec_find(DT_NVFP4)->encode(x, block, 1, 64, NULL);
}

/* How many units in the last place below 2^k log2f already gives k (found by trying all floats). */
static const struct {
    int from, to;
    uint32_t slack;
} slacks[] = {
    {-149, -132, 0},  {-131, -131, 1}, {-130, -130, 2}, {-129, -129, 5}, {-128, -127, 11},
    {-126, -126, 22}, {-125, -64, 44}, {-63, -32, 22},  {-31, -16, 11},  {-15, -8, 5},
    {-7, -4, 2},      {-3, -2, 1},     {-1, 2, 0},      {3, 4, 1},       {5, 8, 2},
    {9, 16, 5},       {17, 32, 11},    {33, 64, 22},    {65, 128, 44},
};

static uint32_t power_bits(int k)
{
    return k >= -126 ? (uint32_t)(k + 127) << 23 : (uint32_t)1 << (k + 149);
}

static void assert_exponent(uint32_t bits, int k)
{
    float x[32] = {0.0f, float_from_bits(bits)};
    unsigned char block[17];

    mxfp4(x, block);
    if (block[0] != (uint8_t)(k - 2 + 127))
        fail_msg("0x%08" PRIx32 ": exponent %u, not %d", bits, block[0], k - 2 + 127);
}

static void test_mxfp4_exponent(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(slacks); i++) {
        for (int k = slacks[i].from; k <= slacks[i].to; k++) {
            uint32_t bits = power_bits(k);

            if (k < 128)
                assert_exponent(bits, k);
            if (slacks[i].slack > 0) {
                assert_exponent(bits - 1, k);
                assert_exponent(bits - slacks[i].slack, k);
            }
            if (bits - slacks[i].slack > 1)
                assert_exponent(bits - slacks[i].slack - 1, k - 1);
        }
    }
}

static void test_mxfp4_ends(void **state)
{
    float x[32] = {0.0f};
    unsigned char block[17];

    (void)state;
    mxfp4(x, block);
    assert_int_equal(block[0], 0);
    x[3] = INFINITY;
    mxfp4(x, block);
    assert_int_equal(block[0], 0);
    assert_int_equal(block[1 + 3], 0); // no level is nearer to infinity than another
    /* The logarithm is 128, and the level of 2^128 infinite: the level below it is nearest. */
    x[3] = -FLT_MAX;
    mxfp4(x, block);
    assert_int_equal(block[0], 253);
    assert_int_equal(block[1 + 3], 13);
}

/* Ties go to the smaller magnitude; above the largest level values saturate; nothing becomes -0. */
static void test_codes(void **state)
{
    static const struct {
        float x;
        uint8_t code;
    } cases[] = {
        {0.25f, 0}, {0.26f, 1},  {0.75f, 1},  {0.76f, 2},  {1.25f, 2},  {1.26f, 3},  {1.75f, 3}, {1.76f, 4},
        {2.5f, 4},  {2.51f, 5},  {3.5f, 5},   {3.51f, 6},  {5.0f, 6},   {5.01f, 7},  {7.9f, 7},  {-0.25f, 0},
        {-0.0f, 0}, {-0.26f, 9}, {-0.75f, 9}, {-1.8f, 12}, {-5.0f, 14}, {-7.9f, 15}, {NAN, 0},
    };
    float x[32];
    unsigned char block[17];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memset(x, 0, sizeof x);
        x[0] = 4.0f; // a scale of 1
        x[5] = x[21] = cases[i].x;
        mxfp4(x, block);
        assert_int_equal(block[0], 127);
        assert_int_equal(block[1 + 5], cases[i].code * 0x11);
    }
}

/* A tiny block's exponent wraps to a huge scale, under which all codes are 0. */
static void test_mxfp4_wrap(void **state)
{
    static const unsigned char zeros[16] = {0};
    float x[32];
    unsigned char block[17];

    (void)state;
    for (int i = 0; i < 32; i++)
        x[i] = 0x1p-149f;
    mxfp4(x, block);
    assert_int_equal(block[0], 232);
    assert_memory_equal(block + 1, zeros, 16);
}

static void test_nvfp4_scale(void **state)
{
    static const struct {
        float peak;
        uint8_t scale;
    } cases[] = {
        {0.0f, 0},
        {6.0f, 0x38},                // 1
        {6.0f * 1.0625f, 0x39},      // halfway from 1 to 1.125: up
        {6.0f * 1.0624f, 0x38},      //
        {6.0f * 1.9375f, 0x40},      // carries into the exponent
        {6.0f * 255.0f, 0x7e},       // rounds to 256, which counts as too large
        {6.0f * 240.0f, 0x77},       //
        {6.0f * 256.0f, 0x7e},       //
        {6e6f, 0x7e},                //
        {6.0f * 0x1p-9f, 0x01},      // the least
        {6.0f * 0x1p-10f, 0x01},     // half of it
        {6.0f * 0x0.7fp-9f, 0x00},   //
        {6.0f * 7.75f * 0x1p-9f, 7}, // never rounds up to the least normal scale
        {6.0f * 8.0f * 0x1p-9f, 0x08},
        {INFINITY, 0x7e},
    };
    float x[64] = {0.0f};
    unsigned char block[36];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        x[32 + 9] = -cases[i].peak;
        nvfp4(x, block);
        if (block[2] != cases[i].scale)
            fail_msg("%g: scale 0x%02x, not 0x%02x", (double)cases[i].peak, block[2], cases[i].scale);
        assert_true(block[0] == 0 && block[1] == 0 && block[3] == 0);
    }
}

/* Levels collapse far above the largest: the first of the equally near wins. */
static void test_nvfp4_far(void **state)
{
    float x[64] = {1e30f, 1e9f, -1e30f};
    unsigned char block[36];

    (void)state;
    nvfp4(x, block);
    assert_int_equal(block[0], 0x7e);
    assert_true((block[4] & 15) == 0 && (block[5] & 15) == 7 && (block[6] & 15) == 0);
}

static void test_decode_scales(void **state)
{
    static const struct {
        uint8_t scale;
        float value;
    } cases[] = {{0x00, 0.0f}, {0x7f, 0.0f}, {0x80, 0.0f},   {0x01, 0x1p-9f},
                 {0x38, 1.0f}, {0xb8, 1.0f}, {0x7e, 448.0f}, {0xff, 480.0f}};
    unsigned char nv[36] = {0}, mx[17] = {0};
    float x[64];

    (void)state;
    nv[4] = mx[1] = 0x92; // 1 and -0.5
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        nv[0] = cases[i].scale;
        codec_find(DT_NVFP4)->decode(nv, x, 64);
        assert_true(x[0] == cases[i].value && x[8] == -0.5f * cases[i].value && x[1] == 0.0f);
    }
    for (int e = 0; e < 256; e++) {
        mx[0] = (unsigned char)e;
        codec_find(DT_MXFP4)->decode(mx, x, 32);
        assert_true(x[0] == ldexpf(1.0f, e - 127) && x[16] == -ldexpf(1.0f, e - 128));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mxfp4_exponent), cmocka_unit_test(test_mxfp4_ends),
        cmocka_unit_test(test_codes),          cmocka_unit_test(test_mxfp4_wrap),
        cmocka_unit_test(test_nvfp4_scale),    cmocka_unit_test(test_nvfp4_far),
        cmocka_unit_test(test_decode_scales),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
