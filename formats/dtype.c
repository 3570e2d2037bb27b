/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/dtype.h"

#include <strings.h>

static const struct {
    const char *name, *st_name;
    int gguf_id;
    uint32_t elems, bits;
} types[DT_COUNT] = {
#define X(id, name, gguf, st, elems, bits) [DT_##id] = {name, st, gguf, elems, bits},
#include "formats/dtype.def"
#undef X
};

static const struct dtype_parts parts[DT_COUNT] = {
#define X(id, name, gguf, st, elems, bits) [DT_##id] = {1, {{NULL, DT_##id, (bits) / 8}}},
#define PACKED(id, name, bits, group, scale, scale_bits, nscale)                                             \
    [DT_##id] = {1 + (nscale),                                                                               \
                 {{"weight", DT_U32, (bits) * (group) / 8},                                                  \
                  {"scales", DT_##scale, (scale_bits) / 8},                                                  \
                  {(nscale) > 1 ? "biases" : NULL, DT_##scale, (nscale) > 1 ? (scale_bits) / 8 : 0}}},
#include "formats/dtype.def"
#undef X
};

const char *dtype_name(enum dtype t)
{
    return types[t].name;
}

const char *dtype_st_name(enum dtype t)
{
    return types[t].st_name;
}

int dtype_gguf_id(enum dtype t)
{
    return types[t].gguf_id;
}

uint32_t dtype_block_elems(enum dtype t)
{
    return types[t].elems;
}

bool dtype_is_quantized(enum dtype t)
{
    return types[t].elems > 1;
}

bool dtype_nbytes(enum dtype t, uint64_t nelem, uint64_t *nbytes)
{
    uint64_t bits;

    if (nelem % types[t].elems || !mul_ok(nelem / types[t].elems, types[t].bits, &bits) || bits % 8)
        return false;
    *nbytes = bits / 8;
    return true;
}

const struct dtype_parts *dtype_parts(enum dtype t)
{
    return &parts[t];
}

uint64_t dtype_part_nbytes(enum dtype t, uint32_t k, uint64_t nelem)
{
    uint64_t nbytes = 0;

    require(k < parts[t].n && dtype_nbytes(t, nelem, &nbytes));
    return parts[t].n == 1 ? nbytes : nelem / types[t].elems * parts[t].part[k].nbytes;
}

uint64_t dtype_part_cols(enum dtype t, uint32_t k, uint64_t ncol)
{
    return dtype_part_nbytes(t, k, ncol) / parts[parts[t].part[k].dtype].part[0].nbytes;
}

enum dtype dtype_find(const char *name)
{
    for (int t = 0; t < DT_COUNT; t++)
        if (strcasecmp(types[t].name, name) == 0)
            return (enum dtype)t;
    return DT_COUNT;
}

enum dtype dtype_find_st(struct slice st_name)
{
    for (int t = 0; t < DT_COUNT; t++)
        if (types[t].st_name && slice_eq(st_name, types[t].st_name))
            return (enum dtype)t;
    return DT_COUNT;
}

enum dtype dtype_find_gguf(uint32_t gguf_id)
{
    for (int t = 0; t < DT_COUNT; t++)
        if (types[t].gguf_id >= 0 && (uint32_t)types[t].gguf_id == gguf_id)
            return (enum dtype)t;
    return DT_COUNT;
}

const char *dtype_foreign_gguf(uint32_t id)
{
    if (id == 4 || id == 5 || (id >= 31 && id <= 33) || (id >= 36 && id <= 38))
        return "a type removed from GGUF";
    if (id >= 133 && id <= 399)
        return "a type of ik_llama.cpp";
    return NULL;
}
