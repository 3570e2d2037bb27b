/* SPDX-License-Identifier: Apache-2.0 */
#include "card/authorship.h"

#include "card/frontmatter.h"
#include "card/model_id.h"
#include "core/file.h"
#include "core/utf8.h"

#define HUB "https://huggingface.co/"

/* Card keys and the fields they fill, in the order they are tried; the first value stays. */
static const struct {
    const char *key;
    enum authorship_field field;
} card_keys[] = {
    {"name", AUTHORSHIP_NAME},
    {"author", AUTHORSHIP_AUTHOR},
    {"version", AUTHORSHIP_VERSION},
    {"organization", AUTHORSHIP_ORGANIZATION},
    {"description", AUTHORSHIP_DESCRIPTION},
    {"finetune", AUTHORSHIP_FINETUNE},
    {"basename", AUTHORSHIP_BASENAME},
    {"size_label", AUTHORSHIP_SIZE_LABEL},
    {"url", AUTHORSHIP_SOURCE_URL},
    {"doi", AUTHORSHIP_SOURCE_DOI},
    {"uuid", AUTHORSHIP_SOURCE_UUID},
    {"repo_url", AUTHORSHIP_SOURCE_REPO_URL},
    {"model_name", AUTHORSHIP_NAME},
    {"model_author", AUTHORSHIP_AUTHOR},
    {"model_version", AUTHORSHIP_VERSION},
    {"model_organization", AUTHORSHIP_ORGANIZATION},
    {"model_description", AUTHORSHIP_DESCRIPTION},
    {"model_finetune", AUTHORSHIP_FINETUNE},
    {"model_basename", AUTHORSHIP_BASENAME},
    {"model_size_label", AUTHORSHIP_SIZE_LABEL},
    {"model_url", AUTHORSHIP_SOURCE_URL},
    {"model_doi", AUTHORSHIP_SOURCE_DOI},
    {"model_uuid", AUTHORSHIP_SOURCE_UUID},
    {"model_repo_url", AUTHORSHIP_SOURCE_REPO_URL},
    {"model_creator", AUTHORSHIP_AUTHOR},
    {"model_type", AUTHORSHIP_BASENAME},
    {"license", AUTHORSHIP_LICENSE},
    {"license_name", AUTHORSHIP_LICENSE_NAME},
    {"license_link", AUTHORSHIP_LICENSE_LINK},
};

/* Keys of generation_config.json; repetition_penalty is none of them, as in gguf-py. */
static const struct {
    const char *key;
    enum authorship_field field;
} sampling_keys[] = {
    {"sequence", AUTHORSHIP_SEQUENCE},
    {"top_k", AUTHORSHIP_TOP_K},
    {"top_p", AUTHORSHIP_TOP_P},
    {"min_p", AUTHORSHIP_MIN_P},
    {"xtc_probability", AUTHORSHIP_XTC_PROBABILITY},
    {"xtc_threshold", AUTHORSHIP_XTC_THRESHOLD},
    {"temperature", AUTHORSHIP_TEMP},
    {"penalty_last_n", AUTHORSHIP_PENALTY_LAST_N},
    {"penalty_repeat", AUTHORSHIP_PENALTY_REPEAT},
    {"mirostat", AUTHORSHIP_MIROSTAT},
    {"mirostat_tau", AUTHORSHIP_MIROSTAT_TAU},
    {"mirostat_eta", AUTHORSHIP_MIROSTAT_ETA},
};

bool authorship_sampling_at(size_t i, const char **name, const char **meta_key)
{
    if (i >= ARRAY_LEN(sampling_keys))
        return false;
    *name = sampling_keys[i].key;
    *meta_key = authorship_key(sampling_keys[i].field);
    return true;
}

struct builder {
    struct authorship *a;
    struct arena *arena;
    uint64_t total_params;
};

static const struct card *not_null(const struct card *c)
{
    return c && c->kind != CARD_NULL ? c : NULL;
}

/* Sets a field that has no value yet; text NULL is no value. */
static enum status offer(struct builder *b, enum authorship_field f, const char *text, struct err *err)
{
    if (b->a->field[f] || !text)
        return OK;
    b->a->field[f] = card_new_str(b->arena, text);
    return b->a->field[f] ? OK : fail_nomem(err);
}

/* ---- ids ---- */

static enum status offer_id(struct builder *b, const char *text, struct err *err)
{
    struct model_id id;
    enum status st = model_id_parse(&id, text, b->total_params, b->arena, err);

    if (st)
        return st;
    char *name = model_id_title(id.name, b->arena);
    char *org = id.org ? model_id_title(id.org, b->arena) : NULL;
    if (!name || (id.org && !org))
        return fail_nomem(err);
    if ((st = offer(b, AUTHORSHIP_NAME, name, err)) || (st = offer(b, AUTHORSHIP_ORGANIZATION, org, err)) ||
        (st = offer(b, AUTHORSHIP_BASENAME, id.basename, err)) ||
        (st = offer(b, AUTHORSHIP_FINETUNE, id.finetune, err)) ||
        (st = offer(b, AUTHORSHIP_VERSION, id.version, err)))
        return st;
    return offer(b, AUTHORSHIP_SIZE_LABEL, id.size_label, err);
}

static bool put_text(struct builder *b, struct card *map, const char *key, const char *text)
{
    const struct card *value = text ? card_new_str(b->arena, text) : NULL;

    return value && card_append(b->arena, map, key, value);
}

/* What an id tells of a base model or dataset; repo_url NULL: to be made from the id. */
static enum status put_id(struct builder *b, struct card *map, const char *text, const char *repo_url,
                          struct err *err)
{
    struct model_id id;
    enum status st = model_id_parse(&id, text, b->total_params, b->arena, err);

    if (st)
        return st;
    if (!put_text(b, map, "name", model_id_title(id.name, b->arena)))
        return fail_nomem(err);
    if (id.org && !put_text(b, map, "organization", model_id_title(id.org, b->arena)))
        return fail_nomem(err);
    if (id.version && !put_text(b, map, "version", id.version))
        return fail_nomem(err);
    if (id.org && !repo_url &&
        !put_text(b, map, "repo_url", arena_printf(b->arena, HUB "%s/%s", id.org, id.name)))
        return fail_nomem(err);
    return OK;
}

/* org/name of a hub address that is nothing more than that; NULL for other addresses. */
static const char *hub_id(const char *url)
{
    const char *p = str_starts(url, "https:") ? url + 6 : str_starts(url, "http:") ? url + 5 : NULL;
    const char *host = strchr(HUB, '/');

    if (!p || !str_starts(p, host))
        return NULL;
    p += strlen(host);
    size_t org = strcspn(p, "/");
    return org > 0 && p[org] && p[org + 1] && !strchr(p + org + 1, '/') ? p : NULL;
}

/* One entry of base_model or datasets: an address, an id, or a mapping that is taken as it is. */
static enum status add_source(struct builder *b, struct card *list, const struct card *entry, struct err *err)
{
    const char *text = card_str(entry);
    enum status st = OK;

    if (entry->kind == CARD_MAP)
        return card_append(b->arena, list, NULL, entry) ? OK : fail_nomem(err);
    struct card *map = card_new(b->arena, CARD_MAP);
    if (!map || !card_append(b->arena, list, NULL, map))
        return fail_nomem(err);
    if (!text)
        return OK; // counts, but says nothing
    if (!str_starts(text, "http://") && !str_starts(text, "https://") && !str_starts(text, "ssh://"))
        return put_id(b, map, text, NULL, err);
    if (!put_text(b, map, "repo_url", text))
        return fail_nomem(err);
    if (hub_id(text))
        st = put_id(b, map, hub_id(text), text, err);
    return st;
}

/* ---- the card ---- */

/* The first key of three that the card has decides, even with an empty value. */
static enum status take_sources(struct builder *b, enum authorship_field f, const struct card *card,
                                const char *const keys[3], struct err *err)
{
    const struct card *value = NULL;
    enum status st = OK;

    for (size_t i = 0; !value && i < 3; i++)
        value = card_get(card, keys[i]);
    if (!value)
        return OK;
    struct card *list = card_new(b->arena, CARD_LIST);
    if (!list)
        return fail_nomem(err);
    b->a->field[f] = list;
    if (value->kind == CARD_STR)
        return add_source(b, list, value, err);
    for (size_t i = 0; !st && value->kind == CARD_LIST && i < value->n; i++)
        st = add_source(b, list, value->pair[i].value, err);
    return st;
}

/* Two keys add to one list; each holds a text or a list. */
static enum status take_list(struct builder *b, enum authorship_field f, const struct card *card,
                             const char *const keys[2], struct err *err)
{
    struct card *list = card_new(b->arena, CARD_LIST);

    if (!list)
        return fail_nomem(err);
    for (size_t k = 0; k < 2; k++) {
        const struct card *value = card_get(card, keys[k]);
        size_t n = value && value->kind == CARD_LIST ? value->n : 0;

        if (card_str(value) && !card_append(b->arena, list, NULL, value))
            return fail_nomem(err);
        for (size_t i = 0; i < n; i++)
            if (!card_append(b->arena, list, NULL, value->pair[i].value))
                return fail_nomem(err);
    }
    b->a->field[f] = list->n ? list : NULL;
    return OK;
}

static enum status take_card(struct builder *b, const struct card *card, struct err *err)
{
    static const char *const base_models[] = {"base_model", "base_models", "base_model_sources"};
    static const char *const datasets[] = {"datasets", "dataset", "dataset_sources"};
    static const char *const tags[] = {"tags", "pipeline_tag"};
    static const char *const languages[] = {"languages", "language"};
    enum status st;

    for (size_t i = 0; i < ARRAY_LEN(card_keys); i++)
        if (!b->a->field[card_keys[i].field])
            b->a->field[card_keys[i].field] = not_null(card_get(card, card_keys[i].key));
    if ((st = take_sources(b, AUTHORSHIP_BASE_MODELS, card, base_models, err)) ||
        (st = take_sources(b, AUTHORSHIP_DATASETS, card, datasets, err)) ||
        (st = take_list(b, AUTHORSHIP_TAGS, card, tags, err)))
        return st;
    return take_list(b, AUTHORSHIP_LANGUAGES, card, languages, err);
}

/* A malformed card, or a folder of that name, is a note: it describes the model, it is not the model. A file
 * that cannot be read is a failure: what is written is not to depend on a disk's mood. */
static enum status take_readme(struct builder *b, const char *path, struct notes *notes, struct err *err)
{
    const struct card *card;
    struct err cause = {0};
    enum status st = frontmatter_load(&card, path, b->arena, &cause);

    if (st == E_NOMEM || (st == E_IO && !path_other_kind(path, true)))
        *err = cause;
    else if (st)
        st = notes_add(notes, err, "%s; the model card is left out", cause.text);
    else if (card)
        st = take_card(b, card, err);
    return st;
}

/* ---- the other sources ---- */

static enum status take_config(struct builder *b, const struct json *config, struct err *err)
{
    const char *id = json_str(json_get(config, "_name_or_path"));

    if (!id)
        return OK;
    const char *slash = strchr(id, '/');
    if (slash && strchr(slash + 1, '/'))
        return OK; // a path on the author's machine
    return offer_id(b, id, err);
}

static enum status take_generation(struct builder *b, const struct json *generation, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(sampling_keys); i++) {
        const struct json *value = json_get(generation, sampling_keys[i].key);
        struct card *c = card_new(b->arena, CARD_OTHER);
        bool is_true;

        if (!c)
            return fail_nomem(err);
        if (json_str(value)) {
            c->kind = CARD_STR;
            c->text = arena_strdup(b->arena, json_str(value));
            if (!c->text)
                return fail_nomem(err);
        } else if (json_bool(value, &is_true)) {
            c->kind = CARD_BOOL;
            c->number = is_true;
        } else if (json_num(value, &c->number)) {
            c->kind = json_written_as_int(value) ? CARD_INT : CARD_FLOAT;
        }
        if (value && json_kind(value) != JSON_K_NULL)
            b->a->field[sampling_keys[i].field] = c;
    }
    return OK;
}

/* Names of folders are bytes; what is no UTF-8 in them becomes U+FFFD. NULL when out of memory. */
static char *to_utf8(const char *s, struct arena *arena)
{
    char *out = arena_alloc(arena, 3 * (uint64_t)strlen(s) + 1);
    size_t w = 0, left = strlen(s);

    while (out && left > 0) {
        size_t len = utf8_sequence(s, left);

        memcpy(out + w, len ? s : "\xef\xbf\xbd", len ? len : 3);
        w += len ? len : 3;
        s += len ? len : 1;
        left -= len ? len : 1;
    }
    return out;
}

static enum status set_name(struct builder *b, const char *name, struct err *err)
{
    b->a->field[AUTHORSHIP_NAME] = NULL;
    return offer(b, AUTHORSHIP_NAME, name, err);
}

enum status authorship_build(struct authorship *a, const struct authorship_in *in, struct notes *notes,
                             struct arena *arena, struct err *err)
{
    struct builder b = {a, arena, in->params.total};
    const char *dir_name = to_utf8(in->dir_name, arena);
    const char *model_name = in->model_name ? to_utf8(in->model_name, arena) : NULL;
    enum status st = OK;

    *a = (struct authorship){0};
    if (!dir_name || (in->model_name && !model_name))
        return fail_nomem(err);
    if (in->readme_path)
        st = take_readme(&b, in->readme_path, notes, err);
    if (st || (st = take_config(&b, in->config, err)) || (st = offer_id(&b, dir_name, err)) ||
        (st = take_generation(&b, in->generation, err)))
        return st;
    for (size_t f = 0; in->overrides && f < AUTHORSHIP_NFIELD; f++)
        if (in->overrides->is_set[f])
            a->field[f] = in->overrides->field[f];
    if (model_name)
        st = set_name(&b, model_name, err);
    if (!st)
        st = offer(&b, AUTHORSHIP_NAME, dir_name, err);
    if (st || in->params.total == 0 || a->field[AUTHORSHIP_SIZE_LABEL])
        return st;
    const char *label = size_label_text(&in->params, arena);
    return label ? offer(&b, AUTHORSHIP_SIZE_LABEL, label, err) : fail_nomem(err);
}
