/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of --report: how far each written tensor is from the values it was made of (plan/quality.h).
 *
 * {"scion", "command", "input", "options", "outputs": [{"type", "recipe", "options", "files", "total",
 * "types", "tensors"}]}: docs/quantize.md says what the numbers are. It holds nothing that depends on
 * threads, memory, time or interruptions.
 */
#ifndef CLI_REPORT_QUALITY_H
#define CLI_REPORT_QUALITY_H

#include "cli/ladder.h"
#include "core/outfile.h"
#include "plan/quality.h"

/* What the report says of the run besides numbers. */
struct report_about {
    const char *command;
    const struct opt_line *line;
    const struct ladder *ladder; /* its rungs are the sets of the plan's outputs */
};

struct quality_report {
    const char *path;
    const struct report_about *about;
    bool force; /* replace an existing report */
    struct quality quality;
    struct outfile *file; /* NULL before report_quality_open */
};

/* Before any work: makes sure that the report can be written. E_USAGE for a path that exists, or that the run
 * reads or writes; E_IO. */
enum status report_quality_open(struct quality_report *r, struct err *err);

/* Writes the report and gives it its name; the outputs have theirs already, and keep them when this fails. */
enum status report_quality_write(struct quality_report *r, struct err *err);
void report_quality_close(struct quality_report *r);

/* The tensors with the largest relative errors, a table for each set of outputs. */
void report_quality_text(struct buf *out, const struct quality_report *r);

#endif
