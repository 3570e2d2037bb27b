/* SPDX-License-Identifier: Apache-2.0 */
/* config.json of an MLX folder: the source's with what is no longer so changed, keys of the root sorted. */
#include "arch/head_config.h"
#include "convert/mlx_int.h"

#define GENERATION_MAX (16 * MIB)

enum member_kind {
    MEMBER_TREE, /* as in the source */
    MEMBER_TEXT,
    MEMBER_NUMBER,
    MEMBER_FLAG,
    MEMBER_QUANTIZATION,
    MEMBER_SECTION, /* an object of the source, edited like the root */
};

struct member {
    const char *key;
    enum member_kind kind;
    const struct json *tree;
    const char *text;
    uint64_t number; /* or flag */
};

struct members {
    struct arena *arena;
    struct member *item;
    size_t n, cap;
};

struct config {
    const struct builder *b;
    struct json_writer w;
    struct json *generation; /* generation_config.json, or NULL */
};

/* ---- lists of members ---- */

static struct member *find(const struct members *l, const char *key)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->item[i].key, key) == 0)
            return &l->item[i];
    return NULL;
}

/* Adds a member, or replaces the one of that key. */
static enum status set(struct members *l, struct member m, struct err *err)
{
    struct member *old = find(l, m.key);

    if (old) {
        *old = m;
        return OK;
    }
    if (!arena_grow(l->arena, (void **)&l->item, l->n, &l->cap, sizeof *l->item))
        return fail_nomem(err);
    l->item[l->n++] = m;
    return OK;
}

static void leave_out(struct members *l, const char *key)
{
    struct member *m = find(l, key);

    if (m)
        memmove(m, m + 1, (size_t)(&l->item[--l->n] - m) * sizeof *m);
}

static enum status copy(struct members *l, const struct json *object, struct err *err)
{
    enum status s = OK;

    for (const struct json *c = json_first(object); c && s == OK; c = json_after(c))
        s = set(l, (struct member){.key = json_key(c), .tree = c}, err);
    return s;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->key, ((const struct member *)b)->key);
}

/* ---- edits ---- */

static const char *type_name(enum dtype t)
{
    return t == DT_F32 ? "float32" : t == DT_F16 ? "float16" : "bfloat16";
}

static enum status set_head(const struct builder *b, struct members *l, const char *key, struct err *err)
{
    return set(l, (struct member){key, MEMBER_NUMBER, .number = b->hp.n_mtp}, err);
}

/* In the root and in every section: the type that was asked for, and the layers that the head has. */
static enum status edit_common(const struct config *c, struct members *l, struct err *err)
{
    static const char *const types[] = {"torch_dtype", "dtype"};
    const struct builder *b = c->b;
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(types) && s == OK; i++)
        if (find(l, types[i]) && b->mlx->options->dtype != DT_COUNT)
            s = set(l, (struct member){types[i], MEMBER_TEXT, .text = type_name(b->mlx->dtype)}, err);
    for (size_t i = 0; head_config_counts[i] && s == OK; i++)
        if (find(l, head_config_counts[i]))
            s = set_head(b, l, head_config_counts[i], err);
    return s;
}

/* The loaders' classes differ in what they assume where the config does not say. */
static enum status edit_text(const struct config *c, struct members *l, struct err *err)
{
    const struct member *tie = find(l, "tie_word_embeddings");
    bool unseen = c->b->hp.n_mtp > 0 && !head_config_is_seen(c->b->hp.root);
    enum status s = unseen ? set_head(c->b, l, head_config_counts[0], err) : OK;

    if (s != OK || (tie && json_kind(tie->tree) != JSON_K_NULL))
        return s;
    return set(
        l,
        (struct member){"tie_word_embeddings", MEMBER_FLAG, .number = !expect_made(c->b, "lm_head.weight")},
        err);
}

static void edit_sections(const struct config *c, struct members *l)
{
    static const char *const sections[] = {"text_config", "vision_config"};

    if (!c->b->tower)
        leave_out(l, "vision_config");
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        struct member *m = find(l, sections[i]);

        if (m && json_kind(m->tree) == JSON_K_OBJECT)
            m->kind = MEMBER_SECTION;
    }
}

/* The stop tokens are the generation's: loaders of the folder ask there first. */
static enum status edit_stop_tokens(const struct config *c, struct members *l, struct err *err)
{
    const struct json *eos = json_get(c->generation, "eos_token_id");
    enum json_kind kind = eos ? json_kind(eos) : JSON_K_NULL;

    if (kind != JSON_K_NUMBER && kind != JSON_K_ARRAY)
        return OK;
    return set(l, (struct member){"eos_token_id", .tree = eos}, err);
}

static enum status edit_root(const struct config *c, struct members *l, struct err *err)
{
    const struct builder *b = c->b;
    enum status s =
        set(l, (struct member){"model_type", MEMBER_TEXT, .text = b->hp.arch->mlx->model_type}, err);

    leave_out(l, "_name_or_path");
    for (size_t i = 0; head_config_side_car[i]; i++)
        leave_out(l, head_config_side_car[i]); // no head lies in a file of its own
    edit_sections(c, l);
    if (s == OK)
        s = edit_stop_tokens(c, l, err);
    if (s == OK && b->mlx->options->quantize)
        s = set(l, (struct member){"quantization", MEMBER_QUANTIZATION}, err);
    if (s == OK && b->mlx->options->quantize)
        s = set(l, (struct member){"quantization_config", MEMBER_QUANTIZATION}, err);
    if (s == OK && l->n > 1)
        qsort(l->item, l->n, sizeof *l->item, by_key);
    return s;
}

/* ---- writing ---- */

static void put_numbers(struct json_writer *w, const struct mlx_setting *m)
{
    json_put_key(w, "group_size");
    json_put_u64(w, m->group_size);
    json_put_key(w, "bits");
    json_put_u64(w, m->bits);
}

static void put_quantization(struct json_writer *w, const struct mlx_types *x)
{
    json_open(w, '{');
    put_numbers(w, &x->options->setting);
    json_put_key(w, "mode");
    json_put_str(w, mlx_mode_name(x->options->setting.mode));
    for (size_t i = 0; i < x->noverride; i++) {
        json_put_key(w, x->overrides[i].path);
        json_open(w, '{');
        put_numbers(w, &x->overrides[i].setting);
        json_close(w, '}');
    }
    json_close(w, '}');
}

static enum status put_object(struct config *c, const struct json *object, const char *key, struct err *err);

static enum status put_member(struct config *c, const struct member *m, struct err *err)
{
    json_put_key(&c->w, m->key);
    switch (m->kind) {
    case MEMBER_TREE:
        json_put_tree(&c->w, m->tree);
        break;
    case MEMBER_TEXT:
        json_put_str(&c->w, m->text);
        break;
    case MEMBER_NUMBER:
        json_put_u64(&c->w, m->number);
        break;
    case MEMBER_FLAG:
        json_put_bool(&c->w, m->number != 0);
        break;
    case MEMBER_QUANTIZATION:
        put_quantization(&c->w, c->b->mlx);
        break;
    case MEMBER_SECTION:
        return put_object(c, m->tree, m->key, err);
    }
    return OK;
}

/* key: of a section, NULL for the root. */
static enum status put_object(struct config *c, const struct json *object, const char *key, struct err *err)
{
    struct members l = {.arena = &c->b->plan->arena};
    enum status s = copy(&l, object, err);

    if (s == OK)
        s = edit_common(c, &l, err);
    if (s == OK && object == c->b->hp.text)
        s = edit_text(c, &l, err);
    if (s == OK && !key)
        s = edit_root(c, &l, err);
    json_open(&c->w, '{');
    for (size_t i = 0; i < l.n && s == OK; i++)
        s = put_member(c, &l.item[i], err);
    json_close(&c->w, '}');
    return s;
}

enum status mlx_config_write(const struct builder *b, struct buf *out, struct err *err)
{
    struct config c = {.b = b, .w = {.out = out, .indent = 4}};
    const char *path = source_beside(b->source, "generation_config.json");
    enum status s = path ? json_load(path, GENERATION_MAX, &c.generation, err) : OK;

    if (s == OK)
        s = put_object(&c, b->hp.root, NULL, err);
    if (s == OK)
        s = buf_check(out, "config.json", err);
    json_free(c.generation);
    return s;
}
