/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/exact_sum.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static double sum_of(const double *v, size_t n)
{
    struct exact_sum s = {0};

    for (size_t i = 0; i < n; i++)
        exact_sum_add(&s, v[i]);
    return exact_sum_value(&s);
}

#define SUM(...) sum_of((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void test_values(void **state)
{
    (void)state;
    assert_true(SUM(0.0) == 0 && SUM(-0.0) == 0);
    assert_true(SUM(1.5) == 1.5 && SUM(-1.5) == -1.5);
    assert_true(SUM(DBL_MAX) == DBL_MAX && SUM(-DBL_MAX) == -DBL_MAX);
    assert_true(SUM(0x1p-1074) == 0x1p-1074 && SUM(-0x1p-1074, -0x1p-1074) == -0x1p-1073);
    assert_true(SUM(DBL_MIN, -0x1p-1074) == DBL_MIN - 0x1p-1074);
    assert_true(SUM(0x1.23456789abcdep-7) == 0x1.23456789abcdep-7);
}

/* What doubles would lose. */
static void test_cancellation(void **state)
{
    (void)state;
    assert_true(SUM(1e300, 1.0, -1e300) == 1);
    assert_true(SUM(0x1p60, 0x1p-60, -0x1p60, 0x1p-60) == 0x1p-59);
    assert_true(SUM(-1.0, 0x1p-1074, 1.0) == 0x1p-1074);
    assert_true(SUM(1.0, -3.0, 0x1p-70, 2.0) == 0x1p-70);
    assert_true(SUM(1e308, 1e308, -1e308) == 1e308); // over the largest double on the way
}

#define N 5000

static void fill(double v[N], uint64_t seed)
{
    for (int i = 0; i < N; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        v[i] = ldexp((double)(int64_t)seed, (int)(seed >> 33 & 127) - 120);
    }
}

/* Forwards, backwards, in parts of any size: the same bits. */
static void test_order(void **state)
{
    static double v[N];

    (void)state;
    fill(v, 1);
    double forwards = sum_of(v, N);
    struct exact_sum backwards = {0};
    for (int i = N; i-- > 0;)
        exact_sum_add(&backwards, v[i]);
    assert_true(exact_sum_value(&backwards) == forwards);
    for (int part = 1; part < N; part = part * 3 + 1) {
        struct exact_sum all = {0};

        for (int i = 0; i < N; i += part) {
            struct exact_sum some = {0};

            for (int k = i; k < i + part && k < N; k++)
                exact_sum_add(&some, v[k]);
            exact_sum_join(&all, &some);
        }
        assert_true(exact_sum_value(&all) == forwards);
    }
}

/* A carry in the middle changes nothing, neither in a positive nor in a negative sum. */
static void test_carry(void **state)
{
    static double v[N];

    (void)state;
    for (uint64_t seed = 2; seed < 6; seed++) {
        struct exact_sum s = {0};

        fill(v, seed);
        for (int i = 0; i < N; i++) {
            exact_sum_add(&s, v[i]);
            if (i % 7 == 0)
                exact_sum_carry(&s);
        }
        assert_true(exact_sum_value(&s) == sum_of(v, N));
        assert_true(exact_sum_value(&s) == sum_of(v, N)); // asking changes nothing
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_cancellation),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_carry),
    };

    return cmocka_run_group_tests_name("exact_sum", tests, NULL, NULL);
}
