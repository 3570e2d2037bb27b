/* SPDX-License-Identifier: Apache-2.0 */
/* What exec.c and resume.c share. */
#ifndef PLAN_EXEC_INT_H
#define PLAN_EXEC_INT_H

#include "core/journal.h"
#include "core/outfile.h"
#include "plan/plan.h"

/* The byte ranges of each output that an earlier run wrote and whose digests still hold. */
struct resume_range {
    uint64_t start, end;
};

struct resume {
    struct resume_out {
        struct resume_range *range; /* ascending, not touching */
        size_t n, cap;
    } * outs;
    size_t nout;
};

/* Checks every range of the journal against the files and keeps the ones that hold. Files that were not
 * resumed keep none. */
enum status resume_load(struct resume *r, const struct journal *j, struct outfile **files, const bool *resumed,
                        size_t nout, struct err *err);
void resume_free(struct resume *r);

/* Whether all of [off, off + n) of an output is there already. */
bool resume_has(const struct resume *r, uint32_t out, uint64_t off, uint64_t n);

#endif
