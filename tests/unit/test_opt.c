/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/opt.c" /* the library has no part of cli/; before cmocka.h, which defines a macro fail() */

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct options {
    struct opt_common common;
    const char *text, *path;
    uint64_t threads, memory, split;
    int colour;
    struct opt_list rules;
};

enum { RED, GREEN, BLUE };
static const char *const colours[] = {"red", "green", "blue", NULL};

#define FIELD(field) OPT_FIELD(struct options, field), .help = "h"

static const struct opt table[] = {
    {.name = "text", .kind = OPT_STR, FIELD(text), .arg = "TEXT"},
    {.name = "output", .letter = 'o', .kind = OPT_PATH, FIELD(path), .arg = "FILE"},
    {.name = "threads", .kind = OPT_U64, FIELD(threads), .arg = "N", .preset = "2", .min = 1, .max = 256},
    {.name = "max-memory", .kind = OPT_SIZE, FIELD(memory), .arg = "SIZE", .preset = "1G", .min = 65536},
    {.name = "split", .kind = OPT_SIZE10, FIELD(split), .arg = "SIZE"},
    {.name = "colour", .kind = OPT_ENUM, FIELD(colour), .arg = "NAME", .preset = "green", .choices = colours},
    {.name = "rule", .letter = 'r', .kind = OPT_REPEAT, FIELD(rules), .arg = "RULE"},
    OPT_ROWS_COMMON(struct options),
    {0},
};

#define MAX_WORDS 16

struct fixture {
    struct options o;
    struct opt_line line;
    struct arena arena;
    struct err err;
    char *argv[MAX_WORDS + 1];
    int argc;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (!f)
        return -1;
    arena_init(&f->arena, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    arena_free(&f->arena);
    free(f);
    return 0;
}

/* Parses the words, a NULL-terminated list; may be called again in one test. */
static enum status parse(struct fixture *f, const char *const *words)
{
    f->o = (struct options){0};
    f->err = (struct err){0};
    f->line = (struct opt_line){.table = table, .options = &f->o, .arena = &f->arena};
    for (f->argc = 0; words[f->argc]; f->argc++) {
        assert_true(f->argc < MAX_WORDS);
        f->argv[f->argc] = (char *)(uintptr_t)words[f->argc];
    }
    return opt_parse(&f->line, f->argc, f->argv, &f->err);
}

#define PARSE(f, ...) parse(f, (const char *const[]){__VA_ARGS__, NULL})

#define REFUSED(f, text_wanted, ...)                                                                         \
    do {                                                                                                     \
        assert_int_equal(PARSE(f, __VA_ARGS__), E_USAGE);                                                    \
        assert_string_equal((f)->err.text, text_wanted);                                                     \
    } while (0)

static void defaults(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "in"), OK);
    assert_null(f->o.text);
    assert_null(f->o.path);
    assert_int_equal(f->o.threads, 2);
    assert_int_equal(f->o.memory, GIB);
    assert_int_equal(f->o.split, 0);
    assert_int_equal(f->o.colour, GREEN);
    assert_int_equal(f->o.rules.n, 0);
    assert_false(f->o.common.json || f->o.common.quiet || f->o.common.verbose || f->line.help);
    assert_false(opt_given(&f->line, "threads"));
    assert_int_equal(f->line.nargs, 1);
    assert_string_equal(f->err.text, "");
}

static void values_apart_and_joined(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        PARSE(f, "--text", "a b", "--threads=256", "-o", "x.gguf", "--colour=blue", "--json", "-q"), OK);
    assert_string_equal(f->o.text, "a b");
    assert_int_equal(f->o.threads, 256);
    assert_string_equal(f->o.path, "x.gguf");
    assert_int_equal(f->o.colour, BLUE);
    assert_true(f->o.common.json && f->o.common.quiet && !f->o.common.verbose);
    assert_true(opt_given(&f->line, "threads") && !opt_given(&f->line, "split"));
    assert_int_equal(f->line.nargs, 0);
    assert_int_equal(PARSE(f, "--text=", "--rule=a=b"), OK);
    assert_string_equal(f->o.text, "");
    assert_string_equal(f->o.rules.item[0], "a=b");
}

static void positional_anywhere(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "one", "--threads", "3", "-", "--json", "--", "--text", "-q"), OK);
    assert_int_equal(f->line.nargs, 4);
    assert_string_equal(f->line.args[0], "one");
    assert_string_equal(f->line.args[1], "-");
    assert_string_equal(f->line.args[2], "--text");
    assert_string_equal(f->line.args[3], "-q");
    assert_true(f->o.common.json);
    assert_false(f->o.common.quiet);
    assert_int_equal(f->o.threads, 3);
}

static void help_ends_parsing(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "--json", "--help", "--nonsense"), OK);
    assert_true(f->line.help);
    assert_int_equal(PARSE(f, "-h"), OK);
    assert_true(f->line.help);
    assert_int_equal(PARSE(f, "--", "--help"), OK);
    assert_false(f->line.help);
}

static void lists(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(PARSE(f, "--rule", "a", "x", "-r", "b", "--rule=", "--rule", "a"), OK);
    assert_int_equal(f->o.rules.n, 4);
    assert_string_equal(f->o.rules.item[0], "a");
    assert_string_equal(f->o.rules.item[1], "b");
    assert_string_equal(f->o.rules.item[2], "");
    assert_string_equal(f->o.rules.item[3], "a");
    assert_int_equal(f->line.nargs, 1);
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t memory, split;
    } rows[] = {
        {"65536", 65536, 65536},
        {"64K", 65536, 64000},
        {"64k", 65536, 64000},
        {"50M", 50 * MIB, 50000000},
        {"3G", 3 * GIB, 3000000000},
        {"1T", 1024 * GIB, 1000000000000},
        {"16777215T", 16777215 * (1024 * GIB), 16777215000000000000u},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(PARSE(f, "--max-memory", rows[i].text, "--split", rows[i].text), OK);
        assert_int_equal(f->o.memory, rows[i].memory);
        assert_int_equal(f->o.split, rows[i].split);
    }
}

static void bad_numbers(void **state)
{
    static const char *const numbers[] = {"",
                                          "x",
                                          "1x",
                                          " 1",
                                          "1 ",
                                          "+1",
                                          "0x10",
                                          "1.5",
                                          "1e3",
                                          "1K",
                                          "18446744073709551616",
                                          "99999999999999999999999"};
    static const char *const bad_sizes[] = {"",   "K",  "1KK",       "1KB", "1.5G",
                                            "-1", "1P", "16777216T", "1 G", "18446744073709551615K"};
    struct fixture *f = *state;
    char arg[64];

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        snprintf(arg, sizeof arg, "--threads=%s", numbers[i]);
        assert_int_equal(PARSE(f, arg), E_USAGE);
        assert_non_null(strstr(f->err.text, "--threads: \""));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_sizes); i++) {
        snprintf(arg, sizeof arg, "--max-memory=%s", bad_sizes[i]);
        assert_int_equal(PARSE(f, arg), E_USAGE);
        assert_non_null(strstr(f->err.text, "is not a size"));
    }
    REFUSED(f, "--threads: \"-1\" is not a whole number below 2^64", "--threads=-1");
}

static void ranges(void **state)
{
    struct fixture *f = *state;

    REFUSED(f, "--threads: 0 is not between 1 and 256", "--threads", "0");
    REFUSED(f, "--threads: 257 is not between 1 and 256", "--threads", "257");
    REFUSED(f, "--max-memory: 63K is below the least value, 65536", "--max-memory", "63K");
    assert_int_equal(PARSE(f, "--threads", "1"), OK);
}

static void unknown_options(void **state)
{
    struct fixture *f = *state;

    REFUSED(f, "unknown option --thread; did you mean --threads?", "--thread", "3");
    REFUSED(f, "unknown option --treads=3; did you mean --threads?", "--treads=3");
    REFUSED(f, "unknown option --tex; did you mean --text?", "--tex"); /* no abbreviations */
    REFUSED(f, "unknown option --max-mem=1G; did you mean --max-memory?", "--max-mem=1G");
    REFUSED(f, "unknown option -json; did you mean --json?", "-json");
    REFUSED(f, "unknown option --JSON; did you mean --json?", "--JSON");
    REFUSED(f, "unknown option --flibbertigibbet; --help lists the options", "--flibbertigibbet");
    REFUSED(f, "unknown option -x; --help lists the options", "-x");
    REFUSED(f, "unknown option -ofile; a value stands apart from its letter: -o FILE", "-ofile");
    REFUSED(f, "unknown option -qv; letters stand apart: -q", "-qv");
    REFUSED(f, "unknown option --=; --help lists the options", "--=");
    REFUSED(f, "unknown option ---; --help lists the options", "---");
}

static void long_words_are_no_trouble(void **state)
{
    struct fixture *f = *state;
    char word[5000];

    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    memcpy(word, "--", 2);
    assert_int_equal(PARSE(f, word), E_USAGE);
    word[2500] = '=';
    assert_int_equal(PARSE(f, word), E_USAGE);
    memcpy(word, "--text=", 7);
    assert_int_equal(PARSE(f, word), OK);
    assert_string_equal(f->o.text, word + 7);
}

static void values_missing_or_too_many(void **state)
{
    struct fixture *f = *state;

    REFUSED(f, "--output needs a value: FILE", "-o");
    REFUSED(f, "--output needs a value: FILE; if \"--json\" is meant, write --output=--json", "-o", "--json");
    REFUSED(f, "--output: the FILE is empty", "--output=");
    REFUSED(f, "--json takes no value", "--json=yes");
    REFUSED(f, "--help takes no value", "--help=");
    REFUSED(f, "--threads is given twice", "--threads", "1", "--threads=1");
    assert_int_equal(PARSE(f, "-q", "--quiet"), OK); /* a flag says the same again */
    assert_int_equal(PARSE(f, "--output=--json", "--text", "-"), OK);
    assert_string_equal(f->o.path, "--json");
    assert_string_equal(f->o.text, "-");
    assert_false(f->o.common.json);
}

static void choices(void **state)
{
    struct fixture *f = *state;

    REFUSED(f, "--colour: \"bleu\" is none of red, green or blue; did you mean blue?", "--colour", "bleu");
    REFUSED(f, "--colour: \"yellow\" is none of red, green or blue", "--colour", "yellow");
    REFUSED(f, "--colour: \"\" is none of red, green or blue", "--colour=");
    assert_int_equal(PARSE(f, "--colour", "red"), OK);
    assert_int_equal(f->o.colour, RED);
}

static void nearest(void **state)
{
    static const char *const names[] = {"inspect", "convert", "help"};
    static const struct {
        const char *given, *wanted;
    } rows[] = {
        {"inpsect", "inspect"},
        {"inspec", "inspect"},
        {"convertt", "convert"},
        {"con", "convert"},
        {"hlep", "help"},
        {"hepl", "help"},
        {"x", NULL},
        {"", NULL},
        {"quantize", NULL},
        {"i", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *got = nearest_of(rows[i].given, names, ARRAY_LEN(names));

        if (!rows[i].wanted)
            assert_null(got);
        else
            assert_string_equal(got ? got : "nothing", rows[i].wanted);
    }
}

static void arguments_are_escaped(void **state)
{
    struct fixture *f = *state;

    REFUSED(f, "unknown option --\\x1b[31m; --help lists the options", "--\033[31m");
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(defaults),
        CASE(values_apart_and_joined),
        CASE(positional_anywhere),
        CASE(help_ends_parsing),
        CASE(lists),
        CASE(sizes),
        CASE(bad_numbers),
        CASE(ranges),
        CASE(unknown_options),
        CASE(long_words_are_no_trouble),
        CASE(values_missing_or_too_many),
        CASE(choices),
        CASE(nearest),
        CASE(arguments_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
