/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several files from one reading of the source, each of its own type: from a list (--type A,B -o
 * NAME-{type}.gguf) or from a file (--ladder FILE) of lines
 *
 *     TYPE OUTPUT [option=value | flag]...      # comment
 *
 * whose options are those of the command line that say what a file is. What a line does not say, the command
 * line does.
 */
#ifndef CLI_LADDER_H
#define CLI_LADDER_H

#include "cli/quantize_opts.h"
#include "convert/convert.h"

/* What one file is. A member `struct rung_options rung` takes OPT_ROWS_RUNG. */
struct rung_options {
    struct quantize_opts quantize;
    int mtp; /* enum mtp_mode */
};

extern const char *const rung_mtp_choices[];
extern const struct opt rung_table[]; /* of struct rung_options */

struct ladder_rung {
    const char *type, *out;
    const char *label; /* for notes and errors; NULL when there is one rung */
    struct rung_options options;
    bool own_quantize; /* the rung itself, not the command line, has options of quantization */
    struct quantize_job job;
    bool quantizes; /* the job is open */
};

struct ladder {
    struct arena *arena;
    struct ladder_rung *rungs;
    size_t n, cap;
};

/* The row of commands that make ladders; the field is a const char *. */
#define OPT_ROW_LADDER(type, field)                                                                          \
    {                                                                                                        \
        .name = "ladder", .kind = OPT_PATH, OPT_FIELD(type, field), .arg = "FILE",                           \
        .help = "make all files of a list: each line has a type, an output and options of its own, such as " \
                "imatrix=FILE or mtp-type=q8_0"                                                              \
    }

/* The rungs that a command line asks for: of the file, or of the list of types. E_USAGE where these exclude
 * each other or say too little. */
struct ladder_request {
    const char *file, *types, *out;
    const struct rung_options *base;
};
enum status ladder_read(struct ladder *l, const struct ladder_request *q, struct err *err);

/* The rungs of "A,B,C"; NULL types: one rung without a type. Several need a mark in `out`. E_USAGE. */
enum status ladder_from_types(struct ladder *l, const char *types, const char *out,
                              const struct rung_options *base, struct err *err);

/* The rungs of a file. E_USAGE, E_IO; errors begin with the file's name and line. */
enum status ladder_from_file(struct ladder *l, const char *path, const struct rung_options *base,
                             struct err *err);

/* Opens the rung's job for a recipe of that name (NULL: as --recipe says). */
enum status ladder_open_job(struct ladder *l, struct ladder_rung *rung, const char *recipe, struct err *err);

/* What {type} in the rung's output stands for: its type as it was written; NULL where that is a file's path.
 */
const char *ladder_tag(const struct ladder_rung *rung);

/* What --explain found, rung by rung. E_USAGE when it was nothing. */
enum status ladder_print_explanations(const struct ladder *l, struct err *err);

void ladder_close(struct ladder *l);

#endif
