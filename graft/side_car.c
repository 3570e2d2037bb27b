/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/side_car.h"

#include "graft/carry.h"
#include "graft/check.h"
#include "graft/copy.h"
#include "graft/origin.h"
#include "graft/side_car_int.h"

#define INDEX_FILE "model.safetensors.index.json"

static const struct {
    const char *file;
    unsigned experts; /* of a mixture */
    enum norms_encoding norms;
    enum side_car_policy policy;
} dialects[] = {
    [SIDE_CAR_MTPLX] = {"mtp/weights.safetensors", RULE_STACKED, NORMS_ABSOLUTE, POLICY_NONE},
    [SIDE_CAR_OPTIQ] = {"optiq/mtp.safetensors", RULE_FUSED, NORMS_DELTA, POLICY_CYANKIWI},
};

/* ---- what is wanted ---- */

/* A name within the folder that is the same everywhere, and needs no quoting in JSON. */
static enum status check_file(const char *name, struct err *err)
{
    bool plain = name[0] != '/' && name[0] != '.' && !strstr(name, "..") && !strstr(name, "//") &&
                 str_ends(name, ".safetensors") &&
                 strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                              "0123456789._-/") == strlen(name);

    if (!plain)
        return fail(
            err, E_USAGE,
            "--side-car-file %s: must be a name like mtp/weights.safetensors: letters, digits, \".\", "
            "\"_\", \"-\" and \"/\"",
            name);
    if (str_starts(name, "model") && !strchr(name, '/'))
        return fail(err, E_USAGE,
                    "--side-car-file %s: loaders take every model*.safetensors for a shard of the model",
                    name);
    return OK;
}

/* Readers know weights with scales and biases. */
static bool is_affine(const struct head *h)
{
    for (size_t i = 0; i < h->ntensor; i++)
        if (dtype_parts(h->tensors[i].tensor->dtype)->n == 2)
            return false;
    return h->nscale > 0;
}

/* A donor's quantized matrices stay, where nothing else is asked for. */
static void decide_policy(struct side_car *c)
{
    struct side_car_options *o = &c->o;

    c->kept = is_affine(&c->match.donor.head) && o->policy == POLICY_OF_DIALECT && o->type == DT_COUNT &&
              !o->at_load;
    if (o->policy == POLICY_OF_DIALECT)
        o->policy = c->kept ? POLICY_NONE : o->at_load ? POLICY_CYANKIWI : dialects[o->dialect].policy;
}

static enum status decide(struct side_car *c, struct err *err)
{
    struct side_car_options *o = &c->o;
    const struct head *h = &c->match.donor.head;
    enum status s = OK;

    if (!o->file)
        o->file = dialects[o->dialect].file;
    if (o->norms == NORMS_UNCLEAR)
        o->norms = dialects[o->dialect].norms;
    decide_policy(c);
    if (h->nexpert == 0)
        o->experts = 0;
    else if (o->experts == 0)
        o->experts = c->kept && h->experts ? h->experts : dialects[o->dialect].experts;
    if (o->at_load && o->policy == POLICY_NONE)
        return fail(err, E_USAGE, "--at-load: --policy none quantizes nothing");
    if (head_is_quantized(h) && !c->kept && !o->at_load && o->policy != POLICY_NONE && !o->allow_requantize)
        return fail(
            err, E_UNSUPPORTED,
            "%s: its head is quantized already: --allow-requantize quantizes the decoded values again, "
            "--policy none stores them",
            c->match.donor.source->path);
    if (o->policy == POLICY_ALL && h->nexpert > 0 && o->experts != RULE_STACKED)
        return fail(err, E_USAGE,
                    "--policy all: readers know that of dense heads and of stacked experts only");
    s = check_file(o->file, err);
    return s == OK ? side_car_check_contract(o, err) : s;
}

/* ---- the target ---- */

static const char *path_of(const struct source *s, const struct tensor *t)
{
    return s->files[t->file].path;
}

/* What side-cars stand beside is a folder in MLX's own form. */
static enum status check_body(const struct source *s, struct err *err)
{
    for (size_t i = 0; i < s->ntensor; i++) {
        const struct tensor *t = &s->tensors[i];
        const char *experts = strstr(t->name, ".mlp.experts.");

        if (experts && !name_is_mtp(t->name))
            return fail(
                err, E_FORMAT,
                "%s: tensor %s: readers of side-cars want the experts stacked (switch_mlp): \"scion repack "
                "--experts stacked\" does that",
                path_of(s, t), t->name);
        if (str_ends(t->name, ".conv1d.weight") && t->rank == 3 && t->shape[1] == 1 && t->shape[2] != 1)
            return fail(
                err, E_FORMAT,
                "%s: tensor %s: is in the form of Hugging Face's checkpoints, whose norms are differences "
                "from 1: \"scion convert --to mlx\" makes a folder for MLX of it",
                path_of(s, t), t->name);
    }
    return OK;
}

static enum status check_target(const struct side_car *c, struct err *err)
{
    const struct mtp_status *t = &c->match.target;

    if (!mlx_is(t->source))
        return fail(err, E_UNSUPPORTED, "%s: is no folder for MLX: side-cars are for those", t->source->path);
    if (t->head.names != HEAD_NONE && !t->side_car)
        return fail(err, E_UNSUPPORTED,
                    "%s: its head lies in the shards, where a side-car cannot take its place: convert the "
                    "original with --mtp drop",
                    t->source->path);
    return check_body(t->source, err);
}

/* ---- the head ---- */

/* What a tensor is stored as where it is not quantized. */
static enum dtype plain_type(const struct side_car *c, enum dtype own)
{
    if (c->o.type != DT_COUNT)
        return c->o.type;
    if (dtype_parts(own)->n > 1)
        own = mlx_value_type(own);
    return own == DT_F16 ? DT_F16 : DT_BF16;
}

static enum status quantized_sink(const struct side_car *c, const struct head_piece *p,
                                  struct plan_sink *sink, struct err *err)
{
    const struct mlx_setting *m = &c->o.setting;
    enum dtype own = p->span[0].t->dtype, type = plain_type(c, own);
    uint64_t row = p->shape[p->rank - 1];

    if (row % m->group_size)
        return fail(err, E_USAGE,
                    "%s: tensor %s: rows of %" PRIu64 " are no whole groups of %" PRIu64
                    ": a smaller --group-size, or --policy none",
                    c->match.donor.source->path, p->name, row, m->group_size);
    sink->dtype = mlx_type(m, type);
    sink->codec = codec_find_mlx(sink->dtype, c->o.rounding, type);
    sink->rounds = type != own && type != DT_F32;
    sink->round = type == DT_F16 ? OP_ROUND_F16 : OP_ROUND_BF16;
    return OK;
}

static enum status add_piece(void *ctx, const struct head_piece *p, struct err *err)
{
    const struct side_car *c = ctx;
    enum dtype own = p->span[0].t->dtype;
    bool absolute = c->o.norms == NORMS_ABSOLUTE;
    struct head_made made = {
        .sink.dtype = c->kept && dtype_parts(own)->n > 1 ? own : plain_type(c, own),
        .op_set = p->is_norm && absolute != c->match.absolute,
        .op = absolute ? OP_ADD_ONE : OP_SUB_ONE,
    };
    enum status s = OK;

    if (side_car_quantizes(c, p->name))
        s = quantized_sink(c, p, &made.sink, err);
    return s == OK ? head_step(c->plan, c->match.donor.source, p, &made, err) : s;
}

static enum status make_head(struct side_car *c, struct err *err)
{
    const struct head_visit v = {
        .head = &c->match.donor.head,
        .hp = &c->match.target.hp,
        .experts = c->o.experts,
        .ctx = c,
        .fn = add_piece,
    };
    enum status s = head_visit(&v, err);

    return s == OK ? side_car_check(c, err) : s;
}

/* ---- the other files ---- */

/* A shard or another side-car goes along, unless the head lies in it that is replaced. */
static enum status carry(struct side_car *c, const char *name, struct err *err)
{
    const struct mtp_status *t = &c->match.target;
    const char *from = source_beside(t->source, name);

    if (!from || (t->side_car && strcmp(name, t->side_car) == 0) || strcmp(name, c->o.file) == 0)
        return OK;
    return folder_add_copy(&c->folder, name, from, c->o.link, err);
}

static enum status carry_weights(struct side_car *c, struct err *err)
{
    const struct source *s = c->match.target.source;
    const char *side_car = c->match.target.side_car_path;
    enum status st = carry(c, INDEX_FILE, err);

    for (size_t i = 0; i < s->nfile && st == OK; i++) {
        struct slice base = path_base(s->files[i].path);
        const char *name = arena_strndup(&c->plan->arena, base.p, base.n);

        if (side_car && strcmp(s->files[i].path, side_car) == 0)
            continue;
        st = name ? carry(c, name, err) : fail_nomem(err);
    }
    for (size_t i = 0; i < s->nunlisted && st == OK; i++)
        st = carry(c, s->unlisted[i], err);
    return st == OK ? carry_vision(&c->folder, c->match.target.source, c->o.link, err) : st;
}

static enum status add_files(struct side_car *c, struct err *err)
{
    struct source *target = c->match.target.source, *donor = c->match.donor.source;
    enum status s = side_car_config(c, err);

    if (s == OK && c->o.out)
        s = carry_weights(c, err);
    if (s == OK)
        s = origin_leave(&c->folder, target, err);
    if (s == OK)
        s = origin_licences(&c->folder, target, donor, c->o.file, err);
    if (s == OK && c->o.out)
        s = folder_add_beside(&c->folder, target, c->o.link, err);
    for (size_t i = 0; i < donor->nfile && s == OK; i++)
        s = plan_add_input(c->plan, donor->files[i].path, err);
    for (size_t i = 0; i < target->nfile && s == OK && c->o.out; i++)
        s = plan_add_input(c->plan, target->files[i].path, err);
    return s;
}

/* ---- all ---- */

static enum status note_decoded(struct side_car *c, struct err *err)
{
    if (!head_is_quantized(&c->match.donor.head) || c->kept)
        return OK;
    return notes_add(&c->plan->notes, err, "%s: its head is quantized: decoded%s",
                     c->match.donor.source->path, c->quantized ? ", and quantized again" : "");
}

static enum status add_notes(struct side_car *c, struct err *err)
{
    const struct mtp_status *t = &c->match.target;

    enum status s = note_decoded(c, err);

    if (s != OK)
        return s;
    if (!c->o.out && t->side_car && strcmp(t->side_car, c->o.file) != 0)
        return notes_add(&c->plan->notes, err, "%s/%s: is no part of the model any more; remove it",
                         t->source->path, t->side_car);
    if (!strchr(c->o.file, '/'))
        return notes_add(
            &c->plan->notes, err,
            "%s: mlx_vlm and LM Studio take every safetensors file beside the shards for one of them",
            c->o.file);
    return OK;
}

enum status side_car_add(struct plan *plan, struct source *target, struct source *donor,
                         const struct side_car_options *o, struct err *err)
{
    struct side_car c = {.plan = plan, .o = *o};
    struct meta metadata;
    enum status s = graft_match(&c.match, target, donor, &o->wishes, err);

    if (s == OK)
        s = check_target(&c, err);
    if (s == OK)
        s = decide(&c, err);
    if (s != OK)
        return s;
    meta_init(&metadata, &plan->arena);
    c.folder = (struct folder){
        .plan = plan,
        .path = o->out ? o->out : target->path,
        .in_place = !o->out,
        .metadata = &metadata,
        .order = FOLDER_BY_NAME,
    };
    s = origin_metadata(&metadata, donor, &c.match.donor.head, "mlx", err);
    if (s == OK)
        s = make_head(&c, err);
    if (s == OK)
        s = folder_add_aside(&c.folder, c.o.file, plan->nstep, err);
    if (s == OK)
        s = add_files(&c, err);
    if (s == OK)
        s = add_notes(&c, err);
    if (s == OK)
        s = folder_lay_out(&c.folder, err);
    meta_free(&metadata);
    return s;
}

enum status side_car_extract(struct plan *plan, struct source *donor, const struct side_car_options *o,
                             struct err *err)
{
    struct side_car c = {.plan = plan, .o = *o};
    struct meta metadata;
    enum status s = graft_match_alone(&c.match, donor, o->wishes.norms, err);

    if (s == OK)
        s = decide(&c, err);
    if (s != OK)
        return s;
    meta_init(&metadata, &plan->arena);
    c.folder = (struct folder){.plan = plan, .path = o->out, .metadata = &metadata, .order = FOLDER_BY_NAME};
    s = origin_metadata(&metadata, donor, &c.match.donor.head, "mlx", err);
    if (s == OK)
        s = make_head(&c, err);
    if (s == OK)
        s = note_decoded(&c, err);
    for (size_t i = 0; i < donor->nfile && s == OK; i++)
        s = plan_add_input(plan, donor->files[i].path, err);
    if (s == OK)
        s = folder_lay_out_file(&c.folder, err);
    meta_free(&metadata);
    return s;
}
