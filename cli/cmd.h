/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is: a row in cmds.def and a spec in its own file. */
#ifndef CLI_CMD_H
#define CLI_CMD_H

#include "cli/opt.h"

struct cmd_example {
    const char *line; /* as typed */
    const char *what; /* it does; a phrase without a final full stop */
};

struct cmd_spec {
    /* line->options points to the struct that the table fills; line->args are the positional arguments,
     * as many as the row in cmds.def allows. */
    enum status (*run)(const struct opt_line *line, struct err *err);
    const struct opt *table;
    size_t options_size;               /* of that struct */
    const char *const *about;          /* paragraphs, NULL at the end */
    const struct cmd_example *example; /* ends with a row without a line; NULL = none */
};

struct cmd {
    const char *name, *group, *args;
    unsigned min_args, max_args;
    const char *summary;
    const struct cmd_spec *spec;
};

#define X(name, group, args, least, most, summary) extern const struct cmd_spec cmd_##name;
#include "cli/cmds.def"
#undef X

/* All of them, with a nameless row at the end. */
extern const struct cmd cmds[];

/* E_USAGE, naming the nearest, when there is none of that name. */
enum status cmd_find(const char *name, const struct cmd **cmd, struct err *err);

#endif
