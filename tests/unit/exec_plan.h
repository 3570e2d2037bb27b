/* SPDX-License-Identifier: Apache-2.0 */
/* Plans made by hand for the tests of plan/, and what they should write, by the definition of a plan. */
#ifndef TESTS_UNIT_EXEC_PLAN_H
#define TESTS_UNIT_EXEC_PLAN_H

#include "core/file.h"
#include "plan/exec.h"
#include "quantize/codecs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail // of cmocka; here it is the one of core/status.h

#define MAX_OUTS 3

static char dir[] = "/tmp/scion-exec-XXXXXX";
static char out_path[MAX_OUTS][64];

static inline int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    for (int i = 0; i < MAX_OUTS; i++)
        snprintf(out_path[i], sizeof out_path[i], "%s/out%d", dir, i);
    return 0;
}

static inline const char *with_suffix(const char *path, const char *suffix)
{
    static char text[2][256];
    static unsigned turn;

    snprintf(text[++turn % 2], sizeof text[0], "%s%s", path, suffix);
    return text[turn % 2];
}

static inline int remove_outs(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_OUTS; i++) {
        unlink(out_path[i]);
        unlink(with_suffix(out_path[i], ".partial"));
        unlink(with_suffix(out_path[i], ".journal"));
    }
    return 0;
}

static inline int remove_dir(void **state)
{
    remove_outs(state);
    return rmdir(dir);
}

static inline uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline uint64_t bytes_of(enum dtype t, uint64_t nelem)
{
    uint64_t n = 0;

    assert_true(dtype_nbytes(t, nelem, &n));
    return n;
}

/* Blocks as they lie in files: the first part of all, the second part of all, and so on. */
static inline unsigned char *take_apart(struct plan *p, enum dtype t, const unsigned char *blocks,
                                        uint64_t nelem)
{
    const struct dtype_parts *parts = dtype_parts(t);
    unsigned char *apart = arena_alloc(&p->arena, bytes_of(t, nelem)), *to[DTYPE_MAX_PARTS];

    assert_non_null(apart);
    to[0] = apart;
    for (uint32_t k = 1; k < parts->n; k++)
        to[k] = to[k - 1] + dtype_part_nbytes(t, k - 1, nelem);
    for (uint64_t i = 0; i < nelem; i += dtype_block_elems(t)) {
        for (uint32_t k = 0; k < parts->n; k++) {
            memcpy(to[k], blocks, parts->part[k].nbytes);
            to[k] += parts->part[k].nbytes;
            blocks += parts->part[k].nbytes;
        }
    }
    return apart;
}

/* A source of nelem values in memory, in the plan's arena: any bits for BF16 (NaNs among them), small numbers
 * for the rest. */
static inline uint32_t add_source(struct plan *p, enum dtype t, uint64_t nelem)
{
    static uint64_t seed = 88172645463325252u;
    uint64_t n = bytes_of(t, nelem);
    unsigned char *data = arena_alloc(&p->arena, n);
    struct err err = {0};
    uint32_t index;

    assert_non_null(data);
    if (t == DT_BF16) {
        for (uint64_t i = 0; i < n; i++)
            data[i] = (unsigned char)(next_random(&seed) >> 20);
    } else {
        for (uint64_t i = 0; i < nelem; i += dtype_block_elems(t)) {
            float x[256];

            for (uint32_t k = 0; k < dtype_block_elems(t); k++)
                x[k] = (float)((double)(int64_t)next_random(&seed) * 0x1p-60);
            codec_find(t)->encode(x, data + bytes_of(t, i), 1, dtype_block_elems(t), NULL);
        }
    }
    struct plan_source src = {.name = "source", .dtype = t, .codec = codec_find(t), .nelem = nelem};
    if (dtype_parts(t)->n > 1)
        data = take_apart(p, t, data, nelem);
    for (uint32_t k = 0; k < dtype_parts(t)->n; k++) {
        src.span[k].data = data;
        data += dtype_part_nbytes(t, k, nelem);
    }
    assert_int_equal(plan_add_source(p, &src, &index, &err), OK);
    return index;
}

static inline struct plan_step *add_step(struct plan *p, const char *name, uint64_t nrow, uint64_t ncol)
{
    struct plan_step *step;
    struct err err = {0};
    uint64_t shape[2] = {nrow, ncol};

    assert_int_equal(plan_add_step(p, name, shape, 2, &step, &err), OK);
    return step;
}

static inline void add_view(struct plan *p, struct plan_step *step, struct view v)
{
    struct err err = {0};

    assert_int_equal(plan_add_view(p, step, &v, &err), OK);
}

static inline void add_sink(struct plan *p, struct plan_step *step, uint32_t out, enum dtype t)
{
    struct plan_sink sink = {.place = {{out}, {out}, {out}}, .dtype = t, .codec = codec_find(t)};
    struct err err = {0};

    assert_int_equal(plan_add_sink(p, step, &sink, &err), OK);
}

/* Adds nout outputs with a header of text, and lays the sinks out in the order of steps, at multiples of 32
 * with gaps between them. */
static inline void lay_out(struct plan *p, uint32_t nout)
{
    static const char header[MAX_OUTS][80] = {"first header, and then some more text to make it long",
                                              "the second one's header", "header 3"};
    struct err err = {0};

    for (uint32_t i = 0; i < nout; i++) {
        uint32_t index;

        assert_int_equal(plan_add_out(p, out_path[i], &index, &err), OK);
        assert_int_equal(plan_add_header(p, i, header[i], 7, &err), OK);
        assert_int_equal(plan_add_header(p, i, header[i] + 7, strlen(header[i]) - 7, &err), OK);
        p->outs[i].set = 0;
        p->outs[i].nbytes = p->outs[i].header_nbytes;
    }
    for (size_t i = 0; i < p->nstep; i++) {
        for (size_t k = 0; k < p->steps[i].nsink; k++) {
            struct plan_sink *sink = &p->steps[i].sinks[k];

            for (uint32_t j = 0; j < dtype_parts(sink->dtype)->n; j++) {
                struct plan_place *place = &sink->place[j];

                place->off = align_up(p->outs[place->out].nbytes, 32) + 32 * (i % 2);
                p->outs[place->out].nbytes =
                    place->off + dtype_part_nbytes(sink->dtype, j, p->steps[i].nelem);
            }
        }
    }
    for (uint32_t i = 0; i < nout; i++)
        p->outs[i].nbytes = align_up(p->outs[i].nbytes, 32);
    assert_int_equal(plan_check(p, &err), OK);
}

/* The blocks of a view's elements in their order. */
static inline void gather_by_definition(const struct plan *p, const struct view *v, unsigned char *to)
{
    const struct plan_source *src = &p->sources[v->source];
    const struct dtype_parts *parts = dtype_parts(src->dtype);
    uint64_t block = dtype_block_elems(src->dtype);

    for (uint64_t e = 0; e < view_nelem(v); e += block) {
        uint64_t rest = e, at = v->base;

        for (uint32_t k = v->ndim; k-- > 0;) {
            at += rest % v->dim[k].n * v->dim[k].stride;
            rest /= v->dim[k].n;
        }
        for (uint32_t k = 0; k < parts->n; k++) {
            size_t unit = parts->part[k].nbytes;

            memcpy(to, (const unsigned char *)src->span[k].data + at / block * unit, unit);
            to += unit;
        }
    }
}

static inline void write_by_definition(const struct plan *p, const struct plan_step *step,
                                       const struct plan_sink *sink, unsigned char *to)
{
    unsigned char *raw = malloc(step->nelem * 8);
    float *values = malloc(step->nelem * sizeof *values);
    uint64_t first = 0, ncol = step->shape[step->rank - 1];
    uint64_t from = 0;
    bool copied = step->nop == 0;

    assert_true(raw && values);
    for (size_t i = 0; i < step->nview; i++) {
        const struct plan_source *src = &p->sources[step->views[i].source];

        gather_by_definition(p, &step->views[i], raw + from);
        src->codec->decode(raw + from, values + first, view_nelem(&step->views[i]));
        for (uint64_t k = 0; src->scale && k < view_nelem(&step->views[i]); k++)
            values[first + k] *= *src->scale;
        first += view_nelem(&step->views[i]);
        from += bytes_of(src->dtype, view_nelem(&step->views[i]));
        copied = copied && src->dtype == sink->dtype && !src->scale;
    }
    for (uint32_t i = 0; i < step->nop; i++)
        op_apply(step->ops[i], values, step->nelem);
    uint64_t nrow = step->nelem / ncol, matrix = sink->weight_rows ? sink->weight_rows : nrow;
    if (copied && !sink->codec->recode)
        memcpy(to, raw, sink->nbytes);
    else
        for (uint64_t row = 0; row < nrow; row += matrix)
            sink->codec->encode(values + row * ncol, to + bytes_of(sink->dtype, row * ncol), matrix, ncol,
                                sink->weights ? sink->weights + row / matrix * ncol : NULL);
    free(raw);
    free(values);
}

/* What of a sink goes into that output, into its place. */
static inline void put_by_definition(const struct plan *p, const struct plan_step *step,
                                     const struct plan_sink *sink, uint32_t out, unsigned char *bytes)
{
    const struct dtype_parts *parts = dtype_parts(sink->dtype);
    unsigned char *blocks = malloc(sink->nbytes + 1), *from = blocks;
    uint64_t nblock = step->nelem / dtype_block_elems(sink->dtype);

    assert_non_null(blocks);
    write_by_definition(p, step, sink, blocks);
    for (uint64_t i = 0; i < nblock; i++) {
        for (uint32_t k = 0; k < parts->n; k++) {
            size_t unit = parts->part[k].nbytes;

            if (sink->place[k].out == out)
                memcpy(bytes + sink->place[k].off + i * unit, from, unit);
            from += unit;
        }
    }
    free(blocks);
}

/* The whole of an output, to be freed. */
static inline unsigned char *expected(const struct plan *p, uint32_t out)
{
    unsigned char *bytes = calloc(p->outs[out].nbytes + 1, 1);

    assert_non_null(bytes);
    unsigned char *to = bytes;
    for (size_t i = 0; i < p->outs[out].nheader; to += p->outs[out].header[i++].n)
        memcpy(to, p->outs[out].header[i].p, p->outs[out].header[i].n);
    for (size_t i = 0; i < p->nstep; i++)
        for (size_t k = 0; k < p->steps[i].nsink; k++)
            put_by_definition(p, &p->steps[i], &p->steps[i].sinks[k], out, bytes);
    return bytes;
}

static inline void load(const char *path, struct buf *b)
{
    struct err err = {0};

    buf_init(b, 64 * MIB);
    assert_int_equal(file_load(path, b, &err), OK);
}

static inline void store(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void assert_output(const struct plan *p, uint32_t out)
{
    unsigned char *want = expected(p, out);
    struct buf got;

    load(out_path[out], &got);
    assert_int_equal(got.n, p->outs[out].nbytes);
    assert_memory_equal(got.p, want, got.n);
    buf_free(&got);
    free(want);
    assert_false(path_exists(with_suffix(out_path[out], ".partial")));
    assert_false(path_exists(with_suffix(out_path[out], ".journal")));
}

/* Runs a plan to the end and compares all it writes. */
static inline struct exec_result run_ok(const struct plan *p, const struct exec_options *o)
{
    struct exec_options any_values = *o;
    struct exec_result result;
    struct err err = {0};

    any_values.allow_nonfinite = true;
    enum status s = exec_run(p, &any_values, &result, &err);

    assert_string_equal(err.text, "");
    assert_int_equal(s, OK);
    assert_false(result.resumable);
    for (uint32_t i = 0; i < p->nout; i++)
        assert_output(p, i);
    return result;
}

static inline void assert_nothing_left(void)
{
    for (int i = 0; i < MAX_OUTS; i++) {
        assert_false(path_exists(out_path[i]));
        assert_false(path_exists(with_suffix(out_path[i], ".partial")));
        assert_false(path_exists(with_suffix(out_path[i], ".journal")));
    }
}

#endif
