/* SPDX-License-Identifier: Apache-2.0 */
/* Reading files: positional, exact, never mapped (a mapping of a file that shrinks is a crash). */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include "core/str.h"

struct file;

/* Opens a regular file for reading; directories, FIFOs and devices are refused by kind. E_IO. The path
 * is copied. */
enum status file_open(struct file **out, const char *path, struct err *err);
void file_close(struct file *f); /* NULL is legal */

const char *file_path(const struct file *f);
uint64_t file_size(const struct file *f); /* as it was when opened */

/* Identity of the content for a resume: size, modification time, device and inode. */
struct file_id {
    uint64_t size, mtime_ns, dev, inode;
};
struct file_id file_identity(const struct file *f);

/* Exactly n bytes from off, or failure: E_IO for a failed read, E_FORMAT when the file ends early
 * (it was cut off, or is being written). Thread-safe. */
enum status file_read_at(const struct file *f, void *buf, size_t n, uint64_t off, struct err *err);

/* Where the hole of a sparse file ends that `off` lies in: up to there it reads as zeros, and takes no
 * reading. `off` itself where there is none, or the file system does not tell. Thread-safe. */
uint64_t file_hole_end(const struct file *f, uint64_t off);

/* The whole of a small file appended to b; E_LIMIT when it is larger than b->max. */
enum status file_load(const char *path, struct buf *b, struct err *err);

/* Whether a path exists (a dangling link does), and whether it is a directory. */
bool path_exists(const char *path);
bool path_is_dir(const char *path);

/* What is at path when that is no regular file, after following a link or not: "a FIFO", "a symbolic link".
 * NULL for a regular file, and for nothing. */
const char *path_other_kind(const char *path, bool follow);

/* Whether both paths exist and are the same inode. */
bool path_same(const char *a, const char *b);

/* Whether two paths are the same name in the same folder, and not two links to one file; true where memory
 * does not suffice to tell. */
bool path_same_entry(const char *a, const char *b);

/* The part after the last '/' (trailing slashes ignored), and the folder before it ("." if none). */
struct slice path_base(const char *path);
struct slice path_parent(const char *path);

/* Bytes that can still be written on the file system that holds path's folder. */
enum status path_free_space(const char *path, uint64_t *nbytes, struct err *err);

#endif
