/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "core/utf8.h"

#define REDRAW_NS 100000000u
#define PLAIN_NS  30000000000u

void tty_init(void)
{
    /* Opened the wrong way round on purpose: using a descriptor that the caller closed must fail. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return;
    signal(SIGPIPE, SIG_IGN);
}

enum status tty_print(const struct buf *b, struct err *err)
{
    enum status st = buf_check(b, "output", err);

    for (size_t done = 0; st == OK && done < b->n;) {
        ssize_t n = write(STDOUT_FILENO, b->p + done, b->n - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno == EPIPE)
            return OK;
        else if (errno != EINTR)
            st = fail_errno(err, "standard output");
    }
    return st;
}

static void print_message(const char *command, const char *text, const char *tag)
{
    fprintf(stderr, "scion%s%s: %s%s%s%s\n", command ? " " : "", command ? command : "", text,
            tag ? " [" : "", tag ? tag : "", tag ? "]" : "");
}

void tty_message(const char *command, const char *text)
{
    print_message(command, text, NULL);
}

void tty_error(const char *command, const struct err *err)
{
    print_message(command, err->text, status_tag(err->status));
}

void tty_add_printable(struct buf *b, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t len = utf8_sequence(p + i, n - i);
        unsigned char c = (unsigned char)p[i];
        bool c1 = len == 2 && c == 0xC2 && (unsigned char)p[i + 1] < 0xA0; /* U+0080 to U+009F steer too */

        if (len > 0 && c >= 0x20 && c != 0x7F && !c1) {
            buf_add(b, p + i, len);
            i += len;
        } else {
            buf_printf(b, "\\x%02x", c);
            i++;
        }
    }
}

static const char *scaled(uint64_t n, const char *const *units, size_t nunit, char out[TTY_NUMBER_MAX])
{
    double v = (double)n;
    size_t u = 0;

    for (; v >= 999.5 && u + 1 < nunit; u++)
        v /= 1000;
    int digits = u == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    snprintf(out, TTY_NUMBER_MAX, "%.*f%s%s", digits, v, *units[u] ? " " : "", units[u]);
    return out;
}

const char *tty_bytes(uint64_t n, char out[TTY_NUMBER_MAX])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};

    return scaled(n, units, ARRAY_LEN(units), out);
}

const char *tty_count(uint64_t n, char out[TTY_NUMBER_MAX])
{
    static const char *const units[] = {"", "K", "M", "B", "T"};

    return scaled(n, units, ARRAY_LEN(units), out);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* "1:02:03" or "4:05" into out. */
static const char *duration(double seconds, char out[TTY_NUMBER_MAX])
{
    uint64_t t = (uint64_t)seconds;

    if (t >= 3600)
        snprintf(out, TTY_NUMBER_MAX, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, t / 3600, t / 60 % 60, t % 60);
    else
        snprintf(out, TTY_NUMBER_MAX, "%" PRIu64 ":%02" PRIu64, t / 60, t % 60);
    return out;
}

void tty_progress(struct tty_progress *p, uint64_t done, uint64_t total)
{
    char a[TTY_NUMBER_MAX], b[TTY_NUMBER_MAX], rate[TTY_NUMBER_MAX], left[TTY_NUMBER_MAX];
    bool plain = p->mode == TTY_PROGRESS_PLAIN;
    uint64_t now = now_ns(), pause = plain ? PLAIN_NS : REDRAW_NS;

    if (p->mode == TTY_PROGRESS_NONE || (!plain && !isatty(STDERR_FILENO)))
        return;
    if (!p->start_ns)
        p->start_ns = p->drawn_ns = now;
    if (now - p->drawn_ns < pause)
        return;
    p->drawn_ns = now;
    double seconds = (double)(now - p->start_ns) / 1e9, per_second = (double)done / seconds;
    double percent = total ? 100.0 * (double)done / (double)total : 100.0;
    double remaining = per_second > 0 ? (double)(total - done) / per_second : 0;
    fprintf(stderr, "%s%s: %.0f%%, %s of %s, %s/s, %s left%s", plain ? "" : "\r\033[K", p->label, percent,
            tty_bytes(done, a), tty_bytes(total, b), tty_bytes((uint64_t)per_second, rate),
            duration(remaining, left), plain ? "\n" : "");
    p->shown = !plain;
}

void tty_progress_end(struct tty_progress *p)
{
    if (p->shown)
        fprintf(stderr, "\r\033[K");
    p->shown = false;
}
