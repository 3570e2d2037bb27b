/* SPDX-License-Identifier: Apache-2.0 */
/* From a checkpoint to the plan of an MLX folder. */
#include "convert/to_mlx.h"

#include "plan/folder.h"
#include "convert/canon.h"
#include "convert/mlx_int.h"
#include "quantize/transcode.h"

#define CONFIG_MAX (256 * MIB)

/* ---- names and forms ---- */

static void output_name(const struct builder *b, const struct name_match *m, const char *own,
                        char out[NAME_MAX_LEN])
{
    if (b->vision)
        name_mlx_vision(&b->hp, m, own, out);
    else
        name_mlx(&b->hp, m, own, out);
}

static const char *own_name(const struct tensor_rule *rule)
{
    return rule->mlx ? rule->mlx->name : NULL;
}

static const struct tensor_form *form(const struct tensor_rule *rule)
{
    return rule->mlx ? rule->mlx->form : NULL;
}

const struct build_world build_mlx_world = {
    .name = output_name,
    .own = own_name,
    .form = form,
    .finish = mlx_types_choose,
    .no_tower = "vision tower: not of a text-only folder",
    .drops_tied = true,
    .rounds_bf16 = true,
    .stacks = true,
};

/* ---- the checkpoint ---- */

/* Gives the builder a tower where the folder shall have one. */
static enum status decide_tower(struct builder *b, struct builder *tower, struct err *err)
{
    const struct json *config = json_get(b->hp.root, "vision_config");
    bool described = config && json_kind(config) == JSON_K_OBJECT;
    bool text_only = b->mlx->options->text_only;

    if (text_only && !described && !build_has_tower(b))
        return fail(err, E_USAGE, "--text-only: %s has no vision tower to leave out", b->source->path);
    if (text_only || !described)
        return OK;
    if (!b->hp.arch->mlx->tower || !b->hp.arch->vision)
        return fail(err, E_UNSUPPORTED, "%s: vision towers of %s are not known: --text-only leaves it out",
                    b->source->path, b->hp.hf_class);
    if (!build_has_tower(b))
        return fail(
            err, E_FORMAT,
            "%s: the config has a vision tower, but there are no tensors of one: --text-only converts "
            "the rest",
            b->source->path);
    return build_add_tower(b, tower, err);
}

static enum status open_model(struct builder *b, struct builder *tower, struct err *err)
{
    enum status s = build_open(b, err);

    if (s == OK)
        s = prequant_decide(b, err);
    if (s != OK)
        return s;
    if (b->nvfp4)
        return fail(err, E_UNSUPPORTED, "%s: is quantized already (NVFP4): convert the original checkpoint",
                    b->source->path);
    if (!b->hp.arch->mlx)
        return fail(err, E_UNSUPPORTED, "%s: there are no MLX folders of %s", b->source->path,
                    b->hp.hf_class);
    if (b->mtp == MTP_KEEP && b->hp.arch->has_mtp && !b->hp.arch->mlx->has_mtp)
        return fail(err, E_UNSUPPORTED, "%s: --mtp keep: MLX's loaders refuse folders of %s that hold a head",
                    b->source->path, b->hp.hf_class);
    s = head_decide(b, err);
    if (s == OK)
        s = decide_tower(b, tower, err);
    mlx_types_init(b->mlx, b->mlx->options, &b->hp);
    return s;
}

/* ---- the folder ---- */

static enum status add_config(struct folder *f, const struct builder *b, struct err *err)
{
    struct buf text;

    buf_init(&text, CONFIG_MAX);
    enum status s = mlx_config_write(b, &text, err);
    if (s == OK)
        s = folder_add_text(f, "config.json", text.p, text.n, err);
    buf_free(&text);
    return s;
}

/* The card that mlx_lm gives a folder made from a local one; a checkpoint's own is carried over. */
static enum status add_card(struct folder *f, const struct builder *b, struct err *err)
{
    static const char card[] = "---\n"
                               "language: en\n"
                               "library_name: mlx\n"
                               "pipeline_tag: %s\n"
                               "tags:\n"
                               "- mlx\n"
                               "---\n";
    char text[sizeof card + 32];

    if (source_beside(b->source, "README.md"))
        return OK;
    snprintf(text, sizeof text, card, b->tower ? "image-text-to-text" : "text-generation");
    return folder_add_text(f, "README.md", text, strlen(text), err);
}

/* Stacked, the head's experts no longer tell that they had numbers and the trunk's had not. */
static bool numbers_head(const struct builder *b)
{
    struct name_match m;

    if (!b->hp.arch->fused_experts || b->mtp == MTP_DROP)
        return false;
    for (size_t i = 0; i < b->source->ntensor; i++)
        if (name_match_text(&b->hp, b->source->tensors[i].name, &m) == NAME_KNOWN && head_has(b, &m) &&
            (m.rule->flags & RULE_PER_EXPERT))
            return true;
    return false;
}

static enum status add_metadata(struct meta *meta, const struct builder *b, struct err *err)
{
    const struct mlx_options *o = b->mlx->options;
    enum status s = meta_set_str(meta, "format", "mlx", err);

    if (s == OK && numbers_head(b))
        s = meta_set_str(meta, CANON_HEAD_KEY, CANON_HEAD_NUMBERED, err);
    if (s == OK && o->quantize)
        s = meta_set_str(meta, "scion.rounding", o->metal ? "metal" : "cpu", err);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct plan_step *)a)->name, ((const struct plan_step *)b)->name);
}

static enum status lay_out(struct builder *b, struct meta *meta, struct err *err)
{
    struct plan *plan = b->plan;
    struct folder f = {
        .plan = plan,
        .path = b->mlx->options->out,
        .metadata = meta,
        .order = FOLDER_BY_NAME,
        .split_max_bytes = b->mlx->options->split_max_bytes,
        .total_parameters = b->tower ? 0 : b->mlx->nparam,
    };
    enum status s = add_metadata(meta, b, err);

    /* Shards shall not depend on the source's. */
    if (plan->nstep > 1)
        qsort(plan->steps, plan->nstep, sizeof *plan->steps, by_name);
    if (s == OK)
        s = add_config(&f, b, err);
    if (s == OK)
        s = add_card(&f, b, err);
    if (s == OK)
        s = build_add_beside(b, &f, err);
    return s == OK ? folder_lay_out(&f, err) : s;
}

/* Where blocks of a GGUF file can stay, the folder gets the type of their scales: no other has room for them.
 */
static enum status fit_scales(struct mlx_options *o, const struct source *source, struct notes *notes,
                              struct err *err)
{
    enum dtype type = mlx_type(&o->setting, DT_F16);
    struct transcoder t;

    if (source->kind != SOURCE_GGUF || !o->quantize || o->setting.mode != MLX_AFFINE || o->dtype != DT_COUNT)
        return OK;
    for (size_t i = 0; i < source->ntensor; i++) {
        if (!transcoder_find(source->tensors[i].dtype, type, &t))
            continue;
        o->dtype = DT_F16;
        return notes_add(notes, err, "the folder's type is float16, as the scales of %s are (see --dtype)",
                         dtype_name(t.from));
    }
    return OK;
}

enum status convert_to_mlx(struct plan *plan, struct source *source, const struct mlx_options *asked,
                           struct err *err)
{
    struct mlx_options fitted = *asked, *o = &fitted;
    const struct convert_options options = {.allow_unknown = o->allow_unknown,
                                            .nallow_unknown = o->nallow_unknown};
    struct mlx_types types = {.options = o};
    struct builder tower = {0};
    struct builder b = {.world = &build_mlx_world,
                        .plan = plan,
                        .source = source,
                        .options = &options,
                        .mtp = o->mtp == MTP_AUTO ? MTP_DROP : o->mtp,
                        .mlx = &types};
    struct meta meta;

    meta_init(&meta, &plan->arena);
    enum status s = fit_scales(o, source, &plan->notes, err);
    if (s == OK)
        s = canon_describe(source, &plan->notes, err);
    if (s == OK)
        s = open_model(&b, &tower, err);
    if (s == OK)
        s = build_add_inputs(&b, err);
    if (s == OK)
        s = build_tensors(&b, err);
    if (s == OK)
        s = mlx_types_finish(&types, &b, err);
    if (s == OK)
        s = settle(&b, o->allow_requantize, err);
    if (s == OK)
        s = lay_out(&b, &meta, err);
    map_free(&b.names);
    map_free(&b.left_out);
    map_free(&tower.names);
    meta_free(&meta);
    return s;
}
