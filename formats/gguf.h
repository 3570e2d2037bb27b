/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GGUF v2 and v3, little endian.
 * Source: docs/gguf.md of github.com/ggml-org/ggml, and the checks of its reader.
 */
#ifndef FORMATS_GGUF_H
#define FORMATS_GGUF_H

#include "formats/source.h"

#define GGUF_DEFAULT_ALIGNMENT 32u
#define GGUF_MAX_RANK          4
#define GGUF_MAX_KEY           65535u

/* Adds the tensors of the open file source.files[0] (file is 0) to s and sets s->meta, gguf_version and
 * alignment. Nothing past the header is read, and the tensors tile the rest of the file. E_FORMAT, E_IO,
 * E_LIMIT, E_NOMEM; E_UNSUPPORTED for version 1 and those after 3. */
enum status gguf_read(struct source *s, uint32_t file, struct err *err);

/* The same for any file of a split set; its metadata goes to m, which the caller has initialised. */
enum status gguf_read_part(struct source *s, uint32_t file, struct meta *m, struct err *err);

/* When the file just read is the first of a split set, opens and reads the others, which must lie in its
 * folder under the names that follow from its own: E_IO when one is missing, E_FORMAT when one does not
 * belong. E_USAGE, naming the first, when the file read is another part. */
enum status gguf_read_split(struct source *s, struct err *err);

bool gguf_probe(const unsigned char *head, size_t n);

/* What the writer needs of one tensor. */
struct gguf_entry {
    const char *name;
    enum dtype dtype;
    uint32_t rank;
    const uint64_t *shape; /* outermost first; written reversed */
    uint64_t nbytes;
    uint64_t off; /* set by gguf_header: from the start of the file */
};

/* The bytes of a file before its data, in pieces: long values stay where the metadata has them, so that the
 * headers of many files of one model cost little more than one. */
struct gguf_header {
    struct arena *arena; /* set by the caller; holds the list and the short pieces */
    struct slice *piece;
    size_t n, cap;
    uint64_t nbytes;      /* of all pieces */
    uint64_t file_nbytes; /* with the data */
};

/* Magic, version 3, metadata, tensor infos and the padding before the data; sets the entries' offsets: in
 * order, each tensor padded to the alignment (the last one too). general.alignment in `meta` is honoured,
 * else 32. A scalar becomes one element in one dimension. E_UNSUPPORTED for what GGUF cannot hold, E_USAGE
 * for an alignment that is no power of two, E_LIMIT for a header of more than GGUF_MAX_HEADER bytes, E_NOMEM.
 */
#define GGUF_MAX_HEADER (1 * GIB)
enum status gguf_header(const struct meta *meta, struct gguf_entry *entries, size_t n,
                        struct gguf_header *out, struct err *err);

/* "<stem>-00001-of-00003.gguf" in the arena: part is 0-based, stem is path without its file name's last
 * extension. NULL as arena_alloc(). */
char *gguf_split_name(struct arena *a, const char *path, uint32_t part, uint32_t nparts);

struct gguf_split {
    uint16_t no, count; /* of files; no is 0-based */
    int32_t ntensor;    /* in all of them */
};

/* The keys of a split set. Adding puts them behind all others; files of one need none. */
enum gguf_split_order {
    GGUF_SPLIT_CONVERTER, /* no, count, tensors.count: llama.cpp's converter */
    GGUF_SPLIT_TOOL,      /* no, tensors.count, count: llama-gguf-split */
};
enum status gguf_split_add(struct meta *m, enum gguf_split_order order, const struct gguf_split *split,
                           struct err *err);
bool gguf_split_remove(struct meta *m); /* whether there was one */
bool gguf_split_is_key(const char *key);

/* The number in "blk.<number>.<rest>", the name of a tensor of a block; false for other names. */
bool gguf_block(const char *name, uint64_t *block, const char **rest);

#endif
