/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/hfdir.h"
#include "formats/st.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define INDEX "model.safetensors.index.json"

static char dir[64]; /* a fresh one for every test */

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/scion-source-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    hub_set_cache(NULL);
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}

/* "dir/name"; one of four results alive at a time. */
static const char *at(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *p = paths[turn++ % 4];

    snprintf(p, sizeof paths[0], "%s/%s", dir, name);
    return p;
}

static void put_bytes(const char *name, const void *p, size_t n)
{
    FILE *f = fopen(at(name), "w");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void put(const char *name, const char *text)
{
    put_bytes(name, text, strlen(text));
}

static void make_dir(const char *name)
{
    assert_int_equal(mkdir(at(name), 0755), 0);
}

/* A shard that holds one-byte tensors of the given names (separated by blanks). */
static void put_shard(const char *name, const char *tensors)
{
    static const uint64_t shape[] = {1};
    char names[256];
    struct st_entry e[16];
    size_t n = 0;
    struct buf b;
    struct err err = {0};

    snprintf(names, sizeof names, "%s", tensors);
    for (char *p = names, *end; *p; p = end) {
        end = p + strcspn(p, " ");
        if (*end)
            *end++ = '\0';
        e[n++] = (struct st_entry){.name = p, .dtype = DT_U8, .rank = 1, .shape = shape, .nbytes = 1};
    }
    buf_init(&b, 64 * KIB);
    assert_int_equal(st_header(e, n, NULL, &b, &err), OK);
    for (size_t i = 0; i < n; i++)
        buf_add_char(&b, (char)i);
    put_bytes(name, b.p, b.n);
    buf_free(&b);
}

static struct source *open_ok(const char *path)
{
    struct source *s = NULL;
    struct err err = {0};

    if (source_open(&s, path, &err) != OK)
        fail_msg("%s", err.text);
    assert_int_equal(err.text[0], 0);
    return s;
}

/* Opening fails so, and the sentence contains `want`. */
static void assert_fails(const char *path, enum status status, const char *want)
{
    struct source *s = NULL;
    struct err err = {0};
    enum status got = source_open(&s, path, &err);

    if (got != status || !strstr(err.text, want))
        fail_msg("got %s: %s", status_tag(got), err.text);
    assert_int_equal(err.status, status);
    assert_null(s);
}

static void put_two_shards(void)
{
    put_shard("model-00001-of-00002.safetensors", "a c");
    put_shard("model-00002-of-00002.safetensors", "b");
    put(INDEX, "{\"metadata\":{\"total_size\":3,\"x\":[{}]},\"weight_map\":{"
               "\"b\":\"model-00002-of-00002.safetensors\",\"a\":\"model-00001-of-00002.safetensors\","
               "\"c\":\"model-00001-of-00002.safetensors\"}}");
    put("config.json", "{\"model_type\":\"x\",\"eps\":NaN}");
}

static void test_folder(void **state)
{
    (void)state;
    put_two_shards();
    put_shard("model-mtp.safetensors", "a hidden"); /* not read, or "a" would be twice */
    put_shard("adapter.safetensors", "z");
    put_shard(".hidden.safetensors", "z");
    struct source *s = open_ok(dir);
    assert_int_equal(s->kind, SOURCE_HF);
    assert_string_equal(s->path, dir);
    assert_string_equal(s->name, strrchr(dir, '/') + 1);
    assert_int_equal(s->nfile, 2);
    assert_true(str_ends(s->files[0].path, "/model-00001-of-00002.safetensors"));
    assert_true(str_ends(s->files[1].path, "/model-00002-of-00002.safetensors"));
    assert_int_equal(s->ntensor, 3);
    assert_string_equal(s->tensors[0].name, "a"); /* by file, then name */
    assert_string_equal(s->tensors[1].name, "c");
    assert_string_equal(s->tensors[2].name, "b");
    assert_int_equal(source_find(s, "b")->file, 1);
    assert_null(source_find(s, "hidden"));
    assert_string_equal(json_str(json_get(s->config, "model_type")), "x");
    assert_int_equal(s->nunlisted, 2);
    assert_string_equal(s->unlisted[0], "adapter.safetensors");
    assert_string_equal(s->unlisted[1], "model-mtp.safetensors");
    const char *beside = source_beside(s, "config.json");
    assert_non_null(beside);
    assert_string_equal(beside, at("config.json"));
    assert_null(source_beside(s, "tokenizer.json"));
    source_close(s);
    source_close(NULL);
}

static void test_no_index(void **state)
{
    (void)state;
    put_shard("consolidated.safetensors", "k");
    struct source *s = open_ok(dir);
    assert_non_null(source_find(s, "k"));
    assert_null(s->config);
    assert_int_equal(s->nunlisted, 0);
    source_close(s);

    put_shard("model.safetensors", "b");
    put_shard("model-mtp.safetensors", "a");
    s = open_ok(dir);
    assert_int_equal(s->nfile, 2);
    assert_string_equal(s->tensors[0].name, "a"); /* "model-mtp" sorts before "model.safe..." */
    assert_string_equal(s->tensors[1].name, "b");
    assert_int_equal(s->nunlisted, 1);
    assert_string_equal(s->unlisted[0], "consolidated.safetensors");
    source_close(s);
}

static void test_names(void **state)
{
    char path[256], cwd[512];

    (void)state;
    make_dir("My-Model");
    make_dir("My-Model/sub");
    put_shard("My-Model/model.safetensors", "a");
    snprintf(path, sizeof path, "%s/My-Model///", dir);
    struct source *s = open_ok(path);
    assert_string_equal(s->name, "My-Model");
    assert_string_equal(s->path, at("My-Model"));
    source_close(s);

    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(at("My-Model/sub")), 0);
    s = open_ok("..");
    assert_string_equal(s->name, "My-Model");
    source_close(s);
    assert_int_equal(chdir(".."), 0);
    s = open_ok("./");
    assert_string_equal(s->name, "My-Model");
    source_close(s);
    s = open_ok("model.safetensors");
    assert_int_equal(s->kind, SOURCE_SAFETENSORS);
    assert_string_equal(s->name, "model");
    source_close(s);
    assert_int_equal(chdir(cwd), 0);

    assert_int_equal(symlink("My-Model", at("other")), 0);
    s = open_ok(at("other"));
    assert_string_equal(s->name, "other");
    source_close(s);
}

static void test_hub_cache(void **state)
{
    const char *commit = "0123456789abcdef";
    char path[512];

    (void)state;
    make_dir("hub");
    make_dir("hub/models--Some-Org--My--Model.1");
    make_dir("hub/models--Some-Org--My--Model.1/refs");
    make_dir("hub/models--Some-Org--My--Model.1/blobs");
    make_dir("hub/models--Some-Org--My--Model.1/snapshots");
    make_dir("hub/models--Some-Org--My--Model.1/snapshots/0123456789abcdef");
    put_shard("hub/models--Some-Org--My--Model.1/blobs/beef", "a");
    snprintf(path, sizeof path, "%s/hub/models--Some-Org--My--Model.1/snapshots/%s/model.safetensors", dir,
             commit);
    assert_int_equal(symlink("../../blobs/beef", path), 0); /* shards there are links */

    assert_fails("Some-Org/My--Model.1", E_IO, "Some-Org/My--Model.1: no such file or folder");
    char cache[128];
    snprintf(cache, sizeof cache, "%s/hub", dir);
    hub_set_cache(cache);
    assert_fails("Some-Org/My--Model.1", E_IO, "refs/main: No such file");
    put("hub/models--Some-Org--My--Model.1/refs/main", "../../x\n");
    assert_fails("Some-Org/My--Model.1", E_FORMAT, "refs/main:0: holds no commit");
    put("hub/models--Some-Org--My--Model.1/refs/main", "feed");
    assert_fails("Some-Org/My--Model.1", E_IO, "snapshots/feed, which is not there");
    put("hub/models--Some-Org--My--Model.1/refs/main", "0123456789abcdef\n");
    struct source *s = open_ok("Some-Org/My--Model.1");
    assert_int_equal(s->kind, SOURCE_HF);
    assert_string_equal(s->name, "My--Model.1");
    assert_true(str_ends(s->path, "/hub/models--Some-Org--My--Model.1/snapshots/0123456789abcdef"));
    assert_non_null(source_find(s, "a"));
    source_close(s);

    assert_fails("Some-Org/other", E_IO, "nor a repository in the hub cache");
    assert_fails("Some-Org/..", E_IO, "Some-Org/..: No such file");
    assert_fails("a/b/c", E_IO, "a/b/c: No such file");
    assert_fails("nothing", E_IO, "nothing: No such file");

    /* The snapshot by its path has the repository's name; by a link of the user's, the link's. */
    path[strlen(path) - strlen("model.safetensors")] = '\0';
    s = open_ok(path);
    assert_string_equal(s->name, "My--Model.1");
    source_close(s);
    assert_int_equal(symlink(path, at("mine")), 0);
    s = open_ok(at("mine"));
    assert_string_equal(s->name, "mine");
    source_close(s);
}

static void test_is_repo(void **state)
{
    static const char *const yes[] = {"a/b", "Qwen/Qwen3.5-0.8B", "a_1/-"};
    static const char *const no[] = {"a",   "/a",    "a/",    "a/b/c", "../a", "a/.",
                                     "./a", "a b/c", "a/b:c", "",      "/"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        assert_true(hub_is_repo(yes[i]));
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(hub_is_repo(no[i]));
}

static void test_bad_shard_names(void **state)
{
    static const char *const names[] = {"../m.safetensors",
                                        "/m.safetensors",
                                        "sub/m.safetensors",
                                        "..",
                                        ".",
                                        "",
                                        "https://example.org/m.safetensors",
                                        "a\\\\b"};

    (void)state;
    put_shard("m.safetensors", "a");
    make_dir("sub");
    put_shard("sub/m.safetensors", "a");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char text[256];

        snprintf(text, sizeof text, "{\"weight_map\":{\"a\":\"%s\"}}", names[i]);
        put(INDEX, text);
        assert_fails(dir, E_FORMAT, "\": is no name of a file in the folder");
    }
    put(INDEX, "{\"weight_map\":{\"a\":\"m.safetensors\"}}");
    source_close(open_ok(dir));

    /* A link that lies in the folder is followed, wherever it leads. */
    unlink(at("m.safetensors"));
    assert_int_equal(symlink("sub/m.safetensors", at("m.safetensors")), 0);
    source_close(open_ok(dir));
}

static void test_bad_index(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ":0: text: is empty"},
        {"[]", ":0: index: is no JSON object"},
        {"{}", ":0: weight_map: is missing"},
        {"{\"weight_map\":{}}", ":0: weight_map: lists no tensor"},
        {"{\"weight_map\":[\"a\"]}", ":14: weight_map: is no object"},
        {"{\"weight_map\":{\"a\":1}}", ":19: weight_map: tensor \"a\": its shard is no string"},
        {"{\"weight_map\":{\"a\":{\"b\":\"m\"}}}", ":19: weight_map: tensor \"a\": its shard is no string"},
        {"{\"weight_map\":{\"\":\"m\"}}", ":15: weight_map: a tensor name has 0 bytes"},
        {"{\"weight_map\":{\"a\":\"m\",\"a\":\"n\"}}", ":23: key \"a\": appears twice in one object"},
        {"{\"weight_map\":{\"a\":\"m\"},\"weight_map\":{}}",
         ":24: key \"weight_map\": appears twice in one object"},
        {"{\"weight_map\":{\"a\":\"m\"}} x", ":25: text: byte 0x78 follows the complete value"},
        {"{\"weight_map\":{\"a\":\"m\"},\"x\":NaN}", ":28: value: byte 0x4e starts none"},
    };

    (void)state;
    put_shard("model.safetensors", "a");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[256];

        put(INDEX, cases[i].text);
        snprintf(want, sizeof want, "%s%s", at(INDEX), cases[i].want);
        assert_fails(dir, E_FORMAT, want);
    }
}

static void test_index_against_shards(void **state)
{
    (void)state;
    put_shard("m1.safetensors", "a b");
    put_shard("m2.safetensors", "c");
    put(INDEX,
        "{\"weight_map\":{\"a\":\"m1.safetensors\",\"b\":\"m1.safetensors\",\"c\":\"m2.safetensors\"}}");
    source_close(open_ok(dir));
    put(INDEX, "{\"weight_map\":{\"a\":\"m1.safetensors\",\"b\":\"m1.safetensors\",\"c\":\"m2.safetensors\","
               "\"d\":\"m2.safetensors\"}}");
    assert_fails(dir, E_FORMAT, "tensor \"d\": listed in \"m2.safetensors\", which does not hold it");
    put(INDEX,
        "{\"weight_map\":{\"a\":\"m1.safetensors\",\"b\":\"m2.safetensors\",\"c\":\"m2.safetensors\"}}");
    assert_fails(dir, E_FORMAT, "tensor \"b\": listed in \"m2.safetensors\", but lies in ");
    put_shard("m2.safetensors", "b c");
    assert_fails(dir, E_FORMAT, "m2.safetensors: tensor \"b\": is also in ");
    unlink(at("m2.safetensors"));
    assert_fails(dir, E_IO, INDEX ": shard \"m2.safetensors\": listed by the index but not there");
    put("m2.safetensors.incomplete", "half");
    assert_fails(dir, E_IO,
                 "m2.safetensors: its download is unfinished, there is only m2.safetensors.incomplete");
    assert_int_equal(symlink("gone", at("m2.safetensors")), 0);
    assert_fails(dir, E_IO, "m2.safetensors: is a link to a file that is not there");
    unlink(at("m2.safetensors"));
    assert_int_equal(symlink("m2.safetensors.incomplete", at("m2.safetensors")), 0);
    assert_fails(dir, E_FORMAT, "m2.safetensors: is an unfinished download (.incomplete)");
    unlink(at("m2.safetensors"));
    put("m2.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n");
    assert_fails(dir, E_FORMAT, "m2.safetensors:0: is a git-LFS pointer to the file");
    put("m2.safetensors", "");
    assert_fails(dir, E_FORMAT, "m2.safetensors:0: the file is empty");
    put("m2.safetensors", "<!doctype html>");
    assert_fails(dir, E_FORMAT, "m2.safetensors:0: is an HTML page");
    unlink(at("m2.safetensors"));
    make_dir("m2.safetensors");
    assert_fails(dir, E_IO, "m2.safetensors: is a directory");
}

static bool starts_with_h(const char *name)
{
    return name[0] == 'h';
}

static void test_hidden_tensors(void **state)
{
    struct err err = {0};

    (void)state;
    put_shard("m1.safetensors", "a h2 x");
    put_shard("m2.safetensors", "c h1");
    put(INDEX, "{\"weight_map\":{\"a\":\"m1.safetensors\",\"c\":\"m2.safetensors\"}}");
    struct source *s = open_ok(dir);
    assert_int_equal(s->ntensor, 2);
    assert_int_equal(source_find(s, "c")->file, 1);
    assert_null(source_find(s, "h1"));
    assert_int_equal(s->nhidden, 3);
    assert_string_equal(s->hidden[0].name, "h2");

    assert_int_equal(source_unhide(s, starts_with_h, &err), OK);
    assert_int_equal(s->nhidden, 1);
    assert_string_equal(s->hidden[0].name, "x");
    assert_int_equal(s->ntensor, 4);
    assert_string_equal(s->tensors[1].name, "h2"); /* by file, then name */
    assert_string_equal(s->tensors[3].name, "h1");
    assert_ptr_equal(source_find(s, "h1"), &s->tensors[3]);
    assert_ptr_equal(source_find(s, "c"), &s->tensors[2]);
    assert_null(source_find(s, "x"));
    source_close(s);
}

static void test_nothing_to_read(void **state)
{
    (void)state;
    assert_fails(dir, E_IO, "no model files");
    put("README.md", "x");
    put_shard("adapter_model.safetensors", "a");
    assert_fails(dir, E_IO, "no model files");
    unlink(at("adapter_model.safetensors"));
    put("model.gguf", "GGUF");
    assert_fails(dir, E_USAGE, "is a folder of GGUF files; name the file itself");
    put("pytorch_model-00001-of-00002.bin", "x");
    assert_fails(dir, E_UNSUPPORTED, "PyTorch files only");
}

static void test_config(void **state)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "config.json:0: text: is empty"},
        {"{\"a\":1,}", "config.json:7: key"},
        {"{\"a\":1,\"a\":2}", "config.json:7: key \"a\": appears twice"},
        {"{\"a\":1e400}", "config.json:5: number 1e400: too large for a double"},
        {"{} // c", "config.json:3: text"},
    };

    (void)state;
    put_shard("model.safetensors", "a");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        put("config.json", cases[i].text);
        assert_fails(dir, E_FORMAT, cases[i].want);
    }
    put("config.json", "{\"time_step_limit\":[0.0,Infinity]}");
    source_close(open_ok(dir));
    /* A sparse file over the limit is not read. */
    assert_int_equal(truncate(at("config.json"), 65 << 20), 0);
    assert_fails(dir, E_LIMIT, "config.json");
}

static void test_foreign_files(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *want;
    } cases[] = {
        {"", 0, ":0: the file is empty"},
        {"GG", 2, ":0: 2 bytes, the first one 0x47"},
        {"PK\3\4aaaaaaaaaaaa", 16, ":0: is a zip archive"},
        {"\x80\2}q\0.aaaaaaaaaa", 16, ":0: is a Python pickle"},
        {"\x7f"
         "ELF\2\1\1\0\0\0\0\0",
         12, ":0: is an ELF program"},
        {"<HTML><head>", 12, ":0: is an HTML page"},
        {"GGML\1\0\0\0\0\0\0\0", 12, ":0: is a GGML file"},
        {"lmgg\1\0\0\0\0\0\0\0", 12, ":0: is a GGML file"},
        {"tjgg\3\0\0\0\0\0\0\0", 12, ":0: is a GGJT file"},
        {"ggjt\3\0\0\0\0\0\0\0", 12, ":0: is a GGJT file"},
        {"FUGG\0\0\0\3\0\0\0\0", 12, ":0: is a GGUF file with its bytes swapped"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, ":0: is a git-LFS pointer"},
        {"{\"a\": {\"b\": 1}}", 15, ":0: is a JSON text"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0", 12, ":0: is a file of zeros"},
        {"just some text", 14, ":0: 14 bytes, the first one 0x6a: neither safetensors nor GGUF"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char want[600];

        put_bytes("model.bin", cases[i].bytes, cases[i].n);
        snprintf(want, sizeof want, "%s%s", at("model.bin"), cases[i].want);
        assert_fails(at("model.bin"), E_FORMAT, want);
    }
    put("x.gguf", "not a GGUF file at all");
    assert_fails(at("x.gguf"), E_FORMAT, "x.gguf:0: magic=");
    put_shard("x.safetensors.incomplete", "a");
    assert_fails(at("x.safetensors.incomplete"), E_FORMAT, "is an unfinished download (.incomplete)");
    put_shard("weights.gguf", "a"); /* the content decides */
    struct source *s = open_ok(at("weights.gguf"));
    assert_int_equal(s->kind, SOURCE_SAFETENSORS);
    source_close(s);
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    assert_fails(at("fifo"), E_IO, "is a FIFO");
    assert_int_equal(symlink("nowhere", at("dangling")), 0);
    assert_fails(at("dangling"), E_IO, "dangling: No such file");
}

static void test_gguf_file(void **state)
{
    static const char empty[] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    (void)state;
    put_bytes("tiny.gguf", empty, sizeof empty - 1);
    struct source *s = open_ok(at("tiny.gguf"));
    assert_int_equal(s->kind, SOURCE_GGUF);
    assert_string_equal(s->name, "tiny");
    assert_int_equal(s->gguf_version, 3);
    assert_int_equal(s->ntensor, 0);
    source_close(s);
}

/* A real checkpoint, where one lies beside the project. */
static void test_real(void **state)
{
    static const char path[] = "../shared/models/tiny-qwen35";
    struct slice v;

    (void)state;
    if (!path_is_dir(path))
        skip();
    struct source *s = open_ok(path);
    assert_string_equal(s->name, "tiny-qwen35");
    assert_int_equal(s->nfile, 2);
    assert_int_equal(s->ntensor, 157);
    assert_int_equal(s->nunlisted, 0);
    assert_true(meta_str(meta_find(&s->st_meta, "format"), &v) && slice_eq(v, "pt"));
    const struct tensor *t = source_find(s, "lm_head.weight");
    assert_non_null(t);
    assert_true(t->dtype == DT_BF16 && t->rank == 2 && t->shape[0] == 2304 && t->shape[1] == 256);
    source_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hub_cache, set_up, tear_down),
        cmocka_unit_test(test_is_repo),
        cmocka_unit_test_setup_teardown(test_bad_shard_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_index_against_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hidden_tensors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gguf_file, set_up, tear_down),
        cmocka_unit_test(test_real),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
