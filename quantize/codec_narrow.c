/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MLX's types of narrow floats: groups of E2M1 or E4M3 values under a power of two (mxfp4, mxfp8) or under an
 * E4M3 scale (nvfp4). On a CPU MLX computes in the type of the values, and ties go to the smaller magnitude;
 * on a GPU in float32, and ties go to the even code. They make no use of importance weights.
 */
#include "quantize/codecs_int.h"
#include "quantize/mlx_pack.h"
#include "quantize/pack.h"

#define GROUP_MAX 32

struct narrow {
    uint32_t bits, group;
    bool scale_e4m3; /* else E8M0 */
    float most;      /* largest value */
};

static const struct narrow MXFP4_MLX = {4, 32, false, 6.0f}, MXFP8 = {8, 32, false, 448.0f},
                           NVFP4_MLX = {4, 16, true, 6.0f};

static const float e2m1[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

/* ---- the CPU's arithmetic ---- */

/* The exponent of a power of two near the scale. A byte has no room for those below -127. */
static int exponent_cpu(float scale, enum dtype from)
{
    if (!(scale > 0.0f) || isinf(scale))
        return 0;
    int k = (int)rintf(round_to(from, (float)log2(scale)));
    return k > -127 ? k : -127;
}

/* The definition: the first code of least distance. */
static uint8_t search_code(float v)
{
    float best = fabsf(v);
    int code = 0;

    for (int k = 1; k < 16; k++) {
        float distance = fabsf(v - e2m1[k]);

        if (distance < best) {
            best = distance;
            code = k;
        }
    }
    return (uint8_t)code;
}

/* What the search gives unless v is so large that distances are rounded: the number of midpoints below. */
static inline uint8_t count_code(float v)
{
    float a = fabsf(v);
    int code = (a > 0.25f) + (a > 0.75f) + (a > 1.25f) + (a > 1.75f) + (a > 2.5f) + (a > 3.5f) + (a > 5.0f);

    return (uint8_t)(code | (v < -0.25f) << 3);
}

static uint8_t encode_group_cpu(const struct narrow *t, enum dtype from, const float *x, uint8_t *codes)
{
    float scale = round_to(from, peak(x, (int)t->group) / t->most), v[GROUP_MAX];
    uint8_t byte = t->scale_e4m3 ? e4m3_from_f32(scale) : (uint8_t)(exponent_cpu(scale, from) + 127);
    float divisor = t->scale_e4m3 ? f32_from_e4m3(byte) : f32_from_e8m0(byte);

    for (uint32_t i = 0; i < t->group; i++)
        v[i] = x[i] / divisor;
    for (uint32_t i = 0; from != DT_F32 && i < t->group; i++)
        v[i] = round_to(from, v[i]);
    if (t->bits == 8)
        for (uint32_t i = 0; i < t->group; i++)
            codes[i] = e4m3_from_f32(v[i]);
    else if (peak(v, (int)t->group) < 0x1p20f)
        for (uint32_t i = 0; i < t->group; i++)
            codes[i] = count_code(v[i]);
    else
        for (uint32_t i = 0; i < t->group; i++)
            codes[i] = search_code(v[i]);
    return byte;
}

/* ---- the GPU's arithmetic ---- */

static uint8_t e8m0_metal(float scale)
{
    if (!isfinite(scale))
        return 255;
    return scale > 0.0f ? (uint8_t)(clamp_int((int)roundf((float)log2(scale)), -127, 127) + 127) : 0;
}

static uint8_t e2m1_metal(float v)
{
    float a = fabsf(v);
    int code =
        (a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) + (a >= 3.5f) + (a > 5.0f);

    if (isnan(v))
        return 7;
    return (uint8_t)(signbit(v) ? code | 8 : code);
}

static uint8_t encode_group_metal(const struct narrow *t, const float *x, uint8_t *codes)
{
    float scale = peak(x, (int)t->group) / t->most;
    uint8_t byte = t->scale_e4m3 ? e4m3_from_f32(scale) : e8m0_metal(scale);
    float divisor = t->scale_e4m3 ? f32_from_e4m3(byte) : f32_from_e8m0(byte);
    float factor = divisor == 0.0f ? 0.0f : 1.0f / divisor;

    for (uint32_t i = 0; i < t->group; i++)
        codes[i] = t->bits == 4 ? e2m1_metal(x[i] * factor) : e4m3_from_f32(x[i] * factor);
    return byte;
}

/* ---- blocks ---- */

enum arithmetic { CPU_F32, CPU_F16, CPU_BF16, METAL, NARITHMETIC };

static void encode(const struct narrow *t, enum arithmetic a, const float *x, void *dst, size_t n)
{
    static const enum dtype from[] = {DT_F32, DT_F16, DT_BF16};
    unsigned char *out = dst;
    uint8_t codes[GROUP_MAX];

    for (size_t g = n / t->group; g > 0; g--, x += t->group) {
        uint8_t scale = a == METAL ? encode_group_metal(t, x, codes) : encode_group_cpu(t, from[a], x, codes);

        codes_pack(codes, t->group, t->bits, out);
        out += t->group * t->bits / 8;
        *out++ = scale;
    }
}

static void decode(const struct narrow *t, const void *src, float *x, size_t n)
{
    const unsigned char *in = src;
    uint8_t codes[GROUP_MAX];

    for (size_t g = n / t->group; g > 0; g--, x += t->group) {
        uint8_t byte = in[t->group * t->bits / 8];
        float scale = t->scale_e4m3 ? f32_from_e4m3(byte) : f32_from_e8m0(byte);

        codes_unpack(in, t->group, t->bits, codes);
        for (uint32_t i = 0; i < t->group; i++)
            x[i] = scale * (t->bits == 4 ? e2m1[codes[i]] : f32_from_e4m3(codes[i]));
        in += t->group * t->bits / 8 + 1;
    }
}

/* Either scale's NaN; neither has an infinity. */
static size_t find_nonfinite(const struct narrow *t, const void *src, size_t n)
{
    const unsigned char *scale = (const unsigned char *)src + t->group * t->bits / 8;
    uint8_t mask = t->scale_e4m3 ? 0x7f : 0xff;

    for (size_t i = 0; i < n; i++, scale += t->group * t->bits / 8 + 1)
        if ((*scale & mask) == mask)
            return i;
    return n;
}

/* ---- the types ---- */

#define ENCODE(id, arithmetic)                                                                               \
    static void id##_##arithmetic(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights) \
    {                                                                                                        \
        (void)weights;                                                                                       \
        encode(&id, arithmetic, x, dst, nrow *ncol);                                                         \
    }

/* Of the packed types those without a bias. */
#define X(id, name, gguf, st, elems, bits)
#define TYPE_1(id)                                                                                           \
    ENCODE(id, CPU_F32)                                                                                      \
    ENCODE(id, CPU_F16)                                                                                      \
    ENCODE(id, CPU_BF16)                                                                                     \
    ENCODE(id, METAL)                                                                                        \
    static void id##_decode(const void *src, float *x, size_t n)                                             \
    {                                                                                                        \
        decode(&id, src, x, n);                                                                              \
    }                                                                                                        \
    static size_t id##_find(const void *src, size_t n)                                                       \
    {                                                                                                        \
        return find_nonfinite(&id, src, n);                                                                  \
    }
#define TYPE_2(id)
#define PACKED(id, name, bits, group, scale, scale_bits, nscale) TYPE_##nscale(id)
#include "formats/dtype.def"

#define ROW(id, arithmetic)                                                                                  \
    [arithmetic][DT_##id] = {                                                                                \
        .encode = id##_##arithmetic,                                                                         \
        .decode = id##_decode,                                                                               \
        .find_nonfinite = id##_find,                                                                         \
        .variant = arithmetic,                                                                               \
    }
#define ROWS_1(id) ROW(id, CPU_F32), ROW(id, CPU_F16), ROW(id, CPU_BF16), ROW(id, METAL),
#define ROWS_2(id)
#define PACKED(id, name, bits, group, scale, scale_bits, nscale) ROWS_##nscale(id)

static const struct codec codecs[NARITHMETIC][DT_COUNT] = {
#include "formats/dtype.def"
};

const struct codec *narrow_codec(enum dtype t, enum mlx_rounding rounding, enum dtype from)
{
    enum arithmetic a = from == DT_F16 ? CPU_F16 : from == DT_BF16 ? CPU_BF16 : CPU_F32;

    return &codecs[rounding == MLX_ROUNDING_METAL ? METAL : a][t];
}
