/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving a folder for MLX a multi-token-prediction head. Its loaders want to know every tensor of the shards,
 * so the head is a file of its own, a side-car, that config.json points to. Forms and names are those that
 * MTPLX and OptiQ read (docs/mtp.md).
 */
#ifndef GRAFT_SIDE_CAR_H
#define GRAFT_SIDE_CAR_H

#include "formats/mlx.h"
#include "graft/match.h"
#include "plan/plan.h"
#include "quantize/codecs.h"

enum side_car_dialect {
    SIDE_CAR_MTPLX, /* experts stacked, norms absolute, in 16 bits if nothing else is said */
    SIDE_CAR_OPTIQ, /* experts fused, norms as differences from 1, quantized to 4 bits if nothing else is said
                     */
};

/* Which matrices are quantized. */
enum side_car_policy {
    POLICY_OF_DIALECT,
    POLICY_NONE,
    POLICY_CYANKIWI, /* those of the layers, as far as the layout of the experts has them so */
    POLICY_ALL,      /* mtp.fc and the router, too */
};

struct side_car_options {
    const char *out; /* the folder to make; NULL: into the target itself */
    enum link_mode link;
    struct graft_wishes wishes;
    enum side_car_dialect dialect;
    const char *file; /* its name in the folder, with a "/" where it lies deeper; NULL: the dialect's */
    unsigned experts; /* their layout: RULE_*; 0: the dialect's */
    enum norms_encoding norms; /* as they are stored; NORMS_UNCLEAR: the dialect's */
    enum dtype type;           /* of what is not quantized; DT_COUNT: a 16-bit type as it is, else bf16 */
    enum side_car_policy policy;
    struct mlx_setting setting; /* affine */
    bool at_load;               /* matrices stay as they are; whoever loads them shall quantize them */
    bool allow_requantize;      /* a head that is quantized already */
    enum mlx_rounding rounding;
    const char *const *contract; /* "KEY=VALUE", for "mtplx_mtp_contract" */
    size_t ncontract;
};

/* Fills an empty plan. Target and donor must outlive it. The target must be a folder for MLX, the donor may
 * be anything that has a head. A donor's quantized matrices are taken as they are, unless the options say
 * otherwise. Fails as graft_folder does, and E_USAGE for options that make no head that readers know. */
enum status side_car_add(struct plan *plan, struct source *target, struct source *donor,
                         const struct side_car_options *o, struct err *err);

/* Fills an empty plan with the file alone, at o->out, for a folder that is not there yet; what its
 * config.json would have to say is left to whoever puts it there. */
enum status side_car_extract(struct plan *plan, struct source *donor, const struct side_car_options *o,
                             struct err *err);

#endif
