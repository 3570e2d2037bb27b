/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/importance.h"

#include "formats/gguf.h"

#define SISTERS_MAX  4
#define NAME_BYTES   512
#define MAX_DISTANCE 4096 /* layers */

/* Weights that see the same input. Stacked experts may take the shared expert's, which sees every token. */
static const char *const sisters[][SISTERS_MAX] = {
    {"ffn_gate.weight", "ffn_up.weight"},
    {"ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_gate_shexp.weight", "ffn_up_shexp.weight"},
    {"ffn_gate_shexp.weight", "ffn_up_shexp.weight"},
    {"attn_q.weight", "attn_k.weight", "attn_v.weight"},
    {"attn_qkv.weight", "attn_gate.weight", "ssm_beta.weight", "ssm_alpha.weight"},
};

static uint64_t columns(const struct draft_tensor *t)
{
    return t->rank ? t->shape[t->rank - 1] : 1;
}

/* Matrices of a stack of experts. */
static uint64_t matrices(const struct draft_tensor *t)
{
    return t->rank >= 3 ? t->shape[t->rank - 3] : 1;
}

static bool fits_all(const struct draft_tensor *t, const struct imatrix_entry *e)
{
    return e->n == columns(t) * matrices(t);
}

static void use(struct draft_tensor *t, const float *values, bool of_each_matrix)
{
    t->sink.weights = values;
    t->sink.weight_rows = of_each_matrix && matrices(t) > 1 ? t->shape[t->rank - 2] : 0;
}

enum status importance_check(const struct importance *im, struct err *err)
{
    const struct draft *d = im->draft;
    struct map names = {0};
    enum status s = OK;

    for (size_t i = 0; im->imatrix && i < d->n && s == OK; i++) {
        uint32_t earlier;

        if (!map_add(&names, slice_of(d->tensors[i].name), 0, &earlier))
            s = fail_nomem(err);
    }
    for (size_t i = 0; im->imatrix && i < im->imatrix->n && s == OK; i++) {
        struct slice name = slice_of(im->imatrix->entries[i].name);

        if (map_find(&names, name) == MAP_NONE && (!d->left_out || map_find(d->left_out, name) == MAP_NONE))
            s = fail(err, E_USAGE, "%s: entry %s names no tensor of the model: it was made for another one",
                     im->imatrix->path, im->imatrix->entries[i].name);
    }
    map_free(&names);
    return s;
}

/* ---- whom to borrow from ---- */

/* Those who may lend to a tensor, nearest first: its sisters, then itself in other layers. Zero it, set the
 * first two. */
struct lenders {
    const struct importance *im;
    const struct draft_tensor *to;
    size_t sister;     /* of all sisters in a row */
    uint64_t distance; /* in layers; the odd calls look before, the even ones behind */
    bool behind;
};

static const struct imatrix_entry *lookup(const struct lenders *l, uint64_t block, const char *rest)
{
    char name[NAME_BYTES];

    snprintf(name, sizeof name, "blk.%" PRIu64 ".%s", block, rest);
    const struct imatrix_entry *e = l->im->imatrix ? imatrix_find(l->im->imatrix, name) : NULL;
    return e && (fits_all(l->to, e) || e->n == columns(l->to)) ? e : NULL;
}

static bool are_sisters(size_t group, const char *rest)
{
    for (size_t i = 0; i < SISTERS_MAX && sisters[group][i]; i++)
        if (strcmp(sisters[group][i], rest) == 0)
            return true;
    return false;
}

/* The next lender, or NULL. */
static const struct imatrix_entry *next_lender(struct lenders *l)
{
    const struct imatrix_entry *e = NULL;
    const char *rest;
    uint64_t block;

    if (!gguf_block(l->to->name, &block, &rest))
        return NULL;
    for (; l->sister < ARRAY_LEN(sisters) * SISTERS_MAX && !e; l->sister++) {
        const char *sister = sisters[l->sister / SISTERS_MAX][l->sister % SISTERS_MAX];

        if (sister && strcmp(sister, rest) != 0 && are_sisters(l->sister / SISTERS_MAX, rest))
            e = lookup(l, block, sister);
    }
    while (!e && l->distance < MAX_DISTANCE) {
        l->distance += !l->behind;
        e = l->behind ? lookup(l, block + l->distance, rest)
                      : (block >= l->distance ? lookup(l, block - l->distance, rest) : NULL);
        l->behind = !l->behind;
    }
    return e;
}

/* ---- single experts ---- */

/* Fills the rows of experts that have none from one lender; *list gets their numbers. */
static size_t fill_from(const struct draft_tensor *t, const struct imatrix_entry *from, float *values,
                        bool *unhit, struct buf *list)
{
    uint64_t ncol = columns(t), nmatrix = matrices(t);
    bool of_each = from->nmatrix == nmatrix && fits_all(t, from);
    size_t n = 0;

    for (uint64_t m = 0; m < nmatrix; m++) {
        if (!unhit[m] || (from->unhit && from->unhit[of_each ? m : 0]))
            continue;
        memcpy(values + m * ncol, from->values + (of_each ? m * ncol : 0), ncol * sizeof *values);
        unhit[m] = false;
        buf_printf(list, "%s%" PRIu64, n++ ? ", " : "", m);
    }
    return n;
}

/* Rows of a tensor's own data, or of borrowed data, that calibration never reached. */
static enum status borrow_rows(struct importance *im, struct draft_tensor *t, const struct imatrix_entry *e,
                               struct err *err)
{
    struct arena *a = &im->draft->plan->arena;
    struct notes *notes = &im->draft->plan->notes;
    float *values = arena_array(a, e->n, sizeof *values);
    bool *unhit = arena_array(a, e->nmatrix, sizeof *unhit);
    struct lenders lenders = {im, t};
    const struct imatrix_entry *from;
    uint64_t left = e->nunhit;
    enum status s = OK;

    if (!values || !unhit)
        return fail_nomem(err);
    memcpy(values, e->values, e->n * sizeof *values);
    memcpy(unhit, e->unhit, e->nmatrix * sizeof *unhit);
    while (s == OK && left > 0 && (from = next_lender(&lenders))) {
        struct buf list;

        buf_init(&list, MIB);
        size_t n = fill_from(t, from, values, unhit, &list);
        left -= n;
        if (n > 0)
            s = notes_add(notes, err, "%s: never hit in calibration, borrowed from %s: expert%s %s", t->name,
                          from->name, n == 1 ? "" : "s", list.p ? list.p : "");
        buf_free(&list);
    }
    if (s == OK && left > 0)
        s = notes_add(notes, err, "%s: hit nowhere, all columns weigh alike: %" PRIu64 " expert%s", t->name,
                      left, left == 1 ? "" : "s");
    use(t, values, true);
    return s;
}

/* ---- whole tensors ---- */

/* Ones for the widest of the draft's rows, shared by all. */
static enum status make_ones(struct importance *im, struct err *err)
{
    uint64_t most = 1;

    for (size_t i = 0; i < im->draft->n; i++)
        most = max_u64(most, columns(&im->draft->tensors[i]));
    float *ones = arena_array(&im->draft->plan->arena, most, sizeof *ones);
    if (!ones)
        return fail_nomem(err);
    for (uint64_t i = 0; i < most; i++)
        ones[i] = 1.0f;
    im->ones = ones;
    return OK;
}

static enum status set_neutral(struct importance *im, struct draft_tensor *t, struct err *err)
{
    enum status s = im->ones ? OK : make_ones(im, err);

    if (s != OK)
        return s;
    use(t, im->ones, false);
    return notes_add(&im->draft->plan->notes, err, "%s: no importance data, all columns weigh alike",
                     t->name);
}

static enum status borrow(struct importance *im, struct draft_tensor *t, struct err *err)
{
    struct lenders lenders = {im, t};
    const struct imatrix_entry *e = next_lender(&lenders);

    if (!e)
        return set_neutral(im, t, err);
    use(t, e->values, fits_all(t, e));
    enum status s =
        notes_add(&im->draft->plan->notes, err, "%s: no importance data, borrowed from %s", t->name, e->name);
    return s == OK && e->unhit && fits_all(t, e) ? borrow_rows(im, t, e, err) : s;
}

static enum status set_missing(struct importance *im, struct draft_tensor *t, struct err *err)
{
    switch (im->policy) {
    case MISSING_NEUTRAL:
        return set_neutral(im, t, err);
    case MISSING_BORROW:
        return borrow(im, t, err);
    case MISSING_ERROR:
        break;
    }
    if (im->nmissing++ == 0)
        im->first_missing = t->name;
    return notes_add(&im->draft->plan->notes, err, "%s: %s needs importance data, and there is none", t->name,
                     dtype_name(t->sink.dtype));
}

/* ---- setting ---- */

static enum status set_entry(struct importance *im, struct draft_tensor *t, const struct imatrix_entry *e,
                             bool needed, struct err *err)
{
    use(t, e->values, true);
    if (e->nunhit == 0)
        return OK;
    if (needed && im->policy == MISSING_BORROW && e->nmatrix == matrices(t))
        return borrow_rows(im, t, e, err);
    return notes_add(&im->draft->plan->notes, err,
                     "%s: %" PRIu64 " of %" PRIu64
                     " experts were never hit in calibration: their columns weigh alike",
                     t->name, e->nunhit, e->nmatrix);
}

enum status importance_set(struct importance *im, struct draft_tensor *t, bool needed, struct err *err)
{
    const struct imatrix_entry *e = im->imatrix ? imatrix_find(im->imatrix, t->name) : NULL;
    bool embedding = str_ends(t->name, "token_embd.weight");

    if (e && fits_all(t, e))
        return set_entry(im, t, e, needed, err);
    if (e && !embedding)
        return fail(err, E_FORMAT,
                    "%s: entry %s has %" PRIu64 " values, the tensor %" PRIu64 " columns in %" PRIu64
                    " matrices",
                    im->imatrix->path, e->name, e->n, columns(t), matrices(t));
    return needed ? set_missing(im, t, err) : OK;
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
