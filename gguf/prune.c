/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/prune_int.h"

#include "gguf/from_gguf.h"
#include "formats/gguf.h"

#define BLOCKS_MAX 65536
#define LEFT_OUT   (MAP_NONE - 1)
#define KEY_BYTES  1024
#define REASON     "in a block that is left out (--prune-layers)"

/* ---- the list ---- */

static bool read_number(const char **s, uint64_t *v)
{
    const char *p = *s;

    for (*v = 0; *p >= '0' && *p <= '9'; p++)
        *v = min_u64(*v * 10 + (uint64_t)(*p - '0'), UINT32_MAX);
    bool any = p > *s;
    *s = p;
    return any;
}

static enum status read_list(const struct prune *p, struct err *err)
{
    const char *s = p->list;

    do {
        uint64_t first, last;
        bool fine = read_number(&s, &first);

        last = first;
        if (fine && *s == '-') {
            s++;
            fine = read_number(&s, &last) && first <= last;
        }
        if (!fine || (*s && *s != ','))
            return fail(err, E_USAGE,
                        "--prune-layers %s: must be block numbers and ranges with commas between, such as "
                        "4,20-22",
                        p->list);
        if (last >= p->nblock)
            return fail(err, E_USAGE,
                        "--prune-layers %s: there is no block %" PRIu64 ", the last is %" PRIu64, p->list,
                        last, p->nblock - 1);
        for (uint64_t i = first; i <= last; i++)
            p->gone[i] = true;
    } while (*s++ == ',');
    return OK;
}

/* ---- the model ---- */

const struct meta_kv *prune_find(const struct prune *p, const char *suffix)
{
    char key[KEY_BYTES];
    int n = snprintf(key, sizeof key, "%s.%s", p->arch, suffix);

    return n > 0 && (size_t)n < sizeof key ? meta_find(p->meta, key) : NULL;
}

static enum status read_model(struct prune *p, struct err *err)
{
    struct arena *a = &p->plan->arena;
    struct slice arch;

    if (!meta_str(meta_find(p->meta, "general.architecture"), &arch))
        return fail(err, E_FORMAT, "--prune-layers: general.architecture is missing");
    p->arch = arena_strndup(a, arch.p, arch.n);
    if (!p->arch)
        return fail_nomem(err);
    if (!meta_u64(prune_find(p, "block_count"), &p->nblock))
        return fail(err, E_UNSUPPORTED,
                    "--prune-layers: there is no %s.block_count, so no blocks to leave out", p->arch);
    (void)meta_u64(prune_find(p, "nextn_predict_layers"), &p->nhead);
    if (p->nblock == 0 || p->nblock > BLOCKS_MAX || p->nhead >= p->nblock)
        return fail(err, E_FORMAT,
                    "%s.block_count=%" PRIu64 ": must be 1 to %d, and more than the %" PRIu64
                    " of nextn_predict_layers",
                    p->arch, p->nblock, BLOCKS_MAX, p->nhead);
    p->gone = arena_array(a, p->nblock, sizeof *p->gone);
    p->number = arena_array(a, p->nblock, sizeof *p->number);
    return p->gone && p->number ? OK : fail_nomem(err);
}

static enum status number_blocks(const struct prune *p, struct err *err)
{
    uint64_t n = 0, trunk = p->nblock - p->nhead;

    for (uint64_t i = 0; i < p->nblock; i++) {
        p->number[i] = n;
        n += !p->gone[i];
        if (i + 1 == trunk && n == 0)
            return fail(err, E_USAGE, "--prune-layers %s: would leave no block of the %" PRIu64, p->list,
                        trunk);
    }
    return OK;
}

/* ---- the tensors ---- */

/* Takes a step out (*keep false) or gives it the name it has in the output. */
static enum status edit_step(const struct prune *p, struct plan_step *step, bool *keep, struct err *err)
{
    const char *rest;
    uint64_t block;

    *keep = true;
    if (!gguf_block(step->name, &block, &rest))
        return strstr(step->name, ".blk.")
                   ? fail(err, E_UNSUPPORTED,
                          "--prune-layers: tensor %s: the model has several stacks of blocks", step->name)
                   : OK;
    if (block >= p->nblock)
        return fail(err, E_FORMAT, "tensor %s: %s.block_count is %" PRIu64, step->name, p->arch, p->nblock);
    *keep = !p->gone[block];
    if (!*keep)
        return plan_drop(p->plan, step->name, REASON, err);
    step->name = arena_printf(&p->plan->arena, "blk.%" PRIu64 ".%s", p->number[block], rest);
    return step->name ? OK : fail_nomem(err);
}

static enum status edit_steps(const struct prune *p, struct err *err)
{
    struct plan *plan = p->plan;
    enum status s = OK;
    size_t n = 0;

    for (size_t i = 0; i < plan->nstep && s == OK; i++) {
        bool keep;

        s = edit_step(p, &plan->steps[i], &keep, err);
        if (s == OK && keep)
            plan->steps[n++] = plan->steps[i];
    }
    plan->nstep = n;
    return s;
}

enum status prune_edit(struct plan *plan, struct meta *meta, const char *list, struct err *err)
{
    struct prune p = {.plan = plan, .meta = meta, .list = list};
    enum status s = read_model(&p, err);

    if (s == OK)
        s = read_list(&p, err);
    if (s == OK)
        s = number_blocks(&p, err);
    if (s == OK)
        s = prune_check(&p, err);
    if (s == OK)
        s = edit_steps(&p, err);
    return s == OK ? prune_meta(&p, err) : s;
}

/* ---- importance data ---- */

/* From the source's names to steps; tensors that were left out are those of no step. */
static bool map_names(const struct plan *plan, struct map *names)
{
    uint32_t earlier;

    for (uint32_t i = 0; i < plan->nstep; i++)
        if (!map_add(names, slice_of(from_gguf_source(plan, i)->name), i, &earlier))
            return false;
    for (size_t i = 0; i < plan->ndropped; i++)
        if (!map_add(names, slice_of(plan->dropped[i].name), LEFT_OUT, &earlier))
            return false;
    return true;
}

static enum status rename_entries(const struct plan *plan, const struct map *names,
                                  const struct imatrix *from, struct imatrix *to, struct err *err)
{
    for (size_t i = 0; i < from->n; i++) {
        struct imatrix_entry e = from->entries[i];
        uint32_t step = map_find(names, slice_of(e.name)), earlier;

        if (step == LEFT_OUT)
            continue;
        if (step != MAP_NONE) // one that names no tensor stays, to be told about
            e.name = plan->steps[step].name;
        if (!map_add(&to->index, slice_of(e.name), (uint32_t)to->n, &earlier))
            return fail_nomem(err);
        if (earlier == MAP_NONE)
            to->entries[to->n++] = e;
    }
    return OK;
}

enum status prune_imatrix(const struct plan *plan, const struct imatrix *from, struct imatrix *to,
                          struct err *err)
{
    struct map names = {0};

    *to = (struct imatrix){.path = from->path, .dataset = from->dataset, .chunk_count = from->chunk_count};
    arena_init(&to->arena, 0);
    to->entries = arena_array(&to->arena, from->n, sizeof *to->entries);
    enum status s = to->entries && map_names(plan, &names) ? OK : fail_nomem(err);
    if (s == OK)
        s = rename_entries(plan, &names, from, to, err);
    map_free(&names);
    return s;
}
