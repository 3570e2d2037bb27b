/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF files built byte by byte, and what reading them must say. For the tests of formats/gguf_*.c. */
#ifndef TESTS_UNIT_GGUF_BUILD_H
#define TESTS_UNIT_GGUF_BUILD_H

#include "formats/gguf.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_FILE (64 * MIB)

static char folder[] = "/tmp/test_gguf.XXXXXX";
static char file_name[64]; /* the file most tests write */

/* ---- building files ---- */

static inline void start(struct buf *b, uint64_t ntensor, uint64_t nkey)
{
    buf_init(b, MAX_FILE);
    buf_add(b, "GGUF", 4);
    buf_add_u32(b, 3);
    buf_add_u64(b, ntensor);
    buf_add_u64(b, nkey);
}

static inline void add_strn(struct buf *b, const char *s, size_t n)
{
    buf_add_u64(b, n);
    buf_add(b, s, n);
}

static inline void add_str(struct buf *b, const char *s)
{
    add_strn(b, s, strlen(s));
}

static inline void add_key(struct buf *b, const char *key, uint32_t type)
{
    add_str(b, key);
    buf_add_u32(b, type);
}

static inline void add_array(struct buf *b, uint32_t elem, uint64_t count)
{
    buf_add_u32(b, elem);
    buf_add_u64(b, count);
}

static inline void add_architecture(struct buf *b)
{
    add_key(b, "general.architecture", META_STR);
    add_str(b, "llama");
}

static inline void add_u32(struct buf *b, const char *key, uint32_t v)
{
    add_key(b, key, META_U32);
    buf_add_u32(b, v);
}

static inline void add_u16(struct buf *b, const char *key, uint16_t v)
{
    add_key(b, key, META_U16);
    buf_add_u16(b, v);
}

/* Everything of a tensor info behind the name; dims in file order. */
static inline void add_info(struct buf *b, uint32_t rank, const uint64_t *dims, uint32_t type, uint64_t off)
{
    buf_add_u32(b, rank);
    for (uint32_t i = 0; i < rank; i++)
        buf_add_u64(b, dims[i]);
    buf_add_u32(b, type);
    buf_add_u64(b, off);
}

/* A vector of n F32. */
static inline void add_vector(struct buf *b, const char *name, uint64_t n, uint64_t off)
{
    add_str(b, name);
    add_info(b, 1, &n, 0, off);
}

static inline void add_zeros(struct buf *b, size_t n)
{
    memset(buf_extend(b, n), 0, n);
}

static inline void pad(struct buf *b, size_t to)
{
    add_zeros(b, (size_t)(align_up(b->n, to) - b->n));
}

/* One key, one tensor "t" of n F32, its data; no padding behind. */
static inline void build_one(struct buf *b, uint64_t n)
{
    start(b, 1, 1);
    add_architecture(b);
    add_vector(b, "t", n, 0);
    pad(b, 32);
    add_zeros(b, (size_t)n * 4);
}

/* One tensor "t" with this info and no data. */
static inline void build_info(struct buf *b, uint32_t rank, const uint64_t *dims, uint32_t type, uint64_t off)
{
    start(b, 1, 1);
    add_architecture(b);
    add_str(b, "t");
    add_info(b, rank, dims, type, off);
    pad(b, 32);
}

/* Tensors of n[i] F32 at off[i], and `data` bytes behind the header. */
static inline void build_layout(struct buf *b, size_t ntensor, const uint64_t (*place)[2], size_t data)
{
    start(b, ntensor, 0);
    for (size_t i = 0; i < ntensor; i++) {
        char name[24];

        snprintf(name, sizeof name, "t%zu", i);
        add_vector(b, name, place[i][0], place[i][1]);
    }
    pad(b, 32);
    add_zeros(b, data);
}

/* A file with something of everything; its last RICH_DATA bytes are tensor data. */
#define RICH_DATA 832

static inline void build_rich(struct buf *b)
{
    static const uint64_t matrix[] = {32, 2}, wide[] = {256, 2, 2};

    start(b, 4, 8);
    add_architecture(b);
    add_u32(b, "general.alignment", 64);
    add_key(b, "tokens", META_ARRAY);
    add_array(b, META_STR, 3);
    add_str(b, "<s>");
    add_str(b, "");
    add_strn(b, "\xe4\xbd\0", 3);
    add_key(b, "flags", META_ARRAY);
    add_array(b, META_BOOL, 3);
    buf_add(b, "\1\0\1", 3);
    add_key(b, "nested", META_ARRAY);
    add_array(b, META_ARRAY, 2);
    add_array(b, META_I16, 2);
    buf_add_u32(b, 0xfffe0001);
    add_array(b, META_F64, 0);
    add_key(b, "flag", META_BOOL);
    buf_add_char(b, 1);
    add_u16(b, "split.count", 0);
    add_key(b, "big", META_U64);
    buf_add_u64(b, UINT64_MAX);
    add_vector(b, "blk.0.norm", 5, 0);
    add_str(b, "blk.0.w");
    add_info(b, 2, matrix, 8, 64); // Q8_0, 68 bytes
    add_str(b, "blk.1.w");
    add_info(b, 3, wide, 12, 192); // Q4_K, 576 bytes
    add_str(b, "end");
    add_info(b, 1, matrix, 1, 768); // F16, 64 bytes
    pad(b, 64);
    for (size_t i = 0; i < RICH_DATA; i++)
        buf_add_char(b, (char)i);
}

/* ---- reading them ---- */

static inline void write_file(const char *path, const struct buf *b)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_false(b->failed);
    assert_int_equal(fwrite(b->p, 1, b->n, f), b->n);
    assert_int_equal(fclose(f), 0);
}

/* Opens path as a GGUF source with its parts, as source_open() would; free with source_close(). */
static inline enum status read_path(const char *path, uint64_t arena_limit, struct source **out,
                                    struct err *err)
{
    struct source *s = calloc(1, sizeof *s);
    uint32_t file;

    if (!s)
        return fail_nomem(err);
    arena_init(&s->arena, arena_limit);
    meta_init(&s->meta, &s->arena);
    meta_init(&s->st_meta, &s->arena);
    s->kind = SOURCE_GGUF;
    enum status status = source_add_file(s, path, &file, err);
    if (status == OK)
        status = gguf_read(s, file, err);
    if (status == OK)
        status = gguf_read_split(s, err);
    if (status == OK)
        *out = s;
    else
        source_close(s);
    return status;
}

/* Expects path to be read. */
static inline struct source *must_read(const char *path, uint64_t arena_limit)
{
    struct source *s = NULL;
    struct err err = {0};

    if (read_path(path, arena_limit, &s, &err) == OK && s && !err.text[0])
        return s;
    fail_msg("%s", err.text);
    abort(); // fail_msg() does not return, but the compiler is not told
}

/* Writes b, frees it, and expects it to be read. */
static inline struct source *accept(struct buf *b)
{
    write_file(file_name, b);
    buf_free(b);
    return must_read(file_name, 0);
}

/* Writes b, frees it, and expects "path:off: ..." with `part` in it. */
static inline void reject_as(enum status want, struct buf *b, uint64_t off, const char *part)
{
    struct source *s = NULL;
    struct err err = {0};
    char place[128];

    write_file(file_name, b);
    buf_free(b);
    enum status status = read_path(file_name, 0, &s, &err);
    snprintf(place, sizeof place, "%s:%" PRIu64 ": ", file_name, off);
    if (status != want || !str_starts(err.text, place) || !strstr(err.text, part))
        fail_msg("want %s at %s with '%s', got %s '%s'", status_tag(want), place, part, status_tag(status),
                 err.text);
    assert_int_equal(err.status, status);
}

static inline void reject(struct buf *b, uint64_t off, const char *part)
{
    reject_as(E_FORMAT, b, off, part);
}

/* ---- the folder they lie in ---- */

/* Path of a file there; good for the next seven calls. */
static inline const char *in_folder(const char *name)
{
    static char paths[8][64];
    static unsigned next;
    char *p = paths[next++ % 8];

    snprintf(p, sizeof paths[0], "%s/%s", folder, name);
    return p;
}

static inline int gguf_setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(file_name, sizeof file_name, "%s/t.gguf", folder);
    return 0;
}

static inline int gguf_teardown(void **state)
{
    DIR *d = opendir(folder);

    (void)state;
    if (!d)
        return -1;
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(folder);
}

#endif
