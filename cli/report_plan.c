/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_plan.h"

#include "cli/report.h"
#include "cli/tty.h"

struct tensor report_plan_tensor(const struct plan_step *step, const struct plan_sink *sink)
{
    struct tensor t = {.name = step->name,
                       .dtype = sink->dtype,
                       .rank = step->rank - sink->trimmed,
                       .file = sink->place[0].out,
                       .off = sink->place[0].off,
                       .nbytes = sink->nbytes};

    memcpy(t.shape, step->shape + sink->trimmed, t.rank * sizeof t.shape[0]);
    return t;
}

static struct report_totals count_all(const struct plan *p)
{
    struct report_totals totals = {0};

    for (size_t i = 0; i < p->nstep; i++) {
        for (size_t k = 0; k < p->steps[i].nsink; k++) {
            struct tensor t = report_plan_tensor(&p->steps[i], &p->steps[i].sinks[k]);

            report_count(&totals, &t);
        }
    }
    return totals;
}

/* One set of files: the outputs [first, end). */
struct set {
    size_t first, end;
    struct report_totals totals;
    uint64_t nbytes; /* of the files */
};

/* Zero it for the first one; false after the last. */
static bool next_set(const struct plan *p, struct set *set)
{
    *set = (struct set){.first = set->end, .end = set->end};
    if (set->first == p->nout)
        return false;
    for (; set->end < p->nout && p->outs[set->end].set == p->outs[set->first].set; set->end++)
        set->nbytes += p->outs[set->end].nbytes;
    for (size_t i = 0; i < p->nstep; i++) {
        for (size_t k = 0; k < p->steps[i].nsink; k++) {
            struct tensor t = report_plan_tensor(&p->steps[i], &p->steps[i].sinks[k]);

            if (t.file >= set->first && t.file < set->end)
                report_count(&set->totals, &t);
        }
    }
    return true;
}

static uint64_t file_bytes(const struct plan *p)
{
    uint64_t n = 0;

    for (size_t i = 0; i < p->nout; i++)
        n += p->outs[i].nbytes;
    return n;
}

/* ---- text ---- */

static void add_path(struct buf *out, const char *path)
{
    tty_add_printable(out, path, strlen(path));
}

static void add_dropped(struct buf *out, const struct plan *p, bool verbose)
{
    for (size_t i = 0; i < p->ndropped; i++) {
        const char *reason = p->dropped[i].reason;
        bool first = true;
        size_t n = 0;

        for (size_t k = 0; k < p->ndropped; k++) {
            bool same = strcmp(p->dropped[k].reason, reason) == 0;

            first = first && !(same && k < i);
            n += same;
        }
        if (first)
            buf_printf(out, "%-14s%zu tensor%s: %s\n", "dropped", n, n == 1 ? "" : "s", reason);
    }
    for (size_t i = 0; verbose && i < p->ndropped; i++) {
        buf_add_str(out, "  ");
        add_path(out, p->dropped[i].name);
        buf_printf(out, ": %s\n", p->dropped[i].reason);
    }
}

static void add_set_path(struct buf *out, const struct plan *p, const struct set *set)
{
    add_path(out, p->outs[set->first].path);
    if (set->end - set->first > 1)
        buf_printf(out, " and %zu more", set->end - set->first - 1);
}

/* Of a ladder: a row for each of its rungs. */
static void add_sets(struct buf *out, const struct plan *p)
{
    struct set set = {0};

    buf_printf(out, "%14s  %8s  %7s  %11s  %s\n", "bytes", "GB", "tensors", "bits/weight", "file");
    while (next_set(p, &set)) {
        buf_printf(out, "%14" PRIu64 "  %8.2f  %7" PRIu64 "  %11.2f  ", set.nbytes, (double)set.nbytes / 1e9,
                   set.totals.ntensor, report_bits_per_weight(&set.totals));
        add_set_path(out, p, &set);
        buf_add_char(out, '\n');
    }
    buf_add_char(out, '\n');
}

static void add_files(struct buf *out, const struct plan *p)
{
    for (size_t i = 0; i < p->nout; i++) {
        buf_printf(out, "%-14s", "file");
        add_path(out, p->outs[i].path);
        buf_printf(out, ", %" PRIu64 " bytes", p->outs[i].nbytes);
        if (p->outs[i].copy) {
            buf_add_str(out, ", carried over from ");
            add_path(out, p->outs[i].copy->from);
        }
        buf_add_char(out, '\n');
    }
}

void report_plan_text(struct buf *out, const struct plan *p, const struct exec_memory *memory, bool verbose)
{
    struct report_totals totals = count_all(p);
    char size[TTY_NUMBER_MAX];

    (plan_has_sets(p) ? add_sets : add_files)(out, p);
    if (p->nout > 1)
        buf_printf(out, "%-14s%zu, %" PRIu64 " bytes\n", "files", p->nout, file_bytes(p));
    buf_printf(out, "%-14s%" PRIu64 ", %.2f bits/weight\n", "tensors", totals.ntensor,
               report_bits_per_weight(&totals));
    add_dropped(out, p, verbose);
    buf_printf(out, "%-14s%s\n", "reads", tty_bytes(plan_bytes_read(p), size));
    buf_printf(out, "%-14s%s\n\n", "peak memory", tty_bytes(memory->peak_bytes, size));
    report_types_text(out, &totals);
}

void report_plan_lines(struct buf *out, const struct plan *p)
{
    struct set set = {0};
    char size[TTY_NUMBER_MAX];

    while (next_set(p, &set)) {
        if (p->folder)
            add_path(out, p->folder);
        else
            add_set_path(out, p, &set);
        if (p->folder)
            buf_printf(out, ": %zu files, ", p->nout);
        buf_printf(out, "%s%" PRIu64 " tensors, %s\n", p->folder ? "" : ": ", set.totals.ntensor,
                   tty_bytes(set.nbytes, size));
    }
}

/* ---- JSON ---- */

static void put_u64(struct json_writer *w, const char *key, uint64_t value)
{
    json_put_key(w, key);
    json_put_u64(w, value);
}

static void put_str(struct json_writer *w, const char *key, const char *value)
{
    json_put_key(w, key);
    json_put_str(w, value);
}

/* The source tensors that a step is made from, each once where its views follow one another. */
static void put_from(struct json_writer *w, const struct plan *p, const struct plan_step *step)
{
    json_put_key(w, "from");
    json_open(w, '[');
    for (size_t i = 0; i < step->nview; i++)
        if (i == 0 || step->views[i].source != step->views[i - 1].source)
            json_put_str(w, p->sources[step->views[i].source].name);
    json_close(w, ']');
}

static void put_tensors(struct json_writer *w, const struct plan *p)
{
    json_put_key(w, "tensors");
    json_open(w, '[');
    for (size_t i = 0; i < p->nstep; i++) {
        for (size_t k = 0; k < p->steps[i].nsink; k++) {
            struct tensor t = report_plan_tensor(&p->steps[i], &p->steps[i].sinks[k]);

            json_open(w, '{');
            report_tensor_members(w, &t);
            if (plan_has_sets(p))
                put_u64(w, "file", t.file);
            put_from(w, p, &p->steps[i]);
            json_close(w, '}');
        }
    }
    json_close(w, ']');
}

static void put_sets(struct json_writer *w, const struct plan *p)
{
    struct set set = {0};

    json_put_key(w, "rungs");
    json_open(w, '[');
    while (next_set(p, &set)) {
        json_open(w, '{');
        put_u64(w, "first_file", set.first);
        put_u64(w, "n_files", set.end - set.first);
        put_u64(w, "file_bytes", set.nbytes);
        put_u64(w, "n_tensors", set.totals.ntensor);
        put_u64(w, "tensor_bytes", set.totals.nbytes);
        json_put_key(w, "bits_per_weight");
        json_put_f64(w, report_bits_per_weight(&set.totals));
        json_close(w, '}');
    }
    json_close(w, ']');
}

static void put_dropped(struct json_writer *w, const struct plan *p)
{
    json_put_key(w, "dropped");
    json_open(w, '[');
    for (size_t i = 0; i < p->ndropped; i++) {
        json_open(w, '{');
        put_str(w, "name", p->dropped[i].name);
        put_str(w, "reason", p->dropped[i].reason);
        json_close(w, '}');
    }
    json_close(w, ']');
}

void report_plan_json(struct buf *out, const struct plan *p, const struct exec_memory *memory)
{
    struct json_writer w = {.out = out};
    struct report_totals totals = count_all(p);

    json_open(&w, '{');
    json_put_key(&w, "files");
    json_open(&w, '[');
    for (size_t i = 0; i < p->nout; i++) {
        json_open(&w, '{');
        put_str(&w, "path", p->outs[i].path);
        put_u64(&w, "nbytes", p->outs[i].nbytes);
        if (p->outs[i].copy)
            put_str(&w, "from", p->outs[i].copy->from);
        json_close(&w, '}');
    }
    json_close(&w, ']');
    put_u64(&w, "n_files", p->nout);
    put_u64(&w, "file_bytes", file_bytes(p));
    if (plan_has_sets(p))
        put_sets(&w, p);
    put_tensors(&w, p);
    put_u64(&w, "n_tensors", totals.ntensor);
    put_u64(&w, "tensor_bytes", totals.nbytes);
    json_put_key(&w, "bits_per_weight");
    json_put_f64(&w, report_bits_per_weight(&totals));
    report_types_json(&w, &totals);
    put_dropped(&w, p);
    put_u64(&w, "bytes_read", plan_bytes_read(p));
    put_u64(&w, "peak_memory_bytes", memory->peak_bytes);
    report_notes_json(&w, &p->notes);
    json_close(&w, '}');
    buf_add_char(out, '\n');
}
