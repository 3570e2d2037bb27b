/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/gen.h"
#include "cli/tty.h"
#include "cli/version.h"
#include "card/frontmatter.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/nearest.h"
#include "core/sha256.h"
#include "formats/hfdir.h"

#define OUTPUT_MAX (16 * MIB)

const struct cmd cmds[] = {
#define X(name, group, args, least, most, summary) {#name, group, args, least, most, summary, &cmd_##name},
#include "cli/cmds.def"
#undef X
    {0},
};

struct options {
    bool version, verbose;
};

const struct opt main_opts[] = {
    {.name = "version",
     .letter = 'V',
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, version),
     .help = "print the version"},
    {.name = "verbose",
     .letter = 'v',
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, verbose),
     .help = "with --version: those of the libraries too"},
    OPT_ROW_HELP,
    {0},
};

enum status cmd_find(const char *name, const struct cmd **cmd, struct err *err)
{
    const char *names[ARRAY_LEN(cmds)];
    size_t n = 0;

    for (const struct cmd *c = cmds; c->name; c++) {
        if (strcmp(c->name, name) == 0) {
            *cmd = c;
            return OK;
        }
        names[n++] = c->name;
    }
    const char *near = nearest_of(name, names, n);
    if (near)
        return fail(err, E_USAGE, "no command \"%s\"; did you mean %s?", name, near);
    return fail(err, E_USAGE, "no command \"%s\"; \"scion help\" lists the commands", name);
}

/* Where Hugging Face's own tools keep downloaded models: $HF_HUB_CACHE, else $HF_HOME/hub, else
 * $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub. */
static enum status set_hub_cache(struct arena *a, struct err *err)
{
    static const struct {
        const char *variable, *below;
    } places[] = {
        {"HF_HUB_CACHE", ""},
        {"HF_HOME", "/hub"},
        {"XDG_CACHE_HOME", "/huggingface/hub"},
        {"HOME", "/.cache/huggingface/hub"},
    };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const char *value = getenv(places[i].variable);

        if (!value || !*value)
            continue;
        const char *path = arena_printf(a, "%s%s", value, places[i].below);
        if (!path)
            return fail_nomem(err);
        hub_set_cache(path);
        return OK;
    }
    return OK;
}

static enum status check_args(const struct cmd *c, const struct opt_line *line, struct err *err)
{
    if (line->nargs < c->min_args)
        return fail(err, E_USAGE, "an argument is missing: scion %s %s", c->name, c->args);
    if (line->nargs > c->max_args)
        return fail(err, E_USAGE, "one argument too many, \"%s\": scion %s %s", line->args[c->max_args],
                    c->name, c->args);
    return OK;
}

static enum status run_command(const struct cmd *c, struct arena *a, int argc, char **argv, struct err *err)
{
    struct opt_line line = {.table = c->spec->table, .arena = a};
    struct buf out;

    line.options = arena_alloc(a, c->spec->options_size);
    if (!line.options)
        return fail_nomem(err);
    enum status st = opt_parse(&line, argc, argv, err);
    if (st == OK && line.help) {
        buf_init(&out, OUTPUT_MAX);
        gen_help(&out, c);
        st = tty_print(&out, err);
        buf_free(&out);
        return st;
    }
    if (st == OK)
        st = check_args(c, &line, err);
    if (st == OK)
        st = set_hub_cache(a, err);
    return st == OK ? c->spec->run(&line, err) : st;
}

static void add_libraries(struct buf *out)
{
    char version[16];

    buf_printf(out, "cJSON %s\n", json_library());
    buf_printf(out, "libyaml %s\n", frontmatter_library());
    buf_printf(out, "Nettle %s\n", sha256_library(version));
    buf_printf(out, "xxHash %s\n", hash_library(version));
}

/* A line that begins with an option: about the program, not a command. */
static enum status run_options(struct arena *a, int argc, char **argv, struct err *err)
{
    struct options o = {0};
    struct opt_line line = {.table = main_opts, .options = &o, .arena = a};
    struct buf out;
    enum status st = opt_parse(&line, argc, argv, err);

    if (st != OK)
        return st;
    if (!line.help && (!o.version || line.nargs))
        return fail(err, E_USAGE, "options stand after their command: scion COMMAND [OPTION]...");
    buf_init(&out, OUTPUT_MAX);
    if (line.help)
        gen_overview(&out);
    else
        buf_add_str(&out, "scion " SCION_VERSION "\n");
    if (!line.help && o.verbose)
        add_libraries(&out);
    st = tty_print(&out, err);
    buf_free(&out);
    return st;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct arena arena;
    const struct cmd *c = NULL;
    enum status st;

    tty_init();
    arena_init(&arena, 0);
    if (argc < 2)
        st = fail(&err, E_USAGE, "no command given; \"scion help\" lists the commands");
    else if (argv[1][0] == '-')
        st = run_options(&arena, argc - 1, argv + 1, &err);
    else if ((st = cmd_find(argv[1], &c, &err)) == OK)
        st = run_command(c, &arena, argc - 2, argv + 2, &err);
    if (st != OK)
        tty_error(c ? c->name : NULL, &err);
    arena_free(&arena);
    return status_exit_code(st);
}
