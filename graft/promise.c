/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/promise.h"

#include "arch/head.h"
#include "arch/head_config.h"
#include "arch/names.h"
#include "core/notes.h"

#define TEXT_SECTION "text_config"
#define GGUF_KEY     "nextn_predict_layers"

static const struct json *section_of(const struct source *s, const char *section)
{
    return section ? json_get(s->config, section) : s->config;
}

const struct json *promise_find(const struct source *s, const char *key)
{
    const struct json *v = json_get(json_get(s->config, TEXT_SECTION), key);

    return v ? v : json_get(s->config, key);
}

const char *promise_place(const struct promise_item *item, char out[PROMISE_TEXT_MAX])
{
    snprintf(out, PROMISE_TEXT_MAX, "%s%s%s", item->section ? item->section : "", item->section ? "." : "",
             item->key);
    return out;
}

static enum status add_item(struct promise *p, struct source *s, const struct promise_item *item,
                            struct err *err)
{
    char place[PROMISE_TEXT_MAX];

    if (item->layers > HEAD_MAX_LAYERS)
        return fail(err, E_FORMAT, "%s: %s=%" PRIu64 ": must be at most %d", s->path,
                    promise_place(item, place), item->layers, HEAD_MAX_LAYERS);
    if (!arena_grow(&s->arena, (void **)&p->item, p->n, &p->cap, sizeof *p->item))
        return fail_nomem(err);
    p->item[p->n++] = *item;
    return OK;
}

static enum status read_key(struct promise *p, struct source *s, const char *section, const char *key,
                            struct err *err)
{
    const struct json *v = json_get(section_of(s, section), key);
    struct promise_item item = {.section = section, .key = key};
    char place[PROMISE_TEXT_MAX];
    int64_t n = 0;

    if (!v)
        return OK;
    item.is_null = json_kind(v) == JSON_K_NULL;
    if (!item.is_null && (!json_int(v, &n) || n < 0))
        return fail(err, E_FORMAT, "%s/config.json: %s: must be a whole number from 0 on", s->path,
                    promise_place(&item, place));
    item.layers = (uint64_t)n;
    return add_item(p, s, &item, err);
}

static enum status read_gguf(struct promise *p, struct source *s, struct err *err)
{
    struct promise_item item = {0};
    struct slice arch;

    if (!meta_str(meta_find(&s->meta, "general.architecture"), &arch))
        return OK;
    char *key = arena_printf(&s->arena, "%.*s." GGUF_KEY, (int)min_u64(arch.n, 64), arch.n ? arch.p : "");
    if (!key)
        return fail_nomem(err);
    const struct meta_kv *kv = meta_find(&s->meta, key);
    item.key = key;
    if (!kv)
        return OK;
    if (!meta_u64(kv, &item.layers))
        return fail(err, E_FORMAT, "%s: %s: must be a whole number from 0 on", s->path, key);
    return add_item(p, s, &item, err);
}

enum status promise_read(struct promise *p, struct source *s, struct err *err)
{
    static const char *const sections[] = {TEXT_SECTION, NULL};
    bool said = false;
    enum status st = OK;

    *p = (struct promise){.source = s};
    if (s->kind == SOURCE_GGUF)
        st = read_gguf(p, s, err);
    for (size_t k = 0; head_config_counts[k] && st == OK; k++)
        for (size_t i = 0; i < ARRAY_LEN(sections) && st == OK; i++)
            st = read_key(p, s, sections[i], head_config_counts[k], err);
    p->unseen = s->config && !head_config_is_seen(s->config);
    for (size_t i = 0; i < HEAD_CONFIG_FILES && !p->file; i++)
        p->file = head_config_file(s->config, i);
    p->file_is_there = p->file && source_beside(s, p->file);
    for (size_t i = 0; i < p->n; i++) {
        if (p->item[i].is_null)
            continue;
        p->contradictory |= said && p->item[i].layers != p->layers;
        p->layers = said ? p->layers : p->item[i].layers;
        said = true;
    }
    return st;
}

static enum status set_item(struct buf *text, const struct promise *p, const struct promise_item *item,
                            uint64_t layers, struct err *err)
{
    const char *path[] = {item->section, NULL};
    char value[24], name[512];
    const struct json_member members[] = {{item->key, value}, {0}};

    snprintf(value, sizeof value, "%" PRIu64, layers);
    snprintf(name, sizeof name, "%s/config.json", p->source->path);
    return json_edit(text, name, path, members, err);
}

/* Where a config without a promise gets one. */
static enum status add_usual(struct buf *text, const struct promise *p, uint64_t layers, struct notes *notes,
                             struct err *err)
{
    const struct json *section = json_get(p->source->config, TEXT_SECTION);
    struct promise_item item = {.key = head_config_counts[0]};
    char place[PROMISE_TEXT_MAX];

    if (section && json_kind(section) == JSON_K_OBJECT)
        item.section = TEXT_SECTION;
    enum status st = set_item(text, p, &item, layers, err);
    return st == OK ? notes_add(notes, err, "config.json: %s: added, %" PRIu64, promise_place(&item, place),
                                layers)
                    : st;
}

enum status promise_edit(struct buf *text, const struct promise *p, uint64_t layers, struct notes *notes,
                         struct err *err)
{
    char place[PROMISE_TEXT_MAX], before[24];
    enum status st = OK;

    for (size_t i = 0; i < p->n && st == OK; i++) {
        const struct promise_item *item = &p->item[i];

        if (item->layers == layers && !(item->is_null && layers > 0))
            continue;
        snprintf(before, sizeof before, "%" PRIu64, item->layers);
        st = set_item(text, p, item, layers, err);
        if (st == OK)
            st = notes_add(notes, err, "config.json: %s: %s -> %" PRIu64, promise_place(item, place),
                           item->is_null ? "null" : before, layers);
    }
    return st == OK && p->unseen && layers > 0 ? add_usual(text, p, layers, notes, err) : st;
}

enum status promise_forget_modules(struct buf *text, const struct promise *p, struct notes *notes,
                                   struct err *err)
{
    char name[512];
    enum status st = OK;

    snprintf(name, sizeof name, "%s/config.json", p->source->path);
    for (size_t i = 0; head_config_modules[i]; i++) {
        const char *const path[] = {head_config_modules[i], NULL};
        const struct json *section = json_get(p->source->config, path[0]);
        bool edited = false;

        if (!section || json_kind(section) != JSON_K_OBJECT)
            continue;
        for (const struct json *v = json_first(section); v && st == OK; v = json_after(v)) {
            const struct json_member members[] = {{json_key(v), NULL}, {0}};

            if (!name_is_mtp(json_key(v)))
                continue;
            st = json_edit(text, name, path, members, err);
            edited = true;
        }
        if (st == OK && edited)
            st = notes_add(notes, err, "config.json: %s: entries of the head's modules: taken out", path[0]);
    }
    return st;
}

enum status promise_forget_file(struct buf *text, const struct promise *p, struct notes *notes,
                                struct err *err)
{
    const char *const root[] = {NULL};
    char name[512];
    enum status st = OK;

    snprintf(name, sizeof name, "%s/config.json", p->source->path);
    for (size_t i = 0; head_config_side_car[i] && st == OK; i++) {
        const struct json_member members[] = {{head_config_side_car[i], NULL}, {0}};

        if (!json_get(p->source->config, head_config_side_car[i]))
            continue;
        st = json_edit(text, name, root, members, err);
        if (st == OK)
            st = notes_add(notes, err, "config.json: %s: removed", head_config_side_car[i]);
    }
    return st == OK ? promise_forget_modules(text, p, notes, err) : st;
}
