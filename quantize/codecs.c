/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/codecs.h"

#include "kernels/floats.h"
#include "quantize/codecs_int.h"

static const struct codec codecs[DT_COUNT] = {
    [DT_F32] = {.encode = f32_encode, .decode = f32_decode},
    [DT_F16] = {.encode = f16_encode, .decode = floats_from_f16, .find_nonfinite = floats_find_nonfinite_f16},
    [DT_BF16] = {.encode = bf16_encode,
                 .decode = floats_from_bf16,
                 .recode = bf16_recode,
                 .find_nonfinite = floats_find_nonfinite_bf16},
    [DT_F64] = {.decode = f64_decode},
    [DT_I8] = {.decode = i8_decode},
    [DT_I16] = {.decode = i16_decode},
    [DT_I32] = {.decode = i32_decode},
    [DT_I64] = {.decode = i64_decode},
    [DT_U8] = {.decode = u8_decode},
    [DT_U16] = {.decode = u16_decode},
    [DT_U32] = {.decode = u32_decode},
    [DT_U64] = {.decode = u64_decode},
    [DT_BOOL] = {.decode = u8_decode},
    [DT_F8_E4M3] = {.decode = e4m3_decode},
    [DT_F8_E5M2] = {.decode = e5m2_decode},
    [DT_F8_E8M0] = {.decode = e8m0_decode},
    [DT_Q4_0] = {.encode = q4_0_encode, .decode = q4_0_decode, .find_nonfinite = q4_0_find_nonfinite},
    [DT_Q4_1] = {.encode = q4_1_encode, .decode = q4_1_decode, .find_nonfinite = q4_1_find_nonfinite},
    [DT_Q5_0] = {.encode = q5_0_encode, .decode = q5_0_decode, .find_nonfinite = q5_0_find_nonfinite},
    [DT_Q5_1] = {.encode = q5_1_encode, .decode = q5_1_decode, .find_nonfinite = q5_1_find_nonfinite},
    [DT_Q8_0] = {.encode = q8_0_encode, .decode = q8_0_decode, .find_nonfinite = q8_0_find_nonfinite},
    [DT_Q2_K] = {.encode = q2_k_encode, .decode = q2_k_decode, .find_nonfinite = q2_k_find_nonfinite},
    [DT_Q3_K] = {.encode = q3_k_encode, .decode = q3_k_decode, .find_nonfinite = q3_k_find_nonfinite},
    [DT_Q4_K] = {.encode = q4_k_encode, .decode = q4_k_decode, .find_nonfinite = q4_k_find_nonfinite},
    [DT_Q5_K] = {.encode = q5_k_encode, .decode = q5_k_decode, .find_nonfinite = q5_k_find_nonfinite},
    [DT_Q6_K] = {.encode = q6_k_encode, .decode = q6_k_decode, .find_nonfinite = q6_k_find_nonfinite},
    [DT_Q1_0] = {.encode = q1_0_encode, .decode = q1_0_decode, .find_nonfinite = q1_0_find_nonfinite},
    [DT_Q2_0] = {.encode = q2_0_encode, .decode = q2_0_decode, .find_nonfinite = q2_0_find_nonfinite},
    [DT_TQ1_0] = {.encode = tq1_0_encode, .decode = tq1_0_decode, .find_nonfinite = tq1_0_find_nonfinite},
    [DT_TQ2_0] = {.encode = tq2_0_encode, .decode = tq2_0_decode, .find_nonfinite = tq2_0_find_nonfinite},
    [DT_MXFP4] = {.encode = mxfp4_encode, .decode = mxfp4_decode, .find_nonfinite = mxfp4_find_nonfinite},
    [DT_NVFP4] = {.encode = nvfp4_encode, .decode = nvfp4_decode},
    [DT_IQ4_NL] = {.encode = iq4_nl_encode, .decode = iq4_nl_decode, .find_nonfinite = iq4_nl_find_nonfinite},
    [DT_IQ4_XS] = {.encode = iq4_xs_encode, .decode = iq4_xs_decode, .find_nonfinite = iq4_xs_find_nonfinite},
    [DT_IQ2_XXS] = {.encode = iq2_xxs_encode,
                    .decode = iq2_xxs_decode,
                    .find_nonfinite = iq2_xxs_find_nonfinite},
    [DT_IQ2_XS] = {.encode = iq2_xs_encode, .decode = iq2_xs_decode, .find_nonfinite = iq2_xs_find_nonfinite},
    [DT_IQ2_S] = {.encode = iq2_s_encode, .decode = iq2_s_decode, .find_nonfinite = iq2_s_find_nonfinite},
    [DT_IQ3_XXS] = {.encode = iq3_xxs_encode,
                    .decode = iq3_xxs_decode,
                    .find_nonfinite = iq3_xxs_find_nonfinite},
    [DT_IQ3_S] = {.encode = iq3_s_encode, .decode = iq3_s_decode, .find_nonfinite = iq3_s_find_nonfinite},
    [DT_IQ1_S] = {.encode = iq1_s_encode, .decode = iq1_s_decode, .find_nonfinite = iq1_s_find_nonfinite},
    [DT_IQ1_M] = {.encode = iq1_m_encode, .decode = iq1_m_decode, .find_nonfinite = iq1_m_find_nonfinite},
};

const struct codec *codec_find(enum dtype t)
{
    return codec_find_mlx(t, MLX_ROUNDING_CPU, DT_F32);
}

const struct codec *codec_find_mlx(enum dtype t, enum mlx_rounding rounding, enum dtype from)
{
    switch (dtype_parts(t)->n) {
    case 3:
        return affine_codec(t, rounding);
    case 2:
        return narrow_codec(t, rounding, from);
    default:
        return &codecs[t];
    }
}
