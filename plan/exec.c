/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/exec.h"

#include <unistd.h>

#include "core/patch.h"
#include "core/pipe.h"
#include "plan/exec_int.h"
#include "plan/finite.h"

struct run {
    const struct plan *plan;
    const struct exec_options *options;
    struct exec_memory memory;
    struct outfile **files;
    uint64_t *left; /* bytes of each output not yet handed to its file */
    bool *resumed;
    struct journal *journal;
    struct resume resume;
    struct tile_walk walk;
    struct slot *slots;
    void **slot_ptrs;
    struct scratch *scratch;
    struct listener_ctx {
        struct run *run;
        uint32_t out;
    } * listeners;
    uint64_t done, total;
    uint64_t reused, misfits;
};

/* ---- reading ---- */

static bool tile_is_there(const struct run *r, const struct tile *t)
{
    for (size_t i = 0; i < t->step->nsink; i++)
        if (!resume_has_tile(&r->resume, t, &t->step->sinks[i]))
            return false;
    return true;
}

/* Run i of the tile, from block `at` on: a part of each of its blocks behind those of the runs before. */
static enum status read_run(const struct slot *slot, uint64_t i, uint64_t at, struct err *err)
{
    const struct plan_source *src = slot->source;
    const struct dtype_parts *parts = dtype_parts(src->dtype);
    unsigned char *in = slot->in;
    enum status s = OK;

    for (uint32_t k = 0; k < parts->n && s == OK; k++) {
        uint64_t unit = parts->part[k].nbytes, n = slot->read.run * unit;

        s = plan_read_span(&src->span[k], in + i * n, n, at * unit, err);
        in += slot->read.count * n;
    }
    return s == OK ? s : wrap(err, "tensor %s", src->name);
}

static enum status stage(const struct run *r, struct slot *slot, struct err *err)
{
    const struct plan_source *src = slot->source;
    uint32_t elems = dtype_block_elems(src->dtype), unit = (uint32_t)tile_bytes(src->dtype, elems);
    struct tile_read *rd = &slot->read;
    uint64_t index[VIEW_MAX_DIMS] = {0}, at;

    tile_read_plan(&slot->tile, elems, unit, rd);
    require(rd->run * rd->count * unit <= r->memory.in_bytes && slot->tile.nelem <= r->memory.tile_elems);
    at = rd->outer.base;
    for (uint64_t i = 0; i < rd->count; i++) {
        enum status s = read_run(slot, i, at, err);

        if (s != OK)
            return s;
        for (uint32_t k = rd->outer.ndim; k-- > 0;) {
            at += rd->outer.dim[k].stride;
            if (++index[k] < rd->outer.dim[k].n)
                break;
            at -= rd->outer.dim[k].n * rd->outer.dim[k].stride;
            index[k] = 0;
        }
    }
    return OK;
}

/* What an earlier run wrote of a tile. */
static enum status read_back(const struct run *r, const struct tile *t, const struct plan_sink *sink,
                             unsigned char *out, struct err *err)
{
    enum status s = OK;

    for (uint32_t k = 0; k < dtype_parts(sink->dtype)->n && s == OK; k++) {
        uint64_t n = dtype_part_nbytes(sink->dtype, k, t->nelem);

        s = outfile_read(r->files[sink->place[k].out], out, (size_t)n,
                         sink->place[k].off + dtype_part_nbytes(sink->dtype, k, t->first), err);
        out += n;
    }
    return s;
}

/* Gives the results their places; what is there already is put into them, if it is to be measured. */
static enum status place_results(const struct run *r, struct slot *slot, struct err *err)
{
    const struct tile *t = &slot->tile;
    unsigned char *out = slot->out;
    enum status s = OK;

    for (size_t i = 0; i < t->step->nsink && s == OK; i++) {
        const struct plan_sink *sink = &t->step->sinks[i];

        slot->result[i] = out;
        if (slot->quality && resume_has_tile(&r->resume, t, sink))
            s = read_back(r, t, sink, out, err);
        out += align_up(tile_bytes(sink->dtype, t->nelem), 64);
    }
    return s;
}

static enum status read_tile(void *ctx, void *slot_ptr, bool *end, struct err *err)
{
    struct run *r = ctx;
    struct slot *slot = slot_ptr;

    do {
        if (!tile_next(&r->walk, &slot->tile)) {
            *end = true;
            return OK;
        }
    } while (!slot->quality && tile_is_there(r, &slot->tile));
    slot->source = &r->plan->sources[slot->tile.view.source];
    enum status s = stage(r, slot, err);
    return s == OK ? place_results(r, slot, err) : s;
}

static enum status work_tile(void *ctx, void *slot_ptr, unsigned worker, struct err *err)
{
    struct run *r = ctx;
    struct work work = {r->plan, &r->resume, r->options->allow_nonfinite, r->options->trust_copies};

    (void)err;
    work_do(&work, slot_ptr, &r->scratch[worker]);
    return OK;
}

/* ---- writing ---- */

static enum status note_written(void *ctx, uint64_t off, uint64_t nbytes, struct digest d, struct err *err)
{
    const struct listener_ctx *l = ctx;
    struct journal_range range = {l->out, off, nbytes, d};

    return journal_add(l->run->journal, &range, err);
}

/* Gives the output's set its names once every byte of it was written. */
static enum status commit_set(struct run *r, uint32_t out, struct err *err)
{
    const struct plan_out *outs = r->plan->outs;
    size_t first = out, end = out + 1;

    while (first > 0 && outs[first - 1].set == outs[out].set)
        first--;
    while (end < r->plan->nout && outs[end].set == outs[out].set)
        end++;
    for (size_t i = first; i < end; i++)
        if (r->left[i] > 0)
            return OK;
    return outfile_commit(r->files + first, end - first, err);
}

/* Hands bytes to an output; the last ones send the file to the disk and free its buffer. */
static enum status put(struct run *r, uint32_t out, const void *p, uint64_t n, uint64_t off, struct err *err)
{
    enum status s = outfile_write(r->files[out], p, (size_t)n, off, err);

    r->left[out] -= n;
    r->done += n;
    if (s == OK && r->left[out] == 0)
        s = outfile_sync(r->files[out], err);
    if (s == OK && r->left[out] == 0 && plan_has_sets(r->plan))
        s = commit_set(r, out, err); // whatever becomes of the others
    return s;
}

static void show_progress(const struct run *r)
{
    if (r->options->progress)
        r->options->progress(r->options->progress_ctx, r->done + r->reused, r->total);
}

static enum status write_tile(void *ctx, void *slot_ptr, struct err *err)
{
    struct run *r = ctx;
    struct slot *slot = slot_ptr;
    const struct tile *t = &slot->tile;

    if (slot->flaw.kind != FINITE_OK)
        return finite_fail(&slot->flaw, t, slot->source, err);
    r->misfits += slot->misfits;
    if (slot->quality)
        quality_add(r->options->quality, t, slot->quality);
    for (size_t i = 0; i < t->step->nsink; i++) {
        const struct plan_sink *sink = &t->step->sinks[i];

        if (resume_has_tile(&r->resume, t, sink))
            continue;
        const unsigned char *bytes = slot->result[i];

        for (uint32_t k = 0; k < dtype_parts(sink->dtype)->n; k++) {
            uint64_t n = dtype_part_nbytes(sink->dtype, k, t->nelem);
            enum status s = put(r, sink->place[k].out, bytes, n,
                                sink->place[k].off + dtype_part_nbytes(sink->dtype, k, t->first), err);

            if (s != OK)
                return s;
            bytes += n;
        }
    }
    show_progress(r);
    return OK;
}

/* ---- the run ---- */

static enum status allocate(struct run *r, struct err *err)
{
    size_t nslot = r->memory.nslot, nout = r->plan->nout, max_sinks = 1;

    for (size_t i = 0; i < r->plan->nstep; i++)
        max_sinks = max_u64(max_sinks, r->plan->steps[i].nsink);
    r->slots = calloc(nslot, sizeof *r->slots);
    r->slot_ptrs = calloc(nslot, sizeof *r->slot_ptrs);
    r->scratch = calloc(r->options->threads, sizeof *r->scratch);
    r->files = calloc(nout, sizeof *r->files);
    r->left = calloc(nout, sizeof *r->left);
    r->resumed = calloc(nout, sizeof *r->resumed);
    r->listeners = calloc(nout, sizeof *r->listeners);
    if (!r->slots || !r->slot_ptrs || !r->scratch || !r->files || !r->left || !r->resumed || !r->listeners)
        return fail_nomem(err);
    for (size_t i = 0; i < nslot; i++) {
        struct slot *slot = &r->slots[i];

        slot->in = malloc(r->memory.in_bytes);
        slot->out = malloc(r->memory.out_bytes);
        slot->result = calloc(max_sinks, sizeof *slot->result);
        r->slot_ptrs[i] = slot;
        slot->quality = r->options->quality ? calloc(max_sinks, sizeof *slot->quality) : NULL;
        if (!slot->in || !slot->out || !slot->result || (r->options->quality && !slot->quality))
            return fail_nomem(err);
    }
    for (unsigned i = 0; i < r->options->threads; i++) {
        r->scratch[i].gather = malloc(r->memory.gather_bytes);
        r->scratch[i].values = malloc(r->memory.float_bytes);
        r->scratch[i].blocks = malloc(max_u64(r->memory.block_bytes, 1));
        r->scratch[i].row = malloc(max_u64(r->memory.row_bytes, 1));
        if (!r->scratch[i].gather || !r->scratch[i].values || !r->scratch[i].blocks || !r->scratch[i].row)
            return fail_nomem(err);
    }
    return OK;
}

static void release(struct run *r)
{
    for (size_t i = 0; r->slots && i < r->memory.nslot; i++) {
        free(r->slots[i].in);
        free(r->slots[i].out);
        free(r->slots[i].result);
        free(r->slots[i].quality);
    }
    for (unsigned i = 0; r->scratch && i < r->options->threads; i++) {
        free(r->scratch[i].gather);
        free(r->scratch[i].values);
        free(r->scratch[i].blocks);
        free(r->scratch[i].row);
    }
    resume_free(&r->resume);
    free(r->slots);
    free(r->slot_ptrs);
    free(r->scratch);
    free(r->files);
    free(r->left);
    free(r->resumed);
    free(r->listeners);
}

static enum status open_journal(struct run *r, struct err *err)
{
    struct digest fingerprint;
    size_t nkept = 0, path_n = strlen(r->plan->outs[0].path) + sizeof ".journal";
    enum status s = plan_fingerprint(r->plan, &fingerprint, err);
    char *path = malloc(path_n);

    if (!path)
        return fail_nomem(err);
    snprintf(path, path_n, "%s.journal", r->plan->outs[0].path);
    if (s == OK)
        s = journal_open(&r->journal, path, fingerprint, r->options->resume, &nkept, err);
    free(path);
    return s;
}

static void count_left(struct run *r, const struct plan_step *step, const struct plan_sink *sink)
{
    for (uint32_t k = 0; k < dtype_parts(sink->dtype)->n; k++)
        r->left[sink->place[k].out] += dtype_part_nbytes(sink->dtype, k, step->nelem);
}

static enum status open_outputs(struct run *r, struct err *err)
{
    for (uint32_t i = 0; i < r->plan->nout; i++) {
        const struct plan_copy *copy = r->plan->outs[i].copy;
        bool linked = false;

        r->listeners[i] = (struct listener_ctx){r, i};
        struct outfile_spec spec = {
            .path = r->plan->outs[i].path,
            .nbytes = r->plan->outs[i].nbytes,
            .nrun = r->memory.file_runs,
            .buffer_bytes = (size_t)r->memory.file_buffer_bytes,
            .resume = r->options->resume,
            .adopt = plan_has_sets(r->plan) && !r->options->force, // an earlier run may have finished some
            .like = r->plan->outs[i].replaces ? r->plan->outs[i].path : NULL,
            .listener = {.ctx = &r->listeners[i], .wrote = note_written},
        };
        enum status s = copy ? copy_open(&r->files[i], &spec, copy, &linked, err) : OK;
        if (s == OK && !linked)
            s = outfile_open(&r->files[i], &spec, &r->resumed[i], err);
        if (s != OK)
            return s;
        r->left[i] = linked ? 0 : copy ? spec.nbytes : r->plan->outs[i].header_nbytes;
    }
    for (size_t i = 0; i < r->plan->nstep; i++)
        for (size_t k = 0; k < r->plan->steps[i].nsink; k++)
            count_left(r, &r->plan->steps[i], &r->plan->steps[i].sinks[k]);
    for (size_t i = 0; i < r->plan->nout; i++)
        r->total += r->left[i];
    return OK;
}

static enum status put_header(struct run *r, uint32_t out, struct err *err)
{
    const struct plan_out *o = &r->plan->outs[out];
    enum status s = OK;
    uint64_t off = 0;

    for (size_t i = 0; i < o->nheader && s == OK; i++) {
        s = put(r, out, o->header[i].p, o->header[i].n, off, err);
        off += o->header[i].n;
    }
    return s;
}

/* A file whose tensors come later holds no buffer until then. */
static enum status put_headers(struct run *r, struct err *err)
{
    enum status s = OK;

    for (uint32_t i = 0; i < r->plan->nout && s == OK; i++) {
        if (r->plan->outs[i].copy || outfile_is_committed(r->files[i]))
            continue;
        s = put_header(r, i, err);
        if (s == OK && r->plan->nout > 1 && !outfile_is_committed(r->files[i]))
            s = outfile_flush(r->files[i], err);
    }
    return s;
}

static void count_reused(struct run *r, uint32_t out, uint64_t nbytes)
{
    r->reused += nbytes;
    r->left[out] -= nbytes;
}

static void count_if_there(struct run *r, const struct tile *t, const struct plan_sink *sink)
{
    if (resume_has_tile(&r->resume, t, sink))
        for (uint32_t k = 0; k < dtype_parts(sink->dtype)->n; k++)
            count_reused(r, sink->place[k].out, dtype_part_nbytes(sink->dtype, k, t->nelem));
}

/* Tiles that an earlier run wrote count as done before the pipeline starts; the headers of files that it did
 * not finish are written again. */
static void skip_reused(struct run *r)
{
    struct tile_walk walk = r->walk;
    struct tile t;

    while (tile_next(&walk, &t))
        for (size_t i = 0; i < t.step->nsink; i++)
            count_if_there(r, &t, &t.step->sinks[i]);
    for (uint32_t i = 0; i < r->plan->nout; i++)
        if (outfile_is_committed(r->files[i]) && resume_has(&r->resume, i, 0, r->plan->outs[i].header_nbytes))
            count_reused(r, i, r->plan->outs[i].header_nbytes);
}

/* A file under an output's name is this job's when its every byte is as the log says. */
static enum status check_adopted(const struct run *r, struct err *err)
{
    for (uint32_t i = 0; i < r->plan->nout; i++)
        if (outfile_is_committed(r->files[i]) && r->left[i] > 0)
            return fail(err, E_USAGE, "%s: exists already, and is not what this job writes",
                        r->plan->outs[i].path);
    return OK;
}

static enum status put_copied(void *ctx, const struct copy_job *job, const struct copy_piece *piece,
                              struct err *err)
{
    struct run *r = ctx;
    enum status s = OK;

    if (piece->data) {
        s = put(r, job->out, piece->data, piece->nbytes, piece->off, err);
    } else {
        *(job->resume ? &r->reused : &r->done) += piece->nbytes;
        r->left[job->out] -= piece->nbytes;
    }
    show_progress(r);
    return s;
}

/* The files that are carried over and could not be linked. */
static enum status put_copies(struct run *r, struct err *err)
{
    enum status s = OK;

    for (uint32_t i = 0; i < r->plan->nout && s == OK; i++) {
        struct copy_job job = {
            .copy = r->plan->outs[i].copy,
            .file = r->files[i],
            .out = i,
            .resume = r->resumed[i] ? &r->resume : NULL,
            .buffer = r->slots[0].in,
            .buffer_bytes = r->memory.in_bytes,
            .cancel = r->options->cancel,
            .ctx = r,
            .put = put_copied,
        };

        if (r->left[i] > 0 && job.copy)
            s = copy_content(&job, err);
    }
    return s;
}

static enum status run_pipe(struct run *r, struct err *err)
{
    struct pipe_stages stages = {.ctx = r, .read = read_tile, .work = work_tile, .write = write_tile};
    struct pipe_shape shape = {r->slot_ptrs, r->memory.nslot, r->options->threads, r->options->cancel};
    enum status s = pipe_run(&stages, &shape, err);

    if (s == OK)
        s = put_copies(r, err);
    /* Outputs whose every byte was there already were not synced by a last put. */
    for (uint32_t i = 0; i < r->plan->nout && s == OK; i++)
        if (!outfile_is_committed(r->files[i]))
            s = outfile_sync(r->files[i], err);
    for (uint32_t i = 0; i < r->plan->nout && s == OK; i++)
        if (!outfile_is_committed(r->files[i]))
            s = commit_set(r, i, err);
    return s;
}

static bool worth_keeping(enum status s)
{
    return s == E_IO || s == E_CANCELLED || s == E_NOMEM ||
           s == E_USAGE; // another file stands where a finished one was
}

/* Whether a later run can go on from what this failed one leaves. */
static bool is_resumable(const struct run *r, enum status s)
{
    if (r->journal)
        return worth_keeping(s) && journal_count(r->journal) > 0;
    /* It failed before the log was read: what an earlier run left is as good as it was. */
    for (size_t i = 0; r->resumed && i < r->plan->nout; i++)
        if (r->resumed[i])
            return true;
    return false;
}

static enum status skip_holes(struct run *r, const struct resume_from *from, struct err *err)
{
    struct resume holes;
    enum status s = holes_find(&holes, from, &r->resume, r->memory.tile_elems, err);

    for (size_t i = 0; i < r->plan->nout && s == OK; i++) {
        for (size_t k = 0; k < holes.outs[i].n; k++) {
            uint64_t n = holes.outs[i].range[k].end - holes.outs[i].range[k].start;

            r->left[i] -= n;
            r->done += n;
        }
    }
    if (s == OK)
        s = resume_merge(&r->resume, &holes, err);
    resume_free(&holes);
    return s;
}

/* What needs no writing: an earlier run did it, or nothing but holes would become of holes. */
static enum status find_there(struct run *r, struct err *err)
{
    struct resume_from from = {
        .plan = r->plan,
        .journal = r->journal,
        .files = r->files,
        .resumed = r->resumed,
        .cancel = r->options->cancel,
    };
    enum status s = r->options->resume ? resume_load(&r->resume, &from, err)
                                       : resume_init(&r->resume, r->plan->nout, err);

    if (s == OK && r->options->resume)
        skip_reused(r);
    if (s == OK && !r->options->quality)
        s = skip_holes(r, &from, err);
    return s == OK ? check_adopted(r, err) : s;
}

/* The folders of a plan, the outermost first; i from 0 on. NULL behind the last. */
static const char *folder_at(const struct plan *p, size_t i)
{
    size_t before = p->folder ? 1 : 0;

    if (i < before)
        return p->folder;
    return i - before < p->nsubfolder ? p->subfolders[i - before] : NULL;
}

/* *made: which were not there. */
static enum status make_folders(const struct plan *p, bool **made, struct err *err)
{
    const char *path;

    *made = calloc(p->nsubfolder + 1, sizeof **made);
    enum status s = *made ? OK : fail_nomem(err);
    for (size_t i = 0; s == OK && (path = folder_at(p, i)); i++)
        s = outfile_make_folder(path, &(*made)[i], err);
    return s;
}

static void unmake_folders(const struct plan *p, const bool *made)
{
    for (size_t i = p->nsubfolder + 1; made && i-- > 0;)
        if (made[i])
            rmdir(folder_at(p, i));
}

static enum status run_whole(const struct plan *p, const struct exec_options *o, struct exec_result *result,
                             struct err *err)
{
    struct run r = {.plan = p, .options = o};
    bool *made = NULL; // folders

    enum status s = exec_measure(p, o, &r.memory, err);

    if (s == OK)
        s = plan_check(p, err);
    r.walk = (struct tile_walk){.plan = p, .tile_elems = r.memory.tile_elems};
    if (s == OK)
        s = allocate(&r, err);
    if (s == OK)
        s = make_folders(p, &made, err);
    if (s == OK)
        s = open_outputs(&r, err);
    if (s == OK)
        s = open_journal(&r, err); /* after the outputs: now they are ours alone */
    if (s == OK)
        s = find_there(&r, err);
    if (s == OK)
        s = put_headers(&r, err);
    if (s == OK)
        s = run_pipe(&r, err);
    result->bytes_reused = r.reused;
    result->misfits = r.misfits;
    result->resumable = s != OK && is_resumable(&r, s);
    for (size_t i = 0; r.files && i < p->nout; i++)
        outfile_close(r.files[i], result->resumable);
    journal_close(r.journal, result->resumable);
    if (s != OK && !result->resumable)
        unmake_folders(p, made);
    free(made);
    release(&r);
    return s;
}

enum status exec_run(const struct plan *p, const struct exec_options *o, struct exec_result *result,
                     struct err *err)
{
    const struct plan_patch *patch = p->nout == 1 ? p->outs[0].patch : NULL;

    *result = (struct exec_result){0};
    if (patch)
        return patch_apply(patch->file, patch->off, patch->bytes, patch->nbytes, err);
    return run_whole(p, o, result, err);
}
