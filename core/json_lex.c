/* SPDX-License-Identifier: Apache-2.0 */
/* Strings and numbers, the tokens with an inside. */
#include <math.h>
#include <stdarg.h>

#include "core/json_int.h"
#include "core/utf8.h"

enum status json_fail_at(const struct json_reader *r, size_t off, struct err *err, const char *fmt, ...)
{
    char reason[2 * JSON_SHOWN_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    return fail(err, E_FORMAT, "%s:%" PRIu64 ": %s", r->name, r->base + off, reason);
}

/* ---- strings ---- */

static bool hex4(const struct json_reader *r, size_t at, uint32_t *v)
{
    *v = 0;
    if (r->n - at < 4)
        return false;
    for (size_t i = at; i < at + 4; i++) {
        char c = r->text[i];
        uint32_t digit;

        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        else
            return false;
        *v = *v << 4 | digit;
    }
    return true;
}

/* A \u escape at *i; *i moves past it, and past the second half of a surrogate pair. */
static enum status read_unicode(struct json_reader *r, size_t *i, struct err *err)
{
    uint32_t cp, low;
    char utf8[4];

    if (!hex4(r, *i + 2, &cp))
        return json_fail_at(r, *i, err, "string: \\u without four hexadecimal digits");
    if (cp == 0)
        return json_fail_at(r, *i, err, "string: \\u0000 is not allowed");
    if (cp >= 0xDC00 && cp <= 0xDFFF)
        return json_fail_at(r, *i, err, "string: \\u%04x is a surrogate without its first half", cp);
    size_t next = *i + 6;
    if (cp >= 0xD800 && cp <= 0xDBFF) {
        bool pair = r->n - next >= 6 && r->text[next] == '\\' && r->text[next + 1] == 'u' &&
                    hex4(r, next + 2, &low) && low >= 0xDC00 && low <= 0xDFFF;

        if (!pair)
            return json_fail_at(r, *i, err, "string: \\u%04x is a surrogate without its second half", cp);
        cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
        next += 6;
    }
    buf_add(&r->decoded, utf8, utf8_encode(cp, utf8));
    *i = next;
    return OK;
}

/* The escape whose backslash is at *i; *i moves past it. */
static enum status read_escape(struct json_reader *r, size_t *i, struct err *err)
{
    static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";

    if (*i + 1 == r->n)
        return json_fail_at(r, *i, err, "string: the text ends inside an escape");
    char c = r->text[*i + 1];
    if (c == 'u')
        return read_unicode(r, i, err);
    const char *at = c ? strchr(letters, c) : NULL;
    if (!at)
        return json_fail_at(r, *i, err, "string: a backslash before byte 0x%02x is no escape",
                            (unsigned char)c);
    buf_add_char(&r->decoded, meaning[at - letters]);
    *i += 2;
    return OK;
}

/* First position from i on whose byte does not stand for itself. */
static size_t plain_end(const struct json_reader *r, size_t i)
{
    while (i < r->n) {
        unsigned char c = (unsigned char)r->text[i];

        if (c < 0x20 || c == '"' || c == '\\')
            break;
        size_t len = c < 0x80 ? 1 : utf8_sequence(r->text + i, r->n - i);
        if (len == 0)
            break;
        i += len;
    }
    return i;
}

enum status json_lex_string(struct json_reader *r, struct err *err)
{
    size_t run = r->pos + 1, i = run; /* run: start of what is not yet in `decoded` */
    bool escaped = false;

    r->decoded.n = 0;
    for (;;) {
        i = plain_end(r, i);
        if (i == r->n)
            return json_fail_at(r, r->token_off, err, "string: the text ends before its closing quote");
        unsigned char c = (unsigned char)r->text[i];
        if (c == '"')
            break;
        if (c < 0x20)
            return json_fail_at(r, i, err, "string: control byte 0x%02x is not escaped", c);
        if (c != '\\')
            return json_fail_at(r, i, err, "string: byte 0x%02x is not valid UTF-8 here", c);
        buf_add(&r->decoded, r->text + run, i - run);
        escaped = true;
        enum status s = read_escape(r, &i, err);
        if (s != OK)
            return s;
        run = i;
    }
    r->token_text = (struct slice){r->text + run, i - run};
    r->pos = i + 1;
    if (escaped) {
        buf_add(&r->decoded, r->text + run, i - run);
        r->token_text = (struct slice){r->decoded.p, r->decoded.n};
    }
    return r->decoded.failed ? fail_nomem(err) : OK;
}

/* ---- numbers and names ---- */

static size_t digits_end(const struct json_reader *r, size_t i)
{
    while (i < r->n && r->text[i] >= '0' && r->text[i] <= '9')
        i++;
    return i;
}

bool json_spells(const struct json_reader *r, size_t i, const char *word)
{
    size_t n = strlen(word);

    return r->n - i >= n && memcmp(r->text + i, word, n) == 0;
}

bool json_lex_nan(struct json_reader *r)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"NaN", NAN}, {"Infinity", INFINITY}, {"-Infinity", -INFINITY}};

    for (size_t w = 0; r->allow_nan && w < ARRAY_LEN(words); w++) {
        if (!json_spells(r, r->pos, words[w].word))
            continue;
        r->token_text = (struct slice){r->text + r->pos, strlen(words[w].word)};
        r->pos += r->token_text.n;
        r->number = words[w].value;
        return true;
    }
    return false;
}

/* Value of the lexeme in token_text. */
static enum status value_number(struct json_reader *r, struct err *err)
{
    uint64_t v;

    if (r->token_text.n <= 15 && json_lexeme_u64(r->token_text, &v)) {
        r->number = (double)v;
        return OK;
    }
    r->decoded.n = 0;
    buf_add(&r->decoded, r->token_text.p, r->token_text.n);
    if (r->decoded.failed)
        return fail_nomem(err);
    r->number = strtod(r->decoded.p, NULL);
    if (isinf(r->number))
        return json_fail_at(r, r->token_off, err, "number %.*s%s: too large for a double",
                            (int)min_u64(r->token_text.n, 40), r->token_text.p,
                            r->token_text.n > 40 ? "..." : "");
    return OK;
}

enum status json_lex_number(struct json_reader *r, struct err *err)
{
    size_t whole = r->pos + (r->text[r->pos] == '-');
    size_t i = digits_end(r, whole);

    if (i == whole)
        return json_fail_at(r, r->token_off, err, "number: no digit after its sign");
    if (r->text[whole] == '0' && i - whole > 1)
        return json_fail_at(r, r->token_off, err, "number: a leading zero is not allowed");
    if (i < r->n && r->text[i] == '.') {
        size_t fraction = i + 1;

        i = digits_end(r, fraction);
        if (i == fraction)
            return json_fail_at(r, r->token_off, err, "number: no digit after its point");
    }
    if (i < r->n && (r->text[i] == 'e' || r->text[i] == 'E')) {
        size_t exponent = i + 1;

        if (exponent < r->n && (r->text[exponent] == '+' || r->text[exponent] == '-'))
            exponent++;
        i = digits_end(r, exponent);
        if (i == exponent)
            return json_fail_at(r, r->token_off, err, "number: no digit in its exponent");
    }
    r->token_text = (struct slice){r->text + r->pos, i - r->pos};
    r->pos = i;
    return value_number(r, err);
}

bool json_lexeme_u64(struct slice number, uint64_t *v)
{
    uint64_t sum = 0;

    if (number.n == 0 || number.n > 20 || (number.p[0] == '0' && number.n > 1))
        return false;
    for (size_t i = 0; i < number.n; i++) {
        char c = number.p[i];

        if (c < '0' || c > '9' || !mul_ok(sum, 10, &sum) || !add_ok(sum, (uint64_t)(c - '0'), &sum))
            return false;
    }
    *v = sum;
    return true;
}
