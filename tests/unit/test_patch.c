/* SPDX-License-Identifier: Apache-2.0 */
#include "core/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/scion-patch-XXXXXX";
static char path[64], other[64];
static struct file *file;

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/x", dir);
    snprintf(other, sizeof other, "%s/y", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(dir);
}

static void put_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int open_one(void **state)
{
    struct err err = {0};

    (void)state;
    put_file("0123456789");
    return file_open(&file, path, &err) == OK ? 0 : -1;
}

static int remove_all(void **state)
{
    (void)state;
    file_close(file);
    unlink(path);
    unlink(other);
    return 0;
}

static void expect_text(const char *want)
{
    char text[32] = {0};
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    assert_int_equal(fread(text, 1, sizeof text - 1, f), strlen(want));
    assert_string_equal(text, want);
    fclose(f);
}

static void expect_refusal(const char *want)
{
    struct err err = {0};

    assert_int_equal(patch_apply(file, 2, "ab", 2, &err), E_USAGE);
    assert_non_null(strstr(err.text, "has changed since"));
    expect_text(want);
}

static void test_bytes(void **state)
{
    struct err err = {0};
    struct stat st;

    (void)state;
    assert_true(patch_is_safe(path));
    assert_int_equal(patch_apply(file, 2, "ab", 2, &err), OK);
    expect_text("01ab456789");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_ino, file_identity(file).inode);
}

static void test_nothing_to_write(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(link(path, other), 0);
    assert_int_equal(patch_apply(file, 2, NULL, 0, &err), OK);
    expect_text("0123456789");
}

static void test_second_name(void **state)
{
    (void)state;
    assert_int_equal(link(path, other), 0);
    assert_false(patch_is_safe(path));
    expect_refusal("0123456789");
}

static void test_link(void **state)
{
    (void)state;
    assert_int_equal(symlink(path, other), 0);
    assert_false(patch_is_safe(other));
    assert_true(patch_is_safe(path));
    assert_false(patch_is_safe(dir));
}

static void test_changed_file(void **state)
{
    (void)state;
    put_file("012345678"); // shorter, in the same inode
    expect_refusal("012345678");
}

static void test_other_file(void **state)
{
    (void)state;
    assert_int_equal(rename(path, other), 0);
    put_file("0123456789");
    expect_refusal("0123456789");
}

static void test_missing_file(void **state)
{
    struct err err = {0};

    (void)state;
    unlink(path);
    assert_int_equal(patch_apply(file, 2, "ab", 2, &err), E_IO);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, open_one, remove_all)
    const struct CMUnitTest tests[] = {
        TEST(test_bytes),        TEST(test_nothing_to_write), TEST(test_second_name),  TEST(test_link),
        TEST(test_changed_file), TEST(test_other_file),       TEST(test_missing_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
