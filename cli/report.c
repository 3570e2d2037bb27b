/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"

#include "cli/tty.h"

#define NAME_COLUMN_MAX 64 /* longer names push their row to the right */

/* ---- totals ---- */

void report_count(struct report_totals *totals, const struct tensor *t)
{
    uint64_t nelem = 0;

    shape_nelem(t->shape, t->rank, &nelem);
    totals->by_type[t->dtype].ntensor++;
    totals->by_type[t->dtype].nbytes += t->nbytes;
    totals->ntensor++;
    totals->nbytes += t->nbytes;
    totals->nelem += nelem;
}

double report_bits_per_weight(const struct report_totals *totals)
{
    return totals->nelem ? 8.0 * (double)totals->nbytes / (double)totals->nelem : 0;
}

/* The types that occur, most bytes first; returns how many. */
static size_t sort_types(const struct report_totals *totals, enum dtype order[DT_COUNT])
{
    size_t n = 0;

    for (size_t t = 0; t < DT_COUNT; t++) {
        if (!totals->by_type[t].ntensor)
            continue;
        size_t at = n++;
        for (; at > 0 && totals->by_type[order[at - 1]].nbytes < totals->by_type[t].nbytes; at--)
            order[at] = order[at - 1];
        order[at] = (enum dtype)t;
    }
    return n;
}

void report_types_text(struct buf *out, const struct report_totals *totals)
{
    enum dtype order[DT_COUNT];
    size_t n = sort_types(totals, order);
    char size[TTY_NUMBER_MAX];
    int wide = 10;

    for (size_t i = 0; i < n; i++)
        wide = (int)max_u64((uint64_t)wide, strlen(dtype_name(order[i])));
    buf_printf(out, "%-*s%10s%12s%9s\n", wide, "type", "tensors", "bytes", "share");
    for (size_t i = 0; i < n; i++) {
        uint64_t nbytes = totals->by_type[order[i]].nbytes;
        double share = totals->nbytes ? 100.0 * (double)nbytes / (double)totals->nbytes : 0;

        buf_printf(out, "%-*s%10" PRIu64 "%12s%8.1f%%\n", wide, dtype_name(order[i]),
                   totals->by_type[order[i]].ntensor, tty_bytes(nbytes, size), share);
    }
    buf_printf(out, "%-*s%10" PRIu64 "%12s\n", wide, "all", totals->ntensor, tty_bytes(totals->nbytes, size));
}

void report_types_json(struct json_writer *w, const struct report_totals *totals)
{
    enum dtype order[DT_COUNT];
    size_t n = sort_types(totals, order);

    json_put_key(w, "types");
    json_open(w, '{');
    for (size_t i = 0; i < n; i++) {
        json_put_key(w, dtype_name(order[i]));
        json_open(w, '{');
        json_put_key(w, "n_tensors");
        json_put_u64(w, totals->by_type[order[i]].ntensor);
        json_put_key(w, "nbytes");
        json_put_u64(w, totals->by_type[order[i]].nbytes);
        json_close(w, '}');
    }
    json_close(w, '}');
}

/* ---- tensors ---- */

void report_tensors_text(struct buf *out, const struct tensor *t, size_t n, const char *const *files)
{
    char shape[SHAPE_TEXT_MAX];
    size_t wide = 4, wide_type = 8, wide_shape = 5;

    for (size_t i = 0; i < n; i++) {
        wide_type = max_u64(wide_type, strlen(dtype_name(t[i].dtype)));
        wide = max_u64(wide, min_u64(strlen(t[i].name), NAME_COLUMN_MAX));
        wide_shape = max_u64(wide_shape, strlen(shape_text(t[i].shape, t[i].rank, shape)));
    }
    buf_printf(out, "%-*s  %-*s  %-*s  %14s%s\n", (int)wide, "name", (int)wide_type, "type", (int)wide_shape,
               "shape", "bytes", files ? "  file" : "");
    for (size_t i = 0; i < n; i++) {
        size_t start = out->n;

        tty_add_printable(out, t[i].name, strlen(t[i].name));
        size_t used = min_u64(out->n - start, wide);
        buf_printf(out, "%*s  %-*s  %-*s  %14" PRIu64, (int)(wide - used), "", (int)wide_type,
                   dtype_name(t[i].dtype), (int)wide_shape, shape_text(t[i].shape, t[i].rank, shape),
                   t[i].nbytes);
        if (files) {
            buf_add_str(out, "  ");
            tty_add_printable(out, files[t[i].file], strlen(files[t[i].file]));
        }
        buf_add_char(out, '\n');
    }
}

void report_tensor_members(struct json_writer *w, const struct tensor *t)
{
    json_put_key(w, "name");
    json_put_str(w, t->name);
    json_put_key(w, "type");
    json_put_str(w, dtype_name(t->dtype));
    json_put_key(w, "shape");
    json_open(w, '[');
    for (uint32_t d = 0; d < t->rank; d++)
        json_put_u64(w, t->shape[d]);
    json_close(w, ']');
    json_put_key(w, "nbytes");
    json_put_u64(w, t->nbytes);
}

void report_tensors_json(struct json_writer *w, const struct tensor *t, size_t n)
{
    uint64_t nbytes = 0;

    json_put_key(w, "tensors");
    json_open(w, '[');
    for (size_t i = 0; i < n; i++) {
        json_open(w, '{');
        report_tensor_members(w, &t[i]);
        json_close(w, '}');
        nbytes += t[i].nbytes;
    }
    json_close(w, ']');
    json_put_key(w, "n_tensors");
    json_put_u64(w, n);
    json_put_key(w, "tensor_bytes");
    json_put_u64(w, nbytes);
}

/* ---- notes ---- */

void report_notes_text(struct buf *out, const struct notes *notes)
{
    for (size_t i = 0; i < notes->n; i++)
        buf_printf(out, "note: %s\n", notes->item[i]);
}

void report_notes_json(struct json_writer *w, const struct notes *notes)
{
    json_put_key(w, "notes");
    json_open(w, '[');
    for (size_t i = 0; i < notes->n; i++)
        json_put_str(w, notes->item[i]);
    json_close(w, ']');
}
