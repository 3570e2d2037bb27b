/* SPDX-License-Identifier: Apache-2.0 */
/* A graft in memory. */
#include "graft/check.h"
#include "graft/pieces.h"

struct adoption {
    struct graft_match *match;
    struct source *target;
    uint32_t *file; /* of each of the donor's files, its number among the target's; UINT32_MAX: not there */
};

/* The number of one of the donor's files among the target's. */
static enum status take_file(struct adoption *a, uint32_t donors, uint32_t *number, struct err *err)
{
    uint32_t *file = &a->file[donors];
    enum status s = OK;

    if (*file == UINT32_MAX)
        s = source_add_file(a->target, a->match->donor.source->files[donors].path, file, err);
    *number = *file;
    return s;
}

static enum status add_piece(void *ctx, const struct head_piece *p, struct err *err)
{
    struct adoption *a = ctx;
    const struct source *donor = a->match->donor.source;
    const struct tensor *of = p->span[0].t;
    struct tensor t = {.name = arena_strdup(&a->target->arena, p->name), .dtype = of->dtype, .rank = p->rank};
    uint64_t skip;

    require(p->nspan == 1); // layouts that come from a GGUF file's stacks
    memcpy(t.shape, p->shape, p->rank * sizeof t.shape[0]);
    if (!t.name)
        return fail_nomem(err);
    if (!dtype_nbytes(t.dtype, p->span[0].nelem, &t.nbytes) ||
        !dtype_nbytes(t.dtype, p->span[0].first, &skip))
        return fail(err, E_FORMAT, "%s: tensor %s: shape and type do not fit", donor->files[of->file].path,
                    of->name);
    enum status s = take_file(a, of->file, &t.file, err);
    t.off = of->off + skip;
    for (uint32_t k = 1; k < dtype_parts(t.dtype)->n && s == OK; k++) {
        s = take_file(a, of->more[k - 1].file, &t.more[k - 1].file, err);
        t.more[k - 1].off = of->more[k - 1].off + dtype_part_nbytes(t.dtype, k, p->span[0].first);
    }
    return s == OK ? source_push_tensor(a->target, &t, err) : s;
}

/* Whether a tensor comes behind those of the head's file, as shards follow by name. */
static bool is_behind(const struct source *s, const struct tensor *t)
{
    struct slice base = path_base(s->files[t->file].path), head = slice_of(GRAFT_HEAD_FILE);
    int order = memcmp(base.p, head.p, min_u64(base.n, head.n));

    return order > 0 || (order == 0 && base.n > head.n);
}

/* The target's tensors up to the head's file, the head, the others; none of the head before. */
static enum status rebuild(struct adoption *a, struct err *err)
{
    struct source *s = a->target;
    size_t n = s->ntensor, nhead = 0;
    struct head_visit visit = {
        .head = &a->match->donor.head, .hp = &a->match->target.hp, .ctx = a, .fn = add_piece};
    struct tensor *kept = calloc(n + 1, sizeof *kept);
    bool *behind = calloc(n + 1, sizeof *behind);
    enum status st = kept && behind ? OK : fail_nomem(err);

    if (st == OK) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++)
            if (!graft_is_of_head(a->match, &s->tensors[i]))
                kept[k++] = s->tensors[i];
        n = k;
        s->ntensor = 0;
        for (size_t i = 0; i < n && st == OK; i++)
            if (!(behind[i] = is_behind(s, &kept[i])))
                st = source_push_tensor(s, &kept[i], err);
    }
    size_t first = s->ntensor;
    if (st == OK)
        st = head_visit(&visit, err);
    nhead = s->ntensor - first;
    for (size_t i = 0; i < n && st == OK; i++)
        if (behind[i])
            st = source_push_tensor(s, &kept[i], err);
    free(kept);
    free(behind);
    return st == OK ? source_sort_tensors(s, first, nhead, err) : st;
}

enum status graft_adopt(struct graft_match *m, struct err *err)
{
    struct adoption a = {.match = m, .target = m->target.source};
    size_t nfile = m->donor.source->nfile;
    enum status s = check_folder(a.target, err);

    a.file = s == OK ? calloc(nfile + 1, sizeof *a.file) : NULL;
    if (s == OK && !a.file)
        s = fail_nomem(err);
    for (size_t i = 0; i < nfile && s == OK; i++)
        a.file[i] = UINT32_MAX;
    if (s == OK)
        s = rebuild(&a, err);
    free(a.file);
    return s;
}
