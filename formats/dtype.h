/* SPDX-License-Identifier: Apache-2.0 */
/* Element and block types of all formats, from dtype.def. */
#ifndef FORMATS_DTYPE_H
#define FORMATS_DTYPE_H

#include "core/str.h"

enum dtype {
#define X(id, name, gguf, st, elems, bits) DT_##id,
#include "formats/dtype.def"
#undef X
    DT_COUNT
};

const char *dtype_name(enum dtype t);
const char *dtype_st_name(enum dtype t); /* NULL when safetensors has no such type */
int dtype_gguf_id(enum dtype t);         /* -1 when GGUF has no such type */
uint32_t dtype_block_elems(enum dtype t);
bool dtype_is_quantized(enum dtype t); /* blocks of more than one element */

/* Bytes of nelem elements; false when they end inside a block or byte, or do not fit 64 bits. */
bool dtype_nbytes(enum dtype t, uint64_t nelem, uint64_t *nbytes);

/* A tensor of most types is stored in one piece: one part, without a suffix. One of a packed type is stored
 * as several tensors, each with a part of every block; in memory a block is its parts one after the other. */
#define DTYPE_MAX_PARTS 3

struct dtype_part {
    const char *suffix; /* of the stored tensor's name, "weight", "scales" or "biases"; NULL for one in one
                           piece */
    enum dtype dtype;   /* of the stored tensor */
    uint32_t nbytes;    /* of one block */
};

struct dtype_parts {
    uint32_t n;
    struct dtype_part part[DTYPE_MAX_PARTS];
};

const struct dtype_parts *dtype_parts(enum dtype t);

/* Bytes in part k of nelem elements, which are whole blocks. */
uint64_t dtype_part_nbytes(enum dtype t, uint32_t k, uint64_t nelem);
/* Length of part k's rows, in elements of its own type, where the whole's are ncol; the other dimensions are
 * the same. */
uint64_t dtype_part_cols(enum dtype t, uint32_t k, uint64_t ncol);

/* DT_COUNT when unknown. By our name: any case. */
enum dtype dtype_find(const char *name);
enum dtype dtype_find_st(struct slice st_name);
enum dtype dtype_find_gguf(uint32_t gguf_id);

/* A name for GGUF type ids that other programs define ("a removed type", "an ik_llama.cpp type"), or
 * NULL. */
const char *dtype_foreign_gguf(uint32_t gguf_id);

#endif
