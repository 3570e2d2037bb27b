/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata values as people type them: "7B", "0.8", "true", "[1, 2]"; "u32:5" and "str[]:[]" say their type.
 */
#ifndef GGUF_META_TEXT_H
#define GGUF_META_TEXT_H

#include "formats/meta.h"

/* A value for the key, in the arena. Its type: the one that the text says, else that of `old` (the key's
 * present value, or NULL), else what loaders expect of a key of that name, else what the text looks like.
 * E_USAGE for a text that is no value of the type. */
enum status meta_text_read(struct arena *a, const char *key, const char *text, const struct meta_kv *old,
                           struct meta_kv *kv, struct err *err);

/* "u32", "str[]" into out; returns out. */
#define META_TEXT_TYPE_MAX 16
const char *meta_text_type(const struct meta_kv *kv, char out[META_TEXT_TYPE_MAX]);

#endif
