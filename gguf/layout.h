/* SPDX-License-Identifier: Apache-2.0 */
/* From a draft to GGUF files with headers and offsets. */
#ifndef GGUF_LAYOUT_H
#define GGUF_LAYOUT_H

#include "gguf/draft.h"

/* Cuts the draft's tensors into files in their order, adds those to the plan's outputs with their headers,
 * and to every step its sink. A draft of several files gets split keys. E_LIMIT for too many files. */
enum status layout_files(struct draft *d, struct err *err);

#endif
