/* SPDX-License-Identifier: Apache-2.0 */
/* From a model's folder to the keys a conversion writes and the name of its file. */
#include "card/authorship.h"
#include "card/file_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/authorship_cases.h"

static char folder[] = "/tmp/test_authorship.XXXXXX";
static char readme_path[64];

static int group_setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(readme_path, sizeof readme_path, "%s/README.md", folder);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    unlink(readme_path);
    return rmdir(folder);
}

/* Everything one conversion has. */
struct run {
    struct arena arena;
    struct notes notes;
    struct authorship_in in;
    struct authorship_overrides overrides;
    struct authorship a;
    struct err err;
    struct json *config, *generation;
};

static void start(struct run *r, const char *readme)
{
    *r = (struct run){0};
    arena_init(&r->arena, 0);
    r->notes.arena = r->overrides.arena = &r->arena;
    r->in.overrides = &r->overrides;
    r->in.dir_name = "x";
    r->in.params = (struct size_label_count){.total = 1235814400, .shared = 1235814400};
    if (!readme)
        return;
    FILE *f = fopen(readme_path, "w");
    assert_non_null(f);
    fputs(readme, f);
    assert_int_equal(fclose(f), 0);
    r->in.readme_path = readme_path;
}

static void end(struct run *r)
{
    json_free(r->config);
    json_free(r->generation);
    arena_free(&r->arena);
}

static struct json *parse_json(const char *text)
{
    struct json *v = NULL;
    struct err err = {0};

    if (text && json_parse(text, strlen(text), "test", true, &v, &err))
        fail_msg("%s", err.text);
    return v;
}

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static const unsigned char *show_value(struct buf *b, enum meta_type type, const unsigned char *p)
{
    uint32_t bits = type == META_BOOL ? *p : read_u32(p);
    float f;

    memcpy(&f, &bits, sizeof f);
    if (type == META_STR) {
        buf_add(b, p + 8, bits);
        return p + 8 + bits;
    }
    if (type == META_F32)
        buf_printf(b, "%.9g", (double)f);
    else
        buf_printf(b, "%d", (int32_t)bits);
    return p + meta_type_size(type);
}

/* The keys a run writes as "key type value" lines, in its arena. */
static const char *show(struct run *r)
{
    struct meta m;
    struct buf b;

    if (authorship_build(&r->a, &r->in, &r->notes, &r->arena, &r->err))
        fail_msg("%s", r->err.text);
    meta_init(&m, &r->arena);
    if (authorship_to_meta(&r->a, &m, &r->notes, &r->err))
        fail_msg("%s", r->err.text);
    buf_init(&b, MIB);
    buf_add_str(&b, "");
    for (size_t i = 0; i < m.n; i++) {
        const unsigned char *p = m.kv[i].data;
        bool array = m.kv[i].type == META_ARRAY;
        enum meta_type type = array ? m.kv[i].elem : m.kv[i].type;

        buf_printf(&b, "%s %s%s", m.kv[i].key, meta_type_name(type), array ? "[]" : "");
        for (uint64_t k = 0; k < m.kv[i].count; k++) {
            buf_add_char(&b, ' ');
            p = show_value(&b, type, p);
            buf_add_str(&b, array ? ";" : "");
        }
        assert_ptr_equal(p, m.kv[i].data + m.kv[i].nbytes);
        buf_add_char(&b, '\n');
    }
    const char *text = arena_strdup(&r->arena, b.p);
    buf_free(&b);
    meta_free(&m);
    assert_non_null(text);
    return text;
}

static const char *name_file(struct run *r, const char *prefix, const char *type_tag)
{
    const char *name;

    assert_int_equal(file_name_default(&name, &r->a, prefix, type_tag, &r->arena, &r->err), OK);
    return name;
}

static void test_like_the_reference(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct run r;

        start(&r, cases[i].readme);
        r.in.dir_name = cases[i].dir_name;
        r.in.config = r.config = parse_json(cases[i].config);
        r.in.generation = r.generation = parse_json(cases[i].generation);
        const char *keys = show(&r);
        if (strcmp(keys, cases[i].keys) != 0)
            fail_msg("%s: got\n%sexpected\n%s", cases[i].what, keys, cases[i].keys);
        const char *name = name_file(&r, "", "bf16");
        if (strcmp(name, cases[i].file_name) != 0)
            fail_msg("%s: got %s, expected %s", cases[i].what, name, cases[i].file_name);
        assert_int_equal(r.notes.n, 0);
        end(&r);
    }
}

/* gguf-py stops at all of these. */
static void test_where_the_reference_stops(void **state)
{
    struct run r;

    (void)state;
    start(&r, "---\nversion: 1.0\nauthor: yes\nlicense: [mit, 2]\ndescription: 2024-01-01\nfinetune: [a]\n"
              "organization: {a: b}\nurl: \"a\\0b\"\ntags: [1, a, [b], ~]\nlanguage: [no, en]\n"
              "base_model: {a: b}\ndatasets: [{name: 5, version: [1], url: ''}]\n---\n");
    r.in.generation = r.generation = parse_json("{\"top_k\": 20.0, \"top_p\": \"0.9\", \"min_p\": 1e39,"
                                                "\"mirostat\": 0.5, \"temperature\": [1], \"sequence\": 3}");
    assert_string_equal(show(&r), "general.sampling.top_k i32 20\n"
                                  "general.name str X\n"
                                  "general.author str yes\n"
                                  "general.version str 1.0\n"
                                  "general.description str 2024-01-01\n"
                                  "general.size_label str 1.2B\n"
                                  "general.license str mit,2\n"
                                  "general.base_model.count u32 0\n"
                                  "general.dataset.count u32 1\n"
                                  "general.dataset.0.name str 5\n"
                                  "general.tags str[] 1; a;\n"
                                  "general.languages str[] no; en;\n");
    assert_string_equal(name_file(&r, "", "Q8_0"), "X-1.2B-1.0-Q8_0.gguf");
    static const char *const notes[] = {
        "general.sampling.sequence: the value found is not text; it is left out",
        "general.sampling.top_p: the value found is not a number; it is left out",
        "general.sampling.min_p: the value found is not a number; it is left out",
        "general.sampling.temp: the value found is not a number; it is left out",
        "general.sampling.mirostat: the value found is not a whole number of 32 bits; it is left out",
        "general.organization: the value found is not text; it is left out",
        "general.finetune: the value found is not text; it is left out",
        "general.source.url: the value found is not text; it is left out",
        "general.dataset.0.version: the value found is not text; it is left out",
        "general.tags: the value found is not a list of texts alone; it is left out",
    };
    assert_int_equal(r.notes.n, ARRAY_LEN(notes));
    for (size_t i = 0; i < ARRAY_LEN(notes); i++)
        assert_string_equal(r.notes.item[i], notes[i]);
    end(&r);
}

static void test_bad_readme_is_a_note(void **state)
{
    static const char *const bad[] = {"---\na: [\n---\n", "---\na: *b\n---\n", "---\na: \xff\n---\n"};
    struct run r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        start(&r, bad[i]);
        assert_string_equal(show(&r), "general.name str X\ngeneral.size_label str 1.2B\n");
        assert_int_equal(r.notes.n, 1);
        assert_true(str_starts(r.notes.item[0], readme_path));
        assert_true(str_ends(r.notes.item[0], "; the model card is left out"));
        end(&r);
    }
    start(&r, NULL);
    r.in.readme_path = folder; // a directory
    assert_string_equal(show(&r), "general.name str X\ngeneral.size_label str 1.2B\n");
    assert_int_equal(r.notes.n, 1);
    end(&r);
}

static void test_folder_name_of_any_bytes(void **state)
{
    struct run r;

    (void)state;
    start(&r, NULL);
    r.in.dir_name = "caf\xe9-7B";
    r.in.params = (struct size_label_count){0};
    assert_string_equal(show(&r), "general.name str Caf\xef\xbf\xbd 7B\n"
                                  "general.basename str caf\xef\xbf\xbd\n"
                                  "general.size_label str 7B\n");
    end(&r);
}

static void test_size_label_of_experts(void **state)
{
    struct run r;

    (void)state;
    start(&r, NULL);
    r.in.params = (struct size_label_count){
        .total = 35000000000, .shared = 2000000000, .expert = 130000000, .nstack = 3, .nexpert = 768};
    assert_string_equal(show(&r), "general.name str X\ngeneral.size_label str 256x2.1B\n");
    r.in.params = (struct size_label_count){0}; // a vocabulary alone
    assert_string_equal(show(&r), "general.name str X\n");
    assert_string_equal(name_file(&r, "", NULL), "X-vocab.gguf");
    end(&r);
}

static void set(struct run *r, const char *key_value)
{
    if (authorship_override(&r->overrides, key_value, &r->err))
        fail_msg("%s", r->err.text);
}

static void test_override(void **state)
{
    struct run r;

    (void)state;
    start(&r, "---\nname: N\ntags: [a]\nlicense: mit\nlanguage: en\nurl: u\nversion: v1\n---\n");
    set(&r, "general.sampling.temp=0.7");
    set(&r, "general.sampling.top_k=-3e1");
    set(&r, "general.version=2.0=x");
    set(&r, "general.license=apache-2.0");
    set(&r, "general.source.url=");
    set(&r, "general.tags=b");
    set(&r, "general.tags=c, d");
    set(&r, "general.languages=");
    assert_string_equal(show(&r), "general.sampling.top_k i32 -30\n"
                                  "general.sampling.temp f32 0.699999988\n"
                                  "general.name str N\n"
                                  "general.version str 2.0=x\n"
                                  "general.size_label str 1.2B\n"
                                  "general.license str apache-2.0\n"
                                  "general.tags str[] b; c, d;\n");
    set(&r, "general.name=");
    r.in.dir_name = "dir-v1";
    assert_non_null(strstr(show(&r), "general.name str dir-v1\n")); // as it is, not as a title
    set(&r, "general.name=Other");
    assert_non_null(strstr(show(&r), "general.name str Other\n"));
    r.in.model_name = "given";
    assert_non_null(strstr(show(&r), "general.name str given\n"));
    end(&r);
}

static void refuse(const char *key_value, const char *text)
{
    struct run r;

    start(&r, NULL);
    assert_int_equal(authorship_override(&r.overrides, key_value, &r.err), E_USAGE);
    if (strncmp(r.err.text, text, strlen(text)) != 0)
        fail_msg("%s", r.err.text);
    for (size_t f = 0; f < AUTHORSHIP_NFIELD; f++)
        assert_false(r.overrides.is_set[f]);
    end(&r);
}

static void test_override_refused(void **state)
{
    (void)state;
    refuse("general.name", "metadata general.name: expected KEY=VALUE");
    refuse("general.nam=x", "metadata key general.nam: no such key; the nearest is general.name");
    refuse("general.licence=x", "metadata key general.licence: no such key; the nearest is general.license");
    refuse("general.sampling.temperature=1",
           "metadata key general.sampling.temperature: no such key; the nearest is general.sampling.temp");
    refuse("general.base_model=x", "metadata key general.base_model: no such key; the nearest is general.");
    refuse("general.=x", "metadata key general.: no such key; the nearest is general.");
    refuse("qwen35.context_length=5",
           "metadata key qwen35.context_length: only what describes the model can be set: general. followed "
           "by sampling.sequence, sampling.top_k, ");
    refuse("=x", "metadata key : only what describes the model can be set");
    refuse("general.sampling.temp=hot", "metadata general.sampling.temp: value=hot: expected a number");
    refuse("general.sampling.temp=0x1p3", "metadata general.sampling.temp: value=0x1p3: expected a number");
    refuse("general.sampling.temp=1e39", "metadata general.sampling.temp: value=1e39: expected a number");
    refuse("general.sampling.temp=1 ", "metadata general.sampling.temp: value=1 : expected a number");
    refuse("general.sampling.top_k=0.5",
           "metadata general.sampling.top_k: value=0.5: expected a whole number of 32 bits");
    refuse("general.sampling.top_k=4294967296",
           "metadata general.sampling.top_k: value=4294967296: expected a whole number of 32 bits");
    refuse("general.author=\xff", "metadata general.author: value=\\xff: not UTF-8");
}

static void test_override_key_of_any_length(void **state)
{
    char text[5000] = "general.";

    (void)state;
    memset(text + 8, 'a', 4000);
    text[4008] = '=';
    refuse(text, "metadata key general.aaa");
}

static void test_override_json(void **state)
{
    struct json *v = parse_json("{\"general.name\": \"J\", \"general.license\": \"x\", \"qwen.y\": 1,"
                                "\"general.size_label\": null, \"general.sampling.top_k\": 5,"
                                "\"general.tags\": [\"a\", \"b\"], \"general.datasets\": [],"
                                "\"general.base_models\": [{\"name\": \"B\", \"url\": null}, {}]}");
    struct run r;

    (void)state;
    start(&r, "---\nlicense: mit\nsize_label: 3B\ndatasets: a/b\n---\n");
    assert_int_equal(authorship_override_json(&r.overrides, v, "m.json", &r.notes, &r.err), OK);
    assert_string_equal(show(&r), "general.sampling.top_k i32 5\n"
                                  "general.name str J\n"
                                  "general.size_label str 1.2B\n"
                                  "general.license str mit\n"
                                  "general.base_model.count u32 2\n"
                                  "general.base_model.0.name str B\n"
                                  "general.dataset.count u32 0\n"
                                  "general.tags str[] a; b;\n");
    assert_int_equal(r.notes.n, 2);
    assert_string_equal(r.notes.item[0],
                        "m.json: general.license: cannot be set from a file; it is left out");
    assert_string_equal(r.notes.item[1], "m.json: qwen.y: cannot be set from a file; it is left out");
    end(&r);
    json_free(v);
}

static void test_override_json_refused(void **state)
{
    static const struct {
        const char *json, *text;
    } bad[] = {
        {"[]", "m.json: holds an array; expected an object"},
        {"{\"general.name\": 1}", "m.json: general.name: is a number; expected text"},
        {"{\"general.sampling.temp\": \"1\"}",
         "m.json: general.sampling.temp: is a string; expected a number"},
        {"{\"general.tags\": \"a\"}", "m.json: general.tags: is a string; expected a list of texts"},
        {"{\"general.tags\": [1]}", "m.json: general.tags: is a number; expected text"},
        {"{\"general.base_models\": [\"a\"]}",
         "m.json: general.base_models: is a string; expected a list of objects"},
        {"{\"general.datasets\": [{\"name\": []}]}", "m.json: general.datasets: is an array; expected text"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json *v = parse_json(bad[i].json);
        struct run r;

        start(&r, NULL);
        assert_int_equal(authorship_override_json(&r.overrides, v, "m.json", &r.notes, &r.err), E_USAGE);
        assert_string_equal(r.err.text, bad[i].text);
        end(&r);
        json_free(v);
    }
}

static void test_file_names(void **state)
{
    struct run r;

    (void)state;
    start(&r, "---\nbasename: ' a/b c '\nfinetune: ../../x\nversion: v 1\nsize_label: 7/B\n---\n");
    show(&r);
    assert_string_equal(name_file(&r, "", "Q8_0"), "a-b-c-7-B-..-..-x-v-1-Q8_0.gguf");
    assert_string_equal(name_file(&r, "mmproj-", "BF16"), "mmproj-a-b-c-..-..-x-v-1-BF16.gguf");
    assert_string_equal(name_file(&r, "mtp-", "f16"), "mtp-a-b-c-..-..-x-v-1-F16.gguf");
    assert_string_equal(name_file(&r, "", NULL), "a-b-c-..-..-x-v-1-vocab.gguf");
    assert_string_equal(file_name_fill("a/{ftype}/m-{ftype}-{OUTTYPE}{}.gguf", "Q8_0", &r.arena),
                        "a/{ftype}/m-q8_0-Q8_0q8_0.gguf");
    assert_string_equal(file_name_fill("{FTYPE}{outtype}{x}", "bf16", &r.arena), "BF16bf16{x}");
    assert_string_equal(file_name_fill("", "bf16", &r.arena), "");
    end(&r);
}

static void test_out_of_memory(void **state)
{
    enum status st = E_NOMEM;

    (void)state;
    for (uint64_t limit = 1024; st; limit += 16) {
        const char *name;
        struct meta m;
        struct run r;

        start(&r, "---\nlicense: [a, b]\ntags: [a]\nbase_model: a/b-7B-v1\nversion: [x]\n---\n");
        r.arena.limit = limit;
        meta_init(&m, &r.arena);
        st = authorship_override(&r.overrides, "general.tags=x", &r.err);
        if (!st)
            st = authorship_build(&r.a, &r.in, &r.notes, &r.arena, &r.err);
        if (!st)
            st = authorship_to_meta(&r.a, &m, &r.notes, &r.err);
        if (!st)
            st = file_name_default(&name, &r.a, "", "F16", &r.arena, &r.err);
        if (st)
            assert_int_equal(st, E_NOMEM);
        else
            assert_int_equal(r.notes.n, 1);
        assert_true(limit < 256 * KIB);
        meta_free(&m);
        end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_like_the_reference),
        cmocka_unit_test(test_where_the_reference_stops),
        cmocka_unit_test(test_bad_readme_is_a_note),
        cmocka_unit_test(test_folder_name_of_any_bytes),
        cmocka_unit_test(test_size_label_of_experts),
        cmocka_unit_test(test_override),
        cmocka_unit_test(test_override_refused),
        cmocka_unit_test(test_override_key_of_any_length),
        cmocka_unit_test(test_override_json),
        cmocka_unit_test(test_override_json_refused),
        cmocka_unit_test(test_file_names),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
