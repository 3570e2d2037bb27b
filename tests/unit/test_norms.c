/* SPDX-License-Identifier: Apache-2.0 */
/* How norms are told from their values and by declaration. */
#include "graft/norms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/st.h"

static char dir[] = "/tmp/scion-norms-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/head.safetensors", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

/* In this order everywhere: q and k, the two of the layer, those of the embedding and of the hidden state,
 * the last one. */
static const char *const names[] = {
    "mtp.layers.0.self_attn.q_norm.weight",
    "mtp.layers.0.self_attn.k_norm.weight",
    "mtp.layers.0.input_layernorm.weight",
    "mtp.layers.0.post_attention_layernorm.weight",
    "mtp.pre_fc_norm_embedding.weight",
    "mtp.pre_fc_norm_hidden.weight",
    "mtp.norm.weight",
};
#define N ARRAY_LEN(names)

/* A head of norms with these means, four values each. */
static void write_head(const double mean[N])
{
    static const uint64_t shape[] = {4};
    struct st_entry entries[N];
    struct buf b;
    struct err err = {0};

    for (size_t i = 0; i < N; i++)
        entries[i] =
            (struct st_entry){.name = names[i], .dtype = DT_F32, .rank = 1, .shape = shape, .nbytes = 16};
    buf_init(&b, MIB);
    assert_int_equal(st_header(entries, N, NULL, &b, &err), OK);
    for (size_t i = 0; i < N; i++) {
        float x[4] = {(float)mean[i] - 0.5f, (float)mean[i] + 0.5f, (float)mean[i] + 0.25f,
                      (float)mean[i] - 0.25f};

        buf_add(&b, x, sizeof x);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(b.p, 1, b.n, f), b.n);
    assert_int_equal(fclose(f), 0);
    buf_free(&b);
}

struct norms_case {
    double mean[N];
    const char *config;
    enum norms_encoding measured, settled;
    const char *sentence; /* a part of it; NULL: all is well */
};

static const struct norms_case cases[] = {
    /* released heads, at the ends of what was seen */
    {{0.73, 0.79, -0.46, 0.39, 0.39, -0.2, 2.58}, NULL, NORMS_DELTA, NORMS_DELTA, NULL},
    {{1.73, 1.79, 0.87, 1.39, 0.52, 0.87, 2.25}, NULL, NORMS_ABSOLUTE, NORMS_ABSOLUTE, NULL},
    /* as they are before any training */
    {{0, 0, 0, 0, 0, 0, 0}, NULL, NORMS_DELTA, NORMS_DELTA, NULL},
    {{1, 1, 1, 1, 1, 1, 1}, NULL, NORMS_ABSOLUTE, NORMS_ABSOLUTE, NULL},
    /* one kind of norm was forgotten, or one was changed twice over */
    {{1, 1, 1, 1, 0, 0, 1}, NULL, NORMS_MIXED, NORMS_MIXED, "two ways"},
    {{1, 1, 0, 0, 0, 0, 1}, NULL, NORMS_MIXED, NORMS_MIXED, "two ways"},
    {{1, 1, 1, 1, 1, 0, 1}, "{\"mtp_norm_encoding\": \"absolute\"}", NORMS_MIXED, NORMS_MIXED, "two ways"},
    /* values that tell nothing: the sentence has both means */
    {{0.92, 0.92, 0.5, 0.6, 0.5, 0.6, 1},
     NULL,
     NORMS_UNCLEAR,
     NORMS_UNCLEAR,
     "0.920 (q_norm, k_norm) and 0.550"},
    {{0.92, 0.92, 0.5, 0.6, 0.5, 0.6, 1},
     "{\"mtplx_mtp_norm_encoding\": \"delta\"}",
     NORMS_UNCLEAR,
     NORMS_DELTA,
     NULL},
    {{0.92, 0.92, 0.5, 0.6, 0.5, 0.6, 1},
     "{\"mtplx_mtp_quantization\": {\"norm_encoding\": \"mlx_delta\"}}",
     NORMS_UNCLEAR,
     NORMS_DELTA,
     NULL},
    {{0.92, 0.92, 0.5, 0.6, 0.5, 0.6, 1},
     "{\"mtp_norm_encoding\": \"upside down\"}",
     NORMS_UNCLEAR,
     NORMS_UNCLEAR,
     "not clear"},
    /* a declaration and values that agree, and that do not */
    {{1, 1, 1, 1, 1, 1, 1}, "{\"mtp_norm_encoding\": \"absolute\"}", NORMS_ABSOLUTE, NORMS_ABSOLUTE, NULL},
    {{1, 1, 1, 1, 1, 1, 1},
     "{\"mtp_norm_encoding\": \"delta_plus_one\"}",
     NORMS_ABSOLUTE,
     NORMS_MIXED,
     "mtp_norm_encoding declares the norms delta"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct norms_case *c = &cases[i];
        struct source *s = NULL;
        struct err err = {0};
        struct head head;
        struct norms norms;

        write_head(c->mean);
        assert_int_equal(source_open(&s, path, &err), OK);
        if (c->config)
            assert_int_equal(json_parse(c->config, strlen(c->config), "config.json", false, &s->config, &err),
                             OK);
        assert_int_equal(head_read(&head, s, NULL, &err), OK);
        assert_int_equal(norms_read(&norms, s, &head, &err), OK);
        assert_int_equal(norms.n, N);
        if (norms.measured != c->measured || norms_settled(&norms) != c->settled)
            fail_msg("case %zu: %s, %s", i, norms_name(norms.measured), norms_name(norms_settled(&norms)));
        assert_true(norms.item[0].mean > c->mean[2] - 1e-6 && norms.item[0].mean < c->mean[2] + 1e-6);
        enum status st = norms_require(&norms, "x", &err);
        assert_int_equal(st, c->sentence ? E_FORMAT : OK);
        if (c->sentence && !strstr(err.text, c->sentence))
            fail_msg("case %zu: %s", i, err.text);
        source_close(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
