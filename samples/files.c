/* SPDX-License-Identifier: Apache-2.0 */
/* Writing the folder. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "formats/st.h"
#include "samples/sample.h"

#define HEADER_MAX  (512 * MIB)
#define CHUNK_ELEMS (256 * KIB)

static enum status open_in(const struct sample *s, const char *name, int *fd, struct err *err)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s", s->options->out, name) < 0)
        return fail_nomem(err);
    *fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    enum status st = *fd < 0 ? fail_errno(err, "%s", path) : OK;
    free(path);
    return st;
}

static enum status put(const struct sample *s, int fd, const void *p, size_t n, struct err *err)
{
    const char *bytes = p;

    while (n > 0) {
        ssize_t done = write(fd, bytes, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return fail_errno(err, "%s: write", s->options->out);
        bytes += done;
        n -= (size_t)done;
    }
    return OK;
}

enum status sample_write(const struct sample *s, const char *name, const char *text, size_t n,
                         struct err *err)
{
    int fd = -1;
    enum status st = open_in(s, name, &fd, err);

    if (st == OK)
        st = put(s, fd, text, n, err);
    if (fd >= 0 && close(fd) != 0 && st == OK)
        st = fail_errno(err, "%s/%s", s->options->out, name);
    return st;
}

static enum status put_values(const struct sample *s, int fd, const struct sample_tensor *t, void *chunk,
                              struct err *err)
{
    enum status st = OK;

    for (uint64_t first = 0; first < t->nelem && st == OK; first += CHUNK_ELEMS) {
        size_t n = (size_t)min_u64(CHUNK_ELEMS, t->nelem - first);
        uint64_t nbytes = 0;

        sample_values(s, t, first, n, chunk);
        require(dtype_nbytes(t->dtype, n, &nbytes));
        st = put(s, fd, chunk, (size_t)nbytes, err);
    }
    return st;
}

/* One shard: header, then values or a hole of their size. */
static enum status write_shard(const struct sample *s, const char *name, size_t first, size_t n,
                               struct err *err)
{
    struct st_entry *entries = calloc(n ? n : 1, sizeof *entries);
    void *chunk = malloc(CHUNK_ELEMS * 4);
    struct buf header;
    uint64_t end = 0;
    int fd = -1;

    buf_init(&header, HEADER_MAX);
    enum status st = entries && chunk ? open_in(s, name, &fd, err) : fail_nomem(err);
    for (size_t i = 0; i < n && st == OK; i++) {
        const struct sample_tensor *t = &s->tensors[first + i];

        entries[i] = (struct st_entry){t->name, t->dtype, t->rank, t->shape, t->nbytes, 0};
    }
    if (st == OK)
        st = st_header(entries, n, NULL, &header, err);
    if (st == OK)
        st = put(s, fd, header.p, header.n, err);
    for (size_t i = 0; i < n && st == OK; i++) {
        end = entries[i].off + entries[i].nbytes;
        if (!s->options->sparse)
            st = put_values(s, fd, &s->tensors[first + i], chunk, err);
    }
    if (st == OK && s->options->sparse && n > 0 && ftruncate(fd, (off_t)end) != 0)
        st = fail_errno(err, "%s/%s", s->options->out, name);
    if (fd >= 0 && close(fd) != 0 && st == OK)
        st = fail_errno(err, "%s/%s", s->options->out, name);
    buf_free(&header);
    free(chunk);
    free(entries);
    return st;
}

static void shard_name(uint64_t i, uint64_t n, char out[64])
{
    if (n == 1)
        snprintf(out, 64, "model.safetensors");
    else
        snprintf(out, 64, "model-%05" PRIu64 "-of-%05" PRIu64 ".safetensors", i + 1, n);
}

/* Index of the first tensor of shard i: shards are equal shares of the bytes. */
static size_t shard_start(const struct sample *s, uint64_t i)
{
    uint64_t total = 0, sum = 0;
    size_t at = 0;

    for (size_t k = 0; k < s->n; k++)
        total += s->tensors[k].nbytes;
    while (at < s->n && sum < total / s->options->shards * i)
        sum += s->tensors[at++].nbytes;
    return i == s->options->shards ? s->n : at;
}

static enum status write_index(const struct sample *s, struct err *err)
{
    struct buf text;
    struct json_writer w = {.out = &text};
    uint64_t total = 0;
    char name[64];

    buf_init(&text, HEADER_MAX);
    for (size_t i = 0; i < s->n; i++)
        total += s->tensors[i].nbytes;
    json_open(&w, '{');
    json_put_key(&w, "metadata");
    json_open(&w, '{');
    json_put_key(&w, "total_size");
    json_put_u64(&w, total);
    json_close(&w, '}');
    json_put_key(&w, "weight_map");
    json_open(&w, '{');
    for (uint64_t i = 0; i < s->options->shards; i++) {
        shard_name(i, s->options->shards, name);
        for (size_t k = shard_start(s, i); k < shard_start(s, i + 1); k++) {
            json_put_key(&w, s->tensors[k].name);
            json_put_str(&w, name);
        }
    }
    json_close(&w, '}');
    json_close(&w, '}');
    enum status st = buf_check(&text, "the index", err);
    if (st == OK)
        st = sample_write(s, "model.safetensors.index.json", text.p, text.n, err);
    buf_free(&text);
    return st;
}

enum status sample_shards(const struct sample *s, struct err *err)
{
    uint64_t n = s->options->shards;
    enum status st = n > 1 ? write_index(s, err) : OK;
    char name[64];

    for (uint64_t i = 0; i < n && st == OK; i++) {
        size_t first = shard_start(s, i);

        shard_name(i, n, name);
        st = write_shard(s, name, first, shard_start(s, i + 1) - first, err);
    }
    return st;
}
