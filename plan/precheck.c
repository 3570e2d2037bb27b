/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused before a run touches anything. */
#include <sys/stat.h>

#include "plan/exec.h"

/* Blocks that an earlier run's .partial already holds. */
static uint64_t bytes_held(const struct plan_out *out)
{
    struct stat st;
    char path[4096];

    int n = snprintf(path, sizeof path, "%s.partial", out->path);
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

enum status exec_precheck(const struct plan *p, const struct exec_options *o, struct err *err)
{
    uint64_t need = 0, held = 0, room = 0;

    for (size_t i = 0; i < p->nout; i++) {
        const struct plan_out *out = &p->outs[i];

        for (size_t k = 0; k < p->ninput; k++)
            if (path_same(out->path, p->inputs[k]))
                return fail(err, E_USAGE, "%s: is read by this run (as %s), so it cannot be its output", out->path,
                            p->inputs[k]);
        if (path_is_dir(out->path))
            return fail(err, E_USAGE, "%s: is a directory", out->path);
        if (path_exists(out->path) && !o->force)
            return fail(err, E_USAGE, "%s: exists already (--force replaces it)", out->path);
        need += out->nbytes;
        held += bytes_held(out);
    }
    enum status s = path_free_space(p->outs[0].path, &room, err);
    if (s == OK && need > room + held)
        s = fail(err, E_IO, "%s: the output needs %" PRIu64 " bytes, but only %" PRIu64 " are free there",
                 p->outs[0].path, need, room + held);
    return s;
}
