/* SPDX-License-Identifier: Apache-2.0 */
#include "core/status.h"
#include "core/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail // of cmocka; here it is the one of core/status.h

static void test_table(void **state)
{
    static const struct {
        enum status status;
        int exit_code;
        const char *tag;
    } rows[] = {
        {OK, 0, "OK"},
        {E_MISMATCH, 1, "MISMATCH"},
        {E_USAGE, 2, "USAGE"},
        {E_FORMAT, 3, "FORMAT"},
        {E_IO, 4, "IO"},
        {E_UNSUPPORTED, 5, "UNSUPPORTED"},
        {E_LIMIT, 6, "LIMIT"},
        {E_NOMEM, 6, "NOMEM"},
        {E_CANCELLED, 130, "CANCELLED"},
        {E_BUG, 70, "BUG"},
    };

    (void)state;
    assert_int_equal(ARRAY_LEN(rows), STATUS_COUNT);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};

        assert_int_equal(rows[i].status, i);
        assert_int_equal(status_exit_code(rows[i].status), rows[i].exit_code);
        assert_string_equal(status_tag(rows[i].status), rows[i].tag);
        assert_int_equal(fail(&err, rows[i].status, "row %zu", i), rows[i].status);
        assert_int_equal(err.status, rows[i].status);
    }
}

static void test_fail_and_wrap(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(fail(&err, E_FORMAT, "%s:%d: bad", "x", 5), E_FORMAT);
    assert_string_equal(err.text, "x:5: bad");
    assert_int_equal(wrap(&err, "tensor %s", "t"), E_FORMAT);
    assert_string_equal(err.text, "tensor t: x:5: bad");
    assert_int_equal(err.status, E_FORMAT);
    assert_int_equal(fail(&err, E_IO, "%s; later", err.text), E_IO);
    assert_string_equal(err.text, "tensor t: x:5: bad; later");
}

static void test_errno(void **state)
{
    struct err err = {0};

    (void)state;
    errno = ENOENT;
    assert_int_equal(fail_errno(&err, "%s", "a\nb"), E_IO);
    assert_string_equal(err.text, "a\\x0ab: No such file or directory");
    assert_int_equal(err.status, E_IO);
    errno = ENOMEM;
    assert_int_equal(fail_errno(&err, "x"), E_NOMEM);
    assert_string_equal(err.text, "x: Cannot allocate memory");
    assert_int_equal(err.status, E_NOMEM);
}

static void test_nomem(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(fail_nomem(&err), E_NOMEM);
    assert_string_equal(err.text, "out of memory");
    assert_int_equal(err.status, E_NOMEM);
}

/* Nothing that a terminal would obey, or that is no text, comes out as it is. */
static void test_printable(void **state)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"\x1b[2J", "\\x1b[2J"},
        {"a\tb\r\n", "a\\x09b\\x0d\\x0a"},
        {"del\x7f", "del\\x7f"},
        {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xc3", "\\xc3"},
        {"\xc0\xaf", "\\xc0\\xaf"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"", ""},
    };
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fail(&err, E_FORMAT, "%s", cases[i][0]);
        assert_string_equal(err.text, cases[i][1]);
    }
}

/* A text that does not fit ends in "...". */
static void test_too_long(void **state)
{
    struct err err = {0};
    char text[3 * ERR_TEXT_MAX];

    (void)state;
    for (size_t n = ERR_TEXT_MAX - 20; n < ERR_TEXT_MAX + 20; n++) {
        memset(text, 'x', n);
        text[n] = '\0';
        fail(&err, E_FORMAT, "%s", text);
        size_t got = strlen(err.text);
        assert_true(got < ERR_TEXT_MAX);
        if (strcmp(err.text, text) != 0)
            assert_string_equal(err.text + got - 3, "...");
        assert_true(n >= ERR_TEXT_MAX - 4 || got == n);
    }
    memset(text, '\1', sizeof text - 1); // each becomes four characters
    text[sizeof text - 1] = '\0';
    fail(&err, E_FORMAT, "%s", text);
    assert_true(strlen(err.text) < ERR_TEXT_MAX && strlen(err.text) > ERR_TEXT_MAX - 10);
    assert_string_equal(err.text + strlen(err.text) - 3, "...");
    memset(text, 'y', ERR_TEXT_MAX - 10);
    text[ERR_TEXT_MAX - 10] = '\0';
    fail(&err, E_FORMAT, "%s", text);
    wrap(&err, "in front of it all");
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    assert_true(strncmp(err.text, "in front of it all: yyy", 23) == 0);
    assert_string_equal(err.text + ERR_TEXT_MAX - 4, "...");
}

/* Nor is a character cut in two. */
static void test_too_long_in_utf8(void **state)
{
    struct err err = {0};
    char text[ERR_TEXT_MAX], context[8];

    (void)state;
    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 4);
    for (int n = 1; n < 8; n++) {
        memset(context, 'c', sizeof context);
        context[n] = '\0';
        fail(&err, E_FORMAT, "%s", text);
        wrap(&err, "%s", context);
        assert_true(utf8_valid(err.text, strlen(err.text)));
        assert_string_equal(err.text + strlen(err.text) - 3, "...");
    }
}

/* The reason of a failed call, behind a text of any length; the whole always fits. */
static void test_too_long_with_errno(void **state)
{
    struct err err = {0};
    char text[2 * ERR_TEXT_MAX];

    (void)state;
    for (size_t n = ERR_TEXT_MAX - 60; n < ERR_TEXT_MAX + 20; n++) {
        memset(text, 'x', n);
        text[n] = '\0';
        errno = ENOSPC;
        assert_int_equal(fail_errno(&err, "%s", text), E_IO);
        assert_true(strlen(err.text) < ERR_TEXT_MAX);
    }
}

/* Our own mistakes end the process with a code of their own. */
static void test_require(void **state)
{
    int status = 0;

    (void)state;
    require(1 + 1 == 2);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        require(1 + 1 == 3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_fail_and_wrap),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_nomem),
        cmocka_unit_test(test_printable),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_require),
        cmocka_unit_test(test_too_long_with_errno),
        cmocka_unit_test(test_too_long_in_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
