/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/add_head.h"

#include "arch/keys.h"
#include "gguf/block_arrays.h"
#include "convert/build_int.h"
#include "gguf/from_gguf.h"
#include "gguf/layout.h"

#define OF_TRUNK "not of the head"
#define NO_MORE  "of the head that the file had"

struct add_head {
    struct plan *plan;
    const struct source *target;
    const struct add_head_options *o;
    struct meta meta;
    size_t ntrunk; /* steps that the target keeps */
    struct draft trunk, head;
};

/* ---- the target ---- */

/* The type of the model's matrices, where they are floats; else bf16. */
static enum dtype float_type(const struct source *target)
{
    for (size_t i = 0; i < target->ntensor; i++) {
        enum dtype t = target->tensors[i].dtype;

        if (target->tensors[i].rank >= 2 && (t == DT_BF16 || t == DT_F16))
            return t;
        if (strcmp(target->tensors[i].name, "token_embd.weight") == 0 && t == DT_F32)
            return t;
    }
    return DT_BF16;
}

bool add_head_quantizes(const struct source *target, const struct source *donor)
{
    bool quantized = false;

    for (size_t i = 0; i < target->ntensor && !quantized; i++)
        quantized = dtype_is_quantized(target->tensors[i].dtype);
    return quantized && donor->kind != SOURCE_GGUF;
}

/* Tensors of no block stay, and those of the trunk or those of the head. */
static enum status keep_part(struct add_head *a, bool head, struct err *err)
{
    struct plan *plan = a->plan;
    enum status s = from_gguf(plan, a->target, &a->meta, err);
    size_t n = 0;

    for (size_t i = 0; i < plan->nstep && s == OK; i++) {
        const char *name = plan->steps[i].name, *rest;
        uint64_t block;

        if (gguf_block(name, &block, &rest) && (block >= a->o->hp->n_layer) != head)
            s = plan_drop(plan, name, head ? OF_TRUNK : NO_MORE, err);
        else
            plan->steps[n++] = plan->steps[i];
    }
    plan->nstep = a->ntrunk = n;
    gguf_split_remove(&a->meta);
    return s;
}

/* ---- metadata ---- */

/* A block of the trunk that is like the head: the last with full attention. */
static uint64_t block_alike(const struct add_head *a)
{
    uint64_t alike = 0, block;
    const char *rest;
    bool found = false;

    for (size_t i = 0; i < a->ntrunk; i++)
        if (gguf_block(a->plan->steps[i].name, &block, &rest) && strcmp(rest, "attn_q.weight") == 0) {
            alike = max_u64(alike, block);
            found = true;
        }
    return found ? alike : a->o->hp->n_layer - 1;
}

static enum status extend_arrays(struct add_head *a, uint64_t nblock, uint64_t nhead, struct err *err)
{
    const struct hparams *hp = a->o->hp;
    struct block_arrays arrays = {.meta = &a->meta, .arch = hp->arch->name};
    uint64_t n = hp->n_layer + nhead;
    uint64_t *from = arena_array(&a->plan->arena, n, sizeof *from), alike = block_alike(a);

    if (!from)
        return fail_nomem(err);
    for (uint64_t i = 0; i < n; i++)
        from[i] = i < hp->n_layer ? i : alike;
    arrays.nblock = nblock;
    return block_arrays_pick(&arrays, from, n, err);
}

static enum status set_metadata(struct add_head *a, struct err *err)
{
    const struct hparams *hp = a->o->hp;
    uint64_t n = a->o->donor ? a->o->head->nlayer : 0, nblock = hp->n_layer;
    char blocks[META_KEY_MAX], key[META_KEY_MAX];

    hparams_key(hp, "block_count", blocks);
    hparams_key(hp, "nextn_predict_layers", key);
    (void)meta_u64(meta_find(&a->meta, blocks), &nblock);
    bool is_new = !meta_find(&a->meta, key);
    enum status s = extend_arrays(a, nblock, n, err);
    if (s == OK)
        s = meta_set_u32(&a->meta, blocks, (uint32_t)(hp->n_layer + n), err);
    if (n == 0)
        meta_remove(&a->meta, key);
    else if (s == OK)
        s = meta_set_u32(&a->meta, key, (uint32_t)n, err);
    if (s == OK && is_new)
        keys_put_in_order(&a->meta, hp->arch, "nextn_predict_layers");
    return s;
}

/* ---- the head ---- */

static enum status draft_steps(struct add_head *a, struct draft *d, size_t first, size_t end, struct err *err)
{
    enum status s = draft_init(d, a->plan, &a->meta, end - first, err);

    for (size_t i = first; i < end && s == OK; i++) {
        draft_add(d, i, from_gguf_source(a->plan, i)->dtype);
        d->tensors[d->n - 1].sink.codec = &plan_verbatim;
    }
    return s;
}

static enum status add_blocks(struct add_head *a, struct err *err)
{
    const struct head *h = a->o->head;
    enum status s = OK;

    for (size_t i = 0; i < h->ntensor && s == OK; i++) {
        const struct tensor *t = h->tensors[i].tensor;
        const char *rest;
        uint64_t block;

        require(gguf_block(t->name, &block, &rest));
        s = from_gguf_tensor(a->plan, a->o->donor, t, err);
        if (s != OK)
            return s;
        struct plan_step *step = &a->plan->steps[a->plan->nstep - 1];
        step->name = arena_printf(&a->plan->arena, "blk.%" PRIu64 ".%s",
                                  a->o->hp->n_layer + block - h->first_block, rest);
        s = step->name ? OK : fail_nomem(err);
    }
    return s == OK ? draft_steps(a, &a->head, a->ntrunk, a->plan->nstep, err) : s;
}

static enum status convert_tensors(struct builder *b, const struct head *h, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < h->ntensor && s == OK; i++) {
        struct name_match m = h->tensors[i].match;

        m.block += b->hp.n_layer;
        s = m.rule->flags & RULE_PER_EXPERT ? emit_expert(b, &m, h->tensors[i].tensor, err)
                                            : emit_tensor(b, &m, h->tensors[i].tensor, err);
    }
    return s == OK ? emit_finish(b, err) : s;
}

/* As conversion makes it of a checkpoint with that head. */
static enum status add_converted(struct add_head *a, struct err *err)
{
    const struct convert_head taken = {.type = DT_COUNT, .absolute = a->o->absolute};
    const struct convert_options options = {.head = &taken};
    struct builder b = {
        .world = &build_gguf_world,
        .plan = a->plan,
        .source = a->o->donor,
        .options = &options,
        .hp = *a->o->hp,
    };
    enum status s = convert_tensors(&b, a->o->head, err);

    b.nstep = a->plan->nstep - a->ntrunk;
    b.steps = arena_array(&a->plan->arena, b.nstep, sizeof *b.steps);
    if (s == OK && !b.steps)
        s = fail_nomem(err);
    for (size_t i = 0; i < b.nstep && s == OK; i++)
        b.steps[i] = a->ntrunk + i;
    if (s == OK)
        s = draft_init(&a->head, a->plan, &a->meta, b.nstep, err);
    if (s == OK)
        s = types_choose(&b, float_type(a->target), &a->head, err);
    map_free(&b.names);
    return s;
}

static enum status add_tensors(struct add_head *a, struct err *err)
{
    const struct source *donor = a->o->donor;
    enum status s = OK;

    for (size_t i = 0; i < donor->nfile && s == OK; i++)
        s = plan_add_input(a->plan, donor->files[i].path, err);
    if (s == OK)
        s = donor->kind == SOURCE_GGUF ? add_blocks(a, err) : add_converted(a, err);
    return s == OK && a->o->quantize ? quantize_types(&a->head, a->o->quantize, err) : s;
}

/* ---- all ---- */

static enum status lay_out(struct add_head *a, struct err *err)
{
    struct draft all = {0};
    enum status s = draft_init(&all, a->plan, &a->meta, a->trunk.n + a->head.n, err);

    if (s == OK) {
        memcpy(all.tensors, a->trunk.tensors, a->trunk.n * sizeof *all.tensors);
        if (a->head.n > 0)
            memcpy(all.tensors + a->trunk.n, a->head.tensors, a->head.n * sizeof *all.tensors);
        all.n = a->trunk.n + a->head.n;
        all.path = a->o->out;
        all.split_max_bytes = a->o->split_max_bytes;
        all.split_max_tensors = a->o->split_max_tensors;
        all.order = GGUF_SPLIT_TOOL;
        if (draft_is_ordered(&a->trunk))
            draft_order(&all);
        s = layout_files(&all, err);
    }
    draft_free(&all);
    return s;
}

enum status add_head_gguf(struct plan *plan, const struct source *target, const struct add_head_options *o,
                          struct err *err)
{
    struct add_head a = {.plan = plan, .target = target, .o = o};

    meta_init(&a.meta, &plan->arena);
    enum status s = keep_part(&a, false, err);
    if (s == OK)
        s = set_metadata(&a, err);
    if (s == OK)
        s = draft_steps(&a, &a.trunk, 0, a.ntrunk, err);
    if (s == OK && o->donor)
        s = add_tensors(&a, err);
    if (s == OK)
        s = from_gguf_size_label(plan, target, &a.meta, err);
    if (s == OK)
        s = lay_out(&a, err);
    draft_free(&a.trunk);
    draft_free(&a.head);
    meta_free(&a.meta);
    return s;
}

enum status take_head_gguf(struct plan *plan, const struct source *source, const struct hparams *hp,
                           const char *out, struct err *err)
{
    const struct add_head_options o = {.hp = hp, .out = out};
    struct add_head a = {.plan = plan, .target = source, .o = &o};

    meta_init(&a.meta, &plan->arena);
    enum status s = keep_part(&a, true, err);
    if (s == OK)
        s = draft_steps(&a, &a.trunk, 0, a.ntrunk, err);
    if (s == OK)
        s = from_gguf_size_label(plan, source, &a.meta, err);
    if (s == OK)
        s = lay_out(&a, err);
    draft_free(&a.trunk);
    meta_free(&a.meta);
    return s;
}
