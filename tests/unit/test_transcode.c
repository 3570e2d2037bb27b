/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks that change their form: the same values on both sides, and back to the same blocks. */
#include "kernels/floats.h"
#include "quantize/codecs.h"
#include "quantize/transcode.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N 4096

static const enum dtype gguf[] = {DT_Q4_0, DT_Q4_1, DT_Q5_0, DT_Q5_1, DT_Q8_0, DT_MXFP4, DT_NVFP4};

static float x[N], a[N], b[N];
static unsigned char blocks[N * 5], twins[N * 5], back[N * 5];

static int make_values(void **state)
{
    uint32_t s = 7;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = ldexpf((float)(int32_t)s * 0x1p-31f, -(int)(i / 256));
    }
    return 0;
}

static size_t nbytes(enum dtype t, size_t n)
{
    uint64_t nbyte = 0;

    assert_true(dtype_nbytes(t, n, &nbyte));
    return (size_t)nbyte;
}

/* Types of exact arithmetic decode to the very values; those of 16-bit scales to what rounding twice leaves.
 */
static void check_values(enum dtype t, bool exact)
{
    for (size_t i = 0; i < N; i++) {
        float most = 0.0f;

        for (size_t k = i / 32 * 32; k < i / 32 * 32 + 32; k++)
            most = fmaxf(most, fabsf(a[k]));
        if (exact ? a[i] != b[i] : fabsf(a[i] - b[i]) > most * 0x1p-9f + 0x1p-23f)
            fail_msg("%s: value %zu: %g, not %g", dtype_name(t), i, (double)b[i], (double)a[i]);
    }
}

static void check_pair(enum dtype from, enum dtype to)
{
    const struct dtype_parts *parts = dtype_parts(to);
    struct transcoder there, here;

    assert_true(transcoder_find(from, to, &there));
    assert_true(transcoder_find(to, from, &here));
    assert_true(there.from == from && there.to == to && here.from == to && here.to == from);
    codec_find(from)->encode(x, blocks, 4, N / 4, NULL);
    assert_true(there.convert(&there, blocks, twins, N));
    assert_true(here.convert(&here, twins, back, N));
    assert_memory_equal(blocks, back, nbytes(from, N));
    codec_find(from)->decode(blocks, a, N);
    codec_find(to)->decode(twins, b, N);
    check_values(to, parts->n == 2 || parts->part[1].dtype == DT_F32);
}

static void test_pairs(void **state)
{
    static const enum dtype mlx[][2] = {
        {DT_AFFINE4_G32_F16, DT_AFFINE4_G32_F32},
        {DT_AFFINE4_G32_F16, DT_AFFINE4_G32_F32},
        {DT_AFFINE5_G32_F16, DT_AFFINE5_G32_F32},
        {DT_AFFINE5_G32_F16, DT_AFFINE5_G32_F32},
        {DT_AFFINE8_G32_F16, DT_AFFINE8_G32_F32},
        {DT_MXFP4_MLX, DT_MXFP4_MLX},
        {DT_NVFP4_MLX, DT_NVFP4_MLX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(gguf); i++)
        for (int k = 0; k < 2; k++)
            check_pair(gguf[i], mlx[i][k]);
}

/* Every type of MLX, where its scales fit float16. */
static void test_from_mlx(void **state)
{
    static const enum dtype to[] = {[4] = DT_Q4_1, [5] = DT_Q5_1};

    (void)state;
    for (int t = 0; t < DT_COUNT; t++) {
        const struct dtype_parts *parts = dtype_parts((enum dtype)t);
        uint32_t bits = parts->part[0].nbytes * 8 / dtype_block_elems((enum dtype)t);
        struct transcoder c;

        if (parts->n < 3 || (bits != 4 && bits != 5) || parts->part[1].dtype == DT_F32)
            continue;
        assert_true(transcoder_find((enum dtype)t, to[bits], &c));
        codec_find((enum dtype)t)->encode(x, blocks, 1, 512, NULL);
        assert_true(c.convert(&c, blocks, twins, 512));
        codec_find((enum dtype)t)->decode(blocks, a, 512);
        codec_find(to[bits])->decode(twins, b, 512);
        for (size_t i = 0; i < 512; i++)
            assert_true(fabsf(a[i] - b[i]) <= 0x1p-7f);
    }
}

/* Pairs that do not coincide. */
static void test_no_pair(void **state)
{
    static const enum dtype none[][2] = {
        {DT_Q4_0, DT_AFFINE4_G64_F16},
        {DT_Q4_0, DT_AFFINE5_G32_F16},
        {DT_Q4_0, DT_Q4_1},
        {DT_Q8_0, DT_AFFINE4_G32_F32},
        {DT_Q4_K, DT_AFFINE4_G32_F32},
        {DT_AFFINE4_G32_F16, DT_AFFINE4_G32_F32},
        {DT_MXFP4, DT_NVFP4_MLX},
        {DT_NVFP4, DT_MXFP4_MLX},
        {DT_MXFP8, DT_MXFP4},
        {DT_F32, DT_AFFINE4_G32_F32},
        {DT_AFFINE3_G32_F16, DT_Q4_0},
        {DT_MXFP4, DT_MXFP4},
    };
    struct transcoder t = {.from = DT_F64};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(transcoder_find(none[i][0], none[i][1], &t));
    assert_int_equal(t.from, DT_F64);
}

/* One group of codes 0, 1, ... under a scale and a bias. */
static void make_group(enum dtype t, float scale, float bias)
{
    uint32_t codes = dtype_parts(t)->part[0].nbytes;

    memset(blocks, 0x10, codes);
    if (dtype_parts(t)->part[1].dtype == DT_F32) {
        memcpy(blocks + codes, &scale, 4);
        memcpy(blocks + codes + 4, &bias, 4);
    } else {
        floats_to_bf16(&scale, blocks + codes, 1);
        floats_to_bf16(&bias, blocks + codes + 2, 1);
    }
}

/* Blocks without a twin. */
static void test_refused(void **state)
{
    static const struct {
        enum dtype from, to;
        float scale, bias;
        bool twin;
    } cases[] = {
        {DT_AFFINE4_G32_F32, DT_Q4_1, 0.5f, -3.0f, true},
        {DT_AFFINE4_G32_F32, DT_Q4_1, 0.1f, -3.0f, false},    // no float16
        {DT_AFFINE4_G32_F32, DT_Q4_1, 0.5f, 65536.0f, false}, // beyond it
        {DT_AFFINE4_G32_F32, DT_Q4_1, INFINITY, 0.0f, false},
        {DT_AFFINE4_G32_F32, DT_Q4_1, 0.5f, NAN, false},
        {DT_AFFINE4_G32_BF16, DT_Q4_1, 0x1.02p-10f, 1.0f, true},
        {DT_AFFINE4_G32_BF16, DT_Q4_1, 0x1.02p-20f, 1.0f, false}, // lost among the subnormals
        {DT_AFFINE4_G32_BF16, DT_Q4_0, -0.25f, 2.0f, true},
        {DT_AFFINE4_G32_BF16, DT_Q4_0, -0.25f, -2.0f, false},
        {DT_AFFINE4_G64_BF16, DT_Q4_0, 0.25f, -2.0f, true},
        {DT_AFFINE8_G32_BF16, DT_Q8_0, 0.25f, -32.0f, true},
        {DT_AFFINE8_G32_BF16, DT_Q8_0, 0.25f, 0.0f, false},
        {DT_AFFINE5_G128_BF16, DT_Q5_0, 3.0f, -48.0f, true},
    };
    struct transcoder t;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        make_group(cases[i].from, cases[i].scale, cases[i].bias);
        assert_true(transcoder_find(cases[i].from, cases[i].to, &t));
        assert_int_equal(t.convert(&t, blocks, twins, dtype_block_elems(cases[i].from)), cases[i].twin);
    }
}

/* A scale whose -8 or -128 times is beyond float16 fits float32 still. */
static void test_large_scales(void **state)
{
    static const struct {
        enum dtype from, narrow, wide;
        uint16_t last, over; // the largest scale that fits, and the next
    } cases[] = {
        {DT_Q4_0, DT_AFFINE4_G32_F16, DT_AFFINE4_G32_F32, 0x6fff, 0x7000},
        {DT_Q5_0, DT_AFFINE5_G32_F16, DT_AFFINE5_G32_F32, 0x6bff, 0x6c00},
        {DT_Q8_0, DT_AFFINE8_G32_F16, DT_AFFINE8_G32_F32, 0x5fff, 0x6000},
    };
    struct transcoder t;

    (void)state;
    memset(blocks, 0x5a, sizeof blocks);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        memcpy(blocks, &cases[i].last, 2);
        assert_true(transcoder_find(cases[i].from, cases[i].narrow, &t));
        assert_true(t.convert(&t, blocks, twins, 32));
        memcpy(blocks, &cases[i].over, 2);
        assert_false(t.convert(&t, blocks, twins, 32));
        assert_true(transcoder_find(cases[i].from, cases[i].wide, &t));
        assert_true(t.convert(&t, blocks, twins, 32));
        codec_find(cases[i].from)->decode(blocks, a, 32);
        codec_find(cases[i].wide)->decode(twins, b, 32);
        assert_memory_equal(a, b, 32 * sizeof *a);
    }
}

/* All scales of the four-bit floats, and all codes. */
static void test_narrow_scales(void **state)
{
    struct transcoder mx, nv;

    (void)state;
    assert_true(transcoder_find(DT_MXFP4, DT_MXFP4_MLX, &mx));
    assert_true(transcoder_find(DT_NVFP4, DT_NVFP4_MLX, &nv));
    for (int i = 0; i < 64; i++)
        blocks[i] = (unsigned char)(i * 37);
    for (int byte = 0; byte < 256; byte++) {
        blocks[0] = (unsigned char)byte;
        assert_int_equal(mx.convert(&mx, blocks, twins, 32), byte < 255);
        codec_find(DT_MXFP4)->decode(blocks, a, 32);
        codec_find(DT_MXFP4_MLX)->decode(twins, b, 32);
        for (int i = 0; byte < 255 && i < 32; i++)
            assert_true(a[i] == b[i]);

        memset(blocks, byte, 4);
        assert_int_equal(nv.convert(&nv, blocks, twins, 64), byte < 127);
        codec_find(DT_NVFP4)->decode(blocks, a, 64);
        codec_find(DT_NVFP4_MLX)->decode(twins, b, 64);
        for (int i = 0; byte < 127 && i < 64; i++)
            assert_true(a[i] == b[i]);
    }
}

/* NVFP4 as checkpoints store it: every scale byte is kept but for its sign, and every code at its place; what
 * is read is what GGUF's NVFP4 has. */
static void test_stored(void **state)
{
    unsigned char stored[36], block[36];
    float got[64], want[64];

    (void)state;
    for (int scale = 0; scale < 256; scale++) {
        for (int i = 0; i < 36; i++)
            stored[i] = (unsigned char)(i % 9 == 8 ? (scale + i / 9) & 255 : (i * 37 + scale * 11) & 255);
        assert_true(transcoder_stored_nvfp4.convert(&transcoder_stored_nvfp4, stored, block, 64));
        for (int g = 0; g < 4; g++) {
            assert_int_equal(block[g], stored[9 * g + 8] & 0x7f);
            for (int i = 0; i < 16; i++) {
                int in = stored[9 * g + i / 2] >> 4 * (i % 2) & 15;

                assert_int_equal(block[4 + 8 * g + i % 8] >> 4 * (i / 8) & 15, in);
            }
        }
        codec_stored_nvfp4.decode(stored, got, 64);
        codec_find(DT_NVFP4)->decode(block, want, 64);
        assert_memory_equal(got, want, sizeof got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),        cmocka_unit_test(test_from_mlx),
        cmocka_unit_test(test_no_pair),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_large_scales), cmocka_unit_test(test_narrow_scales),
        cmocka_unit_test(test_stored),
    };

    return cmocka_run_group_tests(tests, make_values, NULL);
}
