/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A GGUF model in other files: cut into a set, or put together again. A set's bytes are llama-gguf-split's; a
 * merged file is what was split.
 */
#ifndef GGUF_SPLIT_H
#define GGUF_SPLIT_H

#include "formats/source.h"
#include "plan/plan.h"

struct split_options {
    const char *out;
    uint64_t max_bytes, max_tensors; /* of one file; 0: no limit */
    bool metadata_first;             /* a first file without tensors */
};

/* Fill an empty plan; the source, a file or a set, must outlive it. E_USAGE for a source that is no GGUF, and
 * of merging for one that has no split keys. */
enum status split_gguf(struct plan *plan, const struct source *source, const struct split_options *o,
                       struct err *err);
enum status merge_gguf(struct plan *plan, const struct source *source, const char *out, struct err *err);

#endif
