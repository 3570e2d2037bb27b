/* SPDX-License-Identifier: Apache-2.0 */
/* Chat templates: text that is carried, never evaluated. */
#include <dirent.h>
#include <errno.h>

#include "vocab/vocab_int.h"
#include "core/utf8.h"

#define TEMPLATE_MAX_BYTES (64 * MIB)
#define TEMPLATES_KEY      "tokenizer.chat_templates"
#define TEMPLATE_KEY       "tokenizer.chat_template"

/* Names in use besides "default". */
struct names {
    struct slice *item;
    size_t n, cap;
    struct map index;
};

/* A string value of any bytes; an empty one is not written, as in the reference. */
static enum status put_text(struct vocab *v, const char *key, struct slice text, struct err *err)
{
    struct buf b;

    if (text.n == 0)
        return OK;
    buf_init(&b, TEMPLATE_MAX_BYTES + 8);
    buf_add_u64(&b, text.n);
    buf_add(&b, text.p, text.n);
    enum status s = buf_check(&b, "a chat template", err);
    if (!s)
        s = meta_set(
            v->out,
            (struct meta_kv){
                .key = key, .type = META_STR, .count = 1, .data = (const unsigned char *)b.p, .nbytes = b.n},
            err);
    buf_free(&b);
    return s;
}

/* One '_' for each character that is no ASCII letter or digit. */
static char *plain_name(struct arena *a, const char *name)
{
    char *out = arena_strdup(a, name);
    size_t n = 0;

    for (const char *p = name; out && *p;) {
        size_t len = utf8_sequence(p, strlen(p));
        bool keep = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        out[n++] = keep ? *p : '_';
        p += len ? len : 1;
    }
    if (out)
        out[n] = '\0';
    return out;
}

/* One template of a list. The one named default is only remembered: it is written last. */
static enum status put_named(struct vocab *v, struct names *names, const char *name, struct slice text,
                             struct slice *def, struct err *err)
{
    char *plain = plain_name(&v->arena, name);
    uint32_t existing;

    if (!plain)
        return fail_nomem(err);
    if (plain[0] == '\0')
        return OK;
    if (strcmp(plain, "default") == 0) {
        *def = text;
        return OK;
    }
    if (!map_add(&names->index, slice_of(plain), 0, &existing))
        return fail_nomem(err);
    if (existing == MAP_NONE) {
        if (!arena_grow(&v->arena, (void **)&names->item, names->n, &names->cap, sizeof *names->item))
            return fail_nomem(err);
        names->item[names->n++] = slice_of(plain);
    }
    char *key = arena_printf(&v->arena, TEMPLATE_KEY ".%s", plain);
    return key ? put_text(v, key, text, err) : fail_nomem(err);
}

static int by_bytes(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    int order = memcmp(x->p, y->p, min_u64(x->n, y->n));

    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* The list of names and the default template end a list. The reference keeps the names in a set, so their
 * order is open there; here they are sorted. */
static enum status end_list(struct vocab *v, struct names *names, struct slice def, struct err *err)
{
    enum status s = OK;

    if (names->n) {
        qsort(names->item, names->n, sizeof *names->item, by_bytes);
        s = meta_set_strs(v->out, TEMPLATES_KEY, names->item, names->n, err);
    }
    return !s && def.p ? put_text(v, TEMPLATE_KEY, def, err) : s;
}

/* [{"name": ..., "template": ...}, ...] */
static enum status put_json_list(struct vocab *v, const struct json *list, struct err *err)
{
    struct names names = {0};
    struct slice def = {0};
    enum status s = OK;

    for (const struct json *e = json_first(list); e && !s; e = json_after(e)) {
        const struct json *text = json_get(e, "template");
        const char *name = json_str(json_get(e, "name"));

        if (!text || json_kind(text) == JSON_K_NULL || !name)
            continue;
        if (!json_str(text))
            s = fail(err, E_FORMAT, "chat_template: name=%s: its template is %s, not a string", name,
                     json_kind_name(json_kind(text)));
        else
            s = put_named(v, &names, name, slice_of(json_str(text)), &def, err);
    }
    if (!s)
        s = end_list(v, &names, def, err);
    map_free(&names.index);
    return s;
}

static enum status put_json(struct vocab *v, const struct json *t, struct err *err)
{
    if (!t || json_kind(t) == JSON_K_NULL)
        return OK;
    if (json_kind(t) == JSON_K_ARRAY)
        return put_json_list(v, t, err);
    if (json_str(t))
        return put_text(v, TEMPLATE_KEY, slice_of(json_str(t)), err);
    return notes_add(v->notes, err, "chat_template is %s and was left out", json_kind_name(json_kind(t)));
}

/* The bytes of a file, in the arena, with line ends as Python's text mode has them: all "\n". */
static enum status load_template(struct vocab *v, const char *path, struct slice *text, struct err *err)
{
    struct buf b;
    size_t n = 0;

    buf_init(&b, TEMPLATE_MAX_BYTES);
    enum status s = file_load(path, &b, err);
    char *p = s ? NULL : arena_alloc(&v->arena, b.n + 1);
    if (!s && !p)
        s = fail_nomem(err);
    for (size_t i = 0; !s && i < b.n; i++) {
        if (b.p[i] == '\n' && i > 0 && b.p[i - 1] == '\r')
            continue;
        p[n++] = b.p[i] == '\r' ? '\n' : b.p[i];
    }
    *text = (struct slice){p, n};
    buf_free(&b);
    return s;
}

/* Paths of dir's *.jinja, sorted, in the arena. */
static enum status list_templates(struct vocab *v, const char *dir, struct slice **paths, size_t *n,
                                  struct err *err)
{
    size_t cap = 0;
    enum status s = OK;
    DIR *d = opendir(dir);

    if (!d)
        return fail_errno(err, "%s", dir);
    for (;;) {
        errno = 0;
        const struct dirent *e = readdir(d);
        if (!e)
            break;
        if (!str_ends(e->d_name, ".jinja"))
            continue;
        char *path = arena_printf(&v->arena, "%s/%s", dir, e->d_name);
        if (!path || !arena_grow(&v->arena, (void **)paths, *n, &cap, sizeof **paths)) {
            s = fail_nomem(err);
            break;
        }
        (*paths)[(*n)++] = slice_of(path);
    }
    if (!s && errno)
        s = fail_errno(err, "%s", dir);
    closedir(d);
    if (!s && *n)
        qsort(*paths, *n, sizeof **paths, by_bytes);
    return s;
}

/* chat_template.jinja, with the files of additional_chat_templates under their stems. */
static enum status put_files(struct vocab *v, const char *main_path, struct err *err)
{
    const char *dir = source_beside(v->in->source, "additional_chat_templates");
    struct names names = {0};
    struct slice text, def, *paths = NULL;
    size_t n = 0;
    enum status s = load_template(v, main_path, &def, err);

    if (!s && dir && path_is_dir(dir))
        s = list_templates(v, dir, &paths, &n, err);
    if (s || n == 0)
        return s ? s : put_text(v, TEMPLATE_KEY, def, err);
    for (size_t i = 0; i < n && !s; i++) {
        struct slice base = path_base(paths[i].p);
        // the stem; of ".jinja" alone the whole name
        size_t stem = base.n > strlen(".jinja") ? base.n - strlen(".jinja") : base.n;
        char *name = arena_strndup(&v->arena, base.p, stem);

        s = name ? load_template(v, paths[i].p, &text, err) : fail_nomem(err);
        if (!s)
            s = put_named(v, &names, name, text, &def, err);
    }
    if (!s)
        s = end_list(v, &names, def, err);
    map_free(&names.index);
    return s;
}

enum status vocab_put_chat(struct vocab *v, struct err *err)
{
    const struct json *own = json_get(v->config, "chat_template");
    const char *jinja = source_beside(v->in->source, "chat_template.jinja");
    const char *path = source_beside(v->in->source, "chat_template.json");
    struct json *file = NULL;

    if (own)
        return put_json(v, own, err);
    if (jinja)
        return put_files(v, jinja, err);
    if (!path)
        return OK;
    enum status s = json_load(path, TEMPLATE_MAX_BYTES, &file, err);
    if (!s)
        s = put_json(v, json_get(file, "chat_template"), err);
    json_free(file);
    return s;
}
