/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused before a run touches anything. */
#include <sys/stat.h>

#include "plan/exec.h"

/* Blocks of a file that has the path and the suffix. */
static uint64_t bytes_held(const char *out, const char *suffix)
{
    struct stat st;
    char path[4096];

    int n = snprintf(path, sizeof path, "%s%s", out, suffix);
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* Whether outputs may exist because an earlier run finished them: the executor looks at their content. */
static bool may_be_finished(const struct plan *p, const struct exec_options *o)
{
    return o->resume && plan_has_sets(p) && bytes_held(p->outs[0].path, ".journal") > 0;
}

/* Refuses to write over an input or anything that is no file (a device would be renamed over as well), under
 * the final name or one that the run uses on the way. */
static enum status check_names(const struct plan *p, const struct plan_out *out, struct err *err)
{
    static const char *const suffixes[] = {"", ".partial", ".journal"};
    char path[4096];

    for (size_t k = 0; k < ARRAY_LEN(suffixes); k++) {
        int n = snprintf(path, sizeof path, "%s%s", out->path, suffixes[k]);

        if (n < 0 || (size_t)n >= sizeof path)
            continue;
        for (size_t i = 0; i < p->ninput; i++)
            if (path_same(path, p->inputs[i]) && !(out->replaces && k == 0))
                return fail(err, E_USAGE, "%s: is read by this run (as %s), so it cannot be written", path,
                            p->inputs[i]);
        const char *kind =
            path_other_kind(path, k == 0); // a link under the final name is replaced, not written
        if (kind)
            return fail(err, E_USAGE, "%s: is %s, so it cannot be written", path, kind);
    }
    return OK;
}

enum status exec_precheck(const struct plan *p, const struct exec_options *o, struct err *err)
{
    uint64_t need = 0, held = 0, room = 0;
    bool resumes = may_be_finished(p, o);

    for (size_t i = 0; i < p->nout; i++) {
        const struct plan_out *out = &p->outs[i];
        enum status s = check_names(p, out, err);

        if (s != OK)
            return s;
        if (path_exists(out->path) && !o->force && !resumes && !out->replaces)
            return fail(err, E_USAGE, "%s: exists already (--force replaces it)", out->path);
        need += out->patch ? 0 : out->nbytes;
        held += bytes_held(out->path, ".partial") + (resumes ? bytes_held(out->path, "") : 0);
    }
    enum status s = path_free_space(p->outs[0].path, &room, err);
    if (s == OK && need > room + held)
        s = fail(err, E_IO, "%s: the output needs %" PRIu64 " bytes, but only %" PRIu64 " are free there",
                 p->outs[0].path, need, room + held);
    return s;
}
