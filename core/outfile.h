/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An output file that is either complete under its name or a NAME.partial beside it.
 *
 * Bytes may be written at any offset, each range once; long ascending runs are fast, a few of them in turns
 * too: they collect in aligned buffers, one of which a background thread writes while the others fill, past
 * the page cache where the file system allows it (O_DIRECT). What is never written reads as zeros.
 */
#ifndef CORE_OUTFILE_H
#define CORE_OUTFILE_H

#include "core/hash.h"
#include "core/status.h"

struct outfile;

/* Told about each range that has reached the file, in the order of writing, from the background thread. */
struct outfile_listener {
    void *ctx;
    enum status (*wrote)(void *ctx, uint64_t off, uint64_t nbytes, struct digest d, struct err *err);
};

#define OUTFILE_MAX_RUNS 3

struct outfile_spec {
    const char *path;    /* the final name */
    uint64_t nbytes;     /* the file's size; it grows with what is written beyond */
    unsigned nrun;       /* ascending runs that are written in turns, at most OUTFILE_MAX_RUNS; 0: 1 */
    size_t buffer_bytes; /* of each of nrun + 1; 64 KiB at least; rounded to whole pages */
    bool resume;         /* keep an existing NAME.partial of that size, else start empty */
    bool adopt; /* with resume: where there is no NAME.partial, a file of that name and size may be one that
                   an earlier run committed; it can then be read, but not written */
    const char *like;                 /* a file whose mode and, where allowed, owner this one gets; or NULL */
    struct outfile_listener listener; /* .wrote may be NULL */
};

/* Opens NAME.partial, locks it (a second run on the same output is refused: E_USAGE), gives it its size.
 * *resumed tells whether an earlier content was kept. On failure an earlier content that could have been
 * kept is still there; what this call made is not. */
enum status outfile_open(struct outfile **out, const struct outfile_spec *spec, bool *resumed,
                         struct err *err);

/* Whether the file has its final name: committed by this run or, where it was adopted, by an earlier one. */
bool outfile_is_committed(const struct outfile *f);

/* Instead of outfile_open: NAME.partial becomes another name of a file that is there already, whose inode the
 * output then shares. Where the file system has no such link, *linked is false, nothing is opened, and errno
 * says why. Links at `from` are followed. */
enum status outfile_link(struct outfile **out, const char *path, const char *from, bool *linked,
                         struct err *err);

/* Before the first write: takes over a file's whole content by sharing its blocks. False where the file
 * system cannot do that; then the output is as it was. */
bool outfile_clone(struct outfile *f, const char *from);

/* Makes a folder for outputs, durably; *made tells whether there was none. Its parent must exist. */
enum status outfile_make_folder(const char *path, bool *made, struct err *err);

/* Copies n bytes for offset off. E_IO (disk full among them). */
enum status outfile_write(struct outfile *f, const void *p, size_t n, uint64_t off, struct err *err);

/* Exactly n bytes of the file as it stands; buffered bytes must have been flushed. */
enum status outfile_read(struct outfile *f, void *p, size_t n, uint64_t off, struct err *err);

/* Whether a range reads as zeros as it stands, so that zeros need not be written there: one that no run wrote
 * does. Buffered bytes must have been flushed. */
enum status outfile_is_zero(struct outfile *f, uint64_t off, uint64_t nbytes, bool *zero, struct err *err);

/* Digest of a range as it stands in the file; buffered bytes must have been flushed. */
enum status outfile_digest(struct outfile *f, uint64_t off, uint64_t nbytes, struct digest *d,
                           struct err *err);

/* Forgets an earlier content after all: the whole file reads as zeros. Before the first write. */
enum status outfile_restart(struct outfile *f, struct err *err);

/* Writes out what is buffered and frees the buffer until the next write. */
enum status outfile_flush(struct outfile *f, struct err *err);

/* outfile_flush, then waits until the disk has it. */
enum status outfile_sync(struct outfile *f, struct err *err);

/* After outfile_sync of each: gives all n files their final names, durably, the first file's last. On failure
 * none has its name (an older file that was replaced meanwhile is gone). */
enum status outfile_commit(struct outfile **files, size_t n, struct err *err);

/* Closes; a file that was not committed stays as .partial when keep is set, else it is removed. */
void outfile_close(struct outfile *f, bool keep); /* NULL is legal */

#endif
