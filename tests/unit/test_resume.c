/* SPDX-License-Identifier: Apache-2.0 */
/* Runs that stop in the middle, and what the next one makes of what they left. */
#include "tests/unit/exec_plan.h"

#include <fcntl.h>
#include <sys/stat.h>

/* Two files of about a megabyte: the first has all steps, the second every other one in float32. */
static void make_plan(struct plan *p)
{
    plan_init(p);
    uint32_t a = add_source(p, DT_BF16, 400 * 64 * 3), b = add_source(p, DT_F32, 999);
    for (int i = 0; i < 6; i++) {
        struct plan_step *step = add_step(p, "large", 400 * 3, 64);
        add_view(p, step, view_whole(a, 400 * 64 * 3));
        add_sink(p, step, 0, DT_BF16);
        if (i % 2)
            add_sink(p, step, 1, DT_F32);
        step = add_step(p, "small", 9, 111);
        add_view(p, step, view_whole(b, 999));
        plan_add_op(step, OP_ADD_ONE);
        add_sink(p, step, 0, DT_F16);
    }
    lay_out(p, 2);
}

struct stop {
    atomic_int flag;
    uint64_t at; /* bytes done */
    uint64_t first;
};

static void stop_at(void *ctx, uint64_t done, uint64_t total)
{
    struct stop *stop = ctx;

    (void)total;
    if (stop->first == 0)
        stop->first = done;
    if (done >= stop->at)
        atomic_store(&stop->flag, 1);
}

/* Small buffers, so that the journal has records early. */
static struct exec_options options_of(struct stop *stop)
{
    return (struct exec_options){.max_memory = 1,
                                 .threads = 2,
                                 .tile_elems = 1000,
                                 .cancel = &stop->flag,
                                 .progress = stop_at,
                                 .progress_ctx = stop};
}

static uint64_t total_of(const struct plan *p)
{
    uint64_t n = plan_tensor_bytes(p);

    for (size_t i = 0; i < p->nout; i++)
        n += p->outs[i].header_nbytes;
    return n;
}

/* Runs until `at` bytes are done and leaves what can be resumed. */
static struct exec_result interrupt(const struct plan *p, uint64_t at, bool resume)
{
    struct stop stop = {.at = at};
    struct exec_options o = options_of(&stop);
    struct exec_result result;
    struct err err = {0};

    o.resume = resume;
    assert_int_equal(exec_run(p, &o, &result, &err), E_CANCELLED);
    assert_string_equal(err.text, "interrupted");
    assert_true(result.resumable);
    for (size_t i = 0; i < p->nout; i++) {
        assert_false(path_exists(p->outs[i].path));
        assert_true(path_exists(with_suffix(p->outs[i].path, ".partial")));
    }
    assert_true(path_exists(with_suffix(p->outs[0].path, ".journal")));
    return result;
}

/* Goes on to the end, in tiles of that many elements; the bytes that were reused. */
static uint64_t finish(const struct plan *p, uint64_t tile_elems)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 3, .tile_elems = tile_elems, .resume = true};

    return run_ok(p, &o).bytes_reused;
}

static void test_stop_anywhere(void **state)
{
    static const uint64_t tiles[] = {1000, 32, 5000, 0};
    struct plan p;

    (void)state;
    make_plan(&p);
    uint64_t total = total_of(&p);
    for (uint64_t i = 1; i < 20; i++) {
        uint64_t at = total * i / 20;

        interrupt(&p, at, false);
        uint64_t reused = finish(&p, tiles[i % ARRAY_LEN(tiles)]);
        /* What the buffers held is lost, and with larger tiles what they began. */
        assert_true(reused <= at + 100000);
        if (tiles[i % ARRAY_LEN(tiles)] != 0)
            assert_true(reused + 300000 >= at);
        remove_outs(NULL);
    }
    plan_free(&p);
}

static void test_stop_again_and_again(void **state)
{
    struct plan p;
    uint64_t before = 0;

    (void)state;
    make_plan(&p);
    uint64_t total = total_of(&p);
    for (uint64_t i = 1; i <= 8; i++) {
        struct exec_result result = interrupt(&p, total * i / 10, i > 1);

        assert_true(result.bytes_reused >= before);
        before = result.bytes_reused;
    }
    assert_true(finish(&p, 777) >= before);
    assert_true(before > total / 2);
    plan_free(&p);
}

/* Without --resume the next run starts afresh. */
static void test_no_resume(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 1, .tile_elems = 5000};
    struct plan p;

    (void)state;
    make_plan(&p);
    interrupt(&p, total_of(&p) / 2, false);
    assert_int_equal(run_ok(&p, &o).bytes_reused, 0);
    plan_free(&p);
}

static void test_nothing_to_resume(void **state)
{
    struct plan p;

    (void)state;
    make_plan(&p);
    assert_int_equal(finish(&p, 5000), 0);
    plan_free(&p);
}

/* Overwrites n bytes of a file with a byte. */
static void spoil(const char *path, uint64_t off, size_t n, int byte)
{
    int fd = open(path, O_WRONLY);
    unsigned char *bytes = malloc(n);

    assert_true(fd >= 0 && bytes);
    memset(bytes, byte, n);
    assert_int_equal(pwrite(fd, bytes, n, (off_t)off), n);
    assert_int_equal(close(fd), 0);
    free(bytes);
}

/* The journal says that ranges were written, but the disk never got them, or got something else. */
static void test_lost_writes(void **state)
{
    struct plan p;

    (void)state;
    make_plan(&p);
    uint64_t n = p.outs[0].nbytes;
    interrupt(&p, total_of(&p) * 3 / 4, false);
    uint64_t all = finish(&p, 1000);
    remove_outs(NULL);
    for (uint64_t i = 0; i < 8; i++) {
        interrupt(&p, total_of(&p) * 3 / 4, false);
        spoil(with_suffix(out_path[i % 2], ".partial"), n / 20 * i / 2, 1 + i * 1000, (int)(i / 4 * 0xff));
        assert_true(finish(&p, 1000) > all / 4);
        remove_outs(NULL);
    }
    plan_free(&p);
}

/* A .partial that another plan left: same size, other bytes, also where this plan writes none. */
static void test_foreign_content(void **state)
{
    struct plan p;

    (void)state;
    make_plan(&p);
    for (int with_journal = 0; with_journal < 2; with_journal++) {
        if (with_journal)
            interrupt(&p, total_of(&p) * 3 / 4, false);
        for (int i = 0; i < 2; i++) {
            char *bytes = malloc(p.outs[i].nbytes);

            assert_non_null(bytes);
            memset(bytes, 0x5a, p.outs[i].nbytes);
            store(with_suffix(out_path[i], ".partial"), bytes, p.outs[i].nbytes);
            free(bytes);
        }
        assert_int_equal(finish(&p, 1000), 0);
        remove_outs(NULL);
    }
    plan_free(&p);
}

/* The first half by one plan, the second by another of the same sizes. */
static void test_other_plan(void **state)
{
    struct plan p;

    (void)state;
    make_plan(&p);
    interrupt(&p, total_of(&p) / 2, false);
    p.steps[1].ops[0] = OP_NEG_EXP;
    assert_int_equal(finish(&p, 1000), 0);
    remove_outs(NULL);
    interrupt(&p, total_of(&p) / 2, false);
    p.outs[1].header[0].p = "THE sec";
    assert_int_equal(finish(&p, 1000), 0);
    plan_free(&p);
}

static void test_file_is_gone(void **state)
{
    struct plan p;

    (void)state;
    make_plan(&p);
    for (int i = 0; i < 2; i++) {
        interrupt(&p, total_of(&p) * 3 / 4, false);
        assert_int_equal(unlink(with_suffix(out_path[i], ".partial")), 0);
        assert_true(finish(&p, 1000) > 100000); // of the other one
        remove_outs(NULL);
    }
    interrupt(&p, total_of(&p) / 2, false);
    assert_int_equal(unlink(with_suffix(out_path[0], ".journal")), 0);
    assert_int_equal(finish(&p, 1000), 0);
    remove_outs(NULL);
    interrupt(&p, total_of(&p) / 2, false);
    assert_int_equal(truncate(with_suffix(out_path[0], ".partial"), 100000), 0);
    assert_true(finish(&p, 1000) > 100000);
    plan_free(&p);
}

/* The journal is a text that anyone can edit: ranges out of the file or of all reason are passed over. */
static void test_hostile_journal(void **state)
{
    static const char *const lines[] = {
        "2 0 10 00000000000000000000000000000000\n",
        "4294967295 0 10 00000000000000000000000000000000\n",
        "0 18446744073709551615 2 00000000000000000000000000000000\n",
        "0 9223372036854775807 1 00000000000000000000000000000000\n",
        "0 0 18446744073709551615 00000000000000000000000000000000\n",
        "1 1000000000 1 00000000000000000000000000000000\n",
        "0 50 0 99aa06d3014798d86001c324468d497f\n", // the digest of nothing
        "0 0 10 00000000000000000000000000000000\n",
    };
    const char *journal = with_suffix(out_path[0], ".journal");
    struct plan p;
    struct buf text;
    char name[128];

    (void)state;
    snprintf(name, sizeof name, "%s", journal);
    make_plan(&p);
    interrupt(&p, total_of(&p) / 2, false);
    load(name, &text);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        buf_add_str(&text, lines[i]);
    store(name, text.p, text.n);
    buf_free(&text);
    assert_true(finish(&p, 1000) > 100000);
    plan_free(&p);
}

/* All was written but the names: nothing is made again. */
static void test_only_the_names_are_missing(void **state)
{
    struct plan p;
    struct stop stop = {.at = UINT64_MAX};
    struct exec_options o = options_of(&stop);
    struct exec_result result;
    struct err err = {0};

    (void)state;
    make_plan(&p);
    assert_int_equal(mkdir(out_path[1], 0777), 0); // no file can have this name
    assert_int_equal(exec_run(&p, &o, &result, &err), E_IO);
    assert_true(strstr(err.text, "renaming it to") != NULL);
    assert_true(result.resumable);
    assert_false(path_exists(out_path[0]));
    assert_int_equal(rmdir(out_path[1]), 0);
    stop.first = 0;
    o.resume = true;
    o.threads = 1;
    assert_int_equal(run_ok(&p, &o).bytes_reused, plan_tensor_bytes(&p));
    assert_int_equal(stop.first, 0); // no tile was made
    plan_free(&p);
}

/* While a run has the outputs, a second one leaves them alone. */
struct rival {
    const struct plan *plan;
    bool tried;
};

static void run_rival(void *ctx, uint64_t done, uint64_t total)
{
    struct rival *rival = ctx;
    struct exec_result result;
    struct err err = {0};

    (void)done;
    (void)total;
    if (rival->tried)
        return;
    rival->tried = true;
    for (int resume = 0; resume < 2; resume++) {
        struct exec_options o = {.max_memory = 512 * MIB, .threads = 1, .resume = resume};

        assert_int_equal(exec_run(rival->plan, &o, &result, &err), E_USAGE);
        assert_true(strstr(err.text, "another run is writing it") != NULL);
        assert_false(result.resumable);
    }
}

static void test_rival(void **state)
{
    struct plan p;
    struct rival rival = {.plan = &p};
    struct exec_options o = {
        .max_memory = 1, .threads = 2, .tile_elems = 1000, .progress = run_rival, .progress_ctx = &rival};

    (void)state;
    make_plan(&p);
    run_ok(&p, &o);
    assert_true(rival.tried);
    plan_free(&p);
}

/* Interrupted while it looks at what is there, a resumed run leaves that as it is. */
static void test_stop_while_checking(void **state)
{
    struct plan p;
    struct stop stop = {.flag = 1};
    struct exec_options o = options_of(&stop);
    struct exec_result result;
    struct err err = {0};

    (void)state;
    make_plan(&p);
    interrupt(&p, total_of(&p) / 2, false);
    o.resume = true;
    assert_int_equal(exec_run(&p, &o, &result, &err), E_CANCELLED);
    assert_true(result.resumable);
    assert_true(finish(&p, 1000) > 100000);
    plan_free(&p);
}

/* What an earlier run left outlives a resumed run that cannot even begin. */
static void test_failure_before_journal(void **state)
{
    struct plan p;
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 1, .resume = true};
    struct exec_result result;
    struct err err = {0};
    char journal[128], aside[128];

    (void)state;
    snprintf(journal, sizeof journal, "%s", with_suffix(out_path[0], ".journal"));
    snprintf(aside, sizeof aside, "%s", out_path[2]);
    make_plan(&p);
    interrupt(&p, total_of(&p) / 2, false);
    assert_int_equal(rename(journal, aside), 0);
    assert_int_equal(mkdir(journal, 0777), 0);
    assert_int_equal(exec_run(&p, &o, &result, &err), E_IO);
    assert_true(result.resumable);
    assert_int_equal(rmdir(journal), 0);
    assert_int_equal(rename(aside, journal), 0);
    assert_true(finish(&p, 1000) > 100000);
    plan_free(&p);
}

/* ---- several sets ---- */

/* Stops when the second file, which is a set of its own and takes no part in the last steps, is complete. */
static void interrupt_sets(struct plan *p)
{
    struct stop stop = {0};
    struct exec_options o = options_of(&stop);
    struct exec_result result;
    struct err err = {0};

    make_plan(p);
    p->outs[1].set = 1;
    p->steps[10].nsink = 1; /* the last large one */
    stop.at = total_of(p) * 9 / 10;
    assert_int_equal(exec_run(p, &o, &result, &err), E_CANCELLED);
    assert_true(result.resumable);
    assert_false(path_exists(out_path[0]));
    assert_true(path_exists(out_path[1]));
    assert_false(path_exists(with_suffix(out_path[1], ".partial")));
    assert_true(path_exists(with_suffix(out_path[0], ".journal")));
}

static void test_finished_set_is_kept(void **state)
{
    struct plan p;
    struct stat before, after;
    struct err err = {0};
    struct exec_options o = {.resume = true};

    (void)state;
    interrupt_sets(&p);
    assert_int_equal(stat(out_path[1], &before), 0);
    assert_int_equal(exec_precheck(&p, &o, &err), OK);
    assert_true(finish(&p, 5000) > p.outs[1].nbytes);
    assert_int_equal(stat(out_path[1], &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(exec_precheck(&p, &o, &err), E_USAGE); // now both are older files
    plan_free(&p);
}

static void test_finished_set_is_gone(void **state)
{
    struct plan p;

    (void)state;
    interrupt_sets(&p);
    assert_int_equal(unlink(out_path[1]), 0);
    assert_true(finish(&p, 5000) > 100000);
    plan_free(&p);
}

/* A file that somebody put in the finished one's place is neither believed nor lost. */
static void test_finished_set_is_another(void **state)
{
    struct plan p;
    struct buf was, is;
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 2, .resume = true};
    struct exec_result result;
    struct err err = {0};

    (void)state;
    interrupt_sets(&p);
    load(out_path[1], &was);
    was.p[was.n / 2] ^= 1;
    store(out_path[1], was.p, was.n);
    assert_int_equal(exec_run(&p, &o, &result, &err), E_USAGE);
    assert_non_null(strstr(err.text, "exists already, and is not what this job writes"));
    load(out_path[1], &is);
    assert_int_equal(is.n, was.n);
    assert_memory_equal(is.p, was.p, was.n);
    assert_true(result.resumable);
    assert_int_equal(unlink(out_path[1]), 0);
    assert_true(finish(&p, 5000) > 100000);
    buf_free(&was);
    buf_free(&is);
    plan_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_stop_anywhere, remove_outs),
        cmocka_unit_test_teardown(test_stop_again_and_again, remove_outs),
        cmocka_unit_test_teardown(test_no_resume, remove_outs),
        cmocka_unit_test_teardown(test_nothing_to_resume, remove_outs),
        cmocka_unit_test_teardown(test_lost_writes, remove_outs),
        cmocka_unit_test_teardown(test_foreign_content, remove_outs),
        cmocka_unit_test_teardown(test_other_plan, remove_outs),
        cmocka_unit_test_teardown(test_file_is_gone, remove_outs),
        cmocka_unit_test_teardown(test_hostile_journal, remove_outs),
        cmocka_unit_test_teardown(test_only_the_names_are_missing, remove_outs),
        cmocka_unit_test_teardown(test_rival, remove_outs),
        cmocka_unit_test_teardown(test_stop_while_checking, remove_outs),
        cmocka_unit_test_teardown(test_failure_before_journal, remove_outs),
        cmocka_unit_test_teardown(test_finished_set_is_kept, remove_outs),
        cmocka_unit_test_teardown(test_finished_set_is_gone, remove_outs),
        cmocka_unit_test_teardown(test_finished_set_is_another, remove_outs),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
