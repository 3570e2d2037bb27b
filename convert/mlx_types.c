/* SPDX-License-Identifier: Apache-2.0 */
/* Which type each tensor of an MLX folder gets: the rules of mlx_lm's convert. */
#include "convert/mlx_int.h"
#include "quantize/codecs.h"

/* ---- modes ---- */

enum status mlx_set_mode(struct mlx_options *o, enum mlx_mode mode, uint64_t bits, uint64_t group_size,
                         struct err *err)
{
    const struct mlx_setting own = mlx_mode_default(mode);
    const struct mlx_setting m = {mode, bits ? bits : own.bits, group_size ? group_size : own.group_size};

    if (mlx_type(&m, DT_BF16) == DT_COUNT && mode != MLX_AFFINE)
        return fail(err, E_USAGE,
                    "--mode %s has %" PRIu64 " bits in groups of %" PRIu64 ", not %" PRIu64
                    " in groups of %" PRIu64,
                    mlx_mode_name(mode), own.bits, own.group_size, m.bits, m.group_size);
    if (mlx_type(&m, DT_BF16) == DT_COUNT)
        return fail(err, E_USAGE,
                    "--mode affine has 2, 3, 4, 5, 6 or 8 bits in groups of 32, 64 or 128, not %" PRIu64
                    " in groups of %" PRIu64,
                    m.bits, m.group_size);
    o->quantize = true;
    o->setting = m;
    return OK;
}

/* ---- the type of what is not quantized ---- */

static bool is_float(enum dtype t)
{
    return t == DT_F32 || t == DT_F16 || t == DT_BF16;
}

static enum dtype named_type(const char *name)
{
    static const struct {
        const char *name;
        enum dtype type;
    } names[] = {{"float32", DT_F32}, {"float16", DT_F16}, {"bfloat16", DT_BF16}};

    for (size_t i = 0; i < ARRAY_LEN(names) && name; i++)
        if (strcmp(name, names[i].name) == 0)
            return names[i].type;
    return DT_COUNT;
}

/* A "dtype" of the root is not consulted: mlx_lm's order. */
void mlx_types_init(struct mlx_types *x, const struct mlx_options *o, const struct hparams *hp)
{
    *x = (struct mlx_types){.options = o, .dtype = o->dtype};
    if (x->dtype == DT_COUNT)
        x->dtype = named_type(json_str(json_get(hp->root, "torch_dtype")));
    if (x->dtype == DT_COUNT)
        x->dtype = named_type(json_str(json_get(json_get(hp->root, "text_config"), "dtype")));
}

/* ---- each tensor ---- */

static bool may_quantize(const struct builder *b, const struct tensor_rule *rule,
                         const struct plan_step *step)
{
    return b->mlx->options->quantize && !b->vision && !(rule->mlx && (rule->mlx->flags & MLX_PLAIN)) &&
           step->rank >= 2 && str_ends(step->name, ".weight");
}

/* What a module is quantized to. */
static struct mlx_setting choose(const struct mlx_options *o, const struct tensor_rule *rule)
{
    if (rule->mlx && rule->mlx->bits)
        return (struct mlx_setting){MLX_AFFINE, rule->mlx->bits, 64};
    return o->setting;
}

/* The folder's group has its say even where the module has its own: mlx_lm asks in that order. */
static bool fits(struct mlx_types *x, const struct plan_step *step, const struct mlx_setting *c)
{
    uint64_t ncol = step->shape[step->rank - 1];
    uint64_t group_size = x->options->setting.group_size;

    if (ncol % group_size == 0 && ncol % c->group_size == 0)
        return true;
    if (x->nskipped++ == 0) {
        x->skipped = step->name;
        x->skipped_row = ncol;
        x->skipped_group = ncol % group_size ? group_size : c->group_size;
    }
    return false;
}

static enum status add_override(struct builder *b, const struct name_match *m, const struct plan_step *step,
                                const struct mlx_setting *c, struct err *err)
{
    struct mlx_types *x = b->mlx;
    struct arena *a = &b->plan->arena;
    const char *path = arena_strndup(a, step->name, strlen(step->name) - strlen(".weight"));

    if (!path || !arena_grow(a, (void **)&x->overrides, x->noverride, &x->override_cap, sizeof *x->overrides))
        return fail_nomem(err);
    x->overrides[x->noverride++] = (struct mlx_override){path, m->block, *c};
    return OK;
}

enum status mlx_types_choose(struct builder *b, const struct name_match *m, struct plan_step *step,
                             struct err *err)
{
    struct mlx_types *x = b->mlx;
    const struct tensor_rule *rule = m->rule;
    enum dtype from = b->plan->sources[step->views[0].source].dtype;
    bool own = x->dtype == DT_COUNT || (rule->mlx && (rule->mlx->flags & MLX_OWN_TYPE));
    enum dtype type = own ? (is_float(from) ? from : DT_F32) : x->dtype;
    struct plan_sink sink = {.dtype = type, .codec = codec_find(type)};
    struct mlx_setting c = choose(x->options, rule);
    enum status s = OK;

    x->nparam += step->nelem;
    if (may_quantize(b, rule, step) && fits(x, step, &c)) {
        sink.dtype = mlx_type(&c, type);
        sink.codec =
            codec_find_mlx(sink.dtype, x->options->metal ? MLX_ROUNDING_METAL : MLX_ROUNDING_CPU, type);
        x->nquantized++;
        sink.rounds = type != from && type != DT_F32; // the values are cast first
        sink.round = type == DT_F16 ? OP_ROUND_F16 : OP_ROUND_BF16;
        if (rule->mlx && rule->mlx->bits)
            s = add_override(b, m, step, &c, err);
    }
    return s == OK ? plan_add_sink(b->plan, step, &sink, err) : s;
}

static int by_block(const void *a, const void *b)
{
    const struct mlx_override *x = a, *y = b;

    return x->block != y->block ? (x->block > y->block) - (x->block < y->block) : strcmp(x->path, y->path);
}

enum status mlx_types_finish(struct mlx_types *x, struct builder *b, struct err *err)
{
    char more[48] = "";

    if (x->noverride > 1)
        qsort(x->overrides, x->noverride, sizeof *x->overrides, by_block);
    if (!x->options->quantize || x->nskipped == 0)
        return OK;
    if (x->nquantized == 0)
        return fail(err, E_USAGE, "--group-size %" PRIu64 ": divides the rows of no tensor",
                    x->options->setting.group_size);
    if (x->nskipped > 1)
        snprintf(more, sizeof more, " (and %zu more)", x->nskipped - 1);
    return notes_add(&b->plan->notes, err,
                     "%s%s: not quantized: rows of %" PRIu64 " are no whole groups of %" PRIu64
                     "; MLX's loaders take what has no scales as it is",
                     x->skipped, more, x->skipped_row, x->skipped_group);
}
