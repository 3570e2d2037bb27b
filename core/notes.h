/* SPDX-License-Identifier: Apache-2.0 */
/* Things the user should know that are no failure: collected while planning, printed by the command. */
#ifndef CORE_NOTES_H
#define CORE_NOTES_H

#include "core/arena.h"

struct notes {
    struct arena *arena; /* set by the owner; holds the texts */
    const char *prefix;  /* what the notes to come are about: put before each; NULL for nothing */
    const char **item;
    size_t n, cap;
};

/* One sentence without a final full stop. E_NOMEM is the only failure. */
enum status notes_add(struct notes *notes, struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Takes back what is said from the n-th note on and was said before it. */
void notes_forget_known(struct notes *notes, size_t n);

#endif
