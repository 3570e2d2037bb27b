/* SPDX-License-Identifier: Apache-2.0 */
/* Reading GGUF files of hostile sizes, cut files and damaged ones. */
#include "tests/unit/gguf_build.h"

#include <fcntl.h>

/* ---- sizes ---- */

/* 25 million empty strings cost their bytes and no more. */
static void test_array_of_many_strings(void **state)
{
    const uint64_t n = 25000000;
    struct err err = {0};
    struct source *s = NULL;
    struct buf b;

    (void)state;
    start(&b, 0, 1);
    add_key(&b, "k", META_ARRAY);
    add_array(&b, META_STR, n);
    write_file(file_name, &b);
    assert_int_equal(truncate(file_name, (off_t)(b.n + n * 8)), 0);
    s = must_read(file_name, 256 * MIB);
    assert_int_equal(s->meta.kv[0].count, n);
    assert_int_equal(s->meta.kv[0].nbytes, n * 8);
    assert_true(s->arena.used < n * 8 + MIB);
    source_close(s);
    assert_int_equal(read_path(file_name, 100 * MIB, &s, &err), E_LIMIT);
    assert_non_null(
        strstr(err.text, "value_size=200000000: takes the metadata over the limit of 104857600 bytes"));
    buf_free(&b);
}

static void test_sparse_file(void **state)
{
    static const uint64_t place[][2] = {{(uint64_t)1 << 40, 0}};
    const uint64_t nbytes = (uint64_t)1 << 42;
    struct err err = {0};
    struct source *s = NULL;
    struct buf b;

    (void)state;
    build_layout(&b, 1, place, 0);
    write_file(file_name, &b);
    if (truncate(file_name, (off_t)(b.n + nbytes)) != 0) {
        buf_free(&b);
        skip(); // the file system has no such sizes
    }
    s = must_read(file_name, MIB);
    assert_int_equal(s->tensors[0].nbytes, nbytes);
    source_close(s);

    /* What the file could hold is still too much for a header. */
    buf_free(&b);
    start(&b, 0, 1);
    add_key(&b, "k", META_ARRAY);
    add_array(&b, META_STR, (uint64_t)1 << 35);
    write_file(file_name, &b);
    assert_int_equal(truncate(file_name, (off_t)nbytes), 0);
    assert_int_equal(read_path(file_name, MIB, &s, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "array_count=34359738368: takes the header over the limit"));
    buf_free(&b);
}

/* ---- damage ---- */

static void test_every_prefix_is_rejected(void **state)
{
    struct buf b;

    (void)state;
    build_rich(&b);
    write_file(file_name, &b);
    for (size_t n = b.n - 1; n > 0; n--) {
        struct source *s = NULL;
        struct err err = {0};

        assert_int_equal(truncate(file_name, (off_t)n), 0);
        assert_int_equal(read_path(file_name, 0, &s, &err), E_FORMAT);
        assert_true(str_starts(err.text, file_name));
    }
    struct source *s = accept(&b);
    assert_int_equal(s->ntensor, 4);
    source_close(s);
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Damages b in one to four places; whole fields get the values where arithmetic goes wrong. */
static void mutate(struct buf *b, uint64_t *seed)
{
    static const uint64_t edges[] = {0,
                                     1,
                                     0x7f,
                                     0xffffffff,
                                     0x80000000,
                                     UINT64_MAX,
                                     (uint64_t)1 << 63,
                                     ((uint64_t)1 << 61) + 1,
                                     ((uint64_t)1 << 32) + 1};
    const uint64_t many = 1 + next_random(seed) % 4;

    for (uint64_t k = 0; k < many; k++) {
        size_t at = (size_t)(next_random(seed) % (b->n - 8));
        uint64_t kind = next_random(seed) % 4, edge = edges[next_random(seed) % ARRAY_LEN(edges)];

        if (kind == 0)
            b->p[at] = (char)next_random(seed);
        else if (kind == 1)
            b->p[at] = (char)(b->p[at] ^ (1 << next_random(seed) % 8));
        else if (kind == 2)
            memcpy(b->p + at, &edge, 4 + 4 * (next_random(seed) % 2));
        else
            memcpy(b->p + at, b->p + next_random(seed) % (b->n - 8), 8);
    }
}

/* What was accepted must be sound in every view of it. */
static void check_sound(const struct source *s, uint64_t file_nbytes)
{
    for (size_t i = 0; i < s->ntensor; i++) {
        const struct tensor *t = &s->tensors[i];

        assert_true(t->off <= file_nbytes && t->nbytes <= file_nbytes - t->off);
        assert_true(t->rank <= GGUF_MAX_RANK && t->dtype < DT_COUNT && t->name[0]);
    }
    for (size_t i = 0; i < s->meta.n; i++) {
        const struct meta_kv *kv = &s->meta.kv[i];
        uint64_t pos = 0, n = 0;
        struct slice v;

        assert_ptr_equal(meta_find(&s->meta, kv->key), kv);
        while (meta_next_str(kv, &pos, &v))
            n++;
        assert_true(kv->type != META_ARRAY || kv->elem != META_STR || (n == kv->count && pos == kv->nbytes));
    }
}

static void test_mutations(void **state)
{
    struct buf good, b;
    uint64_t seed = 0x9e3779b97f4a7c15;
    unsigned naccept = 0, nreject = 0;

    (void)state;
    build_rich(&good);
    size_t header = good.n - RICH_DATA;
    buf_init(&b, MAX_FILE);
    buf_add(&b, good.p, good.n);
    write_file(file_name, &good);
    int fd = open(file_name, O_WRONLY);
    assert_true(fd >= 0);
    for (unsigned i = 0; i < 20000; i++) {
        struct source *s = NULL;
        struct err err = {0};

        b.n = header;
        memcpy(b.p, good.p, header);
        mutate(&b, &seed);
        assert_int_equal(pwrite(fd, b.p, header, 0), header);
        enum status status = read_path(file_name, 64 * MIB, &s, &err);
        if (status == OK && s)
            check_sound(s, good.n);
        else
            assert_true(str_starts(err.text, file_name));
        naccept += status == OK;
        nreject += status != OK;
        source_close(s);
    }
    close(fd);
    assert_true(naccept > 100 && nreject > 10000);
    buf_free(&b);
    buf_free(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_array_of_many_strings),
        cmocka_unit_test(test_sparse_file),
        cmocka_unit_test(test_every_prefix_is_rejected),
        cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, gguf_setup, gguf_teardown);
}
