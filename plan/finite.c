/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/finite.h"

#include <math.h>

#include "kernels/floats.h"

#define BLOCK_MAX 256 /* elements of the largest block */

/* The first of n elements that is not finite in their encoded form; n when there is none. */
static uint64_t find_encoded(const struct codec *codec, enum dtype t, const void *bytes, uint64_t n)
{
    uint32_t elems = dtype_block_elems(t);

    return codec->find_nonfinite ? codec->find_nonfinite(bytes, (size_t)(n / elems)) * elems : n;
}

/* The first value that is not finite. Where nothing was computed the source's own bytes tell, which are
 * fewer. */
static uint64_t find_value(const struct tile_result *r)
{
    uint64_t n = r->tile->nelem;

    if (!tile_keeps_values(r->tile, r->source) || r->sink->rounds || !r->source->codec->find_nonfinite)
        return floats_find_nonfinite(r->x, (size_t)n);
    return find_encoded(r->source->codec, r->source->dtype, r->raw, n);
}

/* Whether a value was finite when it was read. Where rows take another order, that is known of the results.
 */
static bool was_finite(const struct tile_result *r, uint64_t at)
{
    enum dtype from = r->source->dtype;
    uint32_t elems = dtype_block_elems(from);
    const unsigned char *raw = r->raw;
    float block[BLOCK_MAX];
    uint64_t unit = 0;

    if (isfinite(r->x[at]) || r->tile->step->row.ndim > 0)
        return isfinite(r->x[at]);
    require(elems <= BLOCK_MAX && dtype_nbytes(from, elems, &unit));
    r->source->codec->decode(raw + at / elems * unit, block, elems);
    return isfinite(block[at % elems]);
}

/* The first finite value that became infinite in a type of elements, or on the way there. */
static uint64_t find_overflow(const struct tile_result *r)
{
    const unsigned char *bytes = r->bytes;
    uint64_t unit = 0, n = r->tile->nelem, at = 0;

    require(dtype_nbytes(r->sink->dtype, 1, &unit));
    while (at < n) {
        at += find_encoded(r->sink->codec, r->sink->dtype, bytes + at * unit, n - at);
        if (at < n && was_finite(r, at))
            break;
        at += at < n;
    }
    return at;
}

static struct finite_flaw check_elements(const struct tile_result *r)
{
    uint64_t n = r->tile->nelem, at = n;

    if (r->sink->codec->find_nonfinite && !tile_is_copy(r->tile, r->source, r->sink))
        at = find_overflow(r);
    return at < n ? (struct finite_flaw){FINITE_OVERFLOW, r->sink->dtype, at, r->x[at]}
                  : (struct finite_flaw){0};
}

struct finite_flaw finite_check(const struct tile_result *r)
{
    enum dtype from = r->source->dtype, to = r->sink->dtype;
    uint64_t n = r->tile->nelem, at;

    if (!dtype_is_quantized(to))
        return check_elements(r);
    if (tile_keeps_bits(r->tile, r->source, r->sink)) {
        at = find_encoded(r->source->codec, from, r->raw, n);
        if (at < n)
            return (struct finite_flaw){FINITE_SCALE, from, at, 0};
    } else {
        at = find_value(r);
        if (at < n)
            return (struct finite_flaw){FINITE_VALUE, to, at, r->x[at]};
    }
    at = find_encoded(r->sink->codec, to, r->bytes, n);
    return at < n ? (struct finite_flaw){FINITE_SCALE, to, at, 0} : (struct finite_flaw){0};
}

/* "[3, 17]" for an element of a tensor. */
static const char *place(const struct plan_step *step, uint64_t at, char text[TENSOR_MAX_RANK * 24])
{
    uint64_t index[TENSOR_MAX_RANK] = {0};
    size_t n = 0;

    for (uint32_t d = step->rank; d-- > 0;) {
        index[d] = at % step->shape[d];
        at /= step->shape[d];
    }
    text[n++] = '[';
    for (uint32_t d = 0; d < step->rank; d++)
        n += (size_t)snprintf(text + n, 24, "%s%" PRIu64, d ? ", " : "", index[d]);
    memcpy(text + n, "]", 2);
    return text;
}

enum status finite_fail(const struct finite_flaw *flaw, const struct tile *t, const struct plan_source *from,
                        struct err *err)
{
    const char *type = dtype_name(flaw->type);
    char text[TENSOR_MAX_RANK * 24], value[32];
    enum status s = OK;

    place(t->step, t->first + flaw->at, text);
    snprintf(value, sizeof value, "%g", (double)flaw->value);
    switch (flaw->kind) {
    case FINITE_OK:
        break;
    case FINITE_VALUE:
        s = fail(err, E_FORMAT, "element %s is %s, which no %s block holds; --allow-nonfinite encodes it",
                 text, isnan(flaw->value) ? "NaN" : value, type);
        break;
    case FINITE_SCALE:
        s = fail(err, E_FORMAT,
                 "the scale of the %s block from element %s on is not finite; --allow-nonfinite writes it",
                 type, text);
        break;
    case FINITE_OVERFLOW:
        if (!isfinite(flaw->value)) {
            s = fail(err, E_FORMAT, "element %s becomes %s on its way to %s; --allow-nonfinite writes it",
                     text, isnan(flaw->value) ? "NaN" : value, type);
            break;
        }
        s = fail(err, E_FORMAT, "element %s is %s, too large for %s; --allow-nonfinite makes it infinite",
                 text, value, type);
        break;
    }
    if (s != OK && strcmp(from->name, t->step->name) != 0)
        s = wrap(err, "from %s", from->name);
    if (s != OK)
        s = wrap(err, "tensor %s", t->step->name);
    return s != OK && from->span[0].file ? wrap(err, "%s", file_path(from->span[0].file)) : s;
}
