/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plan says how every byte of every output file comes to be: each output tensor with its name, shape,
 * and the small program that makes it from spans of the sources. Builders fill plans, edits change them,
 * print.h shows them and exec.h runs them; none of these knows the others.
 *
 * The program of a step: gather the tensor's elements from the sources through views (slices, stacks,
 * splits and permutations are all strides), turn them into float32, apply the element operations, and
 * encode them once per sink. Where type and values stay, the bytes are copied.
 */
#ifndef PLAN_PLAN_H
#define PLAN_PLAN_H

#include "core/arena.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/notes.h"
#include "core/str.h"
#include "formats/codec.h"
#include "formats/meta.h"
#include "formats/tensor.h"

enum op {
#define X(id, text, fn) OP_##id,
#include "plan/ops.def"
#undef X
    OP_COUNT
};

/* Bytes in a file, or made while planning. */
struct plan_span {
    const struct file *file; /* NULL: data */
    uint64_t off;
    const void *data;
};

/* n bytes of it, from `off` on. E_IO. */
enum status plan_read_span(const struct plan_span *span, void *buf, uint64_t n, uint64_t off,
                           struct err *err);

#define VIEW_MAX_DIMS 8

struct view_dim {
    uint64_t n, stride; /* in elements of the source */
};

/* A run of an output tensor's elements: element (i0, i1, ...) in row-major order is source element
 * base + sum(i_k * stride_k). A view of a block type takes whole blocks: base, strides and the innermost
 * run are multiples of the block, and the innermost stride is 1. */
struct view {
    uint32_t source;
    uint32_t ndim;
    uint64_t base;
    struct view_dim dim[VIEW_MAX_DIMS]; /* outermost first */
};

#define STEP_MAX_OPS 4

/* How a source comes of others: their views in a row, then operations on the values. */
struct plan_made {
    struct view *views;
    size_t nview;
    uint8_t ops[STEP_MAX_OPS];
    uint32_t nop;
};

/* Where views read from: a tensor. */
struct plan_source {
    const char *name; /* the source tensor's name, or what the values are */
    enum dtype dtype;
    const struct codec *codec;
    struct plan_span span[DTYPE_MAX_PARTS]; /* of each part of the type: one, where it is not packed */
    uint64_t nelem;
    const float *scale;           /* every value is multiplied by it; NULL: by nothing. Borrowed */
    const struct plan_made *made; /* instead of spans: made of other sources; until plan_flatten */
};

struct plan_place {
    uint32_t out;
    uint64_t off; /* in the file; set by the layout */
};

/* Where a step's result goes. Several sinks: the same values in several files or types. */
struct plan_sink {
    enum dtype dtype;
    const struct codec *codec;
    struct transcoder
        transcode; /* used on source blocks of its type, unless there are operations; zeros: none */
    const float
        *weights; /* importance of each column, or NULL; borrowed. One vector for every `weight_rows` */
    uint64_t weight_rows; /* rows (an expert's matrix), one after the other; 0: one vector for all rows */
    bool rounds;          /* the values pass through another type on their way: op `round` */
    enum op round;        /* the same for all sinks of a step that round */
    uint32_t trimmed;     /* outermost axes, of length 1, that the file leaves out */
    struct plan_place place[DTYPE_MAX_PARTS]; /* of each part of the type: one, where it is not packed */
    uint64_t nbytes;                          /* of all parts */
};

struct plan_step {
    const char *name; /* of the output tensor */
    uint32_t rank;
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t nelem;
    struct view *views; /* in order they cover the tensor exactly */
    size_t nview, view_cap;
    struct view row; /* of each row's values: their order; ndim 0: as they are */
    uint8_t ops[STEP_MAX_OPS];
    uint32_t nop;
    struct plan_sink *sinks;
    size_t nsink, sink_cap;
};

/* Bytes that alone differ between a file and what the plan would make of it. */
struct plan_patch {
    const struct file *file;
    uint64_t off;
    const void *bytes;
    size_t nbytes; /* 0: the file is as it should be */
};

enum link_mode {
    LINK_AUTO, /* another name of the same file where the file system has that, else as LINK_COPY */
    LINK_HARD, /* another name, or failure */
    LINK_COPY, /* a file of its own; blocks are shared where the file system can */
};

/* A file that an output is to equal. */
struct plan_copy {
    const char *from;
    struct file_id id; /* as it was when planned */
    enum link_mode mode;
};

struct plan_out {
    const char *path;
    uint32_t set;                 /* files of one set, which follow each other, get their names together */
    const struct plan_copy *copy; /* of a file; NULL: header and sinks make it */
    struct slice *header; /* pieces of the bytes before the data, borrowed: files share the long ones */
    size_t nheader, header_cap;
    uint64_t header_nbytes;
    uint64_t nbytes; /* of the file */
    bool replaces;   /* the file of that name, though it is an input: its bytes stay readable until the new
                        file takes the name, and the new one gets its mode and owner */
    const struct plan_patch *patch; /* is written into the file that is there, instead of all of it; NULL */
};

/* The codec of a sink that takes its source's bytes just as they are, in its source's type. */
extern const struct codec plan_verbatim;

struct plan_dropped {
    const char *name, *reason;
};

struct plan {
    struct arena arena;
    const char **inputs; /* every file that was read to make it: never to be written over; and folders, in
                            which no output folder is to lie */
    size_t ninput, input_cap;
    struct plan_source *sources;
    size_t nsource, source_cap;
    struct plan_step *steps; /* in the order of the first output */
    size_t nstep, step_cap;
    struct plan_out *outs;
    size_t nout, out_cap;
    const char *folder; /* that holds all outputs, and that the run makes; NULL: they lie where they may */
    const char **subfolders; /* that hold outputs, too; the run makes those that are not there */
    size_t nsubfolder, subfolder_cap;
    struct plan_dropped *dropped;
    size_t ndropped, dropped_cap;
    struct notes notes;
};

void plan_init(struct plan *p);
void plan_free(struct plan *p);

/* All return E_NOMEM at worst; names are borrowed. *step is good until the next plan_add_step. */
enum status plan_add_source(struct plan *p, const struct plan_source *src, uint32_t *index, struct err *err);
enum status plan_add_step(struct plan *p, const char *name, const uint64_t *shape, uint32_t rank,
                          struct plan_step **step, struct err *err);
enum status plan_add_view(struct plan *p, struct plan_step *step, const struct view *v, struct err *err);
enum status plan_add_sink(struct plan *p, struct plan_step *step, const struct plan_sink *sink,
                          struct err *err);
/* The output begins a set of its own, unless it is one of a folder; whoever adds it may join it to that of
 * the output before. */
enum status plan_add_out(struct plan *p, const char *path, uint32_t *index, struct err *err);
enum status plan_add_header(struct plan *p, uint32_t out, const void *bytes, size_t n, struct err *err);
/* An output that equals the file `from`, which also becomes an input. E_IO. */
enum status plan_add_copy(struct plan *p, const char *path, const char *from, enum link_mode mode,
                          struct err *err);
enum status plan_add_input(struct plan *p, const char *path, struct err *err);
enum status plan_add_subfolder(struct plan *p, const char *path,
                               struct err *err); /* unless it is there already */
enum status plan_drop(struct plan *p, const char *name, const char *reason, struct err *err);
void plan_add_op(struct plan_step *step, enum op op);

/* Makes the views of made sources views of what those are made of, and takes the rows of block types whole
 * where a view cuts their blocks. To be called when all steps have their views. E_UNSUPPORTED where elements
 * lie across blocks in another way. */
enum status plan_flatten(struct plan *p, struct err *err);

/* Every step covered exactly by its views, every view inside its source, every sink encodable and of the
 * right size, offsets inside the files. A failure is E_BUG: builders check the input first. */
enum status plan_check(const struct plan *p, struct err *err);

/* What decides the output bytes, the sources' identity included: the journal's key. */
enum status plan_fingerprint(const struct plan *p, struct digest *d, struct err *err);

/* Whether its outputs are several sets, each of which is finished and named for itself. */
bool plan_has_sets(const struct plan *p);

/* Bytes of all sinks, and bytes that views and copies take from files (views of one source do not overlap).
 */
uint64_t plan_tensor_bytes(const struct plan *p);
uint64_t plan_bytes_read(const struct plan *p);

const char *op_name(enum op op);
void op_apply(enum op op, float *x, size_t n);
void op_scale(const float *by, float *x, size_t n); /* NULL: by nothing */
/* The operation that takes another one back; false where there is none. */
bool op_inverse(enum op op, enum op *inverse);

/* ---- views ---- */

/* A view of a whole tensor in its own order. */
struct view view_whole(uint32_t source, uint64_t nelem);
uint64_t view_nelem(const struct view *v);
/* Joins neighbouring dimensions that are one run, and drops those of length 1. */
void view_simplify(struct view *v);
/* Largest element index that the view touches; the view has elements. */
uint64_t view_last(const struct view *v);
/* Whether the view takes whole blocks of that many elements (always, for 1); it has been simplified. */
bool view_in_blocks(const struct view *v, uint32_t block_elems);

#endif
