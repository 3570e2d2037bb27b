/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/sleef.h"

#include <math.h>

#include "kernels/floats.h"

#define LOG2_E   1.442695040888963407359924681001892137426645954152985934135449406931f
#define LN2_HIGH 0.693145751953125f
#define LN2_LOW  1.428606765330187045e-06f

/* 2^q for -126 <= q <= 127. */
static float power_of_two(int q)
{
    return float_from_bits((uint32_t)(q + 127) << 23);
}

/* x * 2^q in two halves, so that subnormal and huge results round once. */
static float scale_by(float x, int q)
{
    return x * power_of_two(q >> 1) * power_of_two(q - (q >> 1));
}

static float polynomial(float x, const float *coefficient, size_t n)
{
    float u = coefficient[0];

    for (size_t i = 1; i < n; i++)
        u = fmaf(u, x, coefficient[i]);
    return u;
}

float exp_f32(float x)
{
    static const float poly[] = {0.000198527617612853646f, 0.00139304355252534151f, 0.00833336077630519867f,
                                 0.0416664853692054749f,   0.16666667163372039794f, 0.5f};

    if (x < -104.0f)
        return 0.0f;
    if (x > 100.0f)
        return INFINITY;
    if (isnan(x))
        return x;
    float q = rintf(x * LOG2_E);
    float s = fmaf(q, -LN2_LOW, fmaf(q, -LN2_HIGH, x));
    return scale_by(1.0f + fmaf(s * s, polynomial(s, poly, ARRAY_LEN(poly)), s), (int)q);
}

/* ---- numbers as the unevaluated sum of two floats, x the larger ---- */

struct pair {
    float x, y;
};

/* The rounding error of s = a + b, for any a and b. */
static float sum_error(float a, float b, float s)
{
    float v = s - a;

    return (a - (s - v)) + (b - v);
}

static struct pair add_floats(float a, float b)
{
    float s = a + b;

    return (struct pair){s, sum_error(a, b, s)};
}

static struct pair add_float(struct pair a, float b)
{
    float s = a.x + b;

    return (struct pair){s, sum_error(a.x, b, s) + a.y};
}

static struct pair add(struct pair a, struct pair b)
{
    float s = a.x + b.x;

    return (struct pair){s, sum_error(a.x, b.x, s) + (a.y + b.y)};
}

/* The same where |a| >= |b|: cheaper, and other last bits. */
static struct pair add_smaller(struct pair a, struct pair b)
{
    float s = a.x + b.x;

    return (struct pair){s, a.x - s + b.x + a.y + b.y};
}

static struct pair normalize(struct pair a)
{
    float s = a.x + a.y;

    return (struct pair){s, a.x - s + a.y};
}

static struct pair multiply(struct pair a, struct pair b)
{
    float p = a.x * b.x;

    return (struct pair){p, fmaf(a.x, b.y, fmaf(a.y, b.x, fmaf(a.x, b.x, -p)))};
}

static struct pair multiply_float(struct pair a, float b)
{
    float p = a.x * b;

    return (struct pair){p, fmaf(a.y, b, fmaf(a.x, b, -p))};
}

static struct pair square(struct pair a)
{
    float p = a.x * a.x;

    return (struct pair){p, fmaf(a.x + a.x, a.y, fmaf(a.x, a.x, -p))};
}

static struct pair divide(struct pair a, struct pair b)
{
    float inverse = 1.0f / b.x, q = a.x * inverse;
    float rest = fmaf(inverse, a.x, -q);
    float correction = fmaf(-b.y, inverse, fmaf(-b.x, inverse, 1.0f));

    return (struct pair){q, fmaf(q, correction, fmaf(a.y, inverse, rest))};
}

/* ---- log and exp on pairs ---- */

/* ln d: d = m * 2^e with m near 1, and the series of atanh((m - 1) / (m + 1)). */
static struct pair log_pair(float d)
{
    static const float poly[] = {0.240320354700088500976562f, 0.285112679004669189453125f,
                                 0.400007992982864379882812f};
    static const struct pair third = {0.66666662693023681640625f, 3.69183861259614332084311e-09f};
    static const struct pair ln2 = {0.69314718246459960938f, -1.904654323148236017e-09f};
    bool subnormal = d < 0x1p-126f;

    if (subnormal)
        d *= 0x1p64f;
    int e = (int)(float_bits(d * (1.0f / 0.75f)) >> 23 & 0xff) - 127;
    float m = float_from_bits(float_bits(d) - ((uint32_t)e << 23));
    e -= subnormal ? 64 : 0;

    struct pair x = divide(add_floats(-1.0f, m), add_floats(1.0f, m)), x2 = square(x);
    float t = polynomial(x2.x, poly, ARRAY_LEN(poly));
    struct pair s = add_smaller(multiply_float(ln2, (float)e), (struct pair){x.x * 2, x.y * 2});
    return add_smaller(s, multiply(multiply(x2, x), add(multiply_float(x2, t), third)));
}

static float exp_pair(struct pair d)
{
    static const float poly[] = {0.00136324646882712841033936f, 0.00836596917361021041870117f,
                                 0.0416710823774337768554688f, 0.166665524244308471679688f,
                                 0.499999850988388061523438f};

    if (d.x < -104.0f)
        return 0.0f;
    if (d.x > 100.0f)
        return INFINITY;
    float q = rintf((d.x + d.y) * LOG2_E);
    struct pair s = normalize(add_float(add_float(d, q * -LN2_HIGH), q * -LN2_LOW));
    struct pair t = add(s, multiply_float(square(s), polynomial(s.x, poly, ARRAY_LEN(poly))));
    t = add_smaller((struct pair){1.0f, 0.0f}, t);
    return scale_by(t.x + t.y, (int)q);
}

float pow_f32(float x, float y)
{
    return exp_pair(multiply_float(log_pair(x), y));
}
