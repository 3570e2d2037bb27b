/* SPDX-License-Identifier: Apache-2.0 */
/* Models in several files: which belong together is in their names and in the split.* keys. */
#include "formats/gguf.h"

#define SUFFIX "-%05" PRIu64 "-of-%05" PRIu64 ".gguf"

/* The one part number and count that a file name ends in; 20 digits each at most. */
struct suffix {
    char text[64];
};

static struct suffix suffix_of(uint64_t part, uint64_t nparts)
{
    struct suffix s;

    snprintf(s.text, sizeof s.text, SUFFIX, part + 1, nparts);
    return s;
}

/* Length of path without its file name's last extension. A leading dot starts no extension. */
static size_t stem_length(const char *path)
{
    size_t n = strlen(path), dot = n;

    while (dot > 0 && path[dot - 1] != '.' && path[dot - 1] != '/')
        dot--;
    bool has_extension = dot > 1 && dot < n && path[dot - 1] == '.' && path[dot - 2] != '/';
    return has_extension ? dot - 1 : n;
}

char *gguf_split_name(struct arena *a, const char *path, uint32_t part, uint32_t nparts)
{
    return arena_printf(a, "%.*s%s", (int)stem_length(path), path, suffix_of(part, nparts).text);
}

static const char *const keys[] = {"split.no", "split.count", "split.tensors.count"};

bool gguf_split_is_key(const char *key)
{
    return str_starts(key, "split.");
}

bool gguf_split_remove(struct meta *m)
{
    bool any = false;

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        any = meta_remove(m, keys[i]) || any;
    return any;
}

enum status gguf_split_add(struct meta *m, enum gguf_split_order order, const struct gguf_split *split,
                           struct err *err)
{
    static const unsigned char orders[][ARRAY_LEN(keys)] = {
        [GGUF_SPLIT_CONVERTER] = {0, 1, 2}, [GGUF_SPLIT_TOOL] = {0, 2, 1}};
    struct meta_kv kv[] = {
        {keys[0], META_U16, META_U16, 1, (const unsigned char *)&split->no, 2},
        {keys[1], META_U16, META_U16, 1, (const unsigned char *)&split->count, 2},
        {keys[2], META_I32, META_I32, 1, (const unsigned char *)&split->ntensor, 4},
    };
    enum status s = OK;

    gguf_split_remove(m);
    for (size_t i = 0; i < ARRAY_LEN(keys) && s == OK; i++)
        s = meta_set(m, kv[orders[order][i]], err);
    return s;
}

bool gguf_block(const char *name, uint64_t *block, const char **rest)
{
    const char *p = name + strlen("blk.");

    if (!str_starts(name, "blk.") || *p < '0' || *p > '9')
        return false;
    for (*block = 0; *p >= '0' && *p <= '9'; p++)
        *block = min_u64(*block * 10 + (uint64_t)(*p - '0'), UINT32_MAX);
    *rest = p + 1;
    return *p == '.';
}

/* A key of the split that must be there and be a number. */
static enum status get_number(const struct meta *m, const char *path, const char *key, uint64_t *v,
                              struct err *err)
{
    const struct meta_kv *kv = meta_find(m, key);

    if (!kv)
        return fail(err, E_FORMAT, "%s: %s is missing", path, key);
    if (!meta_u64(kv, v))
        return fail(err, E_FORMAT, "%s: %s of type %s: must be a number that is not negative", path, key,
                    meta_type_name(kv->type));
    return OK;
}

/* The file opened must be the first, and be called so. `stem_n` gets the length of the common part. */
static enum status check_first(const struct source *s, uint64_t count, size_t *stem_n, struct err *err)
{
    const char *path = s->files[0].path;
    size_t n = strlen(path);
    uint64_t no;
    enum status status = get_number(&s->meta, path, "split.no", &no, err);

    if (status != OK)
        return status;
    if (no >= count)
        return fail(err, E_FORMAT, "%s: split.no=%" PRIu64 ": split.count is %" PRIu64, path, no, count);
    struct suffix own = suffix_of(no, count), first = suffix_of(0, count);
    if (!str_ends(path, own.text))
        return fail(err, E_FORMAT,
                    "%s: split.no=%" PRIu64 ": the file is part %" PRIu64 " of %" PRIu64
                    ", but its name does not end in %s",
                    path, no, no + 1, count, own.text);
    *stem_n = n - strlen(own.text);
    if (no > 0)
        return fail(err, E_USAGE,
                    "%s: split.no=%" PRIu64 ": part %" PRIu64 " of %" PRIu64 "; open the first, %.*s%s", path,
                    no, no + 1, count, (int)*stem_n, path, first.text);
    return OK;
}

/* Opens, reads and checks part number `no` under `path`. */
static enum status read_part(struct source *s, const char *path, uint64_t no, uint64_t count, struct err *err)
{
    struct arena arena;
    struct meta m;
    uint32_t file;
    uint64_t part_no, part_count;
    enum status status = source_add_file(s, path, &file, err);

    if (status != OK)
        return status;
    /* These keys are of no use beyond the check. */
    arena_init(&arena, s->arena.limit);
    meta_init(&m, &arena);
    if ((status = gguf_read_part(s, file, &m, err)) != OK ||
        (status = get_number(&m, path, "split.no", &part_no, err)) != OK ||
        (status = get_number(&m, path, "split.count", &part_count, err)) != OK)
        goto out;
    if (part_no != no)
        status = fail(err, E_FORMAT, "%s: split.no=%" PRIu64 ": must be %" PRIu64 " by the file's name", path,
                      part_no, no);
    else if (part_count != count)
        status = fail(err, E_FORMAT, "%s: split.count=%" PRIu64 ": the first file says %" PRIu64, path,
                      part_count, count);
out:
    meta_free(&m);
    arena_free(&arena);
    return status;
}

enum status gguf_read_split(struct source *s, struct err *err)
{
    const char *first = s->files[0].path;
    uint64_t count, ntensor;
    size_t stem_n = 0;
    enum status status;

    /* A set merged back into one file keeps the keys, with a count of 0. */
    if (!meta_find(&s->meta, "split.count"))
        return OK;
    if ((status = get_number(&s->meta, first, "split.count", &count, err)) != OK || count <= 1)
        return status;
    if ((status = check_first(s, count, &stem_n, err)) != OK ||
        (status = get_number(&s->meta, first, "split.tensors.count", &ntensor, err)) != OK)
        return status;
    for (uint64_t no = 1; no < count; no++) {
        char *path = arena_printf(&s->arena, "%.*s%s", (int)stem_n, first, suffix_of(no, count).text);

        if (!path)
            return fail_nomem(err);
        if ((status = read_part(s, path, no, count, err)) != OK)
            return wrap(err, "part %" PRIu64 " of %" PRIu64, no + 1, count);
    }
    if (s->ntensor != ntensor)
        return fail(err, E_FORMAT,
                    "%s: split.tensors.count=%" PRIu64 ": the %" PRIu64 " files hold %zu tensors", first,
                    ntensor, count, s->ntensor);
    return OK;
}
