/* SPDX-License-Identifier: Apache-2.0 */
#include "core/file.h"
#include "core/json.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h> /* after ours: it has a macro named fail */

/* Text with NULs inside keeps its length. */
#define TEXT(s)                                                                                              \
    {                                                                                                        \
        s, sizeof(s) - 1                                                                                     \
    }

/* Reads all tokens of an exact-size heap copy, so that ASan sees a read past the end. */
static enum status scan(const char *text, size_t n, struct err *err)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    struct json_reader *r = json_reader_new(copy, n, "x.json");
    assert_non_null(r);
    enum json_token token = JSON_NULL;
    enum status s;

    while ((s = json_next(r, &token, err)) == OK && token != JSON_END)
        ;
    json_reader_free(r);
    free(copy);
    return s;
}

static enum status parse(const char *text, struct json **out, struct err *err)
{
    return json_parse(text, strlen(text), "x.json", false, out, err);
}

static const struct slice accepted[] = {
    TEXT("{}"),
    TEXT("[]"),
    TEXT("0"),
    TEXT("-0"),
    TEXT("\"\""),
    TEXT(" \t\r\n[ ] \n"),
    TEXT("null"),
    TEXT("[1,2 , 3]"),
    TEXT("{\"\":0}"),
    TEXT("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}"),
    TEXT("[1E22,-1.5e-7,0.1,1e308,0e999,1e-999]"),
    TEXT("\"\\u0041\\ud83d\\ude00\\n\\/\""),
    TEXT("\"\x7f\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    TEXT("{\"a\":1,\"A\":2}"),
    TEXT("[true,false,null]"),
    TEXT("{\"K\":1,\"\\u006b\":2}"),
};

static const struct {
    struct slice text;
    const char *error;
} refused[] = {
    {TEXT(""), "x.json:0: text: is empty"},
    {TEXT("  "), "x.json:2: text: ends too early"},
    {TEXT("{"), "x.json:1: text: ends too early"},
    {TEXT("[1,"), "x.json:3: text: ends too early"},
    {TEXT("[1,]"), "x.json:3: value: byte 0x5d starts none"},
    {TEXT("[,1]"), "x.json:1: value: byte 0x2c starts none"},
    {TEXT("[1 2]"), "x.json:3: array: byte 0x32 where ',' or ']' must stand"},
    {TEXT("[1}"), "x.json:2: array: byte 0x7d where ',' or ']' must stand"},
    {TEXT("{\"a\":1]"), "x.json:6: object: byte 0x5d where ',' or '}' must stand"},
    {TEXT("{\"a\":1,}"), "x.json:7: key: a string must stand here"},
    {TEXT("{a:1}"), "x.json:1: key: a string must stand here"},
    {TEXT("{\"a\" 1}"), "x.json:5: key \"a\": no ':' follows"},
    {TEXT("{\"a\":}"), "x.json:5: value: byte 0x7d starts none"},
    {TEXT("{\"a\":1,\"a\":1}"), "x.json:7: key \"a\": appears twice in one object"},
    {TEXT("{\"a\":1,\"\\u0061\":1}"), "x.json:7: key \"a\": appears twice in one object"},
    {TEXT("{\"\":1,\"\":1}"), "x.json:6: key \"\": appears twice in one object"},
    {TEXT("{} {}"), "x.json:3: text: byte 0x7b follows the complete value"},
    {TEXT("{}\0"), "x.json:2: text: byte 0x00 follows the complete value"},
    {TEXT("1 // no"), "x.json:2: text: byte 0x2f follows the complete value"},
    {TEXT("/* no */ 1"), "x.json:0: value: byte 0x2f starts none"},
    {TEXT("\xEF\xBB\xBF{}"), "x.json:0: text: a byte order mark is not allowed"},
    {TEXT("01"), "x.json:0: number: a leading zero is not allowed"},
    {TEXT("-"), "x.json:0: number: no digit after its sign"},
    {TEXT("+1"), "x.json:0: value: byte 0x2b starts none"},
    {TEXT("1."), "x.json:0: number: no digit after its point"},
    {TEXT(".5"), "x.json:0: value: byte 0x2e starts none"},
    {TEXT("1e"), "x.json:0: number: no digit in its exponent"},
    {TEXT("1e+"), "x.json:0: number: no digit in its exponent"},
    {TEXT("[0x10]"), "x.json:2: array: byte 0x78 where ',' or ']' must stand"},
    {TEXT("1e400"), "x.json:0: number 1e400: too large for a double"},
    {TEXT("-1e400"), "x.json:0: number -1e400: too large for a double"},
    {TEXT("NaN"), "x.json:0: value: byte 0x4e starts none"},
    {TEXT("Infinity"), "x.json:0: value: byte 0x49 starts none"},
    {TEXT("-Infinity"), "x.json:0: number: no digit after its sign"},
    {TEXT("tru"), "x.json:0: value: byte 0x74 starts none"},
    {TEXT("nulll"), "x.json:4: text: byte 0x6c follows the complete value"},
    {TEXT("True"), "x.json:0: value: byte 0x54 starts none"},
    {TEXT("'a'"), "x.json:0: value: byte 0x27 starts none"},
    {TEXT("\"a"), "x.json:0: string: the text ends before its closing quote"},
    {TEXT("\"a\\"), "x.json:2: string: the text ends inside an escape"},
    {TEXT("\"\\x41\""), "x.json:1: string: a backslash before byte 0x78 is no escape"},
    {TEXT("\"\\\0\""), "x.json:1: string: a backslash before byte 0x00 is no escape"},
    {TEXT("\"\\u00g0\""), "x.json:1: string: \\u without four hexadecimal digits"},
    {TEXT("\"\\u12"), "x.json:1: string: \\u without four hexadecimal digits"},
    {TEXT("\"a\\u0000b\""), "x.json:2: string: \\u0000 is not allowed"},
    {TEXT("\"\\ud800\""), "x.json:1: string: \\ud800 is a surrogate without its second half"},
    {TEXT("\"\\ud800\\u0041\""), "x.json:1: string: \\ud800 is a surrogate without its second half"},
    {TEXT("\"\\ud800\\ud800\""), "x.json:1: string: \\ud800 is a surrogate without its second half"},
    {TEXT("\"\\udc00\""), "x.json:1: string: \\udc00 is a surrogate without its first half"},
    {TEXT("\"a\0b\""), "x.json:2: string: control byte 0x00 is not escaped"},
    {TEXT("\"a\tb\""), "x.json:2: string: control byte 0x09 is not escaped"},
    {TEXT("\"\n\""), "x.json:1: string: control byte 0x0a is not escaped"},
    {TEXT("\"\xff\""), "x.json:1: string: byte 0xff is not valid UTF-8 here"},
    {TEXT("\"\xc0\x80\""), "x.json:1: string: byte 0xc0 is not valid UTF-8 here"},
    {TEXT("\"\xed\xa0\x80\""), "x.json:1: string: byte 0xed is not valid UTF-8 here"},
    {TEXT("\"\xf4\x90\x80\x80\""), "x.json:1: string: byte 0xf4 is not valid UTF-8 here"},
    {TEXT("\"\xe2\x82\""), "x.json:1: string: byte 0xe2 is not valid UTF-8 here"},
    {TEXT("\"\xe2\x82"), "x.json:1: string: byte 0xe2 is not valid UTF-8 here"},
    {TEXT("\"\x80\""), "x.json:1: string: byte 0x80 is not valid UTF-8 here"},
    {TEXT("{\"a\xff\":1}"), "x.json:3: string: byte 0xff is not valid UTF-8 here"},
};

static void test_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
        struct err err = {0};
        struct json *tree = NULL;

        if (scan(accepted[i].p, accepted[i].n, &err) != OK)
            fail_msg("%s: %s", accepted[i].p, err.text);
        assert_int_equal(json_parse(accepted[i].p, accepted[i].n, "x.json", false, &tree, &err), OK);
        json_free(tree);
        assert_int_equal(err.text[0], 0); /* untouched */
    }
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct err err = {0};
        struct json *tree = NULL;

        assert_int_equal(scan(refused[i].text.p, refused[i].text.n, &err), E_FORMAT);
        assert_string_equal(err.text, refused[i].error);
        assert_int_equal(json_parse(refused[i].text.p, refused[i].text.n, "x.json", false, &tree, &err),
                         E_FORMAT);
        assert_null(tree);
    }
}

/* Every prefix of a valid text is refused, except where blanks were cut off. */
static void test_prefixes(void **state)
{
    static const char text[] = "{\"a\": [1.5e3, \"\\ud83d\\ude00\\t\", {}, [true, null]], \"b\": -7}";

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct err err = {0};

        assert_int_equal(scan(text, n, &err), E_FORMAT);
    }
}

static void test_depth(void **state)
{
    char text[4 * JSON_MAX_DEPTH];
    struct err err = {0};
    struct json *tree = NULL;

    (void)state;
    memset(text, '[', JSON_MAX_DEPTH);
    memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    assert_int_equal(json_parse(text, 2 * JSON_MAX_DEPTH, "x.json", false, &tree, &err), OK);
    json_free(tree);
    memset(text, '[', JSON_MAX_DEPTH + 1);
    assert_int_equal(scan(text, JSON_MAX_DEPTH + 1, &err), E_FORMAT);
    assert_string_equal(err.text, "x.json:64: value: nested deeper than 64 levels");

    /* A hostile depth costs no stack. */
    char *deep = malloc(100000);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    assert_int_equal(scan(deep, 100000, &err), E_FORMAT);
    free(deep);
}

static void test_pull(void **state)
{
    static const char text[] = "{\"a\\n\": [1, \"x\"], \"skip\": {\"q\": [1, {}]}, \"t\": true}";
    static const struct {
        enum json_token token;
        const char *text;
        uint64_t off;
    } want[] = {
        {JSON_OBJECT, "", 100},  {JSON_KEY, "a\n", 101},    {JSON_ARRAY, "", 108},   {JSON_NUMBER, "1", 109},
        {JSON_STRING, "x", 112}, {JSON_ARRAY_END, "", 115}, {JSON_KEY, "skip", 118},
    };
    struct json_reader *r = json_reader_new(text, sizeof text - 1, "x.json");
    enum json_token token;
    struct err err = {0};

    (void)state;
    assert_non_null(r);
    json_reader_set_base(r, 100);
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(json_next(r, &token, &err), OK);
        assert_int_equal(token, want[i].token);
        assert_int_equal(json_token_offset(r), want[i].off);
        assert_true(json_token_text(r).n == strlen(want[i].text));
        if (json_token_text(r).n)
            assert_true(slice_eq(json_token_text(r), want[i].text));
    }
    assert_int_equal(json_next(r, &token, &err), OK);
    assert_int_equal(token, JSON_OBJECT);
    assert_int_equal(json_skip(r, token, &err), OK);
    assert_int_equal(json_next(r, &token, &err), OK);
    assert_int_equal(token, JSON_KEY);
    assert_true(slice_eq(json_token_text(r), "t"));
    assert_int_equal(json_next(r, &token, &err), OK);
    assert_int_equal(token, JSON_TRUE);
    assert_int_equal(json_skip(r, token, &err), OK); /* of a leaf: nothing */
    assert_int_equal(json_next(r, &token, &err), OK);
    assert_int_equal(token, JSON_OBJECT_END);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(json_next(r, &token, &err), OK);
        assert_int_equal(token, JSON_END);
    }
    json_reader_free(r);
    json_reader_free(NULL);
}

static void test_lexeme_u64(void **state)
{
    static const char *const bad[] = {"",
                                      "-0",
                                      "-1",
                                      "1e3",
                                      "16.0",
                                      "016",
                                      "00",
                                      "18446744073709551616",
                                      "1 ",
                                      "0x1",
                                      "99999999999999999999999"};
    uint64_t v = 1;

    (void)state;
    assert_true(json_lexeme_u64(slice_of("0"), &v) && v == 0);
    assert_true(json_lexeme_u64(slice_of("18446744073709551615"), &v) && v == UINT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(json_lexeme_u64(slice_of(bad[i]), &v));
}

static void test_tree(void **state)
{
    struct json *t = NULL;
    struct err err = {0};
    double d;
    int64_t n;
    bool b;

    (void)state;
    assert_int_equal(
        parse("{\"i\":42,\"f\":20.0,\"e\":1e3,\"h\":48.5,\"s\":\"a\\u00e9\",\"b\":true,\"z\":null,"
              "\"a\":[1,[2.5]],\"o\":{\"I\":7},\"neg\":-3}",
              &t, &err),
        OK);
    assert_int_equal(json_kind(t), JSON_K_OBJECT);
    assert_int_equal(json_count(t), 10);
    assert_true(json_int(json_get(t, "i"), &n) && n == 42);
    assert_true(json_written_as_int(json_get(t, "i")));
    assert_true(json_int(json_get(t, "f"), &n) && n == 20);
    assert_false(json_written_as_int(json_get(t, "f")));
    assert_true(json_int(json_get(t, "e"), &n) && n == 1000);
    assert_false(json_written_as_int(json_get(t, "e")));
    assert_false(json_int(json_get(t, "h"), &n));
    assert_true(json_num(json_get(t, "h"), &d) && d == 48.5);
    assert_true(json_int(json_get(t, "neg"), &n) && n == -3);
    assert_string_equal(json_str(json_get(t, "s")), "a\xc3\xa9");
    assert_null(json_str(json_get(t, "i")));
    assert_true(json_bool(json_get(t, "b"), &b) && b);
    assert_false(json_bool(json_get(t, "i"), &b));
    assert_int_equal(json_kind(json_get(t, "z")), JSON_K_NULL);
    assert_null(json_get(t, "I")); /* case matters */
    assert_null(json_get(json_get(t, "a"), "i"));
    assert_null(json_get(NULL, "i"));
    assert_null(json_first(NULL));
    assert_false(json_num(NULL, &d));
    assert_string_equal(json_kind_name(json_kind(json_get(t, "a"))), "an array");

    const struct json *c = json_first(t);
    assert_string_equal(json_key(c), "i");
    assert_string_equal(json_key(json_after(c)), "f");
    c = json_first(json_get(t, "a"));
    assert_null(json_key(c));
    assert_true(json_written_as_int(c)); /* numbers keep their place in document order */
    assert_false(json_written_as_int(json_first(json_after(c))));
    assert_null(json_after(json_after(c)));
    json_free(t);
    json_free(NULL);
}

static void test_big_numbers(void **state)
{
    static const char text[] =
        "[9007199254740992,9007199254740993,-9007199254740993,18446744073709551615,1e300,"
        "0.10000000000000000000000000000000000000000000000000000000000000000000000001,"
        "100000000000000000000000000000000000000000000000000000000000000000000000,5]";
    struct json *t = NULL;
    struct err err = {0};
    struct buf out;
    int64_t n = 0;
    double d = 0;

    (void)state;
    assert_int_equal(parse(text, &t, &err), OK);
    const struct json *c = json_first(t);
    assert_true(json_int(c, &n) && n == 9007199254740992);
    for (int i = 0; i < 4; i++) {
        c = json_after(c);
        assert_false(json_int(c, &n));
    }
    assert_false(json_written_as_int(c));
    c = json_after(c); /* longer than what libcjson reads */
    assert_true(json_num(c, &d) && d == 0.1);
    assert_false(json_written_as_int(c));
    c = json_after(c);
    assert_true(json_num(c, &d) && d == 1e71);
    assert_true(json_written_as_int(c));
    c = json_after(c);
    assert_true(json_int(c, &n) && n == 5);

    buf_init(&out, 4096);
    struct json_writer w = {.out = &out};
    json_put_tree(&w, t);
    assert_string_equal(
        out.p, "[\n  9007199254740992,\n  9007199254740993,\n  -9007199254740993,\n"
               "  18446744073709551615,\n  1e+300,\n  0.1,\n"
               "  100000000000000000000000000000000000000000000000000000000000000000000000,\n  5\n]");
    buf_free(&out);
    json_free(t);
}

static void test_nan(void **state)
{
    static const char text[] = "{\"a\":NaN,\"b\":[Infinity,-Infinity,2],\"NaN\":\"NaN\"}";
    struct json *t = NULL;
    struct err err = {0};
    struct buf out;
    int64_t n;
    double d;

    (void)state;
    assert_int_equal(json_parse(text, sizeof text - 1, "x.json", true, &t, &err), OK);
    assert_true(json_num(json_get(t, "a"), &d) && isnan(d));
    assert_false(json_int(json_get(t, "a"), &n));
    assert_false(json_written_as_int(json_get(t, "a")));
    const struct json *c = json_first(json_get(t, "b"));
    assert_true(json_num(c, &d) && d == INFINITY);
    assert_false(json_int(c, &n));
    c = json_after(c);
    assert_true(json_num(c, &d) && d == -INFINITY);
    assert_true(json_int(json_after(c), &n) && n == 2);
    assert_string_equal(json_str(json_get(t, "NaN")), "NaN");

    buf_init(&out, 4096);
    struct json_writer w = {.out = &out};
    json_put_tree(&w, t); /* as it was written */
    assert_string_equal(out.p, "{\n  \"a\": NaN,\n  \"b\": [\n    Infinity,\n    -Infinity,\n    2\n  ],\n"
                               "  \"NaN\": \"NaN\"\n}");
    buf_free(&out);
    json_free(t);
    t = NULL;
    assert_int_equal(json_parse("[Nan]", 5, "x.json", true, &t, &err), E_FORMAT);
    assert_int_equal(json_parse("[-NaN]", 6, "x.json", true, &t, &err), E_FORMAT);
    assert_int_equal(json_parse("[1e400]", 7, "x.json", true, &t, &err), E_FORMAT);
    assert_null(t);
}

static void test_writer_indent(void **state)
{
    struct buf out;
    struct json_writer w = {.out = &out, .indent = 4};

    (void)state;
    buf_init(&out, 4096);
    json_open(&w, '{');
    json_put_key(&w, "a");
    json_open(&w, '[');
    json_put_u64(&w, 1);
    json_close(&w, ']');
    json_close(&w, '}');
    assert_string_equal(out.p, "{\n    \"a\": [\n        1\n    ]\n}");
    buf_free(&out);
}

static void test_writer(void **state)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    (void)state;
    buf_init(&out, 4096);
    json_open(&w, '{');
    json_put_key(&w, "e");
    json_open(&w, '[');
    json_close(&w, ']');
    json_put_key(&w, "q\"\\\x01\x7f\n\t");
    json_open(&w, '[');
    json_put_u64(&w, UINT64_MAX);
    json_put_i64(&w, INT64_MIN);
    json_put_bool(&w, false);
    json_open(&w, '{');
    json_close(&w, '}');
    json_close(&w, ']');
    json_put_key(&w, "s");
    json_put_strn(&w, "a\0b\xff\xc3\xa9\xe2\x82", 8);
    json_put_key(&w, "n");
    json_put_f64(&w, NAN);
    json_close(&w, '}');
    assert_string_equal(out.p,
                        "{\n  \"e\": [],\n  \"q\\\"\\\\\\u0001\x7f\\n\\t\": [\n    18446744073709551615,\n"
                        "    -9223372036854775808,\n    false,\n    {}\n  ],\n"
                        "  \"s\": \"a\\u0000b\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD\xEF\xBF\xBD\",\n"
                        "  \"n\": null\n}");
    buf_free(&out);

    /* Deeper than any reader of ours accepts: the buffer fails, nothing breaks. */
    struct err err = {0};
    struct json_writer deep = {.out = &out};
    for (int i = 0; i < JSON_MAX_DEPTH + 9; i++)
        json_open(&deep, '[');
    json_put_u64(&deep, 1);
    for (int i = 0; i < JSON_MAX_DEPTH + 9; i++)
        json_close(&deep, ']');
    assert_int_equal(buf_check(&out, "x", &err), E_LIMIT);
    buf_free(&out);
}

static void test_put_f64(void **state)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {20, "20.0"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e-4, "0.0001"},
        {1.25e-5, "1.25e-05"},
        {1e-5, "1e-05"},
        {0.000123, "0.000123"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {123456789.25, "123456789.25"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {9007199254740993.0, "9007199254740992.0"},
        {2.5e22, "2.5e+22"},
        {-1e-300, "-1e-300"},
        {10, "10.0"},
        {1e6, "1000000.0"},
        {10000000.5, "10000000.5"},
        {0.012, "0.012"},
        {0.5, "0.5"},
        {100.25, "100.25"},
    };
    uint64_t x = 88172645463325252u;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;

        buf_init(&out, 64);
        struct json_writer w = {.out = &out};
        json_put_f64(&w, cases[i].v);
        assert_string_equal(out.p, cases[i].text);
        buf_free(&out);
    }
    for (int i = 0; i < 20000; i++) { /* any bits read back */
        struct buf out;
        double v;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(&v, &x, sizeof v);
        if (!isfinite(v))
            continue;
        buf_init(&out, 64);
        struct json_writer w = {.out = &out};
        json_put_f64(&w, v);
        assert_true(strtod(out.p, NULL) == v);
        buf_free(&out);
    }
}

static void test_put_tree(void **state)
{
    static const char text[] =
        "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    2.0,\n    [\n      {\n"
        "        \"x\": null\n      }\n    ]\n  ],\n  \"d\": \"\\\\\",\n  \"e\": true\n}";
    struct json *t = NULL;
    struct err err = {0};
    struct buf out;

    (void)state;
    assert_int_equal(parse(text, &t, &err), OK);
    buf_init(&out, 4096);
    struct json_writer w = {.out = &out};
    json_put_tree(&w, t);
    assert_string_equal(out.p, text);
    buf_free(&out);

    /* A subtree: neither its key nor what follows it; indented where it lands. */
    struct json_writer sub = {.out = &out};
    json_open(&sub, '[');
    json_put_tree(&sub, json_get(t, "a"));
    json_put_tree(&sub, json_first(json_get(t, "c")));
    json_close(&sub, ']');
    assert_string_equal(out.p, "[\n  [],\n  1\n]");
    buf_free(&out);
    json_free(t);
}

static void test_load(void **state)
{
    char dir[] = "/tmp/scion-json-XXXXXX", path[64];
    struct json *t = NULL;
    struct err err = {0};
    double d;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/c.json", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"eps\": NaN}", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(json_load(path, 64, &t, &err), OK);
    assert_true(json_num(json_get(t, "eps"), &d) && isnan(d));
    json_free(t);
    t = NULL;
    assert_int_equal(json_load(path, 11, &t, &err), E_LIMIT);
    unlink(path);
    assert_int_equal(json_load(path, 64, &t, &err), E_IO);
    assert_null(t);
    rmdir(dir);
}

/* 200,000 keys in one object, and 200,000 objects of a few keys: no step may be quadratic. */
static void test_linear(void **state)
{
    struct buf b;
    struct err err = {0};
    clock_t start = clock();

    (void)state;
    buf_init(&b, 64 * MIB);
    buf_add_char(&b, '{');
    for (int i = 0; i < 200000; i++)
        buf_printf(&b, "%s\"model.layers.%d.weight\":{\"a\":1,\"b\":{\"c\":[]}}", i ? "," : "", i);
    assert_int_equal(buf_check(&b, "test", &err), OK);
    size_t n = b.n;
    buf_add_char(&b, '}');
    assert_int_equal(scan(b.p, b.n, &err), OK);
    assert_true((clock() - start) / CLOCKS_PER_SEC < 5);

    b.n = n; /* a duplicate of the very first key is still seen */
    buf_add_str(&b, ",\"model.layers.0.weight\":1}");
    assert_int_equal(scan(b.p, b.n, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "key \"model.layers.0.weight\": appears twice"));
    buf_free(&b);

    /* A large object inside, then many small ones at its depth: clearing must not cost its size each time. */
    start = clock();
    buf_add_str(&b, "[{");
    for (int i = 0; i < 200000; i++)
        buf_printf(&b, "%s\"k%d\":0", i ? "," : "", i);
    buf_add_char(&b, '}');
    for (int i = 0; i < 200000; i++)
        buf_add_str(&b, ",{\"a\":0}");
    buf_add_char(&b, ']');
    assert_int_equal(scan(b.p, b.n, &err), OK);
    assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar),     cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_depth),       cmocka_unit_test(test_pull),
        cmocka_unit_test(test_lexeme_u64),  cmocka_unit_test(test_tree),
        cmocka_unit_test(test_big_numbers), cmocka_unit_test(test_nan),
        cmocka_unit_test(test_writer),      cmocka_unit_test(test_writer_indent),
        cmocka_unit_test(test_put_f64),     cmocka_unit_test(test_put_tree),
        cmocka_unit_test(test_load),        cmocka_unit_test(test_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
