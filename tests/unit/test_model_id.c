/* SPDX-License-Identifier: Apache-2.0 */
/* Ids and titles. All expectations are what gguf-py's get_model_id_components and id_to_title return. */
#include "card/model_id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *id;
    uint64_t total_params;
    const char *org, *title, *basename, *finetune, *version, *size_label;
} ids[] = {
    {"Qwen3.5-9B", 9653104368, NULL, "Qwen3.5 9B", "Qwen3.5", NULL, NULL, "9B"},
    {"Qwen/Qwen3.5-9B", 9653104368, "Qwen", "Qwen3.5 9B", "Qwen3.5", NULL, NULL, "9B"},
    {"Qwen3.5-35B-A3B", 35951822704, NULL, "Qwen3.5 35B A3B", "Qwen3.5", NULL, NULL, "35B-A3B"},
    {"Qwen3.6-27B", 27000000000, NULL, "Qwen3.6 27B", "Qwen3.6", NULL, NULL, "27B"},
    {"Qwen3-Next-80B-A3B-Instruct", 81000000000, NULL, "Qwen3 Next 80B A3B Instruct", "Qwen3-Next",
     "Instruct", NULL, "80B-A3B"},
    {"Qwen3.5-0.8B-Base", 800000000, NULL, "Qwen3.5 0.8B Base", "Qwen3.5", "Base", NULL, "0.8B"},
    {"Meta-Llama-3.1-8B-Instruct", 8030261312, NULL, "Meta Llama 3.1 8B Instruct", "Meta-Llama-3.1",
     "Instruct", NULL, "8B"},
    {"Llama-3.2-1B", 1235814400, NULL, "Llama 3.2 1B", "Llama-3.2", NULL, NULL, "1B"},
    {"Mistral-7B-Instruct-v0.3", 7248023552, NULL, "Mistral 7B Instruct v0.3", "Mistral", "Instruct", "v0.3",
     "7B"},
    {"Mixtral-8x7B-Instruct-v0.1", 46702792704, NULL, "Mixtral 8x7B Instruct v0.1", "Mixtral", "Instruct",
     "v0.1", "8x7B"},
    {"gemma-3-4b-it", 3880099328, NULL, "Gemma 3 4b It", "gemma-3", "it", NULL, "4B"},
    {"gemma-2-9b-it", 9241705984, NULL, "Gemma 2 9b It", "gemma-2", "it", NULL, "9B"},
    {"Phi-3-mini-4k-instruct", 3821079552, NULL, "Phi 3 Mini 4k Instruct", "Phi-3", "4k-instruct", NULL,
     "mini"},
    {"Phi-3-mini-128k-instruct", 3821079552, NULL, "Phi 3 Mini 128k Instruct", "Phi-3", "128k-instruct", NULL,
     "mini"},
    {"gpt-oss-20b", 20914757184, NULL, "Gpt Oss 20b", "gpt-oss", NULL, NULL, "20B"},
    {"DeepSeek-V3-0324", 671026419200, NULL, "DeepSeek V3 0324", "DeepSeek", NULL, "V3-0324", NULL},
    {"DeepSeek-R1-Distill-Qwen-1.5B", 1777088000, NULL, "DeepSeek R1 Distill Qwen 1.5B",
     "DeepSeek-R1-Distill-Qwen", NULL, NULL, "1.5B"},
    {"SmolLM3-3B", 3075098624, NULL, "SmolLM3 3B", "SmolLM3", NULL, NULL, "3B"},
    {"granite-3.3-2b-instruct", 2533539840, NULL, "Granite 3.3 2b Instruct", "granite-3.3", "instruct", NULL,
     "2B"},
    {"GLM-4.5-Air", 110468824832, NULL, "GLM 4.5 Air", NULL, NULL, NULL, NULL},
    {"MiniMax-M2", 228689748992, NULL, "MiniMax M2", NULL, NULL, NULL, NULL},
    {"bge-small-en-v1.5", 33360000, NULL, "Bge Small En v1.5", "bge", "en", "v1.5", "small"},
    {"OLMo-2-1124-7B-Instruct", 7298617344, NULL, "OLMo 2 1124 7B Instruct", "OLMo-2-1124", "Instruct", NULL,
     "7B"},
    {"NVIDIA-Nemotron-Nano-9B-v2", 8888227328, NULL, "NVIDIA Nemotron Nano 9B v2", "NVIDIA-Nemotron-Nano",
     NULL, "v2", "9B"},
    {"Qwen3-Coder-30B-A3B-Instruct", 30532122624, NULL, "Qwen3 Coder 30B A3B Instruct", "Qwen3-Coder",
     "Instruct", NULL, "30B-A3B"},
    {"my model with spaces", 1000000000, NULL, "My Model With Spaces", NULL, NULL, NULL, NULL},
    {"TinyLlama_v1.1", 1100000000, NULL, "TinyLlama_v1.1", NULL, NULL, NULL, NULL},
    {"bloom-7b1", 7070000000, NULL, "Bloom 7b1", "bloom", NULL, NULL, "7.1B"},
    {"Qwen2.5-VL-7B-Instruct", 7600000000, NULL, "Qwen2.5 VL 7B Instruct", "Qwen2.5-VL", "Instruct", NULL,
     "7B"},
    {"Llama-3-8B-Instruct-262k", 8030000000, NULL, "Llama 3 8B Instruct 262k", "Llama-3", "Instruct-262k",
     NULL, "8B"},
    {"foo-F16", 7000000000, NULL, "Foo F16", NULL, NULL, NULL, NULL},
    {"Qwen3.5-9B-NVFP4", 9653104368, NULL, "Qwen3.5 9B NVFP4", "Qwen3.5", "NVFP4", NULL, "9B"},
    {"Qwen3.5-9B-FP8", 9653104368, NULL, "Qwen3.5 9B FP8", "Qwen3.5", "FP8", NULL, "9B"},
    {"models--Qwen--Qwen3.5-9B", 9653104368, NULL, "Models Qwen Qwen3.5 9B", "models-Qwen-Qwen3.5", NULL,
     NULL, "9B"},
    {"snapshots", 1000000000, NULL, "Snapshots", NULL, NULL, NULL, NULL},
    {"5f3c2a1b", 1000000000, NULL, "5f3c2a1b", NULL, "5f3c2a1b", NULL, NULL},
    {"Qwen3.5-9B-abliterated-v2", 9650000000, NULL, "Qwen3.5 9B Abliterated v2", "Qwen3.5", "abliterated",
     "v2", "9B"},
    {"Hermes-4-14B", 14800000000, NULL, "Hermes 4 14B", "Hermes-4", NULL, NULL, "14B"},
    {"Yi-1.5-34B-Chat", 34400000000, NULL, "Yi 1.5 34B Chat", "Yi-1.5", "Chat", NULL, "34B"},
    {"phi-4", 14700000000, NULL, "Phi 4", "phi", NULL, "4", NULL},
    {"Falcon-H1-0.5B-Base", 520000000, NULL, "Falcon H1 0.5B Base", "Falcon-H1", "Base", NULL, "0.5B"},
    {"gemma-3n-E4B-it", 6900000000, NULL, "Gemma 3n E4B It", "gemma", "3n-E4B-it", NULL, NULL},
    {"Llama-4-Scout-17B-16E-Instruct", 107000000000, NULL, "Llama 4 Scout 17B 16E Instruct", "Llama-4-Scout",
     "16E-Instruct", NULL, "17B"},
    {"Kimi-K2-Instruct", 1026000000000, NULL, "Kimi K2 Instruct", "Kimi-K2", "Instruct", NULL, NULL},
    {"Qwen3-4B-Instruct-2507", 4020000000, NULL, "Qwen3 4B Instruct 2507", "Qwen3", "Instruct", "2507", "4B"},
    {"", 0, NULL, "", NULL, NULL, NULL, NULL},
    {"/x-7b", 0, "", "X 7b", "x", NULL, NULL, "7B"},
    {"./x-v2", 0, NULL, "X v2", "x", NULL, "v2", NULL},
    {"../x-7B-chat", 0, NULL, "X 7B Chat", "x", "chat", NULL, "7B"},
    {"org/a/b-7B", 0, "org", "A/B 7B", "a/b", NULL, NULL, "7B"},
    {"--a--7b--", 0, NULL, "A 7b", "a", NULL, NULL, "7B"},
    {"a-7B-7B-8B", 0, NULL, "A 7B 7B 8B", "a", NULL, NULL, "7B-8B"},
    {"a-small-7B", 0, NULL, "A Small 7B", "a-small", NULL, NULL, "7B"},
    {"a-A3b1", 0, NULL, "A A3b1", "a", NULL, NULL, "A3.1B"},
    {"a-7.5b1", 0, NULL, "A 7.5b1", "a", NULL, NULL, "7.5.1B"},
    {"a-1_5b-base", 0, NULL, "A 1_5b Base", "a", "base", NULL, "1.5B"},
    {"a-IQ2_XS-iter1.2", 0, NULL, "A IQ2_XS Iter1.2", "a-IQ2_XS", NULL, "iter1.2", NULL},
    {"v2-7B", 0, NULL, "v2 7B", "v2", NULL, NULL, "7B"},
    {"7B-v2", 0, NULL, "7B v2", NULL, "7B", "v2", NULL},
    {"Q4_K_M-x", 0, NULL, "Q4_K_M X", NULL, "x", NULL, NULL},
    {"a-bfp16-chat", 0, NULL, "A Bfp16 Chat", "a", "chat", NULL, NULL},
    {"a-7B-lora", 7000000000, NULL, "A 7B Lora", "a", "lora", NULL, "7B"},
    {"a-1.b-x", 0, NULL, "A 1.b X", "a", "1.b-x", NULL, NULL},
    {"\303\251t\303\251-7B-\320\266\321\203\320\272", 0, NULL,
     "\303\211t\303\251 7B \320\226\321\203\320\272", "\303\251t\303\251", "\320\266\321\203\320\272", NULL,
     "7B"},
    {"\345\215\203\351\227\256qwen-7B", 0, NULL, "\345\215\203\351\227\256Qwen 7B",
     "\345\215\203\351\227\256qwen", NULL, NULL, "7B"},
    {"a-1M-7B", 7000000000, NULL, "A 1M 7B", "a", "1m", NULL, "7B"},
    {"a-13.1B", 7000000000, NULL, "A 13.1B", "a", NULL, NULL, "13.1B"},
    {"a-13.2B", 7000000000, NULL, "A 13.2B", "a", "13.2b", NULL, NULL},
};

static const struct {
    const char *text, *title;
} titles[] = {
    {"", ""},
    {"  a  b ", "A B"},
    {"o'neil", "O'Neil"},
    {"it's fine", "It'S Fine"},
    {"v1 v1.2 v1. v", "v1 v1.2 V1. V"},
    {"3d 4K xl", "3d 4K Xl"},
    {"ABC aBC abc", "ABC aBC Abc"},
    {"x.y_z2b", "X.Y_Z2B"},
    {"\303\251t\303\251 \320\266\321\203\320\272 \317\211mega \303\277es \303\237",
     "\303\211t\303\251 \320\226\321\203\320\272 \316\251mega \305\270es Ss"},
    {"\346\227\245\346\234\254qwen \360\237\221\215ok", "\346\227\245\346\234\254Qwen \360\237\221\215Ok"},
    {" a b\tc\nd", "A B C D"},
};

/* NULL is equal to NULL only. */
static void check(const char *id, const char *what, const char *got, const char *want)
{
    if (!got != !want || (got && strcmp(got, want) != 0))
        fail_msg("%s: %s is %s, expected %s", id, what, got ? got : "(none)", want ? want : "(none)");
}

static void test_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct arena arena;
        struct model_id id;
        struct err err = {0};

        arena_init(&arena, 0);
        assert_int_equal(model_id_parse(&id, ids[i].id, ids[i].total_params, &arena, &err), OK);
        check(ids[i].id, "org", id.org, ids[i].org);
        check(ids[i].id, "title", model_id_title(id.name, &arena), ids[i].title);
        check(ids[i].id, "basename", id.basename, ids[i].basename);
        check(ids[i].id, "finetune", id.finetune, ids[i].finetune);
        check(ids[i].id, "version", id.version, ids[i].version);
        check(ids[i].id, "size label", id.size_label, ids[i].size_label);
        arena_free(&arena);
    }
}

static void test_titles(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(titles); i++) {
        struct arena arena;

        arena_init(&arena, 0);
        check(titles[i].text, "title", model_id_title(titles[i].text, &arena), titles[i].title);
        arena_free(&arena);
    }
}

static void test_overlong_id_is_a_name(void **state)
{
    char text[MODEL_ID_MAX + 2];
    struct arena arena;
    struct model_id id;
    struct err err = {0};

    (void)state;
    arena_init(&arena, 0);
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = "a/b-7B-v1-"[i % 10];
    text[sizeof text - 1] = '\0';
    assert_int_equal(model_id_parse(&id, text, 0, &arena, &err), OK);
    assert_string_equal(id.name, text);
    assert_null(id.org);
    assert_null(id.size_label);
    text[sizeof text - 2] = '\0'; // one byte fewer is an id
    assert_int_equal(model_id_parse(&id, text, 0, &arena, &err), OK);
    assert_string_equal(id.org, "a");
    assert_string_equal(id.size_label, "7B");
    arena_free(&arena);
}

static void test_strip(void **state)
{
    (void)state;
    assert_true(slice_eq(model_id_strip("\xe3\x80\x80 a b\t\n"), "a b"));
    assert_true(slice_eq(model_id_strip("a"), "a"));
    assert_int_equal(model_id_strip(" \xc2\xa0").n, 0);
}

/* Whatever the limit, memory running out is E_NOMEM, and with enough of it the answer is right. */
static void test_out_of_memory(void **state)
{
    bool done = false;

    (void)state;
    for (uint64_t limit = 16; !done; limit += 16) {
        struct arena arena;
        struct model_id id;
        struct err err = {0};

        arena_init(&arena, limit);
        enum status st = model_id_parse(&id, "org/Name-7B-chat-v2", 0, &arena, &err);
        if (st)
            assert_int_equal(st, E_NOMEM);
        else
            assert_string_equal(id.basename, "Name");
        done = st == OK;
        assert_true(limit < 4096);
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),           cmocka_unit_test(test_titles),
        cmocka_unit_test(test_strip),         cmocka_unit_test(test_overlong_id_is_a_name),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
