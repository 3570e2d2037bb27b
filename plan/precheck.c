/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused before a run touches anything. */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "core/file.h"
#include "plan/exec_int.h"

#define PATH_BYTES 4096

static const char *const way_suffixes[] = {".partial", ".journal"}; // of names that a run uses on the way

/* path with a suffix in text; false when it is too long for a path. */
static bool join(char text[PATH_BYTES], const char *path, const char *suffix)
{
    int n = snprintf(text, PATH_BYTES, "%s%s", path, suffix);

    return n > 0 && n < PATH_BYTES;
}

/* ---- names ---- */

/* Whether an earlier run made the name a link to its source: the file stays when this one replaces it. */
static bool is_link_to_source(const struct plan_out *out, const char *path)
{
    return out->copy && path_same(path, out->copy->from) && !path_same_entry(path, out->copy->from);
}

/* Refuses to write over an input or anything that is no file (a device would be renamed over as well), under
 * the final name or one that the run uses on the way. */
static enum status check_name(const struct plan *p, const struct plan_out *out, const char *suffix,
                              struct err *err)
{
    char path[PATH_BYTES];

    if (!join(path, out->path, suffix))
        return OK;
    bool left = suffix != way_suffixes[1] && is_link_to_source(out, path);
    for (size_t i = 0; i < p->ninput && !left; i++)
        if (path_same(path, p->inputs[i]) && !(out->replaces && !suffix[0]))
            return fail(err, E_USAGE, "%s: is read by this run (as %s), so it cannot be written", path,
                        p->inputs[i]);
    const char *kind =
        path_other_kind(path, !suffix[0]); // a link under the final name is replaced, not written
    return kind ? fail(err, E_USAGE, "%s: is %s, so it cannot be written", path, kind) : OK;
}

static enum status check_names(const struct plan *p, const struct plan_out *out, struct err *err)
{
    enum status s = check_name(p, out, "", err);

    for (size_t k = 0; k < ARRAY_LEN(way_suffixes) && s == OK; k++)
        s = check_name(p, out, way_suffixes[k], err);
    return s;
}

/* ---- the folder ---- */

/* Whether an existing path, or one of the folders above it, is `folder`. */
static bool is_within(const char *path, const char *folder)
{
    char at[PATH_BYTES];
    struct stat st, up;

    if (!join(at, path, "") || stat(at, &st) != 0)
        return false;
    while (!path_same(at, folder)) {
        size_t n = strlen(at);

        if (n + sizeof "/.." > sizeof at)
            return false;
        memcpy(at + n, "/..", sizeof "/..");
        if (stat(at, &up) != 0 || (up.st_dev == st.st_dev && up.st_ino == st.st_ino))
            return false;
        st = up;
    }
    return true;
}

static enum status check_outside(const struct plan *p, struct err *err)
{
    struct slice parent = path_parent(p->folder);
    char at[PATH_BYTES];

    snprintf(at, sizeof at, "%.*s", (int)min_u64(parent.n, PATH_BYTES - 1), parent.p);
    if (path_exists(p->folder))
        snprintf(at, sizeof at, "%s", p->folder);
    for (size_t i = 0; i < p->ninput; i++)
        if (path_is_dir(p->inputs[i]) && is_within(at, p->inputs[i]))
            return fail(err, E_USAGE, "%s: is or lies in %s, which this run reads", p->folder, p->inputs[i]);
    return OK;
}

/* What an entry of the output folder is to this run. */
enum entry_kind { ENTRY_FOREIGN, ENTRY_OUTPUT, ENTRY_ON_THE_WAY };

static enum entry_kind entry_kind(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->nsubfolder; i++)
        if (slice_eq(path_base(p->subfolders[i]), name))
            return ENTRY_ON_THE_WAY;
    for (size_t i = 0; i < p->nout; i++) {
        struct slice base = path_base(p->outs[i].path);

        if (strncmp(name, base.p, base.n) != 0)
            continue;
        if (!name[base.n])
            return ENTRY_OUTPUT;
        for (size_t k = 0; k < ARRAY_LEN(way_suffixes); k++)
            if (strcmp(name + base.n, way_suffixes[k]) == 0)
                return ENTRY_ON_THE_WAY;
    }
    return ENTRY_FOREIGN;
}

static enum status check_entry(const struct plan *p, const char *name, bool force, struct err *err)
{
    enum entry_kind kind = entry_kind(p, name);

    if (kind == ENTRY_ON_THE_WAY || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return OK;
    if (!force)
        return fail(err, E_USAGE, "%s: is not empty (--force replaces the files that would be written)",
                    p->folder);
    /* Loaders take every one there is for a part of the model. */
    if (kind == ENTRY_FOREIGN && str_ends(name, ".safetensors"))
        return fail(err, E_USAGE, "%s/%s: would stay beside the new files and be read with them: remove it",
                    p->folder, name);
    return OK;
}

static enum status check_entries(const struct plan *p, bool force, struct err *err)
{
    DIR *dir = opendir(p->folder);
    const struct dirent *entry;
    enum status s = OK;

    if (!dir)
        return fail_errno(err, "%s", p->folder);
    for (errno = 0; s == OK && (entry = readdir(dir)) != NULL; errno = 0)
        s = check_entry(p, entry->d_name, force, err);
    if (s == OK && errno)
        s = fail_errno(err, "%s", p->folder);
    closedir(dir);
    return s;
}

static enum status check_folder(const struct plan *p, bool force, struct err *err)
{
    enum status s = check_outside(p, err);

    if (s != OK || !path_exists(p->folder))
        return s;
    if (!path_is_dir(p->folder))
        return fail(err, E_USAGE, "%s: is no folder", p->folder);
    return check_entries(p, force, err);
}

/* ---- space ---- */

/* Blocks of the file that has a path and the suffix. */
static uint64_t bytes_held(const char *path, const char *suffix)
{
    struct stat st;
    char text[PATH_BYTES];

    return join(text, path, suffix) && stat(text, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

/* What an output takes, but for holes among its tensors: a copy has those of its source. */
static uint64_t bytes_to_write(const struct plan_out *out)
{
    if (out->patch)
        return 0;
    return out->copy ? min_u64(out->nbytes, bytes_held(out->copy->from, "")) : out->nbytes;
}

/* Whether outputs may exist because an earlier run finished them: the executor looks at their content. */
static bool may_be_finished(const struct plan *p, const struct exec_options *o)
{
    return o->resume && plan_has_sets(p) && bytes_held(p->outs[0].path, ".journal") > 0;
}

/* Whether an output will share the blocks of its source, which lies on the file system of `place`. */
static bool is_shared(const struct plan_out *out, const char *place)
{
    struct stat st;

    return out->copy && out->copy->mode != LINK_COPY && stat(place, &st) == 0 &&
           (uint64_t)st.st_dev == out->copy->id.dev;
}

static enum status check_space(const struct plan *p, bool resumes, struct err *err)
{
    const char *first = p->folder && !path_is_dir(p->folder) ? p->folder : p->outs[0].path;
    struct slice parent = path_parent(first);
    char place[PATH_BYTES];
    uint64_t need = 0, held = 0, room = 0;

    snprintf(place, sizeof place, "%.*s", (int)min_u64(parent.n, PATH_BYTES - 1), parent.p);
    for (size_t i = 0; i < p->nout; i++) {
        if (is_shared(&p->outs[i], place))
            continue;
        need += bytes_to_write(&p->outs[i]);
        held += bytes_held(p->outs[i].path, ".partial") + (resumes ? bytes_held(p->outs[i].path, "") : 0);
    }
    need -= min_u64(need, holes_nbytes(p));
    enum status s = path_free_space(first, &room, err);
    if (s == OK && need > room + held)
        s = fail(err, E_IO, "%s: the output needs %" PRIu64 " bytes, but only %" PRIu64 " are free there",
                 p->folder ? p->folder : first, need, room + held);
    return s;
}

static enum status check_out(const struct plan *p, const struct plan_out *out, bool force, struct err *err)
{
    enum status s = check_names(p, out, err);

    if (s == OK && path_exists(out->path) && !force && !out->replaces)
        s = fail(err, E_USAGE, "%s: exists already (--force replaces it)", out->path);
    return s;
}

enum status exec_precheck_file(const struct plan *p, const char *path, bool force, struct err *err)
{
    return check_out(p, &(struct plan_out){.path = path}, force, err);
}

enum status exec_precheck(const struct plan *p, const struct exec_options *o, struct err *err)
{
    bool resumes = may_be_finished(p, o);
    enum status s = p->folder ? check_folder(p, o->force, err) : OK;

    for (size_t i = 0; i < p->nout && s == OK; i++) {
        const struct plan_out *out = &p->outs[i];
        s = check_out(p, out, o->force || resumes, err);
    }
    return s == OK ? check_space(p, resumes, err) : s;
}
