/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/exec_plan.h"

#include <malloc.h>

static const struct view_dim transposed[] = {{96, 1}, {50, 96}};

static struct view view_of(uint32_t source, uint64_t base, uint32_t ndim, const struct view_dim *dim)
{
    struct view v = {.source = source, .base = base, .ndim = ndim};

    memcpy(v.dim, dim, ndim * sizeof *dim);
    return v;
}

/* One step that takes a whole source to a sink of another type, with up to two operations. */
static void add_cast(struct plan *p, enum dtype from, enum dtype to, const enum op *ops, uint32_t nop)
{
    uint32_t source = add_source(p, from, 70 * 64);
    struct plan_step *step = add_step(p, "cast", 70, 64);

    add_view(p, step, view_whole(source, 70 * 64));
    for (uint32_t i = 0; i < nop; i++)
        plan_add_op(step, ops[i]);
    add_sink(p, step, 0, to);
}

static void make_casts(struct plan *p)
{
    static const enum dtype types[] = {DT_F32, DT_F16, DT_BF16, DT_Q8_0};
    static const enum op add_one[] = {OP_ADD_ONE, OP_ROUND_F16}, neg_exp[] = {OP_NEG_EXP};

    plan_init(p);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        for (size_t k = 0; k < ARRAY_LEN(types); k++)
            add_cast(p, types[i], types[k], NULL, 0);
        add_cast(p, types[i], DT_F32, add_one, 2);
        add_cast(p, types[i], DT_F16, add_one, 1);
        add_cast(p, types[i], DT_Q8_0, neg_exp, 1);
    }
    lay_out(p, 1);
}

/* Views: transposed, regrouped heads, a slice, every third, a stack of three sources of different types. */
static void make_views(struct plan *p)
{
    plan_init(p);
    uint32_t a = add_source(p, DT_F16, 50 * 96), b = add_source(p, DT_BF16, 50 * 96),
             q = add_source(p, DT_Q8_0, 50 * 96);
    struct plan_step *step = add_step(p, "transposed", 96, 50);
    add_view(p, step, view_of(a, 0, 2, transposed));
    add_sink(p, step, 0, DT_F16);
    step = add_step(p, "transposed and cast", 96, 50);
    add_view(p, step, view_of(b, 0, 2, transposed));
    add_sink(p, step, 0, DT_F32);
    step = add_step(p, "regrouped", 50, 96); // heads of 2 x 5 rows, halves swapped
    add_view(p, step, view_of(b, 0, 4, (struct view_dim[]){{5, 960}, {5, 96}, {2, 480}, {96, 1}}));
    add_sink(p, step, 0, DT_Q8_0);
    step = add_step(p, "blocks permuted", 50, 96);
    add_view(p, step, view_of(q, 0, 3, (struct view_dim[]){{3, 32}, {50, 96}, {32, 1}}));
    add_sink(p, step, 0, DT_Q8_0);
    step = add_step(p, "columns", 50, 32);
    add_view(p, step, view_of(q, 64, 2, (struct view_dim[]){{50, 96}, {32, 1}}));
    add_sink(p, step, 0, DT_F32);
    step = add_step(p, "every third", 1, 1600);
    add_view(p, step, view_of(b, 2, 1, (struct view_dim[]){{1600, 3}}));
    add_sink(p, step, 0, DT_BF16);
    step = add_step(p, "stacked", 120, 96);
    add_view(p, step, view_whole(a, 50 * 96));
    add_view(p, step, view_of(q, 96, 1, (struct view_dim[]){{20 * 96, 1}}));
    add_view(p, step, view_whole(b, 50 * 96));
    plan_add_op(step, OP_ADD_ONE);
    plan_add_op(step, OP_ROUND_F16);
    add_sink(p, step, 0, DT_F32);
    lay_out(p, 1);
}

/* Three files: the first takes all, the second some as well in another type, the third one step alone. */
static void make_outputs(struct plan *p)
{
    plan_init(p);
    uint32_t a = add_source(p, DT_BF16, 300 * 64), b = add_source(p, DT_F32, 40 * 64);
    for (int i = 0; i < 4; i++) {
        struct plan_step *step = add_step(p, "shared", 300, 64);
        add_view(p, step, view_whole(a, 300 * 64));
        add_sink(p, step, 0, DT_BF16);
        if (i % 2)
            add_sink(p, step, 1, i == 1 ? DT_F32 : DT_Q8_0);
        step = add_step(p, "alone", 64, 40);
        add_view(p, step, view_of(b, 0, 2, (struct view_dim[]){{64, 1}, {40, 64}}));
        add_sink(p, step, i == 3 ? 2 : 0, DT_F16);
    }
    lay_out(p, 3);
}

/* Importance weights: the same for all rows, and those of three experts of four rows each. */
static void make_weighted(struct plan *p)
{
    static const enum dtype types[] = {DT_Q4_K, DT_Q8_0, DT_Q4_0};
    static float weights[3 * 512];

    for (size_t i = 0; i < ARRAY_LEN(weights); i++)
        weights[i] = (float)(1 + i * i % 97);
    plan_init(p);
    uint32_t a = add_source(p, DT_F32, 12 * 512);
    for (size_t i = 0; i < 3 * ARRAY_LEN(types); i++) {
        struct plan_step *step = add_step(p, "weighted", 12, 512);

        add_view(p, step, view_whole(a, 12 * 512));
        add_sink(p, step, 0, types[i % ARRAY_LEN(types)]);
        step->sinks[0].weights = i < 2 * ARRAY_LEN(types) ? weights : NULL;
        step->sinks[0].weight_rows = i < ARRAY_LEN(types) ? 4 : 0;
    }
    lay_out(p, 1);
}

static void (*const makers[])(struct plan *p) = {make_casts, make_views, make_outputs, make_weighted};

/* The same bytes whatever the threads, the tiles and the memory. */
static void test_same_bytes(void **state)
{
    static const unsigned threads[] = {1, 3, 16};
    static const uint64_t tiles[] = {1, 32, 100, 1000, 4096, 1 << 20, 0}, memory[] = {1, 16 * MIB, 512 * MIB};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        struct plan p;

        makers[i](&p);
        for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
            for (size_t k = 0; k < ARRAY_LEN(tiles); k++) {
                struct exec_options o = {.threads = threads[t], .tile_elems = tiles[k]};

                o.max_memory = tiles[k] ? memory[(t + k) % ARRAY_LEN(memory)] : 512 * MIB;
                run_ok(&p, &o);
                remove_outs(NULL);
            }
        }
        plan_free(&p);
    }
}

/* A sink's bytes do not depend on the sinks beside it: copies make NaNs quiet, conversions see them as they
 * are in the source. */
static void test_sinks_are_independent(void **state)
{
    static const uint16_t signalling[32] = {0x7f81, 0xff81, 0x7fff, 0x3f80, 0x7fa0};
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 1};

    (void)state;
    for (int reversed = 0; reversed < 2; reversed++) {
        struct plan p;

        plan_init(&p);
        uint32_t a = add_source(&p, DT_BF16, 32);
        p.sources[a].span[0].data = signalling;
        struct plan_step *step = add_step(&p, "t", 1, 32);
        add_view(&p, step, view_whole(a, 32));
        add_sink(&p, step, 0, reversed ? DT_F32 : DT_BF16);
        add_sink(&p, step, 1, reversed ? DT_BF16 : DT_F32);
        lay_out(&p, 2);
        run_ok(&p, &o);
        struct buf b;
        load(out_path[!reversed], &b);
        uint32_t bits;
        memcpy(&bits, b.p + p.steps[0].sinks[!reversed].place[0].off, 4);
        assert_int_equal(bits, 0x7f810000);
        buf_free(&b);
        load(out_path[reversed], &b);
        memcpy(&bits, b.p + p.steps[0].sinks[reversed].place[0].off, 4);
        assert_int_equal(bits, 0xffc17fc1);
        buf_free(&b);
        remove_outs(NULL);
        plan_free(&p);
    }
}

/* add 1 in float16 arithmetic: 2049 is no float16. */
static void test_add_one_rounds(void **state)
{
    static const float x[] = {2048.0f, 0.00048828125f, -1.0f, 65504.0f};
    static const uint16_t want[] = {0x6800, 0x3c00, 0x0000, 0x7bff};
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2};
    struct plan p;

    (void)state;
    plan_init(&p);
    uint32_t a = add_source(&p, DT_F32, 4);
    p.sources[a].span[0].data = x;
    struct plan_step *step = add_step(&p, "t", 1, 4);
    add_view(&p, step, view_whole(a, 4));
    plan_add_op(step, OP_ADD_ONE);
    plan_add_op(step, OP_ROUND_F16);
    add_sink(&p, step, 0, DT_F16);
    lay_out(&p, 1);
    run_ok(&p, &o);
    struct buf b;
    load(out_path[0], &b);
    assert_memory_equal(b.p + p.steps[0].sinks[0].place[0].off, want, sizeof want);
    buf_free(&b);
    plan_free(&p);
}

/* A source's factor applies before operations, and there is no copying then. */
static void test_scaled_source(void **state)
{
    static const float x[] = {1.0f, -0.75f, 3.0f, 0.1f}, factor = 0.1f;
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2};
    struct plan p;
    struct buf b;

    (void)state;
    for (int add = 0; add < 2; add++) {
        plan_init(&p);
        uint32_t a = add_source(&p, DT_F32, 4);
        p.sources[a].span[0].data = x;
        p.sources[a].scale = &factor;
        struct plan_step *step = add_step(&p, "t", 1, 4);
        add_view(&p, step, view_whole(a, 4));
        if (add)
            plan_add_op(step, OP_ADD_ONE);
        add_sink(&p, step, 0, DT_F32);
        lay_out(&p, 1);
        run_ok(&p, &o);
        load(out_path[0], &b);
        for (size_t i = 0; i < ARRAY_LEN(x); i++) {
            float want = x[i] * factor, got;

            memcpy(&got, b.p + p.steps[0].sinks[0].place[0].off + 4 * i, 4);
            assert_true(got == (add ? want + 1.0f : want));
        }
        buf_free(&b);
        remove_outs(NULL);
        plan_free(&p);
    }
}

static void test_empty_tensor(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2};
    struct plan p;

    (void)state;
    plan_init(&p);
    uint32_t a = add_source(&p, DT_F32, 4);
    struct plan_step *step = add_step(&p, "empty", 0, 4);
    add_view(&p, step, view_whole(a, 0));
    add_sink(&p, step, 0, DT_F16);
    step = add_step(&p, "none", 0, 4);
    add_sink(&p, step, 0, DT_Q8_0);
    lay_out(&p, 1);
    run_ok(&p, &o);
    plan_free(&p);
}

/* ---- memory ---- */

struct usage {
    size_t before, most;
    uint64_t done;
    unsigned ncall;
};

static size_t allocated(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static void watch(void *ctx, uint64_t done, uint64_t total)
{
    struct usage *u = ctx;

    assert_true(done > u->done && done <= total);
    u->done = done;
    u->ncall++;
    u->most = max_u64(u->most, allocated() - u->before);
}

/* A split set: n files, one large tensor in each. */
static void make_split(struct plan *p, uint32_t nout)
{
    plan_init(p);
    uint32_t a = add_source(p, DT_BF16, 2048 * 256);
    for (uint32_t i = 0; i < nout; i++) {
        struct plan_step *step = add_step(p, "t", 2048, 256);
        add_view(p, step, view_whole(a, 2048 * 256));
        add_sink(p, step, i, DT_F32);
    }
    lay_out(p, nout);
}

/* What is allocated while running is no more than exec_measure said, and no trifle of it. */
static void test_peak(void **state)
{
    static const uint64_t memory[] = {20 * MIB, 64 * MIB, 512 * MIB};
    static const unsigned threads[] = {1, 2, 7};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(makers) + 1; i++) {
        struct plan p;

        if (i < ARRAY_LEN(makers))
            makers[i](&p);
        else
            make_split(&p, 3);
        for (size_t k = 0; k < ARRAY_LEN(memory) * ARRAY_LEN(threads); k++) {
            struct usage u = {.before = allocated()};
            struct exec_options o = {.max_memory = memory[k / ARRAY_LEN(threads)],
                                     .threads = threads[k % ARRAY_LEN(threads)],
                                     .progress = watch,
                                     .progress_ctx = &u};
            struct exec_memory m;
            struct err err = {0};

            assert_int_equal(exec_measure(&p, &o, &m, &err), OK);
            assert_true(m.peak_bytes <= o.max_memory);
            run_ok(&p, &o);
            assert_true(u.ncall > 0);
            /* 12 MiB of the estimate are for the program itself. */
            assert_true(u.most <= m.peak_bytes - p.arena.used - 12 * MIB);
            if (u.most > 0) // a sanitizer's allocator does not tell
                assert_true(u.most >= (m.peak_bytes - p.arena.used - 12 * MIB) / 4);
            remove_outs(NULL);
        }
        plan_free(&p);
    }
}

/* One after the other, files cost as much as one; two that are written by turns cost more. */
static void test_files_at_once(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 1};
    struct exec_memory one, three, both;
    struct err err = {0};
    struct plan p;

    (void)state;
    make_split(&p, 1);
    assert_int_equal(exec_measure(&p, &o, &one, &err), OK);
    one.peak_bytes -= p.arena.used;
    plan_free(&p);
    make_split(&p, 3);
    assert_int_equal(exec_measure(&p, &o, &three, &err), OK);
    assert_int_equal(three.peak_bytes - p.arena.used, one.peak_bytes);
    p.steps[2].sinks[0].place[0].out = 0; // first, second, and the first again
    assert_int_equal(exec_measure(&p, &o, &both, &err), OK);
    assert_true(both.peak_bytes - p.arena.used > one.peak_bytes + both.file_buffer_bytes);
    plan_free(&p);
}

/* The largest tile that a budget gives also fits it for plans of whatever width. */
static void test_budget_is_kept(void **state)
{
    struct exec_memory m;
    struct err err = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        struct plan p;
        unsigned fits = 0;

        makers[i](&p);
        for (uint64_t memory = 12 * MIB; memory < GIB; memory += memory / 37 + 1) {
            for (unsigned threads = 1; threads <= 256; threads *= 2) {
                struct exec_options o = {.max_memory = memory, .threads = threads};

                if (exec_measure(&p, &o, &m, &err) != OK)
                    continue;
                assert_true(m.peak_bytes <= memory);
                fits++;
            }
        }
        assert_true(fits > 500);
        plan_free(&p);
    }
}

/* Where a budget is too small, the one that the message asks for is enough, and not far too much. */
static void assert_limit(const struct plan *p, unsigned threads, bool run)
{
    struct exec_options o = {.max_memory = 1, .threads = threads};
    struct exec_memory m;
    struct err err = {0};
    struct exec_result result;
    uint64_t need = 0;

    assert_int_equal(exec_run(p, &o, &result, &err), E_LIMIT);
    assert_nothing_left();
    assert_int_equal(exec_measure(p, &o, &m, &err), E_LIMIT);
    assert_true(str_starts(err.text, "--max-memory 1 is too little for this plan: tensor "));
    const char *at = strstr(err.text, " needs ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, " needs %" SCNu64 " bytes", &need), 1);
    struct err second = {0};
    o.max_memory = need / 8 * 7;
    assert_int_equal(exec_measure(p, &o, &m, &second), E_LIMIT);
    o.max_memory = need;
    second = (struct err){0};
    enum status s = exec_measure(p, &o, &m, &second);
    assert_string_equal(second.text, "");
    assert_int_equal(s, OK);
    assert_true(m.peak_bytes <= need);
    if (run) {
        run_ok(p, &o);
        remove_outs(NULL);
    }
}

/* A row of 3 million elements that a codec wants whole. */
static void make_wide(struct plan *p)
{
    static const float weights[32];

    plan_init(p);
    uint32_t a = add_source(p, DT_Q8_0, 32);
    p->sources[a].nelem = 3000000 / 32 * 32;
    struct plan_step *step = add_step(p, "wide", 1, p->sources[a].nelem);
    add_view(p, step, view_whole(a, p->sources[a].nelem));
    add_sink(p, step, 0, DT_Q8_0);
    step->sinks[0].weights = weights; // measured only, never read
    lay_out(p, 1);
}

static void test_too_little_memory(void **state)
{
    struct plan p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
        makers[i](&p);
        for (unsigned threads = 1; threads <= 256; threads *= 4)
            assert_limit(&p, threads, threads <= 16);
        plan_free(&p);
    }
    make_wide(&p);
    for (unsigned threads = 1; threads <= 256; threads *= 4)
        assert_limit(&p, threads, false);
    plan_free(&p);
    /* Odd pieces into blocks: a tile must hold many of them. */
    plan_init(&p);
    uint32_t a = add_source(&p, DT_F32, 64 * 3333);
    struct plan_step *step = add_step(&p, "odd", 6666, 32);
    add_view(&p, step, view_of(a, 0, 3, (struct view_dim[]){{64, 3333}, {11, 1}, {303, 11}}));
    add_sink(&p, step, 0, DT_Q8_0);
    lay_out(&p, 1);
    assert_limit(&p, 1, true);
    assert_limit(&p, 5, true);
    plan_free(&p);
}

/* ---- failures ---- */

/* A source file that is cut off while it is read: E_FORMAT, and nothing is left. */
static void test_source_is_cut(void **state)
{
    static const unsigned char zeros[4096];
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2, .tile_elems = 64};
    struct exec_result result;
    struct file *file = NULL;
    struct err err = {0};
    char name[128];
    struct plan p;

    (void)state;
    snprintf(name, sizeof name, "%s/source", dir);
    store(name, zeros, sizeof zeros);
    assert_int_equal(file_open(&file, name, &err), OK);
    plan_init(&p);
    uint32_t a = add_source(&p, DT_F32, 32);
    p.sources[a] = (struct plan_source){
        .name = "a", .dtype = DT_F32, .codec = codec_find(DT_F32), .span = {{file, 96}}, .nelem = 1000};
    struct plan_step *step = add_step(&p, "t", 10, 100);
    add_view(&p, step, view_whole(a, 1000));
    add_sink(&p, step, 0, DT_F16);
    lay_out(&p, 1);
    assert_int_equal(plan_bytes_read(&p), 4000);
    assert_int_equal(plan_tensor_bytes(&p), 2000);
    assert_int_equal(truncate(name, 3000), 0);
    assert_int_equal(exec_run(&p, &o, &result, &err), E_FORMAT);
    assert_true(str_starts(err.text, "tensor a: "));
    assert_true(strstr(err.text, ": the file ends ") != NULL);
    assert_false(result.resumable);
    assert_nothing_left();
    plan_free(&p);
    file_close(file);
    assert_int_equal(unlink(name), 0);
}

static void test_cancelled_at_once(void **state)
{
    static const atomic_int cancel = 2;
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2, .cancel = &cancel};
    struct exec_result result;
    struct err err = {0};
    struct plan p;

    (void)state;
    make_casts(&p);
    assert_int_equal(exec_run(&p, &o, &result, &err), E_CANCELLED);
    assert_string_equal(err.text, "interrupted");
    assert_false(result.resumable);
    assert_nothing_left();
    plan_free(&p);
}

static void test_no_folder(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2};
    struct exec_result result;
    struct err err = {0};
    struct plan p;

    (void)state;
    make_outputs(&p);
    p.outs[1].path = "/nowhere-at-all/x";
    assert_int_equal(exec_run(&p, &o, &result, &err), E_IO);
    assert_string_equal(err.text, "/nowhere-at-all/x.partial: No such file or directory");
    assert_false(result.resumable);
    assert_nothing_left();
    plan_free(&p);
}

/* A plan that builders got wrong writes nothing. */
static void test_bug(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2};
    struct exec_result result;
    struct err err = {0};
    struct plan p;

    (void)state;
    make_views(&p);
    p.steps[0].views[0].base = 1;
    assert_int_equal(exec_run(&p, &o, &result, &err), E_BUG);
    assert_nothing_left();
    plan_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_same_bytes, remove_outs),
        cmocka_unit_test_teardown(test_sinks_are_independent, remove_outs),
        cmocka_unit_test_teardown(test_add_one_rounds, remove_outs),
        cmocka_unit_test_teardown(test_scaled_source, remove_outs),
        cmocka_unit_test_teardown(test_empty_tensor, remove_outs),
        cmocka_unit_test_teardown(test_peak, remove_outs),
        cmocka_unit_test_teardown(test_files_at_once, remove_outs),
        cmocka_unit_test_teardown(test_budget_is_kept, remove_outs),
        cmocka_unit_test_teardown(test_too_little_memory, remove_outs),
        cmocka_unit_test_teardown(test_source_is_cut, remove_outs),
        cmocka_unit_test_teardown(test_cancelled_at_once, remove_outs),
        cmocka_unit_test_teardown(test_no_folder, remove_outs),
        cmocka_unit_test_teardown(test_bug, remove_outs),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
