/* SPDX-License-Identifier: Apache-2.0 */
/* Front matter: what PyYAML's safe_load makes of it, and what must be refused. */
#include "card/frontmatter.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static const struct card *parse(const char *readme)
{
    const struct card *card;
    struct err err = {0};

    if (frontmatter_parse(&card, slice_of(readme), "README.md", &arena, &err))
        fail_msg("%s", err.text);
    return card;
}

static void refuse(const char *readme, enum status want, const char *text)
{
    const struct card *card;
    struct err err = {0};

    assert_int_equal(frontmatter_parse(&card, slice_of(readme), "README.md", &arena, &err), want);
    assert_null(card);
    if (strcmp(err.text, text) != 0)
        fail_msg("got \"%s\", expected \"%s\"", err.text, text);
}

static void test_scalars(void **state)
{
    static const struct {
        const char *text;
        enum card_kind kind;
        double number;
    } cases[] = {
        {"mit", CARD_STR, 0},
        {"apache-2.0", CARD_STR, 0},
        {"'no'", CARD_STR, 0},
        {"no", CARD_BOOL, 0},
        {"On", CARD_BOOL, 1},
        {"nO", CARD_STR, 0},
        {"~", CARD_NULL, 0},
        {"", CARD_NULL, 0},
        {"Null", CARD_NULL, 0},
        {"nULL", CARD_STR, 0},
        {"0", CARD_INT, 0},
        {"-12", CARD_INT, -12},
        {"+1_000", CARD_INT, 1000},
        {"0b101", CARD_INT, 5},
        {"0x1F", CARD_INT, 31},
        {"017", CARD_INT, 15},
        {"08", CARD_STR, 0},
        {"0_", CARD_INT, 0},
        {"0b_", CARD_OTHER, 0},
        {"1:30", CARD_INT, 90},
        {"-1:1:1", CARD_INT, -3661},
        {"1:60", CARD_STR, 0},
        {"1:30.5", CARD_FLOAT, 90.5},
        {"1.0", CARD_FLOAT, 1},
        {"1.", CARD_FLOAT, 1},
        {".5", CARD_FLOAT, .5},
        {"-.5", CARD_STR, 0},
        {"1e5", CARD_STR, 0},
        {"1.e5", CARD_STR, 0},
        {"1.5e+3", CARD_FLOAT, 1500},
        {"1.5E-1", CARD_FLOAT, .15},
        {"-.inf", CARD_FLOAT, -INFINITY},
        {"1.2.3", CARD_STR, 0},
        {"2024-01-31", CARD_OTHER, 0},
        {"2024-1-31", CARD_STR, 0},
        {"2001-1-2 3:04:05.6 Z", CARD_OTHER, 0},
        {"2001-01-02T03:04:05-07:30", CARD_OTHER, 0},
        {"2001-01-02T03:04", CARD_STR, 0},
        {"<<", CARD_OTHER, 0},
        {"=", CARD_STR, 0},
        {"!!str 1.0", CARD_STR, 0},
        {"!!int '7'", CARD_INT, 7},
        {"!!float 3", CARD_FLOAT, 3},
        {"!!int x", CARD_OTHER, 0},
        {"!!null x", CARD_NULL, 0},
        {"! '12'", CARD_INT, 12},
        {"!local x", CARD_STR, 0},
        {"123456789012345", CARD_INT, 123456789012345.0},
        {"\"\\0\"", CARD_OTHER, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *readme = arena_printf(&arena, "---\nk: %s\n---\n", cases[i].text);
        const struct card *c = card_get(parse(readme), "k");

        if (!c || c->kind != cases[i].kind || c->number != cases[i].number)
            fail_msg("%s: kind %d number %g", cases[i].text, c ? (int)c->kind : -1, c ? c->number : 0);
    }
    assert_true(isnan(card_get(parse("---\nk: .NaN\n"), "k")->number));
    assert_string_equal(card_get(parse("---\nk: 1.0\n"), "k")->text, "1.0");
    assert_null(card_get(parse("---\nk: \"\\0\"\n"), "k")->text);
}

static void test_number_too_long(void **state)
{
    char readme[1024] = "---\nk: ";

    (void)state;
    memset(readme + 7, '1', 500);
    assert_int_equal(card_get(parse(readme), "k")->kind, CARD_OTHER);
    memset(readme + 7, '1', 100);
    readme[107] = '\0';
    assert_int_equal(card_get(parse(readme), "k")->kind, CARD_INT);
}

static void test_truth(void **state)
{
    const struct card *c = parse("---\na: ''\nb: x\nc: 0.0\nd: -1\ne: []\nf: [0]\ng: {}\nh: {a: }\n"
                                 "i: ~\nj: no\nk: yes\nl: 2024-01-01\n---\n");

    (void)state;
    for (size_t i = 0; i < c->n; i++)
        assert_int_equal(card_is_true(c->pair[i].value), strchr("bdfhkl", *c->pair[i].key) != NULL);
    assert_int_equal(c->n, 12);
    assert_false(card_is_true(NULL));
}

static void test_extent(void **state)
{
    (void)state;
    assert_null(parse(""));
    assert_null(parse("# Title\n---\na: b\n---\n"));
    assert_null(parse("\xef\xbb\xbf---\na: b\n---\n")); // a byte order mark is part of line 1
    assert_null(parse("--- \na: b\n---\n"));
    assert_null(parse("---"));
    assert_null(parse("---\n---\n"));
    assert_null(parse("---\n- a\n---\n"));
    assert_null(parse("---\ntext\n---\n"));
    assert_int_equal(parse("---\na: b\n---\nc: d\n---\n")->n, 1);
    assert_int_equal(parse("---\na: b\nc: d")->n, 2); // never closed: all of the file
    assert_int_equal(parse("---\na: b\n---\n\xff\xff")->n, 1);
    assert_int_equal(parse("---\r\na: b\r\nc: d\r\n---\r\n")->n, 2);
    assert_int_equal(parse("---\ra: b\rc: d\r---\re: f\r")->n, 2);
    assert_int_equal(parse("---\xe2\x80\xa8"
                           "a: b\x0b"
                           "c: d\xc2\x85"
                           "e: f\f---\ng: h")
                         ->n,
                     3);
}

static void test_norway_and_tabs(void **state)
{
    const struct card *c = parse("---\nlanguage:\n- no\n-\tnb\n- [no]\ntext: a - no\n---\n");
    const struct card *list = card_get(c, "language");

    (void)state;
    assert_string_equal(card_str(list->pair[0].value), "no");
    assert_string_equal(card_str(list->pair[1].value), "nb");
    assert_int_equal(list->pair[2].value->pair[0].value->kind, CARD_BOOL);
    assert_string_equal(card_str(card_get(c, "text")), "a - \"no\""); // the rule looks at line ends alone
}

static void test_keys(void **state)
{
    const struct card *c = parse("---\na: 1\na: 2\nyes: 3\n[x]: 4\n? k\n: 5\n'1': 6\n? {q: r}\n: 7\n"
                                 "&z z: 8\n*z : 9\n");

    (void)state;
    assert_int_equal(card_get(c, "a")->number, 2); // of two the last
    assert_null(card_get(c, "yes"));               // a bool is no text
    assert_int_equal(card_get(c, "k")->number, 5);
    assert_int_equal(card_get(c, "1")->number, 6);
    assert_int_equal(card_get(c, "z")->number, 9);
    assert_null(card_get(c, "b"));
    assert_null(card_get(card_get(c, "a"), "b"));
}

static void test_merges(void **state)
{
    const struct card *c = parse("---\nx: &x {a: 1, b: 1, c: 1}\ny: &y {b: 2, c: 2, d: 2}\nz:\n  c: 3\n"
                                 "  <<: [*x, *y]\n  e: 3\nw: {'<<': q}\nv: {<<: 1, a: 5}\n");
    const struct card *z = card_get(c, "z");

    (void)state;
    assert_int_equal(card_get(z, "a")->number, 1);
    assert_int_equal(card_get(z, "b")->number, 1); // the first of the list wins
    assert_int_equal(card_get(z, "c")->number, 3); // and the map itself over both
    assert_int_equal(card_get(z, "d")->number, 2);
    assert_string_equal(card_str(card_get(card_get(c, "w"), "<<")), "q");
    assert_int_equal(card_get(c, "v")->n, 1); // what is no map cannot be merged
}

static void test_malformed(void **state)
{
    (void)state;
    refuse("---\na: b\n c: d\n---\n", E_FORMAT,
           "README.md:3: mapping values are not allowed in this context");
    refuse("---\na: [b\n---\n", E_FORMAT, "README.md:3: did not find expected ',' or ']'");
    refuse("---\na: *b\n---\n", E_FORMAT, "README.md:2: alias=b: no such anchor");
    refuse("---\na: &b [x, *b]\n---\n", E_FORMAT, "README.md:2: alias=b: a value inside itself");
    refuse("---\na: &b x\nc: &b y\n---\n", E_FORMAT, "README.md: front matter: anchor=b: defined twice");
    refuse("---\na: b\n--- x\n---\n", E_FORMAT, "README.md:3: a second YAML document");
    refuse("---\na: \xff\n---\n", E_FORMAT, "README.md: front matter: offset=3: invalid leading UTF-8 octet");
    refuse("---\na: \x01\n---\n", E_FORMAT,
           "README.md: front matter: offset=3: control characters are not allowed");
    refuse("---\na: @b\n---\n", E_FORMAT, "README.md:2: found character that cannot start any token");
}

/* Every level lists the one below ten times: small here, 10^9 values when written out. */
static void test_alias_bomb(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, MIB);
    buf_add_str(&b, "---\na0: &a0 [x]\n");
    for (int i = 1; i < 30; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_printf(&b, "%s*a%d", j ? "," : "", i - 1);
        buf_add_str(&b, "]\n");
    }
    assert_int_equal(parse(b.p)->n, 30);
    assert_true(arena.used < MIB);
    buf_free(&b);
}

static void test_merge_bomb(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, MIB);
    buf_add_str(&b, "---\na0: &a0 {x: y}\n");
    for (int i = 1; i < 30; i++)
        buf_printf(&b, "a%d: &a%d\n  <<: [*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1, i - 1);
    refuse(b.p, E_LIMIT, "README.md: front matter: more than 65536 values");
    assert_true(arena.used < 16 * MIB);
    buf_free(&b);
}

static void test_limits(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4 * MIB);
    buf_add_str(&b, "---\na: ");
    for (int i = 0; i < 64; i++)
        buf_add_char(&b, '[');
    refuse(b.p, E_LIMIT, "README.md: front matter: nested more than 64 deep");
    b.n = strlen("---\na: ") + 63; // the map and 63 lists
    for (int i = 0; i < 63; i++)
        buf_add_char(&b, ']');
    assert_non_null(parse(b.p));
    b.n = strlen("---\na: ");
    while (b.n <= FRONTMATTER_MAX_BYTES)
        buf_add_str(&b, "x\n ");
    refuse(b.p, E_LIMIT, "README.md: front matter: not closed by --- within 1048576 bytes");
    buf_add_str(&b, "\n---\n"); // too late
    refuse(b.p, E_LIMIT, "README.md: front matter: not closed by --- within 1048576 bytes");
    memcpy(b.p + 100000, "\n---\n", 5);
    assert_non_null(parse(b.p));
    buf_free(&b);
}

static void test_load(void **state)
{
    char folder[] = "/tmp/test_frontmatter.XXXXXX";
    const struct card *card;
    struct err err = {0};

    (void)state;
    assert_non_null(mkdtemp(folder));
    const char *path = arena_printf(&arena, "%s/README.md", folder);
    assert_int_equal(frontmatter_load(&card, path, &arena, &err), E_IO);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("---\nlicense: mit\n---\n", f);
    for (size_t i = 0; i < 2 * FRONTMATTER_MAX_BYTES; i++)
        fputc('x', f);
    fclose(f);
    assert_int_equal(frontmatter_load(&card, path, &arena, &err), OK);
    assert_string_equal(card_str(card_get(card, "license")), "mit");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_out_of_memory(void **state)
{
    static const char readme[] = "---\na: &a {b: c}\nd: [e, *a]\nf: {<<: *a}\n---\n";
    enum status st = E_NOMEM;

    (void)state;
    for (uint64_t limit = 16; st; limit += 16) {
        const struct card *card;
        struct arena small;
        struct err err = {0};

        arena_init(&small, limit);
        st = frontmatter_parse(&card, slice_of(readme), "README.md", &small, &err);
        if (st)
            assert_int_equal(st, E_NOMEM);
        else
            assert_string_equal(card_str(card_get(card_get(card, "f"), "b")), "c");
        assert_true(limit < 64 * KIB);
        arena_free(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_number_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_norway_and_tabs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merges, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alias_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_load, setup, teardown),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
