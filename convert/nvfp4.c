/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights stored in NVFP4: codes, a scale to every 16 of them, and scales of the whole tensor. GGUF has the
 * codes and the fine scales in one tensor and the others beside it, where its runtime knows them. A weight
 * that cannot stay NVFP4 there becomes floats.
 *
 *              ModelOpt            compressed-tensors
 * codes        X.weight            X.weight_packed       U8 [rows, columns / 2]
 * fine scales  X.weight_scale      X.weight_scale        F8_E4M3 [rows, columns / 16]
 * scale        X.weight_scale_2    X.weight_global_scale one float, there divided by
 * input scale  X.input_scale       X.input_global_scale  one float, there divided by; may be missing
 */
#include "convert/build_int.h"
#include "quantize/codecs.h"

#include <math.h>

#define GROUP 16

/* ---- the tensors of a weight ---- */

/* The tensor that is named as t with `suffix` in the place of t's own, "weight" or "weight_packed"; NULL when
 * it is not there. `name` gets the name. */
static const struct tensor *find_beside(const struct builder *b, const struct tensor *t, const char *suffix,
                                        char name[NAME_MAX_LEN])
{
    const char *dot = strrchr(t->name, '.');

    snprintf(name, NAME_MAX_LEN, "%.*s%s", (int)(dot + 1 - t->name), t->name, suffix);
    return source_find(b->source, name);
}

static enum status fail_part(const struct builder *b, const struct tensor *t, enum status s,
                             const char *reason, struct err *err)
{
    char shape[SHAPE_TEXT_MAX];

    return fail(err, s, "%s: tensor %s: dtype=%s, shape=%s: %s", b->source->files[t->file].path, t->name,
                dtype_name(t->dtype), shape_text(t->shape, t->rank, shape), reason);
}

/* Marks a tensor as a part of another. */
static void claim(struct builder *b, const struct tensor *t)
{
    b->packed_of[t - b->source->tensors] = PACKED_PART;
}

/* A tensor of one number. */
static enum status read_scale(struct builder *b, const struct tensor *t, bool inverse, float *v,
                              struct err *err)
{
    const struct codec *codec = codec_find(t->dtype);
    unsigned char raw[8];
    uint64_t n;

    if (!shape_nelem(t->shape, t->rank, &n) || n != 1 || t->nbytes > sizeof raw ||
        (t->dtype != DT_F32 && t->dtype != DT_BF16 && t->dtype != DT_F16))
        return fail_part(b, t, E_UNSUPPORTED, "must be one float, the scale of a whole tensor", err);
    enum status s = file_read_at(b->source->files[t->file].file, raw, (size_t)t->nbytes, t->off, err);
    if (s != OK)
        return wrap(err, "tensor %s", t->name);
    codec->decode(raw, v, 1);
    *v = inverse ? 1.0f / *v : *v;
    if (!isfinite(*v))
        return fail_part(b, t, E_FORMAT, inverse ? "its inverse is no finite scale" : "is no finite scale",
                         err);
    claim(b, t);
    return OK;
}

/* The scales of the whole tensor. */
static enum status find_scales(struct builder *b, struct packed *p, struct err *err)
{
    bool inverse = b->nvfp4_inverse;
    char name[NAME_MAX_LEN];
    const struct tensor *t =
        find_beside(b, p->codes, inverse ? "weight_global_scale" : "weight_scale_2", name);

    if (!t)
        return fail(err, E_FORMAT, "%s: tensor %s is missing: the scale of %s", b->source->path, name,
                    p->codes->name);
    enum status s = read_scale(b, t, inverse, &p->scale, err);
    t = find_beside(b, p->codes, inverse ? "input_global_scale" : "input_scale", name);
    p->input_scale = 1.0f;
    return s == OK && t ? read_scale(b, t, inverse, &p->input_scale, err) : s;
}

static enum status check_shapes(const struct builder *b, const struct packed *p, struct err *err)
{
    const struct tensor *codes = p->codes, *scales = p->fine;
    char reason[96];

    if (codes->dtype != DT_U8 || codes->rank != 2)
        return fail_part(b, codes, E_UNSUPPORTED, "NVFP4 codes are a matrix of u8", err);
    if (scales->dtype != DT_F8_E4M3 || scales->rank != 2)
        return fail_part(b, scales, E_UNSUPPORTED, "NVFP4 scales are a matrix of f8_e4m3", err);
    if (codes->shape[0] == scales->shape[0] && codes->shape[1] / (GROUP / 2) == scales->shape[1] &&
        codes->shape[1] % (GROUP / 2) == 0)
        return OK;
    snprintf(reason, sizeof reason,
             "does not fit the codes' %" PRIu64 " rows of %" PRIu64 " bytes, %d to a scale", codes->shape[0],
             codes->shape[1], GROUP / 2);
    return fail_part(b, scales, E_FORMAT, reason, err);
}

/* ---- what becomes of it ---- */

/* Weights of which the runtime reads scales: what stands before ".weight". */
static bool takes_scale(const char *gguf)
{
    static const char *const stems[] = {
        "attn_q",       "attn_k",         "attn_v",      "attn_output",   "attn_qkv",
        "attn_gate",    "ffn_gate",       "ffn_up",      "ffn_down",      "ffn_gate_shexp",
        "ffn_up_shexp", "ffn_down_shexp", "ffn_up_exps", "ffn_gate_exps", "ffn_down_exps",
        "ssm_in",       "ssm_out",        "ssm_alpha",   "ssm_beta",      "output",
    };
    size_t n = strcspn(gguf, ".");

    for (size_t i = 0; i < ARRAY_LEN(stems); i++)
        if (strlen(stems[i]) == n && memcmp(stems[i], gguf, n) == 0)
            return true;
    return false;
}

/* Scales that the reference leaves out: of experts it asks numpy whether they are close. */
static bool is_one(float scale, bool of_expert)
{
    double off = fabs((double)scale - 1.0);

    return of_expert ? off <= 1e-6 + 1e-5 : off < 1e-6;
}

static enum packed_fate choose_fate(const struct builder *b, const struct packed *p)
{
    struct name_match m;

    if (b->vision ? name_match_vision(&b->hp, p->weight.name, &m) != NAME_KNOWN
                  : name_match_text(&b->hp, p->weight.name, &m) != NAME_KNOWN)
        return PACKED_STAYS; // without meaning: it is dropped or refused by its name
    if (!b->vision && head_drop_reason(b, &m))
        return PACKED_STAYS; // likewise
    const char *gguf = m.rule->form && m.rule->form->parts ? m.rule->form->undivided : m.rule->gguf;
    if (!b->vision && head_has(b, &m))
        return PACKED_HEAD;
    if (p->weight.shape[1] % dtype_block_elems(DT_NVFP4))
        return PACKED_ROWS;
    if (is_one(p->scale, false) && is_one(p->input_scale, false))
        return PACKED_STAYS;
    return !b->vision && gguf && takes_scale(gguf) ? PACKED_STAYS : PACKED_SCALE;
}

/* ---- reading them all ---- */

/* A weight of a mixed checkpoint: floats of 8 bits with one scale. */
static enum status read_float8(struct builder *b, struct packed *p, struct err *err)
{
    char name[NAME_MAX_LEN];
    const struct tensor *input = find_beside(b, p->codes, "input_scale", name);

    p->weight = *p->codes;
    p->fate = PACKED_FLOAT8;
    if (input)
        claim(b, input);
    return read_scale(b, p->fine, false, &p->scale, err);
}

static enum status read_nvfp4(struct builder *b, struct packed *p, struct err *err)
{
    const char *end = strstr(p->codes->name, "_packed");
    enum status s = check_shapes(b, p, err);

    if (s == OK)
        s = find_scales(b, p, err);
    if (s != OK)
        return s;
    p->weight = *p->codes;
    p->weight.dtype = DT_NVFP4_MLX;
    p->weight.shape[1] *= 2;
    if (end)
        p->weight.name = arena_strndup(&b->plan->arena, p->codes->name, (size_t)(end - p->codes->name));
    if (!p->weight.name)
        return fail_nomem(err);
    p->fate = choose_fate(b, p);
    return OK;
}

static enum status read_weight(struct builder *b, const struct tensor *t, const struct tensor *fine,
                               struct err *err)
{
    uint32_t index = (uint32_t)b->npacked, earlier;
    struct packed *p = &b->packed[index];

    *p = (struct packed){.codes = t, .fine = fine};
    enum status s = fine->rank < 2 && t->dtype == DT_F8_E4M3 ? read_float8(b, p, err) : read_nvfp4(b, p, err);
    if (s != OK)
        return s;
    claim(b, fine);
    b->packed_of[t - b->source->tensors] = index;
    b->npacked++;
    if (!map_add(&b->packed_names, slice_of(p->weight.name), index, &earlier))
        return fail_nomem(err);
    return earlier == MAP_NONE ? OK
                               : fail(err, E_FORMAT, "%s: tensor %s: stands beside %s", b->source->path,
                                      t->name, b->packed[earlier].codes->name);
}

/* The codes of a weight's scales. */
static enum status check_codes(const struct builder *b, const struct tensor *fine, struct err *err)
{
    char name[NAME_MAX_LEN];

    if (find_beside(b, fine, "weight", name) ||
        (b->nvfp4_inverse && find_beside(b, fine, "weight_packed", name)))
        return OK;
    return fail(err, E_FORMAT, "%s: tensor %s is missing, of which %s is there", b->source->path, name,
                fine->name);
}

static enum status read_tensor(struct builder *b, const struct tensor *t, struct err *err)
{
    char name[NAME_MAX_LEN];

    if (strlen(t->name) + strlen("global_scale") >= NAME_MAX_LEN)
        return OK;
    if (str_ends(t->name, ".weight_scale"))
        return check_codes(b, t, err);
    if (!str_ends(t->name, ".weight") && !(b->nvfp4_inverse && str_ends(t->name, ".weight_packed")))
        return OK;
    const struct tensor *fine = find_beside(b, t, "weight_scale", name);
    if (fine)
        return read_weight(b, t, fine, err);
    if (t->dtype != DT_U8 && str_ends(t->name, ".weight"))
        return OK;
    return fail(err, E_FORMAT, "%s: tensor %s is missing: the scales of %s", b->source->path, name, t->name);
}

static enum status note_fates(struct builder *b, struct err *err)
{
    static const char *const reasons[] = {
        [PACKED_HEAD] = "the runtime reads no NVFP4 head",
        [PACKED_ROWS] = "their rows are no whole blocks of 64",
        [PACKED_SCALE] = "the runtime reads no scale for them",
    };
    enum status s = OK;

    for (size_t fate = 0; fate < ARRAY_LEN(reasons); fate++) {
        const char *first = NULL;
        size_t n = 0;

        for (size_t i = b->npacked; reasons[fate] && i-- > 0;) {
            if (b->packed[i].fate == fate) {
                first = b->packed[i].weight.name;
                n++;
            }
        }
        if (n > 0 && s == OK)
            s = notes_add(&b->plan->notes, err, "%zu NVFP4 tensors become floats, as %.120s: %s", n, first,
                          reasons[fate]);
    }
    return s;
}

enum status nvfp4_read(struct builder *b, struct err *err)
{
    size_t n = b->source->ntensor, nfine = 0;
    enum status s = OK;

    if (!b->nvfp4)
        return OK;
    for (size_t i = 0; i < n; i++)
        nfine += str_ends(b->source->tensors[i].name, ".weight_scale");
    b->packed_of = arena_array(&b->plan->arena, n, sizeof *b->packed_of);
    b->packed = arena_array(&b->plan->arena, nfine, sizeof *b->packed);
    if (!b->packed_of || !b->packed)
        return fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        b->packed_of[i] = PACKED_NONE;
    for (size_t i = 0; i < n && s == OK; i++)
        s = read_tensor(b, &b->source->tensors[i], err);
    return s == OK ? note_fates(b, err) : s;
}

const struct packed *nvfp4_find(const struct builder *b, const struct tensor *t)
{
    uint32_t index = map_find(&b->packed_names, slice_of(t->name));

    return index == MAP_NONE ? NULL : &b->packed[index];
}

bool nvfp4_stays(const struct builder *b, const struct plan_step *step)
{
    const struct plan_source *src = &b->plan->sources[step->views[0].source];

    return src->dtype == DT_NVFP4_MLX && !src->scale;
}

/* ---- what stands beside a weight ---- */

static enum status emit_values(struct builder *b, const struct name_match *m, const char *gguf,
                               const char *suffix, const float *values, const struct tensor *shape,
                               struct err *err)
{
    struct plan_source src = {.name = shape->name,
                              .dtype = DT_F32,
                              .codec = codec_find(DT_F32),
                              .span = {{.data = values}},
                              .nelem = shape->shape[0]};
    char name[NAME_MAX_LEN];
    struct plan_step *step;
    bool all_one = true;
    uint32_t source;

    for (uint64_t i = 0; i < src.nelem; i++)
        all_one = all_one && is_one(values[i], m->rule->flags & RULE_PER_EXPERT);
    if (all_one)
        return OK;
    snprintf(name, sizeof name, "%.*s%s", (int)strcspn(gguf, "."), gguf, suffix);
    enum status s = emit_step(b, m, name, shape, &step, err);
    if (s == OK)
        s = plan_add_source(b->plan, &src, &source, err);
    if (s != OK)
        return s;
    struct view v = view_whole(source, src.nelem);
    return plan_add_view(b->plan, step, &v, err);
}

enum status nvfp4_emit_scales(struct builder *b, const struct name_match *m, const char *gguf,
                              const struct tensor *const *weights, uint64_t n, struct err *err)
{
    float *scales = arena_array(&b->plan->arena, n, sizeof *scales);
    float *inputs = arena_array(&b->plan->arena, n, sizeof *inputs);
    struct tensor shape = {.name = weights[0]->name, .dtype = DT_F32, .rank = 1, .shape = {n}};

    if (!scales || !inputs)
        return fail_nomem(err);
    for (uint64_t i = 0; i < n; i++) {
        const struct packed *p = nvfp4_find(b, weights[i]);

        require(p);
        scales[i] = p->scale;
        inputs[i] = p->input_scale;
    }
    enum status s = emit_values(b, m, gguf, ".scale", scales, &shape, err);
    return s == OK ? emit_values(b, m, gguf, ".input_scale", inputs, &shape, err) : s;
}
