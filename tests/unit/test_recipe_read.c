/* SPDX-License-Identifier: Apache-2.0 */
/* The language of recipes: the built-in ones, files, what is refused, and what rules mean. */
#include "quantize/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static void for_each_recipe(void (*check)(const struct recipe *r))
{
    const char *const *names;
    struct err err = {0};
    struct arena a;
    size_t n;

    arena_init(&a, 0);
    assert_int_equal(recipe_names(&a, &names, &n, &err), OK);
    assert_int_equal(n, 37); // llama-quantize's 35, COPY and NVFP4
    for (size_t i = 0; i < n; i++) {
        struct recipe *r;

        if (recipe_load(&r, names[i], &err) != OK)
            fail_msg("%s: %s", names[i], err.text);
        assert_string_equal(r->name, names[i]);
        check(r);
        recipe_free(r);
    }
    arena_free(&a);
}

/* ---- the built-in recipes ---- */

/* llama.cpp's numbers and default types. */
static const struct {
    const char *name;
    int file_type;
    enum dtype type;
} builtin[] = {
    {"F32", 0, DT_F32},          {"F16", 1, DT_F16},          {"BF16", 32, DT_BF16},
    {"COPY", -1, DT_COUNT},      {"Q4_0", 2, DT_Q4_0},        {"Q4_1", 3, DT_Q4_1},
    {"Q5_0", 8, DT_Q5_0},        {"Q5_1", 9, DT_Q5_1},        {"Q8_0", 7, DT_Q8_0},
    {"Q1_0", 40, DT_Q1_0},       {"Q2_0", 41, DT_Q2_0},       {"MXFP4_MOE", 38, DT_MXFP4},
    {"Q2_K", 10, DT_Q2_K},       {"Q2_K_S", 21, DT_Q2_K},     {"Q3_K_S", 11, DT_Q3_K},
    {"Q3_K_M", 12, DT_Q3_K},     {"Q3_K_L", 13, DT_Q3_K},     {"Q4_K_S", 14, DT_Q4_K},
    {"Q4_K_M", 15, DT_Q4_K},     {"Q5_K_S", 16, DT_Q5_K},     {"Q5_K_M", 17, DT_Q5_K},
    {"Q6_K", 18, DT_Q6_K},       {"IQ1_S", 24, DT_IQ1_S},     {"IQ1_M", 31, DT_IQ1_M},
    {"IQ2_XXS", 19, DT_IQ2_XXS}, {"IQ2_XS", 20, DT_IQ2_XS},   {"IQ2_S", 28, DT_IQ2_XS},
    {"IQ2_M", 29, DT_IQ2_S},     {"IQ3_XXS", 23, DT_IQ3_XXS}, {"IQ3_XS", 22, DT_IQ3_S},
    {"IQ3_S", 26, DT_IQ3_S},     {"IQ3_M", 27, DT_IQ3_S},     {"IQ4_NL", 25, DT_IQ4_NL},
    {"IQ4_XS", 30, DT_IQ4_XS},   {"TQ1_0", 36, DT_TQ1_0},     {"TQ2_0", 37, DT_TQ2_0},
    {"NVFP4", 39, DT_NVFP4}, // llama.cpp has the number, but makes none
};

static void check_builtin(const struct recipe *r)
{
    for (size_t i = 0; i < ARRAY_LEN(builtin); i++) {
        if (strcmp(builtin[i].name, r->name) != 0)
            continue;
        assert_int_equal(r->file_type, builtin[i].file_type);
        assert_int_equal(r->action, builtin[i].type == DT_COUNT ? RECIPE_KEEP : RECIPE_TYPE);
        if (builtin[i].type != DT_COUNT)
            assert_int_equal(r->type, builtin[i].type);
        assert_non_null(r->about);
        return;
    }
    fail_msg("%s is no file type of llama.cpp", r->name);
}

static void test_builtin(void **state)
{
    (void)state;
    assert_int_equal(ARRAY_LEN(builtin), 37);
    for_each_recipe(check_builtin);
}

static void test_names(void **state)
{
    static const struct {
        const char *given, *name;
    } cases[] = {
        {"q4_k_m", "Q4_K_M"}, {"Q4_K", "Q4_K_M"},     {"q3_k", "Q3_K_M"},
        {"Q5_k", "Q5_K_M"},   {"iq2_xXs", "IQ2_XXS"}, {"copy", "COPY"},
    };
    struct err err = {0};
    struct recipe *r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(recipe_load(&r, cases[i].given, &err), OK);
        assert_string_equal(r->name, cases[i].name);
        recipe_free(r);
    }
    assert_int_equal(recipe_load(&r, "Q4_KM", &err), E_USAGE);
    assert_string_equal(err.text, "no recipe or file is called \"Q4_KM\"; did you mean \"Q4_K_M\"?");
    assert_int_equal(recipe_load(&r, "output-q6", &err), E_USAGE); // a group
    assert_int_equal(recipe_load(&r, "W4A16", &err), E_USAGE);
    assert_int_equal(recipe_load(&r, "something else", &err), E_USAGE);
    assert_string_equal(
        err.text, "no recipe or file is called \"something else\"; \"scion recipe list\" names the recipes");
    recipe_free(NULL);
}

/* ---- a recipe that is printed reads back as itself ---- */

static void check_same(const struct recipe *a, const struct recipe *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->nalias, b->nalias);
    assert_int_equal(a->file_type, b->file_type);
    assert_int_equal(a->action, b->action);
    assert_int_equal(a->type, b->type);
    assert_memory_equal(a->needs_imatrix, b->needs_imatrix, sizeof a->needs_imatrix);
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->rules[i].selector, b->rules[i].selector);
        assert_string_equal(a->rules[i].conditions, b->rules[i].conditions);
        assert_string_equal(a->rules[i].target, b->rules[i].target);
        assert_int_equal(a->rules[i].roles, b->rules[i].roles);
        assert_int_equal(a->rules[i].action, b->rules[i].action);
        assert_int_equal(a->rules[i].type, b->rules[i].type);
        assert_int_equal(a->rules[i].ncond, b->rules[i].ncond);
    }
}

static void check_printed(const struct recipe *r)
{
    struct err err = {0};
    struct recipe *again;
    struct buf text, twice;

    buf_init(&text, 64 * KIB);
    buf_init(&twice, 64 * KIB);
    recipe_print(&text, r);
    if (recipe_parse(&again, text.p, "printed", &err) != OK)
        fail_msg("%s\n%s", err.text, text.p);
    check_same(r, again);
    recipe_print(&twice, again);
    assert_string_equal(text.p, twice.p);
    recipe_free(again);
    buf_free(&text);
    buf_free(&twice);
}

static void test_print(void **state)
{
    struct err err = {0};
    struct recipe *r;

    (void)state;
    for_each_recipe(check_printed);
    assert_int_equal(recipe_parse(&r,
                                  "define few  layer<4\n"
                                  "define few  mtp !few2 \n",
                                  "f", &err),
                     E_FORMAT);
    assert_int_equal(recipe_parse(&r,
                                  "define early  layer<4\ndefine early  mtp\ndefine fine  early !70b\n"
                                  "recipe mine\n default keep\n needs_imatrix q4_0 q5_0\n"
                                  "/a b\\/c#/   fine   -> q8_0 # why\n* -> default\n",
                                  "f", &err),
                     OK);
    check_printed(r);
    assert_int_equal(r->ndefine, 6);
    recipe_free(r);
}

/* ---- files ---- */

static void put_file(const char *path, const void *text, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    fclose(f);
}

static void test_file(void **state)
{
    static const char text[] =
        "/ssm_out/ -> q8_0\r\ninclude Q4_K_M\ninclude extra\ngroup extra\nother -> q5_k";
    char folder[] = "/tmp/scion-recipe-XXXXXX", path[64], want[128];
    struct err err = {0};
    struct recipe *r;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/my.mix.recipe", folder);
    put_file(path, text, sizeof text - 1);
    assert_int_equal(recipe_load(&r, path, &err), OK);
    assert_string_equal(r->name, "my.mix");
    assert_int_equal(r->file_type, 15); // of what it includes
    assert_int_equal(r->type, DT_Q4_K);
    assert_string_equal(r->rules[0].selector, "/ssm_out/");
    assert_string_equal(r->rules[0].file, path);
    assert_int_equal(r->rules[0].line, 1);
    assert_string_equal(r->rules[r->n - 1].section, "extra");
    assert_int_equal(r->rules[r->n - 1].line, 5);
    recipe_free(r);

    put_file(path, "default q8_0\n\0", 14);
    assert_int_equal(recipe_load(&r, path, &err), E_FORMAT);
    snprintf(want, sizeof want, "%s: a NUL byte; a recipe is text", path);
    assert_string_equal(err.text, want);
    put_file(path, "", 0);
    assert_int_equal(recipe_load(&r, path, &err), E_FORMAT);
    snprintf(want, sizeof want, "%s: no recipe in it", path);
    assert_string_equal(err.text, want);
    assert_int_equal(recipe_load(&r, folder, &err), E_IO);
    unlink(path);
    assert_int_equal(recipe_load(&r, path, &err), E_USAGE);
    rmdir(folder);
}

/* ---- what is refused ---- */

static const struct {
    const char *text, *want;
} refusals[] = {
    {"default", "f:1: a type is missing"},
    {"default q4_k q5_k", "f:1: one word too many: \"q5_k\""},
    {"default q4k", "f:1: unknown type \"q4k\"; did you mean \"q4_k\"?"},
    {"default q8_k", "f:1: type \"q8_k\" cannot be written to GGUF by quantization"},
    {"default default", "f:1: the default cannot be \"default\""},
    {"\n\nattn_v -> q8_0", "f:3: recipe \"f\" has no \"default TYPE\""},
    {"default q4_k\nattn_v", "f:2: a rule ends with \"-> TYPE\""},
    {"default q4_k\nattn_v ->", "f:2: the type after \"->\" is missing"},
    {"default q4_k\nattn_v -> # q8_0", "f:2: the type after \"->\" is missing"},
    {"default q4_k\nattn_v -> q8_0 q4_0", "f:2: one word too many: \"q4_0\""},
    {"default q4_k\nattn_v -> q4_w", "f:2: unknown type \"q4_w\"; did you mean \"q4_0\"?"},
    {"default q4_k\nattn_vv -> q4_0", "f:2: \"attn_vv\" is no keyword and no role; roles are output, "
                                      "embedding, attn_v, attn_k, attn_q, attn_output, "
                                      "ffn_up, ffn_gate, ffn_down, other and * for all"},
    {"default q4_k\nattn_v, -> q4_0", "f:2: \"\" is no keyword and no role; roles are output, embedding, "
                                      "attn_v, attn_k, attn_q, attn_output, ffn_up, "
                                      "ffn_gate, ffn_down, other and * for all"},
    {"default q4_k\n/attn -> q4_0", "f:2: a pattern stands between two slashes, with a blank behind it"},
    {"default q4_k\n// -> q4_0", "f:2: a pattern stands between two slashes, with a blank behind it"},
    {"default q4_k\n/a(/ -> q4_0", "f:2: pattern \"a(\": character 3: \"(\" without \")\""},
    {"default q4_k\n* lyer<3 -> q4_0", "f:2: no fact is called \"lyer\"; did you mean \"layer\"?"},
    {"default q4_k\n* sprad -> q4_0", "f:2: no fact is called \"sprad\"; did you mean \"spread\"?"},
    {"default q4_k\n* bananas -> q4_0", "f:2: no fact is called \"bananas\""},
    {"default q4_k\n* layer -> q4_0", "f:2: \"layer\" must be compared, as in \"layer=8\""},
    {"default q4_k\n* arch -> q4_0", "f:2: \"arch\" must be compared, as in \"arch=llama\""},
    {"default q4_k\n* arch<llama -> q4_0",
     "f:2: architectures have no order: write \"arch=llama\" or \"arch!=llama\""},
    {"default q4_k\n* arch=a,,b -> q4_0", "f:2: the name of an architecture is missing"},
    {"default q4_k\n* imatrix=1 -> q4_0", "f:2: \"imatrix\" holds or not, and is compared with nothing"},
    {"default q4_k\n* 70b=1 -> q4_0", "f:2: \"70b\" holds or not, and is compared with nothing"},
    {"default q4_k\n* layer!3 -> q4_0", "f:2: \"layer!3\" is no comparison"},
    {"default q4_k\n* layer<x -> q4_0", "f:2: \"x\" is no number, fraction or fact"},
    {"default q4_k\n* layer< -> q4_0", "f:2: \"\" is no number, fraction or fact"},
    {"default q4_k\n* layer<-1 -> q4_0", "f:2: \"-1\" is no number, fraction or fact"},
    {"default q4_k\n* layer<1/0 -> q4_0", "f:2: \"1/0\" is no number, fraction or fact"},
    {"default q4_k\n* layer<9/8 -> q4_0", "f:2: \"9/8\" is no number, fraction or fact"},
    {"default q4_k\n* layer<1/8x -> q4_0", "f:2: \"1/8x\" is no number, fraction or fact"},
    {"default q4_k\n* layer<10000000 -> q4_0", "f:2: \"10000000\" is no number, fraction or fact"},
    {"default q4_k\n* gqa<1/8 -> q4_0", "f:2: \"gqa\" is no fraction of anything"},
    {"default q4_k\n* mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp mtp -> q4_0",
     "f:2: more than 16 conditions"},
    {"default q4_k\ninclude", "f:2: the name of a group or recipe is missing"},
    {"default q4_k\ninclude nothing", "f:2: no group or recipe is called \"nothing\""},
    {"default q4_k\ninclude f", "f:2: no group or recipe is called \"f\""},
    {"default q4_k\ninclude a\ngroup a\ninclude b\ngroup b\ninclude a",
     "f:6: too many includes inside includes at \"a\""},
    {"recipe", "f:1: a name is missing"},
    {"recipe a\ndefault q4_0\nrecipe b\ndefault q4_0", "f:3: a second recipe; a file holds one"},
    {"default q4_0\nrecipe b\ndefault q4_0", "f:2: a second recipe; a file holds one"},
    {"recipe a A", "f:1: \"A\" is the name of line 1"},
    {"recipe a b c d e f g h i", "f:1: more than 8 names"},
    {"group a\ndefault q4_0", "f:2: \"default\" stands in recipes, not in groups"},
    {"group a\nother -> q4_0", "f: no recipe in it"},
    {"file_type 1x", "f:1: \"1x\" is no number from 0 to 65535"},
    {"file_type -1", "f:1: \"-1\" is no number from 0 to 65535"},
    {"file_type 65536", "f:1: \"65536\" is no number from 0 to 65535"},
    {"needs_imatrix", "f:1: a type is missing"},
    {"define", "f:1: a word to define is missing"},
    {"define layer mtp", "f:1: \"layer\" cannot be defined"},
    {"define a<b mtp", "f:1: \"a<b\" cannot be defined"},
    {"define word", "f:1: what \"word\" means is missing"},
    {"define word word", "f:1: no fact is called \"word\""},
    {"define word mtp\ndefine word word", "f:2: \"word\" is defined by itself"},
    {"define a mtp\ndefine b mtp\ndefine a mtp", "f:3: the lines that define \"a\" must stand together"},
    {"define 70b mtp", "f:1: \"70b\" is defined by the built-in recipes"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct err err = {0};
        struct recipe *r = NULL;
        enum status st = recipe_parse(&r, refusals[i].text, "f", &err);

        if (st == OK || r)
            fail_msg("accepted: %s", refusals[i].text);
        assert_string_equal(err.text, refusals[i].want);
        if (st != (strstr(refusals[i].want, "more than") ? E_LIMIT : E_FORMAT))
            fail_msg("status %d: %s", (int)st, refusals[i].text);
    }
}

/* Groups that each include the next ten times: refused, and soon. */
static void test_wide_includes(void **state)
{
    struct err err = {0};
    struct recipe *r;
    struct buf text;

    (void)state;
    buf_init(&text, 64 * KIB);
    buf_add_str(&text, "default q4_0\ninclude g0\n");
    for (int g = 0; g < 12; g++) {
        buf_printf(&text, "group g%d\n", g);
        for (int i = 0; g < 11 && i < 10; i++)
            buf_printf(&text, "include g%d\n", g + 1);
    }
    assert_int_equal(recipe_parse(&r, text.p, "f", &err), E_LIMIT);
    buf_free(&text);
}

/* ---- what rules mean ---- */

/* The types that a recipe gives to attn_v of 16 blocks, the last being the head: a letter for each. */
static void expect_types(const char *rules, const char *want)
{
    static const uint64_t shape[] = {64, 256};
    char names[16][32], got[17] = "";
    struct recipe_tensor t[17] = {{"output.weight", 2, shape, DT_F32}};
    struct recipe_choice c[17];
    const struct recipe_model m = {.arch = "llama",
                                   .n_layer_all = 16,
                                   .n_layer_mtp = 1,
                                   .expert_count = 4,
                                   .head_count0 = 24,
                                   .head_count_kv0 = 8,
                                   .tensors = t,
                                   .n = 17};
    struct recipe *r;
    struct err err = {0};
    char text[512];

    for (int i = 0; i < 16; i++) {
        snprintf(names[i], sizeof names[i], "blk.%d.attn_v.weight", i);
        t[i + 1] = (struct recipe_tensor){names[i], 2, shape, DT_F32};
    }
    snprintf(text, sizeof text, "default q4_0\noutput -> q4_0\n%s", rules);
    if (recipe_parse(&r, text, "f", &err) != OK)
        fail_msg("%s", err.text);
    assert_int_equal(recipe_decide(&(struct recipe_request){.recipe = r, .model = &m}, c, &err), OK);
    for (int i = 0; i < 16; i++)
        got[i] = c[i + 1].type == DT_Q4_0   ? '.'
                 : c[i + 1].type == DT_Q8_0 ? '8'
                 : c[i + 1].type == DT_F32  ? 'k'
                                            : '?';
    if (strcmp(got, want) != 0)
        fail_msg("%s:\n%s\nmust be\n%s", rules, got, want);
    recipe_free(r);
}

static void test_conditions(void **state)
{
    static const struct {
        const char *rules, *want;
    } cases[] = {
        {"attn_v -> q8_0", "8888888888888888"},
        {"attn_k,attn_v -> q8_0", "8888888888888888"},
        {"attn_k -> q8_0", "................"},
        {"* -> q8_0", "8888888888888888"},
        {"other -> q8_0", "................"},
        {"attn_v -> keep", "kkkkkkkkkkkkkkkk"},
        {"attn_v layer<2 -> default\nattn_v -> q8_0", "..88888888888888"},
        {"/blk\\.1[0-2]\\./ -> q8_0", "..........888..."},
        {"/attn\\/v|\\.3\\./ layer>=0 -> q8_0", "...8............"},
        {"* layer<=1 -> q8_0", "88.............."},
        {"* layer>13 -> q8_0", "..............88"},
        {"* layer=3 -> q8_0", "...8............"},
        {"* layer!=3 -> q8_0", "888.888888888888"},
        {"* !layer=3 -> q8_0", "888.888888888888"},
        {"* layer<1/4 -> q8_0", "8888............"},
        {"* layer>=7/8 -> q8_0", "..............88"},
        {"* nth<2 -> q8_0", "88.............."},
        {"* place<1/16 -> q8_0", "8..............."},
        {"* spread -> q8_0", "88..8..8..8..888"},
        {"* !spread -> q8_0", "..88.88.88.88..."},
        {"* mtp -> q8_0", "...............8"},
        {"* layers=15 layer<1 -> q8_0", "8..............."},
        {"* gqa=3 -> q8_0", "8888888888888888"},
        {"* gqa>=4 -> q8_0", "................"},
        {"* experts>=4 experts<5 -> q8_0", "8888888888888888"},
        {"* heads>kv_heads -> q8_0", "8888888888888888"},
        {"* heads=kv_heads -> q8_0", "................"},
        {"* layer<kv_heads -> q8_0", "88888888........"},
        {"* columns=256 layer=1 -> q8_0", ".8.............."},
        {"* arch=llama layer=1 -> q8_0", ".8.............."},
        {"* arch=qwen2,llama layer=1 -> q8_0", ".8.............."},
        {"* arch!=qwen2,llama layer=1 -> q8_0", "................"},
        {"* !arch=qwen2 layer=1 -> q8_0", ".8.............."},
        {"* imatrix -> q8_0", "................"},
        {"* tied -> q8_0", "................"},
        {"* misfit -> q8_0", "................"},
        {"* 3d -> q8_0", "................"},
        {"* !3d !tied !misfit !imatrix layer<1 -> q8_0", "8..............."},
        {"define ends layer<1\ndefine ends layer>14\n* ends -> q8_0", "8..............8"},
        {"define ends layer<1\ndefine ends layer>14\ndefine inner !ends !mtp\n* inner -> q8_0",
         ".88888888888888."},
        {"define first layer<3 spread\n* !first -> q8_0", "..88888888888888"},
        {"include g\ngroup g\nattn_v layer<1 -> q8_0", "8..............."},
        {"include G2\ngroup g\nattn_v layer<1 -> q8_0\ngroup g2\nattn_v layer=1 -> q8_0\ninclude g",
         "88.............."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect_types(cases[i].rules, cases[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_print),      cmocka_unit_test(test_file),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_wide_includes),
        cmocka_unit_test(test_conditions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
