/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/quantize_opts.h"

#define EXPLANATION_MAX (64 * KIB)

const char *const quantize_missing_choices[] = {"error", "neutral", "borrow", NULL};
static const enum importance_missing missing[] = {MISSING_ERROR, MISSING_NEUTRAL, MISSING_BORROW};

static enum status read_type(const char *option, const char *name, enum dtype *type, struct err *err)
{
    if (!name)
        return OK;
    return recipe_type_find(name, type, err) == OK ? OK : wrap(err, "%s", option);
}

static enum status read_overrides(struct recipe_overrides *to, const struct quantize_opts *o, struct err *err)
{
    enum status s = read_type("--output-type", o->output_type, &to->output_type, err);

    to->pure = o->pure;
    to->leave_output = o->leave_output;
    if (s == OK)
        s = read_type("--embedding-type", o->embedding_type, &to->embedding_type, err);
    if (s == OK)
        s = read_type("--mtp-type", o->mtp_type, &to->mtp_type, err);
    for (size_t i = 0; i < o->tensor_types.n && s == OK; i++)
        s = recipe_override_type(to, o->tensor_types.item[i], err);
    if (s == OK && o->tensor_type_file)
        s = recipe_override_types_file(to, o->tensor_type_file, err);
    for (size_t i = 0; i < o->keeps.n && s == OK; i++)
        s = recipe_override_keep(to, o->keeps.item[i], err);
    return s;
}

enum status quantize_job_open(struct quantize_job *job, const struct quantize_opts *o, const char *name,
                              const struct imatrix *loaded, struct err *err)
{
    enum status s = OK;

    recipe_overrides_init(&job->overrides);
    buf_init(&job->explanation, EXPLANATION_MAX);
    if (o->recipe && name)
        return fail(err, E_USAGE, "--recipe and --type both name a recipe: give one");
    s = recipe_load(&job->recipe, o->recipe ? o->recipe : name, err);
    if (s == OK)
        s = read_overrides(&job->overrides, o, err);
    if (s == OK && o->imatrix && !loaded)
        s = imatrix_load(&job->imatrix, o->imatrix, err);
    job->options = (struct quantize_options){
        .recipe = job->recipe,
        .overrides = &job->overrides,
        .imatrix = loaded       ? loaded
                   : o->imatrix ? &job->imatrix
                                : NULL,
        .missing = missing[o->missing],
        .explain = o->explain,
        .explanation = &job->explanation,
        .allow_requantize = o->allow_requantize,
    };
    return s;
}

void quantize_job_close(struct quantize_job *job)
{
    recipe_free(job->recipe);
    recipe_overrides_free(&job->overrides);
    imatrix_free(&job->imatrix);
    buf_free(&job->explanation);
}
