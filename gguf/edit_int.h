/* SPDX-License-Identifier: Apache-2.0 */
/* What edit.c and edit_rules.c share. */
#ifndef GGUF_EDIT_INT_H
#define GGUF_EDIT_INT_H

#include "gguf/edit.h"

struct edit {
    const struct edit_options *options;
    const struct source *source;
    struct plan *plan;
    struct meta meta;   /* of the output */
    struct map touched; /* keys that the user set or removed */
    const char *arch;   /* of the source; NULL when it says none */
};

/* Whether a key may be set (kv) or removed (kv NULL) at all. E_USAGE. */
enum status edit_check_key(const struct edit *e, const char *key, const struct meta_kv *kv, struct err *err);

/* Whether what was touched agrees with the tensors. E_USAGE. */
enum status edit_check_model(const struct edit *e, struct err *err);

#endif
