/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* SplitMix64's published sequence from state 1234567. */
static void test_known_sequence(void **state)
{
    static const uint64_t want[] = {
        6457827717110365317u, 3203168211198807973u,  9817491932198370423u,
        4593380528125082431u, 16408922859458223821u,
    };

    (void)state;
    for (size_t i = ARRAY_LEN(want); i-- > 0;) /* in any order */
        assert_true(rng_bits(1234567, i) == want[i]);
}

/* FNV-1a's published values for seed 0; each seed and each name has a stream of its own. */
static void test_keys(void **state)
{
    (void)state;
    assert_true(rng_key(0, "") == 0xcbf29ce484222325u);
    assert_true(rng_key(0, "a") == 0xaf63dc4c8601ec8cu);
    assert_true(rng_key(0, "foobar") == 0x85944171f73967e8u);
    assert_true(rng_key(0, "lm_head.weight") != rng_key(1, "lm_head.weight"));
    assert_true(rng_key(1, "a.0.b") != rng_key(1, "a.1.b"));
}

static void test_normal(void **state)
{
    uint64_t key = rng_key(1, "model.norm.weight");
    double sum = 0, squares = 0;
    const size_t n = 1 << 18;
    size_t beyond = 0;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        double x = (double)rng_normal(key, i);

        assert_true(x >= -3.47 && x <= 3.47);
        sum += x;
        squares += x * x;
        beyond += x > 2 || x < -2;
    }
    assert_true(sum / (double)n > -0.01 && sum / (double)n < 0.01);
    assert_true(squares / (double)n > 0.99 && squares / (double)n < 1.01);
    assert_true(beyond > n / 25 && beyond < n / 20); /* a normal distribution has 4.6% there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sequence),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_normal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
