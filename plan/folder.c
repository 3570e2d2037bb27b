/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/folder.h"

#include <dirent.h>
#include <errno.h>

#include "core/json.h"
#include "formats/st.h"

#define INDEX_NAME "model.safetensors.index.json"
#define INDEX_MAX  GIB

struct folder_shard {
    const char *name;
    size_t nstep;
    const struct meta *metadata;
    const char *from; /* of a shard carried over */
    enum link_mode mode;
    bool aside;            /* not in the index */
    struct stored *stored; /* tensors of a shard that is made, in the file's order */
    size_t nstored;
};

struct folder_file {
    const char *name;
    const char *text; /* NULL: carried over from .from */
    size_t n;
    const char *from;
    enum link_mode mode;
};

struct folder_entry {
    const char *tensor, *shard;
    uint64_t nbytes;
};

/* ---- what is in it ---- */

static enum status add_file(struct folder *f, const struct folder_file *file, struct err *err)
{
    if (!arena_grow(&f->plan->arena, (void **)&f->files, f->nfile, &f->file_cap, sizeof *f->files))
        return fail_nomem(err);
    f->files[f->nfile++] = *file;
    return OK;
}

enum status folder_add_text(struct folder *f, const char *name, const char *text, size_t n, struct err *err)
{
    struct folder_file file = {.name = name, .text = arena_strndup(&f->plan->arena, text, n), .n = n};

    return file.text ? add_file(f, &file, err) : fail_nomem(err);
}

enum status folder_add_copy(struct folder *f, const char *name, const char *from, enum link_mode mode,
                            struct err *err)
{
    struct folder_file file = {.name = name, .from = from, .mode = mode};

    return add_file(f, &file, err);
}

static enum status add_shard(struct folder *f, const struct folder_shard *shard, struct err *err)
{
    if (!shard->name ||
        !arena_grow(&f->plan->arena, (void **)&f->shards, f->nshard, &f->shard_cap, sizeof *f->shards))
        return fail_nomem(err);
    f->shards[f->nshard++] = *shard;
    return OK;
}

static enum status add_entry(struct folder *f, const char *tensor, const char *shard, uint64_t nbytes,
                             struct err *err)
{
    if (!arena_grow(&f->plan->arena, (void **)&f->entries, f->nentry, &f->entry_cap, sizeof *f->entries))
        return fail_nomem(err);
    f->entries[f->nentry++] = (struct folder_entry){tensor, shard, nbytes};
    return OK;
}

enum status folder_carry_shard(struct folder *f, const char *name, const struct source *source, uint32_t file,
                               enum link_mode mode, struct err *err)
{
    struct folder_shard shard = {.name = name, .from = source->files[file].path, .mode = mode};
    enum status s = add_shard(f, &shard, err);

    for (size_t i = 0; i < source->ntensor && s == OK; i++)
        if (source->tensors[i].file == file)
            s = add_entry(f, source->tensors[i].name, name, source->tensors[i].nbytes, err);
    return s;
}

enum status folder_add_shard(struct folder *f, const char *name, size_t nstep, struct err *err)
{
    struct folder_shard shard = {.name = name, .nstep = nstep, .metadata = f->metadata};

    return add_shard(f, &shard, err);
}

enum status folder_add_aside(struct folder *f, const char *name, size_t nstep, struct err *err)
{
    struct folder_shard shard = {.name = name, .nstep = nstep, .metadata = f->metadata, .aside = true};

    return add_shard(f, &shard, err);
}

/* ---- the files beside the shards ---- */

/* Of weights in all their forms, and of what other programs leave on the way. */
static const char *const no_companions[] = {".safetensors", ".index.json", ".gguf", ".bin",     ".pt",
                                            ".pth",         ".ckpt",       ".h5",   ".msgpack", ".onnx",
                                            ".npz",         ".incomplete", ".lock", ".partial", ".journal"};

bool folder_has(const struct folder *f, const char *name)
{
    for (size_t i = 0; i < f->nfile; i++)
        if (strcmp(name, f->files[i].name) == 0)
            return true;
    return false;
}

static bool is_companion(const struct folder *f, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(no_companions); i++)
        if (str_ends(name, no_companions[i]))
            return false;
    for (size_t i = 0; i < f->nleft; i++)
        if (strcmp(name, f->left[i]) == 0)
            return false;
    return name[0] != '.' && !folder_has(f, name);
}

static enum status add_companion(struct folder *f, const struct source *source, const char *name,
                                 enum link_mode mode, struct err *err)
{
    const char *copy = arena_strdup(&f->plan->arena, name);
    const char *path = arena_printf(&f->plan->arena, "%s/%s", source->path, name);

    if (!copy || !path)
        return fail_nomem(err);
    /* Folders, pipes and the like are left behind; a link to nothing is an error when it is opened. */
    return path_other_kind(path, true) ? OK : folder_add_copy(f, copy, path, mode, err);
}

static int by_file_name(const void *a, const void *b)
{
    return strcmp(((const struct folder_file *)a)->name, ((const struct folder_file *)b)->name);
}

enum status folder_add_beside(struct folder *f, const struct source *source, enum link_mode mode,
                              struct err *err)
{
    size_t first = f->nfile;
    const struct dirent *entry;

    if (source->kind != SOURCE_HF && source->kind != SOURCE_MLX)
        return OK;
    enum status s = plan_add_input(f->plan, source->path, err);
    DIR *dir = s == OK ? opendir(source->path) : NULL;
    if (s == OK && !dir)
        s = fail_errno(err, "%s", source->path);
    for (errno = 0; s == OK && (entry = readdir(dir)) != NULL; errno = 0)
        if (is_companion(f, entry->d_name))
            s = add_companion(f, source, entry->d_name, mode, err);
    if (s == OK && errno)
        s = fail_errno(err, "%s", source->path);
    if (dir)
        closedir(dir);
    if (f->nfile > first)
        qsort(f->files + first, f->nfile - first, sizeof *f->files, by_file_name);
    return s;
}

/* ---- cutting ---- */

/* Steps of the shard that begins with `first`. */
static size_t shard_extent(const struct folder *f, size_t first)
{
    uint64_t nbytes = 0;
    size_t i = first;

    for (; i < f->plan->nstep; i++) {
        uint64_t add = f->plan->steps[i].sinks[0].nbytes;

        if (i > first && f->split_max_bytes && add > f->split_max_bytes - min_u64(nbytes, f->split_max_bytes))
            break;
        nbytes += add;
    }
    return i - first;
}

/* Shards for the steps that have none. */
static enum status cut_shards(struct folder *f, struct err *err)
{
    size_t first = 0, n = 0;
    enum status s = OK;

    for (size_t i = 0; i < f->nshard; i++)
        first += f->shards[i].nstep;
    require(first <= f->plan->nstep);
    for (size_t at = first; at < f->plan->nstep; at += shard_extent(f, at))
        n++;
    for (size_t i = 1; i <= n && s == OK; i++) {
        struct folder_shard shard = {.nstep = shard_extent(f, first), .metadata = f->metadata};

        shard.name = n == 1 ? "model.safetensors"
                            : arena_printf(&f->plan->arena, "model-%05zu-of-%05zu.safetensors", i, n);
        s = add_shard(f, &shard, err);
        first += shard.nstep;
    }
    return s;
}

/* ---- tensors of a shard ---- */

/* A stored tensor: part k of a step's sink. */
struct stored {
    struct st_entry entry; /* but for the shape */
    uint64_t shape[TENSOR_MAX_RANK];
    struct plan_place *place;
};

/* NULL when out of memory. */
static const char *part_name(struct arena *a, const struct plan_step *step, uint32_t k)
{
    const char *suffix = dtype_parts(step->sinks[0].dtype)->part[k].suffix;
    size_t n = strlen(step->name) - (str_ends(step->name, ".weight") ? strlen(".weight") : 0);

    return suffix ? arena_printf(a, "%.*s.%s", (int)n, step->name, suffix) : step->name;
}

static enum status fill_stored(struct folder *f, struct plan_step *step, uint32_t k, struct stored *t,
                               struct err *err)
{
    struct plan_sink *sink = &step->sinks[0];

    t->place = &sink->place[k];
    t->entry = (struct st_entry){
        .name = part_name(&f->plan->arena, step, k),
        .dtype = dtype_parts(sink->dtype)->part[k].dtype,
        .rank = step->rank - sink->trimmed,
        .nbytes = dtype_part_nbytes(sink->dtype, k, step->nelem),
    };
    memcpy(t->shape, step->shape + sink->trimmed, t->entry.rank * sizeof t->shape[0]);
    if (dtype_parts(sink->dtype)->n > 1)
        t->shape[t->entry.rank - 1] = dtype_part_cols(sink->dtype, k, step->shape[step->rank - 1]);
    return t->entry.name ? OK : fail_nomem(err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct stored *)a)->entry.name, ((const struct stored *)b)->entry.name);
}

static int by_type(const void *a, const void *b)
{
    const struct stored *x = a, *y = b;
    int rank = st_type_rank(y->entry.dtype) - st_type_rank(x->entry.dtype);

    return rank ? rank : by_name(a, b);
}

static int steps_by_name(const void *a, const void *b)
{
    return strcmp(((const struct plan_step *)a)->name, ((const struct plan_step *)b)->name);
}

static int steps_by_type(const void *a, const void *b)
{
    const struct plan_step *x = a, *y = b;
    int rank = st_type_rank(dtype_parts(y->sinks[0].dtype)->part[0].dtype) -
               st_type_rank(dtype_parts(x->sinks[0].dtype)->part[0].dtype);

    return rank ? rank : steps_by_name(a, b);
}

/* The stored tensors of a shard, whose steps begin with `first`, in their order. The steps are put into it as
 * well: what is made in order is written in order. */
static enum status list_stored(struct folder *f, size_t first, struct folder_shard *shard, struct err *err)
{
    struct plan_step *steps = f->plan->steps + first;
    bool named = f->order == FOLDER_BY_NAME;
    size_t n = 0, nstep = shard->nstep;
    enum status s = OK;

    if (nstep > 1)
        qsort(steps, nstep, sizeof *steps, named ? steps_by_name : steps_by_type);
    for (size_t i = 0; i < nstep; i++)
        n += dtype_parts(steps[i].sinks[0].dtype)->n;
    shard->stored = arena_array(&f->plan->arena, n, sizeof *shard->stored);
    if (!shard->stored)
        return fail_nomem(err);
    for (size_t i = 0; i < nstep; i++)
        for (uint32_t k = 0; k < dtype_parts(steps[i].sinks[0].dtype)->n && s == OK; k++)
            s = fill_stored(f, &steps[i], k, &shard->stored[shard->nstored++], err);
    if (s == OK && n > 1)
        qsort(shard->stored, n, sizeof *shard->stored, named ? by_name : by_type);
    return s;
}

/* ---- the index ---- */

static int by_tensor(const void *a, const void *b)
{
    return strcmp(((const struct folder_entry *)a)->tensor, ((const struct folder_entry *)b)->tensor);
}

static enum status list_steps(struct folder *f, struct err *err)
{
    size_t first = 0;
    enum status s = OK;

    for (size_t i = 0; i < f->nshard && s == OK; i++) {
        struct folder_shard *shard = &f->shards[i];

        s = list_stored(f, first, shard, err);
        for (size_t k = 0; k < shard->nstored && !shard->aside && s == OK; k++)
            s = add_entry(f, shard->stored[k].entry.name, shard->name, shard->stored[k].entry.nbytes, err);
        first += shard->nstep;
    }
    return s;
}

static enum status sort_entries(struct folder *f, struct err *err)
{
    if (f->nentry > 1)
        qsort(f->entries, f->nentry, sizeof *f->entries, by_tensor);
    for (size_t i = 1; i < f->nentry; i++)
        if (strcmp(f->entries[i].tensor, f->entries[i - 1].tensor) == 0)
            return fail(err, E_FORMAT, "%s: tensor %s: would be there twice, in %s and in %s", f->path,
                        f->entries[i].tensor, f->entries[i - 1].shard, f->entries[i].shard);
    return OK;
}

static void put_metadata(struct json_writer *w, const struct folder *f)
{
    uint64_t total = 0;

    for (size_t i = 0; i < f->nentry; i++)
        total += f->entries[i].nbytes;
    json_put_key(w, "metadata");
    json_open(w, '{');
    bool given = f->metadata_of_index && json_kind(f->metadata_of_index) == JSON_K_OBJECT;
    for (const struct json *m = given ? json_first(f->metadata_of_index) : NULL; m; m = json_after(m)) {
        bool counted = f->total_parameters && strcmp(json_key(m), "total_parameters") == 0;

        if (counted || strcmp(json_key(m), "total_size") == 0)
            continue;
        json_put_key(w, json_key(m));
        json_put_tree(w, m);
    }
    if (f->total_parameters) {
        json_put_key(w, "total_parameters");
        json_put_u64(w, f->total_parameters);
    }
    json_put_key(w, "total_size");
    json_put_u64(w, total);
    json_close(w, '}');
}

static enum status add_index(struct folder *f, struct err *err)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, INDEX_MAX);
    json_open(&w, '{');
    put_metadata(&w, f);
    json_put_key(&w, "weight_map");
    json_open(&w, '{');
    for (size_t i = 0; i < f->nentry; i++) {
        json_put_key(&w, f->entries[i].tensor);
        json_put_str(&w, f->entries[i].shard);
    }
    json_close(&w, '}');
    json_close(&w, '}');
    buf_add_char(&text, '\n');
    enum status s = buf_check(&text, INDEX_NAME, err);
    if (s == OK)
        s = folder_add_text(f, INDEX_NAME, text.p, text.n, err);
    buf_free(&text);
    return s;
}

/* ---- outputs ---- */

/* The path of a file in the folder; where it lies deeper, the plan makes what it lies in. */
static enum status path_in(const struct folder *f, const char *name, const char **path, struct err *err)
{
    struct arena *a = &f->plan->arena;
    const char *slash = strrchr(name, '/');

    *path = arena_printf(a, "%s/%s", f->path, name);
    if (!*path)
        return fail_nomem(err);
    if (!slash)
        return OK;
    const char *within = arena_printf(a, "%s/%.*s", f->path, (int)(slash - name), name);
    return within ? plan_add_subfolder(f->plan, within, err) : fail_nomem(err);
}

/* The first output gets its name last: config.json, then the index, then the rest. */
static int place_of(const struct folder_file *file)
{
    return strcmp(file->name, "config.json") == 0 ? 0 : strcmp(file->name, INDEX_NAME) == 0 ? 1 : 2;
}

static enum status check_names(const struct folder *f, struct err *err)
{
    struct map names = {0};
    enum status s = OK;

    for (size_t i = 0; i < f->nfile + f->nshard && s == OK; i++) {
        const char *name = i < f->nfile ? f->files[i].name : f->shards[i - f->nfile].name;
        uint32_t other;

        if (!map_add(&names, slice_of(name), 0, &other))
            s = fail_nomem(err);
        else if (other != MAP_NONE)
            s = fail(err, E_FORMAT, "%s/%s: would be written twice", f->path, name);
    }
    map_free(&names);
    return s;
}

static enum status lay_out_copy(struct folder *f, const char *path, const char *from, enum link_mode mode,
                                struct err *err)
{
    return f->in_place && path_same(path, from) ? OK : plan_add_copy(f->plan, path, from, mode, err);
}

static enum status lay_out_file(struct folder *f, const struct folder_file *file, struct err *err)
{
    const char *path;
    uint32_t out;
    enum status s = path_in(f, file->name, &path, err);

    if (s == OK && !file->text)
        return lay_out_copy(f, path, file->from, file->mode, err);
    if (s == OK)
        s = plan_add_out(f->plan, path, &out, err);
    if (s != OK)
        return s;
    f->plan->outs[out].nbytes = file->n;
    return plan_add_header(f->plan, out, file->text, file->n, err);
}

static enum status lay_out_files(struct folder *f, struct err *err)
{
    enum status s = OK;

    for (int place = 0; place <= 2; place++)
        for (size_t i = 0; i < f->nfile && s == OK; i++)
            if (place_of(&f->files[i]) == place)
                s = lay_out_file(f, &f->files[i], err);
    return s;
}

static enum status set_header(struct folder *f, uint32_t out, const struct folder_shard *shard,
                              struct st_entry *entries, struct err *err)
{
    struct plan_out *o = &f->plan->outs[out];
    size_t n = shard->nstored;
    struct buf header;

    buf_init(&header, ST_MAX_HEADER + KIB);
    enum status s = st_header(entries, n, shard->metadata, &header, err);
    const char *text = s == OK ? arena_strndup(&f->plan->arena, header.p, header.n) : NULL;
    if (s == OK)
        s = text ? plan_add_header(f->plan, out, text, header.n, err) : fail_nomem(err);
    o->nbytes = n ? entries[n - 1].off + entries[n - 1].nbytes : header.n;
    buf_free(&header);
    return s == OK ? OK : wrap(err, "%s", o->path);
}

static enum status lay_out_stored(struct folder *f, const char *path, const struct folder_shard *shard,
                                  struct err *err)
{
    struct st_entry *entries = arena_array(&f->plan->arena, shard->nstored, sizeof *entries);
    uint32_t out = 0;

    if (!entries)
        return fail_nomem(err);
    for (size_t i = 0; i < shard->nstored; i++) {
        entries[i] = shard->stored[i].entry;
        entries[i].shape = shard->stored[i].shape;
    }
    enum status s = plan_add_out(f->plan, path, &out, err);
    if (s == OK)
        s = set_header(f, out, shard, entries, err);
    for (size_t i = 0; s == OK && i < shard->nstored; i++)
        *shard->stored[i].place = (struct plan_place){out, entries[i].off};
    return s;
}

static enum status lay_out_shard(struct folder *f, const struct folder_shard *shard, struct err *err)
{
    const char *path;
    enum status s = path_in(f, shard->name, &path, err);

    if (s != OK)
        return s;
    return shard->from ? lay_out_copy(f, path, shard->from, shard->mode, err)
                       : lay_out_stored(f, path, shard, err);
}

/* The path without the slashes after it. */
static enum status trim_path(struct folder *f, struct err *err)
{
    struct slice base = path_base(f->path);

    f->path = arena_strndup(&f->plan->arena, f->path, (size_t)(base.p - f->path) + base.n);
    return f->path ? OK : fail_nomem(err);
}

enum status folder_lay_out(struct folder *f, struct err *err)
{
    enum status s = trim_path(f, err);

    if (s == OK)
        s = cut_shards(f, err);
    f->plan->folder = f->path; // all outputs are one set
    if (s == OK)
        s = list_steps(f, err);
    if (s == OK)
        s = sort_entries(f, err);
    if (s == OK && f->nentry > 0)
        s = add_index(f, err);
    if (s == OK)
        s = check_names(f, err);
    if (s == OK)
        s = lay_out_files(f, err);
    for (size_t i = 0; i < f->nshard && s == OK; i++)
        s = lay_out_shard(f, &f->shards[i], err);
    if (f->in_place)
        f->plan->folder = NULL;
    return s;
}

enum status folder_lay_out_file(struct folder *f, struct err *err)
{
    struct folder_shard shard = {.nstep = f->plan->nstep, .metadata = f->metadata};
    enum status s = list_stored(f, 0, &shard, err);

    return s == OK ? lay_out_stored(f, f->path, &shard, err) : s;
}
