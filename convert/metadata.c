/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a converted file, in the reference converter's order. */
#include "convert/build_int.h"
#include "card/file_name.h"
#include "convert/mmproj.h"
#include "vocab/vocab.h"

#define SMALL_JSON (64 * MIB)

/* A JSON file beside the checkpoint; NULL when it is not there. One that is malformed is a note: only its
 * hints are lost. */
static enum status load_beside(struct builder *b, const char *name, struct json **out, struct err *err)
{
    const char *path = source_beside(b->source, name);
    struct err reason = {0};

    *out = NULL;
    if (!path)
        return OK;
    enum status s = plan_add_input(b->plan, path, err);
    if (s == OK && (s = json_load(path, SMALL_JSON, out, &reason)) == E_FORMAT)
        return notes_add(&b->plan->notes, err, "%s: ignored", reason.text);
    if (reason.status != OK)
        *err = reason;
    return s;
}

static enum status count_params(const struct builder *b, struct size_label_count *count, struct err *err)
{
    *count = (struct size_label_count){0};
    for (size_t i = 0; i < b->nstep; i++) {
        const struct plan_step *step = &b->plan->steps[b->steps[i]];

        if (!size_label_add(count, step->name, step->shape, step->rank))
            return fail(err, E_LIMIT, "%s: more than 2^64 parameters", b->source->path);
    }
    return OK;
}

static const char *file_prefix(const struct builder *b)
{
    if (b->vision)
        return "mmproj-";
    return b->mtp == MTP_ONLY ? "mtp-" : "";
}

enum status metadata_file_name(const struct builder *b, const char *tag, const char **name, struct err *err)
{
    return file_name_default(name, &b->authorship, file_prefix(b), tag, &b->plan->arena, err);
}

/* general.sampling.* and general.name to general.languages. */
static enum status add_authorship(struct builder *b, struct err *err)
{
    struct arena *arena = &b->plan->arena;
    struct notes *notes = &b->plan->notes;
    struct json *generation = NULL;
    struct authorship_in in = {
        .readme_path = source_beside(b->source, "README.md"),
        .config = b->source->config,
        .dir_name = b->source->name,
        .model_name = b->options->name,
        .overrides = b->options->overrides,
    };
    enum status s = count_params(b, &in.params, err);

    if (s == OK)
        s = load_beside(b, "generation_config.json", &generation, err);
    in.generation = generation;
    if (s == OK && in.readme_path)
        s = plan_add_input(b->plan, in.readme_path, err);
    if (s == OK)
        s = authorship_build(&b->authorship, &in, notes, arena, err);
    if (s == OK)
        s = authorship_to_meta(&b->authorship, &b->meta, notes, err);
    json_free(generation);
    return s;
}

static enum status add_tokenizer(struct builder *b, struct meta *meta, struct err *err)
{
    bool found;
    struct vocab_in in = {
        .source = b->source,
        .config = b->source->config,
        .kind = b->hp.arch->vocab,
        .pre = b->options->pre,
    };
    enum status s = hparams_u64(&b->hp, "vocab_size", &found, &in.vocab_size, err);

    return s == OK ? vocab_write(&in, meta, &b->plan->notes, err) : s;
}

enum status metadata_build(struct builder *b, struct err *err)
{
    struct meta *meta = &b->meta;
    enum status s = meta_set_str(meta, "general.architecture", b->vision ? "clip" : b->hp.arch->name, err);

    if (s == OK)
        s = meta_set_str(meta, "general.type", b->vision ? "mmproj" : "model", err);
    if (s == OK)
        s = add_authorship(b, err);
    if (s == OK)
        s = b->vision ? mmproj_to_meta(&b->hp, b->source, meta, err) : hparams_to_meta(&b->hp, meta, err);
    if (s == OK)
        s = meta_set_u32(meta, "general.quantization_version", 2, err);
    if (s == OK && !b->vision)
        s = add_tokenizer(b, meta, err);
    return s;
}
