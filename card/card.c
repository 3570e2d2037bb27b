/* SPDX-License-Identifier: Apache-2.0 */
#include "card/card.h"

#include <math.h>

#define DIGITS  "0123456789"
#define DIGITS_ "0123456789_"

/* A number longer than this stays text: no count or version needs more digits. */
#define NUMBER_MAX 128

struct card *card_new(struct arena *arena, enum card_kind kind)
{
    struct card *c = arena_alloc(arena, sizeof *c);

    if (c)
        c->kind = kind;
    return c;
}

struct card *card_new_str(struct arena *arena, const char *text)
{
    struct card *c = card_new(arena, CARD_STR);

    if (!c)
        return NULL;
    c->text = arena_strdup(arena, text);
    return c->text ? c : NULL;
}

bool card_append(struct arena *arena, struct card *to, const char *key, const struct card *value)
{
    if (!arena_grow(arena, (void **)&to->pair, to->n, &to->cap, sizeof *to->pair))
        return false;
    to->pair[to->n++] = (struct card_pair){key, value};
    return true;
}

static bool is_one_of(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(s, *words) == 0)
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_sign(const char *s)
{
    return *s == '-' || *s == '+' ? s + 1 : s;
}

/* Past ":mm" groups of base-60 numbers; NULL when there is none, or one is above 59. */
static const char *skip_base60(const char *s)
{
    const char *start = s;

    while (*s == ':') {
        size_t n = strspn(s + 1, DIGITS);

        if (n != 1 && !(n == 2 && s[1] <= '5'))
            return NULL;
        s += 1 + n;
    }
    return s == start ? NULL : s;
}

/* At the end of the text, or of an exponent (its sign is not optional) that ends the text. */
static bool ends_float(const char *s)
{
    if (*s == '\0')
        return true;
    if ((*s != 'e' && *s != 'E') || (s[1] != '-' && s[1] != '+') || !is_digit(s[2]))
        return false;
    return s[2 + strspn(s + 2, DIGITS)] == '\0';
}

static bool is_float(const char *s)
{
    static const char *const inf[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    const char *p = skip_sign(s);

    if (is_one_of(p, inf) || is_one_of(s, nan))
        return true;
    if (*s == '.')
        return is_digit(s[1]) && ends_float(s + 1 + strspn(s + 1, DIGITS_));
    if (!is_digit(*p))
        return false;
    p += strspn(p, DIGITS_);
    if (*p == '.')
        return ends_float(p + 1 + strspn(p + 1, DIGITS_));
    p = skip_base60(p);
    return p && *p == '.' && p[1 + strspn(p + 1, DIGITS_)] == '\0';
}

static bool is_int(const char *s)
{
    const char *p = skip_sign(s);

    if (p[0] == '0') {
        const char *set = p[1] == 'b' ? "01_" : p[1] == 'x' ? "0123456789abcdefABCDEF_" : "01234567_";
        const char *rest = p[1] == 'b' || p[1] == 'x' ? p + 2 : p + 1;

        return rest[strspn(rest, set)] == '\0' && (rest == p + 1 || *rest);
    }
    if (!is_digit(*p))
        return false;
    p += strspn(p, DIGITS_);
    if (*p == ':')
        p = skip_base60(p);
    return p && *p == '\0';
}

/* A date, or a date and a time: yyyy-mm-dd, or yyyy-m-d with hh:mm:ss and an optional fraction and zone.
 * Whether the day exists does not matter here. */
static bool is_timestamp(const char *s)
{
    size_t month = 0, day = 0;

    if (strspn(s, DIGITS) != 4 || s[4] != '-')
        return false;
    month = strspn(s + 5, DIGITS);
    if (month < 1 || month > 2 || s[5 + month] != '-')
        return false;
    const char *p = s + 6 + month;
    day = strspn(p, DIGITS);
    if (day < 1 || day > 2)
        return false;
    p += day;
    if (*p == '\0')
        return month == 2 && day == 2;
    size_t gap = strspn(p, " \t");
    if (gap == 0 && *p != 'T' && *p != 't')
        return false;
    p += gap ? gap : 1;
    size_t hour = strspn(p, DIGITS);
    if (hour < 1 || hour > 2 || p[hour] != ':')
        return false;
    p += hour + 1;
    if (strspn(p, DIGITS) != 2 || p[2] != ':' || strspn(p + 3, DIGITS) != 2)
        return false;
    p += 5;
    if (*p == '.')
        p += 1 + strspn(p + 1, DIGITS);
    p += strspn(p, " \t");
    if (strcmp(p, "Z") == 0 || *p == '\0')
        return true;
    size_t zone = *p == '-' || *p == '+' ? strspn(p + 1, DIGITS) : 0;
    if (zone < 1 || zone > 2)
        return false;
    p += 1 + zone;
    return *p == '\0' || (*p == ':' && strspn(p + 1, DIGITS) == 2 && p[3] == '\0');
}

/* text without underscores and sign, lower case; false when it is too long. */
static bool number_text(const char *text, char out[NUMBER_MAX])
{
    size_t n = 0;

    for (const char *p = skip_sign(text); *p; p++) {
        if (*p == '_')
            continue;
        if (n + 1 == NUMBER_MAX)
            return false;
        out[n++] = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
    }
    out[n] = '\0';
    return true;
}

static double digits_value(const char *s, unsigned base)
{
    double v = 0;

    for (; *s && *s != ':'; s++)
        v = v * base + (is_digit(*s) ? *s - '0' : *s - 'a' + 10);
    return v;
}

/* "h:m:s" as base-60 digits; the last may have a fraction. */
static double base60_value(const char *s)
{
    double v = 0;

    for (; s; s = strchr(s, ':') ? strchr(s, ':') + 1 : NULL)
        v = v * 60 + strtod(s, NULL);
    return v;
}

static double int_value(const char *s)
{
    if (strchr(s, ':'))
        return base60_value(s);
    if (s[0] != '0')
        return digits_value(s, 10);
    return s[1] == 'b' ? digits_value(s + 2, 2) : s[1] == 'x' ? digits_value(s + 2, 16) : digits_value(s, 8);
}

static double float_value(const char *s)
{
    if (strcmp(s, ".inf") == 0)
        return INFINITY;
    if (strcmp(s, ".nan") == 0)
        return NAN;
    return strchr(s, ':') ? base60_value(s) : strtod(s, NULL);
}

void card_resolve(struct card *c)
{
    static const char *const null[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const yes[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
    static const char *const no[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};
    char number[NUMBER_MAX];

    if (is_one_of(c->text, yes) || is_one_of(c->text, no)) {
        c->kind = CARD_BOOL;
        c->number = is_one_of(c->text, yes);
    } else if (is_float(c->text)) {
        c->kind = number_text(c->text, number) ? CARD_FLOAT : CARD_OTHER;
    } else if (is_int(c->text)) {
        c->kind = number_text(c->text, number) && strcmp(number, "0b") != 0 && strcmp(number, "0x") != 0
                      ? CARD_INT
                      : CARD_OTHER;
    } else if (is_one_of(c->text, null)) {
        c->kind = CARD_NULL;
    } else if (is_timestamp(c->text) || strcmp(c->text, "<<") == 0) {
        c->kind = CARD_OTHER;
    } else {
        c->kind = CARD_STR;
    }
    if (c->kind == CARD_INT || c->kind == CARD_FLOAT) {
        c->number = c->kind == CARD_INT ? int_value(number) : float_value(number);
        c->number = c->text[0] == '-' ? -c->number : c->number;
    }
}

const struct card *card_get(const struct card *c, const char *key)
{
    if (!c || c->kind != CARD_MAP)
        return NULL;
    for (size_t i = c->n; i > 0; i--)
        if (strcmp(c->pair[i - 1].key, key) == 0)
            return c->pair[i - 1].value;
    return NULL;
}

const char *card_str(const struct card *c)
{
    return c && c->kind == CARD_STR ? c->text : NULL;
}

bool card_is_true(const struct card *c)
{
    if (!c)
        return false;
    switch (c->kind) {
    case CARD_NULL:
        return false;
    case CARD_BOOL:
    case CARD_INT:
    case CARD_FLOAT:
        return c->number != 0;
    case CARD_STR:
        return c->text[0] != '\0';
    case CARD_OTHER:
        return true;
    case CARD_LIST:
    case CARD_MAP:
        return c->n > 0;
    }
    return false;
}
