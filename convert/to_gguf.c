/* SPDX-License-Identifier: Apache-2.0 */
/* From a checkpoint to the plan of GGUF files. */
#include "convert/build_int.h"
#include "card/file_name.h"
#include "gguf/layout.h"
#include "quantize/codecs.h"

/* ---- names and forms ---- */

static void output_name(const struct builder *b, const struct name_match *m, const char *own,
                        char out[NAME_MAX_LEN])
{
    if (b->vision)
        name_gguf_vision(&b->hp, m, own, out);
    else
        name_gguf(&b->hp, m, own, out);
}

static const char *own_name(const struct tensor_rule *rule)
{
    return rule->gguf;
}

static const struct tensor_form *form(const struct tensor_rule *rule)
{
    return rule->form;
}

/* Tensors that the architecture makes by formula. */
static enum status generate(struct builder *b, struct err *err)
{
    if (b->vision || !b->hp.arch->generate || b->mtp == MTP_ONLY)
        return OK;
    size_t first = b->plan->nsource;
    enum status s = b->hp.arch->generate(&b->hp, b->plan, err);
    for (size_t i = first; i < b->plan->nsource; i++)
        b->plan->sources[i].codec = codec_find(b->plan->sources[i].dtype);
    return s;
}

const struct build_world build_gguf_world = {
    .name = output_name,
    .own = own_name,
    .form = form,
    .generate = generate,
    .stacks = true,
    .no_tower = "vision tower (--mmproj converts it)",
};

/* ---- the checkpoint ---- */

static enum status open_model(struct builder *b, struct err *err)
{
    enum status s = build_open(b, err);

    if (s == OK && b->options->mmproj) {
        struct hparams text = b->hp;

        b->vision = true;
        s = hparams_vision(&text, &b->hp, err);
    }
    if (s == OK)
        s = prequant_decide(b, err);
    if (s == OK && !b->vision)
        s = head_decide(b, err);
    return s == OK ? nvfp4_read(b, err) : s;
}

/* ---- steps of several builders ---- */

/* The steps that this builder added and an earlier one had added already are taken from there: a name stands
 * for one program, whatever the head mode. */
static enum status share_steps(struct builder *b, struct map *all, struct err *err)
{
    struct plan *plan = b->plan;
    size_t kept = b->nearlier;

    b->nstep = plan->nstep - b->nearlier;
    b->steps = arena_array(&plan->arena, b->nstep, sizeof *b->steps);
    if (!b->steps)
        return fail_nomem(err);
    for (size_t i = b->nearlier; i < plan->nstep; i++) {
        uint32_t earlier;

        if (!map_add(all, slice_of(plan->steps[i].name), (uint32_t)kept, &earlier))
            return fail_nomem(err);
        b->steps[i - b->nearlier] = earlier == MAP_NONE ? kept : earlier;
        if (earlier == MAP_NONE)
            plan->steps[kept++] = plan->steps[i];
    }
    plan->nstep = kept;
    return OK;
}

/* What a later builder leaves out for a reason that an earlier one had, that one has told. */
static void forget_known_drops(struct plan *plan, size_t nearlier)
{
    size_t kept = nearlier;

    for (size_t i = nearlier; i < plan->ndropped; i++) {
        bool known = false;

        for (size_t k = 0; k < nearlier && !known; k++)
            known = strcmp(plan->dropped[k].reason, plan->dropped[i].reason) == 0;
        if (!known)
            plan->dropped[kept++] = plan->dropped[i];
    }
    plan->ndropped = kept;
}

static enum status build(struct builder *b, struct map *all, struct err *err)
{
    size_t ndropped = b->plan->ndropped, nnote = b->plan->notes.n;

    b->nearlier = b->plan->nstep;
    enum status s = open_model(b, err);
    if (s == OK)
        s = build_tensors(b, err);
    if (s == OK)
        s = share_steps(b, all, err);
    forget_known_drops(b->plan, ndropped);
    if (s == OK)
        s = metadata_build(b, err);
    notes_forget_known(&b->plan->notes, nnote); // of the model: an earlier builder has read it
    meta_drop_empty(&b->meta);
    return s;
}

/* ---- rungs ---- */

/* Quantization starts from what the reference makes first: bf16 of a bf16 checkpoint, f32 of all others. */
static enum dtype choose_file_type(const struct builder *b, const struct convert_rung *rung)
{
    if (rung->type != DT_COUNT)
        return rung->type;
    enum dtype own = types_auto(b);
    return rung->quantize && own != DT_BF16 ? DT_F32 : own;
}

/* Where the file goes: as given, with {type} and the like filled in, or named by rule in the folder given. */
static enum status output_path(const struct builder *b, const struct convert_rung *rung, enum dtype type,
                               const char **path, struct err *err)
{
    const char *tag = rung->quantize ? rung->quantize->recipe->name : dtype_name(types_shown(b, type)), *name;
    size_t n = strlen(rung->out);

    if (n > 0 && rung->out[n - 1] != '/' && !path_is_dir(rung->out)) {
        *path = file_name_fill(rung->out, rung->tag ? rung->tag : tag, &b->plan->arena);
        return *path ? OK : fail_nomem(err);
    }
    enum status s = metadata_file_name(b, tag, &name, err);
    if (s != OK)
        return s;
    *path =
        arena_printf(&b->plan->arena, "%s%s%s", rung->out, n > 0 && rung->out[n - 1] == '/' ? "" : "/", name);
    return *path ? OK : fail_nomem(err);
}

static enum status add_rung(struct builder *b, const struct convert_rung *rung, struct err *err)
{
    enum dtype type = choose_file_type(b, rung);
    struct draft d;
    enum status s = draft_init(&d, b->plan, &b->meta, b->nstep, err);

    d.left_out = &b->left_out;
    d.split_max_bytes = b->options->split_max_bytes;
    d.split_max_tensors = b->options->split_max_tensors;
    if (s == OK)
        s = meta_set_u32(&d.meta, "general.file_type", types_file_id(types_shown(b, type)), err);
    if (s == OK)
        s = types_choose(b, type, &d, err);
    if (s == OK)
        s = output_path(b, rung, type, &d.path, err);
    if (s == OK && rung->quantize)
        s = quantize_edit(&d, rung->quantize, err);
    if (s == OK)
        s = layout_files(&d, err);
    draft_free(&d);
    return s;
}

static struct builder *builder_for(struct builder *builders, size_t n, enum mtp_mode mtp)
{
    for (size_t i = 0; i < n; i++)
        if (builders[i].mtp == mtp)
            return &builders[i];
    return NULL;
}

static enum status add_rungs(struct builder *builders, const struct builder *blank, struct map *all,
                             struct err *err)
{
    const struct convert_options *o = blank->options;
    struct notes *notes = &blank->plan->notes;
    enum status s = OK;
    size_t n = 0;

    for (size_t i = 0; i < o->nrung && s == OK; i++) {
        const struct convert_rung *rung = &o->rungs[i];
        struct builder *b = builder_for(builders, n, rung->mtp);

        notes->prefix = NULL; // what is true of the model is no rung's
        if (!b) {
            b = &builders[n++];
            *b = *blank;
            b->mtp = rung->mtp;
            meta_init(&b->meta, &b->plan->arena);
            s = build(b, all, err);
        }
        notes->prefix = rung->label;
        if (s == OK)
            s = add_rung(b, rung, err);
        if (s != OK && rung->label)
            wrap(err, "%s", rung->label);
    }
    notes->prefix = NULL;
    for (size_t i = 0; i < n; i++) {
        map_free(&builders[i].packed_names);
        map_free(&builders[i].names);
        map_free(&builders[i].left_out);
        meta_free(&builders[i].meta);
    }
    return s;
}

enum status convert_to_gguf(struct plan *plan, struct source *source, const struct convert_options *o,
                            struct err *err)
{
    struct builder blank = {.world = &build_gguf_world, .plan = plan, .source = source, .options = o},
                   builders[MTP_NMODE];
    struct map all = {0};
    enum status s = build_add_inputs(&blank, err);

    if (s == OK)
        s = add_rungs(builders, &blank, &all, err);
    if (s == OK)
        s = settle(&blank, o->allow_requantize, err);
    map_free(&all);
    return s;
}
