/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipe.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail // of cmocka; here it is the one of core/status.h

#define MAX_SLOTS 16

struct item {
    uint64_t number, square;
    unsigned worker;
};

/* Numbers 0 .. nitem - 1 go through; each stage checks what the one before it left. */
struct job {
    uint64_t nitem;
    uint64_t nread, nwritten;
    uint64_t fail_read, fail_work, fail_write; /* at this item; UINT64_MAX: never */
    uint64_t cancel_at;                        /* the writer sets the flag there */
    bool slow_write, uneven_work;
    unsigned nworker;
    size_t nslot;
    atomic_uint busy[8]; /* calls that each worker index is in */
    atomic_uint in_flight, most_in_flight;
    atomic_int cancel;
    atomic_uint worked;
    pthread_t writer;
};

static struct job job_of(uint64_t nitem)
{
    return (struct job){.nitem = nitem,
                        .fail_read = UINT64_MAX,
                        .fail_work = UINT64_MAX,
                        .fail_write = UINT64_MAX,
                        .cancel_at = UINT64_MAX,
                        .nworker = 2,
                        .nslot = 4};
}

static enum status read_item(void *ctx, void *slot, bool *end, struct err *err)
{
    struct job *j = ctx;
    struct item *item = slot;

    if (j->nread == j->fail_read)
        return fail(err, E_FORMAT, "read %" PRIu64, j->nread);
    if (j->nread == j->nitem) {
        *end = true;
        return OK;
    }
    *item = (struct item){.number = j->nread++};
    unsigned now = atomic_fetch_add(&j->in_flight, 1) + 1, most = atomic_load(&j->most_in_flight);
    while (now > most && !atomic_compare_exchange_weak(&j->most_in_flight, &most, now))
        ;
    return OK;
}

static enum status work_item(void *ctx, void *slot, unsigned worker, struct err *err)
{
    struct job *j = ctx;
    struct item *item = slot;

    if (worker >= j->nworker || atomic_fetch_add(&j->busy[worker], 1) != 0)
        return fail(err, E_BUG, "worker index %u is taken", worker);
    if (j->uneven_work && item->number % 7 == 0)
        usleep(50);
    if (j->uneven_work && item->number % 5 == 0)
        sched_yield();
    item->square = item->number * item->number;
    item->worker = worker;
    atomic_fetch_add(&j->worked, 1);
    atomic_fetch_sub(&j->busy[worker], 1);
    if (item->number == j->fail_work)
        return fail(err, E_LIMIT, "work %" PRIu64, item->number);
    return OK;
}

static enum status write_item(void *ctx, void *slot, struct err *err)
{
    struct job *j = ctx;
    struct item *item = slot;

    if (!pthread_equal(pthread_self(), j->writer))
        return fail(err, E_BUG, "written by another thread");
    if (item->number != j->nwritten || item->square != item->number * item->number)
        return fail(err, E_BUG, "item %" PRIu64 " where %" PRIu64 " was due", item->number, j->nwritten);
    if (item->number == j->fail_write)
        return fail(err, E_IO, "write %" PRIu64, item->number);
    if (j->slow_write)
        usleep(200);
    atomic_fetch_sub(&j->in_flight, 1);
    if (j->nwritten++ == j->cancel_at)
        atomic_store(&j->cancel, 1);
    return OK;
}

static enum status run(struct job *j, struct err *err)
{
    static struct item items[MAX_SLOTS];
    void *slots[MAX_SLOTS];
    struct pipe_stages stages = {.ctx = j, .read = read_item, .work = work_item, .write = write_item};

    for (size_t i = 0; i < MAX_SLOTS; i++)
        slots[i] = &items[i];
    j->writer = pthread_self();
    struct pipe_shape shape = {slots, j->nslot, j->nworker, &j->cancel};
    return pipe_run(&stages, &shape, err);
}

static void assert_runs(struct job *j)
{
    struct err err = {0};
    enum status s = run(j, &err);

    assert_string_equal(err.text, "");
    assert_int_equal(s, OK);
    assert_int_equal(j->nwritten, j->nitem);
    assert_int_equal(j->worked, j->nitem);
    assert_true(j->most_in_flight <= j->nslot);
}

static void test_order(void **state)
{
    (void)state;
    for (unsigned nworker = 1; nworker <= 8; nworker++) {
        for (size_t nslot = 2; nslot <= 11; nslot += 3) {
            struct job j = job_of(3000);

            j.nworker = nworker;
            j.nslot = nslot;
            assert_runs(&j);
        }
    }
}

static void test_uneven_work(void **state)
{
    (void)state;
    for (unsigned nworker = 1; nworker <= 8; nworker += 7) {
        struct job j = job_of(1500);

        j.nworker = nworker;
        j.nslot = nworker + 3;
        j.uneven_work = true;
        assert_runs(&j);
    }
}

static void test_few_items(void **state)
{
    (void)state;
    for (uint64_t n = 0; n <= 5; n++) {
        for (unsigned i = 0; i < 50; i++) {
            struct job j = job_of(n);

            j.nworker = 1 + i % 8;
            j.nslot = 2 + i % 5;
            assert_runs(&j);
        }
    }
}

/* A slow writer fills the ring, and no further. */
static void test_back_pressure(void **state)
{
    struct job j = job_of(200);

    (void)state;
    j.slow_write = true;
    j.nworker = 3;
    j.nslot = 5;
    assert_runs(&j);
    assert_int_equal(j.most_in_flight, 5);
}

static void test_without_cancel_flag(void **state)
{
    struct job j = job_of(100);
    static struct item items[2];
    void *slots[2] = {&items[0], &items[1]};
    struct pipe_stages stages = {.ctx = &j, .read = read_item, .work = work_item, .write = write_item};
    struct pipe_shape shape = {slots, 2, 1, NULL};
    struct err err = {0};

    (void)state;
    j.writer = pthread_self();
    j.nslot = 2;
    j.nworker = 1;
    assert_int_equal(pipe_run(&stages, &shape, &err), OK);
    assert_int_equal(j.nwritten, 100);
}

/* Fails at several places of the stream; what was written before is a prefix. */
static void assert_failure(struct job j, enum status want, const char *text, uint64_t most_written)
{
    struct err err = {0};

    assert_int_equal(run(&j, &err), want);
    assert_int_equal(err.status, want);
    assert_string_equal(err.text, text);
    assert_true(j.nwritten <= most_written);
    assert_true(j.nread <= j.nwritten + j.nslot);
}

static void test_failures(void **state)
{
    static const uint64_t places[] = {0, 1, 3, 100, 999};
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (unsigned nworker = 1; nworker <= 8; nworker++) {
            struct job j = job_of(1000);

            j.nworker = nworker;
            j.nslot = 2 + nworker;
            j.fail_read = places[i];
            snprintf(text, sizeof text, "read %" PRIu64, places[i]);
            assert_failure(j, E_FORMAT, text, places[i]);
            j.fail_read = UINT64_MAX;
            j.fail_work = places[i];
            snprintf(text, sizeof text, "work %" PRIu64, places[i]);
            assert_failure(j, E_LIMIT, text, places[i]);
            j.fail_work = UINT64_MAX;
            j.fail_write = places[i];
            snprintf(text, sizeof text, "write %" PRIu64, places[i]);
            assert_failure(j, E_IO, text, places[i]);
        }
    }
}

/* A reader that fails at its end is a failure as well, and the first of several is told. */
static void test_failure_at_end(void **state)
{
    struct job j = job_of(10);

    (void)state;
    j.fail_read = 10;
    assert_failure(j, E_FORMAT, "read 10", 10);
    j.fail_work = 2;
    j.fail_read = 100;
    assert_failure(j, E_LIMIT, "work 2", 2);
}

static void test_cancel(void **state)
{
    struct err err = {0};

    (void)state;
    for (unsigned nworker = 1; nworker <= 8; nworker++) {
        struct job j = job_of(100000);

        j.nworker = nworker;
        j.nslot = nworker + 2;
        j.cancel_at = 50;
        assert_int_equal(run(&j, &err), E_CANCELLED);
        assert_string_equal(err.text, "interrupted");
        assert_int_equal(j.nwritten, 51);
        assert_true(j.nread <= 51 + j.nslot);
    }
}

static void test_cancelled_before(void **state)
{
    struct job j = job_of(10);
    struct err err = {0};

    (void)state;
    j.cancel = 15;
    assert_int_equal(run(&j, &err), E_CANCELLED);
    assert_int_equal(j.nread, 0);
    assert_int_equal(j.nwritten, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_uneven_work),
        cmocka_unit_test(test_few_items),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_without_cancel_flag),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_failure_at_end),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancelled_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
