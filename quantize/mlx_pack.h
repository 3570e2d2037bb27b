/* SPDX-License-Identifier: Apache-2.0 */
/* What the codecs of MLX's types share. */
#ifndef QUANTIZE_MLX_PACK_H
#define QUANTIZE_MLX_PACK_H

#include "formats/dtype.h"
#include "kernels/floats.h"

/* The nearest value of a type of 16 bits; any other type leaves f as it is. */
static inline float round_to(enum dtype t, float f)
{
    if (t == DT_BF16)
        return f32_from_bf16(bf16_from_f32(f));
    return t == DT_F16 ? f32_from_f16(f16_from_f32(f)) : f;
}

/* A scale or bias in a block: bf16, f16 or f32. */
static inline uint32_t scale_bytes(enum dtype t)
{
    return t == DT_F32 ? 4 : 2;
}

static inline void scale_put(enum dtype t, float f, unsigned char *out)
{
    if (t == DT_BF16)
        floats_to_bf16(&f, out, 1);
    else if (t == DT_F16)
        floats_to_f16(&f, out, 1);
    else
        memcpy(out, &f, sizeof f);
}

static inline float scale_get(enum dtype t, const unsigned char *in)
{
    float f;

    if (t == DT_BF16)
        floats_from_bf16(in, &f, 1);
    else if (t == DT_F16)
        floats_from_f16(in, &f, 1);
    else
        memcpy(&f, in, sizeof f);
    return f;
}

/* n codes (a multiple of 8), the first in the lowest bits of the first byte, each right behind the last:
 * eight of them take as many bytes as one has bits. */
static inline void codes_pack(const uint8_t *codes, uint32_t n, uint32_t bits, unsigned char *out)
{
    for (uint32_t i = 0; i < n; i += 8, out += bits) {
        uint64_t stream = 0;

        for (uint32_t k = 0; k < 8; k++)
            stream |= (uint64_t)codes[i + k] << k * bits;
        for (uint32_t k = 0; k < bits; k++)
            out[k] = (unsigned char)(stream >> 8 * k);
    }
}

static inline void codes_unpack(const unsigned char *in, uint32_t n, uint32_t bits, uint8_t *codes)
{
    for (uint32_t i = 0; i < n; i += 8, in += bits) {
        uint64_t stream = 0;

        for (uint32_t k = 0; k < bits; k++)
            stream |= (uint64_t)in[k] << 8 * k;
        for (uint32_t k = 0; k < 8; k++)
            codes[i + k] = (uint8_t)(stream >> k * bits & ((1u << bits) - 1));
    }
}

#endif
