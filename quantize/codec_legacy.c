/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ggml's first block types: 32 values with a float16 scale, q4_1 and q5_1 with a float16 minimum too. Without
 * importance weights the scale follows from the extremes; with them it is searched for (scale_search.h), and
 * a value weighs its column's importance times sqrt(mean square of the row + its own square).
 */
#include <float.h>

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

/* Bit 4 of each of 8 codes, that of the first in bit 0: each partial product has a bit of its own in the top
 * byte, and none carries. */
static inline unsigned gather_fifth(const uint8_t *codes)
{
    uint64_t v;

    memcpy(&v, codes, 8);
    return (unsigned)((v >> 4 & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}

/* The reverse: 16 in each byte whose bit is set. */
static inline uint64_t spread_fifth(unsigned bits)
{
    uint64_t v = bits * 0x0101010101010101u & 0x8040201008040201u;

    return (v + 0x7f7f7f7f7f7f7f7fu) >> 3 & 0x1010101010101010u;
}

/* Value i's low four bits: the low nibble of byte i for the first half, the high nibble of byte i - 16 for
 * the second. */
static inline void pack_codes(const struct kind *kind, const uint8_t *codes, unsigned char *out)
{
    if (kind->has_fifth) {
        for (int i = 0; i < ELEMS; i += 8)
            *out++ = (unsigned char)gather_fifth(codes + i);
    }
    for (int i = 0; i < HALF; i++)
        out[i] = (unsigned char)((codes[i] & 15) | codes[i + HALF] << 4);
}

static inline void unpack_codes(const struct kind *kind, const unsigned char *in, uint8_t *codes)
{
    const unsigned char *low = kind->has_fifth ? in + 4 : in;

    for (int i = 0; i < HALF; i++) {
        codes[i] = low[i] & 15;
        codes[i + HALF] = low[i] >> 4;
    }
    for (int i = 0; kind->has_fifth && i < ELEMS; i += 8) {
        uint64_t v, fifth = spread_fifth(in[i / 8]);

        memcpy(&v, codes + i, 8);
        v |= fifth;
        memcpy(codes + i, &v, 8);
    }
}

/* ---- without weights ---- */

#define RANGE_LANES 8

/* Least and largest that are not NaN, within +-FLT_MAX; of zeros of either sign the first. */
static inline void find_range(const float *x, float *lo, float *hi)
{
    float least[RANGE_LANES], most[RANGE_LANES];

    for (int k = 0; k < RANGE_LANES; k++) {
        least[k] = FLT_MAX;
        most[k] = -FLT_MAX;
    }
    for (int i = 0; i < ELEMS; i += RANGE_LANES) {
#pragma GCC unroll 1
        for (int k = 0; k < RANGE_LANES; k++) {
            least[k] = x[i + k] < least[k] ? x[i + k] : least[k];
            most[k] = x[i + k] > most[k] ? x[i + k] : most[k];
        }
    }
    *lo = least[0];
    *hi = most[0];
    for (int k = 1; k < RANGE_LANES; k++) {
        *lo = least[k] < *lo ? least[k] : *lo;
        *hi = most[k] > *hi ? most[k] : *hi;
    }
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
    uint8_t codes[ELEMS], top = (uint8_t)(levels - 1);
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
        uint8_t code = (uint8_t)truncated_int((x[i] - lo) * inverse + shift);

        codes[i] = code < top ? code : top;
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

static inline void decode_blocks(const struct kind *kind, const unsigned char *in, float *restrict x,
                                 size_t nblock)
{
    for (; nblock > 0; nblock--, in += kind->nbyte, x += ELEMS) {
        float d = f16_get(in), lo = kind->has_min ? f16_get(in + 2) : 0.0f;
        uint8_t codes[ELEMS];

        unpack_codes(kind, in + (kind->has_min ? 4 : 2), codes);
        for (int i = 0; i < ELEMS; i++) {
            if (kind->has_min)
                x[i] = (float)codes[i] * d + lo;
            else
                x[i] = (float)(codes[i] - (kind->has_fifth ? 16 : 8)) * d;
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

/* scale = largest magnitude / 127; the codes use its unrounded inverse. A NaN makes the scale NaN and all
 * codes 0. Where the inverse is infinite (the block's largest value is subnormal) all codes are 0 too. */
void q8_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;
    size_t nblock = nrow * ncol / ELEMS;

    (void)weights;
    for (size_t b = 0; b < nblock; b++, x += ELEMS, out += Q8_0_BYTES) {
        float d = float_from_bits(peak_bits(x, ELEMS)) / 127.0f;
        float inverse = d != 0.0f ? 1.0f / d : 0.0f;

        f16_put(out, d);
        for (int i = 0; i < ELEMS; i++)
            out[2 + i] = (unsigned char)rounded_int(x[i] * inverse);
    }
}

void q8_0_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = 0; b < n / ELEMS; b++, in += Q8_0_BYTES, x += ELEMS) {
        float d = f16_get(in);

        for (int i = 0; i < ELEMS; i++)
            x[i] = (float)(int8_t)in[2 + i] * d;
    }
}
