/* SPDX-License-Identifier: Apache-2.0 */
/* What config.json says of a side-car. */
#include "graft/promise.h"
#include "graft/side_car_int.h"

#define CONFIG_MAX (64 * MIB)
#define EXTRA      "mlx_lm_extra_tensors"

/* ---- the contract ---- */

static const char *const states[] = {"post_norm", "pre_norm", NULL};
static const char *const fed_back[] = {"post_norm", "pre_norm", "fc", "embedding", "prev", NULL};
static const char *const orders[] = {"embedding_hidden", "hidden_embedding", NULL};
static const char *const positions[] = {"cache", "local", "absolute", NULL};

/* How the trunk's state is handed to the head, as MTPLX's runtime understands it. */
static const struct {
    const char *key;
    const char *const *values;
} contract[] = {
    {"base_hidden_variant", states},
    {"hidden_variant", fed_back},
    {"concat_order", orders},
    {"mtp_position_mode", positions},
};

static enum status check_pair(const char *pair, struct err *err)
{
    size_t n = strcspn(pair, "=");

    for (size_t i = 0; i < ARRAY_LEN(contract); i++) {
        if (strlen(contract[i].key) != n || strncmp(contract[i].key, pair, n) != 0)
            continue;
        for (const char *const *v = contract[i].values; pair[n] && *v; v++)
            if (strcmp(pair + n + 1, *v) == 0)
                return OK;
        return fail(err, E_USAGE, "--contract %s: is none of the values that %s has in MTPLX", pair,
                    contract[i].key);
    }
    return fail(err, E_USAGE,
                "--contract %s: must be base_hidden_variant, hidden_variant, concat_order or "
                "mtp_position_mode with a value",
                pair);
}

enum status side_car_check_contract(const struct side_car_options *o, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < o->ncontract && s == OK; i++) {
        s = check_pair(o->contract[i], err);
        for (size_t k = 0; k < i && s == OK; k++)
            if (strncmp(o->contract[i], o->contract[k], strcspn(o->contract[i], "=") + 1) == 0)
                s = fail(err, E_USAGE, "--contract %s: is there twice", o->contract[i]);
    }
    return s;
}

static void put_contract(struct buf *out, const struct side_car_options *o)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < o->ncontract; i++) {
        size_t n = strcspn(o->contract[i], "=");

        buf_printf(out, "%s\"%.*s\": \"%s\"", i ? ", " : "", (int)n, o->contract[i], o->contract[i] + n + 1);
    }
    buf_add_char(out, '}');
}

/* ---- quantization ---- */

static void put_setting(struct buf *out, const struct mlx_setting *m)
{
    buf_printf(out, "\"bits\": %" PRIu64 ", \"group_size\": %" PRIu64 ", \"mode\": \"%s\"", m->bits,
               m->group_size, mlx_mode_name(m->mode));
}

/* The setting of a step's type, which is affine: mlx_type's inverse. */
static struct mlx_setting setting_of(enum dtype t)
{
    struct mlx_setting m = {MLX_AFFINE, 0, dtype_block_elems(t)};

    m.bits = (uint64_t)dtype_parts(t)->part[0].nbytes * 8 / m.group_size;
    return m;
}

static bool is_quantized(const struct plan_step *step)
{
    return dtype_parts(step->sinks[0].dtype)->n > 1;
}

static int module_length(const struct plan_step *step)
{
    return (int)(strlen(step->name) - strlen(".weight"));
}

/* The modules by name, without "mtp."; with what each has, where not all have the same. */
static void put_modules(struct buf *out, const struct side_car *c, bool mixed)
{
    const char *before = mixed ? ", \"modules\": {" : ", \"quantized_modules\": [";

    for (size_t i = 0; i < c->plan->nstep; i++) {
        const struct plan_step *step = &c->plan->steps[i];

        if (!is_quantized(step))
            continue;
        buf_printf(out, "%s\"%.*s\"", before, module_length(step) - 4, step->name + 4);
        before = ", ";
        if (!mixed)
            continue;
        struct mlx_setting m = setting_of(step->sinks[0].dtype);
        buf_add_str(out, ": {");
        put_setting(out, &m);
        buf_add_char(out, '}');
    }
    buf_add_char(out, mixed ? '}' : ']');
}

/* What the first quantized matrix has; *mixed: others have something else. What was asked for where there is
 * none. */
static struct mlx_setting common_setting(const struct side_car *c, bool *mixed)
{
    struct mlx_setting m = c->o.setting;
    bool met = false;

    *mixed = false;
    for (size_t i = 0; i < c->plan->nstep; i++) {
        if (!is_quantized(&c->plan->steps[i]))
            continue;
        struct mlx_setting own = setting_of(c->plan->steps[i].sinks[0].dtype);
        *mixed |= met && (own.bits != m.bits || own.group_size != m.group_size);
        m = met ? m : own;
        met = true;
    }
    return m;
}

static void put_quantization(struct buf *out, const struct side_car *c)
{
    bool mixed;
    struct mlx_setting m = common_setting(c, &mixed);

    buf_printf(out, "{\"policy\": \"%s\", \"prequantized\": %s, ",
               c->o.policy == POLICY_ALL ? "all" : "cyankiwi", c->quantized ? "true" : "false");
    put_setting(out, &m);
    if (c->quantized && c->o.dialect == SIDE_CAR_MTPLX)
        put_modules(out, c, false);
    if (mixed)
        put_modules(out, c, true);
    buf_add_char(out, '}');
}

/* ---- all ---- */

size_t side_car_count(const struct side_car *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->plan->nstep; i++)
        n += dtype_parts(c->plan->steps[i].sinks[0].dtype)->n;
    return n;
}

/* Sets or takes out (value NULL) one member of the root, with a note. */
static enum status set(struct side_car *c, struct buf *text, const char *key, const char *value,
                       struct err *err)
{
    const struct json *config = c->match.target.source->config;
    const char *const root[] = {NULL};
    const struct json_member members[] = {{key, value}, {0}};
    bool is_there = json_get(config, key) != NULL;

    if (!value && !is_there)
        return OK;
    enum status s = json_edit(text, source_beside(c->match.target.source, "config.json"), root, members, err);
    return s == OK ? notes_add(&c->plan->notes, err, "config.json: %s: %s", key,
                               !value     ? "taken out"
                               : is_there ? "set"
                                          : "added")
                   : s;
}

/* The pointer to the file, among other extra tensors that there may be. */
static enum status point(struct side_car *c, struct buf *text, const char *file, const char *count,
                         struct err *err)
{
    const struct json *extra = json_get(c->match.target.source->config, EXTRA);
    const char *const path[] = {EXTRA, NULL};
    const struct json_member members[] = {{"mtp_file", file}, {"mtp_tensor_count", count}, {0}};

    if (extra && json_kind(extra) == JSON_K_OBJECT)
        return json_edit(text, source_beside(c->match.target.source, "config.json"), path, members, err);
    const char *both =
        arena_printf(&c->plan->arena, "{\"mtp_file\": %s, \"mtp_tensor_count\": %s}", file, count);
    return both ? set(c, text, EXTRA, both, err) : fail_nomem(err);
}

static enum status describe(struct side_car *c, struct buf *text, struct err *err)
{
    const char *file = arena_printf(&c->plan->arena, "\"%s\"", c->o.file);
    char count[24], policy[64];
    struct buf quantization, terms;
    bool quantizes = c->quantized || c->o.at_load, optiq = c->o.dialect == SIDE_CAR_OPTIQ, mixed;
    struct mlx_setting m = common_setting(c, &mixed);

    buf_init(&quantization, 16 * MIB);
    buf_init(&terms, KIB);
    if (quantizes)
        put_quantization(&quantization, c);
    if (c->o.ncontract)
        put_contract(&terms, &c->o);
    snprintf(count, sizeof count, "%zu", side_car_count(c));
    snprintf(policy, sizeof policy, "\"optiq-int%" PRIu64 "-prequantized-gs%" PRIu64 "\"", m.bits,
             m.group_size);
    const struct json_member members[] = {
        {"mtp_file", file},
        {"mtp_tensor_count", count},
        {"mtp_policy", optiq && c->quantized ? policy : NULL},
        {"mtplx_mtp_quantization", quantizes ? quantization.p : NULL},
        {"mtplx_mtp_norm_encoding", c->o.norms == NORMS_DELTA ? "\"delta\"" : NULL},
        {"mtp_norm_encoding", NULL},
        {"mtplx_mtp_contract", c->o.ncontract ? terms.p : NULL},
    };
    enum status s = buf_check(&quantization, "mtplx_mtp_quantization", err);
    if (s == OK)
        s = buf_check(&terms, "mtplx_mtp_contract", err);
    if (s == OK)
        s = file ? point(c, text, file, count, err) : fail_nomem(err);
    for (size_t i = 0; i < ARRAY_LEN(members) && s == OK; i++)
        s = set(c, text, members[i].key, members[i].value, err);
    buf_free(&quantization);
    buf_free(&terms);
    return s;
}

enum status side_car_config(struct side_car *c, struct err *err)
{
    const char *path = source_beside(c->match.target.source, "config.json");
    struct promise promise;
    struct buf text;

    buf_init(&text, CONFIG_MAX);
    enum status s = promise_read(&promise, c->match.target.source, err);
    if (s == OK)
        s = path ? file_load(path, &text, err) : fail_nomem(err);
    if (s == OK)
        s = promise_edit(&text, &promise, c->match.donor.head.nlayer, &c->plan->notes, err);
    if (s == OK)
        s = promise_forget_modules(&text, &promise, &c->plan->notes, err);
    if (s == OK)
        s = describe(c, &text, err);
    if (s == OK)
        s = folder_add_text(&c->folder, "config.json", text.p, text.n, err);
    buf_free(&text);
    return s;
}
