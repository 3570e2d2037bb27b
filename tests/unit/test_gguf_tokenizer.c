/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/gguf_tokenizer.h"
#include "tests/unit/vocab_folder.h"

static struct source gguf;
static struct gguf_tokenizer_files files;

static void write_files(void)
{
    gguf = (struct source){.kind = SOURCE_GGUF, .path = "x.gguf", .meta = meta};
    if (gguf_tokenizer_write(&gguf, &files, &notes, &err))
        fail_msg("%s", err.text);
}

static void refuse(enum status status, const char *part)
{
    gguf = (struct source){.kind = SOURCE_GGUF, .path = "x.gguf", .meta = meta};
    assert_int_equal(gguf_tokenizer_write(&gguf, &files, &notes, &err), status);
    if (!strstr(err.text, part))
        fail_msg("%s", err.text);
    err = (struct err){0};
}

static void put_file(const char *name, const struct buf *b)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
    if (b->n)
        put_bytes(name, b->p, b->n);
}

/* The folder's tokenizer as metadata, as files again, and as metadata again: the same key by key. */
static void expect_round_trip(uint64_t vocab_size)
{
    struct meta first;

    write_ok(VOCAB_BPE, vocab_size);
    write_files();
    put_file("tokenizer.json", &files.tokenizer);
    put_file("tokenizer_config.json", &files.config);
    put_file("chat_template.jinja", &files.chat_template);
    gguf_tokenizer_free(&files);
    first = meta;
    meta_init(&meta, &arena);
    write_ok(VOCAB_BPE, vocab_size);
    assert_int_equal(meta.n, first.n);
    for (size_t i = 0; i < first.n; i++) {
        const struct meta_kv *a = &first.kv[i], *b = meta_find(&meta, a->key);

        if (!b || a->type != b->type || a->nbytes != b->nbytes || memcmp(a->data, b->data, a->nbytes) != 0)
            fail_msg("%s", a->key);
    }
    meta_free(&first);
}

static void expect_text(const struct buf *b, const char *part)
{
    if (!b->n || !strstr(b->p, part))
        fail_msg("%s not in %s", part, b->n ? b->p : "");
}

/* ---- the way there and back ---- */

static void test_types(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = EOS ",{\"id\":5,\"content\":\"<think>\",\"normalized\":false},"
                                               "{\"id\":6,\"content\":\"<|fim|>\",\"normalized\":false}"});
    put("tokenizer_config.json",
        "{\"eos_token\":\"</s>\",\"add_bos_token\":false,\"pad_token\":\"<|fim|>\"}");
    expect_round_trip(9);
    expect_types("111134355");
}

static void test_holes_before_added_tokens(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = "{\"id\":7,\"content\":\"</s>\",\"special\":true}"});
    expect_round_trip(8);
    expect_strs("tokenizer.ggml.tokens", "a|b|ab|Ġ|[PAD4]|[PAD5]|[PAD6]|</s>");
    write_files();
    // libraries would number it 4 if it were not in the model's vocabulary
    expect_text(&files.tokenizer, "\"</s>\": 7\n    },");
    gguf_tokenizer_free(&files);
}

static void test_added_tokens_stay_apart(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    write_ok(VOCAB_BPE, 6);
    write_files();
    expect_text(&files.tokenizer, "\"Ġ\": 3\n    },");
    gguf_tokenizer_free(&files);
}

#define PIECE(kind, id) "{\"" kind "\":{\"id\":\"" id "\",\"type_id\":0}}"

static void test_post_processor(void **state)
{
    static const char *const posts[] = {
        "{\"type\":\"TemplateProcessing\",\"single\":[" PIECE("SpecialToken", "<s>") "," PIECE(
            "Sequence", "A") "],\"pair\":[" PIECE("SpecialToken",
                                                  "<s>") "," PIECE("Sequence",
                                                                   "A") "," PIECE("SpecialToken",
                                                                                  "<s>") "," PIECE("Sequence",
                                                                                                   "B") "]}",
        "{\"type\":\"TemplateProcessing\",\"single\":[" PIECE("SpecialToken", "<s>") "," PIECE(
            "Sequence", "A") "," PIECE("SpecialToken", "</s>") "]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(posts); i++) {
        meta_init(&meta, &arena);
        put_tokenizer(&(struct parts){.added = FOUR, .post = posts[i]});
        put("tokenizer_config.json", "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}");
        expect_round_trip(8);
        assert_true(yes("tokenizer.ggml.add_bos_token"));
        assert_int_equal(meta_find(&meta, "tokenizer.ggml.add_eos_token") != NULL, i == 1);
        if (i == 0)
            meta_free(&meta);
    }
}

static void test_templates(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json", "{\"chat_template\":\"{{ x }}\\n\"}");
    expect_round_trip(5);
    expect_str("tokenizer.chat_template", "{{ x }}\n");
    meta_free(&meta);
    meta_init(&meta, &arena);
    put("tokenizer_config.json", "{\"chat_template\":\"{{ x }}\\r\\n\"}");
    expect_round_trip(5);
    expect_str("tokenizer.chat_template", "{{ x }}\r\n");
    meta_free(&meta);
    meta_init(&meta, &arena);
    put("tokenizer_config.json", "{\"chat_template\":[{\"name\":\"default\",\"template\":\"d\"},"
                                 "{\"name\":\"tool_use\",\"template\":\"t\"}]}");
    expect_round_trip(5);
    expect_str("tokenizer.chat_template.tool_use", "t");
}

/* The names of all families come back, whose splits are known. */
static void test_pre_tokenizers(void **state)
{
    static const char *const names[] = {"gpt-2",        "starcoder",   "falcon",    "deepseek-coder",
                                        "deepseek-llm", "deepseek-v3", "llama-bpe", "smaug-bpe",
                                        "qwen2",        "qwen35",      "gpt-4o",    "tekken"};

    (void)state;
    put_tokenizer(&(struct parts){0});
    write_ok(VOCAB_BPE, 5);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_int_equal(meta_set_str(&meta, "tokenizer.ggml.pre", names[i], &err), OK);
        write_files();
        put_file("tokenizer.json", &files.tokenizer);
        gguf_tokenizer_free(&files);
        write_ok(VOCAB_BPE, 5);
        expect_str("tokenizer.ggml.pre", names[i]);
    }
}

/* ---- what else is said ---- */

static void test_names_alike(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    write_ok(VOCAB_BPE, 5);
    notes.n = 0;
    assert_int_equal(meta_set_str(&meta, "tokenizer.ggml.pre", "falcon3", &err), OK);
    write_files();
    expect_text(&files.tokenizer, "\"ignore_merges\": true");
    expect_text(&files.tokenizer, "\\\\p{N}{1,3}");
    expect_text(&files.tokenizer, "\"normalizer\": null");
    gguf_tokenizer_free(&files);
    assert_int_equal(meta_set_str(&meta, "tokenizer.ggml.pre", "stablelm2", &err), OK);
    write_files();
    expect_text(&files.tokenizer, "\"type\": \"NFC\"");
    gguf_tokenizer_free(&files);
    assert_int_equal(notes.n, 0);
    assert_int_equal(meta_set_str(&meta, "tokenizer.ggml.pre", "unheard-of", &err), OK);
    write_files();
    expect_text(&files.tokenizer, "\"use_regex\": true");
    assert_int_equal(notes.n, 1);
    assert_non_null(strstr(notes.item[0], "unheard-of"));
    gguf_tokenizer_free(&files);
}

static void test_generation(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = FOUR});
    write_ok(VOCAB_BPE, 8);
    assert_int_equal(meta_set_u32(&meta, "tokenizer.ggml.eos_token_id", 5, &err), OK);
    assert_int_equal(meta_set_u32(&meta, "tokenizer.ggml.eot_token_id", 7, &err), OK);
    assert_int_equal(meta_set_u32(&meta, "tokenizer.ggml.eom_token_id", 5, &err), OK);
    assert_int_equal(meta_set_f32(&meta, "general.sampling.temp", 0.6f, &err), OK);
    write_files();
    expect_text(&files.generation, "\"eos_token_id\": [\n    5,\n    7\n  ]");
    expect_text(&files.generation, "\"temperature\": 0.6");
    expect_text(&files.generation, "\"do_sample\": true");
    expect_text(&files.config, "\"eos_token\": \"</s>\"");
    gguf_tokenizer_free(&files);
}

static void test_other_kinds(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    write_ok(VOCAB_BPE, 5);
    notes.n = 0;
    assert_int_equal(meta_set_str(&meta, "tokenizer.ggml.model", "t5", &err), OK);
    write_files();
    assert_int_equal(files.tokenizer.n, 0);
    assert_int_equal(files.spm.n, 0);
    expect_text(&files.config, "tokenizer_class");
    assert_int_equal(notes.n, 1);
    assert_non_null(strstr(notes.item[0], "kind t5"));
    gguf_tokenizer_free(&files);
}

static void test_refused(void **state)
{
    static const int32_t types[2] = {1, 1};
    const struct slice bad[] = {slice_of("ab")};

    (void)state;
    refuse(E_FORMAT, "x.gguf: tokenizer.ggml.tokens: is no list of strings");
    put_tokenizer(&(struct parts){0});
    write_ok(VOCAB_BPE, 5);
    assert_int_equal(meta_set_strs(&meta, "tokenizer.ggml.merges", bad, 1, &err), OK);
    refuse(E_FORMAT, "tokenizer.ggml.merges: \"ab\" is no pair of tokens");
    assert_int_equal(meta_set_str(&meta, "tokenizer.ggml.merges", "a b", &err), OK);
    refuse(E_FORMAT, "tokenizer.ggml.merges: is no list of strings");
    assert_int_equal(meta_set_i32s(&meta, "tokenizer.ggml.token_type", types, 2, &err), OK);
    refuse(E_FORMAT, "tokenizer.ggml.token_type: is no list of 5 i32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_types),       TEST(test_holes_before_added_tokens),
        TEST(test_templates),   TEST(test_added_tokens_stay_apart),
        TEST(test_generation),  TEST(test_post_processor),
        TEST(test_other_kinds), TEST(test_pre_tokenizers),
        TEST(test_refused),     TEST(test_names_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
