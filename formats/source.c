/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/source.h"

#include <strings.h>

#include "formats/gguf.h"
#include "formats/hfdir.h"
#include "formats/st.h"

#define ARENA_MAX  (4 * GIB)
#define HEAD_BYTES 512

/* How files start that are no model this program reads. */
static const struct {
    const char *magic;
    uint8_t n;
    uint16_t off;
    const char *kind;
} foreign[] = {
    {"version https://git-lfs", 23, 0, "a git-LFS pointer to the file (fetch it with: git lfs pull)"},
    {"FUGG", 4, 0, "a GGUF file with its bytes swapped"},
    {"GGML", 4, 0, "a GGML file, older than GGUF"},
    {"ggml", 4, 0, "a GGML file, older than GGUF"},
    {"lmgg", 4, 0, "a GGML file, older than GGUF"},
    {"ggmf", 4, 0, "a GGMF file, older than GGUF"},
    {"fmgg", 4, 0, "a GGMF file, older than GGUF"},
    {"ggjt", 4, 0, "a GGJT file, older than GGUF"},
    {"tjgg", 4, 0, "a GGJT file, older than GGUF"},
    {"ggla", 4, 0, "a GGLA adapter, older than GGUF"},
    {"algg", 4, 0, "a GGLA adapter, older than GGUF"},
    {"PK\3\4", 4, 0, "a zip archive, perhaps a PyTorch checkpoint (save it as safetensors first)"},
    {"PK\5\6", 4, 0, "an empty zip archive"},
    {"\x80\2", 2, 0, "a Python pickle, perhaps an old PyTorch checkpoint (save it as safetensors first)"},
    {"\x80\3", 2, 0, "a Python pickle, perhaps an old PyTorch checkpoint (save it as safetensors first)"},
    {"\x80\4", 2, 0, "a Python pickle, perhaps an old PyTorch checkpoint (save it as safetensors first)"},
    {"\x80\5", 2, 0, "a Python pickle, perhaps an old PyTorch checkpoint (save it as safetensors first)"},
    {"\x7f"
     "ELF",
     4, 0, "an ELF program or library"},
    {"<!DOCTYPE", 9, 0, "an HTML page, perhaps from a failed download"},
    {"<html", 5, 0, "an HTML page, perhaps from a failed download"},
    {"\x1f\x8b", 2, 0, "a gzip archive"},
    {"\x28\xb5\x2f\xfd", 4, 0, "a zstd archive"},
    {"ustar", 5, 257, "a tar archive"},
    {"\x89HDF", 4, 0, "an HDF5 file"},
    {"\x93NUMPY", 6, 0, "a NumPy array"},
    {"{", 1, 0, "a JSON text"},
    {"\0\0\0\0\0\0\0\0", 8, 0, "a file of zeros, perhaps an unfinished download"},
};

/* ---- building ---- */

static struct source *source_new(void)
{
    struct source *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    arena_init(&s->arena, ARENA_MAX);
    meta_init(&s->meta, &s->arena);
    meta_init(&s->st_meta, &s->arena);
    return s;
}

void source_close(struct source *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->nfile; i++)
        file_close(s->files[i].file);
    free(s->files);
    free(s->tensors);
    free(s->hidden);
    map_free(&s->index);
    meta_free(&s->meta);
    meta_free(&s->st_meta);
    json_free(s->config);
    arena_free(&s->arena);
    free(s);
}

/* The first bytes of a file; *n gets how many there are, at most HEAD_BYTES. */
static enum status read_head(const struct file *f, unsigned char head[HEAD_BYTES], size_t *n, struct err *err)
{
    *n = (size_t)min_u64(file_size(f), HEAD_BYTES);
    return file_read_at(f, head, *n, 0, err);
}

static bool is_unfinished(const char *path)
{
    char *real = realpath(path, NULL);
    bool yes = str_ends(path, ".incomplete") || (real && str_ends(real, ".incomplete"));

    free(real);
    return yes;
}

/* What a file is that starts so, when that is neither safetensors nor GGUF; NULL when it is not known. */
static const char *foreign_kind(const unsigned char *head, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
        const char *at = (const char *)head + foreign[i].off;

        if (n < (size_t)foreign[i].off + foreign[i].n)
            continue;
        bool is_markup = foreign[i].magic[0] == '<'; /* which knows no case */
        if (is_markup ? strncasecmp(at, foreign[i].magic, foreign[i].n) == 0
                      : memcmp(at, foreign[i].magic, foreign[i].n) == 0)
            return foreign[i].kind;
    }
    return NULL;
}

/* Refuses what evidently is no model file. */
static enum status check_content(const struct file *f, const char *path, struct err *err)
{
    unsigned char head[HEAD_BYTES];
    size_t n = 0;

    if (is_unfinished(path))
        return fail(err, E_FORMAT, "%s: is an unfinished download (.incomplete)", path);
    enum status s = read_head(f, head, &n, err);
    if (s != OK || gguf_probe(head, n) || st_probe(head, n, file_size(f)))
        return s;
    if (n == 0)
        return fail(err, E_FORMAT, "%s:0: the file is empty", path);
    const char *kind = foreign_kind(head, n);
    return kind ? fail(err, E_FORMAT, "%s:0: is %s, neither safetensors nor GGUF", path, kind) : OK;
}

/* Doubles an array of *cap elements; false when out of memory. In place where realloc can, so that a
 * growing table costs no second copy. */
static bool grow(void **items, size_t *cap, size_t elem_size)
{
    size_t bigger = *cap ? 2 * *cap : 16;
    void *p = realloc(*items, bigger * elem_size);

    if (!p)
        return false;
    *items = p;
    *cap = bigger;
    return true;
}

enum status source_add_file(struct source *s, const char *path, uint32_t *index, struct err *err)
{
    struct source_file sf = {.path = arena_strdup(&s->arena, path)};

    if (!sf.path || (s->nfile == s->file_cap && !grow((void **)&s->files, &s->file_cap, sizeof sf)))
        return fail_nomem(err);
    enum status status = file_open(&sf.file, path, err);
    if (status == OK)
        status = check_content(sf.file, path, err);
    if (status != OK) {
        file_close(sf.file);
        return status;
    }
    *index = (uint32_t)s->nfile;
    s->files[s->nfile++] = sf;
    return OK;
}

enum status source_push_tensor(struct source *s, const struct tensor *t, struct err *err)
{
    if (s->ntensor == MAP_NONE)
        return fail(err, E_LIMIT, "%s: more than %u tensors", s->path, MAP_NONE);
    if (s->ntensor == s->tensor_cap && !grow((void **)&s->tensors, &s->tensor_cap, sizeof *t))
        return fail_nomem(err);
    s->tensors[s->ntensor++] = *t;
    return OK;
}

static enum status index_from(struct source *s, size_t first, struct err *err)
{
    for (size_t i = first; i < s->ntensor; i++) {
        const struct tensor *t = &s->tensors[i];
        uint32_t other;

        if (!map_add(&s->index, slice_of(t->name), (uint32_t)i, &other))
            return fail_nomem(err);
        if (other == MAP_NONE)
            continue;
        if (s->tensors[other].file == t->file)
            return fail(err, E_FORMAT, "%s: tensor \"%.120s\": appears twice", s->files[t->file].path,
                        t->name);
        return fail(err, E_FORMAT, "%s: tensor \"%.120s\": is also in %s", s->files[t->file].path, t->name,
                    s->files[s->tensors[other].file].path);
    }
    return OK;
}

enum status source_add_tensor(struct source *s, const struct tensor *t, struct err *err)
{
    enum status status = source_push_tensor(s, t, err);

    return status == OK ? index_from(s, s->ntensor - 1, err) : status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tensor *)a)->name, ((const struct tensor *)b)->name);
}

enum status source_index_tensors(struct source *s, size_t first, struct err *err)
{
    if (s->ntensor > first)
        qsort(s->tensors + first, s->ntensor - first, sizeof *s->tensors, by_name);
    return index_from(s, first, err);
}

static int by_place(const void *a, const void *b)
{
    const struct tensor *x = a, *y = b;

    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return strcmp(x->name, y->name);
}

static enum status index_anew(struct source *s, struct err *err)
{
    map_free(&s->index);
    s->index = (struct map){0};
    return index_from(s, 0, err);
}

enum status source_sort_tensors(struct source *s, size_t first, size_t n, struct err *err)
{
    if (n > 1)
        qsort(s->tensors + first, n, sizeof *s->tensors, by_name);
    return index_anew(s, err);
}

enum status source_set_tensors(struct source *s, struct tensor *tensors, size_t n, struct err *err)
{
    free(s->tensors);
    s->tensors = tensors;
    s->ntensor = s->tensor_cap = n;
    return index_anew(s, err);
}

enum status source_hide(struct source *s, const struct map *listed, struct err *err)
{
    size_t n = s->ntensor;

    s->hidden = calloc(n + 1, sizeof *s->hidden);
    if (!s->hidden)
        return fail_nomem(err);
    s->ntensor = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tensor t = s->tensors[i];

        if (map_find(listed, slice_of(t.name)) != MAP_NONE)
            s->tensors[s->ntensor++] = t;
        else
            s->hidden[s->nhidden++] = t;
    }
    return index_anew(s, err);
}

enum status source_unhide(struct source *s, bool (*wanted)(const char *name), struct err *err)
{
    size_t n = s->nhidden;
    enum status status = OK;

    s->nhidden = 0;
    for (size_t i = 0; i < n; i++) {
        const struct tensor t = s->hidden[i];

        if (status == OK && wanted(t.name))
            status = source_push_tensor(s, &t, err);
        else
            s->hidden[s->nhidden++] = t;
    }
    if (status != OK)
        return status;
    qsort(s->tensors, s->ntensor, sizeof *s->tensors, by_place);
    return index_anew(s, err);
}

/* ---- opening ---- */

/* The file's name without .safetensors or .gguf. */
static const char *file_stem(struct arena *a, const char *path)
{
    static const char *const suffix[] = {".safetensors", ".gguf"};
    struct slice base = path_base(path);
    char *name = arena_strndup(a, base.p, base.n);

    for (size_t i = 0; name && i < ARRAY_LEN(suffix); i++)
        if (str_ends(name, suffix[i]) && base.n > strlen(suffix[i]))
            name[base.n - strlen(suffix[i])] = '\0';
    return name;
}

static enum status open_file(struct source *s, const char *path, struct err *err)
{
    unsigned char head[HEAD_BYTES];
    size_t n = 0;
    uint32_t file = 0;
    enum status status = source_add_file(s, path, &file, err);

    if (status == OK)
        status = read_head(s->files[file].file, head, &n, err);
    if (status != OK)
        return status;
    s->name = file_stem(&s->arena, path);
    if (!s->name)
        return fail_nomem(err);
    if (gguf_probe(head, n)) {
        s->kind = SOURCE_GGUF;
        status = gguf_read(s, file, err);
        return status == OK ? gguf_read_split(s, err) : status;
    }
    s->kind = SOURCE_SAFETENSORS;
    if (st_probe(head, n, file_size(s->files[file].file)))
        return st_read(s, file, err);
    /* Not recognised. Where the name says what it should be, its reader says what is wrong. */
    if (str_ends(path, ".safetensors"))
        return st_read(s, file, err);
    if (str_ends(path, ".gguf"))
        return gguf_read(s, file, err);
    return fail(err, E_FORMAT, "%s:0: %zu bytes, the first one 0x%02x: neither safetensors nor GGUF", path,
                (size_t)file_size(s->files[file].file), head[0]);
}

static enum status open_folder(struct source *s, const char *folder, struct err *err)
{
    s->kind = SOURCE_HF;
    s->name = hub_folder_name(&s->arena, folder);
    return s->name ? hfdir_open(s, folder, err) : fail_nomem(err);
}

static enum status open_any(struct source *s, const char *path, struct err *err)
{
    bool in_cache = !path_exists(path) && hub_is_repo(path);

    struct slice base = path_base(path); /* without the slashes after it */

    s->path = arena_strndup(&s->arena, path, (size_t)(base.p - path) + base.n);
    if (!s->path)
        return fail_nomem(err);
    if (in_cache) {
        enum status status = hub_resolve(&s->arena, path, &s->path, err);

        if (status != OK)
            return status;
    }
    return in_cache || path_is_dir(path) ? open_folder(s, s->path, err) : open_file(s, s->path, err);
}

enum status source_open(struct source **out, const char *path, struct err *err)
{
    struct source *s = source_new();

    if (!s)
        return fail_nomem(err);
    enum status status = open_any(s, path, err);
    if (status != OK) {
        source_close(s);
        return status;
    }
    *out = s;
    return OK;
}

/* ---- asking ---- */

const struct tensor *source_find(const struct source *s, const char *name)
{
    uint32_t i = map_find(&s->index, slice_of(name));

    return i == MAP_NONE ? NULL : &s->tensors[i];
}

const char *source_beside(struct source *s, const char *file_name)
{
    if (s->kind != SOURCE_HF && s->kind != SOURCE_MLX)
        return NULL;
    const char *path = arena_printf(&s->arena, "%s/%s", s->path, file_name);
    return path && path_exists(path) ? path : NULL;
}
