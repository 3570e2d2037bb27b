/* SPDX-License-Identifier: Apache-2.0 */
/* What the folders below give was compared with llama.cpp's gguf-py and transformers 4.57.6. */
#include "core/sha256.h"
#include "tests/unit/vocab_folder.h"

static float score(size_t i)
{
    const struct meta_kv *kv = meta_find(&meta, "tokenizer.ggml.scores");
    float f;

    assert_non_null(kv);
    assert_int_equal(kv->elem, META_F32);
    assert_true(i < kv->count);
    memcpy(&f, kv->data + 4 * i, sizeof f);
    return f;
}

/* ---- byte-level ---- */

static void test_bpe_list(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = EOS
                                  ",{\"id\":6,\"content\":\"<|fim|>\",\"normalized\":false},"
                                  "{\"id\":7,\"content\":\"x▁▁y\",\"normalized\":true},"
                                  "{\"id\":2,\"content\":\"ab\",\"special\":true,\"normalized\":true},"
                                  "{\"id\":8,\"content\":\"<Ġé>\",\"normalized\":false},"
                                  "{\"id\":9,\"content\":\"<unused7>\",\"normalized\":false}"});
    put("tokenizer_config.json", "{\"eos_token\":\"</s>\"}");
    write_ok(VOCAB_BPE, 11);
    assert_string_equal(keys(0), "model pre tokens token_type merges eos_token_id");
    expect_str("tokenizer.ggml.model", "gpt2");
    expect_str("tokenizer.ggml.pre", "gpt-2");
    // a byte-level decoder reads byte 0x20 and the lone byte 0xE9 out of id 8
    expect_strs("tokenizer.ggml.tokens",
                "a|b|ab|Ġ|</s>|[PAD5]|<|fim|>|x  y|< \xEF\xBF\xBD>|<unused7>|[PAD10]");
    expect_types("11313534435");
    expect_strs("tokenizer.ggml.merges", "a b");
    assert_int_equal(number("tokenizer.ggml.eos_token_id"), 4);
    assert_int_equal(notes.n, 1); // no published vocabulary
    assert_non_null(strstr(notes.item[0], "gpt-2"));
}

static void test_size_defaults_to_the_tokens(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    write_ok(VOCAB_BPE, 0);
    expect_strs("tokenizer.ggml.tokens", "a|b|ab|Ġ|</s>");
    expect_types("11113");
}

static void test_ids_are_checked(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    assert_int_equal(write_sized(VOCAB_BPE, 4), E_FORMAT);
    assert_non_null(strstr(err.text, "id=4: the model's vocab_size is 4"));
    err = (struct err){0};
    assert_int_equal(write_sized(VOCAB_BPE, (uint64_t)1 << 40), E_LIMIT);
    err = (struct err){0};
    put_tokenizer(&(struct parts){.added = "{\"id\":3,\"content\":\"</s>\"}"});
    expect_refused(E_FORMAT, "id=3: both \"Ġ\" and \"</s>\"");
    put_tokenizer(&(struct parts){.added = "{\"id\":3,\"content\":\"ab\"}"});
    expect_refused(E_FORMAT, "token=ab: its id is 3 here and 2 elsewhere");
    put_tokenizer(&(struct parts){.added = "{\"id\":-1,\"content\":\"x\"}"});
    expect_refused(E_FORMAT, "at least 0");
    put_tokenizer(&(struct parts){.added = "{\"id\":4.0,\"content\":\"x\"}"});
    expect_refused(E_FORMAT, "at least 0");
    put_tokenizer(&(struct parts){.added = "{\"id\":99999999,\"content\":\"x\"}"});
    expect_refused(E_LIMIT, "id=99999999");
    put_tokenizer(&(struct parts){.added = "{\"id\":4,\"content\":\"xx▁\",\"normalized\":true},"
                                           "{\"id\":5,\"content\":\"xx \",\"normalized\":true}"});
    expect_refused(E_FORMAT, "ids 4 and 5 have the same text");
}

static void test_bad_models(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0}}"});
    expect_refused(E_FORMAT, "id=0: both \"a\" and \"b\"");
    put_tokenizer(&(struct parts){.model = "{\"vocab\":{\"a\":-1}}"});
    expect_refused(E_FORMAT, "without sign");
    put_tokenizer(&(struct parts){.model = "{\"vocab\":{\"a\":\"0\"}}"});
    expect_refused(E_FORMAT, "an id must be a number");
    put_tokenizer(&(struct parts){.model = "{\"vocab\":{\"a\":4194304}}"});
    expect_refused(E_LIMIT, "id=4194304");
    put_tokenizer(&(struct parts){.model = "{\"vocab\":{\"a\":0},\"merges\":[\"a b\",[\"a\",\"b\"]]}"});
    expect_refused(E_FORMAT, "all merges must be strings");
    put_tokenizer(&(struct parts){.model = "{\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\",\"c\"]]}"});
    expect_refused(E_FORMAT, "pair of strings");
    put_tokenizer(&(struct parts){.model = "{\"vocab\":{\"a\":0},\"merges\":[[\"a\",[\"b\"]]]}"});
    expect_refused(E_FORMAT, "pair of strings");
    put_tokenizer(&(struct parts){.model = "{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}"});
    expect_refused(E_UNSUPPORTED, "type=WordPiece");
    put_tokenizer(&(struct parts){.model = "{\"type\":\"Unigram\",\"vocab\":[[\"a\",0.5]]}"});
    expect_refused(E_UNSUPPORTED, "type=Unigram");
    put_tokenizer(
        &(struct parts){.model = "{\"type\":\"BPE\",\"end_of_word_suffix\":\"</w>\",\"vocab\":{\"a\":0}}"});
    expect_refused(E_UNSUPPORTED, "byte-level");
    put("tokenizer.json", "{\"model\":{\"vocab\":{\"a\":0}}} x");
    expect_refused(E_FORMAT, "tokenizer.json:");
    put("tokenizer.json", "[]");
    expect_refused(E_FORMAT, "must be an object");
    put("tokenizer.json", "");
    expect_refused(E_FORMAT, "tokenizer.json");
}

static void test_no_tokenizer(void **state)
{
    (void)state;
    expect_refused(E_FORMAT, "tokenizer.json is missing");
}

static void test_new_merges(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){
        .model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\"],[\" a \",\"#\"]]}",
        .added = "{\"id\":1,\"content\":\"x\"}"});
    write_ok(VOCAB_BPE, 0);
    expect_strs("tokenizer.ggml.merges", "a b|ĠaĠ #");
}

static void test_merges_file(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}",
                                  .added = "{\"id\":1,\"content\":\"x\"}"});
    put("merges.txt", "#version: 0.2\r\na b\n\n c  d \rone\nx y z\ne\xC2\xA0"
                      "f\n# g");
    write_ok(VOCAB_BPE, 0);
    expect_strs("tokenizer.ggml.merges", "a b|c d|e f|# g");
    assert_int_equal(notes.n, 2);
    assert_non_null(strstr(notes.item[1], "2 lines"));
}

static void test_merges_file_without_comment(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0}}", .added = " "});
    put("merges.txt", "a b");
    write_ok(VOCAB_BPE, 0);
    expect_strs("tokenizer.ggml.merges", "a b");
}

static void test_no_merges(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.model = "{\"type\":\"BPE\",\"vocab\":{\"a\":0}}", .added = " "});
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(0), "model pre tokens token_type");
    assert_int_equal(notes.n, 2);
}

static void test_pre_is_given(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.more = "\"normalizer\":{\"type\":\"NFKC\"},"});
    expect_refused(E_UNSUPPORTED, "--pre");
    struct source *s = open_dir();
    struct vocab_in in = {.source = s, .kind = VOCAB_BPE, .pre = "starcoder"};
    assert_int_equal(vocab_write(&in, &meta, &notes, &err), OK);
    expect_str("tokenizer.ggml.pre", "starcoder");
    in.pre = "starcodr";
    assert_int_equal(vocab_write(&in, &meta, &notes, &err), E_USAGE);
    source_close(s);
}

/* ---- tokenizer_config.json's tokens ---- */

static void test_config_tokens(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = EOS ",{\"id\":5,\"content\":\"<t>\",\"special\":false}"});
    put("tokenizer_config.json",
        "{\"added_tokens_decoder\":{\"5\":{\"content\":\"<t>\",\"special\":true},"
        "\"6\":{\"content\":\"<u>\",\"special\":false},\"7\":{\"content\":\"<w>\"}},"
        "\"pad_token\":\"<w>\",\"unk_token\":\"ab\",\"mask_token\":{\"content\":\"<new>\"}}");
    write_ok(VOCAB_BPE, 0);
    // <t> special by the config, ab and <w> because they are named, <new> behind all others
    expect_strs("tokenizer.ggml.tokens", "a|b|ab|Ġ|</s>|<t>|<u>|<w>|<new>");
    expect_types("113133433");
    // ids come only from the list in tokenizer.json
    assert_null(meta_find(&meta, "tokenizer.ggml.padding_token_id"));
}

static void test_config_is_checked(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json", "[]");
    expect_refused(E_FORMAT, "not an object");
    put("tokenizer_config.json", "{\"added_tokens_decoder\":{\"x\":{\"content\":\"y\"}}}");
    expect_refused(E_FORMAT, "key=x");
    put("tokenizer_config.json", "{\"added_tokens_decoder\":{\"5\":{}}}");
    expect_refused(E_FORMAT, "no content");
    put("tokenizer_config.json", "{\"added_tokens_decoder\":{\"2\":{\"content\":\"y\"}}}");
    expect_refused(E_FORMAT, "id=2: both");
    put("tokenizer_config.json", "{\"added_tokens_decoder\":[1]}");
    expect_refused(E_FORMAT, "an array");
}

/* ---- SentencePiece ---- */

/* <unk> (unknown, 0), <s> (control), ▁t (-1), "u" (user-defined, -2), <0x0A> (byte) */
static const char spm[] = "\x0A\x09\x0A\x05<unk>\x18\x02\x0A\x07\x0A\x03<s>\x18\x03"
                          "\x0A\x0B\x0A\x04▁t\x15\x00\x00\x80\xBF"
                          "\x0A\x0A\x0A\x01u\x15\x00\x00\x00\xC0\x18\x04\x0A\x0A\x0A\x06<0x0A>\x18\x06";

static void test_spm(void **state)
{
    (void)state;
    put_bytes("tokenizer.model", spm, sizeof spm - 1);
    put("added_tokens.json", "{\"<x>\":5,\"<far>\":70}");
    put("tokenizer_config.json",
        "{\"add_prefix_space\":true,\"added_tokens_decoder\":{\"0\":{\"content\":\"<unk>\","
        "\"special\":true},\"6\":{\"content\":\"y▁z\"}}}");
    put("config.json", "{\"bos_token_id\":1,\"eos_token_id\":99}");
    write_ok(VOCAB_LLAMA, 8);
    assert_string_equal(keys(0), "add_space_prefix model pre tokens scores token_type bos_token_id");
    expect_str("tokenizer.ggml.model", "llama");
    expect_str("tokenizer.ggml.pre", "default");
    expect_strs("tokenizer.ggml.tokens", "<unk>|<s>|▁t|u|<0x0A>|<x>|y z|[PAD7]");
    expect_types("33116445");
    assert_true(score(0) == -1000.0f && score(2) == -1.0f && score(3) == -2.0f && score(7) == -10000.0f);
    assert_int_equal(notes.n, 2); // <far>, and eos
    assert_non_null(strstr(notes.item[1], "eos"));
}

static void test_spm_first(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = FOUR});
    put("tokenizer_config.json", "{\"eos_token\":\"<s>\"}");
    put_bytes("tokenizer.model", spm, sizeof spm - 1);
    write_ok(VOCAB_SPM_OR_BPE, 3);
    expect_strs("tokenizer.ggml.tokens", "<unk>|<s>|▁t");
    expect_types("231");
    assert_null(meta_find(&meta, "tokenizer.ggml.eos_token_id")); // 4, from tokenizer.json, is too large
    assert_null(meta_find(&meta, "tokenizer.ggml.merges"));
}

static void test_spm_twins(void **state)
{
    (void)state;
    put_bytes("tokenizer.model", spm, sizeof spm - 1);
    put("added_tokens.json", "{\"u\":5}");
    assert_int_equal(write_sized(VOCAB_LLAMA, 6), E_FORMAT);
    assert_non_null(strstr(err.text, "ids 3 and 5 have the same text"));
}

static void test_code_llama_and_granite(void **state)
{
    (void)state;
    put_bytes("tokenizer.model", spm, sizeof spm - 1);
    write_ok(VOCAB_LLAMA, 32016);
    assert_string_equal(keys(0), "model pre tokens scores token_type eot_token_id");
    assert_int_equal(number("tokenizer.ggml.eot_token_id"), 32010);
    write_ok(VOCAB_LLAMA, 49152);
    assert_false(yes("tokenizer.ggml.add_bos_token"));
}

/* ---- byte-fallback BPE ---- */

#define FALLBACK                                                                                             \
    "{\"type\":\"BPE\",\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<s>\":1,\"<0x0a>\":2,\"▁t\":3}}"

static void test_llama_hf(void **state)
{
    (void)state;
    put("tokenizer.json", "{\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true},"
                          "{\"id\":6,\"content\":\"<b>\",\"special\":true},{\"id\":5,\"content\":\"<a>\"}],"
                          "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[]},\"model\":" FALLBACK "}");
    put("tokenizer_config.json", "{\"bos_token\":\"<s>\",\"pad_token\":\"<b>\",\"add_prefix_space\":false}");
    write_ok(VOCAB_LLAMA, 32000);
    assert_string_equal(keys(0), "add_space_prefix model pre tokens scores token_type bos_token_id");
    expect_str("tokenizer.ggml.model", "llama");
    expect_strs("tokenizer.ggml.tokens", "<unk>|<s>|<0x0a>|▁t|<a>|<b>"); // no padding, the hole closes
    expect_types("136143");
    assert_true(score(0) == -1000.0f && score(5) == -1000.0f);
    assert_int_equal(notes.n, 1); // pad's id 6 is not below 6
}

static void test_llama_3_is_bpe(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    write_ok(VOCAB_LLAMA, 0);
    expect_str("tokenizer.ggml.model", "gpt2");
}

static void test_llama_hf_holes(void **state)
{
    (void)state;
    put("tokenizer.json",
        "{\"decoder\":{\"type\":\"Sequence\"},\"model\":{\"type\":\"BPE\",\"byte_fallback\":true,"
        "\"vocab\":{\"a\":0,\"b\":2}}}");
    assert_int_equal(write_sized(VOCAB_LLAMA, 0), E_FORMAT);
    assert_non_null(strstr(err.text, "id=2"));
}

static void test_tekken_alone(void **state)
{
    (void)state;
    put("tekken.json", "{}");
    assert_int_equal(write_sized(VOCAB_LLAMA, 0), E_UNSUPPORTED);
}

/* ---- a whole model ---- */

static void expect_digest(const char *key, uint64_t count, const char *digest)
{
    const struct meta_kv *kv = meta_find(&meta, key);
    char hex[SHA256_HEX];

    assert_non_null(kv);
    assert_int_equal(kv->count, count);
    sha256_hex(kv->data, kv->nbytes, hex);
    assert_string_equal(hex, digest);
}

/* Digests of the arrays in the reference's file. */
static void test_tiny_model(void **state)
{
    const char *path = "../shared/models/tiny-qwen35";
    struct source *s = NULL;

    (void)state;
    if (access(path, F_OK) != 0)
        skip();
    if (source_open(&s, path, &err))
        fail_msg("%s", err.text);
    struct vocab_in in = {.source = s, .config = s->config, .vocab_size = 2304, .kind = VOCAB_BPE};
    if (vocab_write(&in, &meta, &notes, &err))
        fail_msg("%s", err.text);
    source_close(s);
    assert_string_equal(keys(0),
                        "model pre tokens token_type merges eos_token_id padding_token_id add_bos_token "
                        "tokenizer.chat_template");
    expect_str("tokenizer.ggml.pre", "qwen35");
    expect_digest("tokenizer.ggml.tokens", 2304,
                  "f1d0fb8d346ab8eb79f97421bde4208b1fec517c34f87a3f32b5ea908608d609");
    expect_digest("tokenizer.ggml.token_type", 2304,
                  "1b989bca432feeb747c35fd4e4968aff5296e5b5c320237a5680c07b69fd4621");
    expect_digest("tokenizer.ggml.merges", 1784,
                  "a9bbac729645763b20e32c721affc2ecd01e6620541eabc678225d4c57181c73");
    assert_int_equal(number("tokenizer.ggml.eos_token_id"), 2042);
    assert_int_equal(number("tokenizer.ggml.padding_token_id"), 2040);
    assert_false(yes("tokenizer.ggml.add_bos_token"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bpe_list),
        TEST(test_size_defaults_to_the_tokens),
        TEST(test_ids_are_checked),
        TEST(test_bad_models),
        TEST(test_no_tokenizer),
        TEST(test_new_merges),
        TEST(test_merges_file),
        TEST(test_merges_file_without_comment),
        TEST(test_no_merges),
        TEST(test_pre_is_given),
        TEST(test_config_tokens),
        TEST(test_config_is_checked),
        TEST(test_spm),
        TEST(test_spm_first),
        TEST(test_spm_twins),
        TEST(test_code_llama_and_granite),
        TEST(test_llama_hf),
        TEST(test_llama_3_is_bpe),
        TEST(test_llama_hf_holes),
        TEST(test_tekken_alone),
        TEST(test_tiny_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
