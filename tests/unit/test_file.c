/* SPDX-License-Identifier: Apache-2.0 */
#include "core/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/scion-file-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/x", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(dir);
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    rmdir(path);
    return 0;
}

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct file *open_ok(void)
{
    struct file *f = NULL;
    struct err err = {0};
    enum status s = file_open(&f, path, &err);

    assert_string_equal(err.text, "");
    assert_int_equal(s, OK);
    return f;
}

/* Opening fails with E_IO and this text after the path. */
static void assert_refused(const char *text)
{
    struct file *f = NULL;
    struct err err = {0};

    assert_int_equal(file_open(&f, path, &err), E_IO);
    assert_int_equal(err.status, E_IO);
    assert_null(f);
    assert_true(str_starts(err.text, path));
    assert_string_equal(err.text + strlen(path), text);
}

static void test_read_at(void **state)
{
    char got[8] = "";
    struct err err = {0};

    (void)state;
    write_file("0123456789");
    struct file *f = open_ok();
    assert_string_equal(file_path(f), path);
    assert_int_equal(file_size(f), 10);
    assert_int_equal(file_read_at(f, got, 4, 3, &err), OK);
    assert_memory_equal(got, "3456", 4);
    assert_int_equal(file_read_at(f, got, 1, 9, &err), OK);
    assert_memory_equal(got, "9456", 4);
    assert_int_equal(file_read_at(f, got, 0, 10, &err), OK);
    assert_int_equal(file_read_at(f, got, 0, 1000, &err), OK);
    file_close(f);
}

/* The file may have been cut after it was opened. */
static void test_short(void **state)
{
    char got[8];
    struct err err = {0};

    (void)state;
    write_file("0123456789");
    struct file *f = open_ok();
    assert_int_equal(file_read_at(f, got, 4, 7, &err), E_FORMAT);
    assert_string_equal(err.text + strlen(path),
                        ":10: the file ends 1 bytes early (cut off, or still being written)");
    assert_int_equal(file_read_at(f, got, 4, 20, &err), E_FORMAT);
    assert_string_equal(err.text + strlen(path),
                        ":20: the file ends 4 bytes early (cut off, or still being written)");
    assert_int_equal(truncate(path, 2), 0);
    assert_int_equal(file_read_at(f, got, 4, 0, &err), E_FORMAT);
    assert_string_equal(err.text + strlen(path),
                        ":2: the file ends 2 bytes early (cut off, or still being written)");
    assert_int_equal(file_size(f), 10);
    file_close(f);
}

static void test_read_fails(void **state)
{
    char got[8];
    struct err err = {0};

    (void)state;
    write_file("0123456789");
    struct file *f = open_ok();
    assert_int_equal(file_read_at(f, got, 4, (uint64_t)1 << 63, &err), E_IO);
    assert_string_equal(err.text + strlen(path),
                        ": read of 4 bytes at 9223372036854775808: Invalid argument");
    file_close(f);
    file_close(NULL);
}

static void test_kinds(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    assert_refused(": No such file or directory");
    assert_int_equal(mkdir(path, 0777), 0);
    assert_refused(": is a directory, not a file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0666), 0);
    assert_refused(": is a FIFO, not a file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/dev/null", path), 0);
    assert_refused(": is a character device, not a file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("nowhere", path), 0);
    assert_refused(": No such file or directory");
    assert_int_equal(unlink(path), 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_refused(": No such device or address");
    close(fd);
}

static void test_identity(void **state)
{
    struct stat st;
    struct timespec later[2] = {{1000, 5}, {1000, 7}};

    (void)state;
    write_file("abc");
    struct file *f = open_ok();
    struct file_id a = file_identity(f);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(a.size, 3);
    assert_int_equal(a.inode, st.st_ino);
    assert_int_equal(a.dev, st.st_dev);
    file_close(f);
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
    f = open_ok();
    struct file_id b = file_identity(f);
    assert_int_equal(b.mtime_ns, 1000000000007);
    assert_true(a.mtime_ns != b.mtime_ns);
    file_close(f);
}

static void test_load(void **state)
{
    struct buf b;
    struct err err = {0};

    (void)state;
    write_file("hello");
    buf_init(&b, 12);
    buf_add_str(&b, "> ");
    assert_int_equal(file_load(path, &b, &err), OK);
    assert_string_equal(b.p, "> hello");
    assert_int_equal(file_load(path, &b, &err), OK);
    assert_string_equal(b.p, "> hellohello");
    assert_int_equal(file_load(path, &b, &err), E_LIMIT);
    assert_string_equal(err.text + strlen(path), ": 5 bytes, more than the limit of 12");
    assert_string_equal(b.p, "> hellohello");
    buf_free(&b);
    write_file("");
    assert_int_equal(file_load(path, &b, &err), OK);
    assert_int_equal(b.n, 0);
    buf_free(&b);
    unlink(path);
    assert_int_equal(file_load(path, &b, &err), E_IO);
}

/* A file that claims more than there is memory for takes none of it. */
static void test_load_huge(void **state)
{
    struct buf b;
    struct err err = {0};

    (void)state;
    write_file("");
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    buf_init(&b, MIB);
    assert_int_equal(file_load(path, &b, &err), E_LIMIT);
    assert_null(b.p);
    buf_free(&b);
}

static void test_exists(void **state)
{
    (void)state;
    assert_false(path_exists(path));
    assert_false(path_is_dir(path));
    assert_true(path_is_dir(dir));
    assert_true(path_exists(dir));
    assert_int_equal(symlink("nowhere", path), 0);
    assert_true(path_exists(path));
    assert_false(path_is_dir(path));
    unlink(path);
    assert_int_equal(symlink(".", path), 0);
    assert_true(path_is_dir(path));
    assert_true(path_same(path, dir));
    unlink(path);
    assert_false(path_same(path, path));
    write_file("x");
    assert_true(path_same(path, path));
    assert_false(path_same(path, dir));
    assert_false(path_is_dir(path));
}

/* Links to one file are other names; ways to one name are not. */
static void test_same_entry(void **state)
{
    char other[sizeof path + 16], way[sizeof path + 16];

    (void)state;
    snprintf(other, sizeof other, "%s.link", path);
    snprintf(way, sizeof way, "%s/.%s", dir, path + strlen(dir));
    write_file("x");
    assert_int_equal(link(path, other), 0);
    assert_true(path_same(path, other));
    assert_false(path_same_entry(path, other));
    assert_true(path_same_entry(path, way));
    unlink(other);
}

static void test_base_and_parent(void **state)
{
    static const struct {
        const char *path, *base, *parent;
    } cases[] = {
        {"a", "a", "."},    {"a/b", "b", "a"},   {"a/b/", "b", "a"},  {"a/b///", "b", "a"},
        {"a//b", "b", "a"}, {"/a", "a", "/"},    {"//a", "a", "/"},   {"/a/b.c", "b.c", "/a"},
        {"./a", "a", "."},  {"../a", "a", ".."}, {"a/..", "..", "a"}, {".", ".", "."},
        {"..", "..", "."},  {"a/", "a", "."},    {"", "", "."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct slice base = path_base(cases[i].path), parent = path_parent(cases[i].path);

        if (!slice_eq(base, cases[i].base) || !slice_eq(parent, cases[i].parent))
            fail_msg("\"%s\": base \"%.*s\", parent \"%.*s\"", cases[i].path, (int)base.n, base.p,
                     (int)parent.n, parent.p);
    }
}

/* The root has a name that opens it. */
static void test_root(void **state)
{
    (void)state;
    assert_true(slice_eq(path_parent("/"), "/"));
    assert_true(slice_eq(path_parent("///"), "/"));
    assert_true(slice_eq(path_base("/"), "") || slice_eq(path_base("/"), "/"));
}

static void test_free_space(void **state)
{
    uint64_t n = 0;
    struct err err = {0};

    (void)state;
    assert_int_equal(path_free_space(path, &n, &err), OK);
    assert_true(n > 0);
    assert_int_equal(path_free_space("/nowhere-at-all/x", &n, &err), E_IO);
    assert_string_equal(err.text, "/nowhere-at-all: No such file or directory");
    n = 0;
    assert_int_equal(path_free_space("x", &n, &err), OK);
    assert_true(n > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_read_at, remove_path),
        cmocka_unit_test_teardown(test_short, remove_path),
        cmocka_unit_test_teardown(test_read_fails, remove_path),
        cmocka_unit_test_teardown(test_kinds, remove_path),
        cmocka_unit_test_teardown(test_identity, remove_path),
        cmocka_unit_test_teardown(test_load, remove_path),
        cmocka_unit_test_teardown(test_load_huge, remove_path),
        cmocka_unit_test_teardown(test_exists, remove_path),
        cmocka_unit_test_teardown(test_same_entry, remove_path),
        cmocka_unit_test(test_base_and_parent),
        cmocka_unit_test(test_root),
        cmocka_unit_test(test_free_space),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
