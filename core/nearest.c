/* SPDX-License-Identifier: Apache-2.0 */
#include "core/nearest.h"

#define NEAREST_MAX_NAME 64

/* Lower case, without the separators that are the first to be mistyped; false when it is too long. */
static bool normalize(const char *name, char out[NEAREST_MAX_NAME + 1])
{
    size_t n = 0;

    for (; *name; name++) {
        if (*name == '_' || *name == '-')
            continue;
        if (n == NEAREST_MAX_NAME)
            return false;
        out[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
    }
    out[n] = '\0';
    return true;
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

    for (size_t j = 0; j <= nb; j++)
        before[j] = last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
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
    char word[NEAREST_MAX_NAME + 1], candidate[NEAREST_MAX_NAME + 1];
    const char *nearest = NULL;

    if (!normalize(given, word))
        return NULL;
    size_t best = strlen(word) / 3 + 1; /* farther than this is another word */
    for (size_t i = 0; i < n; i++) {
        if (!normalize(candidates[i], candidate))
            continue;
        /* A beginning is no slip at all, however much is missing. */
        bool begins = strlen(word) >= 2 && strncmp(candidate, word, strlen(word)) == 0;
        size_t d = begins ? 0 : edit_distance(word, candidate);

        if (d < best && d < strlen(candidate)) {
            best = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
