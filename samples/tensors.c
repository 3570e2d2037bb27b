/* SPDX-License-Identifier: Apache-2.0 */
#include "samples/sample.h"

/* Released checkpoints keep the decay and its norm in float32 whatever the rest is. */
static bool is_kept_f32(const char *name)
{
    return str_ends(name, ".linear_attn.A_log") || str_ends(name, ".linear_attn.norm.weight");
}

static enum status base_type(const struct sample *s, enum dtype *t, struct err *err)
{
    static const struct {
        const char *name;
        enum dtype type;
    } known[] = {{"bfloat16", DT_BF16}, {"float16", DT_F16}, {"float32", DT_F32}};
    const char *name = json_str(hparams_find(&s->hp, "dtype|torch_dtype"));

    *t = DT_BF16;
    if (!name)
        return OK;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(name, known[i].name) == 0) {
            *t = known[i].type;
            return OK;
        }
    }
    return fail(err, E_FORMAT, "%s: dtype=%s: must be bfloat16, float16 or float32", s->hp.name, name);
}

struct visit {
    struct sample *sample;
    struct hparams *hp;
    bool vision;
    enum dtype type;
};

static enum status add(void *ctx, const struct name_match *m, struct err *err)
{
    const struct visit *v = ctx;
    struct sample *s = v->sample;
    char canonical[NAME_MAX_LEN], spelled[NAME_MAX_LEN];

    if (v->vision)
        name_source_vision(v->hp, m, canonical);
    else
        name_source(v->hp, m, canonical);
    name_spell(&s->hp, canonical, spelled);
    if (!arena_grow(&s->arena, (void **)&s->tensors, s->n, &s->cap, sizeof *s->tensors))
        return fail_nomem(err);
    struct sample_tensor *t = &s->tensors[s->n];
    *t = (struct sample_tensor){.name = arena_strdup(&s->arena, spelled),
                                .dtype = is_kept_f32(spelled) ? DT_F32 : v->type};
    if (!t->name)
        return fail_nomem(err);
    enum status st = hparams_shape(v->hp, m->rule->shape, t->shape, &t->rank, err);
    if (st != OK)
        return wrap(err, "tensor %s", t->name);
    if (!shape_nelem(t->shape, t->rank, &t->nelem) || !dtype_nbytes(t->dtype, t->nelem, &t->nbytes))
        return fail(err, E_FORMAT, "%s: tensor %s: too large", s->hp.name, t->name);
    if (t->nelem == 0)
        return fail(err, E_FORMAT, "%s: tensor %s: a size is 0 (%s)", s->hp.name, t->name, m->rule->shape);
    s->n++;
    return OK;
}

static int by_name(const void *a, const void *b)
{
    const struct sample_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

/* Optional tensors: of them all, only an untied output projection is made. */
static enum status add_output(struct visit *v, struct err *err)
{
    struct name_match m;
    bool tied = false;

    (void)json_bool(hparams_find(v->hp, "tie_word_embeddings"), &tied);
    if (tied || name_match_text(v->hp, "lm_head.weight", &m) != NAME_KNOWN)
        return OK;
    return add(v, &m, err);
}

static enum status add_vision(struct visit *v, struct err *err)
{
    struct hparams vision;
    struct name_visit visit = {.ctx = v, .fn = add};
    const struct hparams *text = v->hp;

    if (!json_get(text->root, "vision_config") || !text->arch->vision)
        return OK;
    enum status s = hparams_vision(text, &vision, err);
    v->hp = &vision;
    v->vision = true;
    return s == OK ? name_visit_vision(&vision, &visit, err) : s;
}

enum status sample_list(struct sample *s, struct err *err)
{
    struct visit v = {.sample = s, .hp = &s->hp};
    struct name_visit visit = {
        .experts = s->options->per_expert ? RULE_PER_EXPERT : RULE_FUSED, .ctx = &v, .fn = add};
    enum status st = base_type(s, &v.type, err);

    s->hp.n_mtp = s->options->no_mtp ? 0 : s->hp.promised;
    if (st == OK)
        st = name_visit_text(&s->hp, &visit, err);
    if (st == OK)
        st = add_output(&v, err);
    if (st == OK)
        st = add_vision(&v, err);
    if (st == OK && s->options->nvfp4)
        st = sample_pack(s, err);
    if (st == OK)
        qsort(s->tensors, s->n, sizeof *s->tensors, by_name);
    return st;
}
