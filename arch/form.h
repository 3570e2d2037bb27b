/* SPDX-License-Identifier: Apache-2.0 */
/* Forms put to a tensor: the views that the forms' descriptions (arch.h) stand for. */
#ifndef ARCH_FORM_H
#define ARCH_FORM_H

#include "arch/hparams.h"

/* What becomes of a tensor, or one of the parts into which it falls: its shape, and the views of the tensor
 * (their source is 0) that cover it in order. */
struct formed {
    uint32_t rank;
    uint64_t shape[TENSOR_MAX_RANK];
    struct view view[PART_MAX_SLICES];
    size_t nview;
};

/* form may be NULL: as it is. part: one of the form's, NULL where it has none. E_FORMAT, without the file's
 * name, when the form's sizes are not the tensor's. */
enum status form_apply(const struct hparams *hp, const struct tensor_form *form,
                       const struct tensor_part *part, const struct tensor *t, struct formed *out,
                       struct err *err);

#endif
