/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Hugging Face folder as one source, and the hub's local cache of such folders.
 * Source: the layout that github.com/huggingface/huggingface_hub documents ("Understand caching").
 */
#ifndef FORMATS_HFDIR_H
#define FORMATS_HFDIR_H

#include "formats/source.h"

/* Opens the shards of a folder, config.json, and nothing else: those that model.safetensors.index.json
 * lists, else every model*.safetensors, else every consolidated*.safetensors. What the index names must be
 * there; what its shards hold beside that is hidden. Fills s, whose path is set. E_FORMAT, E_IO (a shard or
 * every shard is missing), E_UNSUPPORTED (PyTorch files only), E_USAGE (GGUF files only). */
enum status hfdir_open(struct source *s, const char *folder, struct err *err);

/* The folder of the hub cache to look org/name up in; NULL for none. Borrowed: it must outlive every
 * source_open(). */
void hub_set_cache(const char *path);

/* Whether path has the form of a repository, org/name. */
bool hub_is_repo(const char *path);

/* The snapshot folder that refs/main of a cached repository names, in the arena. E_IO when the cache has
 * no such repository. */
enum status hub_resolve(struct arena *a, const char *repo, const char **folder, struct err *err);

/* The model's name for a folder: its repository's when it is a snapshot of a hub cache, else its own. NULL
 * when out of memory. */
const char *hub_folder_name(struct arena *a, const char *folder);

#endif
