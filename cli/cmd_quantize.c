/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/ladder.h"
#include "cli/run.h"
#include "card/file_name.h"

struct options {
    struct opt_common common;
    struct run_options run;
    struct rung_options rung;
    const char *out, *type, *ladder, *prune;
};

static const struct opt table[] = {
    {.name = "output",
     .how = true,
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT.gguf",
     .help = "the file to write; {type} in its name stands for the type"},
    {.name = "type",
     .letter = 't',
     .kind = OPT_STR,
     OPT_FIELD(struct options, type),
     .arg = "TYPE",
     .help = "a built-in recipe, such as Q4_K_M (\"scion recipe list\"); several, separated by commas, make "
             "as many files from one reading"},
    OPT_ROW_LADDER(struct options, ladder),
    OPT_ROWS_QUANTIZE(struct options, rung.quantize),
    {.name = "allow-requantize",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, rung.quantize.allow_requantize),
     .help = "quantize tensors again that are quantized already"},
    OPT_ROW_PRUNE(struct options, prune),
    OPT_ROWS_SPLIT(struct options),
    OPT_ROWS_QUALITY(struct options),
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
    {"scion quantize in.gguf -o 'out/model-{type}.gguf' --type Q6_K,Q4_K_M,IQ4_XS", "three files at once"},
    {0},
};

static enum status open_jobs(struct ladder *l, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < l->n && s == OK; i++) {
        if (l->rungs[i].options.mtp != MTP_AUTO)
            return fail(err, E_USAGE, "%s: mtp=%s is for scion convert: a GGUF file is quantized as it is",
                        l->rungs[i].out, rung_mtp_choices[l->rungs[i].options.mtp]);
        s = ladder_open_job(l, &l->rungs[i], l->rungs[i].type, err);
    }
    return s;
}

/* The paths of the rungs' files, with their types filled in. */
static enum status fill_rungs(const struct ladder *l, struct quantize_rung *rungs, struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct ladder_rung *from = &l->rungs[i];
        const char *tag = ladder_tag(from);

        rungs[i] = (struct quantize_rung){
            .path = file_name_fill(from->out, tag ? tag : from->job.recipe->name, l->arena),
            .label = from->label,
            .options = &from->job.options,
        };
        if (!rungs[i].path)
            return fail_nomem(err);
    }
    return OK;
}

static enum status plan_and_run(const struct opt_line *line, const struct ladder *l, struct err *err)
{
    const struct options *o = line->options;
    struct report_about subject = {"quantize", line, l};
    struct run_options run_options = o->run;
    struct quantize_request q = {
        .nrung = l->n,
        .prune = o->prune,
        .split_max_bytes = o->run.split_max_size,
        .split_max_tensors = o->run.split_max_tensors,
    };
    struct quantize_rung *rungs = arena_array(l->arena, l->n, sizeof *rungs);
    struct source *source = NULL;
    struct plan plan;

    plan_init(&plan);
    run_options.about = &subject;
    q.rungs = rungs;
    enum status s = rungs ? fill_rungs(l, rungs, err) : fail_nomem(err);
    if (s == OK)
        s = source_open(&source, line->args[0], err);
    if (s == OK)
        s = quantize_gguf(&plan, source, &q, err);
    if (s != OK)
        run_notes("quantize", &plan, &o->common);
    else
        s = o->rung.quantize.explain ? ladder_print_explanations(l, err)
                                     : run_plan("quantize", &plan, &run_options, &o->common, err);
    plan_free(&plan);
    source_close(source);
    return s;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    struct ladder_request q = {o->ladder, o->type, o->out, &o->rung};
    struct ladder ladder = {.arena = line->arena};
    enum status s = ladder_read(&ladder, &q, err);

    if (s == OK && !o->type && !o->ladder && !o->rung.quantize.recipe)
        s = fail(err, E_USAGE, "--type TYPE is missing; \"scion recipe list\" names them");
    if (s == OK)
        s = open_jobs(&ladder, err);
    if (s == OK)
        s = plan_and_run(line, &ladder, err);
    ladder_close(&ladder);
    return s;
}

const struct cmd_spec cmd_quantize = {run, table, sizeof(struct options), about, example};
