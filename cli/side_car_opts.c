/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/side_car_opts.h"

const char *const side_car_dialects[] = {"auto", "mtplx", "optiq", NULL};
const char *const side_car_experts[] = {"auto", "stacked", "fused", "split", NULL};
const char *const side_car_norms[] = {"auto", "absolute", "delta", NULL};
const char *const side_car_policies[] = {"auto", "none", "cyankiwi", "all", NULL}; // as enum side_car_policy
const char *const side_car_roundings[] = {"cpu", "metal", NULL};                   // as enum mlx_rounding

static const unsigned experts[] = {0, RULE_STACKED, RULE_FUSED, RULE_PER_EXPERT};
static const enum norms_encoding norms[] = {NORMS_UNCLEAR, NORMS_ABSOLUTE, NORMS_DELTA};

enum status side_car_opts_read(const struct side_car_opts *o, struct side_car_options *to, struct err *err)
{
    bool numbers = o->bits || o->group_size;

    to->dialect = o->dialect == 2 ? SIDE_CAR_OPTIQ : SIDE_CAR_MTPLX;
    to->file = o->file;
    to->experts = experts[o->experts];
    to->norms = norms[o->norms];
    to->policy = (enum side_car_policy)o->policy;
    to->at_load = o->at_load;
    to->rounding = (enum mlx_rounding)o->rounding;
    to->contract = o->contract.item;
    to->ncontract = o->contract.n;
    to->setting = mlx_mode_default(MLX_AFFINE);
    if (o->bits)
        to->setting.bits = o->bits;
    if (o->group_size)
        to->setting.group_size = o->group_size;
    if (mlx_type(&to->setting, DT_BF16) == DT_COUNT)
        return fail(err, E_USAGE,
                    "--bits %" PRIu64 ", --group-size %" PRIu64
                    ": there are 2, 3, 4, 5, 6 and 8 bits in groups of 32, 64 and 128",
                    to->setting.bits, to->setting.group_size);
    if (numbers && to->policy == POLICY_NONE)
        return fail(err, E_USAGE, "--policy none quantizes nothing, but --%s is given",
                    o->bits ? "bits" : "group-size");
    if (numbers && to->policy == POLICY_OF_DIALECT)
        to->policy = POLICY_CYANKIWI;
    return OK;
}

bool side_car_opts_given(const struct side_car_opts *o)
{
    return o->dialect || o->file || o->experts || o->norms || o->policy || o->bits || o->group_size ||
           o->at_load || o->rounding || o->contract.n;
}
