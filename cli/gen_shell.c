/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/gen.h"

const char *const gen_shells[] = {"bash", "zsh", "fish", NULL};

/* Whether the positional arguments are names of commands; otherwise they are files. */
static bool wants_command(const struct cmd *c)
{
    return strstr(c->args, "COMMAND") != NULL;
}

static void add_command_names(struct buf *out)
{
    for (const struct cmd *c = cmds; c->name; c++)
        buf_printf(out, "%s%s", c == cmds ? "" : " ", c->name);
}

static void add_choices(struct buf *out, const struct opt *o)
{
    for (size_t i = 0; o->choices && o->choices[i]; i++)
        buf_printf(out, "%s%s", i ? " " : "", o->choices[i]);
}

static void add_option_names(struct buf *out, const struct opt *table)
{
    for (const struct opt *o = table; o->name; o++)
        buf_printf(out, "%s--%s", o == table ? "" : " ", o->name);
}

/* s inside single quotes; the characters of `also` get a backslash. */
static void add_quoted(struct buf *out, const char *s, const char *also)
{
    for (; *s; s++) {
        if (*s == '\'')
            buf_add_str(out, "'\\'");
        else if (strchr(also, *s))
            buf_add_char(out, '\\');
        buf_add_char(out, *s);
    }
}

/* ---- bash ---- */

/* The case that answers when the word before is an option with a value. */
static void add_bash_values(struct buf *out, const struct cmd *c)
{
    for (const struct opt *o = c->spec->table; o->name; o++) {
        if (!opt_takes_value(o))
            continue;
        buf_printf(out, "    %s,--%s", c->name, o->name);
        if (o->letter)
            buf_printf(out, " | %s,-%c", c->name, o->letter);
        if (o->kind == OPT_PATH) {
            buf_add_str(out, ") _scion_files; return ;;\n");
            continue;
        }
        buf_add_str(out, ") _scion_words '");
        add_choices(out, o);
        buf_add_str(out, "'; return ;;\n");
    }
}

static void add_bash(struct buf *out)
{
    buf_add_str(out, "# bash completion for scion, made by \"scion help --completion bash\"\n\n"
                     "_scion_words()\n{\n"
                     "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\n\n"
                     "_scion_files()\n{\n    compopt -o filenames\n"
                     "    mapfile -t COMPREPLY < <(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\")\n}\n\n"
                     "_scion()\n{\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        _scion_words '");
    add_command_names(out);
    buf_add_char(out, ' ');
    add_option_names(out, main_opts);
    buf_add_str(out, "'\n        return\n    fi\n"
                     "    case ${COMP_WORDS[1]},${COMP_WORDS[COMP_CWORD - 1]} in\n");
    for (const struct cmd *c = cmds; c->name; c++)
        add_bash_values(out, c);
    buf_add_str(out, "    esac\n    case ${COMP_WORDS[1]},${COMP_WORDS[COMP_CWORD]} in\n");
    for (const struct cmd *c = cmds; c->name; c++) {
        buf_printf(out, "    %s,-*) _scion_words '", c->name);
        add_option_names(out, c->spec->table);
        buf_add_str(out, "' ;;\n");
        if (wants_command(c)) {
            buf_printf(out, "    %s,*) _scion_words '", c->name);
            add_command_names(out);
            buf_add_str(out, "' ;;\n");
        }
    }
    buf_add_str(out, "    *) _scion_files ;;\n    esac\n}\n\ncomplete -F _scion scion\n");
}

/* ---- zsh ---- */

static void add_zsh_option(struct buf *out, const struct opt *o)
{
    buf_add_str(out, " \\\n            ");
    if (o->letter)
        buf_printf(out, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    else
        buf_printf(out, "'%s--%s[", o->kind == OPT_REPEAT ? "*" : "", o->name);
    add_quoted(out, o->help, "[]:\\");
    buf_add_char(out, ']');
    if (o->arg) {
        buf_printf(out, ":%s:", o->arg);
        if (o->kind == OPT_PATH)
            buf_add_str(out, "_files");
        else if (o->choices) {
            buf_add_char(out, '(');
            add_choices(out, o);
            buf_add_char(out, ')');
        }
    }
    buf_add_char(out, '\'');
}

static void add_zsh(struct buf *out)
{
    buf_add_str(out, "#compdef scion\n# made by \"scion help --completion zsh\"\n\n"
                     "_scion()\n{\n    local -a commands\n    commands=(\n");
    for (const struct cmd *c = cmds; c->name; c++) {
        buf_printf(out, "        '%s:", c->name);
        add_quoted(out, c->summary, ":\\");
        buf_add_str(out, "'\n");
    }
    buf_add_str(out, "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n"
                     "        _arguments");
    for (const struct opt *o = main_opts; o->name; o++)
        add_zsh_option(out, o);
    buf_add_str(out, "\n        return\n    fi\n"
                     "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n");
    for (const struct cmd *c = cmds; c->name; c++) {
        buf_printf(out, "    %s)\n        _arguments", c->name);
        for (const struct opt *o = c->spec->table; o->name; o++)
            add_zsh_option(out, o);
        buf_add_str(out, " \\\n            '*:argument:");
        if (wants_command(c)) {
            buf_add_char(out, '(');
            add_command_names(out);
            buf_add_char(out, ')');
        } else {
            buf_add_str(out, "_files");
        }
        buf_add_str(out, "'\n        ;;\n");
    }
    buf_add_str(out, "    esac\n}\n\n_scion \"$@\"\n");
}

/* ---- fish ---- */

static void add_fish_options(struct buf *out, const char *condition, const struct opt *table)
{
    for (const struct opt *o = table; o->name; o++) {
        buf_printf(out, "complete -c scion -n '%s' -l %s", condition, o->name);
        if (o->letter)
            buf_printf(out, " -s %c", o->letter);
        if (opt_takes_value(o))
            buf_add_str(out, o->kind == OPT_PATH ? " -r -F" : " -x");
        if (o->choices) {
            buf_add_str(out, " -a '");
            add_choices(out, o);
            buf_add_char(out, '\'');
        }
        buf_add_str(out, " -d '");
        for (const char *p = o->help; *p; p++)
            buf_printf(out, "%s%c", *p == '\'' || *p == '\\' ? "\\" : "", *p);
        buf_add_str(out, "'\n");
    }
}

static void add_fish(struct buf *out)
{
    char condition[128];

    buf_add_str(out, "# fish completion for scion, made by \"scion help --completion fish\"\n\n"
                     "complete -c scion -f\n");
    add_fish_options(out, "__fish_use_subcommand", main_opts);
    for (const struct cmd *c = cmds; c->name; c++) {
        buf_printf(out, "\ncomplete -c scion -n __fish_use_subcommand -a %s -d '%s'\n", c->name, c->summary);
        snprintf(condition, sizeof condition, "__fish_seen_subcommand_from %s", c->name);
        add_fish_options(out, condition, c->spec->table);
        if (!wants_command(c)) {
            buf_printf(out, "complete -c scion -n '%s' -F\n", condition);
            continue;
        }
        buf_printf(out, "complete -c scion -n '%s' -a '", condition);
        add_command_names(out);
        buf_add_str(out, "'\n");
    }
}

void gen_completion(struct buf *out, enum gen_shell shell)
{
    static void (*const add[])(struct buf *) = {
        [GEN_BASH] = add_bash,
        [GEN_ZSH] = add_zsh,
        [GEN_FISH] = add_fish,
    };

    add[shell](out);
}
