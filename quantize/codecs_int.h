/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec files give to the table in codecs.c; nobody else includes this. */
#ifndef QUANTIZE_CODECS_INT_H
#define QUANTIZE_CODECS_INT_H

#include "quantize/codecs.h"

/* codec_float.c: element types */
void f32_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void f16_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void bf16_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void bf16_recode(void *data, size_t n);
void f32_decode(const void *src, float *x, size_t n);
void f64_decode(const void *src, float *x, size_t n);
void i8_decode(const void *src, float *x, size_t n);
void i16_decode(const void *src, float *x, size_t n);
void i32_decode(const void *src, float *x, size_t n);
void i64_decode(const void *src, float *x, size_t n);
void u8_decode(const void *src, float *x, size_t n);
void u16_decode(const void *src, float *x, size_t n);
void u32_decode(const void *src, float *x, size_t n);
void u64_decode(const void *src, float *x, size_t n);
void e4m3_decode(const void *src, float *x, size_t n);
void e5m2_decode(const void *src, float *x, size_t n);
void e8m0_decode(const void *src, float *x, size_t n);

/* codec_legacy.c: blocks of 32 with one scale */
void q4_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q4_0_decode(const void *src, float *x, size_t n);
void q4_1_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q4_1_decode(const void *src, float *x, size_t n);
void q5_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q5_0_decode(const void *src, float *x, size_t n);
void q5_1_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q5_1_decode(const void *src, float *x, size_t n);
void q8_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q8_0_decode(const void *src, float *x, size_t n);

/* codec_k.c, codec_k_decode.c: super-blocks of 256 with scales of scales */
void q2_k_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q2_k_decode(const void *src, float *x, size_t n);
void q3_k_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q3_k_decode(const void *src, float *x, size_t n);
void q4_k_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q4_k_decode(const void *src, float *x, size_t n);
void q5_k_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q5_k_decode(const void *src, float *x, size_t n);
void q6_k_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q6_k_decode(const void *src, float *x, size_t n);

/* codec_ternary.c: one or two bits */
void q1_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q1_0_decode(const void *src, float *x, size_t n);
void q2_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void q2_0_decode(const void *src, float *x, size_t n);
void tq1_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void tq1_0_decode(const void *src, float *x, size_t n);
void tq2_0_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void tq2_0_decode(const void *src, float *x, size_t n);

/* codec_fp4.c: E2M1 under narrow scales */
void mxfp4_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void mxfp4_decode(const void *src, float *x, size_t n);
void nvfp4_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void nvfp4_decode(const void *src, float *x, size_t n);

/* codec_iq4.c: blocks of 32 and 256 with uneven levels; codec_iq2.c, codec_iq3.c, codec_iq1.c: points of
 * grids */
void iq4_nl_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq4_nl_decode(const void *src, float *x, size_t n);
void iq4_xs_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq4_xs_decode(const void *src, float *x, size_t n);
void iq2_xxs_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq2_xxs_decode(const void *src, float *x, size_t n);
void iq2_xs_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq2_xs_decode(const void *src, float *x, size_t n);
void iq2_s_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq2_s_decode(const void *src, float *x, size_t n);
void iq3_xxs_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq3_xxs_decode(const void *src, float *x, size_t n);
void iq3_s_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq3_s_decode(const void *src, float *x, size_t n);
void iq1_s_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq1_s_decode(const void *src, float *x, size_t n);
void iq1_m_encode(const float *x, void *dst, size_t nrow, size_t ncol, const float *weights);
void iq1_m_decode(const void *src, float *x, size_t n);

/* codec_affine.c, codec_narrow.c: MLX's types, with a bias and without */
const struct codec *affine_codec(enum dtype t, enum mlx_rounding rounding);
const struct codec *narrow_codec(enum dtype t, enum mlx_rounding rounding, enum dtype from);

/* codec_finite.c: whether scales are finite */
size_t q4_0_find_nonfinite(const void *src, size_t n);
size_t q4_1_find_nonfinite(const void *src, size_t n);
size_t q5_0_find_nonfinite(const void *src, size_t n);
size_t q5_1_find_nonfinite(const void *src, size_t n);
size_t q8_0_find_nonfinite(const void *src, size_t n);
size_t q2_k_find_nonfinite(const void *src, size_t n);
size_t q3_k_find_nonfinite(const void *src, size_t n);
size_t q4_k_find_nonfinite(const void *src, size_t n);
size_t q5_k_find_nonfinite(const void *src, size_t n);
size_t q6_k_find_nonfinite(const void *src, size_t n);
size_t q1_0_find_nonfinite(const void *src, size_t n);
size_t q2_0_find_nonfinite(const void *src, size_t n);
size_t tq1_0_find_nonfinite(const void *src, size_t n);
size_t tq2_0_find_nonfinite(const void *src, size_t n);
size_t mxfp4_find_nonfinite(const void *src, size_t n);
size_t iq4_nl_find_nonfinite(const void *src, size_t n);
size_t iq4_xs_find_nonfinite(const void *src, size_t n);
size_t iq2_xxs_find_nonfinite(const void *src, size_t n);
size_t iq2_xs_find_nonfinite(const void *src, size_t n);
size_t iq2_s_find_nonfinite(const void *src, size_t n);
size_t iq3_xxs_find_nonfinite(const void *src, size_t n);
size_t iq3_s_find_nonfinite(const void *src, size_t n);
size_t iq1_s_find_nonfinite(const void *src, size_t n);
size_t iq1_m_find_nonfinite(const void *src, size_t n);

#endif
