/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a run takes, and how large its tiles may be. */
#include "plan/exec.h"
#include "plan/tile.h"

#define TILE_ELEMS_MAX   (1 * MIB) /* 2 MiB of BF16: large enough for the disk, small enough for the cache */
#define TILE_ELEMS_MIN   1024
#define FILE_BUFFER_MIN  (64 * KIB)
#define FILE_BUFFER_MAX  (4 * MIB)
#define FILE_BUFFER_STEP 4096
#define BASE_BYTES       (12 * MIB) /* the program, its libraries, stacks, and what allocators keep */
#define THREAD_BYTES     (32 * KIB) /* the part of a stack that is touched */
#define BUFFER_ALIGN     64

/* Bits per element, rounded up. */
struct widths {
    uint64_t in, out;    /* largest source type; largest sum over one step's sinks */
    uint64_t packed;     /* largest type of several parts among the sinks */
    uint64_t row;        /* a value's, where rows take another order */
    uint64_t part_elems; /* the most that are worked on together */
    uint64_t max_sinks;
    uint32_t max_parts; /* of a sink's type */
};

static uint64_t bits_up(enum dtype t)
{
    uint64_t nbytes = 0, nelem = 8 * (uint64_t)dtype_block_elems(t);

    require(dtype_nbytes(t, nelem, &nbytes));
    return (nbytes * 8 + nelem - 1) / nelem;
}

static struct widths measure_widths(const struct plan *p)
{
    struct widths w = {.in = 8, .out = 8, .max_sinks = 1, .max_parts = 1};

    for (size_t i = 0; i < p->nsource; i++)
        w.in = max_u64(w.in, bits_up(p->sources[i].dtype));
    for (size_t i = 0; i < p->nstep; i++) {
        const struct plan_step *step = &p->steps[i];
        uint64_t out = 0;

        for (size_t k = 0; k < step->nsink; k++) {
            enum dtype t = step->sinks[k].dtype;

            out += bits_up(t);
            w.max_parts = (uint32_t)max_u64(w.max_parts, dtype_parts(t)->n);
            if (dtype_parts(t)->n > 1)
                w.packed = max_u64(w.packed, bits_up(t));
        }
        w.part_elems = max_u64(w.part_elems, tile_part_elems(p, step));
        w.row = step->row.ndim > 0 ? 8 * sizeof(float) : w.row;
        w.out = max_u64(w.out, out);
        w.max_sinks = max_u64(w.max_sinks, step->nsink);
    }
    return w;
}

/* The steps of an output's first and last tensor. */
struct reach {
    bool used;
    size_t first, last;
};

static void find_reach(const struct plan *p, struct reach *reach)
{
    for (size_t i = 0; i < p->nstep; i++) {
        const struct plan_step *step = &p->steps[i];

        for (size_t k = 0; k < step->nsink; k++) {
            const struct plan_sink *sink = &step->sinks[k];

            for (uint32_t j = 0; j < dtype_parts(sink->dtype)->n; j++) {
                struct reach *r = &reach[sink->place[j].out];

                r->first = r->used ? r->first : i;
                r->last = i;
                r->used = true;
            }
        }
    }
}

/* The most outputs that are between their first and their last tensor at once: each of them holds a buffer.
 */
static enum status count_open_files(const struct plan *p, uint64_t *most, struct err *err)
{
    struct reach *reach = calloc(p->nout + 1, sizeof *reach);
    int64_t *change = calloc(p->nstep + 1, sizeof *change), now = 0; /* at each step */
    enum status s = reach && change ? OK : fail_nomem(err);

    *most = 1;
    if (s == OK)
        find_reach(p, reach);
    for (size_t i = 0; i < p->nout && s == OK; i++) {
        if (reach[i].used) {
            change[reach[i].first]++;
            change[reach[i].last + 1]--;
        }
    }
    for (size_t i = 0; i < p->nstep && s == OK; i++) {
        now += change[i];
        *most = max_u64(*most, (uint64_t)now);
    }
    free(reach);
    free(change);
    return s;
}

static uint64_t clamp(uint64_t n, uint64_t least, uint64_t most)
{
    return min_u64(max_u64(n, least), most);
}

static void size_buffers(struct exec_memory *m, const struct widths *w)
{
    m->in_bytes = align_up(m->tile_elems * w->in / 8 * 2, BUFFER_ALIGN);
    m->out_bytes = align_up(m->tile_elems * w->out / 8 + BUFFER_ALIGN * w->max_sinks, BUFFER_ALIGN);
    m->gather_bytes = align_up(m->tile_elems * w->in / 8, BUFFER_ALIGN);
}

/* Of a worker, whatever the size of tiles: what holds a part of one. */
static uint64_t size_parts(struct exec_memory *m, const struct widths *w)
{
    m->float_bytes = w->part_elems * sizeof(float);
    m->block_bytes = align_up(w->part_elems * w->packed / 8, BUFFER_ALIGN);
    m->row_bytes = w->part_elems * w->row / 8;
    return m->float_bytes + m->block_bytes + m->row_bytes;
}

enum status exec_measure(const struct plan *p, const struct exec_options *o, struct exec_memory *m,
                         struct err *err)
{
    struct widths w = measure_widths(p);
    const struct plan_step *needy;
    uint64_t shortest = tile_min_elems(p, &needy), least = max_u64(shortest, TILE_ELEMS_MIN), nfile;
    uint64_t slots = o->threads + 3;
    uint64_t per_elem = slots * (2 * w.in + w.out) + o->threads * w.in; /* in bits */
    enum status s = count_open_files(p, &nfile, err);

    if (s != OK)
        return s;
    *m = (struct exec_memory){.nslot = slots, .file_runs = w.max_parts};
    uint64_t nbuffer = nfile * (w.max_parts + 1); // of output files
    m->file_buffer_bytes =
        align_up(clamp(o->max_memory / (8 * nbuffer), FILE_BUFFER_MIN, FILE_BUFFER_MAX), FILE_BUFFER_STEP);
    /* What depends neither on max_memory nor on the tiles, and what rounding up the buffers may add. */
    uint64_t base = BASE_BYTES + p->arena.used + (o->threads + 1 + nfile) * THREAD_BYTES;
    base += o->threads * size_parts(m, &w);
    if (o->quality)
        base += quality_bytes(p) + slots * quality_tile_bytes(p);
    uint64_t slack = (slots * (2 + w.max_sinks) + 2 * o->threads) * BUFFER_ALIGN;
    uint64_t fixed = base + nbuffer * m->file_buffer_bytes;
    uint64_t room = o->max_memory > fixed + slack ? o->max_memory - fixed - slack : 0;
    m->tile_elems = o->tile_elems ? max_u64(o->tile_elems, shortest)
                                  : min_u64(max_u64(TILE_ELEMS_MAX, least), room * 8 / per_elem);
    size_buffers(m, &w);
    m->peak_bytes = fixed + slots * (m->in_bytes + m->out_bytes) + o->threads * m->gather_bytes;
    if (m->tile_elems < least && !o->tile_elems) {
        uint64_t need = base + slack + least * per_elem / 8 + 1;

        /* The file buffers grow with the budget: all of them are an eighth of it, a seventh of the rest. */
        need +=
            nbuffer * (clamp(need / (7 * nbuffer), FILE_BUFFER_MIN, FILE_BUFFER_MAX) + 2 * FILE_BUFFER_STEP);
        return fail(err, E_LIMIT,
                    "--max-memory %" PRIu64 " is too little for this plan: tensor %s needs %" PRIu64 " bytes",
                    o->max_memory, needy ? needy->name : "", need);
    }
    return OK;
}
