/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of a GGUF file's metadata and of the blocks it has: the plan of the file that results. */
#ifndef GGUF_EDIT_H
#define GGUF_EDIT_H

#include "formats/source.h"
#include "plan/plan.h"

struct edit_options {
    const char *const *sets; /* "KEY=VALUE" as in meta_text.h */
    size_t nset;
    const char *const *texts; /* "KEY=FILE": the value is the file's text */
    size_t ntext;
    const char *const *removes; /* keys */
    size_t nremove;
    const char *prune; /* prune_edit(); NULL */
    const char *out;   /* NULL: in place */
    uint64_t split_max_bytes, split_max_tensors;
};

/* Fills an empty plan. The source must outlive it. A split set becomes one file (or what the limits ask for);
 * in place, its first file alone is written anew.
 *
 * In place, the plan replaces the file behind a symbolic link, by a new file that takes its name; or, where
 * only bytes of values differ and the file has one name and is no link, it is a patch.
 *
 * E_USAGE for a change that would leave a file that cannot be loaded, a key to remove that is not there, a
 * text that is no value, the same key twice. */
enum status edit_gguf(struct plan *plan, const struct source *source, const struct edit_options *o,
                      struct err *err);

#endif
