/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a model's id says: "Qwen/Qwen3-30B-A3B-Instruct-2507" names an organisation, a family, a size, a
 * finetune and a version. The rules are those of gguf-py (metadata.py), which set what general.basename
 * and its neighbours look like in GGUF files. Letters and digits are ASCII, as in hub ids, except where
 * noted.
 */
#ifndef CARD_MODEL_ID_H
#define CARD_MODEL_ID_H

#include "core/arena.h"
#include "core/str.h"

/* Parts the id does not tell are NULL; name never is. All in the arena. */
struct model_id {
    const char *name, *org, *basename, *size_label, *finetune, *version;
};

/* A longer id is taken as a name without parts. */
#define MODEL_ID_MAX 1024

/* total_params (0: unknown) tells sizes from context lengths: in "Llama-3-8B-262k" the 262k is none.
 * text is valid UTF-8. E_NOMEM is the only failure. */
enum status model_id_parse(struct model_id *id, const char *text, uint64_t total_params, struct arena *arena,
                           struct err *err);

/* "gemma-3-4b-it" -> "Gemma 3 4b It": words in lower case get capitals, except versions and numbers.
 * Knows the case of Latin, Greek and Cyrillic letters. NULL when out of memory. */
char *model_id_title(const char *text, struct arena *arena);

/* Without the white space (of any script) at both ends, as a slice of s. */
struct slice model_id_strip(const char *s);

#endif
