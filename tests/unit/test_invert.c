/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/invert.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MAX_ELEMS 4096

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, GIB);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* The elements that a view takes, in order. */
static size_t list(const struct view *v, uint64_t *out)
{
    size_t n = (size_t)view_nelem(v);

    for (size_t i = 0; i < n; i++) {
        uint64_t rest = i, at = v->base;

        for (uint32_t k = v->ndim; k-- > 0; rest /= v->dim[k].n)
            at += rest % v->dim[k].n * v->dim[k].stride;
        out[i] = at;
    }
    return n;
}

/* Every element of the tensor is found where the pieces have put it. */
static void check(const struct invert_piece *pieces, size_t n, uint64_t nelem, size_t most_views)
{
    uint64_t made_of[4][MAX_ELEMS], back[MAX_ELEMS];
    struct plan_made made = {0};
    struct err err = {0};
    size_t at = 0;

    for (size_t i = 0; i < n; i++)
        list(&pieces[i].view, &made_of[pieces[i].view.source][pieces[i].first]);
    assert_int_equal(invert_views(&arena, pieces, n, nelem, &made, &err), OK);
    assert_true(made.nview <= most_views);
    for (size_t i = 0; i < made.nview; i++) {
        size_t count = list(&made.views[i], back);

        for (size_t k = 0; k < count; k++)
            assert_int_equal(made_of[made.views[i].source][back[k]], at++);
    }
    assert_int_equal(at, nelem);
}

static void test_permutations(void **state)
{
    static const struct view views[] = {
        {.ndim = 1, .dim = {{24, 1}}},
        {.ndim = 2, .dim = {{4, 1}, {6, 4}}},
        {.ndim = 3, .dim = {{3, 8}, {2, 1}, {4, 2}}},
        {.ndim = 4, .dim = {{2, 4}, {1, 99}, {4, 1}, {3, 8}}},
        {.ndim = 5, .dim = {{2, 120}, {2, 60}, {4, 3}, {5, 12}, {3, 1}}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        struct invert_piece p = {views[i], 0};

        check(&p, 1, view_nelem(&views[i]), 1);
    }
}

/* Gate and up of three experts, four rows of five each. */
static void test_interleaved_parts(void **state)
{
    struct invert_piece pieces[] = {
        {{.source = 0, .ndim = 2, .dim = {{3, 40}, {20, 1}}}, 0},
        {{.source = 1, .base = 20, .ndim = 2, .dim = {{3, 40}, {20, 1}}}, 0},
    };

    (void)state;
    check(pieces, 2, 120, 6);
}

/* Some rows as they are, then heads in another order, all in one tensor. */
static void test_pieces_of_one_tensor(void **state)
{
    struct invert_piece pieces[] = {
        {{.source = 0, .ndim = 1, .dim = {{30, 1}}}, 0},
        {{.source = 0, .base = 30, .ndim = 3, .dim = {{3, 10}, {2, 30}, {10, 1}}}, 30},
    };

    (void)state;
    check(pieces, 2, 90, 2);
}

/* The last two elements of each pair of pairs are those of another tensor. */
static void test_single_elements(void **state)
{
    struct invert_piece pieces[] = {
        {{.source = 0, .ndim = 1, .dim = {{8, 2}}}, 0},
        {{.source = 1, .base = 1, .ndim = 1, .dim = {{8, 2}}}, 0},
    };

    (void)state;
    check(pieces, 2, 16, 16);
}

static void test_no_cover(void **state)
{
    static const struct invert_piece gap = {{.base = 1, .ndim = 1, .dim = {{9, 1}}}, 0},
                                     few = {{.ndim = 1, .dim = {{9, 1}}}, 0},
                                     twice = {{.ndim = 2, .dim = {{2, 4}, {5, 1}}}, 0};
    struct plan_made made;
    struct err err = {0};

    (void)state;
    assert_int_equal(invert_views(&arena, &gap, 1, 10, &made, &err), E_BUG);
    assert_int_equal(invert_views(&arena, &few, 1, 10, &made, &err), E_BUG);
    assert_int_equal(invert_views(&arena, &twice, 1, 10, &made, &err), E_BUG);
}

static void test_too_many_pieces(void **state)
{
    static const struct invert_piece p = {{.ndim = 1, .dim = {{1 << 19, 2}}}, 0};
    struct plan_made made;
    struct err err = {0};

    (void)state;
    assert_int_equal(invert_views(&arena, &p, 1, 1 << 20, &made, &err), E_LIMIT);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_permutations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interleaved_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pieces_of_one_tensor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_single_elements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_cover, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_pieces, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
