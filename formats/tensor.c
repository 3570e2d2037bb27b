/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/tensor.h"

bool shape_nelem(const uint64_t *shape, uint32_t rank, uint64_t *nelem)
{
    uint64_t n = 1;
    bool fits = true;

    for (uint32_t i = 0; i < rank; i++) {
        if (shape[i] == 0) {
            *nelem = 0;
            return true;
        }
        fits = fits && mul_ok(n, shape[i], &n);
    }
    *nelem = n;
    return fits;
}

const char *shape_text(const uint64_t *shape, uint32_t rank, char out[SHAPE_TEXT_MAX])
{
    size_t w = 1;

    out[0] = '[';
    for (uint32_t i = 0; i < rank && i < TENSOR_MAX_RANK; i++)
        w += (size_t)snprintf(out + w, SHAPE_TEXT_MAX - w, "%s%" PRIu64, i ? ", " : "", shape[i]);
    snprintf(out + w, SHAPE_TEXT_MAX - w, "]");
    return out;
}
