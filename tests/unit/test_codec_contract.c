/* SPDX-License-Identifier: Apache-2.0 */
/* What every block type that is written promises, whatever its layout. */
#include "core/rng.h"
#include "kernels/floats.h"
#include "quantize/codecs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* 19 super-blocks in a row: more than any encoder takes in one go, and no multiple of it. */
#define NROW 3
#define NCOL (19 * 256)
#define NALL (NROW * NCOL)

/* sqrt(sum of squared errors / sum of squares) for nearly normal values: at most `rms`, and no less than 0.9
 * of it (a bound that nothing comes near says nothing). */
static const struct promise {
    enum dtype dtype;
    double rms;
    bool weighs;      /* importance weights matter */
    bool is_fixpoint; /* encode(decode(encode(x))) is encode(x) */
} promises[] = {
    {DT_Q4_0, 0.084, true, true},   {DT_Q4_1, 0.078, true, false},  {DT_Q5_0, 0.0415, true, true},
    {DT_Q5_1, 0.038, true, false},  {DT_Q8_0, 0.0052, false, true}, {DT_Q2_K, 0.296, true, false},
    {DT_Q3_K, 0.152, true, false},  {DT_Q4_K, 0.071, true, false},  {DT_Q5_K, 0.036, true, false},
    {DT_Q6_K, 0.0175, true, false}, {DT_Q1_0, 0.605, false, true},  {DT_Q2_0, 0.705, false, true},
    {DT_TQ1_0, 0.78, false, true},  {DT_TQ2_0, 0.78, false, true},  {DT_MXFP4, 0.115, false, true},
    {DT_NVFP4, 0.108, false, true},
};

static float input[NALL], weights[NCOL], ones[NCOL], decoded[NALL];

static int make_input(void **state)
{
    uint64_t key = rng_key(1, "values");

    (void)state;
    for (uint64_t i = 0; i < NALL; i++)
        input[i] = 0.02f * rng_normal(key, i);
    for (uint64_t i = 0; i < NCOL; i++) {
        weights[i] = expf(1.5f * rng_normal(key, NALL + i));
        ones[i] = 1.0f;
    }
    return 0;
}

static size_t bytes_of(enum dtype t, size_t n)
{
    uint64_t nbyte;

    assert_true(dtype_nbytes(t, n, &nbyte));
    return (size_t)nbyte;
}

/* Rows of NCOL into memory of exactly the right size. */
static unsigned char *encode(enum dtype t, const float *x, size_t nrow, const float *w)
{
    unsigned char *p = malloc(bytes_of(t, nrow * NCOL));

    assert_non_null(p);
    codec_find(t)->encode(x, p, nrow, NCOL, w);
    return p;
}

static double weigh_error(const float *w)
{
    double sum = 0.0;

    for (size_t i = 0; i < NALL; i++)
        sum += (w ? w[i % NCOL] : 1.0) * ((double)decoded[i] - input[i]) * ((double)decoded[i] - input[i]);
    return sum;
}

static void test_error(void **state)
{
    double norm = 0.0;

    (void)state;
    for (size_t i = 0; i < NALL; i++)
        norm += (double)input[i] * input[i];
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        unsigned char *p = encode(promises[i].dtype, input, NROW, NULL);

        codec_find(promises[i].dtype)->decode(p, decoded, NALL);
        double rms = sqrt(weigh_error(NULL) / norm);
        if (rms > promises[i].rms || rms < 0.9 * promises[i].rms)
            fail_msg("%s: %g, promised %g", dtype_name(promises[i].dtype), rms, promises[i].rms);
        free(p);
    }
}

/* Columns with importance come out better than without. */
static void test_weights_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        unsigned char *plain = encode(promises[i].dtype, input, NROW, NULL);
        unsigned char *weighed = encode(promises[i].dtype, input, NROW, weights);

        codec_find(promises[i].dtype)->decode(plain, decoded, NALL);
        double before = weigh_error(weights);
        codec_find(promises[i].dtype)->decode(weighed, decoded, NALL);
        double after = weigh_error(weights);
        if (promises[i].weighs ? after >= before : after != before)
            fail_msg("%s: weighted error %g, was %g", dtype_name(promises[i].dtype), after, before);
        free(plain);
        free(weighed);
    }
}

static void assert_same(enum dtype t, unsigned char *a, unsigned char *b, size_t nbyte)
{
    if (memcmp(a, b, nbyte) != 0)
        fail_msg("%s differs", dtype_name(t));
    free(a);
    free(b);
}

/* Only ratios between weights count; where they do not matter at all, ones are as good as none. */
static void test_weights_scale(void **state)
{
    float larger[NCOL];

    (void)state;
    for (size_t i = 0; i < NCOL; i++)
        larger[i] = 1024.0f * weights[i];
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        enum dtype t = promises[i].dtype;
        size_t nbyte = bytes_of(t, NALL);

        assert_same(t, encode(t, input, NROW, weights), encode(t, input, NROW, larger), nbyte);
        if (!promises[i].weighs)
            assert_same(t, encode(t, input, NROW, ones), encode(t, input, NROW, NULL), nbyte);
    }
}

/* Rows do not know of each other, and without weights nor do blocks. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        enum dtype t = promises[i].dtype;
        size_t row = bytes_of(t, NCOL), n = dtype_block_elems(t), block = bytes_of(t, n);

        for (int weighed = 0; weighed < 2; weighed++) {
            const float *w = weighed ? weights : NULL;
            unsigned char *by_row = malloc(NROW * row);

            assert_non_null(by_row);
            for (size_t r = 0; r < NROW; r++)
                codec_find(t)->encode(input + r * NCOL, by_row + r * row, 1, NCOL, w);
            assert_same(t, encode(t, input, NROW, w), by_row, NROW * row);
        }
        unsigned char *by_block = malloc(NROW * row);
        assert_non_null(by_block);
        for (size_t b = 0; b < NALL / n; b++)
            codec_find(t)->encode(input + b * n, by_block + b * block, 1, n, NULL);
        assert_same(t, encode(t, input, NROW, NULL), by_block, NROW * row);
    }
}

static void test_unaligned(void **state)
{
    unsigned char to[4 * 256 + 1];
    float x[256];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        enum dtype t = promises[i].dtype;
        size_t n = dtype_block_elems(t), nbyte = bytes_of(t, n);
        unsigned char *want = malloc(nbyte);

        assert_non_null(want);
        memset(to, 0xee, sizeof to);
        codec_find(t)->encode(input, want, 1, n, NULL);
        codec_find(t)->encode(input, to + 1, 1, n, NULL);
        assert_true(to[0] == 0xee && to[1 + nbyte] == 0xee);
        assert_memory_equal(to + 1, want, nbyte);
        codec_find(t)->decode(want, decoded, n);
        codec_find(t)->decode(to + 1, x, n);
        assert_memory_equal(x, decoded, n * sizeof *x);
        free(want);
    }
}

static void test_fixpoint(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        enum dtype t = promises[i].dtype;
        unsigned char *p = encode(t, input, NROW, NULL);

        codec_find(t)->decode(p, decoded, NALL);
        if (promises[i].is_fixpoint)
            assert_same(t, p, encode(t, decoded, NROW, NULL), bytes_of(t, NALL));
        else
            free(p);
    }
}

/* Zeros stay zeros, and a value that all share (and that all types hold) comes back but for the float16
 * scale. */
static void test_constant(void **state)
{
    static const float values[] = {0.0f, 0.75f, -0.75f};
    static float x[NCOL];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        for (size_t k = 0; k < ARRAY_LEN(values) * 2; k++) {
            float v = values[k / 2];

            for (size_t c = 0; c < NCOL; c++)
                x[c] = v;
            unsigned char *p = encode(promises[i].dtype, x, 1, k % 2 ? weights : NULL);
            codec_find(promises[i].dtype)->decode(p, decoded, NCOL);
            for (size_t c = 0; c < NCOL; c++)
                if (!(fabsf(decoded[c] - v) <= 1e-3f * fabsf(v)))
                    fail_msg("%s: %g instead of %g", dtype_name(promises[i].dtype), (double)decoded[c],
                             (double)v);
            free(p);
        }
    }
}

/* No input makes an encoder loop, leave its output or depend on anything else. */
static void test_hostile_values(void **state)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN,  -NAN,  3e38f, -3e38f,
                                1e-45f,   -1e-40f,   0.0f, -0.0f, 1e20f, 1e-30f};
    static float x[NCOL];
    uint64_t key = rng_key(2, "bad values");

    (void)state;
    for (size_t c = 0; c < NCOL; c++) {
        uint64_t r = rng_bits(key, c);
        uint64_t often = (uint64_t)1 << c / 512; // in later blocks ever fewer

        x[c] = r % often == 0 ? bad[(r >> 32) % ARRAY_LEN(bad)] : input[c];
    }
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        enum dtype t = promises[i].dtype;
        size_t nbyte = bytes_of(t, NCOL);

        assert_same(t, encode(t, x, 1, NULL), encode(t, x, 1, NULL), nbyte);
        assert_same(t, encode(t, x, 1, weights), encode(t, x, 1, weights), nbyte);
        unsigned char *p = encode(t, x, 1, x);
        codec_find(t)->decode(p, decoded, NCOL);
        free(p);
    }
}

/* Any bytes decode to the same numbers each time, from no more bytes than there are. */
static void test_random_bytes(void **state)
{
    static float again[NALL];
    uint64_t key = rng_key(3, "bytes");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
        enum dtype t = promises[i].dtype;
        size_t nbyte = bytes_of(t, NALL);
        unsigned char *p = malloc(nbyte);

        assert_non_null(p);
        for (size_t k = 0; k < nbyte; k++)
            p[k] = (unsigned char)rng_bits(key, k);
        memset(decoded, 0xff, sizeof decoded);
        memset(again, 0, sizeof again);
        codec_find(t)->decode(p, decoded, NALL);
        codec_find(t)->decode(p, again, NALL);
        assert_memory_equal(decoded, again, sizeof again);
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),         cmocka_unit_test(test_weights_help),
        cmocka_unit_test(test_weights_scale), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_unaligned),     cmocka_unit_test(test_fixpoint),
        cmocka_unit_test(test_constant),      cmocka_unit_test(test_hostile_values),
        cmocka_unit_test(test_random_bytes),
    };

    return cmocka_run_group_tests(tests, make_input, NULL);
}
