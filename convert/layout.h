/* SPDX-License-Identifier: Apache-2.0 */
/* From steps with sinks to GGUF files with headers and offsets. */
#ifndef CONVERT_LAYOUT_H
#define CONVERT_LAYOUT_H

#include "plan/plan.h"

struct layout {
    struct plan *plan; /* each step has one sink, whose type is chosen */
    struct meta *meta; /* of the first file; gets the split keys when there are several */
    const char *path;  /* of the file; parts of a set are named after it */
    uint64_t split_max_bytes, split_max_tensors; /* of one file; 0: no limit */
};

/* Cuts the steps into files in their order, and sets every header and offset. E_LIMIT for too many files. */
enum status layout_files(const struct layout *l, struct err *err);

#endif
