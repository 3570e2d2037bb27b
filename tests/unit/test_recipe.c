/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions: against files that llama-quantize wrote, and against llama.cpp's own choices for models that
 * exist as lists only. */
#include "core/json.h"
#include "tests/unit/recipe_setup.h"

#include <unistd.h>

#define FOLDER "../shared/expected/"

/* ---- llama-quantize's own files ---- */

static const struct json *metadata_get(const struct json *file, const char *key)
{
    for (const struct json *kv = json_first(json_get(file, "metadata")); kv; kv = json_after(kv))
        if (strcmp(json_str(json_first(kv)), key) == 0)
            return json_after(json_after(json_first(kv)));
    return NULL;
}

static uint64_t metadata_u64(const struct json *file, const char *arch, const char *key)
{
    char name[128];
    int64_t v = 0;

    snprintf(name, sizeof name, "%s.%s", arch, key);
    return json_int(metadata_get(file, name), &v) ? (uint64_t)v : 0;
}

static enum dtype source_type(const struct json *source, const char *name)
{
    for (const struct json *t = json_first(json_get(source, "tensors")); t; t = json_after(t))
        if (strcmp(json_str(json_first(t)), name) == 0)
            return dtype_find(json_str(json_after(json_first(t))));
    fail_msg("%s is no source tensor", name);
    return DT_COUNT;
}

static void take_file(struct setup *s, const struct json *file, const struct json *source)
{
    const char *arch = json_str(metadata_get(file, "general.architecture"));

    s->model.arch = arch;
    s->model.n_layer_all = metadata_u64(file, arch, "block_count");
    s->model.n_layer_mtp = metadata_u64(file, arch, "nextn_predict_layers");
    s->model.expert_count = metadata_u64(file, arch, "expert_count");
    s->model.head_count0 = metadata_u64(file, arch, "attention.head_count");
    s->model.head_count_kv0 = metadata_u64(file, arch, "attention.head_count_kv");
    for (const struct json *t = json_first(json_get(file, "tensors")); t; t = json_after(t)) {
        const char *name = json_str(json_first(t));
        const struct json *dims = json_after(json_after(json_first(t)));
        uint32_t rank = (uint32_t)json_count(dims), d = rank;
        uint64_t shape[4];

        for (const struct json *n = json_first(dims); n; n = json_after(n)) {
            int64_t v = 0;

            assert_true(json_int(n, &v));
            shape[--d] = (uint64_t)v;
        }
        add(s, name, rank, shape, source_type(source, name));
    }
}

/* "MODEL-RECIPE-VARIANT.gguf": the recipe, and the options that the variant stands for. */
static void take_name(struct setup *s, const char *file, const char *model, bool pin)
{
    char recipe[64];
    struct err err = {0};

    snprintf(recipe, sizeof recipe, "%s", file + strlen(model) + 1);
    recipe[strcspn(recipe, "-.")] = '\0';
    load(s, recipe);
    s->model.has_imatrix = strstr(file, "-imatrix") != NULL;
    s->over.pure = strstr(file, "-pure") != NULL;
    s->over.leave_output = strstr(file, "-leaveout") != NULL;
    if (strstr(file, "-emb8out6")) {
        s->over.embedding_type = DT_Q8_0;
        s->over.output_type = DT_Q6_K;
    }
    if (strstr(file, "-mtpq8") && pin)
        s->over.mtp_type = DT_Q8_0;
    else if (strstr(file, "-mtpq8"))
        assert_int_equal(
            recipe_override_type(&s->over, s->model.n_layer_all == 9 ? "blk\\.8\\.=q8_0" : "blk\\.4\\.=q8_0",
                                 &err),
            OK);
}

static void check_file(const struct json *file, const struct json *sources, bool pin)
{
    const char *name = json_key(file);
    const char *model = str_starts(name, "tiny-qwen35moe-") ? "tiny-qwen35moe" : "tiny-qwen35";
    const char *source = model[11] ? "tiny-qwen35moe-bf16.gguf" : "tiny-qwen35-bf16.gguf";
    struct setup *s = setup_new();
    int64_t file_type;
    size_t i = 0;

    take_file(s, file, json_get(sources, source));
    take_name(s, name, model, pin);
    must_decide(s);
    for (const struct json *t = json_first(json_get(file, "tensors")); t; t = json_after(t), i++) {
        enum dtype want = dtype_find(json_str(json_after(json_first(t))));

        if (s->choice[i].type != want)
            fail_msg("%s: %s is %s, must be %s", name, s->tensor[i].name, dtype_name(s->choice[i].type),
                     dtype_name(want));
        assert_true(s->model.has_imatrix || !s->choice[i].needs_imatrix);
    }
    assert_true(json_int(metadata_get(file, "general.file_type"), &file_type));
    assert_int_equal(s->recipe->file_type, file_type);
    setup_free(s);
}

static void test_files_of_llama_quantize(void **state)
{
    struct json *files, *sources;
    struct err err = {0};
    size_t n = 0;

    (void)state;
    if (access(FOLDER "quantize.json", R_OK) != 0)
        skip();
    assert_int_equal(json_load(FOLDER "quantize.json", 64 * MIB, &files, &err), OK);
    assert_int_equal(json_load(FOLDER "convert.json", 64 * MIB, &sources, &err), OK);
    for (const struct json *f = json_first(files); f; f = json_after(f), n++) {
        check_file(f, sources, false);
        if (strstr(json_key(f), "-mtpq8"))
            check_file(f, sources, true);
    }
    assert_int_equal(n, 134);
    json_free(files);
    json_free(sources);
}

/* ---- llama.cpp's choices for other models ---- */

/* "3-5,9": the blocks of a part that have the type. */
static void put_ranges(struct buf *out, const struct setup *s, size_t first, size_t step, enum dtype type)
{
    const char *comma = "@";
    size_t block = 0;

    for (size_t i = first; i < s->model.n; i += step, block++) {
        size_t last = block;

        if (s->choice[i].type != type)
            continue;
        while (i + step < s->model.n && s->choice[i + step].type == type) {
            i += step;
            last++;
        }
        buf_printf(out, "%s%zu", comma, block);
        if (last > block)
            buf_printf(out, "-%zu", last);
        comma = ",";
        block = last;
    }
}

/* What differs from the default in the tensors first, first + step ...: those of one part. */
static void put_part(struct buf *out, const struct setup *s, const char *name, size_t first, size_t step)
{
    bool seen[DT_COUNT] = {false};
    bool one = true;
    int length = (int)(str_ends(name, ".weight") ? strlen(name) - strlen(".weight") : strlen(name));

    for (size_t i = first; i < s->model.n; i += step)
        one = one && s->choice[i].type == s->choice[first].type;
    for (size_t i = first; i < s->model.n; i += step) {
        enum dtype type = s->choice[i].type;

        if (type == s->recipe->type || s->choice[i].reason == BY_FIXED || seen[type])
            continue;
        seen[type] = true;
        buf_printf(out, "%s%.*s %s", out->n ? "; " : "", length, name, dtype_name(type));
        if (!one)
            put_ranges(out, s, first, step, type);
    }
}

static void check_case(const struct recipe_case *c, bool has_imatrix)
{
    struct setup *s = setup_new();
    size_t front = 0, parts = 0;
    struct buf got;

    take_model(s, c->model);
    load(s, c->recipe);
    s->model.has_imatrix = has_imatrix;
    must_decide(s);
    buf_init(&got, 64 * KIB);
    for (; c->model->front[front].name; front++)
        put_part(&got, s, c->model->front[front].name, front, s->model.n);
    while (c->model->block[parts].name)
        parts++;
    for (size_t p = 0; p < parts; p++)
        put_part(&got, s, c->model->block[p].name, front + p, parts);
    if (strcmp(got.n ? got.p : "", c->differs) != 0)
        fail_msg("%s, %s experts, %s:\n%s\nmust be\n%s", c->model->arch,
                 c->model->experts ? "with" : "without", c->recipe, got.n ? got.p : "", c->differs);
    buf_free(&got);
    setup_free(s);
}

static void test_choices_of_llama_cpp(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(recipe_cases); i++) {
        if (recipe_cases[i].importance != WITH)
            check_case(&recipe_cases[i], false);
        if (recipe_cases[i].importance != WITHOUT)
            check_case(&recipe_cases[i], true);
    }
}

/* ---- what is never converted ---- */

static void test_fixed(void **state)
{
    static const struct {
        const char *name;
        uint32_t rank;
        uint64_t shape[4];
        bool fixed;
    } cases[] = {
        {"blk.0.attn_q.weight", 2, {4, 256}, false},
        {"blk.0.attn_q.weight", 1, {256}, true},
        {"blk.0.attn_q.weight", 2, {1, 256}, true},
        {"blk.0.attn_q.weight", 3, {1, 1, 256}, true},
        {"blk.0.attn_q.weight", 3, {4, 1, 256}, false},
        {"blk.0.attn_q.weight", 0, {0}, true},
        {"blk.0.attn_q.bias", 2, {4, 256}, true},
        {"blk.0.attn_q.weight.x", 2, {4, 256}, true},
        {"weight", 2, {4, 256}, false},
        {"alpha", 2, {4, 256}, false}, // five characters
        {"alphas", 2, {4, 256}, true},
        {"blk.0.attn_q_norm.weight", 2, {4, 256}, true},
        {"blk.0.ffn_gate_inp.weight", 2, {4, 256}, true},
        {"blk.0.ffn_gate_inp_shexp.weight", 2, {4, 256}, false},
        {"blk.0.ssm_conv1d.weight", 2, {4, 256}, true},
        {"blk.0.ssm_out.weight", 2, {4, 256}, false},
        {"blk.0.time_mix_w2.weight", 2, {4, 256}, true},
        {"blk.0.time_mix_key.weight", 2, {4, 256}, false},
        {"v.position_embd.weight", 2, {4, 256}, true},
        {"position_embd.weight", 2, {4, 256}, true},
        {"token_types.weight", 2, {4, 256}, true},
        {"v.patch_embd.weight", 2, {4, 256}, true},
        {"altup_proj.weight", 2, {4, 256}, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct setup *s = setup_new();

        s->model.arch = "llama";
        add(s, cases[i].name, cases[i].rank, cases[i].shape, DT_F32);
        load(s, "Q6_K");
        must_decide(s);
        if ((s->choice[0].reason == BY_FIXED) != cases[i].fixed)
            fail_msg("%s (case %zu)", cases[i].name, i);
        assert_int_equal(s->choice[0].type, cases[i].fixed ? DT_F32 : DT_Q6_K);
        setup_free(s);
    }
}

/* ---- a recipe of scion's own ---- */

static void test_nvfp4(void **state)
{
    static const struct {
        const char *name;
        uint64_t columns;
        enum dtype type;
    } cases[] = {
        {"output.weight", 256, DT_Q8_0},
        {"token_embd.weight", 256, DT_Q8_0},
        {"blk.0.attn_v.weight", 256, DT_Q8_0},
        {"blk.0.attn_k.weight", 64, DT_Q8_0},
        {"blk.0.attn_qkv.weight", 256, DT_NVFP4},
        {"blk.0.attn_q.weight", 256, DT_NVFP4},
        {"blk.0.ssm_alpha.weight", 256, DT_Q8_0},
        {"blk.0.ssm_ba.weight", 256, DT_Q8_0},
        {"blk.0.ssm_out.weight", 256, DT_NVFP4},
        {"blk.0.ffn_down.weight", 192, DT_NVFP4},
        {"blk.0.ffn_up.weight", 96, DT_BF16},
        {"blk.0.attn_v.weight", 96, DT_BF16},
        {"blk.0.ffn_gate_inp.weight", 256, DT_F32},
        {"blk.1.ffn_up.weight", 256, DT_BF16},
        {"blk.1.attn_v.weight", 256, DT_BF16},
        {"blk.1.nextn.eh_proj.weight", 256, DT_BF16},
        {"blk.1.attn_norm.weight", 256, DT_F32},
    };
    struct setup *s = setup_new();

    (void)state;
    s->model.arch = "qwen35";
    s->model.n_layer_all = 2;
    s->model.n_layer_mtp = 1;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        add(s, cases[i].name, 2, (const uint64_t[]){4, cases[i].columns}, DT_F32);
    load(s, "nvfp4");
    must_decide(s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (s->choice[i].type != cases[i].type)
            fail_msg("%s is %s", cases[i].name, dtype_name(s->choice[i].type));
    setup_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_of_llama_quantize),
        cmocka_unit_test(test_choices_of_llama_cpp),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_nvfp4),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
