/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/gguf_config.h"

#include <math.h>
#include <stdarg.h>

#include "arch/hparams.h"
#include "arch/keys.h"

#define MAX_MEMBERS     80   /* more than the tables have rules */
#define MAX_PAIRS       4096 /* rotary, of a head */
#define ORIGINAL_LLAMA3 8192

struct member {
    const char *key, *text; /* the value as JSON */
    uint64_t number;        /* of an integer from the metadata */
};

/* Members of an object, in order. */
struct object {
    struct member item[MAX_MEMBERS];
    size_t n;
};

struct config {
    const struct source *source;
    const struct arch *arch;
    struct notes *notes;
    struct arena arena;
    struct object root, rope;
    bool no_memory;
    uint64_t layers, head_layers;
};

/* ---- members ---- */

static const struct member *find(const struct object *o, struct slice key)
{
    for (size_t i = 0; i < o->n; i++)
        if (slice_eq(key, o->item[i].key))
            return &o->item[i];
    return NULL;
}

/* The first value of a key stays, for metadata says some of them twice; then NULL is returned. */
static struct member *put(struct config *c, struct object *o, struct slice key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static struct member *put(struct config *c, struct object *o, struct slice key, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    if (find(o, key))
        return NULL;
    require(o->n < MAX_MEMBERS);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct member m = {arena_strndup(&c->arena, key.p, key.n), arena_strdup(&c->arena, text), 0};
    if (!m.key || !m.text) {
        c->no_memory = true;
        return NULL;
    }
    o->item[o->n] = m;
    return &o->item[o->n++];
}

static void put_u64(struct config *c, struct slice key, uint64_t v)
{
    struct member *m = put(c, &c->root, key, "%" PRIu64, v);

    if (m)
        m->number = v;
}

static void put_bool(struct config *c, const char *key, bool v)
{
    put(c, &c->root, slice_of(key), "%s", v ? "true" : "false");
}

double gguf_config_decimal(float v)
{
    char text[40];

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    return strtod(text, NULL);
}

static void put_f32(struct config *c, struct object *o, struct slice key, double v)
{
    char text[40];

    snprintf(text, sizeof text, "%.9g", gguf_config_decimal((float)v));
    put(c, o, key, "%s%s", text, strpbrk(text, ".en") ? "" : ".0");
}

/* ---- metadata ---- */

static const char *full_key(const struct config *c, const char *key, char out[META_KEY_MAX])
{
    if (key[0] == '.')
        snprintf(out, META_KEY_MAX, "%s", key + 1);
    else
        snprintf(out, META_KEY_MAX, "%s.%s", c->arch->name, key);
    return out;
}

static const struct meta_kv *value_of(const struct config *c, const char *key)
{
    char full[META_KEY_MAX];

    return meta_find(&c->source->meta, full_key(c, key, full));
}

static enum status fail_kind(const struct config *c, const struct meta_kv *kv, const char *must,
                             struct err *err)
{
    return fail(err, E_FORMAT, "%s: %s: is %s %s, must be %s", c->source->path, kv->key,
                kv->type == META_ARRAY || kv->type == META_I32 ? "an" : "a", meta_type_name(kv->type), must);
}

/* *found is false when the key is not there. */
static enum status get_u64(const struct config *c, const char *key, bool *found, uint64_t *v, struct err *err)
{
    const struct meta_kv *kv = value_of(c, key);

    *found = kv;
    return !kv || meta_u64(kv, v) ? OK : fail_kind(c, kv, "a whole number from 0 on", err);
}

static enum status get_f64(const struct config *c, const char *key, bool *found, double *v, struct err *err)
{
    const struct meta_kv *kv = value_of(c, key);

    *found = kv;
    return !kv || (meta_f64(kv, v) && isfinite(*v)) ? OK : fail_kind(c, kv, "a finite number", err);
}

/* ---- key rules ---- */

/* Of a rule's alternatives the one that the architecture's own configs use: a symbol has it first. */
static struct slice spelling(const struct arch *arch, const char *from)
{
    for (const char *p = from; *p;) {
        size_t n = strcspn(p, "|");

        for (const struct symbol *s = arch->symbols; s->name; s++)
            if (s->keys && strcspn(s->keys, "|") == n && memcmp(s->keys, p, n) == 0)
                return (struct slice){p, n};
        p += n + (p[n] == '|');
    }
    return (struct slice){from, strcspn(from, "|")};
}

static struct slice symbol_key(const struct arch *arch, const char *name, size_t n)
{
    for (const struct symbol *s = arch->symbols; s->name; s++)
        if (s->keys && strlen(s->name) == n && memcmp(s->name, name, n) == 0)
            return (struct slice){s->keys, strcspn(s->keys, "|")};
    require(!"a symbol with a key");
    return (struct slice){0};
}

/* The expressions of key rules are a symbol, or a product of two of which one has a value already. */
static enum status put_expression(struct config *c, const struct key_rule *k, uint64_t v, struct err *err)
{
    size_t n = strcspn(k->from, "*");
    struct slice left = symbol_key(c->arch, k->from, n);

    if (!k->from[n]) {
        put_u64(c, left, v);
        return OK;
    }
    struct slice right = symbol_key(c->arch, k->from + n + 1, strlen(k->from + n + 1));
    const struct member *known = find(&c->root, right);

    if (!known) {
        struct slice other = left;

        known = find(&c->root, left);
        left = right;
        right = other;
    }
    if (!known || known->number == 0 || v % known->number)
        return fail(err, E_FORMAT, "%s: %s.%s=%" PRIu64 ": is no multiple of %.*s", c->source->path,
                    c->arch->name, k->key, v, (int)right.n, right.p);
    put_u64(c, left, v / known->number);
    return OK;
}

static enum status put_rule(struct config *c, const struct key_rule *k, struct err *err)
{
    bool found = false;
    uint64_t n = 0;
    double d = 0;
    enum status s = OK;

    switch (k->kind) {
    case KEY_U32:
        s = get_u64(c, k->key, &found, &n, err);
        if (s == OK && found)
            put_u64(c, spelling(c->arch, k->from), n);
        return s;
    case KEY_F32:
        s = get_f64(c, k->key, &found, &d, err);
        if (s == OK && found)
            put_f32(c, &c->root, spelling(c->arch, k->from), d);
        return s;
    case KEY_EXPR:
        s = get_u64(c, k->key, &found, &n, err);
        return s == OK && found ? put_expression(c, k, n, err) : s;
    case KEY_FUNCTION:
        break; // below
    }
    return OK;
}

static enum status put_rules(struct config *c, const struct key_rule *k, struct err *err)
{
    enum status s = OK;

    for (; k && k->key && s == OK; k++)
        s = put_rule(c, k, err);
    return s;
}

/* ---- what functions make metadata of ---- */

static enum status put_layers(struct config *c, struct err *err)
{
    uint64_t blocks = 0;
    bool found;
    enum status s = get_u64(c, "block_count", &found, &blocks, err);

    if (s == OK && !found)
        s = fail(err, E_FORMAT, "%s: %s.block_count is missing", c->source->path, c->arch->name);
    if (s == OK && c->arch->has_mtp)
        s = get_u64(c, "nextn_predict_layers", &found, &c->head_layers, err);
    if (s == OK && c->head_layers >= blocks)
        s = fail(err, E_FORMAT, "%s: %s.block_count=%" PRIu64 ": must be above %" PRIu64, c->source->path,
                 c->arch->name, blocks, c->head_layers);
    if (s != OK)
        return s;
    c->layers = blocks - c->head_layers;
    put_u64(c, slice_of("num_hidden_layers"), c->layers);
    if (c->arch->has_mtp)
        put_u64(c, slice_of("mtp_num_hidden_layers"), c->head_layers);
    return OK;
}

static enum status put_gating(struct config *c, struct err *err)
{
    static const char *const names[] = {NULL, "softmax", "sigmoid", NULL, "sqrtsoftplus"};
    uint64_t id = 0;
    bool found;
    enum status s = get_u64(c, "expert_gating_func", &found, &id, err);

    if (s != OK || !found || id == 0)
        return s;
    if (id >= ARRAY_LEN(names) || !names[id])
        return fail(err, E_UNSUPPORTED, "%s: %s.expert_gating_func=%" PRIu64 ": no config can say it",
                    c->source->path, c->arch->name, id);
    put(c, &c->root, slice_of("scoring_func"), "\"%s\"", names[id]);
    return OK;
}

/* ---- rope ---- */

static enum status put_rope_f32(struct config *c, const char *key, const char *name, struct err *err)
{
    bool found;
    double v = 0;
    enum status s = get_f64(c, key, &found, &v, err);

    if (s == OK && found)
        put_f32(c, &c->rope, slice_of(name), v);
    return s;
}

static enum status put_yarn(struct config *c, struct err *err)
{
    static const char *const rows[][2] = {
        {"rope.scaling.yarn_ext_factor", "extrapolation_factor"},
        {"rope.scaling.yarn_attn_factor", "attention_factor"},
        {"rope.scaling.yarn_beta_fast", "beta_fast"},
        {"rope.scaling.yarn_beta_slow", "beta_slow"},
    };
    uint64_t original = 0;
    bool found;
    enum status s = get_u64(c, "rope.scaling.original_context_length", &found, &original, err);

    if (s == OK && found)
        put(c, &c->rope, slice_of("original_max_position_embeddings"), "%" PRIu64, original);
    for (size_t i = 0; i < ARRAY_LEN(rows) && s == OK; i++)
        s = put_rope_f32(c, rows[i][0], rows[i][1], err);
    return s;
}

/* The factors of Llama 3.1 and later: the largest is the factor itself; the other numbers are those that all
 * these models have. */
static enum status put_llama3(struct config *c, const struct tensor *t, struct err *err)
{
    float v[MAX_PAIRS], factor = 1;

    if (t->dtype != DT_F32 || t->nbytes > sizeof v)
        return fail(err, E_UNSUPPORTED,
                    "%s: %s: %" PRIu64 " bytes of type %s: must be at most %d values of f32", c->source->path,
                    t->name, t->nbytes, dtype_name(t->dtype), MAX_PAIRS);
    enum status s = file_read_at(c->source->files[t->file].file, v, (size_t)t->nbytes, t->off, err);
    if (s != OK)
        return s;
    for (size_t i = 0; i < t->nbytes / sizeof *v; i++)
        factor = v[i] > factor ? v[i] : factor;
    put(c, &c->rope, slice_of("rope_type"), "\"llama3\"");
    put_f32(c, &c->rope, slice_of("factor"), (double)factor);
    put(c, &c->rope, slice_of("low_freq_factor"), "1.0");
    put(c, &c->rope, slice_of("high_freq_factor"), "4.0");
    put(c, &c->rope, slice_of("original_max_position_embeddings"), "%d", ORIGINAL_LLAMA3);
    return notes_add(c->notes, err,
                     "config.json: of the rope scaling only the factor can be told from %s; the rest is what "
                     "Llama 3.1 has",
                     t->name);
}

static enum status put_scaling(struct config *c, struct err *err)
{
    const struct meta_kv *kv = value_of(c, "rope.scaling.type");
    const struct tensor *factors = source_find(c->source, "rope_freqs.weight");
    struct slice type = {0};
    enum status s;

    if (kv && !meta_str(kv, &type))
        return fail_kind(c, kv, "a string", err);
    bool yarn = slice_eq(type, "yarn");
    if (kv && (yarn || slice_eq(type, "linear"))) {
        put(c, &c->rope, slice_of("rope_type"), "\"%s\"", yarn ? "yarn" : "linear");
        s = put_rope_f32(c, "rope.scaling.factor", "factor", err);
        return s == OK && yarn ? put_yarn(c, err) : s;
    }
    if (kv && !slice_eq(type, "none"))
        return fail(err, E_UNSUPPORTED, "%s: %s=%.*s: its factors cannot be told from the file",
                    c->source->path, kv->key, (int)min_u64(type.n, 80), type.p);
    return factors ? put_llama3(c, factors, err) : OK;
}

static enum status put_sections(struct config *c, struct err *err)
{
    const struct meta_kv *kv = value_of(c, "rope.dimension_sections");
    int32_t v[4] = {0};

    if (!kv)
        return OK;
    if (kv->type != META_ARRAY || kv->elem != META_I32 || kv->count < 3 || kv->count > 4)
        return fail(err, E_FORMAT, "%s: %s: must be a list of 3 or 4 i32", c->source->path, kv->key);
    memcpy(v, kv->data, kv->count * sizeof *v);
    put(c, &c->rope, slice_of("mrope_interleaved"), "true");
    if (v[3])
        put(c, &c->rope, slice_of("mrope_section"), "[%d, %d, %d, %d]", v[0], v[1], v[2], v[3]);
    else
        put(c, &c->rope, slice_of("mrope_section"), "[%d, %d, %d]", v[0], v[1], v[2]);
    return OK;
}

/* Whether only a part of a head is rotary: then a function tells how much. */
static bool is_partial(const struct arch *arch)
{
    for (const struct key_rule *k = arch->keys; k && k->key; k++)
        if (strcmp(k->key, "rope.dimension_count") == 0)
            return k->kind == KEY_FUNCTION;
    return false;
}

/* Rotary dimensions as a part of the head's: a fraction that gives the number again. */
static enum status put_partial(struct config *c, struct object *o, struct err *err)
{
    const struct member *head = find(&c->root, slice_of("head_dim"));
    uint64_t n = 0;
    bool found;
    enum status s = get_u64(c, "rope.dimension_count", &found, &n, err);

    if (s != OK || !found || !head || !is_partial(c->arch))
        return s;
    if (n == 0 || n > head->number)
        return fail(err, E_FORMAT, "%s: %s.rope.dimension_count=%" PRIu64 ": must be 1 to head_dim=%" PRIu64,
                    c->source->path, c->arch->name, n, head->number);
    double part = (double)n / (double)head->number;
    if ((uint64_t)(part * (double)head->number) != n)
        part = nextafter(part, 1);
    put(c, o, slice_of("partial_rotary_factor"), "%.17g", part);
    return OK;
}

/* Newer classes have one section for all of rope; older ones keep base and part beside the other numbers. */
static enum status put_rope(struct config *c, struct err *err)
{
    struct object *base = c->arch->rope_parameters ? &c->rope : &c->root;
    double theta = 0;
    bool found;
    enum status s = get_f64(c, "rope.freq_base", &found, &theta, err);

    if (s == OK && found)
        put_f32(c, base, slice_of("rope_theta"), theta);
    if (s == OK)
        s = put_partial(c, base, err);
    if (s == OK)
        s = put_scaling(c, err);
    if (s == OK && c->arch->rope_parameters) {
        put(c, &c->rope, slice_of("rope_type"), "\"default\"");
        s = put_sections(c, err);
    }
    return s;
}

/* ---- what the tensors tell ---- */

static void put_vocab_size(struct config *c)
{
    const struct tensor *t = source_find(c->source, "token_embd.weight");
    const struct meta_kv *tokens = meta_find(&c->source->meta, "tokenizer.ggml.tokens");

    if (t && t->rank == 2)
        put_u64(c, slice_of("vocab_size"), t->shape[0]);
    else if (tokens)
        put_u64(c, slice_of("vocab_size"), tokens->count);
}

enum dtype gguf_config_dtype(const struct source *gguf)
{
    enum dtype type = DT_F32;

    for (size_t i = 0; i < gguf->ntensor; i++) {
        enum dtype own = gguf->tensors[i].dtype;

        if (dtype_is_quantized(own))
            return DT_BF16;
        if (type == DT_F32 && gguf->tensors[i].rank >= 2 && (own == DT_BF16 || own == DT_F16))
            type = own;
    }
    return type;
}

static void put_dtype(struct config *c)
{
    enum dtype type = gguf_config_dtype(c->source);

    put(c, &c->root, slice_of("torch_dtype"), "\"%s\"",
        type == DT_F32   ? "float32"
        : type == DT_F16 ? "float16"
                         : "bfloat16");
}

static void put_from_tensors(struct config *c)
{
    put_vocab_size(c);
    put_bool(c, "tie_word_embeddings", !source_find(c->source, "output.weight"));
    put_bool(c, "attention_bias", source_find(c->source, "blk.0.attn_q.bias"));
    if (source_find(c->source, "blk.0.ffn_gate.bias"))
        put_bool(c, "mlp_bias", true);
    put_dtype(c);
}

/* ---- the whole ---- */

static void put_class(struct config *c)
{
    size_t at = 0;

    while (c->arch->hf_types[at + 1] && !str_ends(c->arch->hf_types[at], "_text"))
        at++;
    put(c, &c->root, slice_of("architectures"), "[\"%s\"]", c->arch->hf_classes[at]);
    put(c, &c->root, slice_of("model_type"), "\"%s\"", c->arch->hf_types[at]);
}

static enum status put_token_ids(struct config *c, struct err *err)
{
    static const char *const rows[][2] = {
        {".tokenizer.ggml.bos_token_id", "bos_token_id"},
        {".tokenizer.ggml.eos_token_id", "eos_token_id"},
        {".tokenizer.ggml.padding_token_id", "pad_token_id"},
    };
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(rows) && s == OK; i++) {
        uint64_t id = 0;
        bool found;

        s = get_u64(c, rows[i][0], &found, &id, err);
        if (s == OK && found)
            put_u64(c, slice_of(rows[i][1]), id);
    }
    return s;
}

static enum status collect(struct config *c, struct err *err)
{
    const struct meta_kv *causal;
    enum status s;

    put_class(c);
    put_from_tensors(c);
    for (const struct config_fixed *f = c->arch->fixed; f && f->key; f++)
        put(c, &c->root, slice_of(f->key), "%s", f->json);
    if ((s = put_layers(c, err)) || (s = put_rules(c, keys_generic, err)) ||
        (s = put_rules(c, c->arch->keys, err)) || (s = put_gating(c, err)) || (s = put_rope(c, err)) ||
        (s = put_token_ids(c, err)))
        return s;
    causal = value_of(c, "attention.causal");
    if (causal && causal->type == META_BOOL && !causal->data[0])
        put_bool(c, "is_causal", false);
    return c->no_memory ? fail_nomem(err) : OK;
}

static void write_members(const struct object *o, struct buf *out, const char *indent)
{
    for (size_t i = 0; i < o->n; i++)
        buf_printf(out, "%s\n%s\"%s\": %s", i ? "," : "", indent, o->item[i].key, o->item[i].text);
}

/* The kind of each layer, which loaders read in place of the interval. */
static void write_layer_types(const struct hparams *hp, struct buf *out)
{
    if (!hp->arch->full_interval)
        return;
    buf_add_str(out, ",\n  \"layer_types\": [");
    for (uint64_t i = 0; i < hp->n_layer; i++)
        buf_printf(out, "%s\n    \"%s_attention\"", i ? "," : "",
                   hparams_layer_kind(hp, i) == IN_FULL ? "full" : "linear");
    buf_add_str(out, "\n  ]");
}

static void write_object(const struct config *c, const struct hparams *hp, struct buf *out)
{
    buf_add_char(out, '{');
    write_members(&c->root, out, "  ");
    if (c->rope.n) {
        buf_printf(out, ",\n  \"%s\": {", c->arch->rope_parameters ? "rope_parameters" : "rope_scaling");
        write_members(&c->rope, out, "    ");
        buf_add_str(out, "\n  }");
    }
    if (hp)
        write_layer_types(hp, out);
    buf_add_str(out, "\n}\n");
}

/* Reads what was written, for what is missing to be found here, and for what needs hparams to say. */
static enum status write(const struct config *c, struct buf *out, struct err *err)
{
    struct hparams hp;
    struct json *json = NULL;
    struct buf first;

    buf_init(&first, out->max);
    write_object(c, NULL, &first);
    enum status s = buf_check(&first, "config.json", err);
    if (s == OK)
        s = json_parse(first.p, first.n, c->source->path, false, &json, err);
    if (s == OK)
        s = hparams_read(&hp, json, c->source->path, err);
    if (s == OK) {
        write_object(c, &hp, out);
        s = buf_check(out, "config.json", err);
    }
    json_free(json);
    buf_free(&first);
    return s;
}

static const struct arch *find_arch(const struct source *s)
{
    struct slice name;

    if (!meta_str(meta_find(&s->meta, "general.architecture"), &name))
        return NULL;
    for (size_t i = 0; arch_at(i); i++)
        if (slice_eq(name, arch_at(i)->name))
            return arch_at(i);
    return NULL;
}

enum status gguf_config_write(const struct source *gguf, struct buf *out, struct notes *notes,
                              struct err *err)
{
    struct config c = {.source = gguf, .notes = notes, .arch = find_arch(gguf)};
    struct slice name = {"(none)", 6};

    meta_str(meta_find(&gguf->meta, "general.architecture"), &name);
    if (!c.arch)
        return fail(err, E_UNSUPPORTED, "%s: general.architecture=%.*s: is not known", gguf->path,
                    (int)min_u64(name.n, 80), name.p);
    arena_init(&c.arena, 16 * MIB);
    enum status s = collect(&c, err);
    if (s == OK)
        s = write(&c, out, err);
    arena_free(&c.arena);
    return s;
}
