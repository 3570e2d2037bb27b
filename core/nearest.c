/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nearest.h"

#include <strings.h>

#define NEAREST_MAX_NAME 64

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Edits from a to b: insert, delete, replace, swap of neighbours (optimal string alignment). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    size_t row[3][NEAREST_MAX_NAME + 1];
    size_t *before = row[0], *last = row[1], *now = row[2];

    if (na > NEAREST_MAX_NAME || nb > NEAREST_MAX_NAME)
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        before[j] = last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1])));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = min_u64(now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[nb];
}

const char *nearest_of(const char *given, const char *const *candidates, size_t n)
{
    size_t best = strlen(given) / 3 + 1; /* farther than this is another word */
    const char *nearest = NULL;

    for (size_t i = 0; i < n; i++) {
        /* A beginning counts as one slip, however much is missing. */
        bool begins = strlen(given) >= 2 && strncasecmp(candidates[i], given, strlen(given)) == 0;
        size_t d = begins ? 1 : edit_distance(given, candidates[i]);

        if (d < best && d < strlen(candidates[i])) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
