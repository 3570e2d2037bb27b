/* SPDX-License-Identifier: Apache-2.0 */
/* What every command that writes does with its finished plan: show it, or run it. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "cli/opt.h"
#include "cli/report_quality.h"
#include "plan/plan.h"

/* Options of all writing commands: a member `struct run_options run` takes them. */
struct run_options {
    uint64_t max_memory, threads;               /* threads 0: one per processor */
    uint64_t split_max_size, split_max_tensors; /* 0: one file */
    bool dry_run, resume, force;
    int progress;       /* enum tty_progress_mode */
    const char *report; /* of quality; NULL: none */
    bool allow_nonfinite;
    const struct report_about *about; /* of commands that take OPT_ROWS_QUALITY; the others copy what is
                                         there as it is, finite or not */
};

extern const char *const run_progress_choices[];

#define OPT_ROWS_RUN(type)                                                                                   \
    {.name = "dry-run",                                                                                      \
     .how = true,                                                                                            \
     .letter = 'n',                                                                                          \
     .kind = OPT_FLAG,                                                                                       \
     OPT_FIELD(type, run.dry_run),                                                                           \
     .help = "print what would be written, and write nothing"},                                              \
        {.name = "resume",                                                                                   \
         .how = true,                                                                                        \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, run.resume),                                                                        \
         .help = "go on where an interrupted run of the same job stopped"},                                  \
        {.name = "force",                                                                                    \
         .how = true,                                                                                        \
         .letter = 'f',                                                                                      \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, run.force),                                                                         \
         .help = "replace an existing output"},                                                              \
        {.name = "max-memory",                                                                               \
         .how = true,                                                                                        \
         .kind = OPT_SIZE,                                                                                   \
         OPT_FIELD(type, run.max_memory),                                                                    \
         .arg = "SIZE",                                                                                      \
         .preset = "512M",                                                                                   \
         .min = 1,                                                                                           \
         .help = "memory to use at most"},                                                                   \
        {.name = "threads",                                                                                  \
         .how = true,                                                                                        \
         .letter = 'j',                                                                                      \
         .kind = OPT_U64,                                                                                    \
         OPT_FIELD(type, run.threads),                                                                       \
         .arg = "N",                                                                                         \
         .preset = "0",                                                                                      \
         .max = 256,                                                                                         \
         .help = "worker threads; 0 is one for each processor"},                                             \
    {                                                                                                        \
        .name = "progress", .how = true, .kind = OPT_ENUM, OPT_FIELD(type, run.progress), .arg = "MODE",     \
        .preset = "auto", .choices = run_progress_choices,                                                   \
        .help = "a line that redraws itself on a terminal (auto), a line every 30 seconds (plain), or none"  \
    }

/* Of those that write GGUF. */
#define OPT_ROWS_SPLIT(type)                                                                                 \
    {.name = "split-max-size",                                                                               \
     .kind = OPT_SIZE10,                                                                                     \
     OPT_FIELD(type, run.split_max_size),                                                                    \
     .arg = "SIZE",                                                                                          \
     .min = 1,                                                                                               \
     .help = "split into files of at most that many bytes of tensors"},                                      \
    {                                                                                                        \
        .name = "split-max-tensors", .kind = OPT_U64, OPT_FIELD(type, run.split_max_tensors), .arg = "N",    \
        .min = 1, .help = "split into files of at most that many tensors"                                    \
    }

/* Of commands that can leave blocks out. */
#define OPT_ROW_PRUNE(type, field)                                                                           \
    {                                                                                                        \
        .name = "prune-layers", .kind = OPT_STR, OPT_FIELD(type, field), .arg = "LIST",                      \
        .help = "leave blocks out, such as 4,20-22; those behind them move up"                               \
    }

/* Of those that encode values. */
#define OPT_ROW_NONFINITE(type)                                                                              \
    {                                                                                                        \
        .name = "allow-nonfinite", .kind = OPT_FLAG, OPT_FIELD(type, run.allow_nonfinite),                   \
        .help = "quantize NaN and infinite values, and write what becomes infinite, instead of failing"      \
    }

/* And can measure them. */
#define OPT_ROWS_QUALITY(type)                                                                               \
    {.name = "report",                                                                                       \
     .how = true,                                                                                            \
     .kind = OPT_PATH,                                                                                       \
     OPT_FIELD(type, run.report),                                                                            \
     .arg = "FILE.json",                                                                                     \
     .help = "measure what is written against what it was made of, and write a report of every tensor"},     \
        OPT_ROW_NONFINITE(type)

/* The plan's notes, unless --quiet: what a command that cannot plan has found out. */
void run_notes(const char *command, const struct plan *plan, const struct opt_common *common);

/* Of those that carry files over: an int field, enum link_mode. */
extern const char *const run_link_choices[];

#define OPT_ROW_LINK(type, field)                                                                            \
    {                                                                                                        \
        .name = "link", .kind = OPT_ENUM, OPT_FIELD(type, field), .arg = "MODE", .preset = "auto",           \
        .choices = run_link_choices,                                                                         \
        .help = "shards that stay as they are: a hard link where the file system has it, else a copy "       \
                "(auto), a hard link or failure (hard), or a copy (copy)"                                    \
    }

/* Of those that take a head from elsewhere: an int field, enum norms_encoding. */
extern const char *const run_norms_choices[];

#define OPT_ROW_NORMS(option, type, field)                                                                   \
    {                                                                                                        \
        .name = option, .kind = OPT_ENUM, OPT_FIELD(type, field), .arg = "ENCODING",                         \
        .choices = run_norms_choices,                                                                        \
        .help = "how the donor stores its norms: as differences from 1 (delta), as they are (absolute), or " \
                "as it declares or their values show (auto)"                                                 \
    }

/* Prints the plan (--dry-run) or runs it: notes first, then progress, then one line about the result on
 * standard output; with --json the plan as one object. Interrupts (SIGINT, SIGTERM) stop the run cleanly:
 * E_CANCELLED, and the sentence says how to go on. */
enum status run_plan(const char *command, const struct plan *plan, const struct run_options *o,
                     const struct opt_common *common, struct err *err);

#endif
