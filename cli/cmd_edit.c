/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/run.h"
#include "gguf/edit.h"

struct options {
    struct opt_common common;
    struct run_options run;
    struct opt_list sets, texts, removes;
    const char *out, *prune;
    bool in_place;
};

static const struct opt table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT.gguf",
     .help = "the file to write"},
    {.name = "in-place",
     .letter = 'i',
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, in_place),
     .help = "change the file itself"},
    {.name = "set",
     .kind = OPT_REPEAT,
     OPT_FIELD(struct options, sets),
     .arg = "KEY=VALUE",
     .help = "give a key a value, of the type that it has; KEY=TYPE:VALUE says the type (u32:5, str:7, "
             "str[]:[])"},
    {.name = "set-file",
     .kind = OPT_REPEAT,
     OPT_FIELD(struct options, texts),
     .arg = "KEY=FILE",
     .help = "give a key the text of a file, such as a chat template"},
    {.name = "remove",
     .kind = OPT_REPEAT,
     OPT_FIELD(struct options, removes),
     .arg = "KEY",
     .help = "take a key out"},
    OPT_ROW_PRUNE(struct options, prune),
    OPT_ROWS_SPLIT(struct options),
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Changes the metadata of a GGUF file, or leaves blocks out of it. What would make a file that cannot be "
    "loaded is refused. Tensors are copied as they are; a split set becomes one file.",
    "A key keeps its type. A new one gets the type that loaders expect of its name, else the one that its "
    "value "
    "looks like: true and false, whole numbers (u32, i32), decimal numbers (f32), JSON lists; all else is "
    "text.",
    "In place, bytes of values that stay as long as they were are written where they are. For all else, and "
    "where the file has other names (hard links) or is reached by a symbolic link, a new file takes its name "
    "when "
    "it is complete: other names keep the old content. Of a split set the first file changes.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion edit in.gguf -o out.gguf --set general.name='My Model' --remove general.url",
     "a copy with changes"},
    {"scion edit model.gguf --in-place --set-file tokenizer.chat_template=template.jinja",
     "another chat template"},
    {"scion edit in.gguf -o out.gguf --prune-layers 20-23", "without four blocks"},
    {0},
};

static enum status check(const struct options *o, struct err *err)
{
    if (!o->out && !o->in_place)
        return fail(err, E_USAGE, "-o OUT.gguf or --in-place is missing: where to write");
    if (o->out && o->in_place)
        return fail(err, E_USAGE, "-o and --in-place both say where to write: give one");
    if (!o->sets.n && !o->texts.n && !o->removes.n && !o->prune)
        return fail(err, E_USAGE,
                    "there is nothing to change: --set, --set-file, --remove or --prune-layers");
    if (o->in_place && (o->run.split_max_size || o->run.split_max_tensors))
        return fail(err, E_USAGE, "--in-place writes no other files: -o OUT.gguf does");
    return OK;
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    const struct edit_options edit = {
        .sets = o->sets.item,
        .nset = o->sets.n,
        .texts = o->texts.item,
        .ntext = o->texts.n,
        .removes = o->removes.item,
        .nremove = o->removes.n,
        .prune = o->prune,
        .out = o->out,
        .split_max_bytes = o->run.split_max_size,
        .split_max_tensors = o->run.split_max_tensors,
    };
    struct source *source = NULL;
    struct plan plan;
    enum status s = check(o, err);

    plan_init(&plan);
    if (s == OK)
        s = source_open(&source, line->args[0], err);
    if (s == OK)
        s = edit_gguf(&plan, source, &edit, err);
    if (s == OK)
        s = run_plan("edit", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    source_close(source);
    return s;
}

const struct cmd_spec cmd_edit = {run, table, sizeof(struct options), about, example};
