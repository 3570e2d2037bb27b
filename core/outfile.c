/* SPDX-License-Identifier: Apache-2.0 */
#include "core/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/flusher.h"

#define BLOCK           4096u /* alignment of direct writes: a multiple of every common logical block size */
#define READ_BACK_BYTES (1 * MIB)

struct outfile {
    char *path, *partial;
    int fd;        /* buffered */
    int direct_fd; /* O_DIRECT, or -1 */
    bool committed;
    bool linked; /* has no descriptors: shares the inode of another file */
    bool blank;  /* no earlier run wrote it */
    uint64_t nbytes;
    struct outfile_listener listener;
    struct flusher *flusher; /* writes a full buffer while others fill; it and the buffers live from the first
                                write to the next outfile_flush */
    struct run {
        unsigned char *buffer;     /* aligned to BLOCK; holds file bytes [start, end) at (off - base) */
        uint64_t base, start, end; /* base = start rounded down to BLOCK */
        uint64_t used;             /* nwrite when it last grew */
    } runs[OUTFILE_MAX_RUNS];
    unsigned nrun;
    uint64_t nwrite;
    unsigned char *spare; /* free, or being written */
    size_t capacity;      /* of each buffer */
};

static enum status pwrite_all(struct outfile *f, int fd, const void *p, size_t n, uint64_t off)
{
    const unsigned char *bytes = p;
    size_t done = 0;

    while (done < n) {
        ssize_t put = pwrite(fd, bytes + done, n - done, (off_t)(off + done));

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = ENOSPC;
        if (put <= 0)
            return E_IO;
        done += (size_t)put;
        /* A short direct write may end off a block; the page cache takes the rest. */
        if (fd == f->direct_fd && done < n && done % BLOCK)
            fd = f->fd;
    }
    return OK;
}

/* Whole blocks through the direct descriptor; a file system that refuses it gets buffered writes. */
static enum status write_blocks(struct outfile *f, const unsigned char *p, size_t n, uint64_t off)
{
    if (f->direct_fd >= 0) {
        if (pwrite_all(f, f->direct_fd, p, n, off) == OK)
            return OK;
        if (errno != EINVAL)
            return E_IO;
        close(f->direct_fd);
        f->direct_fd = -1;
    }
    if (pwrite_all(f, f->fd, p, n, off) != OK)
        return E_IO;
    /* Start the write-back now, so that the final fsync finds little left to do. */
    (void)sync_file_range(f->fd, (off_t)off, (off_t)n, SYNC_FILE_RANGE_WRITE);
    return OK;
}

/* Writes a range, its whole blocks directly, and tells the listener. Called in the flusher's thread. */
static enum status write_job(void *ctx, const struct flusher_job *job, struct err *err)
{
    struct outfile *f = ctx;
    uint64_t start = job->off, end = start + job->nbytes;
    uint64_t first = align_up(start, BLOCK), last = end / BLOCK * BLOCK;
    enum status s = OK;

    if (first >= last)
        first = last = end;
    if (start < first)
        s = pwrite_all(f, f->fd, job->data, first - start, start);
    if (s == OK && first < last)
        s = write_blocks(f, job->data + (first - start), last - first, first);
    if (s == OK && last < end)
        s = pwrite_all(f, f->fd, job->data + (last - start), end - last, last);
    if (s != OK)
        return fail_errno(err, "%s: write of %zu bytes at %" PRIu64, f->partial, job->nbytes, start);
    if (f->listener.wrote)
        s = f->listener.wrote(f->listener.ctx, start, job->nbytes, hash_bytes(job->data, job->nbytes), err);
    return s;
}

/* Hands what a run has buffered to the flusher and goes on in the buffer that this one wrote before. */
static enum status flush_run(struct outfile *f, struct run *r, struct err *err)
{
    struct flusher_job job = {r->buffer + (r->start - r->base), r->start, (size_t)(r->end - r->start)};
    unsigned char *full = r->buffer;

    if (job.nbytes == 0)
        return OK;
    enum status s = flusher_submit(f->flusher, &job, err);
    r->buffer = f->spare;
    f->spare = full;
    r->start = r->end;
    return s;
}

static void close_buffers(struct outfile *f)
{
    flusher_stop(f->flusher);
    f->flusher = NULL;
    free(f->spare);
    f->spare = NULL;
    for (size_t i = 0; i < ARRAY_LEN(f->runs); i++) {
        free(f->runs[i].buffer);
        f->runs[i] = (struct run){0};
    }
}

static unsigned char *new_buffer(const struct outfile *f)
{
    void *p = NULL;

    return posix_memalign(&p, BLOCK, f->capacity) == 0 ? p : NULL;
}

static enum status open_buffers(struct outfile *f, struct err *err)
{
    bool all = (f->spare = new_buffer(f)) != NULL;

    for (unsigned i = 0; i < f->nrun && all; i++)
        all = (f->runs[i].buffer = new_buffer(f)) != NULL;
    enum status s = all ? flusher_start(&f->flusher, write_job, f, err) : fail_nomem(err);
    if (s != OK)
        close_buffers(f);
    return s;
}

/* The run that ends at off, or else the one that has not grown for longest, ready to take bytes from there.
 */
static enum status find_run(struct outfile *f, uint64_t off, struct run **out, struct err *err)
{
    struct run *r = &f->runs[0];

    for (unsigned i = 0; i < f->nrun && r->end != off; i++)
        if (f->runs[i].end == off || f->runs[i].used < r->used)
            r = &f->runs[i];
    *out = r;
    if (r->start < r->end && r->end == off && off - r->base < f->capacity)
        return OK;
    enum status s = flush_run(f, r, err);
    r->start = r->end = off;
    r->base = off / BLOCK * BLOCK;
    return s;
}

enum status outfile_write(struct outfile *f, const void *p, size_t n, uint64_t off, struct err *err)
{
    const unsigned char *bytes = p;
    enum status s = n > 0 && !f->flusher ? open_buffers(f, err) : OK;

    while (n > 0 && s == OK) {
        struct run *r;

        s = find_run(f, off, &r, err);
        if (s != OK)
            break;
        size_t take = min_u64(n, f->capacity - (size_t)(off - r->base));
        memcpy(r->buffer + (off - r->base), bytes, take);
        r->used = ++f->nwrite;
        r->end += take;
        bytes += take;
        off += take;
        n -= take;
    }
    return s;
}

enum status outfile_restart(struct outfile *f, struct err *err)
{
    if (ftruncate(f->fd, 0) != 0 || ftruncate(f->fd, (off_t)f->nbytes) != 0)
        return fail_errno(err, "%s: setting its size to %" PRIu64, f->partial, f->nbytes);
    f->blank = true;
    return OK;
}

/* A file with other names is not ours to write: an interrupted run left a link to its source, or there is a
 * second copy of something. */
static int open_unshared(const char *path)
{
    struct stat st;

    for (int i = 0; i < 2; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);

        if (fd < 0 || fstat(fd, &st) != 0 || st.st_nlink <= 1)
            return fd;
        close(fd);
        if (unlink(path) != 0)
            return -1;
    }
    errno = EMLINK;
    return -1;
}

/* Opens and locks. Between the two, the run that held the lock may have renamed or removed the file: what is
 * locked then is no longer the one under this name. */
static enum status lock_partial(struct outfile *f, struct stat *st, struct err *err)
{
    struct stat named;

    f->fd = open_unshared(f->partial);
    if (f->fd < 0)
        return fail_errno(err, "%s", f->partial);
    bool locked =
        flock(f->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; // some file systems have no locks
    if (fstat(f->fd, st) != 0)
        return fail_errno(err, "%s", f->partial);
    if (!locked || stat(f->partial, &named) != 0 || named.st_dev != st->st_dev || named.st_ino != st->st_ino)
        return fail(err, E_USAGE, "%s: another run is writing it", f->partial);
    return OK;
}

/* The owner first: a change of it takes set-user bits away. */
static enum status take_after(const struct outfile *f, const char *like, struct err *err)
{
    struct stat st;

    if (!like || stat(like, &st) != 0)
        return OK;
    int refused = fchown(f->fd, st.st_uid, st.st_gid); // only the superuser may give files away
    (void)refused;
    return fchmod(f->fd, st.st_mode & 07777) == 0 ? OK : fail_errno(err, "%s: setting its mode", f->partial);
}

static enum status open_partial(struct outfile *f, bool resume, bool *resumed, struct err *err)
{
    struct stat st;
    enum status s = lock_partial(f, &st, err);

    if (s != OK) {
        if (f->fd >= 0)
            close(f->fd);
        f->fd = -1; // not to be removed: it may be another run's
        return s;
    }
    *resumed = resume && (uint64_t)st.st_size == f->nbytes && f->nbytes > 0;
    /* What a failed write-back left in the page cache is not on the disk: digests are to see the disk. */
    if (*resumed)
        (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
    else
        s = outfile_restart(f, err);
    if (s == OK)
        f->direct_fd = open(f->partial, O_WRONLY | O_DIRECT | O_CLOEXEC);
    return s;
}

/* The file under its final name, where an earlier run seems to have finished it. */
static bool adopt(struct outfile *f)
{
    struct stat st;

    if (stat(f->partial, &st) == 0 || lstat(f->path, &st) != 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != f->nbytes)
        return false;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    f->committed = f->fd >= 0;
    return f->committed;
}

bool outfile_is_committed(const struct outfile *f)
{
    return f->committed;
}

/* NULL when out of memory. */
static struct outfile *outfile_new(const char *path)
{
    struct outfile *f = calloc(1, sizeof *f);
    size_t partial_n = strlen(path) + sizeof ".partial";

    if (!f)
        return NULL;
    f->fd = f->direct_fd = -1;
    f->path = strdup(path);
    f->partial = malloc(partial_n);
    if (!f->path || !f->partial) {
        outfile_close(f, true);
        return NULL;
    }
    snprintf(f->partial, partial_n, "%s.partial", path);
    return f;
}

enum status outfile_open(struct outfile **out, const struct outfile_spec *spec, bool *resumed,
                         struct err *err)
{
    struct outfile *f = outfile_new(spec->path);

    if (!f)
        return fail_nomem(err);
    f->nbytes = spec->nbytes;
    f->nrun = spec->nrun ? spec->nrun : 1;
    f->listener = spec->listener;
    f->capacity = (size_t)align_up(max_u64(spec->buffer_bytes, 64 * KIB), BLOCK);
    *resumed = spec->resume && spec->adopt && adopt(f);
    enum status s = *resumed ? OK : open_partial(f, spec->resume, resumed, err);
    if (s == OK)
        s = take_after(f, spec->like, err);
    if (s != OK) {
        outfile_close(f, false);
        return s;
    }
    *out = f;
    return OK;
}

enum status outfile_link(struct outfile **out, const char *path, const char *from, bool *linked,
                         struct err *err)
{
    struct outfile *f = outfile_new(path);

    *linked = false;
    if (!f)
        return fail_nomem(err);
    if (unlink(f->partial) != 0 && errno != ENOENT) {
        enum status s = fail_errno(err, "%s: removing what an earlier run left", f->partial);

        outfile_close(f, true);
        return s;
    }
    f->linked = *linked = linkat(AT_FDCWD, from, AT_FDCWD, f->partial, AT_SYMLINK_FOLLOW) == 0;
    if (f->linked) {
        *out = f;
    } else {
        int reason = errno;

        outfile_close(f, true);
        errno = reason;
    }
    return OK;
}

static const char *name_now(const struct outfile *f)
{
    return f->committed ? f->path : f->partial;
}

enum status outfile_read(struct outfile *f, void *p, size_t n, uint64_t off, struct err *err)
{
    unsigned char *bytes = p;

    while (n > 0) {
        ssize_t got = pread(f->fd, bytes, n, (off_t)off);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(err, "%s: read at %" PRIu64, name_now(f), off);
        if (got == 0)
            return fail(err, E_IO, "%s: ends at %" PRIu64, name_now(f), off);
        bytes += got;
        off += (uint64_t)got;
        n -= (size_t)got;
    }
    return OK;
}

bool outfile_clone(struct outfile *f, const char *from)
{
    int fd = open(from, O_RDONLY | O_CLOEXEC);
    bool cloned = fd >= 0 && ioctl(f->fd, FICLONE, fd) == 0;

    if (fd >= 0)
        close(fd);
    return cloned;
}

enum status outfile_is_zero(struct outfile *f, uint64_t off, uint64_t nbytes, bool *zero, struct err *err)
{
    unsigned char *chunk = f->blank ? NULL : malloc(READ_BACK_BYTES);
    enum status s = f->blank || chunk ? OK : fail_nomem(err);

    *zero = true;
    while (!f->blank && s == OK && *zero && nbytes > 0) {
        size_t n = min_u64(nbytes, READ_BACK_BYTES);

        s = outfile_read(f, chunk, n, off, err);
        *zero = s == OK && chunk[0] == 0 && memcmp(chunk, chunk + 1, n - 1) == 0;
        off += n;
        nbytes -= n;
    }
    free(chunk);
    return s;
}

enum status outfile_digest(struct outfile *f, uint64_t off, uint64_t nbytes, struct digest *d,
                           struct err *err)
{
    struct hash *h = hash_new();
    unsigned char *chunk = malloc(READ_BACK_BYTES);
    enum status s = h && chunk ? OK : fail_nomem(err);

    while (s == OK && nbytes > 0) {
        size_t n = min_u64(nbytes, READ_BACK_BYTES);

        s = outfile_read(f, chunk, n, off, err);
        if (s == OK)
            hash_update(h, chunk, n);
        off += n;
        nbytes -= n;
    }
    if (s == OK)
        *d = hash_digest(h);
    free(chunk);
    hash_free(h);
    return s;
}

enum status outfile_flush(struct outfile *f, struct err *err)
{
    enum status s = OK;

    for (unsigned i = 0; i < f->nrun && f->flusher && s == OK; i++)
        s = flush_run(f, &f->runs[i], err);
    if (f->flusher && s == OK)
        s = flusher_wait(f->flusher, err);
    close_buffers(f);
    return s;
}

static bool sync_fd(int fd)
{
    int rc;

    do
        rc = fsync(fd);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

enum status outfile_sync(struct outfile *f, struct err *err)
{
    if (f->linked)
        return OK;
    enum status s = outfile_flush(f, err);
    if (s == OK && !sync_fd(f->fd))
        s = fail_errno(err, "%s: fsync", f->partial);
    return s;
}

static enum status sync_folder(const char *path, struct err *err)
{
    struct slice parent = path_parent(path);
    char *folder = strndup(parent.p, parent.n);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    enum status s = OK;

    if (!folder)
        return fail_nomem(err);
    /* Some file systems cannot sync a folder (EINVAL); the rename itself has happened by then. */
    if (fd < 0 || (!sync_fd(fd) && errno != EINVAL))
        s = fail_errno(err, "%s: fsync", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return s;
}

enum status outfile_make_folder(const char *path, bool *made, struct err *err)
{
    *made = mkdir(path, 0777) == 0;
    if (!*made)
        return path_is_dir(path) ? OK : fail_errno(err, "%s", path);
    enum status s = sync_folder(path, err);
    if (s != OK)
        rmdir(path);
    return s;
}

static enum status give_name(struct outfile *f, struct err *err)
{
    if (rename(f->partial, f->path) != 0)
        return fail_errno(err, "%s: renaming it to %s", f->partial, f->path);
    if (f->linked) // rename does nothing where both names are of one file already
        unlink(f->partial);
    f->committed = true;
    return OK;
}

static void take_name(struct outfile *f)
{
    if (f->committed && rename(f->path, f->partial) == 0)
        f->committed = false;
}

/* All renames before the first wait: a crash between two of them leaves half a set. */
enum status outfile_commit(struct outfile **files, size_t n, struct err *err)
{
    enum status s = OK;

    for (size_t i = n; i-- > 0 && s == OK;)
        s = give_name(files[i], err);
    for (size_t i = 0; i < n && s == OK; i++)
        s = sync_folder(files[i]->path, err);
    for (size_t i = 0; i < n && s != OK; i++)
        take_name(files[i]);
    return s;
}

void outfile_close(struct outfile *f, bool keep)
{
    if (!f)
        return;
    close_buffers(f);
    bool ours = f->linked || (f->fd >= 0 && !keep);
    if (ours && !f->committed)
        unlink(f->partial);
    if (f->direct_fd >= 0)
        close(f->direct_fd);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->partial);
    free(f);
}
