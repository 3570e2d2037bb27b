/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 32 elements with one float16 scale, as ggml defines them. */
#include <math.h>

#include "kernels/floats.h"
#include "quantize/codecs_int.h"

#define Q8_0_ELEMS 32
#define Q8_0_BYTES 34

/* x * id as an int8: truncated towards zero after rounding half away from zero, and where the product
 * leaves int32 (id infinite: the block's largest value is subnormal) the low byte of INT32_MIN, 0. */
static int8_t round_to_int8(float v)
{
    float r = roundf(v);

    return fabsf(r) < 0x1p31f ? (int8_t)(int32_t)r : 0;
}

/* NaN when there is one: the whole block then has a NaN scale and codes of 0. */
static float largest_magnitude(const float *x, int n)
{
    float amax = 0.0f;
    bool has_nan = false;

    for (int i = 0; i < n; i++) {
        float a = fabsf(x[i]);

        amax = amax > a ? amax : a;
        has_nan = has_nan || isnan(a);
    }
    return has_nan ? NAN : amax;
}

/* scale = largest magnitude / 127; the codes use its unrounded inverse. */
void q8_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;
    size_t nblock = nrow * ncol / Q8_0_ELEMS;

    (void)weights;
    for (size_t b = 0; b < nblock; b++, x += Q8_0_ELEMS, out += Q8_0_BYTES) {
        float amax = largest_magnitude(x, Q8_0_ELEMS);
        float d = amax / 127.0f;
        float inverse = d != 0.0f ? 1.0f / d : 0.0f;
        uint16_t scale = f16_from_f32(d);
        memcpy(out, &scale, 2);
        for (int i = 0; i < Q8_0_ELEMS; i++)
            out[2 + i] = (unsigned char)round_to_int8(x[i] * inverse);
    }
}

void q8_0_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = 0; b < n / Q8_0_ELEMS; b++, in += Q8_0_BYTES, x += Q8_0_ELEMS) {
        uint16_t scale;

        memcpy(&scale, in, 2);
        float d = f32_from_f16(scale);
        for (int i = 0; i < Q8_0_ELEMS; i++)
            x[i] = (float)(int8_t)in[2 + i] * d;
    }
}
