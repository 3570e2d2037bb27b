/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/normalize.h"

#include "arch/head_config.h"
#include "graft/carry.h"
#include "plan/folder.h"

#define INDEX_FILE "model.safetensors.index.json"
#define CONFIG_MAX (64 * MIB)

/* Layers that the config shall promise. */
static enum status decide(const struct mtp_status *st, uint64_t *layers, struct err *err)
{
    const struct head *h = &st->head;
    char missing[HEAD_TEXT_MAX];

    *layers = h->names == HEAD_NONE ? 0 : h->nlayer;
    if (h->names == HEAD_NONE && st->appended > 0)
        *layers = st->promise.layers; /* what is there cannot be counted: leave it */
    if (h->names == HEAD_NONE || !h->arch || head_is_complete(h))
        return OK;
    if (h->nmissing > 0)
        return fail(err, E_FORMAT, "%s: its head is not complete, so no promise is right; missing: %s",
                    st->source->path, head_missing_text(h, missing));
    return fail(err, E_FORMAT, "%s: its head is not of a known form, so no promise is right",
                st->source->path);
}

/* Everything but config.json, as it is. */
static enum status carry_all(struct folder *f, struct source *s, const struct mtp_status *st,
                             enum link_mode link, struct err *err)
{
    const char *index = source_beside(s, INDEX_FILE);
    enum status status = index ? folder_add_copy(f, INDEX_FILE, index, link, err) : OK;

    for (size_t i = 0; i < s->nfile && status == OK; i++) {
        struct slice base = path_base(s->files[i].path);
        const char *name = arena_strndup(&f->plan->arena, base.p, base.n);
        bool unlisted = st->side_car && name && strcmp(st->side_car, name) == 0;

        if (st->side_car && strchr(st->side_car, '/') && strcmp(s->files[i].path, st->side_car_path) == 0)
            name = st->side_car;
        if (!unlisted)
            status = name ? folder_add_copy(f, name, s->files[i].path, link, err) : fail_nomem(err);
    }
    for (size_t i = 0; i < s->nunlisted && status == OK; i++) {
        const char *from = source_beside(s, s->unlisted[i]);

        status = from ? folder_add_copy(f, s->unlisted[i], from, link, err) : fail_nomem(err);
    }
    if (status == OK)
        status = carry_vision(f, s, link, err);
    return status == OK ? folder_add_beside(f, s, link, err) : status;
}

/* What was measured with another config.json is no evidence any more. */
static enum status leave_evidence(struct folder *f, struct source *s, struct notes *changes, struct err *err)
{
    static const char *const evidence[] = {HEAD_EVIDENCE_FILE};

    if (changes->n == 0 || !source_beside(s, HEAD_EVIDENCE_FILE))
        return OK;
    f->left = evidence;
    f->nleft = ARRAY_LEN(evidence);
    return notes_add(changes, err, HEAD_EVIDENCE_FILE ": is about another config.json: %s",
                     f->in_place ? "remove it" : "left behind");
}

static enum status plan_config(struct plan *plan, const struct mtp_status *st, uint64_t layers,
                               const struct normalize_options *o, struct err *err)
{
    struct source *s = st->source;
    const char *path = source_beside(s, "config.json");
    struct folder f = {.plan = plan, .path = o->out ? o->out : s->path, .in_place = !o->out};
    struct buf text;

    buf_init(&text, CONFIG_MAX);
    enum status status = path ? file_load(path, &text, err) : fail_nomem(err);
    if (status == OK)
        status = promise_edit(&text, &st->promise, layers, o->changes, err);
    if (status == OK && mtp_status_lost_file(st))
        status = promise_forget_file(&text, &st->promise, o->changes, err);
    if (status == OK && (o->out || o->changes->n > 0))
        status = folder_add_text(&f, "config.json", text.p, text.n, err);
    if (status == OK)
        status = leave_evidence(&f, s, o->changes, err);
    if (status == OK && o->out)
        status = carry_all(&f, s, st, o->link, err);
    if (status == OK)
        status = folder_lay_out(&f, err);
    buf_free(&text);
    return status;
}

enum status normalize_folder(struct plan *plan, struct source *source, const struct normalize_options *o,
                             struct err *err)
{
    struct mtp_status st;
    uint64_t layers = 0;

    if (source->kind != SOURCE_HF || !source->config)
        return fail(err, E_UNSUPPORTED, "%s: is no folder with a config.json", source->path);
    enum status s = mtp_status_read(&st, source, err);
    if (s == OK)
        s = decide(&st, &layers, err);
    return s == OK ? plan_config(plan, &st, layers, o, err) : s;
}
