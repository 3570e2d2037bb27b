/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter counts and their short form; labels as gguf-py's size_label writes them. */
#include "card/size_label.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check_total(uint64_t total, const char *want)
{
    struct size_label_count c = {.total = total, .shared = total};
    struct arena arena;

    arena_init(&arena, 0);
    assert_string_equal(size_label_text(&c, &arena), want);
    arena_free(&arena);
}

static void test_labels(void **state)
{
    (void)state;
    check_total(9653104368, "10B");
    check_total(1235814400, "1.2B");
    check_total(494032768, "494M");
    check_total(1000000000, "1000M"); // one thousand million is not more than 1e9
    check_total(1000000001, "1.0B");
    check_total(1000000, "1000K");
    check_total(1026000000000, "1.0T");
    check_total(8030720, "8.0M");
    check_total(9400000, "9.4M");
    check_total(9500001, "10M"); // decimals follow the rounded number
    check_total(500, "0.50K");   // half rounds to even: 0 has no digits
    check_total(1500, "1.5K");
    check_total(1, "0.00K");
}

static void add(struct size_label_count *c, const char *name, uint32_t rank, uint64_t a, uint64_t b,
                uint64_t d)
{
    assert_true(size_label_add(c, name, (const uint64_t[]){a, b, d}, rank));
}

static void test_counts(void **state)
{
    struct size_label_count c = {0};
    struct arena arena;

    (void)state;
    add(&c, "token_embd.weight", 2, 1000, 64, 0);
    add(&c, "blk.0.ffn_up_exps.weight", 3, 8, 100, 64);
    add(&c, "blk.0.ffn_down_exps.weight", 3, 4, 64, 100);
    add(&c, "blk.0.ffn_up_exps.bias", 2, 8, 100, 0); // too flat to tell: shared
    add(&c, "blk.0.ffn_up_exps.bias", 3, 1, 6, 100);
    add(&c, "scalar", 0, 0, 0, 0);
    assert_int_equal(c.total, 64000 + 51200 + 25600 + 800 + 600 + 1);
    assert_int_equal(c.shared, 64000 + 800 + 1);
    assert_int_equal(c.expert, 6400 + 6400 + 100);
    arena_init(&arena, 0);
    assert_string_equal(size_label_text(&c, &arena), "6x78K"); // (8 + 4 + 6) / 3 experts
    arena_free(&arena);
}

static void test_overflow(void **state)
{
    struct size_label_count c = {0};

    (void)state;
    assert_false(size_label_add(&c, "w", (const uint64_t[]){UINT64_MAX, 2}, 2));
    assert_true(size_label_add(&c, "w", (const uint64_t[]){UINT64_MAX}, 1));
    assert_false(size_label_add(&c, "w", (const uint64_t[]){1}, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
