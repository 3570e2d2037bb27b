/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/meta.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct meta meta;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    arena_init(&f->arena, 0);
    meta_init(&f->meta, &f->arena);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    meta_free(&f->meta);
    arena_free(&f->arena);
    free(f);
    return 0;
}

static void test_types(void **state)
{
    static const struct {
        const char *name;
        uint32_t nbytes;
    } want[] = {{"u8", 1},   {"i8", 1},  {"u16", 2},   {"i16", 2}, {"u32", 4}, {"i32", 4}, {"f32", 4},
                {"bool", 1}, {"str", 0}, {"array", 0}, {"u64", 8}, {"i64", 8}, {"f64", 8}};

    (void)state;
    assert_int_equal(META_TYPE_COUNT, ARRAY_LEN(want));
    for (int t = 0; t < META_TYPE_COUNT; t++) {
        assert_string_equal(meta_type_name((enum meta_type)t), want[t].name);
        assert_int_equal(meta_type_size((enum meta_type)t), want[t].nbytes);
    }
}

static void test_encoding(void **state)
{
    static const int32_t ints[] = {1, -2};
    static const struct slice strs[] = {{"ab", 2}, {NULL, 0}, {"\xff\0", 2}};
    struct fixture *f = *state;
    struct meta *m = &f->meta;

    assert_int_equal(meta_set_u32(m, "u", 0x01020304, &f->err), OK);
    assert_int_equal(meta_set_f32(m, "f", 1.0f, &f->err), OK);
    assert_int_equal(meta_set_bool(m, "b", true, &f->err), OK);
    assert_int_equal(meta_set_str(m, "s", "hi", &f->err), OK);
    assert_int_equal(meta_set_i32s(m, "i", ints, 2, &f->err), OK);
    assert_int_equal(meta_set_strs(m, "ss", strs, 3, &f->err), OK);
    assert_int_equal(m->n, 6);

    static const struct {
        const char *key, *data;
        enum meta_type type, elem;
        uint64_t count, nbytes;
    } want[] = {
        {"u", "\4\3\2\1", META_U32, 0, 1, 4},
        {"f", "\0\0\x80\x3f", META_F32, 0, 1, 4},
        {"b", "\1", META_BOOL, 0, 1, 1},
        {"s", "\2\0\0\0\0\0\0\0hi", META_STR, 0, 1, 10},
        {"i", "\1\0\0\0\xfe\xff\xff\xff", META_ARRAY, META_I32, 2, 8},
        {"ss", "\2\0\0\0\0\0\0\0ab\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\xff\0", META_ARRAY, META_STR, 3, 28},
    };
    for (size_t k = 0; k < ARRAY_LEN(want); k++) {
        assert_string_equal(m->kv[k].key, want[k].key);
        assert_int_equal(m->kv[k].type, want[k].type);
        assert_int_equal(m->kv[k].elem, want[k].elem);
        assert_int_equal(m->kv[k].count, want[k].count);
        assert_int_equal(m->kv[k].nbytes, want[k].nbytes);
        assert_memory_equal(m->kv[k].data, want[k].data, want[k].nbytes);
    }
}

static void test_replacing_keeps_the_place(void **state)
{
    struct fixture *f = *state;
    struct meta *m = &f->meta;
    char key[] = "a";
    uint64_t v;

    assert_int_equal(meta_set_u32(m, key, 1, &f->err), OK);
    assert_int_equal(meta_set_u32(m, "b", 2, &f->err), OK);
    key[0] = 'z'; // keys are copied
    assert_int_equal(meta_set_str(m, "a", "three", &f->err), OK);
    assert_int_equal(m->n, 2);
    assert_string_equal(m->kv[0].key, "a");
    assert_int_equal(m->kv[0].type, META_STR);
    assert_true(meta_u64(meta_find(m, "b"), &v));
    assert_int_equal(v, 2);
    assert_null(meta_find(m, "z"));
    assert_null(meta_find(m, ""));
}

static void test_removing(void **state)
{
    struct fixture *f = *state;
    struct meta *m = &f->meta;
    uint64_t v;

    assert_false(meta_remove(m, "none"));
    for (unsigned i = 0; i < 300; i++) {
        char key[16];

        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(meta_set_u32(m, key, i, &f->err), OK);
    }
    assert_true(meta_remove(m, "k0"));
    assert_true(meta_remove(m, "k299"));
    assert_true(meta_remove(m, "k150"));
    assert_false(meta_remove(m, "k150"));
    assert_int_equal(m->n, 297);
    assert_null(meta_find(m, "k150"));
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < m->n; i++) {
            assert_ptr_equal(meta_find(m, m->kv[i].key), &m->kv[i]);
            assert_true(i == 0 || strcmp(m->kv[i].key, m->kv[i - 1].key) != 0);
        }
        /* A key that was taken out comes back at the end; the index works again afterwards. */
        assert_int_equal(meta_set_u32(m, round ? "k0" : "k150", 7, &f->err), OK);
        assert_string_equal(m->kv[m->n - 1].key, round ? "k0" : "k150");
    }
    assert_true(meta_u64(meta_find(m, "k151"), &v));
    assert_int_equal(v, 151);
    assert_int_equal(m->n, 299);
}

static struct meta_kv fixed(enum meta_type type, const void *data)
{
    return (struct meta_kv){"k", type, 0, 1, data, meta_type_size(type)};
}

static void test_numbers(void **state)
{
    struct meta_kv kv;
    uint64_t v = 5;
    double d = 5;

    (void)state;
    for (int t = 0; t < META_TYPE_COUNT; t++) {
        bool is_integer =
            t != META_F32 && t != META_F64 && t != META_BOOL && t != META_STR && t != META_ARRAY;
        bool is_signed = t == META_I8 || t == META_I16 || t == META_I32 || t == META_I64;

        kv = fixed((enum meta_type)t, "\x21\0\0\0\0\0\0\0");
        assert_int_equal(meta_u64(&kv, &v), is_integer);
        assert_int_equal(v, is_integer ? 0x21 : 5);
        kv = fixed((enum meta_type)t, "\xff\xff\xff\xff\xff\xff\xff\xff");
        assert_int_equal(meta_u64(&kv, &v), is_integer && !is_signed);
        v = 5;
    }
    assert_false(meta_u64(NULL, &v));
    kv = fixed(META_U64, "\1\2\3\4\5\6\7\x88");
    assert_true(meta_u64(&kv, &v));
    assert_true(v == 0x8807060504030201u);

    kv = fixed(META_F32, "\0\0\xc0\xbf");
    assert_true(meta_f64(&kv, &d));
    assert_true(d == -1.5);
    kv = fixed(META_F64, "\0\0\0\0\0\0\x04\x40");
    assert_true(meta_f64(&kv, &d));
    assert_true(d == 2.5);
    kv = fixed(META_U32, "\0\0\0\0");
    assert_false(meta_f64(&kv, &d));
    assert_false(meta_f64(NULL, &d));
}

static void test_strings(void **state)
{
    static const struct slice strs[] = {{"one", 3}, {"", 0}, {"t\0wo", 4}};
    struct fixture *f = *state;
    struct meta *m = &f->meta;
    struct slice s;
    uint64_t pos = 0;

    assert_int_equal(meta_set_strs(m, "a", strs, 3, &f->err), OK);
    assert_int_equal(meta_set_str(m, "s", "", &f->err), OK);
    const struct meta_kv *kv = meta_find(m, "a");
    for (size_t i = 0; i < 3; i++) {
        assert_true(meta_next_str(kv, &pos, &s));
        assert_int_equal(s.n, strs[i].n);
        assert_memory_equal(s.p, strs[i].p, s.n);
    }
    assert_false(meta_next_str(kv, &pos, &s));
    assert_false(meta_str(kv, &s));
    assert_true(meta_str(meta_find(m, "s"), &s));
    assert_int_equal(s.n, 0);
    pos = 0;
    assert_false(meta_next_str(meta_find(m, "s"), &pos, &s));
    assert_false(meta_next_str(NULL, &pos, &s));
    assert_false(meta_str(NULL, &s));
}

/* Views stay inside the bytes they were given, whatever the lengths in them say. */
static void test_damaged_strings(void **state)
{
    static const unsigned char longer[] = {3, 0, 0, 0, 0, 0, 0, 0, 'a', 'b'};
    static const unsigned char wraps[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'a', 'b'};
    const struct meta_kv kvs[] = {
        {"k", META_ARRAY, META_STR, 1, longer, sizeof longer},
        {"k", META_ARRAY, META_STR, 1, wraps, sizeof wraps},
        {"k", META_ARRAY, META_STR, 1, longer, 7},
        {"k", META_STR, 0, 1, longer, sizeof longer},
    };
    struct slice s;
    uint64_t pos;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(kvs); i++) {
        pos = 0;
        assert_false(meta_next_str(&kvs[i], &pos, &s));
        assert_false(meta_str(&kvs[i], &s));
    }
    pos = UINT64_MAX;
    assert_false(meta_next_str(&kvs[0], &pos, &s));
}

static void test_empty_values_are_dropped(void **state)
{
    struct fixture *f = *state;
    static const int32_t one[] = {1};

    assert_int_equal(meta_set_str(&f->meta, "a", "", &f->err), OK);
    assert_int_equal(meta_set_u32(&f->meta, "b", 0, &f->err), OK);
    assert_int_equal(meta_set_i32s(&f->meta, "c", NULL, 0, &f->err), OK);
    assert_int_equal(meta_set_i32s(&f->meta, "d", one, 1, &f->err), OK);
    meta_drop_empty(&f->meta);
    assert_int_equal(f->meta.n, 2);
    assert_null(meta_find(&f->meta, "a"));
    assert_null(meta_find(&f->meta, "c"));
    assert_string_equal(f->meta.kv[0].key, "b");
    assert_non_null(meta_find(&f->meta, "d"));
    assert_int_equal(meta_set_u32(&f->meta, "a", 1, &f->err), OK);
    assert_ptr_equal(meta_find(&f->meta, "a"), &f->meta.kv[2]);
}

static void test_empty_values_are_kept(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(meta_set_strs(&f->meta, "a", NULL, 0, &f->err), OK);
    assert_int_equal(meta_set_i32s(&f->meta, "i", NULL, 0, &f->err), OK);
    assert_int_equal(meta_find(&f->meta, "a")->count, 0);
    assert_int_equal(meta_find(&f->meta, "i")->nbytes, 0);
}

static void test_limit_of_the_arena(void **state)
{
    struct fixture *f = *state;
    const struct slice big = {(const char *)f, 64};
    static const int32_t ints[16] = {0};

    f->arena.limit = f->arena.used + 32;
    assert_int_equal(meta_set_strs(&f->meta, "k", &big, 1, &f->err), E_NOMEM);
    assert_int_equal(meta_set_i32s(&f->meta, "k", ints, 16, &f->err), E_NOMEM);
    assert_int_equal(meta_set_str(&f->meta, "k", "0123456789012345678901234567890123456789", &f->err),
                     E_NOMEM);
    assert_int_equal(meta_set_u32(&f->meta, "k", 1, &f->err), E_NOMEM);
    assert_int_equal(f->meta.n, 0);
    assert_null(meta_find(&f->meta, "k"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),           TEST(test_encoding),
        TEST(test_replacing_keeps_the_place),   TEST(test_removing),
        cmocka_unit_test(test_numbers),         TEST(test_strings),
        cmocka_unit_test(test_damaged_strings), TEST(test_empty_values_are_kept),
        TEST(test_empty_values_are_dropped),    TEST(test_limit_of_the_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
