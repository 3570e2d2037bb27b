/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from string to index, seeded per process so that file names cannot be chosen to collide. */
#ifndef CORE_MAP_H
#define CORE_MAP_H

#include "core/str.h"

#define MAP_NONE UINT32_MAX

struct map_slot;

/* Zero it to start. Keys are borrowed: they must outlive the map. */
struct map {
    struct map_slot *slots;
    size_t nslot, n;
};

/* Index stored for key, or MAP_NONE. */
uint32_t map_find(const struct map *m, struct slice key);

/* Stores key -> value when the key is new; *existing gets the value stored before, or MAP_NONE.
 * False only when out of memory. */
bool map_add(struct map *m, struct slice key, uint32_t value, uint32_t *existing);

void map_free(struct map *m);

#endif
