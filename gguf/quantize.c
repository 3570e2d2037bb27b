/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/quantize.h"

#include "gguf/from_gguf.h"
#include "gguf/layout.h"
#include "gguf/prune.h"
#include "quantize/codecs.h"

#define PROVENANCE_MAX 127 /* bytes of a text that llama-quantize writes at most */

/* ---- types ---- */

static enum status note_fallback(struct draft *d, const struct draft_tensor *t, const struct recipe_choice *c,
                                 struct err *err)
{
    if (c->wanted == c->type)
        return OK;
    return notes_add(&d->plan->notes, err, "%s: rows of %" PRIu64 " are no whole %s blocks: %s", t->name,
                     t->shape[t->rank - 1], dtype_name(c->wanted), dtype_name(c->type));
}

/* Values pass through the unquantized file's type, as they would in two steps. */
static void round_to_file_type(const struct plan *plan, struct draft_tensor *t, enum dtype file)
{
    const struct plan_step *step = &plan->steps[t->step];
    bool exact = file == DT_F32;

    if (!exact && step->nop == 0) {
        exact = true;
        for (size_t i = 0; i < step->nview; i++)
            exact = exact && plan->sources[step->views[i].source].dtype == file;
    }
    t->sink.rounds = !exact;
    t->sink.round = file == DT_BF16 ? OP_ROUND_BF16 : OP_ROUND_F16;
}

bool quantize_decodes_exactly(enum dtype t)
{
    return t == DT_MXFP4 || t == DT_MXFP4_MLX || t == DT_NVFP4 || t == DT_NVFP4_MLX || t == DT_TQ1_0 ||
           t == DT_TQ2_0 || t == DT_Q1_0;
}

static enum status set_type(struct draft *d, struct draft_tensor *t, const struct recipe_choice *c,
                            const struct quantize_options *o, struct importance *im, struct err *err)
{
    enum dtype from = t->sink.dtype;

    if (c->type == from)
        return OK;
    if (dtype_is_quantized(from) && !quantize_decodes_exactly(from) && !o->allow_requantize)
        return fail(err, E_UNSUPPORTED, "tensor %s: is %s already; --allow-requantize quantizes it again",
                    t->name, dtype_name(from));
    if (!codec_find(from)->decode || !codec_find(c->type)->encode)
        return fail(err, E_UNSUPPORTED, "tensor %s: %s cannot become %s", t->name, dtype_name(from),
                    dtype_name(c->type));
    if (!dtype_is_quantized(from))
        round_to_file_type(d->plan, t, from);
    t->sink.dtype = c->type;
    t->sink.codec = codec_find(c->type);
    t->sink.transcode = (struct transcoder){0};
    enum status s = note_fallback(d, t, c, err);
    if (s == OK && dtype_is_quantized(c->type))
        s = importance_set(im, t, c->needs_imatrix, err);
    return s;
}

static enum status explain(const struct recipe_request *q, const struct recipe_choice *choices,
                           const struct quantize_options *o, struct err *err)
{
    for (size_t i = 0; o->explain && i < q->model->n; i++) {
        if (strcmp(q->model->tensors[i].name, o->explain) == 0) {
            recipe_explain(o->explanation, q, i, &choices[i]);
            return OK;
        }
    }
    return o->explain ? fail(err, E_USAGE, "--explain %s: there is no such tensor in the output", o->explain)
                      : OK;
}

static enum status choose_types(struct draft *d, const struct quantize_options *o, struct err *err)
{
    struct recipe_tensor *tensors = calloc(max_u64(d->n, 1), sizeof *tensors);
    struct recipe_choice *choices = calloc(max_u64(d->n, 1), sizeof *choices);
    struct importance im = {.imatrix = o->imatrix, .policy = o->missing, .draft = d};
    struct recipe_model model = {0};
    enum status s = tensors && choices ? recipe_model_read(&model, &d->meta, err) : fail_nomem(err);

    for (size_t i = 0; i < d->n && s == OK; i++) {
        const struct draft_tensor *t = &d->tensors[i];

        tensors[i] = (struct recipe_tensor){t->name, t->rank, t->shape, t->sink.dtype};
    }
    model.tensors = tensors;
    model.n = d->n;
    model.has_imatrix = o->imatrix != NULL;
    struct recipe_request q = {o->recipe, &model, o->overrides, &d->plan->notes};
    if (s == OK)
        s = importance_check(&im, err);
    if (s == OK)
        s = recipe_decide(&q, choices, err);
    if (s == OK)
        s = explain(&q, choices, o, err);
    for (size_t i = 0; i < d->n && s == OK; i++)
        s = set_type(d, &d->tensors[i], &choices[i], o, &im, err);
    if (s == OK)
        s = importance_finish(&im, err);
    free(tensors);
    free(choices);
    return s;
}

enum status quantize_types(struct draft *d, const struct quantize_options *o, struct err *err)
{
    draft_order(d);
    return choose_types(d, o, err);
}

/* ---- metadata ---- */

/* Sets a key behind all others, as llama-quantize does. */
static enum status set_last_u32(struct meta *meta, const char *key, uint32_t v, struct err *err)
{
    meta_remove(meta, key);
    return meta_set_u32(meta, key, v, err);
}

static enum status set_last_text(struct meta *meta, const char *key, const char *text, struct err *err)
{
    char cut[PROVENANCE_MAX + 1];

    snprintf(cut, sizeof cut, "%s", text);
    meta_remove(meta, key);
    return meta_set_str(meta, key, cut, err);
}

static enum status edit_metadata(struct meta *meta, const struct quantize_options *o, struct err *err)
{
    const struct imatrix *im = o->imatrix;
    uint64_t file_type = 0;

    (void)meta_u64(meta_find(meta, "general.file_type"), &file_type);
    enum status s = set_last_u32(meta, "general.quantization_version", 2, err);
    if (s == OK)
        s = set_last_u32(meta, "general.file_type",
                         o->recipe->file_type >= 0 ? (uint32_t)o->recipe->file_type : (uint32_t)file_type,
                         err);
    gguf_split_remove(meta);
    if (s != OK || !im)
        return s;
    s = set_last_text(meta, "quantize.imatrix.file", im->path, err);
    if (s == OK && im->dataset)
        s = set_last_text(meta, "quantize.imatrix.dataset", im->dataset, err);
    if (s == OK)
        s = set_last_u32(meta, "quantize.imatrix.entries_count", (uint32_t)im->n, err);
    if (s == OK && im->chunk_count > 0)
        s = set_last_u32(meta, "quantize.imatrix.chunks_count", im->chunk_count, err);
    return s;
}

/* ---- the edit ---- */

enum status quantize_edit(struct draft *d, const struct quantize_options *o, struct err *err)
{
    enum status s = quantize_types(d, o, err);

    return s == OK ? edit_metadata(&d->meta, o, err) : s;
}

/* ---- GGUF sources ---- */

static enum status add_rung(struct plan *plan, const struct meta *meta, const struct quantize_rung *rung,
                            const struct quantize_request *q, struct err *err)
{
    struct quantize_options options = *rung->options;
    struct imatrix renamed = {0};
    struct draft d;
    enum status s = from_gguf_draft(&d, plan, meta, err);

    d.path = rung->path;
    d.split_max_bytes = q->split_max_bytes;
    d.split_max_tensors = q->split_max_tensors;
    if (s == OK && q->prune && options.imatrix) {
        s = prune_imatrix(plan, options.imatrix, &renamed, err);
        options.imatrix = &renamed;
    }
    if (s == OK)
        s = quantize_edit(&d, &options, err);
    if (s == OK)
        s = layout_files(&d, err);
    imatrix_free(&renamed);
    draft_free(&d);
    return s;
}

enum status quantize_gguf(struct plan *plan, const struct source *source, const struct quantize_request *q,
                          struct err *err)
{
    struct meta meta;

    meta_init(&meta, &plan->arena);
    enum status s = from_gguf(plan, source, &meta, err);
    if (s == OK && q->prune)
        s = prune_edit(plan, &meta, q->prune, err);
    for (size_t i = 0; i < q->nrung && s == OK; i++) {
        plan->notes.prefix = q->rungs[i].label;
        s = add_rung(plan, &meta, &q->rungs[i], q, err);
        if (s != OK && q->rungs[i].label)
            wrap(err, "%s", q->rungs[i].label);
    }
    plan->notes.prefix = NULL;
    meta_free(&meta);
    return s;
}
