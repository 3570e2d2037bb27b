/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pattern.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *pattern, *text;
    bool found;
} searches[] = {
    {"", "", true},
    {"", "abc", true},
    {"b", "abc", true},
    {"d", "abc", false},
    {"attn_v", "blk.0.attn_v.weight", true},
    {"blk.8.", "blk.18.", false},
    {"blk.8.", "blk08x", true},
    {"blk\\.8\\.", "blk08x", false},
    {"blk\\.8\\.", "blk.8.ffn_up.weight", true},
    {"blk\\.8\\.", "blk.18.ffn_up.weight", false},
    {"^blk", "xblk", false},
    {"^blk", "blk", true},
    {"weight$", "weights", false},
    {"weight$", "a.weight", true},
    {"^$", "", true},
    {"^$", "a", false},
    {"a|b", "xb", true},
    {"^(a|bc|)$", "bc", true},
    {"^(a|bc|)$", "", true},
    {"^(a|bc|)$", "b", false},
    {"^a*$", "aaaa", true},
    {"^a*$", "aab", false},
    {"^a+$", "", false},
    {"^a+$", "aaa", true},
    {"^a?b$", "ab", true},
    {"^a?b$", "aab", false},
    {"^a*?b+?c??$", "aabb", true},
    {"^(ab)*$", "ababab", true},
    {"^(ab)*$", "ababa", false},
    {"^(a*)*$", "aaa", true},
    {"^(a*)+b$", "aaab", true},
    {"^(|a)+$", "aa", true},
    {"^a{3}$", "aaa", true},
    {"^a{3}$", "aa", false},
    {"^a{3}$", "aaaa", false},
    {"^a{2,}$", "a", false},
    {"^a{2,}$", "aaaaa", true},
    {"^a{0,2}$", "", true},
    {"^a{0,2}$", "aaa", false},
    {"^(?:ab|c){2,3}$", "abcab", true},
    {"^(?:ab|c){2,3}$", "ab", false},
    {"()*(){3}(|){2}", "", true},
    {"^xa{0}y$", "xy", true},
    {"^xa{0}y$", "xay", false},
    {"^[a-c]+$", "abccba", true},
    {"^[a-c]+$", "abd", false},
    {"^[^a-c]+$", "xyz", true},
    {"^[^a-c]+$", "xbz", false},
    {"^[-a]+$", "-a-", true},
    {"^[a-]+$", "-a-", true},
    {"^[\\d_]+$", "12_3", true},
    {"^[\\]\\\\]+$", "]\\", true},
    {"[]", "a", false},
    {"^[^]$", "a", true},
    {"^[[:digit:][:upper:]]+$", "A1", true},
    {"^[[:digit:][:upper:]]+$", "a1", false},
    {"^[\\D]$", "1", false},
    {"^[\\D]$", "x", true},
    {"^[^\\w]$", ".", true},
    {"blk\\.(\\d+)\\.", "blk.123.x", true},
    {"blk\\.(\\d+)\\.", "blk.x.x", false},
    {"^\\w+$", "ab_9", true},
    {"^\\w+$", "a.b", false},
    {"^\\W\\S\\D$", ".xx", true},
    {"^\\W\\S\\D$", ".x1", false},
    {"a\\sb", "a\tb", true},
    {"\\bv\\b", "attn.v.w", true},
    {"\\bv\\b", "attn_v.w", false},
    {"\\Bv\\b", "attn_v.w", true},
    {"^a.c$", "a\nc", false},
    {"^a.c$",
     "a\xc3"
     "c",
     true},
    {"\\x41\\u0042", "AB", true},
    {"\\t", "\t", true},
    {"^\\/\\-\\_\\<\\}$", "/-_<}", true},
    {"a]b}c", "a]b}c", true},
    {"ffn_(up|gate|down)_exps", "blk.3.ffn_down_exps.weight", true},
    {"ffn_(up|gate|down)_exps", "blk.3.ffn_down_shexp.weight", false},
    {"blk\\.([0-9]|1[0-5])\\.", "blk.15.x", true},
    {"blk\\.([0-9]|1[0-5])\\.", "blk.16.x", false},
    {"(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false},
};

static void test_search(void **state)
{
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(searches); i++) {
        const struct pattern *p;
        struct err err = {0};

        if (pattern_new(&a, searches[i].pattern, &p, &err) != OK)
            fail_msg("%s: %s", searches[i].pattern, err.text);
        if (pattern_search(p, searches[i].text) != searches[i].found)
            fail_msg("%s in \"%s\"", searches[i].pattern, searches[i].text);
    }
    arena_free(&a);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *pattern, *text;
    } cases[] = {
        {"a(b", "pattern \"a(b\": character 4: \"(\" without \")\""},
        {"a)b", "pattern \"a)b\": character 2: \")\" without \"(\""},
        {"*a", "pattern \"*a\": character 1: nothing to repeat"},
        {"a**", "pattern \"a**\": character 3: nothing to repeat"},
        {"^*", "pattern \"^*\": character 2: nothing to repeat"},
        {"a{", "pattern \"a{\": character 3: a number is missing"},
        {"a{2", "pattern \"a{2\": character 4: \"{\" without \"}\""},
        {"a{3,2}", "pattern \"a{3,2}\": character 6: numbers that do not ascend"},
        {"a{1001}", "pattern \"a{1001}\": character 7: a number over 1000"},
        {"[a", "pattern \"[a\": character 3: \"[\" without \"]\""},
        {"[c-a]", "pattern \"[c-a]\": character 5: a range that does not ascend"},
        {"[a-\\d]", "pattern \"[a-\\d]\": character 6: a range that does not ascend"},
        {"[[:word:]]", "pattern \"[[:word:]]\": character 2: no such class of characters"},
        {"[[.a.]]", "pattern \"[[.a.]]\": character 2: collating elements are not supported"},
        {"a\\", "pattern \"a\\\": character 3: a backslash at the end"},
        {"(a)\\1", "pattern \"(a)\\1\": character 5: back references are not supported"},
        {"(?=a)", "pattern \"(?=a)\": character 2: look-ahead is not supported"},
        {"\\x4", "pattern \"\\x4\": character 4: a hexadecimal digit is missing"},
        {"\\xe9", "pattern \"\\xe9\": character 5: only characters below 128 can be given by number"},
        {"(a{100}){100}", "pattern \"(a{100}){100}\" is too large"},
    };
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct pattern *p = NULL;
        struct err err = {0};

        if (pattern_new(&a, cases[i].pattern, &p, &err) == OK)
            fail_msg("%s was accepted", cases[i].pattern);
        assert_string_equal(err.text, cases[i].text);
        assert_null(p);
    }
    arena_free(&a);
}

static void test_depth_and_memory(void **state)
{
    char deep[400] = "";
    const struct pattern *p;
    struct err err = {0};
    struct arena a;

    (void)state;
    memset(deep, '(', 64);
    memset(deep + 64, ')', 64);
    arena_init(&a, 0);
    assert_int_equal(pattern_new(&a, deep, &p, &err), OK);
    memset(deep, '(', 65);
    assert_int_equal(pattern_new(&a, deep, &p, &err), E_USAGE);
    memset(deep, '|', 399);
    assert_int_equal(pattern_new(&a, deep, &p, &err), OK);
    assert_true(pattern_search(p, "x"));
    arena_free(&a);

    arena_init(&a, 64);
    assert_int_equal(pattern_new(&a, "abcdefgh", &p, &err), E_NOMEM);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_depth_and_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
