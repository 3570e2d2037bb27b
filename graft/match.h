/* SPDX-License-Identifier: Apache-2.0 */
/* A target and the donor of its head, once it is sure that the head fits. */
#ifndef GRAFT_MATCH_H
#define GRAFT_MATCH_H

#include "graft/status.h"

#define GRAFT_HEAD_FILE "model-mtp.safetensors" /* what a folder's new head is called */

struct graft_wishes {
    bool replace;              /* the head that the target has */
    enum norms_encoding norms; /* of the donor; NORMS_UNCLEAR: by declaration or values */
    bool side_car;             /* the donor is the target, opened again: its head lies beside it */
};

struct graft_match {
    struct mtp_status target, donor; /* target.hp.n_layer counts the blocks of the trunk */
    bool absolute;                   /* how the donor stores its norms */
};

/* Everything that is checked before a graft. Target and donor must outlive the match; heads that lie outside
 * their indexes become part of them. The target is a Hugging Face folder or a GGUF file; the donor may also
 * be a file with nothing but a head, or a drafter. E_FORMAT for what does not fit or is incomplete, E_USAGE
 * for a head that is there already, E_UNSUPPORTED. */
enum status graft_match(struct graft_match *m, struct source *target, struct source *donor,
                        const struct graft_wishes *w, struct err *err);

/* The donor's half of it, for a head that goes into no model: the target has the donor's own numbers and
 * files.
 */
enum status graft_match_alone(struct graft_match *m, struct source *donor, enum norms_encoding norms,
                              struct err *err);

/* Reads the numbers of a GGUF file into st->hp and counts the blocks before its head, which st has found.
 * E_UNSUPPORTED for files without a trunk or of an unknown family, E_FORMAT
 * when metadata and tensors contradict each other. */
enum status graft_trunk(struct mtp_status *st, struct err *err);

/* Whether a tensor of the target is of the head that it has. */
bool graft_is_of_head(const struct graft_match *m, const struct tensor *t);

/* The type that a folder's new head is stored in: that of the target's embeddings for one from a GGUF file,
 * else DT_COUNT, its own. */
enum dtype graft_type(const struct graft_match *m);

/*
 * Gives a target its head in memory: the source of a folder then has the donor's tensors too, named and in
 * the order that a graft to files would give them, without the head that is replaced. Values stay as the
 * donor has them. The match is used up. E_UNSUPPORTED for another target.
 */
enum status graft_adopt(struct graft_match *m, struct err *err);

#endif
