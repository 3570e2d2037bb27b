/* SPDX-License-Identifier: Apache-2.0 */
/* What the folders below give was compared with llama.cpp's gguf-py and transformers 4.57.6. */
#include <sys/stat.h>

#include "tests/unit/vocab_folder.h"

/* ---- special tokens ---- */

#define TOKEN(name) "{\"SpecialToken\":{\"id\":\"" name "\",\"type_id\":0}}"
#define SEQ(name)   "{\"Sequence\":{\"id\":\"" name "\",\"type_id\":0}}"
#define TEMPLATE(single, pair)                                                                               \
    "{\"type\":\"TemplateProcessing\",\"single\":[" single "],\"pair\":[" pair "],\"special_tokens\":{}}"

static void test_ids_in_order(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = FOUR});
    put("config.json", "{\"bos_token_id\":null,\"eos_token_id\":[1,2],\"unk_token_id\":3,\"pad_token_id\":1,"
                       "\"sep_token_id\":2.0,\"cls_token_id\":0,"
                       "\"text_config\":{\"bos_token_id\":2,\"unk_token_id\":0,\"mask_token_id\":1}}");
    put("tokenizer_config.json",
        "{\"pad_token\":{\"content\":\"<pad>\"},\"eos_token\":\"</s>\",\"bos_token\":null,"
        "\"add_eos_token\":false,\"add_bos_token\":true,\"add_sep_token\":null}");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "eos_token_id padding_token_id bos_token_id unknown_token_id mask_token_id "
                                 "add_bos_token add_eos_token");
    assert_int_equal(number("tokenizer.ggml.eos_token_id"), 5);
    assert_int_equal(number("tokenizer.ggml.padding_token_id"), 6);
    assert_int_equal(number("tokenizer.ggml.bos_token_id"), 2);
    assert_int_equal(number("tokenizer.ggml.unknown_token_id"), 3);
    assert_true(yes("tokenizer.ggml.add_bos_token"));
    assert_false(yes("tokenizer.ggml.add_eos_token"));
    assert_int_equal(notes.n, 2); // the fingerprint, and cls without a key
    assert_non_null(strstr(notes.item[1], "cls"));
}

static void test_bad_ids(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    put("config.json", "{\"eos_token_id\":-1}");
    expect_refused(E_FORMAT, "eos_token_id");
    put("config.json", "{\"eos_token_id\":4294967296}");
    expect_refused(E_FORMAT, "4294967295");
}

static void test_template_renames_eos(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){
        .added = FOUR,
        .post = "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"}," TEMPLATE(
            TOKEN("<s>") "," SEQ("A") "," TOKEN("<eot>"),
            TOKEN("<s>") "," SEQ("A") "," TOKEN("</s>") "," SEQ("B") "," TOKEN("<eot>")) "]}"});
    put("tokenizer_config.json", "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\",\"sep_token\":\"</s>\"}");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "bos_token_id eos_token_id seperator_token_id eot_token_id add_bos_token "
                                 "add_eos_token add_sep_token");
    assert_int_equal(number("tokenizer.ggml.eos_token_id"), 7);
    assert_int_equal(number("tokenizer.ggml.eot_token_id"), 5);
    assert_true(yes("tokenizer.ggml.add_bos_token"));
    assert_true(yes("tokenizer.ggml.add_eos_token"));
    assert_false(yes("tokenizer.ggml.add_sep_token")); // a first separator does not count behind a last token
}

static void test_template_separators(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){
        .added = FOUR,
        .post = TEMPLATE(SEQ("A") "," TOKEN("</s>"),
                         SEQ("A") "," TOKEN("</s>") "," TOKEN("</s>") "," SEQ("B") "," TOKEN("</s>"))});
    put("tokenizer_config.json", "{\"eos_token\":\"</s>\",\"add_bos_token\":false,\"add_eos_token\":false}");
    write_ok(VOCAB_BPE, 0);
    // sep_token takes eos's text, whose id is then found for it too
    assert_string_equal(keys(5), "eos_token_id seperator_token_id add_eos_token add_sep_token add_bos_token");
    assert_int_equal(number("tokenizer.ggml.seperator_token_id"), 5);
    assert_true(yes("tokenizer.ggml.add_sep_token"));
    assert_false(yes("tokenizer.ggml.add_eos_token"));
}

static void test_unknown_leading_token(void **state)
{
    (void)state;
    put_tokenizer(
        &(struct parts){.added = FOUR, .post = TEMPLATE(TOKEN("<eot>") "," SEQ("A"), SEQ("A") "," SEQ("B"))});
    put("tokenizer_config.json", "{\"bos_token\":\"<s>\",\"cls_token\":\"<pad>\"}");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "bos_token_id add_bos_token");
    assert_false(yes("tokenizer.ggml.add_bos_token"));
}

static void test_object_is_no_text(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = FOUR, .post = TEMPLATE(SEQ("A") "," TOKEN("</s>"), "")});
    put("tokenizer_config.json", "{\"eos_token\":{\"content\":\"</s>\"}}");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "eos_token_id eot_token_id add_eos_token");
    assert_int_equal(number("tokenizer.ggml.eot_token_id"), 5);
}

static void test_roberta(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){
        .added = FOUR, .post = "{\"type\":\"RobertaProcessing\",\"sep\":[\"</s>\",5],\"cls\":[\"<s>\",4]}"});
    put("tokenizer_config.json", "{\"bos_token\":\"<s>\",\"add_eos_token\":false}");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "bos_token_id seperator_token_id add_bos_token add_eos_token add_sep_token");
    assert_int_equal(number("tokenizer.ggml.seperator_token_id"), 5);
    assert_false(yes("tokenizer.ggml.add_eos_token"));
}

static void test_without_config(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.added = FOUR, .post = TEMPLATE(TOKEN("<s>") "," SEQ("A"), "")});
    put("config.json", "{\"eos_token_id\":5}");
    put("chat_template.jinja", "x");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "eos_token_id add_bos_token");
    assert_true(yes("tokenizer.ggml.add_bos_token"));
}

static void test_normalizer_flags(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){.more = "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":"
                                          "\"BertNormalizer\",\"lowercase\":true,\"strip_accents\":null},"
                                          "{\"type\":\"StripAccents\"}]},"});
    struct source *s = open_dir();
    struct vocab_in in = {.source = s, .kind = VOCAB_BPE, .pre = "gpt-2"};
    assert_int_equal(vocab_write(&in, &meta, &notes, &err), OK);
    source_close(s);
    assert_string_equal(keys(5), "normalizer.lowercase normalizer.strip_accents");
    assert_true(yes("tokenizer.ggml.normalizer.lowercase"));
    assert_true(yes("tokenizer.ggml.normalizer.strip_accents"));
}

/* ---- chat templates ---- */

static void test_template_in_config(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json", "{\"chat_template\":\"one\\r\\ntwo\"}");
    put("chat_template.jinja", "other");
    write_ok(VOCAB_BPE, 0);
    expect_str("tokenizer.chat_template", "one\r\ntwo");
}

static void test_null_template_hides_file(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json", "{\"chat_template\":null}");
    put("chat_template.jinja", "other");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "");
}

static void test_template_list(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json",
        "{\"chat_template\":[{\"name\":\"tool é "
        "use\",\"template\":\"T\"},{\"name\":\"default\",\"template\":\"D\"},"
        "{\"name\":\"rag\",\"template\":\"R\"},{\"name\":\"none\",\"template\":null},{\"template\":\"x\"}]}");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "tokenizer.chat_template.tool___use tokenizer.chat_template.rag "
                                 "tokenizer.chat_templates tokenizer.chat_template");
    expect_strs("tokenizer.chat_templates", "rag|tool___use");
    expect_str("tokenizer.chat_template.tool___use", "T");
    expect_str("tokenizer.chat_template", "D");
    put("tokenizer_config.json", "{\"chat_template\":[{\"name\":\"a\",\"template\":1}]}");
    expect_refused(E_FORMAT, "name=a");
}

static void test_template_file(void **state)
{
    struct slice v;

    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json", "{\"a\":1}");
    put("chat_template.json", "{\"chat_template\":\"json\"}");
    put_bytes("chat_template.jinja", "a\r\nb\rc\n\r\n\0\xFF", 11);
    write_ok(VOCAB_BPE, 0);
    assert_true(meta_str(meta_find(&meta, "tokenizer.chat_template"), &v));
    assert_int_equal(v.n, 9);
    assert_memory_equal(v.p, "a\nb\nc\n\n\0\xFF", 9);
}

static void test_template_json(void **state)
{
    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json", "{\"a\":1}");
    put("chat_template.json", "{\"chat_template\":\"json\"}");
    write_ok(VOCAB_BPE, 0);
    expect_str("tokenizer.chat_template", "json");
}

static void test_more_template_files(void **state)
{
    char path[128];

    (void)state;
    put_tokenizer(&(struct parts){0});
    put("tokenizer_config.json", "{\"a\":1}");
    put("chat_template.jinja", "D");
    snprintf(path, sizeof path, "%s/additional_chat_templates", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "tokenizer.chat_template"); // an empty folder changes nothing
    meta_remove(&meta, "tokenizer.chat_template");
    put("additional_chat_templates/z.jinja", "Z");
    put("additional_chat_templates/a.b.jinja", "A");
    put("additional_chat_templates/c.txt", "C");
    write_ok(VOCAB_BPE, 0);
    assert_string_equal(keys(5), "tokenizer.chat_template.a_b tokenizer.chat_template.z "
                                 "tokenizer.chat_templates tokenizer.chat_template");
    expect_strs("tokenizer.chat_templates", "a_b|z");
    expect_str("tokenizer.chat_template", "D");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_ids_in_order),
        TEST(test_bad_ids),
        TEST(test_template_renames_eos),
        TEST(test_template_separators),
        TEST(test_unknown_leading_token),
        TEST(test_object_is_no_text),
        TEST(test_roberta),
        TEST(test_without_config),
        TEST(test_normalizer_flags),
        TEST(test_template_in_config),
        TEST(test_null_template_hides_file),
        TEST(test_template_list),
        TEST(test_template_file),
        TEST(test_template_json),
        TEST(test_more_template_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
