/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoders of ggml's K types: super-blocks of 256 values in groups of 16 or 32, where each group has a scale
 * (and minimum) that is itself an integer times a float16. First every group's scale is searched for
 * (scale_search.h); then these are made integers; then the codes are chosen anew under the scales as stored.
 *
 * Importance weights do more than weigh: they select other searches. Layouts are at the decoders,
 * codec_k_decode.c.
 */
#include "quantize/codec_k_int.h"
#include "quantize/codecs_int.h"
#include "quantize/pack.h"
#include "quantize/scale_search.h"

#define RUN        8 /* super-blocks that are searched in one go */
#define MAX_GROUPS (K_ELEMS / 16)

/* A run of super-blocks of one row on its way. */
struct run {
    const float *x;
    const float *importance; /* NULL: none */
    size_t nsuper;
    int n; /* values in a group */
    float weights[RUN * K_ELEMS];
    uint8_t codes[RUN * K_ELEMS];
    float scale[RUN * MAX_GROUPS], min[RUN * MAX_GROUPS];
};

static struct scale_search whole_run(struct run *run)
{
    return (struct scale_search){
        .x = run->x,
        .weights = run->weights,
        .ngroup = run->nsuper * (size_t)(K_ELEMS / run->n),
        .n = run->n,
        .codes = run->codes,
        .scale = run->scale,
        .min = run->min,
    };
}

/* ---- weights ---- */

static float sum_squares(const float *x, int n)
{
    float sum = 0.0f;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sum;
}

/* importance * sqrt(times * mean square of the super-block + x * x) */
static void weigh_importance(struct run *run, float times)
{
    for (size_t b = 0; b < run->nsuper; b++) {
        const float *x = run->x + b * K_ELEMS, *importance = run->importance + b * K_ELEMS;
        float *w = run->weights + b * K_ELEMS;
        float mean = times * sum_squares(x, K_ELEMS) / (float)K_ELEMS;

        for (int i = 0; i < K_ELEMS; i++)
            w[i] = importance[i] * sqrtf(mean + x[i] * x[i]);
    }
}

/* Each group's sum of weights: what its scale weighs when scales are fitted. */
static void sum_weights(const struct run *run, float *sum)
{
    const float *w = run->weights;

    for (size_t g = 0; g < run->nsuper * (size_t)(K_ELEMS / run->n); g++, w += run->n) {
        sum[g] = 0.0f;
        for (int i = 0; i < run->n; i++)
            sum[g] += w[i];
    }
}

/* ---- scales ---- */

/* The searches above once more, over the scales of each super-block. */
static struct scale_search over_scales(const struct run *run, const float *scales, const float *weights,
                                       uint8_t *codes, float *super)
{
    return (struct scale_search){
        .x = scales,
        .weights = weights,
        .ngroup = run->nsuper,
        .n = K_ELEMS / run->n,
        .codes = codes,
        .scale = super,
    };
}

/* The largest, from 0. */
static float largest(const float *v, int n)
{
    float most = 0.0f;

    for (int i = 0; i < n; i++)
        most = v[i] > most ? v[i] : most;
    return most;
}

/* Without weights: the largest of n gets code `nlevel`. Returns what a code is worth. */
static float spread_scales(const float *v, int n, int nlevel, uint8_t *codes)
{
    float most = largest(v, n), inverse = (float)nlevel / most;

    for (int i = 0; i < n; i++)
        codes[i] = most > 0.0f ? (uint8_t)nearest_int(inverse * v[i]) : 0;
    return most / (float)nlevel;
}

/* Scales and minima as integers of at most nlevel, and what one of each is worth, for all super-blocks. */
struct fitted {
    uint8_t scale[RUN * MAX_GROUPS], min[RUN * MAX_GROUPS];
    float d[RUN], dmin[RUN];
};

static void fit_scales(const struct run *run, int nlevel, struct fitted *f)
{
    int ngroup = K_ELEMS / run->n;

    if (run->importance) {
        float sum[RUN * MAX_GROUPS];

        sum_weights(run, sum);
        struct scale_search s = over_scales(run, run->scale, sum, f->scale, f->d);
        struct scale_search m = over_scales(run, run->min, sum, f->min, f->dmin);
        scale_search_positive(&s, nlevel);
        scale_search_positive(&m, nlevel);
        return;
    }
    for (size_t b = 0; b < run->nsuper; b++) {
        size_t at = b * (size_t)ngroup;

        f->d[b] = spread_scales(run->scale + at, ngroup, nlevel, f->scale + at);
        f->dmin[b] = spread_scales(run->min + at, ngroup, nlevel, f->min + at);
    }
}

/* ---- codes under the stored scales; a scale of 0 leaves those of the search ---- */

static void recode_with_min(const float *x, int n, float scale, float min, int top, uint8_t *codes)
{
    if (scale == 0.0f)
        return;
    for (int i = 0; i < n; i++)
        codes[i] = (uint8_t)clamp_int(nearest_int((x[i] + min) / scale), 0, top);
}

static void recode_symmetric(const float *x, float scale, int nlevel, uint8_t *codes)
{
    if (scale == 0.0f)
        return;
    for (int i = 0; i < 16; i++)
        codes[i] = (uint8_t)(clamp_int(nearest_int(x[i] / scale), -nlevel, nlevel - 1) + nlevel);
}

/* ---- q2_K ---- */

static void q2_k_run(struct run *run, unsigned char *out)
{
    struct scale_search search = whole_run(run);
    struct fitted f;

    if (run->importance) {
        weigh_importance(run, 1.0f);
        scale_search_min(&search, &(struct min_search){3, -0.9f, 0.05f, 36, false});
    } else {
        for (size_t i = 0; i < run->nsuper * K_ELEMS; i++)
            run->weights[i] = fabsf(run->x[i]);
        scale_search_min(&search, &(struct min_search){3, -0.5f, 0.1f, 15, true});
    }
    fit_scales(run, 15, &f);
    for (size_t b = 0; b < run->nsuper; b++, out += Q2_K_BYTES) {
        const float *x = run->x + b * K_ELEMS;
        uint8_t *codes = run->codes + b * K_ELEMS;

        f16_put(out + Q2_K_D, f.d[b]);
        f16_put(out + Q2_K_DMIN, f.dmin[b]);
        float d = f16_get(out + Q2_K_D), dmin = f16_get(out + Q2_K_DMIN);
        for (int g = 0; g < 16; g++) {
            out[g] = (unsigned char)(f.scale[b * 16 + (size_t)g] | f.min[b * 16 + (size_t)g] << 4);
            recode_with_min(x + 16 * g, 16, d * (float)(out[g] & 15), dmin * (float)(out[g] >> 4), 3,
                            codes + 16 * g);
        }
        crumbs_put(out + Q2_K_QS, codes);
    }
}

/* ---- q3_K ---- */

/* The scale of largest magnitude becomes -32. Codes are biased by 32 (0 where all scales are 0). */
static float spread_signed_scales(const float *v, uint8_t *codes)
{
    float most = signed_peak(v, 16);

    if (most == 0.0f) {
        memset(codes, 0, 16);
        return 0.0f;
    }
    float inverse = -32.0f / most;
    for (int g = 0; g < 16; g++)
        codes[g] = (uint8_t)(clamp_int((int8_t)nearest_int(inverse * v[g]), -32, 31) + 32);
    return 1.0f / inverse;
}

static void q3_k_put_scales(unsigned char *out, const uint8_t *codes)
{
    memset(out, 0, 12);
    for (int g = 0; g < 16; g++) {
        out[g % 8] |= (unsigned char)((codes[g] & 15) << g / 8 * 4);
        out[8 + g % 4] |= (unsigned char)(codes[g] >> 4 << g / 4 * 2);
    }
}

static void q3_k_put_codes(unsigned char *out, uint8_t *codes)
{
    memset(out, 0, 32);
    for (int i = 0; i < K_ELEMS; i++) {
        out[i % 32] |= (unsigned char)(codes[i] >> 2 << i / 32);
        codes[i] &= 3;
    }
    crumbs_put(out + Q3_K_QS, codes);
}

static void q3_k_run(struct run *run, unsigned char *out)
{
    struct scale_search search = whole_run(run);
    uint8_t scale[RUN * 16];
    float d[RUN];

    if (run->importance) {
        float sum[RUN * 16];

        weigh_importance(run, 2.0f);
        sum_weights(run, sum);
        struct scale_search s = over_scales(run, run->scale, sum, scale, d);
        scale_search_symmetric(&search, 4);
        scale_search_symmetric(&s, 32);
    } else {
        scale_search_descent(&search);
        for (size_t b = 0; b < run->nsuper; b++)
            d[b] = spread_signed_scales(run->scale + b * 16, scale + b * 16);
    }
    for (size_t b = 0; b < run->nsuper; b++, out += Q3_K_BYTES) {
        uint8_t *codes = run->codes + b * K_ELEMS;

        f16_put(out + Q3_K_D, d[b]);
        float stored = f16_get(out + Q3_K_D);
        for (int g = 0; g < 16; g++)
            recode_symmetric(run->x + b * K_ELEMS + 16 * g, stored * (float)(scale[b * 16 + (size_t)g] - 32),
                             4, codes + 16 * g);
        q3_k_put_scales(out + Q3_K_SCALES, scale + b * 16);
        q3_k_put_codes(out, codes);
    }
}

/* ---- q4_K and q5_K ---- */

/* Weights without importance: root mean square of the group + |x|. */
static void weigh_group(const float *x, float *w)
{
    float rms = sqrtf(sum_squares(x, 32) / 32.0f);

    for (int i = 0; i < 32; i++)
        w[i] = rms + fabsf(x[i]);
}

/* What q4_K and q5_K differ in, besides the fifth bits. */
struct kind45 {
    size_t nbyte;
    struct min_search plain; /* without importance */
    bool caps_fitted;
};

static const struct kind45 q4_k = {Q4_K_BYTES, {15, -1.0f, 0.1f, 20, false}, false};
static const struct kind45 q5_k = {Q5_K_BYTES, {31, -0.5f, 0.1f, 15, false}, true};

/* A code beyond six bits, which is the low byte of a negative scale's code, becomes 63, */
static void cap_sixes(uint8_t *codes)
{
    for (int g = 0; g < 8; g++)
        codes[g] = codes[g] < 63 ? codes[g] : 63;
}

/* or else leaves its upper bits in its neighbours. */
static void put_sixes(unsigned char *out, const uint8_t *scale, const uint8_t *min)
{
    for (int g = 0; g < 4; g++) {
        out[g] = (unsigned char)(scale[g] | scale[g + 4] >> 4 << 6);
        out[g + 4] = (unsigned char)(min[g] | min[g + 4] >> 4 << 6);
        out[g + 8] = (unsigned char)((scale[g + 4] & 15) | (min[g + 4] & 15) << 4);
    }
}

/* Up to the packing of codes, which are left in run->codes. */
static void q45_k_scales(struct run *run, unsigned char *out, const struct kind45 *kind)
{
    struct scale_search search = whole_run(run);
    struct fitted f;

    if (run->importance) {
        weigh_importance(run, 2.0f);
        scale_search_min(&search, &(struct min_search){kind->plain.nlevel, -0.9f, 0.05f, 36, false});
    } else {
        for (size_t i = 0; i < run->nsuper * K_ELEMS; i += 32)
            weigh_group(run->x + i, run->weights + i);
        scale_search_min(&search, &kind->plain);
    }
    fit_scales(run, 63, &f);
    for (size_t b = 0; b < run->nsuper; b++, out += kind->nbyte) {
        f16_put(out, f.d[b]);
        f16_put(out + 2, f.dmin[b]);
        float d = f16_get(out), dmin = f16_get(out + 2);
        if (!run->importance || kind->caps_fitted) {
            cap_sixes(f.scale + 8 * b);
            cap_sixes(f.min + 8 * b);
        }
        put_sixes(out + K_SIXES, f.scale + 8 * b, f.min + 8 * b);
        for (int g = 0; g < 8; g++) {
            size_t at = b * K_ELEMS + 32 * (size_t)g;

            recode_with_min(run->x + at, 32, d * (float)k_six_scale(out + K_SIXES, g),
                            dmin * (float)k_six_min(out + K_SIXES, g), kind->plain.nlevel, run->codes + at);
        }
    }
}

static void put_nibbles(unsigned char *out, const uint8_t *codes)
{
    for (int half = 0; half < K_ELEMS; half += 64)
        for (int i = 0; i < 32; i++)
            *out++ = (unsigned char)((codes[half + i] & 15) | codes[half + i + 32] << 4);
}

static void q4_k_run(struct run *run, unsigned char *out)
{
    q45_k_scales(run, out, &q4_k);
    for (size_t b = 0; b < run->nsuper; b++)
        put_nibbles(out + b * Q4_K_BYTES + Q4_K_QS, run->codes + b * K_ELEMS);
}

static void q5_k_run(struct run *run, unsigned char *out)
{
    q45_k_scales(run, out, &q5_k);
    for (size_t b = 0; b < run->nsuper; b++, out += Q5_K_BYTES) {
        const uint8_t *codes = run->codes + b * K_ELEMS;

        memset(out + Q5_K_QH, 0, 32);
        for (int i = 0; i < K_ELEMS; i++)
            out[Q5_K_QH + i % 32] |= (unsigned char)(codes[i] >> 4 << i / 32);
        put_nibbles(out + Q5_K_QS, codes);
    }
}

/* ---- q6_K ---- */

static void q6_k_put_codes(unsigned char *out, const uint8_t *codes)
{
    for (int half = 0; half < 2; half++, codes += 128) {
        unsigned char *low = out + 64 * half, *high = out + Q6_K_QH + 32 * half;

        for (int i = 0; i < 32; i++) {
            const uint8_t *c = codes + i;

            low[i] = (unsigned char)((c[0] & 15) | c[64] << 4);
            low[i + 32] = (unsigned char)((c[32] & 15) | c[96] << 4);
            high[i] = (unsigned char)(c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6);
        }
    }
}

static void q6_k_super(const float *x, const float *scale, uint8_t *codes, unsigned char *out)
{
    float most = signed_peak(scale, 16);

    if (fabsf(most) < 1e-15f) {
        memset(out, 0, Q6_K_BYTES);
        return;
    }
    float inverse = -128.0f / most;
    f16_put(out + Q6_K_D, 1.0f / inverse);
    float d = f16_get(out + Q6_K_D);
    for (int g = 0; g < 16; g++) {
        int code = nearest_int(inverse * scale[g]);
        int8_t stored = (int8_t)(code < 127 ? code : 127);

        out[Q6_K_SCALES + g] = (unsigned char)stored;
        recode_symmetric(x + 16 * g, d * (float)stored, 32, codes + 16 * g);
    }
    q6_k_put_codes(out, codes);
}

/* Importance weighs as it is; without it a value weighs its square. */
static void q6_k_run(struct run *run, unsigned char *out)
{
    struct scale_search search = whole_run(run);

    search.weights = run->importance;
    scale_search_symmetric(&search, 32);
    for (size_t b = 0; b < run->nsuper; b++)
        q6_k_super(run->x + b * K_ELEMS, run->scale + b * 16, run->codes + b * K_ELEMS, out + b * Q6_K_BYTES);
}

/* ---- rows ---- */

struct rows {
    const float *x, *weights;
    size_t nrow, ncol;
};

/* In groups of n, runs one after another. Without weights the boundaries of rows do not matter. */
static void encode_rows(struct rows rows, unsigned char *out, int n, size_t nbyte,
                        void (*encode)(struct run *run, unsigned char *out))
{
    struct run run;

    run.n = n;
    if (!rows.weights) {
        rows.ncol *= rows.nrow;
        rows.nrow = 1;
    }
    for (size_t r = 0; r < rows.nrow; r++) {
        for (size_t i = 0; i < rows.ncol; i += RUN * K_ELEMS) {
            size_t left = (rows.ncol - i) / K_ELEMS;

            run.x = rows.x + r * rows.ncol + i;
            run.importance = rows.weights ? rows.weights + i : NULL;
            run.nsuper = left < RUN ? left : RUN;
            encode(&run, out);
            out += run.nsuper * nbyte;
        }
    }
}

#define ENCODE(name, n, nbyte)                                                                               \
    void name##_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)            \
    {                                                                                                        \
        encode_rows((struct rows){x, weights, nrow, ncol}, dst, n, nbyte, name##_run);                       \
    }

ENCODE(q2_k, 16, Q2_K_BYTES)
ENCODE(q3_k, 16, Q3_K_BYTES)
ENCODE(q4_k, 32, Q4_K_BYTES)
ENCODE(q5_k, 32, Q5_K_BYTES)
ENCODE(q6_k, 16, Q6_K_BYTES)
