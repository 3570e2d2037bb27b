/* SPDX-License-Identifier: Apache-2.0 */
/* The last word on a plan's quantized sources. */
#include "convert/build_int.h"
#include "plan/parts.h"
#include "quantize/transcode.h"

/* What becomes of quantized tensors, the worst last. */
enum fate {
    FATE_COPIED,
    FATE_REPACKED,
    FATE_DECODED,
    FATE_REQUANTIZED,
    FATE_NO_ROOM, /* the same: the levels coincide, but most of its numbers do not fit */
    FATE_COUNT
};

struct counts {
    size_t n[FATE_COUNT];
    const char *first[FATE_COUNT]; /* type of the first */
};

static bool keeps_values(const struct plan_step *step)
{
    return step->nop == 0 && step->row.ndim == 0;
}

/* ---- whether blocks fit ---- */

#define SAMPLES    16   /* places of a tensor that are looked at */
#define SAMPLE_MAX 1024 /* bytes of each */

/* The blocks of n elements from `at` on. */
static enum status read_blocks(const struct plan_source *src, uint64_t at, uint64_t n, unsigned char *blocks,
                               struct err *err)
{
    struct view whole = view_whole(0, n / dtype_block_elems(src->dtype));
    unsigned char planar[SAMPLE_MAX];
    enum status s = OK;

    require(parts_start(src->dtype, dtype_parts(src->dtype)->n, n) <= SAMPLE_MAX);
    for (uint32_t k = 0; k < dtype_parts(src->dtype)->n && s == OK; k++)
        s = plan_read_span(&src->span[k], planar + parts_start(src->dtype, k, n),
                           dtype_part_nbytes(src->dtype, k, n), dtype_part_nbytes(src->dtype, k, at), err);
    if (s == OK)
        parts_gather(src->dtype, &whole, &(struct planar){planar, n, 0}, blocks);
    return s == OK ? OK : wrap(err, "tensor %s", src->name);
}

/* Whether most blocks have a twin. All have one, or hardly any: who made the scales decides. */
static enum status has_twins(const struct plan_source *src, const struct transcoder *t, bool *yes,
                             struct err *err)
{
    uint64_t unit = max_u64(dtype_block_elems(t->from), dtype_block_elems(t->to));
    uint64_t n = src->nelem / unit, samples = min_u64(n, SAMPLES), fit = 0;
    unsigned char from[SAMPLE_MAX], to[SAMPLE_MAX];

    for (uint64_t i = 0; i < samples; i++) {
        enum status s = read_blocks(src, n / samples * i * unit, unit, from, err);

        if (s != OK)
            return s;
        fit += t->convert(t, from, to, (size_t)unit);
    }
    *yes = fit * 2 >= samples;
    return OK;
}

/* ---- fates ---- */

static enum status decide_fate(const struct plan_step *step, struct plan_sink *sink,
                               const struct plan_source *src, enum fate *fate, struct err *err)
{
    struct transcoder t = sink->transcode;
    bool fits = keeps_values(step) && src->dtype == sink->dtype, repacked = false;

    *fate = fits ? FATE_COPIED : dtype_is_quantized(sink->dtype) ? FATE_REQUANTIZED : FATE_DECODED;
    if (!fits && keeps_values(step)) {
        repacked = t.convert ? t.from == src->dtype : transcoder_find(src->dtype, sink->dtype, &t);
        fits = repacked && sink->transcode.convert;
        enum status s = repacked && !fits ? has_twins(src, &t, &fits, err) : OK;

        if (s != OK)
            return s;
    }
    if (repacked)
        *fate = fits ? FATE_REPACKED : FATE_NO_ROOM;
    if (repacked && fits)
        sink->transcode = t;
    if (fits)
        sink->rounds = false; // what is not decoded has no values to round
    return OK;
}

/* The worst of what happens to the pieces of one tensor. */
static enum status settle_sink(const struct plan *plan, const struct plan_step *step, struct plan_sink *sink,
                               bool allow_requantize, struct counts *c, struct err *err)
{
    enum fate worst = FATE_COPIED;
    enum dtype type = DT_COUNT;

    for (size_t i = 0; i < step->nview; i++) {
        const struct plan_source *src = &plan->sources[step->views[i].source];
        enum fate fate;

        if (!dtype_is_quantized(src->dtype) || (i > 0 && step->views[i - 1].source == step->views[i].source))
            continue;
        enum status s = decide_fate(step, sink, src, &fate, err);
        if (s != OK)
            return s;
        if (type == DT_COUNT || fate > worst) {
            worst = fate;
            type = src->dtype;
        }
    }
    if (type == DT_COUNT)
        return OK;
    if (worst >= FATE_REQUANTIZED && !quantize_decodes_exactly(type) && !allow_requantize)
        return fail(err, E_UNSUPPORTED,
                    "tensor %s: is %s already, and would become %s%s; --allow-requantize quantizes it again",
                    step->name, dtype_name(type), dtype_name(sink->dtype),
                    worst == FATE_NO_ROOM ? ", which has no room for its scales or biases" : "");
    if (c->n[worst]++ == 0)
        c->first[worst] = dtype_name(type);
    return OK;
}

static enum status note_fates(struct plan *plan, const struct counts *c, struct err *err)
{
    static const char *const what[FATE_COUNT] = {
        [FATE_COPIED] = "taken over as they are",
        [FATE_REPACKED] = "repacked: codes and scales stay",
        [FATE_DECODED] = "decoded",
        [FATE_REQUANTIZED] = "decoded and quantized again",
        [FATE_NO_ROOM] = "decoded and quantized again: the new type has no room for their scales or biases",
    };
    enum status s = OK;

    for (int f = 0; f < FATE_COUNT && s == OK; f++)
        if (c->n[f] > 0)
            s = notes_add(&plan->notes, err, "%zu quantized tensor%s (%s%s): %s", c->n[f],
                          c->n[f] == 1 ? "" : "s", c->first[f], c->n[f] == 1 ? "" : " and the like", what[f]);
    return s;
}

enum status settle(struct builder *b, bool allow_requantize, struct err *err)
{
    struct plan *plan = b->plan;
    struct counts c = {0};
    enum status s = OK;

    if (b->source->kind == SOURCE_HF)
        return OK; // nothing is made
    s = plan_flatten(plan, err);
    for (size_t i = 0; i < plan->nstep && s == OK; i++)
        for (size_t k = 0; k < plan->steps[i].nsink && s == OK; k++)
            s = settle_sink(plan, &plan->steps[i], &plan->steps[i].sinks[k], allow_requantize, &c, err);
    return s == OK ? note_fates(plan, &c, err) : s;
}
