/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of each architecture, as data: names in both worlds, shapes, where each tensor occurs, how
 * its values are rearranged, which hyper-parameters become which metadata. Every direction and check reads
 * these tables: conversion, samples, validation. One family is one file and one row in archs.c; a function
 * stands beside the data only where a formula is needed.
 *
 * Sizes are expressions over symbols ("2*NH*HD,H"): integers, symbol names, + - * /. A symbol is a row of
 * the family's symbol table: the config key that gives it, and what it is when the key is missing.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include "formats/meta.h"
#include "plan/plan.h"

struct hparams;

/* Kinds of layers a tensor occurs in, as bits. */
enum {
    IN_LINEAR = 1, /* linear attention (a recurrent layer) */
    IN_FULL = 2,   /* full attention */
    IN_HEAD = 4,   /* a layer of the multi-token-prediction head */
    IN_ALL = IN_LINEAR | IN_FULL | IN_HEAD,
};

enum tensor_scope {
    SCOPE_MODEL, /* once, full names on both sides */
    SCOPE_LAYER, /* per layer: names after the layer's prefix */
    SCOPE_MTP,   /* once in the head, full source name; GGUF name within the head's first block */
};

/* A slice of one axis: the axis seen as [outer][inner], of each inner run the part [start, start + len).
 * Several slices of a part are laid one after the other on that axis. */
struct axis_slice {
    const char *outer, *inner, *start, *len; /* expressions; NULL ends a list */
};

#define PART_MAX_SLICES 3

/* One of the output tensors that a source tensor falls into. */
struct tensor_part {
    const char *name;
    struct axis_slice slice[PART_MAX_SLICES + 1];
};

/* How a tensor's elements are rearranged and changed on the way out. The zero value: not at all. */
struct tensor_form {
    const char *name; /* for --explain and docs */
    uint8_t axis;     /* that group or parts refer to */
    /* The axis from index `skip` (NULL: 0) on is seen as [group0][group1][group2] and stored in the order
     * given by perm: perm {1, 0, 2} puts group1 outermost. group[0] NULL: no rearrangement. */
    const char *skip;
    const char *group[3];
    uint8_t perm[3];
    const struct tensor_part *parts; /* ends with name NULL; NULL: one tensor named by the rule */
    const char *undivided; /* name where it is not taken apart, as NVFP4 is not; NULL: there is none */
    uint8_t drop_axis;     /* an axis of length 1 to leave out; 0: none */
    const char *axes;      /* the axes in their new order, a digit each; NULL: as they are */
    bool op_set;
    enum op op; /* applied to every element when op_set */
};

enum {
    RULE_OPTIONAL = 1,   /* may be missing */
    RULE_FUSED = 2,      /* of the fused expert layout: a layer has its experts in one of the layouts */
    RULE_PER_EXPERT = 4, /* one source tensor per expert ({e}), stacked; emitted in table order once the
                            layer's last expert tensor has been met */
    RULE_PATCH = 8,      /* GGUF type F16 in an F16 file, else F32 */
    RULE_STACKED = 16,   /* of the stacked expert layout, MLX's: one tensor per projection, as in GGUF */
    RULE_EXPERTS = RULE_FUSED | RULE_PER_EXPERT | RULE_STACKED,
};

enum {
    MLX_PLAIN = 1,    /* never quantized */
    MLX_OWN_TYPE = 2, /* keeps the checkpoint's type whatever the folder's */
};

/* What a tensor is in an MLX folder, where that is more than the source's name behind the family's prefix. */
struct mlx_rule {
    const char *name;               /* in place of the source's; NULL: the source's, or the form's parts' */
    const struct tensor_form *form; /* NULL: as it is */
    unsigned flags;                 /* MLX_* bits */
    uint8_t bits; /* when quantized: that many in groups of 64, whatever the folder's; 0: the folder's */
};

struct tensor_rule {
    enum tensor_scope scope;
    const char *hf;                 /* {e}: expert number */
    const char *gguf;               /* NULL when the form has parts */
    const char *shape;              /* of the source tensor (of one expert, with {e}), outermost first */
    unsigned in;                    /* IN_* bits, for SCOPE_LAYER */
    unsigned flags;                 /* RULE_* bits */
    const struct tensor_form *form; /* NULL: as it is */
    const struct mlx_rule *mlx;     /* NULL: as it is, under the source's name */
};

struct symbol {
    const char *name;
    const char *keys;     /* config keys, first present wins: "num_experts|num_local_experts"; NULL: none */
    const char *fallback; /* expression when none is present; NULL: then using it is an error */
};

enum key_kind {
    KEY_U32,      /* integer from the config keys */
    KEY_F32,      /* number from the config keys */
    KEY_EXPR,     /* u32 from an expression */
    KEY_FUNCTION, /* computed by a function, which may add several keys or none */
};

/* One metadata key (or group) of the converted file, in writing order. */
struct key_rule {
    const char *key; /* without the architecture's prefix; with a leading '.' it is complete */
    enum key_kind kind;
    const char *from; /* config keys "a|b", or the expression */
    enum status (*function)(const struct hparams *hp, struct meta *out, struct err *err);
    bool required; /* loaders refuse a file without it; of numbers from config keys */
};

enum check_kind {
    CHECK_POSITIVE, /* right is NULL */
    CHECK_MULTIPLE,
    CHECK_AT_MOST,
};

/* What must hold between numbers of a config; whatever the kind, both sides are 1 or more. */
struct config_check {
    const char *left; /* a symbol */
    enum check_kind kind;
    const char *right; /* a symbol or a number */
};

/* A value that the model's class assumes when config.json lacks the key. */
struct config_default {
    const char *key;
    const char *value; /* an expression, or a decimal fraction for KEY_F32 */
};

/* What a config.json of the architecture says and no metadata tells, because it is always so. */
struct config_fixed {
    const char *key, *json;
};

enum vocab_kind {
    VOCAB_BPE,        /* byte-level BPE from tokenizer.json, always */
    VOCAB_SPM_OR_BPE, /* tokenizer.model where there is one, else as above */
    VOCAB_LLAMA,      /* tokenizer.model, else byte-fallback BPE, else byte-level BPE */
};

/* The vision tower of a family, converted to a file of its own. */
struct vision_arch {
    const char *prefix;                      /* of its tensors, after the wrapper's "model." */
    const char *layer_hf, *layer_gguf;       /* what stands before a layer's names, with {i} */
    const char *depth;                       /* number of layers (expression) */
    const char *projector;                   /* GGUF's clip.projector_type */
    const struct tensor_rule *const *tables; /* as below */
    const struct symbol *symbols;            /* over vision_config */
    const struct config_check *checks;       /* as below */
};

/* A family in MLX's world: the class that loads its folders. */
struct mlx_arch {
    const char *model_type; /* in config.json */
    const char *prefix;     /* before the canonical names of the text model */
    const char *tower;      /* in place of the tower's own; NULL: none */
    bool has_mtp;           /* the class lets a folder hold the head */
};

struct arch {
    const char *name;                 /* GGUF's general.architecture */
    const char *const *hf_classes;    /* names in config.json's architectures; NULL ends */
    const char *const *hf_types;      /* the model_type of each class; one that ends in _text is of the
                                         text model alone, which others have within a wrapper */
    const struct config_fixed *fixed; /* ends with key NULL; may be NULL */
    bool rope_parameters; /* its configs hold rope numbers there, not beside the others and in rope_scaling */
    const struct tensor_rule *const *tables; /* each ends with hf NULL; NULL ends */
    const struct symbol *symbols;
    const struct config_check *checks;     /* ends with left NULL */
    const struct config_default *defaults; /* ends with key NULL; may be NULL */
    const struct key_rule *keys;           /* after the generic ones; ends with key NULL; may be NULL */
    const char *full_interval; /* every n-th layer has full attention, the others linear (expression); NULL:
                                  all full */
    bool has_mtp;
    bool fused_experts; /* the class's checkpoints have them fused; else numbered, if there are any */
    enum vocab_kind vocab;
    const struct vision_arch *vision; /* NULL: none known */
    const struct mlx_arch *mlx;       /* NULL: none known */
    /* Adds steps for tensors that are made, not converted; they are written before all others. Their sources
     * get their codecs from the caller. May be NULL. */
    enum status (*generate)(const struct hparams *hp, struct plan *plan, struct err *err);
};

/* By class name as in config.json; NULL when unknown. */
const struct arch *arch_find(const char *hf_class);
const struct arch *arch_at(size_t i); /* all of them: NULL past the end */

#endif
