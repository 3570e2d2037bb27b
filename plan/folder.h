/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From steps with sinks to a model folder: safetensors shards, their index, and the small files beside them.
 *
 * Fill the first part of the struct, add files and shards, then lay out: nothing can be added after that. The
 * run makes the folder; config.json and the index get their names last, so that what a crash leaves is no
 * model.
 */
#ifndef PLAN_FOLDER_H
#define PLAN_FOLDER_H

#include "formats/source.h"
#include "plan/plan.h"

/* Of the tensors in a shard. */
enum folder_order {
    FOLDER_BY_NAME, /* as MLX is best served: header and data in code-point order of the names */
    FOLDER_BY_TYPE, /* as the safetensors library writes: widest type first, then by name */
};

struct folder {
    struct plan *plan; /* steps have one sink each, of a type that safetensors has; no outputs yet */
    const char *path;  /* of the folder, borrowed until the plan is freed */
    bool in_place;     /* path is the source's folder: what would be carried over onto itself stays */
    const struct meta *metadata; /* strings: __metadata__ of the shards that are added from here on, such as
                                    format=mlx; NULL: none */
    enum folder_order order;
    uint64_t split_max_bytes;  /* tensor bytes of a shard, where those of more than one tensor; 0: no limit */
    uint64_t total_parameters; /* for the index; 0: what metadata_of_index says */
    const struct json *metadata_of_index; /* further members for the index; NULL or no object: none */
    const char *const *left;              /* names that folder_add_beside leaves behind */
    size_t nleft;

    /* Of this module. Zero them. */
    struct folder_shard *shards;
    size_t nshard, shard_cap;
    struct folder_file *files;
    size_t nfile, file_cap;
    struct folder_entry *entries; /* of the index */
    size_t nentry, entry_cap;
};

/* A file made in memory, such as config.json. The text is copied, the name borrowed. */
enum status folder_add_text(struct folder *f, const char *name, const char *text, size_t n, struct err *err);

/* A file carried over. Name and path are borrowed; a "/" in the name is as of folder_add_aside. */
enum status folder_add_copy(struct folder *f, const char *name, const char *from, enum link_mode mode,
                            struct err *err);

bool folder_has(const struct folder *f, const char *name); /* among the files, not the shards */

/* All files of a source's folder that are neither weights nor their index, nor have been added yet:
 * configuration, tokenizer, code, model card; sub-folders stay behind, and what `left` names. The output must
 * not lie in that folder then. Nothing for a source that is no folder. E_IO. */
enum status folder_add_beside(struct folder *f, const struct source *source, enum link_mode mode,
                              struct err *err);

/* A shard of the source carried over under a name: the index lists its tensors. */
enum status folder_carry_shard(struct folder *f, const char *name, const struct source *source, uint32_t file,
                               enum link_mode mode, struct err *err);

/* The next nstep steps that belong to no shard yet become a shard of that name, whatever its size. */
enum status folder_add_shard(struct folder *f, const char *name, size_t nstep, struct err *err);

/* The same, but the index does not list it, and a "/" in its name puts it into a folder within the folder. */
enum status folder_add_aside(struct folder *f, const char *name, size_t nstep, struct err *err);

/* Makes the outputs, with every header and offset. Steps that belong to no shard are cut into
 * model-00001-of-0000N.safetensors, a new one where a step would take it over the limit (the rule of mlx_lm
 * and transformers); a single one is model.safetensors. Sorts the steps of each shard. Without any shard
 * that is listed there is no index either. E_FORMAT for a tensor or file that is there twice, E_UNSUPPORTED
 * for what safetensors cannot hold. */
enum status folder_lay_out(struct folder *f, struct err *err);

/* Instead of it: all steps as one safetensors file, whose path is f->path; no folder is made. */
enum status folder_lay_out_file(struct folder *f, struct err *err);

#endif
