/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MLX's affine types: value = scale * code + bias, with a scale and a bias for each group. The codes come
 * from the scale before it is rounded for storage, and whichever end of the group has the larger magnitude is
 * met exactly. They make no use of importance weights.
 */
#include "quantize/codecs_int.h"
#include "quantize/mlx_pack.h"
#include "quantize/pack.h"

#define GROUP_MAX   128
#define SCALE_LEAST 1e-7f

struct affine {
    uint32_t bits, group;
    enum dtype scale; /* of scales and biases */
};

/* ---- encoding ---- */

struct fit {
    float scale, bias;
};

/* The GPU puts 0 in place of a maximum below it, and rounds halves away from zero; the CPU to even. */
static struct fit fit_group(const struct affine *a, enum mlx_rounding rounding, const float *x)
{
    float most = rounding == MLX_ROUNDING_METAL ? 0.0f : -INFINITY, least = INFINITY;
    float steps = (float)((1u << a->bits) - 1);

    for (uint32_t i = 0; i < a->group; i++) {
        most = x[i] > most ? x[i] : most;
        least = x[i] < least ? x[i] : least;
    }
    bool at_least = fabsf(least) > fabsf(most);
    float step = (most - least) / steps, edge = at_least ? least : most;
    step = step > SCALE_LEAST ? step : SCALE_LEAST;
    step = at_least ? step : -step;
    float zero = rounding == MLX_ROUNDING_METAL ? roundf(edge / step) : rintf(edge / step);
    if (zero == 0.0f)
        return (struct fit){step, 0.0f};
    return (struct fit){edge / zero, edge};
}

/* The clamp also makes 0 of NaN, and of all else what the fast rounding is good for. */
static inline float code_of(float x, struct fit f, float last)
{
    float v = (x - f.bias) / f.scale;

    v = v > 0.0f ? v : 0.0f;
    return v < last ? v : last;
}

static void encode(const struct affine *a, enum mlx_rounding rounding, const float *x, void *dst, size_t n)
{
    unsigned char *out = dst;
    float last = (float)((1u << a->bits) - 1);
    uint8_t codes[GROUP_MAX];

    for (size_t g = n / a->group; g > 0; g--, x += a->group) {
        struct fit f = fit_group(a, rounding, x);

        if (rounding == MLX_ROUNDING_METAL)
            for (uint32_t i = 0; i < a->group; i++)
                codes[i] = (uint8_t)rounded_int(code_of(x[i], f, last));
        else
            for (uint32_t i = 0; i < a->group; i++)
                codes[i] = (uint8_t)nearest_int(code_of(x[i], f, last));
        codes_pack(codes, a->group, a->bits, out);
        out += a->group * a->bits / 8;
        scale_put(a->scale, f.scale, out);
        scale_put(a->scale, f.bias, out + scale_bytes(a->scale));
        out += 2 * scale_bytes(a->scale);
    }
}

/* ---- decoding ---- */

/* The arithmetic is that of the scale's type: the product is rounded, and the sum. */
static float value_of(const struct affine *a, struct fit f, uint32_t code)
{
    return round_to(a->scale, round_to(a->scale, f.scale * (float)code) + f.bias);
}

static void decode(const struct affine *a, const void *src, float *x, size_t n)
{
    const unsigned char *in = src;
    uint32_t nlevel = 1u << a->bits;
    uint8_t codes[GROUP_MAX];
    float levels[GROUP_MAX];

    for (size_t g = n / a->group; g > 0; g--, x += a->group) {
        const unsigned char *scales = in + a->group * a->bits / 8;
        struct fit f = {scale_get(a->scale, scales), scale_get(a->scale, scales + scale_bytes(a->scale))};

        codes_unpack(in, a->group, a->bits, codes);
        for (uint32_t k = 0; nlevel <= a->group && k < nlevel; k++)
            levels[k] = value_of(a, f, k);
        for (uint32_t i = 0; i < a->group; i++)
            x[i] = nlevel <= a->group ? levels[codes[i]] : value_of(a, f, codes[i]);
        in = scales + 2 * scale_bytes(a->scale);
    }
}

/* ---- checking ---- */

static size_t find_nonfinite(const struct affine *a, const void *src, size_t n)
{
    const unsigned char *scales = (const unsigned char *)src + a->group * a->bits / 8;

    for (size_t i = 0; i < n; i++, scales += a->group * a->bits / 8 + 2 * scale_bytes(a->scale))
        if (!isfinite(scale_get(a->scale, scales)) ||
            !isfinite(scale_get(a->scale, scales + scale_bytes(a->scale))))
            return i;
    return n;
}

/* ---- the types ---- */

/* Of the packed types those with a bias. */
#define X(id, name, gguf, st, elems, bits)
#define TYPE_1(id, bits, group, scale)
#define TYPE_2(id, bits, group, scale)                                                                       \
    static const struct affine id = {bits, group, DT_##scale};                                               \
    static void id##_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)       \
    {                                                                                                        \
        (void)weights;                                                                                       \
        encode(&id, MLX_ROUNDING_CPU, x, dst, nrow *ncol);                                                   \
    }                                                                                                        \
    static void id##_encode_metal(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights) \
    {                                                                                                        \
        (void)weights;                                                                                       \
        encode(&id, MLX_ROUNDING_METAL, x, dst, nrow *ncol);                                                 \
    }                                                                                                        \
    static void id##_decode(const void *src, float *x, size_t n)                                             \
    {                                                                                                        \
        decode(&id, src, x, n);                                                                              \
    }                                                                                                        \
    static size_t id##_find(const void *src, size_t n)                                                       \
    {                                                                                                        \
        return find_nonfinite(&id, src, n);                                                                  \
    }
#define PACKED(id, name, bits, group, scale, scale_bits, nscale) TYPE_##nscale(id, bits, group, scale)
#include "formats/dtype.def"

#define ROWS_1(id)
#define ROWS_2(id)                                                                                           \
    [MLX_ROUNDING_CPU][DT_##id] = {.encode = id##_encode,                                                    \
                                   .decode = id##_decode,                                                    \
                                   .find_nonfinite = id##_find},                                             \
    [MLX_ROUNDING_METAL][DT_##id] = {                                                                        \
        .encode = id##_encode_metal, .decode = id##_decode, .find_nonfinite = id##_find, .variant = 1},
#define PACKED(id, name, bits, group, scale, scale_bits, nscale) ROWS_##nscale(id)

static const struct codec codecs[][DT_COUNT] = {
#include "formats/dtype.def"
};

const struct codec *affine_codec(enum dtype t, enum mlx_rounding rounding)
{
    return &codecs[rounding][t];
}
