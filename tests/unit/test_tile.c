/* SPDX-License-Identifier: Apache-2.0 */
/* Random views, cut into random tiles, against their definition: element by element. */
#include "plan/tile.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MAX_ELEMS 60000
#define MAX_UNIT  40

static const struct codec plain = {0}, by_rows = {.whole_rows = true};

static uint64_t seed;

/* 0 <= x < n */
static uint64_t below(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

struct made {
    struct plan plan;
    struct plan_step *step;
    struct view whole[3]; /* the views before plan_add_view simplified them */
    uint32_t block;
    uint64_t source_elems;
};

/* A view of a row-major array of random shape in units of `block`: sliced, strided and permuted. */
static struct view random_view(uint32_t block, uint64_t *source_elems)
{
    struct view v = {.base = 0};
    uint64_t shape[5], stride = block, elems = block;
    uint32_t ndim = 1 + (uint32_t)below(5);

    for (uint32_t i = ndim; i-- > 0;) {
        uint64_t most = 1 + MAX_ELEMS / elems;

        shape[i] = 1 + below(min_u64(most, below(3) ? 9 : 300));
        v.dim[i] = (struct view_dim){shape[i], stride};
        stride *= shape[i];
        elems *= shape[i];
    }
    *source_elems = elems;
    for (uint32_t i = 0; i < ndim; i++) {
        struct view_dim *d = &v.dim[i];
        uint64_t start = below(3) ? 0 : below(d->n), step = below(4) ? 1 : 1 + below(3);

        if (below(2))
            continue;
        v.base += start * d->stride;
        d->n = 1 + below((d->n - start + step - 1) / step);
        d->stride *= step;
    }
    for (uint32_t i = ndim; i-- > 1 && below(2);) {
        uint32_t k = (uint32_t)below(i + 1);
        struct view_dim d = v.dim[i];

        v.dim[i] = v.dim[k];
        v.dim[k] = d;
    }
    if (block > 1)
        v.dim[ndim++] = (struct view_dim){block, 1};
    v.ndim = ndim;
    return v;
}

/* A step of one to three views of one source, and a sink; false when a view does not suit the sink. */
static bool make_random(struct made *m)
{
    static const enum dtype sources[] = {DT_BF16, DT_F32, DT_Q8_0, DT_Q4_K},
                            sinks[] = {DT_F32, DT_F32, DT_F16, DT_Q8_0, DT_Q6_K};
    enum dtype from = sources[below(ARRAY_LEN(sources))];
    struct plan_sink sink = {.dtype = sinks[below(ARRAY_LEN(sinks))], .codec = below(6) ? &plain : &by_rows};
    struct plan_source source = {.name = "s", .dtype = from, .codec = &plain};
    struct err err = {0};
    uint32_t index;
    uint64_t nelem = 0, elems;
    size_t nview = 1 + below(3);

    m->block = dtype_block_elems(from);
    m->source_elems = 0;
    for (size_t i = 0; i < nview; i++) {
        m->whole[i] = random_view(m->block, &elems);
        m->source_elems = max_u64(m->source_elems, elems);
        nelem += view_nelem(&m->whole[i]);
    }
    source.nelem = m->source_elems;
    uint64_t row = sink.codec->whole_rows ? view_nelem(&m->whole[0]) : nelem;
    if (nelem % row)
        return false;
    plan_init(&m->plan);
    assert_int_equal(plan_add_source(&m->plan, &source, &index, &err), OK);
    assert_int_equal(plan_add_step(&m->plan, "t", (uint64_t[]){nelem / row, row}, 2, &m->step, &err), OK);
    for (size_t i = 0; i < nview; i++)
        assert_int_equal(plan_add_view(&m->plan, m->step, &m->whole[i], &err), OK);
    bool suits = plan_add_sink(&m->plan, m->step, &sink, &err) == OK;
    for (size_t i = 0; i < nview && suits; i++)
        suits = view_nelem(&m->whole[i]) % tile_granule(&m->plan, m->step) == 0;
    if (!suits)
        plan_free(&m->plan);
    return suits;
}

/* The source's blocks that the step takes, in output order, by the definition of views. */
static uint64_t *blocks_by_definition(const struct made *m)
{
    uint64_t *blocks = malloc((m->step->nelem / m->block + 1) * sizeof *blocks), n = 0;

    assert_non_null(blocks);
    for (size_t i = 0; i < m->step->nview; i++) {
        const struct view *v = &m->whole[i];

        for (uint64_t e = 0; e < view_nelem(v); e += m->block) {
            uint64_t rest = e, at = v->base;

            for (uint32_t k = v->ndim; k-- > 0;) {
                at += rest % v->dim[k].n * v->dim[k].stride;
                rest /= v->dim[k].n;
            }
            assert_int_equal(at % m->block, 0);
            blocks[n++] = at / m->block;
        }
    }
    return blocks;
}

/* Reads as a tile's read plan says, with the number of each block in place of its bytes. */
static uint64_t *stage(const struct tile_read *r, uint64_t source_blocks)
{
    uint64_t *staging = malloc(r->run * r->count * sizeof *staging), n = 0;

    assert_non_null(staging);
    assert_int_equal(r->count, view_nelem(&r->outer));
    for (uint64_t i = 0; i < r->count; i++) {
        uint64_t rest = i, at = r->outer.base;

        for (uint32_t k = r->outer.ndim; k-- > 0;) {
            at += rest % r->outer.dim[k].n * r->outer.dim[k].stride;
            rest /= r->outer.dim[k].n;
        }
        assert_true(at + r->run <= source_blocks);
        for (uint64_t k = 0; k < r->run; k++)
            staging[n++] = at + k;
    }
    return staging;
}

static void check_tile(const struct made *m, const struct tile *t, const uint64_t *want)
{
    static const uint32_t sizes[] = {1, 2, 34, 9000, 300000}; /* of a block: decides which runs are long */
    struct tile_read r;
    uint64_t nblock = t->nelem / m->block;

    tile_read_plan(t, m->block, sizes[below(ARRAY_LEN(sizes))], &r);
    assert_true(r.run * r.count <= 2 * nblock);
    assert_int_equal(r.staged.base, 0);
    assert_int_equal(view_nelem(&r.staged), nblock);
    assert_true(view_last(&r.staged) < r.run * r.count);
    uint64_t *staging = stage(&r, m->source_elems / m->block);
    uint64_t *out = malloc(nblock * sizeof *out);
    assert_non_null(out);
    tile_gather(&r.staged, staging, out, sizeof *out, sizeof *out);
    assert_memory_equal(out, want, nblock * sizeof *out);
    if (r.contiguous)
        assert_memory_equal(staging, want, nblock * sizeof *out);
    free(staging);
    free(out);
}

static void check_walk(const struct made *m, uint64_t tile_elems, const uint64_t *want)
{
    struct tile_walk w = {.plan = &m->plan, .tile_elems = tile_elems};
    uint64_t pos = 0, granule = tile_granule(&m->plan, m->step);
    struct tile t;

    while (tile_next(&w, &t)) {
        assert_ptr_equal(t.step, m->step);
        assert_int_equal(t.first, pos);
        assert_int_equal(t.nelem, view_nelem(&t.view));
        assert_true(t.nelem > 0 && t.nelem <= tile_elems);
        assert_int_equal(t.nelem % granule, 0);
        check_tile(m, &t, want + pos / m->block);
        pos += t.nelem;
    }
    assert_int_equal(pos, m->step->nelem);
    assert_false(tile_next(&w, &t));
}

static void test_random(void **state)
{
    unsigned checked = 0;

    (void)state;
    for (uint64_t i = 1; checked < 1500; i++) {
        struct made m;
        const struct plan_step *needy;

        seed = i * 0x9e3779b97f4a7c15u;
        if (!make_random(&m))
            continue;
        uint64_t *want = blocks_by_definition(&m);
        uint64_t least = tile_min_elems(&m.plan, &needy);
        assert_ptr_equal(needy, m.step);
        assert_true(least <= m.step->nelem);
        check_walk(&m, least, want);
        check_walk(&m, least + below(m.step->nelem + 1), want);
        check_walk(&m, least + below(100), want);
        free(want);
        plan_free(&m.plan);
        checked++;
    }
}

/* Elements of each size, with and without a fixed-size copy of its own. */
static void test_gather_units(void **state)
{
    static const uint32_t units[] = {1, 2, 3, 4, 8, 34};
    static const struct view staged[] = {
        {.ndim = 1, .dim = {{60, 1}}},
        {.ndim = 1, .dim = {{30, 2}}},
        {.ndim = 2, .dim = {{4, 1}, {15, 4}}},
        {.ndim = 3, .dim = {{3, 4}, {5, 12}, {4, 1}}},
        {.ndim = 4, .dim = {{2, 1}, {3, 20}, {5, 4}, {2, 2}}},
    };
    unsigned char staging[60 * MAX_UNIT], got[60 * MAX_UNIT];

    (void)state;
    for (size_t i = 0; i < sizeof staging; i++)
        staging[i] = (unsigned char)(i * 37 + i / 256);
    for (size_t u = 0; u < ARRAY_LEN(units); u++) {
        for (size_t c = 0; c < ARRAY_LEN(staged); c++) {
            const struct view *v = &staged[c];
            uint64_t n = view_nelem(v);

            memset(got, 0xee, sizeof got);
            tile_gather(v, staging, got, units[u], units[u]);
            for (uint64_t e = 0; e < n; e++) {
                uint64_t rest = e, at = 0;

                for (uint32_t k = v->ndim; k-- > 0;) {
                    at += rest % v->dim[k].n * v->dim[k].stride;
                    rest /= v->dim[k].n;
                }
                assert_memory_equal(got + e * units[u], staging + at * units[u], units[u]);
            }
            assert_int_equal(got[n * units[u]], 0xee);
        }
    }
}

/* A source's rows in its own order come in one read; its transposed columns in one as well; a slice of
 * few columns in one read for each row. */
static void test_reads(void **state)
{
    static const struct {
        struct view view;
        uint64_t run, count;
        bool contiguous;
    } cases[] = {
        {{.base = 5, .ndim = 1, .dim = {{1000, 1}}}, 1000, 1, true},
        {{.base = 0, .ndim = 2, .dim = {{10, 1}, {100, 10}}}, 1000, 1, false},
        {{.base = 3, .ndim = 2, .dim = {{100, 50}, {10, 1}}}, 10, 100, true},
        {{.base = 3, .ndim = 2, .dim = {{100, 15}, {10, 1}}}, 99 * 15 + 10, 1, false},
        {{.base = 0, .ndim = 1, .dim = {{100, 2}}}, 199, 1, false},
        {{.base = 0, .ndim = 1, .dim = {{100, 3}}}, 1, 100, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tile t = {.view = cases[i].view, .nelem = view_nelem(&cases[i].view)};
        struct tile_read r;

        tile_read_plan(&t, 1, 2, &r);
        assert_int_equal(r.run, cases[i].run);
        assert_int_equal(r.count, cases[i].count);
        assert_int_equal(r.contiguous, cases[i].contiguous);
        assert_int_equal(r.outer.base, cases[i].view.base);
    }
}

static void add_step(struct plan *p, uint64_t nrow, uint64_t ncol, enum dtype type, const struct codec *codec)
{
    struct plan_step *step;
    struct err err = {0};
    struct plan_sink sink = {.dtype = type, .codec = codec};
    struct view v = view_whole(0, nrow * ncol);

    assert_int_equal(plan_add_step(p, "t", (uint64_t[]){nrow, ncol}, 2, &step, &err), OK);
    assert_int_equal(plan_add_view(p, step, &v, &err), OK);
    assert_int_equal(plan_add_sink(p, step, &sink, &err), OK);
}

static void test_min_elems(void **state)
{
    struct plan p;
    struct err err = {0};
    struct plan_source source = {.name = "s", .dtype = DT_F32, .codec = &plain, .nelem = 10000};
    const struct plan_step *needy;
    uint32_t index;
    static const float weights[96];

    (void)state;
    plan_init(&p);
    assert_int_equal(plan_add_source(&p, &source, &index, &err), OK);
    assert_int_equal(tile_min_elems(&p, &needy), 1);
    assert_null(needy);
    add_step(&p, 3, 7, DT_F32, &plain);
    assert_int_equal(tile_min_elems(&p, &needy), 1);
    add_step(&p, 4, 96, DT_Q8_0, &plain);
    assert_int_equal(tile_min_elems(&p, &needy), 32);
    assert_ptr_equal(needy, &p.steps[1]);
    p.steps[1].sinks[0].weights = weights;
    assert_int_equal(tile_min_elems(&p, &needy), 96);
    add_step(&p, 4, 555, DT_F16, &by_rows);
    assert_int_equal(tile_min_elems(&p, &needy), 555);
    assert_ptr_equal(needy, &p.steps[2]);
    /* Pieces of 3 x 11 elements that no block ends in: a tile must hold 32 of them. */
    add_step(&p, 64, 33, DT_Q8_0, &plain);
    p.steps[3].views[0] = (struct view){.ndim = 3, .dim = {{64, 33}, {11, 1}, {3, 11}}};
    assert_int_equal(tile_min_elems(&p, &needy), 32 * 33);
    assert_ptr_equal(needy, &p.steps[3]);
    plan_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_gather_units),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_min_elems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
