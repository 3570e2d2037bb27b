/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>

#include "core/json_int.h"
#include "core/utf8.h"

static void add_indent(struct json_writer *w)
{
    for (unsigned i = 0; i < w->depth * (w->indent ? w->indent : 2); i++)
        buf_add_char(w->out, ' ');
}

/* Comma, line and blanks before an item of the open container; nothing after a key or at the root. */
static void before_item(struct json_writer *w)
{
    if (w->after_key || w->depth == 0) {
        w->after_key = false;
        return;
    }
    bool *has_item = &w->has_item[min_u64(w->depth, JSON_MAX_DEPTH) - 1];
    buf_add_str(w->out, *has_item ? ",\n" : "\n");
    *has_item = true;
    add_indent(w);
}

void json_open(struct json_writer *w, char bracket)
{
    before_item(w);
    buf_add_char(w->out, bracket);
    w->depth++;
    if (w->depth > JSON_MAX_DEPTH)
        w->out->failed = true; /* our readers would refuse the text */
    else
        w->has_item[w->depth - 1] = false;
}

void json_close(struct json_writer *w, char bracket)
{
    require(w->depth > 0 && (bracket == '}' || bracket == ']'));
    w->depth--;
    if (w->depth < JSON_MAX_DEPTH && w->has_item[w->depth]) {
        buf_add_char(w->out, '\n');
        add_indent(w);
    }
    buf_add_char(w->out, bracket);
}

static void add_quoted(struct buf *out, const char *s, size_t n)
{
    static const char shorts[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    size_t run = 0; /* start of what is not yet written */

    buf_add_char(out, '"');
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        size_t len = utf8_sequence(s + i, n - i);
        const char *at = c ? strchr(shorts, c) : NULL;

        if (len > 0 && c >= 0x20 && !at) {
            i += len;
            continue;
        }
        buf_add(out, s + run, i - run);
        if (at)
            buf_printf(out, "\\%c", letters[at - shorts]);
        else if (len > 0)
            buf_printf(out, "\\u%04x", c);
        else
            buf_add_str(out, "\xEF\xBF\xBD"); /* U+FFFD */
        run = ++i;
    }
    buf_add(out, s + run, n - run);
    buf_add_char(out, '"');
}

void json_put_key(struct json_writer *w, const char *key)
{
    before_item(w);
    add_quoted(w->out, key, strlen(key));
    buf_add_str(w->out, ": ");
    w->after_key = true;
}

void json_put_strn(struct json_writer *w, const char *s, size_t n)
{
    before_item(w);
    add_quoted(w->out, s, n);
}

void json_put_str(struct json_writer *w, const char *s)
{
    json_put_strn(w, s, strlen(s));
}

void json_put_raw(struct json_writer *w, const char *text)
{
    before_item(w);
    buf_add_str(w->out, text);
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
    before_item(w);
    buf_printf(w->out, "%" PRIu64, v);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    before_item(w);
    buf_printf(w->out, "%" PRId64, v);
}

/* Fewest significant digits that read back as v, "d.ddde-xx" with `digits` after trailing zeros are gone.
 * A decimal of up to 15 digits survives the way through a normal double, so shorter ones need no try. */
static int shortest(double v, char out[40])
{
    int precision = fabs(v) < DBL_MIN ? 1 : 15;

    while (snprintf(out, 40, "%.*e", precision - 1, v), precision < 17 && strtod(out, NULL) != v)
        precision++;
    int last = precision - 1; /* index of the last digit, the point not counted */
    while (last > 0 && out[(v < 0 || signbit(v)) + 1 + last] == '0')
        last--;
    return last + 1;
}

/* Python's layout: 0.0001, 20.0, 1e-05, 1e+16. */
static void add_f64(struct buf *out, double v)
{
    char text[40], digits[20];
    int n = shortest(v, text);
    const char *p = text + (text[0] == '-');
    int exponent = (int)strtol(strchr(p, 'e') + 1, NULL, 10);

    digits[0] = p[0];
    for (int i = 1; i < n; i++)
        digits[i] = p[i + 1];
    digits[n] = '\0';
    if (text[0] == '-')
        buf_add_char(out, '-');
    if (exponent < -4 || exponent >= 16) {
        buf_printf(out, "%c%s%se%c%02d", digits[0], n > 1 ? "." : "", digits + 1, exponent < 0 ? '-' : '+',
                   abs(exponent));
    } else if (exponent < 0) {
        buf_printf(out, "0.%.*s%s", -exponent - 1, "000", digits);
    } else {
        for (int i = 0; i <= exponent; i++)
            buf_add_char(out, i < n ? digits[i] : '0');
        buf_printf(out, ".%s", n > exponent + 1 ? digits + exponent + 1 : "0");
    }
}

void json_put_f64(struct json_writer *w, double v)
{
    before_item(w);
    if (isfinite(v))
        add_f64(w->out, v);
    else
        buf_add_str(w->out, "null");
}

void json_put_bool(struct json_writer *w, bool v)
{
    json_put_raw(w, v ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
    json_put_raw(w, "null");
}
