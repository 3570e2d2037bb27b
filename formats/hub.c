/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's cache: models--ORG--NAME/refs/main holds a commit, models--ORG--NAME/snapshots/COMMIT the files
 * of it, as links into models--ORG--NAME/blobs.
 */
#include "formats/hfdir.h"

#include <errno.h>

#define MAX_REF_BYTES 4096

static const char *cache; /* set once, by the command line */

void hub_set_cache(const char *path)
{
    cache = path;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

/* A file name that stays in its folder. */
static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_name_char(s.p[i]))
            return false;
    return s.n > 0 && !slice_eq(s, ".") && !slice_eq(s, "..");
}

bool hub_is_repo(const char *path)
{
    const char *slash = strchr(path, '/');

    return slash && is_name((struct slice){path, (size_t)(slash - path)}) && is_name(slice_of(slash + 1));
}

/* The commit in a refs file, without the blanks around it. */
static enum status read_ref(struct arena *a, const char *path, const char **commit, struct err *err)
{
    struct buf b;

    buf_init(&b, MAX_REF_BYTES);
    enum status s = file_load(path, &b, err);
    if (s == OK) {
        while (b.n && (unsigned char)b.p[b.n - 1] <= ' ')
            b.n--;
        if (is_name((struct slice){b.p, b.n})) {
            *commit = arena_strndup(a, b.p, b.n);
            s = *commit ? OK : fail_nomem(err);
        } else {
            s = fail(err, E_FORMAT, "%s:0: holds no commit", path);
        }
    }
    buf_free(&b);
    return s;
}

enum status hub_resolve(struct arena *a, const char *repo, const char **folder, struct err *err)
{
    const char *slash = strchr(repo, '/'), *commit = NULL;

    if (!cache)
        return fail(err, E_IO, "%s: no such file or folder", repo);
    char *home = arena_printf(a, "%s/models--%.*s--%s", cache, (int)(slash - repo), repo, slash + 1);
    char *ref = home ? arena_printf(a, "%s/refs/main", home) : NULL;
    if (!ref)
        return fail_nomem(err);
    if (!path_is_dir(home))
        return fail(err, E_IO, "%s: no such file or folder, nor a repository in the hub cache %s", repo,
                    cache);
    enum status s = read_ref(a, ref, &commit, err);
    if (s != OK)
        return s;
    *folder = arena_printf(a, "%s/snapshots/%s", home, commit);
    if (!*folder)
        return fail_nomem(err);
    if (!path_is_dir(*folder))
        return fail(err, E_IO, "%s: the hub cache names %s, which is not there", repo, *folder);
    return OK;
}

/* Takes the last component off path (a slice of an absolute or relative path). */
static struct slice pop(struct slice *path)
{
    size_t end = path->n, start;

    while (end > 0 && path->p[end - 1] == '/')
        end--;
    for (start = end; start > 0 && path->p[start - 1] != '/';)
        start--;
    path->n = start;
    return (struct slice){path->p + start, end - start};
}

/* NAME of ".../models--ORG--NAME/snapshots/COMMIT" or ".../models--NAME/snapshots/COMMIT"; an empty slice
 * for any other path. */
static struct slice cached_name(const char *path)
{
    static const char prefix[] = "models--";
    struct slice rest = slice_of(path);

    pop(&rest);
    if (!slice_eq(pop(&rest), "snapshots"))
        return (struct slice){"", 0};
    struct slice repo = pop(&rest);
    if (repo.n <= sizeof prefix - 1 || memcmp(repo.p, prefix, sizeof prefix - 1) != 0)
        return (struct slice){"", 0};
    repo.p += sizeof prefix - 1;
    repo.n -= sizeof prefix - 1;
    for (size_t i = 0; i + 2 < repo.n; i++)
        if (repo.p[i] == '-' && repo.p[i + 1] == '-')
            return (struct slice){repo.p + i + 2, repo.n - i - 2};
    return repo;
}

const char *hub_folder_name(struct arena *a, const char *folder)
{
    struct slice base = path_base(folder);
    char *real = realpath(folder, NULL);
    if (!real && errno == ENOMEM)
        return NULL;
    struct slice real_base = real ? path_base(real) : base;

    if (base.n == 0 || slice_eq(base, ".") || slice_eq(base, ".."))
        base = real_base;
    /* A link to a snapshot that the user named differently keeps the user's name. */
    bool renamed = base.n != real_base.n || memcmp(base.p, real_base.p, base.n) != 0;
    struct slice name = cached_name(real && !renamed ? real : folder);
    if (name.n == 0)
        name = base.n ? base : slice_of("model"); /* the root folder has no name */
    const char *copy = arena_strndup(a, name.p, name.n);
    free(real);
    return copy;
}
