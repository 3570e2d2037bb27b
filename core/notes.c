/* SPDX-License-Identifier: Apache-2.0 */
#include "core/notes.h"

#include <stdarg.h>

enum status notes_add(struct notes *notes, struct err *err, const char *fmt, ...)
{
    struct err text; /* fail() makes the text printable, whatever names it carries */
    char raw[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    fail(&text, OK, "%s%s%s", notes->prefix ? notes->prefix : "", notes->prefix ? ": " : "", raw);
    if (!arena_grow(notes->arena, (void **)&notes->item, notes->n, &notes->cap, sizeof *notes->item))
        return fail_nomem(err);
    const char *copy = arena_strdup(notes->arena, text.text);
    if (!copy)
        return fail_nomem(err);
    notes->item[notes->n++] = copy;
    return OK;
}

void notes_forget_known(struct notes *notes, size_t n)
{
    size_t kept = n;

    for (size_t i = n; i < notes->n; i++) {
        bool known = false;

        for (size_t k = 0; k < n && !known; k++)
            known = strcmp(notes->item[k], notes->item[i]) == 0;
        if (!known)
            notes->item[kept++] = notes->item[i];
    }
    notes->n = kept;
}
