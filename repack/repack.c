/* SPDX-License-Identifier: Apache-2.0 */
#include "repack/repack.h"

#include "arch/head_config.h"
#include "core/json.h"
#include "formats/mlx.h"
#include "plan/folder.h"
#include "quantize/codecs.h"
#include "repack/repack_int.h"

#define CONFIG_MAX (128 * MIB)
#define INDEX_MAX  (128 * MIB)

/* The plan while it is built. */
struct build {
    struct repack *r;
    struct folder folder;
    uint32_t *source_of; /* each tensor's source in the plan, or MAP_NONE */
    size_t *nstep;       /* of each file of the source; 0: nothing is left in it */
    bool *stays;         /* each file: is carried over whole */
};

/* ---- steps ---- */

static enum status source_of(struct build *b, const struct tensor *t, uint32_t *index, struct err *err)
{
    struct source *source = b->r->source;
    size_t i = (size_t)(t - source->tensors);
    struct plan_source src = {
        .name = t->name,
        .dtype = t->dtype,
        .codec = codec_find(t->dtype),
        .span = {{.file = source->files[t->file].file, .off = t->off}},
    };
    uint64_t nbytes;

    *index = b->source_of[i];
    if (*index != MAP_NONE)
        return OK;
    if (!dtype_nbytes(t->dtype, 1, &nbytes))
        return fail(err, E_UNSUPPORTED,
                    "%s: tensor %s: dtype=%s: elements of less than a byte cannot be moved",
                    source->files[t->file].path, t->name, dtype_name(t->dtype));
    require(shape_nelem(t->shape, t->rank, &src.nelem));
    enum status s = plan_add_source(b->r->plan, &src, index, err);
    b->source_of[i] = *index;
    return s;
}

static enum status add_step(struct build *b, const char *name, enum dtype dtype, uint32_t rank,
                            const uint64_t *shape, struct plan_step **step, struct err *err)
{
    struct plan_sink sink = {.dtype = dtype, .codec = &plan_verbatim};
    enum status s = name ? plan_add_step(b->r->plan, name, shape, rank, step, err) : fail_nomem(err);

    return s == OK ? plan_add_sink(b->r->plan, *step, &sink, err) : s;
}

/* A tensor that stays as it is. */
static enum status keep(struct build *b, const struct tensor *t, struct err *err)
{
    struct plan_step *step;
    uint32_t source;
    enum status s = source_of(b, t, &source, err);

    if (s == OK)
        s = add_step(b, t->name, t->dtype, t->rank, t->shape, &step, err);
    if (s != OK)
        return s;
    struct view v = view_whole(source, step->nelem);
    return plan_add_view(b->r->plan, step, &v, err);
}

static enum status add_expert(struct build *b, struct plan_step *step, const struct repack_matrix *m,
                              uint32_t e, struct err *err)
{
    uint32_t source;
    enum status s = source_of(b, repack_tensor(m, e), &source, err);
    struct view v = view_whole(source, m->nelem);

    v.base = m->base + e * m->stride;
    return s == OK ? plan_add_view(b->r->plan, step, &v, err) : s;
}

/* All experts of a matrix that lies in one tensor, in one view. */
static enum status add_stack(struct build *b, struct plan_step *step, const struct repack_group *g,
                             const struct repack_matrix *m, struct err *err)
{
    uint32_t source;
    enum status s = source_of(b, m->tensor[0], &source, err);
    struct view v = {.source = source,
                     .base = m->base,
                     .ndim = 2,
                     .dim = {{m->shared ? 1 : g->n, m->stride}, {m->nelem, 1}}};

    return s == OK ? plan_add_view(b->r->plan, step, &v, err) : s;
}

static const char *name_of(const struct build *b, const struct repack_group *g, const struct repack_matrix *m,
                           struct expert_name e)
{
    e.parent = g->parent;
    e.part = b->r->o->experts == EXPERTS_FUSED && g->plain ? "" : m->part;
    return experts_print(&b->r->plan->arena, &e);
}

static enum status make_split(struct build *b, const struct repack_group *g, const struct repack_matrix *m,
                              struct err *err)
{
    enum status s = OK;

    for (uint32_t e = 0; e < g->n && s == OK; e++) {
        struct expert_name name = {.numbered = true, .number = e, .proj = m->proj};
        struct plan_step *step;

        s = add_step(b, name_of(b, g, m, name), m->dtype, m->rank, m->shape, &step, err);
        if (s == OK)
            s = add_expert(b, step, m, e, err);
    }
    return s;
}

/* A stack of a matrix, and below it, when it is not NULL, of another of the same shape for each expert. */
static enum status make_stack(struct build *b, const struct repack_group *g, const struct repack_matrix *m,
                              const struct repack_matrix *below, struct err *err)
{
    struct expert_name name = {.switch_mlp = b->r->o->experts == EXPERTS_STACKED,
                               .proj = below ? EXPERT_GATE_UP : m->proj};
    uint64_t shape[TENSOR_MAX_RANK] = {g->n};
    uint32_t lead = !m->shared;
    struct plan_step *step;

    memcpy(shape + lead, m->shape, m->rank * sizeof shape[0]);
    if (below && !m->shared)
        shape[1] *= 2;
    enum status s = add_step(b, name_of(b, g, m, name), m->dtype, m->rank + lead, shape, &step, err);
    if (s != OK)
        return s;
    if (m->shared)
        return add_expert(b, step, m, 0, err);
    if (!below && !m->numbered)
        return add_stack(b, step, g, m, err);
    for (uint32_t e = 0; e < g->n && s == OK; e++) {
        s = add_expert(b, step, m, e, err);
        if (s == OK && below)
            s = add_expert(b, step, below, e, err);
    }
    return s;
}

static enum status make_matrix(struct build *b, const struct repack_group *g, const struct repack_matrix *m,
                               struct err *err)
{
    switch (b->r->o->experts) {
    case EXPERTS_SPLIT:
        return make_split(b, g, m, err);
    case EXPERTS_STACKED:
        return make_stack(b, g, m, NULL, err);
    case EXPERTS_FUSED:
        break;
    }
    if (m->proj == EXPERT_UP)
        return OK; // comes with its gate
    return make_stack(b, g, m, m->proj == EXPERT_GATE ? repack_matrix(g, EXPERT_UP, m->part) : NULL, err);
}

/* ---- files ---- */

static bool moves(const struct repack *r, size_t tensor)
{
    return r->group_of[tensor] != MAP_NONE && r->groups[r->group_of[tensor]].moves;
}

/* The steps of one file: its tensors that stay, and what begins with one of its experts. */
static enum status make_file(struct build *b, uint32_t file, struct err *err)
{
    const struct repack *r = b->r;
    size_t before = r->plan->nstep;
    enum status s = OK;

    for (size_t i = 0; i < r->source->ntensor && s == OK; i++)
        if (r->source->tensors[i].file == file && !moves(r, i))
            s = keep(b, &r->source->tensors[i], err);
    for (size_t i = 0; i < r->ngroup && s == OK; i++) {
        const struct repack_group *g = &r->groups[i];

        for (size_t k = 0; g->moves && k < g->nmatrix && s == OK; k++)
            if (g->matrices[k].tensor[0]->file == file)
                s = make_matrix(b, g, &g->matrices[k], err);
    }
    b->nstep[file] = r->plan->nstep - before;
    return s;
}

static enum status make_steps(struct build *b, struct err *err)
{
    const struct source *source = b->r->source;
    enum status s = OK;

    for (uint32_t f = 0; f < source->nfile; f++)
        b->stays[f] = b->r->o->split_max_bytes == 0;
    for (size_t i = 0; i < source->ntensor; i++)
        if (moves(b->r, i))
            b->stays[source->tensors[i].file] = false;
    for (uint32_t f = 0; f < source->nfile && s == OK; f++)
        if (!b->stays[f])
            s = make_file(b, f, err);
    for (size_t i = 0; i < source->nhidden && s == OK; i++)
        if (!b->stays[source->hidden[i].file])
            s = plan_drop(b->r->plan, source->hidden[i].name, "not in the index", err);
    return s;
}

static bool is_left(const struct build *b, uint32_t file)
{
    return b->stays[file] || b->nstep[file] > 0;
}

/* The shard's own name, but of a numbered set that has lost members the next number of what is left:
 * "-00003-of- 00005" in a name. NULL when out of memory. */
static const char *shard_name(const struct build *b, uint32_t file, uint32_t number, uint32_t count)
{
    struct arena *a = &b->r->plan->arena;
    struct slice base = path_base(b->r->source->files[file].path);
    const char *name = arena_strndup(a, base.p, base.n);
    size_t tail = strlen("-00001-of-00001.safetensors");
    unsigned no, of;
    int used = 0;

    if (!name || count == b->r->source->nfile || base.n < tail)
        return name;
    if (sscanf(name + base.n - tail, "-%5u-of-%5u.safetensors%n", &no, &of, &used) != 2 || used != (int)tail)
        return name;
    return arena_printf(a, "%.*s-%05" PRIu32 "-of-%05" PRIu32 ".safetensors", (int)(base.n - tail), name,
                        number, count);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct plan_step *)a)->name, ((const struct plan_step *)b)->name);
}

static enum status add_shards(struct build *b, struct err *err)
{
    const struct source *source = b->r->source;
    uint32_t count = 0, number = 0;
    enum status s = OK;

    if (b->r->o->split_max_bytes) {
        qsort(b->r->plan->steps, b->r->plan->nstep, sizeof *b->r->plan->steps, by_name);
        return OK;
    }
    for (uint32_t f = 0; f < source->nfile; f++)
        count += is_left(b, f);
    for (uint32_t f = 0; f < source->nfile && s == OK; f++) {
        if (!is_left(b, f))
            continue;
        const char *name = shard_name(b, f, ++number, count);
        if (!name)
            return fail_nomem(err);
        s = b->stays[f] ? folder_carry_shard(&b->folder, name, source, f, b->r->o->link, err)
                        : folder_add_shard(&b->folder, name, b->nstep[f], err);
    }
    return s;
}

/* Weights that the index does not name: side-cars, and what was forgotten. */
static enum status add_unlisted(struct build *b, struct err *err)
{
    struct source *source = b->r->source;
    enum status s = OK;

    for (size_t i = 0; i < source->nunlisted && s == OK; i++) {
        const char *path = source_beside(source, source->unlisted[i]);

        if (!path || path_other_kind(path, true))
            continue;
        s = folder_add_copy(&b->folder, source->unlisted[i], path, b->r->o->link, err);
        if (s == OK)
            s = notes_add(&b->r->plan->notes, err, "%s is not in the index: it is carried over as it is",
                          source->unlisted[i]);
    }
    return s;
}

/* A file of a sub-folder, once. */
static enum status add_deeper(struct build *b, const char *name, struct err *err)
{
    struct source *source = b->r->source;
    const char *path = name && strchr(name, '/') ? source_beside(source, name) : NULL;

    return path && !folder_has(&b->folder, name) ? folder_add_copy(&b->folder, name, path, b->r->o->link, err)
                                                 : OK;
}

/* What config.json points to: heads, a vision tower. They stay as they are. */
static enum status add_side_cars(struct build *b, struct err *err)
{
    const struct source *source = b->r->source;
    enum status s = add_deeper(b, mlx_vision_file(source), err);

    for (size_t i = 0; i < HEAD_SIDE_CARS && s == OK; i++)
        s = add_deeper(b, head_side_car(source->config, i), err);
    return s;
}

/* ---- the folder ---- */

static enum status add_config(struct build *b, struct err *err)
{
    struct buf text;
    bool changed = false;

    buf_init(&text, CONFIG_MAX);
    enum status s = repack_config(b->r, &text, &changed, err);
    if (s == OK && changed)
        s = folder_add_text(&b->folder, "config.json", text.p, text.n, err);
    buf_free(&text);
    return s;
}

/* Whether each shard has its data in the order of the names. */
static bool is_by_name(const struct source *s)
{
    for (size_t i = 1; i < s->ntensor; i++) {
        const struct tensor *a = &s->tensors[i - 1], *b = &s->tensors[i];

        if (a->file == b->file && a->nbytes && b->nbytes && a->off > b->off)
            return false;
    }
    return true;
}

static enum status lay_out(struct build *b, struct err *err)
{
    const char *index_path = source_beside(b->r->source, "model.safetensors.index.json");
    struct json *index = NULL;
    enum status s = index_path ? json_load(index_path, INDEX_MAX, &index, err) : OK;

    b->folder.metadata_of_index = json_get(index, "metadata");
    if (s == OK)
        s = folder_lay_out(&b->folder, err);
    json_free(index);
    return s;
}

static enum status build(struct build *b, struct err *err)
{
    struct repack *r = b->r;
    struct source *source = r->source;
    enum status s = OK;

    b->source_of = arena_array(&r->plan->arena, source->ntensor, sizeof *b->source_of);
    b->nstep = arena_array(&r->plan->arena, source->nfile, sizeof *b->nstep);
    b->stays = arena_array(&r->plan->arena, source->nfile, sizeof *b->stays);
    if (!b->source_of || !b->nstep || !b->stays)
        return fail_nomem(err);
    for (size_t i = 0; i < source->ntensor; i++)
        b->source_of[i] = MAP_NONE;
    for (size_t i = 0; i < source->nfile && s == OK; i++)
        s = plan_add_input(r->plan, source->files[i].path, err);
    if (s == OK)
        s = make_steps(b, err);
    if (s == OK)
        s = add_shards(b, err);
    if (s == OK)
        s = add_config(b, err);
    if (s == OK)
        s = add_unlisted(b, err);
    if (s == OK)
        s = add_side_cars(b, err);
    if (s == OK)
        s = folder_add_beside(&b->folder, source, LINK_COPY, err);
    return s == OK ? lay_out(b, err) : s;
}

static enum status check_work(const struct repack *r, struct err *err)
{
    static const char *const words[] = {
        [EXPERTS_STACKED] = "stacked", [EXPERTS_SPLIT] = "split", [EXPERTS_FUSED] = "fused"};

    for (size_t i = 0; i < r->ngroup; i++)
        if (r->groups[i].moves)
            return OK;
    if (r->o->split_max_bytes)
        return OK;
    return fail(err, E_USAGE, "%s: its experts are %s already: there is nothing to do", r->source->path,
                words[r->o->experts]);
}

enum status repack_experts(struct plan *plan, struct source *source, const struct repack_options *o,
                           struct err *err)
{
    struct repack r = {.plan = plan, .source = source, .o = o};
    struct build b = {.r = &r,
                      .folder = {.plan = plan,
                                 .path = o->out,
                                 .metadata = source->st_meta.n ? &source->st_meta : NULL,
                                 .order = is_by_name(source) ? FOLDER_BY_NAME : FOLDER_BY_TYPE,
                                 .split_max_bytes = o->split_max_bytes}};

    if (source->kind == SOURCE_GGUF)
        return fail(err, E_UNSUPPORTED, "%s: is a GGUF file, whose experts are always stacked", source->path);
    enum status s = repack_find(&r, err);
    if (s == OK)
        s = check_work(&r, err);
    if (s == OK)
        s = build(&b, err);
    map_free(&r.parents);
    return s;
}
