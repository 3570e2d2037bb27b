/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint as if it had been quantized to NVFP4: its projections in parts, and what the config says of
 * it. */
#include "samples/sample.h"

#define GROUP 16

static const char *const formats[] = {
    [SAMPLE_MODELOPT] = "modelopt", [SAMPLE_COMPRESSED_TENSORS] = "compressed-tensors"};

bool sample_nvfp4_find(const char *name, enum sample_nvfp4 *format)
{
    for (size_t i = 1; i < ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i], name) == 0) {
            *format = (enum sample_nvfp4)i;
            return true;
        }
    }
    return false;
}

/* ModelOpt leaves the head as it is; the other is made to have it packed too. */
static bool is_packed(const struct sample *s, const struct sample_tensor *t)
{
    const char *last = strrchr(t->name, '.');

    if (t->rank != 2 || !last || strcmp(last, ".weight") != 0 || t->shape[1] % GROUP ||
        strstr(t->name, "visual."))
        return false;
    if (s->options->nvfp4 == SAMPLE_MODELOPT && strstr(t->name, "mtp."))
        return false;
    return strstr(t->name, "_proj") != NULL;
}

static enum status add_part(struct sample *s, const struct sample_tensor *of, const char *suffix,
                            enum dtype dtype, uint64_t per, struct err *err)
{
    int stem = (int)(strlen(of->name) - strlen("weight"));

    if (!arena_grow(&s->arena, (void **)&s->tensors, s->n, &s->cap, sizeof *s->tensors))
        return fail_nomem(err);
    struct sample_tensor *t = &s->tensors[s->n++];
    *t = (struct sample_tensor){.name = arena_printf(&s->arena, "%.*s%s", stem, of->name, suffix),
                                .dtype = dtype,
                                .rank = per ? 2 : 0,
                                .shape = {of->shape[0], per ? of->shape[1] / per : 0}};
    t->nelem = per ? t->shape[0] * t->shape[1] : 1;
    (void)dtype_nbytes(dtype, t->nelem, &t->nbytes);
    return t->name ? OK : fail_nomem(err);
}

enum status sample_pack(struct sample *s, struct err *err)
{
    bool modelopt = s->options->nvfp4 == SAMPLE_MODELOPT;
    size_t n = s->n, kept = 0;
    enum status st = OK;

    for (size_t i = 0; i < n && st == OK; i++) {
        struct sample_tensor t = s->tensors[i];

        if (!is_packed(s, &t)) {
            s->tensors[kept++] = t;
            continue;
        }
        st = add_part(s, &t, modelopt ? "weight_scale_2" : "weight_global_scale", DT_F32, 0, err);
        if (st == OK)
            st = add_part(s, &t, "weight_scale", DT_F8_E4M3, GROUP, err);
        if (st == OK)
            st = add_part(s, &t, modelopt ? "input_scale" : "input_global_scale", DT_F32, 0, err);
        if (st == OK)
            st = add_part(s, &t, modelopt ? "weight" : "weight_packed", DT_U8, 2, err);
    }
    memmove(&s->tensors[kept], &s->tensors[n], (s->n - n) * sizeof *s->tensors);
    s->n -= n - kept;
    return st;
}

/* ---- config.json ---- */

static const char modelopt_claim[] =
    ",\n\"quantization_config\": {\"quant_method\": \"modelopt\", \"quant_algo\": "
    "\"NVFP4\", \"group_size\": 16}\n";
static const char compressed_tensors_claim[] =
    ",\n\"quantization_config\": {\"quant_method\": "
    "\"compressed-tensors\", \"format\": \"nvfp4-pack-quantized\",\n"
    " \"config_groups\": {\"group_0\": {\"weights\": {\"num_bits\": 4, "
    "\"type\": \"float\", \"group_size\": 16}}}}\n";

void sample_add_claim(const struct sample *s, struct buf *config)
{
    while (config->n > 0 && config->p[config->n - 1] != '}')
        config->n--;
    config->n -= config->n > 0;
    buf_add_str(config, s->options->nvfp4 == SAMPLE_MODELOPT ? modelopt_claim : compressed_tensors_claim);
    buf_add_str(config, "}\n");
}
