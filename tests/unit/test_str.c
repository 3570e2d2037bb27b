/* SPDX-License-Identifier: Apache-2.0 */
#include "core/str.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_slices(void **state)
{
    struct slice s = {"hello", 4};

    (void)state;
    assert_true(slice_eq(s, "hell"));
    assert_false(slice_eq(s, "hello"));
    assert_false(slice_eq(s, "hel"));
    assert_false(slice_eq(s, "help"));
    assert_true(slice_eq(slice_of(""), ""));
    assert_int_equal(slice_of("abc").n, 3);
    assert_true(str_starts("abc", "ab") && str_starts("abc", "") && str_starts("abc", "abc"));
    assert_false(str_starts("abc", "abcd") || str_starts("abc", "b") || str_starts("", "a"));
    assert_true(str_ends("abc", "bc") && str_ends("abc", "") && str_ends("abc", "abc"));
    assert_false(str_ends("abc", "xabc") || str_ends("abc", "b") || str_ends("", "a"));
}

static void test_grow(void **state)
{
    struct buf b;
    struct err err = {0};

    (void)state;
    buf_init(&b, 100000);
    assert_null(b.p);
    for (size_t i = 0; i < 100000; i++) {
        buf_add_char(&b, (char)('a' + i % 26));
        assert_int_equal(b.p[i + 1], '\0');
    }
    assert_int_equal(b.n, 100000);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(b.p[i], 'a' + (int)(i % 26));
    assert_int_equal(buf_check(&b, "test", &err), OK);
    assert_int_equal(err.text[0], '\0');
    buf_free(&b);
    assert_null(b.p);
    buf_add_str(&b, "again");
    assert_string_equal(b.p, "again");
    buf_free(&b);
    buf_free(&b);
}

/* A failed add sticks: nothing later gets in, not even what would fit. */
static void test_limit(void **state)
{
    struct buf b;
    struct err err = {0};

    (void)state;
    buf_init(&b, 5);
    buf_add_str(&b, "abc");
    buf_add(&b, "de", 2);
    assert_false(b.failed);
    buf_add_str(&b, "");
    buf_add(&b, NULL, 0);
    assert_int_equal(buf_check(&b, "the test", &err), OK);
    buf_add_str(&b, "f");
    assert_true(b.failed);
    assert_string_equal(b.p, "abcde");
    assert_null(buf_extend(&b, 0));
    assert_int_equal(buf_check(&b, "the test", &err), E_LIMIT);
    assert_string_equal(err.text, "the test: more than 5 bytes, or no memory for them");
    buf_free(&b);
    buf_init(&b, SIZE_MAX);
    buf_add_str(&b, "x");
    assert_null(buf_extend(&b, SIZE_MAX - 1)); // wraps around, or is refused
    buf_free(&b);
}

static void test_printf(void **state)
{
    struct buf b;
    char text[300];

    (void)state;
    buf_init(&b, 1000);
    buf_printf(&b, "%d-%s", 42, "x");
    buf_printf(&b, "%s", "");
    assert_string_equal(b.p, "42-x");
    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    buf_printf(&b, "[%s]", text);
    assert_int_equal(b.n, 4 + 301);
    assert_int_equal(b.p[304], ']');
    for (int i = 0; i < 3; i++)
        buf_printf(&b, "[%s]", text);
    assert_true(b.failed);
    assert_int_equal(b.n, 4 + 301 * 3);
    buf_free(&b);
}

static void test_little_endian(void **state)
{
    static const unsigned char want[] = {0x02, 0x01, 0x06, 0x05, 0x04, 0x03, 0x0e,
                                         0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08, 0xff};
    struct buf b;

    (void)state;
    buf_init(&b, 14);
    buf_add_u16(&b, 0x0102);
    buf_add_u32(&b, 0x03040506);
    buf_add_u64(&b, 0xff08090a0b0c0d0e);
    assert_int_equal(b.n, 14);
    assert_memory_equal(b.p, want, 14);
    buf_add_u16(&b, 1);
    assert_true(b.failed);
    buf_free(&b);
}

static void test_arithmetic(void **state)
{
    uint64_t v;

    (void)state;
    assert_true(add_ok(UINT64_MAX - 1, 1, &v) && v == UINT64_MAX);
    assert_false(add_ok(UINT64_MAX, 1, &v));
    assert_true(mul_ok(1ull << 32, (1ull << 32) - 1, &v) && v == UINT64_MAX - (1ull << 32) + 1);
    assert_false(mul_ok(1ull << 32, 1ull << 32, &v));
    assert_true(mul_ok(0, UINT64_MAX, &v) && v == 0);
    assert_int_equal(align_up(0, 32), 0);
    assert_int_equal(align_up(1, 32), 32);
    assert_int_equal(align_up(32, 32), 32);
    assert_int_equal(align_up(33, 7), 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_limit),         cmocka_unit_test(test_printf),
        cmocka_unit_test(test_little_endian), cmocka_unit_test(test_arithmetic),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
