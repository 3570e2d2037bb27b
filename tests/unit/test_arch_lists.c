/* SPDX-License-Identifier: Apache-2.0 */
/* The architecture tables against the tensor lists of released checkpoints, where these are there. */
#include "arch/names.h"
#include "core/arena.h"
#include "core/file.h"
#include "core/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/arch_model.h"

#define REAL_SHAPES "../shared/models/real-shapes/"

struct listing {
    struct buf text;
    struct arena arena;
    struct map index;
    const char **name, **shape;
    bool *met;
    size_t n;
    bool numbered_head; /* experts of the head are one tensor each, those of the trunk are fused */
    const struct model *m;
    bool vision, numbered; /* the pass under way */
    size_t differ;
};

/* Lines "name <tab> dtype <tab> [shape]" after a heading. */
static void listing_load(struct listing *l, const char *path)
{
    struct err err = {0};
    size_t nline = 0;
    uint32_t before;

    *l = (struct listing){0};
    arena_init(&l->arena, 0);
    buf_init(&l->text, 4 * MIB);
    if (file_load(path, &l->text, &err) != OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < l->text.n; i++)
        nline += l->text.p[i] == '\n';
    l->name = arena_array(&l->arena, nline + 1, sizeof *l->name);
    l->shape = arena_array(&l->arena, nline + 1, sizeof *l->shape);
    l->met = arena_array(&l->arena, nline + 1, sizeof *l->met);
    assert_true(l->name && l->shape && l->met);
    char *line = strchr(l->text.p, '\n');
    while (line && line[1]) {
        char *name = line + 1, *dtype = strchr(name, '\t'), *shape = dtype ? strchr(dtype + 1, '\t') : NULL;

        assert_non_null(shape);
        line = strchr(shape, '\n');
        *dtype = *shape = '\0';
        if (line)
            *line = '\0';
        l->name[l->n] = name;
        l->shape[l->n] = shape + 1;
        assert_true(map_add(&l->index, slice_of(name), (uint32_t)l->n, &before));
        assert_int_equal(before, MAP_NONE);
        l->n++;
    }
    l->numbered_head = map_find(&l->index, slice_of("mtp.layers.0.mlp.experts.0.up_proj.weight")) != MAP_NONE;
}

static void listing_free(struct listing *l)
{
    map_free(&l->index);
    arena_free(&l->arena);
    buf_free(&l->text);
}

/* Optional tensors: the lists have an output matrix where it is not tied, and no biases. */
static bool is_made(const struct listing *l, const struct name_match *m)
{
    bool tied = false;
    const unsigned flags = m->rule->flags;

    if (flags & RULE_OPTIONAL) {
        (void)json_bool(hparams_find(&l->m->hp, "tie_word_embeddings"), &tied);
        return strcmp(m->rule->hf, "lm_head.weight") == 0 && !tied && !l->numbered;
    }
    if (!(flags & (RULE_FUSED | RULE_PER_EXPERT)))
        return !l->numbered;
    bool head = m->block >= l->m->hp.n_layer;
    return l->numbered == (head && l->numbered_head);
}

static enum status compare_place(void *ctx, const struct name_match *m, struct err *err)
{
    struct listing *l = ctx;
    const struct hparams *hp = l->vision ? &l->m->vision : &l->m->hp;
    char canonical[NAME_MAX_LEN], spelled[NAME_MAX_LEN], shape[SHAPE_TEXT_MAX];
    uint64_t dims[TENSOR_MAX_RANK];
    uint32_t rank;

    if (!is_made(l, m))
        return OK;
    if (l->vision)
        name_source_vision(hp, m, canonical);
    else
        name_source(hp, m, canonical);
    name_spell(&l->m->hp, canonical, spelled);
    enum status s = hparams_shape(hp, m->rule->shape, dims, &rank, err);
    if (s != OK)
        return s;
    shape_text(dims, rank, shape);
    char *to = shape; /* the lists have no blanks */
    for (const char *from = shape; *from; from++)
        if (*from != ' ')
            *to++ = *from;
    *to = '\0';
    uint32_t i = map_find(&l->index, slice_of(spelled));
    if (i == MAP_NONE || l->met[i] || strcmp(shape, l->shape[i]) != 0) {
        print_message("%s %s: listed as %s\n", spelled, shape, i == MAP_NONE ? "nothing" : l->shape[i]);
        l->differ++;
    }
    if (i != MAP_NONE)
        l->met[i] = true;
    return OK;
}

static void compare_model(const char *name)
{
    char path[256];
    struct err err = {0};
    struct listing l;
    struct model m;

    snprintf(path, sizeof path, REAL_SHAPES "%s.json", name);
    load_model(&m, path);
    snprintf(path, sizeof path, REAL_SHAPES "%s.tsv", name);
    listing_load(&l, path);
    l.m = &m;
    struct name_visit visit = {.fused = true, .with_optional = true, .ctx = &l, .fn = compare_place};
    enum status s = name_visit_text(&m.hp, &visit, &err);
    visit.fused = false;
    l.numbered = true;
    if (s == OK)
        s = name_visit_text(&m.hp, &visit, &err);
    l.numbered = false;
    l.vision = true;
    if (s == OK)
        s = name_visit_vision(&m.vision, &visit, &err);
    if (s != OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < l.n; i++) {
        if (!l.met[i]) {
            print_message("%s: no rule makes it\n", l.name[i]);
            l.differ++;
        }
    }
    if (l.differ)
        fail_msg("%s: %zu of %zu tensors differ", name, l.differ, l.n);
    listing_free(&l);
    json_free(m.config);
}

static void test_real_shapes(void **state)
{
    (void)state;
    if (access(REAL_SHAPES, F_OK) != 0)
        skip();
    compare_model("Qwen3.5-0.8B");
    compare_model("Qwen3.5-9B");
    compare_model("Qwen3.5-35B-A3B");
    compare_model("Qwen3.6-35B-A3B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
