/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a tile between its reading and its writing: a part after the other, each of which stays in
 * the processor's cache from its first pass to its last. */
#include "plan/exec_int.h"
#include "plan/parts.h"

/* Elements of a slot's tile that are worked on together. */
struct part {
    struct tile tile;
    uint64_t at;        /* of the slot's tile */
    unsigned char *raw; /* their source blocks in output order */
    bool staged;        /* which lie in slot->in, as all of the tile do */
};

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
static void encode(const struct tile *t, const struct plan_sink *sink, const float *x, void *out)
{
    uint64_t ncol = t->step->rank ? t->step->shape[t->step->rank - 1] : 1;

    if (t->first % ncol == 0 && t->nelem % ncol == 0)
        encode_rows(sink, t->first / ncol, t->nelem / ncol, ncol, x, out);
    else
        sink->codec->encode(x, out, 1, (size_t)t->nelem, NULL);
}

/* Blocks that have no twin change their form through their values, one by one: the others do not depend on
 * them. */
static void transcode(struct slot *slot, const struct plan_sink *sink, const struct part *part,
                      float *values, unsigned char *out)
{
    const struct transcoder *t = &sink->transcode;
    const unsigned char *raw = part->raw;
    uint64_t n = max_u64(dtype_block_elems(t->from), dtype_block_elems(t->to));

    if (t->convert(t, raw, out, (size_t)part->tile.nelem))
        return;
    for (uint64_t i = 0; i < part->tile.nelem; i += n) {
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
static const unsigned char *make_bytes(struct slot *slot, const struct plan_sink *sink,
                                       const struct part *part, float *values, unsigned char *out)
{
    if (tile_is_copy(&part->tile, slot->source, sink)) {
        if (sink->codec->recode)
            sink->codec->recode(part->raw, (size_t)part->tile.nelem);
        return part->raw;
    }
    if (tile_is_transcoded(&part->tile, slot->source, sink))
        transcode(slot, sink, part, values, out);
    else
        encode(&part->tile, sink, values, out);
    return out;
}

/* The staged blocks in output order. */
static unsigned char *gather(const struct slot *slot, const struct scratch *scratch)
{
    const struct tile_read *rd = &slot->read;
    enum dtype t = slot->source->dtype;
    struct planar staged = {slot->in, rd->run * rd->count * dtype_block_elems(t), 0};

    if (rd->contiguous && dtype_parts(t)->n == 1)
        return slot->in;
    parts_gather(t, &rd->staged, &staged, scratch->gather);
    return scratch->gather;
}

/* Looks at a sink's blocks as the options ask. */
static void inspect(const struct work *w, struct slot *slot, size_t i, const struct part *part,
                    const struct tile_result *result)
{
    bool there = resume_has_tile(w->resume, &slot->tile, result->sink);
    bool trusted =
        w->allow_nonfinite || (w->trust_copies && tile_keeps_bits(&slot->tile, slot->source, result->sink));

    if (!there && !trusted && slot->flaw.kind == FINITE_OK) {
        slot->flaw = finite_check(result);
        slot->flaw.at += part->at;
    }
    if (slot->quality)
        quality_measure(result, &slot->quality[i]);
}

/* Makes a sink's part of slot->result[i], or tells where the result is already. */
static void fill_sink(const struct work *w, struct slot *slot, size_t i, const struct part *part,
                      const struct scratch *scratch)
{
    const struct plan_sink *sink = &part->tile.step->sinks[i];
    const struct tile *t = &part->tile;
    bool packed = dtype_parts(sink->dtype)->n > 1, there = resume_has_tile(w->resume, &slot->tile, sink);
    struct planar planar = {slot->result[i], slot->tile.nelem, part->at};
    unsigned char *out = slot->result[i] + tile_bytes(sink->dtype, part->at);
    unsigned char *blocks = packed ? scratch->blocks : out;
    const unsigned char *bytes = there ? blocks : make_bytes(slot, sink, part, scratch->values, blocks);

    if (there && packed) {
        struct view whole = view_whole(0, t->nelem / dtype_block_elems(sink->dtype));

        parts_gather(sink->dtype, &whole, &planar, blocks);
    }
    inspect(w, slot, i, part,
            &(struct tile_result){t, slot->source, sink, part->raw, scratch->values, bytes});
    if (there)
        return;
    if (packed)
        parts_scatter(sink->dtype, bytes, t->nelem, &planar);
    else if (bytes == part->raw && part->staged)
        slot->result[i] = slot->in;
    else if (bytes == part->raw)
        memcpy(out, bytes, (size_t)tile_bytes(sink->dtype, t->nelem));
}

/* The results of the sinks that round the values, which they all do in one way, or of the others. */
static void fill_sinks(const struct work *w, struct slot *slot, const struct part *part,
                       const struct scratch *scratch, bool round)
{
    const struct plan_step *step = part->tile.step;
    bool rounded = false;

    for (size_t i = 0; i < step->nsink; i++) {
        const struct plan_sink *sink = &step->sinks[i];

        if (sink->rounds != round || (!slot->quality && resume_has_tile(w->resume, &slot->tile, sink)))
            continue;
        if (round && !rounded)
            op_apply(sink->round, scratch->values, (size_t)part->tile.nelem);
        rounded = round;
        fill_sink(w, slot, i, part, scratch);
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

/* Before the copies: their recode changes the blocks, and what one sink gets is not to depend on another. */
static void make_values(const struct slot *slot, const struct part *part, const struct scratch *scratch)
{
    const struct plan_step *step = part->tile.step;
    size_t n = (size_t)part->tile.nelem;

    slot->source->codec->decode(part->raw, scratch->values, n);
    op_scale(slot->source->scale, scratch->values, n);
    if (step->row.ndim > 0)
        order_rows(step, scratch->values, n, scratch->row);
    for (uint32_t k = 0; k < step->nop; k++)
        op_apply(step->ops[k], scratch->values, n);
}

void work_do(const struct work *w, struct slot *slot, const struct scratch *scratch)
{
    const struct plan_step *step = slot->tile.step;
    uint64_t n = slot->tile.nelem, chunk = tile_part_elems(w->plan, step);
    unsigned char *raw = gather(slot, scratch);
    struct part part = {.tile = slot->tile, .staged = raw == slot->in};
    bool values_needed = slot->quality != NULL;

    for (size_t i = 0; i < step->nsink; i++) {
        values_needed = values_needed || !tile_keeps_bits(&slot->tile, slot->source, &step->sinks[i]);
        if (slot->quality)
            slot->quality[i] = (struct quality_part){0};
    }
    slot->flaw = (struct finite_flaw){0};
    slot->misfits = 0;
    for (; part.at < n; part.at += chunk) {
        part.tile.first = slot->tile.first + part.at;
        part.tile.nelem = min_u64(chunk, n - part.at);
        part.raw = raw + tile_bytes(slot->source->dtype, part.at);
        if (values_needed)
            make_values(slot, &part, scratch);
        fill_sinks(w, slot, &part, scratch, false);
        fill_sinks(w, slot, &part, scratch, true);
    }
}
