/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/graft.h"

#include "graft/carry.h"
#include "graft/check.h"
#include "graft/copy.h"
#include "graft/origin.h"

struct graft {
    struct plan *plan;
    const struct graft_options *o;
    struct graft_match match;
    struct folder folder;
};

/* ---- the head's tensors ---- */

static enum status add_head(struct graft *g, struct err *err)
{
    struct head_copy copy = {
        .plan = g->plan,
        .source = g->match.donor.source,
        .head = &g->match.donor.head,
        .hp = &g->match.target.hp,
        .type = g->o->type,
        .subtract_one = g->match.absolute,
        .decodes = true,
    };

    if (copy.type == DT_COUNT)
        copy.type = graft_type(&g->match);
    enum status s = head_copy_steps(&copy, err);
    return s == OK ? folder_add_shard(&g->folder, GRAFT_HEAD_FILE, g->plan->nstep, err) : s;
}

/* ---- the target's files ---- */

static enum status add_files(struct graft *g, struct err *err)
{
    struct source *target = g->match.target.source;
    const struct carry c = {
        .folder = &g->folder,
        .target = &g->match.target,
        .head_file = GRAFT_HEAD_FILE,
        .layers = g->match.donor.head.nlayer,
        .link = g->o->link,
    };
    enum status s = carry_model(&c, err);

    if (s == OK)
        s = origin_leave(&g->folder, target, err);
    if (s == OK)
        s = origin_licences(&g->folder, target, g->match.donor.source, GRAFT_HEAD_FILE, err);
    if (s == OK && g->o->out)
        s = folder_add_beside(&g->folder, target, g->o->link, err);
    return s;
}

/* What is read is not written over; a target in place is, but only when all is ready. */
static enum status add_inputs(struct graft *g, struct err *err)
{
    const struct source *read[] = {g->match.donor.source, g->o->out ? g->match.target.source : NULL};
    enum status s = OK;

    for (size_t k = 0; k < ARRAY_LEN(read); k++)
        for (size_t i = 0; read[k] && i < read[k]->nfile && s == OK; i++)
            s = plan_add_input(g->plan, read[k]->files[i].path, err);
    return s;
}

static enum status plan_folder(struct graft *g, const struct meta *metadata, struct err *err)
{
    struct json *index = NULL;
    enum status s = carry_index(g->match.target.source, &index, err);

    g->folder = (struct folder){
        .plan = g->plan,
        .path = g->o->out ? g->o->out : g->match.target.source->path,
        .in_place = !g->o->out,
        .metadata = metadata,
        .order = FOLDER_BY_TYPE,
        .metadata_of_index = json_get(index, "metadata"),
    };
    if (s == OK)
        s = add_head(g, err);
    if (s == OK)
        s = add_files(g, err);
    if (s == OK)
        s = add_inputs(g, err);
    if (s == OK)
        s = folder_lay_out(&g->folder, err);
    json_free(index);
    return s;
}

/* ---- all ---- */

/* Of a quantized target, the head is what is not: its loader has to know. */
static enum status note_quantized(struct graft *g, struct err *err)
{
    const struct json *q = hparams_find(&g->match.target.hp, "quantization_config");
    const char *method = json_str(json_get(q, "quant_method"));

    if (!q || json_kind(q) != JSON_K_OBJECT)
        return OK;
    return notes_add(
        &g->plan->notes, err,
        "%s: is quantized (quantization_config, %s), the head is not: some loaders must be told to "
        "leave mtp.* as it is",
        g->match.target.source->path, method ? method : "of an unnamed method");
}

static enum status note_decoded(struct graft *g, struct err *err)
{
    if (!head_is_quantized(&g->match.donor.head))
        return OK;
    return notes_add(&g->plan->notes, err, "%s: its head is quantized: decoded", g->match.donor.source->path);
}

/* Hugging Face's checkpoints have differences from 1: what the donor has becomes that. */
static enum status note_norms(struct graft *g, struct err *err)
{
    if (!g->match.absolute)
        return OK;
    return notes_add(&g->plan->notes, err, "%s: its norms are absolute: stored as differences from 1",
                     g->match.donor.source->path);
}

enum status graft_folder(struct plan *plan, struct source *target, struct source *donor,
                         const struct graft_options *o, struct err *err)
{
    struct graft g = {.plan = plan, .o = o};
    struct meta metadata;
    enum status s = graft_match(&g.match, target, donor, &o->wishes, err);

    if (s == OK)
        s = check_folder(target, err);
    if (s == OK)
        s = note_norms(&g, err);
    if (s == OK)
        s = note_decoded(&g, err);
    if (s == OK)
        s = note_quantized(&g, err);
    if (s != OK)
        return s;
    meta_init(&metadata, &plan->arena);
    s = origin_metadata(&metadata, donor, &g.match.donor.head, "pt", err);
    if (s == OK)
        s = plan_folder(&g, &metadata, err);
    meta_free(&metadata);
    return s;
}

/* What is written of a head on its own: as it is, but of a GGUF file as a checkpoint has it. */
static enum status match_alone(struct graft_match *m, struct source *source, struct head_copy *copy,
                               struct err *err)
{
    enum status s = OK;

    if (source->kind == SOURCE_GGUF) {
        s = graft_match_alone(m, source, NORMS_UNCLEAR, err);
        copy->type = s == OK ? graft_type(m) : DT_COUNT;
        copy->subtract_one = m->absolute;
    } else {
        s = mtp_status_locate(&m->donor, source, err);
        if (s == OK)
            s = check_donor(&m->donor, err);
    }
    copy->head = &m->donor.head;
    copy->hp = &m->target.hp;
    return s;
}

enum status graft_extract(struct plan *plan, struct source *source, const char *out, struct err *err)
{
    struct folder f = {.plan = plan, .path = out, .order = FOLDER_BY_TYPE};
    struct head_copy copy = {.plan = plan, .source = source, .type = DT_COUNT};
    struct graft_match m = {0};
    struct meta metadata;

    meta_init(&metadata, &plan->arena);
    f.metadata = &metadata;
    enum status s = match_alone(&m, source, &copy, err);
    if (s == OK)
        s = head_copy_steps(&copy, err);
    if (s == OK)
        s = origin_metadata(&metadata, source, &m.donor.head, "pt", err);
    for (size_t i = 0; i < source->nfile && s == OK; i++)
        s = plan_add_input(plan, source->files[i].path, err);
    if (s == OK)
        s = folder_lay_out_file(&f, err);
    meta_free(&metadata);
    return s;
}
