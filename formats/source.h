/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint as one thing to read from: its files, the tensors in them, and the descriptions beside
 * them, whatever the container. Opening reads headers only.
 */
#ifndef FORMATS_SOURCE_H
#define FORMATS_SOURCE_H

#include "core/arena.h"
#include "core/file.h"
#include "core/json.h"
#include "formats/meta.h"
#include "formats/tensor.h"

enum source_kind {
    SOURCE_HF,          /* a Hugging Face folder: config.json and safetensors */
    SOURCE_SAFETENSORS, /* one .safetensors file without a folder around it */
    SOURCE_GGUF,        /* a GGUF file, or the first file of a split set */
    SOURCE_MLX,         /* a folder for MLX, as mlx_join (formats/mlx.h) reads it */
};

struct source_file {
    const char *path; /* as opened */
    struct file *file;
    uint64_t header_nbytes; /* bytes before the tensor data */
};

struct source {
    struct arena arena; /* owns names and tables */
    enum source_kind kind;
    const char *path;          /* as given, or the hub cache folder that org/name resolved to */
    const char *name;          /* the model's name: folder name, or org/name's last part */
    struct source_file *files; /* in reading order: shards by ascending name */
    size_t nfile, file_cap;    /* files and tensors are no part of the arena: they grow in place */
    struct tensor *tensors;    /* by file, then by name in code-point order (safetensors) or in file
                                  order (GGUF) */
    size_t ntensor, tensor_cap;
    struct map index; /* tensor name -> index */
    struct tensor
        *hidden; /* tensors of the files that the folder's index does not name: not among the above */
    size_t nhidden;

    /* SOURCE_HF, SOURCE_MLX */
    struct json *config;   /* config.json; NULL when the folder has none */
    const char **unlisted; /* shards lying in the folder that the index does not name */
    size_t nunlisted;
    struct meta st_meta; /* __metadata__ of the first file, strings */

    /* SOURCE_GGUF */
    struct meta meta; /* of the first file, split.* keys included */
    uint32_t gguf_version, alignment;
};

/* Opens whatever path is: probes the content, never the suffix. org/name resolves in the local hub cache
 * when no such path exists. */
enum status source_open(struct source **out, const char *path, struct err *err);
void source_close(struct source *s); /* NULL is legal */

const struct tensor *source_find(const struct source *s, const char *name); /* NULL when absent */

/* Path of a file beside the checkpoint (tokenizer.json ...), in the arena; NULL when it is not there or
 * the source is no folder. */
const char *source_beside(struct source *s, const char *file_name);

/* Moves to `hidden` the tensors whose names are not in the map, or back from there those that are wanted. */
enum status source_hide(struct source *s, const struct map *listed, struct err *err);
enum status source_unhide(struct source *s, bool (*wanted)(const char *name), struct err *err);

/* For the format readers: appends a file or tensor; duplicates of tensor names are E_FORMAT. A git-LFS
 * pointer or an unfinished download in the file's place is E_FORMAT. */
enum status source_add_file(struct source *s, const char *path, uint32_t *index, struct err *err);
enum status source_add_tensor(struct source *s, const struct tensor *t, struct err *err);

/* The same in two steps, for readers of many tensors: push each, then sort all from `first` on by name and
 * make them known to the index. */
enum status source_push_tensor(struct source *s, const struct tensor *t, struct err *err);
enum status source_index_tensors(struct source *s, size_t first, struct err *err);

/* For whoever has put tensors elsewhere than at the end: sorts n of them by name, and knows all anew. */
enum status source_sort_tensors(struct source *s, size_t first, size_t n, struct err *err);

/* For readers that see other tensors in the same files: the source has these instead. Takes the array, which
 * is malloc's, whatever happens. E_FORMAT for a name that is there twice. */
enum status source_set_tensors(struct source *s, struct tensor *tensors, size_t n, struct err *err);

#endif
