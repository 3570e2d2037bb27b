/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/floats.h"
#include "quantize/iq_grids.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What ggml builds at start-up: lists for all packed codes below ncode that are no point. FNV-1a (64 bits,
 * from 1469598103934665603) over the lists' 16-bit words, low byte first: length, points. */
static const struct known {
    const char *name;
    enum iq_grid_id id;
    int npoint, dim, most;
    unsigned ncode;
    size_t nword;
    uint64_t hash;
} knowns[] = {
    {"iq2xxs", IQ_GRID_2XXS, 256, 8, 150, 43692, 417400, 0x7c720d79ef2aee15u},
    {"iq2xs", IQ_GRID_2XS, 512, 8, 292, 43692, 551722, 0x5874deae18afced9u},
    {"iq2s", IQ_GRID_2S, 1024, 8, 70, 43692, 209100, 0x27696319d3e98456u},
    {"iq1s", IQ_GRID_1S, 2048, 8, 205, 43692, 1375339, 0x4b0077ab1a0e2454u},
    {"iq3xxs", IQ_GRID_3XXS, 256, 4, 36, 4096, 22825, 0x557a6c5251df67e3u},
    {"iq3s", IQ_GRID_3S, 512, 4, 38, 4096, 28317, 0xc7721a64299da9b0u},
};

static unsigned packed_level(const struct iq_grid *grid, unsigned code, int k)
{
    return grid->dim == 8 ? code >> 2 * k & 3 : code >> 3 * k & 7;
}

static uint64_t hash_word(uint64_t h, unsigned v)
{
    h = (h ^ (v & 255)) * 0x100000001b3u;
    return (h ^ v >> 8) * 0x100000001b3u;
}

static void test_lists(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(knowns); i++) {
        const struct known *known = &knowns[i];
        const struct iq_grid *grid = iq_grid_get(known->id);
        uint64_t h = 1469598103934665603u;
        size_t nword = 0;
        int most = 0, next = 0;

        assert_int_equal(grid->npoint, known->npoint);
        assert_int_equal(grid->dim, known->dim);
        for (unsigned code = 0; code < known->ncode; code++) {
            uint16_t list[2048];

            // points ascend
            if (next < grid->npoint && grid->codes[next] == code) {
                next++;
                continue;
            }
            int n = iq_grid_neighbours(grid, code, list);
            h = hash_word(h, (unsigned)n);
            for (int j = 0; j < n; j++)
                h = hash_word(h, list[j]);
            nword += 1 + (size_t)n;
            most = most > n ? most : n;
        }
        assert_int_equal(next, grid->npoint);
        assert_int_equal(nword, known->nword);
        assert_int_equal(most, known->most);
        assert_int_equal(h, known->hash);
    }
}

/* Every key leads to its point, or to its code's list; points' levels are their codes'. */
static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(knowns); i++) {
        const struct iq_grid *grid = iq_grid_get(knowns[i].id);
        int nkey = grid->dim == 8 ? 6561 : 4096, npoint = 0;
        uint16_t list[2048];
        size_t nword = 0;

        for (int key = 0; key < nkey; key++) {
            unsigned code = 0;

            for (int k = 0, rest = key; k < grid->dim; k++, rest /= grid->nlevel)
                code |= (unsigned)(rest % grid->nlevel) << (grid->dim == 8 ? 2 : 3) * k;
            if (grid->at[key] >= 0) {
                assert_true(grid->at[key] < grid->npoint);
                assert_int_equal(grid->codes[grid->at[key]], code);
                npoint++;
                continue;
            }
            int n = iq_grid_neighbours(grid, code, list);
            const uint16_t *stored = grid->lists + ~grid->at[key];
            assert_int_equal(stored[0], n);
            assert_memory_equal(stored + 1, list, (size_t)n * sizeof *list);
            nword += 1 + (size_t)n;
        }
        assert_int_equal(npoint, grid->npoint);
        assert_int_equal(nword, grid->nlist);
        for (int j = 0; j < grid->npoint; j++) {
            for (int k = 0; k < grid->dim; k++)
                assert_int_equal(grid->levels[j * grid->dim + k], packed_level(grid, grid->codes[j], k));
        }
    }
}

/* The first of the best, by sums made one after the other. */
static int nearest_by_hand(const struct iq_grid *grid, int at, const float *term)
{
    const uint16_t *list = grid->lists + at;
    float best = 3.40282347e+38f;
    int chosen = list[1];

    for (int j = 1; j <= list[0]; j++) {
        float sum = 0.0f;

        for (int k = 0; k < grid->dim; k++)
            sum += term[grid->dim * (int)packed_level(grid, grid->codes[list[j]], k) + k];
        if (sum < best) {
            best = sum;
            chosen = list[j];
        }
    }
    return chosen;
}

static void test_nearest(void **state)
{
    uint32_t s = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(knowns); i++) {
        const struct iq_grid *grid = iq_grid_get(knowns[i].id);
        int nkey = grid->dim == 8 ? 6561 : 4096;

        for (int key = 0; key < nkey; key++) {
            float term[32];
            int coarse = key % 3, got;

            if (grid->at[key] >= 0)
                continue;
            for (int k = 0; k < 32; k++) {
                s = s * 1664525u + 1013904223u;
                // few different values make ties, large ones sums that are no sums any more
                term[k] = coarse == 0   ? (float)(s >> 30)
                          : coarse == 1 ? (float)s * 0x1p-20f
                                        : (float)s * 1e29f;
            }
            if (key % 50 == 2)
                term[key % 32] = float_from_bits(0x7fc00000);
            got = (grid->dim == 8 ? iq_grid_nearest8 : iq_grid_nearest4)(grid, ~grid->at[key], term);
            assert_int_equal(got, nearest_by_hand(grid, ~grid->at[key], term));
        }
    }
}

static void test_spread(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 65536; code++) {
        for (int k = 0; k < 8; k++)
            assert_int_equal(iq_spread8((uint16_t)code) >> 8 * k & 255, code >> 2 * k & 3);
        for (int k = 0; code < 4096 && k < 4; k++)
            assert_int_equal(iq_spread4((uint16_t)code) >> 8 * k & 255, code >> 3 * k & 7);
    }
}

/* Run first: whoever comes while another thread builds a grid waits for it. */
static void *count_origins(void *count)
{
    for (int id = 0; id < IQ_GRID_COUNT; id++)
        *(int *)count += iq_grid_get((enum iq_grid_id)id)->at[0] == 0;
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[4];
    int counts[4] = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_origins, &counts[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(counts[i], IQ_GRID_COUNT);
    }
}

static void test_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(knowns); i++) {
        const struct iq_grid *grid = iq_grid_get(knowns[i].id);
        char path[96];
        unsigned code;
        int n = 0;

        snprintf(path, sizeof path, "../shared/golden/grids/%s_codes.txt", knowns[i].name);
        FILE *f = fopen(path, "r");
        if (!f)
            skip();
        for (; fscanf(f, "%u", &code) == 1; n++) {
            assert_true(n < grid->npoint);
            assert_int_equal(code, grid->codes[n]);
        }
        assert_int_equal(n, grid->npoint);
        fclose(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads), cmocka_unit_test(test_lists),  cmocka_unit_test(test_keys),
        cmocka_unit_test(test_nearest), cmocka_unit_test(test_spread), cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
