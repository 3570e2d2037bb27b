/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/split.h"

#include "gguf/from_gguf.h"
#include "gguf/layout.h"

/* The source's tensors in other files. *had_keys: whether it was part of a set. */
static enum status rearrange(struct plan *plan, const struct source *source, const struct split_options *o,
                             bool *had_keys, struct err *err)
{
    struct meta meta;
    struct draft d = {0};

    meta_init(&meta, &plan->arena);
    enum status s = from_gguf(plan, source, &meta, err);
    *had_keys = gguf_split_remove(&meta);
    if (s == OK)
        s = from_gguf_draft(&d, plan, &meta, err);
    d.path = o->out;
    d.split_max_bytes = o->max_bytes;
    d.split_max_tensors = o->max_tensors;
    d.metadata_first = o->metadata_first;
    d.order = GGUF_SPLIT_TOOL;
    if (s == OK)
        s = layout_files(&d, err);
    draft_free(&d);
    meta_free(&meta);
    return s;
}

enum status split_gguf(struct plan *plan, const struct source *source, const struct split_options *o,
                       struct err *err)
{
    bool had_keys;

    return rearrange(plan, source, o, &had_keys, err);
}

enum status merge_gguf(struct plan *plan, const struct source *source, const char *out, struct err *err)
{
    const struct split_options o = {.out = out};
    bool had_keys;
    enum status s = rearrange(plan, source, &o, &had_keys, err);

    return s == OK && !had_keys
               ? fail(err, E_USAGE, "%s: is no part of a split set: there is nothing to merge", source->path)
               : s;
}
