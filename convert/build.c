/* SPDX-License-Identifier: Apache-2.0 */
/* From a checkpoint to steps, whatever the output's world: every source tensor becomes steps, or is dropped
 * with a reason. */
#include <fnmatch.h>

#include "arch/head_config.h"
#include "convert/build_int.h"
#include "convert/gguf_tokenizer.h"

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

enum status build_add_inputs(struct builder *b, struct err *err)
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
    const struct tensor_form *form = b->world->form(m->rule);
    const struct tensor_part *part = form ? form->parts : NULL;
    const char *own = part ? part->name : b->world->own(m->rule);

    do {
        char name[NAME_MAX_LEN];
        uint32_t earlier;

        b->world->name(b, m, own, name);
        const char *copy = arena_strdup(&b->plan->arena, name);
        if (!copy || !map_add(&b->left_out, slice_of(copy), 0, &earlier))
            return fail_nomem(err);
        own = part ? (++part)->name : NULL;
    } while (own);
    return OK;
}

static enum status handle_known(struct builder *b, const struct name_match *m, const struct tensor *t,
                                struct err *err)
{
    const char *reason = b->vision ? NULL : head_drop_reason(b, m);

    if (b->tied && b->world->drops_tied && strcmp(m->rule->hf, "lm_head.weight") == 0)
        reason = "the embeddings are the output matrix (tie_word_embeddings)";
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

static enum status handle_tensor(struct builder *b, const struct tensor *t, struct err *err);

static enum status handle_vision(struct builder *b, const struct tensor *t, struct err *err)
{
    return b->tower ? handle_tensor(b->tower, t, err) : plan_drop(b->plan, t->name, b->world->no_tower, err);
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
        return handle_vision(b, t, err);
    case NAME_COMPUTED:
        return plan_drop(b->plan, t->name, "computed at run time", err);
    case NAME_BEYOND:
        return fail_beyond(b, t, m.block, err);
    case NAME_UNKNOWN:
        break;
    }
    return handle_unknown(b, t, err);
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
static enum status refuse_unknown(const struct builder *b, struct err *err)
{
    char more[48] = "";

    if (b->nunknown == 0)
        return OK;
    if (b->nunknown > 1)
        snprintf(more, sizeof more, " (and %zu more)", b->nunknown - 1);
    return fail(err, E_FORMAT, "%s: tensor %s%s: not known in %s; --allow-unknown NAME converts without it",
                b->source->path, b->unknown, more, b->hp.hf_class);
}

static enum status finish(struct builder *b, struct err *err)
{
    enum status s = refuse_unknown(b, err);

    if (s == OK)
        s = emit_finish(b, err);
    return s == OK ? expect_complete(b, err) : s;
}

/* What stays NVFP4 comes first, then what is generated, then all else. */
enum status build_tensors(struct builder *b, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < b->source->ntensor && s == OK && b->nvfp4; i++)
        s = handle_source(b, i, true, err);
    if (s == OK && b->world->generate)
        s = b->world->generate(b, err);
    for (size_t i = 0; i < b->source->ntensor && s == OK; i++)
        s = handle_source(b, i, false, err);
    if (s == OK)
        s = finish(b, err);
    return s == OK && b->tower ? finish(b->tower, err) : s;
}

enum status build_open(struct builder *b, struct err *err)
{
    struct source *source = b->source;

    if (source->kind == SOURCE_GGUF && (!source->config || b->world == &build_gguf_world))
        return fail(err, E_UNSUPPORTED, "%s: is a GGUF file already: scion quantize gives it other types",
                    source->path);
    if (!source->config)
        return fail(err, E_FORMAT, "%s: there is no config.json beside the tensors", source->path);
    const char *name = source_beside(source, "config.json");
    bool said;
    enum status s = hparams_read(&b->hp, source->config, name ? name : source->path, err);
    return s == OK ? expect_tie(b, &said, &b->tied, err) : s;
}

/* ---- the vision tower ---- */

bool build_has_tower(const struct builder *b)
{
    struct name_match m;

    for (size_t i = 0; i < b->source->ntensor; i++)
        if (name_match_text(&b->hp, b->source->tensors[i].name, &m) == NAME_VISION)
            return true;
    return false;
}

enum status build_add_tower(struct builder *b, struct builder *tower, struct err *err)
{
    *tower = (struct builder){.world = b->world,
                              .plan = b->plan,
                              .source = b->source,
                              .options = b->options,
                              .mtp = b->mtp,
                              .mlx = b->mlx,
                              .hf = b->hf,
                              .vision = true};
    b->tower = tower;
    return hparams_vision(&b->hp, &tower->hp, err);
}

/* ---- other files ---- */

static enum status add_told(struct folder *f, struct gguf_tokenizer_files *files, struct err *err)
{
    const struct {
        const char *name;
        const struct buf *text;
    } list[] = {{"tokenizer.json", &files->tokenizer},
                {"tokenizer.model", &files->spm},
                {"tokenizer_config.json", &files->config},
                {"chat_template.jinja", &files->chat_template},
                {"generation_config.json", &files->generation}};
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(list) && s == OK; i++)
        if (list[i].text->n > 0)
            s = folder_add_text(f, list[i].name, list[i].text->p, list[i].text->n, err);
    return s;
}

enum status build_add_beside(struct builder *b, struct folder *f, struct err *err)
{
    static const char *const left[] = {HEAD_EVIDENCE_FILE};
    struct gguf_tokenizer_files files;

    f->left = left;
    f->nleft = ARRAY_LEN(left);
    if (b->source->kind != SOURCE_GGUF)
        return folder_add_beside(f, b->source, LINK_COPY, err);
    enum status s = gguf_tokenizer_write(b->source, &files, &b->plan->notes, err);
    if (s != OK)
        return s;
    s = add_told(f, &files, err);
    gguf_tokenizer_free(&files);
    return s;
}
