/* SPDX-License-Identifier: Apache-2.0 */
/* The conversion itself: every source tensor becomes steps, or is dropped with a reason. */
#include <fnmatch.h>

#include "convert/build_int.h"
#include "convert/file_name.h"
#include "convert/layout.h"
#include "quantize/codecs.h"

/* Files beside the checkpoint that conversion may read: never to be written over. */
static const char *const read_beside[] = {
    "config.json",
    "hf_quant_config.json",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "preprocessor_config.json",
    "processor_config.json",
};

static enum status add_inputs(struct builder *b, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < b->source->nfile && s == OK; i++)
        s = plan_add_input(b->plan, b->source->files[i].path, err);
    for (size_t i = 0; i < b->source->nunlisted && s == OK; i++) {
        const char *path = source_beside(b->source, b->source->unlisted[i]);

        s = path ? plan_add_input(b->plan, path, err) : OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(read_beside) && s == OK; i++) {
        const char *path = source_beside(b->source, read_beside[i]);

        if (path)
            s = plan_add_input(b->plan, path, err);
    }
    return s;
}

static bool is_allowed(const struct builder *b, const char *name)
{
    for (size_t i = 0; i < b->options->nallow_unknown; i++)
        if (fnmatch(b->options->allow_unknown[i], name, 0) == 0)
            return true;
    return false;
}

static enum status handle_unknown(struct builder *b, const struct tensor *t, struct err *err)
{
    bool of_head = name_is_mtp(t->name);

    if (b->mtp == MTP_DROP && of_head)
        return plan_drop(b->plan, t->name, HEAD_DROPPED, err);
    if (b->mtp == MTP_ONLY && !of_head)
        return plan_drop(b->plan, t->name, NOT_OF_HEAD, err);
    if (is_allowed(b, t->name))
        return plan_drop(b->plan, t->name, "unknown (--allow-unknown)", err);
    if (b->nunknown++ == 0)
        b->unknown = t->name;
    return OK;
}

/* Importance data may be of what a head mode leaves out: the names that the tensor would have had. */
static enum status leave_out(struct builder *b, const struct name_match *m, struct err *err)
{
    const struct tensor_part *part = m->rule->form ? m->rule->form->parts : NULL;
    const char *gguf = part ? part->gguf : m->rule->gguf;

    while (gguf) {
        char name[NAME_MAX_LEN];
        uint32_t earlier;

        name_gguf(&b->hp, m, gguf, name);
        const char *copy = arena_strdup(&b->plan->arena, name);
        if (!copy || !map_add(&b->left_out, slice_of(copy), 0, &earlier))
            return fail_nomem(err);
        gguf = part ? (++part)->gguf : NULL;
    }
    return OK;
}

static enum status handle_known(struct builder *b, const struct name_match *m, const struct tensor *t,
                                struct err *err)
{
    const char *reason = b->vision ? NULL : head_drop_reason(b, m);

    if (reason) {
        enum status s = leave_out(b, m, err);

        return s == OK ? plan_drop(b->plan, t->name, reason, err) : s;
    }
    return m->rule->flags & RULE_PER_EXPERT ? emit_expert(b, m, t, err) : emit_tensor(b, m, t, err);
}

static enum status fail_beyond(const struct builder *b, const struct tensor *t, uint64_t layer,
                               struct err *err)
{
    uint64_t n = b->hp.n_layer;
    enum status s = b->vision ? hparams_eval(&b->hp, b->hp.arch->vision->depth, &n, err) : OK;

    if (s != OK)
        return s;
    return fail(err, E_FORMAT, "%s: tensor %s: is of layer %" PRIu64 ", but the config has %" PRIu64,
                b->source->files[t->file].path, t->name, layer, n);
}

static enum status handle_tensor(struct builder *b, const struct tensor *t, struct err *err)
{
    struct name_match m;
    enum name_kind kind =
        b->vision ? name_match_vision(&b->hp, t->name, &m) : name_match_text(&b->hp, t->name, &m);

    if (b->vision && kind == NAME_UNKNOWN && strstr(t->name, b->hp.arch->vision->prefix) == NULL)
        return plan_drop(b->plan, t->name, "not of the vision tower (--mmproj)", err);
    switch (kind) {
    case NAME_KNOWN:
        return handle_known(b, &m, t, err);
    case NAME_VISION:
        return plan_drop(b->plan, t->name, "vision tower (--mmproj converts it)", err);
    case NAME_COMPUTED:
        return plan_drop(b->plan, t->name, "computed at run time", err);
    case NAME_BEYOND:
        return fail_beyond(b, t, m.block, err);
    case NAME_UNKNOWN:
        break;
    }
    return handle_unknown(b, t, err);
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

/* The scales of a key/value cache, which the runtime computes in floats. */
static bool is_cache_scale(const char *name)
{
    return str_ends(name, ".k_scale") || str_ends(name, ".v_scale");
}

static enum status handle_source(struct builder *b, size_t i, bool stays, struct err *err)
{
    const struct tensor *t = &b->source->tensors[i];
    uint32_t packed = b->packed_of ? b->packed_of[i] : PACKED_NONE;

    if (packed < b->npacked) {
        const struct packed *p = &b->packed[packed];

        return (p->fate == PACKED_STAYS) == stays ? handle_tensor(b, &p->weight, err) : OK;
    }
    if (stays || packed == PACKED_PART)
        return OK;
    if (b->nvfp4 && is_cache_scale(t->name))
        return plan_drop(b->plan, t->name, "scale of a quantized key/value cache", err);
    return handle_tensor(b, t, err);
}

/* What stays NVFP4 comes first, then what is generated, then all else. */
static enum status handle_all(struct builder *b, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < b->source->ntensor && s == OK && b->nvfp4; i++)
        s = handle_source(b, i, true, err);
    if (s == OK)
        s = generate(b, err);
    for (size_t i = 0; i < b->source->ntensor && s == OK; i++)
        s = handle_source(b, i, false, err);
    if (s == OK && b->nunknown > 0) {
        char more[48] = "";

        if (b->nunknown > 1)
            snprintf(more, sizeof more, " (and %zu more)", b->nunknown - 1);
        s = fail(err, E_FORMAT, "%s: tensor %s%s: not known in %s; --allow-unknown NAME converts without it",
                 b->source->path, b->unknown, more, b->hp.hf_class);
    }
    if (s == OK)
        s = emit_finish(b, err);
    return s == OK ? expect_complete(b, err) : s;
}

static enum status open_model(struct builder *b, struct err *err)
{
    struct source *source = b->source;

    if (source->kind == SOURCE_GGUF)
        return fail(err, E_UNSUPPORTED, "%s: is a GGUF file already", source->path);
    if (!source->config)
        return fail(err, E_FORMAT, "%s: there is no config.json beside the tensors", source->path);
    const char *name = source_beside(source, "config.json");
    struct hparams text;
    enum status s = hparams_read(&text, source->config, name ? name : source->path, err);
    if (s != OK)
        return s;
    b->hp = text;
    if (b->options->mmproj) {
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
    size_t ndropped = b->plan->ndropped;

    b->nearlier = b->plan->nstep;
    enum status s = open_model(b, err);
    if (s == OK)
        s = handle_all(b, err);
    if (s == OK)
        s = share_steps(b, all, err);
    forget_known_drops(b->plan, ndropped);
    if (s == OK)
        s = metadata_build(b, err);
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
    struct builder blank = {.plan = plan, .source = source, .options = o}, builders[MTP_NMODE];
    struct map all = {0};
    enum status s = add_inputs(&blank, err);

    if (s == OK)
        s = add_rungs(builders, &blank, &all, err);
    map_free(&all);
    return s;
}
