/* SPDX-License-Identifier: Apache-2.0 */
#include "core/status.h"

#include <errno.h>
#include <stdarg.h>

#include "core/utf8.h"

static const struct {
    int exit_code;
    const char *tag;
} statuses[] = {
#define X(name, code, tag) [name] = {code, tag},
#include "core/status.def"
#undef X
};

int status_exit_code(enum status s)
{
    return statuses[s].exit_code;
}

const char *status_tag(enum status s)
{
    return statuses[s].tag;
}

/* Copies raw into out, escaping what a terminal must not see. */
static void escape_into(char *out, size_t cap, const char *raw, size_t n)
{
    size_t w = 0;

    for (size_t i = 0; i < n;) {
        size_t len = utf8_sequence(raw + i, n - i);
        unsigned char c = (unsigned char)raw[i];
        bool plain = len > 0 && c >= 0x20 && c != 0x7f;
        size_t need = plain ? len : 4;

        if (w + need + 4 > cap) {
            memcpy(out + w, "...", 3);
            w += 3;
            break;
        }
        if (plain)
            memcpy(out + w, raw + i, len);
        else
            snprintf(out + w, 5, "\\x%02x", c);
        w += need;
        i += plain ? len : 1;
    }
    out[w] = '\0';
}

static void set_text(struct err *err, const char *fmt, va_list ap)
{
    char raw[ERR_TEXT_MAX];
    int n = vsnprintf(raw, sizeof raw, fmt, ap);

    if (n < 0)
        n = 0;
    escape_into(err->text, sizeof err->text, raw, min_u64((uint64_t)n, sizeof raw - 1));
}

enum status fail(struct err *err, enum status s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_text(err, fmt, ap);
    va_end(ap);
    err->status = s;
    return s;
}

enum status wrap(struct err *err, const char *fmt, ...)
{
    struct err context;
    char inner[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    set_text(&context, fmt, ap);
    va_end(ap);
    memcpy(inner, err->text, sizeof inner);
    int n = snprintf(err->text, sizeof err->text, "%s: %s", context.text, inner);
    if (n < 0 || (size_t)n >= sizeof err->text) {
        size_t cut = sizeof err->text - 4;

        while (cut > 0 && ((unsigned char)err->text[cut] & 0xc0) == 0x80) // not inside a character
            cut--;
        memcpy(err->text + cut, "...", 4);
    }
    return err->status;
}

enum status fail_errno(struct err *err, const char *fmt, ...)
{
    int cause = errno;
    va_list ap;

    va_start(ap, fmt);
    set_text(err, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(cause));
    err->status = cause == ENOMEM ? E_NOMEM : E_IO;
    return err->status;
}

enum status fail_nomem(struct err *err)
{
    return fail(err, E_NOMEM, "out of memory");
}

_Noreturn void require_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "scion: BUG: %s:%d: %s does not hold\n", file, line, cond);
    exit(statuses[E_BUG].exit_code);
}
