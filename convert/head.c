/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the multi-token-prediction head: the config's promise against the tensors. */
#include "arch/head.h"
#include "convert/build_int.h"

/* Brings in the promised head where the shards hold it but the index does not name it. */
static enum status adopt_hidden(struct builder *b, struct err *err)
{
    size_t n;
    enum status s = head_adopt_hidden(b->source, &n, err);

    if (s == OK && n > 0)
        s = notes_add(&b->plan->notes, err,
                      "%zu mtp.* tensors: not in the index, but of the promised head: converted", n);
    return s;
}

static enum status note_hidden(struct builder *b, struct err *err)
{
    const struct source *source = b->source;
    char more[48] = "";

    if (source->nhidden == 0)
        return OK;
    if (source->nhidden > 1)
        snprintf(more, sizeof more, " (and %zu more)", source->nhidden - 1);
    return notes_add(&b->plan->notes, err, "tensor %.120s%s: not in the index, not converted",
                     source->hidden[0].name, more);
}

/* Looks for the promised head in a shard that the index does not list. One that cannot be read is not needed.
 */
static enum status adopt_shard(struct builder *b, const char *name, bool *adopted, struct err *err)
{
    struct err reason = {0};
    size_t n = 0;
    enum status s = head_adopt_file(b->source, name, &n, &reason);

    *adopted = s == OK && n > 0;
    if (s == E_NOMEM)
        return fail_nomem(err);
    if (s != OK)
        return notes_add(&b->plan->notes, err, "%s: ignored", reason.text);
    return n == 0 ? OK
                  : notes_add(&b->plan->notes, err,
                              "%s: not in the index, but it holds the promised head: %zu tensors converted",
                              name, n);
}

/* Takes the shards out of the list of unlisted ones whose head is brought in. */
static enum status adopt_unlisted(struct builder *b, struct err *err)
{
    struct source *source = b->source;
    enum status s = OK;
    size_t kept = 0;

    for (size_t i = 0; i < source->nunlisted; i++) {
        bool adopted = false;

        if (s == OK)
            s = adopt_shard(b, source->unlisted[i], &adopted, err);
        if (!adopted)
            source->unlisted[kept++] = source->unlisted[i];
    }
    source->nunlisted = kept;
    return s;
}

static enum status note_unlisted(struct builder *b, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < b->source->nunlisted && s == OK; i++)
        s = notes_add(&b->plan->notes, err, "%s: not in the index, not converted", b->source->unlisted[i]);
    return s;
}

/* One line when the output promises something else than the config. */
static enum status note_change(struct builder *b, struct err *err)
{
    uint64_t promised = b->hp.promised, n = b->hp.n_mtp;

    if (promised > 0 && n == 0)
        return notes_add(&b->plan->notes, err,
                         "%s promises %" PRIu64
                         " multi-token-prediction layer(s), but there are no mtp.* tensors: "
                         "converted without a head",
                         b->hp.name, promised);
    if (n > 0 && promised != n)
        return notes_add(&b->plan->notes, err,
                         "%s promises %" PRIu64 " multi-token-prediction layer(s), the tensors are %" PRIu64
                         ": nextn_predict_layers=%" PRIu64,
                         b->hp.name, promised, n, n);
    return OK;
}

enum status head_decide(struct builder *b, struct err *err)
{
    enum mtp_mode mode = b->mtp;
    uint64_t n = 0;
    enum status s = mode == MTP_DROP ? OK : head_count_layers(b->source, &n, err);
    bool look_on = s == OK && n == 0 && b->hp.promised > 0 && mode != MTP_DROP &&
                   b->source->kind == SOURCE_HF; // of others all is there that can be

    if (look_on) {
        s = adopt_hidden(b, err);
        if (s == OK)
            s = head_count_layers(b->source, &n, err);
    }
    if (look_on && s == OK && n == 0) {
        s = adopt_unlisted(b, err);
        if (s == OK)
            s = head_count_layers(b->source, &n, err);
    }
    if (s == OK)
        s = note_unlisted(b, err);
    if (s == OK)
        s = note_hidden(b, err);
    if (s != OK)
        return s;
    if (!b->hp.arch->has_mtp && mode != MTP_AUTO && mode != MTP_DROP)
        return fail(err, E_UNSUPPORTED, "%s: %s has no multi-token-prediction head", b->source->path,
                    b->hp.arch->name);
    if (n == 0 && (mode == MTP_KEEP || mode == MTP_ONLY))
        return fail(err, E_FORMAT, "%s: has no multi-token-prediction head (no mtp.* tensors)",
                    b->source->path);
    b->hp.n_mtp = n;
    return mode == MTP_DROP ? OK : note_change(b, err);
}

bool head_has(const struct builder *b, const struct name_match *m)
{
    return m->rule->scope == SCOPE_MTP || (m->rule->scope == SCOPE_LAYER && m->block >= b->hp.n_layer);
}

enum dtype head_stored_type(const struct builder *b, const struct name_match *m, const struct tensor *t)
{
    const struct convert_head *head = b->options->head;

    return head && head->type != DT_COUNT && !b->vision && head_has(b, m) ? head->type : t->dtype;
}

const char *head_drop_reason(const struct builder *b, const struct name_match *m)
{
    bool of_head = head_has(b, m);

    if (b->mtp == MTP_DROP && of_head)
        return HEAD_DROPPED;
    if (b->mtp == MTP_ONLY && m->rule->scope == SCOPE_LAYER && !of_head)
        return NOT_OF_HEAD;
    return NULL;
}
