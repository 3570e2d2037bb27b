/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_mtp.h"

#include <math.h>

#include "cli/report.h"
#include "cli/tty.h"
#include "formats/mlx.h"

static const char *const spellings[] = {
    [HEAD_NONE] = "none",
    [HEAD_MTP] = "mtp",
    [HEAD_BARE] = "bare",
    [HEAD_BLOCKS] = "blocks",
};

static const char *format_name(const struct mtp_status *st)
{
    switch (st->source->kind) {
    case SOURCE_GGUF:
        return "GGUF file";
    case SOURCE_SAFETENSORS:
        return "safetensors file";
    case SOURCE_HF:
    case SOURCE_MLX:
        break;
    }
    return mlx_is(st->source) ? "MLX folder" : "Hugging Face folder";
}

static struct report_totals count_types(const struct mtp_status *st)
{
    struct report_totals totals = {0};

    for (size_t i = 0; i < st->head.ntensor; i++)
        report_count(&totals, st->head.tensors[i].tensor);
    for (size_t i = 0; i < st->head.nunknown; i++)
        report_count(&totals, st->head.unknown[i]);
    return totals;
}

/* Whether a file of the source holds a part of the head. */
static bool holds_head(const struct mtp_status *st, size_t file)
{
    for (size_t i = 0; i < st->head.ntensor; i++)
        if (st->head.tensors[i].tensor->file == file)
            return true;
    return false;
}

/* ---- text ---- */

static void add_label(struct buf *out, const char *label)
{
    buf_printf(out, "%-10s", label);
}

static void add_printable(struct buf *out, const char *text)
{
    tty_add_printable(out, text, strlen(text));
}

static void add_promises(struct buf *out, const struct mtp_status *st)
{
    char place[PROMISE_TEXT_MAX];

    add_label(out, "promised");
    if (st->promise.n == 0)
        buf_add_str(out, "nothing");
    for (size_t i = 0; i < st->promise.n; i++) {
        const struct promise_item *item = &st->promise.item[i];

        buf_add_str(out, i ? ", " : "");
        add_printable(out, promise_place(item, place));
        if (item->is_null)
            buf_add_str(out, "=null");
        else
            buf_printf(out, "=%" PRIu64, item->layers);
    }
    buf_add_char(out, '\n');
}

static void add_files(struct buf *out, const struct mtp_status *st)
{
    const char *before = " in ";

    for (size_t i = 0; i < st->source->nfile; i++) {
        if (!holds_head(st, i))
            continue;
        struct slice base = path_base(st->source->files[i].path);

        buf_add_str(out, before);
        tty_add_printable(out, base.p, base.n);
        before = ", ";
    }
}

static void add_found(struct buf *out, const struct mtp_status *st)
{
    const struct head *h = &st->head;
    size_t n = h->ntensor + h->nscale + h->nunknown;
    char missing[HEAD_TEXT_MAX];

    add_label(out, "found");
    if (h->names == HEAD_NONE && st->appended == 0) {
        buf_add_str(out, "nothing\n");
        return;
    }
    if (h->names == HEAD_NONE) {
        buf_printf(out, "%" PRIu64 " tensors behind the trunk's layers\n", st->appended);
        return;
    }
    buf_printf(out, "%" PRIu64 " layer%s, %zu tensor%s", h->nlayer, h->nlayer == 1 ? "" : "s", n,
               n == 1 ? "" : "s");
    if (h->arch)
        buf_add_str(out, head_is_complete(h) ? ", complete" : ", not complete");
    add_files(out, st);
    buf_add_char(out, '\n');
    if (h->nmissing > 0) {
        add_label(out, "missing");
        buf_printf(out, "%s%s\n", head_missing_text(h, missing),
                   h->nmissing == HEAD_MAX_LISTED ? ", ..." : "");
    }
}

static void add_layout(struct buf *out, const struct mtp_status *st)
{
    const struct head *h = &st->head;

    add_label(out, "layout");
    buf_add_str(out, head_layout_name(h));
    if (h->nexpert)
        buf_printf(out, ", %" PRIu64, h->nexpert);
    if (h->nscale)
        buf_printf(out, "; quantized: %zu tensors are scales and biases", h->nscale);
    if (h->names == HEAD_BARE)
        buf_add_str(out, "; names without \"mtp.\"");
    buf_add_char(out, '\n');
}

static void add_norms(struct buf *out, const struct mtp_status *st, bool verbose)
{
    const struct norms *n = &st->norms;

    add_label(out, "norms");
    buf_add_str(out, norms_name(norms_settled(n)));
    if (n->declared_by)
        buf_printf(out, " (declared by %s)", n->declared_by);
    if (n->has_qk)
        buf_printf(out, ", mean of q_norm and k_norm %.3f", n->qk_mean);
    if (n->has_other)
        buf_printf(out, ", of the others %.3f", n->other_mean);
    buf_add_char(out, '\n');
    for (size_t i = 0; verbose && i < n->n; i++) {
        buf_printf(out, "%10s%8.3f  %-8s  ", "", n->item[i].mean,
                   n->item[i].says == NORMS_UNCLEAR ? "" : norms_name(n->item[i].says));
        add_printable(out, n->item[i].tensor->name);
        buf_add_char(out, '\n');
    }
}

static void add_types(struct buf *out, const struct mtp_status *st)
{
    struct report_totals totals = count_types(st);
    char size[TTY_NUMBER_MAX];
    const char *before = "";

    add_label(out, "types");
    for (size_t t = 0; t < DT_COUNT; t++) {
        if (!totals.by_type[t].ntensor)
            continue;
        buf_printf(out, "%s%s %" PRIu64, before, dtype_name((enum dtype)t), totals.by_type[t].ntensor);
        before = ", ";
    }
    buf_printf(out, "; %s\n", tty_bytes(totals.nbytes, size));
}

void report_mtp_text(struct buf *out, const struct mtp_status *st, bool verbose)
{
    add_label(out, "path");
    add_printable(out, st->source->path);
    buf_printf(out, "\n%-10s%s\n", "format", format_name(st));
    if (st->source->kind == SOURCE_GGUF || st->source->config)
        add_promises(out, st);
    add_found(out, st);
    if (st->head.ntensor > 0) {
        add_layout(out, st);
        if (st->norms.n > 0)
            add_norms(out, st, verbose);
        add_types(out, st);
    }
    buf_printf(out, "%-10s%s: %s\n", "verdict", st->agrees ? "good" : "BAD", st->verdict);
    if (st->notes.n > 0) {
        buf_add_char(out, '\n');
        report_notes_text(out, &st->notes);
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

static void put_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

static void put_promises(struct json_writer *w, const struct mtp_status *st)
{
    char place[PROMISE_TEXT_MAX];

    put_u64(w, "promised_layers", st->promise.layers);
    json_put_key(w, "promises");
    json_open(w, '{');
    for (size_t i = 0; i < st->promise.n; i++) {
        json_put_key(w, promise_place(&st->promise.item[i], place));
        if (st->promise.item[i].is_null)
            json_put_null(w);
        else
            json_put_u64(w, st->promise.item[i].layers);
    }
    json_close(w, '}');
}

static void put_missing(struct json_writer *w, const struct head *h)
{
    char name[NAME_MAX_LEN];

    json_put_key(w, "missing");
    json_open(w, '[');
    for (size_t i = 0; i < h->nmissing; i++) {
        head_spell(h, &h->missing[i], name);
        json_put_str(w, name);
    }
    json_close(w, ']');
    json_put_key(w, "missing_experts");
    json_open(w, '[');
    for (uint64_t e = 0; e < h->nexpert; e++) {
        bool is_missing = false;

        for (size_t i = 0; i < h->nmissing && !is_missing; i++)
            is_missing = (h->missing[i].rule->flags & RULE_PER_EXPERT) && h->missing[i].expert == e;
        if (is_missing)
            json_put_u64(w, e);
    }
    json_close(w, ']');
}

static void put_head(struct json_writer *w, const struct mtp_status *st)
{
    const struct head *h = &st->head;

    put_u64(w, "layers", h->names == HEAD_NONE ? 0 : h->nlayer);
    put_u64(w, "tensors", h->names == HEAD_NONE ? st->appended : h->ntensor + h->nscale + h->nunknown);
    json_put_key(w, "complete");
    if (h->arch)
        json_put_bool(w, head_is_complete(h));
    else
        json_put_null(w);
    put_missing(w, h);
    json_put_key(w, "unknown");
    json_open(w, '[');
    for (size_t i = 0; i < h->nunknown; i++)
        json_put_str(w, h->unknown[i]->name);
    json_close(w, ']');
    put_str(w, "names", spellings[h->names]);
    put_str(w, "layout", h->ntensor > 0 ? head_layout_name(h) : NULL);
    put_u64(w, "experts", h->nexpert);
    put_u64(w, "scales", h->nscale);
    json_put_key(w, "files");
    json_open(w, '[');
    for (size_t i = 0; i < st->source->nfile; i++)
        if (holds_head(st, i))
            json_put_str(w, st->source->files[i].path);
    json_close(w, ']');
    put_bool(w, "outside_index", st->hidden || st->side_car);
}

static void put_norms(struct json_writer *w, const struct norms *n)
{
    json_put_key(w, "norms");
    if (n->n == 0) {
        json_put_null(w);
        return;
    }
    json_open(w, '{');
    put_str(w, "encoding", norms_name(norms_settled(n)));
    put_str(w, "measured", norms_name(n->measured));
    put_str(w, "declared", n->declared_by ? norms_name(n->declared) : NULL);
    put_str(w, "declared_by", n->declared_by);
    json_put_key(w, "qk_mean");
    json_put_f64(w, n->has_qk ? n->qk_mean : NAN);
    json_put_key(w, "other_mean");
    json_put_f64(w, n->has_other ? n->other_mean : NAN);
    json_put_key(w, "tensors");
    json_open(w, '[');
    for (size_t i = 0; i < n->n; i++) {
        json_open(w, '{');
        put_str(w, "name", n->item[i].tensor->name);
        json_put_key(w, "mean");
        json_put_f64(w, n->item[i].mean);
        json_put_key(w, "negative");
        json_put_f64(w, n->item[i].negative);
        put_str(w, "says", norms_name(n->item[i].says));
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

void report_mtp_json(struct buf *out, const struct mtp_status *st)
{
    struct json_writer w = {.out = out};
    struct report_totals totals = count_types(st);

    json_open(&w, '{');
    put_str(&w, "path", st->source->path);
    put_str(&w, "format", format_name(st));
    put_bool(&w, "agrees", st->agrees);
    put_str(&w, "verdict", st->verdict);
    put_promises(&w, st);
    put_head(&w, st);
    put_norms(&w, &st->norms);
    report_types_json(&w, &totals);
    report_notes_json(&w, &st->notes);
    json_close(&w, '}');
    buf_add_char(out, '\n');
}
