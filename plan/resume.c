/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/exec_int.h"

static int by_start(const void *a, const void *b)
{
    const struct resume_range *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

static bool add_range(struct resume_out *o, struct resume_range range)
{
    if (o->n > 0 && o->range[o->n - 1].end == range.start) {
        o->range[o->n - 1].end = range.end;
        return true;
    }
    if (o->n == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 64;
        struct resume_range *bigger = realloc(o->range, cap * sizeof *bigger);

        if (!bigger)
            return false;
        o->range = bigger;
        o->cap = cap;
    }
    o->range[o->n++] = range;
    return true;
}

static void sort_and_join(struct resume_out *o)
{
    size_t n = 0;

    if (o->n == 0)
        return;
    qsort(o->range, o->n, sizeof *o->range, by_start);
    for (size_t i = 1; i < o->n; i++) {
        if (o->range[i].start <= o->range[n].end)
            o->range[n].end = max_u64(o->range[n].end, o->range[i].end);
        else
            o->range[++n] = o->range[i];
    }
    o->n = n + 1;
}

static enum status check_range(struct resume *r, const struct resume_from *from,
                               const struct journal_range *range, struct err *err)
{
    const struct plan *p = from->plan;
    struct digest d;

    /* The log is only text in a file: what it says may be anything. */
    if (range->out >= p->nout || !from->resumed[range->out] || range->nbytes > p->outs[range->out].nbytes ||
        range->off > p->outs[range->out].nbytes - range->nbytes)
        return OK;
    if (from->cancel && atomic_load_explicit(from->cancel, memory_order_relaxed))
        return fail(err, E_CANCELLED, "interrupted");
    enum status s = outfile_digest(from->files[range->out], range->off, range->nbytes, &d, err);
    if (s == OK && digest_eq(d, range->digest))
        s = resume_add(r, range->out, (struct resume_range){range->off, range->off + range->nbytes}, err);
    return s;
}

enum status resume_init(struct resume *r, size_t nout, struct err *err)
{
    *r = (struct resume){.outs = calloc(nout, sizeof *r->outs), .nout = nout};
    return r->outs ? OK : fail_nomem(err);
}

enum status resume_add(struct resume *r, uint32_t out, struct resume_range range, struct err *err)
{
    return add_range(&r->outs[out], range) ? OK : fail_nomem(err);
}

enum status resume_merge(struct resume *r, const struct resume *more, struct err *err)
{
    enum status s = OK;

    for (uint32_t i = 0; i < more->nout; i++) {
        for (size_t k = 0; k < more->outs[i].n && s == OK; k++)
            s = resume_add(r, i, more->outs[i].range[k], err);
        sort_and_join(&r->outs[i]);
    }
    return s;
}

enum status resume_load(struct resume *r, const struct resume_from *from, struct err *err)
{
    size_t n, nout = from->plan->nout;
    const struct journal_range *range = journal_ranges(from->journal, &n);
    enum status s = resume_init(r, nout, err);

    for (size_t i = 0; i < n && s == OK; i++)
        s = check_range(r, from, &range[i], err);
    for (size_t i = 0; i < nout && s == OK; i++) {
        sort_and_join(&r->outs[i]);
        if (from->resumed[i] && r->outs[i].n == 0 && !outfile_is_committed(from->files[i]))
            s = outfile_restart(from->files[i], err);
    }
    return s;
}

void resume_free(struct resume *r)
{
    for (size_t i = 0; r->outs && i < r->nout; i++)
        free(r->outs[i].range);
    free(r->outs);
    *r = (struct resume){0};
}

bool resume_has(const struct resume *r, uint32_t out, uint64_t off, uint64_t n)
{
    if (!r->outs)
        return false;
    const struct resume_out *o = &r->outs[out];
    size_t low = 0, high = o->n;

    /* The last range that starts at or before off. */
    while (low < high) {
        size_t mid = (low + high) / 2;

        if (o->range[mid].start <= off)
            low = mid + 1;
        else
            high = mid;
    }
    return low > 0 && o->range[low - 1].end >= off + n;
}

bool resume_has_tile(const struct resume *r, const struct tile *t, const struct plan_sink *sink)
{
    for (uint32_t k = 0; k < dtype_parts(sink->dtype)->n; k++)
        if (!resume_has(r, sink->place[k].out,
                        sink->place[k].off + dtype_part_nbytes(sink->dtype, k, t->first),
                        dtype_part_nbytes(sink->dtype, k, t->nelem)))
            return false;
    return true;
}
