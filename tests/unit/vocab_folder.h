/* SPDX-License-Identifier: Apache-2.0 */
/* A folder with a small tokenizer, and a look at the metadata that it gives. */
#ifndef TESTS_UNIT_VOCAB_FOLDER_H
#define TESTS_UNIT_VOCAB_FOLDER_H

#include "vocab/vocab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct arena arena;
static struct meta meta;
static struct notes notes;
static struct err err;

static inline int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/scion-vocab-XXXXXX");
    err = (struct err){0};
    arena_init(&arena, 0);
    meta_init(&meta, &arena);
    notes = (struct notes){.arena = &arena};
    return mkdtemp(dir) ? 0 : -1;
}

static inline int tear_down(void **state)
{
    char command[128];

    (void)state;
    meta_free(&meta);
    arena_free(&arena);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}

static inline void put_bytes(const char *name, const void *p, size_t n)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

/* ---- a small byte-level tokenizer ---- */

#define PRE   "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define MODEL "{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"Ġ\":3},\"merges\":[\"a b\"]}"
#define EOS   "{\"id\":4,\"content\":\"</s>\",\"special\":true,\"normalized\":false}"

#define FOUR                                                                                                 \
    "{\"id\":4,\"content\":\"<s>\"},{\"id\":5,\"content\":\"</s>\"},{\"id\":6,\"content\":\"<pad>\"},"       \
    "{\"id\":7,\"content\":\"<eot>\"}"

/* tokenizer.json from its parts; NULL for the usual one. */
struct parts {
    const char *model, *added, *post, *more;
};

static inline void put_tokenizer(const struct parts *p)
{
    char text[8192];

    snprintf(text, sizeof text,
             "{\"version\":\"1.0\",%s\"added_tokens\":[%s],\"pre_tokenizer\":" PRE
             ",\"post_processor\":%s,\"decoder\":{\"type\":\"ByteLevel\"},\"model\":%s}",
             p->more ? p->more : "", p->added ? p->added : EOS, p->post ? p->post : "null",
             p->model ? p->model : MODEL);
    put("tokenizer.json", text);
}

static inline struct source *open_dir(void)
{
    static const char header[] = "\x02\0\0\0\0\0\0\0{}";
    char path[256];
    struct source *s = NULL;

    snprintf(path, sizeof path, "%s/config.json", dir);
    if (access(path, F_OK) != 0)
        put("config.json", "{}");
    put_bytes("model.safetensors", header, sizeof header - 1);
    if (source_open(&s, dir, &err))
        fail_msg("%s", err.text);
    return s;
}

static inline enum status write_sized(enum vocab_kind kind, uint64_t vocab_size)
{
    struct source *s = open_dir();
    struct vocab_in in = {.source = s, .config = s->config, .vocab_size = vocab_size, .kind = kind};
    enum status st = vocab_write(&in, &meta, &notes, &err);
    source_close(s);
    return st;
}

static inline void write_ok(enum vocab_kind kind, uint64_t vocab_size)
{
    if (write_sized(kind, vocab_size))
        fail_msg("%s", err.text);
}

static inline void expect_refused(enum status status, const char *part_of_sentence)
{
    assert_int_equal(write_sized(VOCAB_BPE, 0), status);
    if (!strstr(err.text, part_of_sentence))
        fail_msg("%s", err.text);
    err = (struct err){0};
}

/* All keys behind the first `skip`, separated by blanks, without "tokenizer.ggml." */
static inline const char *keys(size_t skip)
{
    static char text[1024];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = skip; i < meta.n; i++) {
        const char *k = meta.kv[i].key;

        if (str_starts(k, "tokenizer.ggml."))
            k += strlen("tokenizer.ggml.");
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? " " : "", k);
    }
    return text;
}

static inline uint64_t number(const char *key)
{
    const struct meta_kv *kv = meta_find(&meta, key);
    uint64_t v = UINT64_MAX;

    if (!meta_u64(kv, &v))
        fail_msg("%s is missing", key);
    return v;
}

static inline bool yes(const char *key)
{
    const struct meta_kv *kv = meta_find(&meta, key);

    assert_non_null(kv);
    assert_int_equal(kv->type, META_BOOL);
    return kv->data[0];
}

static inline void expect_str(const char *key, const char *text)
{
    struct slice v;

    if (!meta_str(meta_find(&meta, key), &v))
        fail_msg("%s is missing", key);
    if (!slice_eq(v, text))
        fail_msg("%s: %.*s", key, (int)v.n, v.p);
}

/* A string array as "[a|b|c]". */
static inline void expect_strs(const char *key, const char *joined)
{
    const struct meta_kv *kv = meta_find(&meta, key);
    struct slice v;
    struct buf b;
    uint64_t pos = 0;

    assert_non_null(kv);
    buf_init(&b, 4096);
    while (meta_next_str(kv, &pos, &v)) {
        if (b.n)
            buf_add_char(&b, '|');
        buf_add(&b, v.p, v.n);
    }
    assert_string_equal(b.p, joined);
    buf_free(&b);
}

/* The types as digits. */
static inline void expect_types(const char *digits)
{
    const struct meta_kv *kv = meta_find(&meta, "tokenizer.ggml.token_type");

    assert_non_null(kv);
    assert_int_equal(kv->elem, META_I32);
    assert_int_equal(kv->count, strlen(digits));
    for (size_t i = 0; i < kv->count; i++)
        assert_int_equal(kv->data[4 * i], digits[i] - '0');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
