/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that build a Hugging Face folder share. */
#ifndef CONVERT_HF_INT_H
#define CONVERT_HF_INT_H

#include "convert/build_int.h"
#include "convert/to_hf.h"

/* Whether the folder holds the text model of a class that has it within a wrapper, and nothing else: then the
 * class is that of the text model alone. */
bool hf_unwraps(const struct builder *b);

/* config.json of the folder. Only what is no longer so changes. */
enum status hf_config_write(const struct builder *b, struct buf *out, struct err *err);

#endif
