/* SPDX-License-Identifier: Apache-2.0 */
#include "core/file.h"
#include "core/outfile.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#undef fail // of cmocka; here it is the one of core/status.h

/* A disk, where writes go past the page cache, and a file system in memory that refuses that. */
static const char *const places[] = {"/tmp", "/dev/shm"};
static char dir[64], path[80], partial[96];

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    unlink(partial);
    return rmdir(dir);
}

static int set_up_in(const char *place)
{
    snprintf(dir, sizeof dir, "%s/scion-outfile-XXXXXX", place);
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/x.gguf", dir);
    snprintf(partial, sizeof partial, "%s.partial", path);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_in(places[0]);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* What a listener heard, checked against what the test meant to write. */
struct heard {
    const unsigned char *want;
    uint8_t *times; /* each byte was told of */
    uint64_t nbytes, fail_at;
    unsigned ncall;
};

static enum status hear(void *ctx, uint64_t off, uint64_t nbytes, struct digest d, struct err *err)
{
    struct heard *h = ctx;

    h->ncall++;
    if (nbytes == 0 || off + nbytes > h->nbytes)
        return fail(err, E_BUG, "told of %" PRIu64 " bytes at %" PRIu64, nbytes, off);
    if (off <= h->fail_at && h->fail_at < off + nbytes)
        return fail(err, E_LIMIT, "does not listen");
    for (uint64_t i = off; i < off + nbytes; i++)
        h->times[i]++;
    if (!digest_eq(d, hash_bytes(h->want + off, nbytes)))
        return fail(err, E_BUG, "told a wrong digest at %" PRIu64, off);
    return OK;
}

static struct outfile *open_ok(const struct outfile_spec *spec, bool want_resumed)
{
    struct outfile *f = NULL;
    struct err err = {0};
    bool resumed = !want_resumed;
    enum status s = outfile_open(&f, spec, &resumed, &err);

    assert_string_equal(err.text, "");
    assert_int_equal(s, OK);
    assert_int_equal(resumed, want_resumed);
    return f;
}

static void put(struct outfile *f, const void *p, size_t n, uint64_t off)
{
    struct err err = {0};
    enum status s = outfile_write(f, p, n, off, &err);

    assert_string_equal(err.text, "");
    assert_int_equal(s, OK);
}

static void commit(struct outfile *f)
{
    struct err err = {0};

    assert_int_equal(outfile_sync(f, &err), OK);
    assert_false(path_exists(path));
    assert_int_equal(outfile_commit(&f, 1, &err), OK);
    assert_true(path_exists(path));
    assert_false(path_exists(partial));
}

static void assert_content(const char *name, const void *want, size_t n)
{
    struct buf b;
    struct err err = {0};

    buf_init(&b, 64 * MIB);
    assert_int_equal(file_load(name, &b, &err), OK);
    assert_int_equal(b.n, n);
    if (n)
        assert_memory_equal(b.p, want, n);
    buf_free(&b);
}

/* Cuts [0, n) at random places, leaves some pieces out, and writes the rest in the given disorder: each in
 * calls of random length. */
static void write_pieces(struct outfile *f, unsigned char *want, size_t n, uint64_t *seed, bool ascending)
{
    struct piece {
        size_t off, n;
    } piece[400];
    size_t npiece = 0;
    static const size_t lengths[] = {1, 7, 500, 4096, 4097, 70000, 200000};

    for (size_t off = 0; off < n && npiece < ARRAY_LEN(piece);) {
        size_t len = 1 + next_random(seed) % lengths[next_random(seed) % ARRAY_LEN(lengths)];

        len = min_u64(len, n - off);
        if (next_random(seed) % 5 == 0)
            memset(want + off, 0, len); // a gap
        else
            piece[npiece++] = (struct piece){off, len};
        off += len;
        if (npiece == ARRAY_LEN(piece))
            memset(want + off, 0, n - off);
    }
    for (size_t i = 0; i < npiece; i++) {
        size_t k = ascending ? i : i + next_random(seed) % (npiece - i);
        struct piece p = piece[k];

        piece[k] = piece[i];
        while (p.n) {
            size_t take = min_u64(p.n, 1 + next_random(seed) % 100000);

            put(f, want + p.off, take, p.off);
            p.off += take;
            p.n -= take;
        }
    }
}

static void check_random(uint64_t seed)
{
    static const size_t buffers[] = {0, 64 * KIB, 100000, MIB};
    size_t n = 1 + next_random(&seed) % (3 * MIB);
    unsigned char *want = malloc(n);
    struct heard heard = {.want = want, .times = calloc(n, 1), .nbytes = n, .fail_at = UINT64_MAX};
    struct outfile_spec spec = {.path = path,
                                .nbytes = n,
                                .nrun = (unsigned)(next_random(&seed) % (OUTFILE_MAX_RUNS + 1)),
                                .buffer_bytes = buffers[next_random(&seed) % ARRAY_LEN(buffers)],
                                .listener = {&heard, hear}};

    assert_true(want && heard.times);
    for (size_t i = 0; i < n; i++)
        want[i] = (unsigned char)(1 + next_random(&seed) % 255);
    struct outfile *f = open_ok(&spec, false);
    write_pieces(f, want, n, &seed, next_random(&seed) % 2);
    commit(f);
    outfile_close(f, false);
    assert_content(path, want, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(heard.times[i], want[i] != 0);
    assert_int_equal(unlink(path), 0);
    free(want);
    free(heard.times);
}

static void test_random(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (access(places[i], W_OK) != 0)
            continue;
        assert_int_equal(set_up_in(places[i]), 0);
        for (uint64_t seed = 1; seed <= 25; seed++)
            check_random(seed * 0x9e3779b97f4a7c15u);
        assert_int_equal(rmdir(dir), 0);
    }
    assert_int_equal(set_up_in(places[0]), 0);
}

/* Three runs in turns reach the file in long pieces, and so do three others after them. */
static void test_runs(void **state)
{
    enum { RUN = 300000, STEP = 1000 };
    static unsigned char want[6 * RUN];
    static uint8_t times[6 * RUN];
    struct heard heard = {.want = want, .times = times, .nbytes = sizeof want, .fail_at = UINT64_MAX};
    struct outfile_spec spec = {.path = path, .nbytes = sizeof want, .nrun = 3, .listener = {&heard, hear}};

    (void)state;
    memset(want, 7, sizeof want);
    struct outfile *f = open_ok(&spec, false);
    for (size_t first = 0; first < 6; first += 3)
        for (size_t off = 0; off < RUN; off += STEP)
            for (size_t k = first; k < first + 3; k++)
                put(f, want + k * RUN + off, STEP, k * RUN + off);
    commit(f);
    outfile_close(f, false);
    assert_content(path, want, sizeof want);
    for (size_t i = 0; i < sizeof want; i++)
        assert_int_equal(times[i], 1);
    assert_true(heard.ncall <= 6 * (RUN / (64 * KIB) + 2));
}

static void test_untouched(void **state)
{
    static const unsigned char zeros[10000];
    struct outfile_spec spec = {.path = path, .nbytes = sizeof zeros};

    (void)state;
    struct outfile *f = open_ok(&spec, false);
    commit(f);
    outfile_close(f, false);
    assert_content(path, zeros, sizeof zeros);
}

static void test_empty(void **state)
{
    struct outfile_spec spec = {.path = path, .resume = true};

    (void)state;
    struct outfile *f = open_ok(&spec, false);
    put(f, "", 0, 0);
    commit(f);
    outfile_close(f, true);
    assert_content(path, "", 0);
}

/* Writing goes on after a flush or a sync, right behind it or elsewhere. */
static void test_flush_and_go_on(void **state)
{
    static unsigned char want[300000];
    struct outfile_spec spec = {.path = path, .nbytes = sizeof want};
    struct err err = {0};
    struct digest d;
    uint64_t seed = 5;

    (void)state;
    for (size_t i = 0; i < sizeof want; i++)
        want[i] = (unsigned char)next_random(&seed);
    struct outfile *f = open_ok(&spec, false);
    assert_int_equal(outfile_flush(f, &err), OK); // nothing yet
    size_t off = 0;
    for (size_t i = 0; off < sizeof want; i++) {
        size_t n = min_u64(1 + next_random(&seed) % 30000, sizeof want - off);

        put(f, want + off, n, off);
        off += n;
        assert_int_equal(i % 3 == 0 ? outfile_flush(f, &err) : i % 3 == 1 ? outfile_sync(f, &err) : OK, OK);
    }
    assert_int_equal(outfile_sync(f, &err), OK);
    assert_int_equal(outfile_digest(f, 0, sizeof want, &d, &err), OK);
    assert_true(digest_eq(d, hash_bytes(want, sizeof want)));
    assert_int_equal(outfile_digest(f, 777, 100001, &d, &err), OK);
    assert_true(digest_eq(d, hash_bytes(want + 777, 100001)));
    assert_int_equal(outfile_digest(f, sizeof want - 1, 2, &d, &err), E_IO);
    assert_string_equal(err.text + strlen(partial), ": ends at 300000");
    outfile_close(f, false);
}

static void test_locked(void **state)
{
    struct outfile_spec spec = {.path = path, .nbytes = 5},
                        other = {.path = path, .nbytes = 9, .resume = true};
    struct err err = {0};
    struct outfile *second = NULL;
    bool resumed;

    (void)state;
    struct outfile *f = open_ok(&spec, false);
    put(f, "hello", 5, 0);
    for (int i = 0; i < 2; i++) {
        other.resume = i;
        assert_int_equal(outfile_open(&second, &other, &resumed, &err), E_USAGE);
        assert_string_equal(err.text + strlen(partial), ": another run is writing it");
        assert_null(second);
    }
    commit(f);
    outfile_close(f, true);
    assert_content(path, "hello", 5);
}

/* A file that has its name is no longer in the way, even before it is closed. */
static void test_run_after_commit(void **state)
{
    struct outfile_spec spec = {.path = path, .nbytes = 5};

    (void)state;
    struct outfile *f = open_ok(&spec, false);
    put(f, "hello", 5, 0);
    commit(f);
    struct outfile *g = open_ok(&spec, false);
    put(g, "later", 5, 0);
    outfile_close(f, false);
    assert_content(path, "hello", 5);
    assert_int_equal(unlink(path), 0);
    commit(g);
    outfile_close(g, false);
    assert_content(path, "later", 5);
}

static void test_link_is_refused(void **state)
{
    struct outfile_spec spec = {.path = path, .nbytes = 5};
    struct err err = {0};
    struct outfile *f = NULL;
    bool resumed;

    (void)state;
    assert_int_equal(symlink("x.gguf", partial), 0);
    assert_int_equal(outfile_open(&f, &spec, &resumed, &err), E_IO);
    assert_null(f);
    assert_false(path_exists(path));
    assert_true(path_exists(partial));
}

static void test_no_folder(void **state)
{
    struct outfile_spec spec = {.path = "/nowhere-at-all/x", .nbytes = 5};
    struct err err = {0};
    struct outfile *f = NULL;
    bool resumed;

    (void)state;
    assert_int_equal(outfile_open(&f, &spec, &resumed, &err), E_IO);
    assert_string_equal(err.text, "/nowhere-at-all/x.partial: No such file or directory");
    outfile_close(NULL, false);
}

static void leave_partial(const char *text)
{
    struct outfile_spec spec = {.path = path, .nbytes = strlen(text)};
    struct err err = {0};
    struct outfile *f = open_ok(&spec, false);

    put(f, text, strlen(text), 0);
    assert_int_equal(outfile_flush(f, &err), OK);
    outfile_close(f, true);
    assert_content(partial, text, strlen(text));
}

static void test_resume(void **state)
{
    struct outfile_spec spec = {.path = path, .nbytes = 10, .resume = true};
    struct err err = {0};

    (void)state;
    leave_partial("0123456789");
    struct outfile *f = open_ok(&spec, true);
    put(f, "ABC", 3, 4);
    assert_int_equal(outfile_flush(f, &err), OK);
    outfile_close(f, true);
    assert_content(partial, "0123ABC789", 10);
    f = open_ok(&spec, true);
    assert_int_equal(outfile_restart(f, &err), OK);
    put(f, "ABC", 3, 4);
    assert_int_equal(outfile_flush(f, &err), OK);
    outfile_close(f, true);
    assert_content(partial, "\0\0\0\0ABC\0\0\0", 10);
    /* Another size, or no wish to resume: nothing of the old content stays. */
    spec.nbytes = 11;
    f = open_ok(&spec, false);
    outfile_close(f, true);
    assert_content(partial, "\0\0\0\0\0\0\0\0\0\0\0", 11);
    leave_partial("0123456789");
    spec = (struct outfile_spec){.path = path, .nbytes = 10};
    f = open_ok(&spec, false);
    outfile_close(f, true);
    assert_content(partial, "\0\0\0\0\0\0\0\0\0\0", 10);
    f = open_ok(&spec, false);
    outfile_close(f, false);
    assert_false(path_exists(partial));
    assert_false(path_exists(path));
}

static void test_commit_replaces(void **state)
{
    struct outfile_spec spec = {.path = path, .nbytes = 3};

    (void)state;
    FILE *old = fopen(path, "w");
    assert_non_null(old);
    assert_true(fputs("old and longer", old) >= 0);
    assert_int_equal(fclose(old), 0);
    struct outfile *f = open_ok(&spec, false);
    put(f, "new", 3, 0);
    assert_content(path, "old and longer", 14);
    struct err err = {0};
    assert_int_equal(outfile_sync(f, &err), OK);
    assert_int_equal(outfile_commit(&f, 1, &err), OK);
    outfile_close(f, false);
    assert_content(path, "new", 3);
}

/* One of a set cannot get its name: none has it then, and all can still be kept. */
static void test_commit_fails(void **state)
{
    struct outfile_spec spec = {.nbytes = 1};
    struct outfile *f[3];
    struct err err = {0};
    char name[3][96], kept[400];

    (void)state;
    for (int i = 0; i < 3; i++) {
        snprintf(name[i], sizeof name[i], "%s/%d", dir, i);
        spec.path = name[i];
        f[i] = open_ok(&spec, false);
        put(f[i], "x", 1, 0);
        assert_int_equal(outfile_sync(f[i], &err), OK);
    }
    assert_int_equal(mkdir(name[0], 0777), 0);
    assert_int_equal(outfile_commit(f, 3, &err), E_IO);
    assert_true(strstr(err.text, "0.partial: renaming it to ") != NULL);
    assert_int_equal(rmdir(name[0]), 0);
    for (int i = 0; i < 3; i++) {
        assert_false(path_exists(name[i]));
        snprintf(kept, sizeof kept, "%s.partial", name[i]);
        assert_true(path_exists(kept));
    }
    assert_int_equal(outfile_commit(f, 3, &err), OK);
    for (int i = 0; i < 3; i++) {
        outfile_close(f[i], false);
        assert_content(name[i], "x", 1);
        assert_int_equal(unlink(name[i]), 0);
    }
}

static void test_listener_fails(void **state)
{
    static unsigned char want[300000];
    struct heard heard = {
        .want = want, .times = calloc(sizeof want, 1), .nbytes = sizeof want, .fail_at = 70000};
    struct outfile_spec spec = {.path = path, .nbytes = sizeof want, .listener = {&heard, hear}};
    struct err err = {0};

    (void)state;
    struct outfile *f = open_ok(&spec, false);
    enum status s = outfile_write(f, want, sizeof want, 0, &err);
    if (s == OK)
        s = outfile_sync(f, &err);
    assert_int_equal(s, E_LIMIT);
    assert_string_equal(err.text, "does not listen");
    outfile_close(f, false);
    free(heard.times);
}

/* The disk is full in the middle: E_IO, and the listener hears of nothing that was not written. */
static void test_no_room(void **state)
{
    static unsigned char want[600000];
    struct heard heard = {
        .want = want, .times = calloc(sizeof want, 1), .nbytes = sizeof want, .fail_at = UINT64_MAX};
    struct outfile_spec spec = {.path = path, .nbytes = 200000, .listener = {&heard, hear}};
    struct rlimit old, tight;
    struct err err = {0};

    (void)state;
    memset(want, 7, sizeof want);
    struct outfile *f = open_ok(&spec, false);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 200000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum status s = outfile_write(f, want, sizeof want, 0, &err);
    if (s == OK)
        s = outfile_sync(f, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(s, E_IO);
    assert_true(strstr(err.text, "File too large") != NULL);
    assert_int_equal(heard.times[0], 1);
    for (size_t i = 200000; i < sizeof want; i++)
        assert_int_equal(heard.times[i], 0);
    outfile_close(f, false);
    assert_false(path_exists(partial));
    free(heard.times);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random, tear_down),
        cmocka_unit_test_setup_teardown(test_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_untouched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flush_and_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_locked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_run_after_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_resume, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_replaces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_commit_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listener_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
