/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint promises of its multi-token-prediction head, what is there, and whether the two agree. */
#ifndef GRAFT_STATUS_H
#define GRAFT_STATUS_H

#include "core/notes.h"
#include "graft/norms.h"
#include "graft/promise.h"

struct mtp_status {
    struct source *source;
    struct hparams hp; /* of config.json; arch NULL when there is none that is known */
    struct promise promise;
    struct head head;
    uint64_t appended;    /* head tensors that follow the trunk's as "model.layers.N."; no table knows them */
    const char *side_car; /* the file outside the index that holds the head, or NULL */
    const char *side_car_path; /* of that, as the source has it */
    bool hidden;               /* the head lies in the shards, but the index does not name it */
    struct norms norms;
    bool agrees;
    const char *verdict; /* one phrase */
    struct notes notes;
};

/* Finds the head, also in files that the index does not name (whose tensors then become the source's), and
 * reads its norms. Strings live in the source's arena. E_FORMAT for numbers or names that no head can have.
 */
enum status mtp_status_read(struct mtp_status *st, struct source *s, struct err *err);

/* Whether a tensor is of the head. */
bool mtp_status_owns(const struct mtp_status *st, const struct tensor *t);

/* The file that the config says holds the head, when it is not there or there is no head; NULL. */
const char *mtp_status_lost_file(const struct mtp_status *st);

/* The first half of it, for whoever wants the head: brings in what lies outside the index. Sets source, hp,
 * head, side_car and hidden. */
enum status mtp_status_locate(struct mtp_status *st, struct source *s, struct err *err);

#endif
