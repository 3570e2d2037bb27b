/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sha256.h"

#include <nettle/sha2.h>
#include <nettle/version.h>

void sha256_hex(const void *p, size_t n, char out[SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];

    sha256_init(&ctx);
    sha256_update(&ctx, n, p);
    sha256_digest(&ctx, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[SHA256_HEX - 1] = '\0';
}

const char *sha256_library(char out[16])
{
    snprintf(out, 16, "%d.%d", nettle_version_major(), nettle_version_minor());
    return out;
}
