/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The iq types: against ggml's bytes (0.21.0, x86-64) by digest for data that is made here and against files
 * where those are at hand, and what they promise whatever their layout.
 */
#include "core/rng.h"
#include "core/sha256.h"
#include "kernels/floats.h"
#include "quantize/codecs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NROW   8
#define NCOL   1024
#define NALL   (NROW * NCOL)
#define MOST   (4 * NALL) /* bytes, with room */
#define NBLOCK 256

/* nbyte: of a block. rms: sqrt(sum of squared errors / sum of squares) of nearly normal values, at most this
 * and at least 0.9 of it. digest: the first 16 digits of the SHA-256 of the blocks and of what they decode
 * to, without and with weights; NULL where ggml wants weights. */
static const struct type {
    enum dtype dtype;
    size_t nbyte;
    double rms;
    const char *digest[2][2];
} types[] = {
    {DT_IQ1_S, 50, 0.48, {{NULL, NULL}, {"9993ea014e2067f3", "2b86fe04b9536625"}}},
    {DT_IQ1_M,
     56,
     0.575,
     {{"35403842da8b165b", "ea5b0cdc18d2e097"}, {"916d64ff39f81e22", "89f760cdc3ee0d85"}}},
    {DT_IQ2_XXS, 66, 0.345, {{NULL, NULL}, {"3abb653779929ad8", "7e031bcd4d3d1275"}}},
    {DT_IQ2_XS, 74, 0.305, {{NULL, NULL}, {"82b969c2212c080f", "fa29fe090e27786e"}}},
    {DT_IQ2_S,
     82,
     0.26,
     {{"be75d33dc9178533", "0c681294fcaf4f1b"}, {"10795b91e5700b3f", "9f06f03f26dfc5d5"}}},
    {DT_IQ3_XXS,
     98,
     0.21,
     {{"adcebc94c06eea96", "62ae4e65178c70bc"}, {"4f20ed85eefcce8f", "e68e334184e27dd9"}}},
    {DT_IQ3_S,
     110,
     0.162,
     {{"1c2f1318161e6f39", "8e1af01a3ac8b10a"}, {"293283e981bf5fc8", "915ce73c8da80068"}}},
    {DT_IQ4_NL,
     18,
     0.075,
     {{"168c42f5b101fb6b", "a9170d03cb75a1f5"}, {"6673084c9ecd0ed6", "05aac26caf66a9bc"}}},
    {DT_IQ4_XS,
     136,
     0.0755,
     {{"c6ac94ea0d1d295a", "ee2d623b65e11aa2"}, {"cf342a2ef4d8afa2", "e0ddade61962c8c3"}}},
};

static float input[NALL], weights[NCOL], normal[NALL];
static unsigned char blocks[MOST], others[MOST];
static float decoded[NALL];

static uint32_t lcg_next(uint32_t *s)
{
    return *s = *s * 1664525u + 1013904223u;
}

/* Rows of nearly normal values; row 5 has zero and constant blocks, row 6 few different values, row 7
 * magnitudes that fall by 2^40. */
static void make_golden_input(void)
{
    uint32_t s = 12345;

    for (size_t i = 0; i < NALL; i++) {
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
}

static int make_inputs(void **state)
{
    uint64_t key = rng_key(1, "values");

    (void)state;
    make_golden_input();
    for (uint64_t i = 0; i < NALL; i++)
        normal[i] = 0.02f * rng_normal(key, i);
    return 0;
}

static size_t bytes_of(enum dtype t, size_t n)
{
    uint64_t nbyte;

    assert_true(dtype_nbytes(t, n, &nbyte));
    assert_true(nbyte <= MOST);
    return (size_t)nbyte;
}

static void assert_same(enum dtype t, const void *a, const void *b, size_t nbyte)
{
    if (memcmp(a, b, nbyte) != 0)
        fail_msg("%s differs", dtype_name(t));
}

/* ---- ggml's bytes ---- */

static void check_digest(const void *p, size_t n, const char *want, const char *what)
{
    char hex[SHA256_HEX];

    sha256_hex(p, n, hex);
    if (strncmp(hex, want, 16) != 0)
        fail_msg("%s: %.16s, not %s", what, hex, want);
}

static void test_digests(void **state)
{
    (void)state;
    check_digest(input, sizeof input, "d359dfc1236d8c91", "values");
    check_digest(weights, sizeof weights, "b1e0fb49f07b6df6", "weights");
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct codec *codec = codec_find(types[i].dtype);

        for (int weighted = 0; weighted < 2; weighted++) {
            if (!types[i].digest[weighted][0])
                continue;
            codec->encode(input, blocks, NROW, NCOL, weighted ? weights : NULL);
            check_digest(blocks, bytes_of(types[i].dtype, NALL), types[i].digest[weighted][0],
                         dtype_name(types[i].dtype));
            codec->decode(blocks, decoded, NALL);
            check_digest(decoded, sizeof decoded, types[i].digest[weighted][1], dtype_name(types[i].dtype));
        }
    }
}

#define FILES      "../shared/golden/ggml/"
#define FILES_NROW 54

static void *read_all(const char *name, size_t want)
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

    assert_true(dtype_nbytes(t, FILES_NROW * NCOL, &nbyte));
    snprintf(name, sizeof name, "%s%s", dtype_name(t), w ? ".imatrix.bin" : ".bin");
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
    float *x = read_all("input.f32", FILES_NROW * NCOL * sizeof(float));
    float *w = read_all("imatrix.f32", NCOL * sizeof(float));

    (void)state;
    if (!x || !w) {
        free(x);
        free(w);
        skip();
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (types[i].digest[0][0])
            check_file(types[i].dtype, x, NULL);
        check_file(types[i].dtype, x, w);
    }
    free(x);
    free(w);
}

/* ---- single blocks ---- */

/* All bytes 0 but for these. */
static void test_zero_block(void **state)
{
    static const float zeros[NBLOCK] = {[3] = -0.0f, [200] = -0.0f};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        enum dtype t = types[i].dtype;
        unsigned char want[136] = {0};
        size_t n = dtype_block_elems(t), nbyte = types[i].nbyte;

        assert_int_equal(bytes_of(t, n), nbyte);
        if (t == DT_IQ4_NL)
            memset(want + 2, 0x88, 16);
        if (t == DT_IQ4_XS) {
            want[1] = 0x80; // -0
            want[2] = want[3] = 0xaa;
            memset(want + 8, 0x88, 128);
        }
        for (int weighted = 0; weighted < 2; weighted++) {
            memset(blocks, 0xee, sizeof blocks);
            codec_find(t)->encode(zeros, blocks, 1, n, weighted ? weights : NULL);
            assert_same(t, blocks, want, nbyte);
            assert_int_equal(blocks[nbyte], 0xee);
            codec_find(t)->decode(blocks, decoded, n);
            for (size_t k = 0; k < n; k++)
                assert_true(decoded[k] == 0.0f);
        }
    }
}

/* A value that all share comes back with its sign and roughly its size. Grids have few points with equal
 * levels, so the groups of some types come back uneven. */
static void test_constant_block(void **state)
{
    static const float values[] = {0.75f, -0.75f, -24.0f};
    static float x[NBLOCK];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        for (size_t k = 0; k < ARRAY_LEN(values); k++) {
            double sum = 0.0;

            for (int c = 0; c < NBLOCK; c++)
                x[c] = values[k];
            codec_find(types[i].dtype)->encode(x, blocks, 1, NBLOCK, NULL);
            codec_find(types[i].dtype)->decode(blocks, decoded, NBLOCK);
            for (int c = 0; c < NBLOCK; c++) {
                double ratio = (double)decoded[c] / values[k];

                sum += (ratio - 1.0) * (ratio - 1.0);
                if (!(ratio > 0.0))
                    fail_msg("%s: %g", dtype_name(types[i].dtype), (double)decoded[c]);
            }
            if (!(sqrt(sum / NBLOCK) <= 0.35))
                fail_msg("%s: %g", dtype_name(types[i].dtype), sqrt(sum / NBLOCK));
        }
    }
}

/* iq3_s: low bytes of points and signs close ranks over sub-blocks of zeros, ninth bits and scales do not. */
static void test_closed_ranks(void **state)
{
    static float x[NBLOCK];
    unsigned char full[110], gap[110];

    (void)state;
    for (int b = 0; b < 8; b++)
        memcpy(x + 32 * b, normal + 32 * (b % 4), 32 * sizeof *x);
    codec_find(DT_IQ3_S)->encode(x, full, 1, NBLOCK, NULL);
    memset(x + 64, 0, 32 * sizeof *x);
    codec_find(DT_IQ3_S)->encode(x, gap, 1, NBLOCK, NULL);

    // the same sub-blocks are still there, so the largest scale is the same
    assert_memory_equal(gap, full, 2 + 16);
    assert_memory_equal(gap + 2 + 16, full + 2 + 24, 40);
    assert_memory_equal(gap + 74, full + 74, 8);
    assert_memory_equal(gap + 74 + 8, full + 74 + 12, 20);
    for (int k = 0; k < 8; k++)
        assert_int_equal(gap[2 + 56 + k], 0);
    for (int k = 0; k < 4; k++)
        assert_int_equal(gap[74 + 28 + k], 0);
    for (int b = 0; b < 8; b++) {
        assert_int_equal(gap[66 + b], b == 2 ? 0 : full[66 + b]);
        assert_int_equal(gap[106 + b / 2] >> 4 * (b % 2) & 15,
                         b == 2 ? 0 : full[106 + b / 2] >> 4 * (b % 2) & 15);
    }
}

/* Each field where it belongs, read by hand. */
static void test_decode_iq4(void **state)
{
    unsigned char nl[18] = {0, 0x3c}, xs[136] = {0, 0x3c};

    (void)state;
    for (int i = 0; i < 16; i++)
        nl[2 + i] = (unsigned char)(i | (15 - i) << 4);
    codec_find(DT_IQ4_NL)->decode(nl, decoded, 32);
    assert_true(decoded[0] == -127.0f && decoded[7] == -10.0f && decoded[8] == 1.0f && decoded[15] == 113.0f);
    for (int i = 0; i < 16; i++)
        assert_true(decoded[16 + i] == decoded[15 - i]);

    // sub-block 5: 2 * 16 + 9 - 32, others -32
    xs[3] = 2 << 2;
    xs[4 + 2] = 9 << 4;
    memset(xs + 8, 0x98, 128);
    codec_find(DT_IQ4_XS)->decode(xs, decoded, NBLOCK);
    for (int i = 0; i < NBLOCK; i++)
        assert_true(decoded[i] == (i / 32 == 5 ? 9.0f : -32.0f) * (i % 32 < 16 ? 1.0f : 13.0f));
}

/* Values on a midpoint go up, those just below it down. */
static void test_iq4_midpoints(void **state)
{
    static const float levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
    float x[32], w[32];

    (void)state;
    // only the last two values matter, which the scale 1 meets exactly
    for (int i = 0; i < 32; i++) {
        float mid = i < 30 ? (levels[i / 2] + levels[i / 2 + 1]) / 2 : 0.0f;

        x[i] = i % 2 ? nextafterf(mid, -1e9f) : mid;
        w[i] = 0.0f;
    }
    x[30] = 89.0f;
    x[31] = -127.0f;
    w[30] = w[31] = 1.0f;
    codec_find(DT_IQ4_NL)->encode(x, blocks, 1, 32, w);
    assert_true(blocks[0] == 0 && blocks[1] == 0x3c);
    codec_find(DT_IQ4_NL)->decode(blocks, decoded, 32);
    for (int i = 0; i < 30; i++)
        assert_true(decoded[i] == levels[i / 2 + (i % 2 == 0)]);
    assert_true(decoded[31] == -127.0f);
}

/* ---- what all types promise ---- */

static double weigh_error(const float *w)
{
    double sum = 0.0;

    for (size_t i = 0; i < NALL; i++)
        sum += (w ? w[i % NCOL] : 1.0) * ((double)decoded[i] - normal[i]) * ((double)decoded[i] - normal[i]);
    return sum;
}

static void test_error(void **state)
{
    double norm = 0.0;

    (void)state;
    for (size_t i = 0; i < NALL; i++)
        norm += (double)normal[i] * normal[i];
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct codec *codec = codec_find(types[i].dtype);

        codec->encode(normal, blocks, NROW, NCOL, NULL);
        codec->decode(blocks, decoded, NALL);
        double rms = sqrt(weigh_error(NULL) / norm), before = weigh_error(weights);
        if (rms > types[i].rms || rms < 0.9 * types[i].rms)
            fail_msg("%s: %g, promised %g", dtype_name(types[i].dtype), rms, types[i].rms);
        codec->encode(normal, blocks, NROW, NCOL, weights);
        codec->decode(blocks, decoded, NALL);
        if (!(weigh_error(weights) < before))
            fail_msg("%s: weights do not help", dtype_name(types[i].dtype));
    }
}

/* Only ratios between weights count; where weights are a must, none are ones. */
static void test_weights(void **state)
{
    static float scaled[NCOL], ones[NCOL];

    (void)state;
    for (int c = 0; c < NCOL; c++) {
        scaled[c] = 1024.0f * weights[c];
        ones[c] = 1.0f;
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        enum dtype t = types[i].dtype;
        bool optional = types[i].digest[0][0] != NULL;

        codec_find(t)->encode(normal, blocks, NROW, NCOL, weights);
        codec_find(t)->encode(normal, others, NROW, NCOL, scaled);
        assert_same(t, blocks, others, bytes_of(t, NALL));
        codec_find(t)->encode(normal, blocks, NROW, NCOL, NULL);
        codec_find(t)->encode(normal, others, NROW, NCOL, ones);
        assert_int_equal(memcmp(blocks, others, bytes_of(t, NALL)) != 0, optional);
    }
}

/* Blocks do not know of each other, and bytes may lie anywhere. */
static void test_blocks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        enum dtype t = types[i].dtype;
        size_t n = dtype_block_elems(t), nbyte = types[i].nbyte;
        float x[NBLOCK];

        codec_find(t)->encode(input, blocks, NROW, NCOL, weights);
        codec_find(t)->decode(blocks, decoded, NALL);
        for (size_t b = 0; b < NALL / n; b++) {
            others[1 + nbyte] = 0xee;
            codec_find(t)->encode(input + b * n, others + 1, 1, n, weights + b * n % NCOL);
            assert_same(t, others + 1, blocks + b * nbyte, nbyte);
            assert_int_equal(others[1 + nbyte], 0xee);
            codec_find(t)->decode(others + 1, x, n);
            assert_same(t, x, decoded + b * n, n * sizeof *x);
        }
    }
}

/* No input makes an encoder loop, leave its output or depend on anything else. */
static void test_hostile_values(void **state)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN,  -NAN,  3e38f, -3e38f,
                                1e-45f,   -1e-40f,   0.0f, -0.0f, 1e20f, 1e-30f};
    static float x[NALL];
    uint64_t key = rng_key(2, "bad values");

    (void)state;
    for (size_t c = 0; c < NALL; c++) {
        uint64_t r = rng_bits(key, c);
        uint64_t often = (uint64_t)1 << c / 1024; // in later rows ever fewer

        x[c] = r % often == 0 ? bad[(r >> 32) % ARRAY_LEN(bad)] : normal[c];
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        enum dtype t = types[i].dtype;
        const float *trials[] = {NULL, weights, x};

        for (size_t k = 0; k < ARRAY_LEN(trials); k++) {
            codec_find(t)->encode(x, blocks, NROW, NCOL, trials[k]);
            codec_find(t)->encode(x, others, NROW, NCOL, trials[k]);
            assert_same(t, blocks, others, bytes_of(t, NALL));
            codec_find(t)->decode(blocks, decoded, NALL);
        }
    }
}

/* Any bytes decode, to finite values if the block's scale is finite. */
static void test_random_bytes(void **state)
{
    uint64_t key = rng_key(3, "bytes");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        enum dtype t = types[i].dtype;
        size_t n = bytes_of(t, NALL);
        unsigned char *p = malloc(n);

        assert_non_null(p);
        for (size_t k = 0; k < n; k++)
            p[k] = (unsigned char)rng_bits(key, k);
        // the top bit of the scale's exponent: at the start, but in iq1_m at the end
        for (size_t b = 0; b < n; b += types[i].nbyte)
            p[b + (t == DT_IQ1_M ? 55 : 1)] &= 0xbf;
        memset(decoded, 0xff, sizeof decoded);
        codec_find(t)->decode(p, decoded, NALL);
        for (size_t k = 0; k < NALL; k++)
            assert_true(isfinite(decoded[k]));
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests),        cmocka_unit_test(test_files),
        cmocka_unit_test(test_zero_block),     cmocka_unit_test(test_constant_block),
        cmocka_unit_test(test_closed_ranks),   cmocka_unit_test(test_decode_iq4),
        cmocka_unit_test(test_iq4_midpoints),  cmocka_unit_test(test_error),
        cmocka_unit_test(test_weights),        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_hostile_values), cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, make_inputs, NULL);
}
