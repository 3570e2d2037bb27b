/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/report_mtp.h"
#include "cli/tty.h"

#define OUTPUT_MAX (64 * MIB)

struct options {
    struct opt_common common;
};

static const struct opt table[] = {
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "status prints what a checkpoint promises of its multi-token-prediction head, what of it is there, how "
    "it "
    "is stored and how its norms are encoded; the exit code is 1 when promise and tensors disagree.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion mtp status Qwen3.5-9B", "whether the head that the config promises is there"},
    {0},
};

/* ---- status ---- */

static enum status print_status(const struct mtp_status *st, const struct opt_common *common, struct err *err)
{
    struct buf out;

    buf_init(&out, OUTPUT_MAX);
    if (common->json)
        report_mtp_json(&out, st);
    else
        report_mtp_text(&out, st, common->verbose);
    enum status s = tty_print(&out, err);
    buf_free(&out);
    if (s == OK && !st->agrees)
        s = fail(err, E_MISMATCH, "%s: %s", st->source->path, st->verdict);
    return s;
}

static enum status status(const struct options *o, const char *path, struct err *err)
{
    struct source *source = NULL;
    struct mtp_status st;
    enum status s = source_open(&source, path, err);

    if (s == OK)
        s = mtp_status_read(&st, source, err);
    if (s == OK)
        s = print_status(&st, &o->common, err);
    source_close(source);
    return s;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const char *what = line->args[0];

    if (strcmp(what, "status") != 0)
        return fail(err, E_USAGE, "\"%s\" is no \"status\"", what);
    return status(line->options, line->args[1], err);
}

const struct cmd_spec cmd_mtp = {run, table, sizeof(struct options), about, example};
