/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a deterministic checkpoint of any known architecture and size from a config.json. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <sys/stat.h>

#include "core/file.h"
#include "samples/sample.h"

#define CONFIG_MAX (16 * MIB)

static const char usage[] =
    "usage: mksample CONFIG.json -o DIR [--sparse] [--no-mtp] [--per-expert] [--nvfp4 F]\n"
    "                [--shards N] [--seed S]\n"
    "\n"
    "Writes a checkpoint with the names and shapes of CONFIG.json's architecture, values of realistic "
    "spread\n"
    "and a synthetic tokenizer. The same command always writes the same bytes.\n"
    "\n"
    "  -o DIR        the folder to make; it must not exist, or be empty\n"
    "  --sparse      headers over holes: a checkpoint of any size costs no disk\n"
    "  --no-mtp      leave out the multi-token-prediction head that the config promises\n"
    "  --per-expert  one tensor per expert, in the trunk and in the head; without it both are fused\n"
    "  --nvfp4 F     projections as NVFP4 codes and scales: modelopt, or compressed-tensors (the head too)\n"
    "  --shards N    split into N files of about the same size, with an index\n"
    "  --seed S      other values (default 1)\n";

static bool parse_number(const char *text, uint64_t max, uint64_t *v)
{
    char *end;

    errno = 0;
    *v = strtoull(text, &end, 10);
    return errno == 0 && end != text && !*end && text[0] != '-' && *v <= max;
}

static enum status parse(int argc, char **argv, struct sample_options *o, bool *help, struct err *err)
{
    static const struct option longs[] = {
        {"sparse", no_argument, NULL, 's'},       {"no-mtp", no_argument, NULL, 'n'},
        {"per-expert", no_argument, NULL, 'e'},   {"nvfp4", required_argument, NULL, 'q'},
        {"shards", required_argument, NULL, 'N'}, {"seed", required_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    int c;

    opterr = 0;
    *o = (struct sample_options){.shards = 1, .seed = 1};
    while ((c = getopt_long(argc, argv, ":o:h", longs, NULL)) != -1) {
        if (c == 'o')
            o->out = optarg;
        else if (c == 's')
            o->sparse = true;
        else if (c == 'n')
            o->no_mtp = true;
        else if (c == 'e')
            o->per_expert = true;
        else if (c == 'h')
            *help = true;
        else if (c == 'N' && (!parse_number(optarg, 99999, &o->shards) || o->shards == 0))
            return fail(err, E_USAGE, "--shards: \"%s\" is no number from 1 to 99999", optarg);
        else if (c == 'S' && !parse_number(optarg, UINT64_MAX, &o->seed))
            return fail(err, E_USAGE, "--seed: \"%s\" is no number", optarg);
        else if (c == 'q' && !sample_nvfp4_find(optarg, &o->nvfp4))
            return fail(err, E_USAGE, "--nvfp4: \"%s\" is neither modelopt nor compressed-tensors", optarg);
        else if (c == ':')
            return fail(err, E_USAGE, "%s needs a value", argv[optind - 1]);
        else if (c == '?')
            return fail(err, E_USAGE, "unknown option %s; --help lists the options", argv[optind - 1]);
    }
    if (*help)
        return OK;
    if (optind + 1 != argc)
        return fail(err, E_USAGE, "%s", optind == argc ? "CONFIG.json is missing" : "one argument too many");
    o->config = argv[optind];
    return o->out ? OK : fail(err, E_USAGE, "-o DIR is missing");
}

static enum status make_folder(const char *path, struct err *err)
{
    DIR *d;
    size_t n = 0;

    if (mkdir(path, 0777) == 0)
        return OK;
    if (errno != EEXIST)
        return fail_errno(err, "%s", path);
    d = opendir(path);
    if (!d)
        return fail_errno(err, "%s", path);
    while (n <= 2 && readdir(d))
        n++;
    closedir(d);
    return n <= 2 ? OK : fail(err, E_USAGE, "%s: is not empty", path);
}

static enum status make(const struct sample_options *o, struct err *err)
{
    struct sample s = {.options = o};
    struct buf text;

    arena_init(&s.arena, 4 * GIB);
    buf_init(&text, CONFIG_MAX);
    enum status st = file_load(o->config, &text, err);
    if (st == OK)
        st = json_parse(text.p, text.n, o->config, true, &s.config, err);
    if (st == OK)
        st = hparams_read(&s.hp, s.config, o->config, err);
    if (st == OK)
        st = sample_list(&s, err);
    if (st == OK)
        st = sample_check_vocab(&s, err);
    if (st == OK && o->shards > s.n)
        st = fail(err, E_USAGE, "--shards %" PRIu64 ": the model has only %zu tensors", o->shards, s.n);
    if (st == OK)
        st = make_folder(o->out, err);
    if (st == OK && o->nvfp4)
        sample_add_claim(&s, &text);
    if (st == OK)
        st = buf_check(&text, "config.json", err);
    if (st == OK)
        st = sample_write(&s, "config.json", text.p, text.n, err);
    if (st == OK)
        st = sample_tokenizer(&s, err);
    if (st == OK)
        st = sample_shards(&s, err);
    json_free(s.config);
    buf_free(&text);
    arena_free(&s.arena);
    return st;
}

int main(int argc, char **argv)
{
    struct sample_options o;
    struct err err = {0};
    bool help = false;
    enum status s = parse(argc, argv, &o, &help, &err);

    if (s == OK && help) {
        fputs(usage, stdout);
        return 0;
    }
    if (s == OK)
        s = make(&o, &err);
    if (s != OK)
        fprintf(stderr, "mksample: %s\n", err.text);
    return status_exit_code(s);
}
