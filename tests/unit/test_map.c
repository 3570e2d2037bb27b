/* SPDX-License-Identifier: Apache-2.0 */
#include "core/map.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_empty(void **state)
{
    struct map m = {0};

    (void)state;
    assert_int_equal(map_find(&m, slice_of("x")), MAP_NONE);
    map_free(&m);
    map_free(&m);
}

static void test_add_and_find(void **state)
{
    struct map m = {0};
    uint32_t existing = 7;

    (void)state;
    assert_true(map_add(&m, slice_of("a"), 10, &existing));
    assert_int_equal(existing, MAP_NONE);
    assert_true(map_add(&m, slice_of("b"), 11, &existing));
    assert_int_equal(existing, MAP_NONE);
    /* The first value stays. */
    assert_true(map_add(&m, slice_of("a"), 12, &existing));
    assert_int_equal(existing, 10);
    assert_int_equal(map_find(&m, slice_of("a")), 10);
    assert_int_equal(map_find(&m, slice_of("b")), 11);
    assert_int_equal(map_find(&m, slice_of("c")), MAP_NONE);
    assert_int_equal(m.n, 2);
    map_free(&m);
    assert_int_equal(map_find(&m, slice_of("a")), MAP_NONE);
}

/* Keys are bytes with a length: prefixes, NULs and the empty key are keys of their own. */
static void test_keys(void **state)
{
    static const struct slice keys[] = {{"", 0}, {"a", 1}, {"a\0", 2}, {"a\0b", 3}, {"ab", 2}, {"\0", 1}};
    struct map m = {0};
    uint32_t existing;

    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(keys); i++) {
        assert_true(map_add(&m, keys[i], i, &existing));
        assert_int_equal(existing, MAP_NONE);
    }
    for (uint32_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_int_equal(map_find(&m, keys[i]), i);
    assert_true(map_add(&m, (struct slice){NULL, 0}, 9, &existing));
    assert_int_equal(existing, 0);
    map_free(&m);
}

static void test_many(void **state)
{
    enum { N = 20000 };
    static char text[N][8];
    struct map m = {0};
    uint32_t existing;

    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "k%u", i);
        assert_true(map_add(&m, slice_of(text[i]), N - i, &existing));
        assert_int_equal(existing, MAP_NONE);
    }
    assert_int_equal(m.n, N);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(map_find(&m, slice_of(text[i])), N - i);
    assert_int_equal(map_find(&m, slice_of("k20000")), MAP_NONE);
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_add_and_find),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
