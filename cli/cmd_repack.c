/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/run.h"
#include "repack/repack.h"

struct options {
    struct opt_common common;
    struct run_options run;
    const char *out;
    int experts, link;
};

/* In the order of enum experts_layout. */
static const char *const experts_choices[] = {"stacked", "split", "fused", NULL};

static const struct opt table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT",
     .help = "the folder to write; it must not exist yet, or be empty"},
    {.name = "experts",
     .kind = OPT_ENUM,
     OPT_FIELD(struct options, experts),
     .arg = "LAYOUT",
     .choices = experts_choices,
     .help = "a tensor for each projection of all experts (stacked, as MLX has them), one for each expert "
             "(split), or gate and up in one for all (fused, as Qwen3.5 comes)"},
    OPT_ROW_LINK(struct options, link),
    {.name = "split-max-size",
     .kind = OPT_SIZE10,
     OPT_FIELD(struct options, run.split_max_size),
     .arg = "SIZE",
     .min = 1,
     .help =
         "cut all tensors into new shards of at most that many bytes, instead of keeping each in its shard"},
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Writes a safetensors folder (Hugging Face or MLX, quantized or not) again with the experts of its "
    "mixture "
    "in another layout. No value changes: weights, scales and biases move as they are, and the settings in "
    "config.json follow the names.",
    "A shard that holds no such expert is linked or copied; all other files of the folder are copied. The "
    "output "
    "appears under its names only when it is complete; an interrupted run can go on with --resume.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion repack Qwen3.5-35B-A3B -o stacked --experts stacked", "for programs that want MLX's layout"},
    {"scion repack model -o single --experts split", "a tensor for each expert"},
    {"scion repack model -o fused --experts fused --link copy", "sharing no file with the original"},
    {0},
};

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    struct source *source = NULL;
    struct plan plan;
    struct repack_options repack = {
        .out = o->out,
        .experts = (enum experts_layout)o->experts,
        .link = (enum link_mode)o->link,
        .split_max_bytes = o->run.split_max_size,
    };

    if (!o->out)
        return fail(err, E_USAGE, "-o OUT is missing: where to write");
    if (!opt_given(line, "experts"))
        return fail(err, E_USAGE, "--experts LAYOUT is missing: stacked, split or fused");
    plan_init(&plan);
    enum status s = source_open(&source, line->args[0], err);
    if (s == OK)
        s = repack_experts(&plan, source, &repack, err);
    if (s == OK)
        s = run_plan("repack", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    source_close(source);
    return s;
}

const struct cmd_spec cmd_repack = {run, table, sizeof(struct options), about, example};
