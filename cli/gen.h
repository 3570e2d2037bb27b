/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that is said about commands and options, made from cmds.def and the option tables: help,
 * man pages, shell completion, the docs page. All append to a buffer, which the caller checks.
 */
#ifndef CLI_GEN_H
#define CLI_GEN_H

#include "cli/cmd.h"
#include "core/str.h"

#define GEN_SUMMARY "convert model checkpoints"

/* The options before any command, from main.c. */
extern const struct opt main_opts[];

void gen_overview(struct buf *out);                  /* scion --help */
void gen_help(struct buf *out, const struct cmd *c); /* scion COMMAND --help */
void gen_man(struct buf *out, const struct cmd *c);  /* mdoc(7); c == NULL gives scion(1) */
void gen_markdown(struct buf *out);                  /* docs/options.md */

enum gen_shell { GEN_BASH, GEN_ZSH, GEN_FISH };
extern const char *const gen_shells[]; /* their names, NULL at the end */
void gen_completion(struct buf *out, enum gen_shell shell);

#endif
