/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/block_arrays.h"

/* Arrays whose elements are not the blocks, however many they are. */
static const char *const other_arrays[] = {
    "rope.dimension_sections",       "target_layers",
    "classifier.output_labels",      "adapters.token_ids_activate",
    "adapters.token_ids_substitute",
};

/* An element for each block, or for each that is not of the head. */
static bool is_per_block(const struct block_arrays *b, const struct meta_kv *kv)
{
    size_t n = strlen(b->arch);

    if (kv->type != META_ARRAY || kv->elem == META_ARRAY || !str_starts(kv->key, b->arch) ||
        kv->key[n] != '.')
        return false;
    for (size_t i = 0; i < ARRAY_LEN(other_arrays); i++)
        if (strcmp(kv->key + n + 1, other_arrays[i]) == 0)
            return false;
    return kv->count == b->nblock || kv->count == b->nblock - b->nhead;
}

/* Bytes of the element at `data`. */
static uint64_t element_bytes(const struct meta_kv *kv, const unsigned char *data)
{
    uint64_t n = 0;

    if (kv->elem != META_STR)
        return meta_type_size(kv->elem);
    for (int i = 7; i >= 0; i--)
        n = n << 8 | data[i];
    return 8 + n;
}

/* Where each element begins; one more for the end. NULL when out of memory. */
static uint64_t *find_elements(const struct meta_kv *kv)
{
    uint64_t *at = calloc((size_t)kv->count + 1, sizeof *at);

    for (uint64_t i = 0; at && i < kv->count; i++)
        at[i + 1] = at[i] + element_bytes(kv, kv->data + at[i]);
    return at;
}

static enum status pick(struct meta *meta, const struct meta_kv *kv, const uint64_t *from, uint64_t n,
                        struct err *err)
{
    uint64_t *at = find_elements(kv), nbytes = 0;
    struct meta_kv picked = *kv;

    for (uint64_t i = 0; at && i < n; i++)
        nbytes += from[i] < kv->count ? at[from[i] + 1] - at[from[i]] : 0;
    unsigned char *data = at ? arena_alloc(meta->arena, nbytes) : NULL;
    if (!data) {
        free(at);
        return fail_nomem(err);
    }
    picked.count = picked.nbytes = 0;
    picked.data = data;
    for (uint64_t i = 0; i < n; i++) {
        if (from[i] >= kv->count)
            continue;
        uint64_t size = at[from[i] + 1] - at[from[i]];

        memcpy(data + picked.nbytes, kv->data + at[from[i]], (size_t)size);
        picked.nbytes += size;
        picked.count++;
    }
    free(at);
    return meta_adopt(meta, picked, err);
}

enum status block_arrays_pick(const struct block_arrays *b, const uint64_t *from, uint64_t n, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < b->meta->n && s == OK; i++)
        if (is_per_block(b, &b->meta->kv[i]))
            s = pick(b->meta, &b->meta->kv[i], from, n, err);
    return s;
}
