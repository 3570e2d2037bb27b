/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bump allocator for metadata: names, tables, plans. Everything in it is freed at once, so what points
 * into it is borrowed until arena_free(). A byte limit keeps a hostile file from growing it.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include "core/status.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *head;
    uint64_t used;  /* bytes handed out */
    uint64_t limit; /* 0 = no limit */
};

/* limit in bytes; 0 for none. Cannot fail; allocates nothing. */
void arena_init(struct arena *a, uint64_t limit);

/* Zeroed memory, aligned to 16; NULL when over the limit or out of memory. n == 0 is legal. */
void *arena_alloc(struct arena *a, uint64_t n);

/* Zeroed array of count elements; NULL on overflow, limit or no memory. */
void *arena_array(struct arena *a, uint64_t count, size_t elem_size);

/* Copies of strings, terminated; NULL as above. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Makes room for one more element in an arena array that doubles as it grows: *items has *cap slots,
 * n of them used. False on no memory. */
bool arena_grow(struct arena *a, void **items, size_t n, size_t *cap, size_t elem_size);

/* Frees everything; legal on a zeroed or freed arena. */
void arena_free(struct arena *a);

#endif
