/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command-line options. One table per command says all there is to know of its options; parsing,
 * defaults, help, man page, completion and the docs page are read from it.
 */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include "core/arena.h"

#define OPT_MAX 96 /* rows of one table */

enum opt_kind {
    OPT_HELP,   /* no field: ends the parsing */
    OPT_FLAG,   /* bool, set to true */
    OPT_STR,    /* const char *, any text */
    OPT_PATH,   /* const char *, not empty; shells complete it as a file */
    OPT_U64,    /* uint64_t, decimal digits */
    OPT_SIZE,   /* uint64_t, digits and an optional K, M, G or T: powers of 1024 (memory) */
    OPT_SIZE10, /* the same in powers of 1000 (sizes of files) */
    OPT_ENUM,   /* int, index into choices */
    OPT_REPEAT, /* struct opt_list; may be given any number of times */
};

struct opt_list {
    const char **item;
    size_t n;
};

/* A table ends with a row without a name. */
struct opt {
    const char *name; /* without the dashes */
    char letter;      /* 0 = none */
    enum opt_kind kind;
    size_t offset;              /* of the field in the command's options struct */
    const char *arg;            /* name of the value in help: "FILE"; NULL for flags */
    const char *preset;         /* default, as it would be typed; NULL leaves the field zero */
    uint64_t min, max;          /* of a number; max 0 = no upper limit */
    const char *const *choices; /* of OPT_ENUM, NULL at the end */
    const char *help;           /* a phrase without a final full stop */
    bool how; /* it says how the command works and where its results go, not what they are */
};

/* One command line. The caller sets the first three; the strings in *options are borrowed from argv. */
struct opt_line {
    const struct opt *table;
    void *options;       /* zeroed; gets the defaults, then what the line says */
    struct arena *arena; /* holds the lists of OPT_REPEAT */
    char **args;         /* out: positional arguments in their order, moved to the front of argv */
    size_t nargs;
    bool help;          /* out: --help was met; what follows it was not looked at */
    bool seen[OPT_MAX]; /* out: which rows the line itself named */
};

/* argv without the command's own name. Options may follow positional arguments, "--" ends options, a
 * value may be its own argument or follow '='. E_USAGE, E_NOMEM. */
enum status opt_parse(struct opt_line *line, int argc, char **argv, struct err *err);

/* Gives what the line did not name the value that it has in `base`, a struct of the same type. */
void opt_inherit(const struct opt_line *line, const void *base);

/* Whether the line itself named the option; the table must have it. */
bool opt_given(const struct opt_line *line, const char *name);

/* Whether an option is followed by a value. */
bool opt_takes_value(const struct opt *o);

/* ---- options that several commands share: a member `struct opt_common common` takes them ---- */

struct opt_common {
    bool json, quiet, verbose;
};

#define OPT_ROW_HELP                                                                                         \
    {                                                                                                        \
        .name = "help", .how = true, .letter = 'h', .kind = OPT_HELP, .help = "print this help"              \
    }
#define OPT_FIELD(type, field) .offset = offsetof(type, field)

#define OPT_ROWS_COMMON(type)                                                                                \
    {.name = "json",                                                                                         \
     .how = true,                                                                                            \
     .kind = OPT_FLAG,                                                                                       \
     OPT_FIELD(type, common.json),                                                                           \
     .help = "print one JSON object instead of text"},                                                       \
        {.name = "quiet",                                                                                    \
         .how = true,                                                                                        \
         .letter = 'q',                                                                                      \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, common.quiet),                                                                      \
         .help = "print no notes and no progress"},                                                          \
        {.name = "verbose",                                                                                  \
         .how = true,                                                                                        \
         .letter = 'v',                                                                                      \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, common.verbose),                                                                    \
         .help = "print more detail"},                                                                       \
        OPT_ROW_HELP

#endif
