/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions that other options than the recipe change, rows that fit no block, and explanations. */
#include "core/notes.h"
#include "tests/unit/recipe_setup.h"

#include <unistd.h>

/* ---- overrides ---- */

static enum dtype type_of(const struct setup *s, const char *name)
{
    for (size_t i = 0; i < s->model.n; i++)
        if (strcmp(s->tensor[i].name, name) == 0)
            return s->choice[i].type;
    fail_msg("no tensor %s", name);
    return DT_COUNT;
}

static void add_override(struct setup *s, const char *text)
{
    struct err err = {0};

    if (recipe_override_type(&s->over, text, &err) != OK)
        fail_msg("%s", err.text);
}

static struct setup *small_llama(const char *recipe)
{
    static const struct model_case small = {
        "llama",
        16,
        16,
        0,
        32,
        32,
        "blk.",
        {{"output.weight", 256}, {"token_embd.weight", 256}},
        {{"attn_v", 256}, {"ffn_down", 256}},
    };
    struct setup *s = setup_new();

    take_model(s, &small);
    load(s, recipe);
    return s;
}

static void test_tensor_types_shift_positions(void **state)
{
    struct setup *s = small_llama("Q4_K_S"); // the first four attn_v are q5_k

    (void)state;
    add_override(s, "BLK\\.[0-1]\\.ATTN_V=Q2_K"); // patterns are made lower-case
    add_override(s, "blk\\.1\\.=q8_0");           // too late for attn_v, not for ffn_down
    must_decide(s);
    assert_int_equal(type_of(s, "blk.0.attn_v.weight"), DT_Q2_K);
    assert_int_equal(type_of(s, "blk.1.attn_v.weight"), DT_Q2_K);
    assert_int_equal(type_of(s, "blk.2.attn_v.weight"), DT_Q5_K);
    assert_int_equal(type_of(s, "blk.5.attn_v.weight"), DT_Q5_K);
    assert_int_equal(type_of(s, "blk.6.attn_v.weight"), DT_Q4_K);
    assert_int_equal(type_of(s, "blk.0.ffn_down.weight"), DT_Q5_K);
    assert_int_equal(type_of(s, "blk.1.ffn_down.weight"), DT_Q8_0);
    assert_int_equal(type_of(s, "blk.2.ffn_down.weight"), DT_Q5_K);
    assert_int_equal(type_of(s, "blk.3.ffn_down.weight"), DT_Q4_K);
    setup_free(s);
}

static void test_types_by_role(void **state)
{
    struct setup *s = small_llama("Q4_K_M");

    (void)state;
    s->over.output_type = DT_Q8_0;
    s->over.embedding_type = DT_F16;
    s->over.pure = true;
    add_override(s, "output|embd=q2_k"); // role by option comes first
    must_decide(s);
    assert_int_equal(type_of(s, "output.weight"), DT_Q8_0);
    assert_int_equal(type_of(s, "token_embd.weight"), DT_F16);
    assert_int_equal(type_of(s, "blk.0.ffn_down.weight"), DT_Q4_K);
    s->over.leave_output = true;
    must_decide(s);
    assert_int_equal(type_of(s, "output.weight"), DT_BF16);
    setup_free(s);

    s = small_llama("bf16"); // by role works for floats too
    s->over.embedding_type = DT_Q8_0;
    add_override(s, "ffn_down=q4_0");
    must_decide(s);
    assert_int_equal(type_of(s, "token_embd.weight"), DT_Q8_0);
    assert_int_equal(type_of(s, "blk.0.ffn_down.weight"), DT_BF16);
    setup_free(s);

    s = small_llama("copy");
    s->over.embedding_type = DT_Q8_0;
    must_decide(s);
    assert_int_equal(type_of(s, "token_embd.weight"), DT_BF16);
    setup_free(s);
}

static void test_tied_output(void **state)
{
    struct setup *s = setup_new();

    (void)state;
    s->model.arch = "llama";
    add_matrix(s, "token_embd.weight", 320);
    load(s, "Q4_K_M");
    must_decide(s);
    assert_int_equal(s->choice[0].type, DT_Q8_0); // rows that do not fit
    s->over.output_type = DT_Q6_K;                // which falls back here, unlike on output.weight
    must_decide(s);
    assert_int_equal(s->choice[0].wanted, DT_Q6_K);
    assert_int_equal(s->choice[0].type, DT_Q8_0);
    s->over.embedding_type = DT_Q5_0;
    must_decide(s);
    assert_int_equal(s->choice[0].type, DT_Q5_0);
    setup_free(s);
}

static void test_keep_and_head(void **state)
{
    struct setup *s = small_llama("Q4_K_M");
    struct err err = {0};

    (void)state;
    s->model.n_layer_mtp = 2;
    s->over.mtp_type = DT_Q8_0;
    add_override(s, "ffn_down=q5_0");
    assert_int_equal(recipe_override_keep(&s->over, "blk\\.(3|15)\\.ffn", &err), OK);
    must_decide(s);
    assert_int_equal(type_of(s, "blk.3.ffn_down.weight"), DT_BF16);
    assert_int_equal(type_of(s, "blk.13.ffn_down.weight"), DT_Q5_0);
    assert_int_equal(type_of(s, "blk.14.ffn_down.weight"), DT_Q8_0);
    assert_int_equal(type_of(s, "blk.14.attn_v.weight"), DT_Q8_0);
    assert_int_equal(type_of(s, "blk.15.ffn_down.weight"), DT_BF16);
    assert_int_equal(type_of(s, "blk.15.attn_v.weight"), DT_Q8_0);
    setup_free(s);
}

static void test_options_that_fit_nothing(void **state)
{
    struct setup *s = small_llama("Q4_K_M");
    struct err err = {0};
    struct notes notes = {.arena = &s->arena};
    struct recipe_request q;

    (void)state;
    add_override(s, "attn_w=q8_0");
    assert_int_equal(decide(s, &err), E_USAGE);
    assert_string_equal(err.text, "--tensor-type \"attn_w=q8_0\" is found in the name of no tensor");
    recipe_overrides_free(&s->over);
    assert_int_equal(recipe_override_keep(&s->over, "^nothing", &err), OK);
    assert_int_equal(decide(s, &err), E_USAGE);
    assert_string_equal(err.text, "--keep \"^nothing\" is found in the name of no tensor");
    recipe_overrides_free(&s->over);
    s->over.mtp_type = DT_Q8_0;
    assert_int_equal(decide(s, &err), E_USAGE);
    assert_string_equal(err.text, "--mtp-type: the model has no MTP head");

    recipe_overrides_free(&s->over);
    add_override(s, "ffn=q8_0");
    load(s, "F16");
    q = (struct recipe_request){s->recipe, &s->model, &s->over, &notes};
    assert_int_equal(recipe_decide(&q, s->choice, &err), OK);
    assert_int_equal(notes.n, 1);
    assert_string_equal(notes.item[0],
                        "recipe F16 treats all tensors alike: --tensor-type and --mtp-type have no effect");
    setup_free(s);
}

static void test_overrides_that_cannot_be_read(void **state)
{
    static const struct {
        const char *option, *text;
    } cases[] = {
        {"ffn", "\"ffn\" is not of the form PATTERN=TYPE"},
        {"=q8_0", "\"=q8_0\" is not of the form PATTERN=TYPE"},
        {"ffn=", "unknown type \"\""},
        {"ffn=q4_kk", "unknown type \"q4_kk\"; did you mean \"q4_k\"?"},
        {"ffn=q8_K", "type \"q8_K\" cannot be written to GGUF by quantization"},
        {"ffn=i32", "type \"i32\" cannot be written to GGUF by quantization"},
        {"(ffn=q8_0", "pattern \"(ffn\": character 5: \"(\" without \")\""},
    };
    struct recipe_overrides o;
    struct err err;

    (void)state;
    recipe_overrides_init(&o);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        err = (struct err){0};
        assert_int_equal(recipe_override_type(&o, cases[i].option, &err), E_USAGE);
        assert_string_equal(err.text, cases[i].text);
    }
    assert_int_equal(o.ntype, 0);
    recipe_overrides_free(&o);
}

static void test_file_of_overrides(void **state)
{
    char folder[] = "/tmp/scion-recipe-XXXXXX", path[64], want[256];
    struct recipe_overrides o;
    struct err err = {0};
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/types", folder);
    recipe_overrides_init(&o);
    f = fopen(path, "w");
    fputs("\n ffn_up=q8_0\tattn_v=Q6_K\r\n\n", f);
    fclose(f);
    assert_int_equal(recipe_override_types_file(&o, path, &err), OK);
    assert_int_equal(o.ntype, 2);
    assert_string_equal(o.types[1].text, "attn_v=Q6_K");
    assert_int_equal(o.types[1].type, DT_Q6_K);

    f = fopen(path, "w");
    fputs("ffn_up q8_0", f);
    fclose(f);
    assert_int_equal(recipe_override_types_file(&o, path, &err), E_USAGE);
    snprintf(want, sizeof want, "%s: \"ffn_up\" is not of the form PATTERN=TYPE", path);
    assert_string_equal(err.text, want);
    f = fopen(path, "w");
    fclose(f);
    assert_int_equal(recipe_override_types_file(&o, path, &err), OK);
    unlink(path);
    assert_int_equal(recipe_override_types_file(&o, path, &err), E_IO);
    rmdir(folder);
    recipe_overrides_free(&o);
}

/* ---- rows that do not fit ---- */

static void test_substitutes(void **state)
{
    static const struct {
        const char *type;
        uint64_t columns;
        enum dtype got; /* DT_COUNT = refused */
    } cases[] = {
        {"iq1_s", 320, DT_IQ4_NL},  {"iq1_m", 320, DT_IQ4_NL},  {"iq2_xxs", 320, DT_IQ4_NL},
        {"iq2_xs", 320, DT_IQ4_NL}, {"iq2_s", 320, DT_IQ4_NL},  {"iq3_xxs", 320, DT_IQ4_NL},
        {"iq3_s", 320, DT_IQ4_NL},  {"iq4_xs", 320, DT_IQ4_NL}, {"q2_0", 96, DT_Q4_0},
        {"q2_k", 320, DT_Q4_0},     {"q3_k", 320, DT_Q4_0},     {"tq1_0", 320, DT_Q4_0},
        {"tq2_0", 320, DT_Q4_0},    {"q4_k", 320, DT_Q5_0},     {"q5_k", 320, DT_Q5_1},
        {"q6_k", 320, DT_Q8_0},     {"q6_k", 300, DT_F16},      {"q4_k", 512, DT_Q4_K},
        {"iq4_nl", 320, DT_IQ4_NL}, {"iq4_nl", 300, DT_COUNT},  {"q4_0", 300, DT_COUNT},
        {"q8_0", 300, DT_COUNT},    {"q1_0", 320, DT_COUNT},    {"mxfp4", 300, DT_COUNT},
        {"nvfp4", 96, DT_COUNT},    {"f16", 300, DT_F16},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct setup *s = setup_new();
        struct err err = {0};
        char option[64];

        s->model.arch = "llama";
        add_matrix(s, "blk.0.attn_q.weight", cases[i].columns);
        load(s, "Q6_K");
        snprintf(option, sizeof option, "attn_q=%s", cases[i].type);
        add_override(s, option);
        enum status st = decide(s, &err);
        assert_int_equal(st, cases[i].got == DT_COUNT ? E_UNSUPPORTED : OK);
        if (st == OK && s->choice[0].type != cases[i].got)
            fail_msg("%s with %" PRIu64 " columns", cases[i].type, cases[i].columns);
        setup_free(s);
    }
}

static void test_refused_rows(void **state)
{
    struct setup *s = setup_new();
    struct err err = {0};

    (void)state;
    s->model.arch = "llama";
    add_matrix(s, "output.weight", 300);
    load(s, "Q4_K_M");
    assert_int_equal(decide(s, &err), E_UNSUPPORTED); // q8_0, for rows that do not fit q4_k
    assert_string_equal(err.text,
                        "output.weight: rows of 300 elements are no multiple of the 32 of a q8_0 block, "
                        "and nothing stands in for that type");
    s->over.output_type = DT_Q6_K; // by role: no substitute
    assert_int_equal(decide(s, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "the 256 of a q6_k block"));
    s->over.output_type = DT_F16;
    must_decide(s);
    setup_free(s);
}

static void test_experts_without_layers(void **state)
{
    struct setup *s = setup_new();
    struct err err = {0};

    (void)state;
    s->model.arch = "llama";
    s->model.n_layer_all = 4;
    s->model.expert_count = 8;
    add_matrix(s, "enc.blk.0.ffn_down.weight", 256);
    load(s, "Q4_K_M");
    assert_int_equal(decide(s, &err), E_UNSUPPORTED);
    assert_string_equal(err.text,
                        "enc.blk.0.ffn_down.weight: rule \"ffn_down spread -> q6_k\" goes by layers, and "
                        "the name tells none of the model's 4");
    s->tensor[0].name = "blk.4.ffn_down.weight";
    assert_int_equal(decide(s, &err), E_UNSUPPORTED);
    s->tensor[0].name = "blk.3.ffn_down.weight";
    must_decide(s);
    assert_int_equal(s->choice[0].type, DT_Q6_K);
    s->tensor[0].name = "enc.blk.0.ffn_down.weight";
    load(s, "Q6_K"); // has no rule that asks
    must_decide(s);
    setup_free(s);
}

static void test_needs_imatrix(void **state)
{
    struct setup *s = small_llama("IQ2_XXS");

    (void)state;
    must_decide(s);
    for (size_t i = 0; i < s->model.n; i++)
        assert_int_equal(s->choice[i].needs_imatrix, s->choice[i].type == DT_IQ2_XXS);
    load(s, "Q2_K_S");
    must_decide(s);
    for (size_t i = 0; i < s->model.n; i++)
        assert_int_equal(s->choice[i].needs_imatrix,
                         s->choice[i].type == DT_Q2_K && str_starts(s->tensor[i].name, "blk."));
    load(s, "Q2_K");
    must_decide(s);
    for (size_t i = 0; i < s->model.n; i++)
        assert_false(s->choice[i].needs_imatrix);
    setup_free(s);
}

/* ---- explanations ---- */

static void expect_explained(struct setup *s, const char *tensor, const char *want)
{
    const struct recipe_request q = {s->recipe, &s->model, &s->over, NULL};
    struct buf out;

    buf_init(&out, 64 * KIB);
    for (size_t i = 0; i < s->model.n; i++)
        if (strcmp(s->tensor[i].name, tensor) == 0)
            recipe_explain(&out, &q, i, &s->choice[i]);
    assert_string_equal(out.p, want);
    buf_free(&out);
}

static void test_explain(void **state)
{
    struct setup *s = small_llama("Q4_K_M");
    struct err err = {0};
    const struct recipe_rule *rule;
    char want[512];

    (void)state;
    add(s, "blk.0.attn_norm.weight", 1, (const uint64_t[]){256}, DT_F32);
    add_matrix(s, "blk.9.attn_k.weight", 320);
    add_override(s, "blk\\.1\\.ffn=q8_0");
    assert_int_equal(recipe_override_keep(&s->over, "blk.2.attn_v", &err), OK);
    must_decide(s);
    expect_explained(
        s, "blk.0.attn_norm.weight",
        "blk.0.attn_norm.weight: f32, by the fixed exceptions (vectors stay as they are); its bytes are "
        "copied");
    expect_explained(s, "blk.1.ffn_down.weight",
                     "blk.1.ffn_down.weight: q8_0, by --tensor-type blk\\.1\\.ffn=q8_0");
    expect_explained(s, "blk.2.attn_v.weight",
                     "blk.2.attn_v.weight: bf16, by what is kept (blk.2.attn_v); its bytes are copied");
    expect_explained(s, "token_embd.weight",
                     "token_embd.weight: q4_k, by the default of recipe Q4_K_M; it is embedding 1 of 1");
    expect_explained(
        s, "blk.9.attn_k.weight",
        "blk.9.attn_k.weight: q4_k, by the default of recipe Q4_K_M; it is attn_k 1 of 1 in layer 9; "
        "written as q5_0, because rows of 320 are no multiple of 256");
    rule = s->choice[2].rule;
    assert_non_null(rule);
    snprintf(want, sizeof want,
             "blk.0.attn_v.weight: q6_k, by rule \"attn_v spread -> q6_k\" (recipes.txt:%u, Q4_K_M); "
             "it is attn_v 1 of 16 in layer 0",
             rule->line);
    expect_explained(s, "blk.0.attn_v.weight", want);
    s->over.output_type = s->over.embedding_type = DT_Q8_0;
    s->over.pure = true;
    s->model.n_layer_mtp = 1;
    s->over.mtp_type = DT_Q8_0;
    must_decide(s);
    expect_explained(s, "output.weight", "output.weight: q8_0, by --output-type");
    expect_explained(s, "token_embd.weight", "token_embd.weight: q8_0, by --embedding-type");
    expect_explained(s, "blk.15.attn_v.weight", "blk.15.attn_v.weight: q8_0, by --mtp-type");
    expect_explained(s, "blk.3.attn_v.weight",
                     "blk.3.attn_v.weight: q4_k, by --pure: the default of recipe Q4_K_M");
    setup_free(s);
}

/* ---- the model's facts ---- */

static void test_model_read(void **state)
{
    static const uint32_t heads[] = {16, 8};
    struct recipe_model m = {0};
    struct err err = {0};
    struct arena a;
    struct meta meta;

    (void)state;
    arena_init(&a, 0);
    meta_init(&meta, &a);
    assert_int_equal(recipe_model_read(&m, &meta, &err), E_FORMAT);
    assert_string_equal(err.text, "general.architecture is missing");
    assert_int_equal(meta_set_str(&meta, "general.architecture", "qwen35", &err), OK);
    assert_int_equal(meta_set_u32(&meta, "qwen35.block_count", 9, &err), OK);
    assert_int_equal(meta_set_u32(&meta, "qwen35.nextn_predict_layers", 1, &err), OK);
    assert_int_equal(meta_set_i32s(&meta, "qwen35.attention.head_count", (const int32_t *)heads, 2, &err),
                     OK);
    assert_int_equal(recipe_model_read(&m, &meta, &err), OK);
    assert_string_equal(m.arch, "qwen35");
    assert_int_equal(m.n_layer_all, 9);
    assert_int_equal(m.n_layer_mtp, 1);
    assert_int_equal(m.expert_count, 0);
    assert_int_equal(m.head_count0, 16);
    assert_int_equal(m.head_count_kv0, 16); // one of each, unless said
    assert_int_equal(meta_set_u32(&meta, "qwen35.attention.head_count_kv", 0, &err), OK);
    assert_int_equal(meta_set_u32(&meta, "qwen35.expert_count", 8, &err), OK);
    assert_int_equal(recipe_model_read(&m, &meta, &err), OK);
    assert_int_equal(m.head_count_kv0, 0);
    assert_int_equal(m.expert_count, 8);
    assert_int_equal(meta_set_u32(&meta, "qwen35.nextn_predict_layers", 10, &err), OK);
    assert_int_equal(recipe_model_read(&m, &meta, &err), E_FORMAT);
    assert_int_equal(meta_set_u32(&meta, "qwen35.block_count", 70000, &err), OK);
    assert_int_equal(recipe_model_read(&m, &meta, &err), E_LIMIT);
    assert_int_equal(meta_set_str(&meta, "general.architecture", "clip", &err), OK);
    assert_int_equal(meta_set_u32(&meta, "clip.block_count", 9, &err), OK);
    assert_int_equal(recipe_model_read(&m, &meta, &err), OK);
    assert_int_equal(m.n_layer_all, 0);
    assert_int_equal(m.head_count0, 0);
    assert_int_equal(meta_set_str(&meta, "general.architecture", "nanbeige", &err), OK);
    assert_int_equal(meta_set_u32(&meta, "nanbeige.block_count", 9, &err), OK);
    assert_int_equal(meta_set_u32(&meta, "nanbeige.num_loops", 3, &err), OK);
    assert_int_equal(recipe_model_read(&m, &meta, &err), OK);
    assert_int_equal(m.n_layer_all, 27);
    meta_free(&meta);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensor_types_shift_positions),
        cmocka_unit_test(test_types_by_role),
        cmocka_unit_test(test_tied_output),
        cmocka_unit_test(test_keep_and_head),
        cmocka_unit_test(test_options_that_fit_nothing),
        cmocka_unit_test(test_overrides_that_cannot_be_read),
        cmocka_unit_test(test_file_of_overrides),
        cmocka_unit_test(test_substitutes),
        cmocka_unit_test(test_refused_rows),
        cmocka_unit_test(test_experts_without_layers),
        cmocka_unit_test(test_needs_imatrix),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_model_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
