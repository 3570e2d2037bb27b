/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/scale_search.h"

#include "core/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define N      16
#define NGROUP 5

static float x[NGROUP * N], weights[NGROUP * N], scale[NGROUP], min[NGROUP];
static uint8_t codes[NGROUP * N];

static const struct scale_search one = {x, weights, 1, N, codes, scale, min};
static const struct min_search grid = {15, -0.9f, 0.05f, 36, false};

static int fill(void **state)
{
    uint64_t key = rng_key(1, "scale search");

    (void)state;
    for (uint64_t i = 0; i < NGROUP * N; i++) {
        x[i] = rng_normal(key, i);
        weights[i] = fabsf(rng_normal(key, 1000 + i));
    }
    memset(codes, 0xee, sizeof codes);
    return 0;
}

/* Values on a grid that the first candidate hits come back exactly. The value of largest magnitude has the
 * lowest code, so a positive one makes the scale negative. */
static void test_symmetric_exact(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        for (int i = 0; i < N; i++)
            x[i] = 0.25f * (float)(sign * (i - 8));
        scale_search_symmetric(&one, 8);
        assert_true(scale[0] == 0.25f * (float)sign);
        for (int i = 0; i < N; i++)
            assert_int_equal(codes[i], i);
    }
}

/* Also of two equal magnitudes the first decides. */
static void test_symmetric_first_peak(void **state)
{
    (void)state;
    memset(x, 0, sizeof x);
    x[3] = 2.0f;
    x[4] = -2.0f;
    for (int i = 0; i < N; i++)
        weights[i] = i == 3 ? 1.0f : 0.0f;
    scale_search_symmetric(&one, 4);
    assert_true(scale[0] == -0.5f && codes[3] == 0 && codes[4] == 7 && codes[0] == 4);
}

static void test_nothing(void **state)
{
    static const uint8_t zeros[N] = {0};

    (void)state;
    for (int i = 0; i < N; i++)
        x[i] = i % 2 ? 0.9e-15f : -0.9e-15f;
    scale_search_symmetric(&one, 8);
    assert_true(scale[0] == 0.0f && !signbit(scale[0]));
    assert_memory_equal(codes, zeros, N);
    memset(codes, 0xee, N);
    scale_search_descent(&one);
    assert_true(scale[0] == 0.0f && !signbit(scale[0]));
    assert_memory_equal(codes, zeros, N);
    memset(codes, 0xee, N);
    scale_search_positive(&one, 15);
    assert_true(scale[0] == 0.0f);
    assert_memory_equal(codes, zeros, N);
}

static double symmetric_error(const float *w, int nlevel)
{
    double sum = 0.0;

    for (int i = 0; i < N; i++) {
        double e = (double)scale[0] * (codes[i] - nlevel) - x[i];

        sum += (w ? w[i] : x[i] * x[i]) * e * e;
    }
    return sum;
}

/* No weights mean squares; a search beats what the peak alone gives. */
static void test_symmetric_search(void **state)
{
    struct scale_search plain = one;
    uint8_t by_squares[N];
    float want;

    plain.weights = NULL;
    fill(state);
    for (int i = 0; i < N; i++)
        weights[i] = x[i] * x[i];
    scale_search_symmetric(&one, 4);
    memcpy(by_squares, codes, N);
    want = scale[0];
    double searched = symmetric_error(weights, 4);
    scale_search_symmetric(&plain, 4);
    assert_memory_equal(codes, by_squares, N);
    assert_true(scale[0] == want);

    float peak = 0.0f;
    for (int i = 0; i < N; i++)
        peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
    scale[0] = -peak / 4.0f;
    for (int i = 0; i < N; i++) {
        long level = lrintf(x[i] / scale[0]);

        codes[i] = (uint8_t)(4 + (level > 3 ? 3 : level));
    }
    assert_true(searched < symmetric_error(weights, 4));
}

/* The weighted error of the levels that the peak alone gives, with the scale that fits them best. */
static double first_levels_error(void)
{
    float peak = 0.0f;
    double xl = 0.0, ll = 0.0;

    for (int i = 0; i < N; i++)
        peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
    for (int i = 0; i < N; i++) {
        long level = lrintf(-4.0f / peak * x[i]);

        level = level > 3 ? 3 : level;
        codes[i] = (uint8_t)(level + 4);
        xl += (double)x[i] * x[i] * x[i] * (double)level;
        ll += (double)x[i] * x[i] * (double)(level * level);
    }
    scale[0] = (float)(xl / ll);
    return symmetric_error(NULL, 4);
}

/* The descent starts there and can only gain. */
static void test_descent(void **state)
{
    double first = 0.0, gained = 0.0;

    fill(state);
    for (int g = 0; g < NGROUP; g++) {
        memmove(x, x + g * N, N * sizeof *x);
        scale_search_descent(&one);
        for (int i = 0; i < N; i++)
            assert_in_range(codes[i], 0, 7);
        double e = symmetric_error(NULL, 4);
        gained += e;
        first += first_levels_error();
        assert_true(e <= first_levels_error() * (1 + 1e-6));
    }
    assert_true(gained < 0.99 * first);

    for (int i = 0; i < N; i++)
        x[i] = 0.5f * (float)(i % 8 - 4);
    scale_search_descent(&one);
    assert_true(scale[0] == 0.5f);
    for (int i = 0; i < N; i++)
        assert_int_equal(codes[i], i % 8);
}

static void test_min_exact(void **state)
{
    fill(state);
    for (int i = 0; i < N; i++)
        x[i] = 0.25f * (float)i - 1.0f;
    scale_search_min(&one, &grid);
    assert_true(fabsf(scale[0] - 0.25f) < 1e-6f && fabsf(min[0] - 1.0f) < 1e-6f);
    for (int i = 0; i < N; i++)
        assert_int_equal(codes[i], i);
}

/* The minimum is never above 0: positive values alone use no minimum at all. Equal values have no scale,
 * unless they are positive. */
static void test_min_sign(void **state)
{
    fill(state);
    for (int i = 0; i < N; i++)
        x[i] = 3.0f + 0.1f * (float)i;
    scale_search_min(&one, &grid);
    assert_true(min[0] == 0.0f && scale[0] > 0.25f && codes[0] > 7 && codes[N - 1] == 15);
    for (int i = 0; i < N; i++)
        x[i] = -0.7f;
    scale_search_min(&one, &grid);
    assert_true(min[0] == 0.7f && scale[0] == 0.0f && codes[0] == 0 && codes[N - 1] == 0);
    for (int i = 0; i < N; i++)
        x[i] = 0.7f;
    scale_search_min(&one, &grid);
    assert_true(min[0] == 0.0f && codes[0] == 15 && fabsf(scale[0] * 15.0f - 0.7f) < 1e-6f);
}

static double min_error(bool absolute)
{
    double sum = 0.0;

    for (int i = 0; i < N; i++) {
        double e = (double)scale[0] * codes[i] - min[0] - x[i];

        sum += weights[i] * (absolute ? fabs(e) : e * e);
    }
    return sum;
}

/* Each metric finds the better fit by its own measure, over a few groups at least; more candidates are never
 * worse. */
static void test_min_metric(void **state)
{
    struct min_search square = {3, -0.5f, 0.1f, 15, false}, absolute = square, none = square;
    double square_of[2] = {0, 0}, absolute_of[2] = {0, 0};

    absolute.absolute = true;
    none.last = -1;
    fill(state);
    for (int g = 0; g < NGROUP; g++) {
        memmove(x, x + g * N, N * sizeof *x);
        scale_search_min(&one, &none);
        double first = min_error(false);
        scale_search_min(&one, &square);
        assert_true(min_error(false) <= first * (1 + 1e-5));
        square_of[0] += min_error(false);
        absolute_of[0] += min_error(true);
        scale_search_min(&one, &absolute);
        square_of[1] += min_error(false);
        absolute_of[1] += min_error(true);
    }
    assert_true(square_of[0] < square_of[1] && absolute_of[1] < absolute_of[0]);
}

static void test_positive(void **state)
{
    fill(state);
    for (int i = 0; i < N; i++)
        x[i] = 0.75f * (float)i;
    scale_search_positive(&one, 15);
    assert_true(fabsf(scale[0] - 0.75f) < 1e-6f);
    for (int i = 0; i < N; i++)
        assert_int_equal(codes[i], i);
    /* The code of a negative value is the low byte of a negative number. */
    for (int i = 0; i < N; i++)
        weights[i] = 1.0f;
    x[0] = -1.5f;
    scale_search_positive(&one, 15);
    assert_int_equal(codes[0], 0xfe);
    assert_int_equal(codes[15], 15);
}

/* A run gives what its groups give one by one. */
static void test_runs(void **state)
{
    float scales[4][NGROUP], mins[NGROUP];
    uint8_t all[4][NGROUP * N];
    struct scale_search run = {x, weights, NGROUP, N, NULL, NULL, mins};

    fill(state);
    for (int k = 0; k < 4; k++) {
        run.codes = all[k];
        run.scale = scales[k];
        if (k == 0)
            scale_search_symmetric(&run, 32);
        else if (k == 1)
            scale_search_descent(&run);
        else if (k == 2)
            scale_search_min(&run, &grid);
        else
            scale_search_positive(&run, 63);
    }
    for (size_t g = 0; g < NGROUP; g++) {
        struct scale_search s = {x + g * N, weights + g * N, 1, N, codes, scale, min};

        scale_search_symmetric(&s, 32);
        assert_true(scale[0] == scales[0][g] && memcmp(codes, all[0] + g * N, N) == 0);
        scale_search_descent(&s);
        assert_true(scale[0] == scales[1][g] && memcmp(codes, all[1] + g * N, N) == 0);
        scale_search_min(&s, &grid);
        assert_true(scale[0] == scales[2][g] && min[0] == mins[g] && memcmp(codes, all[2] + g * N, N) == 0);
        scale_search_positive(&s, 63);
        assert_true(scale[0] == scales[3][g] && memcmp(codes, all[3] + g * N, N) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_symmetric_exact, fill),
        cmocka_unit_test_setup(test_symmetric_first_peak, fill),
        cmocka_unit_test_setup(test_nothing, fill),
        cmocka_unit_test(test_symmetric_search),
        cmocka_unit_test(test_descent),
        cmocka_unit_test(test_min_exact),
        cmocka_unit_test(test_min_sign),
        cmocka_unit_test(test_min_metric),
        cmocka_unit_test(test_positive),
        cmocka_unit_test(test_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
