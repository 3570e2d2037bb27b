/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF split sets, written headers, and files of other programs. */
#include "tests/unit/gguf_build.h"

/* ---- split files ---- */

/* Part `no` of `count`, with one tensor called `name` (or none), `total` as split.tensors.count. */
static void write_part(const char *path, uint16_t no, uint16_t count, int32_t total, const char *name)
{
    struct buf b;

    start(&b, name != NULL, 3);
    add_u16(&b, "split.no", no);
    add_u16(&b, "split.count", count);
    add_key(&b, "split.tensors.count", META_I32);
    buf_add_u32(&b, (uint32_t)total);
    if (name)
        add_vector(&b, name, 2, 0);
    pad(&b, 32);
    add_zeros(&b, name ? 8 : 0);
    write_file(path, &b);
    buf_free(&b);
}

static void reject_split(const char *path, enum status want, const char *part)
{
    struct source *s = NULL;
    struct err err = {0};
    enum status status = read_path(path, 0, &s, &err);

    if (status != want || !strstr(err.text, part))
        fail_msg("want %s '%s', got %s '%s'", status_tag(want), part, status_tag(status), err.text);
}

static void test_split(void **state)
{
    const char *first = in_folder("m-00001-of-00003.gguf"), *second = in_folder("m-00002-of-00003.gguf"),
               *third = in_folder("m-00003-of-00003.gguf");

    (void)state;
    write_part(first, 0, 3, 2, NULL);
    write_part(second, 1, 3, 2, "a");
    reject_split(first, E_IO, third);
    write_part(third, 2, 3, 2, "b");
    struct source *s = must_read(first, 0);
    assert_int_equal(s->nfile, 3);
    assert_int_equal(s->ntensor, 2);
    assert_string_equal(s->tensors[1].name, "b");
    assert_int_equal(s->tensors[1].file, 2);
    assert_int_equal(s->tensors[1].off, s->files[2].header_nbytes);
    assert_int_equal(s->meta.n, 3);
    source_close(s);

    reject_split(second, E_USAGE, "split.no=1: part 2 of 3; open the first, ");
    reject_split(second, E_USAGE, first);

    write_part(third, 2, 3, 2, "a");
    reject_split(first, E_FORMAT, "name='a': a tensor of this name is already in ");
    write_part(third, 1, 3, 2, "b");
    reject_split(first, E_FORMAT, "split.no=1: must be 2 by the file's name");
    write_part(third, 2, 4, 2, "b");
    reject_split(first, E_FORMAT, "split.count=4: the first file says 3");
    write_part(third, 2, 3, 2, NULL);
    reject_split(first, E_FORMAT, "split.tensors.count=2: the 3 files hold 1 tensors");

    /* Links are followed: caches are made of them. */
    write_part(in_folder("blob"), 2, 3, 2, "b");
    assert_int_equal(unlink(third), 0);
    assert_int_equal(symlink("blob", third), 0);
    s = must_read(first, 0);
    source_close(s);
    assert_int_equal(truncate(in_folder("blob"), 100), 0);
    reject_split(first, E_FORMAT, "part 3 of 3: ");
}

static void test_split_keys(void **state)
{
    const char *path = in_folder("k-00001-of-00002.gguf"), *other = in_folder("other.gguf");
    struct buf b;

    (void)state;
    write_part(other, 0, 2, 1, "a");
    reject_split(other, E_FORMAT, "its name does not end in -00001-of-00002.gguf");
    write_part(path, 0, 3, 1, "a");
    reject_split(path, E_FORMAT, "its name does not end in -00001-of-00003.gguf");
    write_part(path, 2, 2, 1, "a");
    reject_split(path, E_FORMAT, "split.no=2: split.count is 2");
    write_part(path, 0, 2, -1, "a");
    reject_split(path, E_FORMAT, "split.tensors.count of type i32: must be a number that is not negative");

    start(&b, 0, 1);
    add_u16(&b, "split.count", 2);
    write_file(path, &b);
    buf_free(&b);
    reject_split(path, E_FORMAT, "split.no is missing");
    start(&b, 0, 1);
    add_key(&b, "split.count", META_STR);
    add_str(&b, "2");
    write_file(path, &b);
    buf_free(&b);
    reject_split(path, E_FORMAT, "split.count of type str: must be a number");

    /* A count of 0 or 1 is a file of its own, whatever its name. */
    for (uint16_t count = 0; count < 2; count++) {
        write_part(other, 0, count, 1, "a");
        source_close(must_read(other, 0));
    }
}

static void test_split_name(void **state)
{
    static const char *const cases[][2] = {
        {"out.gguf", "out-00002-of-00012.gguf"},
        {"a.b/out", "a.b/out-00002-of-00012.gguf"},
        {"/x/out.v2.gguf", "/x/out.v2-00002-of-00012.gguf"},
        {"/x/out.bin", "/x/out-00002-of-00012.gguf"},
        {"/x/.gguf", "/x/.gguf-00002-of-00012.gguf"},
        {".gguf", ".gguf-00002-of-00012.gguf"},
        {"out.", "out.-00002-of-00012.gguf"},
    };
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(gguf_split_name(&a, cases[i][0], 1, 12), cases[i][1]);
    arena_free(&a);
}

static void test_split_order(void **state)
{
    static const char *const orders[][3] = {
        [GGUF_SPLIT_CONVERTER] = {"split.no", "split.count", "split.tensors.count"},
        [GGUF_SPLIT_TOOL] = {"split.no", "split.tensors.count", "split.count"},
    };
    static const struct gguf_split split = {1, 3, 70000};
    struct err err = {0};
    struct arena a;
    struct meta m;
    uint64_t v;

    (void)state;
    arena_init(&a, 0);
    meta_init(&m, &a);
    assert_int_equal(meta_set_u32(&m, "split.count", 0, &err), OK);
    assert_int_equal(meta_set_u32(&m, "x", 0, &err), OK);
    for (enum gguf_split_order o = GGUF_SPLIT_CONVERTER; o <= GGUF_SPLIT_TOOL; o++) {
        assert_int_equal(gguf_split_add(&m, o, &split, &err), OK);
        assert_int_equal(m.n, 4);
        assert_string_equal(m.kv[0].key, "x");
        for (size_t i = 0; i < 3; i++)
            assert_string_equal(m.kv[1 + i].key, orders[o][i]);
        assert_true(meta_u64(meta_find(&m, "split.tensors.count"), &v) && v == 70000);
        assert_true(meta_u64(meta_find(&m, "split.count"), &v) && v == 3);
    }
    assert_true(gguf_split_remove(&m));
    assert_false(gguf_split_remove(&m));
    assert_int_equal(m.n, 1);
    meta_free(&m);
    arena_free(&a);
}

static void test_block(void **state)
{
    static const char *const none[] = {"blk.weight", "blk..weight", "blk.1", "blk.-1.x",
                                       "v.blk.1.x",  "blk. 1.x",    ""};
    const char *rest;
    uint64_t n;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(gguf_block(none[i], &n, &rest));
    assert_true(gguf_block("blk.12.attn_q.weight", &n, &rest));
    assert_int_equal(n, 12);
    assert_string_equal(rest, "attn_q.weight");
    assert_true(gguf_block("blk.99999999999999999999.", &n, &rest));
    assert_int_equal(n, UINT32_MAX);
}

/* ---- writing ---- */

/* The header in one piece; 0 bytes in out on failure. */
static enum status flat_header(const struct meta *m, struct gguf_entry *entries, size_t n, struct buf *out,
                               uint64_t *file_nbytes, struct err *err)
{
    struct arena a;

    arena_init(&a, 0);
    struct gguf_header h = {.arena = &a};
    enum status s = gguf_header(m, entries, n, &h, err);
    for (size_t i = 0; s == OK && i < h.n; i++)
        buf_add(out, h.piece[i].p, h.piece[i].n);
    if (s == OK)
        *file_nbytes = h.file_nbytes;
    arena_free(&a);
    return s;
}

static void test_header_bytes(void **state)
{
    static const uint64_t shape[] = {2, 32};
    static const int32_t ints[] = {7};
    struct gguf_entry entries[] = {
        {"s", DT_F32, 0, NULL, 4, 0},
        {"m", DT_Q8_0, 2, shape, 68, 0},
        {"e", DT_F16, 2, shape, 128, 0},
    };
    struct arena a;
    struct meta m;
    struct err err = {0};
    struct buf out, want;
    uint64_t file_nbytes = 0;

    (void)state;
    arena_init(&a, 0);
    meta_init(&m, &a);
    assert_int_equal(meta_set_str(&m, "general.architecture", "llama", &err), OK);
    assert_int_equal(meta_set_str(&m, "empty", "", &err), OK);
    assert_int_equal(meta_set_i32s(&m, "one", ints, 1, &err), OK);
    buf_init(&out, MIB);
    assert_int_equal(flat_header(&m, entries, 3, &out, &file_nbytes, &err), OK);

    start(&want, 3, 3);
    add_architecture(&want);
    add_key(&want, "empty", META_STR);
    add_str(&want, "");
    add_key(&want, "one", META_ARRAY);
    add_array(&want, META_I32, 1);
    buf_add_u32(&want, 7);
    add_vector(&want, "s", 1, 0);
    add_str(&want, "m");
    add_info(&want, 2, (const uint64_t[]){32, 2}, 8, 32);
    add_str(&want, "e");
    add_info(&want, 2, (const uint64_t[]){32, 2}, 1, 128);
    pad(&want, 32);
    assert_int_equal(out.n, want.n);
    assert_memory_equal(out.p, want.p, want.n);
    assert_int_equal(file_nbytes, out.n + 256);
    assert_int_equal(entries[0].off, out.n);
    assert_int_equal(entries[1].off, out.n + 32);
    assert_int_equal(entries[2].off, out.n + 128);

    add_zeros(&want, 256);
    source_close(accept(&want));
    buf_free(&out);
    meta_free(&m);
    arena_free(&a);
}

/* Reading a file and writing its header again gives the same bytes. */
static void test_round_trip(void **state)
{
    struct gguf_entry entries[4];
    struct err err = {0};
    struct buf in, copy, out;
    uint64_t file_nbytes = 0;

    (void)state;
    build_rich(&in);
    buf_init(&copy, MAX_FILE);
    buf_add(&copy, in.p, in.n);
    struct source *s = accept(&in);
    for (size_t i = 0; i < 4; i++) {
        const struct tensor *t = &s->tensors[i];

        entries[i] = (struct gguf_entry){t->name, t->dtype, t->rank, t->shape, t->nbytes, 0};
    }
    buf_init(&out, MIB);
    assert_int_equal(flat_header(&s->meta, entries, 4, &out, &file_nbytes, &err), OK);
    assert_int_equal(file_nbytes, copy.n);
    assert_int_equal(out.n, s->files[0].header_nbytes);
    assert_memory_equal(out.p, copy.p, out.n);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(entries[i].off, s->tensors[i].off);
    source_close(s);
    buf_free(&copy);
    buf_free(&out);
}

static void test_what_cannot_be_written(void **state)
{
    static const uint64_t shape[] = {1, 1, 1, 1, 32};
    static const struct {
        struct gguf_entry entry;
        uint32_t alignment;
        enum status status;
        const char *part;
    } cases[] = {
        {{"t", DT_F8_E4M3, 1, shape, 1, 0}, 32, E_UNSUPPORTED, "tensor 't': GGUF has no type f8_e4m3"},
        {{"t", DT_F32, 5, shape, 128, 0}, 32, E_UNSUPPORTED, "at most 4 dimensions, not 5"},
        {{"t", DT_Q4_K, 1, shape + 4, 18, 0},
         32,
         E_UNSUPPORTED,
         "rows of 32 elements are not whole q4_k blocks"},
        {{"t", DT_F32, 1, shape, 4, 0}, 48, E_USAGE, "general.alignment=48: not a power of two"},
        {{"t", DT_F32, 1, shape, 4, 0}, 1u << 31, E_LIMIT, "the GGUF header"},
    };
    struct arena a;
    struct meta m;
    uint64_t file_nbytes = 7;

    (void)state;
    arena_init(&a, 0);
    meta_init(&m, &a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gguf_entry e = cases[i].entry;
        struct err err = {0};
        struct buf out;

        buf_init(&out, MIB);
        assert_int_equal(meta_set_u32(&m, "general.alignment", cases[i].alignment, &err), OK);
        enum status status = flat_header(&m, &e, 1, &out, &file_nbytes, &err);
        assert_int_equal(status, cases[i].status);
        assert_non_null(strstr(err.text, cases[i].part));
        assert_int_equal(file_nbytes, 7);
        buf_free(&out);
    }

    struct err err = {0};
    struct buf none;
    assert_int_equal(meta_set_str(&m, "general.alignment", "32", &err), OK);
    buf_init(&none, MIB);
    assert_int_equal(flat_header(&m, NULL, 0, &none, &file_nbytes, &err), E_USAGE);
    assert_string_equal(err.text, "general.alignment of type str: must be a u32");
    meta_free(&m);
    arena_free(&a);
}

/* No tensor is too large alone. */
static void test_sum_of_sizes(void **state)
{
    static const uint64_t shape[] = {(uint64_t)1 << 57};
    struct gguf_entry entries[9];
    struct meta m;
    struct arena a;
    struct err err = {0};
    struct buf out;
    uint64_t file_nbytes = 0;

    (void)state;
    arena_init(&a, 0);
    meta_init(&m, &a);
    for (size_t i = 0; i < ARRAY_LEN(entries); i++)
        entries[i] = (struct gguf_entry){"t", DT_I64, 1, shape, (uint64_t)1 << 60, 0};
    buf_init(&out, MIB);
    assert_int_equal(flat_header(&m, entries, 7, &out, &file_nbytes, &err), OK);
    assert_int_equal(file_nbytes, out.n + ((uint64_t)7 << 60));
    out.n = 0;
    assert_int_equal(flat_header(&m, entries, 9, &out, &file_nbytes, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "tensor 't': ends beyond any file's size"));
    buf_free(&out);
    arena_free(&a);
}

/* ---- files of other programs ---- */

static void test_reference_files(void **state)
{
    static const char *const paths[] = {"../shared/expected/tiny-qwen35-imatrix.gguf",
                                        "../shared/expected/tiny-qwen35moe-imatrix.gguf"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct slice type;

        if (access(paths[i], R_OK) != 0)
            skip();
        struct source *s = must_read(paths[i], 16 * MIB);
        assert_true(s->ntensor > 0 && s->ntensor % 2 == 0);
        assert_true(meta_str(meta_find(&s->meta, "general.type"), &type));
        assert_true(slice_eq(type, "imatrix"));
        for (size_t k = 0; k < s->ntensor; k++) {
            assert_int_equal(s->tensors[k].dtype, DT_F32);
            assert_true(str_ends(s->tensors[k].name, ".in_sum2") || str_ends(s->tensors[k].name, ".counts"));
        }
        source_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),        cmocka_unit_test(test_split_keys),
        cmocka_unit_test(test_split_order),  cmocka_unit_test(test_block),
        cmocka_unit_test(test_split_name),   cmocka_unit_test(test_header_bytes),
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_sum_of_sizes), cmocka_unit_test(test_reference_files),
    };

    return cmocka_run_group_tests(tests, gguf_setup, gguf_teardown);
}
