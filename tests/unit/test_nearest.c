/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nearest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const names[] = {"convert", "inspect", "quantize", "verify", "help", "max-memory", "x"};

static void test_table(void **state)
{
    static const struct {
        const char *given, *want; /* NULL: none is near */
    } cases[] = {
        {"convret", "convert"},  // neighbours swapped
        {"convrt", "convert"},   // one missing
        {"convertt", "convert"}, // one too many
        {"konvert", "convert"},  // another one
        {"CONVERT", "convert"},  // case
        {"Quantise", "quantize"},
        {"conv", "convert"}, // a beginning
        {"quant", "quantize"},
        {"max-mem", "max-memory"},
        {"maxmemory", "max-memory"},
        {"hepl", "help"},
        {"frobnicate", NULL},
        {"", NULL},
        {"zz", NULL},
        {"inspector-general", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = nearest_of(cases[i].given, names, ARRAY_LEN(names));

        if (!got != !cases[i].want || (got && strcmp(got, cases[i].want) != 0))
            fail_msg("\"%s\": %s, not %s", cases[i].given, got ? got : "none",
                     cases[i].want ? cases[i].want : "none");
    }
    assert_null(nearest_of("convert", names, 0));
}

/* Of two, the nearer; of equals, the first. */
static void test_choice(void **state)
{
    static const char *const pair[] = {"abcdxx", "abcdex", "abcdef", "abcdeg"};

    (void)state;
    assert_string_equal(nearest_of("abcdee", pair, 4), "abcdex");
    assert_string_equal(nearest_of("abcdefg", pair, 4), "abcdef");
}

static void test_long(void **state)
{
    char text[200];
    const char *const candidates[] = {text, "abc"};

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_string_equal(nearest_of("abd", candidates, 2), "abc");
    assert_null(nearest_of(text, candidates + 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
