/* SPDX-License-Identifier: Apache-2.0 */
/* From a checkpoint's tensor name to the rule that knows it, and from a rule to names in either world. */
#ifndef ARCH_NAMES_H
#define ARCH_NAMES_H

#include "arch/hparams.h"

#define NAME_MAX_LEN 256

/* A source tensor recognised. */
struct name_match {
    const struct tensor_rule *rule;
    uint64_t block;  /* GGUF block for layer tensors and the head's own */
    uint64_t expert; /* of a per-expert tensor */
};

enum name_kind {
    NAME_KNOWN,
    NAME_UNKNOWN,
    NAME_COMPUTED, /* known not to be needed: made at run time (rotary frequencies, masks) */
    NAME_VISION,   /* of the vision tower */
    NAME_BEYOND,   /* a layer that the config does not have: match->block tells which */
};

/* The canonical form of a source name: wrappers' prefixes are taken out, so that "model.language_model.
 * layers.0.x", "language_model.model.layers.0.x" and "model.layers.0.x" are the same, as is "model.mtp.x"
 * and "mtp.x". out has NAME_MAX_LEN bytes; false when the name does not fit. */
bool name_canonical(const char *name, char *out);

/* Recognises a name in the text model. */
enum name_kind name_match_text(const struct hparams *hp, const char *name, struct name_match *m);

/* Recognises a name in the vision tower; vision comes from hparams_vision. */
enum name_kind name_match_vision(const struct hparams *vision, const char *name, struct name_match *m);

/* Whether a name belongs to the multi-token-prediction head. */
bool name_is_mtp(const char *name);

/* Recognises a tensor of a GGUF file's text model by the rule that makes it alone (stacked experts, no
 * parts). */
bool name_match_gguf(const struct hparams *hp, const char *name, struct name_match *m);

/* The GGUF name for a rule's own or a part's `gguf` name, e.g. "blk.3.attn_q.weight". */
void name_gguf(const struct hparams *hp, const struct name_match *m, const char *gguf,
               char out[NAME_MAX_LEN]);
void name_gguf_vision(const struct hparams *vision, const struct name_match *m, const char *gguf,
                      char out[NAME_MAX_LEN]);

/* The name in an MLX folder; own: in place of the source's, for a rule's own or a part's name; or NULL. */
void name_mlx(const struct hparams *hp, const struct name_match *m, const char *own, char out[NAME_MAX_LEN]);
void name_mlx_vision(const struct hparams *vision, const struct name_match *m, const char *own,
                     char out[NAME_MAX_LEN]);

/* The canonical source name of a rule at a block (and expert): the inverse of name_match_text. */
void name_source(const struct hparams *hp, const struct name_match *m, char out[NAME_MAX_LEN]);
void name_source_vision(const struct hparams *vision, const struct name_match *m, char out[NAME_MAX_LEN]);

/* How a checkpoint of this class spells a canonical name: inside the wrapper, "model." is followed by
 * "language_model." or, for the tower, precedes it. */
void name_spell(const struct hparams *hp, const char *canonical, char out[NAME_MAX_LEN]);

/* Calls fn for every rule of the tables at every place it belongs to (all layers, all experts), in table
 * order within a block. Optional rules are left out unless with_optional. Stops at the first failure. */
struct name_visit {
    unsigned experts; /* their layout: RULE_FUSED, RULE_PER_EXPERT or RULE_STACKED; 0: without experts */
    bool with_optional;
    void *ctx;
    enum status (*fn)(void *ctx, const struct name_match *m, struct err *err);
};
enum status name_visit_text(const struct hparams *hp, const struct name_visit *v, struct err *err);
enum status name_visit_vision(const struct hparams *vision, const struct name_visit *v, struct err *err);

#endif
