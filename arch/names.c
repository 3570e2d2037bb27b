/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/names.h"

#define TEXT_LAYERS "model.layers."
#define HEAD_LAYERS "mtp.layers."
#define GGUF_LAYERS "blk."

/* ---- canonical names ---- */

bool name_canonical(const char *name, char *out)
{
    static const char wrapper[] = "language_model.";
    size_t n = strlen(name), w = 0;

    if (n >= NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < n;) {
        if (strncmp(name + i, wrapper, sizeof wrapper - 1) == 0)
            i += sizeof wrapper - 1;
        else
            out[w++] = name[i++];
    }
    out[w] = '\0';
    if (str_starts(out, "model.mtp.") || str_starts(out, "model.visual."))
        memmove(out, out + 6, w - 5);
    return true;
}

bool name_is_mtp(const char *name)
{
    char canonical[NAME_MAX_LEN];

    return name_canonical(name, canonical) && str_starts(canonical, "mtp.");
}

/* A decimal number without leading zeros at *p, followed by a dot; moves past both. */
static bool take_number(const char **p, uint64_t *v)
{
    const char *s = *p;

    if (s[0] < '0' || s[0] > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
        return false;
    for (*v = 0; *s >= '0' && *s <= '9'; s++) {
        *v = *v * 10 + (uint64_t)(*s - '0');
        if (*v > UINT32_MAX)
            return false;
    }
    if (*s != '.')
        return false;
    *p = s + 1;
    return true;
}

/* ---- matching ---- */

/* Whether name is pattern, with {e} in the pattern standing for an expert's number. A fused expert tensor
 * may carry ".weight". */
static bool matches(const struct tensor_rule *rule, const char *name, uint64_t *expert)
{
    const char *hole = strstr(rule->hf, "{e}");

    *expert = 0;
    if (!hole) {
        size_t n = strlen(rule->hf);

        return strncmp(name, rule->hf, n) == 0 &&
               (name[n] == '\0' || ((rule->flags & RULE_FUSED) && strcmp(name + n, ".weight") == 0));
    }
    size_t before = (size_t)(hole - rule->hf);
    if (strncmp(name, rule->hf, before) != 0)
        return false;
    const char *rest = name + before;
    return take_number(&rest, expert) && strcmp(rest, hole + strlen("{e}.")) == 0;
}

static bool find_rule(const struct tensor_rule *const *tables, enum tensor_scope scope, unsigned in,
                      const char *name, struct name_match *m)
{
    for (; *tables; tables++) {
        for (const struct tensor_rule *r = *tables; r->hf; r++) {
            if (r->scope == scope && (scope != SCOPE_LAYER || (r->in & in)) && matches(r, name, &m->expert)) {
                m->rule = r;
                return true;
            }
        }
    }
    return false;
}

static bool is_computed(const char *name)
{
    return str_ends(name, ".rotary_emb.inv_freq") || str_ends(name, ".attention.masked_bias") ||
           str_ends(name, ".attention.bias");
}

enum name_kind name_match_text(const struct hparams *hp, const char *name, struct name_match *m)
{
    char canonical[NAME_MAX_LEN];
    const struct arch *a = hp->arch;

    *m = (struct name_match){0};
    if (!name_canonical(name, canonical))
        return NAME_UNKNOWN;
    if (is_computed(canonical))
        return NAME_COMPUTED;
    if (str_starts(canonical, "visual."))
        return NAME_VISION;
    bool head = str_starts(canonical, HEAD_LAYERS);
    if (head || str_starts(canonical, TEXT_LAYERS)) {
        const char *rest = canonical + strlen(head ? HEAD_LAYERS : TEXT_LAYERS);

        if (!take_number(&rest, &m->block))
            return NAME_UNKNOWN;
        if (!head && m->block >= hp->n_layer)
            return NAME_BEYOND;
        m->block += head ? hp->n_layer : 0;
        unsigned in = head ? IN_HEAD : hparams_layer_kind(hp, m->block);
        return (!head || a->has_mtp) && find_rule(a->tables, SCOPE_LAYER, in, rest, m) ? NAME_KNOWN
                                                                                       : NAME_UNKNOWN;
    }
    m->block = hp->n_layer;
    if (a->has_mtp && find_rule(a->tables, SCOPE_MTP, 0, canonical, m))
        return NAME_KNOWN;
    return find_rule(a->tables, SCOPE_MODEL, 0, canonical, m) ? NAME_KNOWN : NAME_UNKNOWN;
}

enum name_kind name_match_vision(const struct hparams *vision, const char *name, struct name_match *m)
{
    const struct vision_arch *v = vision->arch->vision;
    char canonical[NAME_MAX_LEN];
    size_t stem = (size_t)(strstr(v->layer_hf, "{i}") - v->layer_hf);
    struct err ignored = {0};
    uint64_t depth = 0;

    *m = (struct name_match){0};
    if (!name_canonical(name, canonical) || !str_starts(canonical, v->prefix))
        return NAME_UNKNOWN;
    if (strncmp(canonical, v->layer_hf, stem) != 0)
        return find_rule(v->tables, SCOPE_MODEL, 0, canonical, m) ? NAME_KNOWN : NAME_UNKNOWN;
    const char *rest = canonical + stem;
    if (!take_number(&rest, &m->block))
        return NAME_UNKNOWN;
    if (hparams_eval(vision, v->depth, &depth, &ignored) == OK && m->block >= depth)
        return NAME_BEYOND;
    return find_rule(v->tables, SCOPE_LAYER, IN_FULL, rest, m) ? NAME_KNOWN : NAME_UNKNOWN;
}

bool name_match_gguf(const struct hparams *hp, const char *name, struct name_match *m)
{
    const char *rest = name;

    *m = (struct name_match){0};
    if (str_starts(name, GGUF_LAYERS)) {
        rest += strlen(GGUF_LAYERS);
        if (!take_number(&rest, &m->block))
            return false;
    }
    unsigned in = rest == name ? 0 : hparams_layer_kind(hp, m->block);
    for (const struct tensor_rule *const *tables = hp->arch->tables; *tables; tables++) {
        for (const struct tensor_rule *r = *tables; r->hf; r++) {
            bool here = r->scope == SCOPE_MODEL ? in == 0
                        : r->scope == SCOPE_MTP ? in == IN_HEAD
                                                : (r->in & in) != 0;

            if (here && r->gguf && !(r->flags & (RULE_FUSED | RULE_PER_EXPERT)) &&
                strcmp(r->gguf, rest) == 0) {
                m->rule = r;
                return true;
            }
        }
    }
    return false;
}

/* ---- names from rules ---- */

/* pattern with its {i} or {e} replaced by a number, appended to out; without a hole, as it is. */
static void append_filled(char *out, const char *pattern, uint64_t number)
{
    size_t w = strlen(out);
    const char *hole = strchr(pattern, '{');

    if (hole)
        snprintf(out + w, NAME_MAX_LEN - w, "%.*s%" PRIu64 "%s", (int)(hole - pattern), pattern, number,
                 hole + 3);
    else
        snprintf(out + w, NAME_MAX_LEN - w, "%s", pattern);
}

void name_gguf(const struct hparams *hp, const struct name_match *m, const char *gguf, char out[NAME_MAX_LEN])
{
    (void)hp;
    out[0] = '\0';
    if (m->rule->scope != SCOPE_MODEL)
        append_filled(out, "blk.{i}.", m->block);
    append_filled(out, gguf, 0);
}

void name_gguf_vision(const struct hparams *vision, const struct name_match *m, const char *gguf,
                      char out[NAME_MAX_LEN])
{
    out[0] = '\0';
    if (m->rule->scope == SCOPE_LAYER)
        append_filled(out, vision->arch->vision->layer_gguf, m->block);
    append_filled(out, gguf, 0);
}

/* A name behind that of its layer, as sources have it, appended to out. */
static void append_source(const struct hparams *hp, const struct name_match *m, const char *name, char *out)
{
    if (m->rule->scope == SCOPE_LAYER) {
        bool head = m->block >= hp->n_layer;

        append_filled(out, head ? HEAD_LAYERS "{i}." : TEXT_LAYERS "{i}.",
                      m->block - (head ? hp->n_layer : 0));
    }
    append_filled(out, name, m->expert);
}

void name_source(const struct hparams *hp, const struct name_match *m, char out[NAME_MAX_LEN])
{
    out[0] = '\0';
    append_source(hp, m, m->rule->hf, out);
}

void name_mlx(const struct hparams *hp, const struct name_match *m, const char *own, char out[NAME_MAX_LEN])
{
    out[0] = '\0';
    append_filled(out, hp->arch->mlx->prefix, 0);
    append_source(hp, m, own ? own : m->rule->hf, out);
}

void name_mlx_vision(const struct hparams *vision, const struct name_match *m, const char *own,
                     char out[NAME_MAX_LEN])
{
    const struct vision_arch *v = vision->arch->vision;
    size_t wrapped = strlen(v->prefix);
    bool in_layer = m->rule->scope == SCOPE_LAYER;

    out[0] = '\0';
    append_filled(out, vision->arch->mlx->tower, 0);
    if (in_layer)
        append_filled(out, v->layer_hf + wrapped, m->block);
    append_filled(out, own ? own : m->rule->hf + (in_layer ? 0 : wrapped), 0);
}

void name_source_vision(const struct hparams *vision, const struct name_match *m, char out[NAME_MAX_LEN])
{
    out[0] = '\0';
    if (m->rule->scope == SCOPE_LAYER)
        append_filled(out, vision->arch->vision->layer_hf, m->block);
    append_filled(out, m->rule->hf, 0);
}

void name_spell(const struct hparams *hp, const char *canonical, char out[NAME_MAX_LEN])
{
    if (hp->wrapper && str_starts(canonical, "model."))
        snprintf(out, NAME_MAX_LEN, "model.language_model.%s", canonical + strlen("model."));
    else if (hp->wrapper && str_starts(canonical, "visual."))
        snprintf(out, NAME_MAX_LEN, "model.%s", canonical);
    else
        snprintf(out, NAME_MAX_LEN, "%s", canonical);
}

/* ---- visiting every place ---- */

static bool wanted(const struct tensor_rule *r, const struct name_visit *v)
{
    unsigned experts = r->flags & RULE_EXPERTS;

    return (!experts || experts == v->experts) && !((r->flags & RULE_OPTIONAL) && !v->with_optional);
}

static enum status visit_rule(const struct hparams *hp, const struct tensor_rule *r, uint64_t block,
                              const struct name_visit *v, struct err *err)
{
    uint64_t n = 1;
    enum status s = r->flags & RULE_PER_EXPERT ? hparams_eval(hp, "E", &n, err) : OK;

    for (uint64_t e = 0; e < n && s == OK; e++) {
        struct name_match m = {r, block, e};

        s = v->fn(v->ctx, &m, err);
    }
    return s;
}

/* All rules of one scope that occur in a layer of that kind. */
static enum status visit_scope(const struct hparams *hp, const struct tensor_rule *const *tables,
                               enum tensor_scope scope, uint64_t block, const struct name_visit *v,
                               struct err *err)
{
    unsigned in = hp->symbols == hp->arch->symbols ? hparams_layer_kind(hp, block) : IN_FULL;
    enum status s = OK;

    for (; *tables; tables++)
        for (const struct tensor_rule *r = *tables; r->hf && s == OK; r++)
            if (r->scope == scope && wanted(r, v) && (scope != SCOPE_LAYER || (r->in & in)))
                s = visit_rule(hp, r, block, v, err);
    return s;
}

enum status name_visit_text(const struct hparams *hp, const struct name_visit *v, struct err *err)
{
    const struct tensor_rule *const *tables = hp->arch->tables;
    enum status s = visit_scope(hp, tables, SCOPE_MODEL, 0, v, err);

    for (uint64_t i = 0; i < hp->n_layer + hp->n_mtp && s == OK; i++)
        s = visit_scope(hp, tables, SCOPE_LAYER, i, v, err);
    if (s == OK && hp->n_mtp > 0)
        s = visit_scope(hp, tables, SCOPE_MTP, hp->n_layer, v, err);
    return s;
}

enum status name_visit_vision(const struct hparams *vision, const struct name_visit *v, struct err *err)
{
    const struct vision_arch *tower = vision->arch->vision;
    uint64_t depth = 0;
    enum status s = hparams_eval(vision, tower->depth, &depth, err);

    if (s == OK && depth > 4096)
        s = fail(err, E_FORMAT, "%s: vision depth=%" PRIu64 ": not in range", vision->name, depth);
    if (s == OK)
        s = visit_scope(vision, tower->tables, SCOPE_MODEL, 0, v, err);
    for (uint64_t i = 0; i < depth && s == OK; i++)
        s = visit_scope(vision, tower->tables, SCOPE_LAYER, i, v, err);
    return s;
}
