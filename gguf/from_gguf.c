/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/from_gguf.h"

#include "card/size_label.h"
#include "quantize/codecs.h"

enum status from_gguf_tensor(struct plan *plan, const struct source *source, const struct tensor *t,
                             struct err *err)
{
    struct plan_source src = {.name = t->name,
                              .dtype = t->dtype,
                              .codec = codec_find(t->dtype),
                              .span = {{source->files[t->file].file, t->off}}};
    struct plan_step *step;
    uint32_t index;
    enum status s = plan_add_step(plan, t->name, t->shape, t->rank, &step, err);

    if (s != OK)
        return s;
    src.nelem = step->nelem;
    s = plan_add_source(plan, &src, &index, err);
    if (s != OK)
        return s;
    struct view v = view_whole(index, step->nelem);
    return plan_add_view(plan, step, &v, err);
}

enum status from_gguf(struct plan *plan, const struct source *source, struct meta *meta, struct err *err)
{
    enum status s = OK;

    if (source->kind != SOURCE_GGUF)
        return fail(err, E_USAGE, "%s: is no GGUF file; scion convert makes one of a checkpoint",
                    source->path);
    for (size_t i = 0; i < source->nfile && s == OK; i++)
        s = plan_add_input(plan, source->files[i].path, err);
    for (size_t i = 0; i < source->ntensor && s == OK; i++)
        s = from_gguf_tensor(plan, source, &source->tensors[i], err);
    return s == OK ? meta_borrow(meta, &source->meta, err) : s;
}

const struct plan_source *from_gguf_source(const struct plan *plan, size_t step)
{
    return &plan->sources[plan->steps[step].views[0].source];
}

enum status from_gguf_draft(struct draft *d, struct plan *plan, const struct meta *meta, struct err *err)
{
    enum status s = draft_init(d, plan, meta, plan->nstep, err);

    for (size_t i = 0; i < plan->nstep && s == OK; i++) {
        draft_add(d, i, from_gguf_source(plan, i)->dtype);
        d->tensors[i].sink.codec = &plan_verbatim;
    }
    return s;
}

enum status from_gguf_size_label(const struct plan *plan, const struct source *source, struct meta *meta,
                                 struct err *err)
{
    struct size_label_count before = {0}, after = {0};
    struct slice label;
    bool fine = meta_str(meta_find(meta, "general.size_label"), &label);

    for (size_t i = 0; i < source->ntensor && fine; i++) {
        const struct tensor *t = &source->tensors[i];

        fine = size_label_add(&before, t->name, t->shape, t->rank);
    }
    for (size_t i = 0; i < plan->nstep && fine; i++) {
        const struct plan_step *step = &plan->steps[i];

        fine = size_label_add(&after, step->name, step->shape, step->rank);
    }
    if (!fine)
        return OK;
    const char *was = size_label_text(&before, meta->arena), *is = size_label_text(&after, meta->arena);
    if (!was || !is)
        return fail_nomem(err);
    return slice_eq(label, was) ? meta_set_str(meta, "general.size_label", is, err) : OK;
}
