/* SPDX-License-Identifier: Apache-2.0 */
/* What is found to be infinite or NaN in encoded blocks, against what decoding gives. */
#include "kernels/floats.h"
#include "quantize/codecs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BLOCKS 4000

static bool decodes_finite(const struct codec *c, const unsigned char *block, uint32_t elems)
{
    float x[256];

    c->decode(block, x, elems);
    for (uint32_t i = 0; i < elems; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static void fill(unsigned char *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = (unsigned char)(seed >> 56);
    }
}

/* Blocks of any bits: found is the first that does not decode to finite values, wherever one starts. */
static void test_any_bits(void **state)
{
    static unsigned char blocks[BLOCKS * 256];
    unsigned ntype = 0;

    (void)state;
    for (enum dtype t = 0; t < DT_COUNT; t++) {
        const struct codec *c = codec_find(t);
        uint32_t elems = dtype_block_elems(t);
        uint64_t unit = 0;
        size_t nbad = 0, next = 0;

        if (!c->find_nonfinite)
            continue;
        ntype++;
        assert_true(dtype_nbytes(t, elems, &unit));
        fill(blocks, BLOCKS * unit, t + 1);
        for (size_t i = 0; t == DT_MXFP4 && i < BLOCKS; i++)
            if (blocks[i * unit] >= 250) // scales that are finite, but no more with a code
                blocks[i * unit] = 0xff;
        for (size_t i = 0; i < BLOCKS; i++) {
            if (i == next)
                next = i + c->find_nonfinite(blocks + i * unit, BLOCKS - i);
            bool finite = decodes_finite(c, blocks + i * unit, elems);
            nbad += i == next;
            assert_true(i != next || !finite);
            /* MLX's codes can be NaN themselves, and finite scales make infinite values. */
            assert_true(i == next || finite || dtype_parts(t)->n > 1);
            next += i == next;
        }
        assert_true(nbad > 0 && nbad < BLOCKS);
        assert_int_equal(c->find_nonfinite(blocks, 0), 0);
    }
    assert_true(ntype >= 26);
}

/* Types without a row have nothing to find. */
static void test_others(void **state)
{
    static unsigned char blocks[BLOCKS * 36];

    (void)state;
    fill(blocks, sizeof blocks, 99);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_true(decodes_finite(codec_find(DT_NVFP4), blocks + i * 36, 64));
}

/* At every place, with any number of elements after it. */
static void test_floats(void **state)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN, -NAN};
    float x[300];
    uint16_t h[300];

    (void)state;
    for (int i = 0; i < 300; i++) {
        x[i] = i % 2 ? 3.4028235e38f : -0x1p-149f;
        h[i] = i % 2 ? 0xfbff : 0x0001;
    }
    for (size_t n = 0; n <= 300; n++) {
        assert_int_equal(floats_find_nonfinite(x, n), n);
        assert_int_equal(floats_find_nonfinite_f16(h, n), n);
    }
    for (size_t at = 0; at < 300; at++) {
        float kept = x[at];

        x[at] = bad[at % 4];
        assert_int_equal(floats_find_nonfinite(x, 300), at);
        x[at] = kept;
        h[at] = at % 2 ? 0x7c00 : 0xfe00;
        assert_int_equal(floats_find_nonfinite_f16(h, 300), at);
        h[at] = 0xff7f;
        assert_int_equal(floats_find_nonfinite_bf16(h + at, 1), 1);
        h[at] = 0xff80;
        assert_int_equal(floats_find_nonfinite_bf16(h + at, 1), 0);
        h[at] = 0x0001;
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_bits),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_floats),
    };

    return cmocka_run_group_tests_name("codec_finite", tests, NULL, NULL);
}
