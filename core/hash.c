/* SPDX-License-Identifier: Apache-2.0 */
#include "core/hash.h"

#include <pthread.h>
#include <sys/random.h>
#include <xxhash.h>

struct hash {
    XXH3_state_t *state;
};

struct hash *hash_new(void)
{
    struct hash *h = malloc(sizeof *h);

    if (!h)
        return NULL;
    h->state = XXH3_createState();
    if (!h->state) {
        free(h);
        return NULL;
    }
    hash_reset(h);
    return h;
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    XXH3_freeState(h->state);
    free(h);
}

void hash_reset(struct hash *h)
{
    XXH3_128bits_reset(h->state);
}

void hash_update(struct hash *h, const void *p, size_t n)
{
    if (n)
        XXH3_128bits_update(h->state, p, n);
}

static struct digest from_xxh(XXH128_hash_t x)
{
    return (struct digest){x.high64, x.low64};
}

struct digest hash_digest(const struct hash *h)
{
    return from_xxh(XXH3_128bits_digest(h->state));
}

struct digest hash_bytes(const void *p, size_t n)
{
    return from_xxh(XXH3_128bits(n ? p : "", n));
}

bool digest_eq(struct digest a, struct digest b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

void digest_hex(struct digest d, char out[DIGEST_HEX])
{
    snprintf(out, DIGEST_HEX, "%016" PRIx64 "%016" PRIx64, d.hi, d.lo);
}

static bool parse_hex64(const char *s, uint64_t *v)
{
    *v = 0;
    for (int i = 0; i < 16; i++) {
        char c = s[i];
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return false;
        *v = *v << 4 | digit;
    }
    return true;
}

bool digest_parse(const char *hex, struct digest *d)
{
    return strlen(hex) == 32 && parse_hex64(hex, &d->hi) && parse_hex64(hex + 16, &d->lo);
}

static uint64_t process_seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
    /* Without entropy the table still works; it only loses its protection against chosen keys. */
    if (getrandom(&process_seed, sizeof process_seed, GRND_NONBLOCK) != sizeof process_seed)
        process_seed = 0x9e3779b97f4a7c15u;
}

uint64_t hash_seeded(const void *p, size_t n)
{
    pthread_once(&seed_once, draw_seed);
    return XXH3_64bits_withSeed(n ? p : "", n, process_seed);
}

const char *hash_library(char out[16])
{
    unsigned v = XXH_versionNumber();

    snprintf(out, 16, "%u.%u.%u", v / 10000 % 1000, v / 100 % 100, v % 100);
    return out;
}
