/* SPDX-License-Identifier: Apache-2.0 */
/* Names of GGUF files made from what is known of a model: "Qwen3.5-9B-Instruct-v2-BF16.gguf". */
#ifndef CARD_FILE_NAME_H
#define CARD_FILE_NAME_H

#include "card/authorship.h"

/* prefix is "" for a model, "mmproj-" or "mtp-" (which leave the size out). type_tag is that of the file
 * type (BF16, Q8_0); NULL for a vocabulary alone. The name has no '/' in it, whatever the model card
 * says, and may begin with a dash or be empty but for its end. In the arena. E_NOMEM. */
enum status file_name_default(const char **name, const struct authorship *a, const char *prefix,
                              const char *type_tag, struct arena *arena, struct err *err);

/* Puts the tag for {type} as it is, for {} {ftype} {outtype} in lower and {FTYPE} {OUTTYPE} in upper case
 * into the last component of path; other braces stay. In the arena; NULL when out of memory. */
char *file_name_fill(const char *path, const char *type_tag, struct arena *arena);
bool file_name_has_mark(const char *path);

#endif
