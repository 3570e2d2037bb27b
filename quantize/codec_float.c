/* SPDX-License-Identifier: Apache-2.0 */
/* Element types: floats both ways, integers and 8-bit floats as numbers. Importance weights mean nothing
 * to them. */
#include "kernels/floats.h"
#include "quantize/codecs_int.h"

#define UNUSED(x) ((void)(x))

void f32_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    UNUSED(weights);
    memcpy(dst, x, nrow * ncol * sizeof *x);
}

void f16_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    UNUSED(weights);
    floats_to_f16(x, dst, nrow * ncol);
}

void bf16_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights)
{
    UNUSED(weights);
    floats_to_bf16(x, dst, nrow * ncol);
}

/* Conversion makes NaNs quiet and changes nothing else. */
void bf16_recode(void *data, size_t n)
{
    unsigned char *d = data;

    for (size_t i = 0; i < n; i++) {
        uint16_t h;

        memcpy(&h, d + 2 * i, 2);
        h |= (h & 0x7fff) > 0x7f80 ? 0x40 : 0;
        memcpy(d + 2 * i, &h, 2);
    }
}

void f32_decode(const void *src, float *x, size_t n)
{
    memcpy(x, src, n * sizeof *x);
}

/* name(src, x, n): elements of a C type, unaligned, converted as C converts them. */
#define DECODE_AS(name, type)                                                                                \
    void name(const void *src, float *x, size_t n)                                                           \
    {                                                                                                        \
        const unsigned char *s = src;                                                                        \
                                                                                                             \
        for (size_t i = 0; i < n; i++) {                                                                     \
            type v;                                                                                          \
                                                                                                             \
            memcpy(&v, s + i * sizeof v, sizeof v);                                                          \
            x[i] = (float)v;                                                                                 \
        }                                                                                                    \
    }

DECODE_AS(f64_decode, double)
DECODE_AS(i8_decode, int8_t)
DECODE_AS(i16_decode, int16_t)
DECODE_AS(i32_decode, int32_t)
DECODE_AS(i64_decode, int64_t)
DECODE_AS(u8_decode, uint8_t)
DECODE_AS(u16_decode, uint16_t)
DECODE_AS(u32_decode, uint32_t)
DECODE_AS(u64_decode, uint64_t)

#define DECODE_BYTE(name, convert)                                                                           \
    void name(const void *src, float *x, size_t n)                                                           \
    {                                                                                                        \
        const uint8_t *s = src;                                                                              \
                                                                                                             \
        for (size_t i = 0; i < n; i++)                                                                       \
            x[i] = convert(s[i]);                                                                            \
    }

DECODE_BYTE(e4m3_decode, f32_from_e4m3)
DECODE_BYTE(e5m2_decode, f32_from_e5m2)
DECODE_BYTE(e8m0_decode, f32_from_e8m0)
