/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/floats.h"
#include "kernels/sleef.h"
#include "plan/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static float apply(enum op op, float x)
{
    op_apply(op, &x, 1);
    return x;
}

static void test_inverses(void **state)
{
    enum op inverse = OP_COUNT;

    (void)state;
    assert_true(op_inverse(OP_ADD_ONE, &inverse));
    assert_int_equal(inverse, OP_SUB_ONE);
    assert_true(op_inverse(OP_NEG_EXP, &inverse));
    assert_int_equal(inverse, OP_LOG_NEG);
    assert_false(op_inverse(OP_ROUND_F16, &inverse));
}

/* Logarithms of decay rates, in bfloat16, come back as what they were. */
static void test_log_of_bf16(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = f32_from_bf16((uint16_t)h);

        if (isfinite(x) && fabsf(x) < 80 && fabsf(x) > 0.0005f)
            assert_true(apply(OP_LOG_NEG, apply(OP_NEG_EXP, x)) == x);
    }
    assert_true(apply(OP_LOG_NEG, -1.0f) == 0.0f);
}

/* Whatever the float was, the exponential of what comes back is the same. */
static void test_log_of_f32(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        float x = (float)((int32_t)seed >> 8) / (float)(1 << 20); // within 8 of 0
        float y = apply(OP_NEG_EXP, x);

        assert_true(apply(OP_NEG_EXP, apply(OP_LOG_NEG, y)) == y);
    }
}

static void test_log_of_what_is_no_power(void **state)
{
    (void)state;
    assert_true(isnan(apply(OP_LOG_NEG, 1.0f)));
    assert_true(apply(OP_LOG_NEG, 0.0f) == -INFINITY);
    assert_true(apply(OP_LOG_NEG, -INFINITY) == INFINITY);
    assert_true(isnan(apply(OP_LOG_NEG, NAN)));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverses),
        cmocka_unit_test(test_log_of_bf16),
        cmocka_unit_test(test_log_of_f32),
        cmocka_unit_test(test_log_of_what_is_no_power),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
