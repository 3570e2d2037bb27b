/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/prune.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct plan plan;
    struct meta meta;
    struct err err;
    const char *arch;
};

/* A model of nblock blocks, the last nhead of them its head, with a tensor before and two in each block. */
static struct fixture *model(const char *arch, uint32_t nblock, uint32_t nhead)
{
    static const uint64_t shape[] = {2};
    static char names[64][2][40];
    struct fixture *f = calloc(1, sizeof *f);
    struct plan_step *step;
    uint32_t source;

    assert_non_null(f);
    f->arch = arch;
    plan_init(&f->plan);
    meta_init(&f->meta, &f->plan.arena);
    assert_int_equal(meta_set_str(&f->meta, "general.architecture", arch, &f->err), OK);
    for (uint32_t i = 0; i < 1 + 2 * nblock; i++) {
        char *name = i ? names[(i - 1) / 2][(i - 1) % 2] : names[63][0];

        snprintf(name, sizeof names[0][0], i ? "blk.%u.%s" : "token_embd.weight", (i - 1) / 2,
                 i % 2 ? "a.weight" : "b.blk.7.weight");
        struct plan_source src = {.name = name, .dtype = DT_F32, .nelem = 2};
        assert_int_equal(plan_add_step(&f->plan, name, shape, 1, &step, &f->err), OK);
        assert_int_equal(plan_add_source(&f->plan, &src, &source, &f->err), OK);
        struct view v = view_whole(source, 2);
        assert_int_equal(plan_add_view(&f->plan, step, &v, &f->err), OK);
    }
    char key[64];
    snprintf(key, sizeof key, "%s.block_count", arch);
    assert_int_equal(meta_set_u32(&f->meta, key, nblock, &f->err), OK);
    snprintf(key, sizeof key, "%s.nextn_predict_layers", arch);
    if (nhead)
        assert_int_equal(meta_set_u32(&f->meta, key, nhead, &f->err), OK);
    return f;
}

static void done(struct fixture *f)
{
    meta_free(&f->meta);
    plan_free(&f->plan);
    free(f);
}

static const char *key_of(const struct fixture *f, const char *suffix)
{
    static char key[128];

    snprintf(key, sizeof key, "%s.%s", f->arch, suffix);
    return key;
}

static void set(struct fixture *f, const char *suffix, uint32_t v)
{
    assert_int_equal(meta_set_u32(&f->meta, key_of(f, suffix), v, &f->err), OK);
}

/* 0, 1, 2 ... */
static void set_array(struct fixture *f, const char *suffix, size_t n)
{
    int32_t v[64];

    for (size_t i = 0; i < n; i++)
        v[i] = (int32_t)i;
    assert_int_equal(meta_set_i32s(&f->meta, key_of(f, suffix), v, n, &f->err), OK);
}

static uint64_t get(const struct fixture *f, const char *suffix)
{
    uint64_t v = UINT64_MAX;

    (void)meta_u64(meta_find(&f->meta, key_of(f, suffix)), &v);
    return v;
}

static void expect_array(const struct fixture *f, const char *suffix, const int32_t *want, size_t n)
{
    const struct meta_kv *kv = meta_find(&f->meta, key_of(f, suffix));

    assert_non_null(kv);
    assert_int_equal(kv->count, n);
    assert_int_equal(kv->nbytes, 4 * n);
    assert_memory_equal(kv->data, want, 4 * n);
}

static enum status prune(struct fixture *f, const char *list)
{
    return prune_edit(&f->plan, &f->meta, list, &f->err);
}

static void refused(struct fixture *f, const char *list, enum status want, const char *part)
{
    assert_int_equal(prune(f, list), want);
    if (!strstr(f->err.text, part))
        fail_msg("no \"%s\" in: %s", part, f->err.text);
    done(f);
}

static void test_blocks_move_up(void **state)
{
    struct fixture *f = model("llama", 5, 0);

    (void)state;
    assert_int_equal(prune(f, "1,3-3"), OK);
    assert_int_equal(f->plan.nstep, 7);
    assert_int_equal(f->plan.ndropped, 4);
    assert_string_equal(f->plan.dropped[0].name, "blk.1.a.weight");
    static const char *const want[][2] = {
        {"token_embd.weight", "token_embd.weight"},       {"blk.0.a.weight", "blk.0.a.weight"},
        {"blk.0.b.blk.7.weight", "blk.0.b.blk.7.weight"}, {"blk.1.a.weight", "blk.2.a.weight"},
        {"blk.1.b.blk.7.weight", "blk.2.b.blk.7.weight"}, {"blk.2.a.weight", "blk.4.a.weight"},
    };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct plan_step *step = &f->plan.steps[i];

        assert_string_equal(step->name, want[i][0]);
        assert_string_equal(f->plan.sources[step->views[0].source].name, want[i][1]);
    }
    assert_int_equal(get(f, "block_count"), 3);
    done(f);
}

static void test_metadata_follows(void **state)
{
    static const int32_t all[] = {1, 2, 4, 5, 6}, trunk[] = {1, 2, 4, 5}, sections[] = {0, 1, 2, 3, 4, 5, 6};
    struct slice s;
    uint64_t pos = 0;
    struct slice names[] = {{"a", 1}, {"bb", 2}, {"", 0}, {"d", 1}, {"e", 1}, {"f", 1}, {"g", 1}};
    struct fixture *f = model("llama", 7, 1);

    (void)state;
    set_array(f, "attention.head_count", 6);
    set_array(f, "attention.recurrent_layers", 7);
    set_array(f, "rope.dimension_sections", 7);
    set_array(f, "other", 3);
    set(f, "leading_dense_block_count", 2);
    assert_int_equal(meta_set_strs(&f->meta, "llama.kinds", names, 7, &f->err), OK);
    assert_int_equal(meta_set_i32s(&f->meta, "llamas.head_count", sections, 7, &f->err), OK);
    assert_int_equal(prune(f, "0,3"), OK);
    expect_array(f, "attention.head_count", trunk, 4);
    expect_array(f, "attention.recurrent_layers", all, 5);
    expect_array(f, "rope.dimension_sections", sections, 7);
    assert_int_equal(meta_find(&f->meta, "llamas.head_count")->count, 7);
    assert_int_equal(meta_find(&f->meta, "llama.other")->count, 3);
    assert_int_equal(get(f, "leading_dense_block_count"), 1);
    assert_int_equal(get(f, "block_count"), 5);
    assert_int_equal(get(f, "nextn_predict_layers"), 1);
    const struct meta_kv *kinds = meta_find(&f->meta, "llama.kinds");
    assert_int_equal(kinds->count, 5);
    assert_true(meta_next_str(kinds, &pos, &s) && slice_eq(s, "bb"));
    assert_true(meta_next_str(kinds, &pos, &s) && s.n == 0);
    assert_true(meta_next_str(kinds, &pos, &s) && slice_eq(s, "e"));
    done(f);
}

static void test_head(void **state)
{
    struct fixture *f = model("llama", 4, 1);

    (void)state;
    assert_int_equal(prune(f, "3"), OK);
    assert_int_equal(get(f, "block_count"), 3);
    assert_null(meta_find(&f->meta, "llama.nextn_predict_layers"));
    done(f);

    f = model("llama", 5, 2);
    assert_int_equal(prune(f, "0,4"), OK);
    assert_int_equal(get(f, "block_count"), 3);
    assert_int_equal(get(f, "nextn_predict_layers"), 1);
    done(f);
    refused(model("llama", 3, 1), "0-1", E_USAGE, "would leave no block of the 2");
}

static void test_lists(void **state)
{
    static const char *const bad[] = {"", ",", "1,", "1-", "-1", "2-1", "a", "1 ", "1-2-3", " 1", "0x1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refused(model("llama", 4, 0), bad[i], E_USAGE, "must be block numbers");
    refused(model("llama", 4, 0), "4", E_USAGE, "there is no block 4, the last is 3");
    refused(model("llama", 4, 0), "0-99999999999999999999", E_USAGE, "there is no block");
    refused(model("llama", 4, 0), "0-3", E_USAGE, "would leave no block");
    struct fixture *f = model("llama", 4, 0);
    assert_int_equal(prune(f, "1,1,1-2"), OK);
    assert_int_equal(get(f, "block_count"), 2);
    done(f);
}

static void prune_pattern(const char *arch, const char *key, uint32_t period, const char *list, bool fine)
{
    struct fixture *f = model(arch, 9, 1);

    if (period)
        set(f, key, period);
    set(f, "attention.sliding_window", 512);
    if (fine) {
        assert_int_equal(prune(f, list), OK);
        done(f);
    } else {
        refused(f, list, E_USAGE, key);
    }
}

static void test_patterns(void **state)
{
    static const char interval[] = "full_attention_interval", window[] = "attention.sliding_window_pattern";

    (void)state;
    prune_pattern("qwen35", interval, 4, "0-3", true);
    prune_pattern("qwen35", interval, 4, "2-5", true);
    prune_pattern("qwen35", interval, 4, "4-8", true);
    prune_pattern("qwen35", interval, 4, "7", true); // the trunk's last: nothing comes to another place
    prune_pattern("qwen35", interval, 4, "3", false);
    prune_pattern("qwen35", interval, 4, "0", false);
    prune_pattern("qwen35", interval, 0, "0", false); // the loader's own period
    prune_pattern("qwen35", interval, 1, "0", true);
    prune_pattern("other", interval, 0, "0", true);
    prune_pattern("other", interval, 2, "0", false);
    prune_pattern("gemma3", window, 0, "0", false);
    prune_pattern("gemma3", window, 0, "0-5", true);
    prune_pattern("smallthinker", window, 4, "0", false);
    prune_pattern("smallthinker", window, 4, "1-4", true);
    prune_pattern("ernie4_5-moe", "interleave_moe_layer_step", 2, "0", false);
    prune_pattern("nomic-bert-moe", "moe_every_n_layers", 2, "1", false);

    /* An array says each block's kind, so any may go. */
    struct fixture *f = model("qwen35", 9, 1);
    set(f, interval, 4);
    set_array(f, "attention.recurrent_layers", 9);
    assert_int_equal(prune(f, "3"), OK);
    done(f);
    f = model("gemma3", 9, 1);
    set(f, "attention.sliding_window", 512);
    set_array(f, window, 8);
    assert_int_equal(prune(f, "3"), OK);
    assert_int_equal(meta_find(&f->meta, "gemma3.attention.sliding_window_pattern")->count, 7);
    done(f);
}

static void test_what_cannot_be_pruned(void **state)
{
    static const uint64_t shape[] = {2};
    struct plan_step *step;

    (void)state;
    struct fixture *f = model("gemma3n", 5, 0);
    set(f, "attention.shared_kv_layers", 2);
    refused(f, "4", E_UNSUPPORTED, "shared_kv_layers=2");
    f = model("qwen3vl", 5, 0);
    set(f, "n_deepstack_layers", 3);
    refused(f, "2", E_USAGE, "the first blocks cannot be left out");
    f = model("qwen3vl", 5, 0);
    set(f, "n_deepstack_layers", 3);
    assert_int_equal(prune(f, "3"), OK);
    done(f);
    f = model("t5", 3, 0);
    assert_int_equal(plan_add_step(&f->plan, "enc.blk.0.x", shape, 1, &step, &f->err), OK);
    refused(f, "1", E_UNSUPPORTED, "several stacks");
    f = model("llama", 3, 0);
    set(f, "block_count", 2);
    refused(f, "1", E_FORMAT, "blk.2.a.weight: llama.block_count is 2");
    f = model("llama", 3, 0);
    set(f, "block_count", 4000000000u);
    refused(f, "1", E_FORMAT, "block_count=4000000000");
    f = model("llama", 3, 0);
    set(f, "nextn_predict_layers", 3);
    refused(f, "1", E_FORMAT, "nextn_predict_layers");
    f = model("llama", 3, 0);
    meta_remove(&f->meta, "llama.block_count");
    refused(f, "1", E_UNSUPPORTED, "no llama.block_count");
    f = model("llama", 3, 0);
    meta_remove(&f->meta, "general.architecture");
    refused(f, "1", E_FORMAT, "general.architecture");
}

static void test_imatrix(void **state)
{
    static const float values[3] = {1, 2, 3};
    struct imatrix_entry entries[] = {
        {.name = "blk.0.a.weight", .values = values, .n = 1},
        {.name = "blk.1.a.weight", .values = values + 1, .n = 1},
        {.name = "blk.2.a.weight", .values = values + 2, .n = 1},
    };
    struct imatrix from = {.path = "i", .entries = entries, .n = 3}, to;
    struct fixture *f = model("llama", 3, 0);
    uint32_t earlier;

    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        assert_true(map_add(&from.index, slice_of(entries[i].name), i, &earlier));
    assert_int_equal(prune(f, "1"), OK);
    assert_int_equal(prune_imatrix(&f->plan, &from, &to, &f->err), OK);
    assert_int_equal(to.n, 2);
    assert_ptr_equal(imatrix_find(&to, "blk.1.a.weight")->values, values + 2);
    assert_ptr_equal(imatrix_find(&to, "blk.0.a.weight")->values, values);
    assert_null(imatrix_find(&to, "blk.2.a.weight"));
    imatrix_free(&to);
    map_free(&from.index);
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_move_up),
        cmocka_unit_test(test_metadata_follows),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_imatrix),
        cmocka_unit_test(test_what_cannot_be_pruned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
