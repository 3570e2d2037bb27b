/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes system calls and allocations of a program fail, by LD_PRELOAD. What to do is in the environment:
 *
 *   FAULT_CALL   calls that FAULT_AT counts, separated by commas: malloc calloc realloc posix_memalign
 *                ("alloc" for these four) pread pwrite write fsync rename ftruncate pthread_create open
 *                mkdir
 *   FAULT_AT     number of the call, from 1, that fails; 0 or none: no call
 *   FAULT_ERRNO  with this error number (default: ENOMEM for memory, EAGAIN for threads, EIO for the rest)
 *   FAULT_SHORT  when set, pread, pwrite and write transfer half of what they could
 *   FAULT_EINTR  when set, every second call of pread, pwrite, write and fsync is interrupted
 *   FAULT_DISK   bytes that pwrite and write may put before the disk is full
 *   FAULT_KILL   number of the pwrite that stops half way with SIGKILL
 *   FAULT_INT    number of the pwrite before which SIGINT arrives
 *   FAULT_STOP   number of the pwrite before which SIGSTOP arrives
 *   FAULT_COUNT  file that gets, when the program ends, "CALLS BYTES": those that FAULT_CALL selects, and
 * bytes that pwrite put
 */
#undef _FILE_OFFSET_BITS /* both names of each call are wanted: pread and pread64 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call {
    MALLOC,
    CALLOC,
    REALLOC,
    POSIX_MEMALIGN,
    PREAD,
    PWRITE,
    WRITE,
    FSYNC,
    RENAME,
    FTRUNCATE,
    PTHREAD_CREATE,
    OPEN,
    MKDIR,
    CALL_COUNT
};

static const char *const names[CALL_COUNT] = {
    "malloc", "calloc", "realloc",   "posix_memalign", "pread", "pwrite", "write",
    "fsync",  "rename", "ftruncate", "pthread_create", "open",  "mkdir"};

static bool selected[CALL_COUNT];
static long at, kill_at, int_at, stop_at;
static int error;
static bool shorten, interrupt, limited;
static atomic_long ncall, npwrite, nwritten, room, turn;
static const char *count_path;

/* The real functions. dlsym may allocate before malloc is known: from a small store that is never freed. */
static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);
static int (*real_posix_memalign)(void **, size_t, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off64_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int);
static int (*real_rename)(const char *, const char *);
static int (*real_ftruncate)(int, off64_t);
static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*real_open)(const char *, int, ...);
static int (*real_mkdir)(const char *, mode_t);

static _Alignas(16) char store[1 << 16];
static size_t stored;

static void *from_store(size_t n)
{
    void *p = store + stored;

    stored += (n + 15) / 16 * 16;
    if (stored > sizeof store)
        _exit(99);
    return p;
}

static bool in_store(const void *p)
{
    return (const char *)p >= store && (const char *)p < store + sizeof store;
}

/* The address of a function, without a cast that ISO C has not. */
static void find(void *pointer, const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);

    memcpy(pointer, &p, sizeof p);
}

static long number(const char *name)
{
    const char *text = getenv(name);

    return text ? strtol(text, NULL, 10) : 0;
}

static bool listed(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; (p = strstr(p, name)); p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

/* Before the first call of all, which may come from a library that is set up earlier than this one. */
static void find_all(void)
{
    static bool begun;

    if (begun)
        return;
    begun = true;
    find(&real_calloc, "calloc");
    find(&real_malloc, "malloc");
    find(&real_realloc, "realloc");
    find(&real_free, "free");
    find(&real_posix_memalign, "posix_memalign");
    find(&real_pread, "pread64");
    find(&real_pwrite, "pwrite64");
    find(&real_write, "write");
    find(&real_fsync, "fsync");
    find(&real_rename, "rename");
    find(&real_ftruncate, "ftruncate64");
    find(&real_pthread_create, "pthread_create");
    find(&real_open, "open64");
    find(&real_mkdir, "mkdir");
}

__attribute__((constructor)) static void set_up(void)
{
    const char *list = getenv("FAULT_CALL");

    find_all();
    for (int i = 0; list && i < CALL_COUNT; i++)
        selected[i] = listed(list, names[i]) || (i <= POSIX_MEMALIGN && listed(list, "alloc"));
    error = (int)number("FAULT_ERRNO");
    kill_at = number("FAULT_KILL");
    int_at = number("FAULT_INT");
    stop_at = number("FAULT_STOP");
    shorten = getenv("FAULT_SHORT") != NULL;
    interrupt = getenv("FAULT_EINTR") != NULL;
    limited = getenv("FAULT_DISK") != NULL;
    atomic_store(&room, number("FAULT_DISK"));
    count_path = getenv("FAULT_COUNT");
    at = number("FAULT_AT");
    atomic_store(&ncall, 0); // what ran before this does not count
}

__attribute__((destructor)) static void report(void)
{
    char text[64];

    if (!count_path)
        return;
    int n = snprintf(text, sizeof text, "%ld %ld\n", atomic_load(&ncall), atomic_load(&nwritten));
    int fd = (int)syscall(SYS_openat, AT_FDCWD, count_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || syscall(SYS_write, fd, text, n) != n)
        _exit(98);
}

/* Whether this call is the one that fails; errno is set then. */
static bool fails(enum call call, int usual)
{
    if (!selected[call] || atomic_fetch_add(&ncall, 1) + 1 != at)
        return false;
    errno = error ? error : usual;
    return true;
}

static bool is_interrupted(void)
{
    if (!interrupt || atomic_fetch_add(&turn, 1) % 2 != 0)
        return false;
    errno = EINTR;
    return true;
}

static size_t half(size_t n)
{
    return shorten && n > 1 ? n / 2 : n;
}

/* How many of n bytes still fit; false when none does. */
static bool fits(size_t *n)
{
    if (!limited || *n == 0)
        return true;
    long left = atomic_load(&room);
    if (left <= 0) {
        errno = ENOSPC;
        return false;
    }
    if ((size_t)left < *n)
        *n = (size_t)left;
    atomic_fetch_sub(&room, (long)*n);
    return true;
}

void *malloc(size_t n)
{
    find_all();
    if (!real_malloc)
        return from_store(n);
    return fails(MALLOC, ENOMEM) ? NULL : real_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    find_all();
    if (!real_calloc)
        return from_store(count * n);
    return fails(CALLOC, ENOMEM) ? NULL : real_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
    if (in_store(p)) {
        void *moved = malloc(n);

        return moved ? memcpy(moved, p, n) : NULL;
    }
    find_all();
    if (!real_realloc)
        return from_store(n);
    return fails(REALLOC, ENOMEM) ? NULL : real_realloc(p, n);
}

void free(void *p)
{
    if (real_free && !in_store(p))
        real_free(p);
}

int posix_memalign(void **p, size_t alignment, size_t n)
{
    return fails(POSIX_MEMALIGN, ENOMEM) ? ENOMEM : real_posix_memalign(p, alignment, n);
}

ssize_t pread64(int fd, void *p, size_t n, off64_t off)
{
    return fails(PREAD, EIO) || is_interrupted() ? -1 : real_pread(fd, p, half(n), off);
}

ssize_t pread(int fd, void *p, size_t n, off_t off)
{
    return pread64(fd, p, n, off);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
{
    long call = atomic_fetch_add(&npwrite, 1) + 1;

    if (call == kill_at) {
        (void)!real_pwrite(fd, p, n / 2, off);
        kill(getpid(), SIGKILL);
    }
    if (call == int_at || call == stop_at)
        kill(getpid(), call == int_at ? SIGINT : SIGSTOP);
    if (fails(PWRITE, EIO) || is_interrupted() || !fits(&n))
        return -1;
    ssize_t put = real_pwrite(fd, p, half(n), off);
    if (put > 0)
        atomic_fetch_add(&nwritten, put);
    return put;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off)
{
    return pwrite64(fd, p, n, off);
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (fails(WRITE, EIO) || is_interrupted() || !fits(&n))
        return -1;
    return real_write(fd, p, half(n));
}

int fsync(int fd)
{
    return fails(FSYNC, EIO) || is_interrupted() ? -1 : real_fsync(fd);
}

int rename(const char *from, const char *to)
{
    return fails(RENAME, EIO) ? -1 : real_rename(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return fails(MKDIR, EIO) ? -1 : real_mkdir(path, mode);
}

int ftruncate64(int fd, off64_t n)
{
    return fails(FTRUNCATE, EIO) ? -1 : real_ftruncate(fd, n);
}

int ftruncate(int fd, off_t n)
{
    return ftruncate64(fd, n);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
    return fails(PTHREAD_CREATE, EAGAIN) ? errno : real_pthread_create(thread, attr, start, arg);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return fails(OPEN, EIO) ? -1 : real_open(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list ap;

    if (flags & (O_CREAT | __O_TMPFILE)) {
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return open64(path, flags, mode);
}
