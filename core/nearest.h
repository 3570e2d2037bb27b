/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean ...": the candidate that a mistyped word is closest to. */
#ifndef CORE_NEAREST_H
#define CORE_NEAREST_H

#include "core/base.h"

/* The candidate that `given` was most likely meant to be, ignoring case; NULL when none is near. */
const char *nearest_of(const char *given, const char *const *candidates, size_t n);

#endif
