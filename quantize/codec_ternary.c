/* SPDX-License-Identifier: Apache-2.0 */
/* Types of one or two bits with one float16 scale: q1_0 (signs), q2_0, tq1_0 and tq2_0 (-1, 0 and 1). They
 * make no use of importance weights. */
#include "quantize/codecs_int.h"
#include "quantize/iq_pack.h"
#include "quantize/pack.h"

/* ---- q1_0: 128 signs, the scale is the mean magnitude ---- */

#define Q1_ELEMS 128
#define Q1_BYTES 18

void q1_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;

    (void)weights;
    for (size_t b = nrow * ncol / Q1_ELEMS; b > 0; b--, x += Q1_ELEMS, out += Q1_BYTES) {
        float sum = 0.0f;

        for (int i = 0; i < Q1_ELEMS; i++)
            sum += fabsf(x[i]);
        f16_put(out, sum / (float)Q1_ELEMS);
        for (int i = 0; i < Q1_ELEMS / 8; i++) {
            unsigned bits = 0;

            for (int k = 0; k < 8; k++)
                bits |= (unsigned)(x[8 * i + k] >= 0.0f) << k;
            out[2 + i] = (unsigned char)bits;
        }
    }
}

void q1_0_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / Q1_ELEMS; b > 0; b--, x += Q1_ELEMS, in += Q1_BYTES) {
        float d = f16_get(in);

        for (int i = 0; i < Q1_ELEMS / 8; i++)
            put_signed8(x + 8 * i, d, 0x0101010101010101u, ~(unsigned)in[2 + i]);
    }
}

/* ---- three levels ---- */

/* The largest magnitude into the two bytes `scale`, and codes 0, 1, 2 for -1, 0, 1 times it. `lost` is the
 * code of all values where the scale's inverse is infinite. */
static void choose_codes(const float *x, int n, uint8_t lost, unsigned char *scale, uint8_t *codes)
{
    float most = peak(x, n), inverse = most != 0.0f ? 1.0f / most : 0.0f;

    f16_put(scale, most);
    if (isinf(inverse)) {
        memset(codes, lost, (size_t)n);
        return;
    }
    for (int i = 0; i < n; i++)
        codes[i] = (uint8_t)(rounded_int(x[i] * inverse) + 1);
}

/* ---- q2_0: 64 values, four to a byte ---- */

#define Q2_ELEMS 64
#define Q2_BYTES 18

void q2_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;

    (void)weights;
    for (size_t b = nrow * ncol / Q2_ELEMS; b > 0; b--, x += Q2_ELEMS, out += Q2_BYTES) {
        uint8_t codes[Q2_ELEMS];

        choose_codes(x, Q2_ELEMS, 0, out, codes);
        for (int i = 0; i < Q2_ELEMS / 4; i++) {
            const uint8_t *c = codes + 4 * i;

            out[2 + i] = (unsigned char)(c[0] | c[1] << 2 | c[2] << 4 | c[3] << 6);
        }
    }
}

void q2_0_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / Q2_ELEMS; b > 0; b--, x += Q2_ELEMS, in += Q2_BYTES) {
        float d = f16_get(in);
        uint32_t fours[Q2_ELEMS / 4]; // a code in each byte
        uint8_t codes[Q2_ELEMS];

        for (int i = 0; i < Q2_ELEMS / 4; i++) {
            uint32_t v = in[2 + i];

            v = (v | v << 12) & 0x000f000fu;
            fours[i] = (v | v << 6) & 0x03030303u;
        }
        memcpy(codes, fours, sizeof codes);
        for (int i = 0; i < Q2_ELEMS; i++)
            x[i] = (float)(codes[i] - 1) * d;
    }
}

/* ---- tq1_0: 256 values, five to a byte in base 3 ---- */

#define TQ_ELEMS  256
#define TQ1_BYTES 54
#define TQ1_QS    48 /* bytes before the last four, which hold four values each */
#define TQ2_BYTES 66

/* Bytes that take their values with the same stride: byte k of `nbyte` holds values k, k + nbyte, ... */
static const struct band {
    int first_elem, first_byte, nbyte, ndigit;
} bands[] = {{0, 0, 32, 5}, {160, 32, 16, 5}, {240, TQ1_QS, 4, 4}};

/* The base-3 number, most significant digit first and of five digits always, as a fraction of 256: digit
 * after digit comes out on top when it is multiplied by 3 modulo 256. */
static void pack_base3(const struct band *band, const uint8_t *codes, unsigned char *out)
{
    for (int k = 0; k < band->nbyte; k++) {
        unsigned v = 0;

        for (int digit = 0; digit < 5; digit++)
            v = 3 * v + (digit < band->ndigit ? codes[band->first_elem + k + digit * band->nbyte] : 0);
        out[band->first_byte + k] = (unsigned char)((v * 256 + 242) / 243);
    }
}

void tq1_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;

    (void)weights;
    for (size_t b = nrow * ncol / TQ_ELEMS; b > 0; b--, x += TQ_ELEMS, out += TQ1_BYTES) {
        uint8_t codes[TQ_ELEMS];

        choose_codes(x, TQ_ELEMS, 1, out + TQ1_BYTES - 2, codes);
        for (size_t i = 0; i < ARRAY_LEN(bands); i++)
            pack_base3(&bands[i], codes, out);
    }
}

static inline void unpack_base3(const struct band *band, const unsigned char *in, float d, float *restrict x)
{
    static const uint8_t power[] = {1, 3, 9, 27, 81};

    for (int digit = 0; digit < band->ndigit; digit++) {
        float *to = x + band->first_elem + digit * band->nbyte;

        for (int k = 0; k < band->nbyte; k++) {
            uint8_t rest = (uint8_t)(in[band->first_byte + k] * power[digit]);

            to[k] = (float)((rest * 3 >> 8) - 1) * d;
        }
    }
}

void tq1_0_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / TQ_ELEMS; b > 0; b--, x += TQ_ELEMS, in += TQ1_BYTES) {
        float d = f16_get(in + TQ1_BYTES - 2);

#pragma GCC unroll 3
        for (size_t i = 0; i < ARRAY_LEN(bands); i++)
            unpack_base3(&bands[i], in, d, x);
    }
}

/* ---- tq2_0: 256 values; each 32 bytes hold 128, the k-th 32 of them in bits 2k ---- */

void tq2_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    unsigned char *out = dst;

    (void)weights;
    for (size_t b = nrow * ncol / TQ_ELEMS; b > 0; b--, x += TQ_ELEMS, out += TQ2_BYTES) {
        uint8_t codes[TQ_ELEMS];

        choose_codes(x, TQ_ELEMS, 1, out + TQ2_BYTES - 2, codes);
        crumbs_put(out, codes);
    }
}

void tq2_0_decode(const void *src, float *restrict x, size_t n)
{
    const unsigned char *in = src;

    for (size_t b = n / TQ_ELEMS; b > 0; b--, x += TQ_ELEMS, in += TQ2_BYTES) {
        float d = f16_get(in + TQ2_BYTES - 2);

        for (int part = 0; part < TQ_ELEMS / 32; part++)
            for (int i = 0; i < 32; i++)
                x[32 * part + i] = (float)((in[part / 4 * 32 + i] >> 2 * (part % 4) & 3) - 1) * d;
    }
}
