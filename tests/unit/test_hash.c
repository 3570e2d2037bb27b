/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hash.h"
#include "core/sha256.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_digest(void **state)
{
    char hex[DIGEST_HEX];

    (void)state;
    digest_hex(hash_bytes(NULL, 0), hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f"); // XXH3-128 of nothing
    digest_hex(hash_bytes("abc", 3), hex);
    assert_string_equal(hex, "06b05ab6733a618578af5f94892f3950");
}

/* However it is cut, a stream has the digest of the whole. */
static void test_streaming(void **state)
{
    static unsigned char data[10000];
    struct hash *h = hash_new();

    (void)state;
    assert_non_null(h);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * i >> 3);
    for (size_t step = 1; step <= sizeof data; step = step * 3 + 1) {
        hash_reset(h);
        for (size_t off = 0; off < sizeof data; off += step)
            hash_update(h, data + off, min_u64(step, sizeof data - off));
        hash_update(h, NULL, 0);
        assert_true(digest_eq(hash_digest(h), hash_bytes(data, sizeof data)));
    }
    data[9999] ^= 1;
    assert_false(digest_eq(hash_digest(h), hash_bytes(data, sizeof data)));
    hash_free(h);
    hash_free(NULL);
}

static void test_hex(void **state)
{
    static const char *const bad[] = {
        "",
        "0123456789abcdef0123456789abcde",
        "0123456789abcdef0123456789abcdef0",
        "0123456789abcdef0123456789abcdeF",
        "0123456789abcdefg123456789abcdef",
        " 123456789abcdef0123456789abcdef",
        "0x23456789abcdef0123456789abcdef",
    };
    struct digest d = {0x0123456789abcdef, 0xf}, back;
    char hex[DIGEST_HEX];

    (void)state;
    digest_hex(d, hex);
    assert_string_equal(hex, "0123456789abcdef000000000000000f");
    assert_true(digest_parse(hex, &back));
    assert_true(digest_eq(d, back));
    assert_false(digest_eq(d, (struct digest){0x0123456789abcdef, 0xe}));
    assert_false(digest_eq(d, (struct digest){0x1123456789abcdef, 0xf}));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(digest_parse(bad[i], &back));
}

static void test_seeded(void **state)
{
    (void)state;
    assert_true(hash_seeded("abc", 3) == hash_seeded("abcd", 3));
    assert_true(hash_seeded("abc", 3) != hash_seeded("abd", 3));
    assert_true(hash_seeded(NULL, 0) == hash_seeded("x", 0));
}

static void test_sha256(void **state)
{
    char hex[SHA256_HEX];

    (void)state;
    sha256_hex("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");

    struct sha256 *pieces = sha256_new();
    assert_non_null(pieces);
    for (int round = 0; round < 2; round++) { /* the end starts anew */
        char again[SHA256_HEX];

        sha256_add(pieces, "a", 1);
        sha256_add(pieces, "bc", 2);
        sha256_end(pieces, again);
        assert_string_equal(again, hex);
    }
    sha256_free(pieces);
}

static void test_versions(void **state)
{
    char hash[16], sha[16];
    int major, minor;

    (void)state;
    assert_true(sscanf(hash_library(hash), "%d.%d", &major, &minor) == 2 && major * 100 + minor >= 8);
    assert_true(sscanf(sha256_library(sha), "%d.%d", &major, &minor) == 2 && major >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest), cmocka_unit_test(test_streaming), cmocka_unit_test(test_hex),
        cmocka_unit_test(test_seeded), cmocka_unit_test(test_sha256),    cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
