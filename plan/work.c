/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a tile between its reading and its writing. */
#include "plan/exec_int.h"
#include "plan/parts.h"

/* Whole rows, each matrix with its own weights. */
static void encode_rows(const struct plan_sink *sink, uint64_t row, uint64_t nrow, uint64_t ncol,
                        const float *x, unsigned char *out)
{
    uint64_t row_bytes = tile_bytes(sink->dtype, ncol);

    while (nrow > 0) {
        uint64_t matrix = sink->weight_rows ? row / sink->weight_rows : 0;
        uint64_t n = sink->weight_rows ? min_u64(nrow, (matrix + 1) * sink->weight_rows - row) : nrow;

        sink->codec->encode(x, out, (size_t)n, (size_t)ncol,
                            sink->weights ? sink->weights + matrix * ncol : NULL);
        row += n;
        nrow -= n;
        x += n * ncol;
        out += n * row_bytes;
    }
}

/* Encodes whole rows as rows; a part of a row (only where no codec minds) as a row of its own. */
static void encode(const struct slot *slot, const struct plan_sink *sink, const float *x, void *out)
{
    const struct tile *t = &slot->tile;
    uint64_t ncol = t->step->rank ? t->step->shape[t->step->rank - 1] : 1;

    if (t->first % ncol == 0 && t->nelem % ncol == 0)
        encode_rows(sink, t->first / ncol, t->nelem / ncol, ncol, x, out);
    else
        sink->codec->encode(x, out, 1, (size_t)t->nelem, NULL);
}

/* Blocks that have no twin change their form through their values, one by one: the others do not depend on
 * them. */
static void transcode(struct slot *slot, const struct plan_sink *sink, const unsigned char *raw,
                      float *values, unsigned char *out)
{
    const struct transcoder *t = &sink->transcode;
    uint64_t n = max_u64(dtype_block_elems(t->from), dtype_block_elems(t->to));

    if (t->convert(t, raw, out, (size_t)slot->tile.nelem))
        return;
    for (uint64_t i = 0; i < slot->tile.nelem; i += n) {
        if (!t->convert(t, raw, out, (size_t)n)) {
            slot->source->codec->decode(raw, values + i, (size_t)n);
            sink->codec->encode(values + i, out, 1, (size_t)n, NULL);
            slot->misfits++;
        }
        raw += tile_bytes(t->from, n);
        out += tile_bytes(t->to, n);
    }
}

/* Makes a sink's bytes at `out`; where they are there already, tells where. */
static const unsigned char *make_bytes(struct slot *slot, const struct plan_sink *sink, unsigned char *raw,
                                       float *values, unsigned char *out)
{
    if (tile_is_copy(&slot->tile, slot->source, sink)) {
        if (sink->codec->recode)
            sink->codec->recode(raw, (size_t)slot->tile.nelem);
        return raw;
    }
    if (tile_is_transcoded(&slot->tile, slot->source, sink))
        transcode(slot, sink, raw, values, out);
    else
        encode(slot, sink, values, out);
    return out;
}

/* The staged blocks in output order. */
static unsigned char *gather(const struct slot *slot, const struct scratch *scratch)
{
    const struct tile_read *rd = &slot->read;
    enum dtype t = slot->source->dtype;
    uint32_t block = dtype_block_elems(t);

    if (rd->contiguous && dtype_parts(t)->n == 1)
        return slot->in;
    parts_gather(t, &rd->staged, slot->in, rd->run * rd->count * block, scratch->gather);
    return scratch->gather;
}

/* Looks at a sink's blocks as the options ask. */
static void inspect(const struct work *w, struct slot *slot, size_t i, const struct tile_result *result)
{
    bool there = resume_has_tile(w->resume, &slot->tile, result->sink);
    bool trusted =
        w->allow_nonfinite || (w->trust_copies && tile_keeps_bits(&slot->tile, slot->source, result->sink));

    if (!there && !trusted && slot->flaw.kind == FINITE_OK)
        slot->flaw = finite_check(result);
    if (slot->quality)
        quality_measure(result, &slot->quality[i]);
}

/* Makes a sink's result at slot->result[i], or tells where it is already. */
static void fill_sink(const struct work *w, struct slot *slot, size_t i, unsigned char *raw,
                      const struct scratch *scratch)
{
    const struct plan_sink *sink = &slot->tile.step->sinks[i];
    unsigned char *out = slot->result[i];
    uint64_t n = slot->tile.nelem;
    bool packed = dtype_parts(sink->dtype)->n > 1, there = resume_has_tile(w->resume, &slot->tile, sink);
    unsigned char *blocks = packed ? scratch->blocks : out;
    const unsigned char *bytes = there ? blocks : make_bytes(slot, sink, raw, scratch->values, blocks);

    if (there && packed) {
        struct view whole = view_whole(0, n / dtype_block_elems(sink->dtype));

        parts_gather(sink->dtype, &whole, out, n, blocks);
    }
    inspect(w, slot, i, &(struct tile_result){&slot->tile, slot->source, sink, raw, scratch->values, bytes});
    if (there)
        return;
    if (bytes == slot->in)
        slot->result[i] = slot->in;
    if (packed)
        parts_scatter(sink->dtype, bytes, n, out);
    else if (bytes == scratch->gather)
        memcpy(out, bytes, (size_t)tile_bytes(sink->dtype, n));
}

/* The results of the sinks that round the values, which they all do in one way, or of the others. */
static void fill_sinks(const struct work *w, struct slot *slot, unsigned char *raw,
                       const struct scratch *scratch, bool round)
{
    const struct plan_step *step = slot->tile.step;
    bool rounded = false;

    for (size_t i = 0; i < step->nsink; i++) {
        const struct plan_sink *sink = &step->sinks[i];

        if (sink->rounds != round || (!slot->quality && resume_has_tile(w->resume, &slot->tile, sink)))
            continue;
        if (round && !rounded)
            op_apply(sink->round, scratch->values, (size_t)slot->tile.nelem);
        rounded = round;
        fill_sink(w, slot, i, raw, scratch);
    }
}

/* Puts each row's values in the order that the step says. */
static void order_rows(const struct plan_step *step, float *values, uint64_t n, float *row)
{
    uint64_t ncol = step->shape[step->rank - 1];

    for (uint64_t i = 0; i < n; i += ncol) {
        memcpy(row, values + i, ncol * sizeof *row);
        tile_gather(&step->row, row, values + i, sizeof *row, sizeof *row);
    }
}

void work_do(const struct work *w, struct slot *slot, const struct scratch *scratch)
{
    const struct plan_step *step = slot->tile.step;
    uint64_t n = slot->tile.nelem;
    unsigned char *raw = gather(slot, scratch);
    bool values_needed = slot->quality != NULL;

    for (size_t i = 0; i < step->nsink; i++)
        values_needed = values_needed || !tile_keeps_bits(&slot->tile, slot->source, &step->sinks[i]);
    /* Before the copies: their recode changes `raw`, and what one sink gets is not to depend on another. */
    if (values_needed) {
        slot->source->codec->decode(raw, scratch->values, (size_t)n);
        op_scale(slot->source->scale, scratch->values, (size_t)n);
        if (step->row.ndim > 0)
            order_rows(step, scratch->values, n, scratch->row);
        for (uint32_t k = 0; k < step->nop; k++)
            op_apply(step->ops[k], scratch->values, (size_t)n);
    }
    slot->flaw = (struct finite_flaw){0};
    slot->misfits = 0;
    fill_sinks(w, slot, raw, scratch, false);
    fill_sinks(w, slot, raw, scratch, true);
}
