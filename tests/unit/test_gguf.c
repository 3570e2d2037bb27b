/* SPDX-License-Identifier: Apache-2.0 */
/* Reading GGUF headers: start, metadata, tensor infos, layout. */
#include "tests/unit/gguf_build.h"

/* ---- start of the file ---- */

static void test_start(void **state)
{
    static const struct {
        const char *magic;
        uint32_t version;
        enum status status;
        uint64_t off;
        const char *part;
    } cases[] = {
        {"GGUX", 3, E_FORMAT, 0, "magic=47475558: not a GGUF file"},
        {"ggjt", 3, E_FORMAT, 0, "GGUF"},
        {"FUGG", 3, E_FORMAT, 0, "GGUF"},
        {"GGUF", 0, E_FORMAT, 4, "version=0: "},
        {"GGUF", 1, E_UNSUPPORTED, 4, "version=1: "},
        {"GGUF", 4, E_UNSUPPORTED, 4, "version=4: unknown"},
        {"GGUF", 0x03000000, E_FORMAT, 4, "version=0x03000000: byte-swapped"},
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build_one(&b, 4);
        memcpy(b.p, cases[i].magic, 4);
        for (int k = 0; k < 4; k++)
            b.p[4 + k] = (char)(cases[i].version >> (8 * k));
        reject_as(cases[i].status, &b, cases[i].off, cases[i].part);
    }
    buf_init(&b, MAX_FILE);
    buf_add(&b, "", 0);
    reject(&b, 0, "the file ");
    assert_true(gguf_probe((const unsigned char *)"GGUF", 4));
    assert_false(gguf_probe((const unsigned char *)"GGUF", 3));
    assert_false(gguf_probe((const unsigned char *)"GGML", 4));
}

static void test_version_2(void **state)
{
    struct buf b;

    (void)state;
    build_one(&b, 4);
    b.p[4] = 2;
    struct source *s = accept(&b);
    assert_int_equal(s->gguf_version, 2);
    assert_int_equal(s->ntensor, 1);
    source_close(s);
}

static void test_counts(void **state)
{
    static const uint64_t huge[] = {(uint64_t)1 << 63, UINT64_MAX, (uint64_t)1 << 40, SIZE_MAX / 56, 2};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(huge); i++) {
        start(&b, huge[i], 0);
        add_zeros(&b, 30);
        reject(&b, 8, "tensor_count=");
        start(&b, 0, huge[i] + (huge[i] == 2));
        add_zeros(&b, 30);
        reject(&b, 16, "kv_count=");
    }
    /* Each count fits alone, the sum does not. */
    start(&b, 1, 1);
    add_zeros(&b, 30);
    reject(&b, 8, "tensor_count=1: does not fit in the 30 bytes left");
    /* 2^20 keys are the most that are looked at. */
    start(&b, 0, ((uint64_t)1 << 20) + 1);
    add_zeros(&b, 15 * MIB);
    reject_as(E_LIMIT, &b, 16, "kv_count=1048577: over the limit");
}

/* ---- keys and values ---- */

static void test_keys(void **state)
{
    static const struct {
        const char *key;
        size_t n;
        const char *part;
    } cases[] = {
        {"a\0b", 3, "key='a\\x00b': has the control byte 0x00"},
        {"a\nb", 3, "key='a\\x0ab': has the control byte 0x0a"},
        {"\033[2J", 4, "key='\\x1b[2J': has the control byte 0x1b"},
        {"a\x7f", 2, "control byte 0x7f"},
        {"\xff", 1, "key='\\xff': not UTF-8"},
        {"\xc0\x80", 2, "not UTF-8"},
        {"\xed\xa0\x80", 3, "not UTF-8"},
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        start(&b, 0, 1);
        add_strn(&b, cases[i].key, cases[i].n);
        buf_add_u32(&b, META_U32);
        buf_add_u32(&b, 1);
        reject(&b, 32, cases[i].part);
    }
    start(&b, 0, 1);
    add_u32(&b, "", 1);
    add_zeros(&b, 8);
    reject(&b, 24, "key_length=0: must not be empty");
}

static void test_key_lengths(void **state)
{
    static const uint64_t lengths[] = {UINT64_MAX, (uint64_t)1 << 63, 17};
    char *name = malloc(GGUF_MAX_KEY + 1);
    struct buf b;

    (void)state;
    assert_non_null(name);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        start(&b, 0, 1);
        buf_add_u64(&b, lengths[i]);
        add_zeros(&b, 16);
        reject(&b, 24, "does not fit in the 16 bytes left");
    }
    memset(name, 'k', GGUF_MAX_KEY + 1);
    for (size_t n = GGUF_MAX_KEY; n <= GGUF_MAX_KEY + 1; n++) {
        start(&b, 0, 1);
        add_strn(&b, name, n);
        buf_add_u32(&b, META_U32);
        buf_add_u32(&b, 1);
        if (n > GGUF_MAX_KEY)
            reject(&b, 24, "key_length=65536: longer than the 65535 bytes allowed");
        else
            source_close(accept(&b));
    }
    free(name);
}

static void test_duplicate_keys(void **state)
{
    struct buf b;

    (void)state;
    for (int same = 0; same < 2; same++) {
        start(&b, 0, 2);
        add_u32(&b, "twin", 1);
        if (same)
            add_u32(&b, "twin", 1);
        else
            add_u16(&b, "twin", 1);
        reject(&b, 24 + 20 + 8, "key='twin': occurs twice");
    }
}

static void test_value_types(void **state)
{
    static const uint32_t bad[] = {13, 0x7fffffff, UINT32_MAX};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char part[64];

        start(&b, 0, 1);
        add_key(&b, "k", bad[i]);
        add_zeros(&b, 64);
        snprintf(part, sizeof part, "value_type=%" PRIu32 ": no such type (key 'k')", bad[i]);
        reject(&b, 33, part);
        start(&b, 0, 1);
        add_key(&b, "k", META_ARRAY);
        add_array(&b, bad[i], 1);
        add_zeros(&b, 64);
        snprintf(part, sizeof part, "array_type=%" PRIu32 ": no such type (key 'k')", bad[i]);
        reject(&b, 37, part);
    }
}

/* One key of every type, and arrays of every type. */
static void test_all_types_are_read(void **state)
{
    static const char value[] = "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0";
    const struct meta_kv *kv;
    char key[16];
    struct buf b;

    (void)state;
    start(&b, 0, 2 * META_TYPE_COUNT);
    for (uint32_t t = 0; t < META_TYPE_COUNT; t++) {
        uint32_t size = meta_type_size((enum meta_type)t);

        snprintf(key, sizeof key, "v%" PRIu32, t);
        add_key(&b, key, t);
        if (t == META_STR)
            add_str(&b, "x");
        else if (t == META_ARRAY)
            add_array(&b, META_U8, 0);
        else
            buf_add(&b, value, size);
        snprintf(key, sizeof key, "a%" PRIu32, t);
        add_key(&b, key, META_ARRAY);
        add_array(&b, t, 2);
        for (int k = 0; k < 2; k++)
            if (t == META_STR)
                add_strn(&b, "\xff\0", 2);
            else if (t == META_ARRAY)
                add_array(&b, META_U8, 0);
            else
                buf_add(&b, value, size);
    }
    pad(&b, 32);
    struct source *s = accept(&b);
    assert_int_equal(s->meta.n, 2 * META_TYPE_COUNT);
    for (uint32_t t = 0; t < META_TYPE_COUNT; t++) {
        uint32_t size = meta_type_size((enum meta_type)t);

        kv = &s->meta.kv[2 * t];
        assert_int_equal(kv->type, t);
        assert_int_equal(kv->nbytes, t == META_STR ? 9 : t == META_ARRAY ? 0 : size);
        kv = &s->meta.kv[2 * t + 1];
        assert_int_equal(kv->type, META_ARRAY);
        assert_int_equal(kv->elem, t);
        assert_int_equal(kv->count, 2);
        assert_int_equal(kv->nbytes, t == META_STR ? 20 : t == META_ARRAY ? 24 : 2 * size);
        assert_true(size == 0 || memcmp(kv->data, value, size) == 0);
    }
    source_close(s);
}

static void test_nested_arrays(void **state)
{
    struct buf b;

    (void)state;
    for (unsigned depth = 4; depth <= 5; depth++) {
        start(&b, 0, 1);
        add_key(&b, "k", META_ARRAY);
        for (unsigned d = 1; d < depth; d++)
            add_array(&b, META_ARRAY, 1);
        add_array(&b, META_STR, 2);
        add_str(&b, "");
        add_str(&b, "xyz");
        if (depth == 5) {
            reject(&b, 37 + 3 * 12, "array_type=9: arrays are nested more than 4 deep (key 'k')");
            continue;
        }
        struct source *s = accept(&b);
        assert_int_equal(s->meta.kv[0].elem, META_ARRAY);
        assert_int_equal(s->meta.kv[0].nbytes, 3 * 12 + 8 + 11);
        source_close(s);
    }
    start(&b, 0, 1);
    add_key(&b, "k", META_ARRAY);
    add_array(&b, META_ARRAY, 2);
    add_array(&b, META_U16, 1);
    buf_add_u16(&b, 1);
    add_array(&b, META_BOOL, 1);
    buf_add_char(&b, 2);
    reject(&b, 37 + 3 * 12 + 2, "value=2: a bool is 0 or 1");
}

static void test_array_counts(void **state)
{
    static const struct {
        uint32_t elem;
        uint64_t count;
    } cases[] = {
        {META_U64, (uint64_t)1 << 61}, // wraps to 0 bytes
        {META_U64, 9},
        {META_U8, 65},
        {META_STR, 9},
        {META_ARRAY, 6},
        {META_BOOL, 65},
        {META_STR, (uint64_t)1 << 61},
        {META_U8, UINT64_MAX},
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        start(&b, 0, 1);
        add_key(&b, "k", META_ARRAY);
        add_array(&b, cases[i].elem, cases[i].count);
        add_zeros(&b, 64);
        reject(&b, 41, "array_count=");
    }
    for (uint64_t past = 0; past < 2; past++) {
        start(&b, 0, 1);
        add_key(&b, "k", META_ARRAY);
        add_array(&b, META_STR, 2);
        add_str(&b, "x");
        buf_add_u64(&b, 7 + past);
        add_zeros(&b, 7);
        if (past)
            reject(&b, 49 + 9, "string_length=8: does not fit in the 7 bytes left in the file (key 'k')");
        else
            source_close(accept(&b));
    }
    start(&b, 0, 1);
    add_key(&b, "k", META_STR);
    buf_add_u64(&b, UINT64_MAX);
    add_zeros(&b, 7);
    reject(&b, 37, "string_length=18446744073709551615: does not fit");
}

static void test_bools(void **state)
{
    struct buf b;

    (void)state;
    start(&b, 0, 1);
    add_key(&b, "k", META_BOOL);
    buf_add_char(&b, 2);
    reject(&b, 37, "value=2: a bool is 0 or 1 (key 'k')");
    /* Far behind what one read of the file covers. */
    start(&b, 0, 1);
    add_key(&b, "k", META_ARRAY);
    add_array(&b, META_BOOL, MIB);
    add_zeros(&b, MIB);
    b.p[b.n - 1] = (char)0xff;
    reject(&b, 49 + MIB - 1, "value=255: a bool is 0 or 1");
}

static void test_known_keys(void **state)
{
    static const uint32_t good[] = {1, 8, 64, 4096}, bad[] = {0, 3, 24, 0xffffffff};
    static const uint32_t types[] = {META_I32, META_U64, META_STR, META_ARRAY};
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        start(&b, 2, 1);
        add_u32(&b, "general.alignment", good[i]);
        add_vector(&b, "a", 3, 0);
        add_vector(&b, "b", 1, align_up(12, good[i]));
        pad(&b, good[i]);
        uint64_t data = b.n;
        add_zeros(&b, (size_t)align_up(12, good[i]) + 4);
        struct source *s = accept(&b);
        assert_int_equal(s->alignment, good[i]);
        assert_int_equal(s->files[0].header_nbytes, data);
        assert_int_equal(s->tensors[0].off, data);
        assert_int_equal(s->tensors[1].off, data + align_up(12, good[i]));
        source_close(s);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        start(&b, 0, 1);
        add_u32(&b, "general.alignment", bad[i]);
        reject(&b, 53, "not a power of two");
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        start(&b, 0, 1);
        add_key(&b, "general.alignment", types[i]);
        add_zeros(&b, 16);
        reject(&b, 53, ": must be a u32");
    }
    start(&b, 0, 1);
    add_key(&b, "general.architecture", META_ARRAY);
    add_array(&b, META_STR, 1);
    add_str(&b, "llama");
    reject(&b, 56, "general.architecture=array: must be a str");
}

static void test_alignment_beyond_the_file(void **state)
{
    struct buf b;

    (void)state;
    for (uint64_t ntensor = 0; ntensor < 2; ntensor++) {
        start(&b, ntensor, 1);
        add_u32(&b, "general.alignment", 1u << 31);
        if (ntensor)
            add_vector(&b, "a", 0, 0);
        reject(&b, b.n, "bytes of the padding to alignment 2147483648 are missing");
    }
}

/* ---- tensors ---- */

static void test_tensor_is_read(void **state)
{
    static const uint64_t dims[] = {256, 3, 2};
    struct buf b;

    (void)state;
    build_info(&b, 3, dims, 12, 0); // Q4_K
    uint64_t data = b.n;
    add_zeros(&b, 6 * 144);
    struct source *s = accept(&b);
    const struct tensor *t = &s->tensors[0];
    assert_int_equal(s->ntensor, 1);
    assert_int_equal(s->gguf_version, 3);
    assert_int_equal(s->alignment, 32);
    assert_string_equal(t->name, "t");
    assert_int_equal(t->dtype, DT_Q4_K);
    assert_int_equal(t->rank, 3);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 3);
    assert_int_equal(t->shape[2], 256);
    assert_int_equal(t->file, 0);
    assert_int_equal(t->off, data);
    assert_int_equal(t->nbytes, 6 * 144);
    assert_int_equal(s->files[0].header_nbytes, data);
    source_close(s);
}

static void test_tensor_names(void **state)
{
    static const uint64_t lengths[] = {UINT64_MAX, 27};
    uint64_t one = 1;
    struct buf b;

    (void)state;
    start(&b, 1, 0);
    add_strn(&b, "a\0b", 3);
    add_info(&b, 1, &one, 0, 0);
    reject(&b, 32, "name='a\\x00b': has a NUL byte");
    start(&b, 1, 0);
    add_str(&b, "");
    add_info(&b, 1, &one, 0, 0);
    reject(&b, 24, "name_length=0: must not be empty");
    start(&b, 2, 0);
    add_vector(&b, "twin", 1, 0);
    add_vector(&b, "twin", 1, 32);
    reject(&b, 24 + 36 + 8, "name='twin': a tensor of this name is already in ");
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        start(&b, 1, 0);
        buf_add_u64(&b, lengths[i]);
        add_zeros(&b, 26);
        reject(&b, 24, "does not fit in the 26 bytes left");
    }
}

static void test_long_tensor_name(void **state)
{
    const size_t max = TENSOR_MAX_NAME;
    uint64_t zero = 0;
    char *name = malloc(max + 1);
    struct buf b;

    (void)state;
    assert_non_null(name);
    memset(name, 'n', max + 1);
    for (size_t n = max; n <= max + 1; n++) {
        start(&b, 1, 0);
        add_strn(&b, name, n);
        add_info(&b, 1, &zero, 0, 0);
        pad(&b, 32);
        if (n > max)
            reject(&b, 24, "name_length=65537: longer than the 65536 bytes allowed");
        else
            source_close(accept(&b));
    }
    /* The reason must survive a long name. */
    start(&b, 1, 0);
    add_strn(&b, name, max);
    add_info(&b, 1, &zero, 99, 0);
    reject(&b, 24 + 8 + max + 12, "type=99: no such type (tensor 'nnnn");
    free(name);
}

static void test_dims(void **state)
{
    static const uint32_t ranks[] = {5, 8, 9, 1000000, UINT32_MAX};
    static const struct {
        uint32_t rank;
        uint64_t dims[4];
        uint32_t type;
        uint64_t off; /* from the start of the infos' n_dims field */
        const char *part;
    } cases[] = {
        {1, {(uint64_t)1 << 63}, 0, 4, "dim=9223372036854775808: not below 2^63 (tensor 't')"},
        {2,
         {((uint64_t)1 << 62) + 4, 4},
         0,
         20,
         "shape=[4, 4611686018427387908]: the number of elements overflows"},
        {2, {(uint64_t)1 << 32, (uint64_t)1 << 32}, 0, 20, "the number of elements overflows"},
        {2, {(uint64_t)1 << 32, (uint64_t)1 << 31}, 0, 20, "the number of elements overflows"},
        {1, {(uint64_t)1 << 62}, 0, 12, "the number of bytes as f32 overflows"},
        {1, {100}, 12, 12, "type=q4_k: rows of 100 elements are not whole blocks of 256"},
        {2, {128, 2}, 12, 20, "rows of 128 elements"},
        {0, {0}, 2, 4, "rows of 1 elements are not whole blocks of 32"},
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ranks); i++) {
        start(&b, 1, 0);
        add_str(&b, "t");
        buf_add_u32(&b, ranks[i]);
        add_zeros(&b, 128);
        reject(&b, 33, ": more than 4 (tensor 't')");
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build_info(&b, cases[i].rank, cases[i].dims, cases[i].type, 0);
        add_zeros(&b, 64);
        reject(&b, 24 + 45 + 9 + cases[i].off, cases[i].part);
    }
}

static void test_empty_and_scalar_tensors(void **state)
{
    static const uint64_t wild[] = {0, (uint64_t)1 << 62, (uint64_t)1 << 62, 4}, two = 2;
    struct buf b;

    (void)state;
    build_info(&b, 4, wild, 0, 0);
    struct source *s = accept(&b);
    assert_int_equal(s->tensors[0].nbytes, 0);
    assert_int_equal(s->tensors[0].shape[3], 0);
    source_close(s);

    /* An empty tensor has the place of the one after it; a scalar has no dimensions. */
    start(&b, 3, 0);
    add_str(&b, "scalar");
    add_info(&b, 0, NULL, 0, 0);
    add_str(&b, "full");
    add_info(&b, 1, &two, 0, 32);
    add_vector(&b, "empty", 0, 32);
    pad(&b, 32);
    add_zeros(&b, 40);
    s = accept(&b);
    assert_int_equal(s->tensors[0].rank, 0);
    assert_int_equal(s->tensors[0].nbytes, 4);
    assert_int_equal(s->tensors[2].nbytes, 0);
    source_close(s);
}

static void test_tensor_types(void **state)
{
    static const struct {
        uint32_t type;
        const char *part;
    } cases[] = {
        {43, "type=43: no such type (tensor 't')"},
        {0x7fffffff, "no such type"},
        {UINT32_MAX, "type=4294967295: no such type"},
        {4, "type=4: a type removed from GGUF"},
        {31, "a type removed from GGUF"},
        {137, "ik_llama.cpp"},
        {399, "ik_llama.cpp"},
    };
    uint64_t n = 256;
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build_info(&b, 1, &n, cases[i].type, 0);
        add_zeros(&b, 2048);
        reject(&b, 24 + 45 + 9 + 12, cases[i].part);
    }
}

/* ---- layout ---- */

#define INFO_BYTES   34 // of one of those tensors
#define OFFSET_FIELD 26 // within it

static void test_layout(void **state)
{
    static const struct {
        size_t ntensor, data;
        uint64_t place[3][2];
        size_t bad; /* which tensor's offset is named; ntensor if none is wrong */
        const char *part;
    } cases[] = {
        {3, 76, {{4, 0}, {4, 32}, {3, 64}}, 3, NULL}, // no padding at the end
        {3, 90, {{4, 0}, {4, 32}, {3, 64}}, 3, NULL}, // some
        {3, 96, {{4, 0}, {4, 32}, {3, 64}}, 3, NULL}, // all of it
        {3, 96, {{4, 64}, {4, 0}, {3, 32}}, 3, NULL}, // not in order
        {3, 0, {{0, 0}, {0, 0}, {0, 0}}, 3, NULL},
        {2, 64, {{4, 1}, {4, 32}}, 0, "offset=1: not a multiple of the alignment 32 (tensor 't0')"},
        {2, 64, {{4, 0}, {4, 0}}, 1, "offset=0: tensor 't1' overlaps tensor 't0'"},
        {2, 96, {{9, 32}, {9, 0}}, 0, "offset=32: tensor 't0' overlaps tensor 't1'"},
        {2, 96, {{4, 0}, {4, 64}}, 1, "offset=64: 32 bytes before tensor 't1' belong to no tensor"},
        {1, 96, {{4, 32}}, 0, "offset=32: 32 bytes before tensor 't0' belong to no tensor"},
        {3,
         75,
         {{4, 0}, {4, 32}, {3, 64}},
         2,
         "offset=64: tensor 't2' of 12 bytes ends 1 bytes past the end"},
        {2, 64, {{4, 0}, {4, UINT64_MAX - 31}}, 1, "past the end of the file"},
        {2, 64, {{4, 0}, {12, UINT64_MAX - 31}}, 1, "past the end of the file"},
        {2,
         64,
         {{(uint64_t)1 << 58, 0}, {(uint64_t)1 << 58, (uint64_t)1 << 60}},
         0,
         "past the end of the file"},
    };
    struct buf b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        build_layout(&b, cases[i].ntensor, cases[i].place, cases[i].data);
        if (cases[i].part) {
            reject(&b, 24 + cases[i].bad * INFO_BYTES + OFFSET_FIELD, cases[i].part);
            continue;
        }
        struct source *s = accept(&b);
        for (size_t k = 0; k < s->ntensor; k++)
            assert_int_equal(s->tensors[k].off, s->files[0].header_nbytes + cases[i].place[k][1]);
        source_close(s);
    }
}

static void test_trailing_bytes(void **state)
{
    static const uint64_t place[][2] = {{4, 0}};
    struct buf b;

    (void)state;
    build_layout(&b, 1, place, 33);
    reject(&b, b.n - 1, "file_size=97: 1 bytes follow the last tensor");
    build_layout(&b, 1, place, 32 + 1024);
    reject(&b, b.n - 1024, "1024 bytes follow the last tensor");
    start(&b, 0, 0);
    add_zeros(&b, 9);
    reject(&b, 32, "1 bytes follow the last tensor");
}

static void test_no_tensors(void **state)
{
    struct buf b;

    (void)state;
    for (size_t padding = 0; padding <= 8; padding += 4) {
        start(&b, 0, 0);
        add_zeros(&b, padding);
        struct source *s = accept(&b);
        assert_int_equal(s->ntensor, 0);
        assert_int_equal(s->files[0].header_nbytes, 24 + padding);
        source_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_key_lengths),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_value_types),
        cmocka_unit_test(test_all_types_are_read),
        cmocka_unit_test(test_nested_arrays),
        cmocka_unit_test(test_array_counts),
        cmocka_unit_test(test_bools),
        cmocka_unit_test(test_known_keys),
        cmocka_unit_test(test_alignment_beyond_the_file),
        cmocka_unit_test(test_tensor_is_read),
        cmocka_unit_test(test_tensor_names),
        cmocka_unit_test(test_long_tensor_name),
        cmocka_unit_test(test_dims),
        cmocka_unit_test(test_empty_and_scalar_tensors),
        cmocka_unit_test(test_tensor_types),
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_no_tensors),
    };

    return cmocka_run_group_tests(tests, gguf_setup, gguf_teardown);
}
