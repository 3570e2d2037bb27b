/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/head.h"

#define HEAD_PREFIX   "mtp."
#define LAYERS_PREFIX "mtp.layers."
#define GGUF_PREFIX   "blk."

/* ---- which tensors ---- */

/* The number behind a prefix, where a dot follows it. */
static bool number_after(const char *name, const char *prefix, uint64_t *n)
{
    char *end;

    if (!str_starts(name, prefix) || name[strlen(prefix)] < '0' || name[strlen(prefix)] > '9')
        return false;
    *n = strtoull(name + strlen(prefix), &end, 10);
    return *end == '.';
}

static enum status check_layer(const struct source *s, const struct tensor *t, uint64_t layer,
                               struct err *err)
{
    if (layer < HEAD_MAX_LAYERS)
        return OK;
    return fail(err, E_FORMAT, "%s: tensor %s: layer %" PRIu64 " of a head: at most %d are possible",
                s->files[t->file].path, t->name, layer, HEAD_MAX_LAYERS);
}

enum status head_count_layers(const struct source *s, uint64_t *n, struct err *err)
{
    *n = 0;
    for (size_t i = 0; i < s->ntensor; i++) {
        char name[NAME_MAX_LEN];
        uint64_t layer;

        if (!name_canonical(s->tensors[i].name, name) || !str_starts(name, HEAD_PREFIX))
            continue;
        *n = max_u64(*n, 1);
        if (!number_after(name, LAYERS_PREFIX, &layer))
            continue;
        enum status st = check_layer(s, &s->tensors[i], layer, err);
        if (st != OK)
            return st;
        *n = max_u64(*n, layer + 1);
    }
    return OK;
}

/* A drafter's names are recognised by two that no other model has. */
static bool is_drafter(const struct source *s)
{
    return source_find(s, "fc.weight") && source_find(s, "pre_fc_norm_hidden.weight");
}

static enum head_names find_names(const struct source *s)
{
    if (s->kind == SOURCE_GGUF)
        return HEAD_BLOCKS;
    for (size_t i = 0; i < s->ntensor; i++)
        if (name_is_mtp(s->tensors[i].name))
            return HEAD_MTP;
    return is_drafter(s) ? HEAD_BARE : HEAD_NONE;
}

/* ---- bringing in what the index leaves out ---- */

enum status head_adopt_hidden(struct source *s, size_t *n, struct err *err)
{
    size_t before = s->nhidden;
    enum status st = before > 0 ? source_unhide(s, name_is_mtp, err) : OK;

    *n = before - s->nhidden;
    return st;
}

static enum status take_head(struct source *s, const struct source *shard, const char *path, size_t *n,
                             struct err *err)
{
    enum status st = OK;
    uint32_t file = 0;

    for (size_t i = 0; i < shard->ntensor && st == OK; i++) {
        struct tensor t = shard->tensors[i];

        if (!name_is_mtp(t.name) || source_find(s, t.name))
            continue;
        if ((*n)++ == 0)
            st = source_add_file(s, path, &file, err);
        t.file = file;
        t.name = arena_strdup(&s->arena, t.name);
        if (st == OK)
            st = t.name ? source_add_tensor(s, &t, err) : fail_nomem(err);
    }
    return st;
}

enum status head_adopt_file(struct source *s, const char *name, size_t *n, struct err *err)
{
    const char *path = source_beside(s, name);
    struct source *shard = NULL;

    *n = 0;
    if (!path)
        return OK;
    enum status st = source_open(&shard, path, err);
    if (st == OK && shard->kind == SOURCE_SAFETENSORS)
        st = take_head(s, shard, path, n, err);
    source_close(shard);
    return st;
}

/* ---- recognising ---- */

struct reader {
    struct head *h;
    struct source *s;
    struct map known; /* canonical names of the weights that are there */
    size_t tensor_cap, unknown_cap, missing_cap;
};

/* The name as the tables have it; false when the tensor is none of the head's. */
static bool canonical_name(const struct head *h, const struct tensor *t, char out[NAME_MAX_LEN])
{
    if (h->names == HEAD_BARE)
        return snprintf(out, NAME_MAX_LEN, HEAD_PREFIX "%s", t->name) < NAME_MAX_LEN;
    return name_canonical(t->name, out) && str_starts(out, HEAD_PREFIX);
}

/* Whether a tensor is under the head's names; if a rule knows it, x->match.rule is set. */
static bool find_tensor(const struct head *h, const struct tensor *t, struct head_tensor *x)
{
    char name[NAME_MAX_LEN];
    uint64_t block = 0;

    *x = (struct head_tensor){.tensor = t};
    if (h->names == HEAD_BLOCKS) {
        if (!number_after(t->name, GGUF_PREFIX, &block) || block < h->first_block)
            return false;
        snprintf(name, sizeof name, GGUF_PREFIX "%" PRIu64 "%s", block - h->first_block,
                 strchr(t->name + strlen(GGUF_PREFIX), '.'));
        (void)(h->arch && name_match_gguf(&h->hp, name, &x->match));
        return true;
    }
    if (!canonical_name(h, t, name))
        return false;
    if (!h->arch || name_match_text(&h->hp, name, &x->match) != NAME_KNOWN ||
        x->match.rule->scope == SCOPE_MODEL)
        x->match.rule = NULL;
    return true;
}

static enum status add_known(struct reader *r, const struct head_tensor *x, struct err *err)
{
    struct arena *a = &r->s->arena;
    struct head *h = r->h;
    char name[NAME_MAX_LEN];
    uint32_t earlier;

    if (!arena_grow(a, (void **)&h->tensors, h->ntensor, &r->tensor_cap, sizeof *h->tensors))
        return fail_nomem(err);
    h->tensors[h->ntensor++] = *x;
    h->nscale += dtype_parts(x->tensor->dtype)->n - 1;
    h->experts |= x->match.rule->flags & RULE_EXPERTS;
    name_source(&h->hp, &x->match, name);
    const char *key = arena_strdup(a, name);
    return key && map_add(&r->known, slice_of(key), 0, &earlier) ? OK : fail_nomem(err);
}

static enum status add_unknown(struct reader *r, const struct tensor *t, struct err *err)
{
    struct head *h = r->h;

    if (!arena_grow(&r->s->arena, (void **)&h->unknown, h->nunknown, &r->unknown_cap, sizeof *h->unknown))
        return fail_nomem(err);
    h->unknown[h->nunknown++] = t;
    return OK;
}

static enum status sort_tensors(struct reader *r, struct err *err)
{
    enum status st = OK;

    for (size_t i = 0; i < r->s->ntensor && st == OK; i++) {
        struct head_tensor x;

        if (!find_tensor(r->h, &r->s->tensors[i], &x))
            continue;
        bool beyond = x.match.rule && (x.match.rule->flags & RULE_PER_EXPERT) && r->h->nexpert &&
                      x.match.expert >= r->h->nexpert;
        st = x.match.rule && !beyond ? add_known(r, &x, err) : add_unknown(r, x.tensor, err);
    }
    return st;
}

/* ---- the frame: architecture, layers, experts ---- */

static size_t count_matches(struct head *h, const struct source *s)
{
    struct head_tensor x;
    size_t n = 0;

    for (size_t i = 0; i < s->ntensor; i++)
        n += find_tensor(h, &s->tensors[i], &x) && x.match.rule;
    return n;
}

/* The architecture with a head whose tables know most of the tensors. */
static void guess_arch(struct head *h, const struct source *s)
{
    const struct arch *best = NULL;
    size_t most = 0;

    for (size_t i = 0; arch_at(i); i++) {
        h->arch = h->hp.arch = arch_at(i);
        size_t n = h->arch->has_mtp ? count_matches(h, s) : 0;
        if (n > most) {
            most = n;
            best = h->arch;
        }
    }
    h->arch = h->hp.arch = best;
}

static uint64_t gguf_key(const struct source *s, const char *arch, const char *suffix)
{
    char key[META_KEY_MAX];
    uint64_t v = 0;

    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    return meta_u64(meta_find(&s->meta, key), &v) ? v : 0;
}

/* Of a GGUF file: the trunk ends where the first of the head's own tensors are, or else where the promised
 * head begins. */
static enum status frame_gguf(struct head *h, const struct source *s, struct err *err)
{
    struct slice name = {0};
    char arch[META_KEY_MAX / 2];
    uint64_t first = UINT64_MAX, last = 0, block;

    (void)meta_str(meta_find(&s->meta, "general.architecture"), &name);
    snprintf(arch, sizeof arch, "%.*s", (int)min_u64(name.n, sizeof arch - 1), name.n ? name.p : "");
    for (size_t i = 0; i < s->ntensor; i++) {
        if (!number_after(s->tensors[i].name, GGUF_PREFIX, &block))
            continue;
        if (strstr(s->tensors[i].name, ".nextn."))
            first = min_u64(first, block);
        last = max_u64(last, block);
    }
    uint64_t blocks = gguf_key(s, arch, "block_count"), promised = gguf_key(s, arch, "nextn_predict_layers");
    if (first == UINT64_MAX && promised > 0 && blocks > promised)
        first = blocks - promised;
    if (last < first) {
        h->names = HEAD_NONE;
        return OK;
    }
    if (last - first >= HEAD_MAX_LAYERS)
        return fail(err, E_FORMAT, "%s: blocks %" PRIu64 " to %" PRIu64 " of a head: at most %d are possible",
                    s->path, first, last, HEAD_MAX_LAYERS);
    h->first_block = first;
    h->nlayer = last - first + 1;
    h->nexpert = gguf_key(s, arch, "expert_count");
    for (size_t i = 0; arch_at(i); i++)
        if (strcmp(arch_at(i)->name, arch) == 0 && arch_at(i)->has_mtp)
            h->arch = h->hp.arch = arch_at(i);
    return OK;
}

static enum status frame_hf(struct head *h, const struct source *s, const struct hparams *config,
                            struct err *err)
{
    for (size_t i = 0; i < s->ntensor; i++) {
        char name[NAME_MAX_LEN];
        uint64_t layer = 0;

        if (!canonical_name(h, &s->tensors[i], name))
            continue;
        (void)number_after(name, LAYERS_PREFIX, &layer);
        enum status st = check_layer(s, &s->tensors[i], layer, err);
        if (st != OK)
            return st;
        h->nlayer = max_u64(h->nlayer, layer + 1);
    }
    if (config && config->arch->has_mtp)
        h->arch = h->hp.arch = config->arch;
    else
        guess_arch(h, s);
    return OK;
}

/* Position of the number of experts among the symbols; false for a dense architecture. */
static bool experts_symbol(const struct arch *arch, size_t *at)
{
    bool has_experts = false;

    for (const struct tensor_rule *const *t = arch->tables; *t; t++)
        for (const struct tensor_rule *r = *t; r->hf; r++)
            has_experts |= (r->flags & RULE_EXPERTS) != 0;
    for (*at = 0; has_experts && arch->symbols[*at].name; ++*at)
        if (strcmp(arch->symbols[*at].name, "E") == 0)
            return true;
    return false;
}

/* The router has a row for each expert; without one, the experts' own tensors tell. */
static uint64_t count_experts(const struct head *h, const struct source *s)
{
    uint64_t routed = 0, seen = 0;
    struct head_tensor x;

    for (size_t i = 0; i < s->ntensor; i++) {
        if (!find_tensor(h, &s->tensors[i], &x) || !x.match.rule || x.tensor->rank == 0)
            continue;
        if (x.match.rule->gguf && strcmp(x.match.rule->gguf, "ffn_gate_inp.weight") == 0)
            routed = x.tensor->shape[0];
        else if (x.match.rule->flags & RULE_PER_EXPERT)
            seen = max_u64(seen, x.match.expert + 1);
        else if (x.match.rule->flags & RULE_EXPERTS)
            seen = max_u64(seen, x.tensor->shape[0]);
    }
    return routed ? routed : seen;
}

static enum status set_experts(struct head *h, const struct source *s, const struct hparams *config,
                               struct err *err)
{
    size_t at, of;

    if (!experts_symbol(h->arch, &at)) {
        h->nexpert = 0;
        return OK;
    }
    if (config && experts_symbol(config->arch, &of) && config->symbol[of].set)
        h->nexpert = config->symbol[of].value;
    else if (h->nexpert == 0)
        h->nexpert = count_experts(h, s);
    if (h->nexpert > HEAD_MAX_EXPERTS)
        return fail(err, E_FORMAT, "%s: %" PRIu64 " experts: at most %d are possible", s->path, h->nexpert,
                    HEAD_MAX_EXPERTS);
    require(at < HPARAMS_MAX_SYMBOLS);
    h->hp.symbol[at].set = true;
    h->hp.symbol[at].value = h->nexpert;
    return OK;
}

/* ---- what is missing ---- */

static enum status note_missing(void *ctx, const struct name_match *m, struct err *err)
{
    struct reader *r = ctx;
    struct head *h = r->h;
    char name[NAME_MAX_LEN];

    if (m->rule->scope == SCOPE_MODEL)
        return OK;
    name_source(&h->hp, m, name);
    if (map_find(&r->known, slice_of(name)) != MAP_NONE)
        return OK;
    if (h->nmissing == HEAD_MAX_LISTED)
        return fail(err, E_LIMIT, "enough are missing");
    if (!arena_grow(&r->s->arena, (void **)&h->missing, h->nmissing, &r->missing_cap, sizeof *h->missing))
        return fail_nomem(err);
    h->missing[h->nmissing++] = *m;
    return OK;
}

/* A mix of layouts is judged by its numbered experts: those can be listed. */
static unsigned layout_to_visit(const struct head *h)
{
    static const unsigned order[] = {RULE_PER_EXPERT, RULE_FUSED, RULE_STACKED};

    if (h->names == HEAD_BLOCKS)
        return RULE_STACKED;
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (h->experts & order[i])
            return order[i];
    return RULE_FUSED;
}

static enum status list_missing(struct reader *r, struct err *err)
{
    struct name_visit visit = {.experts = layout_to_visit(r->h), .ctx = r, .fn = note_missing};
    struct hparams hp = r->h->hp;
    struct err stop = {0};

    hp.n_mtp = r->h->nlayer;
    enum status st = name_visit_text(&hp, &visit, &stop);
    if (st == OK || st == E_LIMIT)
        return OK;
    *err = stop;
    return st;
}

/* ---- all ---- */

enum status head_read(struct head *h, struct source *s, const struct hparams *config, struct err *err)
{
    struct reader r = {.h = h, .s = s};

    *h = (struct head){.names = find_names(s), .hp.name = s->path};
    enum status st = OK;
    if (h->names == HEAD_BLOCKS)
        st = frame_gguf(h, s, err);
    else if (h->names != HEAD_NONE)
        st = frame_hf(h, s, config, err);
    if (st != OK || h->names == HEAD_NONE)
        return st;
    if (h->arch) {
        h->hp.symbols = h->arch->symbols;
        st = set_experts(h, s, config, err);
    }
    if (st == OK)
        st = sort_tensors(&r, err);
    if (st == OK && h->arch)
        st = list_missing(&r, err);
    map_free(&r.known);
    return st;
}

bool head_is_complete(const struct head *h)
{
    bool mixed = (h->experts & (h->experts - 1)) != 0;

    return h->names != HEAD_NONE && h->arch && h->nmissing == 0 && h->nunknown == 0 && !mixed;
}

bool head_is_quantized(const struct head *h)
{
    bool quantized = false;

    for (size_t i = 0; i < h->ntensor && !quantized; i++)
        quantized = dtype_is_quantized(h->tensors[i].tensor->dtype);
    return quantized;
}

void head_spell(const struct head *h, const struct name_match *m, char out[NAME_MAX_LEN])
{
    struct name_match in_file = {m->rule, h->first_block + m->block, m->expert};

    if (h->names == HEAD_BLOCKS) {
        name_gguf(&h->hp, &in_file, m->rule->gguf, out);
        return;
    }
    name_source(&h->hp, m, out);
    if (h->names == HEAD_BARE)
        memmove(out, out + strlen(HEAD_PREFIX), strlen(out) + 1 - strlen(HEAD_PREFIX));
}

const char *head_missing_text(const struct head *h, char out[HEAD_TEXT_MAX])
{
    const struct name_match *before = NULL;
    size_t w = 0;

    out[0] = '\0';
    for (size_t i = 0; i < h->nmissing && w < HEAD_TEXT_MAX; i++) {
        const struct name_match *m = &h->missing[i];
        bool numbered = m->rule->flags & RULE_PER_EXPERT;
        bool goes_on = numbered && before && before->rule == m->rule && before->block == m->block;
        char name[NAME_MAX_LEN];

        head_spell(h, m, name);
        if (goes_on)
            w += (size_t)snprintf(out + w, HEAD_TEXT_MAX - w, ", %" PRIu64, m->expert);
        else if (numbered)
            w +=
                (size_t)snprintf(out + w, HEAD_TEXT_MAX - w, "%smtp.layers.%" PRIu64 ".%s of expert %" PRIu64,
                                 w ? "; " : "", m->block, m->rule->hf, m->expert);
        else
            w += (size_t)snprintf(out + w, HEAD_TEXT_MAX - w, "%s%s", w ? ", " : "", name);
        before = m;
    }
    return out;
}

const char *head_layout_name(const struct head *h)
{
    switch (h->experts) {
    case 0:
        return h->nexpert ? "no experts" : "dense";
    case RULE_FUSED:
        return "fused experts";
    case RULE_PER_EXPERT:
        return "numbered experts";
    case RULE_STACKED:
        return "stacked experts";
    default:
        return "mixed layouts of experts";
    }
}
