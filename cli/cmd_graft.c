/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/run.h"
#include "formats/source.h"
#include "graft/graft.h"

struct options {
    struct opt_common common;
    struct run_options run;
    const char *target, *donor, *out;
    int type, link, norms;
    bool in_place, replace;
};

static const char *const type_choices[] = {"keep", "bf16", "f16", "f32", NULL};
static const enum dtype types[] = {DT_COUNT, DT_BF16, DT_F16, DT_F32};
static const char *const norms_choices[] = {"auto", "delta", "absolute", NULL};
static const enum norms_encoding norms[] = {NORMS_UNCLEAR, NORMS_DELTA, NORMS_ABSOLUTE};

static const struct opt table[] = {
    {.name = "target",
     .kind = OPT_PATH,
     OPT_FIELD(struct options, target),
     .arg = "MODEL",
     .help = "the model that gets the head"},
    {.name = "donor",
     .kind = OPT_PATH,
     OPT_FIELD(struct options, donor),
     .arg = "MODEL",
     .help = "the model that has it; or a safetensors file with nothing but a head, or a GGUF file"},
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT",
     .help = "the folder to make"},
    {.name = "in-place",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, in_place),
     .help = "change the target itself: files are replaced when all is ready, never written into"},
    {.name = "replace",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, replace),
     .help = "take the place of the head that the target has"},
    {.name = "dtype",
     .kind = OPT_ENUM,
     OPT_FIELD(struct options, type),
     .arg = "TYPE",
     .preset = "keep",
     .choices = type_choices,
     .help = "the type of the head's tensors; keep copies their bytes"},
    {.name = "norms",
     .kind = OPT_ENUM,
     OPT_FIELD(struct options, norms),
     .arg = "ENCODING",
     .preset = "auto",
     .choices = norms_choices,
     .help =
         "how the donor stores its norms: as differences from 1 (delta), as they are (absolute), or as it "
         "declares or their values show (auto)"},
    OPT_ROW_LINK(struct options, link),
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Gives a model the multi-token-prediction head of another one of its family, such as a fine-tune the "
    "head "
    "of its base. The head's tensors are copied into model-mtp.safetensors; index and config.json are "
    "brought up "
    "to date; all other files are linked or copied. Of the donor only headers and the head are read.",
    "Before any work it is checked that the head is complete and fits: shapes, vocabulary, experts, family, "
    "and "
    "how its norms are encoded.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion graft --target Ornith-9B --donor Qwen3.5-9B -o Ornith-9B-MTP", "into a new folder"},
    {"scion graft --target Ornith-9B --donor head.safetensors --in-place", "into the model itself"},
    {0},
};

static enum status plan_and_run(const struct options *o, const struct graft_options *g, struct err *err)
{
    struct source *target = NULL, *donor = NULL;
    struct run_options run = o->run;
    struct plan plan;

    plan_init(&plan);
    run.force |= o->in_place;
    enum status s = source_open(&target, o->target, err);
    if (s == OK)
        s = source_open(&donor, o->donor, err);
    if (s == OK)
        s = graft_folder(&plan, target, donor, g, err);
    if (s == OK)
        s = run_plan("graft", &plan, &run, &o->common, err);
    plan_free(&plan);
    source_close(target);
    source_close(donor);
    return s;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    struct graft_options g = {
        .out = o->out,
        .type = types[o->type],
        .link = (enum link_mode)o->link,
        .replace = o->replace,
        .norms = norms[o->norms],
    };

    if (!o->target || !o->donor)
        return fail(err, E_USAGE, "--%s MODEL is missing", o->target ? "donor" : "target");
    if (!o->out == !o->in_place)
        return fail(err, E_USAGE,
                    o->out ? "-o and --in-place exclude each other"
                           : "-o OUT is missing: where to write (or --in-place)");
    return plan_and_run(o, &g, err);
}

const struct cmd_spec cmd_graft = {run, table, sizeof(struct options), about, example};
