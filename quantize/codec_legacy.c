/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ggml's first block types: 32 values with a float16 scale, q4_1 and q5_1 with a float16 minimum too. Without
 * importance weights the scale follows from the extremes; with them it is searched for (scale_search.h), and
 * a value weighs its column's importance times sqrt(mean square of the row + its own square).
 */
#include "quantize/codecs_int.h"
#include "quantize/pack.h"
#include "quantize/scale_search.h"

#define ELEMS 32
#define HALF  16
#define RUN   16 /* blocks that are searched in one go */

/* What a type of 4 or 5 bits does that another does not. */
struct kind {
    int nbyte;
    bool has_min;
    bool has_fifth; /* four bytes of fifth bits before the nibbles */
};

static const struct kind q4_0 = {18, false, false}, q4_1 = {20, true, false};
static const struct kind q5_0 = {22, false, true}, q5_1 = {24, true, true};

/* Value i's low four bits: the low nibble of byte i for the first half, the high nibble of byte i - 16 for
 * the second. */
static void pack_codes(const struct kind *kind, const uint8_t *codes, unsigned char *out)
{
    if (kind->has_fifth) {
        uint32_t fifth = 0;

        for (int i = 0; i < ELEMS; i++)
            fifth |= (uint32_t)(codes[i] >> 4 & 1) << i;
        for (int i = 0; i < 4; i++)
            *out++ = (unsigned char)(fifth >> 8 * i);
    }
    for (int i = 0; i < HALF; i++)
        out[i] = (unsigned char)((codes[i] & 15) | codes[i + HALF] << 4);
}

/* ---- without weights ---- */

/* Integers that order as floats do, with -0 below 0 and NaNs at the ends; its own inverse. */
static inline int32_t ordered(int32_t bits)
{
    return bits ^ (bits >> 31 & 0x7fffffff);
}

/* Least and largest; of zeros of either sign the first. */
static void find_range(const float *x, float *lo, float *hi)
{
    int32_t least = INT32_MAX, most = INT32_MIN;

    for (int i = 0; i < ELEMS; i++) {
        int32_t u = ordered((int32_t)float_bits(x[i]));

        least = u < least ? u : least;
        most = u > most ? u : most;
    }
    *lo = float_from_bits((uint32_t)ordered(least));
    *hi = float_from_bits((uint32_t)ordered(most));
    if (*lo == 0.0f) {
        while (*x != 0.0f)
            x++;
        *lo = *x;
        *hi = *hi == 0.0f ? *x : *hi;
    }
}

static inline void encode_plain_block(const struct kind *kind, const float *x, unsigned char *out)
{
    int levels = kind->has_fifth ? 32 : 16;
    uint8_t codes[ELEMS];
    float d, lo = 0.0f, hi, shift;

    if (kind->has_min) {
        find_range(x, &lo, &hi);
        d = (hi - lo) / (float)(levels - 1);
        shift = 0.5f;
        f16_put(out + 2, lo);
    } else {
        d = signed_peak(x, ELEMS) / (float)(-levels / 2);
        shift = (float)(levels / 2) + 0.5f;
    }
    f16_put(out, d);

    float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    for (int i = 0; i < ELEMS; i++) {
        int code = truncated_int((x[i] - lo) * inverse + shift);

        codes[i] = (uint8_t)(code < levels - 1 ? code : levels - 1);
    }
    pack_codes(kind, codes, out + (kind->has_min ? 4 : 2));
}

/* ---- with weights ---- */

static float row_mean_square(const float *x, size_t n)
{
    float sum = 0.0f;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum / (float)n;
}

struct run {
    const float *x;
    const float *importance;
    float mean_square; /* of the row */
    size_t nblock;
};

static void encode_run(const struct kind *kind, const struct run *run, unsigned char *out)
{
    float weights[RUN * ELEMS], scale[RUN], min[RUN];
    uint8_t codes[RUN * ELEMS];
    struct scale_search search = {run->x, weights, run->nblock, ELEMS, codes, scale, min};

    for (size_t i = 0; i < run->nblock * ELEMS; i++)
        weights[i] = run->importance[i] * sqrtf(run->mean_square + run->x[i] * run->x[i]);
    if (kind->has_min)
        scale_search_min(&search, &(struct min_search){kind->has_fifth ? 31 : 15, -0.9f, 0.05f, 36, false});
    else
        scale_search_symmetric(&search, kind->has_fifth ? 16 : 8);
    for (size_t b = 0; b < run->nblock; b++, out += kind->nbyte) {
        f16_put(out, scale[b]);
        if (kind->has_min)
            f16_put(out + 2, -min[b]);
        pack_codes(kind, codes + b * ELEMS, out + (kind->has_min ? 4 : 2));
    }
}

static void encode_weighted_row(const struct kind *kind, const float *x, unsigned char *out, size_t ncol,
                                const float *weights)
{
    struct run run = {.mean_square = row_mean_square(x, ncol)};

    for (size_t i = 0; i < ncol; i += RUN * ELEMS) {
        size_t left = (ncol - i) / ELEMS;

        run.x = x + i;
        run.importance = weights + i;
        run.nblock = left < RUN ? left : RUN;
        encode_run(kind, &run, out);
        out += run.nblock * (size_t)kind->nbyte;
    }
}

/* name_encode: `kind` is a constant in each, so that the loops are compiled for it. */
#define ENCODE(name)                                                                                         \
    void name##_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)            \
    {                                                                                                        \
        unsigned char *out = dst;                                                                            \
        size_t row_bytes = ncol / ELEMS * (size_t)name.nbyte;                                                \
                                                                                                             \
        if (!weights) {                                                                                      \
            for (size_t b = 0; b < nrow * ncol / ELEMS; b++)                                                 \
                encode_plain_block(&name, x + b * ELEMS, out + b * (size_t)name.nbyte);                      \
            return;                                                                                          \
        }                                                                                                    \
        for (size_t r = 0; r < nrow; r++)                                                                    \
            encode_weighted_row(&name, x + r * ncol, out + r * row_bytes, ncol, weights);                    \
    }

ENCODE(q4_0)
ENCODE(q4_1)
ENCODE(q5_0)
ENCODE(q5_1)

/* ---- decoding ---- */

static inline void decode_blocks(const struct kind *kind, const unsigned char *in, float *x, size_t nblock)
{
    for (; nblock > 0; nblock--, in += kind->nbyte, x += ELEMS) {
        const unsigned char *low = in + kind->nbyte - HALF;
        float d = f16_get(in), lo = kind->has_min ? f16_get(in + 2) : 0.0f;
        uint32_t fifth = 0;

        if (kind->has_fifth)
            fifth = low[-4] | (uint32_t)low[-3] << 8 | (uint32_t)low[-2] << 16 | (uint32_t)low[-1] << 24;
        for (int i = 0; i < ELEMS; i++) {
            int code = i < HALF ? low[i] & 15 : low[i - HALF] >> 4;

            code |= (int)(fifth >> i & 1) << 4;
            if (kind->has_min)
                x[i] = (float)code * d + lo;
            else
                x[i] = (float)(code - (kind->has_fifth ? 16 : 8)) * d;
        }
    }
}

#define DECODE(name)                                                                                         \
    void name##_decode(const void *src, float *x, size_t n)                                                  \
    {                                                                                                        \
        decode_blocks(&name, src, x, n / ELEMS);                                                             \
    }

DECODE(q4_0)
DECODE(q4_1)
DECODE(q5_0)
DECODE(q5_1)

/* ---- q8_0 ---- */

#define Q8_0_BYTES 34

static bool has_nan(const float *x, int n)
{
    bool found = false;

    for (int i = 0; i < n; i++)
        found |= isnan(x[i]);
    return found;
}

/* scale = largest magnitude / 127; the codes use its unrounded inverse. A NaN makes the scale NaN and all
 * codes 0. Where the inverse is infinite (the block's largest value is subnormal) all codes are 0 too. */
void q8_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;
    size_t nblock = nrow * ncol / ELEMS;

    (void)weights;
    for (size_t b = 0; b < nblock; b++, x += ELEMS, out += Q8_0_BYTES) {
        float d = has_nan(x, ELEMS) ? NAN : peak(x, ELEMS) / 127.0f;
        float inverse = d != 0.0f ? 1.0f / d : 0.0f;

        f16_put(out, d);
        for (int i = 0; i < ELEMS; i++)
            out[2 + i] = (unsigned char)rounded_int(x[i] * inverse);
    }
}

void q8_0_decode(const void *src, float *x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = 0; b < n / ELEMS; b++, in += Q8_0_BYTES, x += ELEMS) {
        float d = f16_get(in);

        for (int i = 0; i < ELEMS; i++)
            x[i] = (float)(int8_t)in[2 + i] * d;
    }
}
