/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/folder.h"
#include "core/json.h"
#include "formats/st.h"
#include "plan/exec.h"
#include "quantize/codecs.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail // of cmocka; here it is the one of core/status.h

static char top[64], in[80], out[80];

static const char *in_folder(const char *folder, const char *name)
{
    static char text[4][512];
    static unsigned turn;

    snprintf(text[++turn % 4], sizeof text[0], "%s/%s", folder, name);
    return text[turn % 4];
}

static void store(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void load(const char *path, struct buf *b)
{
    struct err err = {0};

    buf_init(b, MIB);
    assert_int_equal(file_load(path, b, &err), OK);
}

static void assert_same(const char *a, const char *b)
{
    struct buf x, y;

    load(a, &x);
    load(b, &y);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p ? x.p : "", y.p ? y.p : "", x.n);
    buf_free(&x);
    buf_free(&y);
}

/* A safetensors file of BF16 and F32 vectors; the bytes of a tensor are its name's first letter. */
static void make_shard(const char *path, const char *const *names)
{
    struct st_entry entries[8];
    struct err err = {0};
    struct buf b;
    size_t n = 0;

    static const uint64_t shape[1] = {8};
    for (; names[n]; n++)
        entries[n] = (struct st_entry){names[n], names[n][0] < 'c' ? DT_F32 : DT_BF16, 1,
                                       shape,    names[n][0] < 'c' ? 32 : 16,          0};
    buf_init(&b, MIB);
    assert_int_equal(st_header(entries, n, NULL, &b, &err), OK);
    for (size_t i = 0; i < n; i++)
        memset(buf_extend(&b, entries[i].nbytes), names[i][0], entries[i].nbytes);
    store(path, b.p, b.n);
    buf_free(&b);
}

static void remove_all(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        unlink(in_folder(folder, entry->d_name));
    closedir(dir);
    rmdir(in_folder(folder, "sub"));
    rmdir(folder);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(top, sizeof top, "/tmp/scion-folder-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(in, sizeof in, "%s/in", top);
    snprintf(out, sizeof out, "%s/out", top);
    mkdir(in, 0777);
    make_shard(in_folder(in, "model-1.safetensors"), (const char *const[]){"a", "b", "c", "d", NULL});
    make_shard(in_folder(in, "model-2.safetensors"), (const char *const[]){"e", "f", NULL});
    make_shard(in_folder(in, "other.safetensors"), (const char *const[]){"g", NULL});
    store(in_folder(in, "tokenizer.json"), "{}\n", 3);
    store(in_folder(in, "empty.txt"), "", 0);
    static const char index[] =
        "{\"weight_map\": {\"a\": \"model-1.safetensors\", \"b\": \"model-1.safetensors\", "
        "\"c\": \"model-1.safetensors\", \"d\": \"model-1.safetensors\", "
        "\"e\": \"model-2.safetensors\", \"f\": \"model-2.safetensors\"}}";
    store(in_folder(in, "model.safetensors.index.json"), index, sizeof index - 1);
    store(in_folder(in, "pytorch_model.bin"), "x", 1);
    store(in_folder(in, ".hidden"), "x", 1);
    mkdir(in_folder(in, "sub"), 0777);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_all(in);
    remove_all(out);
    return rmdir(top);
}

struct job {
    struct source *source;
    struct plan plan;
    struct folder folder;
};

/* The source's tensors of file 0, in falling order of names, and what a folder needs beside them. */
static void begin(struct job *j)
{
    struct err err = {0};

    *j = (struct job){0};
    if (source_open(&j->source, in, &err) != OK)
        assert_string_equal(err.text, "");
    plan_init(&j->plan);
    j->folder = (struct folder){.plan = &j->plan, .path = out};
    for (size_t i = j->source->ntensor; i-- > 0;) {
        const struct tensor *t = &j->source->tensors[i];
        struct plan_source src = {.name = t->name,
                                  .dtype = t->dtype,
                                  .codec = codec_find(t->dtype),
                                  .span = {{.file = j->source->files[t->file].file, .off = t->off}},
                                  .nelem = 8};
        struct plan_sink sink = {.dtype = t->dtype, .codec = &plan_verbatim};
        struct plan_step *step;
        uint32_t index = 0;

        if (t->file != 0)
            continue;
        assert_int_equal(plan_add_source(&j->plan, &src, &index, &err), OK);
        assert_int_equal(plan_add_step(&j->plan, t->name, t->shape, t->rank, &step, &err), OK);
        struct view v = view_whole(index, 8);
        assert_int_equal(plan_add_view(&j->plan, step, &v, &err), OK);
        assert_int_equal(plan_add_sink(&j->plan, step, &sink, &err), OK);
    }
}

static void end(struct job *j)
{
    plan_free(&j->plan);
    source_close(j->source);
}

static const struct exec_options defaults = {.max_memory = 64 * MIB, .threads = 2};

static enum status run(struct job *j, const struct exec_options *o, struct err *err)
{
    struct exec_result result;
    enum status s = exec_precheck(&j->plan, o, err);

    return s == OK ? exec_run(&j->plan, o, &result, err) : s;
}

static void run_ok(struct job *j)
{
    struct err err = {0};
    enum status s = run(j, &defaults, &err);

    assert_string_equal(err.text, "");
    assert_int_equal(s, OK);
}

/* The tensor's values, and where it lies. */
static void assert_tensor(const struct source *s, const char *name, const char *file)
{
    const struct tensor *t = source_find(s, name);
    struct err err = {0};
    char bytes[32], want[32];

    assert_non_null(t);
    assert_true(slice_eq(path_base(s->files[t->file].path), file));
    memset(want, name[0], sizeof want);
    assert_true(t->nbytes <= sizeof bytes);
    assert_int_equal(file_read_at(s->files[t->file].file, bytes, t->nbytes, t->off, &err), OK);
    assert_memory_equal(bytes, want, t->nbytes);
}

static ino_t inode(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

static void test_one_shard(void **state)
{
    struct source *made = NULL;
    struct err err = {0};
    struct job j;

    (void)state;
    begin(&j);
    assert_int_equal(folder_add_text(&j.folder, "config.json", "{}", 2, &err), OK);
    assert_int_equal(folder_lay_out(&j.folder, &err), OK);
    run_ok(&j);
    assert_int_equal(source_open(&made, out, &err), OK);
    assert_int_equal(made->nfile, 1);
    assert_int_equal(made->ntensor, 4);
    for (const char *name = "a\0b\0c\0d\0"; *name; name += 2)
        assert_tensor(made, name, "model.safetensors");
    assert_true(made->tensors[0].off < made->tensors[1].off && made->tensors[1].off < made->tensors[2].off);
    assert_non_null(made->config);
    source_close(made);
    end(&j);
}

static void test_split(void **state)
{
    struct source *made = NULL;
    struct err err = {0};
    struct job j;
    struct buf b;

    (void)state;
    begin(&j);
    j.folder.split_max_bytes = 33; // d and c, then b and a alone
    j.folder.total_parameters = 77;
    assert_int_equal(folder_lay_out(&j.folder, &err), OK);
    run_ok(&j);
    assert_int_equal(source_open(&made, out, &err), OK);
    assert_int_equal(made->nfile, 3);
    assert_tensor(made, "d", "model-00001-of-00003.safetensors");
    assert_tensor(made, "c", "model-00001-of-00003.safetensors");
    assert_tensor(made, "b", "model-00002-of-00003.safetensors");
    assert_tensor(made, "a", "model-00003-of-00003.safetensors");
    load(in_folder(out, "model.safetensors.index.json"), &b);
    assert_string_equal(b.p,
                        "{\n  \"metadata\": {\n    \"total_parameters\": 77,\n    \"total_size\": 96\n  },\n"
                        "  \"weight_map\": {\n    \"a\": \"model-00003-of-00003.safetensors\",\n"
                        "    \"b\": \"model-00002-of-00003.safetensors\",\n"
                        "    \"c\": \"model-00001-of-00003.safetensors\",\n"
                        "    \"d\": \"model-00001-of-00003.safetensors\"\n  }\n}\n");
    buf_free(&b);
    source_close(made);
    end(&j);
}

/* A quantized tensor is three in the folder, of its own shapes and next to one another. */
static void test_packed(void **state)
{
    static const uint64_t shape[3] = {2, 3, 64};
    static const char *const names[] = {"m.biases", "m.scales", "m.weight"};
    static const enum dtype types[] = {DT_BF16, DT_BF16, DT_U32};
    static const uint64_t cols[] = {1, 1, 8};
    struct plan_sink sink = {.dtype = DT_AFFINE4_G64_BF16, .codec = codec_find(DT_AFFINE4_G64_BF16)};
    struct plan_source src = {.name = "x", .dtype = DT_F32, .codec = codec_find(DT_F32), .nelem = 2 * 3 * 64};
    struct source *made = NULL;
    struct plan_step *step;
    struct err err = {0};
    uint32_t index = 0;
    struct job j;

    (void)state;
    begin(&j);
    src.span[0].data = arena_alloc(&j.plan.arena, src.nelem * sizeof(float));
    assert_int_equal(plan_add_source(&j.plan, &src, &index, &err), OK);
    assert_int_equal(plan_add_step(&j.plan, "m.weight", shape, 3, &step, &err), OK);
    struct view v = view_whole(index, src.nelem);
    assert_int_equal(plan_add_view(&j.plan, step, &v, &err), OK);
    assert_int_equal(plan_add_sink(&j.plan, step, &sink, &err), OK);
    assert_int_equal(folder_lay_out(&j.folder, &err), OK);
    run_ok(&j);
    assert_int_equal(source_open(&made, out, &err), OK);
    assert_int_equal(made->ntensor, 4 + 3);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct tensor *t = &made->tensors[4 + i];

        assert_string_equal(t->name, names[i]);
        assert_int_equal(t->dtype, types[i]);
        assert_int_equal(t->rank, 3);
        assert_memory_equal(t->shape, ((uint64_t[]){2, 3, cols[i]}), 3 * sizeof(uint64_t));
        assert_true(i == 0 || t->off == t[-1].off + t[-1].nbytes);
    }
    source_close(made);
    end(&j);
}

/* A folder with its files, and a second shard that is not made but carried over. */
static void make_mixed(struct job *j, enum link_mode mode)
{
    struct err err = {0};

    begin(j);
    assert_int_equal(folder_add_text(&j->folder, "tokenizer.json", "[]", 2, &err), OK);
    assert_int_equal(folder_add_beside(&j->folder, j->source, LINK_COPY, &err), OK);
    assert_int_equal(folder_add_shard(&j->folder, "first.safetensors", 4, &err), OK);
    assert_int_equal(folder_carry_shard(&j->folder, "second.safetensors", j->source, 1, mode, &err), OK);
    assert_int_equal(folder_lay_out(&j->folder, &err), OK);
}

static void test_carried(void **state)
{
    static const enum link_mode modes[] = {LINK_AUTO, LINK_HARD, LINK_COPY};
    struct source *made = NULL;
    struct err err = {0};
    struct job j;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        make_mixed(&j, modes[i]);
        run_ok(&j);
        assert_int_equal(source_open(&made, out, &err), OK);
        assert_int_equal(made->ntensor, 6);
        assert_int_equal(made->nunlisted, 0);
        assert_tensor(made, "a", "first.safetensors");
        assert_tensor(made, "f", "second.safetensors");
        source_close(made);
        bool linked =
            inode(in_folder(in, "model-2.safetensors")) == inode(in_folder(out, "second.safetensors"));
        assert_int_equal(linked, modes[i] != LINK_COPY);
        assert_same(in_folder(in, "model-2.safetensors"), in_folder(out, "second.safetensors"));
        assert_same(in_folder(in, "empty.txt"), in_folder(out, "empty.txt"));
        assert_true(inode(in_folder(in, "empty.txt")) != inode(in_folder(out, "empty.txt")));
        assert_false(path_exists(in_folder(out, "pytorch_model.bin")));
        assert_false(path_exists(in_folder(out, ".hidden")));
        struct buf b;
        load(in_folder(out, "tokenizer.json"), &b);
        assert_string_equal(b.p, "[]");
        buf_free(&b);
        end(&j);
        remove_all(out);
    }
}

/* A source that is a link, as in a hub's cache: the file behind it is linked or copied. */
static void test_links_are_followed(void **state)
{
    struct job j;

    (void)state;
    assert_int_equal(rename(in_folder(in, "model-2.safetensors"), in_folder(top, "blob")), 0);
    assert_int_equal(symlink("../blob", in_folder(in, "model-2.safetensors")), 0);
    make_mixed(&j, LINK_HARD);
    run_ok(&j);
    assert_null(path_other_kind(in_folder(out, "second.safetensors"), false));
    assert_int_equal(inode(in_folder(top, "blob")), inode(in_folder(out, "second.safetensors")));
    end(&j);
    unlink(in_folder(top, "blob"));
}

static void assert_refused(struct job *j, const struct exec_options *o, enum status want, const char *text)
{
    struct err err = {0};

    assert_int_equal(run(j, o, &err), want);
    if (!strstr(err.text, text))
        assert_string_equal(err.text, text);
}

static void test_existing_folder(void **state)
{
    struct exec_options force = defaults;
    struct job j;

    (void)state;
    force.force = true;
    make_mixed(&j, LINK_COPY);
    assert_int_equal(mkdir(out, 0777), 0);
    run_ok(&j); // it is empty
    assert_refused(&j, &defaults, E_USAGE, "is not empty");
    struct err err = {0};
    assert_int_equal(run(&j, &force, &err), OK);
    store(in_folder(out, "note.txt"), "x", 1);
    assert_int_equal(run(&j, &force, &err), OK);
    assert_true(path_exists(in_folder(out, "note.txt")));
    store(in_folder(out, "third.safetensors"), "x", 1);
    assert_refused(&j, &force, E_USAGE, "would stay beside the new files");
    end(&j);
}

static void test_bad_places(void **state)
{
    struct exec_options force = defaults;
    struct err err = {0};
    struct job j;

    (void)state;
    force.force = true;
    make_mixed(&j, LINK_COPY);
    j.plan.folder = in_folder(in, "inside");
    assert_refused(&j, &force, E_USAGE, "is or lies in");
    j.plan.folder = in_folder(in, "sub/../../in/./sub");
    assert_refused(&j, &force, E_USAGE, "is or lies in");
    j.plan.folder = in;
    assert_refused(&j, &force, E_USAGE, "is or lies in");
    j.plan.folder = in_folder(in, "empty.txt");
    assert_refused(&j, &force, E_USAGE, "is no folder");
    end(&j);

    snprintf(out, sizeof out, "%s/none/out", top);
    make_mixed(&j, LINK_COPY);
    assert_refused(&j, &defaults, E_IO, "No such file");
    end(&j);
    snprintf(out, sizeof out, "%s/out", top);
    begin(&j);
    assert_int_equal(folder_add_shard(&j.folder, "model-2.safetensors", 4, &err), OK);
    assert_int_equal(folder_carry_shard(&j.folder, "model-2.safetensors", j.source, 1, LINK_AUTO, &err), OK);
    assert_int_equal(folder_lay_out(&j.folder, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "would be written twice"));
    end(&j);
    begin(&j);
    assert_int_equal(folder_carry_shard(&j.folder, "x.safetensors", j.source, 0, LINK_AUTO, &err), OK);
    assert_int_equal(folder_lay_out(&j.folder, &err), E_FORMAT);
    assert_non_null(strstr(err.text, "would be there twice"));
    end(&j);
}

/* A file that is not the one that was planned; the run leaves nothing. */
static void test_changed_source(void **state)
{
    static const enum link_mode modes[] = {LINK_HARD, LINK_COPY};
    struct job j;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        make_mixed(&j, modes[i]);
        store(in_folder(in, "model-2.safetensors"), "something else", 10 + i);
        assert_refused(&j, &defaults, E_FORMAT, "was changed");
        assert_false(path_exists(out));
        end(&j);
        make_shard(in_folder(in, "model-2.safetensors"), (const char *const[]){"e", "f", NULL});
    }
}

/* What a killed run left: a link to the source under the name on the way. The source is never written. */
static void test_leftover_link(void **state)
{
    struct job j;

    (void)state;
    for (int i = 0; i < 2; i++) {
        make_mixed(&j, i ? LINK_COPY : LINK_AUTO);
        assert_int_equal(mkdir(out, 0777), 0);
        assert_int_equal(
            link(in_folder(in, "model-2.safetensors"), in_folder(out, "second.safetensors.partial")), 0);
        run_ok(&j);
        assert_false(path_exists(in_folder(out, "second.safetensors.partial")));
        assert_same(in_folder(in, "model-2.safetensors"), in_folder(out, "second.safetensors"));
        end(&j);
        struct source *s = NULL;
        struct err err = {0};
        assert_int_equal(source_open(&s, in, &err), OK);
        assert_tensor(s, "e", "model-2.safetensors");
        source_close(s);
        remove_all(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_shard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_packed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_carried, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_are_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_existing_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_places, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leftover_link, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
