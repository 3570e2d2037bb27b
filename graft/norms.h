/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a head's norms are stored: as differences from 1, as Hugging Face's checkpoints have them, or as the
 * absolute values that GGUF and MLX want. A mistake loads without complaint and drafts nothing right, so it
 * is settled by what a checkpoint declares, or by the values.
 */
#ifndef GRAFT_NORMS_H
#define GRAFT_NORMS_H

#include "arch/head.h"

enum norms_encoding {
    NORMS_UNCLEAR, /* the values tell nothing; or there are no such norms */
    NORMS_DELTA,
    NORMS_ABSOLUTE,
    NORMS_MIXED, /* some are the one, some the other */
};

struct norm_stat {
    const struct tensor *tensor;
    double mean, negative; /* of the values; the share below 0 */
    enum norms_encoding says;
};

struct norms {
    enum norms_encoding measured;
    enum norms_encoding declared; /* NORMS_UNCLEAR: nothing is declared */
    const char *declared_by;      /* the config's key, or NULL */
    struct norm_stat *item;
    size_t n;
    double qk_mean, other_mean; /* of the means of q_norm and k_norm; of all others but the final norm */
    bool has_qk, has_other;
};

/* Reads the norms' values and what the source declares; the result lives in its arena. */
enum status norms_read(struct norms *n, struct source *s, const struct head *h, struct err *err);

/* What holds: the declaration where the values do not contradict it, else the values. */
enum norms_encoding norms_settled(const struct norms *n);

/* E_FORMAT with both means when it is not settled. `path` starts the sentence. */
enum status norms_require(const struct norms *n, const char *path, struct err *err);

const char *norms_name(enum norms_encoding e); /* "delta", "absolute", "mixed", "unclear" */

#endif
