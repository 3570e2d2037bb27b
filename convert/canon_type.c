/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/canon_int.h"
#include "formats/mlx.h"
#include "quantize/codecs.h"

#define CHUNK 4096 /* values */

static bool is_float(enum dtype t)
{
    return t == DT_F32 || t == DT_F16 || t == DT_BF16;
}

static enum dtype value_type(enum dtype t, enum dtype file)
{
    if (dtype_parts(t)->n > 1)
        return mlx_value_type(t);
    if (dtype_is_quantized(t) && file != DT_COUNT)
        return file;
    return is_float(t) ? t : DT_F32;
}

/* The class's values as a converter makes a file's of them: arithmetic on float16 is done in float16. */
static void make_values(float *x, size_t n, enum op op, enum dtype type)
{
    if (op == OP_COUNT)
        return;
    op_apply(op, x, n);
    if (type == DT_F16)
        op_apply(OP_ROUND_F16, x, n);
}

/* Whether a float32 tensor is what becomes of one of a narrower type. */
static enum status fits(const struct source *s, const struct tensor *t, enum op op, enum dtype type,
                        bool *yes, struct err *err)
{
    const struct codec *codec = codec_find(type);
    float stored[CHUNK], x[CHUNK];
    unsigned char narrow[CHUNK * sizeof(float)];
    enum op inverse;
    enum status st = OK;

    require(op == OP_COUNT || op_inverse(op, &inverse));
    for (uint64_t at = 0; at < t->nbytes && *yes && st == OK; at += sizeof x) {
        size_t nbytes = (size_t)min_u64(t->nbytes - at, sizeof x), n = nbytes / sizeof x[0];

        st = file_read_at(s->files[t->file].file, narrow, nbytes, t->off + at, err);
        if (st != OK)
            break;
        codec_find(DT_F32)->decode(narrow, stored, n);
        memcpy(x, stored, nbytes);
        if (op != OP_COUNT)
            op_apply(inverse, x, n);
        codec->encode(x, narrow, 1, n, NULL);
        codec->decode(narrow, x, n);
        make_values(x, n, op, type);
        *yes = memcmp(x, stored, nbytes) == 0;
    }
    return st == OK ? OK : wrap(err, "tensor %s", t->name);
}

enum status canon_type(const struct source *s, const struct tensor_origin *o, enum op op, enum dtype file,
                       enum dtype *type, struct err *err)
{
    bool narrow = file == DT_F16 || file == DT_BF16;
    enum status st = OK;

    *type = value_type(o->of[0]->dtype, file);
    for (size_t i = 0; i < o->nof; i++) {
        narrow = narrow && o->of[i]->dtype == DT_F32;
        if (value_type(o->of[i]->dtype, file) != *type)
            *type = DT_F32;
    }
    for (size_t i = 0; i < o->nof && narrow && st == OK; i++)
        st = fits(s, o->of[i], op, file, &narrow, err);
    if (narrow)
        *type = file;
    return st;
}
