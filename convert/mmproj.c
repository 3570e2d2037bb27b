/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/mmproj.h"

#include <float.h>
#include <math.h>

#include "core/file.h"

#define PREPROCESSOR_MAX (16 * MIB)
#define CHANNELS         3 /* colours of an image */

/* ---- numbers of the tower ---- */

struct tower_key {
    const char *key, *from; /* config keys within vision_config */
};

static const struct tower_key tower_keys[] = {
    {"clip.vision.patch_size", "patch_size"},
    {"clip.vision.embedding_length", "hidden_size"},
    {"clip.vision.feed_forward_length", "intermediate_size"},
    {"clip.vision.block_count", "depth|num_hidden_layers|n_layers|n_layer"},
    {"clip.vision.attention.head_count", "num_attention_heads|num_heads|heads"},
};

/* A whole number of vision_config alone: the text model's must not stand in for it. */
static enum status tower_number(const struct hparams *vision, const char *keys, bool *found, uint64_t *v,
                                struct err *err)
{
    struct hparams alone = *vision;

    alone.root = alone.text;
    return hparams_u64(&alone, keys, found, v, err);
}

static enum status set_required(const struct hparams *vision, const struct tower_key *k, struct meta *out,
                                struct err *err)
{
    uint64_t v = 0;
    bool found;
    enum status s = tower_number(vision, k->from, &found, &v, err);

    if (s == OK && (!found || v == 0 || v > UINT32_MAX))
        s = fail(err, E_FORMAT, "%s: vision_config: %.*s=%" PRIu64 ": must be 1 to 2^32 - 1", vision->name,
                 (int)strcspn(k->from, "|"), k->from, v);
    return s == OK ? meta_set_u32(out, k->key, (uint32_t)v, err) : s;
}

static enum status set_image_size(const struct hparams *vision, struct meta *out, struct err *err)
{
    uint64_t size = 0, npos = 2304, patch = 16;
    bool found;
    enum status s = tower_number(vision, "image_size", &found, &size, err);

    if (s == OK && !found) {
        bool ignored;

        s = tower_number(vision, "num_position_embeddings", &found, &npos, err);
        npos = found ? npos : 2304;
        if (s == OK)
            s = tower_number(vision, "patch_size", &ignored, &patch, err);
        patch = ignored ? patch : 16;
        size = (uint64_t)(sqrt((double)npos) * (double)patch);
    }
    if (s == OK && (size == 0 || size > UINT32_MAX))
        s = fail(err, E_FORMAT, "%s: vision_config: image_size=%" PRIu64 ": must be 1 to 2^32 - 1",
                 vision->name, size);
    return s == OK ? meta_set_u32(out, "clip.vision.image_size", (uint32_t)size, err) : s;
}

static enum status set_deepstack(const struct hparams *vision, struct meta *out, struct err *err)
{
    const struct json *list = json_get(vision->text, "deepstack_visual_indexes");
    unsigned char flags[4096] = {0};
    uint64_t depth;
    enum status s = hparams_eval(vision, vision->arch->vision->depth, &depth, err);

    if (s == OK && depth > sizeof flags)
        s = fail(err, E_FORMAT, "%s: vision_config: depth=%" PRIu64 ": not in range", vision->name, depth);
    if (s == OK && list && json_kind(list) != JSON_K_NULL && json_kind(list) != JSON_K_ARRAY)
        s = hparams_refuse(vision, list, "a list", err);
    for (const struct json *c = json_first(list); c && s == OK; c = json_after(c)) {
        int64_t i;

        if (!json_int(c, &i) || i < 0 || (uint64_t)i >= depth)
            s = fail(err, E_FORMAT, "%s: vision_config: deepstack_visual_indexes names no layer",
                     vision->name);
        else
            flags[i] = 1;
    }
    struct meta_kv kv = {"clip.vision.is_deepstack_layers",
                         META_ARRAY,
                         META_BOOL,
                         s == OK ? depth : 0,
                         flags,
                         s == OK ? depth : 0};
    return s == OK ? meta_set(out, kv, err) : s;
}

/* ---- the image preprocessor ---- */

/* A number per colour: f32, or i32 when the file writes integers, as the reference's type inference has it.
 */
static enum status set_numbers(const char *key, const struct json *list, const char *path, struct meta *out,
                               struct err *err)
{
    union {
        float f[CHANNELS];
        int32_t i[CHANNELS];
    } v;
    bool whole = json_written_as_int(json_first(list));
    size_t n = 0;

    if (json_count(list) != CHANNELS)
        return fail(err, E_FORMAT, "%s: %s: has %zu numbers, not %d", path, json_key(list), json_count(list),
                    CHANNELS);
    for (const struct json *c = json_first(list); c; c = json_after(c), n++) {
        double d;

        if (!json_num(c, &d) || !(fabs(d) <= (whole ? INT32_MAX : FLT_MAX)) || (whole && d != floor(d)))
            return fail(err, E_FORMAT, "%s: %s[%zu]: must be a number that fits %s", path, json_key(list), n,
                        whole ? "int32, as the first does" : "float32");
        if (whole)
            v.i[n] = (int32_t)d;
        else
            v.f[n] = (float)d;
    }
    struct meta_kv kv = {key, META_ARRAY, whole ? META_I32 : META_F32, n, (const unsigned char *)&v, n * 4};
    return meta_set(out, kv, err);
}

/* The section that holds image_mean: of processor_config.json if it has one, else of the older file. */
static const struct json *section_with(const struct json *root, const char *key)
{
    static const char *const nested[] = {"image_processor", "media_proc_cfg"};

    for (size_t i = 0; i < ARRAY_LEN(nested); i++)
        if (json_get(json_get(root, nested[i]), key))
            return json_get(root, nested[i]);
    return json_get(root, key) ? root : NULL;
}

static enum status set_preprocessing(struct source *source, struct meta *out, struct err *err)
{
    static const char *const keys[][2] = {{"clip.vision.image_mean", "image_mean"},
                                          {"clip.vision.image_std", "image_std"}};
    const char *newer_path = source_beside(source, "processor_config.json");
    const char *older_path = source_beside(source, "preprocessor_config.json");
    struct json *newer = NULL, *older = NULL;
    enum status s = older_path ? json_load(older_path, PREPROCESSOR_MAX, &older, err) : OK;

    if (s == OK && newer_path)
        s = json_load(newer_path, PREPROCESSOR_MAX, &newer, err);
    for (size_t i = 0; i < ARRAY_LEN(keys) && s == OK; i++) {
        const struct json *in = section_with(newer, keys[i][1]);
        const char *path = in ? newer_path : older_path;

        in = in ? in : section_with(older, keys[i][1]);
        const struct json *list = json_get(in, keys[i][1]);
        if (!list || json_kind(list) != JSON_K_ARRAY)
            s = fail(err, E_FORMAT, "%s: %s is missing from preprocessor_config.json", source->path,
                     keys[i][1]);
        else
            s = set_numbers(keys[i][0], list, path, out, err);
    }
    json_free(newer);
    json_free(older);
    return s;
}

/* ---- all of it ---- */

static enum status set_from_text(const struct hparams *vision, struct meta *out, struct err *err)
{
    struct hparams text = *vision;
    uint64_t hidden = 0;
    bool found;

    text.text = json_get(vision->root, "text_config") ? json_get(vision->root, "text_config") : vision->root;
    enum status s = hparams_u64(&text, "hidden_size", &found, &hidden, err);
    if (s == OK && (!found || hidden == 0 || hidden > UINT32_MAX))
        s = fail(err, E_FORMAT, "%s: text_config: hidden_size=%" PRIu64 ": must be 1 to 2^32 - 1",
                 vision->name, hidden);
    return s == OK ? meta_set_u32(out, "clip.vision.projection_dim", (uint32_t)hidden, err) : s;
}

static enum status set_epsilon(const struct hparams *vision, struct meta *out, struct err *err)
{
    const struct json *v = json_get(json_get(vision->root, "text_config"), "rms_norm_eps");
    double eps = 1e-6;

    if (v && json_kind(v) != JSON_K_NULL && (!json_num(v, &eps) || !(eps >= 0 && eps <= FLT_MAX)))
        return hparams_refuse(vision, v, "a number from 0 on that float32 can hold", err);
    return meta_set_f32(out, "clip.vision.attention.layer_norm_epsilon", (float)eps, err);
}

enum status mmproj_to_meta(const struct hparams *vision, struct source *source, struct meta *out,
                           struct err *err)
{
    uint64_t merge = 0;
    bool has_merge = false;
    enum status s = meta_set_u32(out, "general.file_type", 0, err);

    if (s == OK)
        s = meta_set_bool(out, "clip.has_vision_encoder", true, err);
    if (s == OK)
        s = set_from_text(vision, out, err);
    if (s == OK)
        s = set_image_size(vision, out, err);
    for (size_t i = 0; i < ARRAY_LEN(tower_keys) && s == OK; i++)
        s = set_required(vision, &tower_keys[i], out, err);
    if (s == OK)
        s = set_preprocessing(source, out, err);
    if (s == OK)
        s = meta_set_str(out, "clip.projector_type", vision->arch->vision->projector, err);
    if (s == OK)
        s = meta_set_bool(out, "clip.use_gelu", true, err);
    if (s == OK)
        s = tower_number(vision, "spatial_merge_size", &has_merge, &merge, err);
    if (s == OK && has_merge && merge <= UINT32_MAX)
        s = meta_set_u32(out, "clip.vision.spatial_merge_size", (uint32_t)merge, err);
    if (s == OK)
        s = set_epsilon(vision, out, err);
    return s == OK ? set_deepstack(vision, out, err) : s;
}
