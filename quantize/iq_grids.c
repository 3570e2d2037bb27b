/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/iq_grids.h"

#include <float.h>
#include <pthread.h>

#include "core/status.h"

#define MOST_POINTS   2048
#define MOST_DISTANCE 200  /* above the largest squared distance of two codes, 4 * 7 * 7 */
#define NKEY3         6561 /* 3^8 */
#define NKEY8         4096 /* 8^4 */

/* name, points, dimensions, shells, keys, entries of all lists with their lengths */
#define GRIDS(X)                                                                                             \
    X(1S, iq1s, 2048, 8, 3, NKEY3, 332234)                                                                   \
    X(2XXS, iq2xxs, 256, 8, 2, NKEY3, 119462)                                                                \
    X(2XS, iq2xs, 512, 8, 2, NKEY3, 187770)                                                                  \
    X(2S, iq2s, 1024, 8, 1, NKEY3, 50253)                                                                    \
    X(3XXS, iq3xxs, 256, 4, 2, NKEY8, 22825)                                                                 \
    X(3S, iq3s, 512, 4, 3, NKEY8, 28317)

/* Static, so that building a grid cannot fail; pages that no grid in use needs are never touched. */
struct build {
    struct iq_grid grid;
    uint8_t *levels, *slots;
    int32_t *at;
    uint16_t *lists;
    int nkey;
};

#define STORAGE(id, name, points, dims, shells, keys, entries)                                               \
    static uint8_t name##_levels[(points) * (dims)], name##_slots[(points) * (dims)];                        \
    static int32_t name##_at[keys];                                                                          \
    static uint16_t name##_lists[entries];
GRIDS(STORAGE)

#define ROW(id, name, points, dims, shells, keys, entries)                                                   \
    [IQ_GRID_##id] = {{name##_codes, points, dims, (dims) == 8 ? 3 : 8, shells, name##_levels, name##_slots, \
                       name##_at, name##_lists, entries},                                                    \
                      name##_levels,                                                                         \
                      name##_slots,                                                                          \
                      name##_at,                                                                             \
                      name##_lists,                                                                          \
                      keys},
static const struct build builds[IQ_GRID_COUNT] = {GRIDS(ROW)};

static unsigned level_bits(const struct iq_grid *grid)
{
    return grid->dim == 8 ? 2 : 3;
}

static unsigned level_of(const struct iq_grid *grid, unsigned code, int k)
{
    unsigned bits = level_bits(grid);

    return code >> bits * (unsigned)k & ((1u << bits) - 1);
}

/* Squared distance of half a code (dim / 2 dimensions) to every other half, one dimension after the other. */
static void measure_halves(const struct iq_grid *grid, unsigned half, uint8_t *distance)
{
    int nlevel = 1 << level_bits(grid), n = 1;

    distance[0] = 0;
    for (int k = 0; k < grid->dim / 2; k++, n *= nlevel) {
        // level 0 last: it replaces what the others start from
        for (int level = nlevel - 1; level >= 0; level--) {
            int diff = level - (int)level_of(grid, half, k);

            for (int other = 0; other < n; other++)
                distance[level * n + other] = (uint8_t)(distance[other] + diff * diff);
        }
    }
}

/* By counting instead of sorting: distances are few, and points come in the order of their numbers. */
int iq_grid_neighbours(const struct iq_grid *grid, unsigned code, uint16_t *list)
{
    unsigned half_bits = level_bits(grid) * (unsigned)grid->dim / 2, mask = (1u << half_bits) - 1;
    uint8_t low[256], high[256], distance[MOST_POINTS];
    int start[MOST_DISTANCE + 1] = {0}, cutoff = -1, total = 0;

    measure_halves(grid, code & mask, low);
    measure_halves(grid, code >> half_bits, high);
    for (int j = 0; j < grid->npoint; j++) {
        distance[j] = (uint8_t)(low[grid->codes[j] & mask] + high[grid->codes[j] >> half_bits]);
        start[distance[j]]++;
    }
    for (int d = 0, shells = 0; d < MOST_DISTANCE && shells < grid->nshell; d++) {
        int count = start[d];

        shells += count > 0;
        start[d] = total;
        total += count;
        cutoff = d;
    }
    for (int j = 0; j < grid->npoint; j++) {
        if (distance[j] <= cutoff)
            list[start[distance[j]]++] = (uint16_t)j;
    }
    return total;
}

int iq_grid_nearest8(const struct iq_grid *grid, int at, const float *term)
{
    const uint16_t *list = grid->lists + at;
    float pair[9], triple[27], quad[81], best = FLT_MAX;
    int n = list[0], chosen = list[1];

    for (int b = 0; b < 3; b++) {
        for (int a = 0; a < 3; a++)
            pair[3 * b + a] = term[8 * a] + term[8 * b + 1];
    }
    for (int c = 0; c < 3; c++) {
        for (int ab = 0; ab < 9; ab++)
            triple[9 * c + ab] = pair[ab] + term[8 * c + 2];
    }
    for (int d = 0; d < 3; d++) {
        for (int abc = 0; abc < 27; abc++)
            quad[27 * d + abc] = triple[abc] + term[8 * d + 3];
    }
    for (int j = 1; j <= n; j++) {
        const uint8_t *slot = grid->slots + 8 * list[j];
        float sum = quad[slot[0]] + term[slot[4]] + term[slot[5]] + term[slot[6]] + term[slot[7]];

        chosen = sum < best ? list[j] : chosen;
        best = sum < best ? sum : best;
    }
    return chosen;
}

int iq_grid_nearest4(const struct iq_grid *grid, int at, const float *term)
{
    const uint16_t *list = grid->lists + at;
    float best = FLT_MAX;
    int n = list[0], chosen = list[1];

    for (int j = 1; j <= n; j++) {
        const uint8_t *slot = grid->slots + 4 * list[j];
        float sum = term[slot[0]] + term[slot[1]] + term[slot[2]] + term[slot[3]];

        chosen = sum < best ? list[j] : chosen;
        best = sum < best ? sum : best;
    }
    return chosen;
}

static unsigned code_of_key(const struct iq_grid *grid, int key)
{
    unsigned code = 0;

    for (int k = 0; k < grid->dim; k++, key /= grid->nlevel)
        code |= (unsigned)(key % grid->nlevel) << level_bits(grid) * (unsigned)k;
    return code;
}

static void build(enum iq_grid_id id)
{
    const struct build *b = &builds[id];
    const struct iq_grid *grid = &b->grid;
    uint16_t list[MOST_POINTS];
    size_t used = 0;

    for (int key = 0; key < b->nkey; key++)
        b->at[key] = -1;
    for (int j = 0; j < grid->npoint; j++) {
        int key = 0;

        for (int k = grid->dim - 1; k >= 0; k--) {
            unsigned level = level_of(grid, grid->codes[j], k);

            b->levels[j * grid->dim + k] = (uint8_t)level;
            b->slots[j * grid->dim + k] = (uint8_t)((int)level * grid->dim + k);
            key = key * grid->nlevel + (int)level;
        }
        b->at[key] = j;
        if (grid->dim == 8)
            b->slots[8 * j] = (uint8_t)(key % 81);
    }
    for (int key = 0; key < b->nkey; key++) {
        if (b->at[key] >= 0)
            continue;
        int n = iq_grid_neighbours(grid, code_of_key(grid, key), list);
        require(used + 1 + (size_t)n <= grid->nlist);
        b->at[key] = ~(int32_t)used;
        b->lists[used++] = (uint16_t)n;
        memcpy(b->lists + used, list, (size_t)n * sizeof *list);
        used += (size_t)n;
    }
    require(used == grid->nlist);
}

#define BUILD_ONE(id, ...)                                                                                   \
    static void build_##id(void)                                                                             \
    {                                                                                                        \
        build(IQ_GRID_##id);                                                                                 \
    }
GRIDS(BUILD_ONE)

#define ONCE(id, ...) [IQ_GRID_##id] = {PTHREAD_ONCE_INIT, build_##id},
static struct {
    pthread_once_t once;
    void (*run)(void);
} builders[IQ_GRID_COUNT] = {GRIDS(ONCE)};

const struct iq_grid *iq_grid_get(enum iq_grid_id id)
{
    require(pthread_once(&builders[id].once, builders[id].run) == 0);
    return &builds[id].grid;
}
