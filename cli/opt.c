/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opt.h"

#include <strings.h>

#include "core/nearest.h"
#include "core/str.h"

/* ---- values ---- */

static bool parse_digits(const char *s, const char **end, uint64_t *v)
{
    const char *p = s;

    *v = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (!mul_ok(*v, 10, v) || !add_ok(*v, (uint64_t)(*p - '0'), v))
            return false;
    *end = p;
    return p > s;
}

static bool parse_size(const char *s, uint64_t base, uint64_t *v)
{
    const char *end, *suffixes = "kmgt";

    if (!parse_digits(s, &end, v))
        return false;
    if (!*end)
        return true;
    const char *suffix = strchr(suffixes, *end | 0x20);
    if (!suffix || end[1])
        return false;
    for (const char *p = suffixes; p <= suffix; p++)
        if (!mul_ok(*v, base, v))
            return false;
    return true;
}

static enum status store_number(const struct opt *o, void *field, const char *value, struct err *err)
{
    uint64_t v;
    const char *end;

    if (o->kind == OPT_U64) {
        if (!parse_digits(value, &end, &v) || *end)
            return fail(err, E_USAGE, "--%s: \"%s\" is not a whole number below 2^64", o->name, value);
    } else if (!parse_size(value, o->kind == OPT_SIZE ? 1024 : 1000, &v)) {
        return fail(err, E_USAGE, "--%s: \"%s\" is not a size: digits and an optional K, M, G or T", o->name,
                    value);
    }
    if (v < o->min || (o->max && v > o->max)) {
        if (!o->max)
            return fail(err, E_USAGE, "--%s: %s is below the least value, %" PRIu64, o->name, value, o->min);
        return fail(err, E_USAGE, "--%s: %s is not between %" PRIu64 " and %" PRIu64, o->name, value, o->min,
                    o->max);
    }
    *(uint64_t *)field = v;
    return OK;
}

static enum status store_choice(const struct opt *o, int *field, const char *value, struct err *err)
{
    struct buf list;
    int n = 0;

    for (; o->choices[n]; n++)
        if (strcasecmp(o->choices[n], value) == 0) {
            *field = n;
            return OK;
        }
    buf_init(&list, 4 * KIB);
    for (int i = 0; i < n; i++)
        buf_printf(&list, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", o->choices[i]);
    enum status st = buf_check(&list, "list of choices", err);
    const char *near = nearest_of(value, o->choices, (size_t)n);
    if (st == OK && near)
        st = fail(err, E_USAGE, "--%s: \"%s\" is none of %s; did you mean %s?", o->name, value, list.p, near);
    else if (st == OK)
        st = fail(err, E_USAGE, "--%s: \"%s\" is none of %s", o->name, value, list.p);
    buf_free(&list);
    return st;
}

static enum status store(struct opt_line *line, const struct opt *o, const char *value, int argc,
                         struct err *err)
{
    void *field = (char *)line->options + o->offset;
    struct opt_list *list = field;

    switch (o->kind) {
    case OPT_HELP:
        line->help = true;
        return OK;
    case OPT_FLAG:
        *(bool *)field = true;
        return OK;
    case OPT_PATH:
        if (!*value)
            return fail(err, E_USAGE, "--%s: the %s is empty", o->name, o->arg);
        *(const char **)field = value;
        return OK;
    case OPT_STR:
        *(const char **)field = value;
        return OK;
    case OPT_U64:
    case OPT_SIZE:
    case OPT_SIZE10:
        return store_number(o, field, value, err);
    case OPT_ENUM:
        return store_choice(o, field, value, err);
    case OPT_REPEAT: /* no line can hold more of them than arguments */
        if (!list->item)
            list->item = arena_array(line->arena, (uint64_t)argc, sizeof *list->item);
        if (!list->item)
            return fail_nomem(err);
        list->item[list->n++] = value;
        return OK;
    }
    return OK;
}

/* ---- the line ---- */

bool opt_takes_value(const struct opt *o)
{
    return o->kind != OPT_FLAG && o->kind != OPT_HELP;
}

static const struct opt *find_long(const struct opt *table, const char *name, size_t n)
{
    for (const struct opt *o = table; o->name; o++)
        if (strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
    for (const struct opt *o = table; o->name; o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

bool opt_given(const struct opt_line *line, const char *name)
{
    const struct opt *o = find_long(line->table, name, strlen(name));

    require(o);
    return line->seen[o - line->table];
}

static enum status fail_unknown(const struct opt *table, const char *arg, struct err *err)
{
    const char *names[OPT_MAX];
    char word[64]; /* no option is longer */
    const char *name = arg + strspn(arg, "-");
    size_t n = 0;
    const struct opt *o = arg[1] == '-' ? NULL : find_letter(table, arg[1]);

    if (o && opt_takes_value(o))
        return fail(err, E_USAGE, "unknown option %s; a value stands apart from its letter: -%c %s", arg,
                    o->letter, o->arg);
    if (o)
        return fail(err, E_USAGE, "unknown option %s; letters stand apart: -%c", arg, o->letter);
    for (o = table; o->name; o++)
        names[n++] = o->name;
    snprintf(word, sizeof word, "%.*s", (int)min_u64(strcspn(name, "="), sizeof word), name);
    const char *near = nearest_of(word, names, n);
    if (near)
        return fail(err, E_USAGE, "unknown option %s; did you mean --%s?", arg, near);
    return fail(err, E_USAGE, "unknown option %s; --help lists the options", arg);
}

/* The option that arg names, and its value when the two are one argument. */
static const struct opt *find(const struct opt *table, const char *arg, const char **value)
{
    const char *equals = strchr(arg, '=');

    if (arg[1] != '-')
        return arg[2] ? NULL : find_letter(table, arg[1]);
    *value = equals ? equals + 1 : NULL;
    return find_long(table, arg + 2, equals ? (size_t)(equals - arg) - 2 : strlen(arg + 2));
}

static enum status check_value(const struct opt *o, const char *value, bool apart, struct err *err)
{
    if (!opt_takes_value(o))
        return value ? fail(err, E_USAGE, "--%s takes no value", o->name) : OK;
    if (!value)
        return fail(err, E_USAGE, "--%s needs a value: %s", o->name, o->arg);
    if (apart && value[0] == '-' && value[1])
        return fail(err, E_USAGE, "--%s needs a value: %s; if \"%s\" is meant, write --%s=%s", o->name,
                    o->arg, value, o->name, value);
    return OK;
}

static enum status set_presets(struct opt_line *line, struct err *err)
{
    size_t n = 0;

    for (const struct opt *o = line->table; o->name; o++, n++) {
        require(n < OPT_MAX && !(o->preset && o->kind == OPT_REPEAT));
        if (o->preset && store(line, o, o->preset, 0, err) != OK)
            return wrap(err, "default");
    }
    return OK;
}

static size_t field_size(enum opt_kind kind)
{
    switch (kind) {
    case OPT_HELP:
        return 0;
    case OPT_FLAG:
        return sizeof(bool);
    case OPT_STR:
    case OPT_PATH:
        return sizeof(const char *);
    case OPT_U64:
    case OPT_SIZE:
    case OPT_SIZE10:
        return sizeof(uint64_t);
    case OPT_ENUM:
        return sizeof(int);
    case OPT_REPEAT:
        return sizeof(struct opt_list);
    }
    return 0;
}

void opt_inherit(const struct opt_line *line, const void *base)
{
    for (const struct opt *o = line->table; o->name; o++)
        if (!line->seen[o - line->table])
            memcpy((char *)line->options + o->offset, (const char *)base + o->offset, field_size(o->kind));
}

/* The option at argv[*at], which is moved past its value. */
static enum status parse_option(struct opt_line *line, int argc, char **argv, int *at, struct err *err)
{
    const char *value = NULL;
    const struct opt *o = find(line->table, argv[*at], &value);

    if (!o)
        return fail_unknown(line->table, argv[*at], err);
    bool apart = opt_takes_value(o) && !value && *at + 1 < argc;
    if (apart)
        value = argv[++*at];
    enum status st = check_value(o, value, apart, err);
    if (st != OK)
        return st;
    bool *seen = &line->seen[o - line->table];
    if (*seen && opt_takes_value(o) && o->kind != OPT_REPEAT)
        return fail(err, E_USAGE, "--%s is given twice", o->name);
    *seen = true;
    return store(line, o, value, argc, err);
}

enum status opt_parse(struct opt_line *line, int argc, char **argv, struct err *err)
{
    enum status st = set_presets(line, err);
    bool options = true; /* until "--" */

    line->args = argv;
    line->nargs = 0;
    line->help = false;
    memset(line->seen, 0, sizeof line->seen);
    for (int i = 0; st == OK && i < argc && !line->help; i++) {
        bool option = options && argv[i][0] == '-' && argv[i][1]; /* a lone "-" is an argument */

        if (option && strcmp(argv[i], "--") == 0)
            options = false;
        else if (option)
            st = parse_option(line, argc, argv, &i, err);
        else
            line->args[line->nargs++] = argv[i];
    }
    return st;
}
