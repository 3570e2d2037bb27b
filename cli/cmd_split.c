/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/run.h"
#include "gguf/split.h"

struct options {
    struct opt_common common;
    struct run_options run;
    const char *out;
    bool no_tensor_first;
};

static const struct opt table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT.gguf",
     .help = "the name that those of the files are made from: OUT-00001-of-00003.gguf"},
    OPT_ROWS_SPLIT(struct options),
    {.name = "no-tensor-first-split",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, no_tensor_first),
     .help = "let the first file hold the metadata alone"},
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Cuts a GGUF file into a set of files, which llama.cpp opens by the first one. The files are those that "
    "llama-gguf-split writes; scion merge makes the same file of them again, byte for byte.",
    "A file ends before the tensor that would take it over a limit; one tensor that is larger gets a file of "
    "its own. A set is cut anew. What fits in one file is one file, under the name given.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion split model.gguf -o model.gguf --split-max-size 45G", "model-00001-of-00003.gguf and so on"},
    {"scion split in.gguf -o out.gguf --split-max-tensors 100 --dry-run", "the files' names and sizes"},
    {0},
};

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    const struct split_options split = {o->out, o->run.split_max_size, o->run.split_max_tensors,
                                        o->no_tensor_first};
    struct source *source = NULL;
    struct plan plan;

    if (!o->out)
        return fail(err, E_USAGE, "-o OUT.gguf is missing: what to name the files after");
    if (!split.max_bytes && !split.max_tensors)
        return fail(err, E_USAGE,
                    "--split-max-size or --split-max-tensors is missing: how large a file may be");
    plan_init(&plan);
    enum status s = source_open(&source, line->args[0], err);
    if (s == OK)
        s = split_gguf(&plan, source, &split, err);
    if (s == OK)
        s = run_plan("split", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    source_close(source);
    return s;
}

const struct cmd_spec cmd_split = {run, table, sizeof(struct options), about, example};
