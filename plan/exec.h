/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a plan: streams its tiles through a fixed amount of memory into its output files. */
#ifndef PLAN_EXEC_H
#define PLAN_EXEC_H

#include <stdatomic.h>

#include "plan/plan.h"
#include "plan/quality.h"

struct exec_options {
    uint64_t max_memory;  /* bytes */
    unsigned threads;     /* workers, >= 1 */
    uint64_t tile_elems;  /* 0: from the budget; a test sets it to show that it changes nothing */
    bool resume;          /* go on from an earlier run's .partial and .journal */
    bool force;           /* replace existing outputs */
    bool allow_nonfinite; /* write what plan/finite.h would refuse */
    bool trust_copies;    /* write it where the source has it already */
    struct quality
        *quality; /* of this plan: measured and filled; what an earlier run wrote is read back. NULL */
    const atomic_int *cancel;
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* may be NULL; bytes of output */
    void *progress_ctx;
};

struct exec_memory {
    uint64_t tile_elems;
    size_t nslot;
    uint64_t in_bytes, out_bytes;       /* of a slot */
    uint64_t gather_bytes, float_bytes; /* of a worker */
    uint64_t row_bytes;                 /* of a worker: a row that takes another order, where any does */
    uint64_t block_bytes;               /* of a worker: blocks before they are taken apart, where any are */
    uint64_t file_buffer_bytes;         /* each of the file_runs + 1 of an output file in progress */
    uint32_t file_runs;                 /* places of an output file that are written in turns */
    uint64_t peak_bytes;                /* all of it, with the plan itself */
};

/* What running the plan will take; E_LIMIT when the budget is too small, naming the least that is enough. */
enum status exec_measure(const struct plan *p, const struct exec_options *o, struct exec_memory *m,
                         struct err *err);

/* Refuses what must not happen before any work: an output that exists (E_USAGE, unless force), an output
 * that is one of the inputs (always), too little free space (E_IO). */
enum status exec_precheck(const struct plan *p, const struct exec_options *o, struct err *err);

/* The same, but for the space, for a file that is written besides the outputs. */
enum status exec_precheck_file(const struct plan *p, const char *path, bool force, struct err *err);

struct exec_result {
    uint64_t bytes_reused; /* of an earlier run */
    uint64_t misfits;      /* blocks that were to be repacked and had no twin: decoded and encoded */
    bool resumable;        /* after a failure: .partial and .journal were left for --resume */
};

/* Runs to committed files, a set at a time as each is complete: on failure no set that is not complete has a
 * final name. A resumed run takes the sets that an earlier one finished as they are. A single output with a
 * patch is written where it is. */
enum status exec_run(const struct plan *p, const struct exec_options *o, struct exec_result *r,
                     struct err *err);

#endif
