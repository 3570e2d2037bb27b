/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/edit_int.h"

#include <errno.h>

#include "gguf/from_gguf.h"
#include "gguf/layout.h"
#include "gguf/meta_text.h"
#include "gguf/prune.h"
#include "core/nearest.h"
#include "core/patch.h"
#include "core/utf8.h"

#define TEXT_MAX (256 * MIB) // of a file that becomes a value

/* ---- changes of keys ---- */

static enum status touch(struct edit *e, const char *key, struct err *err)
{
    uint32_t earlier;

    if (!map_add(&e->touched, slice_of(key), 0, &earlier))
        return fail_nomem(err);
    return earlier == MAP_NONE ? OK : fail(err, E_USAGE, "%s: is set or removed twice", key);
}

/* The part before the first '=' and the text after it. */
static enum status cut_at_equals(struct edit *e, const char *option, const char *arg, const char **key,
                                 const char **text, struct err *err)
{
    const char *equals = strchr(arg, '=');

    if (!equals)
        return fail(err, E_USAGE, "%s %s: there is no \"=\" between key and value", option, arg);
    *key = arena_strndup(&e->plan->arena, arg, (size_t)(equals - arg));
    *text = equals + 1;
    return *key ? touch(e, *key, err) : fail_nomem(err);
}

static enum status note_change(struct edit *e, const struct meta_kv *old, const struct meta_kv *kv,
                               struct err *err)
{
    char is[META_TEXT_TYPE_MAX], was[META_TEXT_TYPE_MAX];

    meta_text_type(kv, is);
    if (!old)
        return notes_add(&e->plan->notes, err, "%s: is new, of type %s", kv->key, is);
    if (strcmp(meta_text_type(old, was), is) != 0)
        return notes_add(&e->plan->notes, err, "%s: is of type %s now, was of type %s", kv->key, is, was);
    return OK;
}

static enum status put(struct edit *e, const struct meta_kv *kv, struct err *err)
{
    enum status s = edit_check_key(e, kv->key, kv, err);

    if (s == OK)
        s = note_change(e, meta_find(&e->meta, kv->key), kv, err);
    return s == OK ? meta_adopt(&e->meta, *kv, err) : s;
}

static enum status set_value(struct edit *e, const char *arg, struct err *err)
{
    const char *key = NULL, *text = NULL;
    struct meta_kv kv;
    enum status s = cut_at_equals(e, "--set", arg, &key, &text, err);

    if (s == OK)
        s = meta_text_read(&e->plan->arena, key, text, meta_find(&e->meta, key), &kv, err);
    return s == OK ? put(e, &kv, err) : s;
}

static enum status set_text(struct edit *e, const char *arg, struct err *err)
{
    const char *key = NULL, *path = NULL;
    struct buf text;
    enum status s = cut_at_equals(e, "--set-file", arg, &key, &path, err);

    if (s != OK)
        return s;
    buf_init(&text, TEXT_MAX);
    s = file_load(path, &text, err);
    if (s == OK && (!utf8_valid(text.p ? text.p : "", text.n) || (text.n && memchr(text.p, '\0', text.n))))
        s = fail(err, E_FORMAT, "%s: must be UTF-8 text", path);
    const struct meta_kv *old = meta_find(&e->meta, key);
    if (s == OK && old && old->type != META_STR)
        s = fail(err, E_USAGE, "--set-file %s: is of type %s, not str", key, meta_type_name(old->type));
    const struct meta_kv kv = {.key = key, .type = META_STR, .nbytes = text.n + 8};
    if (s == OK)
        s = edit_check_key(e, key, &kv, err);
    if (s == OK)
        s = note_change(e, old, &kv, err);
    if (s == OK)
        s = meta_set_str(&e->meta, key, text.p ? text.p : "", err);
    if (s == OK)
        s = plan_add_input(e->plan, path, err);
    buf_free(&text);
    return s;
}

static enum status remove_key(struct edit *e, const char *key, struct err *err)
{
    enum status s = touch(e, key, err);

    if (s == OK)
        s = edit_check_key(e, key, NULL, err);
    if (s != OK || meta_remove(&e->meta, key))
        return s;
    const char **keys = arena_array(&e->plan->arena, e->meta.n, sizeof *keys);
    if (!keys)
        return fail_nomem(err);
    for (size_t i = 0; i < e->meta.n; i++)
        keys[i] = e->meta.kv[i].key;
    const char *near = nearest_of(key, keys, e->meta.n);
    return near ? fail(err, E_USAGE, "--remove %s: there is no such key; did you mean %s?", key, near)
                : fail(err, E_USAGE, "--remove %s: there is no such key", key);
}

static enum status change_keys(struct edit *e, struct err *err)
{
    const struct edit_options *o = e->options;
    enum status s = OK;

    for (size_t i = 0; i < o->nremove && s == OK; i++)
        s = remove_key(e, o->removes[i], err);
    for (size_t i = 0; i < o->nset && s == OK; i++)
        s = set_value(e, o->sets[i], err);
    for (size_t i = 0; i < o->ntext && s == OK; i++)
        s = set_text(e, o->texts[i], err);
    return s == OK ? edit_check_model(e, err) : s;
}

/* ---- in place ---- */

/* Whether two values take the same bytes however they are mixed: a write that is cut short leaves a file that
 * can be read. */
static bool is_same_form(const struct meta_kv *a, const struct meta_kv *b)
{
    struct slice x, y;

    if (strcmp(a->key, b->key) != 0 || a->type != b->type || a->count != b->count || a->nbytes != b->nbytes)
        return false;
    if (a->type != META_ARRAY || memcmp(a->data, b->data, (size_t)a->nbytes) == 0)
        return true;
    if (a->elem != b->elem || a->elem == META_ARRAY)
        return false;
    for (uint64_t i = 0, j = 0; a->elem == META_STR && meta_next_str(a, &i, &x) && meta_next_str(b, &j, &y);)
        if (x.n != y.n)
            return false;
    return true;
}

/* Whether the output differs from the file in bytes of values alone. */
static bool differs_in_values(const struct edit *e)
{
    const struct plan *p = e->plan;
    const struct meta *old = &e->source->meta;
    bool same = e->source->gguf_version == 3 && old->n == e->meta.n &&
                p->outs[0].header_nbytes == e->source->files[0].header_nbytes;

    for (size_t i = 0; same && i < old->n; i++)
        same = is_same_form(&old->kv[i], &e->meta.kv[i]);
    for (size_t i = 0; same && i < p->nstep; i++) {
        const struct plan_source *src = from_gguf_source(p, i);

        same =
            p->steps[i].sinks[0].place[0].off == src->span[0].off && strcmp(p->steps[i].name, src->name) == 0;
    }
    return same;
}

static void copy_header(const struct plan_out *out, unsigned char *to)
{
    for (size_t i = 0; i < out->nheader; i++) {
        memcpy(to, out->header[i].p, out->header[i].n);
        to += out->header[i].n;
    }
}

/* From the first to the last byte that differs. */
static enum status make_patch(const struct edit *e, struct plan_patch *patch, struct err *err)
{
    const struct plan_out *out = &e->plan->outs[0];
    const struct file *file = e->source->files[0].file;
    size_t first = 0, end = (size_t)out->header_nbytes;
    unsigned char *is = arena_alloc(&e->plan->arena, end), *was = malloc(end);
    enum status s = is && was ? file_read_at(file, was, end, 0, err) : fail_nomem(err);

    if (s == OK)
        copy_header(out, is);
    while (s == OK && first < end && was[first] == is[first])
        first++;
    while (s == OK && first < end && was[end - 1] == is[end - 1])
        end--;
    if (s == OK)
        *patch = (struct plan_patch){file, first, is + first, end - first};
    free(was);
    return s;
}

static enum status note_patch(const struct edit *e, const struct plan_patch *p, struct err *err)
{
    const char *path = e->source->files[0].path;

    if (p->nbytes == 0)
        return notes_add(&e->plan->notes, err, "%s: is so already", path);
    return notes_add(&e->plan->notes, err, "%s: %zu byte%s at %" PRIu64 " change in place", path, p->nbytes,
                     p->nbytes == 1 ? "" : "s", p->off);
}

/* Chooses between a patch and a new file that takes the name of the old one, which a link may point to. */
static enum status replace(const struct edit *e, struct err *err)
{
    struct plan_patch *patch = arena_alloc(&e->plan->arena, sizeof *patch);

    if (!patch)
        return fail_nomem(err);
    e->plan->outs[0].replaces = true;
    if (!differs_in_values(e))
        return OK;
    enum status s = make_patch(e, patch, err);
    if (s != OK || (patch->nbytes > 0 && !patch_is_safe(e->source->files[0].path)))
        return s;
    e->plan->outs[0].patch = patch;
    return note_patch(e, patch, err);
}

/* The file itself, behind all links. */
static enum status resolve(struct edit *e, const char **path, struct err *err)
{
    const char *given = e->source->files[0].path;
    char *real = realpath(given, NULL);

    if (!real)
        return fail_errno(err, "%s", given);
    bool is_given = path_other_kind(given, false) == NULL; // then the user's own words name it
    *path = is_given ? given : arena_strdup(&e->plan->arena, real);
    free(real);
    return *path ? OK : fail_nomem(err);
}

/* ---- the plan ---- */

/* Of a split set, in place, the first file alone. */
static enum status keep_first_file(struct edit *e, struct err *err)
{
    size_t n = 0;

    if (e->options->prune && e->source->nfile > 1)
        return fail(err, E_USAGE,
                    "%s: --prune-layers changes every file of a set; -o OUT.gguf writes a new one",
                    e->source->path);
    while (n < e->plan->nstep && e->source->tensors[n].file == 0)
        n++;
    if (e->source->nfile > 1)
        e->plan->nstep = n;
    return OK;
}

static enum status lay_out(struct edit *e, struct err *err)
{
    const struct edit_options *o = e->options;
    const char *path = o->out;
    struct draft d = {0};
    enum status s = OK;

    if (o->out && e->source->nfile > 1)
        gguf_split_remove(&e->meta);
    if (!o->out)
        s = keep_first_file(e, err);
    if (s == OK && !o->out)
        s = resolve(e, &path, err);
    if (s == OK)
        s = from_gguf_draft(&d, e->plan, &e->meta, err);
    d.path = path;
    d.split_max_bytes = o->split_max_bytes;
    d.split_max_tensors = o->split_max_tensors;
    d.order = GGUF_SPLIT_TOOL;
    if (s == OK)
        s = layout_files(&d, err);
    draft_free(&d);
    return s == OK && !o->out ? replace(e, err) : s;
}

static enum status read_architecture(struct edit *e, struct err *err)
{
    struct slice arch;

    if (!meta_str(meta_find(&e->source->meta, "general.architecture"), &arch))
        return OK;
    e->arch = arena_strndup(&e->plan->arena, arch.p, arch.n);
    return e->arch ? OK : fail_nomem(err);
}

enum status edit_gguf(struct plan *plan, const struct source *source, const struct edit_options *o,
                      struct err *err)
{
    struct edit e = {.options = o, .source = source, .plan = plan};

    meta_init(&e.meta, &plan->arena);
    enum status s = from_gguf(plan, source, &e.meta, err);
    if (s == OK)
        s = read_architecture(&e, err);
    if (s == OK && o->prune)
        s = prune_edit(plan, &e.meta, o->prune, err);
    if (s == OK)
        s = change_keys(&e, err);
    if (s == OK)
        s = lay_out(&e, err);
    map_free(&e.touched);
    meta_free(&e.meta);
    return s;
}
