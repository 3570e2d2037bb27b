/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/floats.h"
#include "kernels/sleef.h"
#include "plan/plan.h"

static void op_add_one(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += 1.0f;
}

static void op_sub_one(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] -= 1.0f;
}

static void op_neg_exp(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = -exp_f32(x[i]);
}

/* A float whose exp_f32 is x: a bfloat16 where one is, as that is where x came from; else the nearest to the
 * logarithm. Where x is no such value, the logarithm. */
static float log_of(float x)
{
    double exact = log((double)x);
    float nearest = (float)exact, narrow = f32_from_bf16(bf16_from_f32(nearest));

    if (exp_f32(narrow) == x || !isfinite(nearest))
        return exp_f32(narrow) == x ? narrow : nearest;
    for (uint32_t i = 0; i < 16; i++) { // one unit above, one below, two above ...
        float y = float_from_bits(float_bits(nearest) + (i % 2 ? (i + 1) / 2 : 0 - i / 2));

        if (exp_f32(y) == x)
            return y;
    }
    return nearest;
}

static void op_log_neg(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = log_of(-x[i]);
}

/* What arithmetic in a float16 tensor leaves after each operation. */
static void op_round_f16(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = f32_from_f16(f16_from_f32(x[i]));
}

/* What a bf16 file in between leaves. */
static void op_round_bf16(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = f32_from_bf16(bf16_from_f32(x[i]));
}

static const struct {
    const char *name;
    void (*apply)(float *x, size_t n);
} ops[] = {
#define X(id, text, fn) [OP_##id] = {text, fn},
#include "plan/ops.def"
#undef X
};

const char *op_name(enum op op)
{
    return ops[op].name;
}

void op_apply(enum op op, float *x, size_t n)
{
    ops[op].apply(x, n);
}

void op_scale(const float *by, float *x, size_t n)
{
    for (size_t i = 0; by && i < n; i++)
        x[i] *= *by;
}

bool op_inverse(enum op op, enum op *inverse)
{
    static const enum op pairs[][2] = {{OP_ADD_ONE, OP_SUB_ONE}, {OP_NEG_EXP, OP_LOG_NEG}};

    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (pairs[i][0] == op) {
            *inverse = pairs[i][1];
            return true;
        }
    }
    return false;
}
