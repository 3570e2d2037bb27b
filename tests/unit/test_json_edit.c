/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of a JSON text: what is set, and that every other byte stays. */
#include "core/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const root[] = {NULL};
static const char *const in_t[] = {"t", NULL};
static const char *const in_tu[] = {"t", "u", NULL};

struct edit_case {
    const char *before;
    const char *const *path;
    struct json_member members[4];
    const char *after; /* NULL: refused */
};

static const struct edit_case cases[] = {
    /* a value is replaced where it stands, whatever its kind */
    {"{\"a\": 1, \"b\":2 }\n", root, {{"a", "0"}}, "{\"a\": 0, \"b\":2 }\n"},
    {"{\"a\": [1, {\"a\": 2}], \"b\":2}", root, {{"a", "0"}}, "{\"a\": 0, \"b\":2}"},
    {"{\"a\":\"x,} \"  ,\"b\":2}", root, {{"a", "0"}}, "{\"a\":0  ,\"b\":2}"},
    {"{\"a\":NaN,\"b\":-Infinity}", root, {{"b", "null"}}, "{\"a\":NaN,\"b\":null}"},
    {"{\"\\u0061\":1}", root, {{"a", "2"}}, "{\"\\u0061\":2}"},
    /* new members look like their neighbours */
    {"{\n  \"a\": 1\n}\n", root, {{"b", "2"}}, "{\n  \"a\": 1,\n  \"b\": 2\n}\n"},
    {"{\"a\": 1, \"c\": 3}", root, {{"b", "2"}}, "{\"a\": 1, \"c\": 3, \"b\": 2}"},
    {"{\"a\":1}", root, {{"b", "2"}, {"c\"", "3"}}, "{\"a\":1,\"b\":2,\"c\\\"\":3}"},
    {"{}", root, {{"b", "2"}, {"c", "3"}}, "{\"b\": 2, \"c\": 3}"},
    {"{\"a\" : 1 , \"c\" : 3}", root, {{"b", "2"}}, "{\"a\" : 1 , \"c\" : 3 , \"b\" : 2}"},
    /* deeper; the same keys elsewhere stay */
    {"{\"b\":1,\"t\":{\"b\":1,\"u\":{\"b\":1}}}",
     in_t,
     {{"b", "2"}},
     "{\"b\":1,\"t\":{\"b\":2,\"u\":{\"b\":1}}}"},
    {"{\"b\":1,\"t\":{\"b\":1,\"u\":{\"b\":1}}}",
     in_tu,
     {{"c", "2"}},
     "{\"b\":1,\"t\":{\"b\":1,\"u\":{\"b\":1,\"c\":2}}}"},
    /* members taken out */
    {"{\n \"a\": 1,\n \"b\": 2,\n \"c\": 3\n}", root, {{"b", NULL}}, "{\n \"a\": 1,\n \"c\": 3\n}"},
    {"{\n \"a\": 1,\n \"b\": 2,\n \"c\": 3\n}", root, {{"a", NULL}}, "{\n \"b\": 2,\n \"c\": 3\n}"},
    {"{\n \"a\": 1,\n \"b\": 2,\n \"c\": 3\n}", root, {{"c", NULL}}, "{\n \"a\": 1,\n \"b\": 2\n}"},
    {"{\n \"a\": 1,\n \"b\": 2\n}", root, {{"a", NULL}, {"b", NULL}, {"d", "4"}}, "{\n \"d\": 4\n}"},
    {"{\"a\": 1}", root, {{"a", NULL}, {"z", NULL}}, "{}"},
    /* refused */
    {"{\"t\":1}", in_t, {{"b", "2"}}, NULL},
    {"{\"s\":{}}", in_t, {{"b", "2"}}, NULL},
    {"[{\"a\":1}]", root, {{"a", "2"}}, NULL},
    {"{\"a\":1} x", root, {{"a", "2"}}, NULL},
    {"{\"a\":1", root, {{"a", "2"}}, NULL},
    {"{\"a\":1,\"a\":1}", root, {{"a", "2"}}, NULL},
    {"", root, {{"a", "2"}}, NULL},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct edit_case *c = &cases[i];
        struct err err = {0};
        struct buf text;

        buf_init(&text, KIB);
        buf_add_str(&text, c->before);
        enum status s = json_edit(&text, "x.json", c->path, c->members, &err);
        const char *got = text.n ? text.p : "";
        if (s != (c->after ? OK : E_FORMAT) || strcmp(got, c->after ? c->after : c->before) != 0)
            fail_msg("%s: %s %s", c->before, got, err.text);
        if (!c->after)
            assert_true(str_starts(err.text, "x.json"));
        buf_free(&text);
    }
}

static void test_too_large(void **state)
{
    static const char before[] = "{\"a\":1}";
    static const struct json_member m[] = {{"b", "123456789"}, {0}};
    struct err err = {0};
    struct buf text;

    (void)state;
    buf_init(&text, 10);
    buf_add_str(&text, before);
    assert_int_equal(json_edit(&text, "x.json", root, m, &err), E_LIMIT);
    assert_string_equal(text.p, before);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_too_large)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
