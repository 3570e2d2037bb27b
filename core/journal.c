/* SPDX-License-Identifier: Apache-2.0 */
#include "core/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/file.h"

#define HEAD_FORMAT "scion journal 1 %s\n"
#define JOURNAL_MAX ((size_t)1 << 30)

struct journal {
    int fd;
    char *path;
    struct journal_range *kept;
    size_t nkept;
    atomic_size_t nadded; /* several output files may add at once */
};

/* One record line [p, end) without its newline; false when it is not one. */
static bool parse_range(const char *p, const char *end, struct journal_range *r)
{
    char line[128], hex[DIGEST_HEX];
    int used = 0;

    if ((size_t)(end - p) >= sizeof line)
        return false;
    memcpy(line, p, (size_t)(end - p));
    line[end - p] = '\0';
    if (sscanf(line, "%" SCNu32 " %" SCNu64 " %" SCNu64 " %32[0-9a-f]%n", &r->out, &r->off, &r->nbytes, hex,
               &used) != 4)
        return false;
    return line[used] == '\0' && digest_parse(hex, &r->digest);
}

/* Keeps the complete records of a log whose first line is `head`; *valid gets the bytes up to the last one,
 * 0 for another log or none. */
static enum status load(struct journal *j, const char *head, uint64_t *valid, struct err *err)
{
    struct buf text;
    size_t cap = 0;

    if (!path_exists(j->path))
        return OK;
    buf_init(&text, JOURNAL_MAX);
    enum status s = file_load(j->path, &text, err);
    size_t n = strlen(head);
    const char *p = text.p, *end = text.p + text.n;
    if (s != OK || text.n < n || memcmp(p, head, n) != 0) {
        buf_free(&text);
        return s;
    }
    for (p += n; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        struct journal_range r;

        if (!eol || !parse_range(p, eol, &r))
            break;
        if (j->nkept == cap) {
            cap = cap ? cap * 2 : 256;
            struct journal_range *bigger = realloc(j->kept, cap * sizeof *bigger);
            if (!bigger) {
                s = fail_nomem(err);
                break;
            }
            j->kept = bigger;
        }
        j->kept[j->nkept++] = r;
        p = eol + 1;
    }
    *valid = (uint64_t)(p - text.p);
    buf_free(&text);
    return s;
}

static enum status append(struct journal *j, const char *text, struct err *err)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t put = write(j->fd, text, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = ENOSPC;
        if (put <= 0)
            return fail_errno(err, "%s: write", j->path);
        text += put;
        n -= (size_t)put;
    }
    return OK;
}

/* Opens the log and cuts off what follows the valid part: a line that a crash tore, or all of another log. */
static enum status open_log(struct journal *j, const char *head, uint64_t valid, struct err *err)
{
    j->fd = open(j->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (j->fd < 0)
        return fail_errno(err, "%s", j->path);
    if (ftruncate(j->fd, (off_t)valid) != 0)
        return fail_errno(err, "%s: cutting it to %" PRIu64 " bytes", j->path, valid);
    return valid > 0 ? OK : append(j, head, err);
}

enum status journal_open(struct journal **out, const char *path, struct digest fingerprint, bool resume,
                         size_t *nkept, struct err *err)
{
    struct journal *j = calloc(1, sizeof *j);
    char hex[DIGEST_HEX], head[64];
    uint64_t valid = 0;

    if (!j)
        return fail_nomem(err);
    j->fd = -1;
    j->path = strdup(path);
    digest_hex(fingerprint, hex);
    snprintf(head, sizeof head, HEAD_FORMAT, hex);
    enum status s = j->path ? OK : fail_nomem(err);
    if (s == OK && resume)
        s = load(j, head, &valid, err);
    if (s == OK)
        s = open_log(j, head, valid, err);
    if (s != OK) {
        /* A log that was not opened may be an earlier run's; one that was and holds nothing is worth nothing.
         */
        journal_close(j, j->fd < 0 || valid > 0);
        return s;
    }
    *nkept = j->nkept;
    *out = j;
    return OK;
}

const struct journal_range *journal_ranges(const struct journal *j, size_t *n)
{
    *n = j->nkept;
    return j->kept;
}

enum status journal_add(struct journal *j, const struct journal_range *r, struct err *err)
{
    char hex[DIGEST_HEX], line[128];

    digest_hex(r->digest, hex);
    snprintf(line, sizeof line, "%" PRIu32 " %" PRIu64 " %" PRIu64 " %s\n", r->out, r->off, r->nbytes, hex);
    enum status s = append(j, line, err);
    j->nadded += s == OK;
    return s;
}

size_t journal_count(const struct journal *j)
{
    return j->nkept + j->nadded;
}

void journal_close(struct journal *j, bool keep)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    if (!keep && j->path)
        unlink(j->path);
    free(j->path);
    free(j->kept);
    free(j);
}
