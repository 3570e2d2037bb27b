/* SPDX-License-Identifier: Apache-2.0 */
/* How tensors, types and notes look in text and in JSON, the same for every command. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "core/json.h"
#include "core/notes.h"
#include "formats/meta.h"
#include "formats/tensor.h"

/* What the tensors add up to. Zero it to start. */
struct report_totals {
    struct {
        uint64_t ntensor, nbytes;
    } by_type[DT_COUNT];
    uint64_t ntensor, nbytes, nelem;
};

void report_count(struct report_totals *totals, const struct tensor *t);
double report_bits_per_weight(const struct report_totals *totals); /* 0 without elements */

/* Table: a row for each type that occurs, most bytes first, and their sum. */
void report_types_text(struct buf *out, const struct report_totals *totals);
/* Table: name, type, shape, bytes and, unless files is NULL, files[tensor.file]. */
void report_tensors_text(struct buf *out, const struct tensor *t, size_t n, const char *const *files);
void report_notes_text(struct buf *out, const struct notes *notes);

/* The members "name", "type", "shape" and "nbytes" of an open object. */
void report_tensor_members(struct json_writer *w, const struct tensor *t);

/* The members "tensors", "n_tensors", "tensor_bytes"; "types"; "notes" of an open object. */
void report_tensors_json(struct json_writer *w, const struct tensor *t, size_t n);
void report_types_json(struct json_writer *w, const struct report_totals *totals);
void report_notes_json(struct json_writer *w, const struct notes *notes);

/* Metadata. Text shortens what is long. JSON is an object value for an open key, in which arrays of more
 * than REPORT_LONG_ARRAY elements stand as {"type", "elem", "count"} unless complete is set; arrays of
 * arrays always do. */
#define REPORT_LONG_ARRAY 1000
void report_meta_text(struct buf *out, const struct meta *meta);
void report_meta_json(struct json_writer *w, const struct meta *meta, bool complete);

/* A parsed JSON value, flattened to lines "prefix.key.key  value". */
void report_tree_text(struct buf *out, const char *prefix, const struct json *v);

#endif
