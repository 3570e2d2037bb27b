/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/quantize_opts.h"
#include "cli/run.h"
#include "cli/side_car_opts.h"
#include "convert/add_head.h"
#include "formats/source.h"
#include "graft/graft.h"

#define FOR_MLX      "for a folder for MLX: "
#define DEFAULT_TYPE "q8_0" /* of a head that a quantized file gets */

struct options {
    struct opt_common common;
    struct run_options run;
    const char *target, *donor, *out, *head_type;
    int type, link, norms;
    bool in_place, replace, allow_requantize;
    struct side_car_opts side_car;
};

static const char *const type_choices[] = {"keep", "bf16", "f16", "f32", NULL};
static const enum dtype types[] = {DT_COUNT, DT_BF16, DT_F16, DT_F32};

static const struct opt table[] = {
    {.name = "target",
     .kind = OPT_PATH,
     OPT_FIELD(struct options, target),
     .arg = "MODEL",
     .help = "the model that gets the head: a folder, or a GGUF file"},
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
     .help = "the folder to make; for a GGUF file the file"},
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
     .help = "the type of the head's tensors in a folder; keep copies their bytes"},
    {.name = "mtp-type",
     .kind = OPT_STR,
     OPT_FIELD(struct options, head_type),
     .arg = "TYPE",
     .help = "the type of the head's matrices in a GGUF file; if it is not given, those of a GGUF donor are "
             "copied, others become the target's float type or, where that is quantized, q8_0"},
    {.name = "allow-requantize",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, allow_requantize),
     .help = "quantize a head again that is quantized already"},
    OPT_ROW_NORMS("norms", struct options, norms),
    OPT_ROWS_SIDE_CAR(struct options, FOR_MLX),
    OPT_ROWS_SIDE_CAR_FOLDER(struct options, FOR_MLX),
    OPT_ROW_LINK(struct options, link),
    OPT_ROWS_SPLIT(struct options),
    OPT_ROW_NONFINITE(struct options),
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
    "A GGUF file gets the head as its last blocks; its own tensors are copied as they are.",
    "A folder for MLX gets it as a side-car, a file that config.json points to, in a form that MTPLX or "
    "OptiQ "
    "reads; loaders that know nothing of heads load the folder as before.",
    "Before any work it is checked that the head is complete and fits: shapes, vocabulary, experts, family, "
    "and "
    "how its norms are encoded.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion graft --target Ornith-9B --donor Qwen3.5-9B -o Ornith-9B-MTP", "into a new folder"},
    {"scion graft --target Ornith-9B --donor head.safetensors --in-place", "into the model itself"},
    {"scion graft --target Ornith-9B-Q4_K_M.gguf --donor Qwen3.5-9B -o Ornith-9B-MTP-Q4_K_M.gguf",
     "into a quantized file"},
    {"scion graft --target Ornith-9B-4bit --donor Qwen3.5-9B -o Ornith-9B-4bit-MTP --policy cyankiwi",
     "beside a folder for MLX, quantized to 4 bits"},
    {0},
};

/* ---- folders ---- */

static enum status graft_to_side_car(const struct options *o, struct source *target, struct source *donor,
                                     struct plan *plan, struct err *err)
{
    struct side_car_options s = {
        .out = o->out,
        .link = (enum link_mode)o->link,
        .wishes = {o->replace, (enum norms_encoding)o->norms},
        .type = types[o->type],
        .allow_requantize = o->allow_requantize,
    };

    if (o->head_type || o->run.split_max_size || o->run.split_max_tensors)
        return fail(err, E_USAGE,
                    "%s: is no GGUF file: --mtp-type and splits are for those; --policy and --bits "
                    "say how a head for MLX is quantized",
                    target->path);
    enum status st = side_car_opts_read(&o->side_car, &s, err);
    return st == OK ? side_car_add(plan, target, donor, &s, err) : st;
}

static enum status graft_to_folder(const struct options *o, struct source *target, struct source *donor,
                                   struct plan *plan, struct err *err)
{
    struct graft_options g = {
        .out = o->out,
        .type = types[o->type],
        .link = (enum link_mode)o->link,
        .wishes = {o->replace, (enum norms_encoding)o->norms},
    };

    if (o->head_type || o->allow_requantize || o->run.split_max_size || o->run.split_max_tensors)
        return fail(err, E_USAGE,
                    "%s: is no GGUF file: --mtp-type, --allow-requantize and splits are for those",
                    target->path);
    if (side_car_opts_given(&o->side_car))
        return fail(err, E_USAGE, "%s: is no folder for MLX: options of side-cars are for those",
                    target->path);
    return graft_folder(plan, target, donor, &g, err);
}

/* ---- GGUF files ---- */

static enum status plan_file(const struct options *o, struct source *target, const struct graft_match *m,
                             struct quantize_job *job, struct plan *plan, struct err *err)
{
    struct quantize_opts q = {.mtp_type = o->head_type, .allow_requantize = o->allow_requantize};
    struct add_head_options a = {
        .donor = m->donor.source,
        .head = &m->donor.head,
        .hp = &m->target.hp,
        .absolute = m->absolute,
        .out = o->out,
        .split_max_bytes = o->run.split_max_size,
        .split_max_tensors = o->run.split_max_tensors,
    };
    enum status s = OK;

    if (!q.mtp_type && add_head_quantizes(target, a.donor))
        q.mtp_type = DEFAULT_TYPE;
    if (q.mtp_type) {
        s = quantize_job_open(job, &q, DEFAULT_TYPE, NULL, err);
        a.quantize = &job->options;
    }
    return s == OK ? add_head_gguf(plan, target, &a, err) : s;
}

static enum status graft_to_file(const struct options *o, struct source *target, struct source *donor,
                                 struct plan *plan, struct err *err)
{
    const struct graft_wishes wishes = {o->replace, (enum norms_encoding)o->norms};
    struct quantize_job job = {0};
    struct graft_match m;

    if (side_car_opts_given(&o->side_car))
        return fail(err, E_USAGE, "%s: is no folder for MLX: options of side-cars are for those",
                    target->path);
    if (o->in_place || types[o->type] != DT_COUNT)
        return fail(err, E_USAGE, "%s: is a GGUF file: %s", target->path,
                    o->in_place ? "a new one is made of it, with -o" : "--mtp-type says the head's type");
    enum status s = graft_match(&m, target, donor, &wishes, err);
    if (s == OK)
        s = plan_file(o, target, &m, &job, plan, err);
    quantize_job_close(&job);
    return s;
}

/* ---- all ---- */

static enum status plan_and_run(const struct options *o, struct err *err)
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
        s = target->kind == SOURCE_GGUF ? graft_to_file(o, target, donor, &plan, err)
            : mlx_is(target)            ? graft_to_side_car(o, target, donor, &plan, err)
                                        : graft_to_folder(o, target, donor, &plan, err);
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

    if (!o->target || !o->donor)
        return fail(err, E_USAGE, "--%s MODEL is missing", o->target ? "donor" : "target");
    if (!o->out == !o->in_place)
        return fail(err, E_USAGE,
                    o->out ? "-o and --in-place exclude each other"
                           : "-o OUT is missing: where to write (or --in-place)");
    return plan_and_run(o, err);
}

const struct cmd_spec cmd_graft = {run, table, sizeof(struct options), about, example};
