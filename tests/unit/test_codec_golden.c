/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codecs against ggml's (0.21.0, x86-64), byte for byte: by digest for data that is made here, and against
 * files of blocks where those are at hand.
 */
#include "core/sha256.h"
#include "kernels/floats.h"
#include "quantize/codecs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NROW 8
#define NCOL 1024

/* The first 16 digits of the SHA-256 of the blocks and of what they decode to, without and with weights. */
static const struct golden {
    enum dtype dtype;
    const char *digest[2][2];
} goldens[] = {
    {DT_F16, {{"cacebc46d3960fd5", "bc3a2fd4a5d4047f"}, {"cacebc46d3960fd5", "bc3a2fd4a5d4047f"}}},
    {DT_BF16, {{"c5f98d227a44ac1b", "fb91d5b437f6660a"}, {"c5f98d227a44ac1b", "fb91d5b437f6660a"}}},
    {DT_Q1_0, {{"b9389cf29ff743fb", "c3781f54ca2c9231"}, {"b9389cf29ff743fb", "c3781f54ca2c9231"}}},
    {DT_Q2_0, {{"1e37791ee2875b77", "d1fc0b1293afd710"}, {"1e37791ee2875b77", "d1fc0b1293afd710"}}},
    {DT_Q4_0, {{"4009fc26f0ef72b7", "9dbdc84996b7a1be"}, {"93dcc09ff671c3d9", "65949ca95b810a9a"}}},
    {DT_Q4_1, {{"0ac266c2d0ecd88d", "c02e411575674b69"}, {"89407a0423820302", "2198a4557999bdcc"}}},
    {DT_Q5_0, {{"e1fe8b6207b50f42", "09e1c4b10a3e5a42"}, {"b1076a81841cbb90", "1e1b2a40791e262f"}}},
    {DT_Q5_1, {{"f6527a3adb4d0dfb", "359aa726a6de5f52"}, {"a52af3791ffc5266", "52b75679ac1e20dc"}}},
    {DT_Q8_0, {{"d09e5423c514af44", "f4d5febf285c43d3"}, {"d09e5423c514af44", "f4d5febf285c43d3"}}},
    {DT_Q2_K, {{"4712aea0df6bf4b5", "3f162cc61790b8f7"}, {"c0268ebd0b6252a9", "e13fc5845ec10e51"}}},
    {DT_Q3_K, {{"a568c04d44a137f1", "6e053d6ebeb48efe"}, {"1f7f6095d6232f5c", "124624d19bef5253"}}},
    {DT_Q4_K, {{"1b04b00e96e93c89", "a57b25fb5c7f5bfa"}, {"4cf2adbee12afd32", "203f00022dfe61bc"}}},
    {DT_Q5_K, {{"8970e6fd241061f5", "9627e3792d591b82"}, {"3ee5e94797e9125b", "4ad44114dcace844"}}},
    {DT_Q6_K, {{"079434ba7e76f974", "81dece1b5a2dba55"}, {"8c7e5e2c48391329", "57e74dd6ce34e6e8"}}},
    {DT_TQ1_0, {{"c2c000ac069adc7e", "ad014f16e533a30f"}, {"c2c000ac069adc7e", "ad014f16e533a30f"}}},
    {DT_TQ2_0, {{"2bcfc90cf10d88da", "ad014f16e533a30f"}, {"2bcfc90cf10d88da", "ad014f16e533a30f"}}},
    {DT_MXFP4, {{"234e35a9dd1dc290", "9abb91abbf07efea"}, {"234e35a9dd1dc290", "9abb91abbf07efea"}}},
    {DT_NVFP4, {{"ab771aaa0089bb89", "dcc2ee39586620b6"}, {"ab771aaa0089bb89", "dcc2ee39586620b6"}}},
};

static float input[NROW * NCOL], weights[NCOL];

static uint32_t lcg_next(uint32_t *s)
{
    return *s = *s * 1664525u + 1013904223u;
}

/* Rows of nearly normal values; row 5 has zero and constant blocks, row 6 few different values, row 7
 * magnitudes that fall by 2^40. */
static int make_input(void **state)
{
    uint32_t s = 12345;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(input); i++) {
        int32_t sum = -131070;

        for (int k = 0; k < 4; k++)
            sum += (int32_t)(lcg_next(&s) >> 16);
        input[i] = (float)sum * 0x1p-21f;
    }
    for (int c = 0; c < NCOL; c++)
        input[6 * NCOL + c] = (float)((int32_t)(lcg_next(&s) >> 24) % 9 - 4) * 0x1p-4f;
    for (int c = 0; c < NCOL; c++)
        weights[c] = (float)(1 + (lcg_next(&s) >> 20)) * 0x1p-6f;
    for (int c = 0; c < NCOL; c += 97)
        weights[c] = 0.0f;
    for (int c = 0; c < 288; c++)
        input[5 * NCOL + c] = 0.0f;
    for (int c = 512; c < 528; c++)
        input[5 * NCOL + c] = 0.25f;
    for (int c = 0; c < NCOL; c++)
        input[7 * NCOL + c] *= float_from_bits((uint32_t)(127 - c % 40) << 23);
    return 0;
}

static void check_digest(const void *p, size_t n, const char *want, const char *what)
{
    char hex[SHA256_HEX];

    sha256_hex(p, n, hex);
    if (strncmp(hex, want, 16) != 0)
        fail_msg("%s: %.16s, not %s", what, hex, want);
}

static void test_input(void **state)
{
    (void)state;
    check_digest(input, sizeof input, "d359dfc1236d8c91", "values");
    check_digest(weights, sizeof weights, "b1e0fb49f07b6df6", "weights");
}

static void test_digests(void **state)
{
    static unsigned char blocks[NROW * NCOL * 4];
    static float decoded[NROW * NCOL];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(goldens); i++) {
        const struct golden *g = &goldens[i];
        const struct codec *codec = codec_find(g->dtype);
        uint64_t nbyte;

        assert_true(dtype_nbytes(g->dtype, ARRAY_LEN(input), &nbyte));
        for (int weighted = 0; weighted < 2; weighted++) {
            codec->encode(input, blocks, NROW, NCOL, weighted ? weights : NULL);
            check_digest(blocks, (size_t)nbyte, g->digest[weighted][0], dtype_name(g->dtype));
            codec->decode(blocks, decoded, ARRAY_LEN(decoded));
            check_digest(decoded, sizeof decoded, g->digest[weighted][1], dtype_name(g->dtype));
        }
    }
}

/* Weights of 0 where a value matters, and rounding, make the scale of the third group negative; its code is
 * the low byte of a negative number. q4_K lets it spill into its neighbours, q5_K makes it 63. */
static void test_negative_scale(void **state)
{
    static const float group[32] = {0x1.7b36bap-1f,
                                    0x1.1a2b48p-1f,
                                    0x1.7592e6p-1f,
                                    0,
                                    0x1.78ceecp-3f,
                                    0x1.bd431cp-4f,
                                    0x1.aaaedcp-1f,
                                    0,
                                    0x1.7d834p-2f,
                                    0x1.7144a4p2f,
                                    0,
                                    0x1.143a1ap2f,
                                    0,
                                    0,
                                    0x1.aaba44p2f,
                                    0x1.93c3bep5f,
                                    0,
                                    0x1.53c124p-3f,
                                    0,
                                    0x1.9ce8eep-1f,
                                    0,
                                    0x1.1a1fdap-1f,
                                    0x1.37441cp3f,
                                    0x1.dcd7cap-2f,
                                    0x1.bc9a8ep-5f,
                                    0x1.ea9d74p-1f,
                                    0x1.784ba8p2f,
                                    0,
                                    0,
                                    0x1.5e66dep0f,
                                    0,
                                    0x1.ab7194p-2f};
    static const float x4[256] = {[79] = -0.0002f, [91] = -0.0164f, [192] = 0.00212f};
    static const float x5[256] = {[46] = 0x1.274926p-8f,
                                  [79] = -0x1.97f2e4p-13f,
                                  [91] = -0x1.0cbca8p-6f,
                                  [193] = 0x1.15d48ep-9f,
                                  [242] = 0x1.02cc76p-10f};
    static const unsigned char head4[16] = {0x26, 0, 0, 0, 0, 0, 0xfc, 0, 0, 0, 0, 0, 0, 0, 0x0f, 0};
    static const unsigned char head5[16] = {0x28, 0, 0, 0, 0, 0x3f, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0x0d, 0x0d};
    unsigned char block[176];
    float w[256];

    (void)state;
    for (int i = 0; i < 256; i++)
        w[i] = i / 32 == 2 ? group[i % 32] : 1.0f;
    codec_find(DT_Q4_K)->encode(x4, block, 1, 256, w);
    assert_memory_equal(block, head4, sizeof head4);
    codec_find(DT_Q5_K)->encode(x5, block, 1, 256, w);
    assert_memory_equal(block, head5, sizeof head5);
}

/* ---- files ---- */

#define FILES      "../shared/golden/ggml/"
#define FILES_NROW 54

static unsigned char *read_all(const char *name, size_t want)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, FILES "%s", name);
    f = fopen(path, "rb");
    if (!f)
        return NULL;
    unsigned char *p = malloc(want + 1);
    assert_non_null(p);
    assert_int_equal(fread(p, 1, want + 1, f), want);
    fclose(f);
    return p;
}

static void check_file(enum dtype t, const float *x, const float *w)
{
    char name[64];
    uint64_t nbyte;
    size_t n;

    assert_true(dtype_nbytes(t, FILES_NROW * NCOL, &nbyte));
    n = (size_t)snprintf(name, sizeof name, "%s%s", dtype_name(t), w ? ".imatrix.bin" : ".bin");
    assert_true(n < sizeof name);
    for (char *c = name; *c && *c != '.'; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    unsigned char *want = read_all(name, (size_t)nbyte), *got = malloc((size_t)nbyte);
    assert_non_null(got);
    assert_non_null(want);
    codec_find(t)->encode(x, got, FILES_NROW, NCOL, w);
    if (memcmp(got, want, (size_t)nbyte) != 0)
        fail_msg("%s differs", name);
    free(got);
    free(want);
}

static void test_files(void **state)
{
    float *x = (float *)(void *)read_all("input.f32", FILES_NROW * NCOL * sizeof(float));
    float *w = (float *)(void *)read_all("imatrix.f32", NCOL * sizeof(float));

    (void)state;
    if (!x || !w) {
        free(x);
        free(w);
        skip();
    }
    for (size_t i = 0; i < ARRAY_LEN(goldens); i++) {
        check_file(goldens[i].dtype, x, NULL);
        if (dtype_is_quantized(goldens[i].dtype))
            check_file(goldens[i].dtype, x, w);
    }
    free(x);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_negative_scale),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, make_input, NULL);
}
