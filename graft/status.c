/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/status.h"

#include "arch/head_config.h"
#include "formats/mlx.h"

/* ---- where the head lies ---- */

/* "./mtp//head.safetensors" as "mtp/head.safetensors": names are compared. NULL when out of memory. */
static const char *plain_name(struct arena *a, const char *name)
{
    char *out = arena_strdup(a, name), *to = out;

    for (const char *p = name; out && *p;) {
        size_t n = strcspn(p, "/"), skip = strspn(p + n, "/");

        if (n != 1 || p[0] != '.') {
            memcpy(to, p, n + (skip > 0));
            to += n + (skip > 0);
        }
        p += n + skip;
    }
    if (out)
        *to = '\0';
    return out;
}

/* Looks for the head in one file outside the index. One that cannot be read is noted. */
static enum status try_file(struct mtp_status *st, const char *spelled, struct err *err)
{
    const char *name = plain_name(&st->source->arena, spelled);
    struct err reason = {0};
    size_t n = 0;

    if (!name)
        return fail_nomem(err);
    enum status s = head_adopt_file(st->source, name, &n, &reason);

    if (s == E_NOMEM)
        return fail_nomem(err);
    if (s != OK)
        return notes_add(&st->notes, err, "%s: ignored", reason.text);
    if (n == 0)
        return OK;
    st->side_car = name;
    st->side_car_path = source_beside(st->source, name);
    return st->side_car_path ? OK : fail_nomem(err);
}

/* Files that hold heads beside a model, by declaration and by habit. */
static enum status try_side_cars(struct mtp_status *st, struct err *err)
{
    const struct source *s = st->source;
    enum status status = OK;

    for (size_t i = 0; i < HEAD_SIDE_CARS && status == OK && !st->side_car; i++) {
        const char *name = head_side_car(s->config, i);

        if (name)
            status = try_file(st, name, err);
    }
    for (size_t i = 0; i < s->nunlisted && status == OK && !st->side_car; i++)
        status = try_file(st, s->unlisted[i], err);
    return status;
}

/* The config's numbers, where there is a config that is known. */
static enum status read_config(struct mtp_status *st, struct err *err)
{
    const char *name = source_beside(st->source, "config.json");
    struct err reason = {0};

    if (!st->source->config)
        return OK;
    enum status s = hparams_read(&st->hp, st->source->config, name ? name : st->source->path, &reason);
    if (s == OK)
        return OK;
    st->hp = (struct hparams){0};
    if (s == E_NOMEM)
        return fail_nomem(err);
    return notes_add(&st->notes, err, "%s: the config's sizes are not compared", reason.text);
}

/* ---- heads quantized for MLX ---- */

static bool is_any(const char *name)
{
    (void)name;
    return true;
}

static bool has_scales(const struct source *s, bool (*is_of)(const char *name))
{
    bool found = false;

    for (size_t i = 0; i < s->ntensor && !found; i++)
        found = str_ends(s->tensors[i].name, ".scales") && is_of(s->tensors[i].name);
    return found;
}

/* Matrices whose rows are not as long as the hidden state, but as another has rows; of the query's, half are
 * the gate's. */
static const struct {
    const char *module, *other;
    uint64_t over;
} row_lengths[] = {
    {".down_proj", ".up_proj.weight", 1},
    {".self_attn.o_proj", ".self_attn.q_proj.weight", 2},
};

/* How many values a row of a head's matrix has, as the tensors beside it tell. */
static bool find_row_length(const struct source *s, const char *module, uint64_t *n)
{
    const char *layers = strstr(module, "layers."), *other = "pre_fc_norm_hidden.weight";
    bool is_fc = !layers && str_ends(module, "fc");
    size_t before = layers  ? (size_t)(layers - module)
                    : is_fc ? strlen(module) - strlen("fc")
                            : strlen(module);
    uint64_t over = 1;
    char name[NAME_MAX_LEN];

    for (size_t i = 0; i < ARRAY_LEN(row_lengths); i++) {
        if (!str_ends(module, row_lengths[i].module))
            continue;
        before = strlen(module) - strlen(row_lengths[i].module);
        other = row_lengths[i].other;
        over = row_lengths[i].over;
    }
    snprintf(name, sizeof name, "%.*s%s", (int)min_u64(before, NAME_MAX_LEN), module, other);
    const struct tensor *t = source_find(s, name);
    if (!t || t->rank == 0)
        return false;
    uint64_t rows = t->shape[t->rank == 1 ? 0 : t->rank - 2];
    *n = rows / over;
    return !is_fc || mul_ok(rows, 2, n);
}

/* Scales and biases of the head's modules become parts of their weights. */
static enum status join_head(struct mtp_status *st, struct err *err)
{
    struct source *s = st->source;
    const struct mlx_head head = {st->head.names == HEAD_BARE ? is_any : name_is_mtp, find_row_length};

    if ((st->head.names != HEAD_MTP && st->head.names != HEAD_BARE) || !has_scales(s, head.is_of))
        return OK;
    enum status status = mlx_join_head(s, &head, err);
    return status == OK ? head_read(&st->head, s, st->hp.arch ? &st->hp : NULL, err) : status;
}

/* ---- all of it ---- */

static enum status adopt(struct mtp_status *st, struct err *err)
{
    size_t n = 0;
    enum status status = head_adopt_hidden(st->source, &n, err);

    st->hidden = n > 0;
    if (status == OK && n == 0)
        status = try_side_cars(st, err);
    return status == OK && (st->hidden || st->side_car)
               ? head_read(&st->head, st->source, st->hp.arch ? &st->hp : NULL, err)
               : status;
}

enum status mtp_status_locate(struct mtp_status *st, struct source *s, struct err *err)
{
    *st = (struct mtp_status){.source = s, .notes.arena = &s->arena};
    enum status status = read_config(st, err);

    if (status == OK)
        status = head_read(&st->head, s, st->hp.arch ? &st->hp : NULL, err);
    if (status == OK && st->head.names == HEAD_NONE && s->kind == SOURCE_HF)
        status = adopt(st, err);
    return status == OK ? join_head(st, err) : status;
}

/* ---- heads that follow the trunk's layers ---- */

/* Of families without a table: layers of the text model behind the last that the config has. */
static uint64_t count_appended(const struct source *s)
{
    static const char *const prefixes[] = {"model.layers.", "model.mtp_layers."};
    int64_t layers;
    uint64_t n = 0;

    if (!json_int(promise_find(s, "num_hidden_layers"), &layers) || layers <= 0)
        return 0;
    for (size_t i = 0; i < s->ntensor; i++) {
        char name[NAME_MAX_LEN], *end;

        if (!name_canonical(s->tensors[i].name, name))
            continue;
        if (str_starts(name, prefixes[1])) {
            n++;
        } else if (str_starts(name, prefixes[0])) {
            uint64_t layer = strtoull(name + strlen(prefixes[0]), &end, 10);

            n += *end == '.' && layer >= (uint64_t)layers;
        }
    }
    return n;
}

bool mtp_status_owns(const struct mtp_status *st, const struct tensor *t)
{
    const struct head *h = &st->head;

    for (size_t i = 0; i < h->ntensor; i++)
        if (h->tensors[i].tensor == t)
            return true;
    for (size_t i = 0; i < h->nunknown; i++)
        if (h->unknown[i] == t)
            return true;
    return false;
}

/* ---- the verdict ---- */

const char *mtp_status_lost_file(const struct mtp_status *st)
{
    bool held = st->promise.file_is_there && st->head.names != HEAD_NONE;

    return held ? NULL : st->promise.file;
}

static enum status judge_blocks(const struct mtp_status *st, const char **verdict, struct err *err)
{
    struct source *s = st->source;
    const struct meta_kv *kv = NULL;
    struct slice arch;
    uint64_t blocks = 0, want = st->head.first_block + st->head.nlayer;

    if (meta_str(meta_find(&s->meta, "general.architecture"), &arch)) {
        const char *key =
            arena_printf(&s->arena, "%.*s.block_count", (int)min_u64(arch.n, 64), arch.n ? arch.p : "");

        if (!key)
            return fail_nomem(err);
        kv = meta_find(&s->meta, key);
    }
    if (!meta_u64(kv, &blocks) || blocks == want)
        return OK;
    *verdict = arena_printf(
        &s->arena, "block_count=%" PRIu64 ", but with the head there are %" PRIu64 " blocks", blocks, want);
    return *verdict ? OK : fail_nomem(err);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static enum status judge(struct mtp_status *st, struct err *err)
{
    struct arena *a = &st->source->arena;
    const struct head *h = &st->head;
    bool described = st->source->kind == SOURCE_GGUF || st->source->config;
    uint64_t promised = st->promise.layers, found = h->names == HEAD_NONE ? 0 : h->nlayer;
    const char *verdict = NULL;
    enum status s = OK;

    st->agrees = false;
    if (mtp_status_lost_file(st)) {
        verdict = arena_printf(a, "the config says that %.200s holds the head, but %s", st->promise.file,
                               st->promise.file_is_there ? "there is none in it" : "there is no such file");
    } else if (found == 0 && st->appended > 0 && promised > 0) {
        st->agrees = true;
        verdict = "a head is promised, and there are layers behind the trunk's; their names are in no table";
    } else if (found == 0 && promised > 0) {
        verdict = arena_printf(a, "a head of %" PRIu64 " layer%s is promised, but no tensor of it is there",
                               promised, plural(promised));
    } else if (found == 0) {
        st->agrees = true;
        verdict = "no head is promised, and none is there";
    } else if (h->arch && !head_is_complete(h)) {
        verdict = "the head is not complete";
    } else if (described && st->promise.contradictory) {
        verdict = "the config contradicts itself about the number of layers";
    } else if (described && promised > 0 && st->promise.unseen) {
        verdict = "the head is promised at the root of the config alone; readers look in text_config";
    } else if (described && promised != found) {
        verdict = arena_printf(a, "%" PRIu64 " layer%s promised, but the tensors are of %" PRIu64, promised,
                               promised == 1 ? " is" : "s are", found);
    } else {
        st->agrees = true;
        verdict = described ? "what is promised is there" : "a head alone: nothing describes it";
        if (h->names == HEAD_BLOCKS) {
            const char *blocks = NULL;

            s = judge_blocks(st, &blocks, err);
            st->agrees = !blocks;
            verdict = blocks ? blocks : verdict;
        }
    }
    st->verdict = verdict;
    return s == OK && !verdict ? fail_nomem(err) : s;
}

static enum status note_all(struct mtp_status *st, struct err *err)
{
    const struct head *h = &st->head;
    struct err reason = {0};
    enum status s = OK;

    if (st->side_car && !mlx_is(st->source))
        s = notes_add(&st->notes, err,
                      "%s holds the head, but the index does not name it: many readers miss it",
                      st->side_car);
    if (s == OK && st->hidden)
        s = notes_add(&st->notes, err,
                      "the shards hold the head, but the index does not name it: many readers "
                      "miss it");
    if (s == OK && h->nunknown > 0)
        s = notes_add(&st->notes, err, "%s%s: under the head's names, but no part of it that is known",
                      h->unknown[0]->name, h->nunknown > 1 ? " and others" : "");
    if (s == OK && (h->experts & (h->experts - 1)))
        s = notes_add(&st->notes, err, "the experts are stored in more than one layout");
    if (s == OK && h->ntensor > 0 && norms_require(&st->norms, st->source->path, &reason) != OK)
        s = notes_add(&st->notes, err, "%s", reason.text);
    return s;
}

enum status mtp_status_read(struct mtp_status *st, struct source *s, struct err *err)
{
    enum status status = mtp_status_locate(st, s, err);

    if (status == OK)
        status = promise_read(&st->promise, s, err);
    if (status == OK && st->head.ntensor > 0)
        status = norms_read(&st->norms, s, &st->head, err);
    if (status == OK && st->head.names == HEAD_NONE)
        st->appended = count_appended(s);
    if (status == OK)
        status = judge(st, err);
    return status == OK ? note_all(st, err) : status;
}
