/* SPDX-License-Identifier: Apache-2.0 */
/* The options of quantization, the same for convert and quantize. */
#ifndef CLI_QUANTIZE_OPTS_H
#define CLI_QUANTIZE_OPTS_H

#include "cli/opt.h"
#include "gguf/quantize.h"

/* A member of this type takes them. */
struct quantize_opts {
    const char *recipe, *imatrix, *tensor_type_file, *output_type, *embedding_type, *mtp_type, *explain;
    struct opt_list tensor_types, keeps;
    int missing;
    bool pure, leave_output, allow_requantize;
};

extern const char *const quantize_missing_choices[];

#define OPT_ROWS_QUANTIZE(type, member)                                                                      \
    {.name = "recipe",                                                                                       \
     .kind = OPT_PATH,                                                                                       \
     OPT_FIELD(type, member.recipe),                                                                         \
     .arg = "NAME|FILE",                                                                                     \
     .help = "which tensor gets which type: a name of \"scion recipe list\", or a recipe file"},             \
        {.name = "imatrix",                                                                                  \
         .kind = OPT_PATH,                                                                                   \
         OPT_FIELD(type, member.imatrix),                                                                    \
         .arg = "FILE",                                                                                      \
         .help = "importance of each column, from llama.cpp's imatrix tool (GGUF or .dat)"},                 \
        {.name = "imatrix-missing",                                                                          \
         .kind = OPT_ENUM,                                                                                   \
         OPT_FIELD(type, member.missing),                                                                    \
         .arg = "POLICY",                                                                                    \
         .preset = "error",                                                                                  \
         .choices = quantize_missing_choices,                                                                \
         .help = "for tensors whose type needs importance data and that have none: stop before any work "    \
                 "(error), "                                                                                 \
                 "weigh all columns alike (neutral), or take them from a tensor that sees the same input "   \
                 "(borrow)"},                                                                                \
        {.name = "tensor-type",                                                                              \
         .kind = OPT_REPEAT,                                                                                 \
         OPT_FIELD(type, member.tensor_types),                                                               \
         .arg = "REGEX=TYPE",                                                                                \
         .help = "type of the tensors in whose name the expression is found; the first that fits decides"},  \
        {.name = "tensor-type-file",                                                                         \
         .kind = OPT_PATH,                                                                                   \
         OPT_FIELD(type, member.tensor_type_file),                                                           \
         .arg = "FILE",                                                                                      \
         .help = "a file of REGEX=TYPE, separated by blanks"},                                               \
        {.name = "output-type",                                                                              \
         .kind = OPT_STR,                                                                                    \
         OPT_FIELD(type, member.output_type),                                                                \
         .arg = "TYPE",                                                                                      \
         .help = "type of output.weight"},                                                                   \
        {.name = "embedding-type",                                                                           \
         .kind = OPT_STR,                                                                                    \
         OPT_FIELD(type, member.embedding_type),                                                             \
         .arg = "TYPE",                                                                                      \
         .help = "type of token_embd.weight"},                                                               \
        {.name = "mtp-type",                                                                                 \
         .kind = OPT_STR,                                                                                    \
         OPT_FIELD(type, member.mtp_type),                                                                   \
         .arg = "TYPE",                                                                                      \
         .help = "type of the multi-token-prediction head"},                                                 \
        {.name = "keep",                                                                                     \
         .kind = OPT_REPEAT,                                                                                 \
         OPT_FIELD(type, member.keeps),                                                                      \
         .arg = "REGEX",                                                                                     \
         .help = "leave the tensors in whose name the expression is found as they are"},                     \
        {.name = "pure",                                                                                     \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, member.pure),                                                                       \
         .help = "give every tensor the recipe's default type"},                                             \
        {.name = "leave-output",                                                                             \
         .kind = OPT_FLAG,                                                                                   \
         OPT_FIELD(type, member.leave_output),                                                               \
         .help = "leave output.weight as it is"},                                                            \
    {                                                                                                        \
        .name = "explain", .kind = OPT_STR, OPT_FIELD(type, member.explain), .arg = "TENSOR",                \
        .help = "print which rule decided on a tensor, and write nothing"                                    \
    }

/* What the options ask for, loaded. Zero it to start. */
struct quantize_job {
    struct quantize_options options;
    struct recipe *recipe;
    struct recipe_overrides overrides;
    struct imatrix imatrix; /* unless another job's is used */
    struct buf explanation;
};

/* name: the recipe that --type names, or NULL. `loaded` is o's importance matrix where an earlier job has
 * loaded it, and outlives this one; else NULL. E_USAGE. */
enum status quantize_job_open(struct quantize_job *job, const struct quantize_opts *o, const char *name,
                              const struct imatrix *loaded, struct err *err);
void quantize_job_close(struct quantize_job *job);

#endif
