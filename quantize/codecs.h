/* SPDX-License-Identifier: Apache-2.0 */
/* The table of codecs: one row per type that scion can read as numbers or write. */
#ifndef QUANTIZE_CODECS_H
#define QUANTIZE_CODECS_H

#include "formats/codec.h"

/* Never NULL for a known type; its encode or decode is NULL where that direction does not exist. */
const struct codec *codec_find(enum dtype t);

#endif
