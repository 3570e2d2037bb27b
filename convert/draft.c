/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/draft.h"

#include "quantize/codecs.h"

enum status draft_init(struct draft *d, struct plan *plan, const struct meta *meta, size_t n, struct err *err)
{
    *d = (struct draft){.plan = plan, .tensors = arena_array(&plan->arena, n, sizeof *d->tensors)};
    meta_init(&d->meta, &plan->arena);
    if (!d->tensors)
        return fail_nomem(err);
    return meta_borrow(&d->meta, meta, err);
}

void draft_free(struct draft *d)
{
    meta_free(&d->meta);
}

void draft_add(struct draft *d, size_t step, enum dtype type)
{
    const struct plan_step *from = &d->plan->steps[step];
    struct draft_tensor *t = &d->tensors[d->n++];

    *t = (struct draft_tensor){.step = step, .name = from->name, .rank = from->rank};
    memcpy(t->shape, from->shape, sizeof t->shape);
    t->sink = (struct plan_sink){.dtype = type, .codec = codec_find(type)};
}
