/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"
#include "formats/mlx.h"
#include "graft/carry.h"
#include "graft/graft.h"
#include "graft/origin.h"

/* There is a head, and something else. */
static enum status check(const struct mtp_status *st, struct err *err)
{
    const struct source *s = st->source;
    size_t nhead = 0;

    for (size_t i = 0; i < s->ntensor; i++)
        nhead += mtp_status_owns(st, &s->tensors[i]);
    if (nhead == 0)
        return fail(err, E_FORMAT, "%s: has no multi-token-prediction head", s->path);
    if (nhead == s->ntensor)
        return fail(err, E_FORMAT, "%s: is nothing but a multi-token-prediction head", s->path);
    return OK;
}

static enum status plan_folder(struct folder *f, const struct mtp_status *st, enum link_mode link,
                               struct err *err)
{
    const struct carry c = {.folder = f, .target = st, .link = link};
    struct source *source = st->source;
    enum status s = carry_model(&c, err);

    if (s == OK)
        s = carry_vision(f, source, link, err);
    if (s == OK)
        s = origin_leave(f, source, err);
    if (s == OK)
        s = folder_add_beside(f, source, link, err);
    for (size_t i = 0; i < source->nfile && s == OK; i++)
        s = plan_add_input(f->plan, source->files[i].path, err);
    return s == OK ? folder_lay_out(f, err) : s;
}

enum status graft_remove(struct plan *plan, struct source *source, const char *out, enum link_mode link,
                         struct err *err)
{
    struct folder f = {.plan = plan, .path = out};
    struct mtp_status st;
    struct json *index = NULL;

    if (source->kind != SOURCE_HF || !source->config)
        return fail(err, E_UNSUPPORTED, "%s: is no folder with a config.json", source->path);
    f.order = mlx_is(source) ? FOLDER_BY_NAME : FOLDER_BY_TYPE;
    enum status s = mtp_status_locate(&st, source, err);
    if (s == OK)
        s = check(&st, err);
    if (s == OK)
        s = carry_index(source, &index, err);
    f.metadata_of_index = json_get(index, "metadata");
    if (s == OK)
        s = plan_folder(&f, &st, link, err);
    json_free(index);
    return s;
}
