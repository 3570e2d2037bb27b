/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resume log beside an unfinished output: which byte ranges of which output file were written, with
 * their digests. Text, one record per line; a line cut off by a crash is ignored. The first line carries
 * the plan's fingerprint, so that a log of another plan is never believed.
 */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include "core/hash.h"
#include "core/status.h"

struct journal;

struct journal_range {
    uint32_t out; /* index of the output file in the plan */
    uint64_t off, nbytes;
    struct digest digest;
};

/* Opens path for appending. With resume, the ranges of an existing log with the same fingerprint are kept
 * and *nkept tells how many; otherwise the log starts empty. */
enum status journal_open(struct journal **out, const char *path, struct digest fingerprint, bool resume,
                         size_t *nkept, struct err *err);
const struct journal_range *journal_ranges(const struct journal *j, size_t *n); /* the kept ones */
/* Thread-safe. */
enum status journal_add(struct journal *j, const struct journal_range *r, struct err *err);
size_t journal_count(const struct journal *j); /* kept and added */

/* Closes; removes the file unless keep is set. NULL is legal. */
void journal_close(struct journal *j, bool keep);

#endif
