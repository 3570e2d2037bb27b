/* SPDX-License-Identifier: Apache-2.0 */
/* How a checkpoint says that it is quantized already, and what of that is handled: NVFP4. */
#include "convert/build_int.h"

#include <ctype.h>

#define HF_QUANT_CONFIG     "hf_quant_config.json"
#define HF_QUANT_CONFIG_MAX (64 * MIB)
#define METHOD_MAX          64

/* What config.json's quantization_config says, completed and overruled by hf_quant_config.json. */
struct claim {
    const struct json *config; /* an object, or NULL */
    const struct json *groups, *layers;
    const char *algo, *method, *format; /* borrowed; NULL: not said */
    const char *path;                   /* of the file that has the last word */
    char producer[METHOD_MAX];
};

static const struct json *object_of(const struct json *v)
{
    return v && json_kind(v) == JSON_K_OBJECT ? v : NULL;
}

static void take_claim(struct claim *c, const struct json *from)
{
    const char *algo = json_str(json_get(from, "quant_algo"));
    const char *method = json_str(json_get(from, "quant_method"));
    const char *format = json_str(json_get(from, "format"));
    const struct json *groups = object_of(json_get(from, "config_groups"));
    const struct json *layers = object_of(json_get(from, "quantized_layers"));

    c->algo = algo ? algo : c->algo;
    c->method = method ? method : c->method;
    c->format = format ? format : c->format;
    c->groups = groups ? groups : c->groups;
    c->layers = layers ? layers : c->layers;
}

/* The producer's name stands in for a method that is not given. */
static void take_hf_claim(struct claim *c, const struct json *file)
{
    const char *name = json_str(json_get(json_get(file, "producer"), "name"));
    size_t n = 0;

    if (!c->method && name) {
        for (; name[n] && n + 1 < METHOD_MAX; n++)
            c->producer[n] = (char)tolower((unsigned char)name[n]);
        c->producer[n] = '\0';
        c->method = c->producer;
    }
    take_claim(c, json_get(file, "quantization"));
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
    if (strcmp(c->format, "mixed-precision") != 0 || !json_first(c->groups))
        return false;
    for (const struct json *g = json_first(c->groups); g; g = json_after(g))
        if (object_of(g) && !has_format(g, packed))
            return false;
    return true;
}

static bool is_nvfp4(const struct claim *c)
{
    if (is_compressed_tensors(c) ||
        (c->algo && (strcmp(c->algo, "NVFP4") == 0 || strcmp(c->algo, "W4A16_NVFP4") == 0)))
        return true;
    for (const struct json *layer = json_first(c->layers); layer; layer = json_after(layer)) {
        const char *algo = json_str(json_get(layer, "quant_algo"));

        if (algo && str_ends(algo, "NVFP4"))
            return true;
    }
    return false;
}

/* A number that the format fixes: `key` of an object, which may lack it or have null. `what` says where. */
static enum status check_number(const struct claim *c, const struct json *object, const char *what,
                                const char *key, int64_t must, struct err *err)
{
    const struct json *v = json_get(object, key);
    int64_t n;

    if (!v || json_kind(v) == JSON_K_NULL || (json_int(v, &n) && n == must))
        return OK;
    if (!json_int(v, &n))
        return fail(err, E_FORMAT, "%s: %s%s: must be a whole number", c->path, what, key);
    return fail(err, E_UNSUPPORTED, "%s: %s%s=%" PRId64 ": NVFP4 has %" PRId64, c->path, what, key, n, must);
}

/* Groups of other formats, which a mixed checkpoint may have beside, are told by their bits. */
static enum status check_group(const struct claim *c, const struct json *group, struct err *err)
{
    const struct json *weights = object_of(json_get(group, "weights"));
    const char *type = json_str(json_get(weights, "type"));
    bool only = is_compressed_tensors(c);
    char what[128];
    int64_t bits;
    enum status s = OK;

    if (!only && json_int(json_get(weights, "num_bits"), &bits) && bits != 4)
        return OK;
    snprintf(what, sizeof what, "config_groups.%.40s.weights.", json_key(group) ? json_key(group) : "");
    s = check_number(c, weights, what, "num_bits", 4, err);
    if (s == OK)
        s = check_number(c, weights, what, "group_size", 16, err);
    if (s == OK && type && strcmp(type, "float") != 0)
        s = fail(err, E_UNSUPPORTED, "%s: %stype=\"%.40s\": NVFP4 is of type \"float\"", c->path, what, type);
    return s;
}

static enum status check_nvfp4(const struct claim *c, const struct json *hf, struct err *err)
{
    enum status s = check_number(c, c->config, "", "group_size", 16, err);

    if (s == OK)
        s = check_number(c, json_get(hf, "quantization"), "", "group_size", 16, err);
    for (const struct json *g = json_first(c->groups); g && s == OK; g = json_after(g))
        s = check_group(c, g, err);
    for (const struct json *layer = json_first(c->layers); layer && s == OK; layer = json_after(layer)) {
        const char *algo = json_str(json_get(layer, "quant_algo"));
        char what[160];

        snprintf(what, sizeof what, "quantized_layers.%.120s.", json_key(layer) ? json_key(layer) : "");
        if (algo && str_ends(algo, "NVFP4"))
            s = check_number(c, layer, what, "group_size", 16, err);
    }
    return s;
}

/* ---- the decision ---- */

static enum status refuse(const struct builder *b, const struct claim *c, struct err *err)
{
    return fail(err, E_UNSUPPORTED,
                "%s: is quantized already (quantization_config, %s%s%s): convert the original checkpoint",
                b->source->path, c->method ? c->method : "of an unnamed method", c->algo ? " " : "",
                c->algo ? c->algo : "");
}

static enum status load_hf(struct builder *b, struct claim *c, struct json **hf, struct err *err)
{
    const char *path = source_beside(b->source, HF_QUANT_CONFIG);

    if (!path || (c->algo && json_first(c->layers)))
        return OK;
    enum status s = plan_add_input(b->plan, path, err);
    if (s == OK)
        s = json_load(path, HF_QUANT_CONFIG_MAX, hf, err);
    if (s != OK)
        return s;
    take_hf_claim(c, *hf);
    c->path = path;
    return OK;
}

/* A vision tower's own section tells of the tower: quantizing leaves it as it is, mostly. */
enum status prequant_decide(struct builder *b, struct err *err)
{
    static const char key[] = "quantization_config";
    const struct json *mlx = hparams_find(&b->hp, "quantization");
    const struct json *config = b->vision ? json_get(b->hp.text, key) : hparams_find(&b->hp, key);
    struct claim c = {.config = object_of(config), .path = b->hp.name};
    struct json *hf = NULL;

    if (object_of(mlx))
        return fail(err, E_UNSUPPORTED, "%s: is quantized for MLX: convert the original checkpoint",
                    b->source->path);
    take_claim(&c, c.config);
    enum status s = load_hf(b, &c, &hf, err);
    if (s == OK && is_nvfp4(&c)) {
        b->nvfp4 = true;
        b->nvfp4_inverse = is_compressed_tensors(&c);
        s = check_nvfp4(&c, hf, err);
    } else if (s == OK && !b->vision && (c.config || c.algo)) {
        s = refuse(b, &c, err);
    }
    json_free(hf);
    return s;
}
