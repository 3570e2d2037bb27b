/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expected hashes come from the tokenizers library (0.23), which split and encoded the fixed string with the
 * pre-tokenizers of tests/golden/pretok/families.tsv over the vocabulary of bpe.json: once by merges, which
 * cross most boundaries, and once with ignore_merges, where each family's pieces are tokens.
 */
#include "vocab/bpe.h"
#include "vocab/pretok.h"
#include "vocab/pretok_ids.h"
#include "core/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN "tests/golden/pretok/"
#define QWEN2                                                                                                \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"                  \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "                      \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"                 \
    "\"behavior\":\"%s\",\"invert\":%s},{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,"                    \
    "\"use_regex\":false}]}"
#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"

static char dir[64], path[128];
static struct buf model; /* bpe.json without its opening brace */

static int set_up(void **state)
{
    struct err err = {0};

    (void)state;
    snprintf(dir, sizeof dir, "/tmp/scion-pretok-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    buf_init(&model, MIB);
    return file_load(GOLDEN "bpe.json", &model, &err) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&model);
    unlink(path);
    return rmdir(dir);
}

/* What a test puts into tokenizer.json besides the vocabulary; NULL for "null". */
struct parts {
    const char *pre, *added, *normalizer, *post;
    bool whole;
};

static const char * or (const char *text, const char *instead)
{
    return text ? text : instead;
}

static void load(struct tokenizer *t, const struct parts *p)
{
    struct err err = {0};
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fprintf(f,
            "{\"added_tokens\":[%s],\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,"
            "\"model\":{\"ignore_merges\":%s,%s}",
            or (p->added, ""), or (p->normalizer, "null"), or (p->pre, "null"), or (p->post, "null"),
            p->whole ? "true" : "false", model.p + 1);
    assert_int_equal(fclose(f), 0);
    if (tokenizer_load(t, path, true, &err))
        fail_msg("%s", err.text);
}

/* Names p's pre-tokenizer with tokenizer_config.json's text, or NULL. */
static enum status find(const struct parts *p, const char *config_text, struct pretok *out, struct err *err)
{
    struct tokenizer t;
    struct json *config = NULL;

    if (config_text)
        assert_int_equal(json_parse(config_text, strlen(config_text), "config", false, &config, err), OK);
    load(&t, p);
    enum status s = pretok_find(&t, config, out, err);
    tokenizer_free(&t);
    json_free(config);
    return s;
}

static void expect_hash(const struct parts *p, const char *config, const char *hash)
{
    struct err err = {0};
    struct pretok out;

    if (find(p, config, &out, &err))
        fail_msg("%s", err.text);
    assert_string_equal(out.hash, hash);
}

static void expect_refused(const struct parts *p, const char *part_of_sentence)
{
    struct err err = {0};
    struct pretok out;

    assert_int_equal(find(p, NULL, &out, &err), E_UNSUPPORTED);
    if (!strstr(err.text, part_of_sentence))
        fail_msg("%s", err.text);
}

static void test_fixed_string(void **state)
{
    char hex[SHA256_HEX];

    (void)state;
    sha256_hex(pretok_text().p, pretok_text().n, hex);
    assert_string_equal(hex, "a36179c1e2b1cfcfbfad1dc779addad2ffc778201e4cf0d538bddeafa2c526da");
}

static void test_sha256(void **state)
{
    char hex[SHA256_HEX];

    (void)state;
    sha256_hex("abc", 3, hex); // FIPS 180-2's first example
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_bytes_and_characters(void **state)
{
    unsigned char back;

    (void)state;
    assert_int_equal(bpe_char(' '), 0x120);
    assert_int_equal(bpe_char('\n'), 0x10A);
    assert_int_equal(bpe_char('A'), 'A');
    assert_int_equal(bpe_char(0xAD), 0x143);
    for (unsigned b = 0; b < 256; b++) {
        assert_true(bpe_byte(bpe_char((unsigned char)b), &back));
        assert_int_equal(back, b);
    }
    assert_false(bpe_byte(0x144, &back));
    assert_false(bpe_byte(' ', &back));
}

/* Every row of families.tsv: name, hash by merges, hash of whole pieces, pre_tokenizer. */
static void test_families(void **state)
{
    static const char *const base[][3] = {
        {"gpt2", "gpt-2", "gpt-2"},
        {"digits+gpt2", "starcoder", "starcoder"},
        {"falcon", "falcon", "falcon"},
        {"dscoder", "deepseek-coder", "deepseek-coder"},
        {"dsllm", "deepseek-llm", "deepseek-llm"},
        {"dsv3", "deepseek-v3", "deepseek-v3"},
        {"llama3", "smaug-bpe", "llama-bpe"},
        {"qwen2", "qwen2", "qwen2"},
        {"qwen35", "qwen35", "qwen35"},
        {"gpt4o", "gpt-4o", "gpt-4o"},
        {"tekken", "tekken", "tekken"},
    };
    struct err err = {0};
    struct buf rows;
    char *rest;
    size_t n = 0;

    (void)state;
    buf_init(&rows, MIB);
    assert_int_equal(file_load(GOLDEN "families.tsv", &rows, &err), OK);
    for (char *row = strtok_r(rows.p, "\n", &rest); row; row = strtok_r(NULL, "\n", &rest)) {
        char *cell[4], *in_row;

        for (size_t i = 0; i < 4; i++)
            assert_non_null(cell[i] = strtok_r(i ? NULL : row, "\t", &in_row));
        for (int whole = 0; whole <= 1; whole++) {
            struct pretok out;

            if (find(&(struct parts){.pre = cell[3], .whole = whole}, NULL, &out, &err))
                fail_msg("%s: %s", cell[0], err.text);
            assert_string_equal(out.family, cell[0]);
            assert_string_equal(out.hash, cell[1 + whole]);
            assert_false(out.by_hash);
            assert_string_equal(base[n][0], cell[0]);
            assert_string_equal(out.name, base[n][1 + whole]);
        }
        n++;
    }
    assert_int_equal(n, ARRAY_LEN(base));
    buf_free(&rows);
}

/* The part of Qwen3.6's vocabulary that the fixed string touches: the published hash itself. */
static void test_published_vocabulary(void **state)
{
    struct err err = {0};
    struct tokenizer t;
    struct pretok out;

    (void)state;
    assert_int_equal(tokenizer_load(&t, GOLDEN "qwen35.json", true, &err), OK);
    assert_int_equal(pretok_find(&t, NULL, &out, &err), OK);
    assert_string_equal(out.hash, "d30d75d9059f1aa2c19359de71047b3ae408c70875e8a3ccf8c5fba56c9d8af4");
    assert_true(out.by_hash);
    assert_string_equal(out.name, "qwen35");
    tokenizer_free(&t);
}

static void test_last_hash_wins(void **state)
{
    (void)state;
    assert_string_equal(pretok_by_hash("0876d13b50744004aa9aeae05e7b0647eac9d801b5ba4668afc01e709c15e19f"),
                        "jina-v2-en");
    assert_string_equal(pretok_by_hash("b6dc8df998e1cfbdc4eac8243701a65afe638679230920b50d6f17d81c098166"),
                        "olmo");
    assert_string_equal(pretok_by_hash("0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5"),
                        "llama-bpe");
    assert_null(pretok_by_hash("0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e6"));
}

static void test_names(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(pretok_check_name("qwen35", &err), OK);
    assert_int_equal(pretok_check_name("whitespace", &err), OK);
    assert_int_equal(pretok_check_name("default", &err), OK);
    assert_int_equal(pretok_check_name("bert-bge", &err), E_USAGE); // not for byte-level vocabularies
    assert_int_equal(pretok_check_name("llama-bpee", &err), E_USAGE);
    assert_non_null(strstr(err.text, "the nearest is llama-bpe"));
    assert_int_equal(pretok_check_name("", &err), E_USAGE);
}

static void test_split_behaviors(void **state)
{
    char isolated[1024], removed[1024], merged[1024], dropped[1024], spaced[1024];
    struct err err = {0};
    struct pretok a, b;

    (void)state;
    snprintf(isolated, sizeof isolated, QWEN2, "Isolated", "false", "false");
    snprintf(removed, sizeof removed, QWEN2, "Removed", "true", "false");
    snprintf(merged, sizeof merged, QWEN2, "MergedWithPrevious", "false", "false");
    snprintf(dropped, sizeof dropped, QWEN2, "Removed", "false", "false");
    snprintf(spaced, sizeof spaced, QWEN2, "Isolated", "false", "true");
    assert_int_equal(find(&(struct parts){.pre = isolated}, NULL, &a, &err), OK);
    assert_int_equal(find(&(struct parts){.pre = removed}, NULL, &b, &err), OK);
    assert_string_equal(a.hash, b.hash);
    expect_refused(&(struct parts){.pre = merged}, "fingerprint=");
    expect_refused(&(struct parts){.pre = dropped}, "fingerprint=");
    expect_refused(&(struct parts){.pre = spaced}, "--pre");
}

static void test_unknown_is_refused(void **state)
{
    (void)state;
    expect_refused(&(struct parts){.pre = "{\"type\":\"Metaspace\",\"replacement\":\"_\"}"}, "fingerprint=");
    expect_refused(&(struct parts){.pre = NULL}, "there is none");
    expect_refused(&(struct parts){.pre = GPT2, .normalizer = "{\"type\":\"NFKC\"}"}, "type=NFKC");
    expect_refused(&(struct parts){.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[" GPT2 "," GPT2 "," GPT2
                                          "," GPT2 "," GPT2 "," GPT2 "," GPT2 "," GPT2 "," GPT2 "," GPT2
                                          "," GPT2 "," GPT2 "," GPT2 "]}"},
                   "more than 12 steps");
    expect_refused(
        &(struct parts){.pre = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                               "\"pattern\":{\"Regex\":\"'(?i:[sdmt]|ll|ve|re)|[^\\\\r\\\\n\\\\p{L}"
                               "\\\\p{N}]?+\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]++[\\\\r\\\\n]"
                               "*|\\\\s*[\\\\r\\\\n]|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":"
                               "\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
                               "\"add_prefix_space\":false,\"use_regex\":false}]}"},
        "--pre bailingmoe");
}

static void test_normalizers_that_keep_the_text(void **state)
{
    struct err err = {0};
    struct pretok out;

    (void)state;
    assert_int_equal(find(&(struct parts){.pre = GPT2, .normalizer = "{\"type\":\"NFC\"}"}, NULL, &out, &err),
                     OK);
    assert_int_equal(
        find(&(struct parts){.pre = GPT2, .normalizer = "{\"type\":\"Sequence\",\"normalizers\":[]}"}, NULL,
             &out, &err),
        OK);
}

#define RUN(id, text)                                                                                        \
    "{\"id\":" #id ",\"content\":\"" text "\",\"normalized\":true,\"special\":false,\"lstrip\":false}"

static void test_added_white_space(void **state)
{
    const char *runs = RUN(5002, "  ") "," RUN(5003, "   ") "," RUN(5004, "    ") "," RUN(
        5005, "     ") "," RUN(5009, "\\t\\t");

    (void)state;
    expect_hash(&(struct parts){.pre = GPT2, .added = runs}, NULL,
                "84fc45bc4d6f067c1304bb872ce7da687a4ece55ea210bb7fb97dc00d0ab277b");
    expect_refused(&(struct parts){.pre = GPT2, .added = RUN(5006, "emojis")}, "token=emojis");
    expect_refused(
        &(struct parts){.pre = GPT2, .added = "{\"id\":5007,\"content\":\"\\t\\t\",\"lstrip\":true}"},
        "--pre");
}

#define TEMPLATE(first, last)                                                                                \
    "{\"type\":\"TemplateProcessing\",\"single\":[" first "{\"Sequence\":{\"id\":\"A\"}}" last               \
    "],\"special_tokens\":{\"<a>\":{\"ids\":[2001,2002]},\"<b>\":{\"ids\":[2003]},\"<bad>\":{\"ids\":[-1]}}" \
    "}"
#define TOKEN(name) "{\"SpecialToken\":{\"id\":\"" name "\"}}"

static void test_special_tokens_around(void **state)
{
    char qwen2[1024];
    struct err err = {0};
    struct pretok out;
    const char *expected = "746dfc0622fe6f48597d672ce29429047863b734d9fd0d75027591053b32e43c";
    const char *bos_only = "8462631c2ed473c1c529368738ce15963ff833067b4228898bcfbcf65a035835";

    (void)state;
    snprintf(qwen2, sizeof qwen2, QWEN2, "Isolated", "false", "false");
    struct parts p = {.pre = qwen2, .post = TEMPLATE(TOKEN("<a>") ",", "," TOKEN("<b>"))};
    expect_hash(&p, NULL, expected);
    p.post = "{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"}," TEMPLATE(
        TOKEN("<a>") ",", "," TOKEN("<b>")) "]}";
    expect_hash(&p, NULL, expected);
    p.post = TEMPLATE(TOKEN("<bad>") ",", "");
    assert_int_equal(find(&p, NULL, &out, &err), E_FORMAT);

    // Llama's class ignores the template
    p.added = "{\"id\":2001,\"content\":\"<s>\",\"special\":true}";
    expect_hash(&p, "{\"tokenizer_class\":\"LlamaTokenizerFast\",\"bos_token\":\"<s>\"}", bos_only);
    expect_hash(&p, "{\"tokenizer_class\":\"LlamaTokenizerFast\",\"bos_token\":{\"content\":\"<s>\"}}",
                bos_only);
    p.post = "{\"type\":\"RobertaProcessing\",\"cls\":[\"x\",2002],\"sep\":[\"y\"]}";
    assert_int_equal(find(&p, NULL, &out, &err), E_FORMAT);
}

static void test_merge_without_token(void **state)
{
    struct err err = {0};
    struct tokenizer t;
    struct bpe b;
    uint32_t ids[4];
    size_t n = 0;
    FILE *f = fopen(path, "w");

    (void)state;
    assert_non_null(f);
    fputs("{\"model\":{\"vocab\":{\"a\":0,\"b\":1,\"c\":2,\"bc\":3},\"merges\":[\"a b\",\"b c\"]}}", f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(tokenizer_load(&t, path, true, &err), OK);
    assert_int_equal(bpe_init(&b, &t, &err), OK);
    assert_int_equal(bpe_encode(&b, slice_of("zbcz"), ids, &n, &err), OK); // z is in no vocabulary
    assert_int_equal(n, 1);
    assert_int_equal(ids[0], 3);
    assert_int_equal(bpe_encode(&b, slice_of("ab"), ids, &n, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "\"ab\""));
    bpe_free(&b);
    tokenizer_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_string),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_bytes_and_characters),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_published_vocabulary),
        cmocka_unit_test(test_last_hash_wins),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_split_behaviors),
        cmocka_unit_test(test_unknown_is_refused),
        cmocka_unit_test(test_normalizers_that_keep_the_text),
        cmocka_unit_test(test_added_white_space),
        cmocka_unit_test(test_special_tokens_around),
        cmocka_unit_test(test_merge_without_token),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
