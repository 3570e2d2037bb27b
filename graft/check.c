/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/check.h"

#include "formats/gguf.h"
#include "formats/mlx.h"
#include "quantize/codecs.h"

/* ---- the donor ---- */

static enum status check_type(const struct source *s, const struct head_tensor *t, bool gguf, struct err *err)
{
    enum dtype type = t->tensor->dtype;
    bool plain = type == DT_F32 || type == DT_F16 || type == DT_BF16;

    if (plain || ((gguf || dtype_parts(type)->n > 1) && codec_find(type)->decode))
        return OK;
    return fail(err, E_UNSUPPORTED,
                "%s: tensor %s: dtype=%s: a head is grafted from f32, f16, bf16 or what MLX quantized",
                s->files[t->tensor->file].path, t->tensor->name, dtype_name(type));
}

enum status check_donor(const struct mtp_status *donor, struct err *err)
{
    const struct head *h = &donor->head;
    const char *path = donor->source->path;
    char missing[HEAD_TEXT_MAX];
    enum status s = OK;

    if (h->names == HEAD_NONE)
        return fail(err, E_FORMAT, "%s: has no multi-token-prediction head", path);
    if (!h->arch || h->ntensor == 0)
        return fail(err, E_UNSUPPORTED, "%s: its multi-token-prediction head is of no family that is known",
                    path);
    if (h->nunknown > 0)
        return fail(err, E_FORMAT, "%s: tensor %s%s: is under the head's names, but not known in %s", path,
                    h->unknown[0]->name, h->nunknown > 1 ? " (and others)" : "", h->arch->name);
    if (h->experts & (h->experts - 1))
        return fail(err, E_FORMAT, "%s: the head's experts are stored in more than one layout", path);
    if (h->nmissing > 0)
        return fail(err, E_FORMAT, "%s: its head is not complete; missing: %s", path,
                    head_missing_text(h, missing));
    for (size_t i = 0; i < h->ntensor && s == OK; i++)
        s = check_type(donor->source, &h->tensors[i], h->names == HEAD_BLOCKS, err);
    return s;
}

/* ---- the target ---- */

/* A model that is not tied has its output matrix. */
static enum status check_output(const struct mtp_status *target, struct err *err)
{
    const struct source *s = target->source;
    bool tied = false;

    (void)json_bool(hparams_find(&target->hp, "tie_word_embeddings"), &tied);
    for (size_t i = 0; i < s->ntensor && !tied; i++) {
        struct name_match m;

        if (name_match_text(&target->hp, s->tensors[i].name, &m) == NAME_KNOWN &&
            m.rule->scope == SCOPE_MODEL && strcmp(m.rule->gguf, "output.weight") == 0)
            return OK;
    }
    return tied ? OK
                : fail(err, E_FORMAT,
                       "%s: tensor lm_head.weight is missing, but tie_word_embeddings=false: a head cannot "
                       "share "
                       "it",
                       s->path);
}

/* The head follows the last block of the trunk, which is where the tensors say. */
enum status graft_trunk(struct mtp_status *target, struct err *err)
{
    const struct source *s = target->source;
    const struct head *h = &target->head;
    uint64_t n = 0, block;
    const char *rest;
    enum status st = hparams_read_gguf(&target->hp, s, err);

    if (st != OK)
        return st;
    for (size_t i = 0; i < s->ntensor; i++)
        if (gguf_block(s->tensors[i].name, &block, &rest) &&
            (h->names == HEAD_NONE || block < h->first_block))
            n = max_u64(n, block + 1);
    if (n == 0 || !source_find(s, "token_embd.weight"))
        return fail(err, E_UNSUPPORTED, "%s: is no whole model: there are no blocks that a head could follow",
                    s->path);
    if (n != target->hp.n_layer && h->names == HEAD_NONE)
        return fail(err, E_FORMAT, "%s: %s.block_count means %" PRIu64 " blocks, the tensors are of %" PRIu64,
                    s->path, target->hp.arch->name, target->hp.n_layer, n);
    target->hp.n_layer = n;
    return OK;
}

enum status check_folder(const struct source *s, struct err *err)
{
    if (s->kind == SOURCE_MLX && s->config) // read as its class's checkpoint
        return OK;
    if (mlx_is(s))
        return fail(err, E_UNSUPPORTED, "%s: is a folder for MLX, whose heads lie in files of their own",
                    s->path);
    if (s->kind != SOURCE_HF || !s->config)
        return fail(err, E_UNSUPPORTED, "%s: is no Hugging Face folder (safetensors and config.json)",
                    s->path);
    return OK;
}

/* The numbers of a target, which a donor need not have. */
static enum status read_numbers(struct mtp_status *target, struct err *err)
{
    struct source *s = target->source;

    if (s->kind == SOURCE_GGUF)
        return graft_trunk(target, err);
    enum status st = mlx_is(s) && s->config ? OK : check_folder(s, err);
    if (st == OK && !target->hp.arch) /* for its sentence */
        st = hparams_read(&target->hp, s->config, source_beside(s, "config.json"), err);
    return st;
}

/* The target can take a head, and has none unless it is to be replaced. */
static enum status check_target(struct mtp_status *target, bool replace, struct err *err)
{
    struct source *s = target->source;
    enum status st = read_numbers(target, err);

    if (st != OK)
        return st;
    if (!target->hp.arch->has_mtp)
        return fail(err, E_UNSUPPORTED, "%s: %s has no multi-token-prediction head", s->path,
                    target->hp.hf_class);
    if (target->head.names != HEAD_NONE && !replace)
        return fail(err, E_USAGE, "%s: has a multi-token-prediction head already (--replace takes another)",
                    s->path);
    return s->kind == SOURCE_GGUF ? OK : check_output(target, err);
}

/* ---- both ---- */

static enum status check_family(const struct mtp_status *target, const struct mtp_status *donor,
                                struct err *err)
{
    const struct arch *t = target->hp.arch, *d = donor->hp.arch ? donor->hp.arch : donor->head.arch;
    bool said = donor->hp.arch || donor->head.names == HEAD_BLOCKS;
    uint64_t experts = 0;
    struct err ignored = {0};

    if (said && t != d)
        return fail(err, E_FORMAT, "%s: is of the family %s, the target %s of %s", donor->source->path,
                    d->name, target->source->path, t->name);
    (void)hparams_eval(&target->hp, "E", &experts, &ignored);
    if (donor->head.nexpert == experts)
        return OK;
    if (experts == 0)
        return fail(err, E_FORMAT, "%s: its head has %" PRIu64 " experts, the target %s is dense",
                    donor->source->path, donor->head.nexpert, target->source->path);
    if (donor->head.nexpert == 0)
        return fail(err, E_FORMAT, "%s: its head is dense, the target %s has %" PRIu64 " experts",
                    donor->source->path, target->source->path, experts);
    return fail(err, E_FORMAT, "%s: its head has %" PRIu64 " experts, the target %s has %" PRIu64,
                donor->source->path, donor->head.nexpert, target->source->path, experts);
}

/* GGUF knows no leading dimensions of 1. */
static bool same_shape(const uint64_t *a, uint32_t a_rank, const struct tensor *t, bool gguf)
{
    const uint64_t *b = t->shape;
    uint32_t b_rank = t->rank;

    for (; gguf && a_rank > 0 && *a == 1; a++)
        a_rank--;
    for (; gguf && b_rank > 0 && *b == 1; b++)
        b_rank--;
    return a_rank == b_rank && memcmp(a, b, a_rank * sizeof *a) == 0;
}

static enum status check_shape(const struct mtp_status *target, const struct mtp_status *donor,
                               const struct head_tensor *h, struct err *err)
{
    uint64_t want[TENSOR_MAX_RANK];
    uint32_t rank;
    const struct tensor *t = h->tensor;
    char have_text[SHAPE_TEXT_MAX], want_text[SHAPE_TEXT_MAX], reason[HPARAMS_TEXT_MAX];
    enum status s = hparams_shape(&target->hp, h->match.rule->shape, want, &rank, err);

    if (s != OK || same_shape(want, rank, t, donor->head.names == HEAD_BLOCKS))
        return s;
    return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: the target %s makes it %s (%s)",
                donor->source->files[t->file].path, t->name, shape_text(t->shape, t->rank, have_text),
                target->source->path, shape_text(want, rank, want_text),
                hparams_describe(&target->hp, h->match.rule->shape, reason));
}

/* A GGUF file says both by its tensors: also one with a head alone has them. False: it says nothing. */
static bool find_words(const struct mtp_status *st, uint64_t *n)
{
    const struct tensor *t = source_find(st->source, "token_embd.weight");
    struct err ignored = {0};

    if (st->source->kind != SOURCE_GGUF)
        return st->hp.arch && hparams_eval(&st->hp, "V", n, &ignored) == OK;
    *n = t && t->rank == 2 ? t->shape[0] : 0;
    return *n > 0;
}

static bool find_tied(const struct mtp_status *st, bool *tied)
{
    const struct source *s = st->source;

    if (s->kind != SOURCE_GGUF)
        return st->hp.arch && json_bool(hparams_find(&st->hp, "tie_word_embeddings"), tied);
    *tied = !source_find(s, "output.weight");
    return source_find(s, "token_embd.weight");
}

/* What the head was trained to answer with: the same words, and the same kind of output matrix. */
static enum status check_vocabulary(const struct mtp_status *target, const struct mtp_status *donor,
                                    struct err *err)
{
    uint64_t words, theirs;
    bool tied, theirs_tied;

    if (find_words(target, &words) && find_words(donor, &theirs) && words != theirs)
        return fail(err, E_FORMAT, "%s: vocab_size=%" PRIu64 ", the target %s has %" PRIu64,
                    donor->source->path, theirs, target->source->path, words);
    if (find_tied(target, &tied) && find_tied(donor, &theirs_tied) && tied != theirs_tied)
        return fail(
            err, E_FORMAT,
            "%s: tie_word_embeddings=%s, the target %s has %s: its head answers through another matrix",
            donor->source->path, theirs_tied ? "true" : "false", target->source->path,
            tied ? "true" : "false");
    return OK;
}

static enum status check_match(const struct mtp_status *target, struct mtp_status *donor, struct err *err)
{
    enum status s = check_family(target, donor, err);

    if (s == OK)
        s = check_vocabulary(target, donor, err);
    if (s == OK && !donor->hp.arch && donor->head.names != HEAD_BLOCKS) {
        s = head_read(&donor->head, donor->source, &target->hp, err);
        if (s == OK)
            s = check_donor(donor, err);
    }
    for (size_t i = 0; i < donor->head.ntensor && s == OK; i++)
        s = check_shape(target, donor, &donor->head.tensors[i], err);
    return s;
}

/* ---- norms ---- */

/* How the donor's norms are stored: as the user says, or as it declares or the values show. */
static enum status settle_norms(struct graft_match *m, enum norms_encoding encoding, struct err *err)
{
    struct norms n;
    enum status s = norms_read(&n, m->donor.source, &m->donor.head, err);

    if (s == OK && encoding == NORMS_UNCLEAR) {
        s = norms_require(&n, m->donor.source->path, err);
        encoding = norms_settled(&n);
    }
    m->absolute = encoding == NORMS_ABSOLUTE;
    return s;
}

/* ---- all ---- */

enum status graft_match(struct graft_match *m, struct source *target, struct source *donor,
                        const struct graft_wishes *w, struct err *err)
{
    *m = (struct graft_match){0};
    if (!w->side_car && path_same(target->path, donor->path))
        return fail(err, E_USAGE, "%s: is target and donor at once", target->path);
    enum status s = mtp_status_locate(&m->target, target, err);
    if (s == OK)
        s = mtp_status_locate(&m->donor, donor, err);
    if (s == OK)
        s = check_target(&m->target, w->replace, err);
    if (s == OK)
        s = check_donor(&m->donor, err);
    if (s == OK)
        s = check_match(&m->target, &m->donor, err);
    return s == OK ? settle_norms(m, w->norms, err) : s;
}

enum status graft_match_alone(struct graft_match *m, struct source *donor, enum norms_encoding norms,
                              struct err *err)
{
    *m = (struct graft_match){0};
    enum status s = mtp_status_locate(&m->donor, donor, err);
    if (s == OK)
        s = check_donor(&m->donor, err);
    m->target = (struct mtp_status){.source = donor, .hp = m->donor.hp};
    if (s == OK && donor->kind == SOURCE_GGUF)
        s = hparams_read_gguf(&m->target.hp, donor, err);
    return s == OK ? settle_norms(m, norms, err) : s;
}

bool graft_is_of_head(const struct graft_match *m, const struct tensor *t)
{
    return mtp_status_owns(&m->target, t);
}

enum dtype graft_type(const struct graft_match *m)
{
    const struct source *s = m->target.source;

    if (m->donor.head.names != HEAD_BLOCKS)
        return DT_COUNT;
    for (size_t i = 0; i < s->ntensor; i++) {
        enum dtype t = s->tensors[i].dtype;
        const char *name = s->tensors[i].name;
        struct name_match match;
        bool known = s->kind != SOURCE_GGUF && name_match_text(&m->target.hp, name, &match) == NAME_KNOWN &&
                     match.rule->scope == SCOPE_MODEL;

        if (strcmp(known ? match.rule->gguf : name, "token_embd.weight") == 0)
            return t == DT_F32 || t == DT_F16 ? t : DT_BF16;
    }
    return DT_BF16;
}
