/* SPDX-License-Identifier: Apache-2.0 */
/* Where things lie in a super-block of ggml's K types. For codec_k.c and codec_k_decode.c. */
#ifndef QUANTIZE_CODEC_K_INT_H
#define QUANTIZE_CODEC_K_INT_H

#include "core/base.h"

#define K_ELEMS 256

enum {
    Q2_K_QS = 16, /* after 16 bytes of 4-bit scale and minimum */
    Q2_K_D = 80,
    Q2_K_DMIN = 82,
    Q2_K_BYTES = 84,
};

enum {
    Q3_K_QS = 32, /* after 32 bytes of third bits */
    Q3_K_SCALES = 96,
    Q3_K_D = 108,
    Q3_K_BYTES = 110,
};

/* q4_K and q5_K begin with the scale's and the minimum's float16, and eight 6-bit values of either in 12
 * bytes. */
enum {
    K_SIXES = 4,
    Q4_K_QS = 16,
    Q4_K_BYTES = 144,
    Q5_K_QH = 16,
    Q5_K_QS = 48,
    Q5_K_BYTES = 176,
};

enum {
    Q6_K_QH = 128, /* after 128 bytes of low bits */
    Q6_K_SCALES = 192,
    Q6_K_D = 208,
    Q6_K_BYTES = 210,
};

static inline int k_six_scale(const unsigned char *sixes, int g)
{
    return g < 4 ? sixes[g] & 63 : (sixes[g + 4] & 15) | sixes[g - 4] >> 6 << 4;
}

static inline int k_six_min(const unsigned char *sixes, int g)
{
    return g < 4 ? sixes[g + 4] & 63 : sixes[g + 4] >> 4 | sixes[g] >> 6 << 4;
}

#endif
