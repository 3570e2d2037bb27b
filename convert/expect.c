/* SPDX-License-Identifier: Apache-2.0 */
/* Whether everything that the architecture needs has been made. */
#include "convert/build_int.h"

struct expectation {
    struct builder *b;
    size_t nmissing;
    char first[NAME_MAX_LEN]; /* source name of the first that is missing */
};

static bool has_name(const struct builder *b, const struct name_match *m, const char *own)
{
    char name[NAME_MAX_LEN];

    b->world->name(b, m, own, name);
    return map_find(&b->names, slice_of(name)) != MAP_NONE;
}

/* Under its own name, or as the first of its parts. */
static bool made(const struct builder *b, const struct name_match *m)
{
    const struct tensor_form *form = b->world->form(m->rule);

    if ((m->rule->flags & RULE_FUSED) && emit_has_experts(b, m->block))
        return true;
    if (!form || !form->parts)
        return has_name(b, m, b->world->own(m->rule));
    return has_name(b, m, form->parts[0].name) || (form->undivided && has_name(b, m, form->undivided));
}

static enum status expect(void *ctx, const struct name_match *m, struct err *err)
{
    struct expectation *x = ctx;

    (void)err;
    if (!x->b->vision && head_drop_reason(x->b, m))
        return OK;
    if (made(x->b, m))
        return OK;
    if (x->nmissing++ == 0) {
        if (x->b->vision)
            name_source_vision(&x->b->hp, m, x->first);
        else
            name_source(&x->b->hp, m, x->first);
    }
    return OK;
}

bool expect_made(const struct builder *b, const char *canonical)
{
    struct name_match m;

    return name_match_text(&b->hp, canonical, &m) == NAME_KNOWN && made(b, &m);
}

enum status expect_tie(const struct builder *b, bool *said, bool *tied, struct err *err)
{
    const struct json *tie = hparams_find(&b->hp, "tie_word_embeddings");

    *tied = false;
    *said = tie && json_kind(tie) != JSON_K_NULL;
    return !*said || json_bool(tie, tied) ? OK : hparams_refuse(&b->hp, tie, "true or false", err);
}

static enum status check_tie(struct builder *b, struct err *err)
{
    bool is_there = expect_made(b, "lm_head.weight"), said, tied;
    enum status s = expect_tie(b, &said, &tied, err);

    if (s != OK || !said)
        return s;
    if (!tied && !is_there)
        return fail(err, E_FORMAT, "%s: tensor lm_head.weight is missing, but tie_word_embeddings=false",
                    b->source->path);
    if (tied && is_there)
        return notes_add(&b->plan->notes, err,
                         "tie_word_embeddings=true, but lm_head.weight is there: converted too");
    return OK;
}

enum status expect_complete(struct builder *b, struct err *err)
{
    struct expectation x = {.b = b};
    struct name_visit visit = {.experts = RULE_FUSED, .ctx = &x, .fn = expect};
    enum status s = b->vision ? name_visit_vision(&b->hp, &visit, err) : name_visit_text(&b->hp, &visit, err);

    if (s != OK)
        return s;
    if (x.nmissing == 1)
        return fail(err, E_FORMAT, "%s: tensor %s is missing", b->source->path, x.first);
    if (x.nmissing > 1)
        return fail(err, E_FORMAT, "%s: tensor %s is missing, and %zu more", b->source->path, x.first,
                    x.nmissing - 1);
    return b->vision ? OK : check_tie(b, err);
}
