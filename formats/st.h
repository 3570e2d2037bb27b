/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors: u64 header size, JSON header, tensor data without holes.
 * Source: github.com/huggingface/safetensors, README "Format" and the checks of its reference reader.
 */
#ifndef FORMATS_ST_H
#define FORMATS_ST_H

#include "formats/source.h"

#define ST_MAX_HEADER 100000000u /* bytes, the reference reader's cap */

/* Adds the tensors of an open file (source.files[file]) to s, sorted by name, after every check: header
 * size and JSON, known fields and dtypes, offsets that tile the data exactly, sizes that equal
 * shape x dtype. __metadata__ of file 0 goes to s->st_meta. E_FORMAT, E_IO, E_LIMIT. */
enum status st_read(struct source *s, uint32_t file, struct err *err);

/* Whether the first bytes of a file look like safetensors. */
bool st_probe(const unsigned char *head, size_t n, uint64_t file_nbytes);

/* What the writer needs of one tensor. */
struct st_entry {
    const char *name;
    enum dtype dtype;
    uint32_t rank;
    const uint64_t *shape;
    uint64_t nbytes; /* of its data */
    uint64_t off;    /* set by st_header: from the start of the file */
};

/* Where a type stands in the order in which the reference writer lays out a file: by falling rank, then by
 * name. -1 when safetensors has no such type. */
int st_type_rank(enum dtype t);

/* Appends a file's header (size field included) to out, as the reference writer lays it out: data in the
 * order of the entries, which must be that of the reference (st_type_rank) if the file shall have its bytes;
 * padded with blanks to 8. `metadata` (strings only) may be NULL. E_UNSUPPORTED for what safetensors cannot
 * hold, E_LIMIT. */
enum status st_header(struct st_entry *entries, size_t n, const struct meta *metadata, struct buf *out,
                      struct err *err);

#endif
