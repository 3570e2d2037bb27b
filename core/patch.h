/* SPDX-License-Identifier: Apache-2.0 */
/* Changing a few bytes of a file where it is, where nobody else can be looking at it under another name. */
#ifndef CORE_PATCH_H
#define CORE_PATCH_H

#include "core/file.h"

/* Whether a path is a regular file itself (no link to one) that has no other name. */
bool patch_is_safe(const char *path);

/* Writes n bytes at off into the file behind f and waits until the disk has them; n may be 0. E_USAGE when it
 * is no longer the file that was opened, is not as it was then, or patch_is_safe() no longer holds; E_IO. */
enum status patch_apply(const struct file *f, uint64_t off, const void *bytes, size_t n, struct err *err);

#endif
