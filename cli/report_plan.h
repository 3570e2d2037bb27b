/* SPDX-License-Identifier: Apache-2.0 */
/* How a plan looks: as text for people, as one JSON object for programs. */
#ifndef CLI_REPORT_PLAN_H
#define CLI_REPORT_PLAN_H

#include "plan/exec.h"

/* A step's sink as the tensor that it becomes. */
struct tensor report_plan_tensor(const struct plan_step *step, const struct plan_sink *sink);

/* Files, types, what is dropped and why, memory; each dropped tensor by name when verbose. */
void report_plan_text(struct buf *out, const struct plan *p, const struct exec_memory *memory, bool verbose);

/* {"files": [...], "n_files", "file_bytes", "tensors": [{name, type, shape, nbytes, from}], "n_tensors",
 * "tensor_bytes", "types", "dropped": [{name, reason}], "bytes_read", "peak_memory_bytes", "notes"}; of
 * several sets also "rungs": [{first_file, n_files, file_bytes, n_tensors, tensor_bytes, bits_per_weight}],
 * and each tensor's "file". */
void report_plan_json(struct buf *out, const struct plan *p, const struct exec_memory *memory);

/* A line for each set of files of a finished run. */
void report_plan_lines(struct buf *out, const struct plan *p);

#endif
