/* SPDX-License-Identifier: Apache-2.0 */
#include "core/file.h"
#include "core/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/scion-journal-XXXXXX";
static char path[64], other[64];

static const struct digest plan_a = {0x0123456789abcdef, 0xfedcba9876543210}, plan_b = {1, 2};

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/x.journal", dir);
    snprintf(other, sizeof other, "%s/other", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(dir);
}

static int remove_log(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return 0;
}

static struct journal_range range_of(uint64_t i)
{
    return (struct journal_range){(uint32_t)(i % 3), i << 20, i + 1, {i * 0x9e3779b97f4a7c15u, ~i}};
}

static struct journal *open_ok(struct digest plan, bool resume, size_t want_kept)
{
    struct journal *j = NULL;
    struct err err = {0};
    size_t nkept = SIZE_MAX, n;
    enum status s = journal_open(&j, path, plan, resume, &nkept, &err);

    assert_string_equal(err.text, "");
    assert_int_equal(s, OK);
    assert_int_equal(nkept, want_kept);
    const struct journal_range *r = journal_ranges(j, &n);
    assert_int_equal(n, want_kept);
    assert_int_equal(journal_count(j), want_kept);
    for (size_t i = 0; i < n; i++) {
        struct journal_range want = range_of(i);

        assert_true(r[i].out == want.out && r[i].off == want.off && r[i].nbytes == want.nbytes);
        assert_true(digest_eq(r[i].digest, want.digest));
    }
    return j;
}

static void add(struct journal *j, size_t first, size_t n)
{
    struct err err = {0};

    for (size_t i = first; i < first + n; i++) {
        struct journal_range r = range_of(i);

        assert_int_equal(journal_add(j, &r, &err), OK);
    }
    assert_string_equal(err.text, "");
}

/* A log of plan_a with n ranges. */
static void make_log(size_t n)
{
    struct journal *j = open_ok(plan_a, false, 0);

    add(j, 0, n);
    assert_int_equal(journal_count(j), n);
    journal_close(j, true);
}

static void load_log(struct buf *b)
{
    struct err err = {0};

    buf_init(b, 16 * MIB);
    assert_int_equal(file_load(path, b, &err), OK);
}

static void store_log(const void *p, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void test_text(void **state)
{
    struct buf b;
    struct err err = {0};
    struct journal_range r = {4000000000u, UINT64_MAX, 17, {0xab, 0xcd}};

    (void)state;
    struct journal *j = open_ok(plan_a, false, 0);
    assert_int_equal(journal_add(j, &r, &err), OK);
    load_log(&b);
    assert_string_equal(b.p, "scion journal 1 0123456789abcdeffedcba9876543210\n"
                             "4000000000 18446744073709551615 17 00000000000000ab00000000000000cd\n");
    buf_free(&b);
    journal_close(j, false);
    assert_false(path_exists(path));
}

static void test_reopen_and_append(void **state)
{
    (void)state;
    make_log(700);
    struct journal *j = open_ok(plan_a, true, 700);
    add(j, 700, 5);
    assert_int_equal(journal_count(j), 705);
    journal_close(j, true);
    journal_close(open_ok(plan_a, true, 705), true);
    journal_close(open_ok(plan_a, true, 705), true);
}

/* Without resume, or for another plan, the log starts empty. */
static void test_start_afresh(void **state)
{
    (void)state;
    make_log(3);
    journal_close(open_ok(plan_a, false, 0), true);
    journal_close(open_ok(plan_a, true, 0), true);
    make_log(3);
    struct journal *j = open_ok(plan_b, true, 0);
    add(j, 0, 1);
    journal_close(j, true);
    journal_close(open_ok(plan_b, true, 1), true);
    journal_close(open_ok(plan_a, true, 0), true);
}

static void test_no_log(void **state)
{
    (void)state;
    journal_close(open_ok(plan_a, true, 0), false);
    assert_false(path_exists(path));
}

/* Cut anywhere, the log gives its complete lines, and what is added then is a line of its own. */
static void test_torn(void **state)
{
    struct buf b;
    size_t lines = 0;

    (void)state;
    make_log(4);
    load_log(&b);
    size_t head = (size_t)((char *)memchr(b.p, '\n', b.n) + 1 - b.p);
    for (size_t n = 0; n <= b.n; n++) {
        if (n > head && b.p[n - 1] == '\n')
            lines++;
        store_log(b.p, n);
        struct journal *j = open_ok(plan_a, true, lines);
        add(j, lines, 1);
        journal_close(j, true);
        journal_close(open_ok(plan_a, true, lines + 1), true);
    }
    assert_int_equal(lines, 4);
    buf_free(&b);
}

/* What is no record ends the log; a crash may leave zeros, an editor anything. */
static void test_damaged(void **state)
{
    static const char *const bad[] = {
        "\n",
        "1 2 3\n",
        "1 2 3 0123456789abcdef0123456789abcde\n",
        "1 2 3 0123456789abcdef0123456789abcdef0\n",
        "1 2 3 0123456789ABCDEF0123456789ABCDEF\n",
        "1 2 3 0123456789abcdef0123456789abcdef \n",
        "x 2 3 0123456789abcdef0123456789abcdef\n",
        "1 2 3 0123456789abcdef0123456789abcdef 4\n",
        ("1 2 3                                                                                              "
         " "
         "                             0123456789abcdef0123456789abcdef\n"),
    };
    struct buf b, whole;

    (void)state;
    make_log(2);
    load_log(&whole);
    for (size_t i = 0; i < ARRAY_LEN(bad) + 1; i++) {
        buf_init(&b, MIB);
        buf_add(&b, whole.p, whole.n);
        if (i < ARRAY_LEN(bad))
            buf_add_str(&b, bad[i]);
        else
            memset(buf_extend(&b, 300), 0, 300);
        buf_add_str(&b, "0 0 1 00000000000000000000000000000000\n");
        store_log(b.p, b.n);
        buf_free(&b);
        journal_close(open_ok(plan_a, true, 2), true);
        load_log(&b);
        assert_int_equal(b.n, whole.n);
        assert_memory_equal(b.p, whole.p, b.n);
        buf_free(&b);
    }
    buf_free(&whole);
}

static void assert_refused(enum status want, const char *text)
{
    struct journal *j = NULL;
    struct err err = {0};
    size_t nkept;

    assert_int_equal(journal_open(&j, path, plan_a, true, &nkept, &err), want);
    assert_null(j);
    assert_true(str_starts(err.text, path));
    assert_string_equal(err.text + strlen(path), text);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(path, 0777), 0);
    assert_refused(E_IO, ": is a directory, not a file");
    assert_int_equal(rmdir(path), 0);
    /* A link is not followed: what it points to is not ours to cut. */
    FILE *f = fopen(other, "w");
    assert_non_null(f);
    assert_int_equal(fputs("precious\n", f) >= 0, 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_refused(E_IO, ": Too many levels of symbolic links");
    struct buf b;
    struct err err = {0};
    buf_init(&b, 100);
    assert_int_equal(file_load(other, &b, &err), OK);
    assert_string_equal(b.p, "precious\n");
    buf_free(&b);
}

/* A write that the system cuts short in the middle of a line is a failure, and costs only that line. */
static void test_disk_full(void **state)
{
    struct rlimit old, tight;
    struct err err = {0};
    struct journal_range r = range_of(1);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct journal *j = open_ok(plan_a, false, 0);
    add(j, 0, 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    tight = old;
    tight.rlim_cur = (rlim_t)st.st_size + 10;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum status s = journal_add(j, &r, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(s, E_IO);
    assert_string_equal(err.text + strlen(path), ": write: File too large");
    assert_int_equal(journal_count(j), 1);
    journal_close(j, true);
    journal_close(open_ok(plan_a, true, 1), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_text, remove_log),
        cmocka_unit_test_teardown(test_reopen_and_append, remove_log),
        cmocka_unit_test_teardown(test_start_afresh, remove_log),
        cmocka_unit_test_teardown(test_no_log, remove_log),
        cmocka_unit_test_teardown(test_torn, remove_log),
        cmocka_unit_test_teardown(test_damaged, remove_log),
        cmocka_unit_test_teardown(test_refused, remove_log),
        cmocka_unit_test_teardown(test_disk_full, remove_log),
    };

    journal_close(NULL, true);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
