/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/codecs.h"

#include "kernels/floats.h"
#include "quantize/codecs_int.h"

static const struct codec codecs[DT_COUNT] = {
    [DT_F32] = {.encode = f32_encode, .decode = f32_decode},
    [DT_F16] = {.encode = f16_encode, .decode = floats_from_f16},
    [DT_BF16] = {.encode = bf16_encode, .decode = floats_from_bf16, .recode = bf16_recode},
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
    [DT_Q8_0] = {.encode = q8_0_encode, .decode = q8_0_decode},
};

const struct codec *codec_find(enum dtype t)
{
    return &codecs[t];
}
