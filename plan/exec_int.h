/* SPDX-License-Identifier: Apache-2.0 */
/* What the executor's files share. */
#ifndef PLAN_EXEC_INT_H
#define PLAN_EXEC_INT_H

#include "core/journal.h"
#include "core/outfile.h"
#include "plan/exec.h"
#include "plan/finite.h"
#include "plan/tile.h"

/* Bytes of n elements, which end at a block's end. */
static inline uint64_t tile_bytes(enum dtype t, uint64_t n)
{
    uint64_t nbytes = 0;

    require(dtype_nbytes(t, n, &nbytes));
    return nbytes;
}

/* The byte ranges of each output that an earlier run wrote and whose digests still hold. */
struct resume_range {
    uint64_t start, end;
};

struct resume {
    struct resume_out {
        struct resume_range *range; /* ascending, not touching */
        size_t n, cap;
    } * outs;
    size_t nout;
};

struct resume_from {
    const struct plan *plan;
    const struct journal *journal;
    struct outfile **files; /* of each output */
    const bool *resumed;    /* whether it has an earlier content */
    const atomic_int *cancel;
};

/* Checks every range of the journal against the files and keeps the ones that hold. A file that keeps none is
 * started afresh: its content may be of another plan, also where this one writes nothing. */
enum status resume_load(struct resume *r, const struct resume_from *from, struct err *err);
void resume_free(struct resume *r);

/* Of no ranges yet. */
enum status resume_init(struct resume *r, size_t nout, struct err *err);

/* Adds a range of an output; resume_has may not know it before resume_merge. */
enum status resume_add(struct resume *r, uint32_t out, struct resume_range range, struct err *err);

/* Adds all ranges of another. */
enum status resume_merge(struct resume *r, const struct resume *more, struct err *err);

/* Whether all of [off, off + n) of an output is there already. */
bool resume_has(const struct resume *r, uint32_t out, uint64_t off, uint64_t n);

/* Whether all that the sink gets of a tile is there. */
bool resume_has_tile(const struct resume *r, const struct tile *t, const struct plan_sink *sink);

/* The ranges that no run need write: those of tiles that are copies of holes, which are not `there` and whose
 * places in the outputs read as zeros. */
enum status holes_find(struct resume *holes, const struct resume_from *from, const struct resume *there,
                       uint64_t tile_elems, struct err *err);

/* Bytes of the outputs that a run without an earlier one's content finds to be such. */
uint64_t holes_nbytes(const struct plan *p);

/* A tile on its way, with room for what is read and what is made of it. */
struct slot {
    struct tile tile;
    const struct plan_source *source;
    struct tile_read read;
    unsigned char *in, *out;
    unsigned char **result; /* of each sink, planar: in `out`, or in `in` where a copy is enough */
    struct finite_flaw flaw;
    uint64_t misfits;             /* as in exec_result */
    struct quality_part *quality; /* of each sink; NULL: not measured */
};

/* Of a worker. */
struct scratch {
    unsigned char *gather;
    float *values;
    float *row; /* where rows take another order */
    unsigned char *blocks;
};

struct work {
    const struct plan *plan;
    const struct resume *resume;
    bool allow_nonfinite, trust_copies;
};

/* Turns what was read into what is written: each sink's result, the first flaw found, what is measured. */
void work_do(const struct work *w, struct slot *slot, const struct scratch *scratch);

/* Opens an output that is to be another name of a file. *linked is false when the mode or the file system
 * wants a copy instead; then it is not opened. E_IO for a link that must be, E_FORMAT for a
 * file that is no longer the one planned. */
enum status copy_open(struct outfile **out, const struct outfile_spec *spec, const struct plan_copy *copy,
                      bool *linked, struct err *err);

/* Bytes of a copy on their way to its output. */
struct copy_piece {
    const void *data; /* NULL: they are there, from an earlier run or as shared blocks */
    size_t nbytes;
    uint64_t off;
};

struct copy_job {
    const struct plan_copy *copy;
    struct outfile *file;
    uint32_t out;
    const struct resume *resume; /* NULL: nothing is there */
    void *buffer;
    size_t buffer_bytes;
    const atomic_int *cancel;
    void *ctx;
    enum status (*put)(void *ctx, const struct copy_job *job, const struct copy_piece *piece,
                       struct err *err);
};

enum status copy_content(const struct copy_job *job, struct err *err);

#endif
