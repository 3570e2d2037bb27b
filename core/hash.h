/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3 digests (libxxhash): chunk digests of outputs, plan fingerprints, hash-table keys. */
#ifndef CORE_HASH_H
#define CORE_HASH_H

#include "core/status.h"

struct digest {
    uint64_t hi, lo; /* XXH3-128 */
};

#define DIGEST_HEX 33 /* 32 digits and the terminator */

/* Streaming XXH3-128. */
struct hash;
struct hash *hash_new(void); /* NULL when out of memory */
void hash_free(struct hash *h);
void hash_reset(struct hash *h);
void hash_update(struct hash *h, const void *p, size_t n);
struct digest hash_digest(const struct hash *h);

struct digest hash_bytes(const void *p, size_t n);
bool digest_eq(struct digest a, struct digest b);
void digest_hex(struct digest d, char out[DIGEST_HEX]);
bool digest_parse(const char *hex, struct digest *d); /* exactly 32 lower-case hex digits */

/* 64-bit hash under a seed drawn once per process; never for anything that is written out. */
uint64_t hash_seeded(const void *p, size_t n);

/* Version of the library in use: "0.8.1". out has room for 16 bytes; returned. */
const char *hash_library(char out[16]);

#endif
