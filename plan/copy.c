/* SPDX-License-Identifier: Apache-2.0 */
/* Outputs that equal a file. */
#include "plan/exec_int.h"

static enum status open_planned(struct file **file, const struct plan_copy *copy, struct err *err)
{
    enum status s = file_open(file, copy->from, err);

    if (s != OK)
        return s;
    struct file_id now = file_identity(*file);
    if (now.size == copy->id.size && now.mtime_ns == copy->id.mtime_ns && now.dev == copy->id.dev &&
        now.inode == copy->id.inode)
        return OK;
    file_close(*file);
    *file = NULL;
    return fail(err, E_FORMAT, "%s: was changed while this run read it", copy->from);
}

enum status copy_open(struct outfile **out, const struct outfile_spec *spec, const struct plan_copy *copy,
                      bool *linked, struct err *err)
{
    struct file *file = NULL;

    *linked = false;
    if (copy->mode == LINK_COPY)
        return OK;
    enum status s = open_planned(&file, copy, err);
    file_close(file);
    if (s == OK)
        s = outfile_link(out, spec->path, copy->from, linked, err);
    if (s == OK && !*linked && copy->mode == LINK_HARD)
        s = fail_errno(err, "%s: making it a hard link to %s", spec->path, copy->from);
    return s;
}

static enum status copy_bytes(const struct copy_job *job, const struct file *from, struct err *err)
{
    uint64_t nbytes = job->copy->id.size;
    enum status s = OK;

    for (uint64_t off = 0; off < nbytes && s == OK;) {
        struct copy_piece piece = {NULL, (size_t)min_u64(job->buffer_bytes, nbytes - off), off};

        if (job->cancel && atomic_load_explicit(job->cancel, memory_order_relaxed))
            return fail(err, E_CANCELLED, "interrupted");
        bool there = job->resume && resume_has(job->resume, job->out, off, piece.nbytes);
        if (!there && file_hole_end(from, off) >= off + piece.nbytes)
            s = outfile_is_zero(job->file, off, piece.nbytes, &there, err);
        if (s == OK && !there) {
            s = file_read_at(from, job->buffer, piece.nbytes, off, err);
            piece.data = job->buffer;
        }
        if (s == OK)
            s = job->put(job->ctx, job, &piece, err);
        off += piece.nbytes;
    }
    return s;
}

enum status copy_content(const struct copy_job *job, struct err *err)
{
    struct file *from = NULL;
    enum status s = open_planned(&from, job->copy, err);

    if (s == OK && !job->resume && outfile_clone(job->file, job->copy->from)) {
        struct copy_piece all = {NULL, (size_t)job->copy->id.size, 0};

        s = job->put(job->ctx, job, &all, err);
    } else if (s == OK) {
        s = copy_bytes(job, from, err);
    }
    file_close(from);
    return s;
}
