/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/spm.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static int tear_down(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static enum status parse(struct spm *out, const char *bytes, size_t n, struct err *err)
{
    return spm_parse(out, (struct slice){bytes, n}, "m", &arena, err);
}

/* Three pieces, with fields that do not matter around and inside them. */
static const char good[] = "\x0A\x0E\x0A\x05<unk>\x15\x00\x00\x00\x00\x18\x02" // piece, score, type
                           "\x12\x03\x08\x96\x01"                              // trainer_spec
                           "\x0A\x0B\x15\x00\x00\x20\xC1\x0A\x04\xE2\x96\x81t" // score -10 first
                           "\x0A\x0D\x0A\x06<0x0A>\x18\x06\xF8\x07\x01"        // type byte, field 127
                           "\x19\x00\x00\x00\x00\x00\x00\x00\x00";             // a fixed64

static void test_pieces(void **state)
{
    struct err err = {0};
    struct spm m;

    (void)state;
    if (parse(&m, good, sizeof good - 1, &err))
        fail_msg("%s", err.text);
    assert_int_equal(m.n, 3);
    assert_true(slice_eq(m.piece[0].text, "<unk>"));
    assert_int_equal(m.piece[0].type, SPM_UNKNOWN);
    assert_true(slice_eq(m.piece[1].text, "\xE2\x96\x81t"));
    assert_true(m.piece[1].score == -10.0f);
    assert_int_equal(m.piece[1].type, SPM_NORMAL);
    assert_true(slice_eq(m.piece[2].text, "<0x0A>"));
    assert_int_equal(m.piece[2].type, SPM_BYTE);
}

/* What is written is read again, and the other messages have their fields. */
static void test_write(void **state)
{
    const struct spm_settings settings = {
        .add_dummy_prefix = true, .unk = 0, .bos = 1, .eos = SPM_NO_ID, .pad = 9};
    struct spm_piece pieces[] = {{slice_of("<unk>"), 0, SPM_UNKNOWN},
                                 {slice_of("<s>"), 0, SPM_CONTROL},
                                 {slice_of("\xE2\x96\x81t"), -1.5f, SPM_NORMAL},
                                 {slice_of("<0xFF>"), 0, SPM_BYTE}};
    const struct spm m = {pieces, ARRAY_LEN(pieces)};
    static const char rest[] = "\x12\x33\x18\x02\x20\x04\x98\x02\x01" // byte pairs, 4 pieces, bytes
                               "\xC0\x02\x00\xC8\x02\x01"             // unk_id, bos_id
                               "\xD0\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01" // eos_id -1
                               "\xD8\x02\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01" // pad_id -1
                               "\xEA\x02\x05<unk>\xF2\x02\x03<s>"
                               "\x1A\x10\x0A\x08identity\x18\x01\x20\x00\x28\x01";
    struct err err = {0};
    struct buf out;
    struct spm again;

    (void)state;
    buf_init(&out, KIB);
    spm_write(&m, &settings, &out);
    assert_false(out.failed);
    assert_true(out.n > sizeof rest - 1);
    assert_memory_equal(out.p + out.n - (sizeof rest - 1), rest, sizeof rest - 1);
    if (parse(&again, out.p, out.n, &err))
        fail_msg("%s", err.text);
    assert_int_equal(again.n, m.n);
    for (size_t i = 0; i < m.n; i++) {
        assert_true(again.piece[i].text.n == pieces[i].text.n &&
                    memcmp(again.piece[i].text.p, pieces[i].text.p, pieces[i].text.n) == 0);
        assert_true(again.piece[i].score == pieces[i].score);
        assert_int_equal(again.piece[i].type, pieces[i].type);
    }
    buf_free(&out);
}

/* A file cut short is refused, unless the cut is between two fields behind the first piece. */
static void test_every_prefix(void **state)
{
    static const size_t whole[] = {16, 21, 34, 49};

    (void)state;
    for (size_t n = 0; n < sizeof good - 1; n++) {
        char *exact = malloc(n ? n : 1); // so that a read beyond is seen
        struct err err = {0};
        struct spm m;
        bool ok = false;

        assert_non_null(exact);
        memcpy(exact, good, n);
        for (size_t i = 0; i < ARRAY_LEN(whole); i++)
            ok = ok || n == whole[i];
        enum status s = parse(&m, exact, n, &err);
        if (s != (ok ? OK : E_FORMAT))
            fail_msg("%zu bytes: %s", n, err.text);
        free(exact);
    }
}

static void test_refusals(void **state)
{
#define CASE(bytes, sentence)                                                                                \
    {                                                                                                        \
        bytes, sizeof(bytes) - 1, sentence                                                                   \
    }
    static const struct {
        const char *bytes;
        size_t n;
        const char *sentence;
    } cases[] = {
        CASE("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "length=18446744073709551615"),
        CASE("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", "more than 64 bits"),
        CASE("\x0A\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "more than 64 bits"),
        CASE("\x0A\x05\x0A\x09"
             "abc",
             "length=9"), // over the message, not over the file
        CASE("\x0A\x03\x18\x02\x00", "no valid field number"),
        CASE("\x0A\x02\x18\x02", "without text"),
        CASE("\x0A\x02\x0A\x00", "without text"),
        CASE("\x0A\x05\x0A\x01"
             "a\x18\x07",
             "type=7"),
        CASE("\x0A\x05\x0A\x01"
             "a\x18\x00",
             "type=0"),
        CASE("\x0A\x03\x0A\x01\xFF", "not UTF-8"),
        CASE("\x0A\x08\x0A\x01"
             "a\x15\x00\x00\xC0\x7F",
             "NaN"),
        CASE("\x0A\x05\x0A\x01"
             "a\x10\x01",
             "another kind of value"),
        CASE("\x08\x01", "no message"),
        CASE("\x0B", "wire type=3"),
        CASE("\x00", "no valid field number"),
        CASE("\x12\x01x", "no pieces"),
        CASE("version https://git-lfs", "wire type=6"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct spm m;

        assert_int_equal(parse(&m, cases[i].bytes, cases[i].n, &err), E_FORMAT);
        if (!strstr(err.text, cases[i].sentence) || strncmp(err.text, "m:", 2) != 0)
            fail_msg("%zu: %s", i, err.text);
    }
}

static void test_infinite_score(void **state)
{
    struct err err = {0};
    struct spm m;

    (void)state;
    assert_int_equal(parse(&m,
                           "\x0A\x08\x0A\x01"
                           "a\x15\x00\x00\x80\xFF",
                           10, &err),
                     OK);
    assert_true(isinf(m.piece[0].score));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_pieces, tear_down),
        cmocka_unit_test_teardown(test_write, tear_down),
        cmocka_unit_test_teardown(test_every_prefix, tear_down),
        cmocka_unit_test_teardown(test_refusals, tear_down),
        cmocka_unit_test_teardown(test_infinite_score, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
