/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/layout.h"

struct cut {
    size_t first, n; /* steps */
};

static bool add_cut(const struct draft *d, struct cut **cuts, size_t *n, size_t *cap, size_t first)
{
    if (!arena_grow(&d->plan->arena, (void **)cuts, *n, cap, sizeof **cuts))
        return false;
    (*cuts)[(*n)++] = (struct cut){.first = first};
    return true;
}

/* A file ends before the step that would take it over a limit; metadata does not count. */
static enum status cut_files(const struct draft *d, struct cut **cuts, size_t *ncut, struct err *err)
{
    uint64_t nbytes = 0;
    size_t cap = 0;

    *cuts = NULL;
    *ncut = 0;
    if (!add_cut(d, cuts, ncut, &cap, 0) || (d->metadata_first && !add_cut(d, cuts, ncut, &cap, 0)))
        return fail_nomem(err);
    for (size_t i = 0; i < d->n; i++) {
        uint64_t add = d->tensors[i].sink.nbytes;
        struct cut *last = &(*cuts)[*ncut - 1];

        if (d->order == GGUF_SPLIT_TOOL)
            add = align_up(add, GGUF_DEFAULT_ALIGNMENT);
        bool full = last->n > 0 && ((d->split_max_tensors && last->n >= d->split_max_tensors) ||
                                    (d->split_max_bytes && nbytes + add > d->split_max_bytes));
        if (full) {
            if (!add_cut(d, cuts, ncut, &cap, i))
                return fail_nomem(err);
            last = &(*cuts)[*ncut - 1];
            nbytes = 0;
        }
        last->n++;
        nbytes += add;
    }
    return OK;
}

/* Header and offsets of one file, whose tensors are [cut->first, cut->first + cut->n). */
static enum status lay_out(struct draft *d, const struct meta *meta, const struct cut *cut, uint32_t out,
                           struct err *err)
{
    struct plan *plan = d->plan;
    struct gguf_entry *entries = calloc(max_u64(cut->n, 1), sizeof *entries);
    struct gguf_header header = {.arena = &plan->arena};

    if (!entries)
        return fail_nomem(err);
    for (size_t i = 0; i < cut->n; i++) {
        const struct draft_tensor *t = &d->tensors[cut->first + i];

        entries[i] = (struct gguf_entry){.name = t->name,
                                         .dtype = t->sink.dtype,
                                         .rank = t->rank,
                                         .shape = t->shape,
                                         .nbytes = t->sink.nbytes};
    }
    enum status s = gguf_header(meta, entries, cut->n, &header, err);
    plan->outs[out].nbytes = header.file_nbytes;
    for (size_t i = 0; i < header.n && s == OK; i++)
        s = plan_add_header(plan, out, header.piece[i].p, header.piece[i].n, err);
    for (size_t i = 0; i < cut->n && s == OK; i++) {
        struct draft_tensor *t = &d->tensors[cut->first + i];

        t->sink.trimmed = plan->steps[t->step].rank - t->rank;
        t->sink.place[0] = (struct plan_place){out, entries[i].off};
        s = plan_add_sink(plan, &plan->steps[t->step], &t->sink, err);
    }
    free(entries);
    return s;
}

/* Two files of one run must not have one name. */
static enum status check_name(const struct plan *plan, uint32_t out, struct err *err)
{
    for (uint32_t i = 0; i < out; i++)
        if (plan->outs[i].set != plan->outs[out].set && strcmp(plan->outs[i].path, plan->outs[out].path) == 0)
            return fail(err, E_USAGE, "%s: is written twice", plan->outs[i].path);
    return OK;
}

static enum status lay_out_part(struct draft *d, const struct cut *cuts, size_t i, size_t n, struct err *err)
{
    struct gguf_split split = {(uint16_t)i, (uint16_t)n, (int32_t)d->n};
    struct meta rest, *meta = i == 0 ? &d->meta : &rest;
    const struct meta_kv *alignment = meta_find(&d->meta, "general.alignment");
    struct arena *a = &d->plan->arena;
    uint32_t out;

    meta_init(&rest, a);
    const char *name = n == 1 ? d->path : gguf_split_name(a, d->path, (uint32_t)i, (uint32_t)n);
    enum status s = name ? plan_add_out(d->plan, name, &out, err) : fail_nomem(err);
    if (s == OK && i > 0)
        d->plan->outs[out].set = d->plan->outs[out - 1].set;
    if (s == OK)
        s = check_name(d->plan, out, err);
    if (s == OK && i > 0 && alignment)
        s = meta_set(meta, *alignment, err);
    if (s == OK && n > 1)
        s = gguf_split_add(meta, d->order, &split, err);
    if (s == OK)
        s = lay_out(d, meta, &cuts[i], out, err);
    meta_free(&rest);
    return s;
}

static enum status size_sinks(struct draft *d, struct err *err)
{
    for (size_t i = 0; i < d->n; i++) {
        struct draft_tensor *t = &d->tensors[i];

        if (!dtype_nbytes(t->sink.dtype, d->plan->steps[t->step].nelem, &t->sink.nbytes))
            return fail(err, E_BUG, "tensor %s: no whole blocks of %s", t->name, dtype_name(t->sink.dtype));
    }
    return OK;
}

enum status layout_files(struct draft *d, struct err *err)
{
    struct cut *cuts;
    size_t ncut;
    enum status s = size_sinks(d, err);

    if (s == OK)
        s = cut_files(d, &cuts, &ncut, err);
    if (s == OK && ncut > UINT16_MAX)
        s = fail(err, E_LIMIT, "%s: %zu files: at most %d fit the format", d->path, ncut, UINT16_MAX);
    for (size_t i = 0; s == OK && i < ncut; i++)
        s = lay_out_part(d, cuts, i, ncut, err);
    return s;
}
