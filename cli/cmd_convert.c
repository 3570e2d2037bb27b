/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "cli/cmd.h"
#include "cli/ladder.h"
#include "cli/mlx_opts.h"
#include "cli/run.h"
#include "convert/canon.h"
#include "convert/convert.h"
#include "convert/to_hf.h"
#include "cli/models.h"
#include "graft/match.h"

#define METADATA_MAX (16 * MIB)

struct options {
    struct opt_common common;
    struct run_options run;
    struct rung_options rung;
    struct mlx_opts mlx;
    int to, norms;
    const char *out, *type, *ladder, *name, *pre, *donor;
    bool mmproj, replace;
    struct opt_list metadata, allow_unknown;
};

enum { TO_GGUF, TO_MLX, TO_HF };
static const char *const to_choices[] = {"gguf", "mlx", "hf", NULL};

/* Types of the reference converter's files; every other --type is a recipe. */
static const struct {
    const char *name;
    enum dtype type;
} file_types[] = {{"auto", DT_COUNT}, {"f32", DT_F32}, {"f16", DT_F16}, {"bf16", DT_BF16}, {"q8_0", DT_Q8_0}};

static const struct opt table[] = {
    {.name = "output",
     .how = true,
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT",
     .help =
         "the file to write, in whose name {type} stands for the type; a folder, or a path that ends in /: "
         "the file is named after the model. With --to mlx or hf the folder to make"},
    {.name = "to",
     .kind = OPT_ENUM,
     OPT_FIELD(struct options, to),
     .arg = "FORMAT",
     .choices = to_choices,
     .help = "a GGUF file (if nothing is said), a folder for MLX, or a Hugging Face folder"},
    {.name = "type",
     .letter = 't',
     .kind = OPT_STR,
     OPT_FIELD(struct options, type),
     .arg = "TYPE",
     .help = "auto (the checkpoint's own type, if nothing is said), f32, f16, bf16 or q8_0; or a recipe that "
             "quantizes, such as Q4_K_M (\"scion recipe list\"); several, separated by commas, make as many "
             "files from one reading. With --to mlx or hf: auto, f32, f16 or bf16"},
    OPT_ROW_LADDER(struct options, ladder),
    {.name = "mtp",
     .kind = OPT_ENUM,
     OPT_FIELD(struct options, rung.mtp),
     .arg = "MODE",
     .preset = "auto",
     .choices = rung_mtp_choices,
     .help = "multi-token-prediction head: keep what is there (auto), the same and fail when it is missing "
             "(keep), "
             "leave it out (drop), or write the head alone (only). With --to mlx auto leaves it out"},
    {.name = "graft",
     .kind = OPT_PATH,
     OPT_FIELD(struct options, donor),
     .arg = "DONOR",
     .help = "give the model the multi-token-prediction head of another one first, as scion graft does"},
    {.name = "replace",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, replace),
     .help = "with --graft: in the place of the head that the model has"},
    OPT_ROW_NORMS("graft-norms", struct options, norms),
    {.name = "mmproj",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, mmproj),
     .help = "convert the vision tower instead of the text model"},
    OPT_ROWS_SPLIT(struct options),
    {.name = "name",
     .kind = OPT_STR,
     OPT_FIELD(struct options, name),
     .arg = "NAME",
     .help = "the model's name"},
    {.name = "metadata",
     .kind = OPT_REPEAT,
     OPT_FIELD(struct options, metadata),
     .arg = "KEY=VALUE",
     .help = "set a general.* key, such as general.author or general.sampling.temp; an empty value leaves it "
             "out; "
             "an argument without = names a JSON file of such keys"},
    {.name = "pre",
     .kind = OPT_STR,
     OPT_FIELD(struct options, pre),
     .arg = "NAME",
     .help = "the pre-tokenizer's name (tokenizer.ggml.pre) instead of the one that is recognised"},
    {.name = "allow-unknown",
     .kind = OPT_REPEAT,
     OPT_FIELD(struct options, allow_unknown),
     .arg = "NAME",
     .help = "leave out an unknown tensor of that name (a shell pattern) instead of failing"},
    OPT_ROWS_QUANTIZE(struct options, rung.quantize),
    OPT_ROWS_QUALITY(struct options),
    {.name = "allow-requantize",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, rung.quantize.allow_requantize),
     .help = "quantize again what is quantized already"},
    OPT_ROWS_MLX(struct options),
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Converts a Hugging Face checkpoint (a folder, or org/name in the local cache) to a GGUF file, quantized "
    "or not, in one pass and in the memory given. The file is the one that llama.cpp's converter writes, or "
    "that llama-quantize makes of it, byte for byte. With --to mlx: to the folder that mlx_lm's or mlx_vlm's "
    "own convert makes, array by array. With --to hf: to a Hugging Face folder.",
    "The source may also be a folder for MLX, or, with --to mlx or hf, a GGUF file: what is quantized there "
    "is decoded, or repacked where the new type has the same levels.",
    "The output appears under its name only when it is complete. An interrupted run leaves OUT.partial and "
    "OUT.journal; the same command with --resume goes on from there.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion convert Qwen3.5-9B -o qwen3.5-9b.gguf", "in the checkpoint's own type"},
    {"scion convert Qwen3.5-9B -o out/ --type q8_0", "named by rule: out/Qwen3.5-9B-Q8_0.gguf"},
    {"scion convert Qwen3.5-9B -o q4.gguf --type Q4_K_M", "converted and quantized in one pass"},
    {"scion convert Qwen3.5-9B -o 'out/q-{type}.gguf' --type bf16,Q6_K,Q4_K_M", "three files at once"},
    {"scion convert Qwen3.5-9B -o head.gguf --mtp only", "the draft head alone"},
    {"scion convert Ornith-9B --graft Qwen3.5-9B -o q4.gguf --type Q4_K_M",
     "with the draft head of its base"},
    {"scion convert Qwen3.5-9B -o x.gguf --dry-run", "what would be written"},
    {"scion convert Qwen3.5-9B --to mlx --bits 4 -o Qwen3.5-9B-4bit", "for MLX, in 4 bits"},
    {"scion convert Qwen3.5-9B-4bit --to hf -o decoded", "from MLX to a Hugging Face folder"},
    {0},
};

static enum status read_overrides(const struct options *o, struct authorship_overrides *overrides,
                                  struct notes *notes, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < o->metadata.n && s == OK; i++) {
        const char *item = o->metadata.item[i];
        struct json *object = NULL;

        if (strchr(item, '=')) {
            s = authorship_override(overrides, item, err);
            continue;
        }
        s = json_load(item, METADATA_MAX, &object, err);
        if (s == OK)
            s = authorship_override_json(overrides, object, item, notes, err);
        json_free(object);
    }
    return s;
}

/* Whether any of the files may have a head. */
static bool wants_head(const struct convert_options *c)
{
    for (size_t i = 0; i < c->nrung; i++)
        if (c->rungs[i].mtp != MTP_DROP)
            return !c->mmproj;
    return false;
}

static enum status make_plan(const struct options *o, struct plan *plan, struct models *m,
                             struct convert_options *c, const char *path, struct err *err)
{
    const struct models_wishes w = {
        .path = path,
        .donor = o->donor,
        .graft = {.replace = o->replace, .norms = (enum norms_encoding)o->norms},
        .side_car = wants_head(c) ? SIDE_CAR_TAKEN : SIDE_CAR_UNASKED,
    };
    enum status s = models_open(m, &w, &plan->notes, err);

    c->head = models_head(m);
    return s == OK ? convert_to_gguf(plan, m->source, c, err) : s;
}

static enum status plan_and_run(const struct opt_line *line, const struct ladder *l,
                                struct convert_options *c, struct err *err)
{
    const struct options *o = line->options;
    struct report_about subject = {"convert", line, l};
    struct run_options run_options = o->run;
    struct authorship_overrides overrides = {0};
    struct models models = {0};
    struct plan plan;

    plan_init(&plan);
    run_options.about = &subject;
    overrides.arena = &plan.arena;
    c->overrides = &overrides;
    enum status s = read_overrides(o, &overrides, &plan.notes, err);
    if (s == OK)
        s = make_plan(o, &plan, &models, c, line->args[0], err);
    if (s != OK)
        run_notes("convert", &plan, &o->common);
    else
        s = o->rung.quantize.explain ? ladder_print_explanations(l, err)
                                     : run_plan("convert", &plan, &run_options, &o->common, err);
    plan_free(&plan);
    models_close(&models);
    return s;
}

/* ---- rungs ---- */

/* A type as a file type of the reference converter's; every other one is a recipe. */
static bool is_file_type(const struct ladder_rung *rung, enum dtype *type)
{
    *type = DT_COUNT;
    if (!rung->type)
        return !rung->options.quantize.recipe;
    for (size_t i = 0; i < ARRAY_LEN(file_types) && !rung->options.quantize.recipe; i++) {
        if (strcasecmp(rung->type, file_types[i].name) == 0) {
            *type = file_types[i].type;
            return true;
        }
    }
    return false;
}

static bool wants_quantization(const struct quantize_opts *q)
{
    return q->imatrix || q->tensor_types.n || q->tensor_type_file || q->output_type || q->embedding_type ||
           q->mtp_type || q->keeps.n || q->pure || q->leave_output || q->explain;
}

static enum status fail_no_recipe(const struct ladder_rung *rung, struct err *err)
{
    return fail(
        err, E_USAGE,
        "%s%s--type %s does not quantize: --imatrix, --tensor-type and their like need a recipe, such "
        "as Q4_K_M",
        rung->label ? rung->label : "", rung->label ? ": " : "", rung->type ? rung->type : "auto");
}

static enum status fill_rung(const struct options *o, struct ladder *l, struct ladder_rung *from,
                             struct convert_rung *to, struct err *err)
{
    *to = (struct convert_rung){
        .out = from->out,
        .tag = ladder_tag(from),
        .label = from->label,
        .mtp = (enum mtp_mode)from->options.mtp,
    };
    if (o->mmproj && to->mtp != MTP_AUTO)
        return fail(err, E_USAGE, "--mmproj and --mtp exclude each other: a vision tower has no head");
    if (!is_file_type(from, &to->type)) {
        to->quantize = &from->job.options;
        return ladder_open_job(l, from, from->type, err);
    }
    if (to->type == DT_COUNT)
        to->tag = NULL;
    return from->own_quantize ? fail_no_recipe(from, err) : OK;
}

/* Options of quantization that the command line gives are for the rungs that quantize: there must be one. */
static enum status check_recipes(const struct ladder *l, const struct rung_options *o, struct err *err)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->rungs[i].quantizes)
            return OK;
    return wants_quantization(&o->quantize) ? fail_no_recipe(&l->rungs[0], err) : OK;
}

static enum status run_gguf(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    struct ladder_request q = {o->ladder, o->type, o->out, &o->rung};
    struct ladder ladder = {.arena = line->arena};
    struct convert_rung *rungs = NULL;
    enum status s = ladder_read(&ladder, &q, err);

    if (s == OK && !o->donor && (o->replace || opt_given(line, "graft-norms")))
        s = fail(err, E_USAGE, "--%s is for a head that --graft brings",
                 o->replace ? "replace" : "graft-norms");
    if (s == OK && o->donor && o->mmproj)
        s = fail(err, E_USAGE, "--mmproj and --graft exclude each other: a vision tower has no head");
    if (s == OK && !(rungs = arena_array(line->arena, ladder.n, sizeof *rungs)))
        s = fail_nomem(err);
    for (size_t i = 0; i < ladder.n && s == OK; i++)
        s = fill_rung(o, &ladder, &ladder.rungs[i], &rungs[i], err);
    if (s == OK)
        s = check_recipes(&ladder, &o->rung, err);
    struct convert_options c = {
        .rungs = rungs,
        .nrung = ladder.n,
        .mmproj = o->mmproj,
        .split_max_bytes = o->run.split_max_size,
        .split_max_tensors = o->run.split_max_tensors,
        .name = o->name,
        .pre = o->pre,
        .allow_unknown = o->allow_unknown.item,
        .nallow_unknown = o->allow_unknown.n,
        .allow_requantize = o->rung.quantize.allow_requantize,
    };
    if (s == OK)
        s = plan_and_run(line, &ladder, &c, err);
    ladder_close(&ladder);
    return s;
}

/* ---- folders ---- */

#define SHARD_BYTES 5000000000u /* of mlx_vlm and transformers; mlx_lm's are a little larger */

static enum status read_hf(const struct options *o, struct hf_options *hf, struct err *err)
{
    static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16};

    hf->dtype = DT_COUNT;
    if (hf->mtp == MTP_ONLY)
        return fail(err, E_USAGE, "--mtp only: a folder of the head alone is not written");
    if (!o->type || strcasecmp(o->type, "auto") == 0)
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcasecmp(o->type, dtype_name(types[i])) == 0)
            hf->dtype = types[i];
    return hf->dtype == DT_COUNT
               ? fail(err, E_USAGE, "--type %s: --to hf has auto, f32, f16 and bf16", o->type)
               : OK;
}

static enum status run_folder(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    struct ladder_rung folder = {.type = o->type, .out = o->out, .options = o->rung};
    struct ladder ladder = {.rungs = &folder, .n = 1};
    struct report_about subject = {"convert", line, &ladder};
    struct run_options run_options = o->run;
    struct mlx_options mlx = {
        .out = o->out,
        .mtp = (enum mtp_mode)o->rung.mtp,
        .split_max_bytes = o->run.split_max_size ? o->run.split_max_size : SHARD_BYTES,
        .allow_unknown = o->allow_unknown.item,
        .nallow_unknown = o->allow_unknown.n,
        .allow_requantize = o->rung.quantize.allow_requantize,
    };
    struct hf_options hf = {mlx.out, mlx.mtp, mlx.split_max_bytes, mlx.allow_unknown, mlx.nallow_unknown};
    bool to_mlx = o->to == TO_MLX;
    struct models_wishes w = {.path = line->args[0],
                              .side_car = mlx.mtp == MTP_DROP   ? SIDE_CAR_UNASKED
                                          : mlx.mtp == MTP_KEEP ? SIDE_CAR_REFUSED
                                                                : SIDE_CAR_NOTED};
    struct models m = {0};
    struct plan plan;

    if (!o->out)
        return fail(err, E_USAGE, "-o OUT is missing: which folder to make");
    enum status s = to_mlx ? mlx_opts_read(&o->mlx, o->type, &mlx, err) : read_hf(o, &hf, err);
    if (s != OK)
        return s;
    plan_init(&plan);
    run_options.about = &subject;
    s = models_open(&m, &w, &plan.notes, err);
    if (s == OK)
        s = to_mlx ? convert_to_mlx(&plan, m.source, &mlx, err) : convert_to_hf(&plan, m.source, &hf, err);
    if (s == OK)
        s = run_plan("convert", &plan, &run_options, &o->common, err);
    else
        run_notes("convert", &plan, &o->common);
    plan_free(&plan);
    models_close(&m);
    return s;
}

/* ---- formats ---- */

/* Options of one format alone. */
static const struct {
    const char *option;
    int to;
} of_format[] = {
    {"mmproj", TO_GGUF},      {"split-max-tensors", TO_GGUF},
    {"name", TO_GGUF},        {"metadata", TO_GGUF},
    {"pre", TO_GGUF},         {"recipe", TO_GGUF},
    {"imatrix", TO_GGUF},     {"imatrix-missing", TO_GGUF},
    {"tensor-type", TO_GGUF}, {"tensor-type-file", TO_GGUF},
    {"output-type", TO_GGUF}, {"embedding-type", TO_GGUF},
    {"mtp-type", TO_GGUF},    {"keep", TO_GGUF},
    {"pure", TO_GGUF},        {"leave-output", TO_GGUF},
    {"explain", TO_GGUF},     {"ladder", TO_GGUF},
    {"graft", TO_GGUF},       {"replace", TO_GGUF},
    {"graft-norms", TO_GGUF}, {"bits", TO_MLX},
    {"group-size", TO_MLX},   {"mode", TO_MLX},
    {"dtype", TO_MLX},        {"text-only", TO_MLX},
    {"mlx-rounding", TO_MLX},
};

static enum status check_format(const struct opt_line *line, int to, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(of_format); i++)
        if (of_format[i].to != to && opt_given(line, of_format[i].option))
            return fail(err, E_USAGE, "--%s: only with --to %s", of_format[i].option,
                        to_choices[of_format[i].to]);
    return OK;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    enum status s = check_format(line, o->to, err);

    if (s != OK)
        return s;
    return o->to == TO_GGUF ? run_gguf(line, err) : run_folder(line, err);
}

const struct cmd_spec cmd_convert = {run, table, sizeof(struct options), about, example};
