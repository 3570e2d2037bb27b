/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the quality report against sums over the decoded output, and that nothing changes their
 * bits. */
#include "plan/parts.h"
#include "tests/unit/exec_plan.h"

#include <math.h>

#define NROW 160
#define NCOL 512

static float weights[4 * NCOL];

static void put_nonfinite(float *x, uint64_t n)
{
    for (uint64_t i = 5; i < n; i += 997)
        x[i] = i % 2 ? NAN : -INFINITY;
}

/* Five sinks of a tensor that is gathered from two views, one of them across; a tensor of another length,
 * with values that are not finite; and a copy. */
static void make_plan(struct plan *p)
{
    struct view half = view_whole(0, NROW / 2 * NCOL), across = {.ndim = 3};

    plan_init(p);
    uint32_t a = add_source(p, DT_F32, NROW * NCOL), b = add_source(p, DT_F32, 7 * 333);
    put_nonfinite((float *)p->sources[b].span[0].data, 7 * 333);
    half.source = across.source = a;
    across.base = NROW / 2 * NCOL;
    across.dim[0] = (struct view_dim){NROW / 4, NCOL};
    across.dim[1] = (struct view_dim){2, NROW / 4 * NCOL};
    across.dim[2] = (struct view_dim){NCOL, 1};
    struct plan_step *step = add_step(p, "mixed", NROW, NCOL);
    add_view(p, step, half);
    add_view(p, step, across);
    add_sink(p, step, 0, DT_Q4_K);
    add_sink(p, step, 1, DT_Q8_0);
    add_sink(p, step, 2, DT_BF16);
    add_sink(p, step, 2, DT_NVFP4_MLX);
    add_sink(p, step, 0, DT_AFFINE4_G64_BF16);
    for (uint32_t k = 0; k < DTYPE_MAX_PARTS; k++)
        step->sinks[4].place[k].out = k;
    for (int i = 0; i < 4 * NCOL; i++)
        weights[i] = (float)(1 + i * i % 97);
    step->sinks[0].weights = weights;
    step->sinks[0].weight_rows = NROW / 4;
    step = add_step(p, "odd", 7, 333);
    add_view(p, step, view_whole(b, 7 * 333));
    plan_add_op(step, OP_ADD_ONE);
    add_sink(p, step, 0, DT_F16);
    step = add_step(p, "copy", NROW, NCOL);
    add_view(p, step, view_whole(a, NROW * NCOL));
    add_sink(p, step, 1, DT_F32);
    lay_out(p, 3);
}

static void values_of(const struct plan *p, const struct plan_step *step, float *x)
{
    uint64_t first = 0;

    for (size_t i = 0; i < step->nview; i++) {
        gather_by_definition(p, &step->views[i], (unsigned char *)(x + first));
        first += view_nelem(&step->views[i]);
    }
    for (uint32_t i = 0; i < step->nop; i++)
        op_apply(step->ops[i], x, step->nelem);
}

/* What a sink's files say. */
static void read_values(const struct plan_step *step, const struct plan_sink *sink, float *y)
{
    const struct dtype_parts *parts = dtype_parts(sink->dtype);
    unsigned char *planar = malloc(sink->nbytes), *blocks = malloc(sink->nbytes), *to = planar;
    struct view whole = view_whole(0, step->nelem / dtype_block_elems(sink->dtype));

    assert_true(planar && blocks);
    for (uint32_t k = 0; k < parts->n; k++) {
        uint64_t n = dtype_part_nbytes(sink->dtype, k, step->nelem);
        struct buf file;

        load(out_path[sink->place[k].out], &file);
        memcpy(to, file.p + sink->place[k].off, n);
        buf_free(&file);
        to += n;
    }
    parts_gather(sink->dtype, &whole, &(struct planar){planar, step->nelem, 0}, blocks);
    sink->codec->decode(blocks, y, step->nelem);
    free(planar);
    free(blocks);
}

/* The definitions, in order and without tricks. */
struct direct {
    double ee, xx, yy, xy, w, wee, wxx, max;
    uint64_t n, nonfinite;
};

static struct direct measure(const struct plan_step *step, const struct plan_sink *sink, const float *x,
                             const float *y)
{
    struct direct d = {0};
    uint64_t ncol = step->shape[1];

    for (uint64_t i = 0; i < step->nelem; i++) {
        double a = x[i], b = y[i];
        double w = sink->weights ? sink->weights[i / ncol / sink->weight_rows * ncol + i % ncol] : 0;

        if (!isfinite(a) || !isfinite(b)) {
            d.nonfinite++;
            continue;
        }
        d.n++;
        d.ee += (a - b) * (a - b);
        d.xx += a * a;
        d.yy += b * b;
        d.xy += a * b;
        d.w += w;
        d.wee += w * (a - b) * (a - b);
        d.wxx += w * a * a;
        d.max = fmax(d.max, fabs(a - b));
    }
    return d;
}

static void assert_near(double got, double want)
{
    assert_true(fabs(got - want) <= 1e-10 * fabs(want));
}

static void assert_row(const struct quality_row *row, const struct direct *d, bool weighted)
{
    assert_int_equal(row->n, d->n);
    assert_int_equal(row->nonfinite, d->nonfinite);
    assert_true(row->max_error == d->max);
    assert_near(quality_rms(row), sqrt(d->xx / (double)d->n));
    assert_near(quality_rmse(row), sqrt(d->ee / (double)d->n));
    assert_near(quality_relative(row), sqrt(d->ee / d->xx));
    assert_near(quality_cosine(row), d->xy / sqrt(d->xx * d->yy));
    assert_int_equal(quality_weighted(row), weighted);
    if (weighted) {
        assert_near(quality_weighted_rmse(row), sqrt(d->wee / d->w));
        assert_near(quality_weighted_relative(row), sqrt(d->wee / d->wxx));
    }
}

static void run(const struct plan *p, struct exec_options *o, struct quality *q)
{
    struct err err = {0};

    assert_int_equal(quality_open(q, p, &err), OK);
    o->quality = q;
    run_ok(p, o);
}

static void test_numbers(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2};
    static float x[NROW * NCOL], y[NROW * NCOL];
    struct quality q;
    struct plan p;

    (void)state;
    make_plan(&p);
    run(&p, &o, &q);
    for (size_t i = 0; i < p.nstep; i++) {
        const struct plan_step *step = &p.steps[i];

        values_of(&p, step, x);
        for (size_t k = 0; k < step->nsink; k++) {
            read_values(step, &step->sinks[k], y);
            struct direct d = measure(step, &step->sinks[k], x, y);
            assert_true(i == 2 || d.ee > 0);
            assert_row(quality_of(&q, i, k), &d, i == 0 && k == 0);
        }
    }
    assert_int_equal(quality_of(&q, 1, 0)->nonfinite, 3);
    assert_true(quality_rmse(quality_of(&q, 2, 0)) == 0 && quality_cosine(quality_of(&q, 2, 0)) == 1);
    quality_close(&q);
    plan_free(&p);
}

static void assert_same(const struct plan *p, const struct quality *a, const struct quality *b)
{
    for (size_t i = 0; i < p->nstep; i++)
        for (size_t k = 0; k < p->steps[i].nsink; k++)
            assert_memory_equal(quality_of(a, i, k), quality_of(b, i, k), sizeof(struct quality_row));
}

static void test_same_bits(void **state)
{
    static const uint64_t tiles[] = {1, 1000, 4096, 10000, 77777};
    struct exec_options once = {.max_memory = 512 * MIB, .threads = 1};
    struct quality want, got;
    struct plan p;

    (void)state;
    make_plan(&p);
    run(&p, &once, &want);
    for (size_t i = 0; i < ARRAY_LEN(tiles); i++)
        for (unsigned threads = 1; threads <= 5; threads += 2) {
            struct exec_options o = {.max_memory = 1, .threads = threads, .tile_elems = tiles[i]};

            remove_outs(NULL);
            run(&p, &o, &got);
            assert_same(&p, &want, &got);
            quality_close(&got);
        }
    quality_close(&want);
    plan_free(&p);
}

struct stop {
    atomic_int flag;
    uint64_t at;
};

static void stop_at(void *ctx, uint64_t done, uint64_t total)
{
    struct stop *stop = ctx;

    (void)total;
    if (done >= stop->at)
        atomic_store(&stop->flag, 1);
}

/* Stopped, whether that run measured or not, and gone on with other tiles. */
static void test_resumed(void **state)
{
    struct exec_options once = {.max_memory = 512 * MIB, .threads = 1};
    struct quality want, part, got;
    struct exec_result result;
    struct err err = {0};
    struct plan p;

    (void)state;
    make_plan(&p);
    run(&p, &once, &want);
    uint64_t total = plan_tensor_bytes(&p);
    for (uint64_t i = 1; i < 8; i++) {
        struct stop stop = {.at = total * i / 8};
        struct exec_options o = {.max_memory = 1,
                                 .threads = 2,
                                 .tile_elems = 1024,
                                 .allow_nonfinite = true,
                                 .cancel = &stop.flag,
                                 .progress = stop_at,
                                 .progress_ctx = &stop};
        struct exec_options on = {.max_memory = 512 * MIB, .threads = 3, .tile_elems = 2048, .resume = true};

        remove_outs(NULL);
        assert_int_equal(quality_open(&part, &p, &err), OK);
        o.quality = i % 2 ? &part : NULL;
        assert_int_equal(exec_run(&p, &o, &result, &err), E_CANCELLED);
        quality_close(&part);
        run(&p, &on, &got);
        assert_same(&p, &want, &got);
        quality_close(&got);
    }
    quality_close(&want);
    plan_free(&p);
}

static struct quality_row row_of(double ee, double xx, double yy, double xy)
{
    return (struct quality_row){.n = 4, .sum = {ee, xx, yy, xy}};
}

static void test_zeros(void **state)
{
    struct quality_row none = {0}, zero = row_of(0, 0, 0, 0), lost = row_of(4, 4, 0, 0),
                       made = row_of(4, 0, 4, 0), all;

    (void)state;
    assert_true(quality_rms(&none) == 0 && quality_rmse(&none) == 0 && quality_relative(&none) == 0);
    assert_true(quality_cosine(&none) == 1 && !quality_weighted(&none));
    assert_true(quality_relative(&zero) == 0 && quality_cosine(&zero) == 1);
    assert_true(quality_relative(&lost) == 1 && quality_cosine(&lost) == 0 && quality_rmse(&lost) == 1);
    assert_true(isinf(quality_relative(&made)) && quality_cosine(&made) == 0);
    all = lost;
    quality_join(&all, &made);
    assert_true(all.n == 8 && quality_rmse(&all) == 1 && quality_relative(&all) == sqrt(2));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_numbers, remove_outs),
        cmocka_unit_test_teardown(test_same_bits, remove_outs),
        cmocka_unit_test_teardown(test_resumed, remove_outs),
        cmocka_unit_test(test_zeros),
    };

    return cmocka_run_group_tests_name("quality", tests, make_dir, remove_dir);
}
