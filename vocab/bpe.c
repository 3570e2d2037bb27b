/* SPDX-License-Identifier: Apache-2.0 */
#include "vocab/bpe.h"

#include "core/utf8.h"

/* Bytes that stand for themselves: the printable ones of Latin-1 but for blanks and the soft hyphen. */
static bool is_plain(uint32_t b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xFF && b != 0xAD);
}

/* The others get U+0100, U+0101, ... in byte order. */
uint32_t bpe_char(unsigned char byte)
{
    uint32_t next = 0x100;

    if (is_plain(byte))
        return byte;
    for (uint32_t b = 0; b < byte; b++)
        next += !is_plain(b);
    return next;
}

bool bpe_byte(uint32_t cp, unsigned char *byte)
{
    for (unsigned b = 0; b < 256; b++) {
        if (bpe_char((unsigned char)b) == cp) {
            *byte = (unsigned char)b;
            return true;
        }
    }
    return false;
}

enum status bpe_init(struct bpe *b, const struct tokenizer *t, struct err *err)
{
    *b = (struct bpe){.t = t, .rank = calloc(t->nmerge + 1, sizeof *b->rank)};
    if (!b->rank)
        return fail_nomem(err);
    for (size_t i = 0; i < t->nmerge; i++) {
        uint32_t first;

        if (!map_add(&b->by_pair, t->merge[i], (uint32_t)i, &first)) {
            bpe_free(b);
            return fail_nomem(err);
        }
        b->rank[first == MAP_NONE ? i : first] = (uint32_t)i; // of doubles the last counts
    }
    return OK;
}

void bpe_free(struct bpe *b)
{
    map_free(&b->by_pair);
    free(b->rank);
    *b = (struct bpe){0};
}

/* The piece as characters, and where each symbol starts; symbol i ends where i + 1 starts. */
struct symbols {
    char text[2 * BPE_MAX_PIECE];
    size_t start[BPE_MAX_PIECE + 1];
    size_t n;
};

static struct slice symbol(const struct symbols *s, size_t i, size_t count)
{
    return (struct slice){s->text + s->start[i], s->start[i + count] - s->start[i]};
}

/* All bytes of the piece; or only those whose character has an id. */
static void spell(const struct tokenizer *t, struct slice piece, bool all, struct symbols *s)
{
    size_t n = 0;

    s->n = 0;
    for (size_t i = 0; i < piece.n; i++) {
        size_t len = utf8_encode(bpe_char((unsigned char)piece.p[i]), s->text + n);

        if (!all && map_find(&t->by_text, (struct slice){s->text + n, len}) == MAP_NONE)
            continue;
        s->start[s->n++] = n;
        n += len;
    }
    s->start[s->n] = n;
}

static uint32_t pair_rank(const struct bpe *b, const struct symbols *s, size_t i)
{
    char key[2 * BPE_MAX_PIECE + 1];
    struct slice left = symbol(s, i, 1), right = symbol(s, i + 1, 1);

    memcpy(key, left.p, left.n);
    key[left.n] = ' ';
    memcpy(key + left.n + 1, right.p, right.n);
    uint32_t first = map_find(&b->by_pair, (struct slice){key, left.n + 1 + right.n});
    return first == MAP_NONE ? MAP_NONE : b->rank[first];
}

static void merge_all(const struct bpe *b, struct symbols *s)
{
    for (;;) {
        uint32_t best = MAP_NONE;
        size_t at = 0;

        for (size_t i = 0; i + 1 < s->n; i++) {
            uint32_t rank = pair_rank(b, s, i);

            if (rank < best) {
                best = rank;
                at = i;
            }
        }
        if (best == MAP_NONE)
            return;
        memmove(&s->start[at + 1], &s->start[at + 2], (s->n - at - 1) * sizeof s->start[0]);
        s->n--;
    }
}

enum status bpe_encode(const struct bpe *b, struct slice piece, uint32_t *ids, size_t *nid, struct err *err)
{
    const struct tokenizer *t = b->t;
    struct symbols s;

    require(piece.n <= BPE_MAX_PIECE);
    spell(t, piece, true, &s);
    uint32_t whole = t->ignore_merges ? map_find(&t->by_text, symbol(&s, 0, s.n)) : MAP_NONE;
    if (whole != MAP_NONE) {
        ids[(*nid)++] = t->id[whole];
        return OK;
    }
    spell(t, piece, false, &s);
    merge_all(b, &s);
    for (size_t i = 0; i < s.n; i++) {
        struct slice text = symbol(&s, i, 1);
        uint32_t at = map_find(&t->by_text, text);

        if (at == MAP_NONE)
            return fail(err, E_FORMAT,
                        "%s: model.merges: a merge gives \"%.*s\", which is not in the vocabulary", t->path,
                        (int)text.n, text.p);
        ids[(*nid)++] = t->id[at];
    }
    return OK;
}
