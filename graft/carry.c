/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/carry.h"

#include "formats/mlx.h"

#include "graft/copy.h"

#define INDEX_FILE "model.safetensors.index.json"
#define CONFIG_MAX (64 * MIB)
#define INDEX_MAX  (128 * MIB)

/* The shard without the head that lies in it. */
static enum status rewrite_shard(const struct carry *c, uint32_t file, const char *name, struct err *err)
{
    const struct source *s = c->target->source;
    struct plan *plan = c->folder->plan;
    size_t before = plan->nstep;
    enum status st = OK;

    for (size_t i = 0; i < s->ntensor && st == OK; i++)
        if (s->tensors[i].file == file && !mtp_status_owns(c->target, &s->tensors[i]))
            st = copy_tensor(plan, s, &s->tensors[i], s->tensors[i].name, err);
    c->folder->metadata = s->st_meta.n ? &s->st_meta : NULL;
    return st == OK ? folder_add_shard(c->folder, name, plan->nstep - before, err) : st;
}

/* One file of the target: carried over, or, where the head lies in it, without that. */
static enum status carry_shard(const struct carry *c, uint32_t file, struct err *err)
{
    const struct source *s = c->target->source;
    const char *path = s->files[file].path;
    struct slice base = path_base(path);
    const char *name = arena_strndup(&c->folder->plan->arena, base.p, base.n);
    size_t nhead = 0, nother = 0;

    if (!name)
        return fail_nomem(err);
    bool is_wanted = c->head_file && strcmp(name, c->head_file) == 0;
    for (size_t i = 0; i < s->ntensor; i++) {
        bool of_head = s->tensors[i].file == file && mtp_status_owns(c->target, &s->tensors[i]);

        nhead += of_head;
        nother += s->tensors[i].file == file && !of_head;
    }
    if (nhead == 0 && is_wanted)
        return fail(err, E_USAGE, "%s: holds tensors that are no head: that name is needed for the head",
                    path);
    if (nhead == 0)
        return folder_carry_shard(c->folder, name, s, file, c->link, err);
    if (nother > 0)
        return rewrite_shard(c, file, name, err);
    if (c->folder->in_place && !is_wanted)
        return notes_add(&c->folder->plan->notes, err, "%s: is no part of the model any more; remove it",
                         path);
    return OK;
}

/* Weights that lie in the folder without being in the index go along, but for the head. */
static enum status carry_unlisted(const struct carry *c, struct err *err)
{
    struct source *s = c->target->source;
    enum status st = OK;

    for (size_t i = 0; i < s->nunlisted && st == OK; i++) {
        const char *name = s->unlisted[i], *from = source_beside(s, name);
        bool is_head = (c->head_file && strcmp(name, c->head_file) == 0) ||
                       (c->target->side_car && strcmp(name, c->target->side_car) == 0);

        if (from && !is_head)
            st = folder_add_copy(c->folder, name, from, c->link, err);
    }
    return st;
}

static enum status carry_config(const struct carry *c, struct err *err)
{
    struct source *s = c->target->source;
    const char *path = source_beside(s, "config.json");
    struct notes *notes = &c->folder->plan->notes;
    struct promise promise;
    struct buf text;
    size_t before = notes->n;

    buf_init(&text, CONFIG_MAX);
    enum status st = promise_read(&promise, s, err);
    if (st == OK)
        st = path ? file_load(path, &text, err) : fail_nomem(err);
    if (st == OK)
        st = promise_edit(&text, &promise, c->layers, notes, err);
    if (st == OK)
        st = promise_forget_file(&text, &promise, notes, err);
    if (st == OK && (!c->folder->in_place || notes->n > before))
        st = folder_add_text(c->folder, "config.json", text.p, text.n, err);
    buf_free(&text);
    return st;
}

enum status carry_model(const struct carry *c, struct err *err)
{
    enum status s = carry_config(c, err);

    for (uint32_t i = 0; i < c->target->source->nfile && s == OK; i++)
        s = carry_shard(c, i, err);
    return s == OK && !c->folder->in_place ? carry_unlisted(c, err) : s;
}

enum status carry_index(struct source *s, struct json **index, struct err *err)
{
    const char *path = source_beside(s, INDEX_FILE);

    *index = NULL;
    return path ? json_load(path, INDEX_MAX, index, err) : OK;
}

enum status carry_vision(struct folder *f, struct source *s, enum link_mode link, struct err *err)
{
    const char *name = mlx_vision_file(s), *from = name ? source_beside(s, name) : NULL;

    return from ? folder_add_copy(f, name, from, link, err) : OK;
}
