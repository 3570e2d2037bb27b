/* SPDX-License-Identifier: Apache-2.0 */
/* One background thread that does jobs in the order given, at most one waiting for the next: while it
 * writes a buffer, its owner fills another. */
#ifndef CORE_FLUSHER_H
#define CORE_FLUSHER_H

#include "core/status.h"

struct flusher;

struct flusher_job {
    const unsigned char *data;
    uint64_t off;
    size_t nbytes;
};

/* Starts the thread; `run` is called in it, with ctx, for each job. */
enum status flusher_start(struct flusher **out,
                          enum status (*run)(void *ctx, const struct flusher_job *job, struct err *err),
                          void *ctx, struct err *err);

/* Waits until the thread is idle, then hands it the job, whose data must stay until the next call here. Fails
 * with the sentence of an earlier job that failed; after that no job is run. */
enum status flusher_submit(struct flusher *f, const struct flusher_job *job, struct err *err);

/* Waits until the thread is idle; fails like flusher_submit. */
enum status flusher_wait(struct flusher *f, struct err *err);

/* Waits and ends the thread. NULL is legal. */
void flusher_stop(struct flusher *f);

#endif
