/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/to_hf.h"

#include "convert/canon.h"
#include "convert/hf_int.h"
#include "plan/folder.h"
#include "quantize/codecs.h"

#define CONFIG_MAX (256 * MIB)

/* ---- names and types ---- */

static void output_name(const struct builder *b, const struct name_match *m, const char *own,
                        char out[NAME_MAX_LEN])
{
    char name[NAME_MAX_LEN];

    (void)own;
    if (b->vision)
        name_source_vision(&b->hp, m, name);
    else
        name_source(&b->hp, m, name);
    name_spell(&b->hp, name, out);
}

static const char *own_name(const struct tensor_rule *rule)
{
    (void)rule;
    return NULL;
}

static const struct tensor_form *form(const struct tensor_rule *rule)
{
    (void)rule;
    return NULL;
}

/* What keeps its type keeps its bytes. */
static enum status choose_type(struct builder *b, const struct name_match *m, struct plan_step *step,
                               struct err *err)
{
    const struct plan_source *from = &b->plan->sources[step->views[0].source];
    enum dtype type = b->hf->dtype == DT_COUNT ? from->dtype : b->hf->dtype;
    struct plan_sink sink = {.dtype = type, .codec = codec_find(type)};

    (void)m;
    if (type == from->dtype && !from->made)
        sink.codec = &plan_verbatim;
    return plan_add_sink(b->plan, step, &sink, err);
}

const struct build_world build_hf_world = {
    .name = output_name,
    .own = own_name,
    .form = form,
    .finish = choose_type,
    .no_tower = "vision tower: the config does not describe it",
};

/* ---- the checkpoint ---- */

static enum status open_model(struct builder *b, struct builder *tower, struct err *err)
{
    enum status s = build_open(b, err);

    if (s == OK)
        s = prequant_decide(b, err);
    if (s == OK && b->nvfp4)
        s = fail(err, E_UNSUPPORTED, "%s: is quantized already (NVFP4): convert the original checkpoint",
                 b->source->path);
    if (s == OK)
        s = head_decide(b, err);
    if (s != OK)
        return s;
    const struct json *vision = json_get(b->hp.root, "vision_config");
    if (b->hp.arch->vision && vision && json_kind(vision) == JSON_K_OBJECT && build_has_tower(b))
        s = build_add_tower(b, tower, err);
    return s;
}

/* ---- the folder ---- */

static enum status add_config(struct folder *f, const struct builder *b, struct err *err)
{
    struct buf text;

    buf_init(&text, CONFIG_MAX);
    enum status s = hf_config_write(b, &text, err);
    if (s == OK)
        s = folder_add_text(f, "config.json", text.p, text.n, err);
    buf_free(&text);
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
        .path = b->hf->out,
        .metadata = meta,
        .order = FOLDER_BY_TYPE,
        .split_max_bytes = b->hf->split_max_bytes,
    };
    enum status s = meta_set_str(meta, "format", "pt", err);

    /* Shards shall not depend on the source's. */
    if (plan->nstep > 1)
        qsort(plan->steps, plan->nstep, sizeof *plan->steps, by_name);
    if (s == OK)
        s = add_config(&f, b, err);
    if (s == OK)
        s = build_add_beside(b, &f, err);
    return s == OK ? folder_lay_out(&f, err) : s;
}

enum status convert_to_hf(struct plan *plan, struct source *source, const struct hf_options *o,
                          struct err *err)
{
    const struct convert_options options = {.allow_unknown = o->allow_unknown,
                                            .nallow_unknown = o->nallow_unknown};
    struct builder tower = {0};
    struct builder b = {.world = &build_hf_world,
                        .plan = plan,
                        .source = source,
                        .options = &options,
                        .mtp = o->mtp,
                        .hf = o};
    struct meta meta;

    meta_init(&meta, &plan->arena);
    enum status s = canon_describe(source, &plan->notes, err);
    if (s == OK)
        s = open_model(&b, &tower, err);
    if (s == OK)
        s = build_add_inputs(&b, err);
    b.hp.wrapper = b.hp.wrapper && !hf_unwraps(&b);
    if (s == OK)
        s = build_tensors(&b, err);
    if (s == OK)
        s = settle(&b, false, err);
    if (s == OK)
        s = lay_out(&b, &meta, err);
    map_free(&b.names);
    map_free(&b.left_out);
    map_free(&tower.names);
    map_free(&tower.left_out);
    meta_free(&meta);
    return s;
}
