/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a run takes, and how large its tiles may be. */
#include "plan/exec.h"
#include "plan/tile.h"

#define TILE_ELEMS_MAX (1 * MIB) /* 2 MiB of BF16: large enough for the disk, small enough for the cache */
#define FILE_BUFFER_MAX (8 * MIB)
#define BASE_BYTES (12 * MIB) /* the program, its libraries, stacks, and what allocators keep */

/* Bits per element, rounded up. */
struct widths {
    uint64_t in, out;  /* largest source type; largest sum over one step's sinks */
    uint64_t max_sinks; /* output files in progress at once */
};

static uint64_t bits_up(enum dtype t)
{
    uint64_t nbytes = 0, nelem = 8 * (uint64_t)dtype_block_elems(t);

    require(dtype_nbytes(t, nelem, &nbytes));
    return (nbytes * 8 + nelem - 1) / nelem;
}

static struct widths measure_widths(const struct plan *p)
{
    struct widths w = {8, 8, 1};

    for (size_t i = 0; i < p->nsource; i++)
        w.in = max_u64(w.in, bits_up(p->sources[i].dtype));
    for (size_t i = 0; i < p->nstep; i++) {
        const struct plan_step *step = &p->steps[i];
        uint64_t out = 0;

        for (size_t k = 0; k < step->nsink; k++)
            out += bits_up(step->sinks[k].dtype);
        w.out = max_u64(w.out, out);
        w.max_sinks = max_u64(w.max_sinks, step->nsink);
    }
    return w;
}

static void size_buffers(struct exec_memory *m, const struct widths *w)
{
    m->in_bytes = align_up(m->tile_elems * w->in / 8 * 2, 64);
    m->out_bytes = align_up(m->tile_elems * w->out / 8 + 64 * w->max_sinks, 64);
    m->gather_bytes = align_up(m->tile_elems * w->in / 8, 64);
    m->float_bytes = m->tile_elems * sizeof(float);
}

enum status exec_measure(const struct plan *p, const struct exec_options *o, struct exec_memory *m, struct err *err)
{
    struct widths w = measure_widths(p);
    const struct plan_step *needy;
    uint64_t least = tile_min_elems(p, &needy);
    uint64_t fixed = BASE_BYTES + p->arena.used;
    uint64_t slots = o->threads + 3;
    uint64_t per_elem = slots * (2 * w.in + w.out) + o->threads * (w.in + 32); /* in bits */

    *m = (struct exec_memory){.nslot = slots};
    m->file_buffer_bytes = min_u64(FILE_BUFFER_MAX, max_u64(o->max_memory / (8 * w.max_sinks), 64 * KIB));
    fixed += m->file_buffer_bytes * w.max_sinks;
    uint64_t room = o->max_memory > fixed ? o->max_memory - fixed : 0;
    m->tile_elems = o->tile_elems ? max_u64(o->tile_elems, least) : min_u64(TILE_ELEMS_MAX, room * 8 / per_elem);
    size_buffers(m, &w);
    m->peak_bytes = fixed + slots * (m->in_bytes + m->out_bytes) + o->threads * (m->gather_bytes + m->float_bytes);
    if (m->tile_elems < max_u64(least, 1024) && !o->tile_elems)
        return fail(err, E_LIMIT,
                    "--max-memory %" PRIu64 " is too little for this plan: tensor %s needs about %" PRIu64 " bytes",
                    o->max_memory, needy ? needy->name : "", fixed + max_u64(least, 1024) * per_elem / 8 + 4096);
    return OK;
}
