/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF-style metadata: an ordered list of typed keys. A value is kept in GGUF's own encoding (little
 * endian, strings as u64 length + bytes), so that reading, editing and writing share one form and an
 * array of any size costs no more than its bytes.
 */
#ifndef FORMATS_META_H
#define FORMATS_META_H

#include "core/arena.h"
#include "core/map.h"
#include "core/str.h"

/* The numbers are the file format's. */
enum meta_type {
    META_U8,
    META_I8,
    META_U16,
    META_I16,
    META_U32,
    META_I32,
    META_F32,
    META_BOOL,
    META_STR,
    META_ARRAY,
    META_U64,
    META_I64,
    META_F64,
    META_TYPE_COUNT
};

const char *meta_type_name(enum meta_type t); /* "u8", ..., "str", "array" */
uint32_t meta_type_size(enum meta_type t);    /* bytes of a fixed-size value; 0 for str and array */

struct meta_kv {
    const char *key;
    enum meta_type type;
    enum meta_type elem;       /* of an array; nested arrays have META_ARRAY here */
    uint64_t count;            /* elements of an array, else 1 */
    const unsigned char *data; /* the value as encoded after the type field(s): for an array the elements
                                  only; a nested array keeps its own (type, count) heads */
    uint64_t nbytes;
};

/* Owns nothing but its tables: keys and values live in the arena given at init. */
struct meta {
    struct arena *arena;
    struct meta_kv *kv;
    size_t n, cap;
    struct map index;
};

void meta_init(struct meta *m, struct arena *arena);
void meta_free(struct meta *m);

const struct meta_kv *meta_find(const struct meta *m, const char *key); /* NULL when absent */

/* Setters: a key that exists keeps its place and gets the new value. E_NOMEM is the only failure. */
enum status meta_set(struct meta *m, struct meta_kv kv, struct err *err); /* copies key and data */
/* As meta_set, for a key and data that lie in m's arena already: nothing is copied. */
enum status meta_adopt(struct meta *m, struct meta_kv kv, struct err *err);
enum status meta_set_u32(struct meta *m, const char *key, uint32_t v, struct err *err);
enum status meta_set_f32(struct meta *m, const char *key, float v, struct err *err);
enum status meta_set_bool(struct meta *m, const char *key, bool v, struct err *err);
enum status meta_set_str(struct meta *m, const char *key, const char *v, struct err *err);
enum status meta_set_i32s(struct meta *m, const char *key, const int32_t *v, size_t n, struct err *err);
enum status meta_set_strs(struct meta *m, const char *key, const struct slice *v, size_t n, struct err *err);

/* Takes a key out; false when it was not there. */
bool meta_remove(struct meta *m, const char *key);

/* Moves a key to the place before another; false when one of them is not there. */
bool meta_move_before(struct meta *m, const char *key, const char *before);

/* Takes out empty strings and arrays, which llama.cpp's converter does not write. */
void meta_drop_empty(struct meta *m);

/* All keys of another, behind those that are there; nothing is copied. */
enum status meta_borrow(struct meta *to, const struct meta *from, struct err *err);

/* Typed views of a value; false when it is absent (kv NULL) or of another type. Integers of any width
 * that are not negative are accepted by meta_u64. */
bool meta_u64(const struct meta_kv *kv, uint64_t *v);
bool meta_f64(const struct meta_kv *kv, double *v); /* f32 or f64 */
bool meta_str(const struct meta_kv *kv, struct slice *v);

/* Walks the strings of a string array: start with *pos = 0; false at the end. */
bool meta_next_str(const struct meta_kv *kv, uint64_t *pos, struct slice *v);

#endif
