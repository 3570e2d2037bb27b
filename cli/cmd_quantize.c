/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/quantize_opts.h"
#include "cli/run.h"
#include "cli/tty.h"

struct options {
    struct opt_common common;
    struct run_options run;
    struct quantize_opts quantize;
    const char *out, *type;
};

static const struct opt table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT.gguf",
     .help = "the file to write"},
    {.name = "type",
     .letter = 't',
     .kind = OPT_STR,
     OPT_FIELD(struct options, type),
     .arg = "TYPE",
     .help = "a built-in recipe, such as Q4_K_M (\"scion recipe list\")"},
    OPT_ROWS_QUANTIZE(struct options),
    {.name = "allow-requantize",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, quantize.allow_requantize),
     .help = "quantize tensors again that are quantized already"},
    OPT_ROWS_SPLIT(struct options),
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Quantizes a GGUF file (or the split set that it begins). The file is the one that llama-quantize "
    "writes, byte for "
    "byte. To quantize a checkpoint in one pass, give the same types and options to scion convert.",
    "The recipe decides which tensor gets which type; --tensor-type and its like overrule it. Everything is "
    "decided, "
    "and every problem found, before any work.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion quantize model-bf16.gguf -o model-Q4_K_M.gguf --type Q4_K_M", "the usual one"},
    {"scion quantize in.gguf -o out.gguf --type IQ3_M --imatrix imatrix.gguf --mtp-type q8_0",
     "with importance data"},
    {"scion quantize in.gguf -o out.gguf --type Q4_K_M --explain blk.0.attn_v.weight",
     "why a tensor has its type"},
    {0},
};

static enum status plan_and_run(const struct options *o, const char *path, struct quantize_job *job,
                                struct err *err)
{
    struct source *source = NULL;
    struct plan plan;

    plan_init(&plan);
    job->options.out = o->out;
    job->options.split_max_bytes = o->run.split_max_size;
    job->options.split_max_tensors = o->run.split_max_tensors;
    enum status s = source_open(&source, path, err);
    if (s == OK)
        s = quantize_gguf(&plan, source, &job->options, err);
    if (s == OK)
        s = o->quantize.explain ? tty_print(&job->explanation, err)
                                : run_plan("quantize", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    source_close(source);
    return s;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    struct quantize_job job = {0};

    if (!o->out)
        return fail(err, E_USAGE, "-o OUT.gguf is missing: where to write");
    if (!o->type && !o->quantize.recipe)
        return fail(err, E_USAGE, "--type TYPE is missing; \"scion recipe list\" names them");
    enum status s = quantize_job_open(&job, &o->quantize, o->type, err);
    if (s == OK)
        s = plan_and_run(o, line->args[0], &job, err);
    quantize_job_close(&job);
    return s;
}

const struct cmd_spec cmd_quantize = {run, table, sizeof(struct options), about, example};
