/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sha256.h"

#include <nettle/sha2.h>
#include <nettle/version.h>

struct sha256 {
    struct sha256_ctx ctx;
};

struct sha256 *sha256_new(void)
{
    struct sha256 *s = malloc(sizeof *s);

    if (s)
        sha256_init(&s->ctx);
    return s;
}

void sha256_free(struct sha256 *s)
{
    free(s);
}

void sha256_add(struct sha256 *s, const void *p, size_t n)
{
    sha256_update(&s->ctx, n, p);
}

void sha256_end(struct sha256 *s, char out[SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_digest(&s->ctx, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[SHA256_HEX - 1] = '\0';
}

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX])
{
    struct sha256 s;

    sha256_init(&s.ctx);
    sha256_add(&s, p, n);
    sha256_end(&s, out);
}

const char *sha256_library(char out[16])
{
    snprintf(out, 16, "%d.%d", nettle_version_major(), nettle_version_minor());
    return out;
}
