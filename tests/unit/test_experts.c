/* SPDX-License-Identifier: Apache-2.0 */
#include "repack/experts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#undef fail // of cmocka; here it is the one of core/status.h

/* A name apart, and again in each layout that can hold its projection. */
static void test_names(void **state)
{
    static const struct {
        const char *name, *parent, *part;
        enum expert_proj proj;
        int64_t number; // -1: none
        const char *numbered, *stacked, *fused;
    } cases[] = {
        {"model.layers.3.mlp.experts.17.gate_proj.weight", "model.layers.3.mlp", ".weight", EXPERT_GATE, 17,
         "model.layers.3.mlp.experts.5.gate_proj.weight", "model.layers.3.mlp.switch_mlp.gate_proj.weight",
         "model.layers.3.mlp.experts.gate_proj.weight"},
        {"a.ffn.experts.0.w2.tq_norms", "a.ffn", ".tq_norms", EXPERT_DOWN, 0, "a.ffn.experts.5.w2.tq_norms",
         "a.ffn.switch_mlp.down_proj.tq_norms", "a.ffn.experts.down_proj.tq_norms"},
        {"x.mlp.experts.3.w3", "x.mlp", "", EXPERT_UP, 3, "x.mlp.experts.5.up_proj",
         "x.mlp.switch_mlp.up_proj", "x.mlp.experts.up_proj"},
        {"mtp.layers.0.mlp.experts.gate_up_proj", "mtp.layers.0.mlp", "", EXPERT_GATE_UP, -1, NULL,
         "mtp.layers.0.mlp.switch_mlp.gate_up_proj", "mtp.layers.0.mlp.experts.gate_up_proj"},
        {"b.switch_mlp.up_proj.weight_scale.x", "b", ".weight_scale.x", EXPERT_UP, -1,
         "b.experts.5.up_proj.weight_scale.x", "b.switch_mlp.up_proj.weight_scale.x",
         "b.experts.up_proj.weight_scale.x"},
        {"experts.experts.1.down_proj", "experts", "", EXPERT_DOWN, 1, "experts.experts.5.down_proj",
         "experts.switch_mlp.down_proj", "experts.experts.down_proj"},
    };
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct expert_name e;

        assert_true(experts_parse(cases[i].name, &e));
        assert_true(slice_eq(e.parent, cases[i].parent));
        assert_string_equal(e.part, cases[i].part);
        assert_int_equal(e.proj, cases[i].proj);
        assert_int_equal(e.numbered ? (int64_t)e.number : -1, cases[i].number);
        e.numbered = e.switch_mlp = false;
        assert_string_equal(experts_print(&a, &e), cases[i].fused);
        e.switch_mlp = true;
        assert_string_equal(experts_print(&a, &e), cases[i].stacked);
        e.switch_mlp = false;
        e.numbered = true;
        e.number = 5;
        if (cases[i].numbered)
            assert_string_equal(experts_print(&a, &e), cases[i].numbered);
    }
    arena_free(&a);
}

static void test_other_names(void **state)
{
    static const char *const names[] = {
        "",
        ".",
        "experts",
        "experts.0.gate_proj.weight", // of nothing
        "a.experts",
        "a.experts.",
        "a.experts.0",
        "a.experts.0.",
        "a.experts.00.gate_proj.weight",
        "a.experts.-1.gate_proj.weight",
        "a.experts.+1.gate_proj.weight",
        "a.experts.1x.gate_proj.weight",
        "a.experts.99999999999999999999.gate_proj.weight",
        "a.experts.0.gate_up_proj.weight",
        "a.experts.0.gate.weight",
        "a.experts.gate_up_proj_blocks",
        "a.experts.w1.weight",
        "a.switch_mlp.0.gate_proj.weight",
        "a.shared_experts.gate_proj.weight",
        "a.shared_expert.up_proj.weight",
        "a.experts.0.gate_projection.weight",
    };
    struct expert_name e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (experts_parse(names[i], &e))
            assert_string_equal(names[i], "");
}

static void test_fits(void **state)
{
    static const struct {
        const char *name;
        bool stacked, split, fused;
    } cases[] = {
        {"a.experts.0.up_proj.weight", false, true, false},
        {"a.experts.gate_up_proj", false, false, true},
        {"a.experts.down_proj", false, false, true},
        {"a.experts.up_proj.weight", false, false, false},
        {"a.switch_mlp.up_proj.weight", true, false, false},
        {"a.switch_mlp.gate_up_proj.weight", false, false, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct expert_name e;

        assert_true(experts_parse(cases[i].name, &e));
        assert_int_equal(experts_fits(&e, EXPERTS_STACKED), cases[i].stacked);
        assert_int_equal(experts_fits(&e, EXPERTS_SPLIT), cases[i].split);
        assert_int_equal(experts_fits(&e, EXPERTS_FUSED), cases[i].fused);
    }
}

static void test_missing(void **state)
{
    const struct tensor t = {.name = "t"}, *tensor[70] = {&t, NULL, &t};
    char list[EXPERTS_LIST_MAX];

    (void)state;
    assert_int_equal(experts_missing(tensor, 1, list), 0);
    assert_string_equal(list, "");
    assert_int_equal(experts_missing(tensor, 4, list), 2);
    assert_string_equal(list, "1, 3");
    assert_int_equal(experts_missing(tensor, 70, list), 68);
    assert_string_equal(list, "1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, ...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
