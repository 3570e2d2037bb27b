/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions, in llama-quantize's order: what is never converted, --keep, --leave-output, --embedding-type and
 * --output-type, --mtp-type, --tensor-type, then the rules (unless --pure), then the substitute for rows that
 * do not fit. Positions are counted beforehand over the tensors that get as far as the rules, so that each
 * decision depends on its tensor's facts alone.
 */
#include "core/notes.h"
#include "quantize/recipe_int.h"

#include <ctype.h>

/* One run of recipe_decide. */
struct decision {
    const struct recipe *recipe;
    const struct recipe_model *model;
    const struct recipe_overrides *over;
    bool tied;
    bool plain; /* to a float type: rules and patterns have no say */
    uint64_t of[ROLE_COUNT], nth[ROLE_COUNT];
};

static bool is_ffn(enum recipe_role role)
{
    return role == ROLE_FFN_UP || role == ROLE_FFN_GATE || role == ROLE_FFN_DOWN;
}

/* The embedding counts as the output where it serves as one. */
static enum recipe_role role_in(const struct decision *d, const char *name)
{
    enum recipe_role role = recipe_role_of(name);

    return role == ROLE_EMBEDDING && d->tied ? ROLE_OUTPUT : role;
}

static const struct recipe_override *find_override(const struct recipe_override *list, size_t n,
                                                   const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (pattern_search(list[i].pattern, name))
            return &list[i];
    return NULL;
}

static bool in_head(const struct recipe_model *m, const char *name)
{
    uint64_t layer = recipe_layer_of(name);

    return layer < m->n_layer_all && layer >= m->n_layer_all - m->n_layer_mtp;
}

/* ---- what comes before the rules ---- */

/* Whether the tensor stays as it is. */
static bool decide_kept(const struct decision *d, const struct recipe_tensor *t, struct recipe_choice *c)
{
    const struct recipe_override *keep = find_override(d->over->keeps, d->over->nkeep, t->name);

    c->type = t->source;
    c->reason = BY_FIXED;
    c->why = recipe_fixed(t);
    if (c->why)
        return true;
    c->reason = BY_KEEP;
    if (keep)
        c->why = keep->text;
    else if (d->over->leave_output && strcmp(t->name, "output.weight") == 0)
        c->why = "--leave-output";
    else if (d->recipe->action == RECIPE_KEEP && !d->recipe->n)
        c->why = "the recipe copies every tensor";
    return c->why != NULL;
}

/* Whether one of the options by role or by pattern decides. */
static bool decide_override(const struct decision *d, const struct recipe_tensor *t, struct recipe_choice *c)
{
    const struct recipe_overrides *o = d->over;
    enum recipe_role role = recipe_role_of(t->name);

    if (o->embedding_type != DT_COUNT && role == ROLE_EMBEDDING) {
        c->type = o->embedding_type;
        c->reason = BY_EMBEDDING_TYPE;
        return true;
    }
    if (o->output_type != DT_COUNT && role == ROLE_OUTPUT) {
        c->type = o->output_type;
        c->reason = BY_OUTPUT_TYPE;
        return true;
    }
    if (d->plain)
        return false;
    if (o->mtp_type != DT_COUNT && in_head(d->model, t->name)) {
        c->type = o->mtp_type;
        c->reason = BY_MTP_TYPE;
        return true;
    }
    const struct recipe_override *found = find_override(o->types, o->ntype, t->name);
    if (!found)
        return false;
    c->type = found->type;
    c->reason = BY_TENSOR_TYPE;
    c->why = found->text;
    return true;
}

/* ---- positions ---- */

/* In a model with experts, llama-quantize goes by the number in the FFN tensors' names: "blk.<number>" in
 * front. */
static bool leading_layer(const char *name, uint64_t *layer)
{
    const char *p = name + strlen("blk.");

    if (!str_starts(name, "blk.") || !isdigit((unsigned char)*p))
        return false;
    for (*layer = 0; isdigit((unsigned char)*p) && *layer < UINT32_MAX; p++)
        *layer = *layer * 10 + (uint64_t)(*p - '0');
    return true;
}

static void take_position(struct decision *d, const char *name, struct recipe_facts *f)
{
    f->role = role_in(d, name);
    f->layer = recipe_layer_of(name);
    f->nth = d->nth[f->role];
    f->nth_of = is_ffn(f->role) ? d->model->n_layer_all : d->of[f->role];
    f->place = f->nth;
    f->place_of = f->nth_of;
    if (is_ffn(f->role) && d->model->expert_count > 1)
        f->no_place = !leading_layer(name, &f->place) || f->place >= d->model->n_layer_all;
}

/* Decides on what needs no rule, and counts what does. */
static void survey(struct decision *d, struct recipe_choice *out)
{
    const struct recipe_model *m = d->model;

    d->tied = true;
    for (size_t i = 0; i < m->n; i++)
        d->tied = d->tied && strcmp(m->tensors[i].name, "output.weight") != 0;
    for (size_t i = 0; i < m->n; i++)
        d->of[role_in(d, m->tensors[i].name)]++;
    for (size_t i = 0; i < m->n; i++) {
        const struct recipe_tensor *t = &m->tensors[i];
        struct recipe_choice *c = &out[i];

        *c = (struct recipe_choice){0};
        take_position(d, t->name, &c->facts);
        if (decide_kept(d, t, c) || decide_override(d, t, c))
            continue;
        c->reason = d->over->pure ? BY_PURE : BY_RULE;
        d->nth[c->facts.role] += c->reason == BY_RULE;
    }
}

/* ---- rules ---- */

static enum status decide_by_rules(const struct decision *d, const struct recipe_tensor *t,
                                   struct recipe_choice *c, struct err *err)
{
    const struct recipe *r = d->recipe;
    struct recipe_scene scene = {
        .recipe = r, .model = d->model, .tensor = t, .facts = &c->facts, .tied = d->tied};
    enum recipe_action action = r->action;

    c->type = r->type;
    if (c->facts.role == ROLE_OUTPUT && d->over->output_type != DT_COUNT && !d->plain) {
        c->reason = BY_OUTPUT_TYPE; // the embedding as output: unlike output.weight, rows may fall back
        c->type = d->over->output_type;
        return OK;
    }
    c->reason = BY_DEFAULT;
    for (size_t i = 0; i < r->n; i++) {
        bool fits = recipe_rule_fits(&scene, &r->rules[i]);

        if (scene.no_place)
            return fail(err, E_UNSUPPORTED,
                        "%s: rule \"%s %s -> %s\" goes by layers, and the name tells none of the "
                        "model's %" PRIu64,
                        t->name, r->rules[i].selector, r->rules[i].conditions, r->rules[i].target,
                        d->model->n_layer_all);
        if (!fits)
            continue;
        c->reason = BY_RULE;
        c->rule = &r->rules[i];
        if (c->rule->action != RECIPE_DEFAULT) {
            action = c->rule->action;
            c->type = c->rule->type;
        }
        break;
    }
    if (action == RECIPE_KEEP)
        c->type = t->source;
    return OK;
}

/* Options by role are not replaced where the name alone chose them, nor is a type that is there already. */
static enum status fit_rows(const struct recipe_tensor *t, struct recipe_choice *c, struct err *err)
{
    uint64_t columns = recipe_columns(t);
    bool final = c->reason == BY_EMBEDDING_TYPE ||
                 (c->reason == BY_OUTPUT_TYPE && recipe_role_of(t->name) == ROLE_OUTPUT);

    c->wanted = c->type;
    if (columns % dtype_block_elems(c->type) == 0)
        return OK;
    c->type = final ? DT_COUNT : recipe_substitute(c->wanted);
    if (c->type == DT_COUNT)
        return fail(err, E_UNSUPPORTED,
                    "%s: rows of %" PRIu64 " elements are no multiple of the %" PRIu32 " of a %s "
                    "block, and nothing stands in for that type",
                    t->name, columns, dtype_block_elems(c->wanted), dtype_name(c->wanted));
    if (columns % dtype_block_elems(c->type))
        c->type = DT_F16;
    return OK;
}

static bool needs_imatrix(const struct recipe *r, const char *name, enum dtype type)
{
    enum recipe_role role = recipe_role_of(name);

    if (role == ROLE_OUTPUT || role == ROLE_EMBEDDING)
        return false;
    return recipe_type_needs_imatrix(type) || r->needs_imatrix[type];
}

/* ---- options that do nothing ---- */

static enum status check_patterns(const struct recipe_model *m, const struct recipe_override *list, size_t n,
                                  const char *option, struct err *err)
{
    for (size_t k = 0; k < n; k++) {
        size_t i = 0;

        while (i < m->n && !pattern_search(list[k].pattern, m->tensors[i].name))
            i++;
        if (i == m->n)
            return fail(err, E_USAGE, "%s \"%s\" is found in the name of no tensor", option, list[k].text);
    }
    return OK;
}

static enum status check_overrides(const struct decision *d, struct notes *notes, struct err *err)
{
    const struct recipe_overrides *o = d->over;
    enum status st = check_patterns(d->model, o->types, o->ntype, "--tensor-type", err);

    if (st == OK)
        st = check_patterns(d->model, o->keeps, o->nkeep, "--keep", err);
    if (st == OK && o->mtp_type != DT_COUNT && !d->model->n_layer_mtp)
        st = fail(err, E_USAGE, "--mtp-type: the model has no MTP head");
    if (st == OK && notes && d->plain && (o->ntype || o->mtp_type != DT_COUNT))
        st = notes_add(notes, err,
                       "recipe %s treats all tensors alike: --tensor-type and --mtp-type have no effect",
                       d->recipe->name);
    return st;
}

enum status recipe_decide(const struct recipe_request *q, struct recipe_choice *out, struct err *err)
{
    struct recipe_overrides none;
    struct decision d = {.recipe = q->recipe, .model = q->model, .over = q->overrides};

    recipe_overrides_init(&none);
    if (!d.over)
        d.over = &none;
    d.plain = !d.recipe->n && !dtype_is_quantized(d.recipe->type);
    require(d.model->n_layer_mtp <= d.model->n_layer_all);
    enum status st = check_overrides(&d, q->notes, err);
    if (st != OK)
        return st;
    survey(&d, out);
    for (size_t i = 0; i < d.model->n; i++) {
        const struct recipe_tensor *t = &d.model->tensors[i];
        struct recipe_choice *c = &out[i];

        if (c->reason == BY_RULE)
            st = decide_by_rules(&d, t, c, err);
        else if (c->reason == BY_PURE)
            c->type = d.recipe->action == RECIPE_KEEP ? t->source : d.recipe->type;
        c->wanted = c->type;
        if (st == OK && c->reason != BY_FIXED && c->reason != BY_KEEP)
            st = fit_rows(t, c, err);
        if (st != OK)
            return st;
        c->needs_imatrix = c->type != t->source && needs_imatrix(d.recipe, t->name, c->type);
    }
    return OK;
}

/* ---- explanation ---- */

static void explain_rule(struct buf *out, const struct recipe_rule *rule)
{
    buf_printf(out, "rule \"%s%s%s -> %s\" (%s:%u, %s)", rule->selector, *rule->conditions ? " " : "",
               rule->conditions, rule->target, rule->file, rule->line, rule->section);
}

static void explain_facts(struct buf *out, const struct recipe_facts *f)
{
    buf_printf(out, "; it is %s", recipe_role_name(f->role));
    if (f->nth_of)
        buf_printf(out, " %" PRIu64 " of %" PRIu64, f->nth + 1, f->nth_of);
    if (f->layer != UINT64_MAX)
        buf_printf(out, " in layer %" PRIu64, f->layer);
}

void recipe_explain(struct buf *out, const struct recipe_request *q, size_t i, const struct recipe_choice *c)
{
    const struct recipe_tensor *t = &q->model->tensors[i];

    buf_printf(out, "%s: %s, by ", t->name, dtype_name(c->wanted));
    switch (c->reason) {
    case BY_FIXED:
        buf_printf(out, "the fixed exceptions (%s)", c->why);
        break;
    case BY_KEEP:
        buf_printf(out, "what is kept (%s)", c->why);
        break;
    case BY_EMBEDDING_TYPE:
        buf_add_str(out, "--embedding-type");
        break;
    case BY_OUTPUT_TYPE:
        buf_add_str(out, "--output-type");
        break;
    case BY_MTP_TYPE:
        buf_add_str(out, "--mtp-type");
        break;
    case BY_TENSOR_TYPE:
        buf_printf(out, "--tensor-type %s", c->why);
        break;
    case BY_PURE:
        buf_printf(out, "--pure: the default of recipe %s", q->recipe->name);
        break;
    case BY_RULE:
        explain_rule(out, c->rule);
        break;
    case BY_DEFAULT:
        buf_printf(out, "the default of recipe %s", q->recipe->name);
        break;
    }
    if (c->reason >= BY_RULE)
        explain_facts(out, &c->facts);
    if (c->type != c->wanted)
        buf_printf(out, "; written as %s, because rows of %" PRIu64 " are no multiple of %" PRIu32,
                   dtype_name(c->type), recipe_columns(t), dtype_block_elems(c->wanted));
    if (c->type == t->source)
        buf_add_str(out, "; its bytes are copied");
}
