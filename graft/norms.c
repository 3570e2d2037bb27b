/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/norms.h"

#include <math.h>

#include "quantize/codecs.h"

#define NORM_MAX_ELEMS (1u << 20) /* far above any hidden size */

enum norm_group { GROUP_QK, GROUP_OTHER, GROUP_FINAL };

/*
 * A mean below `delta` tells differences from 1, one from `absolute` on absolute values; between them it
 * tells nothing. Released heads have, as differences, 0.73 to 0.79 (q and k) and -0.46 to 0.39 (the others),
 * as absolute values 1.73 and more, 0.87 and more (0.52 for the embedding's). The final norm lies anywhere.
 */
static const struct {
    const char *gguf;
    enum norm_group group;
    double delta, absolute;
} kinds[] = {
    {"attn_q_norm.weight", GROUP_QK, 0.90, 0.95},
    {"attn_k_norm.weight", GROUP_QK, 0.90, 0.95},
    {"attn_norm.weight", GROUP_OTHER, 0.45, 0.75},
    {"post_attention_norm.weight", GROUP_OTHER, 0.45, 0.75},
    {"nextn.hnorm.weight", GROUP_OTHER, 0.45, 0.75},
    {"nextn.enorm.weight", GROUP_OTHER, 0.45, 0.52},
    {"nextn.shared_head_norm.weight", GROUP_FINAL, -HUGE_VAL, HUGE_VAL},
};

const char *norms_name(enum norms_encoding e)
{
    static const char *const names[] = {"unclear", "delta", "absolute", "mixed"};

    return names[e];
}

/* ---- what is declared ---- */

/* What a word says; readers of it know three for "add 1". */
static enum norms_encoding word_meaning(const char *word)
{
    static const char *const delta[] = {"delta", "delta_plus_one", "mlx_delta"};

    for (size_t i = 0; word && i < ARRAY_LEN(delta); i++)
        if (strcmp(word, delta[i]) == 0)
            return NORMS_DELTA;
    return word && strcmp(word, "absolute") == 0 ? NORMS_ABSOLUTE : NORMS_UNCLEAR;
}

static void read_declaration(struct norms *n, const struct source *s)
{
    static const struct {
        const char *section, *key;
    } places[] = {
        {NULL, "mtplx_mtp_norm_encoding"},
        {NULL, "mtp_norm_encoding"},
        {"mtplx_mtp_quantization", "norm_encoding"},
        {"mtplx_mtp_quantization", "norm_weight_encoding"},
    };

    for (size_t i = 0; i < ARRAY_LEN(places) && n->declared == NORMS_UNCLEAR; i++) {
        const struct json *in = places[i].section ? json_get(s->config, places[i].section) : s->config;

        n->declared = word_meaning(json_str(json_get(in, places[i].key)));
        n->declared_by = n->declared == NORMS_UNCLEAR ? NULL : places[i].key;
    }
    if (s->kind == SOURCE_GGUF && n->declared == NORMS_UNCLEAR) {
        n->declared = NORMS_ABSOLUTE;
        n->declared_by = "GGUF";
    }
}

/* ---- what the values say ---- */

static enum status measure(struct norm_stat *stat, const struct source *s, struct err *err)
{
    const struct tensor *t = stat->tensor;
    const struct codec *codec = codec_find(t->dtype);
    uint64_t nelem = 0;
    enum status st = OK;

    if (!codec->decode || !shape_nelem(t->shape, t->rank, &nelem) || nelem == 0 || nelem > NORM_MAX_ELEMS)
        return fail(err, E_UNSUPPORTED, "%s: tensor %s: is no norm that can be read (%s)",
                    s->files[t->file].path, t->name, dtype_name(t->dtype));
    unsigned char *raw = malloc(t->nbytes);
    float *x = malloc(nelem * sizeof *x);
    if (!raw || !x)
        st = fail_nomem(err);
    if (st == OK)
        st = file_read_at(s->files[t->file].file, raw, t->nbytes, t->off, err);
    if (st == OK) {
        double sum = 0;
        uint64_t below = 0;

        codec->decode(raw, x, nelem);
        for (uint64_t i = 0; i < nelem; i++) {
            sum += x[i];
            below += x[i] < 0;
        }
        stat->mean = sum / (double)nelem;
        stat->negative = (double)below / (double)nelem;
    }
    free(raw);
    free(x);
    return st;
}

/* Row of `kinds`, or ARRAY_LEN(kinds). */
static size_t kind_of(const struct head_tensor *t)
{
    size_t k = 0;

    while (k < ARRAY_LEN(kinds) && !(t->match.rule->gguf && strcmp(kinds[k].gguf, t->match.rule->gguf) == 0))
        k++;
    return k;
}

/* Whether the tables say that GGUF stores that norm with 1 added. */
static bool is_delta_norm(const struct head_tensor *t)
{
    const struct tensor_form *form = t->match.rule->form;

    return form && form->op_set && form->op == OP_ADD_ONE && kind_of(t) < ARRAY_LEN(kinds);
}

static void summarize(struct norms *n, const struct head *h)
{
    size_t nqk = 0, nother = 0, at = 0;
    bool delta = false, absolute = false;

    for (size_t i = 0; i < h->ntensor; i++) {
        if (!is_delta_norm(&h->tensors[i]))
            continue;
        struct norm_stat *stat = &n->item[at++];
        size_t k = kind_of(&h->tensors[i]);

        stat->says = stat->mean < kinds[k].delta       ? NORMS_DELTA
                     : stat->mean >= kinds[k].absolute ? NORMS_ABSOLUTE
                                                       : NORMS_UNCLEAR;
        delta |= stat->says == NORMS_DELTA;
        absolute |= stat->says == NORMS_ABSOLUTE;
        n->qk_mean += kinds[k].group == GROUP_QK ? stat->mean : 0;
        n->other_mean += kinds[k].group == GROUP_OTHER ? stat->mean : 0;
        nqk += kinds[k].group == GROUP_QK;
        nother += kinds[k].group == GROUP_OTHER;
    }
    n->has_qk = nqk > 0;
    n->has_other = nother > 0;
    n->qk_mean /= (double)max_u64(nqk, 1);
    n->other_mean /= (double)max_u64(nother, 1);
    n->measured = delta && absolute ? NORMS_MIXED
                  : delta           ? NORMS_DELTA
                  : absolute        ? NORMS_ABSOLUTE
                                    : NORMS_UNCLEAR;
}

enum status norms_read(struct norms *n, struct source *s, const struct head *h, struct err *err)
{
    enum status st = OK;

    *n = (struct norms){0};
    n->item = arena_array(&s->arena, max_u64(h->ntensor, 1), sizeof *n->item);
    if (!n->item)
        return fail_nomem(err);
    read_declaration(n, s);
    for (size_t i = 0; i < h->ntensor && st == OK; i++) {
        if (!is_delta_norm(&h->tensors[i]))
            continue;
        n->item[n->n].tensor = h->tensors[i].tensor;
        st = measure(&n->item[n->n++], s, err);
    }
    if (st == OK)
        summarize(n, h);
    return st;
}

/* ---- the verdict ---- */

enum norms_encoding norms_settled(const struct norms *n)
{
    bool agree = n->measured == NORMS_UNCLEAR || n->measured == n->declared;

    if (n->declared == NORMS_UNCLEAR)
        return n->measured;
    return agree ? n->declared : NORMS_MIXED;
}

/* The norm that says e most clearly comes first in the file; any will do. */
static const struct norm_stat *one_that_says(const struct norms *n, enum norms_encoding e)
{
    for (size_t i = 0; i < n->n; i++)
        if (n->item[i].says == e)
            return &n->item[i];
    return NULL;
}

enum status norms_require(const struct norms *n, const char *path, struct err *err)
{
    enum norms_encoding settled = norms_settled(n);
    const struct norm_stat *delta = one_that_says(n, NORMS_DELTA),
                           *absolute = one_that_says(n, NORMS_ABSOLUTE);

    if (settled == NORMS_DELTA || settled == NORMS_ABSOLUTE || n->n == 0)
        return OK;
    if (n->measured == NORMS_MIXED)
        return fail(
            err, E_FORMAT,
            "%s: its norms are encoded in two ways: %s has the mean %.3f, as a difference from 1 has, "
            "%s has the mean %.3f, as an absolute value has",
            path, delta->tensor->name, delta->mean, absolute->tensor->name, absolute->mean);
    if (settled == NORMS_MIXED)
        return fail(err, E_FORMAT,
                    "%s: %s declares the norms %s, but their means are %.3f (q_norm, k_norm) and %.3f (the "
                    "others), as %s ones have",
                    path, n->declared_by, norms_name(n->declared), n->qk_mean, n->other_mean,
                    norms_name(n->measured));
    return fail(
        err, E_FORMAT,
        "%s: the encoding of its norms is not clear: their means are %.3f (q_norm, k_norm) and %.3f (the "
        "others), between those of differences from 1 and of absolute values; --norms delta or absolute "
        "(--graft-norms, where scion convert grafts) says which",
        path, n->qk_mean, n->other_mean);
}
