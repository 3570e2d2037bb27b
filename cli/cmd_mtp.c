/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/report_mtp.h"
#include "cli/run.h"
#include "cli/tty.h"
#include "convert/convert.h"
#include "graft/graft.h"
#include "graft/normalize.h"

#define OUTPUT_MAX (64 * MIB)

struct options {
    struct opt_common common;
    struct run_options run;
    const char *out;
    int link;
    bool in_place;
};

static const struct opt table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT",
     .help = "normalize: the folder to make; extract: the file, of GGUF if its name ends in .gguf"},
    {.name = "in-place",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, in_place),
     .help = "normalize: replace the config.json of PATH itself"},
    OPT_ROW_LINK(struct options, link),
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "status prints what a checkpoint promises of its multi-token-prediction head, what of it is there, how "
    "it "
    "is stored and how its norms are encoded; the exit code is 1 when promise and tensors disagree.",
    "normalize makes config.json promise the head that is there, no more and no less: one line per change; "
    "all "
    "else stays as it is, byte for byte.",
    "extract writes the head alone: a safetensors file that scion graft takes as a donor, or the GGUF file "
    "that "
    "\"scion convert --mtp only\" writes.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion mtp status Qwen3.5-9B", "whether the head that the config promises is there"},
    {"scion mtp normalize Ornith-9B --in-place", "promise no head where there is none"},
    {"scion mtp extract Qwen3.5-9B -o head.safetensors", "a donor without the rest"},
    {0},
};

/* ---- status ---- */

static enum status print_status(const struct mtp_status *st, const struct opt_common *common, struct err *err)
{
    struct buf out;

    buf_init(&out, OUTPUT_MAX);
    if (common->json)
        report_mtp_json(&out, st);
    else
        report_mtp_text(&out, st, common->verbose);
    enum status s = tty_print(&out, err);
    buf_free(&out);
    if (s == OK && !st->agrees)
        s = fail(err, E_MISMATCH, "%s: %s", st->source->path, st->verdict);
    return s;
}

static enum status status(const struct options *o, struct source *source, struct err *err)
{
    struct mtp_status st;

    if (o->out || o->in_place)
        return fail(err, E_USAGE, "status writes nothing: neither -o nor --in-place");
    enum status s = mtp_status_read(&st, source, err);
    return s == OK ? print_status(&st, &o->common, err) : s;
}

/* ---- normalize ---- */

static enum status print_changes(const struct notes *changes, const struct opt_common *common,
                                 struct err *err)
{
    struct buf out;
    struct json_writer w = {.out = &out};

    buf_init(&out, OUTPUT_MAX);
    if (common->json) {
        json_open(&w, '{');
        json_put_key(&w, "changes");
        json_open(&w, '[');
        for (size_t i = 0; i < changes->n; i++)
            json_put_str(&w, changes->item[i]);
        json_close(&w, ']');
        json_close(&w, '}');
        buf_add_char(&out, '\n');
    } else {
        for (size_t i = 0; i < changes->n; i++)
            buf_printf(&out, "%s\n", changes->item[i]);
        if (changes->n == 0)
            buf_add_str(&out, "nothing to change\n");
    }
    enum status s = tty_print(&out, err);
    buf_free(&out);
    return s;
}

static enum status normalize(const struct options *o, struct source *source, struct err *err)
{
    struct run_options run = o->run;
    struct opt_common quiet = {.quiet = true};
    struct notes changes = {.arena = &source->arena};
    struct normalize_options n = {.out = o->out, .link = (enum link_mode)o->link, .changes = &changes};
    struct plan plan;

    if (!o->out == !o->in_place)
        return fail(err, E_USAGE,
                    o->out ? "-o and --in-place exclude each other"
                           : "-o OUT is missing: where to write (or --in-place)");
    plan_init(&plan);
    run.force |= o->in_place;
    enum status s = normalize_folder(&plan, source, &n, err);
    if (s == OK && plan.nout > 0 && !o->run.dry_run)
        s = run_plan("mtp", &plan, &run, &quiet, err);
    if (s == OK)
        s = print_changes(&changes, &o->common, err);
    plan_free(&plan);
    return s;
}

/* ---- extract ---- */

static enum status extract(const struct options *o, struct source *source, struct err *err)
{
    const struct convert_rung rung = {.out = o->out, .type = DT_COUNT, .mtp = MTP_ONLY};
    const struct convert_options head = {.rungs = &rung, .nrung = 1};
    struct plan plan;

    if (!o->out || o->in_place)
        return fail(err, E_USAGE,
                    o->out ? "extract changes nothing in place" : "-o OUT is missing: where to write");
    plan_init(&plan);
    enum status s = str_ends(o->out, ".gguf") ? convert_to_gguf(&plan, source, &head, err)
                                              : graft_extract(&plan, source, o->out, err);
    if (s == OK)
        s = run_plan("mtp", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    return s;
}

/* ---- all ---- */

static enum status run(const struct opt_line *line, struct err *err)
{
    static const struct {
        const char *name;
        enum status (*run)(const struct options *o, struct source *source, struct err *err);
    } what[] = {{"status", status}, {"normalize", normalize}, {"extract", extract}};
    struct source *source = NULL;
    size_t i = 0;

    while (i < ARRAY_LEN(what) && strcmp(line->args[0], what[i].name) != 0)
        i++;
    if (i == ARRAY_LEN(what))
        return fail(err, E_USAGE, "\"%s\" is neither \"status\" nor \"normalize\" nor \"extract\"",
                    line->args[0]);
    enum status s = source_open(&source, line->args[1], err);
    if (s == OK)
        s = what[i].run(line->options, source, err);
    source_close(source);
    return s;
}

const struct cmd_spec cmd_mtp = {run, table, sizeof(struct options), about, example};
