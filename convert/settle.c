/* SPDX-License-Identifier: Apache-2.0 */
/* The last word on a plan's quantized sources. */
#include "convert/build_int.h"
#include "quantize/transcode.h"

/* What becomes of quantized tensors. */
enum fate { FATE_COPIED, FATE_REPACKED, FATE_DECODED, FATE_REQUANTIZED, FATE_COUNT };

struct counts {
    size_t n[FATE_COUNT];
    const char *first[FATE_COUNT]; /* type of the first */
};

static bool keeps_values(const struct plan_step *step)
{
    return step->nop == 0 && step->row.ndim == 0;
}

static enum fate fate_of(const struct plan_step *step, struct plan_sink *sink, enum dtype from)
{
    struct transcoder t;

    if (keeps_values(step) && from == sink->dtype) {
        sink->rounds = false; // what is not decoded has no values to round
        return FATE_COPIED;
    }
    if (keeps_values(step) &&
        (sink->transcode.convert ? sink->transcode.from == from : transcoder_find(from, sink->dtype, &t))) {
        if (!sink->transcode.convert)
            sink->transcode = t;
        sink->rounds = false;
        return FATE_REPACKED;
    }
    return dtype_is_quantized(sink->dtype) ? FATE_REQUANTIZED : FATE_DECODED;
}

/* The worst of what happens to the pieces of one tensor. */
static enum status settle_sink(const struct plan *plan, const struct plan_step *step, struct plan_sink *sink,
                               bool allow_requantize, struct counts *c, struct err *err)
{
    enum fate worst = FATE_COPIED;
    enum dtype type = DT_COUNT;

    for (size_t i = 0; i < step->nview; i++) {
        enum dtype from = plan->sources[step->views[i].source].dtype;
        enum fate fate;

        if (!dtype_is_quantized(from))
            continue;
        fate = fate_of(step, sink, from);
        if (type == DT_COUNT || fate > worst) {
            worst = fate;
            type = from;
        }
    }
    if (type == DT_COUNT)
        return OK;
    if (worst == FATE_REQUANTIZED && !quantize_decodes_exactly(type) && !allow_requantize)
        return fail(err, E_UNSUPPORTED,
                    "tensor %s: is %s already, and would become %s; --allow-requantize quantizes it again",
                    step->name, dtype_name(type), dtype_name(sink->dtype));
    if (c->n[worst]++ == 0)
        c->first[worst] = dtype_name(type);
    return OK;
}

static enum status note_fates(struct plan *plan, const struct counts *c, struct err *err)
{
    static const char *const what[FATE_COUNT] = {
        [FATE_COPIED] = "taken over as they are",
        [FATE_REPACKED] = "repacked: codes and scales stay wherever the new type has room for them",
        [FATE_DECODED] = "decoded",
        [FATE_REQUANTIZED] = "decoded and quantized again",
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
