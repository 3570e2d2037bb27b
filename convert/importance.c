/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/importance.h"

#define SISTERS_MAX 4
#define NAME_BYTES  512

/* Weights that see the same input. Stacked experts may take the shared expert's, which sees every token. */
static const char *const sisters[][SISTERS_MAX] = {
    {"ffn_gate.weight", "ffn_up.weight"},
    {"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_gate_shexp.weight", "ffn_up_shexp.weight"},
    {"ffn_gate_shexp.weight", "ffn_up_shexp.weight"},
    {"attn_q.weight", "attn_k.weight", "attn_v.weight"},
    {"attn_qkv.weight", "attn_gate.weight", "ssm_beta.weight", "ssm_alpha.weight"},
};

static uint64_t columns(const struct plan_step *step)
{
    return step->rank ? step->shape[step->rank - 1] : 1;
}

/* Matrices of a stack of experts. */
static uint64_t matrices(const struct plan_step *step)
{
    return step->rank >= 3 ? step->shape[step->rank - 3] : 1;
}

static bool fits_all(const struct plan_step *step, const struct imatrix_entry *e)
{
    return e->n == columns(step) * matrices(step);
}

static void use(const struct plan_step *step, const struct imatrix_entry *e, struct plan_sink *sink)
{
    sink->weights = e->values;
    sink->weight_rows = fits_all(step, e) && matrices(step) > 1 ? step->shape[step->rank - 2] : 0;
}

enum status importance_check(const struct importance *im, struct err *err)
{
    struct map names = {0};
    enum status s = OK;

    for (size_t i = 0; i < im->plan->nstep && s == OK; i++) {
        uint32_t earlier;

        if (!map_add(&names, slice_of(im->plan->steps[i].name), 0, &earlier))
            s = fail_nomem(err);
    }
    for (size_t i = 0; im->imatrix && i < im->imatrix->n && s == OK; i++)
        if (map_find(&names, slice_of(im->imatrix->entries[i].name)) == MAP_NONE)
            s = fail(err, E_USAGE, "%s: entry %s names no tensor of the model: it was made for another one",
                     im->imatrix->path, im->imatrix->entries[i].name);
    map_free(&names);
    return s;
}

/* ---- borrowing ---- */

/* "blk.N." of a name and what follows; false for tensors outside the blocks. */
static bool split_name(const char *name, long *block, const char **rest)
{
    char *end;

    if (!str_starts(name, "blk."))
        return false;
    *block = strtol(name + 4, &end, 10);
    *rest = end + 1;
    return *end == '.' && end != name + 4;
}

static const struct imatrix_entry *lookup(const struct importance *im, const struct plan_step *step,
                                          long block, const char *rest)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "blk.%ld.%s", block, rest);
    const struct imatrix_entry *e = im->imatrix ? imatrix_find(im->imatrix, name) : NULL;
    return e && (fits_all(step, e) || e->n == columns(step)) ? e : NULL;
}

static const struct imatrix_entry *from_sister(const struct importance *im, const struct plan_step *step,
                                               long block, const char *rest)
{
    for (size_t g = 0; g < ARRAY_LEN(sisters); g++) {
        bool member = false;

        for (size_t i = 0; i < SISTERS_MAX && sisters[g][i]; i++)
            member = member || strcmp(sisters[g][i], rest) == 0;
        for (size_t i = 0; member && i < SISTERS_MAX && sisters[g][i]; i++) {
            const struct imatrix_entry *e = lookup(im, step, block, sisters[g][i]);

            if (e)
                return e;
        }
    }
    return NULL;
}

static const struct imatrix_entry *from_near_layer(const struct importance *im, const struct plan_step *step,
                                                   long block, const char *rest)
{
    for (long distance = 1; distance <= 4096; distance++) {
        const struct imatrix_entry *e = block >= distance ? lookup(im, step, block - distance, rest) : NULL;

        e = e ? e : lookup(im, step, block + distance, rest);
        if (e)
            return e;
    }
    return NULL;
}

static enum status set_neutral(struct importance *im, const struct plan_step *step, struct plan_sink *sink,
                               struct err *err)
{
    float *ones = arena_array(&im->plan->arena, columns(step), sizeof *ones);

    if (!ones)
        return fail_nomem(err);
    for (uint64_t i = 0; i < columns(step); i++)
        ones[i] = 1.0f;
    sink->weights = ones;
    return notes_add(&im->plan->notes, err, "%s: no importance data, all columns weigh alike", step->name);
}

static enum status borrow(struct importance *im, const struct plan_step *step, struct plan_sink *sink,
                          struct err *err)
{
    const struct imatrix_entry *e = NULL;
    const char *rest;
    long block;

    if (split_name(step->name, &block, &rest)) {
        e = from_sister(im, step, block, rest);
        e = e ? e : from_near_layer(im, step, block, rest);
    }
    if (!e)
        return set_neutral(im, step, sink, err);
    use(step, e, sink);
    return notes_add(&im->plan->notes, err, "%s: no importance data, borrowed from %s", step->name, e->name);
}

/* ---- setting ---- */

static enum status set_missing(struct importance *im, const struct plan_step *step, struct plan_sink *sink,
                               struct err *err)
{
    switch (im->policy) {
    case MISSING_NEUTRAL:
        return set_neutral(im, step, sink, err);
    case MISSING_BORROW:
        return borrow(im, step, sink, err);
    case MISSING_ERROR:
        break;
    }
    if (im->nmissing++ == 0)
        im->first_missing = step->name;
    return OK;
}

enum status importance_set(struct importance *im, const struct plan_step *step, struct plan_sink *sink,
                           bool needed, struct err *err)
{
    const struct imatrix_entry *e = im->imatrix ? imatrix_find(im->imatrix, step->name) : NULL;
    bool embedding = str_ends(step->name, "token_embd.weight");

    if (e && !fits_all(step, e) && !embedding)
        return fail(err, E_FORMAT,
                    "%s: entry %s has %" PRIu64 " values, the tensor %" PRIu64 " columns in %" PRIu64
                    " matrices",
                    im->imatrix->path, e->name, e->n, columns(step), matrices(step));
    if (e && fits_all(step, e)) {
        use(step, e, sink);
        if (e->nunhit > 0)
            return notes_add(&im->plan->notes, err,
                             "%s: %" PRIu64 " of %" PRIu64 " experts were never hit in calibration: "
                             "their columns weigh alike",
                             step->name, e->nunhit, e->nmatrix);
        return OK;
    }
    return needed ? set_missing(im, step, sink, err) : OK;
}

enum status importance_finish(const struct importance *im, struct err *err)
{
    if (im->nmissing == 0)
        return OK;
    return fail(err, E_USAGE,
                "%zu tensor%s, %s first, need importance data and have none; --imatrix FILE gives it, "
                "--imatrix-missing neutral or borrow goes without",
                im->nmissing, im->nmissing == 1 ? "" : "s", im->first_missing);
}
