/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/quantize.h"

#include "convert/layout.h"
#include "quantize/codecs.h"

#define PROVENANCE_MAX 127 /* bytes of a text that llama-quantize writes at most */

/* ---- order ---- */

/* The N of a leading "blk.N.", else -1. */
static long block_of(const char *name)
{
    char *end;
    long n;

    if (!str_starts(name, "blk."))
        return -1;
    n = strtol(name + 4, &end, 10);
    return *end == '.' && end != name + 4 ? n : -1;
}

static int by_block_and_name(const void *a, const void *b)
{
    const struct plan_step *x = a, *y = b;
    long i = block_of(x->name), j = block_of(y->name);

    return i != j ? (i < j ? -1 : 1) : strcmp(x->name, y->name);
}

/* Outermost dimensions of 1 are not written. */
static void trim_shape(struct plan_step *step)
{
    uint32_t n = 0;

    while (n + 1 < step->rank && step->shape[n] == 1)
        n++;
    step->rank -= n;
    memmove(step->shape, step->shape + n, step->rank * sizeof step->shape[0]);
}

/* ---- types ---- */

static enum status note_fallback(struct plan *plan, const struct plan_step *step,
                                 const struct recipe_choice *c, struct err *err)
{
    if (c->wanted == c->type)
        return OK;
    return notes_add(&plan->notes, err, "%s: rows of %" PRIu64 " are no whole %s blocks: %s", step->name,
                     step->shape[step->rank - 1], dtype_name(c->wanted), dtype_name(c->type));
}

/* Values pass through the unquantized file's type, as they would in two steps. */
static void round_to_file_type(const struct plan *plan, struct plan_step *step, enum dtype file)
{
    bool exact = file == DT_F32;

    if (!exact && step->nop == 0) {
        exact = true;
        for (size_t i = 0; i < step->nview; i++)
            exact = exact && plan->sources[step->views[i].source].dtype == file;
    }
    if (!exact)
        plan_add_op(step, file == DT_BF16 ? OP_ROUND_BF16 : OP_ROUND_F16);
}

static enum status set_type(struct plan *plan, struct plan_step *step, const struct recipe_choice *c,
                            const struct quantize_options *o, struct importance *im, struct err *err)
{
    struct plan_sink *sink = &step->sinks[0];
    enum dtype from = sink->dtype;

    if (c->type == from)
        return OK;
    if (dtype_is_quantized(from) && !o->allow_requantize)
        return fail(err, E_UNSUPPORTED, "tensor %s: is %s already; --allow-requantize quantizes it again",
                    step->name, dtype_name(from));
    if (!codec_find(from)->decode || !codec_find(c->type)->encode)
        return fail(err, E_UNSUPPORTED, "tensor %s: %s cannot become %s", step->name, dtype_name(from),
                    dtype_name(c->type));
    if (!dtype_is_quantized(from))
        round_to_file_type(plan, step, from);
    sink->dtype = c->type;
    sink->codec = codec_find(c->type);
    if (!dtype_nbytes(c->type, step->nelem, &sink->nbytes))
        return fail(err, E_BUG, "tensor %s: no whole blocks of %s", step->name, dtype_name(c->type));
    enum status s = note_fallback(plan, step, c, err);
    if (s == OK && dtype_is_quantized(c->type))
        s = importance_set(im, step, sink, c->needs_imatrix, err);
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

static enum status choose_types(struct plan *plan, const struct meta *meta, const struct quantize_options *o,
                                struct err *err)
{
    struct recipe_tensor *tensors = arena_array(&plan->arena, plan->nstep, sizeof *tensors);
    struct recipe_choice *choices = arena_array(&plan->arena, plan->nstep, sizeof *choices);
    struct importance im = {.imatrix = o->imatrix, .policy = o->missing, .plan = plan};
    struct recipe_model model = {0};

    if (!tensors || !choices)
        return fail_nomem(err);
    for (size_t i = 0; i < plan->nstep; i++) {
        const struct plan_step *step = &plan->steps[i];

        tensors[i] = (struct recipe_tensor){step->name, step->rank, step->shape, step->sinks[0].dtype};
    }
    enum status s = recipe_model_read(&model, meta, err);
    model.tensors = tensors;
    model.n = plan->nstep;
    model.has_imatrix = o->imatrix != NULL;
    struct recipe_request q = {o->recipe, &model, o->overrides, &plan->notes};
    if (s == OK)
        s = importance_check(&im, err);
    if (s == OK)
        s = recipe_decide(&q, choices, err);
    if (s == OK)
        s = explain(&q, choices, o, err);
    for (size_t i = 0; i < plan->nstep && s == OK; i++)
        s = set_type(plan, &plan->steps[i], &choices[i], o, &im, err);
    return s == OK ? importance_finish(&im, err) : s;
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
    static const char *const split[] = {"split.no", "split.count", "split.tensors.count"};
    const struct imatrix *im = o->imatrix;
    uint64_t file_type = 0;

    (void)meta_u64(meta_find(meta, "general.file_type"), &file_type);
    enum status s = set_last_u32(meta, "general.quantization_version", 2, err);
    if (s == OK)
        s = set_last_u32(meta, "general.file_type",
                         o->recipe->file_type >= 0 ? (uint32_t)o->recipe->file_type : (uint32_t)file_type,
                         err);
    for (size_t i = 0; i < ARRAY_LEN(split); i++)
        meta_remove(meta, split[i]);
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

enum status quantize_edit(struct plan *plan, struct meta *meta, const struct quantize_options *o,
                          struct err *err)
{
    for (size_t i = 0; i < plan->nstep; i++)
        trim_shape(&plan->steps[i]);
    qsort(plan->steps, plan->nstep, sizeof *plan->steps, by_block_and_name);
    enum status s = choose_types(plan, meta, o, err);
    return s == OK ? edit_metadata(meta, o, err) : s;
}

/* ---- GGUF sources ---- */

static enum status add_step(struct plan *plan, const struct source *source, const struct tensor *t,
                            struct err *err)
{
    struct plan_source src = {.name = t->name,
                              .dtype = t->dtype,
                              .codec = codec_find(t->dtype),
                              .span = {{source->files[t->file].file, t->off}}};
    struct plan_sink sink = {.dtype = t->dtype, .codec = codec_find(t->dtype)};
    struct plan_step *step;
    uint32_t index;
    enum status s = plan_add_step(plan, t->name, t->shape, t->rank, &step, err);

    if (s != OK)
        return s;
    src.nelem = step->nelem;
    struct view v = view_whole(0, step->nelem);
    s = plan_add_source(plan, &src, &index, err);
    v.source = index;
    if (s == OK)
        s = plan_add_view(plan, step, &v, err);
    return s == OK ? plan_add_sink(plan, step, &sink, err) : s;
}

static enum status copy_meta(struct meta *to, const struct meta *from, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < from->n && s == OK; i++)
        s = meta_set(to, from->kv[i], err);
    return s;
}

enum status quantize_gguf(struct plan *plan, struct source *source, const struct quantize_options *o,
                          struct err *err)
{
    struct meta meta;
    enum status s = OK;

    if (source->kind != SOURCE_GGUF)
        return fail(err, E_USAGE, "%s: is no GGUF file; scion convert quantizes a checkpoint directly",
                    source->path);
    meta_init(&meta, &plan->arena);
    for (size_t i = 0; i < source->nfile && s == OK; i++)
        s = plan_add_input(plan, source->files[i].path, err);
    for (size_t i = 0; i < source->ntensor && s == OK; i++)
        s = add_step(plan, source, &source->tensors[i], err);
    if (s == OK)
        s = copy_meta(&meta, &source->meta, err);
    if (s == OK)
        s = quantize_edit(plan, &meta, o, err);
    struct layout l = {plan, &meta, o->out, o->split_max_bytes, o->split_max_tensors};
    if (s == OK)
        s = layout_files(&l, err);
    meta_free(&meta);
    return s;
}
