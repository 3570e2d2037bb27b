/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions against slow ones that follow the formats' definitions in double arithmetic. */
#include "kernels/floats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A float format by its definition. */
struct format {
    int mantissa_bits, bias, exponent_max; /* the largest biased exponent of finite values */
    bool has_infinity;
};

static const struct format f16 = {10, 15, 30, true}, bf16 = {7, 127, 254, true}, e5m2 = {2, 15, 30, true},
                           e4m3 = {3, 7, 15, false};

/* The value of the bits below the sign. */
static double value_of(const struct format *f, uint32_t bits)
{
    int exponent = (int)(bits >> f->mantissa_bits);
    double mantissa = bits & ((1u << f->mantissa_bits) - 1);

    if (exponent > f->exponent_max)
        return mantissa == 0 ? INFINITY : NAN;
    if (exponent == 0)
        return ldexp(mantissa, 1 - f->bias - f->mantissa_bits);
    return ldexp(mantissa + (1 << f->mantissa_bits), exponent - f->bias - f->mantissa_bits);
}

/* The bits below the sign of the value nearest to x >= 0, ties to even. */
static uint32_t nearest_to(const struct format *f, double x)
{
    if (isinf(x))
        return (uint32_t)(f->exponent_max + 1) << f->mantissa_bits;
    int exponent = x == 0 ? 1 - f->bias : ilogb(x);
    if (exponent < 1 - f->bias)
        exponent = 1 - f->bias;
    double units = nearbyint(ldexp(x, f->mantissa_bits - exponent)); // of the last place
    int64_t bits = ((int64_t)(exponent + f->bias - 1) << f->mantissa_bits) + (int64_t)units;
    int64_t infinity = (int64_t)(f->exponent_max + 1) << f->mantissa_bits;
    return (uint32_t)(bits < infinity ? bits : infinity);
}

static void assert_bits(uint32_t got, uint32_t want, const char *what, uint32_t from)
{
    if (got != want)
        fail_msg("%s of 0x%x is 0x%x, not 0x%x", what, from, got, want);
}

static void test_f16_to_f32(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        uint32_t got = float_bits(f32_from_f16((uint16_t)h)), sign = (h & 0x8000) << 16;
        double want = value_of(&f16, h & 0x7fff);

        if (isnan(want)) // the payload stays, the NaN is quiet
            assert_bits(got, sign | 0x7fc00000 | (h & 0x3ff) << 13, "f32_from_f16", h);
        else
            assert_bits(got, sign | float_bits((float)want), "f32_from_f16", h);
    }
}

static void test_bf16_to_f32(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        uint32_t got = float_bits(f32_from_bf16((uint16_t)h));
        double want = value_of(&bf16, h & 0x7fff);

        if (isnan(want))
            assert_bits(got, h << 16, "f32_from_bf16", h);
        else
            assert_bits(got, (h & 0x8000) << 16 | float_bits((float)want), "f32_from_bf16", h);
    }
}

static uint32_t to_f16(uint32_t u)
{
    return f16_from_f32(float_from_bits(u));
}

static uint32_t to_bf16(uint32_t u)
{
    return bf16_from_f32(float_from_bits(u));
}

/* Every value, the middle between it and the next, and what lies right beside both: all roundings there are.
 */
static void check_rounding(const struct format *f, uint32_t (*convert)(uint32_t), const char *what)
{
    uint32_t infinity = (uint32_t)(f->exponent_max + 1) << f->mantissa_bits;

    for (uint32_t h = 0; h < infinity; h++) {
        double low = value_of(f, h),
               high = h + 1 < infinity ? value_of(f, h + 1) : 2 * low - value_of(f, h - 1);
        float middle = (float)((low + high) / 2);
        const uint32_t bits[] = {
            float_bits((float)low), float_bits((float)low) + 1, float_bits(middle) - 1,
            float_bits(middle),     float_bits(middle) + 1,     float_bits((float)high) - 1,
        };

        assert_true(isinf(middle) || (double)middle == (low + high) / 2);
        for (size_t i = 0; i < ARRAY_LEN(bits); i++) {
            if (isnan(float_from_bits(bits[i])))
                continue;
            uint32_t want = nearest_to(f, float_from_bits(bits[i]));

            assert_bits(convert(bits[i]), want, what, bits[i]);
            assert_bits(convert(bits[i] | 0x80000000), want | 0x8000, what, bits[i] | 0x80000000);
        }
    }
}

static void test_f32_to_f16(void **state)
{
    static const uint32_t cases[][2] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3f800000, 0x3c00}, {0xc0000000, 0xc000},
        {0x477fe000, 0x7bff}, // 65504
        {0x477fefff, 0x7bff}, // below 65520
        {0x477ff000, 0x7c00}, // 65520 is a tie, and goes to infinity
        {0x7f7fffff, 0x7c00}, {0x7f800000, 0x7c00}, {0xff800000, 0xfc00}, {0x7f800001, 0x7c01},
        {0xffffffff, 0xffff}, {0x7fc00000, 0x7e00}, {0xff801fff, 0xfc01}, {0x7f804000, 0x7c02},
        {0x33000000, 0x0000}, // half of the smallest: a tie to zero
        {0x33000001, 0x0001}, {0x33800000, 0x0001}, {0x33c00000, 0x0002}, // 1.5 of the smallest: a tie to two
        {0x387fc000, 0x03ff}, {0x387fe000, 0x0400}, // from the largest subnormal into the normal ones
        {0x00000001, 0x0000}, {0x3f801000, 0x3c00}, {0x3f803000, 0x3c02}, {0x3f801001, 0x3c01},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_bits(to_f16(cases[i][0]), cases[i][1], "f16_from_f32", cases[i][0]);
    check_rounding(&f16, to_f16, "f16_from_f32");
}

static void test_f32_to_bf16(void **state)
{
    static const uint32_t cases[][2] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3f800000, 0x3f80},
        {0x3f808000, 0x3f80}, // a tie to even
        {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0x7f7f7fff, 0x7f7f},
        {0x7f7f8000, 0x7f80}, // to infinity
        {0x7f800000, 0x7f80}, {0xff800000, 0xff80}, {0x7f800001, 0x7fc0},
        {0xff81ffff, 0xffc1}, {0x7fffffff, 0x7fff}, {0x00000001, 0x0000},
        {0x00008000, 0x0000}, {0x00018000, 0x0002}, {0x007fffff, 0x0080},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_bits(to_bf16(cases[i][0]), cases[i][1], "bf16_from_f32", cases[i][0]);
    check_rounding(&bf16, to_bf16, "bf16_from_f32");
}

/* Any bits, spread over the whole range. */
static void test_f32_spread(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 3000000; i++) {
        uint32_t u = (uint32_t)(i * 0x9e3779b97f4a7c15u >> 32), sign = u >> 16 & 0x8000;
        float f = float_from_bits(u & 0x7fffffff);

        if (isnan(f)) {
            uint32_t payload = u >> 13 & 0x3ff;

            assert_bits(to_f16(u), sign | 0x7c00 | (payload ? payload : 1), "f16_from_f32", u);
            assert_bits(to_bf16(u), u >> 16 | 0x40, "bf16_from_f32", u);
        } else {
            assert_bits(to_f16(u), sign | nearest_to(&f16, f), "f16_from_f32", u);
            assert_bits(to_bf16(u), sign | nearest_to(&bf16, f), "bf16_from_f32", u);
        }
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        bool nan16 = (h & 0x7fff) > 0x7c00, nan_bf = (h & 0x7fff) > 0x7f80;

        assert_bits(f16_from_f32(f32_from_f16((uint16_t)h)), nan16 ? h | 0x200 : h, "f16 again", h);
        assert_bits(bf16_from_f32(f32_from_bf16((uint16_t)h)), nan_bf ? h | 0x40 : h, "bf16 again", h);
    }
}

static void test_eight_bits(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 256; b++) {
        float got = f32_from_e5m2((uint8_t)b);
        double want = value_of(&e5m2, b & 0x7f) * (b & 0x80 ? -1 : 1);

        assert_true(isnan(want) ? isnan(got) : (double)got == want && !signbit(got) == !(b & 0x80));
        got = f32_from_e4m3((uint8_t)b);
        want = (b & 0x7f) == 0x7f ? (double)NAN : value_of(&e4m3, b & 0x7f) * (b & 0x80 ? -1 : 1);
        assert_true(isnan(want) ? isnan(got) : (double)got == want && !signbit(got) == !(b & 0x80));
        got = f32_from_e8m0((uint8_t)b);
        assert_true(b == 255 ? isnan(got) : (double)got == ldexp(1.0, (int)b - 127));
    }
    assert_true(f32_from_e4m3(0x7e) == 448.0f);
    assert_true(f32_from_e5m2(0x7b) == 57344.0f);
}

/* Every E4M3 value, the middle of each and the next, which goes to the even one, and what lies beside it. */
static void test_to_e4m3(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 0x7e; b++) {
        float low = f32_from_e4m3((uint8_t)b), middle = (low + f32_from_e4m3((uint8_t)(b + 1))) / 2.0f;

        assert_int_equal(e4m3_from_f32(low), b);
        assert_int_equal(e4m3_from_f32(-low), b | 0x80);
        assert_int_equal(e4m3_from_f32(middle), b + b % 2);
        assert_int_equal(e4m3_from_f32(-middle), (b + b % 2) | 0x80);
        assert_int_equal(e4m3_from_f32(nextafterf(middle, 0.0f)), b);
        assert_int_equal(e4m3_from_f32(nextafterf(middle, INFINITY)), b + 1);
    }
    assert_int_equal(e4m3_from_f32(448.0f), 0x7e);
    assert_int_equal(e4m3_from_f32(470.0f), 0x7e);
    assert_int_equal(e4m3_from_f32(-INFINITY), 0xfe);
    assert_int_equal(e4m3_from_f32(0x1p-149f), 0);
    assert_int_equal(e4m3_from_f32(NAN) & 0x7f, 0x7f);
}

/* Arrays at odd addresses, and no byte beyond their end. */
static void test_arrays(void **state)
{
    enum { N = 1000 };
    unsigned char packed[2 * N + 2];
    float x[N + 1];

    (void)state;
    for (int which = 0; which < 2; which++) {
        for (uint32_t i = 0; i < N; i++)
            x[i] = (float)((double)(int64_t)(i * 0x9e3779b97f4a7c15u) * 0x1p-62);
        memset(packed, 0xee, sizeof packed);
        (which ? floats_to_bf16 : floats_to_f16)(x, packed + 1, N);
        assert_int_equal(packed[0], 0xee);
        assert_int_equal(packed[2 * N + 1], 0xee);
        for (uint32_t i = 0; i < N; i++) {
            uint16_t h = which ? bf16_from_f32(x[i]) : f16_from_f32(x[i]);

            assert_memory_equal(packed + 1 + 2 * i, &h, 2);
        }
        x[N] = 7.0f;
        (which ? floats_from_bf16 : floats_from_f16)(packed + 1, x, N);
        assert_true(x[N] == 7.0f);
        for (uint32_t i = 0; i < N; i++) {
            uint16_t h;

            memcpy(&h, packed + 1 + 2 * i, 2);
            assert_true(x[i] == (which ? f32_from_bf16(h) : f32_from_f16(h)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16_to_f32), cmocka_unit_test(test_bf16_to_f32),
        cmocka_unit_test(test_f32_to_f16), cmocka_unit_test(test_f32_to_bf16),
        cmocka_unit_test(test_f32_spread), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_eight_bits), cmocka_unit_test(test_to_e4m3),
        cmocka_unit_test(test_arrays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
