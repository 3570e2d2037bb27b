/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4, by nettle): fingerprints that other programs compute too. */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

#include "core/base.h"

#define SHA256_HEX 65 /* 64 digits and the terminator */

/* The digest of n bytes as lower-case hex. Cannot fail. */
void sha256_hex(const void *p, size_t n, char out[SHA256_HEX]);

/* The same in pieces. sha256_end starts a new digest. */
struct sha256;
struct sha256 *sha256_new(void); /* NULL when out of memory */
void sha256_free(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *p, size_t n);
void sha256_end(struct sha256 *s, char out[SHA256_HEX]);

/* Version of the library in use: "3.8". out has room for 16 bytes; returned. */
const char *sha256_library(char out[16]);

#endif
