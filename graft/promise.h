/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint's description says of its multi-token-prediction head. */
#ifndef GRAFT_PROMISE_H
#define GRAFT_PROMISE_H

#include "core/notes.h"
#include "formats/source.h"

/* One place that says how many layers the head has. */
struct promise_item {
    const char *section; /* of config.json: "text_config"; NULL: its root, or GGUF metadata */
    const char *key;
    bool is_null; /* the place is there, but says nothing */
    uint64_t layers;
};

struct promise {
    const struct source *source;
    struct promise_item *item; /* in the order in which readers look */
    size_t n, cap;
    uint64_t layers;    /* what the first that says something says; 0: none does */
    bool contradictory; /* others say something else */
    bool unseen;        /* some readers do not look where it is said */
    const char *file;   /* that config.json says holds the head, and whether it is there; NULL: none */
    bool file_is_there;
};

/* Reads config.json or the GGUF metadata, whichever the source has; names live in its arena. E_FORMAT for a
 * value that is no number of layers. */
enum status promise_read(struct promise *p, struct source *s, struct err *err);

/* "text_config.mtp_num_hidden_layers" into out; returns out. */
#define PROMISE_TEXT_MAX 160
const char *promise_place(const struct promise_item *item, char out[PROMISE_TEXT_MAX]);

/* Makes config.json promise `layers`: every place that says otherwise is set; where there is none that all
 * readers look at, the usual one is added. The text is config.json's, changed in place. One line per change
 * goes to notes. */
enum status promise_edit(struct buf *text, const struct promise *p, uint64_t layers, struct notes *notes,
                         struct err *err);

/* Takes out how config.json says that single modules of a head in a file of its own are quantized. */
enum status promise_forget_modules(struct buf *text, const struct promise *p, struct notes *notes,
                                   struct err *err);

/* Takes out all that config.json says of a head in a file of its own. */
enum status promise_forget_file(struct buf *text, const struct promise *p, struct notes *notes,
                                struct err *err);

/* The value of a key as readers look for it: in text_config, else at the root; NULL when it is not there. */
const struct json *promise_find(const struct source *s, const char *key);

#endif
