/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors are experts, and whether those of a layer make a whole. */
#include "repack/repack_int.h"
#include "core/json.h"

#define MATRICES_MAX 64 /* kinds of tensors of one layer's experts */
#define SHARED_PART  ".tq_bits"

/* ---- collecting ---- */

static enum status group_of(struct repack *r, struct slice parent, uint32_t *index, struct err *err)
{
    struct arena *a = &r->plan->arena;
    uint32_t existing;

    *index = map_find(&r->parents, parent);
    if (*index != MAP_NONE)
        return OK;
    *index = (uint32_t)r->ngroup;
    if (!arena_grow(a, (void **)&r->groups, r->ngroup, &r->group_cap, sizeof *r->groups) ||
        !map_add(&r->parents, parent, *index, &existing))
        return fail_nomem(err);
    r->groups[r->ngroup++] = (struct repack_group){.parent = parent};
    return OK;
}

static enum status collect(struct repack *r, uint32_t i, struct err *err)
{
    const struct expert_name *e = &r->names[i];
    struct repack_group *g;

    r->group_of[i] = MAP_NONE;
    if (!experts_parse(r->source->tensors[i].name, &r->names[i]))
        return OK;
    enum status s = group_of(r, e->parent, &r->group_of[i], err);
    if (s != OK)
        return s;
    g = &r->groups[r->group_of[i]];
    if (!arena_grow(&r->plan->arena, (void **)&g->items, g->nitem, &g->item_cap, sizeof *g->items))
        return fail_nomem(err);
    g->items[g->nitem++] = i;
    g->moves = g->moves || !experts_fits(e, r->o->experts);
    if (e->numbered && e->number > g->max)
        g->max = e->number;
    return OK;
}

/* ---- how many there are ---- */

/* What config.json says; 0 when it says nothing. */
static uint64_t configured_count(const struct json *config)
{
    static const char *const keys[] = {"num_experts", "num_local_experts", "n_routed_experts",
                                       "moe_num_experts"};
    const struct json *places[] = {json_get(config, "text_config"), config};
    int64_t n;

    for (size_t p = 0; p < ARRAY_LEN(places); p++)
        for (size_t i = 0; i < ARRAY_LEN(keys); i++)
            if (json_int(json_get(places[p], keys[i]), &n) && n > 0)
                return (uint64_t)n;
    return 0;
}

static enum status count_experts(const struct repack *r, struct repack_group *g, struct err *err)
{
    const struct tensor *first = &r->source->tensors[g->items[0]];
    bool numbered = r->names[g->items[0]].numbered;
    uint64_t configured = configured_count(r->source->config), n = configured;

    if (n == 0)
        n = numbered ? (uint64_t)g->max + 1 : first->rank ? first->shape[0] : 0;
    if (numbered && n > r->source->ntensor)
        return fail(err, E_FORMAT,
                    "%s: %.*s: would have %" PRIu64 " experts%s, but there are only %zu tensors",
                    r->source->path, (int)g->parent.n, g->parent.p, n, configured ? " (config.json)" : "",
                    r->source->ntensor);
    if (n == 0 || n > EXPERTS_MAX)
        return fail(err, E_FORMAT, "%s: tensor %s: is of %" PRIu64 " experts, of at most %d that are handled",
                    r->source->path, first->name, n, EXPERTS_MAX);
    if (numbered && g->max >= n)
        return fail(err, E_FORMAT, "%s: %.*s: has an expert %" PRIu32 ", but config.json counts %" PRIu64,
                    r->source->path, (int)g->parent.n, g->parent.p, g->max, n);
    g->n = (uint32_t)n;
    return OK;
}

/* ---- matrices ---- */

static struct repack_matrix *find_matrix(const struct repack_group *g, enum expert_proj proj,
                                         const char *part)
{
    for (size_t i = 0; i < g->nmatrix; i++)
        if (g->matrices[i].proj == proj && strcmp(g->matrices[i].part, part) == 0)
            return &g->matrices[i];
    return NULL;
}

const struct repack_matrix *repack_matrix(const struct repack_group *g, enum expert_proj proj,
                                          const char *part)
{
    return find_matrix(g, proj, part);
}

static enum status new_matrix(struct repack *r, struct repack_group *g, const struct expert_name *e,
                              struct repack_matrix **m, struct err *err)
{
    struct arena *a = &r->plan->arena;

    if (g->nmatrix == MATRICES_MAX)
        return fail(err, E_UNSUPPORTED, "%s: %.*s: its experts have more than %d kinds of tensors",
                    r->source->path, (int)g->parent.n, g->parent.p, MATRICES_MAX);
    if (!arena_grow(a, (void **)&g->matrices, g->nmatrix, &g->matrix_cap, sizeof *g->matrices))
        return fail_nomem(err);
    *m = &g->matrices[g->nmatrix++];
    **m = (struct repack_matrix){.proj = e->proj,
                                 .part = e->part[0] ? e->part : ".weight",
                                 .numbered = e->numbered,
                                 .tensor = arena_array(a, e->numbered ? g->n : 1, sizeof *(*m)->tensor)};
    (*m)->shared = strcmp((*m)->part, SHARED_PART) == 0;
    return (*m)->tensor ? OK : fail_nomem(err);
}

/* Puts a tensor in its place. */
static enum status add_item(struct repack *r, struct repack_group *g, uint32_t item, struct err *err)
{
    const struct tensor *t = &r->source->tensors[item];
    const struct expert_name *e = &r->names[item];
    struct repack_matrix *m = find_matrix(g, e->proj, e->part[0] ? e->part : ".weight");
    enum status s = m ? OK : new_matrix(r, g, e, &m, err);

    if (s != OK)
        return s;
    const struct tensor **at = &m->tensor[m->numbered ? e->number : 0];
    if (e->numbered != r->names[g->items[0]].numbered)
        return fail(err, E_FORMAT, "%s: tensor %s: stands beside %s, which is of another layout",
                    r->source->path, t->name, r->source->tensors[g->items[0]].name);
    if (*at)
        return fail(err, E_FORMAT, "%s: tensor %s: stands beside %s", r->source->path, t->name, (*at)->name);
    *at = t;
    return OK;
}

static enum status check_complete(const struct repack *r, const struct repack_group *g,
                                  const struct repack_matrix *m, struct err *err)
{
    char list[EXPERTS_LIST_MAX];
    size_t nmissing = experts_missing(m->tensor, m->numbered ? g->n : 1, list);
    uint32_t there = 0;

    if (nmissing == 0)
        return OK;
    while (!m->tensor[there])
        there++;
    return fail(err, E_FORMAT, "%s: the experts like %s are incomplete: %zu of %" PRIu32 " are missing: %s",
                r->source->path, m->tensor[there]->name, nmissing, g->n, list);
}

static enum status check_alike(const struct repack *r, const struct tensor *a, const struct tensor *b,
                               struct err *err)
{
    char a_text[SHAPE_TEXT_MAX], b_text[SHAPE_TEXT_MAX];

    if (a->dtype == b->dtype && a->rank == b->rank &&
        memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0)
        return OK;
    return fail(err, E_FORMAT, "%s: tensor %s: is %s %s, but %s is %s %s", r->source->path, b->name,
                dtype_name(b->dtype), shape_text(b->shape, b->rank, b_text), a->name, dtype_name(a->dtype),
                shape_text(a->shape, a->rank, a_text));
}

static enum status read_number(const struct repack *r, const struct tensor *t, unsigned char number[8],
                               struct err *err)
{
    uint64_t nelem;

    if (!shape_nelem(t->shape, t->rank, &nelem) || nelem != 1 || t->nbytes > 8)
        return fail(err, E_FORMAT, "%s: tensor %s: is to be one number", r->source->path, t->name);
    return file_read_at(r->source->files[t->file].file, number, (size_t)t->nbytes, t->off, err);
}

/* Two tensors of one type that become one must say the same. */
static enum status check_same_number(const struct repack *r, const struct tensor *a, const struct tensor *b,
                                     struct err *err)
{
    unsigned char x[8] = {0}, y[8] = {0};
    enum status s = read_number(r, a, x, err);

    if (s == OK)
        s = read_number(r, b, y, err);
    if (s == OK && memcmp(x, y, sizeof x) != 0)
        s = fail(err, E_UNSUPPORTED, "%s: tensor %s: differs from %s: they cannot become one",
                 r->source->path, b->name, a->name);
    return s;
}

static enum status check_shared(const struct repack *r, const struct repack_group *g,
                                const struct repack_matrix *m, struct err *err)
{
    enum status s = OK;

    for (uint32_t e = 0; e < (m->numbered ? g->n : 1) && s == OK; e++)
        s = check_same_number(r, m->tensor[0], m->tensor[e], err);
    return s;
}

/* What one expert's matrix is. */
static enum status measure(const struct repack *r, const struct repack_group *g, struct repack_matrix *m,
                           struct err *err)
{
    const struct tensor *t = m->tensor[0];
    bool stacked = !m->numbered && !m->shared;
    char text[SHAPE_TEXT_MAX];
    enum status s = OK;

    for (uint32_t e = 1; m->numbered && e < g->n && s == OK; e++)
        s = check_alike(r, t, m->tensor[e], err);
    if (s != OK)
        return s;
    if (stacked && (t->rank == 0 || t->shape[0] != g->n))
        return fail(err, E_FORMAT,
                    "%s: tensor %s: shape=%s: should begin with %" PRIu32 ", the number of experts",
                    r->source->path, t->name, shape_text(t->shape, t->rank, text), g->n);
    m->dtype = t->dtype;
    m->rank = t->rank - stacked;
    memcpy(m->shape, t->shape + stacked, m->rank * sizeof m->shape[0]);
    if (!shape_nelem(m->shape, m->rank, &m->nelem) || m->nelem == 0)
        return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: has no elements", r->source->path, t->name,
                    shape_text(t->shape, t->rank, text));
    m->stride = stacked ? m->nelem : 0;
    if (m->numbered && !m->shared && m->rank == TENSOR_MAX_RANK)
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: shape=%s: has no room for an axis of experts",
                    r->source->path, t->name, shape_text(t->shape, t->rank, text));
    return m->shared ? check_shared(r, g, m, err) : OK;
}

/* ---- fused projections ---- */

static bool is_float(enum dtype t)
{
    return t == DT_F32 || t == DT_F16 || t == DT_BF16 || t == DT_F8_E4M3 || t == DT_F8_E5M2;
}

/* Some families keep fused matrices transposed, or the two projections interleaved. */
static enum status check_orientation(const struct repack *r, const struct repack_group *g, struct err *err)
{
    const struct repack_matrix *both = repack_matrix(g, EXPERT_GATE_UP, ".weight");
    const struct repack_matrix *down = repack_matrix(g, EXPERT_DOWN, ".weight");
    char both_text[SHAPE_TEXT_MAX], down_text[SHAPE_TEXT_MAX];

    if (!both || !down || !is_float(both->dtype) || !is_float(down->dtype))
        return OK;
    if (both->rank == 2 && down->rank == 2 && both->shape[1] == down->shape[0] &&
        both->shape[0] == 2 * down->shape[1])
        return OK;
    bool transposed = both->rank == 2 && down->rank == 2 && both->shape[0] == down->shape[1] &&
                      both->shape[1] == 2 * down->shape[0];
    return fail(err, transposed ? E_UNSUPPORTED : E_FORMAT,
                "%s: %.*s: gate_up_proj of %s and down_proj of %s for each expert %s", r->source->path,
                (int)g->parent.n, g->parent.p, shape_text(both->shape, both->rank, both_text),
                shape_text(down->shape, down->rank, down_text),
                transposed ? "are transposed, which is not handled" : "do not fit each other");
}

/* gate_up_proj becomes the two that it holds. */
static enum status divide(struct repack *r, struct repack_group *g, size_t i, struct err *err)
{
    struct expert_name e = {.parent = g->parent, .proj = EXPERT_UP, .part = g->matrices[i].part};
    struct repack_matrix *up, *gate;
    char text[SHAPE_TEXT_MAX];

    if (repack_matrix(g, EXPERT_GATE, e.part) || repack_matrix(g, EXPERT_UP, e.part))
        return fail(err, E_FORMAT, "%s: %.*s: has gate_proj or up_proj beside gate_up_proj", r->source->path,
                    (int)g->parent.n, g->parent.p);
    enum status s = new_matrix(r, g, &e, &up, err);
    if (s != OK)
        return s;
    gate = &g->matrices[i];
    if (!gate->shared && (gate->rank == 0 || gate->shape[0] % 2))
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: shape=%s: its rows are not those of two projections",
                    r->source->path, gate->tensor[0]->name,
                    shape_text(gate->tensor[0]->shape, gate->tensor[0]->rank, text));
    gate->proj = EXPERT_GATE;
    if (!gate->shared) {
        gate->shape[0] /= 2;
        gate->nelem /= 2;
    }
    const struct tensor **tensor = up->tensor;
    *up = *gate;
    up->proj = EXPERT_UP;
    up->base = gate->shared ? 0 : gate->nelem;
    up->tensor = tensor;
    up->tensor[0] = gate->tensor[0];
    return OK;
}

/* Whether gate and up can lie one above the other. */
static enum status check_fusable(const struct repack *r, const struct repack_group *g,
                                 const struct repack_matrix *m, struct err *err)
{
    const struct repack_matrix *gate = repack_matrix(g, EXPERT_GATE, m->part);
    const struct repack_matrix *up = repack_matrix(g, EXPERT_UP, m->part);
    const struct repack_matrix *weight = repack_matrix(g, EXPERT_GATE, ".weight");
    char gate_text[SHAPE_TEXT_MAX], up_text[SHAPE_TEXT_MAX];

    if (!gate || !up)
        return fail(err, E_UNSUPPORTED, "%s: %.*s: has %s%s, but no %s%s: they cannot be fused",
                    r->source->path, (int)g->parent.n, g->parent.p, expert_proj_name(m->proj), m->part,
                    expert_proj_name(gate ? EXPERT_UP : EXPERT_GATE), m->part);
    if (gate->dtype != up->dtype || gate->rank != up->rank ||
        memcmp(gate->shape, up->shape, gate->rank * sizeof gate->shape[0]) != 0)
        return fail(err, E_UNSUPPORTED,
                    "%s: %.*s: gate_proj%s is %s %s, but up_proj%s is %s %s: they cannot be "
                    "fused",
                    r->source->path, (int)g->parent.n, g->parent.p, m->part, dtype_name(gate->dtype),
                    shape_text(gate->shape, gate->rank, gate_text), m->part, dtype_name(up->dtype),
                    shape_text(up->shape, up->rank, up_text));
    if (gate->shared)
        return check_same_number(r, gate->tensor[0], up->tensor[0], err);
    bool one = gate->rank == 0 || (gate->rank == 1 && gate->shape[0] == 1);
    if (one && !(weight && weight->rank > 0 && weight->shape[0] == 1))
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: is one value for a whole matrix: it cannot be fused",
                    r->source->path, gate->tensor[0]->name);
    return OK;
}

/* ---- groups ---- */

static bool has_projection(const struct repack_group *g, enum expert_proj proj)
{
    for (size_t i = 0; i < g->nmatrix; i++)
        if (g->matrices[i].proj == proj)
            return true;
    return false;
}

static enum status check_group(const struct repack *r, const struct repack_group *g, struct err *err)
{
    enum status s = OK;

    for (int p = EXPERT_UP; p <= EXPERT_DOWN; p++)
        if (!has_projection(g, (enum expert_proj)p))
            return fail(err, E_FORMAT, "%s: %.*s: its experts have no %s", r->source->path, (int)g->parent.n,
                        g->parent.p, expert_proj_name((enum expert_proj)p));
    for (size_t i = 0; i < g->nmatrix && s == OK && r->o->experts == EXPERTS_FUSED; i++)
        if (g->matrices[i].proj != EXPERT_DOWN)
            s = check_fusable(r, g, &g->matrices[i], err);
    return s;
}

/* Every tensor in its place, none missing. */
static enum status collect_matrices(struct repack *r, struct repack_group *g, struct err *err)
{
    enum status s = count_experts(r, g, err);

    for (size_t i = 0; i < g->nitem && s == OK; i++)
        s = add_item(r, g, g->items[i], err);
    for (size_t i = 0; i < g->nmatrix && s == OK; i++)
        s = check_complete(r, g, &g->matrices[i], err);
    return s;
}

static enum status build_group(struct repack *r, struct repack_group *g, struct err *err)
{
    enum status s = collect_matrices(r, g, err);

    g->plain = true;
    for (size_t i = 0; i < g->nmatrix && s == OK; i++) {
        g->plain = g->plain && strcmp(g->matrices[i].part, ".weight") == 0;
        s = measure(r, g, &g->matrices[i], err);
    }
    if (s == OK)
        s = check_orientation(r, g, err);
    for (size_t i = 0, n = g->nmatrix; i < n && s == OK; i++)
        if (g->matrices[i].proj == EXPERT_GATE_UP)
            s = divide(r, g, i, err);
    return s == OK ? check_group(r, g, err) : s;
}

enum status repack_find(struct repack *r, struct err *err)
{
    size_t n = r->source->ntensor;
    enum status s = OK;

    r->names = arena_array(&r->plan->arena, n, sizeof *r->names);
    r->group_of = arena_array(&r->plan->arena, n, sizeof *r->group_of);
    if (!r->names || !r->group_of)
        return fail_nomem(err);
    for (size_t i = 0; i < n && s == OK; i++)
        s = collect(r, (uint32_t)i, err);
    if (s == OK && r->ngroup == 0)
        s = fail(err, E_UNSUPPORTED,
                 "%s: has no experts: no tensor is called like model.layers.0.mlp.experts.0."
                 "gate_proj.weight, ...experts.gate_up_proj or ...switch_mlp.gate_proj.weight",
                 r->source->path);
    for (size_t i = 0; i < r->ngroup && s == OK; i++) {
        struct repack_group *g = &r->groups[i];

        if (g->moves)
            s = build_group(r, g, err);
        else if (r->names[g->items[0]].numbered)
            s = collect_matrices(r, g, err);
    }
    return s;
}
