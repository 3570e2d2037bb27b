/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata of a vision tower's own file (general.architecture "clip"). */
#ifndef CONVERT_MMPROJ_H
#define CONVERT_MMPROJ_H

#include "arch/hparams.h"
#include "formats/source.h"

/* general.file_type (0: the value is each file's) and clip.*, from vision_config, the text model's config and
 * the image preprocessor's (preprocessor_config.json, overridden by processor_config.json). E_FORMAT when a
 * value is missing. */
enum status mmproj_to_meta(const struct hparams *vision, struct source *source, struct meta *out,
                           struct err *err);

#endif
