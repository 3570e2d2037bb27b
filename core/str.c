/* SPDX-License-Identifier: Apache-2.0 */
#include "core/str.h"

#include <stdarg.h>

struct slice slice_of(const char *s)
{
    return (struct slice){s, strlen(s)};
}

bool slice_eq(struct slice a, const char *s)
{
    return strlen(s) == a.n && memcmp(a.p, s, a.n) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void *buf_extend(struct buf *b, size_t n)
{
    if (b->failed || n > b->max - b->n || n >= SIZE_MAX - b->n) {
        b->failed = true;
        return NULL;
    }
    if (b->n + n + 1 > b->cap) {
        size_t cap = max_u64(b->cap + b->cap / 2, b->n + n + 1);
        char *p = realloc(b->p, max_u64(cap, 64));

        if (!p) {
            b->failed = true;
            return NULL;
        }
        b->p = p;
        b->cap = max_u64(cap, 64);
    }
    void *at = b->p + b->n;
    b->n += n;
    b->p[b->n] = '\0';
    return at;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    void *at = buf_extend(b, n);

    if (at && n)
        memcpy(at, p, n);
}

void buf_add_str(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *at = n < 0 ? NULL : buf_extend(b, (size_t)n);
    if (!at)
        return;
    va_start(ap, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, ap);
    va_end(ap);
}

static void add_le(struct buf *b, uint64_t v, size_t n)
{
    unsigned char *at = buf_extend(b, n);

    for (size_t i = 0; at && i < n; i++)
        at[i] = (unsigned char)(v >> 8 * i);
}

void buf_add_u16(struct buf *b, uint16_t v)
{
    add_le(b, v, 2);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
    add_le(b, v, 4);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    add_le(b, v, 8);
}

enum status buf_check(const struct buf *b, const char *what, struct err *err)
{
    if (!b->failed)
        return OK;
    return fail(err, E_LIMIT, "%s: more than %zu bytes, or no memory for them", what, b->max);
}
