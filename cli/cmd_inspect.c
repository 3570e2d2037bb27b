/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/facts.h"
#include "cli/tty.h"
#include "formats/mlx.h"

#define OUTPUT_MAX (4 * GIB)

struct options {
    struct opt_common common;
    bool tensors, metadata, stored;
};

static const struct opt table[] = {
    {.name = "tensors",
     .letter = 't',
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, tensors),
     .help = "list every tensor: name, type, shape (outermost dimension first), bytes"},
    {.name = "metadata",
     .letter = 'm',
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, metadata),
     .help = "list every metadata key; with --json, long arrays are complete"},
    {.name = "stored",
     .kind = OPT_FLAG,
     OPT_FIELD(struct options, stored),
     .help = "of a folder for MLX: the tensors as they lie in the files, with codes, scales and biases "
             "apart"},
    OPT_ROWS_COMMON(struct options),
    {0},
};

static const char *const about[] = {
    "Prints what a checkpoint holds: a Hugging Face folder, a folder for MLX, a safetensors file, a GGUF "
    "file or the first one of a split set, or the name of a model in the local Hugging Face cache "
    "(org/name). Only headers are read.",
    "--json prints everything as one object, with arrays of metadata that have more than 1000 elements as "
    "their type and count unless --metadata is given. --verbose adds the list of files.",
    NULL,
};

static const struct cmd_example example[] = {
    {"scion inspect model.gguf", "summary of a file"},
    {"scion inspect --tensors ./Qwen3.5-0.8B", "summary and tensors of a folder"},
    {"scion inspect --json model.gguf | jq .types", "bytes by type, for a script"},
    {0},
};

/* ---- text ---- */

static void add_line(struct buf *out, const char *label, const char *value)
{
    buf_printf(out, "%-14s", label);
    tty_add_printable(out, value, strlen(value));
    buf_add_char(out, '\n');
}

static void add_format(struct buf *out, const struct source *s, const struct facts *f)
{
    char size[TTY_NUMBER_MAX];

    buf_printf(out, "%-14s", "format");
    if (s->kind == SOURCE_GGUF)
        buf_printf(out, "GGUF version %" PRIu32 ", alignment %" PRIu32, s->gguf_version, s->alignment);
    else
        buf_add_str(out, s->kind == SOURCE_MLX  ? "MLX folder"
                         : s->kind == SOURCE_HF ? "Hugging Face folder"
                                                : "safetensors file");
    buf_printf(out, "\n%-14s%zu, %s\n", "files", s->nfile, tty_bytes(f->file_nbytes, size));
}

static void add_model(struct buf *out, const struct facts *f)
{
    char count[TTY_NUMBER_MAX];

    add_line(out, "architecture", f->architecture ? f->architecture : "not said");
    if (f->layers)
        buf_printf(out, "%-14s%" PRIu64 "\n", "layers", f->layers);
    if (f->experts)
        buf_printf(out, "%-14s%" PRIu64 ", %" PRIu64 " used\n", "experts", f->experts, f->experts_used);
    tty_count(f->totals.nelem, count);
    buf_printf(out, "%-14s%" PRIu64 " (%s)\n", "parameters", f->totals.nelem, count);
    buf_printf(out, "%-14s%.2f\n", "bits/weight", report_bits_per_weight(&f->totals));
    buf_printf(out, "%-14s%s", "MTP head", mtp_state_name(f->mtp));
    if (f->mtp == MTP_PRESENT)
        buf_printf(out, ", %" PRIu64 " tensor%s", f->mtp_tensors, f->mtp_tensors == 1 ? "" : "s");
    buf_add_str(out, f->mtp == MTP_PROMISED ? ", but not here\n" : "\n");
    buf_printf(out, "%-14s", "tokenizer");
    if (!f->tokenizer)
        buf_add_str(out, "none");
    else
        tty_add_printable(out, f->tokenizer, strlen(f->tokenizer));
    if (f->tokens)
        buf_printf(out, ", %" PRIu64 " tokens", f->tokens);
    if (f->pre) {
        buf_add_str(out, ", pre-tokenizer ");
        tty_add_printable(out, f->pre, strlen(f->pre));
    }
    buf_add_char(out, '\n');
}

static void add_files(struct buf *out, const struct source *s)
{
    buf_add_str(out, "\n         bytes  file\n");
    for (size_t i = 0; i < s->nfile; i++) {
        buf_printf(out, "%14" PRIu64 "  ", file_size(s->files[i].file));
        tty_add_printable(out, s->files[i].path, strlen(s->files[i].path));
        buf_add_char(out, '\n');
    }
}

static void add_metadata(struct buf *out, const struct source *s)
{
    buf_add_char(out, '\n');
    if (s->kind == SOURCE_GGUF)
        report_meta_text(out, &s->meta);
    if (s->config)
        report_tree_text(out, "config", s->config);
    if (s->st_meta.n)
        report_meta_text(out, &s->st_meta);
}

/* The name of each file without its folder; NULL for a single file. */
static enum status name_files(struct source *s, const char *const **names, struct err *err)
{
    const char **list = arena_array(&s->arena, s->nfile, sizeof *list);

    *names = NULL;
    if (!list)
        return fail_nomem(err);
    for (size_t i = 0; i < s->nfile; i++) {
        struct slice base = path_base(s->files[i].path);

        list[i] = arena_strndup(&s->arena, base.p, base.n);
        if (!list[i])
            return fail_nomem(err);
    }
    *names = list;
    return OK;
}

static void add_text(struct buf *out, const struct source *s, const struct facts *f, const struct options *o,
                     const char *const *files)
{
    add_line(out, "path", s->path);
    add_format(out, s, f);
    add_model(out, f);
    buf_add_char(out, '\n');
    report_types_text(out, &f->totals);
    if (f->notes.n && !o->common.quiet) {
        buf_add_char(out, '\n');
        report_notes_text(out, &f->notes);
    }
    if (o->common.verbose)
        add_files(out, s);
    if (o->metadata)
        add_metadata(out, s);
    if (o->tensors) {
        buf_add_char(out, '\n');
        report_tensors_text(out, s->tensors, s->ntensor, s->nfile > 1 ? files : NULL);
    }
}

/* ---- JSON ---- */

static void put_str(struct json_writer *w, const char *key, const char *value)
{
    json_put_key(w, key);
    if (value)
        json_put_str(w, value);
    else
        json_put_null(w);
}

static void put_u64(struct json_writer *w, const char *key, uint64_t value)
{
    json_put_key(w, key);
    json_put_u64(w, value);
}

static void put_tokenizer(struct json_writer *w, const struct facts *f)
{
    json_put_key(w, "tokenizer");
    if (!f->tokenizer) {
        json_put_null(w);
        return;
    }
    json_open(w, '{');
    put_str(w, "kind", f->tokenizer);
    put_u64(w, "tokens", f->tokens);
    put_str(w, "pre", f->pre);
    json_close(w, '}');
}

static void put_metadata(struct json_writer *w, const struct source *s, bool complete)
{
    json_put_key(w, "metadata");
    if (s->kind == SOURCE_GGUF) {
        report_meta_json(w, &s->meta, complete);
        return;
    }
    json_open(w, '{');
    if (s->config) {
        json_put_key(w, "config");
        json_put_tree(w, s->config);
    }
    json_put_key(w, "safetensors");
    report_meta_json(w, &s->st_meta, complete);
    json_close(w, '}');
}

static void add_json(struct buf *out, const struct source *s, const struct facts *f, const struct options *o,
                     const char *const *files)
{
    struct json_writer w = {.out = out};

    json_open(&w, '{');
    put_str(&w, "format", f->format);
    put_str(&w, "architecture", f->architecture);
    put_u64(&w, "layers", f->layers);
    put_u64(&w, "experts", f->experts);
    put_u64(&w, "experts_used", f->experts_used);
    put_u64(&w, "parameters", f->totals.nelem);
    json_put_key(&w, "bits_per_weight");
    json_put_f64(&w, report_bits_per_weight(&f->totals));
    put_str(&w, "mtp", mtp_state_name(f->mtp));
    put_tokenizer(&w, f);
    put_u64(&w, "n_files", s->nfile);
    put_u64(&w, "file_bytes", f->file_nbytes);
    json_put_key(&w, "files");
    json_open(&w, '[');
    for (size_t i = 0; i < s->nfile; i++) {
        json_open(&w, '{');
        put_str(&w, "name", files[i]);
        put_u64(&w, "nbytes", file_size(s->files[i].file));
        json_close(&w, '}');
    }
    json_close(&w, ']');
    report_types_json(&w, &f->totals);
    report_tensors_json(&w, s->tensors, s->ntensor);
    put_metadata(&w, s, o->metadata);
    report_notes_json(&w, &f->notes);
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

static enum status run(const struct opt_line *line, struct err *err)
{
    const struct options *o = line->options;
    const char *const *files;
    struct source *s = NULL;
    struct facts f;
    struct buf out;

    enum status st = source_open(&s, line->args[0], err);
    if (st == OK && !o->stored)
        st = mlx_join(s, err);
    if (st == OK)
        st = facts_read(s, &f, err);
    if (st == OK)
        st = name_files(s, &files, err);
    if (st == OK) {
        buf_init(&out, OUTPUT_MAX);
        (o->common.json ? add_json : add_text)(&out, s, &f, o, files);
        st = tty_print(&out, err);
        buf_free(&out);
    }
    source_close(s);
    return st;
}

const struct cmd_spec cmd_inspect = {run, table, sizeof(struct options), about, example};
