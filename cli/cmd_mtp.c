/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/models.h"
#include "cli/report_mtp.h"
#include "cli/run.h"
#include "cli/side_car_opts.h"
#include "cli/tty.h"
#include "convert/add_head.h"
#include "gguf/edit.h"
#include "graft/graft.h"
#include "graft/normalize.h"
#include "graft/runtime.h"

#define OUTPUT_MAX (64 * MIB)

struct options {
    struct opt_common common;
    struct run_options run;
    const char *out, *evidence;
    int link, norms;
    bool in_place, allow_requantize;
    struct side_car_opts side_car;
};

static const struct opt table[] = {
    {.name = "output",
     .letter = 'o',
     .kind = OPT_PATH,
     OPT_FIELD(struct options, out),
     .arg = "OUT",
     .help = "the file to write; of a folder, normalize and remove make a folder; extract makes GGUF if the "
             "name ends in .gguf"},
    {.name = "in-place",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, in_place),
     .help = "normalize: replace the config.json of PATH itself, or change the GGUF file"},
    {.name = "evidence",
     .kind = OPT_PATH,
     OPT_FIELD(struct options, evidence),
     .arg = "FILE",
     .help = "runtime: what was measured, as JSON"},
    OPT_ROWS_SIDE_CAR(struct options, "extract: "),
    OPT_ROW_NORMS("norms", struct options, norms),
    {.name = "allow-requantize",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, allow_requantize),
     .help = "extract: quantize a head again that is quantized already"},
    OPT_ROW_LINK(struct options, link),
    OPT_ROW_NONFINITE(struct options),
    OPT_ROWS_RUN(struct options),
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "status prints what a checkpoint promises of its multi-token-prediction head, what of it is there, how "
    "it "
    "is stored and how its norms are encoded; the exit code is 1 when promise and tensors disagree.",
    "normalize makes config.json, or a GGUF file's metadata, promise the head that is there, no more and no "
    "less: one line per change; "
    "all "
    "else stays as it is, byte for byte.",
    "extract writes the head alone: a safetensors file that scion graft takes as a donor, the GGUF file that "
    "\"scion convert --mtp only\" writes, or, with --side-car, the file that scion graft puts beside a "
    "folder "
    "for MLX.",
    "remove writes a GGUF file or a folder without its head.",
    "runtime writes mtplx_runtime.json for a folder for MLX from evidence that you have: it is checked, "
    "completed, "
    "and tied to the folder's config.json and head.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion mtp status Qwen3.5-9B", "whether the head that the config promises is there"},
    {"scion mtp normalize Ornith-9B --in-place", "promise no head where there is none"},
    {"scion mtp extract Qwen3.5-9B -o head.safetensors", "a donor without the rest"},
    {"scion mtp remove Qwen3.5-9B-Q4_K_M.gguf -o smaller.gguf", "the file without its head"},
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

/* How a GGUF file's metadata has to change, as options of an edit. */
struct key_changes {
    struct edit_options edit;
    const char *sets[2];
};

static enum status change_key(struct key_changes *k, const struct source *s, const char *key, uint64_t n,
                              struct notes *changes, struct err *err)
{
    uint64_t was = 0;
    bool is_there = meta_u64(meta_find(&s->meta, key), &was);

    if (is_there && was == n)
        return OK;
    k->sets[k->edit.nset] = arena_printf(changes->arena, "%s=u32:%" PRIu64, key, n);
    if (!k->sets[k->edit.nset++])
        return fail_nomem(err);
    if (!is_there)
        return notes_add(changes, err, "%s: added, %" PRIu64, key, n);
    return notes_add(changes, err, "%s: %" PRIu64 " -> %" PRIu64, key, was, n);
}

/* A head that is there is counted; blocks that are promised and not there are left out. */
static enum status find_changes(struct key_changes *k, struct mtp_status *st, struct notes *changes,
                                struct err *err)
{
    const struct source *source = st->source;
    char blocks[META_KEY_MAX], heads[META_KEY_MAX];
    uint64_t n = st->head.names == HEAD_NONE ? 0 : st->head.nlayer;
    enum status s = st->agrees ? OK : graft_trunk(st, err);

    if (s != OK || st->agrees)
        return s;
    if (n > 0 && !head_is_complete(&st->head))
        return fail(err, E_FORMAT, "%s: %s, so no promise is right", source->path, st->verdict);
    hparams_key(&st->hp, "block_count", blocks);
    hparams_key(&st->hp, "nextn_predict_layers", heads);
    if (n > 0) {
        s = change_key(k, source, blocks, st->hp.n_layer + n, changes, err);
        return s == OK ? change_key(k, source, heads, n, changes, err) : s;
    }
    k->edit.prune = arena_printf(changes->arena, "%" PRIu64 "-%" PRIu64, st->hp.n_layer,
                                 st->hp.n_layer + st->promise.layers - 1);
    if (!k->edit.prune)
        return fail_nomem(err);
    s = notes_add(changes, err, "%s: %" PRIu64 " -> %" PRIu64, blocks, st->hp.n_layer + st->promise.layers,
                  st->hp.n_layer);
    return s == OK ? notes_add(changes, err, "%s: removed, was %" PRIu64, heads, st->promise.layers) : s;
}

static enum status normalize_gguf(struct plan *plan, struct source *source, const struct normalize_options *n,
                                  struct err *err)
{
    struct key_changes k = {.edit = {.out = n->out}};
    struct mtp_status st;

    k.edit.sets = k.sets;
    enum status s = mtp_status_read(&st, source, err);
    if (s == OK)
        s = find_changes(&k, &st, n->changes, err);
    return s == OK && (n->out || n->changes->n > 0) ? edit_gguf(plan, source, &k.edit, err) : s;
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
    enum status s = source->kind == SOURCE_GGUF ? normalize_gguf(&plan, source, &n, err)
                                                : normalize_folder(&plan, source, &n, err);
    if (s == OK && plan.nout > 0 && !o->run.dry_run)
        s = run_plan("mtp", &plan, &run, &quiet, err);
    if (s == OK)
        s = print_changes(&changes, &o->common, err);
    plan_free(&plan);
    return s;
}

/* ---- extract and remove ---- */

/* A GGUF file that has a head, and where that begins. */
static enum status find_head(struct mtp_status *st, struct source *source, struct err *err)
{
    enum status s = mtp_status_locate(st, source, err);

    if (s == OK && st->head.names == HEAD_NONE)
        return fail(err, E_FORMAT, "%s: has no multi-token-prediction head", source->path);
    if (s == OK)
        s = hparams_read_gguf(&st->hp, source, err);
    if (s == OK)
        st->hp.n_layer = st->head.first_block;
    return s;
}

static enum status extract_blocks(struct plan *plan, struct source *source, const struct options *o,
                                  struct err *err)
{
    struct mtp_status st;
    enum status s = find_head(&st, source, err);
    return s == OK ? take_head_gguf(plan, source, &st.hp, o->out, err) : s;
}

static enum status extract_file(struct plan *plan, struct source *source, const struct options *o,
                                struct err *err)
{
    return graft_extract(plan, source, o->out, err);
}

static enum status extract_side_car(struct plan *plan, struct source *source, const struct options *o,
                                    struct err *err)
{
    struct side_car_options s = {
        .out = o->out,
        .wishes.norms = (enum norms_encoding)o->norms,
        .type = DT_COUNT,
        .allow_requantize = o->allow_requantize,
    };
    enum status st = side_car_opts_read(&o->side_car, &s, err);
    return st == OK ? side_car_extract(plan, source, &s, err) : st;
}

static enum status remove_from_gguf(struct plan *plan, struct source *source, const struct options *o,
                                    struct err *err)
{
    struct mtp_status st;
    const struct add_head_options add = {.hp = &st.hp, .out = o->out};
    enum status s = find_head(&st, source, err);
    if (s == OK)
        s = graft_trunk(&st, err);
    return s == OK ? add_head_gguf(plan, source, &add, err) : s;
}

static enum status remove_from_folder(struct plan *plan, struct source *source, const struct options *o,
                                      struct err *err)
{
    return graft_remove(plan, source, o->out, (enum link_mode)o->link, err);
}

static enum status write_file(const struct options *o, struct source *source,
                              enum status (*fill)(struct plan *plan, struct source *source,
                                                  const struct options *o, struct err *err),
                              struct err *err)
{
    struct plan plan;

    if (!o->out || o->in_place)
        return fail(err, E_USAGE,
                    o->out ? "extract and remove change nothing in place"
                           : "-o OUT is missing: where to write");
    plan_init(&plan);
    enum status s = fill(&plan, source, o, err);
    if (s == OK)
        s = run_plan("mtp", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    return s;
}

/* Of a folder as "scion convert --mtp only" does it. */
static enum status convert_head(const struct options *o, const char *path, struct err *err)
{
    const struct convert_rung rung = {.out = o->out, .type = DT_COUNT, .mtp = MTP_ONLY};
    const struct models_wishes wishes = {.path = path, .side_car = SIDE_CAR_TAKEN};
    struct convert_options head = {.rungs = &rung, .nrung = 1};
    struct models models;
    struct plan plan;

    plan_init(&plan);
    enum status s = models_open(&models, &wishes, &plan.notes, err);
    head.head = models_head(&models);
    if (s == OK)
        s = convert_to_gguf(&plan, models.source, &head, err);
    if (s == OK)
        s = run_plan("mtp", &plan, &o->run, &o->common, err);
    plan_free(&plan);
    models_close(&models);
    return s;
}

static enum status extract(const struct options *o, struct source *source, struct err *err)
{
    bool gguf = o->out && str_ends(o->out, ".gguf"), side_car = side_car_opts_given(&o->side_car);

    if (gguf && side_car)
        return fail(err, E_USAGE, "%s: a GGUF file is no side-car", o->out);
    if (!side_car && (o->norms || o->allow_requantize))
        return fail(err, E_USAGE, "--%s is for --side-car", o->norms ? "norms" : "allow-requantize");
    if (side_car)
        return write_file(o, source, extract_side_car, err);
    if (gguf && source->kind != SOURCE_GGUF && !o->in_place)
        return convert_head(o, source->path, err);
    return write_file(o, source, gguf ? extract_blocks : extract_file, err);
}

static enum status remove_head(const struct options *o, struct source *source, struct err *err)
{
    return write_file(o, source, source->kind == SOURCE_GGUF ? remove_from_gguf : remove_from_folder, err);
}

/* ---- runtime ---- */

static enum status runtime(const struct options *o, struct source *source, struct err *err)
{
    struct plan plan;

    if (!o->evidence)
        return fail(err, E_USAGE, "--evidence FILE is missing: scion measures nothing of its own");
    if (!o->out || o->in_place)
        return fail(err, E_USAGE, "-o FILE is missing: where to write, such as %s/mtplx_runtime.json",
                    source->path);
    plan_init(&plan);
    enum status s = runtime_write(&plan, source, o->evidence, o->out, err);
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
    } what[] = {{"status", status},
                {"normalize", normalize},
                {"extract", extract},
                {"remove", remove_head},
                {"runtime", runtime}};
    struct source *source = NULL;
    size_t i = 0;

    while (i < ARRAY_LEN(what) && strcmp(line->args[0], what[i].name) != 0)
        i++;
    if (i == ARRAY_LEN(what))
        return fail(err, E_USAGE,
                    "\"%s\" is none of \"status\", \"normalize\", \"extract\", \"remove\" and \"runtime\"",
                    line->args[0]);
    enum status s = source_open(&source, line->args[1], err);
    if (s == OK)
        s = what[i].run(line->options, source, err);
    source_close(source);
    return s;
}

const struct cmd_spec cmd_mtp = {run, table, sizeof(struct options), about, example};
