/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arena.h"

#include <stdarg.h>

#define CHUNK_BYTES (64 * KIB)
#define ARENA_ALIGN 16
#define FIRST_BYTES 256 /* of an array that grows: plans hold many that keep one element */

struct arena_chunk {
    struct arena_chunk *next;
    uint64_t size, used;
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_init(struct arena *a, uint64_t limit)
{
    *a = (struct arena){.limit = limit};
}

static struct arena_chunk *new_chunk(struct arena *a, uint64_t n)
{
    uint64_t size = max_u64(n, CHUNK_BYTES);
    struct arena_chunk *c = calloc(1, sizeof *c + size);

    if (!c)
        return NULL;
    c->size = size;
    c->next = a->head;
    a->head = c;
    return c;
}

void *arena_alloc(struct arena *a, uint64_t n)
{
    uint64_t need, total;

    if (!add_ok(n, ARENA_ALIGN - 1, &need))
        return NULL;
    need = need / ARENA_ALIGN * ARENA_ALIGN;
    if (!add_ok(a->used, need, &total) || (a->limit && total > a->limit))
        return NULL;

    struct arena_chunk *c = a->head;
    if (!c || c->size - c->used < need)
        c = new_chunk(a, need);
    if (!c)
        return NULL;
    void *p = c->data + c->used;
    c->used += need;
    a->used = total;
    return p;
}

void *arena_array(struct arena *a, uint64_t count, size_t elem_size)
{
    uint64_t n;

    return mul_ok(count, elem_size, &n) ? arena_alloc(a, n) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
    char *p = arena_alloc(a, (uint64_t)n + 1);

    if (p && n)
        memcpy(p, s, n);
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return NULL;
    char *p = arena_alloc(a, (uint64_t)n + 1);
    if (!p)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return p;
}

bool arena_grow(struct arena *a, void **items, size_t n, size_t *cap, size_t elem_size)
{
    if (n < *cap)
        return true;
    size_t bigger = *cap ? *cap * 2 : (size_t)max_u64(FIRST_BYTES / elem_size, 1);
    void *p = arena_array(a, bigger, elem_size);
    if (!p)
        return false;
    if (n)
        memcpy(p, *items, n * elem_size);
    *items = p;
    *cap = bigger;
    return true;
}

void arena_free(struct arena *a)
{
    struct arena_chunk *c = a->head;

    while (c) {
        struct arena_chunk *next = c->next;

        free(c);
        c = next;
    }
    a->head = NULL;
    a->used = 0;
}
