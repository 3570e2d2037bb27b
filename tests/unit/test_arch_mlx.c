/* SPDX-License-Identifier: Apache-2.0 */
/* MLX's names and shapes: of the samples against themselves, of released models against what the strict
 * loaders declare (../shared/models/real-shapes/mlx). */
#include "arch/names.h"
#include "core/arena.h"
#include "core/file.h"
#include "core/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/arch_model.h"

#define SHARED "../shared/models/real-shapes/"

/* The tensors of a folder, each as "name<tab>[2,3]". */
struct listing {
    const struct hparams *hp;
    bool vision, tied;
    struct arena arena;
    struct map lines;
    size_t n;
};

static void add(struct listing *l, const struct name_match *m, const char *own, const uint64_t *shape,
                uint32_t rank)
{
    char line[NAME_MAX_LEN + 200];
    uint32_t before;

    if (l->vision)
        name_mlx_vision(l->hp, m, own, line);
    else
        name_mlx(l->hp, m, own, line);
    for (uint32_t i = 0; i < rank; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%" PRIu64, i ? "," : "\t[", shape[i]);
    const char *copy = arena_printf(&l->arena, "%s]", line);
    assert_non_null(copy);
    assert_true(map_add(&l->lines, slice_of(copy), 0, &before));
    if (before != MAP_NONE)
        fail_msg("%s: twice", copy);
    l->n++;
}

static uint64_t eval(const struct listing *l, const char *expr)
{
    struct err err = {0};
    uint64_t v = 0;

    if (hparams_eval(l->hp, expr, &v, &err) != OK)
        fail_msg("%s", err.text);
    return v;
}

static void add_parts(struct listing *l, const struct name_match *m, const struct tensor_form *form,
                      uint64_t *shape, uint32_t rank)
{
    for (const struct tensor_part *p = form->parts; p->name; p++) {
        shape[form->axis] = 0;
        for (const struct axis_slice *s = p->slice; s->outer; s++)
            shape[form->axis] += eval(l, s->outer) * eval(l, s->len);
        add(l, m, p->name, shape, rank);
    }
}

static enum status list(void *ctx, const struct name_match *m, struct err *err)
{
    struct listing *l = ctx;
    const struct mlx_rule *mlx = m->rule->mlx;
    const struct tensor_form *form = mlx ? mlx->form : NULL;
    uint64_t shape[TENSOR_MAX_RANK], out[TENSOR_MAX_RANK];
    uint32_t rank;
    enum status s = hparams_shape(l->hp, m->rule->shape, shape, &rank, err);

    if (s != OK || (l->tied && strcmp(m->rule->hf, "lm_head.weight") == 0))
        return s;
    if (form && form->parts) {
        add_parts(l, m, form, shape, rank);
        return OK;
    }
    if (form && form->axes)
        assert_int_equal(strlen(form->axes), rank);
    for (uint32_t i = 0; i < rank; i++)
        out[i] = shape[form && form->axes ? form->axes[i] - '0' : (int)i];
    add(l, m, mlx ? mlx->name : NULL, out, rank);
    return OK;
}

static void list_all(struct listing *l, const struct model *m, bool tower)
{
    struct name_visit visit = {.experts = RULE_FUSED, .with_optional = true, .ctx = l, .fn = list};
    struct err err = {0};

    arena_init(&l->arena, 0);
    l->hp = &m->hp;
    if (name_visit_text(&m->hp, &visit, &err) != OK)
        fail_msg("%s", err.text);
    if (!tower)
        return;
    l->hp = &m->vision;
    l->vision = true;
    if (name_visit_vision(&m->vision, &visit, &err) != OK)
        fail_msg("%s", err.text);
}

static void free_listing(struct listing *l)
{
    map_free(&l->lines);
    arena_free(&l->arena);
}

/* Every line of a table "name<tab>type<tab>shape" is in the listing, and no more. */
static void compare(struct listing *l, const char *path)
{
    struct err err = {0};
    struct buf text;
    size_t n = 0;
    char *next;

    buf_init(&text, 16 * MIB);
    if (file_load(path, &text, &err) != OK)
        fail_msg("%s", err.text);
    for (char *line = strchr(text.p, '\n') + 1; *line; line = next) {
        char *type = strchr(line, '\t'), *shape = strchr(type + 1, '\t');

        next = strchr(shape, '\n') + 1;
        next[-1] = '\0';
        memmove(type, shape, strlen(shape) + 1);
        if (map_find(&l->lines, slice_of(line)) == MAP_NONE)
            fail_msg("%s: %s is not made", path, line);
        n++;
    }
    assert_int_equal(l->n, n);
    buf_free(&text);
}

static void test_released_models(void **state)
{
    static const char *const names[] = {"Qwen3.5-0.8B", "Qwen3.5-9B", "Qwen3.5-35B-A3B", "Qwen3.6-35B-A3B"};
    char path[256];

    (void)state;
    if (access(SHARED, R_OK) != 0)
        skip();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        for (int tower = 0; tower <= 1; tower++) {
            struct listing l = {.tied = i == 0};
            struct model m;

            snprintf(path, sizeof path, SHARED "%s.json", names[i]);
            load_model(&m, path);
            m.hp.n_mtp = 0;
            list_all(&l, &m, tower);
            snprintf(path, sizeof path, SHARED "mlx/%s.mlx_%s.tsv", names[i], tower ? "vlm" : "lm");
            compare(&l, path);
            free_listing(&l);
            json_free(m.config);
        }
    }
}

/* The published dimensions of the 80B; there is no config of it beside the table. */
static void test_qwen3_next(void **state)
{
    static const char config[] =
        "{\"architectures\":[\"Qwen3NextForCausalLM\"],\"num_hidden_layers\":48,\"vocab_size\":151936,"
        "\"hidden_size\":2048,\"num_attention_heads\":16,\"num_key_value_heads\":2,\"head_dim\":256,"
        "\"linear_num_key_heads\":16,\"linear_num_value_heads\":32,\"linear_key_head_dim\":128,"
        "\"linear_value_head_dim\":128,\"num_experts\":512,\"num_experts_per_tok\":10,"
        "\"moe_intermediate_size\":512,\"shared_expert_intermediate_size\":512,\"intermediate_size\":5120,"
        "\"rms_norm_eps\":1e-06,\"max_position_embeddings\":262144}";
    struct listing l = {0};
    struct model m;

    (void)state;
    if (access(SHARED, R_OK) != 0)
        skip();
    parse_model(&m, config);
    list_all(&l, &m, false);
    compare(&l, SHARED "mlx/Qwen3-Next-80B-A3B.mlx_lm.tsv");
    free_listing(&l);
    json_free(m.config);
}

static void assert_made(const struct listing *l, const char *line)
{
    if (map_find(&l->lines, slice_of(line)) == MAP_NONE)
        fail_msg("%s is not made", line);
}

static void test_forms(void **state)
{
    struct listing l = {0}, plain = {0};
    struct model m;

    (void)state;
    load_model(&m, "samples/tiny-qwen35.json");
    list_all(&l, &m, true);
    assert_made(&l, "language_model.model.embed_tokens.weight\t[512,256]");
    assert_made(&l, "language_model.lm_head.weight\t[512,256]");
    assert_made(&l, "language_model.model.layers.0.linear_attn.conv1d.weight\t[384,4,1]");
    assert_made(&l, "language_model.mtp.fc.weight\t[256,512]");
    assert_made(&l, "language_model.mtp.layers.0.self_attn.q_proj.weight\t[512,256]");
    assert_made(&l, "vision_tower.patch_embed.proj.weight\t[64,2,16,16,3]");
    assert_made(&l, "vision_tower.blocks.1.attn.qkv.bias\t[192]");
    free_listing(&l);
    json_free(m.config);
    load_model(&m, "samples/tiny-qwen3moe.json");
    list_all(&plain, &m, false);
    assert_made(&plain, "model.layers.1.mlp.gate.weight\t[4,256]");
    assert_made(&plain, "lm_head.weight\t[512,256]");
    free_listing(&plain);
    json_free(m.config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_released_models),
        cmocka_unit_test(test_qwen3_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
