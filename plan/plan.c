/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"
#include "plan/tile.h"

#define PLAN_ARENA_LIMIT (8 * GIB)

const struct codec plan_verbatim = {0};

void plan_init(struct plan *p)
{
    *p = (struct plan){0};
    arena_init(&p->arena, PLAN_ARENA_LIMIT);
    p->notes.arena = &p->arena;
}

void plan_free(struct plan *p)
{
    arena_free(&p->arena);
    *p = (struct plan){0};
}

/* A zeroed slot at the end of one of the plan's arrays, or NULL. */
#define APPEND(p, items, n, cap)                                                                             \
    (arena_grow(&(p)->arena, (void **)&(items), (n), &(cap), sizeof *(items)) ? &(items)[(n)++] : NULL)

enum status plan_add_source(struct plan *p, const struct plan_source *src, uint32_t *index, struct err *err)
{
    struct plan_source *slot = APPEND(p, p->sources, p->nsource, p->source_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = *src;
    *index = (uint32_t)(p->nsource - 1);
    return OK;
}

enum status plan_add_step(struct plan *p, const char *name, const uint64_t *shape, uint32_t rank,
                          struct plan_step **step, struct err *err)
{
    struct plan_step *slot = APPEND(p, p->steps, p->nstep, p->step_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = (struct plan_step){.name = name, .rank = rank};
    memcpy(slot->shape, shape, rank * sizeof *shape);
    if (!shape_nelem(shape, rank, &slot->nelem))
        return fail(err, E_LIMIT, "tensor %s: its elements do not fit 64 bits", name);
    *step = slot;
    return OK;
}

enum status plan_add_view(struct plan *p, struct plan_step *step, const struct view *v, struct err *err)
{
    struct view *slot = APPEND(p, step->views, step->nview, step->view_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = *v;
    view_simplify(slot);
    return OK;
}

enum status plan_add_sink(struct plan *p, struct plan_step *step, const struct plan_sink *sink,
                          struct err *err)
{
    struct plan_sink *slot = APPEND(p, step->sinks, step->nsink, step->sink_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = *sink;
    if (!dtype_nbytes(sink->dtype, step->nelem, &slot->nbytes))
        return fail(err, E_BUG, "tensor %s: %" PRIu64 " elements are no whole blocks of %s", step->name,
                    step->nelem, dtype_name(sink->dtype));
    return OK;
}

enum status plan_add_out(struct plan *p, const char *path, uint32_t *index, struct err *err)
{
    struct plan_out *slot = APPEND(p, p->outs, p->nout, p->out_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = (struct plan_out){.path = path, .set = p->nout > 1 ? slot[-1].set + !p->folder : 0};
    *index = (uint32_t)(p->nout - 1);
    return OK;
}

enum status plan_add_header(struct plan *p, uint32_t out, const void *bytes, size_t n, struct err *err)
{
    struct plan_out *o = &p->outs[out];
    struct slice *slot = APPEND(p, o->header, o->nheader, o->header_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = (struct slice){bytes, n};
    o->header_nbytes += n;
    return OK;
}

enum status plan_add_copy(struct plan *p, const char *path, const char *from, enum link_mode mode,
                          struct err *err)
{
    struct plan_copy *copy = arena_alloc(&p->arena, sizeof *copy);
    struct file *file = NULL;
    uint32_t out = 0;

    if (!copy)
        return fail_nomem(err);
    enum status s = file_open(&file, from, err);
    if (s != OK)
        return s;
    *copy = (struct plan_copy){from, file_identity(file), mode};
    file_close(file);
    s = plan_add_out(p, path, &out, err);
    if (s != OK)
        return s;
    p->outs[out].copy = copy;
    p->outs[out].nbytes = copy->id.size;
    return plan_add_input(p, from, err);
}

enum status plan_add_input(struct plan *p, const char *path, struct err *err)
{
    const char **slot = APPEND(p, p->inputs, p->ninput, p->input_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = path;
    return OK;
}

enum status plan_add_subfolder(struct plan *p, const char *path, struct err *err)
{
    for (size_t i = 0; i < p->nsubfolder; i++)
        if (strcmp(p->subfolders[i], path) == 0)
            return OK;
    const char **slot = APPEND(p, p->subfolders, p->nsubfolder, p->subfolder_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = path;
    return OK;
}

enum status plan_read_span(const struct plan_span *span, void *buf, uint64_t n, uint64_t off, struct err *err)
{
    if (span->file)
        return file_read_at(span->file, buf, (size_t)n, span->off + off, err);
    memcpy(buf, (const unsigned char *)span->data + off, (size_t)n);
    return OK;
}

enum status plan_drop(struct plan *p, const char *name, const char *reason, struct err *err)
{
    struct plan_dropped *slot = APPEND(p, p->dropped, p->ndropped, p->dropped_cap);

    if (!slot)
        return fail_nomem(err);
    *slot = (struct plan_dropped){name, reason};
    return OK;
}

void plan_add_op(struct plan_step *step, enum op op)
{
    require(step->nop < STEP_MAX_OPS);
    step->ops[step->nop++] = (uint8_t)op;
}

static bool is_verbatim(const struct plan_sink *sink)
{
    return sink->codec == &plan_verbatim;
}

/* A verbatim sink has its source's type; any other one needs the values. */
static enum status check_reading(const struct plan_step *step, const struct plan_source *src, struct err *err)
{
    bool needs_values = step->nsink == 0;

    for (size_t i = 0; i < step->nsink; i++) {
        const struct plan_sink *sink = &step->sinks[i];

        needs_values = needs_values || !is_verbatim(sink);
        if (is_verbatim(sink) && (step->nop || sink->rounds || sink->dtype != src->dtype))
            return fail(err, E_BUG, "tensor %s: %s bytes cannot be taken as they are", step->name,
                        dtype_name(src->dtype));
    }
    return needs_values && !src->codec->decode
               ? fail(err, E_BUG, "tensor %s: %s values cannot be read", step->name, dtype_name(src->dtype))
               : OK;
}

static enum status check_views(const struct plan *p, const struct plan_step *step, struct err *err)
{
    uint64_t covered = 0;

    for (size_t i = 0; i < step->nview; i++)
        if (step->views[i].source >= p->nsource)
            return fail(err, E_BUG, "tensor %s: view %zu of no source", step->name, i);
    for (size_t i = 0; i < step->nview; i++) {
        const struct view *v = &step->views[i];

        const struct plan_source *src = &p->sources[v->source];
        uint64_t n = view_nelem(v);
        if (n > 0 && view_last(v) >= src->nelem)
            return fail(err, E_BUG, "tensor %s: view %zu leaves source %s", step->name, i, src->name);
        if (src->made)
            return fail(err, E_BUG, "tensor %s: source %s was not made", step->name, src->name);
        enum status s = check_reading(step, src, err);
        if (s != OK)
            return s;
        if (!view_in_blocks(v, dtype_block_elems(src->dtype)))
            return fail(err, E_BUG, "tensor %s: view %zu cuts blocks of source %s", step->name, i, src->name);
        if (n % tile_granule(p, step) != 0)
            return fail(err, E_BUG, "tensor %s: view %zu ends inside a block of a sink", step->name, i);
        covered += n;
    }
    if (covered != step->nelem)
        return fail(err, E_BUG, "tensor %s: views cover %" PRIu64 " of %" PRIu64 " elements", step->name,
                    covered, step->nelem);
    return OK;
}

static bool is_laid_out(const struct plan *p, const struct plan_step *step, const struct plan_sink *sink)
{
    for (uint32_t k = 0; k < dtype_parts(sink->dtype)->n; k++) {
        const struct plan_place *place = &sink->place[k];

        if (place->out >= p->nout || place->off < p->outs[place->out].header_nbytes ||
            place->off + dtype_part_nbytes(sink->dtype, k, step->nelem) > p->outs[place->out].nbytes)
            return false;
    }
    return true;
}

/* How the first sink that rounds does. */
static enum op step_round(const struct plan_step *step)
{
    size_t i = 0;

    while (!step->sinks[i].rounds)
        i++;
    return step->sinks[i].round;
}

enum status plan_check(const struct plan *p, struct err *err)
{
    for (size_t i = 0; i < p->nstep; i++) {
        const struct plan_step *step = &p->steps[i];
        enum status s = check_views(p, step, err);

        if (s != OK)
            return s;
        for (size_t k = 0; k < step->nsink; k++) {
            const struct plan_sink *sink = &step->sinks[k];

            if ((!sink->codec->encode && !is_verbatim(sink)) ||
                (sink->transcode.convert && sink->transcode.to != sink->dtype) || !is_laid_out(p, step, sink))
                return fail(err, E_BUG, "tensor %s: sink %zu is not laid out", step->name, k);
            if (sink->rounds && sink->round != step_round(step))
                return fail(err, E_BUG, "tensor %s: two sinks round in two ways", step->name);
        }
    }
    return OK;
}

#define HASH_VALUE(h, v) hash_update((h), &(v), sizeof(v))

static void hash_text(struct hash *h, const char *s)
{
    hash_update(h, s, strlen(s) + 1);
}

static void hash_source(struct hash *h, const struct plan_source *src)
{
    uint32_t dtype = src->dtype;

    if (src->made)
        return; // no view has been of it since plan_flatten
    HASH_VALUE(h, dtype);
    HASH_VALUE(h, src->nelem);
    if (src->scale)
        hash_update(h, src->scale, sizeof *src->scale);
    for (uint32_t k = 0; k < dtype_parts(src->dtype)->n; k++) {
        const struct plan_span *span = &src->span[k];

        HASH_VALUE(h, span->off);
        if (span->file) {
            struct file_id id = file_identity(span->file);

            HASH_VALUE(h, id);
        } else {
            hash_update(h, span->data, (size_t)dtype_part_nbytes(src->dtype, k, src->nelem));
        }
    }
}

static uint64_t weights_count(const struct plan_step *step, const struct plan_sink *sink)
{
    uint64_t ncol = step->shape[step->rank - 1];

    return sink->weight_rows ? step->nelem / sink->weight_rows : ncol;
}

static void hash_view(struct hash *h, const struct view *v)
{
    HASH_VALUE(h, v->source);
    HASH_VALUE(h, v->base);
    HASH_VALUE(h, v->ndim);
    hash_update(h, v->dim, v->ndim * sizeof v->dim[0]);
}

static void hash_step(struct hash *h, const struct plan_step *step)
{
    HASH_VALUE(h, step->nop);
    HASH_VALUE(h, step->nview);
    HASH_VALUE(h, step->nsink);
    hash_update(h, step->ops, step->nop);
    HASH_VALUE(h, step->nelem);
    for (size_t i = 0; i < step->nview; i++)
        hash_view(h, &step->views[i]);
    hash_view(h, &step->row);
    for (size_t i = 0; i < step->nsink; i++) {
        const struct plan_sink *sink = &step->sinks[i];
        uint32_t dtype = sink->dtype;
        bool transcodes = sink->transcode.convert != NULL;

        HASH_VALUE(h, dtype);
        HASH_VALUE(h, sink->codec->variant);
        HASH_VALUE(h, transcodes);
        for (uint32_t k = 0; k < dtype_parts(sink->dtype)->n; k++) {
            HASH_VALUE(h, sink->place[k].out);
            HASH_VALUE(h, sink->place[k].off);
        }
        HASH_VALUE(h, sink->rounds);
        if (sink->rounds)
            HASH_VALUE(h, sink->round);
        if (sink->weights)
            hash_update(h, sink->weights, weights_count(step, sink) * sizeof *sink->weights);
    }
}

enum status plan_fingerprint(const struct plan *p, struct digest *d, struct err *err)
{
    struct hash *h = hash_new();

    if (!h)
        return fail_nomem(err);
    for (size_t i = 0; i < p->nsource; i++)
        hash_source(h, &p->sources[i]);
    for (size_t i = 0; i < p->nstep; i++)
        hash_step(h, &p->steps[i]);
    for (size_t i = 0; i < p->nout; i++) {
        hash_text(h, p->outs[i].path);
        if (p->outs[i].copy)
            HASH_VALUE(h, p->outs[i].copy->id);
        for (size_t k = 0; k < p->outs[i].nheader; k++)
            hash_update(h, p->outs[i].header[k].p, p->outs[i].header[k].n);
    }
    *d = hash_digest(h);
    hash_free(h);
    return OK;
}

bool plan_has_sets(const struct plan *p)
{
    return p->nout > 0 && p->outs[p->nout - 1].set != p->outs[0].set;
}

uint64_t plan_tensor_bytes(const struct plan *p)
{
    uint64_t n = 0;

    for (size_t i = 0; i < p->nstep; i++)
        for (size_t k = 0; k < p->steps[i].nsink; k++)
            n += p->steps[i].sinks[k].nbytes;
    return n;
}

uint64_t plan_bytes_read(const struct plan *p)
{
    uint64_t total = 0;

    for (size_t i = 0; i < p->nstep; i++) {
        for (size_t k = 0; k < p->steps[i].nview; k++) {
            const struct view *v = &p->steps[i].views[k];
            const struct plan_source *src = &p->sources[v->source];
            uint64_t n = 0;

            if (src->span[0].file && dtype_nbytes(src->dtype, view_nelem(v), &n))
                total += n;
        }
    }
    for (size_t i = 0; i < p->nout; i++)
        if (p->outs[i].copy && p->outs[i].copy->mode == LINK_COPY)
            total += p->outs[i].nbytes;
    return total;
}
