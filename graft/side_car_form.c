/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of quantized matrices. Readers compare the names in a side-car with the sets that they know, and take
 * no other; the sets are those of MTPLX 2.12 (its artifacts.py and constants.py). */
#include "graft/side_car_int.h"

/* In which sets a module is quantized. */
enum {
    DENSE = 1, /* cyankiwi; 29 tensors */
    DENSE_ALL = 2,
    STACKED = 4, /* 42 tensors */
    STACKED_ALL = 8,
    FUSED = 16,    /* either policy; 37 tensors */
    NUMBERED = 32, /* the same; 2321 tensors of 256 experts */
    ANY_LAYERS = DENSE | DENSE_ALL | STACKED | STACKED_ALL | FUSED,
    ANY_STACKED = STACKED | STACKED_ALL,
};

static const struct {
    const char *module; /* the end of its name; "*": a number */
    unsigned sets;
} modules[] = {
    {"mtp.fc", DENSE_ALL | STACKED_ALL},
    {".self_attn.q_proj", ANY_LAYERS},
    {".self_attn.k_proj", ANY_LAYERS},
    {".self_attn.v_proj", ANY_LAYERS},
    {".self_attn.o_proj", ANY_LAYERS},
    {".mlp.gate_proj", DENSE | DENSE_ALL},
    {".mlp.up_proj", DENSE | DENSE_ALL},
    {".mlp.down_proj", DENSE | DENSE_ALL},
    {".mlp.gate", STACKED_ALL | FUSED},
    {".shared_expert.gate_proj", ANY_STACKED | FUSED},
    {".shared_expert.up_proj", ANY_STACKED | FUSED},
    {".shared_expert.down_proj", ANY_STACKED | FUSED},
    {".shared_expert_gate", ANY_STACKED | FUSED},
    {".switch_mlp.gate_proj", ANY_STACKED},
    {".switch_mlp.up_proj", ANY_STACKED},
    {".switch_mlp.down_proj", ANY_STACKED},
};

/* The sets in which a tensor is quantized. */
static unsigned sets_of(const char *name)
{
    size_t n = strlen(name);

    if (strstr(name, ".experts.") && str_ends(name, "_proj.weight"))
        return NUMBERED;
    if (!str_ends(name, ".weight"))
        return 0;
    n -= strlen(".weight");
    for (size_t i = 0; i < ARRAY_LEN(modules); i++) {
        size_t k = strlen(modules[i].module);

        if (k <= n && memcmp(name + n - k, modules[i].module, k) == 0)
            return modules[i].sets;
    }
    return 0;
}

/* The sets that a head of that layout can be. */
static unsigned sets_of_layout(const struct side_car *c)
{
    switch (c->o.experts) {
    case RULE_STACKED:
        return ANY_STACKED;
    case RULE_FUSED:
        return FUSED;
    case RULE_PER_EXPERT:
        return NUMBERED;
    default:
        return DENSE | DENSE_ALL;
    }
}

bool side_car_quantizes(const struct side_car *c, const char *name)
{
    unsigned narrow = DENSE | STACKED | FUSED | NUMBERED, wide = DENSE_ALL | STACKED_ALL | FUSED | NUMBERED;
    unsigned sets = sets_of_layout(c) & (c->o.policy == POLICY_ALL ? wide : narrow);

    return c->o.policy != POLICY_NONE && !c->o.at_load && (sets_of(name) & sets);
}

enum status side_car_check(struct side_car *c, struct err *err)
{
    unsigned possible = sets_of_layout(c);
    const char *odd = NULL;

    for (size_t i = 0; i < c->plan->nstep; i++)
        c->quantized |= dtype_parts(c->plan->steps[i].sinks[0].dtype)->n > 1;
    for (size_t i = 0; i < c->plan->nstep && c->quantized; i++) {
        const struct plan_step *step = &c->plan->steps[i];
        bool quantized = dtype_parts(step->sinks[0].dtype)->n > 1;
        unsigned sets = sets_of(step->name), left = possible & (quantized ? sets : ~sets);

        /* Of stacked heads any modules may be quantized. */
        if (c->o.experts == RULE_STACKED ? quantized && !(sets & possible) : !left)
            odd = odd ? odd : step->name;
        else if (c->o.experts != RULE_STACKED)
            possible = left;
    }
    if (odd)
        return fail(
            err, E_UNSUPPORTED,
            "%s: tensor %s: with it the head's quantized matrices are none of the sets that readers know: "
            "--policy none stores it unquantized",
            c->match.donor.source->path, odd);
    if (c->kept && c->quantized)
        c->o.policy = c->o.experts == RULE_STACKED                  ? POLICY_ALL
                      : possible & DENSE_ALL && !(possible & DENSE) ? POLICY_ALL
                                                                    : POLICY_CYANKIWI;
    return OK;
}
