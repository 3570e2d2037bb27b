/* SPDX-License-Identifier: Apache-2.0 */
/* config.json of a Hugging Face folder: the source's, but for what the folder's tensors make untrue. */
#include "arch/head_config.h"
#include "convert/hf_int.h"

#define EDITS_MAX 20

/* ---- classes ---- */

/* Position of the class in its family's lists, of the first one for the text model alone where cls is NULL;
 * false when there is none. */
static bool find_class(const struct arch *arch, const char *cls, size_t *at)
{
    for (*at = 0; arch->hf_types[*at]; ++*at)
        if (cls ? strcmp(cls, arch->hf_classes[*at]) == 0 : str_ends(arch->hf_types[*at], "_text"))
            return true;
    return false;
}

bool hf_unwraps(const struct builder *b)
{
    size_t at;

    return b->source->kind != SOURCE_HF && b->hp.text != b->hp.root && !b->tower &&
           find_class(b->hp.arch, NULL, &at);
}

/* ---- edits ---- */

struct edits {
    struct arena *arena;
    struct json_member item[EDITS_MAX]; /* the last one stays empty */
    size_t n;
};

/* value: JSON text; NULL takes the member out. */
static void add_edit(struct edits *e, const char *key, const char *value)
{
    require(e->n + 1 < EDITS_MAX);
    e->item[e->n++] = (struct json_member){key, value};
}

static const char *dtype_text(enum dtype t)
{
    return t == DT_F32 ? "\"float32\"" : t == DT_F16 ? "\"float16\"" : "\"bfloat16\"";
}

/* A member of a section; section NULL: of a text model out of its wrapper. */
static const struct json *find(const struct builder *b, const struct json *section, const char *key)
{
    const struct json *v = json_get(section ? section : b->hp.text, key);

    return v || section ? v : json_get(b->hp.root, key);
}

/* In the root and in every section: the type that was asked for, and the layers that the head has. */
static enum status add_common(struct edits *e, const struct builder *b, const struct json *section,
                              struct err *err)
{
    static const char *const types[] = {"torch_dtype", "dtype"};

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (b->hf->dtype != DT_COUNT && find(b, section, types[i]))
            add_edit(e, types[i], dtype_text(b->hf->dtype));
    for (size_t i = 0; head_config_counts[i] && b->hp.arch->has_mtp; i++) {
        const struct json *v = find(b, section, head_config_counts[i]);
        bool unseen = i == 0 && (!section || section == b->hp.text) && b->hp.n_mtp > 0 &&
                      !head_config_is_seen(b->hp.root);
        int64_t n;

        if (v ? json_int(v, &n) && (uint64_t)n == b->hp.n_mtp : !unseen)
            continue;
        const char *text = arena_printf(e->arena, "%" PRIu64, b->hp.n_mtp);
        if (!text)
            return fail_nomem(err);
        add_edit(e, head_config_counts[i], text);
    }
    return OK;
}

/* No head of the output lies in a file of its own. */
static void drop_side_car(struct edits *e, const struct json *root)
{
    for (size_t i = 0; head_config_side_car[i]; i++)
        if (json_get(root, head_config_side_car[i]))
            add_edit(e, head_config_side_car[i], NULL);
}

static enum status add_root(struct edits *e, const struct builder *b, struct err *err)
{
    size_t at;
    const char *type = find_class(b->hp.arch, b->hp.hf_class, &at) ? b->hp.arch->hf_types[at] : NULL;
    const char *said = json_str(json_get(b->hp.root, "model_type"));

    drop_side_car(e, b->hp.root);
    if (b->source->kind == SOURCE_HF)
        return OK;
    add_edit(e, "quantization", NULL);
    add_edit(e, "quantization_config", NULL);
    if (!type || (said && strcmp(said, type) == 0))
        return OK;
    const char *text = arena_printf(e->arena, "\"%s\"", type);
    if (!text)
        return fail_nomem(err);
    add_edit(e, "model_type", text);
    return OK;
}

static enum status edit(struct buf *text, const struct builder *b, const char *section, struct err *err)
{
    const char *const path[] = {section, NULL};
    const struct json *object = section ? json_get(b->hp.root, section) : b->hp.root;
    struct edits e = {.arena = &b->plan->arena};
    enum status s = OK;

    if (!object || json_kind(object) != JSON_K_OBJECT)
        return OK;
    s = add_common(&e, b, object, err);
    if (s == OK && !section)
        s = add_root(&e, b, err);
    return s == OK && e.n > 0 ? json_edit(text, "config.json", path, e.item, err) : s;
}

/* ---- text models out of their wrappers ---- */

/* Members of the root that are the wrapper's own. */
static bool is_wrappers(const char *key)
{
    static const char *const keys[] = {"architectures", "model_type",     "text_config",
                                       "quantization",  "image_token_id", "quantization_config",
                                       "video_token_id"};

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return str_starts(key, "vision_");
}

static void put_unwrapped(const struct builder *b, struct buf *out)
{
    struct json_writer w = {.out = out};
    size_t at;

    require(find_class(b->hp.arch, NULL, &at));
    json_open(&w, '{');
    json_put_key(&w, "architectures");
    json_open(&w, '[');
    json_put_str(&w, b->hp.arch->hf_classes[at]);
    json_close(&w, ']');
    json_put_key(&w, "model_type");
    json_put_str(&w, b->hp.arch->hf_types[at]);
    for (const struct json *v = json_first(b->hp.text); v; v = json_after(v)) {
        if (is_wrappers(json_key(v)))
            continue;
        json_put_key(&w, json_key(v));
        json_put_tree(&w, v);
    }
    for (const struct json *v = json_first(b->hp.root); v; v = json_after(v)) {
        if (is_wrappers(json_key(v)) || json_get(b->hp.text, json_key(v)))
            continue;
        json_put_key(&w, json_key(v));
        json_put_tree(&w, v);
    }
    json_close(&w, '}');
    buf_add_char(out, '\n');
}

/* ---- all ---- */

static enum status edit_unwrapped(struct buf *text, const struct builder *b, struct err *err)
{
    struct edits e = {.arena = &b->plan->arena};
    const char *const root[] = {NULL};
    enum status s = add_common(&e, b, NULL, err);

    drop_side_car(&e, b->hp.root);
    return s == OK && e.n > 0 ? json_edit(text, "config.json", root, e.item, err) : s;
}

enum status hf_config_write(const struct builder *b, struct buf *out, struct err *err)
{
    const char *path = source_beside(b->source, "config.json");
    struct json_writer w = {.out = out};
    enum status s = OK;

    if (hf_unwraps(b))
        put_unwrapped(b, out);
    else if (path)
        s = file_load(path, out, err);
    else
        json_put_tree(&w, b->hp.root);
    if (s == OK)
        s = buf_check(out, "config.json", err);
    if (s == OK && hf_unwraps(b))
        return edit_unwrapped(out, b, err);
    if (s == OK)
        s = edit(out, b, NULL, err);
    return s == OK ? edit(out, b, "text_config", err) : s;
}
