/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/gen.h"

#include "cli/version.h"

#define WIDTH       80
#define HELP_COLUMN 26 /* where the explanations of options begin */

static const struct {
    enum status status;
    const char *meaning;
} exits[] = {
    {OK, "all went well"},
    {E_MISMATCH, "a check or comparison answered no"},
    {E_USAGE, "the command line is wrong, or names a file that must not be touched"},
    {E_FORMAT, "an input is malformed"},
    {E_IO, "a file cannot be opened, read or written"},
    {E_UNSUPPORTED, "an input is well-formed, but of a kind that is not handled"},
    {E_LIMIT, "a limit, or the memory of the machine, is too small"},
    {E_BUG, "scion itself is at fault"},
    {E_CANCELLED, "interrupted by a signal"},
};

/* ---- pieces that every form shares ---- */

/* The help of an option with what its row says of its values, in the form that `add` gives it. */
static void add_described(struct buf *out, const struct opt *o, void (*add)(struct buf *, const char *))
{
    static const char *const suffixes[] = {
        [OPT_SIZE] = "K, M, G, T are powers of 1024",
        [OPT_SIZE10] = "K, M, G, T are powers of 1000",
        [OPT_REPEAT] = "may be given several times",
    };

    struct buf text;

    buf_init(&text, 16 * KIB);
    buf_add_str(&text, o->help);
    for (size_t i = 0; o->choices && o->choices[i]; i++)
        buf_printf(&text, "%s%s", i == 0 ? ": " : o->choices[i + 1] ? ", " : " or ", o->choices[i]);
    if ((size_t)o->kind < ARRAY_LEN(suffixes) && suffixes[o->kind])
        buf_printf(&text, "; %s", suffixes[o->kind]);
    if (o->max)
        buf_printf(&text, "; %" PRIu64 " to %" PRIu64, o->min, o->max);
    else if (o->min)
        buf_printf(&text, "; at least %" PRIu64, o->min);
    if (o->preset)
        buf_printf(&text, " (default: %s)", o->preset);
    if (text.failed)
        out->failed = true;
    else
        add(out, text.p);
    buf_free(&text);
}

/* text in lines of WIDTH, the first of which already stands at `column`, the others indented. */
static void add_wrapped(struct buf *out, const char *text, size_t indent, size_t column)
{
    const char *word = text;

    while (*word) {
        size_t n = strcspn(word, " ");

        if (column + n > WIDTH && column > indent) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        }
        buf_add(out, word, n);
        column += n;
        word += n;
        if (*word == ' ') {
            if (column + 1 + strcspn(word + 1, " ") <= WIDTH) {
                buf_add_char(out, ' ');
                column++;
            } else {
                buf_printf(out, "\n%*s", (int)indent, "");
                column = indent;
            }
            word++;
        }
    }
    buf_add_char(out, '\n');
}

/* ---- help ---- */

static void add_help_text(struct buf *out, const char *text)
{
    add_wrapped(out, text, HELP_COLUMN, HELP_COLUMN);
}

static void add_option_help(struct buf *out, const struct opt *o)
{
    size_t start = out->n;

    if (o->letter)
        buf_printf(out, "  -%c, --%s", o->letter, o->name);
    else
        buf_printf(out, "      --%s", o->name);
    if (o->arg)
        buf_printf(out, " %s", o->arg);
    size_t column = out->n - start;
    if (column + 2 > HELP_COLUMN) {
        buf_add_char(out, '\n');
        column = 0;
    }
    buf_printf(out, "%*s", (int)(HELP_COLUMN - column), "");
    add_described(out, o, add_help_text);
}

static void add_options_help(struct buf *out, const struct opt *table)
{
    buf_add_str(out, "\nOptions:\n");
    for (const struct opt *o = table; o->name; o++)
        add_option_help(out, o);
}

void gen_overview(struct buf *out)
{
    const char *group = "";

    buf_add_str(out, "scion " SCION_VERSION ": " GEN_SUMMARY "\n\n"
                     "Usage: scion COMMAND [OPTION]... [ARGUMENT]...\n");
    for (const struct cmd *c = cmds; c->name; c++) {
        if (strcmp(group, c->group) != 0)
            buf_printf(out, "\n%s:\n", c->group);
        group = c->group;
        buf_printf(out, "  %-12s%s\n", c->name, c->summary);
    }
    add_options_help(out, main_opts);
    buf_add_str(out, "\n\"scion help COMMAND\" explains a command.\n");
}

void gen_help(struct buf *out, const struct cmd *c)
{
    buf_printf(out, "Usage: scion %s [OPTION]...%s%s\n\n", c->name, *c->args ? " " : "", c->args);
    for (const char *const *p = c->spec->about; *p; p++) {
        if (p != c->spec->about)
            buf_add_char(out, '\n');
        add_wrapped(out, *p, 0, 0);
    }
    add_options_help(out, c->spec->table);
    if (!c->spec->example)
        return;
    buf_add_str(out, "\nExamples:\n");
    for (const struct cmd_example *e = c->spec->example; e->line; e++)
        buf_printf(out, "  %s\n      %s\n", e->line, e->what);
}

/* ---- man page (mdoc) ---- */

/* Text that roff shall not read as requests or escapes, each sentence on its own line. */
static void add_roff(struct buf *out, const char *s)
{
    char before = '\n';

    for (size_t i = 0; s[i]; before = s[i++]) {
        bool sentence_ends = i >= 2 && s[i] == ' ' && before == '.' && s[i - 2] != ' ';

        if (before == '\n' && (s[i] == '.' || s[i] == '\''))
            buf_add_str(out, "\\&");
        if (s[i] == '\\')
            buf_add_str(out, "\\e");
        else if (s[i] == '-' && (before == ' ' || before == '\n' || before == '-')) /* dashes, no hyphen */
            buf_add_str(out, "\\-");
        else
            buf_add_char(out, sentence_ends ? '\n' : s[i]);
    }
}

/* The positional arguments: each word of "SOURCE... [OUTPUT]" as its macro. */
static void add_man_args(struct buf *out, const char *args)
{
    while (*args) {
        size_t n = strcspn(args, " ");
        bool optional = *args == '[', several = n > 3 && memcmp(args + n - 3, "...", 3) == 0;
        size_t skip = optional ? 1 : 0;
        size_t len = n - skip - (several ? 3 : 0);

        while (len && args[skip + len - 1] == ']')
            len--;
        buf_printf(out, ".%sAr %.*s%s\n", optional ? "Op " : "", (int)len, args + skip,
                   several ? " ..." : "");
        args += n + strspn(args + n, " ");
    }
}

static void add_man_options(struct buf *out, const struct opt *table)
{
    buf_add_str(out, "The options are:\n.Bl -tag -width Ds\n");
    for (const struct opt *o = table; o->name; o++) {
        buf_add_str(out, ".It");
        if (o->letter)
            buf_printf(out, " Fl %c ,", o->letter);
        buf_printf(out, " Fl \\-%s", o->name);
        if (o->arg)
            buf_printf(out, " Ar %s", o->arg);
        buf_add_char(out, '\n');
        add_described(out, o, add_roff);
        buf_add_str(out, ".\n");
    }
    buf_add_str(out, ".El\n");
}

static void add_man_exits(struct buf *out)
{
    buf_add_str(out, ".Sh EXIT STATUS\n.Bl -tag -width Ds -compact\n");
    for (size_t i = 0; i < ARRAY_LEN(exits); i++)
        buf_printf(out, ".It %d\n%s\n", status_exit_code(exits[i].status), exits[i].meaning);
    buf_add_str(out, ".El\n");
}

static void add_man_command(struct buf *out, const struct cmd *c)
{
    buf_printf(out, ".Sh NAME\n.Nm scion-%s\n.Nd %s\n", c->name, c->summary);
    buf_printf(out, ".Sh SYNOPSIS\n.Nm scion %s\n.Op Ar option ...\n", c->name);
    add_man_args(out, c->args);
    buf_add_str(out, ".Sh DESCRIPTION\n");
    for (const char *const *p = c->spec->about; *p; p++) {
        add_roff(out, *p);
        buf_add_str(out, "\n.Pp\n");
    }
    add_man_options(out, c->spec->table);
    add_man_exits(out);
    if (c->spec->example)
        buf_add_str(out, ".Sh EXAMPLES\n");
    for (const struct cmd_example *e = c->spec->example; e && e->line; e++) {
        add_roff(out, e->what);
        buf_add_str(out, ":\n.Dl ");
        add_roff(out, e->line);
        buf_add_str(out, e[1].line ? "\n.Pp\n" : "\n");
    }
    buf_add_str(out, ".Sh SEE ALSO\n.Xr scion 1\n");
}

/* The alphabetically next command, as mdoc wants references; NULL after the last. */
static const char *name_after(const char *name)
{
    const char *next = NULL;

    for (const struct cmd *c = cmds; c->name; c++)
        if (strcmp(c->name, name) > 0 && (!next || strcmp(c->name, next) < 0))
            next = c->name;
    return next;
}

static void add_man_program(struct buf *out)
{
    buf_add_str(out, ".Sh NAME\n.Nm scion\n.Nd " GEN_SUMMARY "\n"
                     ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar option ...\n.Op Ar argument ...\n"
                     ".Sh DESCRIPTION\nThe commands are:\n.Bl -tag -width inspect\n");
    for (const struct cmd *c = cmds; c->name; c++)
        buf_printf(out, ".It Cm %s\n%s\n", c->name, c->summary);
    buf_add_str(out, ".El\n.Pp\nResults go to standard output, everything else to standard error.\n.Pp\n");
    add_man_options(out, main_opts);
    add_man_exits(out);
    buf_add_str(out, ".Sh SEE ALSO\n");
    for (const char *last = "", *next; (next = name_after(last)); last = next)
        buf_printf(out, ".Xr scion-%s 1%s\n", next, name_after(next) ? " ," : "");
}

void gen_man(struct buf *out, const struct cmd *c)
{
    buf_printf(out, ".Dd " SCION_DATE "\n.Dt SCION%s", c ? "-" : "");
    for (const char *p = c ? c->name : ""; *p; p++)
        buf_add_char(out, (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
    buf_add_str(out, " 1\n.Os scion " SCION_VERSION "\n");
    if (c)
        add_man_command(out, c);
    else
        add_man_program(out);
}

/* ---- docs page ---- */

/* A table cell: '|' would end it. */
static void add_cell(struct buf *out, const char *s)
{
    for (; *s; s++)
        buf_printf(out, "%s%c", *s == '|' ? "\\" : "", *s);
}

static void add_markdown_options(struct buf *out, const struct opt *table)
{
    buf_add_str(out, "| option | meaning |\n|---|---|\n");
    for (const struct opt *o = table; o->name; o++) {
        buf_add_str(out, "| ");
        if (o->letter)
            buf_printf(out, "`-%c`, ", o->letter);
        buf_printf(out, "`--%s%s", o->name, o->arg ? " " : "");
        add_cell(out, o->arg ? o->arg : "");
        buf_add_str(out, "` | ");
        add_described(out, o, add_cell);
        buf_add_str(out, " |\n");
    }
}

void gen_markdown(struct buf *out)
{
    buf_add_str(out, "# Commands and options\n\nMade by `scion help --markdown`; do not edit.\n\n"
                     "## scion\n\n`scion COMMAND [OPTION]... [ARGUMENT]...`\n\n");
    add_markdown_options(out, main_opts);
    for (const struct cmd *c = cmds; c->name; c++) {
        buf_printf(out, "\n## scion %s\n\n`scion %s [OPTION]...%s%s`: %s.\n\n", c->name, c->name,
                   *c->args ? " " : "", c->args, c->summary);
        for (const char *const *p = c->spec->about; *p; p++) {
            add_wrapped(out, *p, 0, 0);
            buf_add_char(out, '\n');
        }
        add_markdown_options(out, c->spec->table);
        for (const struct cmd_example *e = c->spec->example; e && e->line; e++)
            buf_printf(out, "%s- `%s`: %s\n", e == c->spec->example ? "\n" : "", e->line, e->what);
    }
    buf_add_str(out, "\n## Exit status\n\n| code | meaning |\n|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(exits); i++)
        buf_printf(out, "| %d | %s |\n", status_exit_code(exits[i].status), exits[i].meaning);
}
