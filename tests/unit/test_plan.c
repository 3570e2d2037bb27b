/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan refuses, what its fingerprint depends on, and what is refused before it runs. */
#include "tests/unit/exec_plan.h"

#include <fcntl.h>
#include <sys/stat.h>

static char input[64];

static int set_up(void **state)
{
    int rc = make_dir(state);

    snprintf(input, sizeof input, "%s/input", dir);
    return rc;
}

static int clean_up(void **state)
{
    rmdir(out_path[0]);
    unlink(input);
    return remove_outs(state);
}

/* A step of two views, an operation and two sinks in two outputs; and a step that copies blocks. */
static void make_plan(struct plan *p)
{
    plan_init(p);
    uint32_t a = add_source(p, DT_F32, 4 * 64), q = add_source(p, DT_Q8_0, 4 * 64);
    struct plan_step *step = add_step(p, "t", 4, 64);
    struct view half = {.source = a, .base = 128, .ndim = 1, .dim = {{128, 1}}};
    add_view(p, step, half);
    half.base = 0;
    add_view(p, step, half);
    plan_add_op(step, OP_ADD_ONE);
    add_sink(p, step, 0, DT_F16);
    add_sink(p, step, 1, DT_Q8_0);
    step = add_step(p, "u", 4, 64);
    add_view(p, step, view_whole(q, 4 * 64));
    add_sink(p, step, 0, DT_Q8_0);
    lay_out(p, 2);
}

/* ---- plan_check ---- */

static void break_source(struct plan *p)
{
    p->steps[0].views[1].source = 2;
}

static void break_range(struct plan *p)
{
    p->steps[0].views[0].base = 129;
}

static void break_cover(struct plan *p)
{
    p->steps[0].views[0].dim[0].n = 96;
}

static void break_blocks(struct plan *p)
{
    p->steps[1].views[0] = (struct view){.source = 1, .base = 16, .ndim = 1, .dim = {{224, 1}}};
    p->steps[1].nelem = 224;
}

static void break_granule(struct plan *p)
{
    p->steps[0].views[0].dim[0].n = 112;
    p->steps[0].views[1].dim[0].n = 144;
}

static void break_decode(struct plan *p)
{
    p->sources[1].dtype = DT_F4;
    p->sources[1].codec = codec_find(DT_F4);
}

static void break_out(struct plan *p)
{
    p->steps[0].sinks[0].place[0].out = 2;
}

static void break_encode(struct plan *p)
{
    p->steps[0].sinks[1].codec = codec_find(DT_I64);
}

static void break_end(struct plan *p)
{
    p->outs[1].nbytes = p->steps[0].sinks[1].place[0].off + p->steps[0].sinks[1].nbytes - 1;
}

static void break_header(struct plan *p)
{
    p->steps[0].sinks[0].place[0].off = p->outs[0].header_nbytes - 1;
}

static void test_check(void **state)
{
    static const struct {
        void (*spoil)(struct plan *p);
        const char *text;
    } cases[] = {
        {break_source, "tensor t: view 1 of no source"},
        {break_range, "tensor t: view 0 leaves source source"},
        {break_cover, "tensor t: views cover 224 of 256 elements"},
        {break_blocks, "tensor u: view 0 cuts blocks of source source"},
        {break_granule, "tensor t: view 0 ends inside a block of a sink"},
        {break_decode, "tensor u: f4 values cannot be read"},
        {break_out, "tensor t: sink 0 is not laid out"},
        {break_encode, "tensor t: sink 1 is not laid out"},
        {break_end, "tensor t: sink 1 is not laid out"},
        {break_header, "tensor t: sink 0 is not laid out"},
    };
    struct plan p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};

        make_plan(&p);
        assert_int_equal(plan_check(&p, &err), OK);
        cases[i].spoil(&p);
        assert_int_equal(plan_check(&p, &err), E_BUG);
        assert_string_equal(err.text, cases[i].text);
        plan_free(&p);
    }
}

static void test_build_failures(void **state)
{
    struct plan p;
    struct plan_step *step;
    struct err err = {0};
    struct plan_sink sink = {.dtype = DT_Q8_0, .codec = codec_find(DT_Q8_0)};
    uint64_t huge[] = {1ull << 40, 1ull << 40};

    (void)state;
    plan_init(&p);
    assert_int_equal(plan_add_step(&p, "h", huge, 2, &step, &err), E_LIMIT);
    assert_string_equal(err.text, "tensor h: its elements do not fit 64 bits");
    step = add_step(&p, "s", 3, 33);
    assert_int_equal(plan_add_sink(&p, step, &sink, &err), E_BUG);
    assert_string_equal(err.text, "tensor s: 99 elements are no whole blocks of q8_0");
    p.arena.limit = p.arena.used + 100;
    for (int i = 0; i < 20; i++)
        if (plan_drop(&p, "name", "reason", &err) == E_NOMEM)
            break;
    assert_string_equal(err.text, "out of memory");
    plan_free(&p);
}

/* ---- plan_fingerprint ---- */

static struct digest fingerprint(const struct plan *p)
{
    struct digest d;
    struct err err = {0};

    assert_int_equal(plan_fingerprint(p, &d, &err), OK);
    return d;
}

static void change_data(struct plan *p)
{
    ((unsigned char *)p->sources[0].span[0].data)[5] ^= 1;
}

static void change_type(struct plan *p)
{
    p->steps[0].sinks[0].dtype = DT_BF16;
}

static void change_sink(struct plan *p)
{
    p->steps[0].sinks[1].place[0].out = 0;
}

static void change_off(struct plan *p)
{
    p->steps[0].sinks[1].place[0].off += 32;
}

static void change_op(struct plan *p)
{
    p->steps[0].ops[0] = OP_NEG_EXP;
}

static void drop_op(struct plan *p)
{
    p->steps[0].nop = 0;
}

static void change_base(struct plan *p)
{
    p->steps[0].views[0].base = 0;
}

static void change_view(struct plan *p)
{
    p->steps[0].views[0] = (struct view){.base = 128, .ndim = 2, .dim = {{8, 1}, {16, 8}}};
}

static void change_header(struct plan *p)
{
    p->outs[1].header[0].p = "tHe sec";
}

static void change_path(struct plan *p)
{
    p->outs[1].path = "elsewhere";
}

static void change_weights(struct plan *p)
{
    static const float weights[64] = {1, 2, 3};

    p->steps[0].sinks[1].weights = weights;
}

static void change_scale(struct plan *p)
{
    static const float scale = 1.0f;

    p->sources[0].scale = &scale;
}

static void change_nothing(struct plan *p)
{
    p->steps[0].name = "other";
    p->sources[0].name = "other";
}

static void test_fingerprint(void **state)
{
    static void (*const changes[])(struct plan * p) = {
        change_data, change_type, change_sink,   change_off,  change_op,      drop_op,
        change_base, change_view, change_header, change_path, change_weights, change_scale,
    };
    static unsigned char same[2][4 * 64 * 4]; // sources made at random would differ
    struct digest d[ARRAY_LEN(changes) + 1];
    struct plan p;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(d); i++) {
        make_plan(&p);
        p.sources[0].span[0].data = same[0];
        p.sources[1].span[0].data = same[1];
        same[0][5] = 0;
        if (i > 0) {
            assert_true(digest_eq(fingerprint(&p), d[0]));
            changes[i - 1](&p);
        }
        d[i] = fingerprint(&p);
        for (size_t k = 0; k < i; k++)
            assert_false(digest_eq(d[i], d[k]));
        change_nothing(&p);
        assert_true(digest_eq(d[i], fingerprint(&p)));
        plan_free(&p);
    }
}

/* A source file is itself by its place, its size and its time. */
static void test_fingerprint_of_file(void **state)
{
    struct plan p;
    struct file *file = NULL;
    struct err err = {0};
    struct timespec old[2] = {{1000, 0}, {1000, 0}};

    (void)state;
    make_plan(&p);
    store(input, "0123456789", 10);
    assert_int_equal(file_open(&file, input, &err), OK);
    p.sources[0].span[0].file = file;
    struct digest first = fingerprint(&p);
    file_close(file);
    assert_int_equal(file_open(&file, input, &err), OK);
    p.sources[0].span[0].file = file;
    assert_true(digest_eq(fingerprint(&p), first));
    file_close(file);
    assert_int_equal(utimensat(AT_FDCWD, input, old, 0), 0);
    assert_int_equal(file_open(&file, input, &err), OK);
    p.sources[0].span[0].file = file;
    assert_false(digest_eq(fingerprint(&p), first));
    file_close(file);
    plan_free(&p);
}

/* ---- exec_precheck ---- */

static enum status precheck(const struct plan *p, bool force, struct err *err)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 1, .force = force};

    *err = (struct err){0};
    return exec_precheck(p, &o, err);
}

static void test_precheck_exists(void **state)
{
    struct plan p;
    struct err err;

    (void)state;
    make_plan(&p);
    assert_int_equal(precheck(&p, false, &err), OK);
    store(out_path[1], "x", 1);
    assert_int_equal(precheck(&p, false, &err), E_USAGE);
    assert_string_equal(err.text + strlen(out_path[1]), ": exists already (--force replaces it)");
    assert_int_equal(precheck(&p, true, &err), OK);
    unlink(out_path[1]);
    assert_int_equal(symlink("nowhere", out_path[0]), 0);
    assert_int_equal(precheck(&p, false, &err), E_USAGE);
    unlink(out_path[0]);
    assert_int_equal(mkdir(out_path[0], 0777), 0);
    assert_int_equal(precheck(&p, true, &err), E_USAGE);
    assert_string_equal(err.text + strlen(out_path[0]), ": is a directory, so it cannot be written");
    plan_free(&p);
}

/* An input is never written over: not under another name, not with --force. */
static void test_precheck_input(void **state)
{
    static const char *const suffixes[] = {"", ".partial", ".journal"};
    struct plan p;
    struct err err;

    (void)state;
    make_plan(&p);
    store(input, "precious", 8);
    assert_int_equal(plan_add_input(&p, "nowhere", &err), OK);
    assert_int_equal(plan_add_input(&p, input, &err), OK);
    assert_int_equal(precheck(&p, true, &err), OK);
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        for (int linked = 0; linked < 2; linked++) {
            const char *name = with_suffix(out_path[1], suffixes[i]);

            assert_int_equal(linked ? link(input, name) : symlink(input, name), 0);
            assert_int_equal(precheck(&p, true, &err), E_USAGE);
            assert_true(strstr(err.text, ": is read by this run (as ") != NULL);
            assert_int_equal(unlink(name), 0);
        }
    }
    plan_free(&p);
}

static void test_precheck_room(void **state)
{
    struct plan p;
    struct err err;

    (void)state;
    make_plan(&p);
    p.outs[1].nbytes = 1ull << 60;
    assert_int_equal(precheck(&p, false, &err), E_IO);
    assert_true(strstr(err.text, ": the output needs 11529215046") != NULL);
    assert_true(strstr(err.text, " are free there") != NULL);
    p.outs[1].nbytes = 1;
    p.outs[0].path = "/nowhere-at-all/x";
    assert_int_equal(precheck(&p, false, &err), E_IO);
    plan_free(&p);
}

static void test_ops(void **state)
{
    float x[] = {0.0f, 1.0f, -3.5f, 0x1.002p+0f, 70000.0f};

    (void)state;
    op_apply(OP_ADD_ONE, x, 3);
    assert_true(x[0] == 1.0f && x[1] == 2.0f && x[2] == -2.5f && x[3] == 0x1.002p+0f);
    op_apply(OP_SUB_ONE, x, 2);
    assert_true(x[0] == 0.0f && x[1] == 1.0f && x[2] == -2.5f);
    op_apply(OP_ROUND_F16, x, 5);
    assert_true(x[2] == -2.5f && x[3] == 1.0f && x[4] > 1e38f);
    x[0] = 0.0f;
    op_apply(OP_NEG_EXP, x, 1);
    assert_true(x[0] == -1.0f);
    assert_string_equal(op_name(OP_ADD_ONE), "add 1");
    assert_string_equal(op_name(OP_NEG_EXP), "-exp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_build_failures),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test_teardown(test_fingerprint_of_file, clean_up),
        cmocka_unit_test_teardown(test_precheck_exists, clean_up),
        cmocka_unit_test_teardown(test_precheck_input, clean_up),
        cmocka_unit_test_teardown(test_precheck_room, clean_up),
        cmocka_unit_test(test_ops),
    };

    return cmocka_run_group_tests(tests, set_up, remove_dir);
}
