/* SPDX-License-Identifier: Apache-2.0 */
#include "quantize/transcode.h"

#include "quantize/mlx_pack.h"
#include "quantize/pack.h"

/* ---- scale * code + bias ---- */

#define PIECE 32

/* Types of that form. Those of GGUF have blocks of one piece: the scale, then the bias, the fifth bits of all
 * codes, and the rest of them. */
struct linear {
    uint32_t bits;
    uint32_t zero; /* the code of 0, where the type has no bias of its own: then that is -zero * scale */
    enum dtype scale;
    uint32_t group;
    bool mlx;
};

struct piece {
    uint8_t codes[PIECE];
    float scale, bias;
};

static bool linear_of(enum dtype t, struct linear *l)
{
    static const struct {
        enum dtype dtype;
        uint32_t bits, zero;
    } ggufs[] = {{DT_Q4_0, 4, 8}, {DT_Q4_1, 4, 0}, {DT_Q5_0, 5, 16}, {DT_Q5_1, 5, 0}, {DT_Q8_0, 8, 128}};
    const struct dtype_parts *parts = dtype_parts(t);
    uint32_t group = dtype_block_elems(t);

    for (size_t i = 0; i < ARRAY_LEN(ggufs); i++) {
        if (ggufs[i].dtype == t) {
            *l = (struct linear){ggufs[i].bits, ggufs[i].zero, DT_F16, group, false};
            return true;
        }
    }
    if (parts->n < 3)
        return false;
    *l = (struct linear){parts->part[0].nbytes * 8 / group, 0, parts->part[1].dtype, group, true};
    return true;
}

static void get_gguf(const struct linear *l, const unsigned char *in, struct piece *p)
{
    const unsigned char *fifth = in + (l->zero ? 2 : 4), *rest = fifth + (l->bits == 5 ? 4 : 0);

    p->scale = f16_get(in);
    p->bias = l->zero ? -(float)l->zero * p->scale : f16_get(in + 2);
    for (int i = 0; i < PIECE; i++) {
        if (l->bits == 8)
            p->codes[i] = rest[i] ^ 0x80;
        else
            p->codes[i] = i < PIECE / 2 ? rest[i] & 15 : rest[i - PIECE / 2] >> 4;
        if (l->bits == 5)
            p->codes[i] |= (uint8_t)((fifth[i / 8] >> i % 8 & 1) << 4);
    }
}

static void put_gguf(const struct linear *l, const struct piece *p, unsigned char *out)
{
    unsigned char *fifth = out + (l->zero ? 2 : 4), *rest = fifth + (l->bits == 5 ? 4 : 0);

    f16_put(out, p->scale);
    if (!l->zero)
        f16_put(out + 2, p->bias);
    memset(fifth, 0, (size_t)(rest - fifth));
    for (int i = 0; i < PIECE; i++)
        if (l->bits == 5)
            fifth[i / 8] |= (unsigned char)(p->codes[i] >> 4 << i % 8);
    for (int i = 0; i < (l->bits == 8 ? PIECE : PIECE / 2); i++)
        rest[i] = l->bits == 8 ? p->codes[i] ^ 0x80
                               : (unsigned char)((p->codes[i] & 15) | (p->codes[i + PIECE / 2] & 15) << 4);
}

/* Piece i of a group. */
static void get_mlx(const struct linear *l, const unsigned char *in, uint32_t i, struct piece *p)
{
    const unsigned char *scales = in + l->group * l->bits / 8;

    codes_unpack(in + i * PIECE * l->bits / 8, PIECE, l->bits, p->codes);
    p->scale = scale_get(l->scale, scales);
    p->bias = scale_get(l->scale, scales + scale_bytes(l->scale));
}

static void put_mlx(const struct linear *l, const struct piece *p, unsigned char *out)
{
    unsigned char *scales = out + PIECE * l->bits / 8;

    codes_pack(p->codes, PIECE, l->bits, out);
    scale_put(l->scale, p->scale, scales);
    scale_put(l->scale, p->bias, scales + scale_bytes(l->scale));
}

static bool fits(const struct linear *l, const struct piece *p)
{
    if (!isfinite(p->scale) || !isfinite(p->bias) || round_to(l->scale, p->scale) != p->scale)
        return false;
    return l->zero ? p->bias == -(float)l->zero * p->scale : round_to(l->scale, p->bias) == p->bias;
}

static bool convert_linear(const struct transcoder *t, const void *src, void *dst, size_t n)
{
    const unsigned char *in = src;
    unsigned char *out = dst;
    struct linear from, to;
    uint64_t in_bytes = 0, out_bytes = 0;

    require(linear_of(t->from, &from) && linear_of(t->to, &to));
    require(dtype_nbytes(t->from, from.group, &in_bytes) && dtype_nbytes(t->to, PIECE, &out_bytes));
    for (size_t g = n / from.group; g > 0; g--, in += in_bytes) {
        for (uint32_t i = 0; i < from.group / PIECE; i++, out += out_bytes) {
            struct piece p;

            if (from.mlx)
                get_mlx(&from, in, i, &p);
            else
                get_gguf(&from, in, &p);
            if (!fits(&to, &p))
                return false;
            if (to.mlx)
                put_mlx(&to, &p, out);
            else
                put_gguf(&to, &p, out);
        }
    }
    return true;
}

/* ---- four-bit floats ---- */

/* GGUF has the scales of a block first and the first half of a group's codes in low nibbles; MLX has a
 * group's scale last and codes in order. */
static void order_for_mlx(const unsigned char *in, uint32_t n, unsigned char *out)
{
    for (uint32_t i = 0; i < n / 4; i++) {
        out[i] = (unsigned char)((in[2 * i] & 15) | in[2 * i + 1] << 4);
        out[i + n / 4] = (unsigned char)(in[2 * i] >> 4 | (in[2 * i + 1] & 0xf0));
    }
}

static void order_for_gguf(const unsigned char *in, uint32_t n, unsigned char *out)
{
    for (uint32_t i = 0; i < n / 4; i++) {
        out[2 * i] = (unsigned char)((in[i] & 15) | in[i + n / 4] << 4);
        out[2 * i + 1] = (unsigned char)(in[i] >> 4 | (in[i + n / 4] & 0xf0));
    }
}

/* Groups of `group` values, `ngroup` to a block of GGUF. Scales from `end` on differ in meaning; of the
 * others the bits of `mask` are written. */
struct nibbles {
    uint32_t group, ngroup, end;
    uint8_t mask;
};

static bool to_mlx(const struct nibbles *k, const unsigned char *in, unsigned char *out, size_t n)
{
    for (size_t b = n / (k->group * k->ngroup); b > 0; b--) {
        const unsigned char *codes = in + k->ngroup;

        for (uint32_t g = 0; g < k->ngroup; g++, codes += k->group / 2, out += k->group / 2 + 1) {
            if (in[g] >= k->end)
                return false;
            order_for_mlx(codes, k->group, out);
            out[k->group / 2] = in[g];
        }
        in = codes;
    }
    return true;
}

static bool to_gguf(const struct nibbles *k, const unsigned char *in, unsigned char *out, size_t n)
{
    for (size_t b = n / (k->group * k->ngroup); b > 0; b--) {
        unsigned char *codes = out + k->ngroup;

        for (uint32_t g = 0; g < k->ngroup; g++, codes += k->group / 2, in += k->group / 2 + 1) {
            if (in[k->group / 2] >= k->end)
                return false;
            order_for_gguf(in, k->group, codes);
            out[g] = in[k->group / 2] & k->mask;
        }
        out = codes;
    }
    return true;
}

static bool convert_nibbles(const struct transcoder *t, const void *src, void *dst, size_t n)
{
    bool mx = t->from == DT_MXFP4 || t->to == DT_MXFP4;
    struct nibbles k = mx ? (struct nibbles){32, 1, 0xff, 0xff} : (struct nibbles){16, 4, 0x7f, 0xff};

    return (dtype_parts(t->to)->n > 1 ? to_mlx : to_gguf)(&k, src, dst, n);
}

static bool convert_stored(const struct transcoder *t, const void *src, void *dst, size_t n)
{
    static const struct nibbles k = {16, 4, 0x100, 0x7f};

    (void)t;
    return to_gguf(&k, src, dst, n);
}

const struct transcoder transcoder_stored_nvfp4 = {DT_NVFP4_MLX, DT_NVFP4, convert_stored};

/* ---- the pairs ---- */

bool transcoder_find(enum dtype from, enum dtype to, struct transcoder *t)
{
    struct linear a, b;

    if ((from == DT_MXFP4 && to == DT_MXFP4_MLX) || (from == DT_MXFP4_MLX && to == DT_MXFP4) ||
        (from == DT_NVFP4 && to == DT_NVFP4_MLX) || (from == DT_NVFP4_MLX && to == DT_NVFP4)) {
        *t = (struct transcoder){from, to, convert_nibbles};
        return true;
    }
    if (!linear_of(from, &a) || !linear_of(to, &b) || a.bits != b.bits || a.mlx == b.mlx || b.group != PIECE)
        return false;
    *t = (struct transcoder){from, to, convert_linear};
    return true;
}
