/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/hfdir.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "core/json.h"
#include "formats/st.h"

#define INDEX_NAME       "model.safetensors.index.json"
#define MAX_INDEX_BYTES  (128 * MIB)
#define MAX_CONFIG_BYTES (64 * MIB)
#define MAX_SCRATCH      GIB
#define SHOWN_MAX        120

struct names {
    const char **item;
    size_t n, cap;
};

/* One entry of the index; shard counts in the order in which the index first names them. */
struct listed {
    const char *tensor;
    uint32_t shard;
};

/* A folder while it is being opened. Everything but the source lives in scratch. */
struct hfdir {
    struct source *s;
    const char *folder;
    struct arena scratch;
    struct names present; /* *.safetensors in the folder, sorted */
    struct names shards;  /* to be read, sorted */
    bool has_gguf, has_torch;

    const char *index_path; /* NULL when there is no index */
    struct names named;     /* the index's shards in its own order */
    struct map named_at;
    struct listed *listed;
    size_t nlisted, listed_cap;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void names_sort(struct names *names)
{
    if (names->n)
        qsort(names->item, names->n, sizeof *names->item, by_text);
}

static bool names_has(const struct names *names, const char *name)
{
    return names->n && bsearch(&name, names->item, names->n, sizeof *names->item, by_text);
}

/* The name is borrowed. */
static bool names_add(struct names *names, struct arena *a, const char *name)
{
    if (!name || !arena_grow(a, (void **)&names->item, names->n, &names->cap, sizeof *names->item))
        return false;
    names->item[names->n++] = name;
    return true;
}

/* ---- what lies in the folder ---- */

static bool list_entry(struct hfdir *d, const char *name)
{
    if (name[0] == '.')
        return true;
    if (str_ends(name, ".safetensors"))
        return names_add(&d->present, &d->scratch, arena_strdup(&d->scratch, name));
    if (str_ends(name, ".gguf"))
        d->has_gguf = true;
    if ((str_starts(name, "pytorch_model") || str_starts(name, "consolidated")) &&
        (str_ends(name, ".bin") || str_ends(name, ".pth")))
        d->has_torch = true;
    return true;
}

static enum status list_folder(struct hfdir *d, struct err *err)
{
    DIR *dir = opendir(d->folder);
    const struct dirent *entry;
    enum status s = OK;

    if (!dir)
        return fail_errno(err, "%s", d->folder);
    for (errno = 0; s == OK && (entry = readdir(dir)) != NULL; errno = 0)
        if (!list_entry(d, entry->d_name))
            s = fail_nomem(err);
    if (s == OK && errno)
        s = fail_errno(err, "%s", d->folder);
    closedir(dir);
    names_sort(&d->present);
    return s;
}

static enum status fail_no_model(const struct hfdir *d, struct err *err)
{
    if (d->has_torch)
        return fail(err, E_UNSUPPORTED,
                    "%s: holds PyTorch files only, which can run code when they are read; save the model as "
                    "safetensors",
                    d->folder);
    if (d->has_gguf && d->present.n == 0)
        return fail(err, E_USAGE, "%s: is a folder of GGUF files; name the file itself", d->folder);
    return fail(err, E_IO,
                "%s: no model files: neither " INDEX_NAME
                " nor model*.safetensors nor consolidated*.safetensors",
                d->folder);
}

/* The shards of a folder without an index. */
static enum status glob_shards(struct hfdir *d, struct err *err)
{
    static const char *const prefix[] = {"model", "consolidated"};

    for (size_t p = 0; p < ARRAY_LEN(prefix) && d->shards.n == 0; p++)
        for (size_t i = 0; i < d->present.n; i++)
            if (str_starts(d->present.item[i], prefix[p]) &&
                !names_add(&d->shards, &d->scratch, d->present.item[i]))
                return fail_nomem(err);
    return d->shards.n ? OK : fail_no_model(d, err);
}

/* ---- the index ---- */

static enum status fail_index(const struct hfdir *d, uint64_t off, struct err *err, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static enum status fail_index(const struct hfdir *d, uint64_t off, struct err *err, const char *fmt, ...)
{
    char text[8 * SHOWN_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return fail(err, E_FORMAT, "%s:%" PRIu64 ": %s", d->index_path, off, text);
}

/* A name that cannot lead out of the folder; a link that lies in the folder may. */
static bool is_plain_name(struct slice s)
{
    return s.n > 0 && s.n <= 255 && !memchr(s.p, '/', s.n) && !memchr(s.p, '\\', s.n) && !slice_eq(s, ".") &&
           !slice_eq(s, "..");
}

/* Number of a shard in d->named; false when out of memory. */
static bool number_shard(struct hfdir *d, struct slice shard, uint32_t *number)
{
    *number = map_find(&d->named_at, shard);
    if (*number != MAP_NONE)
        return true;
    uint32_t existing;
    const char *copy = arena_strndup(&d->scratch, shard.p, shard.n);
    *number = (uint32_t)d->named.n;
    return names_add(&d->named, &d->scratch, copy) &&
           map_add(&d->named_at, slice_of(copy), *number, &existing);
}

/* The pair of weight_map whose key is the token just read. */
static enum status read_pair(struct hfdir *d, struct json_reader *r, struct err *err)
{
    struct slice name = json_token_text(r);
    enum json_token token;

    if (name.n == 0 || name.n > TENSOR_MAX_NAME)
        return fail_index(d, json_token_offset(r), err, "weight_map: a tensor name has %zu bytes", name.n);
    struct listed l = {.tensor = arena_strndup(&d->scratch, name.p, name.n)};
    if (!l.tensor)
        return fail_nomem(err);
    enum status s = json_next(r, &token, err);
    if (s != OK)
        return s;
    struct slice shard = json_token_text(r);
    if (token != JSON_STRING)
        return fail_index(d, json_token_offset(r), err, "weight_map: tensor \"%.*s\": its shard is no string",
                          SHOWN_MAX, l.tensor);
    if (!is_plain_name(shard))
        return fail_index(d, json_token_offset(r), err, "shard \"%.*s\": is no name of a file in the folder",
                          (int)min_u64(shard.n, SHOWN_MAX), shard.n ? shard.p : "");
    if (!number_shard(d, shard, &l.shard) ||
        !arena_grow(&d->scratch, (void **)&d->listed, d->nlisted, &d->listed_cap, sizeof l))
        return fail_nomem(err);
    d->listed[d->nlisted++] = l;
    return OK;
}

static enum status read_weight_map(struct hfdir *d, struct json_reader *r, struct err *err)
{
    enum json_token token;
    enum status s = json_next(r, &token, err);

    if (s == OK && token != JSON_OBJECT)
        return fail_index(d, json_token_offset(r), err, "weight_map: is no object");
    while (s == OK && (s = json_next(r, &token, err)) == OK && token != JSON_OBJECT_END)
        s = read_pair(d, r, err);
    return s;
}

static enum status scan_index(struct hfdir *d, struct json_reader *r, struct err *err)
{
    enum json_token token;
    bool seen = false;
    enum status s = json_next(r, &token, err);

    if (s == OK && token != JSON_OBJECT)
        return fail_index(d, 0, err, "index: is no JSON object");
    while (s == OK && (s = json_next(r, &token, err)) == OK && token != JSON_OBJECT_END) {
        if (slice_eq(json_token_text(r), "weight_map")) {
            seen = true;
            s = read_weight_map(d, r, err);
        } else if ((s = json_next(r, &token, err)) == OK) {
            s = json_skip(r, token, err);
        }
    }
    if (s == OK)
        s = json_next(r, &token, err); /* whether anything follows */
    if (s == OK && d->nlisted == 0)
        return fail_index(d, 0, err, "weight_map: %s", seen ? "lists no tensor" : "is missing");
    return s;
}

static enum status read_index(struct hfdir *d, struct err *err)
{
    struct json_reader *r = NULL;
    struct buf b;

    buf_init(&b, MAX_INDEX_BYTES);
    enum status s = file_load(d->index_path, &b, err);
    if (s == OK) {
        r = json_reader_new(b.p, b.n, d->index_path);
        s = r ? scan_index(d, r, err) : fail_nomem(err);
    }
    json_reader_free(r);
    buf_free(&b);
    for (size_t i = 0; s == OK && i < d->named.n; i++)
        if (!names_add(&d->shards, &d->scratch, d->named.item[i]))
            s = fail_nomem(err);
    names_sort(&d->shards);
    return s;
}

/* Sets apart the tensors that a shard holds and the index does not name. */
static enum status hide_unlisted(const struct hfdir *d, struct err *err)
{
    struct map known = {0};
    enum status s = OK;
    uint32_t existing;

    for (size_t i = 0; i < d->nlisted && s == OK; i++)
        if (!map_add(&known, slice_of(d->listed[i].tensor), 0, &existing))
            s = fail_nomem(err);
    if (s == OK)
        s = source_hide(d->s, &known, err);
    map_free(&known);
    return s;
}

/* What the index names must be there, each tensor in its shard. Its keys are unique. */
static enum status check_index(const struct hfdir *d, struct err *err)
{
    for (size_t i = 0; i < d->nlisted; i++) {
        const struct listed *l = &d->listed[i];
        const char *shard = d->named.item[l->shard];
        const struct tensor *t = source_find(d->s, l->tensor);

        if (!t)
            return fail(err, E_FORMAT, "%s: tensor \"%.*s\": listed in \"%s\", which does not hold it",
                        d->index_path, SHOWN_MAX, l->tensor, shard);
        if (!slice_eq(path_base(d->s->files[t->file].path), shard))
            return fail(err, E_FORMAT, "%s: tensor \"%.*s\": listed in \"%s\", but lies in %s", d->index_path,
                        SHOWN_MAX, l->tensor, shard, d->s->files[t->file].path);
    }
    return d->s->ntensor > d->nlisted ? hide_unlisted(d, err) : OK;
}

/* ---- reading ---- */

/* The sentence for a shard that cannot be reached at `path`. */
static enum status fail_missing(const struct hfdir *d, const char *path, const char *shard, struct err *err)
{
    if (path_exists(path))
        return fail(err, E_IO, "%s: is a link to a file that is not there", path);
    const char *partial = arena_printf(&d->s->arena, "%s.incomplete", path);
    if (!partial)
        return fail_nomem(err);
    if (path_exists(partial))
        return fail(err, E_IO, "%s: its download is unfinished, there is only %s.incomplete", path, shard);
    return fail(err, E_IO, "%s: shard \"%s\": listed by the index but not there", d->index_path, shard);
}

static enum status read_shards(const struct hfdir *d, struct err *err)
{
    for (size_t i = 0; i < d->shards.n; i++) {
        const char *shard = d->shards.item[i];
        char *path = arena_printf(&d->s->arena, "%s/%s", d->folder, shard);
        uint32_t file = 0;

        if (!path)
            return fail_nomem(err);
        if (access(path, F_OK) != 0 && errno == ENOENT)
            return fail_missing(d, path, shard, err);
        enum status s = source_add_file(d->s, path, &file, err);
        if (s == OK)
            s = st_read(d->s, file, err);
        if (s != OK)
            return s;
    }
    return OK;
}

static enum status note_unlisted(const struct hfdir *d, struct err *err)
{
    struct names out = {0};
    struct arena *a = &d->s->arena;

    for (size_t i = 0; i < d->present.n; i++) {
        const char *name = d->present.item[i];

        if (!names_has(&d->shards, name) && !names_add(&out, a, arena_strdup(a, name)))
            return fail_nomem(err);
    }
    d->s->unlisted = out.item;
    d->s->nunlisted = out.n;
    return OK;
}

static enum status read_config(struct source *s, struct err *err)
{
    const char *path = arena_printf(&s->arena, "%s/config.json", s->path);

    if (!path)
        return fail_nomem(err);
    return path_exists(path) ? json_load(path, MAX_CONFIG_BYTES, &s->config, err) : OK;
}

static enum status open_parts(struct hfdir *d, struct err *err)
{
    char *index = arena_printf(&d->s->arena, "%s/%s", d->folder, INDEX_NAME);
    enum status s = index ? list_folder(d, err) : fail_nomem(err);

    if (s != OK)
        return s;
    d->index_path = path_exists(index) ? index : NULL;
    s = d->index_path ? read_index(d, err) : glob_shards(d, err);
    if (s == OK)
        s = note_unlisted(d, err);
    if (s == OK)
        s = read_config(d->s, err);
    if (s == OK)
        s = read_shards(d, err);
    if (s == OK && d->index_path)
        s = check_index(d, err);
    return s;
}

enum status hfdir_open(struct source *src, const char *folder, struct err *err)
{
    struct hfdir d = {.s = src, .folder = folder};

    arena_init(&d.scratch, MAX_SCRATCH);
    enum status s = open_parts(&d, err);
    map_free(&d.named_at);
    arena_free(&d.scratch);
    return s;
}
