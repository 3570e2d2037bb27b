/* SPDX-License-Identifier: Apache-2.0 */
#include "card/model_id.h"

#include <math.h>
#include <strings.h>

#include "core/utf8.h"

#define DIGITS "0123456789"

/* What a part of the id may be; several may hold at once. */
enum {
    BASENAME = 1,
    SIZE_LABEL = 2,
    FINETUNE = 4,
    VERSION = 8,
    TYPE = 16, /* a quantization: recognised so that it is taken for nothing else */
};

struct part {
    char *text;
    unsigned kinds;
};

struct parts {
    struct part *part;
    size_t n;
};

/* ---- characters ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_ascii_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

/* Whether a part may begin a family name. Above ASCII all is a letter but the blocks of punctuation,
 * symbols and marks. */
static bool is_letter(uint32_t c)
{
    static const uint32_t none[][2] = {
        {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},       {0xd7, 0xd7},
        {0xf7, 0xf7},     {0x300, 0x344},   {0x346, 0x36f},   {0x2000, 0x2070},   {0x2072, 0x207e},
        {0x2080, 0x208f}, {0x20a0, 0x2101}, {0x2190, 0x2bff}, {0x3000, 0x3004},   {0x3007, 0x3030},
        {0xff01, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0x1f000, 0x1faff},
    };

    if (c < 0x80)
        return is_ascii_alpha((char)c);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        if (c >= none[i][0] && c <= none[i][1])
            return false;
    return true;
}

enum letter_case { UNCASED, LOWER, UPPER };

/* Case of a code point, and for a lower-case one its capital. In a row with `pairs` capitals and small
 * letters alternate, capitals at lo, lo + 2 ...; elsewhere small letters are `to_upper` from theirs. */
static enum letter_case letter_case(uint32_t c, uint32_t *capital)
{
    static const struct {
        uint32_t lo, hi;
        bool pairs;
        enum letter_case kase;
        int32_t to_upper;
    } rows[] = {
        {'A', 'Z', false, UPPER, 0},        {'a', 'z', false, LOWER, -32},
        {0xc0, 0xd6, false, UPPER, 0},      {0xd8, 0xde, false, UPPER, 0},
        {0xdf, 0xdf, false, LOWER, 0},      {0xe0, 0xf6, false, LOWER, -32},
        {0xf8, 0xfe, false, LOWER, -32},    {0xff, 0xff, false, LOWER, 121},
        {0x100, 0x12f, true, UNCASED, 0},   {0x131, 0x131, false, LOWER, -232},
        {0x132, 0x137, true, UNCASED, 0},   {0x139, 0x148, true, UNCASED, 0},
        {0x14a, 0x177, true, UNCASED, 0},   {0x178, 0x178, false, UPPER, 0},
        {0x179, 0x17e, true, UNCASED, 0},   {0x386, 0x386, false, UPPER, 0},
        {0x388, 0x38f, false, UPPER, 0},    {0x391, 0x3ab, false, UPPER, 0},
        {0x3ac, 0x3ac, false, LOWER, -38},  {0x3ad, 0x3af, false, LOWER, -37},
        {0x3b1, 0x3c1, false, LOWER, -32},  {0x3c2, 0x3c2, false, LOWER, -31},
        {0x3c3, 0x3cb, false, LOWER, -32},  {0x3cc, 0x3cc, false, LOWER, -64},
        {0x3cd, 0x3ce, false, LOWER, -63},  {0x400, 0x42f, false, UPPER, 0},
        {0x430, 0x44f, false, LOWER, -32},  {0x450, 0x45f, false, LOWER, -80},
        {0x460, 0x481, true, UNCASED, 0},   {0x48a, 0x4bf, true, UNCASED, 0},
        {0x4d0, 0x52f, true, UNCASED, 0},   {0x1e00, 0x1e95, true, UNCASED, 0},
        {0x1ea0, 0x1eff, true, UNCASED, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (c < rows[i].lo || c > rows[i].hi)
            continue;
        bool small = rows[i].pairs ? (c - rows[i].lo) % 2 == 1 : rows[i].kase == LOWER;
        *capital = rows[i].pairs ? c - 1 : (uint32_t)((int64_t)c + rows[i].to_upper);
        return small ? LOWER : UPPER;
    }
    return UNCASED;
}

/* ---- patterns, each of a whole part, in either case ---- */

/* Past "1.2.3"; NULL when s does not start with a digit or a dot has no digit after it. */
static const char *skip_dotted(const char *s)
{
    do {
        size_t n = strspn(s, DIGITS);

        if (n == 0)
            return NULL;
        s += n;
    } while (*s == '.' && s++);
    return s;
}

/* 2507, v0.3, iter100 */
static bool is_version(const char *s)
{
    const char *p = lower(*s) == 'v' ? s + 1 : strncasecmp(s, "iter", 4) == 0 ? s + 4 : s;

    p = skip_dotted(p);
    return p && *p == '\0';
}

/* Q4_K_M, IQ2_S, F16, BF16, fp32 */
static bool is_type(const char *s)
{
    const char *p = lower(*s) == 'i' ? s + 1 : s;

    if (lower(*p) == 'q' && is_digit(p[1])) {
        for (p += 2; *p == '_' && (is_digit(p[1]) || is_ascii_alpha(p[1]) || p[1] == '_');)
            p += 2;
        return *p == '\0';
    }
    p = lower(*s) == 'b' ? s + 1 : s;
    if (lower(*p) != 'f')
        return false;
    p += lower(p[1]) == 'p' ? 2 : 1;
    return strcmp(p, "16") == 0 || strcmp(p, "32") == 0;
}

static bool is_word(const char *s, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(s, *words) == 0)
            return true;
    return false;
}

/* 9B, 0.5b, 8x7B, A3B, 7b1, 1_5B, mini */
static bool is_size(const char *s)
{
    static const char *const words[] = {"small", "mini", "medium", "large", "xl", "xxl", NULL};
    size_t n = strspn(s, DIGITS);

    if (is_word(s, words))
        return true;
    if (lower(*s) == 'a')
        s++;
    else if (n > 0 && lower(s[n]) == 'x')
        s += n + 1;
    n = strspn(s, DIGITS);
    if (n == 0)
        return false;
    s += n;
    if (*s == '.' || *s == '_') {
        n = strspn(s + 1, DIGITS);
        if (n == 0)
            return false;
        s += 1 + n;
    }
    if (*s == '\0' || !strchr("kmbt", lower(*s)))
        return false;
    return s[is_digit(s[1]) ? 2 : 1] == '\0';
}

/* ---- the parts ---- */

/* Splits at '-', drops empty parts. Every text has room for one more byte. */
static bool split(struct parts *parts, const char *text, struct arena *arena)
{
    size_t most = 1;

    for (const char *p = text; *p; p++)
        most += *p == '-';
    parts->part = arena_array(arena, most, sizeof *parts->part);
    if (!parts->part)
        return false;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "-");

        if (n > 0) {
            struct part *part = &parts->part[parts->n++];

            part->text = arena_alloc(arena, n + 2);
            if (!part->text)
                return false;
            memcpy(part->text, p, n);
        }
        p += n + (p[n] == '-');
    }
    return true;
}

/* Whether a size is too far from the model's to be its size; a text that is no plain number never is. */
static bool is_other_size(const char *text, uint64_t total_params)
{
    static const char suffixes[] = "KMBT";
    static const double units[] = {1e3, 1e6, 1e9, 1e12};
    size_t n = strspn(text, DIGITS ".");
    const char *dot = strchr(text, '.');
    const char *suffix = text[n] ? strchr(suffixes, text[n]) : NULL;

    if (total_params == 0 || n == 0 || !suffix || (dot && strchr(dot + 1, '.')))
        return false;
    double params = strtod(text, NULL) * units[suffix - suffixes];
    // floor(7 n / 8) without the product
    uint64_t limit = total_params - total_params / 8 - (total_params % 8 != 0);
    return fabs(params - (double)total_params) > (double)limit;
}

/* Puts a size into its usual form and tells sizes from context lengths. */
static void take_size(struct part *part, uint64_t total_params)
{
    char *s = part->text;
    size_t n = strlen(s);

    for (char *p = s; *p; p++)
        *p = *p == '_' ? '.' : *p;
    if (is_digit(s[n - 1])) { // bloom's 7b1 is 7.1b
        s[n] = s[n - 2];
        s[n - 2] = '.';
        n++;
    }
    if (is_digit(s[n - 2]))
        s[n - 1] = upper(s[n - 1]);
    part->kinds |= SIZE_LABEL;
    if (is_other_size(s, total_params)) {
        part->kinds = FINETUNE;
        s[n - 1] = lower(s[n - 1]);
    }
}

static void classify(struct parts *parts, uint64_t total_params)
{
    static const char *const finetunes[] = {"chat", "instruct", "vision", "lora", NULL};

    for (size_t i = 0; i < parts->n; i++) {
        struct part *part = &parts->part[i];

        if (is_version(part->text)) {
            part->kinds = VERSION;
        } else if (is_type(part->text)) {
            part->kinds = TYPE;
            for (char *p = part->text; *p; p++)
                *p = upper(*p);
        } else if (i > 0 && is_size(part->text)) {
            take_size(part, total_params);
        } else if (i > 0 && is_word(part->text, finetunes)) {
            part->kinds = FINETUNE;
        }
    }
}

/* Beside "4B", "mini" is part of the name. */
static void prefer_numbers(struct parts *parts)
{
    bool number = false;

    for (size_t i = 0; i < parts->n; i++)
        if (parts->part[i].kinds & SIZE_LABEL && strpbrk(parts->part[i].text, DIGITS))
            number = true;
    for (size_t i = 0; number && i < parts->n; i++)
        if (parts->part[i].kinds & SIZE_LABEL && !strpbrk(parts->part[i].text, DIGITS))
            parts->part[i].kinds = 0;
}

/* The family's name is what the id begins with; what follows and is nothing else is a finetune. */
static void find_basename(struct parts *parts)
{
    bool at_start = true;
    size_t len;

    for (size_t i = 0; i < parts->n; i++) {
        struct part *part = &parts->part[i];

        if (at_start && part->kinds == 0)
            at_start = is_letter(utf8_decode(part->text, &len));
        else if (at_start)
            at_start = (part->kinds & VERSION) != 0;
        if (at_start)
            part->kinds |= BASENAME;
        else if (part->kinds == 0)
            part->kinds = FINETUNE;
    }
    // A version at the very end is the model's, not the family's.
    for (size_t i = parts->n; i > 0; i--) {
        struct part *part = &parts->part[i - 1];

        if (!(part->kinds & BASENAME) || part->kinds == BASENAME)
            break;
        part->kinds &= ~(unsigned)BASENAME;
    }
}

static bool seen_before(const struct parts *parts, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (parts->part[j].kinds & SIZE_LABEL && strcmp(parts->part[j].text, parts->part[i].text) == 0)
            return true;
    return false;
}

/* The parts of one kind joined with '-'; *out is NULL when there are none. */
static enum status join(const struct parts *parts, unsigned kind, const char **out, struct arena *arena,
                        struct err *err)
{
    size_t n = 0;
    bool any = false;

    for (size_t i = 0; i < parts->n; i++)
        n += strlen(parts->part[i].text) + 1;
    char *text = arena_alloc(arena, n + 1);
    if (!text)
        return fail_nomem(err);
    char *p = text;
    for (size_t i = 0; i < parts->n; i++) {
        const struct part *part = &parts->part[i];
        size_t len = strlen(part->text);

        if (!(part->kinds & kind) || (kind == VERSION && part->kinds & BASENAME) ||
            (kind == SIZE_LABEL && seen_before(parts, i)))
            continue;
        if (any)
            *p++ = '-';
        memcpy(p, part->text, len);
        p += len;
        any = true;
    }
    *out = any ? text : NULL;
    return OK;
}

enum status model_id_parse(struct model_id *id, const char *text, uint64_t total_params, struct arena *arena,
                           struct err *err)
{
    struct parts parts = {0};
    const char *slash = strchr(text, '/');
    const char *rest = slash ? slash + 1 : text;
    enum status st;

    *id = (struct model_id){0};
    if (strchr(text, ' ') || strlen(text) > MODEL_ID_MAX)
        rest = text; // a sentence, not an id
    id->name = arena_strdup(arena, rest);
    if (!id->name)
        return fail_nomem(err);
    if (strchr(text, ' ') || strlen(text) > MODEL_ID_MAX)
        return OK;
    if (slash && text[0] != '.') { // "./model" and "../model" are paths
        id->org = arena_strndup(arena, text, (size_t)(slash - text));
        if (!id->org)
            return fail_nomem(err);
    }
    if (!split(&parts, rest, arena))
        return fail_nomem(err);
    classify(&parts, total_params);
    prefer_numbers(&parts);
    find_basename(&parts);
    if ((st = join(&parts, SIZE_LABEL, &id->size_label, arena, err)) ||
        (st = join(&parts, FINETUNE, &id->finetune, arena, err)) ||
        (st = join(&parts, VERSION, &id->version, arena, err)))
        return st;
    // With none of them the family's name is a guess.
    if (!id->size_label && !id->finetune && !id->version)
        return OK;
    return join(&parts, BASENAME, &id->basename, arena, err);
}

/* ---- titles ---- */

/* v1, v1.2.3, and all that begins with a digit */
static bool is_number_word(const char *s, size_t n)
{
    if (is_digit(s[0]))
        return true;
    if (n < 2 || s[0] != 'v')
        return false;
    const char *end = s + n;
    for (const char *p = s + 1; p < end;) {
        if (!is_digit(*p))
            return false;
        while (p < end && is_digit(*p))
            p++;
        if (p < end && *p++ != '.')
            return false;
        if (p == end)
            return p[-1] != '.';
    }
    return true;
}

static bool is_lower_word(const char *s, size_t n)
{
    bool any = false;
    size_t len;

    for (size_t i = 0; i < n; i += len) {
        uint32_t capital;
        enum letter_case c = letter_case(utf8_decode(s + i, &len), &capital);

        if (c == UPPER)
            return false;
        any = any || c == LOWER;
    }
    return any;
}

/* Copies a word to out, with a capital at the start of every run of letters; returns the bytes. No
 * capital in letter_case's table is longer than its small letter. */
static size_t put_title(const char *s, size_t n, char *out)
{
    bool in_run = false;
    size_t w = 0, len;

    for (size_t i = 0; i < n; i += len) {
        uint32_t c = utf8_decode(s + i, &len), capital = c;
        enum letter_case kase = letter_case(c, &capital);

        if (c == 0xdf && !in_run) { // sharp s has no capital of its own
            memcpy(out + w, "Ss", 2);
            w += 2;
        } else {
            w += utf8_encode(kase == LOWER && !in_run ? capital : c, out + w);
        }
        in_run = kase != UNCASED;
    }
    return w;
}

char *model_id_title(const char *text, struct arena *arena)
{
    char *out = arena_alloc(arena, (uint64_t)strlen(text) + 1);
    size_t w = 0, len;

    if (!out)
        return NULL;
    for (const char *p = text; *p;) {
        const char *start = p;

        while (*p && *p != '-' && !is_space(utf8_decode(p, &len)))
            p += len;
        size_t n = (size_t)(p - start);
        if (n == 0) {
            utf8_decode(p, &len);
            p += len;
            continue;
        }
        if (w > 0)
            out[w++] = ' ';
        if (is_lower_word(start, n) && !is_number_word(start, n)) {
            w += put_title(start, n, out + w);
        } else {
            memcpy(out + w, start, n);
            w += n;
        }
    }
    out[w] = '\0';
    return out;
}

struct slice model_id_strip(const char *s)
{
    struct slice kept = {s, 0};
    bool started = false;
    size_t len;

    for (const char *p = s; *p; p += len) {
        if (is_space(utf8_decode(p, &len)))
            continue;
        if (!started)
            kept.p = p;
        started = true;
        kept.n = (size_t)(p + len - kept.p);
    }
    return kept;
}
