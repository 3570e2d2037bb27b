/* SPDX-License-Identifier: Apache-2.0 */
#include "core/flusher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail // of cmocka; here it is the one of core/status.h

/* Jobs 0, 1, 2 ...: the offset is the number, the data a byte that says the same. */
struct log {
    uint64_t n, fail_at;
    bool slow;
    atomic_bool busy;
};

static enum status run(void *ctx, const struct flusher_job *job, struct err *err)
{
    struct log *log = ctx;

    if (atomic_exchange(&log->busy, true))
        return fail(err, E_BUG, "two jobs at once");
    if (log->slow)
        usleep(2000);
    if (job->off != log->n || job->nbytes != 1 || *job->data != (unsigned char)log->n)
        return fail(err, E_BUG, "job %" PRIu64 " where %" PRIu64 " was due", job->off, log->n);
    if (log->n == log->fail_at)
        return fail(err, E_IO, "job %" PRIu64 " fails", log->n);
    log->n++;
    atomic_store(&log->busy, false);
    return OK;
}

static struct flusher *start(struct log *log)
{
    struct flusher *f = NULL;
    struct err err = {0};

    assert_int_equal(flusher_start(&f, run, log, &err), OK);
    return f;
}

/* Two buffers by turns: one may be filled while the other is written, as no more than one job waits. */
static void test_order(void **state)
{
    struct log log = {.fail_at = UINT64_MAX};
    struct flusher *f = start(&log);
    struct err err = {0};
    unsigned char data[2];

    (void)state;
    for (uint64_t i = 0; i < 5000; i++) {
        data[i % 2] = (unsigned char)i;
        struct flusher_job job = {&data[i % 2], i, 1};
        enum status s = flusher_submit(f, &job, &err);
        assert_string_equal(err.text, "");
        assert_int_equal(s, OK);
    }
    assert_int_equal(flusher_wait(f, &err), OK);
    assert_int_equal(log.n, 5000);
    assert_int_equal(flusher_wait(f, &err), OK);
    flusher_stop(f);
}

/* What was submitted is done before the end. */
static void test_stop_waits(void **state)
{
    struct log log = {.fail_at = UINT64_MAX, .slow = true};
    struct err err = {0};
    unsigned char data = 0;
    struct flusher_job job = {&data, 0, 1};

    (void)state;
    for (int i = 0; i < 20; i++) {
        log.n = 0;
        struct flusher *f = start(&log);
        assert_int_equal(flusher_submit(f, &job, &err), OK);
        flusher_stop(f);
        assert_int_equal(log.n, 1);
    }
    flusher_stop(start(&log));
    flusher_stop(NULL);
}

/* A failure is told at the next call, and at every one after it; no job runs then. */
static void test_failure(void **state)
{
    struct log log = {.fail_at = 2};
    struct flusher *f = start(&log);
    unsigned char data[] = {0, 1, 2, 3};

    (void)state;
    for (uint64_t i = 0; i < 3; i++) {
        struct err err = {0};
        struct flusher_job job = {&data[i], i, 1};

        assert_int_equal(flusher_submit(f, &job, &err), OK);
        assert_string_equal(err.text, "");
    }
    for (int i = 0; i < 3; i++) {
        struct err err = {0};
        struct flusher_job job = {&data[3], 3, 1};

        assert_int_equal(i == 1 ? flusher_wait(f, &err) : flusher_submit(f, &job, &err), E_IO);
        assert_string_equal(err.text, "job 2 fails");
        assert_int_equal(err.status, E_IO);
    }
    flusher_stop(f);
    assert_int_equal(log.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_stop_waits),
        cmocka_unit_test(test_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
