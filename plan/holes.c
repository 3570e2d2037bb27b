/* SPDX-License-Identifier: Apache-2.0 */
/* Holes of sparse sources: what is a copy of one is there before it is written. */
#include "core/file.h"
#include "plan/exec_int.h"

#define SPACE_TILE_ELEMS (1 * MIB) /* of a run, unless memory is short: then it finds more */

/* The hole that was found last: the next tile is mostly in it, too. */
struct hole_walk {
    struct tile_walk tiles;
    const struct file *file;
    uint64_t start, end;
};

static bool in_hole(struct hole_walk *w, const struct file *file, uint64_t off, uint64_t n)
{
    if (!file)
        return false;
    if (file != w->file || off < w->start || off + n > w->end) {
        w->file = file;
        w->start = off;
        w->end = file_hole_end(file, off);
    }
    return off + n <= w->end;
}

static bool reads_hole(struct hole_walk *w, const struct plan_source *src, const struct view *v)
{
    uint64_t first = v->base, n = view_last(v) + 1 - first;
    bool hole = true;

    for (uint32_t k = 0; k < dtype_parts(src->dtype)->n && hole; k++)
        hole = in_hole(w, src->span[k].file, src->span[k].off + dtype_part_nbytes(src->dtype, k, first),
                       dtype_part_nbytes(src->dtype, k, n));
    return hole;
}

/* The next tile that is copied, all of a hole. */
static bool next_hole(struct hole_walk *w, struct tile *t)
{
    while (tile_next(&w->tiles, t)) {
        const struct plan_source *src = &w->tiles.plan->sources[t->view.source];
        bool copied = true;

        for (size_t i = 0; i < t->step->nsink; i++)
            copied = copied && tile_is_copy(t, src, &t->step->sinks[i]);
        if (copied && reads_hole(w, src, &t->view))
            return true;
    }
    return false;
}

/* The sink's part k of a tile: its range of the output. */
static struct resume_range part_of(const struct tile *t, const struct plan_sink *sink, uint32_t k)
{
    uint64_t start = sink->place[k].off + dtype_part_nbytes(sink->dtype, k, t->first);

    return (struct resume_range){start, start + dtype_part_nbytes(sink->dtype, k, t->nelem)};
}

static enum status add_tile(struct resume *holes, const struct resume_from *from, const struct tile *t,
                            const struct plan_sink *sink, struct err *err)
{
    uint32_t nparts = dtype_parts(sink->dtype)->n;
    bool zero = true;
    enum status s = OK;

    for (uint32_t k = 0; k < nparts && zero && s == OK; k++) {
        struct resume_range range = part_of(t, sink, k);

        s = outfile_is_zero(from->files[sink->place[k].out], range.start, range.end - range.start, &zero,
                            err);
    }
    for (uint32_t k = 0; k < nparts && zero && s == OK; k++)
        s = resume_add(holes, sink->place[k].out, part_of(t, sink, k), err);
    return s;
}

enum status holes_find(struct resume *holes, const struct resume_from *from, const struct resume *there,
                       uint64_t tile_elems, struct err *err)
{
    struct hole_walk walk = {.tiles = {.plan = from->plan, .tile_elems = tile_elems}};
    struct tile t;
    enum status s = resume_init(holes, from->plan->nout, err);

    while (s == OK && next_hole(&walk, &t)) {
        if (from->cancel && atomic_load_explicit(from->cancel, memory_order_relaxed))
            return fail(err, E_CANCELLED, "interrupted");
        for (size_t i = 0; i < t.step->nsink && s == OK; i++)
            if (!resume_has_tile(there, &t, &t.step->sinks[i]))
                s = add_tile(holes, from, &t, &t.step->sinks[i], err);
    }
    return s;
}

uint64_t holes_nbytes(const struct plan *p)
{
    const struct plan_step *needy;
    struct hole_walk walk = {
        .tiles = {.plan = p, .tile_elems = max_u64(tile_min_elems(p, &needy), SPACE_TILE_ELEMS)}};
    struct tile t;
    uint64_t n = 0;

    while (next_hole(&walk, &t))
        for (size_t i = 0; i < t.step->nsink; i++)
            n += tile_bytes(t.step->sinks[i].dtype, t.nelem);
    return n;
}
