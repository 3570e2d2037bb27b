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

/* DT_COUNT when unknown. By our name: any case. */
enum dtype dtype_find(const char *name);
enum dtype dtype_find_st(struct slice st_name);
enum dtype dtype_find_gguf(uint32_t gguf_id);

/* A name for GGUF type ids that other programs define ("a removed type", "an ik_llama.cpp type"), or
 * NULL. */
const char *dtype_foreign_gguf(uint32_t gguf_id);

#endif
