/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML between the two "---" lines at the start of a model card (README.md). Text is prepared the way
 * gguf-py prepares it (a list item `- no` is Norwegian, a tab is two blanks) and typed by YAML 1.1.
 */
#ifndef CARD_FRONTMATTER_H
#define CARD_FRONTMATTER_H

#include "card/card.h"
#include "core/str.h"

/* Front matter beyond this many bytes, values or levels is E_LIMIT: values that an alias or a merge
 * repeats count each time they are copied. */
#define FRONTMATTER_MAX_BYTES  MIB
#define FRONTMATTER_MAX_VALUES 65536
#define FRONTMATTER_MAX_DEPTH  64

/* *card becomes the mapping, or NULL when there is no front matter or it is no mapping. Reads the first
 * FRONTMATTER_MAX_BYTES of the file only. E_IO, E_FORMAT (path:line: what is wrong), E_LIMIT, E_NOMEM. */
enum status frontmatter_load(const struct card **card, const char *path, struct arena *arena,
                             struct err *err);

/* The same from the text of a README; name starts every error. */
enum status frontmatter_parse(const struct card **card, struct slice readme, const char *name,
                              struct arena *arena, struct err *err);

/* Version of libyaml in use: "0.2.5". */
const char *frontmatter_library(void);

#endif
