/* SPDX-License-Identifier: Apache-2.0 */
/* How configs speak of a multi-token-prediction head: the names that its readers look for. */
#ifndef ARCH_HEAD_CONFIG_H
#define ARCH_HEAD_CONFIG_H

#include "core/json.h"

/* A number of layers, in text_config or at the root: the usual name first, NULL at the end. */
extern const char *const head_config_counts[];

/* Whether there is such a member where all readers look. Some pass over the usual name at the root when there
 * is a text_config. */
bool head_config_is_seen(const struct json *config);

/* Members of the root that tell of a head in a file of its own, and how that stores it; NULL at the end. */
extern const char *const head_config_side_car[];

/* Members of the root that tell how single modules of MLX's are quantized, a head's among them; NULL at the
 * end. */
extern const char *const head_config_modules[];

/* The file that place i of a config names, relative to its folder; NULL when it names none. */
#define HEAD_CONFIG_FILES 2
const char *head_config_file(const struct json *config, size_t i);

/* Where a head may lie beside the shards, by declaration, then by habit: names within the folder, NULL where
 * the config names none that lies there. */
#define HEAD_SIDE_CARS (HEAD_CONFIG_FILES + 2)
const char *head_side_car(const struct json *config, size_t i);

/* What MTPLX takes for evidence of how the head of a folder drafts: its config and head, and no other. */
#define HEAD_EVIDENCE_FILE "mtplx_runtime.json"

#endif
