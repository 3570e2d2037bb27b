/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recursive parser emits a program for a set of threads that advance through the text together (Thompson
 * 1968, "Regular expression search algorithm"). Jumps are relative, so a finished piece can be moved and
 * copied: repetition is that.
 */
#include "core/pattern.h"

#include <ctype.h>

#include "core/str.h"

#define PROGRAM_MAX 1024
#define DEPTH_MAX   64
#define REPEAT_MAX  1000

enum op {
    P_SET,   // the byte is in set[x]
    P_JUMP,  // go to x
    P_SPLIT, // go to x and to y
    P_START, // the text's start
    P_END,
    P_EDGE,  // between a word's character and another
    P_INNER, // not so
    P_MATCH,
};

struct step {
    uint8_t op;
    int16_t x, y; /* relative to this step; the set's index for P_SET */
};

struct set {
    uint64_t bit[4];
};

struct pattern {
    struct step *step;
    struct set *set;
    size_t n, cap, nset, set_cap;
};

/* ---- sets of bytes ---- */

static void set_add(struct set *s, unsigned c)
{
    s->bit[c / 64] |= (uint64_t)1 << c % 64;
}

static bool set_has(const struct set *s, unsigned char c)
{
    return s->bit[c / 64] >> c % 64 & 1;
}

static void set_invert(struct set *s)
{
    for (int i = 0; i < 4; i++)
        s->bit[i] = ~s->bit[i];
}

static int is_word(int c)
{
    return c < 128 && (isalnum(c) || c == '_');
}

static void set_add_class(struct set *s, int (*is)(int))
{
    for (int c = 0; c < 128; c++)
        if (is(c))
            set_add(s, (unsigned)c);
}

/* Adds what \d, \w, \s or their opposites stand for; false for another letter. */
static bool set_add_escape(struct set *s, char letter)
{
    struct set added = {0};

    switch (tolower((unsigned char)letter)) {
    case 'd':
        set_add_class(&added, isdigit);
        break;
    case 's':
        set_add_class(&added, isspace);
        break;
    case 'w':
        set_add_class(&added, is_word);
        break;
    default:
        return false;
    }
    if (isupper((unsigned char)letter))
        set_invert(&added);
    for (int i = 0; i < 4; i++)
        s->bit[i] |= added.bit[i];
    return true;
}

/* ---- parser ---- */

struct parser {
    const char *text, *p;
    struct pattern *out;
    struct arena *arena;
    unsigned depth;
    struct err *err;
};

static enum status parse_alternatives(struct parser *c);

static enum status refuse(struct parser *c, const char *why)
{
    return fail(c->err, E_USAGE, "pattern \"%s\": character %zu: %s", c->text, (size_t)(c->p - c->text) + 1,
                why);
}

/* n more steps, zeroed, at `at`, in front of what stands there. */
static enum status open_gap(struct parser *c, size_t at, size_t n)
{
    struct pattern *out = c->out;

    if (n > PROGRAM_MAX - out->n)
        return fail(c->err, E_LIMIT, "pattern \"%s\" is too large", c->text);
    for (size_t i = 0; i < n; i++) {
        if (!arena_grow(c->arena, (void **)&out->step, out->n, &out->cap, sizeof *out->step))
            return fail_nomem(c->err);
        out->n++;
    }
    memmove(out->step + at + n, out->step + at, (out->n - n - at) * sizeof *out->step);
    memset(out->step + at, 0, n * sizeof *out->step);
    return OK;
}

static enum status insert(struct parser *c, size_t at, struct step s)
{
    enum status st = open_gap(c, at, 1);

    if (st == OK)
        c->out->step[at] = s;
    return st;
}

static enum status emit(struct parser *c, struct step s)
{
    return insert(c, c->out->n, s);
}

static enum status emit_set(struct parser *c, const struct set *s)
{
    struct pattern *out = c->out;

    if (!arena_grow(c->arena, (void **)&out->set, out->nset, &out->set_cap, sizeof *out->set))
        return fail_nomem(c->err);
    out->set[out->nset] = *s;
    enum status st = emit(c, (struct step){.op = P_SET, .x = (int16_t)out->nset});
    out->nset += st == OK;
    return st;
}

static enum status parse_hex(struct parser *c, unsigned digits, unsigned *value)
{
    *value = 0;
    for (unsigned i = 0; i < digits; i++) {
        char h = (char)tolower((unsigned char)*c->p);

        if (!isxdigit((unsigned char)h))
            return refuse(c, "a hexadecimal digit is missing");
        *value = *value * 16 + (unsigned)(h <= '9' ? h - '0' : h - 'a' + 10);
        c->p++;
    }
    return *value < 128 ? OK : refuse(c, "only characters below 128 can be given by number");
}

/* The character after a backslash, where it stands for one character. */
static enum status parse_escaped_char(struct parser *c, unsigned *value)
{
    static const char letters[] = "tnvfr0", values[] = "\t\n\v\f\r";
    const char *known = strchr(letters, *c->p);

    if (!*c->p)
        return refuse(c, "a backslash at the end");
    if (*c->p >= '1' && *c->p <= '9')
        return refuse(c, "back references are not supported");
    char letter = *c->p++;
    if (letter == 'x')
        return parse_hex(c, 2, value);
    if (letter == 'u')
        return parse_hex(c, 4, value);
    *value = known ? (unsigned char)values[known - letters] : (unsigned char)letter;
    return OK;
}

/* ---- brackets ---- */

/* [:name:] inside brackets, from "[:" on. */
static enum status parse_named_class(struct parser *c, struct set *s)
{
    static const struct {
        const char *name;
        int (*is)(int);
    } classes[] = {
        {"alnum", isalnum}, {"alpha", isalpha}, {"digit", isdigit}, {"d", isdigit},       {"lower", islower},
        {"upper", isupper}, {"space", isspace}, {"s", isspace},     {"blank", isblank},   {"punct", ispunct},
        {"print", isprint}, {"graph", isgraph}, {"cntrl", iscntrl}, {"xdigit", isxdigit}, {"w", is_word},
    };
    const char *end = strstr(c->p + 2, ":]");

    for (size_t i = 0; end && i < ARRAY_LEN(classes); i++) {
        if (!slice_eq((struct slice){c->p + 2, (size_t)(end - c->p) - 2}, classes[i].name))
            continue;
        set_add_class(s, classes[i].is);
        c->p = end + 2;
        return OK;
    }
    return refuse(c, "no such class of characters");
}

/* One member of a bracket: a class is added at once (*single false), a character is given back. */
static enum status parse_member(struct parser *c, struct set *s, bool *single, unsigned *value)
{
    *single = false;
    if (!*c->p)
        return refuse(c, "\"[\" without \"]\"");
    if (c->p[0] == '[' && c->p[1] == ':')
        return parse_named_class(c, s);
    if (c->p[0] == '[' && (c->p[1] == '.' || c->p[1] == '='))
        return refuse(c, "collating elements are not supported");
    if (c->p[0] == '\\' && c->p[1] && set_add_escape(s, c->p[1])) {
        c->p += 2;
        return OK;
    }
    *single = true;
    if (*c->p != '\\') {
        *value = (unsigned char)*c->p++;
        return OK;
    }
    c->p++;
    if (*c->p == 'b') { // inside brackets, a backspace
        c->p++;
        *value = '\b';
        return OK;
    }
    return parse_escaped_char(c, value);
}

static enum status parse_bracket(struct parser *c)
{
    struct set s = {0};
    bool invert = *c->p == '^', single;
    unsigned from = 0, to = 0;

    c->p += invert;
    while (*c->p != ']') {
        enum status st = parse_member(c, &s, &single, &from);
        if (st != OK)
            return st;
        if (!single)
            continue;
        to = from;
        if (c->p[0] == '-' && c->p[1] != ']') {
            c->p++;
            st = parse_member(c, &s, &single, &to);
            if (st != OK)
                return st;
            if (!single || to < from)
                return refuse(c, "a range that does not ascend");
        }
        for (unsigned v = from; v <= to; v++)
            set_add(&s, v);
    }
    c->p++;
    if (invert)
        set_invert(&s);
    return emit_set(c, &s);
}

/* ---- atoms and what repeats them ---- */

static enum status parse_escape(struct parser *c)
{
    struct set s = {0};
    unsigned value;

    if (*c->p && set_add_escape(&s, *c->p)) {
        c->p++;
        return emit_set(c, &s);
    }
    enum status st = parse_escaped_char(c, &value);
    if (st != OK)
        return st;
    set_add(&s, value);
    return emit_set(c, &s);
}

static enum status parse_group(struct parser *c)
{
    if (c->p[0] == '?' && c->p[1] != ':')
        return refuse(c, "look-ahead is not supported");
    if (c->p[0] == '?')
        c->p += 2;
    if (++c->depth > DEPTH_MAX)
        return refuse(c, "groups inside groups too deep");
    enum status st = parse_alternatives(c);
    if (st != OK)
        return st;
    if (*c->p != ')')
        return refuse(c, "\"(\" without \")\"");
    c->p++;
    c->depth--;
    return OK;
}

static enum status parse_atom(struct parser *c)
{
    struct set s = {0};

    switch (*c->p) {
    case '(':
        c->p++;
        return parse_group(c);
    case '[':
        c->p++;
        return parse_bracket(c);
    case '\\':
        c->p++;
        return parse_escape(c);
    case '.':
        c->p++;
        set_add(&s, '\n');
        set_add(&s, '\r');
        set_invert(&s);
        return emit_set(c, &s);
    case '*':
    case '+':
    case '?':
    case '{':
        return refuse(c, "nothing to repeat");
    default:
        set_add(&s, (unsigned char)*c->p++);
        return emit_set(c, &s);
    }
}

/* Where characters are not consumed; false when none stands here. */
static bool parse_assertion(struct parser *c, enum status *st)
{
    enum op op;

    if (c->p[0] == '^')
        op = P_START;
    else if (c->p[0] == '$')
        op = P_END;
    else if (c->p[0] == '\\' && (c->p[1] == 'b' || c->p[1] == 'B'))
        op = c->p[1] == 'b' ? P_EDGE : P_INNER;
    else
        return false;
    c->p += *c->p == '\\' ? 2 : 1;
    *st = emit(c, (struct step){.op = (uint8_t)op});
    return true;
}

static enum status parse_count(struct parser *c, unsigned *value)
{
    if (!isdigit((unsigned char)*c->p))
        return refuse(c, "a number is missing");
    for (*value = 0; isdigit((unsigned char)*c->p) && *value <= REPEAT_MAX; c->p++)
        *value = *value * 10 + (unsigned)(*c->p - '0');
    return *value <= REPEAT_MAX ? OK : refuse(c, "a number over 1000");
}

/* What follows an atom: *min and *max times; max UINT32_MAX for no end. */
static enum status parse_quantifier(struct parser *c, unsigned *min, unsigned *max)
{
    enum status st = OK;

    *min = *max = 1;
    if (!*c->p || !strchr("*+?{", *c->p))
        return OK;
    char kind = *c->p++;
    *min = kind == '+';
    *max = kind == '?' ? 1 : UINT32_MAX;
    if (kind == '{') {
        st = parse_count(c, min);
        *max = *min;
        if (st == OK && *c->p == ',') {
            c->p++;
            *max = UINT32_MAX;
            if (*c->p != '}')
                st = parse_count(c, max);
        }
        if (st == OK && (*c->p != '}' || *max < *min))
            st = refuse(c, *c->p == '}' ? "numbers that do not ascend" : "\"{\" without \"}\"");
        if (st == OK)
            c->p++;
    }
    if (st == OK && *c->p == '?') // how much a repetition prefers to take does not matter to a search
        c->p++;
    return st;
}

/* The steps from `at` on, repeated. */
static enum status repeat(struct parser *c, size_t at, unsigned min, unsigned max)
{
    struct step piece[PROGRAM_MAX];
    size_t n = c->out->n - at;
    unsigned fixed = max == UINT32_MAX && min ? min : max == UINT32_MAX ? 1 : max;
    enum status st = OK;

    if (!n) // an empty group
        return OK;
    memcpy(piece, c->out->step + at, n * sizeof *piece);
    c->out->n = at;
    for (unsigned i = 0; st == OK && i < fixed; i++) {
        if (i >= min)
            st = emit(c,
                      (struct step){.op = P_SPLIT, .x = 1, .y = (int16_t)(n + (max == UINT32_MAX ? 2 : 1))});
        size_t start = c->out->n;
        if (st == OK)
            st = open_gap(c, start, n);
        if (st == OK)
            memcpy(c->out->step + start, piece, n * sizeof *piece);
    }
    if (st != OK || max != UINT32_MAX)
        return st;
    if (min)
        return emit(c, (struct step){.op = P_SPLIT, .x = (int16_t) - (int)n, .y = 1});
    return emit(c, (struct step){.op = P_JUMP, .x = (int16_t)(-(int)n - 1)});
}

static enum status parse_sequence(struct parser *c)
{
    enum status st = OK;
    unsigned min, max;

    while (st == OK && *c->p && *c->p != '|' && *c->p != ')') {
        size_t at = c->out->n;

        if (parse_assertion(c, &st))
            continue;
        st = parse_atom(c);
        if (st == OK)
            st = parse_quantifier(c, &min, &max);
        if (st == OK && (min != 1 || max != 1))
            st = repeat(c, at, min, max);
    }
    return st;
}

/* Every alternative but the last: split to it and to the next, and a jump behind all of them. */
static enum status parse_alternatives(struct parser *c)
{
    size_t at = c->out->n;
    enum status st = parse_sequence(c);

    if (st != OK || *c->p != '|')
        return st;
    c->p++;
    st = insert(c, at, (struct step){.op = P_SPLIT, .x = 1});
    if (st == OK)
        st = emit(c, (struct step){.op = P_JUMP});
    size_t next = c->out->n;
    if (st == OK)
        st = parse_alternatives(c);
    if (st != OK)
        return st;
    c->out->step[at].y = (int16_t)(next - at);
    c->out->step[next - 1].x = (int16_t)(c->out->n - next + 1);
    return OK;
}

enum status pattern_new(struct arena *a, const char *text, const struct pattern **out, struct err *err)
{
    struct pattern *made = arena_alloc(a, sizeof *made);
    struct parser c = {.text = text, .p = text, .out = made, .arena = a, .err = err};

    if (!made)
        return fail_nomem(err);
    enum status st = parse_alternatives(&c);
    if (st == OK && *c.p)
        st = refuse(&c, "\")\" without \"(\"");
    if (st == OK)
        st = emit(&c, (struct step){.op = P_MATCH});
    if (st == OK)
        *out = made;
    return st;
}

/* ---- search ---- */

/* Threads at one place of the text: the steps that they stand at, each once. */
struct threads {
    uint16_t at[PROGRAM_MAX];
    size_t n;
    bool there[PROGRAM_MAX];
};

static bool is_edge(const char *s, size_t pos)
{
    bool before = pos > 0 && is_word((unsigned char)s[pos - 1]), after = is_word((unsigned char)s[pos]);

    return before != after;
}

static bool holds(enum op op, const char *s, size_t pos)
{
    switch (op) {
    case P_START:
        return pos == 0;
    case P_END:
        return s[pos] == '\0';
    default:
        return is_edge(s, pos) == (op == P_EDGE);
    }
}

/* Follows all steps that consume nothing from the program's start and from the threads already there. True
 * when the end is among them. */
static bool spread(const struct pattern *p, struct threads *t, const char *s, size_t pos)
{
    if (!t->there[0]) {
        t->there[0] = true;
        t->at[t->n++] = 0;
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct step *step = &p->step[t->at[i]];
        int to[2], n = 0;

        if (step->op == P_MATCH)
            return true;
        if (step->op == P_SET)
            continue;
        if (step->op == P_JUMP || step->op == P_SPLIT)
            to[n++] = t->at[i] + step->x;
        else if (holds((enum op)step->op, s, pos))
            to[n++] = t->at[i] + 1;
        if (step->op == P_SPLIT)
            to[n++] = t->at[i] + step->y;
        for (int k = 0; k < n; k++) {
            if (t->there[to[k]])
                continue;
            t->there[to[k]] = true;
            t->at[t->n++] = (uint16_t)to[k];
        }
    }
    return false;
}

bool pattern_search(const struct pattern *p, const char *s)
{
    struct threads both[2], *now = &both[0], *next = &both[1];

    memset(now, 0, sizeof *now);
    for (size_t pos = 0;; pos++) {
        if (spread(p, now, s, pos))
            return true;
        if (!s[pos])
            return false;
        memset(next, 0, sizeof *next);
        for (size_t i = 0; i < now->n; i++) {
            const struct step *step = &p->step[now->at[i]];
            uint16_t to = (uint16_t)(now->at[i] + 1);

            if (step->op != P_SET || !set_has(&p->set[step->x], (unsigned char)s[pos]) || next->there[to])
                continue;
            next->there[to] = true;
            next->at[next->n++] = to;
        }
        struct threads *swap = now;
        now = next;
        next = swap;
    }
}
