/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct view view_of(uint64_t base, uint32_t ndim, const uint64_t dims[][2])
{
    struct view v = {.source = 3, .base = base, .ndim = ndim};

    for (uint32_t i = 0; i < ndim; i++)
        v.dim[i] = (struct view_dim){dims[i][0], dims[i][1]};
    return v;
}

static void assert_dims(const struct view *v, uint32_t ndim, const uint64_t dims[][2])
{
    assert_int_equal(v->ndim, ndim);
    for (uint32_t i = 0; i < ndim; i++) {
        assert_int_equal(v->dim[i].n, dims[i][0]);
        assert_int_equal(v->dim[i].stride, dims[i][1]);
    }
}

static void test_whole(void **state)
{
    struct view v = view_whole(7, 100);

    (void)state;
    assert_int_equal(v.source, 7);
    assert_int_equal(v.base, 0);
    assert_dims(&v, 1, (const uint64_t[][2]){{100, 1}});
    assert_int_equal(view_nelem(&v), 100);
    assert_int_equal(view_last(&v), 99);
    assert_true(view_in_blocks(&v, 1));
    assert_true(view_in_blocks(&v, 50));
    assert_false(view_in_blocks(&v, 32));
}

static void test_simplify(void **state)
{
    static const struct {
        uint32_t before, after;
        uint64_t dims[5][2], want[5][2];
    } cases[] = {
        {3, 1, {{2, 12}, {3, 4}, {4, 1}}, {{24, 1}}},                // row-major
        {2, 2, {{4, 1}, {3, 4}}, {{4, 1}, {3, 4}}},                  // transposed
        {3, 2, {{2, 20}, {3, 4}, {4, 1}}, {{2, 20}, {12, 1}}},       // a slice of rows of a stack
        {3, 2, {{2, 30}, {3, 10}, {4, 1}}, {{6, 10}, {4, 1}}},       // a slice of columns
        {5, 1, {{1, 9}, {6, 1}, {1, 0}, {1, 1}, {1, 77}}, {{6, 1}}}, // lengths of 1
        {3, 1, {{1, 5}, {1, 5}, {1, 5}}, {{1, 1}}},                  // one element
        {2, 1, {{3, 8}, {4, 2}}, {{12, 2}}},                         // every second
        {4, 3, {{2, 2}, {3, 8}, {2, 4}, {2, 1}}, {{2, 2}, {6, 4}, {2, 1}}},
        {3, 2, {{2, 4}, {1, 3}, {4, 2}}, {{2, 4}, {4, 2}}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct view v = view_of(5, cases[i].before, cases[i].dims);
        uint64_t nelem = view_nelem(&v), last = view_last(&v);

        view_simplify(&v);
        assert_dims(&v, cases[i].after, cases[i].want);
        assert_int_equal(v.base, 5);
        assert_int_equal(v.source, 3);
        assert_int_equal(view_nelem(&v), nelem);
        assert_int_equal(view_last(&v), last);
    }
}

static void test_empty(void **state)
{
    struct view v = view_of(5, 2, (const uint64_t[][2]){{0, 4}, {4, 1}});

    (void)state;
    assert_int_equal(view_nelem(&v), 0);
    assert_true(view_in_blocks(&v, 32));
    view_simplify(&v);
    assert_int_equal(view_nelem(&v), 0);
}

static void test_in_blocks(void **state)
{
    static const struct {
        bool whole;
        uint64_t base;
        uint32_t ndim;
        uint64_t dims[3][2];
    } cases[] = {
        {true, 0, 1, {{64, 1}}},
        {true, 32, 1, {{32, 1}}},
        {false, 16, 1, {{32, 1}}},                   // starts inside a block
        {false, 0, 1, {{48, 1}}},                    // ends inside one
        {false, 0, 1, {{32, 2}}},                    // takes parts
        {true, 0, 2, {{3, 64}, {32, 1}}},            // a slice of columns
        {false, 0, 2, {{3, 48}, {32, 1}}},           // rows that are no whole blocks
        {true, 64, 3, {{2, 32}, {3, 128}, {32, 1}}}, // a permutation of blocks
        {false, 0, 2, {{32, 1}, {3, 32}}},           // a transposition
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct view v = view_of(cases[i].base, cases[i].ndim, cases[i].dims);

        if (view_in_blocks(&v, 32) != cases[i].whole)
            fail_msg("case %zu", i);
        assert_true(view_in_blocks(&v, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_simplify),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_in_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
