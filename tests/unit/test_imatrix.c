/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/imatrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/scion-imatrix-XXXXXX", path[64];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/i.dat", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put_i32(struct buf *b, int32_t v)
{
    buf_add_u32(b, (uint32_t)v);
}

/* The older file: two entries of two columns, gathered in 4 and in 0 calls, and a trailer. */
static size_t make(struct buf *b, float value)
{
    static const char *const names[] = {"blk.0.ffn_up.weight", "output.weight"};
    float values[2] = {value, 3.0f};

    b->n = 0;
    put_i32(b, 2);
    for (int i = 0; i < 2; i++) {
        put_i32(b, (int32_t)strlen(names[i]));
        buf_add_str(b, names[i]);
        put_i32(b, i == 0 ? 4 : 0);
        put_i32(b, 2);
        buf_add(b, values, sizeof values);
    }
    size_t entries = b->n;
    put_i32(b, 7);
    put_i32(b, 4);
    buf_add_str(b, "text");
    return entries;
}

static enum status load(struct imatrix *im, const struct buf *b, size_t n, struct err *err)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(b->p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    return imatrix_load(im, path, err);
}

static void test_older_file(void **state)
{
    struct imatrix im;
    struct err err = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    make(&b, 2.0f);
    assert_int_equal(load(&im, &b, b.n, &err), OK);
    assert_int_equal(im.n, 2);
    assert_int_equal(im.chunk_count, 7);
    assert_string_equal(im.dataset, "text");
    const struct imatrix_entry *e = imatrix_find(&im, "blk.0.ffn_up.weight");
    assert_non_null(e);
    assert_true(e->n == 2 && e->values[0] == 0.5f && e->values[1] == 0.75f);
    e = imatrix_find(&im, "output.weight"); // no calls: as stored
    assert_non_null(e);
    assert_true(e->values[0] == 2.0f && e->values[1] == 3.0f);
    assert_null(imatrix_find(&im, "blk.1.ffn_up.weight"));
    imatrix_free(&im);
    buf_free(&b);
}

/* Only the whole file, and the file without its trailer, are accepted. */
static void test_prefixes(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    size_t entries = make(&b, 2.0f);
    for (size_t n = 0; n < b.n; n++) {
        struct imatrix im;
        struct err err = {0};
        enum status s = load(&im, &b, n, &err);

        if (n == entries ? s != OK : s != E_FORMAT)
            fail_msg("%zu of %zu bytes: status %d: %s", n, b.n, (int)s, err.text);
        imatrix_free(&im);
    }
    buf_free(&b);
}

static void test_values(void **state)
{
    static const float bad[] = {-1.0f, __builtin_nanf(""), __builtin_inff()};
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct imatrix im;
        struct err err = {0};

        make(&b, bad[i]);
        assert_int_equal(load(&im, &b, b.n, &err), E_FORMAT);
        assert_non_null(strstr(err.text, "blk.0.ffn_up.weight: value 0="));
        imatrix_free(&im);
    }
    buf_free(&b);
}

/* The same calibration in both files gives the same weights. */
static void test_both_files(void **state)
{
    struct imatrix old, new;
    struct err err = {0};

    (void)state;
    if (access("../shared/expected/tiny-qwen35-imatrix.dat", R_OK) != 0)
        skip();
    assert_int_equal(imatrix_load(&old, "../shared/expected/tiny-qwen35-imatrix.dat", &err), OK);
    assert_int_equal(imatrix_load(&new, "../shared/expected/tiny-qwen35-imatrix.gguf", &err), OK);
    assert_int_equal(old.n, new.n);
    for (size_t i = 0; i < old.n; i++) {
        const struct imatrix_entry *e = imatrix_find(&new, old.entries[i].name);

        assert_non_null(e);
        assert_int_equal(e->n, old.entries[i].n);
        for (uint64_t k = 0; k < e->n; k++)
            if (e->values[k] > 1.001f * old.entries[i].values[k] ||
                e->values[k] < 0.999f * old.entries[i].values[k])
                fail_msg("%s[%d]", e->name, (int)k);
    }
    imatrix_free(&old);
    imatrix_free(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_older_file),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_both_files),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
