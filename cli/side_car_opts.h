/* SPDX-License-Identifier: Apache-2.0 */
/* The options of heads beside folders for MLX. */
#ifndef CLI_SIDE_CAR_OPTS_H
#define CLI_SIDE_CAR_OPTS_H

#include "cli/opt.h"
#include "graft/side_car.h"

/* A member `struct side_car_opts side_car` takes them. */
struct side_car_opts {
    int dialect, experts, norms, policy, rounding;
    const char *file;
    uint64_t bits, group_size; /* 0: 4, 64 */
    bool at_load;
    struct opt_list contract;
};

extern const char *const side_car_dialects[], *const side_car_experts[], *const side_car_norms[],
                                                                             *const side_car_policies[],
                                                                                 *const side_car_roundings[];

/* `when`: what each row's help begins with. */
#define OPT_ROWS_SIDE_CAR(type, when)                                                                        \
    {.name = "side-car",                                                                                     \
     .kind = OPT_ENUM,                                                                                       \
     OPT_FIELD(type, side_car.dialect),                                                                      \
     .arg = "FORM",                                                                                          \
     .choices = side_car_dialects,                                                                           \
     .help = when "the form of a head's own file for MLX: mtplx (experts stacked, norms absolute, 16 bits) " \
                  "or optiq (experts fused, norms as differences from 1, 4 bits); the next options change "  \
                  "what it says"},                                                                           \
        {.name = "experts",                                                                                  \
         .kind = OPT_ENUM,                                                                                   \
         OPT_FIELD(type, side_car.experts),                                                                  \
         .arg = "LAYOUT",                                                                                    \
         .choices = side_car_experts,                                                                        \
         .help = when "the layout of the head's experts"},                                                   \
        {.name = "store-norms",                                                                              \
         .kind = OPT_ENUM,                                                                                   \
         OPT_FIELD(type, side_car.norms),                                                                    \
         .arg = "ENCODING",                                                                                  \
         .choices = side_car_norms,                                                                          \
         .help = when "how its norms are stored; config.json must declare delta"},                           \
        {.name = "policy",                                                                                   \
         .kind = OPT_ENUM,                                                                                   \
         OPT_FIELD(type, side_car.policy),                                                                   \
         .arg = "POLICY",                                                                                    \
         .choices = side_car_policies,                                                                       \
         .help = when "which matrices of the head are quantized: none, cyankiwi (those of its layers), or "  \
                      "all (mtp.fc and the router, too)"},                                                   \
        {.name = "bits",                                                                                     \
         .kind = OPT_U64,                                                                                    \
         OPT_FIELD(type, side_car.bits),                                                                     \
         .arg = "N",                                                                                         \
         .min = 1,                                                                                           \
         .help = when "to 2, 3, 4 (if nothing else is said), 5, 6 or 8 bits"},                               \
        {.name = "group-size",                                                                               \
         .kind = OPT_U64,                                                                                    \
         OPT_FIELD(type, side_car.group_size),                                                               \
         .arg = "N",                                                                                         \
         .min = 1,                                                                                           \
         .help = when "in groups of 32, 64 (if nothing else is said) or 128 numbers"},                       \
    {                                                                                                        \
        .name = "mlx-rounding", .kind = OPT_ENUM, OPT_FIELD(type, side_car.rounding), .arg = "WHERE",        \
        .choices = side_car_roundings,                                                                       \
        .help = when "round as MLX does on a CPU (if nothing is said), or on a GPU (metal)"                  \
    }

/* Of the folder that gets the file. */
#define OPT_ROWS_SIDE_CAR_FOLDER(type, when)                                                                 \
    {.name = "side-car-file",                                                                                \
     .kind = OPT_STR,                                                                                        \
     OPT_FIELD(type, side_car.file),                                                                         \
     .arg = "NAME",                                                                                          \
     .help = when "what the head's file is called: mtp/weights.safetensors (mtplx), optiq/mtp.safetensors "  \
                  "(optiq) if nothing is said"},                                                             \
        {.name = "at-load",                                                                                  \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, side_car.at_load),                                                                  \
         .help = when "store 16 bits and let config.json ask the runtime to quantize them"},                 \
    {                                                                                                        \
        .name = "contract", .kind = OPT_REPEAT, OPT_FIELD(type, side_car.contract), .arg = "KEY=VALUE",      \
        .help = when "write mtplx_mtp_contract, how MTPLX hands the trunk's state to the head; may be "      \
                     "given several times"                                                                   \
    }

/* Sets what the rows say. E_USAGE. */
enum status side_car_opts_read(const struct side_car_opts *o, struct side_car_options *to, struct err *err);

/* Whether any was given. */
bool side_car_opts_given(const struct side_car_opts *o);

#endif
