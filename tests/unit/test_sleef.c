/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/floats.h"
#include "kernels/sleef.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_same(float got, float want, const char *what, float x)
{
    if (float_bits(got) != float_bits(want))
        fail_msg("%s(%a) is %a, not %a", what, (double)x, (double)got, (double)want);
}

/* What torch gives, the cases where it is not the nearest float among them. */
static void test_exp_table(void **state)
{
    static const float cases[][2] = {
        {0x0p+0f, 0x1p+0f},
        {-0x0p+0f, 0x1p+0f},
        {0x1p+0f, 0x1.5bf0a8p+1f},
        {-0x1p+0f, 0x1.78b564p-2f},
        {0x1p-1f, 0x1.a61298p+0f},
        {-0x1p+1f, 0x1.152aaap-3f},
        {0x1.4p+2f, 0x1.28d38ap+7f},
        {-0x1.4p+3f, 0x1.7cd79cp-15f},
        {0x1.62e42ep+6f, 0x1.ffff08p+127f},
        {0x1.63p+6f, INFINITY},
        {-0x1.5d999ap+6f, 0x1.e085p-127f},
        {-0x1.9f999ap+6f, 0x1p-149f},
        {-0x1.a06666p+6f, 0x0p+0f},
        {0x1.94p+6f, INFINITY},
        {INFINITY, INFINITY},
        {-INFINITY, 0x0p+0f},
        {0x1.5798eep-27f, 0x1p+0f},
        {0x1.62e43p-1f, 0x1p+1f},
        {-0x1.62e43p-2f, 0x1.6a09e6p-1f},
        {-0x1.22ca58p+4f, 0x1.b78ccp-27f}, // the nearest is 0x1.b78cbep-27, and so on
        {-0x1.e31908p+5f, 0x1.d705e8p-88f},
        {-0x1.f1d7bap+5f, 0x1.2a4bfp-90f},
        {0x1.0181bap+6f, 0x1.d5ceb4p+92f},
        {0x1.7455ap+3f, 0x1.b98afp+16f},
        {0x1.fc2c3ap+5f, 0x1.8f90e8p+91f},
        {0x1.18927ep+4f, 0x1.3ae7p+25f},
        {0x1.ee8788p+1f, 0x1.7d0ef4p+5f},
        {0x1.16c82p-2f, 0x1.501b04p+0f},
        {0x1.2f528p+6f, 0x1.51e22cp+109f},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_same(exp_f32(cases[i][0]), cases[i][1], "exp_f32", cases[i][0]);
    assert_true(isnan(exp_f32(NAN)));
}

/* Within one unit in the last place everywhere. */
static void test_exp_error(void **state)
{
    (void)state;
    for (int i = -1040000; i <= 890000; i++) {
        float x = (float)i * 1e-4f;
        int64_t got = float_bits(exp_f32(x)), want = float_bits((float)exp((double)x));

        if (llabs(got - want) > 1)
            fail_msg("exp_f32(%a)", (double)x);
    }
}

static void test_pow_table(void **state)
{
    static const float cases[][3] = {
        {0x1p+1f, 0x1p-1f, 0x1.6a09e6p+0f},
        {0x1.4p+3f, -0x1.8p+1f, 0x1.0624dep-10f}, // 10 ^ -3
        {0x1.388p+13f, -0x1p-5f, 0x1.7ff222p-1f}, // 10000 ^ (-1/32), as in rope
        {0x1.e848p+19f, 0x1p-2f, 0x1.f9f6e4p+4f},
        {0x1.312dp+23f, -0x1.f8p-1f, 0x1.14406cp-23f},
        {0x1.e848p+18f, -0x1.99999ap-2f, 0x1.5843a4p-8f},
        {0x1.8p+1f, 0x1.8p+1f, 0x1.bp+4f},
        {0x1p+0f, 0x1.cp+2f, 0x1p+0f},
        {0x1p-1f, 0x1.2ap+7f, 0x1p-149f},
        {0x1p-1f, 0x1.2cp+7f, 0x0p+0f},
        {0x1.8p+0f, 0x1.9p+7f, 0x1.fd5864p+116f},
        {0x1.19999ap+0f, 0x1.f4p+9f, INFINITY},
        {0x1.4484cp-100f, 0x1.4p+0f, 0x1.58577p-125f},
        {0x1.cp-147f, 0x1p-1f, 0x1.deeea2p-74f}, // a subnormal base
        {0x1.000002p+0f, 0x1.e848p+19f, 0x1.20693ap+0f},
        {0x1.cp+2f, 0x0p+0f, 0x1p+0f},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_same(pow_f32(cases[i][0], cases[i][1]), cases[i][2], "pow_f32", cases[i][0]);
}

/* Within one unit in the last place. */
static void test_pow_error(void **state)
{
    static const float bases[] = {10000.0f, 1e6f, 1e7f, 5e5f, 0.1f, 1.00001f, 3e-39f};

    (void)state;
    for (size_t b = 0; b < ARRAY_LEN(bases); b++) {
        for (int i = -2000; i <= 2000; i++) {
            float y = (float)i / 1024.0f;
            int64_t got = float_bits(pow_f32(bases[b], y));
            int64_t want = float_bits((float)pow((double)bases[b], (double)y));

            if (llabs(got - want) > 1)
                fail_msg("pow_f32(%a, %a)", (double)bases[b], (double)y);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp_table),
        cmocka_unit_test(test_exp_error),
        cmocka_unit_test(test_pow_table),
        cmocka_unit_test(test_pow_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
