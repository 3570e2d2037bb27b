/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors that lie in files as several: read from parts, written to parts, in one file or in more. */
#include "tests/unit/exec_plan.h"

#include "quantize/transcode.h"

#define NEXPERT 5
#define NROW    24
#define NCOL    256

static const enum dtype packed[] = {DT_AFFINE2_G32_BF16, DT_AFFINE3_G64_F16, DT_AFFINE5_G128_F32,
                                    DT_AFFINE8_G64_BF16, DT_MXFP4_MLX,       DT_MXFP8,
                                    DT_NVFP4_MLX};

/* Runs in tiles of several sizes; run_ok compares with what the definition gives. */
static void run_all_sizes(const struct plan *p)
{
    static const uint64_t tiles[] = {0, 1, 128, 1000, 6 * NCOL};

    for (size_t i = 0; i < ARRAY_LEN(tiles); i++) {
        struct exec_options o = {
            .max_memory = 512 * MIB, .threads = 1 + i % 3, .tile_elems = tiles[i], .force = true};

        run_ok(p, &o);
        remove_outs(NULL);
    }
}

/* Values to parts that lie in three files, beside the same values in another type. */
static void test_write(void **state)
{
    struct plan p;

    (void)state;
    plan_init(&p);
    uint32_t a = add_source(&p, DT_F32, NROW * NCOL);
    for (size_t i = 0; i < ARRAY_LEN(packed); i++) {
        struct plan_step *step = add_step(&p, "t", NROW, NCOL);

        add_view(&p, step, view_whole(a, NROW * NCOL));
        add_sink(&p, step, 0, packed[i]);
        add_sink(&p, step, 1, DT_F16);
        add_sink(&p, step, 2, packed[(i + 1) % ARRAY_LEN(packed)]);
        for (uint32_t k = 0; k < DTYPE_MAX_PARTS; k++)
            step->sinks[0].place[k].out = k;
    }
    lay_out(&p, 3);
    run_all_sizes(&p);
    plan_free(&p);
}

/* Every other expert, its rows in another order, as values and as the blocks they are. */
static void test_read(void **state)
{
    struct view experts = {.base = NROW * NCOL,
                           .ndim = 4,
                           .dim = {{2, 2 * NROW * NCOL}, {2, NCOL}, {NROW / 2, 2 * NCOL}, {NCOL, 1}}},
                half = {.base = NCOL / 2, .ndim = 2, .dim = {{NROW, NCOL}, {NCOL / 2, 1}}};
    struct plan p;

    (void)state;
    plan_init(&p);
    for (size_t i = 0; i < ARRAY_LEN(packed); i++) {
        uint32_t a = add_source(&p, packed[i], NEXPERT * NROW * NCOL);
        struct plan_step *step = add_step(&p, "values", 2 * NROW, NCOL);

        experts.source = half.source = a;
        add_view(&p, step, experts);
        plan_add_op(step, OP_ADD_ONE);
        add_sink(&p, step, 0, DT_F32);
        step = add_step(&p, "blocks", 2 * NROW + NROW, NCOL);
        add_view(&p, step, experts);
        add_view(&p, step, half);
        add_view(&p, step, half);
        add_sink(&p, step, 0, packed[i]);
        add_sink(&p, step, 1, DT_Q8_0);
        step = add_step(&p, "copy", NEXPERT * NROW, NCOL);
        add_view(&p, step, view_whole(a, NEXPERT * NROW * NCOL));
        add_sink(&p, step, 1, packed[i]);
    }
    lay_out(&p, 2);
    run_all_sizes(&p);
    plan_free(&p);
}

/* What one plan wrote is what another reads. */
static void test_files(void **state)
{
    struct exec_options o = {
        .max_memory = 512 * MIB, .threads = 2, .tile_elems = 700, .allow_nonfinite = true};
    struct plan p, q;
    struct err err = {0};
    struct file *file = NULL;
    struct exec_result result;
    char stored[sizeof out_path[0] + 8];

    (void)state;
    plan_init(&p);
    uint32_t a = add_source(&p, DT_BF16, NROW * NCOL);
    struct plan_step *step = add_step(&p, "t", NROW, NCOL);
    add_view(&p, step, view_whole(a, NROW * NCOL));
    add_sink(&p, step, 0, DT_AFFINE6_G64_BF16);
    lay_out(&p, 1);
    run_ok(&p, &o);
    snprintf(stored, sizeof stored, "%s.stored", out_path[0]);
    assert_int_equal(rename(out_path[0], stored), 0);

    plan_init(&q);
    assert_int_equal(file_open(&file, stored, &err), OK);
    uint32_t b = add_source(&q, DT_AFFINE6_G64_BF16, NROW * NCOL);
    for (uint32_t k = 0; k < DTYPE_MAX_PARTS; k++)
        q.sources[b].span[k] = (struct plan_span){.file = file, .off = p.steps[0].sinks[0].place[k].off};
    step = add_step(&q, "t", NROW, NCOL);
    add_view(&q, step, view_whole(b, NROW * NCOL));
    add_sink(&q, step, 0, DT_AFFINE6_G64_BF16);
    lay_out(&q, 1);
    q.outs[0].header = p.outs[0].header;
    assert_int_equal(exec_run(&q, &o, &result, &err), OK);
    assert_output(&p, 0);
    assert_int_equal(plan_bytes_read(&q), p.steps[0].sinks[0].nbytes);
    file_close(file);
    unlink(stored);
    plan_free(&p);
    plan_free(&q);
}

static bool convert_some(const struct transcoder *t, const void *src, void *dst, size_t n)
{
    const unsigned char *in = src;
    struct transcoder real;

    assert_true(transcoder_find(t->from, t->to, &real));
    for (size_t i = 0; i < n; i += 32)
        if (in[i / 32 * 18] % 3 == 0) // of a Q4_0 block's scale
            return false;
    return real.convert(t, src, dst, n);
}

/* Blocks with a twin take its form, the others go through their values, however the tiles are cut. */
static void test_transcode(void **state)
{
    static unsigned char want[64 * KIB];
    const enum dtype t = DT_AFFINE4_G32_F16;
    struct plan p;
    float x[32];
    uint64_t twins = 0, all = 0, misfits = 0;

    (void)state;
    for (uint64_t tile = 32; tile < 3000; tile = tile * 3) {
        struct exec_options o = {.max_memory = 512 * MIB, .threads = 2, .tile_elems = tile};
        struct transcoder real;
        struct exec_result result;
        struct err err = {0};
        struct buf got;

        plan_init(&p);
        uint32_t a = add_source(&p, DT_Q4_0, NROW * NCOL);
        struct plan_step *step = add_step(&p, "t", NROW, NCOL);
        add_view(&p, step, view_whole(a, NROW * NCOL));
        add_sink(&p, step, 0, t);
        add_sink(&p, step, 0, DT_F32);
        assert_true(transcoder_find(DT_Q4_0, t, &real));
        step->sinks[0].transcode = (struct transcoder){DT_Q4_0, t, convert_some};
        lay_out(&p, 1);
        assert_int_equal(exec_run(&p, &o, &result, &err), OK);
        misfits += result.misfits;
        load(out_path[0], &got);

        const unsigned char *in = p.sources[a].span[0].data;
        unsigned char *to = want;
        for (size_t i = 0; i < NROW * NCOL; i += 32, in += 18, to += 20, all++) {
            twins += in[0] % 3 != 0;
            codec_find(DT_Q4_0)->decode(in, x, 32);
            if (in[0] % 3 != 0)
                assert_true(real.convert(&real, in, to, 32));
            else
                codec_find(t)->encode(x, to, 1, 32, NULL);
            assert_memory_equal(got.p + step->sinks[1].place[0].off + i * 4, x, sizeof x);
        }
        unsigned char *apart = take_apart(&p, t, want, NROW * NCOL);
        for (uint32_t k = 0; k < 3; k++) {
            uint64_t n = dtype_part_nbytes(t, k, NROW * NCOL);

            assert_memory_equal(got.p + step->sinks[0].place[k].off, apart, n);
            apart += n;
        }
        buf_free(&got);
        remove_outs(NULL);
        plan_free(&p);
    }
    assert_true(twins > 0 && twins < all);
    assert_int_equal(misfits, all - twins);
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

static void make_long(struct plan *p)
{
    plan_init(p);
    uint32_t a = add_source(p, DT_BF16, 5000 * NCOL);
    for (int i = 0; i < 4; i++) {
        struct plan_step *step = add_step(p, "t", 5000, NCOL);

        add_view(p, step, view_whole(a, 5000 * NCOL));
        add_sink(p, step, i % 2, i % 2 ? DT_AFFINE4_G64_BF16 : DT_MXFP8);
    }
    lay_out(p, 2);
}

static void test_resume(void **state)
{
    struct plan p;

    (void)state;
    make_long(&p);
    uint64_t total = plan_tensor_bytes(&p), most = 0;
    for (uint64_t i = 1; i < 10; i++) {
        struct stop stop = {.at = total * i / 10};
        struct exec_options o = {.max_memory = 1,
                                 .threads = 2,
                                 .tile_elems = 2000,
                                 .allow_nonfinite = true,
                                 .cancel = &stop.flag,
                                 .progress = stop_at,
                                 .progress_ctx = &stop};
        struct exec_options rest = {
            .max_memory = 512 * MIB, .threads = 2, .tile_elems = i % 2 ? 512 : 6000, .resume = true};
        struct exec_result result;
        struct err err = {0};

        assert_int_equal(exec_run(&p, &o, &result, &err), E_CANCELLED);
        assert_true(result.resumable);
        result = run_ok(&p, &rest);
        assert_true(result.bytes_reused <= stop.at + 600000);
        most = max_u64(most, result.bytes_reused);
        remove_outs(NULL);
    }
    assert_true(most > total / 2);
    plan_free(&p);
}

static void test_check(void **state)
{
    struct plan p;
    struct err err = {0};

    (void)state;
    make_long(&p);
    p.steps[1].sinks[0].place[2].out = 2;
    assert_int_equal(plan_check(&p, &err), E_BUG);
    p.steps[1].sinks[0].place[2].out = 1;
    assert_int_equal(plan_check(&p, &err), OK);
    p.steps[1].sinks[0].place[1].off = p.outs[1].nbytes - 1;
    assert_int_equal(plan_check(&p, &err), E_BUG);
    plan_free(&p);
    make_long(&p);
    p.steps[1].sinks[0].transcode = (struct transcoder){DT_Q4_0, DT_Q4_1, convert_some};
    assert_int_equal(plan_check(&p, &err), E_BUG);
    plan_free(&p);
}

/* All that decides the bytes decides the fingerprint. */
static void test_fingerprint(void **state)
{
    struct plan p;
    struct err err = {0};
    struct digest before, after;

    (void)state;
    for (int i = 0; i < 5; i++) {
        make_long(&p);
        assert_int_equal(plan_fingerprint(&p, &before, &err), OK);
        struct plan_sink *sink = &p.steps[1].sinks[0];
        if (i == 1)
            sink->place[2].off += 32;
        else if (i == 2)
            sink->place[1].out = 0;
        else if (i == 3)
            sink->codec = codec_find_mlx(sink->dtype, MLX_ROUNDING_METAL, DT_BF16);
        else if (i == 4)
            sink->transcode = (struct transcoder){DT_BF16, sink->dtype, convert_some};
        assert_int_equal(plan_fingerprint(&p, &after, &err), OK);
        assert_int_equal(digest_eq(before, after), i == 0);
        plan_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_write, remove_outs),
        cmocka_unit_test_teardown(test_read, remove_outs),
        cmocka_unit_test_teardown(test_files, remove_outs),
        cmocka_unit_test_teardown(test_transcode, remove_outs),
        cmocka_unit_test_teardown(test_resume, remove_outs),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_fingerprint),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
