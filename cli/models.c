/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/models.h"

#include "convert/canon.h"

/* The graft of scion graft, in memory. */
static enum status take_head(struct models *m, const struct graft_wishes *wishes, struct err *err)
{
    struct graft_match match;
    enum status s = graft_match(&match, m->source, m->donor, wishes, err);

    if (s != OK)
        return s;
    m->head = (struct convert_head){graft_type(&match), match.absolute};
    return graft_adopt(&match, err);
}

#define ON_ITS_OWN "is not converted to a folder; scion graft brings it there, with %s as the donor"

/* It is no file that was forgotten. */
static void strike_off(struct source *s, const char *name)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->nunlisted; i++)
        if (strcmp(s->unlisted[i], name) != 0)
            s->unlisted[kept++] = s->unlisted[i];
    s->nunlisted = kept;
}

static enum status treat_side_car(struct models *m, const struct models_wishes *w, const char *name,
                                  struct notes *notes, struct err *err)
{
    struct graft_wishes wishes = w->graft;

    strike_off(m->source, name);
    if (w->side_car == SIDE_CAR_REFUSED)
        return fail(err, E_UNSUPPORTED, "%s: the head in %s " ON_ITS_OWN, w->path, name, w->path);
    if (w->side_car == SIDE_CAR_NOTED)
        return notes_add(notes, err, "the head in %s " ON_ITS_OWN, name, w->path);
    wishes.side_car = true;
    enum status s = notes_add(notes, err, "the head is that in %s", name);
    return s == OK ? take_head(m, &wishes, err) : s;
}

/* The folder is opened once more, as it lies there: that is what a side-car speaks of. */
static enum status find_side_car(struct models *m, const struct models_wishes *w, struct notes *notes,
                                 struct err *err)
{
    struct mtp_status status;
    enum status s = source_open(&m->donor, w->path, err);

    if (s == OK)
        s = mtp_status_locate(&status, m->donor, err);
    if (s == OK && status.side_car)
        s = treat_side_car(m, w, status.side_car, notes, err);
    if (s == OK && !(status.side_car && w->side_car == SIDE_CAR_TAKEN)) {
        source_close(m->donor);
        m->donor = NULL;
    }
    return s;
}

enum status models_open(struct models *m, const struct models_wishes *w, struct notes *notes, struct err *err)
{
    *m = (struct models){0};
    enum status s = canon_open(&m->source, w->path, err);

    if (s == OK && w->donor) {
        s = source_open(&m->donor, w->donor, err);
        return s == OK ? take_head(m, &w->graft, err) : s;
    }
    return s == OK && w->side_car && m->source->kind == SOURCE_MLX ? find_side_car(m, w, notes, err) : s;
}

void models_close(struct models *m)
{
    source_close(m->source);
    source_close(m->donor);
}

const struct convert_head *models_head(const struct models *m)
{
    return m->donor ? &m->head : NULL;
}
