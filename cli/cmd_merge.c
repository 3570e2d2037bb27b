/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/run.h"
#include "gguf/split.h"

struct options {
    struct opt_common common;
    struct run_options run;
    const char *out;
};

static const struct opt table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT.gguf",
     .help = "the file to write"},
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Puts the files of a split set together again: the one that was split, byte for byte. The first file is "
    "given, the others lie beside it.",
    "Keys of a set are gone afterwards; llama-gguf-split leaves them, with a count of 0. Merging a file that "
    "it "
    "merged takes them out.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion merge model-00001-of-00003.gguf -o model.gguf", "one file of three"},
    {0},
};

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    struct source *source = NULL;
    struct plan plan;

    if (!o->out)
        return fail(err, E_USAGE, "-o OUT.gguf is missing: where to write");
    plan_init(&plan);
    enum status s = source_open(&source, line->args[0], err);
    if (s == OK)
        s = merge_gguf(&plan, source, o->out, err);
    if (s == OK)
        s = run_plan("merge", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    source_close(source);
    return s;
}

const struct cmd_spec cmd_merge = {run, table, sizeof(struct options), about, example};
