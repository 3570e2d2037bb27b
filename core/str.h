/* SPDX-License-Identifier: Apache-2.0 */
/* String slices, and a growable byte buffer that must name its largest size. */
#ifndef CORE_STR_H
#define CORE_STR_H

#include "core/status.h"

/* Borrowed bytes, not terminated. */
struct slice {
    const char *p;
    size_t n;
};

struct slice slice_of(const char *s);
bool slice_eq(struct slice a, const char *s);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/* Growable bytes. A failed add (over max, or no memory) sticks in .failed and later adds do nothing, so
 * callers check once at the end with buf_check(). `p` is terminated after every add, NULL when empty. */
struct buf {
    char *p;
    size_t n, cap, max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);

/* Room for n more bytes at the end, to be filled by the caller; NULL on failure. */
void *buf_extend(struct buf *b, size_t n);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Little-endian numbers. */
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);

/* OK, or the sentence for what went wrong; `what` names the buffer's content. */
enum status buf_check(const struct buf *b, const char *what, struct err *err);

#endif
