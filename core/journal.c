/* SPDX-License-Identifier: Apache-2.0 */
#include "core/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/file.h"

#define HEAD_FORMAT "scion journal 1 %s\n"
#define JOURNAL_MAX ((size_t)1 << 30)

struct journal {
    int fd;
    char *path;
    struct journal_range *kept;
    size_t nkept, nadded;
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

/* Keeps the complete records of a log whose first line is `head`. */
static enum status load(struct journal *j, const char *head, struct err *err)
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
    buf_free(&text);
    return s;
}

static enum status append(struct journal *j, const char *text, struct err *err)
{
    size_t n = strlen(text);
    ssize_t put;

    do
        put = write(j->fd, text, n);
    while (put < 0 && errno == EINTR);
    if (put >= 0 && (size_t)put < n)
        errno = ENOSPC;
    return put == (ssize_t)n ? OK : fail_errno(err, "%s: write", j->path);
}

/* Writes the log afresh from what was kept: whatever a crash left at its end is gone. */
static enum status rewrite(struct journal *j, const char *head, struct err *err)
{
    j->fd = open(j->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (j->fd < 0)
        return fail_errno(err, "%s", j->path);
    enum status s = append(j, head, err);
    for (size_t i = 0; i < j->nkept && s == OK; i++)
        s = journal_add(j, &j->kept[i], err);
    j->nadded = 0;
    return s;
}

enum status journal_open(struct journal **out, const char *path, struct digest fingerprint, bool resume,
                         size_t *nkept, struct err *err)
{
    struct journal *j = calloc(1, sizeof *j);
    char hex[DIGEST_HEX], head[64];

    if (!j)
        return fail_nomem(err);
    j->fd = -1;
    j->path = strdup(path);
    digest_hex(fingerprint, hex);
    snprintf(head, sizeof head, HEAD_FORMAT, hex);
    enum status s = j->path ? OK : fail_nomem(err);
    if (s == OK && resume)
        s = load(j, head, err);
    if (s == OK)
        s = rewrite(j, head, err);
    if (s != OK) {
        journal_close(j, true);
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
