/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/stat.h>

#include "cli/gen.h"
#include "cli/tty.h"

#define PAGE_MAX (16 * MIB)

struct options {
    const char *man; /* folder */
    int completion;  /* enum gen_shell */
    bool markdown;
};

static const struct opt table[] = {
    {.name = "man",
     .kind = OPT_PATH,
     OPT_FIELD(struct options, man),
     .arg = "DIR",
     .help = "write all man pages into DIR, which is made if need be"},
    {.name = "completion",
     .kind = OPT_ENUM,
     OPT_FIELD(struct options, completion),
     .arg = "SHELL",
     .choices = gen_shells,
     .help = "print what completes command lines in a shell"},
    {.name = "markdown",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, markdown),
     .help = "print all commands and options as Markdown"},
    OPT_ROW_HELP,
    {0},
};

static const char *const about[] = {
    "Without an argument, lists the commands; with one, explains that command.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion help inspect", "explain the command inspect"},
    {"scion help --man /usr/local/share/man/man1", "install the man pages"},
    {"source <(scion help --completion bash)", "complete scion's command lines in this shell"},
    {0},
};

static enum status write_page(const char *folder, const struct cmd *c, struct err *err)
{
    struct buf page, path;
    FILE *f = NULL;

    buf_init(&page, PAGE_MAX);
    buf_init(&path, 64 * KIB);
    buf_printf(&path, "%s/scion%s%s.1", folder, c ? "-" : "", c ? c->name : "");
    gen_man(&page, c);
    enum status st = buf_check(&path, "path", err);
    if (st == OK)
        st = buf_check(&page, "man page", err);
    if (st == OK && !(f = fopen(path.p, "w")))
        st = fail_errno(err, "%s", path.p);
    if (f) {
        bool written = fwrite(page.p, 1, page.n, f) == page.n;

        if (fclose(f) != 0 || !written)
            st = fail_errno(err, "%s", path.p);
    }
    buf_free(&path);
    buf_free(&page);
    return st;
}

static enum status write_pages(const char *folder, struct err *err)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fail_errno(err, "%s", folder);
    enum status st = write_page(folder, NULL, err);
    for (const struct cmd *c = cmds; st == OK && c->name; c++)
        st = write_page(folder, c, err);
    return st;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    bool completion = opt_given(line, "completion");
    const struct cmd *c = NULL;
    struct buf out;

    if ((o->man != NULL) + completion + o->markdown + (line->nargs > 0) > 1)
        return fail(err, E_USAGE, "one of COMMAND, --man, --completion and --markdown at a time");
    if (o->man)
        return write_pages(o->man, err);
    if (line->nargs && cmd_find(line->args[0], &c, err) != OK)
        return err->status;
    buf_init(&out, PAGE_MAX);
    if (completion)
        gen_completion(&out, (enum gen_shell)o->completion);
    else if (o->markdown)
        gen_markdown(&out);
    else if (c)
        gen_help(&out, c);
    else
        gen_overview(&out);
    enum status st = tty_print(&out, err);
    buf_free(&out);
    return st;
}

const struct cmd_spec cmd_help = {run, table, sizeof(struct options), about, example};
