/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/layout.h"

#include "formats/gguf.h"

struct cut {
    size_t first, n; /* steps */
};

/* A file ends before the step that would take it over a limit; metadata and padding do not count. */
static enum status cut_files(const struct layout *l, struct cut **cuts, size_t *ncut, struct err *err)
{
    struct arena *a = &l->plan->arena;
    uint64_t nbytes = 0;
    size_t cap = 0;

    *cuts = NULL;
    *ncut = 0;
    for (size_t i = 0; i < l->plan->nstep; i++) {
        uint64_t add = l->plan->steps[i].sinks[0].nbytes;
        struct cut *last = *ncut ? &(*cuts)[*ncut - 1] : NULL;
        bool full = last && ((l->split_max_tensors && last->n >= l->split_max_tensors) ||
                             (l->split_max_bytes && nbytes + add > l->split_max_bytes));

        if (!last || full) {
            if (!arena_grow(a, (void **)cuts, *ncut, &cap, sizeof **cuts))
                return fail_nomem(err);
            last = &(*cuts)[(*ncut)++];
            *last = (struct cut){.first = i};
            nbytes = 0;
        }
        last->n++;
        nbytes += add;
    }
    return OK;
}

static enum status split_keys(struct meta *meta, size_t no, size_t count, size_t ntensor, struct err *err)
{
    uint16_t no16 = (uint16_t)no, count16 = (uint16_t)count;
    int32_t total = (int32_t)ntensor;
    struct meta_kv kv[] = {
        {"split.no", META_U16, META_U16, 1, (const unsigned char *)&no16, 2},
        {"split.count", META_U16, META_U16, 1, (const unsigned char *)&count16, 2},
        {"split.tensors.count", META_I32, META_I32, 1, (const unsigned char *)&total, 4},
    };
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(kv) && s == OK; i++)
        s = meta_set(meta, kv[i], err);
    return s;
}

/* Header and offsets of one file, whose steps are [cut->first, cut->first + cut->n). */
static enum status lay_out(const struct layout *l, const struct meta *meta, const struct cut *cut,
                           uint32_t out, struct err *err)
{
    struct plan *plan = l->plan;
    struct gguf_entry *entries = arena_array(&plan->arena, max_u64(cut->n, 1), sizeof *entries);
    struct buf header;

    if (!entries)
        return fail_nomem(err);
    for (size_t i = 0; i < cut->n; i++) {
        const struct plan_step *step = &plan->steps[cut->first + i];

        entries[i] = (struct gguf_entry){.name = step->name,
                                         .dtype = step->sinks[0].dtype,
                                         .rank = step->rank,
                                         .shape = step->shape,
                                         .nbytes = step->sinks[0].nbytes};
    }
    buf_init(&header, 2 * GIB);
    enum status s = gguf_header(meta, entries, cut->n, &header, &plan->outs[out].nbytes, err);
    if (s == OK) {
        plan->outs[out].header = arena_strndup(&plan->arena, header.p, header.n);
        plan->outs[out].header_nbytes = header.n;
        if (!plan->outs[out].header)
            s = fail_nomem(err);
    }
    buf_free(&header);
    for (size_t i = 0; i < cut->n && s == OK; i++) {
        plan->steps[cut->first + i].sinks[0].place[0] = (struct plan_place){out, entries[i].off};
    }
    return s;
}

static enum status lay_out_part(const struct layout *l, const struct cut *cuts, size_t i, size_t n,
                                struct err *err)
{
    struct meta rest, *meta = i == 0 ? l->meta : &rest;
    struct arena *a = &l->plan->arena;
    uint32_t out;

    meta_init(&rest, a);
    const char *name = n == 1 ? l->path : gguf_split_name(a, l->path, (uint32_t)i, (uint32_t)n);
    enum status s = name ? plan_add_out(l->plan, name, &out, err) : fail_nomem(err);
    if (s == OK && n > 1)
        s = split_keys(meta, i, n, l->plan->nstep, err);
    if (s == OK)
        s = lay_out(l, meta, &cuts[i], out, err);
    meta_free(&rest);
    return s;
}

enum status layout_files(const struct layout *l, struct err *err)
{
    struct cut *cuts;
    size_t ncut;
    enum status s = cut_files(l, &cuts, &ncut, err);

    if (s == OK && ncut > UINT16_MAX)
        s = fail(err, E_LIMIT, "%s: %zu files: at most %d fit the format", l->path, ncut, UINT16_MAX);
    for (size_t i = 0; s == OK && i < ncut; i++)
        s = lay_out_part(l, cuts, i, ncut, err);
    return s;
}
