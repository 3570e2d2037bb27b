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

    if (b->options->mtp == MTP_DROP && of_head)
        return plan_drop(b->plan, t->name, HEAD_DROPPED, err);
    if (b->options->mtp == MTP_ONLY && !of_head)
        return plan_drop(b->plan, t->name, NOT_OF_HEAD, err);
    if (is_allowed(b, t->name))
        return plan_drop(b->plan, t->name, "unknown (--allow-unknown)", err);
    if (b->nunknown++ == 0)
        b->unknown = t->name;
    return OK;
}

static enum status handle_known(struct builder *b, const struct name_match *m, const struct tensor *t,
                                struct err *err)
{
    const char *reason = b->vision ? NULL : head_drop_reason(b, m);

    if (reason)
        return plan_drop(b->plan, t->name, reason, err);
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
    if (b->vision || !b->hp.arch->generate || b->options->mtp == MTP_ONLY)
        return OK;
    enum status s = b->hp.arch->generate(&b->hp, b->plan, err);
    for (size_t i = 0; i < b->plan->nsource; i++)
        b->plan->sources[i].codec = codec_find(b->plan->sources[i].dtype);
    return s;
}

static enum status handle_all(struct builder *b, struct err *err)
{
    enum status s = generate(b, err);

    for (size_t i = 0; i < b->source->ntensor && s == OK; i++)
        s = handle_tensor(b, &b->source->tensors[i], err);
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

static enum status refuse_quantized(const struct builder *b, struct err *err)
{
    const struct json *q = hparams_find(&b->hp, "quantization_config");
    const struct json *mlx = hparams_find(&b->hp, "quantization");
    const char *method = json_str(json_get(q, "quant_method"));

    if (mlx && json_kind(mlx) == JSON_K_OBJECT)
        return fail(err, E_UNSUPPORTED, "%s: is quantized for MLX: convert the original checkpoint",
                    b->source->path);
    if (q && json_kind(q) == JSON_K_OBJECT)
        return fail(err, E_UNSUPPORTED,
                    "%s: is quantized already (quantization_config, %s): convert the original "
                    "checkpoint",
                    b->source->path, method ? method : "of an unnamed method");
    return OK;
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
    s = refuse_quantized(b, err);
    if (s == OK && b->options->mmproj) {
        b->vision = true;
        s = hparams_vision(&text, &b->hp, err);
    }
    return s == OK && !b->vision ? head_decide(b, err) : s;
}

/* Where the file goes: as given, with {type} and the like filled in, or named by rule in the folder given. */
static const char *output_path(struct builder *b, const char *type_tag, const char *by_rule)
{
    const char *out = b->options->out;
    size_t n = strlen(out);

    if (n > 0 && out[n - 1] != '/' && !path_is_dir(out))
        return file_name_fill(out, type_tag, &b->plan->arena);
    return arena_printf(&b->plan->arena, "%s%s%s", out, n > 0 && out[n - 1] == '/' ? "" : "/", by_rule);
}

/* What the file's name says of its type. */
static const char *type_tag(const struct builder *b, enum dtype type)
{
    return b->options->quantize ? b->options->quantize->recipe->name : dtype_name(type);
}

/* Quantization starts from what the reference makes first: bf16 of a bf16 checkpoint, f32 of all others. */
static enum dtype choose_file_type(const struct builder *b)
{
    if (b->options->type != DT_COUNT)
        return b->options->type;
    enum dtype own = types_auto(b);
    return b->options->quantize && own != DT_BF16 ? DT_F32 : own;
}

static enum status lay_out(struct builder *b, const char *path, struct meta *meta, struct err *err)
{
    struct layout l = {
        .plan = b->plan,
        .meta = meta,
        .path = path,
        .split_max_bytes = b->options->split_max_bytes,
        .split_max_tensors = b->options->split_max_tensors,
    };
    enum status s = path ? OK : fail_nomem(err);

    if (s == OK && b->options->quantize)
        s = quantize_edit(b->plan, meta, b->options->quantize, err);
    return s == OK ? layout_files(&l, err) : s;
}

enum status convert_to_gguf(struct plan *plan, struct source *source, const struct convert_options *o,
                            struct err *err)
{
    struct builder b = {.plan = plan, .source = source, .options = o};
    enum dtype type = DT_F32;
    const char *by_rule = NULL;
    struct meta meta;

    meta_init(&meta, &plan->arena);
    enum status s = open_model(&b, err);
    if (s == OK)
        s = add_inputs(&b, err);
    if (s == OK)
        s = handle_all(&b, err);
    if (s == OK) {
        type = choose_file_type(&b);
        s = types_choose(&b, type, err);
    }
    if (s == OK)
        s = metadata_build(&b, type, type_tag(&b, type), &meta, &by_rule, err);
    if (s == OK)
        s = lay_out(&b, output_path(&b, type_tag(&b, type), by_rule), &meta, err);
    map_free(&b.names);
    meta_free(&meta);
    return s;
}
