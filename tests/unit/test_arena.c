/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arena.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Every piece is zeroed, aligned and its own. */
static void test_alloc(void **state)
{
    struct arena a;
    unsigned char *piece[500];

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(piece); i++) {
        size_t n = i * 7 % 1000;

        piece[i] = arena_alloc(&a, n);
        assert_non_null(piece[i]);
        assert_int_equal((uintptr_t)piece[i] % 16, 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(piece[i][k], 0);
        memset(piece[i], (int)(i & 0xff), n);
    }
    for (size_t i = 0; i < ARRAY_LEN(piece); i++)
        for (size_t k = 0; k < i * 7 % 1000; k++)
            assert_int_equal(piece[i][k], i & 0xff);
    arena_free(&a);
    assert_int_equal(a.used, 0);
    arena_free(&a);
    assert_non_null(arena_alloc(&a, 1));
    arena_free(&a);
}

static void test_large(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    char *p = arena_alloc(&a, 3 * MIB);
    assert_non_null(p);
    p[3 * MIB - 1] = 1;
    assert_non_null(arena_alloc(&a, 5));
    assert_int_equal(a.used, 3 * MIB + 16);
    assert_null(arena_alloc(&a, UINT64_MAX));
    assert_null(arena_alloc(&a, UINT64_MAX - 20));
    assert_null(arena_array(&a, UINT64_MAX / 2, 3));
    assert_non_null(arena_array(&a, 1000, 3));
    assert_int_equal(a.used, 3 * MIB + 16 + 3008);
    arena_free(&a);
}

static void test_limit(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 100);
    assert_non_null(arena_alloc(&a, 64));
    assert_null(arena_alloc(&a, 40)); // 48 with the alignment
    assert_non_null(arena_alloc(&a, 32));
    assert_null(arena_alloc(&a, 5));
    assert_non_null(arena_alloc(&a, 0));
    assert_int_equal(a.used, 96);
    assert_null(arena_strdup(&a, "x"));
    assert_null(arena_printf(&a, "%d", 5));
    arena_free(&a);
}

static void test_strings(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    assert_string_equal(arena_strdup(&a, "abc"), "abc");
    assert_string_equal(arena_strndup(&a, "abcdef", 2), "ab");
    assert_string_equal(arena_strndup(&a, NULL, 0), "");
    assert_string_equal(arena_printf(&a, "%s %d", "x", 7), "x 7");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    arena_free(&a);
}

static void test_grow(void **state)
{
    struct arena a;
    uint32_t *items = NULL;
    size_t n = 0, cap = 0;

    (void)state;
    arena_init(&a, 0);
    for (; n < 1000; n++) {
        assert_true(arena_grow(&a, (void **)&items, n, &cap, sizeof *items));
        assert_true(n < cap);
        assert_int_equal(items[n], 0);
        items[n] = (uint32_t)n * 3;
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(items[i], i * 3);
    a.limit = a.used;
    n = cap;
    uint32_t *before = items;
    assert_false(arena_grow(&a, (void **)&items, n, &cap, sizeof *items));
    assert_ptr_equal(items, before);
    assert_int_equal(n, cap);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),   cmocka_unit_test(test_large), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_strings), cmocka_unit_test(test_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
