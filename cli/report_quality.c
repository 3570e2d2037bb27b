/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report_quality.h"

#include "cli/report.h"
#include "cli/report_plan.h"
#include "cli/tty.h"
#include "cli/version.h"

#define REPORT_MAX  (1 * GIB)
#define WORST       5
#define NAME_COLUMN 44

/* Some tensors of one set of outputs together. */
struct total {
    struct quality_row row;
    uint64_t ntensor, nelem, nbytes;
};

static double bits_per_weight(uint64_t nbytes, uint64_t nelem)
{
    return nelem ? 8.0 * (double)nbytes / (double)nelem : 0;
}

/* Walks over the tensors of a set of outputs. Zero it, set `of` and `set`; the rest is good after next(). */
struct walk {
    const struct quality *of;
    uint32_t set;
    size_t at_step, at_sink; /* of the next one */
    const struct plan_step *step;
    const struct plan_sink *sink;
    const struct quality_row *row;
};

static bool next(struct walk *w)
{
    const struct plan *p = w->of->plan;

    for (; w->at_step < p->nstep; w->at_step++, w->at_sink = 0) {
        w->step = &p->steps[w->at_step];
        while (w->at_sink < w->step->nsink) {
            w->row = quality_of(w->of, w->at_step, w->at_sink);
            w->sink = &w->step->sinks[w->at_sink++];
            if (p->outs[w->sink->place[0].out].set == w->set)
                return true;
        }
    }
    return false;
}

static void add_to(struct total *t, const struct walk *w)
{
    quality_join(&t->row, w->row);
    t->ntensor++;
    t->nelem += w->step->nelem;
    t->nbytes += w->sink->nbytes;
}

static uint32_t count_sets(const struct plan *p)
{
    return p->nout ? p->outs[p->nout - 1].set + 1 : 0;
}

/* ---- the file ---- */

enum status report_quality_open(struct quality_report *r, struct err *err)
{
    const struct plan *p = r->quality.plan;
    struct outfile_spec spec = {.path = r->path};
    bool resumed;

    for (size_t i = 0; i < p->nout; i++)
        if (strcmp(r->path, p->outs[i].path) == 0)
            return fail(err, E_USAGE, "--report %s: is an output of this run", r->path);
    enum status s = exec_precheck_file(p, r->path, r->force, err);
    if (s == OK)
        s = outfile_open(&r->file, &spec, &resumed, err);
    return s == OK ? OK : wrap(err, "--report");
}

void report_quality_close(struct quality_report *r)
{
    outfile_close(r->file, false);
    quality_close(&r->quality);
}

/* ---- JSON: options ---- */

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

static void put_f64(struct json_writer *w, const char *key, double value)
{
    json_put_key(w, key);
    json_put_f64(w, value);
}

static void put_list(struct json_writer *w, const char *key, const struct opt_list *list)
{
    if (list->n == 0)
        return;
    json_put_key(w, key);
    json_open(w, '[');
    for (size_t i = 0; i < list->n; i++)
        json_put_str(w, list->item[i]);
    json_close(w, ']');
}

/* An option that has a value. */
static void put_option(struct json_writer *w, const struct opt *o, const void *options)
{
    const void *field = (const char *)options + o->offset;

    switch (o->kind) {
    case OPT_HELP:
        break;
    case OPT_FLAG:
        if (*(const bool *)field) {
            json_put_key(w, o->name);
            json_put_bool(w, true);
        }
        break;
    case OPT_STR:
    case OPT_PATH:
        if (*(const char *const *)field)
            put_str(w, o->name, *(const char *const *)field);
        break;
    case OPT_U64:
    case OPT_SIZE:
    case OPT_SIZE10:
        if (*(const uint64_t *)field)
            put_u64(w, o->name, *(const uint64_t *)field);
        break;
    case OPT_ENUM:
        if (o->preset || *(const int *)field)
            put_str(w, o->name, o->choices[*(const int *)field]);
        break;
    case OPT_REPEAT:
        put_list(w, o->name, field);
        break;
    }
}

static bool has_row(const struct opt *table, const char *name)
{
    while (table->name && strcmp(table->name, name) != 0)
        table++;
    return table->name != NULL;
}

/* What all outputs have in common. */
static void put_common_options(struct json_writer *w, const struct opt_line *line)
{
    json_put_key(w, "options");
    json_open(w, '{');
    for (const struct opt *o = line->table; o->name; o++)
        if (!o->how && !has_row(rung_table, o->name))
            put_option(w, o, line->options);
    json_close(w, '}');
}

static void put_rung(struct json_writer *w, const struct report_about *about, uint32_t set)
{
    const struct ladder_rung *rung = &about->ladder->rungs[set];

    put_str(w, "type", rung->type);
    put_str(w, "recipe", rung->quantizes ? rung->job.recipe->name : NULL);
    json_put_key(w, "options");
    json_open(w, '{');
    for (const struct opt *o = rung_table; o->name; o++)
        if (has_row(about->line->table, o->name))
            put_option(w, o, &rung->options);
    json_close(w, '}');
}

/* ---- JSON: numbers ---- */

static void put_numbers(struct json_writer *w, const struct quality_row *row)
{
    put_f64(w, "rms", quality_rms(row));
    put_f64(w, "rmse", quality_rmse(row));
    put_f64(w, "relative_error", quality_relative(row));
    put_f64(w, "max_abs_error", row->max_error);
    put_f64(w, "cosine", quality_cosine(row));
    if (quality_weighted(row)) {
        put_f64(w, "weighted_rmse", quality_weighted_rmse(row));
        put_f64(w, "weighted_relative_error", quality_weighted_relative(row));
    }
    put_u64(w, "n_nonfinite", row->nonfinite);
}

static void put_total(struct json_writer *w, const char *key, const struct total *t)
{
    json_put_key(w, key);
    json_open(w, '{');
    put_u64(w, "n_tensors", t->ntensor);
    put_u64(w, "n_elements", t->nelem);
    put_u64(w, "nbytes", t->nbytes);
    put_f64(w, "bits_per_weight", bits_per_weight(t->nbytes, t->nelem));
    put_numbers(w, &t->row);
    json_close(w, '}');
}

static void put_totals(struct json_writer *w, const struct quality *q, uint32_t set)
{
    struct total all = {0}, types[DT_COUNT] = {0};
    struct walk walk = {q, set};

    while (next(&walk)) {
        add_to(&all, &walk);
        add_to(&types[walk.sink->dtype], &walk);
    }
    put_total(w, "total", &all);
    json_put_key(w, "types");
    json_open(w, '{');
    for (enum dtype t = 0; t < DT_COUNT; t++)
        if (types[t].ntensor)
            put_total(w, dtype_name(t), &types[t]);
    json_close(w, '}');
}

static void put_tensor(struct json_writer *w, const struct walk *walk)
{
    const struct plan_step *step = walk->step;
    const struct plan_source *from = step->nview ? &walk->of->plan->sources[step->views[0].source] : NULL;
    struct tensor t = report_plan_tensor(step, walk->sink);

    json_open(w, '{');
    report_tensor_members(w, &t);
    put_str(w, "file", walk->of->plan->outs[walk->sink->place[0].out].path);
    put_str(w, "source_type", from ? dtype_name(from->dtype) : NULL);
    put_f64(w, "bits_per_weight", bits_per_weight(t.nbytes, step->nelem));
    put_numbers(w, walk->row);
    json_close(w, '}');
}

static void put_output(struct json_writer *w, const struct quality_report *r, uint32_t set)
{
    const struct plan *p = r->quality.plan;
    struct walk walk = {&r->quality, set};

    json_open(w, '{');
    put_rung(w, r->about, set);
    json_put_key(w, "files");
    json_open(w, '[');
    for (size_t i = 0; i < p->nout; i++) {
        if (p->outs[i].set != set)
            continue;
        json_open(w, '{');
        put_str(w, "path", p->outs[i].path);
        put_u64(w, "nbytes", p->outs[i].nbytes);
        json_close(w, '}');
    }
    json_close(w, ']');
    put_totals(w, &r->quality, set);
    json_put_key(w, "tensors");
    json_open(w, '[');
    while (next(&walk))
        put_tensor(w, &walk);
    json_close(w, ']');
    json_close(w, '}');
}

enum status report_quality_write(struct quality_report *r, struct err *err)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, REPORT_MAX);
    json_open(&w, '{');
    put_str(&w, "scion", SCION_VERSION);
    put_str(&w, "command", r->about->command);
    put_str(&w, "input", r->about->line->args[0]);
    put_common_options(&w, r->about->line);
    json_put_key(&w, "outputs");
    json_open(&w, '[');
    for (uint32_t set = 0; set < count_sets(r->quality.plan); set++)
        put_output(&w, r, set);
    json_close(&w, ']');
    json_close(&w, '}');
    buf_add_char(&text, '\n');
    enum status s = buf_check(&text, "the report", err);
    if (s == OK)
        s = outfile_write(r->file, text.p, text.n, 0, err);
    if (s == OK)
        s = outfile_sync(r->file, err);
    if (s == OK)
        s = outfile_commit(&r->file, 1, err);
    buf_free(&text);
    return s == OK ? OK : wrap(err, "the outputs are complete, but not the report");
}

/* ---- text ---- */

/* The tensors of a set with the largest relative errors, largest first; returns how many. */
static size_t find_worst(const struct quality *q, uint32_t set, struct walk worst[WORST])
{
    struct walk walk = {q, set};
    size_t n = 0;

    while (next(&walk)) {
        double error = quality_relative(walk.row);

        if (error == 0 || (n == WORST && quality_relative(worst[n - 1].row) >= error))
            continue;
        size_t at = n < WORST ? n++ : WORST - 1;
        for (; at > 0 && quality_relative(worst[at - 1].row) < error; at--)
            worst[at] = worst[at - 1];
        worst[at] = walk;
    }
    return n;
}

static void add_row(struct buf *out, const char *name, const char *type, double bits,
                    const struct quality_row *row)
{
    size_t start = out->n;

    tty_add_printable(out, name, strlen(name));
    size_t used = min_u64(out->n - start, NAME_COLUMN);
    buf_printf(out, "%*s  %-8s%12.2f%12.3g%16.3g%10.6f\n", (int)(NAME_COLUMN - used), "", type, bits,
               quality_rmse(row), quality_relative(row), quality_cosine(row));
}

static void add_set(struct buf *out, const struct quality *q, uint32_t set)
{
    struct walk worst[WORST], walk = {q, set};
    struct total all = {0};
    size_t n = find_worst(q, set, worst);

    buf_printf(out, "%-*s  %-8s%12s%12s%16s%10s\n", NAME_COLUMN, "largest errors", "type", "bits/weight",
               "rmse", "relative error", "cosine");
    for (size_t i = 0; i < n; i++)
        add_row(out, worst[i].step->name, dtype_name(worst[i].sink->dtype),
                bits_per_weight(worst[i].sink->nbytes, worst[i].step->nelem), worst[i].row);
    while (next(&walk))
        add_to(&all, &walk);
    add_row(out, "all tensors", "", bits_per_weight(all.nbytes, all.nelem), &all.row);
}

/* The path of a set's first file. */
static const char *path_of(const struct plan *p, uint32_t set)
{
    size_t i = 0;

    while (p->outs[i].set != set)
        i++;
    return p->outs[i].path;
}

void report_quality_text(struct buf *out, const struct quality_report *r)
{
    const struct plan *p = r->quality.plan;

    for (uint32_t set = 0; set < count_sets(p); set++) {
        buf_add_char(out, '\n');
        if (plan_has_sets(p)) {
            tty_add_printable(out, path_of(p, set), strlen(path_of(p, set)));
            buf_add_char(out, '\n');
        }
        add_set(out, &r->quality, set);
    }
}
