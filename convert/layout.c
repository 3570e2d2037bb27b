/* SPDX-License-Identifier: Apache-2.0 */
/* Types, files and offsets: from steps to a plan that can run. */
#include "convert/build_int.h"
#include "formats/gguf.h"
#include "quantize/codecs.h"

/* ---- types ---- */

/* Weights that stay float32 whatever the file's type: small, and sensitive. */
static const char *const always_f32[] = {
    "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "position_embd.weight", "ssm_conv1d.weight",
};

static bool is_always_f32(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(always_f32); i++) {
        size_t n = strlen(name), m = strlen(always_f32[i]);

        if (str_ends(name, always_f32[i]) && (n == m || name[n - m - 1] == '.'))
            return true;
    }
    return false;
}

static enum dtype choose_type(const struct plan_step *step, enum dtype file)
{
    bool patch = str_starts(step->name, "v.patch_embd.weight");

    if (step->rank <= 1 || str_ends(step->name, "_norm.weight"))
        return DT_F32;
    if (patch)
        return file == DT_F16 ? DT_F16 : DT_F32;
    if (is_always_f32(step->name) || !str_ends(step->name, ".weight"))
        return DT_F32;
    return step->shape[step->rank - 1] % dtype_block_elems(file) ? DT_F16 : file;
}

enum dtype layout_auto_type(const struct builder *b)
{
    for (size_t i = 0; i < b->source->ntensor; i++) {
        const struct tensor *t = &b->source->tensors[i];
        struct name_match m;
        bool ours = b->vision ? name_match_vision(&b->hp, t->name, &m) == NAME_KNOWN
                              : name_match_text(&b->hp, t->name, &m) == NAME_KNOWN && !head_drop_reason(b, &m);

        if (ours && t->rank >= 2 && (t->dtype == DT_BF16 || t->dtype == DT_F16))
            return t->dtype;
    }
    return DT_F16;
}

uint32_t layout_file_type(enum dtype t)
{
    static const struct {
        enum dtype type;
        uint32_t id;
    } ids[] = {{DT_F32, 0}, {DT_F16, 1}, {DT_BF16, 32}, {DT_Q8_0, 7}};

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        if (ids[i].type == t)
            return ids[i].id;
    require(!"a file type of convert");
    return 0;
}

static enum status add_sinks(struct builder *b, enum dtype file, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < b->plan->nstep && s == OK; i++) {
        struct plan_step *step = &b->plan->steps[i];
        struct plan_sink sink = {.dtype = choose_type(step, file)};

        sink.codec = codec_find(sink.dtype);
        if (sink.dtype == DT_F16 && file == DT_Q8_0)
            s = notes_add(&b->plan->notes, err, "%s: rows of %" PRIu64 " are no whole q8_0 blocks: f16", step->name,
                          step->shape[step->rank - 1]);
        if (s == OK)
            s = plan_add_sink(b->plan, step, &sink, err);
    }
    return s;
}

/* ---- files ---- */

struct cut {
    size_t first, n; /* steps */
};

/* A file ends before the step that would take it over a limit; metadata and padding do not count. */
static enum status cut_files(struct builder *b, struct cut **cuts, size_t *ncut, struct err *err)
{
    const struct convert_options *o = b->options;
    struct arena *a = &b->plan->arena;
    uint64_t nbytes = 0;
    size_t cap = 0;

    *cuts = NULL;
    *ncut = 0;
    for (size_t i = 0; i < b->plan->nstep; i++) {
        uint64_t add = b->plan->steps[i].sinks[0].nbytes;
        struct cut *last = *ncut ? &(*cuts)[*ncut - 1] : NULL;
        bool full = last && ((o->split_max_tensors && last->n >= o->split_max_tensors) ||
                             (o->split_max_bytes && nbytes + add > o->split_max_bytes));

        if (!last || full) {
            if (!arena_grow(a, (void **)cuts, *ncut, &cap, sizeof **cuts))
                return fail_nomem(err);
            last = &(*cuts)[(*ncut)++];
            *last = (struct cut){.first = i};
            nbytes = 0;
        }
        last->n++;
        nbytes += add;
    }
    return OK;
}

static enum status split_keys(struct meta *meta, size_t no, size_t count, size_t ntensor, struct err *err)
{
    uint16_t no16 = (uint16_t)no, count16 = (uint16_t)count;
    int32_t total = (int32_t)ntensor;
    struct meta_kv kv[] = {
        {"split.no", META_U16, META_U16, 1, (const unsigned char *)&no16, 2},
        {"split.count", META_U16, META_U16, 1, (const unsigned char *)&count16, 2},
        {"split.tensors.count", META_I32, META_I32, 1, (const unsigned char *)&total, 4},
    };
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(kv) && s == OK; i++)
        s = meta_set(meta, kv[i], err);
    return s;
}

/* Header and offsets of one file, whose steps are [cut->first, cut->first + cut->n). */
static enum status lay_out(struct builder *b, const struct meta *meta, const struct cut *cut, uint32_t out, struct err *err)
{
    struct plan *plan = b->plan;
    struct gguf_entry *entries = arena_array(&plan->arena, max_u64(cut->n, 1), sizeof *entries);
    struct buf header;

    if (!entries)
        return fail_nomem(err);
    for (size_t i = 0; i < cut->n; i++) {
        const struct plan_step *step = &plan->steps[cut->first + i];

        entries[i] = (struct gguf_entry){.name = step->name, .dtype = step->sinks[0].dtype, .rank = step->rank,
                                         .shape = step->shape, .nbytes = step->sinks[0].nbytes};
    }
    buf_init(&header, 2 * GIB);
    enum status s = gguf_header(meta, entries, cut->n, &header, &plan->outs[out].nbytes, err);
    if (s == OK) {
        plan->outs[out].header = arena_strndup(&plan->arena, header.p, header.n);
        plan->outs[out].header_nbytes = header.n;
        if (!plan->outs[out].header)
            s = fail_nomem(err);
    }
    buf_free(&header);
    for (size_t i = 0; i < cut->n && s == OK; i++) {
        plan->steps[cut->first + i].sinks[0].out = out;
        plan->steps[cut->first + i].sinks[0].off = entries[i].off;
    }
    return s;
}

static enum status lay_out_part(struct builder *b, const struct cut *cuts, size_t i, size_t n, struct meta *first,
                                const char *path, struct err *err)
{
    struct meta rest, *meta = i == 0 ? first : &rest;
    struct arena *a = &b->plan->arena;
    uint32_t out;

    meta_init(&rest, a);
    const char *name = n == 1 ? path : gguf_split_name(a, path, (uint32_t)i, (uint32_t)n);
    enum status s = name ? plan_add_out(b->plan, name, &out, err) : fail_nomem(err);
    if (s == OK && n > 1)
        s = split_keys(meta, i, n, b->plan->nstep, err);
    if (s == OK)
        s = lay_out(b, meta, &cuts[i], out, err);
    meta_free(&rest);
    return s;
}

enum status layout_files(struct builder *b, enum dtype type, struct meta *meta, const char *path, struct err *err)
{
    struct cut *cuts;
    size_t ncut;
    enum status s = add_sinks(b, type, err);

    if (s == OK)
        s = cut_files(b, &cuts, &ncut, err);
    if (s == OK && ncut > UINT16_MAX)
        s = fail(err, E_LIMIT, "%s: %zu files: at most %d fit the format", path, ncut, UINT16_MAX);
    for (size_t i = 0; s == OK && i < ncut; i++)
        s = lay_out_part(b, cuts, i, ncut, meta, path, err);
    return s;
}
