/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a folder on their way into one that has another head than it, or none. */
#ifndef GRAFT_CARRY_H
#define GRAFT_CARRY_H

#include "graft/status.h"
#include "plan/folder.h"

struct carry {
    struct folder *folder;           /* what is set before files are added is */
    const struct mtp_status *target; /* located; its source outlives the plan */
    const char *head_file;           /* which the other head gets; NULL: there is none */
    uint64_t layers;                 /* of it, for config.json */
    enum link_mode link;
};

/*
 * Adds config.json, with its promise kept, and the weights. A shard in which the target's head lies is left
 * out, or, where it holds more, written without it: its steps are added to the plan. In place nothing is left
 * out: a note tells of a shard that is of no use any more. E_USAGE where the head's file is another shard.
 */
enum status carry_model(const struct carry *c, struct err *err);

/* Reads the folder's index, for the metadata that the new one takes over: NULL when there is none. To be
 * freed with json_free, after the folder was laid out. */
enum status carry_index(struct source *s, struct json **index, struct err *err);

/* Adds the vision tower of a folder that keeps it in a sub-folder, as OptiQ does. */
enum status carry_vision(struct folder *f, struct source *s, enum link_mode link, struct err *err);

#endif
