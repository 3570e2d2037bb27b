/* SPDX-License-Identifier: Apache-2.0 */
#include "core/map.h"

#include "core/hash.h"

struct map_slot {
    struct slice key;
    uint32_t hash, value;
};

/* Slot of the key, or the empty slot where it belongs. nslot is a power of two. */
static struct map_slot *probe(const struct map *m, struct slice key, uint32_t hash)
{
    for (size_t i = hash & (m->nslot - 1);; i = (i + 1) & (m->nslot - 1)) {
        struct map_slot *s = &m->slots[i];

        if (!s->key.p)
            return s;
        if (s->hash == hash && s->key.n == key.n && (key.n == 0 || memcmp(s->key.p, key.p, key.n) == 0))
            return s;
    }
}

uint32_t map_find(const struct map *m, struct slice key)
{
    if (!m->nslot)
        return MAP_NONE;
    struct map_slot *s = probe(m, key, (uint32_t)hash_seeded(key.p, key.n));
    return s->key.p ? s->value : MAP_NONE;
}

static bool grow(struct map *m)
{
    struct map bigger = {.nslot = m->nslot ? m->nslot * 2 : 64, .n = m->n};

    bigger.slots = calloc(bigger.nslot, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < m->nslot; i++)
        if (m->slots[i].key.p)
            *probe(&bigger, m->slots[i].key, m->slots[i].hash) = m->slots[i];
    free(m->slots);
    *m = bigger;
    return true;
}

bool map_add(struct map *m, struct slice key, uint32_t value, uint32_t *existing)
{
    if ((m->n + 1) * 4 > m->nslot * 3 && !grow(m))
        return false;
    uint32_t hash = (uint32_t)hash_seeded(key.p, key.n);
    struct map_slot *s = probe(m, key, hash);
    *existing = s->key.p ? s->value : MAP_NONE;
    if (!s->key.p) {
        *s = (struct map_slot){{key.p ? key.p : "", key.n}, hash, value};
        m->n++;
    }
    return true;
}

void map_free(struct map *m)
{
    free(m->slots);
    *m = (struct map){0};
}
