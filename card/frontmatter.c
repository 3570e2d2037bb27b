/* SPDX-License-Identifier: Apache-2.0 */
#include "card/frontmatter.h"

#include <yaml.h>

#include "core/file.h"
#include "core/map.h"

#define YAML_TAG "tag:yaml.org,2002:"

/* ---- the text ---- */

/* Bytes of the line end at p: LF, CR, CRLF, and what else Unicode counts as one. */
static size_t line_end(const char *p, const char *end)
{
    unsigned char c = (unsigned char)*p;

    if (c == '\r')
        return p + 1 < end && p[1] == '\n' ? 2 : 1;
    if ((c >= '\n' && c <= '\f') || (c >= 0x1c && c <= 0x1e))
        return 1;
    if (c == 0xc2 && end - p >= 2 && (unsigned char)p[1] == 0x85)
        return 2;
    if (c == 0xe2 && end - p >= 3 && (memcmp(p, "\xe2\x80\xa8", 3) == 0 || memcmp(p, "\xe2\x80\xa9", 3) == 0))
        return 3;
    return 0;
}

/* Takes the first line off *rest; false at the end of the text. */
static bool next_line(struct slice *rest, struct slice *line)
{
    const char *end = rest->p + rest->n, *p = rest->p;
    size_t eol = 0;

    if (rest->n == 0)
        return false;
    while (p < end && (eol = line_end(p, end)) == 0)
        p++;
    *line = (struct slice){rest->p, (size_t)(p - rest->p)};
    *rest = (struct slice){p + eol, (size_t)(end - p) - eol};
    return true;
}

static void add_line(struct buf *yaml, struct slice line)
{
    bool norway = line.n >= 4 && memcmp(line.p + line.n - 4, "- no", 4) == 0;

    line.n -= norway ? 2 : 0;
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] == '\t')
            buf_add_str(yaml, "  ");
        else
            buf_add_char(yaml, line.p[i]);
    }
    buf_add_str(yaml, norway ? "\"no\"\n" : "\n");
}

/* Line 1 must be "---"; the YAML goes on to the next such line, or to the end of the text. */
static bool extract(struct slice readme, struct buf *yaml, bool *closed)
{
    struct slice line;

    *closed = false;
    if (!next_line(&readme, &line) || !slice_eq(line, "---"))
        return false;
    while (next_line(&readme, &line)) {
        *closed = slice_eq(line, "---");
        if (*closed)
            break;
        add_line(yaml, line);
    }
    return true;
}

/* ---- the tree ---- */

/* A list or map under construction. */
struct frame {
    struct card *node;
    bool has_key, is_merge;
    const char *key;     /* NULL: a key that is no string; its value is dropped */
    struct card *merges; /* values of "<<" keys */
};

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    const char *name;
    struct frame stack[FRONTMATTER_MAX_DEPTH];
    unsigned depth;
    const struct card *root;
    size_t nvalue;
    struct map anchors; /* name -> index into anchored */
    struct card **anchored;
    size_t nanchored, anchored_cap;
};

/* Marks count from 0 and start after the "---" line. */
static size_t line_of(yaml_mark_t mark)
{
    return mark.line + 2;
}

static enum status append(struct builder *b, struct card *to, struct card_pair pair, struct err *err)
{
    if (++b->nvalue > FRONTMATTER_MAX_VALUES)
        return fail(err, E_LIMIT, "%s: front matter: more than %d values", b->name, FRONTMATTER_MAX_VALUES);
    return card_append(b->arena, to, pair.key, pair.value) ? OK : fail_nomem(err);
}

/* Hangs a value into the innermost list or map; in a map keys and values alternate. */
static enum status attach(struct builder *b, const struct card *value, struct err *err)
{
    if (b->depth == 0) {
        b->root = value;
        return OK;
    }
    struct frame *f = &b->stack[b->depth - 1];
    if (f->node->kind == CARD_LIST)
        return append(b, f->node, (struct card_pair){NULL, value}, err);
    if (!f->has_key) {
        f->has_key = true;
        f->is_merge = value->kind == CARD_OTHER && value->text && strcmp(value->text, "<<") == 0;
        f->key = card_str(value);
        return OK;
    }
    f->has_key = false;
    if (f->is_merge) {
        if (!f->merges && !(f->merges = card_new(b->arena, CARD_LIST)))
            return fail_nomem(err);
        return append(b, f->merges, (struct card_pair){NULL, value}, err);
    }
    return f->key ? append(b, f->node, (struct card_pair){f->key, value}, err) : OK;
}

static enum status append_all(struct builder *b, struct card *to, const struct card *from, struct err *err)
{
    enum status st = OK;

    for (size_t i = 0; !st && from->kind == CARD_MAP && i < from->n; i++)
        st = append(b, to, from->pair[i], err);
    return st;
}

/* Puts the pairs of the merged maps in front of the map's own, which thereby win; of a list of maps the
 * first wins. Merge values that are no maps are left out. */
static enum status merge(struct builder *b, const struct frame *f, struct err *err)
{
    struct card all = {.kind = CARD_MAP};
    enum status st = OK;

    for (size_t i = 0; !st && i < f->merges->n; i++) {
        const struct card *m = f->merges->pair[i].value;

        if (m->kind == CARD_MAP)
            st = append_all(b, &all, m, err);
        for (size_t j = m->n; !st && m->kind == CARD_LIST && j > 0; j--)
            st = append_all(b, &all, m->pair[j - 1].value, err);
    }
    if (!st)
        st = append_all(b, &all, f->node, err);
    if (!st)
        *f->node = all;
    return st;
}

static enum status add_anchor(struct builder *b, const yaml_char_t *anchor, struct card *node,
                              struct err *err)
{
    uint32_t existing;

    if (!anchor)
        return OK;
    const char *name = arena_strdup(b->arena, (const char *)anchor);
    if (!name ||
        !arena_grow(b->arena, (void **)&b->anchored, b->nanchored, &b->anchored_cap, sizeof *b->anchored))
        return fail_nomem(err);
    if (!map_add(&b->anchors, slice_of(name), (uint32_t)b->nanchored, &existing))
        return fail_nomem(err);
    if (existing != MAP_NONE)
        return fail(err, E_FORMAT, "%s: front matter: anchor=%s: defined twice", b->name, name);
    b->anchored[b->nanchored++] = node;
    return OK;
}

static enum status on_alias(struct builder *b, const yaml_event_t *event, struct err *err)
{
    const char *anchor = (const char *)event->data.alias.anchor;
    uint32_t i = map_find(&b->anchors, slice_of(anchor));

    if (i == MAP_NONE)
        return fail(err, E_FORMAT, "%s:%zu: alias=%s: no such anchor", b->name, line_of(event->start_mark),
                    anchor);
    for (unsigned d = 0; d < b->depth; d++)
        if (b->stack[d].node == b->anchored[i])
            return fail(err, E_FORMAT, "%s:%zu: alias=%s: a value inside itself", b->name,
                        line_of(event->start_mark), anchor);
    return attach(b, b->anchored[i], err);
}

/* Gives a scalar with an explicit tag its type; a text that does not fit its tag keeps none. */
static void resolve_tagged(struct card *c, const char *tag)
{
    static const struct {
        const char *name;
        enum card_kind kind;
    } kinds[] = {{"bool", CARD_BOOL},       {"int", CARD_INT},      {"float", CARD_FLOAT},
                 {"timestamp", CARD_OTHER}, {"binary", CARD_OTHER}, {"null", CARD_NULL}};

    for (size_t i = 0; str_starts(tag, YAML_TAG) && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(tag + strlen(YAML_TAG), kinds[i].name) != 0)
            continue;
        card_resolve(c);
        if (c->kind == CARD_INT && kinds[i].kind == CARD_FLOAT)
            c->kind = CARD_FLOAT;
        if (c->kind != kinds[i].kind)
            c->kind = kinds[i].kind == CARD_NULL ? CARD_NULL : CARD_OTHER;
    }
}

static enum status on_scalar(struct builder *b, const yaml_event_t *event, struct err *err)
{
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;

    struct card *c = card_new_str(b->arena, text);
    if (!c)
        return fail_nomem(err);
    if (strlen(text) != event->data.scalar.length)
        *c = (struct card){.kind = CARD_OTHER}; // an escaped zero byte: no text of ours holds one
    else if (event->data.scalar.plain_implicit)
        card_resolve(c);
    else if (tag)
        resolve_tagged(c, tag);
    enum status st = add_anchor(b, event->data.scalar.anchor, c, err);
    return st ? st : attach(b, c, err);
}

static enum status open_node(struct builder *b, enum card_kind kind, const yaml_char_t *anchor,
                             struct err *err)
{
    struct card *node = card_new(b->arena, kind);

    if (!node)
        return fail_nomem(err);
    if (b->depth == FRONTMATTER_MAX_DEPTH)
        return fail(err, E_LIMIT, "%s: front matter: nested more than %d deep", b->name,
                    FRONTMATTER_MAX_DEPTH);
    b->stack[b->depth++] = (struct frame){.node = node};
    return add_anchor(b, anchor, node, err);
}

static enum status close_node(struct builder *b, struct err *err)
{
    const struct frame *f = &b->stack[b->depth - 1];
    enum status st = f->merges ? merge(b, f, err) : OK;

    b->depth--;
    return st ? st : attach(b, f->node, err);
}

static enum status on_event(struct builder *b, const yaml_event_t *event, struct err *err)
{
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return on_alias(b, event, err);
    case YAML_SCALAR_EVENT:
        return on_scalar(b, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return open_node(b, CARD_LIST, event->data.sequence_start.anchor, err);
    case YAML_MAPPING_START_EVENT:
        return open_node(b, CARD_MAP, event->data.mapping_start.anchor, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_node(b, err);
    case YAML_DOCUMENT_START_EVENT:
        return b->root ? fail(err, E_FORMAT, "%s:%zu: a second YAML document", b->name,
                              line_of(event->start_mark))
                       : OK;
    default:
        return OK;
    }
}

static enum status parser_error(const struct builder *b, struct err *err)
{
    const yaml_parser_t *p = &b->parser;

    if (p->error == YAML_MEMORY_ERROR)
        return fail_nomem(err);
    // The reader's errors (bytes that are no text) have an offset, all others a line.
    if (p->error == YAML_READER_ERROR)
        return fail(err, E_FORMAT, "%s: front matter: offset=%zu: %s", b->name, p->problem_offset,
                    p->problem);
    return fail(err, E_FORMAT, "%s:%zu: %s", b->name, line_of(p->problem_mark),
                p->problem ? p->problem : "not YAML");
}

static enum status build(struct builder *b, const struct buf *yaml, struct err *err)
{
    enum status st = OK;
    bool more = true;

    if (!yaml_parser_initialize(&b->parser))
        return fail_nomem(err);
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)yaml->p, yaml->n);
    while (!st && more) {
        yaml_event_t event;

        if (!yaml_parser_parse(&b->parser, &event)) {
            st = parser_error(b, err);
            break;
        }
        st = on_event(b, &event, err);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&b->parser);
    map_free(&b->anchors);
    return st;
}

enum status frontmatter_parse(const struct card **card, struct slice readme, const char *name,
                              struct arena *arena, struct err *err)
{
    struct builder b = {.arena = arena, .name = name};
    bool whole = readme.n <= FRONTMATTER_MAX_BYTES, closed;
    enum status st = OK;
    struct buf yaml;

    *card = NULL;
    readme.n = whole ? readme.n : FRONTMATTER_MAX_BYTES;
    buf_init(&yaml, 2 * FRONTMATTER_MAX_BYTES + 16); // all tabs: it cannot be too small
    if (extract(readme, &yaml, &closed)) {
        if (yaml.failed)
            st = fail_nomem(err);
        else if (!closed && !whole)
            st = fail(err, E_LIMIT, "%s: front matter: not closed by --- within %" PRIu64 " bytes", name,
                      FRONTMATTER_MAX_BYTES);
        else if (yaml.n > 0)
            st = build(&b, &yaml, err);
    }
    buf_free(&yaml);
    if (!st && b.root && b.root->kind == CARD_MAP)
        *card = b.root;
    return st;
}

enum status frontmatter_load(const struct card **card, const char *path, struct arena *arena, struct err *err)
{
    struct file *file = NULL;
    enum status st = file_open(&file, path, err);

    *card = NULL;
    if (st)
        return st;
    size_t n = (size_t)min_u64(file_size(file), FRONTMATTER_MAX_BYTES + 1); // one more: it goes on
    char *text = malloc(n + 1);
    st = text ? file_read_at(file, text, n, 0, err) : fail_nomem(err);
    if (!st)
        st = frontmatter_parse(card, (struct slice){text, n}, path, arena, err);
    free(text);
    file_close(file);
    return st;
}

const char *frontmatter_library(void)
{
    return yaml_get_version_string();
}
