/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/draft.h"

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

/* Tensors of no block come first. */
static int64_t block_of(const char *name)
{
    const char *rest;
    uint64_t n;

    return gguf_block(name, &n, &rest) ? (int64_t)n : -1;
}

static int by_block_and_name(const void *a, const void *b)
{
    const struct draft_tensor *x = a, *y = b;
    int64_t i = block_of(x->name), j = block_of(y->name);

    return i != j ? (i < j ? -1 : 1) : strcmp(x->name, y->name);
}

static void trim_shape(struct draft_tensor *t)
{
    uint32_t n = 0;

    while (n + 1 < t->rank && t->shape[n] == 1)
        n++;
    t->rank -= n;
    memmove(t->shape, t->shape + n, t->rank * sizeof t->shape[0]);
}

void draft_order(struct draft *d)
{
    for (size_t i = 0; i < d->n; i++)
        trim_shape(&d->tensors[i]);
    qsort(d->tensors, d->n, sizeof *d->tensors, by_block_and_name);
}

bool draft_is_ordered(const struct draft *d)
{
    bool ordered = d->n > 1;

    for (size_t i = 1; i < d->n && ordered; i++)
        ordered = by_block_and_name(&d->tensors[i - 1], &d->tensors[i]) <= 0;
    return ordered;
}
