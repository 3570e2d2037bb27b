/* SPDX-License-Identifier: Apache-2.0 */
/* Sources with holes: the same bytes as without, and holes where there were holes. */
#include "tests/unit/exec_plan.h"

#include <fcntl.h>
#include <sys/stat.h>

#define NROW 3072
#define NCOL 256

static char source_path[64];

/* A file of zeros with a few runs of other values, which stay those of all its bytes: `bytes`, of n. */
struct holed {
    unsigned char *bytes;
    uint64_t n;
    struct file *file;
    bool sparse; /* the file system keeps holes */
};

static uint64_t blocks_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void make_source(struct holed *h, uint64_t n)
{
    static const struct {
        uint64_t off, n;
    } runs[] = {{0, 100}, {200001, 70000}, {500000, 4096}, {786432, 32}, {1200000, 1}};
    struct err err = {0};
    int fd = open(source_path, O_RDWR | O_CREAT | O_TRUNC, 0666);

    *h = (struct holed){.bytes = calloc(n, 1), .n = n};
    assert_true(fd >= 0 && h->bytes);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        for (uint64_t k = 0; k < runs[i].n; k++)
            h->bytes[runs[i].off + k] = (unsigned char)(1 + k % 61);
        assert_int_equal(pwrite(fd, h->bytes + runs[i].off, runs[i].n, (off_t)runs[i].off), runs[i].n);
    }
    assert_int_equal(close(fd), 0);
    assert_int_equal(file_open(&h->file, source_path, &err), OK);
    h->sparse = blocks_of(source_path) < n / 2;
}

static void free_source(struct holed *h)
{
    file_close(h->file);
    free(h->bytes);
    unlink(source_path);
}

static uint32_t add_part(struct plan *p, const struct holed *h, enum dtype t, uint64_t off, uint64_t nelem)
{
    struct plan_source src = {.name = "source", .dtype = t, .codec = codec_find(t), .nelem = nelem};
    struct err err = {0};
    uint32_t index;

    for (uint32_t k = 0; k < dtype_parts(t)->n; k++) {
        src.span[k] = (struct plan_span){.file = h->file, .off = off, .data = h->bytes + off};
        off += dtype_part_nbytes(t, k, nelem);
    }
    assert_true(off <= h->n);
    assert_int_equal(plan_add_source(p, &src, &index, &err), OK);
    return index;
}

/* A copy, one that is turned, one of blocks in parts, one with a twin of another type, and what is computed
 * of zeros. */
static void make_plan(struct plan *p, const struct holed *h)
{
    uint64_t n = (uint64_t)NROW * NCOL;
    struct plan_step *step;
    struct view turned = {.ndim = 3, .dim = {{2, NCOL}, {NROW / 2, 2 * NCOL}, {NCOL, 1}}};

    plan_init(p);
    uint32_t a = add_part(p, h, DT_BF16, 10, n), b = add_part(p, h, DT_NVFP4_MLX, 4096, n);
    step = add_step(p, "copy", NROW, NCOL);
    add_view(p, step, view_whole(a, n));
    add_sink(p, step, 0, DT_BF16);
    step = add_step(p, "turned", NROW, NCOL);
    turned.source = a;
    add_view(p, step, turned);
    add_sink(p, step, 1, DT_BF16);
    step = add_step(p, "parts", NROW, NCOL);
    add_view(p, step, view_whole(b, n));
    add_sink(p, step, 0, DT_NVFP4_MLX);
    step = add_step(p, "twins", 400, NCOL);
    add_view(p, step, view_whole(a, 400 * NCOL));
    add_sink(p, step, 1, DT_BF16);
    add_sink(p, step, 0, DT_F16);
    step = add_step(p, "computed", 100, NCOL);
    add_view(p, step, view_whole(a, 100 * NCOL));
    plan_add_op(step, OP_ADD_ONE);
    add_sink(p, step, 0, DT_BF16);
    lay_out(p, 2);
}

static void test_same_bytes(void **state)
{
    struct plan p;
    struct holed h;

    (void)state;
    make_source(&h, 3 * MIB);
    make_plan(&p, &h);
    for (uint64_t tile = 1000; tile < 2000000; tile *= 10) {
        struct exec_options o = {.max_memory = 512 * MIB, .threads = 2, .tile_elems = tile};

        assert_int_equal(run_ok(&p, &o).bytes_reused, 0);
        if (h.sparse && tile == 1000)
            assert_true(blocks_of(out_path[1]) < p.outs[1].nbytes / 2);
        remove_outs(NULL);
    }
    plan_free(&p);
    free_source(&h);
}

struct stop {
    atomic_int flag;
    uint64_t at; /* call of stop_at */
};

static void stop_at(void *ctx, uint64_t done, uint64_t total)
{
    struct stop *stop = ctx;

    assert_true(done <= total);
    if (stop->at-- == 1)
        atomic_store(&stop->flag, 1);
}

/* What an interrupted run left in the holes, when something was, is not believed to be zeros. */
static void test_resume(void **state)
{
    struct plan p;
    struct holed h;

    (void)state;
    make_source(&h, 3 * MIB);
    make_plan(&p, &h);
    for (uint64_t at = 1; at < 60; at += 13) {
        struct stop stop = {.at = at};
        struct exec_options o = {.max_memory = 1,
                                 .threads = 1,
                                 .tile_elems = 5000,
                                 .cancel = &stop.flag,
                                 .progress = stop_at,
                                 .progress_ctx = &stop};
        struct exec_result result;
        struct err err = {0};

        assert_int_equal(exec_run(&p, &o, &result, &err), E_CANCELLED);
        assert_true(result.resumable);
        if (at % 2 == 0) {
            int fd = open(with_suffix(out_path[1], ".partial"), O_WRONLY);

            assert_int_equal(pwrite(fd, "not zero", 8, 700000), 8);
            assert_int_equal(close(fd), 0);
        }
        o = (struct exec_options){.max_memory = 512 * MIB, .threads = 2, .tile_elems = 5000, .resume = true};
        run_ok(&p, &o);
        remove_outs(NULL);
    }
    plan_free(&p);
    free_source(&h);
}

static void test_copied_file(void **state)
{
    struct exec_options o = {.max_memory = 1, .threads = 1, .tile_elems = 5000};
    struct exec_result result;
    struct err err = {0};
    struct plan p;
    struct holed h;
    struct buf got;

    (void)state;
    make_source(&h, 3 * MIB);
    plan_init(&p);
    assert_int_equal(plan_add_copy(&p, out_path[0], source_path, LINK_COPY, &err), OK);
    assert_int_equal(exec_precheck(&p, &o, &err), OK);
    assert_int_equal(exec_run(&p, &o, &result, &err), OK);
    load(out_path[0], &got);
    assert_int_equal(got.n, h.n);
    assert_memory_equal(got.p, h.bytes, got.n);
    if (h.sparse)
        assert_true(blocks_of(out_path[0]) < h.n / 2);
    buf_free(&got);
    plan_free(&p);
    free_source(&h);
}

/* The end of a file that is no longer there is no hole. */
static void test_cut_off(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 1, .tile_elems = 5000};
    struct exec_result result;
    struct err err = {0};
    struct plan p;
    struct holed h;

    (void)state;
    make_source(&h, 3 * MIB);
    make_plan(&p, &h);
    assert_int_equal(truncate(source_path, 1400000), 0);
    assert_int_equal(exec_run(&p, &o, &result, &err), E_FORMAT);
    assert_non_null(strstr(err.text, ":1400000: the file ends"));
    plan_free(&p);
    free_source(&h);
}

/* More than the disk has room for, but for the holes. */
static void test_space(void **state)
{
    struct exec_options o = {.max_memory = 512 * MIB, .threads = 1};
    struct err err = {0};
    struct plan p;
    struct holed h;
    uint64_t room;

    (void)state;
    assert_int_equal(path_free_space(dir, &room, &err), OK);
    plan_init(&p);
    make_source(&h, 3 * MIB);
    if (!h.sparse || truncate(source_path, (off_t)(room + 64 * GIB)) != 0)
        skip();
    uint64_t nelem = align_up(room / 2 + GIB, NCOL);
    uint32_t a = add_part(&p, &(struct holed){.file = h.file, .n = UINT64_MAX}, DT_BF16, 0, nelem);
    struct plan_step *step = add_step(&p, "large", nelem / NCOL, NCOL);
    add_view(&p, step, view_whole(a, nelem));
    add_sink(&p, step, 0, DT_BF16);
    lay_out(&p, 1);
    assert_int_equal(exec_precheck(&p, &o, &err), OK);
    p.steps[0].sinks[0].dtype = DT_F16;
    assert_int_equal(exec_precheck(&p, &o, &err), E_IO);
    assert_non_null(strstr(err.text, "are free there"));
    plan_free(&p);
    free_source(&h);
}

static int make_dirs(void **state)
{
    int rc = make_dir(state);

    snprintf(source_path, sizeof source_path, "%s/source", dir);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_same_bytes, remove_outs),
        cmocka_unit_test_teardown(test_resume, remove_outs),
        cmocka_unit_test_teardown(test_copied_file, remove_outs),
        cmocka_unit_test_teardown(test_cut_off, remove_outs),
        cmocka_unit_test_teardown(test_space, remove_outs),
    };

    return cmocka_run_group_tests(tests, make_dirs, remove_dir);
}
