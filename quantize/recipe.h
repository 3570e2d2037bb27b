/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tensor gets which type. A recipe is a list of rules, read from text (docs/recipes.md explains the
 * language; recipes.txt holds the recipes of llama-quantize); the first rule that fits a tensor decides. What
 * is decided depends on the recipe, the model's facts and the overrides alone.
 */
#ifndef QUANTIZE_RECIPE_H
#define QUANTIZE_RECIPE_H

#include "core/pattern.h"
#include "formats/meta.h"
#include "formats/tensor.h"

/* ---- the model ---- */

struct recipe_tensor {
    const char *name;
    uint32_t rank;
    const uint64_t *shape; /* outermost first */
    enum dtype source;
};

/* All borrowed. */
struct recipe_model {
    const char *arch;
    uint64_t n_layer_all; /* blocks, those of the MTP head included; 0 for a projector ("clip") */
    uint64_t n_layer_mtp; /* of them in the head, the last ones */
    uint64_t expert_count;
    uint64_t head_count0, head_count_kv0; /* of the first layer */
    bool has_imatrix;
    const struct recipe_tensor *tensors; /* in the order of the output file */
    size_t n;
};

/* Fills everything but has_imatrix and the tensors from a GGUF file's metadata, as llama.cpp's loader counts.
 * arch is copied to the metadata's arena. E_FORMAT when general.architecture is missing. */
enum status recipe_model_read(struct recipe_model *m, const struct meta *meta, struct err *err);

/* ---- recipes ---- */

enum recipe_role {
    ROLE_OUTPUT, /* output.weight, and the token embedding of a model that has none (tied) */
    ROLE_EMBEDDING,
    ROLE_ATTN_V, /* attn_qkv and attn_kv_b too */
    ROLE_ATTN_K,
    ROLE_ATTN_Q,
    ROLE_ATTN_OUTPUT,
    ROLE_FFN_UP,
    ROLE_FFN_GATE,
    ROLE_FFN_DOWN,
    ROLE_OTHER,
    ROLE_COUNT
};

/* As written in recipes: "attn_v". */
const char *recipe_role_name(enum recipe_role role);

enum recipe_action { RECIPE_TYPE, RECIPE_DEFAULT, RECIPE_KEEP };

struct recipe_cond;

struct recipe_rule {
    const char *selector, *conditions, *target; /* as written, blanks evened out */
    const char *file;                           /* "recipes.txt" or the user's file */
    unsigned line;
    const char *section; /* the recipe or group that the line stands in */
    uint32_t roles;      /* bits; 0 when the selector is a pattern */
    const struct pattern *pattern;
    const struct recipe_cond *cond;
    size_t ncond;
    enum recipe_action action;
    enum dtype type;
};

struct recipe {
    struct arena arena;
    const char *name;
    const char *const *alias;
    size_t nalias;
    const char *about;         /* one phrase; NULL = none */
    int file_type;             /* general.file_type; -1 when the recipe does not say */
    enum recipe_action action; /* of the default: RECIPE_TYPE, or RECIPE_KEEP for a copy of every tensor */
    enum dtype type;
    const struct recipe_rule *rules; /* in order, groups put in */
    size_t n;
    bool needs_imatrix[DT_COUNT]; /* types that this recipe, unlike others, refuses to write without
                                     importance data */
    const char *const *define;    /* the lines that define words of the rules; built-in ones as comments */
    size_t ndefine;
};

/* A built-in recipe by its name in any case, or a recipe file by its path. E_USAGE (the nearest name),
 * E_FORMAT (file:line: sentence), E_IO, E_LIMIT. */
enum status recipe_load(struct recipe **out, const char *name_or_file, struct err *err);
void recipe_free(struct recipe *r); /* NULL is legal */

/* Reads a recipe from text as if it were the file `name` (borrowed). */
enum status recipe_parse(struct recipe **out, const char *text, const char *name, struct err *err);

/* The built-in recipes' names in their order, in the arena. */
enum status recipe_names(struct arena *a, const char *const **names, size_t *n, struct err *err);

/* The recipe as a file that reads back as the same recipe. */
void recipe_print(struct buf *out, const struct recipe *r);

/* A type that can be written to GGUF by its name, any case; E_USAGE names the nearest. */
enum status recipe_type_find(const char *name, enum dtype *type, struct err *err);

/* ---- what the user asks for beside the recipe ---- */

struct recipe_override {
    const char *text; /* as given: "PATTERN=TYPE" or "PATTERN" */
    const struct pattern *pattern;
    enum dtype type;
};

struct recipe_overrides {
    struct arena arena;
    struct recipe_override *types; /* the first that is found in a name decides */
    size_t ntype, type_cap;
    struct recipe_override *keeps;
    size_t nkeep, keep_cap;
    enum dtype output_type, embedding_type, mtp_type; /* DT_COUNT = not given */
    bool pure, leave_output;
};

void recipe_overrides_init(struct recipe_overrides *o);
void recipe_overrides_free(struct recipe_overrides *o);

/* "PATTERN=TYPE": the pattern ends at the first '=' and is made lower-case, as llama-quantize does. E_USAGE.
 */
enum status recipe_override_type(struct recipe_overrides *o, const char *pattern_is_type, struct err *err);
/* A file of them, separated by blanks and line ends. */
enum status recipe_override_types_file(struct recipe_overrides *o, const char *path, struct err *err);
/* Tensors whose name has the pattern keep their type. */
enum status recipe_override_keep(struct recipe_overrides *o, const char *pattern, struct err *err);

/* ---- decisions ---- */

enum recipe_reason {
    BY_FIXED, /* never converted: `why` says what it is */
    BY_KEEP,  /* --keep or --leave-output: `why` */
    BY_EMBEDDING_TYPE,
    BY_OUTPUT_TYPE,
    BY_MTP_TYPE,
    BY_TENSOR_TYPE, /* `why` is the option's text */
    BY_PURE,
    BY_RULE,
    BY_DEFAULT,
};

/* What conditions ask about one tensor. */
struct recipe_facts {
    enum recipe_role role;
    uint64_t nth, nth_of; /* tensors of its kind before it that rules decide; what fractions are of */
    uint64_t place,
        place_of;   /* the position that llama-quantize goes by: nth, or the layer of an FFN with experts */
    uint64_t layer; /* UINT64_MAX outside the blocks */
    bool no_place;  /* the place would be a layer that the name does not tell */
};

struct recipe_choice {
    enum dtype type; /* to write; the source's own when it is kept */
    enum dtype
        wanted; /* before the fallback for rows that do not fit its blocks; equal to type without one */
    enum recipe_reason reason;
    const char *why;
    const struct recipe_rule *rule; /* BY_RULE */
    bool needs_imatrix;             /* the type must not be written without importance data */
    struct recipe_facts facts;
};

/* Decides on every tensor; out has m->n elements. E_USAGE: an override that fits no tensor. E_UNSUPPORTED: a
 * tensor whose rows fit neither the type nor a substitute. `notes` (may be NULL) gets what has no effect. */
struct recipe_request {
    const struct recipe *recipe;
    const struct recipe_model *model;
    const struct recipe_overrides *overrides; /* NULL = none */
    struct notes *notes;
};
enum status recipe_decide(const struct recipe_request *q, struct recipe_choice *out, struct err *err);

/* The sentence or two about tensor i for --explain. */
void recipe_explain(struct buf *out, const struct recipe_request *q, size_t i, const struct recipe_choice *c);

#endif
