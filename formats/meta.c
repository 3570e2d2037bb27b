/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/meta.h"

static const struct {
    const char *name;
    uint32_t nbytes;
} types[META_TYPE_COUNT] = {
    [META_U8] = {"u8", 1},   [META_I8] = {"i8", 1},       [META_U16] = {"u16", 2}, [META_I16] = {"i16", 2},
    [META_U32] = {"u32", 4}, [META_I32] = {"i32", 4},     [META_F32] = {"f32", 4}, [META_BOOL] = {"bool", 1},
    [META_STR] = {"str", 0}, [META_ARRAY] = {"array", 0}, [META_U64] = {"u64", 8}, [META_I64] = {"i64", 8},
    [META_F64] = {"f64", 8},
};

const char *meta_type_name(enum meta_type t)
{
    return types[t].name;
}

uint32_t meta_type_size(enum meta_type t)
{
    return types[t].nbytes;
}

void meta_init(struct meta *m, struct arena *arena)
{
    *m = (struct meta){.arena = arena};
}

void meta_free(struct meta *m)
{
    map_free(&m->index);
    *m = (struct meta){.arena = m->arena};
}

/* ---- table ---- */

/* The index is dropped when a key is removed and built again by the next new key. */
static bool is_indexed(const struct meta *m)
{
    return m->index.n == m->n;
}

static uint32_t position(const struct meta *m, const char *key)
{
    if (is_indexed(m))
        return map_find(&m->index, slice_of(key));
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->kv[i].key, key) == 0)
            return (uint32_t)i;
    return MAP_NONE;
}

static bool build_index(struct meta *m)
{
    uint32_t existing;

    map_free(&m->index);
    for (size_t i = 0; i < m->n; i++)
        if (!map_add(&m->index, slice_of(m->kv[i].key), (uint32_t)i, &existing))
            return false;
    return true;
}

const struct meta_kv *meta_find(const struct meta *m, const char *key)
{
    uint32_t i = position(m, key);

    return i == MAP_NONE ? NULL : &m->kv[i];
}

enum status meta_adopt(struct meta *m, struct meta_kv kv, struct err *err)
{
    uint32_t i = position(m, kv.key), existing;

    if (i != MAP_NONE) {
        kv.key = m->kv[i].key;
        m->kv[i] = kv;
        return OK;
    }
    if (m->n >= MAP_NONE || (!is_indexed(m) && !build_index(m)))
        return fail_nomem(err);
    void *items = m->kv;
    if (!arena_grow(m->arena, &items, m->n, &m->cap, sizeof *m->kv))
        return fail_nomem(err);
    m->kv = items;
    if (!map_add(&m->index, slice_of(kv.key), (uint32_t)m->n, &existing))
        return fail_nomem(err);
    m->kv[m->n++] = kv;
    return OK;
}

bool meta_remove(struct meta *m, const char *key)
{
    uint32_t i = position(m, key);

    if (i == MAP_NONE)
        return false;
    memmove(&m->kv[i], &m->kv[i + 1], (m->n - i - 1) * sizeof *m->kv);
    m->n--;
    map_free(&m->index);
    return true;
}

bool meta_move_before(struct meta *m, const char *key, const char *before)
{
    uint32_t from = position(m, key), to = position(m, before);

    if (from == MAP_NONE || to == MAP_NONE)
        return false;
    struct meta_kv kv = m->kv[from];
    memmove(&m->kv[from], &m->kv[from + 1], (m->n - from - 1) * sizeof *m->kv);
    to -= to > from;
    memmove(&m->kv[to + 1], &m->kv[to], (m->n - 1 - to) * sizeof *m->kv);
    m->kv[to] = kv;
    map_free(&m->index);
    return true;
}

void meta_drop_empty(struct meta *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++) {
        struct slice s;
        bool empty = m->kv[i].type == META_ARRAY ? m->kv[i].count == 0 : meta_str(&m->kv[i], &s) && s.n == 0;

        if (!empty)
            m->kv[n++] = m->kv[i];
    }
    m->n = n;
    map_free(&m->index);
}

/* ---- setters ---- */

enum status meta_set(struct meta *m, struct meta_kv kv, struct err *err)
{
    uint32_t i = position(m, kv.key);
    unsigned char *data = arena_alloc(m->arena, kv.nbytes);
    /* The copy of the key that is there already serves again. */
    const char *key = i == MAP_NONE ? arena_strdup(m->arena, kv.key) : m->kv[i].key;

    if (!data || !key)
        return fail_nomem(err);
    if (kv.nbytes)
        memcpy(data, kv.data, kv.nbytes);
    kv.key = key;
    kv.data = data;
    return meta_adopt(m, kv, err);
}

enum status meta_borrow(struct meta *to, const struct meta *from, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < from->n && s == OK; i++)
        s = meta_adopt(to, from->kv[i], err);
    return s;
}

static void put_le(unsigned char *p, uint64_t v, size_t nbytes)
{
    for (size_t i = 0; i < nbytes; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static enum status set_fixed(struct meta *m, const char *key, enum meta_type type, uint64_t bits,
                             struct err *err)
{
    unsigned char le[8];
    uint32_t nbytes = meta_type_size(type);

    put_le(le, bits, nbytes);
    return meta_set(m, (struct meta_kv){.key = key, .type = type, .count = 1, .data = le, .nbytes = nbytes},
                    err);
}

enum status meta_set_u32(struct meta *m, const char *key, uint32_t v, struct err *err)
{
    return set_fixed(m, key, META_U32, v, err);
}

enum status meta_set_f32(struct meta *m, const char *key, float v, struct err *err)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return set_fixed(m, key, META_F32, bits, err);
}

enum status meta_set_bool(struct meta *m, const char *key, bool v, struct err *err)
{
    return set_fixed(m, key, META_BOOL, v, err);
}

/* Takes over data that lies in m's arena already; copies the key. */
static enum status adopt_copying_key(struct meta *m, struct meta_kv kv, struct err *err)
{
    kv.key = arena_strdup(m->arena, kv.key);
    return kv.key ? meta_adopt(m, kv, err) : fail_nomem(err);
}

enum status meta_set_str(struct meta *m, const char *key, const char *v, struct err *err)
{
    size_t n = strlen(v);
    unsigned char *data = arena_alloc(m->arena, (uint64_t)n + 8);

    if (!data)
        return fail_nomem(err);
    put_le(data, n, 8);
    memcpy(data + 8, v, n);
    return adopt_copying_key(m, (struct meta_kv){key, META_STR, 0, 1, data, n + 8}, err);
}

enum status meta_set_i32s(struct meta *m, const char *key, const int32_t *v, size_t n, struct err *err)
{
    unsigned char *data = arena_array(m->arena, n, 4);

    if (!data)
        return fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        put_le(data + 4 * i, (uint32_t)v[i], 4);
    return adopt_copying_key(m, (struct meta_kv){key, META_ARRAY, META_I32, n, data, 4 * (uint64_t)n}, err);
}

enum status meta_set_strs(struct meta *m, const char *key, const struct slice *v, size_t n, struct err *err)
{
    uint64_t nbytes = 0;

    for (size_t i = 0; i < n; i++)
        if (!add_ok(nbytes, 8, &nbytes) || !add_ok(nbytes, v[i].n, &nbytes))
            return fail_nomem(err);
    unsigned char *data = arena_alloc(m->arena, nbytes), *p = data;
    if (!data)
        return fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        put_le(p, v[i].n, 8);
        if (v[i].n)
            memcpy(p + 8, v[i].p, v[i].n);
        p += 8 + v[i].n;
    }
    return adopt_copying_key(m, (struct meta_kv){key, META_ARRAY, META_STR, n, data, nbytes}, err);
}

/* ---- views ---- */

static uint64_t get_le(const unsigned char *p, size_t nbytes)
{
    uint64_t v = 0;

    for (size_t i = 0; i < nbytes; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

bool meta_u64(const struct meta_kv *kv, uint64_t *v)
{
    if (!kv)
        return false;
    switch (kv->type) {
    case META_I8:
    case META_I16:
    case META_I32:
    case META_I64:
        if (kv->data[kv->nbytes - 1] & 0x80)
            return false;
        break;
    case META_U8:
    case META_U16:
    case META_U32:
    case META_U64:
        break;
    default:
        return false;
    }
    *v = get_le(kv->data, kv->nbytes);
    return true;
}

bool meta_f64(const struct meta_kv *kv, double *v)
{
    if (kv && kv->type == META_F32) {
        uint32_t bits = (uint32_t)get_le(kv->data, 4);
        float f;

        memcpy(&f, &bits, sizeof f);
        *v = (double)f;
        return true;
    }
    if (kv && kv->type == META_F64) {
        uint64_t bits = get_le(kv->data, 8);

        memcpy(v, &bits, sizeof *v);
        return true;
    }
    return false;
}

/* The string that starts at *pos of the value's bytes. */
static bool string_at(const struct meta_kv *kv, uint64_t *pos, struct slice *v)
{
    if (*pos > kv->nbytes || kv->nbytes - *pos < 8)
        return false;
    uint64_t n = get_le(kv->data + *pos, 8);
    if (n > kv->nbytes - *pos - 8)
        return false;
    *v = (struct slice){(const char *)kv->data + *pos + 8, n};
    *pos += 8 + n;
    return true;
}

bool meta_str(const struct meta_kv *kv, struct slice *v)
{
    uint64_t pos = 0;

    return kv && kv->type == META_STR && string_at(kv, &pos, v);
}

bool meta_next_str(const struct meta_kv *kv, uint64_t *pos, struct slice *v)
{
    return kv && kv->type == META_ARRAY && kv->elem == META_STR && string_at(kv, pos, v);
}
