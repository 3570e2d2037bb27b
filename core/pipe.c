/* SPDX-License-Identifier: Apache-2.0 */
#include "core/pipe.h"

#include <errno.h>
#include <pthread.h>

enum slot_state { SLOT_FREE, SLOT_READ, SLOT_WORKING, SLOT_DONE };

/* Item i lives in slot i % nslot. Counters only grow: written <= taken <= read <= written + nslot. */
struct run {
    const struct pipe_stages *stages;
    const struct pipe_shape *shape;
    enum slot_state *state;
    uint64_t nread, ntaken, nwritten;
    bool at_end; /* the reader has seen its last item */
    bool stop;   /* a stage failed or was cancelled; err holds the first reason */
    struct err *err;
    enum status status;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

struct worker {
    struct run *run;
    unsigned index;
    pthread_t thread;
};

static bool cancelled(const struct run *r)
{
    return r->shape->cancel && atomic_load_explicit(r->shape->cancel, memory_order_relaxed);
}

/* Records the first failure and wakes everybody. */
static void stop_run(struct run *r, enum status s, const struct err *err)
{
    pthread_mutex_lock(&r->lock);
    if (r->status == OK) {
        r->status = s;
        *r->err = *err;
    }
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void set_state(struct run *r, uint64_t item, enum slot_state state)
{
    pthread_mutex_lock(&r->lock);
    r->state[item % r->shape->nslot] = state;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

/* Waits for a free slot; false when the run stops. */
static bool claim_free(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->stop && r->nread - r->nwritten >= r->shape->nslot)
        pthread_cond_wait(&r->changed, &r->lock);
    bool go = !r->stop;
    pthread_mutex_unlock(&r->lock);
    return go;
}

static void *reader_main(void *arg)
{
    struct run *r = arg;
    struct err err = {0};

    while (claim_free(r)) {
        uint64_t item = r->nread; /* only this thread changes it */
        bool end = false;
        enum status s = cancelled(r) ? fail(&err, E_CANCELLED, "interrupted") : OK;

        if (s == OK)
            s = r->stages->read(r->stages->ctx, r->shape->slots[item % r->shape->nslot], &end, &err);
        if (s != OK) {
            stop_run(r, s, &err);
            break;
        }
        pthread_mutex_lock(&r->lock);
        if (end) {
            r->at_end = true;
        } else {
            r->state[item % r->shape->nslot] = SLOT_READ;
            r->nread++;
        }
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        if (end)
            break;
    }
    return NULL;
}

/* Takes the next item in order; false when there is none left to come. */
static bool take_item(struct run *r, uint64_t *item)
{
    pthread_mutex_lock(&r->lock);
    while (!r->stop && r->ntaken == r->nread && !r->at_end)
        pthread_cond_wait(&r->changed, &r->lock);
    bool got = !r->stop && r->ntaken < r->nread;
    if (got) {
        *item = r->ntaken++;
        r->state[*item % r->shape->nslot] = SLOT_WORKING;
    }
    pthread_mutex_unlock(&r->lock);
    return got;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct run *r = w->run;
    struct err err = {0};
    uint64_t item;

    while (take_item(r, &item)) {
        enum status s =
            r->stages->work(r->stages->ctx, r->shape->slots[item % r->shape->nslot], w->index, &err);

        if (s != OK) {
            stop_run(r, s, &err);
            break;
        }
        set_state(r, item, SLOT_DONE);
    }
    return NULL;
}

/* Waits until item nwritten is done; false at the end or when the run stops. */
static bool await_done(struct run *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->stop && !(r->at_end && r->nwritten == r->nread) &&
           !(r->nwritten < r->nread && r->state[r->nwritten % r->shape->nslot] == SLOT_DONE))
        pthread_cond_wait(&r->changed, &r->lock);
    bool go = !r->stop && r->nwritten < r->nread;
    pthread_mutex_unlock(&r->lock);
    return go;
}

static void write_all(struct run *r)
{
    struct err err = {0};

    while (await_done(r)) {
        enum status s = cancelled(r) ? fail(&err, E_CANCELLED, "interrupted") : OK;

        if (s == OK)
            s = r->stages->write(r->stages->ctx, r->shape->slots[r->nwritten % r->shape->nslot], &err);
        if (s != OK) {
            stop_run(r, s, &err);
            return;
        }
        pthread_mutex_lock(&r->lock);
        r->state[r->nwritten % r->shape->nslot] = SLOT_FREE;
        r->nwritten++;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
    }
}

/* Starts the threads, writes in this one, joins. A thread that cannot start stops the run. */
static void run_threads(struct run *r, struct worker *workers)
{
    pthread_t reader;
    unsigned nstarted = 0;
    int rc = pthread_create(&reader, NULL, reader_main, r);
    bool has_reader = rc == 0;

    while (rc == 0 && nstarted < r->shape->nworker) {
        struct worker *w = &workers[nstarted];

        *w = (struct worker){.run = r, .index = nstarted};
        rc = pthread_create(&w->thread, NULL, worker_main, w);
        nstarted += rc == 0;
    }
    if (rc != 0) {
        struct err err = {0};

        fail(&err, E_NOMEM, "cannot start a thread: %s", strerror(rc));
        stop_run(r, E_NOMEM, &err);
    } else {
        write_all(r);
    }
    if (has_reader)
        pthread_join(reader, NULL);
    for (unsigned i = 0; i < nstarted; i++)
        pthread_join(workers[i].thread, NULL);
}

enum status pipe_run(const struct pipe_stages *stages, const struct pipe_shape *shape, struct err *err)
{
    struct run r = {.stages = stages, .shape = shape, .err = err};

    require(shape->nslot >= 2 && shape->nworker >= 1);
    r.state = calloc(shape->nslot, sizeof *r.state);
    struct worker *workers = calloc(shape->nworker, sizeof *workers);
    if (!r.state || !workers) {
        free(r.state);
        free(workers);
        return fail_nomem(err);
    }
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    run_threads(&r, workers);
    pthread_mutex_destroy(&r.lock);
    pthread_cond_destroy(&r.changed);
    free(r.state);
    free(workers);
    return r.status;
}
