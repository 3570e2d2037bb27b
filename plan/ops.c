/* SPDX-License-Identifier: Apache-2.0 */
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
