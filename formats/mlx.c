/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/mlx.h"

#include "formats/st.h"

#define HEAD_KEY "mtplx_mtp_quantization"

/* ---- modes ---- */

static const struct {
    const char *name, *type;   /* in dtype.def; NULL: by bits, group and type of the scales */
    uint32_t bits, group_size; /* defaults */
} modes[MLX_NMODE] = {
    [MLX_AFFINE] = {"affine", NULL, 4, 64},
    [MLX_MXFP4] = {"mxfp4", "mxfp4_mlx", 4, 32},
    [MLX_MXFP8] = {"mxfp8", "mxfp8", 8, 32},
    [MLX_NVFP4] = {"nvfp4", "nvfp4_mlx", 4, 16},
};

const char *mlx_mode_name(enum mlx_mode mode)
{
    return modes[mode].name;
}

struct mlx_setting mlx_mode_default(enum mlx_mode mode)
{
    return (struct mlx_setting){mode, modes[mode].bits, modes[mode].group_size};
}

enum dtype mlx_type(const struct mlx_setting *m, enum dtype scales)
{
    char name[80];

    if (modes[m->mode].type)
        return m->bits == modes[m->mode].bits && m->group_size == modes[m->mode].group_size
                   ? dtype_find(modes[m->mode].type)
                   : DT_COUNT;
    snprintf(name, sizeof name, "affine%" PRIu64 "_g%" PRIu64 "_%s", m->bits, m->group_size,
             dtype_name(scales));
    return dtype_find(name);
}

enum dtype mlx_value_type(enum dtype packed)
{
    const struct dtype_parts *parts = dtype_parts(packed);

    return parts->n > 2 ? parts->part[1].dtype : DT_BF16;
}

/* ---- settings ---- */

/* The settings of a folder, with those of single modules by path. */
struct settings {
    struct source *source;
    const char *config;        /* path of config.json */
    const char *key;           /* "quantization" */
    const struct json *object; /* NULL: the folder has none */
    struct mlx_setting all;
    struct map exact, spelled; /* path -> index in modules; under its own spelling, under the common one */
    const struct json **modules;
    size_t nmodule;

    /* Where a head's tensors alone are joined. */
    const struct mlx_head *head;
    const struct json *declared; /* "mtplx_mtp_quantization", or NULL */
};

/* A quantized matrix in pieces. */
struct pieces {
    const struct tensor *weight, *scales, *biases; /* biases: NULL where the mode has none */
    const char *module;
    struct mlx_setting setting;
};

/* An older writer's entry has the same members and is no other quantizer's. */
static const struct json *find_settings(const struct source *s, const char **key)
{
    const struct json *q = json_get(s->config, "quantization"),
                      *c = json_get(s->config, "quantization_config");

    *key = "quantization";
    if (q && json_kind(q) == JSON_K_OBJECT)
        return q;
    *key = "quantization_config";
    if (!c)
        c = json_get(json_get(s->config, "text_config"), "quantization_config");
    return c && !json_get(c, "quant_method") && json_get(c, "group_size") && json_get(c, "bits") ? c : NULL;
}

bool mlx_is(const struct source *s)
{
    const char *key;
    struct slice format;

    if (find_settings(s, &key) ||
        (meta_str(meta_find(&s->st_meta, "format"), &format) && slice_eq(format, "mlx")))
        return true;
    for (size_t i = 0; i < s->ntensor; i++)
        if (str_starts(s->tensors[i].name, "language_model.model."))
            return true;
    return false;
}

const char *mlx_vision_file(const struct source *s)
{
    const char *name = json_str(json_get(json_get(s->config, "optiq_vision"), "sidecar"));

    return name && strchr(name, '/') && name[0] != '/' && !strstr(name, "..") ? name : NULL;
}

/* A path without what the loaders' renames change: "language_model.", and the tower's several names. NULL
 * when out of memory. */
static const char *common_spelling(struct arena *a, const char *path)
{
    static const char wrapper[] = "language_model.", tower[] = "visual.";
    char *out = arena_strdup(a, path), *at;

    while (out && (at = strstr(out, wrapper)))
        memmove(at, at + strlen(wrapper), strlen(at + strlen(wrapper)) + 1);
    if (out && str_starts(out, "model."))
        out += strlen("model.");
    return out && str_starts(out, tower) ? arena_printf(a, "vision_tower.%s", out + strlen(tower)) : out;
}

static enum status fail_setting(const struct settings *q, const char *module, const struct json *v,
                                const char *must, struct err *err)
{
    double number;

    if (json_num(v, &number))
        return fail(err, E_FORMAT, "%s: %s: %s%s%s=%g: must be %s", q->config, q->key, module ? module : "",
                    module ? ": " : "", json_key(v), number, must);
    return fail(err, E_FORMAT, "%s: %s: %s%s%s is %s: must be %s", q->config, q->key, module ? module : "",
                module ? ": " : "", json_key(v), json_kind_name(json_kind(v)), must);
}

static enum status read_number(const struct settings *q, const char *module, const struct json *v,
                               uint64_t *to, struct err *err)
{
    int64_t n;

    if (!v || json_kind(v) == JSON_K_NULL)
        return OK;
    if (!json_int(v, &n) || n < 1 || n > 4096)
        return fail_setting(q, module, v, "a whole number from 1 on", err);
    *to = (uint64_t)n;
    return OK;
}

/* What an object says; where it says nothing, its mode's own numbers, not those of all modules. */
static enum status read_setting(const struct settings *q, const char *module, const struct json *object,
                                struct mlx_setting *m, struct err *err)
{
    const struct json *mode = json_get(object, "mode");
    const char *name = json_str(mode);

    *m = mlx_mode_default(MLX_AFFINE);
    if (mode && json_kind(mode) != JSON_K_NULL) {
        int k = 0;

        while (name && k < MLX_NMODE && strcmp(name, modes[k].name) != 0)
            k++;
        if (!name)
            return fail_setting(q, module, mode, "a text", err);
        if (k == MLX_NMODE)
            return fail(err, E_UNSUPPORTED, "%s: %s: %s%smode=%s: affine, mxfp4, mxfp8 and nvfp4 are known",
                        q->config, q->key, module ? module : "", module ? ": " : "", name);
        *m = mlx_mode_default((enum mlx_mode)k);
    }
    enum status s = read_number(q, module, json_get(object, "bits"), &m->bits, err);
    return s == OK ? read_number(q, module, json_get(object, "group_size"), &m->group_size, err) : s;
}

static enum status read_settings(struct settings *q, struct err *err)
{
    struct arena *a = &q->source->arena;
    size_t cap = 0;
    enum status s = OK;

    q->object = find_settings(q->source, &q->key);
    q->config = source_beside(q->source, "config.json");
    if (!q->config)
        q->config = q->source->path;
    if (!q->object)
        return OK;
    if (!json_get(q->object, "bits") || !json_get(q->object, "group_size"))
        return fail(err, E_FORMAT, "%s: %s: %s is missing", q->config, q->key,
                    json_get(q->object, "bits") ? "group_size" : "bits");
    s = read_setting(q, NULL, q->object, &q->all, err);
    for (const struct json *v = json_first(q->object); v && s == OK; v = json_after(v)) {
        uint32_t existing;

        if (json_kind(v) != JSON_K_OBJECT && json_kind(v) != JSON_K_BOOL)
            continue;
        const char *spelled = common_spelling(a, json_key(v));
        if (!spelled || !arena_grow(a, (void **)&q->modules, q->nmodule, &cap, sizeof(*q->modules)) ||
            !map_add(&q->exact, slice_of(json_key(v)), (uint32_t)q->nmodule, &existing) ||
            !map_add(&q->spelled, slice_of(spelled), (uint32_t)q->nmodule, &existing))
            return fail_nomem(err);
        q->modules[q->nmodule++] = v;
    }
    return s;
}

/* What the config says of a module by name; NULL when it says nothing of it. *path: in the common spelling.
 */
static enum status find_entry(const struct settings *q, const char *module, const char **path,
                              const struct json **entry, struct err *err)
{
    uint32_t i = map_find(&q->exact, slice_of(module));

    *entry = NULL;
    *path = common_spelling(&q->source->arena, module);
    if (!*path)
        return fail_nomem(err);
    if (i == MAP_NONE)
        i = map_find(&q->spelled, slice_of(*path));
    if (i != MAP_NONE)
        *entry = q->modules[i];
    return OK;
}

/* What is declared of a head's module. */
static const struct json *head_entry(const struct settings *q, const char *path)
{
    const struct json *modules = json_get(q->declared, "modules"), *v = json_get(modules, path);
    bool prefixed = str_starts(path, "mtp.");

    if (!v && prefixed)
        v = json_get(modules, path + strlen("mtp."));
    if (!v)
        v = json_get(q->declared, path);
    if (!v && prefixed)
        v = json_get(q->declared, path + strlen("mtp."));
    return v && json_kind(v) == JSON_K_OBJECT ? v : NULL;
}

/* What the shapes tell of a matrix whose rows have that many values; untouched if that is nothing. */
static void guess_setting(const struct pieces *p, uint64_t row, struct mlx_setting *m)
{
    const struct tensor *w = p->weight, *c = p->scales;
    uint64_t words = w->rank ? w->shape[w->rank - 1] : 0, groups = c->rank ? c->shape[c->rank - 1] : 0, nbit;

    if (row == 0 || groups == 0 || row % groups || !mul_ok(words, 32, &nbit) || nbit % row)
        return;
    struct mlx_setting guess = {MLX_AFFINE, nbit / row, row / groups};
    if (c->dtype == DT_U8)
        guess.mode = guess.group_size == 16 ? MLX_NVFP4 : guess.bits == 8 ? MLX_MXFP8 : MLX_MXFP4;
    if (mlx_type(&guess, DT_BF16) != DT_COUNT)
        *m = guess;
}

/* The setting of a head's module that has no entry of its own in "quantization". */
static enum status find_head_setting(const struct settings *q, const struct pieces *p, const char *path,
                                     struct mlx_setting *m, struct err *err)
{
    const struct json *v = head_entry(q, path);
    uint64_t row;

    if (v)
        return read_setting(q, p->module, v, m, err);
    if (json_get(q->declared, "bits"))
        return read_setting(q, HEAD_KEY, q->declared, m, err);
    if (q->head->row_length(q->source, p->module, &row))
        guess_setting(p, row, m);
    return OK;
}

/* The setting of a module that has scales. */
static enum status find_setting(const struct settings *q, const struct pieces *p, struct mlx_setting *m,
                                struct err *err)
{
    const char *module = p->module;
    const struct json *v;
    const char *path;
    bool yes;
    enum status s = find_entry(q, module, &path, &v, err);

    *m = q->object ? q->all : mlx_mode_default(MLX_AFFINE);
    if (s != OK || (v && json_bool(v, &yes) && yes))
        return s;
    if (!v)
        return q->head ? find_head_setting(q, p, path, m, err) : OK;
    if (json_kind(v) == JSON_K_BOOL || json_count(v) == 0)
        return fail(err, E_FORMAT, "%s: %s: %s=%s: means not quantized, but %s.scales is there", q->config,
                    q->key, json_key(v), json_kind(v) == JSON_K_BOOL ? "false" : "{}", module);
    return read_setting(q, module, v, m, err);
}

/* ---- parts ---- */

static const char *path_of(const struct source *s, const struct tensor *t)
{
    return s->files[t->file].path;
}

static bool is_float(enum dtype t)
{
    return t == DT_F32 || t == DT_F16 || t == DT_BF16;
}

static bool is_scale_byte(enum mlx_mode mode, enum dtype t)
{
    return t == DT_U8 || t == (mode == MLX_NVFP4 ? DT_F8_E4M3 : DT_F8_E8M0);
}

static enum status check_types(const struct source *s, const struct pieces *p, struct err *err)
{
    const struct tensor *w = p->weight, *c = p->scales, *b = p->biases;
    const char *mode = mlx_mode_name(p->setting.mode);
    bool affine = p->setting.mode == MLX_AFFINE;

    if (w->dtype != DT_U32)
        return fail(err, E_FORMAT, "%s: tensor %s: dtype=%s: must be u32, as %s is there", path_of(s, w),
                    w->name, dtype_name(w->dtype), c->name);
    if (affine ? !is_float(c->dtype) : !is_scale_byte(p->setting.mode, c->dtype))
        return fail(err, E_FORMAT, "%s: tensor %s: dtype=%s: scales of mode %s are %s", path_of(s, c),
                    c->name, dtype_name(c->dtype), mode, affine ? "f32, f16 or bf16" : "u8");
    if (affine && !b)
        return fail(err, E_FORMAT, "%s: tensor %s: there is no %s.biases, which mode affine needs",
                    path_of(s, c), c->name, p->module);
    if (!affine && b)
        return fail(err, E_FORMAT, "%s: tensor %s: mode %s has no biases", path_of(s, b), b->name, mode);
    if (b && b->dtype != c->dtype)
        return fail(err, E_FORMAT, "%s: tensor %s: dtype=%s: the scales are %s", path_of(s, b), b->name,
                    dtype_name(b->dtype), dtype_name(c->dtype));
    return OK;
}

static bool same_but_last(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, (a->rank - 1) * sizeof a->shape[0]) == 0;
}

/* Every row of the weight and of the scales says how many values it holds; they must agree. */
static enum status check_shapes(const struct source *s, const struct pieces *p, uint64_t *ncol,
                                struct err *err)
{
    const struct tensor *w = p->weight, *c = p->scales, *b = p->biases;
    uint64_t bits = p->setting.bits, group = p->setting.group_size, nbit, by_scales;
    char have[SHAPE_TEXT_MAX], other[SHAPE_TEXT_MAX];

    if (w->rank < 2 || !same_but_last(w, c))
        return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: does not fit the scales' %s", path_of(s, w),
                    w->name, shape_text(w->shape, w->rank, have), shape_text(c->shape, c->rank, other));
    if (b && (b->rank != c->rank || memcmp(b->shape, c->shape, c->rank * sizeof c->shape[0]) != 0))
        return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: the scales' is %s", path_of(s, b), b->name,
                    shape_text(b->shape, b->rank, have), shape_text(c->shape, c->rank, other));
    if (!mul_ok(w->shape[w->rank - 1], 32, &nbit) || !mul_ok(c->shape[c->rank - 1], group, &by_scales))
        return fail(err, E_FORMAT, "%s: tensor %s: shape=%s: its rows do not fit 64 bits", path_of(s, w),
                    w->name, shape_text(w->shape, w->rank, have));
    if (nbit % bits || nbit / bits != by_scales)
        return fail(err, E_FORMAT,
                    "%s: tensor %s: shape=%s: rows of %" PRIu64 " bits are not the scales' %" PRIu64
                    " groups of %" PRIu64 " values in %" PRIu64 " bits (bits=%" PRIu64 ", group_size=%" PRIu64
                    " in config.json)",
                    path_of(s, w), w->name, shape_text(w->shape, w->rank, have), nbit, by_scales / group,
                    group, bits, bits, group);
    *ncol = by_scales;
    return OK;
}

static enum status join_pieces(const struct source *s, const struct pieces *p, struct tensor *t,
                               struct err *err)
{
    enum status st = check_types(s, p, err);

    if (st != OK)
        return st;
    *t = *p->weight;
    t->dtype = mlx_type(&p->setting, p->scales->dtype);
    if (t->dtype == DT_COUNT)
        return fail(err, E_UNSUPPORTED,
                    "%s: tensor %s: bits=%" PRIu64 " and group_size=%" PRIu64 ": mode %s has none such",
                    path_of(s, t), t->name, p->setting.bits, p->setting.group_size,
                    mlx_mode_name(p->setting.mode));
    st = check_shapes(s, p, &t->shape[t->rank - 1], err);
    if (st != OK)
        return st;
    t->more[0].file = p->scales->file;
    t->more[0].off = p->scales->off;
    t->nbytes += p->scales->nbytes;
    if (p->biases) {
        t->more[1].file = p->biases->file;
        t->more[1].off = p->biases->off;
        t->nbytes += p->biases->nbytes;
    }
    return OK;
}

/* ---- the folder ---- */

static bool is_any(const char *name)
{
    (void)name;
    return true;
}

/* What the index does not name is read, too. */
static enum status read_all(struct source *s, struct err *err)
{
    enum status st = s->nhidden > 0 ? source_unhide(s, is_any, err) : OK;
    size_t kept = 0;

    for (size_t i = 0; i < s->nunlisted; i++) {
        const char *path = str_starts(s->unlisted[i], "model") ? source_beside(s, s->unlisted[i]) : NULL;
        uint32_t file = 0;

        if (!path) {
            s->unlisted[kept++] = s->unlisted[i];
            continue;
        }
        if (st == OK)
            st = source_add_file(s, path, &file, err);
        if (st == OK)
            st = st_read(s, file, err);
    }
    s->nunlisted = kept;
    return st;
}

/* The tensor of a module with that suffix; NULL when it is not there. */
static const struct tensor *part_of(const struct source *s, struct slice module, const char *suffix,
                                    struct buf *name)
{
    name->n = 0;
    buf_add(name, module.p, module.n);
    buf_add_str(name, suffix);
    return name->failed ? NULL : source_find(s, name->p);
}

static enum status fail_stray(const struct source *s, const struct tensor *t, const char *lacks,
                              struct err *err)
{
    return fail(err, E_FORMAT, "%s: tensor %s: there is no %s beside it", path_of(s, t), t->name, lacks);
}

/* One stored tensor: itself, all of its module, or nothing where its module's weight brings it. */
static enum status join(const struct settings *q, const struct tensor *t, struct buf *name,
                        struct tensor *out, bool *taken, struct err *err)
{
    static const char *const suffixes[] = {".weight", ".scales", ".biases"};
    const struct source *s = q->source;
    struct pieces p = {.weight = t};
    size_t k = 0;

    *taken = true;
    *out = *t;
    if ((q->head && !q->head->is_of(t->name)) || dtype_parts(t->dtype)->n > 1)
        return OK;
    while (k < ARRAY_LEN(suffixes) && !str_ends(t->name, suffixes[k]))
        k++;
    if (k == ARRAY_LEN(suffixes))
        return OK;
    struct slice module = {t->name, strlen(t->name) - strlen(suffixes[k])};
    p.scales = part_of(s, module, ".scales", name);
    if (k > 0) {
        *taken = false;
        if (!part_of(s, module, ".weight", name))
            return name->failed ? fail_nomem(err) : fail_stray(s, t, "weight", err);
        return p.scales ? OK : fail_stray(s, t, "scales", err);
    }
    if (!p.scales)
        return t->dtype == DT_U32
                   ? fail(err, E_FORMAT, "%s: tensor %s: dtype=u32: there are no scales beside it",
                          path_of(s, t), t->name)
                   : OK;
    if (!q->object && !q->head)
        return fail(err, E_FORMAT, "%s: quantization is missing, but tensor %s is there", q->config,
                    p.scales->name);
    p.biases = part_of(s, module, ".biases", name);
    p.module = arena_strndup(&q->source->arena, module.p, module.n);
    if (!p.module || name->failed)
        return fail_nomem(err);
    enum status st = find_setting(q, &p, &p.setting, err);
    return st == OK ? join_pieces(s, &p, out, err) : st;
}

static enum status join_all(struct settings *q, struct err *err)
{
    struct source *s = q->source;
    struct tensor *joined = calloc(s->ntensor + 1, sizeof *joined);
    struct buf name;
    size_t n = 0;
    enum status st = joined ? OK : fail_nomem(err);

    buf_init(&name, TENSOR_MAX_NAME + 16);
    for (size_t i = 0; i < s->ntensor && st == OK; i++) {
        bool taken = false;

        st = join(q, &s->tensors[i], &name, &joined[n], &taken, err);
        n += taken;
    }
    buf_free(&name);
    if (st == OK)
        return source_set_tensors(s, joined, n, err);
    free(joined);
    return st;
}

static enum status join_by(struct settings *q, struct err *err)
{
    enum status s = read_settings(q, err);

    if (s == OK)
        s = join_all(q, err);
    map_free(&q->exact);
    map_free(&q->spelled);
    return s;
}

enum status mlx_join(struct source *s, struct err *err)
{
    struct settings q = {.source = s};

    if (s->kind != SOURCE_HF || !mlx_is(s))
        return OK;
    enum status st = read_all(s, err);
    if (st == OK)
        st = join_by(&q, err);
    if (st == OK)
        s->kind = SOURCE_MLX;
    return st;
}

enum status mlx_join_head(struct source *s, const struct mlx_head *head, struct err *err)
{
    const struct json *declared = json_get(s->config, HEAD_KEY);
    struct settings q = {.source = s, .head = head};

    q.declared = declared && json_kind(declared) == JSON_K_OBJECT ? declared : NULL;
    return join_by(&q, err);
}
