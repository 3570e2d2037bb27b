/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded read -> work -> write pipeline over a ring of slots. One reader thread fills slots in order, N
 * workers transform them in any order, and the calling thread writes them in order. A full ring blocks
 * the reader, so memory is slots x slot size whatever the length of the stream.
 */
#ifndef CORE_PIPE_H
#define CORE_PIPE_H

#include <stdatomic.h>

#include "core/status.h"

struct pipe_stages {
    void *ctx;
    /* Fills the slot with the next item, or sets *end. Called by one thread, in order. */
    enum status (*read)(void *ctx, void *slot, bool *end, struct err *err);
    /* Transforms a slot. `worker` is 0..nworker-1: an index for scratch memory. */
    enum status (*work)(void *ctx, void *slot, unsigned worker, struct err *err);
    /* Consumes a slot. Called by the thread that called pipe_run, in reading order. */
    enum status (*write)(void *ctx, void *slot, struct err *err);
};

struct pipe_shape {
    void **slots; /* nslot of them, >= 2 */
    size_t nslot;
    unsigned nworker;         /* >= 1 */
    const atomic_int *cancel; /* non-zero stops the run with E_CANCELLED; may be NULL */
};

/* Runs until the reader's end, the first failure (reported; the other stages stop) or a cancellation.
 * What was written before a failure is exactly a prefix of the stream. */
enum status pipe_run(const struct pipe_stages *stages, const struct pipe_shape *shape, struct err *err);

#endif
