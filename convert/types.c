/* SPDX-License-Identifier: Apache-2.0 */
/* Which type each tensor of a converted file gets. */
#include "convert/build_int.h"
#include "quantize/transcode.h"

/* ---- types ---- */

/* Weights that stay float32 whatever the file's type: small, and sensitive. */
static const char *const always_f32[] = {
    "ffn_gate_inp.weight",
    "ffn_gate_inp_shexp.weight",
    "position_embd.weight",
    "ssm_conv1d.weight",
};

static bool is_always_f32(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(always_f32); i++) {
        size_t n = strlen(name), m = strlen(always_f32[i]);

        if (str_ends(name, always_f32[i]) && (n == m || name[n - m - 1] == '.'))
            return true;
    }
    return false;
}

static enum dtype choose_type(const struct plan_step *step, enum dtype file)
{
    bool patch = str_starts(step->name, "v.patch_embd.weight");

    if (step->rank <= 1 || str_ends(step->name, "_norm.weight"))
        return DT_F32;
    if (patch)
        return file == DT_F16 ? DT_F16 : DT_F32;
    if (is_always_f32(step->name) || !str_ends(step->name, ".weight"))
        return DT_F32;
    return step->shape[step->rank - 1] % dtype_block_elems(file) ? DT_F16 : file;
}

enum dtype types_auto(const struct builder *b)
{
    for (size_t i = 0; i < b->source->ntensor; i++) {
        const struct tensor *t = &b->source->tensors[i];
        struct name_match m;
        bool ours = b->vision
                        ? name_match_vision(&b->hp, t->name, &m) == NAME_KNOWN
                        : name_match_text(&b->hp, t->name, &m) == NAME_KNOWN && !head_drop_reason(b, &m);

        enum dtype type = ours ? head_stored_type(b, &m, t) : t->dtype;

        if (ours && t->rank >= 2 && (type == DT_BF16 || type == DT_F16))
            return type;
    }
    return DT_F16;
}

uint32_t types_file_id(enum dtype t)
{
    static const struct {
        enum dtype type;
        uint32_t id;
    } ids[] = {{DT_F32, 0}, {DT_F16, 1}, {DT_BF16, 32}, {DT_Q8_0, 7}, {DT_NVFP4, 39}};

    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        if (ids[i].type == t)
            return ids[i].id;
    require(!"a file type of convert");
    return 0;
}

enum dtype types_shown(const struct builder *b, enum dtype t)
{
    return b->nvfp4 && !dtype_is_quantized(t) ? DT_NVFP4 : t;
}

enum status types_choose(const struct builder *b, enum dtype file, struct draft *d, struct err *err)
{
    enum status s = OK;

    for (size_t i = 0; i < b->nstep && s == OK; i++) {
        const struct plan_step *step = &b->plan->steps[b->steps[i]];
        enum dtype type = choose_type(step, file);

        if (nvfp4_stays(b, step))
            type = DT_NVFP4;
        draft_add(d, b->steps[i], type);
        if (type == DT_NVFP4)
            d->tensors[d->n - 1].sink.transcode = transcoder_stored_nvfp4;
        if (type == DT_F16 && file == DT_Q8_0)
            s = notes_add(&b->plan->notes, err, "%s: rows of %" PRIu64 " are no whole q8_0 blocks: f16",
                          step->name, step->shape[step->rank - 1]);
    }
    return s;
}
