/* SPDX-License-Identifier: Apache-2.0 */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct file {
    int fd;
    char *path;
    struct file_id id;
    bool sparse; /* has fewer blocks than its size takes */
};

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISCHR(mode))
        return "a character device";
    if (S_ISBLK(mode))
        return "a block device";
    if (S_ISSOCK(mode))
        return "a socket";
    if (S_ISLNK(mode))
        return "a symbolic link";
    return "no regular file";
}

enum status file_open(struct file **out, const char *path, struct err *err)
{
    struct stat st;
    enum status s = OK;
    /* O_NONBLOCK so that a FIFO without a writer is refused below instead of waited for. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return fail_errno(err, "%s", path);
    if (fstat(fd, &st) != 0)
        s = fail_errno(err, "%s", path);
    else if (!S_ISREG(st.st_mode))
        s = fail(err, E_IO, "%s: is %s, not a file", path, kind_of(st.st_mode));

    struct file *f = s == OK ? calloc(1, sizeof *f) : NULL;
    char *copy = f ? strdup(path) : NULL;
    if (s == OK && !copy)
        s = fail_nomem(err);
    if (s != OK) {
        free(f);
        close(fd);
        return s;
    }
    f->fd = fd;
    f->path = copy;
    f->id = (struct file_id){
        .size = (uint64_t)st.st_size,
        .mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec,
        .dev = (uint64_t)st.st_dev,
        .inode = (uint64_t)st.st_ino,
    };
    f->sparse = (uint64_t)st.st_blocks * 512 < f->id.size;
    *out = f;
    return OK;
}

void file_close(struct file *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f->path);
    free(f);
}

const char *file_path(const struct file *f)
{
    return f->path;
}

uint64_t file_size(const struct file *f)
{
    return f->id.size;
}

struct file_id file_identity(const struct file *f)
{
    return f->id;
}

enum status file_read_at(const struct file *f, void *buf, size_t n, uint64_t off, struct err *err)
{
    unsigned char *p = buf;
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(f->fd, p + done, n - done, (off_t)(off + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_errno(err, "%s: read of %zu bytes at %" PRIu64, f->path, n, off);
        if (got == 0)
            return fail(err, E_FORMAT,
                        "%s:%" PRIu64 ": the file ends %zu bytes early (cut off, or still being written)",
                        f->path, off + done, n - done);
        done += (size_t)got;
    }
    return OK;
}

/* Reads are positional: nobody minds where the descriptor stands. Past the last data there may be a hole or
 * the end of a file that was cut off. */
uint64_t file_hole_end(const struct file *f, uint64_t off)
{
    off_t data = f->sparse ? lseek(f->fd, (off_t)off, SEEK_DATA) : (off_t)off;

    if (data < 0 && errno == ENXIO)
        data = lseek(f->fd, 0, SEEK_END);
    return data > (off_t)off ? (uint64_t)data : off;
}

enum status file_load(const char *path, struct buf *b, struct err *err)
{
    struct file *f = NULL;
    enum status s = file_open(&f, path, err);

    if (s != OK)
        return s;
    if (f->id.size > b->max - b->n) {
        s = fail(err, E_LIMIT, "%s: %" PRIu64 " bytes, more than the limit of %zu", path, f->id.size, b->max);
    } else {
        void *at = buf_extend(b, (size_t)f->id.size);

        s = at ? file_read_at(f, at, (size_t)f->id.size, 0, err) : fail_nomem(err);
    }
    file_close(f);
    return s;
}

bool path_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

bool path_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *path_other_kind(const char *path, bool follow)
{
    struct stat st;

    if ((follow ? stat : lstat)(path, &st) != 0 || S_ISREG(st.st_mode))
        return NULL;
    return kind_of(st.st_mode);
}

bool path_same(const char *a, const char *b)
{
    struct stat sa, sb;

    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* Length of path without trailing slashes; a path of only slashes keeps one. */
static size_t trimmed(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

struct slice path_base(const char *path)
{
    size_t n = trimmed(path), start = n;

    while (start > 0 && path[start - 1] != '/')
        start--;
    return (struct slice){path + start, n - start};
}

struct slice path_parent(const char *path)
{
    size_t n = (size_t)(path_base(path).p - path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n ? (struct slice){path, n} : slice_of(".");
}

bool path_same_entry(const char *a, const char *b)
{
    struct slice name = path_base(a), other = path_base(b), in = path_parent(a), other_in = path_parent(b);
    char *folder = strndup(in.p, in.n), *other_folder = strndup(other_in.p, other_in.n);
    bool unsure = !folder || !other_folder;
    bool same = name.n == other.n && memcmp(name.p, other.p, name.n) == 0 &&
                (unsure || path_same(folder, other_folder));

    free(folder);
    free(other_folder);
    return same;
}

enum status path_free_space(const char *path, uint64_t *nbytes, struct err *err)
{
    struct statvfs vfs;
    struct slice parent = path_parent(path);
    char *folder = strndup(parent.p, parent.n);

    if (!folder)
        return fail_nomem(err);
    enum status s = OK;
    if (statvfs(folder, &vfs) != 0)
        s = fail_errno(err, "%s", folder);
    else if (!mul_ok(vfs.f_bavail, vfs.f_frsize, nbytes))
        *nbytes = UINT64_MAX;
    free(folder);
    return s;
}
