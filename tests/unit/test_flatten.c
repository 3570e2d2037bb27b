/* SPDX-License-Identifier: Apache-2.0 */
/* Views of made sources against the definition: gather what the source is made of, then gather from that. */
#include "core/rng.h"
#include "tests/unit/exec_plan.h"

#define MAX_ELEMS 4096

static uint64_t seed = 1;

static uint64_t below(uint64_t n)
{
    return rng_bits(1, seed++) % n;
}

/* The source elements that a view takes, in their order. */
static size_t elements(const struct view *v, uint64_t *out)
{
    uint64_t n = view_nelem(v);

    for (uint64_t e = 0; e < n; e++) {
        uint64_t rest = e, at = v->base;

        for (uint32_t k = v->ndim; k-- > 0;) {
            at += rest % v->dim[k].n * v->dim[k].stride;
            rest /= v->dim[k].n;
        }
        out[e] = at;
    }
    return n;
}

/* A random rearrangement of n elements: the factors of n as axes, in a random order. */
static struct view shuffle(uint32_t source, uint64_t base, uint64_t n)
{
    struct view v = {.source = source, .base = base};
    uint64_t stride = 1;

    while (n > 1 && v.ndim < 5) {
        uint64_t f = 2;

        while (n % f)
            f++;
        if (v.ndim == 4)
            f = n;
        v.dim[v.ndim++] = (struct view_dim){f, stride};
        stride *= f;
        n /= f;
    }
    if (v.ndim == 0)
        v.dim[v.ndim++] = (struct view_dim){1, 1};
    for (uint32_t i = v.ndim; i-- > 1;) {
        uint32_t k = (uint32_t)below(i + 1);
        struct view_dim d = v.dim[i];

        v.dim[i] = v.dim[k];
        v.dim[k] = d;
    }
    return v;
}

/* Some slices of a range, as views. */
static size_t slices(uint32_t source, uint64_t n, struct view *out)
{
    uint64_t at = 0;
    size_t count = 0;

    while (at < n) {
        uint64_t len = count == 5 ? n - at : 1 + below(n - at);

        out[count] = shuffle(source, at, len);
        view_simplify(&out[count++]);
        at += len;
    }
    return count;
}

static void test_random(void **state)
{
    static uint64_t inner[MAX_ELEMS], want[MAX_ELEMS], got[MAX_ELEMS], part[MAX_ELEMS];
    static const uint64_t sizes[] = {1, 2, 12, 30, 64, 72, 97, 360, 1024, 2310};

    (void)state;
    for (int round = 0; round < 4000; round++) {
        uint64_t n = sizes[below(ARRAY_LEN(sizes))];
        struct view views[6], outer[6];
        struct plan_made made = {.views = views, .ops = {OP_ADD_ONE}, .nop = 1};
        struct err err = {0};
        struct plan_step *step;
        struct plan p;
        size_t count = 0, total = 0;

        plan_init(&p);
        uint32_t real = add_source(&p, DT_F32, n), whole = 0;
        struct plan_source src = {.name = "made", .dtype = DT_F32, .codec = codec_find(DT_F32), .nelem = n};
        made.nview = slices(real, n, views);
        for (size_t i = 0; i < made.nview; i++)
            count += elements(&views[i], inner + count);
        assert_int_equal(count, n);
        src.made = &made;
        assert_int_equal(plan_add_source(&p, &src, &whole, &err), OK);
        step = add_step(&p, "out", 1, n);
        count = slices(whole, n, outer);
        for (size_t i = 0; i < count; i++) {
            size_t k = elements(&outer[i], part);

            for (size_t e = 0; e < k; e++)
                want[total++] = inner[part[e]];
            add_view(&p, step, outer[i]);
        }
        assert_int_equal(plan_flatten(&p, &err), OK);
        total = 0;
        for (size_t i = 0; i < step->nview; i++) {
            assert_int_equal(step->views[i].source, real);
            total += elements(&step->views[i], got + total);
        }
        assert_int_equal(total, n);
        assert_memory_equal(got, want, n * sizeof got[0]);
        assert_int_equal(step->nop, 1);
        plan_free(&p);
    }
}

/* Where the axes fall together one view stays one view. */
static void test_one_view(void **state)
{
    static const struct {
        struct view made, of, want;
    } cases[] = {
        /* heads tiled, then grouped again: the identity */
        {{.ndim = 3, .dim = {{2, 64}, {4, 128}, {64, 1}}},
         {.ndim = 3, .dim = {{4, 64}, {2, 256}, {64, 1}}},
         {.ndim = 1, .dim = {{512, 1}}}},
        /* rows 2 and 3 of a transposed matrix of 8 x 4 */
        {{.ndim = 2, .dim = {{4, 8}, {8, 1}}},
         {.base = 16, .ndim = 1, .dim = {{16, 1}}},
         {.base = 16, .ndim = 1, .dim = {{16, 1}}}},
        {{.ndim = 2, .dim = {{4, 1}, {8, 4}}},
         {.base = 16, .ndim = 1, .dim = {{16, 1}}},
         {.base = 2, .ndim = 2, .dim = {{2, 1}, {8, 4}}}},
        /* every second pair of every row */
        {{.ndim = 2, .dim = {{4, 100}, {12, 1}}},
         {.base = 2, .ndim = 3, .dim = {{4, 12}, {3, 4}, {2, 1}}},
         {.base = 2, .ndim = 3, .dim = {{4, 100}, {3, 4}, {2, 1}}}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct view made_view = cases[i].made;
        struct plan_made made = {.views = &made_view, .nview = 1};
        struct err err = {0};
        uint32_t whole;
        struct plan p;

        plan_init(&p);
        made_view.source = add_source(&p, DT_F32, 512);
        struct plan_source src = {.name = "made", .dtype = DT_F32, .codec = codec_find(DT_F32)};
        src.nelem = view_nelem(&made_view);
        src.made = &made;
        assert_int_equal(plan_add_source(&p, &src, &whole, &err), OK);
        struct plan_step *step = add_step(&p, "out", 1, view_nelem(&cases[i].of));
        struct view of = cases[i].of;
        of.source = whole;
        add_view(&p, step, of);
        assert_int_equal(plan_flatten(&p, &err), OK);
        assert_int_equal(step->nview, 1);
        assert_int_equal(step->views[0].base, cases[i].want.base);
        assert_int_equal(step->views[0].ndim, cases[i].want.ndim);
        for (uint32_t k = 0; k < cases[i].want.ndim; k++) {
            assert_int_equal(step->views[0].dim[k].n, cases[i].want.dim[k].n);
            assert_int_equal(step->views[0].dim[k].stride, cases[i].want.dim[k].stride);
        }
        plan_free(&p);
    }
}

/* Columns in groups of half a block: rows are read whole, and their values take their order afterwards. */
static void test_rows(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2};
    struct err err = {0};
    struct exec_result result;
    struct buf got;
    struct plan p;

    (void)state;
    for (int size = 0; size < 3; size++) {
        plan_init(&p);
        uint32_t source = add_source(&p, DT_Q8_0, 64 * 96);
        struct plan_step *step = add_step(&p, "out", 32, 96);
        struct view v = {
            .source = source, .base = 96, .ndim = 4, .dim = {{32, 192}, {3, 16}, {2, 48}, {16, 1}}};
        add_view(&p, step, v);
        add_sink(&p, step, 0, DT_F32);
        assert_int_equal(plan_flatten(&p, &err), OK);
        assert_true(step->row.ndim > 0);
        lay_out(&p, 1);
        o.tile_elems = (uint64_t[]){0, 96, 500}[size];
        assert_int_equal(exec_run(&p, &o, &result, &err), OK);
        load(out_path[0], &got);
        float *all = calloc(64 * 96, sizeof *all),
              *out = (float *)(void *)(got.p + step->sinks[0].place[0].off);
        assert_non_null(all);
        p.sources[source].codec->decode(p.sources[source].span[0].data, all, 64 * 96);
        for (size_t i = 0; i < 32 * 96; i++) {
            size_t r = i / 96, c = i % 96;

            assert_true(out[i] == all[96 + r * 192 + c / 32 * 16 + c / 16 % 2 * 48 + c % 16]);
        }
        free(all);
        buf_free(&got);
        plan_free(&p);
        remove_outs(NULL);
    }
}

/* Elements of several rows in one: nothing that reads whole rows. */
static void test_across_blocks(void **state)
{
    struct err err = {0};
    struct plan p;

    (void)state;
    plan_init(&p);
    uint32_t source = add_source(&p, DT_Q8_0, 64 * 64);
    struct plan_step *step = add_step(&p, "out", 64, 64);
    struct view v = {.source = source, .ndim = 2, .dim = {{64, 1}, {64, 64}}};
    add_view(&p, step, v);
    assert_int_equal(plan_flatten(&p, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "tensor out: its elements lie across the blocks"));
    plan_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_one_view),
        cmocka_unit_test_teardown(test_rows, remove_outs),
        cmocka_unit_test(test_across_blocks),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
