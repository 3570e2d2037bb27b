/* SPDX-License-Identifier: Apache-2.0 */
#include "card/size_label.h"

#include <math.h>

static bool product(const uint64_t *shape, uint32_t rank, uint64_t *n)
{
    *n = 1;
    for (uint32_t i = 0; i < rank; i++)
        if (!mul_ok(*n, shape[i], n))
            return false;
    return true;
}

bool size_label_add(struct size_label_count *c, const char *name, const uint64_t *shape, uint32_t rank)
{
    uint64_t n;

    if (!product(shape, rank, &n) || !add_ok(c->total, n, &c->total))
        return false;
    // A bias of stacked experts has no input dimension, so its experts are one place further in.
    uint32_t back = strstr(name, ".bias") ? 2 : 3;
    bool stacked = strstr(name, "_exps.") && rank >= 3 && shape[rank - back] > 0;
    if (!stacked)
        return add_ok(c->shared, n, &c->shared);
    c->nstack++;
    return add_ok(c->expert, n / shape[rank - back], &c->expert) &&
           add_ok(c->nexpert, shape[rank - back], &c->nexpert);
}

/* Two significant digits or more: "0.80B", "8.0M", "35B", "1000M". */
static char *rounded(struct arena *arena, uint64_t n, uint64_t nexpert)
{
    static const struct {
        double above, scale;
        char suffix;
    } units[] = {{1e12, 1e-12, 'T'}, {1e9, 1e-9, 'B'}, {1e6, 1e-6, 'M'}, {-1, 1e-3, 'K'}};
    size_t u = 0;

    while ((double)n <= units[u].above)
        u++;
    double scaled = (double)n * units[u].scale;
    double whole = rint(scaled);
    int decimals = whole >= 10 ? 0 : whole >= 1 ? 1 : 2;
    if (nexpert)
        return arena_printf(arena, "%" PRIu64 "x%.*f%c", nexpert, decimals, scaled, units[u].suffix);
    return arena_printf(arena, "%.*f%c", decimals, scaled, units[u].suffix);
}

char *size_label_text(const struct size_label_count *c, struct arena *arena)
{
    uint64_t nexpert = c->nstack ? c->nexpert / c->nstack : 0;

    return rounded(arena, nexpert ? c->shared + c->expert : c->total, nexpert);
}
