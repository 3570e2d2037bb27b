/* SPDX-License-Identifier: Apache-2.0 */
/* What the recipe files share; nobody else includes this. */
#ifndef QUANTIZE_RECIPE_INT_H
#define QUANTIZE_RECIPE_INT_H

#include "quantize/recipe.h"

enum recipe_fact {
    FACT_NTH,
    FACT_PLACE,
    FACT_LAYER,
    FACT_GQA,
    FACT_EXPERTS,
    FACT_LAYERS,
    FACT_HEADS,
    FACT_KV_HEADS,
    FACT_COLUMNS,
    FACT_ARCH,   /* words */
    FACT_SPREAD, /* from here on: true or false */
    FACT_IMATRIX,
    FACT_TIED,
    FACT_MISFIT,
    FACT_3D,
    FACT_MTP,
    FACT_DEFINED, /* a word of a define line */
    FACT_COUNT
};

enum recipe_compare { CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQ, CMP_NE };

struct recipe_cond {
    enum recipe_fact fact;
    bool negate;
    enum recipe_compare compare;
    uint64_t num, den;       /* den 0: a plain number; else that part of the fact's whole */
    enum recipe_fact other;  /* compared with this fact instead; FACT_COUNT = with the number */
    const char *const *word; /* FACT_ARCH: any of them */
    size_t nword;
    const struct recipe_define *define;
};

/* A word that holds when all conditions of one of its lines do. */
struct recipe_define {
    const char *word;
    struct recipe_line {
        const char *text; /* the whole line */
        const struct recipe_cond *cond;
        size_t ncond;
    } * line;
    size_t n, cap;
    bool from_user, used;
};

/* Newer ones hide older ones of the same name. */
struct recipe_words {
    struct recipe_define **define;
    size_t n, cap;
};

/* recipe_facts.c */

/* Why a tensor is never converted, or NULL. */
const char *recipe_fixed(const struct recipe_tensor *t);
uint64_t recipe_columns(const struct recipe_tensor *t);
/* The role by name alone, the token embedding always ROLE_EMBEDDING. */
enum recipe_role recipe_role_of(const char *name);
/* The number in the first "blk.<number>." of a name, or UINT64_MAX. */
uint64_t recipe_layer_of(const char *name);
/* What takes the place of a type whose blocks do not divide a row; DT_COUNT = nothing does. */
enum dtype recipe_substitute(enum dtype t);
bool recipe_type_is_writable(enum dtype t);
bool recipe_type_needs_imatrix(enum dtype t);

/* recipe_cond.c */

/* A condition, E_FORMAT; `words` holds what the lines above have defined. */
enum status recipe_cond_parse(struct arena *a, const char *text, const struct recipe_words *words,
                              struct recipe_cond *out, struct err *err);
/* Whether the word is a fact's name, which no line may define. */
bool recipe_is_fact(const char *word);

struct recipe_scene {
    const struct recipe *recipe;
    const struct recipe_model *model;
    const struct recipe_tensor *tensor;
    const struct recipe_facts *facts;
    bool tied;
    bool no_place; /* out: a condition asked for a place that is not known */
};

bool recipe_rule_fits(struct recipe_scene *s, const struct recipe_rule *rule);

/* recipe_read.c */

/* The recipe of that name among the built-in ones, or the one in `text` where it is not NULL; `name` is then
 * the text's name in errors. *out stays NULL when there is no such built-in recipe. */
enum status recipe_read(struct recipe **out, const char *name, const char *text, struct err *err);

/* recipe_text.c */

extern const char recipe_text[];

#endif
