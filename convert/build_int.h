/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that build plans from checkpoints share. */
#ifndef CONVERT_BUILD_INT_H
#define CONVERT_BUILD_INT_H

#include "arch/names.h"
#include "convert/convert.h"
#include "gguf/draft.h"
#include "plan/folder.h"

/* Per-expert tensors of one block, until all are there. */
struct expert_group {
    uint64_t block;
    uint64_t nexpert, nseen;
    struct expert_rule {
        const struct tensor_rule *rule;
        const struct tensor **tensor; /* [nexpert]; NULL: not met yet */
        uint64_t nseen;
        bool emitted;
    } rules[3]; /* in table order */
};

/* What becomes of a weight that is stored in several tensors. */
enum packed_fate {
    PACKED_STAYS,  /* NVFP4 in the output too */
    PACKED_HEAD,   /* floats, as all below: of the multi-token-prediction head */
    PACKED_ROWS,   /* its rows are no whole blocks */
    PACKED_SCALE,  /* it has a scale that the runtime would not read */
    PACKED_FLOAT8, /* was not NVFP4, but floats of 8 bits with one scale */
};

struct packed {
    struct tensor weight; /* as the model's tensor: its name, shape, and a type for codes and scales */
    const struct tensor *codes, *fine;
    float scale, input_scale; /* of the whole tensor */
    enum packed_fate fate;
};

/* In builder.packed_of: not stored in parts; a part of another tensor. */
#define PACKED_NONE UINT32_MAX
#define PACKED_PART (UINT32_MAX - 1)

struct builder;

/* What differs between the worlds that a checkpoint is converted to. */
struct build_world {
    const char *(*own)(const struct tensor_rule *rule); /* the rule's name for its one output tensor */
    const struct tensor_form *(*form)(const struct tensor_rule *rule);
    /* The complete name of a tensor, for a rule's or a part's own. */
    void (*name)(const struct builder *b, const struct name_match *m, const char *own,
                 char out[NAME_MAX_LEN]);
    /* Adds the tensors that are made by formula; may be NULL. */
    enum status (*generate)(struct builder *b, struct err *err);
    /* Called with each step that has its views and operations; may be NULL. */
    enum status (*finish)(struct builder *b, const struct name_match *m, struct plan_step *step,
                          struct err *err);
    const char *no_tower; /* why vision tensors are left out */
    bool drops_tied;      /* a tied model's output matrix is left out */
    bool rounds_bf16;     /* arithmetic on bfloat16 checkpoints is done in bfloat16 */
    bool stacks;          /* numbered experts become the outermost axis of one tensor */
};

/* to_gguf.c, to_mlx.c, to_hf.c */
extern const struct build_world build_gguf_world, build_mlx_world, build_hf_world;

/* What files with one head mode have in common: their tensors, in the plan's steps, and their metadata but
 * for what their types change. */
struct builder {
    const struct build_world *world;
    struct plan *plan;
    struct source *source;
    const struct convert_options *options;
    enum mtp_mode mtp;
    struct hparams hp; /* the text model's, or the vision tower's */
    bool vision;
    bool tied;                   /* the config says that the embeddings are the output matrix */
    struct mlx_types *mlx;       /* of an MLX folder */
    const struct hf_options *hf; /* of a Hugging Face folder */
    struct builder *tower;       /* takes the vision tensors; NULL: they are left out */
    struct expert_group *groups;
    size_t ngroup, group_cap;
    struct map names;    /* output names -> index in steps */
    struct map left_out; /* output names of tensors that the head mode leaves out */
    size_t *steps;       /* of the plan, in the files' order; in the plan's arena */
    size_t nstep;
    size_t nearlier;           /* steps of the plan that were there before */
    bool nvfp4, nvfp4_inverse; /* the source is NVFP4; with scales to divide by */
    struct packed *packed;
    size_t npacked;
    uint32_t *packed_of; /* of each source tensor: index into packed, or one of the above; NULL: not NVFP4 */
    struct map packed_names; /* weight names -> index into packed */
    const char *unknown;     /* the first unknown tensor, and how many there are */
    size_t nunknown;
    struct authorship authorship;
    struct meta meta;
};

/* ---- build.c ---- */

/* Reads the config into b->hp. E_UNSUPPORTED for what is no unquantized checkpoint of a known architecture.
 */
enum status build_open(struct builder *b, struct err *err);

/* Tells the plan of all files that are read, or may be. */
enum status build_add_inputs(struct builder *b, struct err *err);

/* Every tensor to steps, or to the dropped ones. E_FORMAT for unknown, missing or misshapen tensors. */
enum status build_tensors(struct builder *b, struct err *err);

/* Whether there are tensors of a vision tower. */
bool build_has_tower(const struct builder *b);

/* Lets `tower` take them. */
enum status build_add_tower(struct builder *b, struct builder *tower, struct err *err);

/* The files that stand beside the weights in a folder: the source's own, or what a GGUF file tells of them.
 */
enum status build_add_beside(struct builder *b, struct folder *f, struct err *err);

/* ---- emit.c ---- */

/* Adds the steps that a recognised source tensor falls into. */
enum status emit_tensor(struct builder *b, const struct name_match *m, const struct tensor *t,
                        struct err *err);

/* A new step under the match's name for a rule's or a part's own; two source tensors must not make the same
 * one.
 */
enum status emit_step(struct builder *b, const struct name_match *m, const char *own,
                      const struct tensor *shape, struct plan_step **step, struct err *err);

/* Collects a per-expert tensor; the last one of its block emits them all, stacked where the world has them
 * so. */
enum status emit_expert(struct builder *b, const struct name_match *m, const struct tensor *t,
                        struct err *err);

/* E_FORMAT naming the missing experts of the first incomplete block. */
enum status emit_finish(struct builder *b, struct err *err);

/* Checks a tensor's shape against its rule's, and that its type can be read as numbers. */
enum status emit_check(struct builder *b, const struct name_match *m, const struct tensor *t,
                       struct err *err);

/* The type alone: E_UNSUPPORTED for what has no values. */
enum status emit_check_type(const struct source *source, const struct tensor *t, struct err *err);

/* Whether all experts of a block have been met as numbered ones. */
bool emit_has_experts(const struct builder *b, uint64_t block);

/* ---- prequant.c ---- */

/* Reads what the config says of a quantized source: sets nvfp4, refuses all else. */
enum status prequant_decide(struct builder *b, struct err *err);

/* ---- nvfp4.c ---- */

/* Finds the parts of every weight of an NVFP4 source, checks them, and decides what becomes of it. */
enum status nvfp4_read(struct builder *b, struct err *err);

/* The parts of a weight; NULL for a tensor in one piece. */
const struct packed *nvfp4_find(const struct builder *b, const struct tensor *t);

/* Adds what stands beside the weight `gguf` in GGUF: its scales, one or one of each of n experts, and its
 * input scales; nothing where they are all 1. */
enum status nvfp4_emit_scales(struct builder *b, const struct name_match *m, const char *gguf,
                              const struct tensor *const *weights, uint64_t n, struct err *err);

/* Whether a step's values are NVFP4 that stays. */
bool nvfp4_stays(const struct builder *b, const struct plan_step *step);

/* ---- head.c ---- */

/* Decides about the multi-token-prediction head: brings in hidden tensors or an unlisted shard that hold a
 * promised one, sets hp.n_mtp, notes what was promised and is not there, and what else the index leaves out.
 */
enum status head_decide(struct builder *b, struct err *err);

/* Reasons for leaving a tensor out under a head mode. */
#define HEAD_DROPPED "multi-token-prediction head (--mtp drop)"
#define NOT_OF_HEAD  "not of the head (--mtp only)"

/* Whether a text tensor is of the head. */
bool head_has(const struct builder *b, const struct name_match *m);

/* The type that a text tensor has, or would have in a checkpoint that it was grafted to. */
enum dtype head_stored_type(const struct builder *b, const struct name_match *m, const struct tensor *t);

/* Why a text tensor is left out under the head mode, or NULL. */
const char *head_drop_reason(const struct builder *b, const struct name_match *m);

/* ---- expect.c ---- */

/* E_FORMAT naming the tensors that the architecture needs and the checkpoint lacks. */
enum status expect_complete(struct builder *b, struct err *err);

/* Reads tie_word_embeddings. *said: the config has it. */
enum status expect_tie(const struct builder *b, bool *said, bool *tied, struct err *err);

/* Whether the output has what becomes of a source tensor of that canonical name. */
bool expect_made(const struct builder *b, const char *canonical);

/* ---- settle.c ---- */

/* To be called when all steps have their views and sinks: sources that are made become what they are made of,
 * and blocks whose levels coincide are taken over as they are. Notes what happens to quantized tensors.
 * E_UNSUPPORTED for what would be quantized again and must not. */
enum status settle(struct builder *b, bool allow_requantize, struct err *err);

/* ---- types.c ---- */

/* Takes every step into the draft, in the type that it has in a file of type `file`. */
enum status types_choose(const struct builder *b, enum dtype file, struct draft *d, struct err *err);

/* The type that --type auto stands for. */
enum dtype types_auto(const struct builder *b);
uint32_t types_file_id(enum dtype t); /* general.file_type */

/* What a file of type `t` calls itself: NVFP4, where floats stand beside NVFP4. */
enum dtype types_shown(const struct builder *b, enum dtype t);

/* ---- metadata.c ---- */

/* Fills b->authorship and b->meta, in order; general.file_type is there, but its value is the draft's. */
enum status metadata_build(struct builder *b, struct err *err);

/* The name of a file by the reference's rule, with `tag` for the type. */
enum status metadata_file_name(const struct builder *b, const char *tag, const char **name, struct err *err);

#endif
