/* SPDX-License-Identifier: Apache-2.0 */
/* What the executor refuses to write, and the sentences for it. */
#include "tests/unit/exec_plan.h"

#include <math.h>

#define NROW 150 // one tile has several parts when tiles are large
#define NCOL 256

/* A tensor of ones in one sink. */
static float *make_plan(struct plan *p, enum dtype from, enum dtype to)
{
    plan_init(p);
    uint32_t a = add_source(p, from, NROW * NCOL);
    float *x = (float *)p->sources[a].span[0].data;
    if (from == DT_F32)
        for (int i = 0; i < NROW * NCOL; i++)
            x[i] = 1;
    struct plan_step *step = add_step(p, "t", NROW, NCOL);
    add_view(p, step, view_whole(a, NROW * NCOL));
    add_sink(p, step, 0, to);
    lay_out(p, 1);
    return x;
}

static void assert_run(const struct plan *p, bool allow, const char *sentence)
{
    static const struct {
        unsigned threads;
        uint64_t tile_elems;
    } ways[] = {{1, 256}, {4, 256}, {1, NROW * NCOL}};

    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct exec_options o = {.max_memory = 1,
                                 .threads = ways[i].threads,
                                 .tile_elems = ways[i].tile_elems,
                                 .allow_nonfinite = allow};
        struct exec_result result;
        struct err err = {0};
        enum status s = exec_run(p, &o, &result, &err);

        assert_string_equal(err.text, sentence);
        assert_int_equal(s, *sentence ? E_FORMAT : OK);
        if (*sentence)
            assert_nothing_left();
        remove_outs(NULL);
    }
}

static void check(enum dtype to, float value, const char *sentence)
{
    struct plan p;
    float *x = make_plan(&p, DT_F32, to);

    x[113 * NCOL + 17] = value;
    x[115 * NCOL + 2] = value; // the first one is named, whoever works fastest
    assert_run(&p, false, sentence);
    assert_run(&p, true, "");
    plan_free(&p);
}

static void test_values(void **state)
{
    (void)state;
    check(DT_Q4_K, NAN,
          "tensor t: from source: element [113, 17] is NaN, which no q4_k block holds; --allow-nonfinite "
          "encodes it");
    check(DT_Q8_0, -INFINITY,
          "tensor t: from source: element [113, 17] is -inf, which no q8_0 block holds; --allow-nonfinite "
          "encodes it");
    check(DT_NVFP4, INFINITY,
          "tensor t: from source: element [113, 17] is inf, which no nvfp4 block holds; --allow-nonfinite "
          "encodes it");
    check(DT_F32, NAN, "");
    check(DT_F16, NAN, "");
    check(DT_F16, INFINITY, "");
    check(DT_BF16, -INFINITY, "");
}

static void test_overflow(void **state)
{
    (void)state;
    check(DT_F16, 65519, "");
    check(DT_F16, -65520,
          "tensor t: from source: element [113, 17] is -65520, too large for f16; --allow-nonfinite makes it "
          "infinite");
    check(
        DT_BF16, 3.4e38f,
        "tensor t: from source: element [113, 17] is 3.4e+38, too large for bf16; --allow-nonfinite makes it "
        "infinite");
    check(DT_Q8_0, 8e6f, "");
    check(DT_Q8_0, 9e6f,
          "tensor t: from source: the scale of the q8_0 block from element [113, 0] on is not finite; "
          "--allow-nonfinite writes it");
    check(DT_IQ4_NL, 1e37f,
          "tensor t: from source: the scale of the iq4_nl block from element [113, 0] on is not finite; "
          "--allow-nonfinite writes it");
}

/* A finite value behind many that are not. */
static void test_overflow_among_infinities(void **state)
{
    struct plan p;
    float *x = make_plan(&p, DT_F32, DT_F16);

    (void)state;
    for (int i = 0; i < NROW * NCOL; i++)
        x[i] = INFINITY;
    assert_run(&p, false, "");
    x[2 * NCOL + 255] = 1e6f;
    assert_run(&p, false,
               "tensor t: from source: element [2, 255] is 1e+06, too large for f16; --allow-nonfinite makes "
               "it infinite");
    plan_free(&p);
}

/* Values that an operation makes infinite. */
static void test_computed(void **state)
{
    struct plan p;
    float *x = make_plan(&p, DT_F32, DT_Q8_0);

    (void)state;
    plan_add_op(&p.steps[0], OP_ROUND_F16);
    x[0] = 1e5f;
    assert_run(&p, false,
               "tensor t: from source: element [0, 0] is inf, which no q8_0 block holds; --allow-nonfinite "
               "encodes it");
    plan_free(&p);
    x = make_plan(&p, DT_F32, DT_BF16);
    plan_add_op(&p.steps[0], OP_ROUND_F16);
    x[0] = INFINITY; // was so
    assert_run(&p, false, "");
    x[NCOL + 1] = 1e5f;
    assert_run(&p, false,
               "tensor t: from source: element [1, 1] becomes inf on its way to bf16; --allow-nonfinite "
               "writes it");
    assert_run(&p, true, "");
    plan_free(&p);
}

/* Blocks are looked at in copies too; elements are not. */
static void test_copies(void **state)
{
    struct plan p;

    (void)state;
    make_plan(&p, DT_Q8_0, DT_Q8_0);
    unsigned char *block = (unsigned char *)p.sources[0].span[0].data + bytes_of(DT_Q8_0, 2 * NCOL + 96);
    block[1] = 0x7e;
    assert_run(&p, false,
               "tensor t: from source: the scale of the q8_0 block from element [2, 96] on is not finite; "
               "--allow-nonfinite writes it");
    assert_run(&p, true, "");
    plan_free(&p);
    make_plan(&p, DT_BF16, DT_BF16); // of any bits
    assert_run(&p, false, "");
    plan_free(&p);
}

/* A flaw in a block that is quantized again is one of its values. */
static void test_requantized(void **state)
{
    struct plan p;

    (void)state;
    make_plan(&p, DT_Q8_0, DT_Q4_0);
    unsigned char *block = (unsigned char *)p.sources[0].span[0].data + bytes_of(DT_Q8_0, NCOL + 64);
    block[1] = 0x7e;
    assert_run(&p, false,
               "tensor t: from source: element [1, 64] is NaN, which no q4_0 block holds; --allow-nonfinite "
               "encodes it");
    plan_free(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_values, remove_outs),
        cmocka_unit_test_teardown(test_overflow, remove_outs),
        cmocka_unit_test_teardown(test_overflow_among_infinities, remove_outs),
        cmocka_unit_test_teardown(test_computed, remove_outs),
        cmocka_unit_test_teardown(test_copies, remove_outs),
        cmocka_unit_test_teardown(test_requantized, remove_outs),
    };

    return cmocka_run_group_tests_name("finite", tests, make_dir, remove_dir);
}
