/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/meta_text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void check(const char *key, const char *text, const struct meta_kv *old, const char *type,
                  const void *bytes, size_t n)
{
    struct meta_kv kv;
    struct err err = {0};
    char is[META_TEXT_TYPE_MAX];

    if (meta_text_read(&arena, key, text, old, &kv, &err) != OK)
        fail_msg("%s=%s: %s", key, text, err.text);
    assert_string_equal(meta_text_type(&kv, is), type);
    assert_int_equal(kv.nbytes, n);
    assert_memory_equal(kv.data, bytes, n);
}

static void refused(const char *key, const char *text, const struct meta_kv *old, const char *part)
{
    struct meta_kv kv;
    struct err err = {0};

    assert_int_equal(meta_text_read(&arena, key, text, old, &kv, &err), E_USAGE);
    if (!strstr(err.text, part))
        fail_msg("no \"%s\" in: %s", part, err.text);
}

static void test_said_types(void **state)
{
    static const float half = 0.5f;
    static const double tenth = 0.1;

    (void)state;
    check("k", "u8:255", NULL, "u8", "\xff", 1);
    check("k", "i8:-128", NULL, "i8", "\x80", 1);
    check("k", "u16:258", NULL, "u16", "\x02\x01", 2);
    check("k", "i16:-2", NULL, "i16", "\xfe\xff", 2);
    check("k", "u32:4294967295", NULL, "u32", "\xff\xff\xff\xff", 4);
    check("k", "i32:-2147483648", NULL, "i32", "\0\0\0\x80", 4);
    check("k", "u64:18446744073709551615", NULL, "u64", "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    check("k", "i64:-9223372036854775808", NULL, "i64", "\0\0\0\0\0\0\0\x80", 8);
    check("k", "f32:.5", NULL, "f32", &half, 4);
    check("k", "f64:1e-1", NULL, "f64", &tenth, 8);
    check("k", "bool:true", NULL, "bool", "\1", 1);
    check("k", "str:u32:5", NULL, "str", "\5\0\0\0\0\0\0\0u32:5", 13);
    check("k", "str:", NULL, "str", "\0\0\0\0\0\0\0\0", 8);
    check("k", "u16[]:[1, 2]", NULL, "u16[]", "\1\0\2\0", 4);
    check("k", "str[]:[]", NULL, "str[]", "", 0);
    check("k", "f32[]:[0.5]", NULL, "f32[]", &half, 4);
}

static void test_guessed_types(void **state)
{
    static const float half = 0.5f, million = 1e6f, list[] = {1, 0.5f};

    (void)state;
    check("k", "5", NULL, "u32", "\5\0\0\0", 4);
    check("k", "-5", NULL, "i32", "\xfb\xff\xff\xff", 4);
    check("k", "4294967296", NULL, "u64", "\0\0\0\0\1\0\0\0", 8);
    check("k", "-2147483649", NULL, "i64", "\xff\xff\xff\x7f\xff\xff\xff\xff", 8);
    check("k", "0.5", NULL, "f32", &half, 4);
    check("k", "1e6", NULL, "f32", &million, 4);
    check("k", "false", NULL, "bool", "\0", 1);
    check("k", "7B", NULL, "str", "\2\0\0\0\0\0\0\0007B", 10);
    check("k", "https://x", NULL, "str", "\11\0\0\0\0\0\0\0https://x", 17);
    check("k", "nan", NULL, "str", "\3\0\0\0\0\0\0\0nan", 11);
    check("k", "0x10", NULL, "str", "\4\0\0\0\0\0\0\0000x10", 12);
    check("k", "array:1", NULL, "str", "\7\0\0\0\0\0\0\0array:1", 15);
    check("k", "[1, -1]", NULL, "i32[]", "\1\0\0\0\xff\xff\xff\xff", 8);
    check("k", "[1, 4294967296]", NULL, "i64[]", "\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0", 16);
    check("k", "[1, 0.5]", NULL, "f32[]", list, 8);
    check("k", "[true]", NULL, "bool[]", "\1", 1);
    check("k", "[\"a\\n\"]", NULL, "str[]", "\2\0\0\0\0\0\0\0a\n", 10);
}

/* Names that say more than their values. */
static void test_expected_types(void **state)
{
    static const float freq = 10000;

    (void)state;
    check("general.version", "1", NULL, "str", "\1\0\0\0\0\0\0\0001", 9);
    check("general.whatever", "1", NULL, "str", "\1\0\0\0\0\0\0\0001", 9);
    check("qwen35.rope.freq_base", "10000", NULL, "f32", &freq, 4);
    check("tokenizer.ggml.eos_token_id", "5", NULL, "u32", "\5\0\0\0", 4);
    check("tokenizer.chat_template", "[1]", NULL, "str", "\3\0\0\0\0\0\0\0[1]", 11);
    check("general.tags", "[\"a\"]", NULL, "str[]", "\1\0\0\0\0\0\0\0a", 9);
    check("general.whatever", "u32:1", NULL, "u32", "\1\0\0\0", 4);
    refused("general.name", "u32:1", NULL, "loaders expect the type str");
    refused("general.tags", "a", NULL, "a JSON list");
    refused("tokenizer.ggml.add_bos_token", "1", NULL, "true or false");
}

static void test_old_types(void **state)
{
    const struct meta_kv u16 = {.key = "k", .type = META_U16}, str = {.key = "k", .type = META_STR},
                         list = {.key = "k", .type = META_ARRAY, .elem = META_U8},
                         lists = {.key = "k", .type = META_ARRAY, .elem = META_ARRAY};

    (void)state;
    check("k", "5", &u16, "u16", "\5\0", 2);
    check("k", "5", &str, "str", "\1\0\0\0\0\0\0\0005", 9);
    check("k", "[5]", &list, "u8[]", "\5", 1);
    check("k", "[]", &list, "u8[]", "", 0);
    check("k", "i8:5", &u16, "i8", "\5", 1);
    check("general.name", "u16:5", &u16, "u16", "\5\0", 2);
    check("general.name", "str:5", &u16, "str", "\1\0\0\0\0\0\0\0005", 9);
    refused("k", "65536", &u16, "a whole number that a u16 can hold");
    refused("k", "five", &u16, "a whole number");
    refused("k", "5", &list, "a JSON list");
    refused("k", "[256]", &list, "a u8 can hold");
    refused("k", "[]", &lists, "list of lists");
}

static void test_refused(void **state)
{
    static const char *const whole[] = {
        "u32:",   "u32:-1",         "u32:1.0", "u32:4294967296",           "u32: 1",
        "u32:+1", "i32:2147483648", "i8:-129", "u64:18446744073709551616", "i64:9223372036854775808",
        "i64:-",  "u8:1x"};
    static const char *const decimal[] = {"f32:",     "f32:inf",   "f64:nan", "f32:0x1p3",
                                          "f32:1e39", "f64:1e400", "f32:1,5", "f32:1.2.3"};
    static const char *const lists[] = {"[1",           "[1,]",    "[[1]]",
                                        "[{}]",         "[null]",  "[1, \"a\"]",
                                        "[1, true]",    "[1] x",   "[\"a\", 1, \"b\"]",
                                        "[true, 1, 2]", "u32[]:5", "u32[]:{}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        refused("k", whole[i], NULL, "a whole number that a");
    for (size_t i = 0; i < ARRAY_LEN(decimal); i++)
        refused("k", decimal[i], NULL, "a decimal number");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        refused("k", lists[i], NULL, "a JSON list");
    refused("k", "[]", NULL, "when it is empty");
    refused("k", "str[]:[1]", NULL, "in quotes");
    refused("k", "u32[]:[\"1\"]", NULL, "a list without strings");
    refused("k", "bool:1", NULL, "true or false");
    refused("k", "bool:True", NULL, "true or false");
    refused("k", "str:\xff", NULL, "UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_said_types),     cmocka_unit_test(test_guessed_types),
        cmocka_unit_test(test_expected_types), cmocka_unit_test(test_old_types),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
