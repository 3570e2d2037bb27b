/* SPDX-License-Identifier: Apache-2.0 */
#include "core/file.h"
#include "formats/st.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/scion-st-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/x.safetensors", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void write_file(const void *p, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* A file of a size field, a header and ndata bytes of data. */
static void write_st(uint64_t size, const char *header, size_t n, size_t ndata)
{
    struct buf b;
    struct err err = {0};

    buf_init(&b, 256 * MIB);
    buf_add_u64(&b, size);
    buf_add(&b, header, n);
    for (size_t i = 0; i < ndata; i++)
        buf_add_char(&b, (char)i);
    assert_int_equal(buf_check(&b, "test", &err), OK);
    write_file(b.p, b.n);
    buf_free(&b);
}

static struct source *open_ok(void)
{
    struct source *s = NULL;
    struct err err = {0};

    if (source_open(&s, path, &err) != OK)
        fail_msg("%s", err.text);
    assert_int_equal(err.text[0], 0);
    return s;
}

/* Opening fails with E_FORMAT and this text after the path. */
static void assert_refused(const char *want)
{
    struct source *s = NULL;
    struct err err = {0};

    assert_int_equal(source_open(&s, path, &err), E_FORMAT);
    assert_null(s);
    assert_true(str_starts(err.text, path));
    assert_string_equal(err.text + strlen(path), want);
}

static void assert_header_refused(const char *header, size_t ndata, const char *want)
{
    write_st(strlen(header), header, strlen(header), ndata);
    assert_refused(want);
}

static void test_read(void **state)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"a\":\"\\u00e9\"},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[2,26]},"
        "\"a.z\":{\"data_offsets\":[0,2],\"shape\":[],\"dtype\":\"BF16\"},"
        "\"a\":{\"dtype\":\"I64\",\"shape\":[2,0],\"data_offsets\":[26,26]},"
        "\"\\u00e9\":{\"dtype\":\"F4\",\"shape\":[3,2],\"data_offsets\":[26,29]},"
        "\"F6\":{\"dtype\":\"F6_E2M3\",\"shape\":[1,2,1,2,1,1,1,1],\"data_offsets\":[29,32]}} ";
    static const char *const names[] = {"F6", "a", "a.z", "b", "\xc3\xa9"}; /* code-point order */
    uint64_t start = 8 + sizeof header - 1;

    (void)state;
    write_st(sizeof header - 1, header, sizeof header - 1, 32);
    struct source *s = open_ok();
    assert_int_equal(s->kind, SOURCE_SAFETENSORS);
    assert_string_equal(s->name, "x");
    assert_string_equal(s->path, path);
    assert_int_equal(s->nfile, 1);
    assert_int_equal(s->files[0].header_nbytes, start);
    assert_int_equal(s->ntensor, ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        assert_string_equal(s->tensors[i].name, names[i]);
        assert_ptr_equal(source_find(s, names[i]), &s->tensors[i]);
    }
    const struct tensor *t = source_find(s, "b");
    assert_int_equal(t->dtype, DT_F32);
    assert_int_equal(t->rank, 2);
    assert_true(t->shape[0] == 2 && t->shape[1] == 3);
    assert_true(t->off == start + 2 && t->nbytes == 24 && t->file == 0);
    t = source_find(s, "a.z");
    assert_true(t->rank == 0 && t->nbytes == 2 && t->off == start);
    t = source_find(s, "F6");
    assert_true(t->rank == 8 && t->nbytes == 3);
    assert_null(source_find(s, "__metadata__"));
    assert_null(source_beside(s, "x.safetensors")); /* no folder */

    struct slice v;
    assert_int_equal(s->st_meta.n, 2);
    assert_true(meta_str(meta_find(&s->st_meta, "format"), &v) && slice_eq(v, "pt"));
    assert_true(meta_str(meta_find(&s->st_meta, "a"), &v) && slice_eq(v, "\xc3\xa9"));
    source_close(s);
}

static void test_accepted(void **state)
{
    static const char *const headers[] = {
        "{}",
        " \n{}",
        "{}\t ",
        "{\"__metadata__\":{}}",
        "{\"__metadata__\":{\"\":\"\"}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,18446744073709551615,4],\"data_offsets\":[0,0]}}",
        ("{\"../../etc/x\":{\"dtype\":\"C64\",\"shape\":[0],\"data_offsets\":[0,0]},"
         "\"\\u001b[2J\":{\"dtype\":\"F8_E8M0\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        write_st(strlen(headers[i]), headers[i], strlen(headers[i]), 0);
        source_close(open_ok());
    }
}

static void test_size_field(void **state)
{
    (void)state;
    write_st(0, "{}", 2, 0);
    assert_refused(":0: header size=0: too small for a JSON object");
    write_st(1, "{", 1, 0);
    assert_refused(":0: header size=1: too small for a JSON object");
    write_st(1, "\xff", 1, 0);
    assert_refused(":0: header size=1: too small for a JSON object");
    write_st(3, "{}", 2, 0);
    assert_refused(":0: header size=3: the file has 10 bytes, the header claims 3");
    write_st(UINT64_MAX, "{}", 2, 0);
    assert_refused(":0: header size=18446744073709551615: the file has 10 bytes, the header claims "
                   "18446744073709551615");
    write_st((uint64_t)1 << 63, "{}", 2, 0);
    assert_refused(":0: header size=9223372036854775808: the file has 10 bytes, the header claims "
                   "9223372036854775808");
    write_st(0xFFFFFF000000003C, "{}", 2, 0);
    assert_refused(":0: header size=18446742974197923900: the file has 10 bytes, the header claims "
                   "18446742974197923900");
    write_file("\x02\0\0\0", 4);
    assert_refused(":0: file size=4: a safetensors header needs more");
    write_file("\x02\0\0\0\0\0\0\0", 8);
    assert_refused(":0: header size=2: the file has 8 bytes, the header claims 2");

    /* Over the cap, and really there: refused without being read. */
    write_st(ST_MAX_HEADER + 1u, "{", 1, 0);
    assert_int_equal(truncate(path, 200000000), 0);
    assert_refused(":0: header size=100000001: over the limit of 100000000 bytes");
    /* A sparse header of zeros. */
    write_st(99000000, "\0", 1, 0);
    assert_int_equal(truncate(path, 200000000), 0);
    assert_refused(":8: header: starts with byte 0x00, not with '{'");
}

/* Every file that is cut short is refused. */
static void test_prefixes(void **state)
{
    static const char header[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]}}";
    struct source *s = NULL;
    struct err err = {0};

    (void)state;
    write_st(sizeof header - 1, header, sizeof header - 1, 8);
    source_close(open_ok());
    for (size_t n = 8 + sizeof header - 1 + 8; n-- > 0;) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        assert_int_equal(source_open(&s, path, &err), E_FORMAT);
        assert_null(s);
    }
}

static void test_json(void **state)
{
    (void)state;
    assert_header_refused(
        "{},\"__metadata__\":{\"format\":\"pt\"}", 0,
        ":10: header: __metadata__ follows the closed object, a fault of old writers of files "
        "without tensors; write the file again");
    write_st(4, "{}\0\0", 4, 0);
    assert_refused(":10: text: byte 0x00 follows the complete value");
    assert_header_refused("{}{}", 0, ":10: text: byte 0x7b follows the complete value");
    assert_header_refused("\xEF\xBB\xBF{}", 0, ":8: header: starts with byte 0xef, not with '{'");
    assert_header_refused("[]", 0, ":8: header: starts with byte 0x5b, not with '{'");
    assert_header_refused("{\"\xff\":0}", 0, ":10: string: byte 0xff is not valid UTF-8 here");
    assert_header_refused("{\"a\\u0000b\":0}", 0, ":11: string: \\u0000 is not allowed");
    assert_header_refused("{\"\\ud800\":0}", 0,
                          ":10: string: \\ud800 is a surrogate without its second half");
    assert_header_refused("{\"a\":{\"dtype\":\"F32\"", 0, ":27: text: ends too early");
    assert_header_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"\\u0061\":{}}", 0,
                          ":61: key \"a\": appears twice in one object");
    assert_header_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"shape\":[0]}}", 0,
                          ":39: key \"shape\": appears twice in one object");
    assert_header_refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0,
                          ":27: key \"__metadata__\": appears twice in one object");
    assert_header_refused("{\"__metadata__\":{\"a\":1}}", 0, ":29: __metadata__ \"a\": is no string");
    assert_header_refused("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}", 0,
                          ":29: __metadata__ \"a\": is no string");
    assert_header_refused("{\"__metadata__\":[]}", 0, ":24: __metadata__: is no object");
}

static const struct {
    const char *entry, *want;
} bad_fields[] = {
    {"\"dtype\":\"Q4\",\"shape\":[0],\"data_offsets\":[0,0]", "dtype=\"Q4\": is unknown"},
    {"\"dtype\":\"bf16\",\"shape\":[0],\"data_offsets\":[0,0]", "dtype=\"bf16\": is unknown"},
    {"\"dtype\":\"F8_E4M3FNUZ\",\"shape\":[0],\"data_offsets\":[0,0]", "dtype=\"F8_E4M3FNUZ\": is unknown"},
    {"\"dtype\":\"\",\"shape\":[0],\"data_offsets\":[0,0]", "dtype=\"\": is unknown"},
    {"\"dtype\":5", "dtype: is no string"},
    {"\"dtype\":\"U8\",\"shape\":4,\"data_offsets\":[0,4]", "shape: is no array"},
    {"\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":{}", "data_offsets: is no array"},
    {"\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4]", "data_offsets: has 1 elements, not 2"},
    {"\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[]", "data_offsets: has 0 elements, not 2"},
    {"\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4,4]", "data_offsets: has more than 2 elements"},
    {"\"dtype\":\"U8\",\"shape\":[4]", "data_offsets: is missing"},
    {"\"dtype\":\"U8\",\"data_offsets\":[0,4]", "shape: is missing"},
    {"\"shape\":[4],\"data_offsets\":[0,4]", "dtype: is missing"},
    {"", "dtype: is missing"},
    {"\"dtype\":\"U8\",\"x\":0", "field \"x\": is unknown"},
    {"\"Dtype\":\"U8\"", "field \"Dtype\": is unknown"},
    {"\"data_offsets\":[1e3,0]", "data_offsets[0]=1e3: is no unsigned 64-bit integer"},
    {"\"data_offsets\":[16.0,0]", "data_offsets[0]=16.0: is no unsigned 64-bit integer"},
    {"\"data_offsets\":[-0,0]", "data_offsets[0]=-0: is no unsigned 64-bit integer"},
    {"\"data_offsets\":[0,\"16\"]", "data_offsets[1]=16: is no unsigned 64-bit integer"},
    {"\"data_offsets\":[0,18446744073709551616]",
     "data_offsets[1]=18446744073709551616: is no unsigned 64-bit integer"},
    {"\"data_offsets\":[true,0]", "data_offsets[0]=: is no unsigned 64-bit integer"},
    {"\"shape\":[null]", "shape[0]=: is no unsigned 64-bit integer"},
    {"\"shape\":[[2]]", "shape[0]=: is no unsigned 64-bit integer"},
    {"\"shape\":[-1]", "shape[0]=-1: is no unsigned 64-bit integer"},
    {"\"shape\":[1,1,1,1,1,1,1,1,1]", "shape: has more than 8 elements"},
    {"\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]", "data_offsets begin=4: lies after its end=0"},
    {"\"dtype\":\"U8\",\"shape\":[18],\"data_offsets\":[0,18]",
     "data_offsets end=18: past the data's 4 bytes"},
    {"\"dtype\":\"F64\",\"shape\":[4],\"data_offsets\":[0,4]",
     "data_offsets=[0, 4]: 4 bytes, but shape=[4] in F64 takes 32"},
    {"\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,4]",
     "data_offsets=[0, 4]: 4 bytes, but shape=[] in U8 takes 1"},
    {"\"dtype\":\"U8\",\"shape\":[0,4],\"data_offsets\":[0,4]",
     "data_offsets=[0, 4]: 4 bytes, but shape=[0, 4] in U8 takes 0"},
    {"\"dtype\":\"U8\",\"shape\":[2,18446744073709551614],\"data_offsets\":[0,4]",
     "shape=[2, 18446744073709551614]: has more elements than 64 bits can count"},
    {"\"dtype\":\"U8\",\"shape\":[2,9223372036854775807],\"data_offsets\":[0,4]",
     "shape=[2, 9223372036854775807]: in U8 ends inside a byte, or has more than 2^61 bytes"},
    {"\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]",
     "shape=[2305843009213693952]: in F64 ends inside a byte, or has more than 2^61 bytes"},
    {"\"dtype\":\"F4\",\"shape\":[7],\"data_offsets\":[0,4]",
     "shape=[7]: in F4 ends inside a byte, or has more than 2^61 bytes"},
};

static void test_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad_fields); i++) {
        struct buf b;
        struct source *s = NULL;
        struct err err = {0};

        buf_init(&b, 4096);
        buf_printf(&b, "{\"x\":{%s}}", bad_fields[i].entry);
        write_st(b.n, b.p, b.n, 4);
        assert_int_equal(source_open(&s, path, &err), E_FORMAT);
        const char *at = strstr(err.text, ": tensor \"x\": ");
        if (!at)
            fail_msg("%s", err.text);
        assert_string_equal(at + strlen(": tensor \"x\": "), bad_fields[i].want);
        buf_free(&b);
    }
    /* The place is the file's. */
    assert_header_refused("{\"x\":{\"dtype\":\"U8\",\"shape\":[918],\"data_offsets\":[0,918]}}", 900,
                          ":59: tensor \"x\": data_offsets end=918: past the data's 900 bytes");
    assert_header_refused("{\"x\":[]}", 0, ":13: tensor \"x\": its entry is no object");
    assert_header_refused("{\"\":{}}", 0, ":9: tensor \"\": the name is empty");
    assert_header_refused("{\"a\":{\"data_offsets\":[016,0]}}", 0,
                          ":30: number: a leading zero is not allowed");
    assert_header_refused("{\"a\":{\"data_offsets\":[NaN,0]}}", 0, ":30: value: byte 0x4e starts none");
}

static void test_long_values(void **state)
{
    struct buf b;
    struct err err = {0};
    struct source *s = NULL;

    (void)state;
    for (size_t n = TENSOR_MAX_NAME; n <= TENSOR_MAX_NAME + 1; n++) {
        buf_init(&b, MIB);
        buf_add_str(&b, "{\"");
        for (size_t i = 0; i < n; i++)
            buf_add_char(&b, 'n');
        buf_add_str(&b, "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}");
        write_st(b.n, b.p, b.n, 0);
        buf_free(&b);
        if (n <= TENSOR_MAX_NAME)
            source_close(open_ok());
        else
            assert_int_equal(source_open(&s, path, &err), E_FORMAT);
    }
    assert_non_null(strstr(err.text, "nnn...\": the name has 65537 bytes, over the limit of 65536"));

    buf_init(&b, 4 * MIB); /* 10^6 digits, a dtype of 1 MB, a rank of 10^5 */
    buf_add_str(&b, "{\"x\":{\"data_offsets\":[0,");
    for (int i = 0; i < 1000000; i++)
        buf_add_char(&b, '1');
    buf_add_str(&b, "]}}");
    write_st(b.n, b.p, b.n, 0);
    assert_int_equal(source_open(&s, path, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "too large for a double"));
    b.n = 0;
    buf_add_str(&b, "{\"x\":{\"dtype\":\"");
    for (int i = 0; i < 1000000; i++)
        buf_add_char(&b, 'F');
    buf_add_str(&b, "\"}}");
    write_st(b.n, b.p, b.n, 0);
    assert_int_equal(source_open(&s, path, &err), E_FORMAT);
    assert_true(str_ends(err.text, "FFF\": is unknown"));
    b.n = 0;
    buf_add_str(&b, "{\"x\":{\"shape\":[1");
    for (int i = 0; i < 100000; i++)
        buf_add_str(&b, ",1");
    buf_add_str(&b, "]}}");
    write_st(b.n, b.p, b.n, 0);
    assert_int_equal(source_open(&s, path, &err), E_FORMAT);
    assert_true(str_ends(err.text, "shape: has more than 8 elements"));
    buf_free(&b);
}

static void test_metadata_limit(void **state)
{
    struct buf b;
    struct err err = {0};
    struct source *s = NULL;

    (void)state;
    buf_init(&b, 4 * MIB);
    buf_add_str(&b, "{\"__metadata__\":{");
    for (int i = 0; i < 65537; i++)
        buf_printf(&b, "%s\"%d\":\"\"", i ? "," : "", i);
    buf_add_str(&b, "}}");
    write_st(b.n, b.p, b.n, 0);
    buf_free(&b);
    assert_int_equal(source_open(&s, path, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "__metadata__: more than 65536 entries"));
}

#define U8(name, n, begin, end)                                                                              \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" #n "],\"data_offsets\":[" #begin "," #end "]}"

static void test_tiling(void **state)
{
    static const char good[] = "{" U8("b", 4, 0, 4) "," U8("e", 0, 4, 4) "," U8("a", 2, 4, 6) "}";

    (void)state;
    write_st(sizeof good - 1, good, sizeof good - 1, 6);
    source_close(open_ok());
    assert_header_refused("{" U8("b", 4, 2, 6) "}", 6,
                          ":61: tensor \"b\": data_offsets begin=2: leaves a hole of 2 bytes before it");
    assert_header_refused("{" U8("b", 2, 4, 6) "," U8("a", 3, 0, 3) "}", 6,
                          ":116: tensor \"b\": data_offsets begin=4: leaves a hole of 1 bytes before it");
    assert_header_refused("{" U8("b", 4, 2, 6) "," U8("a", 3, 0, 3) "}", 6,
                          ":115: tensor \"b\": data_offsets begin=2: overlaps tensor \"a\" that ends at 3");
    assert_header_refused("{" U8("b", 6, 0, 6) "," U8("a", 6, 0, 6) "}", 6,
                          ":113: tensor \"a\": data_offsets begin=0: overlaps tensor \"b\" that ends at 6");
    assert_header_refused("{" U8("b", 6, 0, 6) "," U8("e", 0, 3, 3) "}", 6,
                          ":116: tensor \"e\": data_offsets begin=3: overlaps tensor \"b\" that ends at 6");
    assert_header_refused("{" U8("b", 6, 0, 6) "}", 9,
                          ":67: file size=70: the last 3 bytes belong to no tensor");
    assert_header_refused("{}", 1, ":10: file size=11: the last 1 bytes belong to no tensor");
}

static void test_probe(void **state)
{
    static const struct {
        const char *head;
        size_t n;
        bool want;
    } cases[] = {
        {"\x02\0\0\0\0\0\0\0{}", 10, true},    {"\x03\0\0\0\0\0\0\0 {}", 11, true},
        {"\x09\0\0\0\0\0\0\0     ", 13, true}, {"\x02\0\0\0\0\0\0\0[]", 10, false},
        {"\x02\0\0\0\0\0\0\0", 8, false},      {"GGUF\3\0\0\0\1\0\0\0", 12, false},
        {"{\n \"a\": {\"b\":1}}", 17, false},  {"\xff\xff\xff\xff\xff\xff\xff\xff{", 9, true},
        {"PK\3\4\0\0\0\0\0\0\0\0", 12, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(st_probe((const unsigned char *)cases[i].head, cases[i].n, cases[i].n),
                         cases[i].want);
}

/* 785 tensors of realistic names, then 200,000: the time must stay linear. */
static void test_many(void **state)
{
    (void)state;
    for (int n = 785; n <= 200000; n += 200000 - 785) {
        struct buf b;

        buf_init(&b, 64 * MIB);
        buf_add_char(&b, '{');
        for (int i = 0; i < n; i++)
            buf_printf(
                &b,
                "%s\"model.layers.%d.mlp.experts.down_proj.weight\":{\"dtype\":\"BF16\",\"shape\":[1,1],"
                "\"data_offsets\":[%d,%d]}",
                i ? "," : "", n - i, 2 * i, 2 * i + 2);
        buf_add_char(&b, '}');
        write_st(b.n, b.p, b.n, (size_t)n * 2);
        buf_free(&b);
        clock_t start = clock();
        struct source *s = open_ok();
        assert_true((clock() - start) / CLOCKS_PER_SEC < 5);
        assert_int_equal(s->ntensor, n);
        assert_non_null(source_find(s, "model.layers.1.mlp.experts.down_proj.weight"));
        for (size_t i = 1; i < s->ntensor; i++)
            assert_true(strcmp(s->tensors[i - 1].name, s->tensors[i].name) < 0);
        source_close(s);
    }
}

/* ---- writing ---- */

static void test_write(void **state)
{
    static const uint64_t shape[] = {2, 3}, empty[] = {0};
    struct st_entry e[] = {
        {.name = "a\"\xc3\xa9", .dtype = DT_F32, .rank = 2, .shape = shape, .nbytes = 24},
        {.name = "s", .dtype = DT_BF16, .rank = 0, .shape = NULL, .nbytes = 2},
        {.name = "e", .dtype = DT_U8, .rank = 1, .shape = empty, .nbytes = 0},
    };
    static const char want[] =
        "{\"__metadata__\":{\"format\":\"pt\"},\"a\\\"\xc3\xa9\":{\"dtype\":\"F32\",\"shape\":[2,3],"
        "\"data_offsets\":[0,24]},\"s\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[24,26]},"
        "\"e\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[26,26]}}";
    size_t padded = (size_t)align_up(sizeof want - 1, 8);
    struct arena a;
    struct meta m;
    struct buf out;
    struct err err = {0};

    (void)state;
    arena_init(&a, 0);
    meta_init(&m, &a);
    assert_int_equal(meta_set_str(&m, "format", "pt", &err), OK);
    buf_init(&out, 4096);
    assert_int_equal(st_header(e, ARRAY_LEN(e), &m, &out, &err), OK);
    assert_int_equal(out.n, 8 + padded);
    assert_int_equal((unsigned char)out.p[0], padded & 0xff);
    assert_int_equal((unsigned char)out.p[1], padded >> 8);
    assert_memory_equal(out.p + 8, want, sizeof want - 1);
    for (size_t i = 8 + sizeof want - 1; i < out.n; i++)
        assert_int_equal(out.p[i], ' ');
    assert_true(e[0].off == out.n && e[1].off == out.n + 24 && e[2].off == out.n + 26);

    for (int i = 0; i < 26; i++) /* what we write we read */
        buf_add_char(&out, (char)i);
    write_file(out.p, out.n);
    struct source *s = open_ok();
    for (size_t i = 0; i < ARRAY_LEN(e); i++) {
        const struct tensor *t = source_find(s, e[i].name);

        assert_non_null(t);
        assert_true(t->off == e[i].off && t->nbytes == e[i].nbytes && t->dtype == e[i].dtype &&
                    t->rank == e[i].rank);
    }
    source_close(s);

    out.n = 0;
    assert_int_equal(st_header(e, 0, NULL, &out, &err), OK);
    assert_memory_equal(out.p, "\x08\0\0\0\0\0\0\0{}      ", 16);
    buf_free(&out);
    meta_free(&m);
    arena_free(&a);
}

static void test_write_refused(void **state)
{
    static const uint64_t odd[] = {3}, large[] = {(uint64_t)1 << 60};
    static const struct {
        struct st_entry e;
        enum status want;
    } cases[] = {
        {{.name = "", .dtype = DT_U8, .rank = 1, .shape = odd, .nbytes = 3}, E_UNSUPPORTED},
        {{.name = "__metadata__", .dtype = DT_U8, .rank = 1, .shape = odd, .nbytes = 3}, E_UNSUPPORTED},
        {{.name = "\xff", .dtype = DT_U8, .rank = 1, .shape = odd, .nbytes = 3}, E_UNSUPPORTED},
        {{.name = "x", .dtype = DT_Q4_0, .rank = 1, .shape = odd, .nbytes = 3}, E_UNSUPPORTED},
        {{.name = "x", .dtype = DT_F4, .rank = 1, .shape = odd, .nbytes = 2}, E_UNSUPPORTED},
        {{.name = "x", .dtype = DT_U8, .rank = 1, .shape = odd, .nbytes = 3}, OK},
    };
    struct st_entry huge[17];
    struct err err = {0};
    struct buf out;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct st_entry e = cases[i].e;

        buf_init(&out, 4096);
        assert_int_equal(st_header(&e, 1, NULL, &out, &err), cases[i].want);
        buf_free(&out);
    }
    for (size_t i = 0; i < ARRAY_LEN(huge); i++)
        huge[i] = (struct st_entry){
            .name = "x", .dtype = DT_U8, .rank = 1, .shape = large, .nbytes = (uint64_t)1 << 60};
    buf_init(&out, 4096);
    assert_int_equal(st_header(huge, ARRAY_LEN(huge), NULL, &out, &err), E_LIMIT);
    buf_free(&out);
    buf_init(&out, 16); /* too small */
    assert_int_equal(st_header(huge, 1, NULL, &out, &err), E_LIMIT);
    buf_free(&out);

    struct arena a;
    struct meta m;
    arena_init(&a, 0);
    meta_init(&m, &a);
    assert_int_equal(meta_set_u32(&m, "n", 1, &err), OK);
    buf_init(&out, 4096);
    assert_int_equal(st_header(huge, 0, &m, &out, &err), E_UNSUPPORTED);
    assert_string_equal(err.text, "metadata \"n\": is u32; safetensors can hold only strings");
    buf_free(&out);
    meta_free(&m);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),           cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_size_field),     cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_json),           cmocka_unit_test(test_fields),
        cmocka_unit_test(test_long_values),    cmocka_unit_test(test_tiling),
        cmocka_unit_test(test_probe),          cmocka_unit_test(test_many),
        cmocka_unit_test(test_metadata_limit), cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
