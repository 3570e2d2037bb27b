/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The multi-token-prediction head of a checkpoint, as its tensors show it: whatever the container, and
 * however its names are spelled.
 */
#ifndef ARCH_HEAD_H
#define ARCH_HEAD_H

#include "arch/names.h"
#include "formats/source.h"

#define HEAD_MAX_LAYERS  4096  /* as many as a config may promise */
#define HEAD_MAX_EXPERTS 65536 /* far above any real model */
#define HEAD_MAX_LISTED  4096  /* missing tensors that are kept by name */

/* How a checkpoint spells the head's names. */
enum head_names {
    HEAD_NONE,   /* there is none */
    HEAD_MTP,    /* "mtp.fc.weight", or the same within a wrapper: "language_model.mtp.fc.weight" */
    HEAD_BARE,   /* a drafter, which is nothing but a head: "fc.weight", "layers.0..." */
    HEAD_BLOCKS, /* GGUF: the blocks behind the trunk's */
};

struct head_tensor {
    const struct tensor *tensor;
    struct name_match match; /* in head.hp: block is the layer of the head */
};

struct head {
    enum head_names names;
    const struct arch *arch;     /* whose tables know it; NULL: none does, and the rest but nlayer and
                                    unknown stays empty */
    struct hparams hp;           /* a model of that head alone: names and visits work on it, shapes do not */
    uint64_t nlayer;             /* layers that the names show */
    uint64_t first_block;        /* of HEAD_BLOCKS: the GGUF block of layer 0 */
    uint64_t nexpert;            /* by the config, else by the tensors; 0: dense */
    unsigned experts;            /* layouts of experts that are there: RULE_* bits; more than one is a mix */
    struct head_tensor *tensors; /* in the source's order */
    size_t ntensor;
    size_t nscale;                 /* scales and biases that are stored beside them */
    const struct tensor **unknown; /* under the head's names, but in no table */
    size_t nunknown;
    struct name_match *missing; /* what the tables ask for and is not there, in table order */
    size_t nmissing;            /* at most HEAD_MAX_LISTED are counted */
};

/* Layers that the names of the "mtp." tensors show: 1 when there are tensors of no layer, 0 when there are
 * none. E_FORMAT for a number that no head can have. */
enum status head_count_layers(const struct source *s, uint64_t *n, struct err *err);

/* Brings in the head's tensors that lie in the shards and are not in the folder's index; or those of a file
 * beside the checkpoint, whose name may have a folder in front. *n gets how many. The second fails like
 * source_open; a file that is no safetensors file has none. */
enum status head_adopt_hidden(struct source *s, size_t *n, struct err *err);
enum status head_adopt_file(struct source *s, const char *name, size_t *n, struct err *err);

/* Finds the head; config may be NULL, and is then guessed by names. The result lies in the source's arena and
 * points to its tensors. E_FORMAT for impossible numbers. */
enum status head_read(struct head *h, struct source *s, const struct hparams *config, struct err *err);

/* Whether all that the tables ask for is there, once, and nothing else. */
bool head_is_complete(const struct head *h);

bool head_is_quantized(const struct head *h); /* some of its matrices */

/* The name of a tensor in the head's own spelling, but for wrappers. */
void head_spell(const struct head *h, const struct name_match *m, char out[NAME_MAX_LEN]);

/* What is missing, as a list of names into out, experts by number: "mtp.norm.weight,
 * mtp.layers.0.mlp.experts.{e}.up_proj.weight of experts 3, 7"; returns out. */
#define HEAD_TEXT_MAX 1024
const char *head_missing_text(const struct head *h, char out[HEAD_TEXT_MAX]);

/* "dense", "numbered experts" ... */
const char *head_layout_name(const struct head *h);

#endif
