/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/form.h"

/* Dimensions are pushed from the outside in. */
static void push_dim(struct view *v, uint64_t n, uint64_t stride)
{
    require(v->ndim < VIEW_MAX_DIMS);
    v->dim[v->ndim++] = (struct view_dim){n, stride};
}

static uint64_t axis_stride(const struct tensor *t, uint32_t axis)
{
    uint64_t stride = 1;

    for (uint32_t i = axis + 1; i < t->rank; i++)
        stride *= t->shape[i];
    return stride;
}

static void push_axes(struct view *v, const struct tensor *t, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        push_dim(v, t->shape[i], axis_stride(t, i));
}

static struct view *add_view(struct formed *out)
{
    require(out->nview < PART_MAX_SLICES);
    return &out->view[out->nview++];
}

static void drop_axis(struct formed *out, uint32_t axis)
{
    out->rank--;
    memmove(&out->shape[axis], &out->shape[axis + 1], (out->rank - axis) * sizeof out->shape[0]);
}

/* The axis as [group0][group1][group2] from `skip` on, in the form's order; what is skipped comes first. */
static enum status regroup(const struct hparams *hp, const struct tensor_form *form, const struct tensor *t,
                           struct formed *out, struct err *err)
{
    uint64_t skip = 0, n[3] = {1, 1, 1}, stride[3];
    enum status s = form->skip ? hparams_eval(hp, form->skip, &skip, err) : OK;

    for (int i = 0; i < 3 && s == OK; i++)
        s = hparams_eval(hp, form->group[i], &n[i], err);
    if (s != OK)
        return s;
    if (skip + n[0] * n[1] * n[2] != t->shape[form->axis])
        return fail(err, E_FORMAT,
                    "tensor %s: axis %u of %" PRIu64 " is not %" PRIu64 " + %" PRIu64 " x %" PRIu64
                    " x %" PRIu64,
                    t->name, form->axis, t->shape[form->axis], skip, n[0], n[1], n[2]);
    stride[2] = axis_stride(t, form->axis);
    stride[1] = stride[2] * n[2];
    stride[0] = stride[1] * n[1];
    if (skip > 0) {
        require(form->axis == 0);
        *add_view(out) = view_whole(0, skip * stride[2]);
    }
    struct view *v = add_view(out);
    v->base = skip * stride[2];
    push_axes(v, t, 0, form->axis);
    for (int i = 0; i < 3; i++)
        push_dim(v, n[form->perm[i]], stride[form->perm[i]]);
    push_axes(v, t, form->axis + 1, t->rank);
    return OK;
}

static enum status form_whole(const struct hparams *hp, const struct tensor_form *form,
                              const struct tensor *t, struct formed *out, struct err *err)
{
    enum status s = OK;

    for (uint32_t i = 0; i < t->rank; i++)
        out->shape[i] = t->shape[form && form->axes ? form->axes[i] - '0' : (int)i];
    if (form && form->group[0]) {
        s = regroup(hp, form, t, out, err);
    } else {
        struct view *v = add_view(out);

        for (uint32_t i = 0; i < t->rank; i++) {
            uint32_t axis = form && form->axes ? (uint32_t)(form->axes[i] - '0') : i;

            push_axes(v, t, axis, axis + 1);
        }
    }
    return s;
}

struct slice_sizes {
    uint64_t outer, inner, start, len;
};

static enum status eval_slice(const struct hparams *hp, const struct axis_slice *sl, const struct tensor *t,
                              uint32_t axis, struct slice_sizes *z, struct err *err)
{
    enum status s = hparams_eval(hp, sl->outer, &z->outer, err);

    if (s == OK)
        s = hparams_eval(hp, sl->inner, &z->inner, err);
    if (s == OK)
        s = hparams_eval(hp, sl->start, &z->start, err);
    if (s == OK)
        s = hparams_eval(hp, sl->len, &z->len, err);
    if (s == OK && (z->outer * z->inner != t->shape[axis] || z->start + z->len > z->inner))
        s = fail(err, E_FORMAT, "tensor %s: axis %u of %" PRIu64 " is not %" PRIu64 " x %" PRIu64, t->name,
                 axis, t->shape[axis], z->outer, z->inner);
    return s;
}

static enum status form_part(const struct hparams *hp, uint32_t axis, const struct tensor_part *part,
                             const struct tensor *t, struct formed *out, struct err *err)
{
    memcpy(out->shape, t->shape, sizeof out->shape);
    out->shape[axis] = 0;
    for (const struct axis_slice *sl = part->slice; sl->outer; sl++) {
        struct slice_sizes z;
        uint64_t stride = axis_stride(t, axis);
        enum status s = eval_slice(hp, sl, t, axis, &z, err);

        if (s != OK)
            return s;
        struct view *v = add_view(out);
        v->base = z.start * stride;
        push_axes(v, t, 0, axis);
        push_dim(v, z.outer, z.inner * stride);
        push_dim(v, z.len, stride);
        push_axes(v, t, axis + 1, t->rank);
        out->shape[axis] += z.outer * z.len;
    }
    require(out->nview == 1 || axis == 0);
    return OK;
}

enum status form_apply(const struct hparams *hp, const struct tensor_form *form,
                       const struct tensor_part *part, const struct tensor *t, struct formed *out,
                       struct err *err)
{
    *out = (struct formed){.rank = t->rank};
    enum status s = part ? form_part(hp, form->axis, part, t, out, err) : form_whole(hp, form, t, out, err);
    if (s == OK && form && form->drop_axis)
        drop_axis(out, form->drop_axis);
    return s;
}
