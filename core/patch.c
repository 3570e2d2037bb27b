/* SPDX-License-Identifier: Apache-2.0 */
#include "core/patch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool patch_is_safe(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

static bool is_unchanged(int fd, const struct file *f)
{
    struct file_id id = file_identity(f);
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_dev == id.dev &&
           st.st_ino == id.inode && (uint64_t)st.st_size == id.size &&
           (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec == id.mtime_ns;
}

static bool write_all(int fd, const unsigned char *p, size_t n, uint64_t off)
{
    while (n > 0) {
        ssize_t put = pwrite(fd, p, n, (off_t)off);

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = ENOSPC;
        if (put <= 0)
            return false;
        p += put;
        n -= (size_t)put;
        off += (uint64_t)put;
    }
    return true;
}

enum status patch_apply(const struct file *f, uint64_t off, const void *bytes, size_t n, struct err *err)
{
    const char *path = file_path(f);
    enum status s = OK;

    if (n == 0)
        return OK;
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fail_errno(err, "%s", path);
    if (!is_unchanged(fd, f))
        s = fail(err, E_USAGE, "%s: has changed since it was read; nothing was written", path);
    else if (!write_all(fd, bytes, n, off))
        s = fail_errno(err, "%s: write of %zu bytes at %" PRIu64, path, n, off);
    else if (fsync(fd) != 0)
        s = fail_errno(err, "%s: fsync", path);
    close(fd);
    return s;
}
