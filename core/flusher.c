/* SPDX-License-Identifier: Apache-2.0 */
#include "core/flusher.h"

#include <pthread.h>

struct flusher {
    enum status (*run)(void *ctx, const struct flusher_job *job, struct err *err);
    void *ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct flusher_job job;
    bool busy, stop;
    enum status status; /* of the first job that failed */
    struct err err;
};

static void *flusher_main(void *arg)
{
    struct flusher *f = arg;

    pthread_mutex_lock(&f->lock);
    for (;;) {
        while (!f->busy && !f->stop)
            pthread_cond_wait(&f->changed, &f->lock);
        if (!f->busy)
            break;
        struct flusher_job job = f->job;
        struct err err = {0};
        pthread_mutex_unlock(&f->lock);
        enum status s = f->run(f->ctx, &job, &err);
        pthread_mutex_lock(&f->lock);
        if (s != OK) {
            f->status = s;
            f->err = err;
        }
        f->busy = false;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

enum status flusher_start(struct flusher **out,
                          enum status (*run)(void *ctx, const struct flusher_job *job, struct err *err),
                          void *ctx, struct err *err)
{
    struct flusher *f = calloc(1, sizeof *f);

    if (!f)
        return fail_nomem(err);
    f->run = run;
    f->ctx = ctx;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    int rc = pthread_create(&f->thread, NULL, flusher_main, f);
    if (rc != 0) {
        pthread_cond_destroy(&f->changed);
        pthread_mutex_destroy(&f->lock);
        free(f);
        return fail(err, E_NOMEM, "cannot start a thread: %s", strerror(rc));
    }
    *out = f;
    return OK;
}

/* With the lock held. */
static enum status await_idle(struct flusher *f, struct err *err)
{
    while (f->busy)
        pthread_cond_wait(&f->changed, &f->lock);
    if (f->status != OK)
        *err = f->err;
    return f->status;
}

enum status flusher_submit(struct flusher *f, const struct flusher_job *job, struct err *err)
{
    pthread_mutex_lock(&f->lock);
    enum status s = await_idle(f, err);
    if (s == OK) {
        f->job = *job;
        f->busy = true;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return s;
}

enum status flusher_wait(struct flusher *f, struct err *err)
{
    pthread_mutex_lock(&f->lock);
    enum status s = await_idle(f, err);
    pthread_mutex_unlock(&f->lock);
    return s;
}

void flusher_stop(struct flusher *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
