/* SPDX-License-Identifier: Apache-2.0 */
/* Making a checkpoint promise the head that it has, no more and no less. */
#ifndef GRAFT_NORMALIZE_H
#define GRAFT_NORMALIZE_H

#include "formats/source.h"
#include "plan/plan.h"

struct normalize_options {
    const char *out; /* the folder to make; NULL: config.json itself is replaced */
    enum link_mode link;
    struct notes *changes; /* one line for each */
};

/* Fills an empty plan, which has no outputs when there is nothing to change in place. Of config.json only the
 * values that are wrong change. The source must outlive the plan. E_FORMAT for a head that is not complete.
 */
enum status normalize_folder(struct plan *plan, struct source *source, const struct normalize_options *o,
                             struct err *err);

#endif
