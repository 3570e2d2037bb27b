/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe, a model and overrides, and what is decided about them. */
#ifndef TESTS_UNIT_RECIPE_SETUP_H
#define TESTS_UNIT_RECIPE_SETUP_H

#include "quantize/recipe.h"
#include "tests/unit/recipe_cases.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MAX_TENSORS 2048

struct setup {
    struct arena arena;
    struct recipe *recipe;
    struct recipe_tensor tensor[MAX_TENSORS];
    struct recipe_choice choice[MAX_TENSORS];
    struct recipe_model model;
    struct recipe_overrides over;
};

static struct setup *setup_new(void)
{
    struct setup *s = calloc(1, sizeof *s);

    assert_non_null(s);
    arena_init(&s->arena, 0);
    recipe_overrides_init(&s->over);
    s->model.tensors = s->tensor;
    return s;
}

static void setup_free(struct setup *s)
{
    recipe_overrides_free(&s->over);
    recipe_free(s->recipe);
    arena_free(&s->arena);
    free(s);
}

static void load(struct setup *s, const char *recipe)
{
    struct err err = {0};

    recipe_free(s->recipe);
    if (recipe_load(&s->recipe, recipe, &err) != OK)
        fail_msg("%s: %s", recipe, err.text);
}

static void add(struct setup *s, const char *name, uint32_t rank, const uint64_t *shape, enum dtype source)
{
    uint64_t *copy = arena_array(&s->arena, rank, sizeof *copy);

    assert_true(s->model.n < MAX_TENSORS);
    memcpy(copy, shape, rank * sizeof *copy);
    s->tensor[s->model.n++] = (struct recipe_tensor){arena_strdup(&s->arena, name), rank, copy, source};
}

static void add_matrix(struct setup *s, const char *name, uint64_t columns)
{
    add(s, name, 2, (const uint64_t[]){64, columns}, DT_BF16);
}

static enum status decide(struct setup *s, struct err *err)
{
    const struct recipe_request q = {s->recipe, &s->model, &s->over, NULL};

    return recipe_decide(&q, s->choice, err);
}

static void must_decide(struct setup *s)
{
    struct err err = {0};

    if (decide(s, &err) != OK)
        fail_msg("%s: %s", s->recipe->name, err.text);
}

static void take_model(struct setup *s, const struct model_case *m)
{
    char name[64];

    s->model.arch = m->arch;
    s->model.n_layer_all = m->n_layer;
    s->model.expert_count = m->experts;
    s->model.head_count0 = m->heads;
    s->model.head_count_kv0 = m->kv_heads;
    for (const struct model_part *p = m->front; p->name; p++)
        add_matrix(s, p->name, p->columns);
    for (uint64_t b = 0; b < m->blocks; b++)
        for (const struct model_part *p = m->block; p->name; p++) {
            snprintf(name, sizeof name, "%s%" PRIu64 ".%s.weight", m->prefix, b, p->name);
            if (strstr(p->name, "_exps"))
                add(s, name, 3, (const uint64_t[]){m->experts, 64, p->columns}, DT_BF16);
            else
                add_matrix(s, name, p->columns);
        }
}

#endif
