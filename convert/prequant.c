/* SPDX-License-Identifier: Apache-2.0 */
/* How a checkpoint says that it is quantized already, and what of that is handled: NVFP4. */
#include "convert/build_int.h"

#include <ctype.h>

#define HF_QUANT_CONFIG     "hf_quant_config.json"
#define HF_QUANT_CONFIG_MAX (64 * MIB)
#define METHOD_MAX          64

/* An object of a config file, or NULL. */
struct said {
    const struct json *v;
    const char *path, *within;
};

/* What config.json's quantization_config says, completed and overruled by hf_quant_config.json. */
struct claim {
    struct said whole[2]; /* of either file */
    struct said groups, layers;
    const char *algo, *method, *format; /* borrowed; NULL: not said */
    char producer[METHOD_MAX];
};

static const struct json *object_of(const struct json *v)
{
    return v && json_kind(v) == JSON_K_OBJECT ? v : NULL;
}

static void take_object(struct said *to, const struct said *from, const char *key)
{
    const struct json *v = object_of(json_get(from->v, key));

    if (v)
        *to = (struct said){v, from->path, from->within};
}

static void take_text(const char **to, const struct said *from, const char *key)
{
    const char *v = json_str(json_get(from->v, key));

    *to = v ? v : *to;
}

static void take_claim(struct claim *c, const struct said *from)
{
    take_text(&c->algo, from, "quant_algo");
    take_text(&c->method, from, "quant_method");
    take_text(&c->format, from, "format");
    take_object(&c->groups, from, "config_groups");
    take_object(&c->layers, from, "quantized_layers");
}

/* The producer's name stands in for a method that is not given. */
static void take_hf_claim(struct claim *c, const struct json *file, const char *path)
{
    const char *name = json_str(json_get(json_get(file, "producer"), "name"));
    size_t n = 0;

    if (!c->method && name) {
        for (; name[n] && n + 1 < METHOD_MAX; n++)
            c->producer[n] = (char)tolower((unsigned char)name[n]);
        c->producer[n] = '\0';
        c->method = c->producer;
    }
    c->whole[1] = (struct said){object_of(json_get(file, "quantization")), path, "quantization."};
    take_claim(c, &c->whole[1]);
}

/* ---- NVFP4 ---- */

static bool has_format(const struct json *group, const char *format)
{
    const char *own = json_str(json_get(group, "format"));

    return own && strcmp(own, format) == 0;
}

static bool is_compressed_tensors(const struct claim *c)
{
    static const char packed[] = "nvfp4-pack-quantized";

    if (!c->method || strcmp(c->method, "compressed-tensors") != 0 || !c->format)
        return false;
    if (strcmp(c->format, packed) == 0)
        return true;
    if (strcmp(c->format, "mixed-precision") != 0 || !json_first(c->groups.v))
        return false;
    for (const struct json *g = json_first(c->groups.v); g; g = json_after(g))
        if (object_of(g) && !has_format(g, packed))
            return false;
    return true;
}

static bool is_nvfp4(const struct claim *c)
{
    if (is_compressed_tensors(c) ||
        (c->algo && (strcmp(c->algo, "NVFP4") == 0 || strcmp(c->algo, "W4A16_NVFP4") == 0)))
        return true;
    for (const struct json *layer = json_first(c->layers.v); layer; layer = json_after(layer)) {
        const char *algo = json_str(json_get(layer, "quant_algo"));

        if (algo && str_ends(algo, "NVFP4"))
            return true;
    }
    return false;
}

/* A number that the format fixes: `key` of an object, which may lack it or have null. `what` stands before
 * it. */
static enum status check_number(const struct said *o, const char *what, const char *key, int64_t must,
                                struct err *err)
{
    const struct json *v = json_get(o->v, key);
    int64_t n;

    if (!v || json_kind(v) == JSON_K_NULL)
        return OK;
    if (!json_int(v, &n))
        return fail(err, E_FORMAT, "%s: %s%s%s: must be a whole number", o->path, o->within, what, key);
    if (n == must)
        return OK;
    return fail(err, E_UNSUPPORTED, "%s: %s%s%s=%" PRId64 ": NVFP4 has %" PRId64, o->path, o->within, what,
                key, n, must);
}

/* Groups of other formats, which a mixed checkpoint may have beside, are told by their bits. */
static enum status check_group(const struct claim *c, const struct json *group, struct err *err)
{
    struct said weights = {object_of(json_get(group, "weights")), c->groups.path, c->groups.within};
    const char *type = json_str(json_get(weights.v, "type"));
    char what[128];
    int64_t bits;

    if (!is_compressed_tensors(c) && json_int(json_get(weights.v, "num_bits"), &bits) && bits != 4)
        return OK;
    snprintf(what, sizeof what, "config_groups.%.40s.weights.", json_key(group));
    enum status s = check_number(&weights, what, "num_bits", 4, err);
    if (s == OK)
        s = check_number(&weights, what, "group_size", 16, err);
    if (s == OK && type && strcmp(type, "float") != 0)
        s = fail(err, E_UNSUPPORTED, "%s: %s%stype=\"%.40s\": NVFP4 is of type \"float\"", weights.path,
                 weights.within, what, type);
    return s;
}

static enum status check_layer(const struct claim *c, const struct json *layer, struct err *err)
{
    const char *algo = json_str(json_get(layer, "quant_algo"));
    struct said o = {layer, c->layers.path, c->layers.within};
    char what[160];

    if (!algo || !str_ends(algo, "NVFP4"))
        return OK;
    snprintf(what, sizeof what, "quantized_layers.%.120s.", json_key(layer));
    return check_number(&o, what, "group_size", 16, err);
}

static enum status check_nvfp4(const struct claim *c, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < ARRAY_LEN(c->whole) && s == OK; i++)
        s = check_number(&c->whole[i], "", "group_size", 16, err);
    for (const struct json *g = json_first(c->groups.v); g && s == OK; g = json_after(g))
        s = check_group(c, g, err);
    for (const struct json *layer = json_first(c->layers.v); layer && s == OK; layer = json_after(layer))
        s = check_layer(c, layer, err);
    return s;
}

/* ---- the decision ---- */

static enum status refuse(const struct builder *b, const struct claim *c, struct err *err)
{
    const char *kind = c->algo ? c->algo : c->format;

    return fail(err, E_UNSUPPORTED,
                "%s: is quantized already (quantization_config, %s%s%s): convert the original checkpoint",
                b->source->path, c->method ? c->method : "of an unnamed method", kind ? ", " : "",
                kind ? kind : "");
}

static enum status load_hf(struct builder *b, struct claim *c, struct json **hf, struct err *err)
{
    const char *path = source_beside(b->source, HF_QUANT_CONFIG);

    if (!path || (c->algo && json_first(c->layers.v)))
        return OK;
    enum status s = json_load(path, HF_QUANT_CONFIG_MAX, hf, err);
    if (s == OK)
        take_hf_claim(c, *hf, path);
    return s;
}

/* A vision tower's own section tells of the tower: quantizing leaves it as it is, mostly. */
enum status prequant_decide(struct builder *b, struct err *err)
{
    static const char key[] = "quantization_config";
    const struct json *config = b->vision ? json_get(b->hp.text, key) : hparams_find(&b->hp, key);
    struct claim c = {.whole[0] = {object_of(config), b->hp.name, "quantization_config."}};
    struct json *hf = NULL;

    if (b->source->kind != SOURCE_HF)
        return OK; // has been read as what it is
    take_claim(&c, &c.whole[0]);
    enum status s = load_hf(b, &c, &hf, err);
    if (s == OK && is_nvfp4(&c)) {
        b->nvfp4 = true;
        b->nvfp4_inverse = is_compressed_tensors(&c);
        s = check_nvfp4(&c, err);
    } else if (s == OK && !b->vision && (c.whole[0].v || c.algo)) {
        s = refuse(b, &c, err);
    }
    json_free(hf);
    return s;
}
