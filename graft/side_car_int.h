/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of side_car.h share. */
#ifndef GRAFT_SIDE_CAR_INT_H
#define GRAFT_SIDE_CAR_INT_H

#include "graft/pieces.h"
#include "graft/side_car.h"
#include "plan/folder.h"

struct side_car {
    struct plan *plan;
    struct side_car_options o; /* with everything decided */
    struct graft_match match;
    struct folder folder;
    bool quantized; /* some of the file's matrices are */
    bool kept;      /* as the donor has them */
};

/* ---- side_car_form.c: which matrices are quantized ---- */

/* Whether the policy quantizes a tensor of the head in its layout. */
bool side_car_quantizes(const struct side_car *c, const char *name);

/* Whether what the steps of the plan quantize is a set of tensors that readers know: they refuse any other.
 * E_UNSUPPORTED. */
enum status side_car_check(struct side_car *c, struct err *err);

/* ---- side_car_config.c ---- */

/* E_USAGE for a "KEY=VALUE" that readers of the contract would not take. */
enum status side_car_check_contract(const struct side_car_options *o, struct err *err);

/* config.json that points to the side-car and describes it. One note for each change. */
enum status side_car_config(struct side_car *c, struct err *err);

/* The tensors that the file stores, quantized ones by their parts. */
size_t side_car_count(const struct side_car *c);

#endif
