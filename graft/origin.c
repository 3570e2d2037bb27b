/* SPDX-License-Identifier: Apache-2.0 */
#include "graft/origin.h"

#include "arch/head_config.h"
#include "core/sha256.h"

#define CHUNK       MIB
#define LICENCE_MAX (4 * MIB)
#define NOTE_FILE   "MTP-ORIGIN.txt"
#define NOTE_LIST   "cover those tensors only: "
#define KEY_DONOR   "mtp_donor"
#define KEY_FILES   "mtp_donor_files"

/* ---- what was read ---- */

static enum status digest_range(struct sha256 *sha, const struct file *f, uint64_t off, uint64_t nbytes,
                                struct err *err)
{
    unsigned char *chunk = malloc(CHUNK);
    enum status s = chunk ? OK : fail_nomem(err);

    for (uint64_t done = 0; done < nbytes && s == OK;) {
        size_t n = (size_t)min_u64(CHUNK, nbytes - done);

        s = file_read_at(f, chunk, n, off + done, err);
        if (s == OK)
            sha256_add(sha, chunk, n);
        done += n;
    }
    free(chunk);
    return s;
}

/* Bytes of the head in a file. */
struct range {
    uint64_t off, nbytes;
};

static int by_offset(const void *a, const void *b)
{
    const struct range *x = a, *y = b;

    return x->off < y->off ? -1 : x->off > y->off;
}

/* The stored tensors of the head that lie in a file, by offset; *n gets how many. NULL when out of memory. */
static struct range *ranges_in(const struct head *h, uint32_t file, size_t *n)
{
    struct range *list = calloc(h->ntensor + h->nscale + 1, sizeof(*list));

    *n = 0;
    for (size_t i = 0; list && i < h->ntensor; i++) {
        const struct tensor *t = h->tensors[i].tensor;
        uint64_t nelem = 0;

        require(shape_nelem(t->shape, t->rank, &nelem));
        for (uint32_t k = 0; k < dtype_parts(t->dtype)->n; k++)
            if ((k ? t->more[k - 1].file : t->file) == file)
                list[(*n)++] =
                    (struct range){k ? t->more[k - 1].off : t->off, dtype_part_nbytes(t->dtype, k, nelem)};
    }
    if (list && *n > 1)
        qsort(list, *n, sizeof(*list), by_offset);
    return list;
}

/* Appends "FILE sha256:DIGEST"; nothing for a file without a part of the head. */
static enum status describe_file(const struct source *donor, const struct head *h, uint32_t file,
                                 struct buf *out, struct err *err)
{
    const struct source_file *sf = &donor->files[file];
    struct slice base = path_base(sf->path);
    struct sha256 *sha = sha256_new();
    char hex[SHA256_HEX];
    size_t n;
    struct range *list = ranges_in(h, file, &n);
    enum status s = sha && list ? OK : fail_nomem(err);

    if (s == OK && n > 0) {
        s = digest_range(sha, sf->file, 0, sf->header_nbytes, err);
        for (size_t i = 0; i < n && s == OK; i++)
            s = digest_range(sha, sf->file, list[i].off, list[i].nbytes, err);
        sha256_end(sha, hex);
        buf_printf(out, "%s%.*s sha256:%s", out->n ? ", " : "", (int)base.n, base.p, hex);
    }
    sha256_free(sha);
    free(list);
    return s;
}

/* ---- metadata ---- */

/* Takes over what the head's file says of its origin; *found is false when it says nothing. */
static enum status inherit(struct meta *meta, const struct source *donor, const struct head *h, bool *found,
                           struct err *err)
{
    static const char *const keys[] = {KEY_DONOR, KEY_FILES};
    struct source *alone = NULL;

    *found = false;
    if (donor->kind == SOURCE_GGUF)
        return OK;
    enum status s = source_open(&alone, donor->files[h->tensors[0].tensor->file].path, err);
    *found = s == OK && meta_find(&alone->st_meta, KEY_DONOR) && meta_find(&alone->st_meta, KEY_FILES);
    for (size_t i = 0; i < ARRAY_LEN(keys) && s == OK && *found; i++)
        s = meta_set(meta, *meta_find(&alone->st_meta, keys[i]), err);
    source_close(alone);
    return s;
}

enum status origin_metadata(struct meta *meta, const struct source *donor, const struct head *h,
                            const char *format, struct err *err)
{
    bool found;
    struct buf files;
    enum status s = meta_set_str(meta, "format", format, err);

    if (s == OK)
        s = inherit(meta, donor, h, &found, err);
    if (s != OK || found)
        return s;
    buf_init(&files, MIB);
    for (uint32_t i = 0; i < donor->nfile && s == OK; i++)
        s = describe_file(donor, h, i, &files, err);
    if (s == OK)
        s = buf_check(&files, "the list of the donor's files", err);
    if (s == OK)
        s = meta_set_str(meta, KEY_DONOR, donor->name, err);
    if (s == OK)
        s = meta_set_str(meta, KEY_FILES, files.p, err);
    buf_free(&files);
    return s;
}

/* ---- licences ---- */

static const char *const stems[] = {"LICENSE", "LICENCE", "COPYING", "NOTICE"};
static const char *const endings[] = {"", ".txt", ".md"};

#define MAX_LICENCES (ARRAY_LEN(stems) * ARRAY_LEN(endings))

static enum status same_content(const char *a, const char *b, bool *same, struct err *err)
{
    struct buf x, y;

    buf_init(&x, LICENCE_MAX);
    buf_init(&y, LICENCE_MAX);
    enum status s = file_load(a, &x, err);
    if (s == OK)
        s = file_load(b, &y, err);
    *same = s == OK && x.n == y.n && (x.n == 0 || memcmp(x.p, y.p, x.n) == 0);
    buf_free(&x);
    buf_free(&y);
    return s;
}

/* Carries one file over, under a name of its own where the target has another of that name. *as gets the
 * name, NULL when there is nothing to carry. */
static enum status carry(struct folder *f, struct source *target, struct source *donor,
                         const char *const part[2], const char **as, struct err *err)
{
    struct arena *a = &f->plan->arena;
    const char *name = arena_printf(a, "%s%s", part[0], part[1]);
    bool same = false;

    *as = NULL;
    if (!name)
        return fail_nomem(err);
    const char *from = source_beside(donor, name), *there = source_beside(target, name);
    for (size_t i = 0; i < f->nleft; i++)
        there = strcmp(f->left[i], name) == 0 ? NULL : there;
    if (!from)
        return OK;
    enum status s = there ? same_content(from, there, &same, err) : OK;
    if (s != OK || same)
        return s;
    *as = there ? arena_printf(a, "%s-MTP%s", part[0], part[1]) : name;
    from = arena_strdup(a, from);
    return *as && from ? folder_add_copy(f, *as, from, LINK_COPY, err) : fail_nomem(err);
}

enum status origin_licences(struct folder *f, struct source *target, struct source *donor, const char *file,
                            struct err *err)
{
    struct buf names, text;
    enum status s = OK;

    buf_init(&names, KIB);
    buf_init(&text, 4 * KIB);
    for (size_t i = 0; i < ARRAY_LEN(stems); i++) {
        for (size_t k = 0; k < ARRAY_LEN(endings) && s == OK; k++) {
            const char *as, *const part[2] = {stems[i], endings[k]};

            s = carry(f, target, donor, part, &as, err);
            if (s == OK && as)
                buf_printf(&names, "%s%s", names.n ? ", " : "", as);
        }
    }
    if (s == OK && names.n > 0) {
        buf_printf(&text,
                   "The multi-token-prediction head of this model, the tensors mtp.* in %s,\n"
                   "comes from %s. The following files are from there and " NOTE_LIST "%s\n",
                   file, donor->name, names.p);
        s = buf_check(&text, "the note on licences", err);
        if (s == OK)
            s = folder_add_text(f, NOTE_FILE, text.p, text.n, err);
        if (s == OK)
            s = notes_add(&f->plan->notes, err, "%s: from %s, for the tensors mtp.*", names.p, donor->name);
    }
    buf_free(&names);
    buf_free(&text);
    return s;
}

/* ---- what a graft has brought ---- */

static bool is_licence(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(stems); i++)
        if (str_starts(name, stems[i]) && !strchr(name, '/'))
            return true;
    return false;
}

/* The names of a list "A, B" up to the end of its line; the text is cut up for them. */
static size_t split_list(char *list, const char **names, size_t max)
{
    size_t n = 0;

    list[strcspn(list, "\n")] = '\0';
    while (list && n < max) {
        char *next = strstr(list, ", ");

        if (next)
            *next = '\0';
        if (is_licence(list))
            names[n++] = list;
        list = next ? next + strlen(", ") : NULL;
    }
    return n;
}

/* The note's names into `names`; *n counts them. The text stays in the arena. */
static enum status read_note(struct arena *a, const char *path, const char **names, size_t *n,
                             struct err *err)
{
    struct buf text;

    buf_init(&text, LICENCE_MAX);
    enum status s = file_load(path, &text, err);
    char *copy = s == OK ? arena_strndup(a, text.n ? text.p : "", text.n) : NULL;
    buf_free(&text);
    if (!copy)
        return s == OK ? fail_nomem(err) : s;
    char *list = strstr(copy, NOTE_LIST);
    if (list)
        *n += split_list(list + strlen(NOTE_LIST), names + *n, MAX_LICENCES);
    return OK;
}

enum status origin_leave(struct folder *f, struct source *source, struct err *err)
{
    static const char *const fixed[] = {NOTE_FILE, HEAD_EVIDENCE_FILE};
    const char *note = source_beside(source, NOTE_FILE),
               *evidence = source_beside(source, HEAD_EVIDENCE_FILE);
    const char **names = arena_array(&f->plan->arena, ARRAY_LEN(fixed) + MAX_LICENCES, sizeof(*names));
    size_t n = ARRAY_LEN(fixed);

    if (!names)
        return fail_nomem(err);
    memcpy(names, fixed, sizeof fixed);
    if (f->in_place)
        return evidence ? notes_add(&f->plan->notes, err, "%s: is about another head; remove it", evidence)
                        : OK;
    enum status s = note ? read_note(&f->plan->arena, note, names, &n, err) : OK;
    f->left = names;
    f->nleft = n;
    return s;
}
