/* SPDX-License-Identifier: Apache-2.0 */
/* Byte-level BPE: tokenizer.ggml.model "gpt2". */
#include "vocab/bpe.h"
#include "vocab/pretok.h"
#include "vocab/vocab_int.h"
#include "core/utf8.h"

#define MERGES_MAX_BYTES (256 * MIB)

/* ---- the list ---- */

static enum status place(struct vocab *v, struct token_list *l, uint32_t id, struct slice text,
                         struct err *err)
{
    const char *path = v->tok->path;

    if (id >= l->n)
        return fail(err, E_FORMAT, "%s: token=%.*s: id=%" PRIu32 ": the model's vocab_size is %zu", path,
                    (int)min_u64(text.n, 200), text.p, id, l->n);
    if (l->text[id].p)
        return fail(err, E_FORMAT, "%s: id=%" PRIu32 ": both \"%.*s\" and \"%.*s\" have it", path, id,
                    (int)min_u64(l->text[id].n, 200), l->text[id].p, (int)min_u64(text.n, 200), text.p);
    l->text[id] = text;
    l->type[id] = TOKEN_NORMAL;
    return OK;
}

/* Bytes that one U+FFFD replaces: the longest start of a sequence that the following bytes break off. */
static size_t broken_run(const char *s, size_t n)
{
    size_t run = 1;

    for (size_t k = 2; k < 4 && k <= n; k++) {
        char whole[4] = {'\x80', '\x80', '\x80', '\x80'};

        memcpy(whole, s, k);
        if (utf8_sequence(whole, sizeof whole) > k)
            run = k;
    }
    return run;
}

/* What a byte-level decoder makes of a token: bytes for characters that stand for bytes, if all do. */
static struct slice decode_bytes(struct arena *a, struct slice text)
{
    char *raw = arena_alloc(a, text.n + 1), *out = arena_alloc(a, text.n * 3 + 1);
    size_t n = 0, m = 0;

    for (size_t i = 0, len; raw && i < text.n; i += len) {
        unsigned char byte;

        if (!bpe_byte(utf8_decode(text.p + i, &len), &byte))
            return text;
        raw[n++] = (char)byte;
    }
    for (size_t i = 0; out && raw && i < n;) {
        size_t len = utf8_sequence(raw + i, n - i);

        memcpy(out + m, len ? raw + i : "\xEF\xBF\xBD", len ? len : 3);
        m += len ? len : 3;
        i += len ? len : broken_run(raw + i, n - i);
    }
    return (struct slice){raw ? out : NULL, m};
}

/* The text and type of an added token, as the tokenizer hands it back when asked to encode and decode it. */
static enum status place_added(struct vocab *v, struct token_list *l, const struct added_token *a,
                               struct err *err)
{
    const char *decoder = json_str(json_get(v->tok->decoder, "type"));
    struct slice text = a->text;
    enum status s = OK;
    uint32_t base = map_find(&v->tok->by_text, text);

    if (base == MAP_NONE)
        s = place(v, l, a->id, text, err);
    if (s)
        return s;
    if (!a->normalized && decoder && strcmp(decoder, "ByteLevel") == 0)
        text = decode_bytes(&v->arena, text);
    bool control = text.p && (a->special || vocab_looks_special(text));
    if (text.p && !control)
        text = vocab_plain_blanks(&v->arena, text);
    if (!text.p)
        return fail_nomem(err);
    l->text[a->id] = text;
    l->type[a->id] = control ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
    return OK;
}

static enum status fill_holes(struct vocab *v, struct token_list *l, struct err *err)
{
    for (size_t i = 0; i < l->n; i++) {
        if (l->text[i].p)
            continue;
        char *text = arena_printf(&v->arena, "[PAD%zu]", i);
        if (!text)
            return fail_nomem(err);
        l->text[i] = slice_of(text);
        l->type[i] = TOKEN_UNUSED;
    }
    return OK;
}

static enum status make_list(struct vocab *v, struct token_list *l, struct err *err)
{
    const struct tokenizer *t = v->tok;
    uint64_t n = v->in->vocab_size;

    if (n == 0) {
        n = t->ntoken;
        for (size_t i = 0; i < t->nadded; i++)
            n += map_find(&t->by_text, t->added[i].text) == MAP_NONE;
    }
    enum status s = vocab_list_init(v, l, n, false, err);
    for (size_t i = 0; i < t->ntoken && !s; i++)
        s = place(v, l, t->id[i], t->token[i], err);
    for (size_t i = 0; i < t->nadded && !s; i++)
        s = place_added(v, l, &t->added[i], err);
    return s ? s : fill_holes(v, l, err);
}

/* ---- merges ---- */

/* White space as Python's str.split() has it: bytes of it at s, or 0. */
static size_t space_len(const char *s, size_t n)
{
    size_t len = utf8_sequence(s, n);
    uint32_t c = len ? utf8_decode(s, &len) : 0;

    if ((c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
        (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
        c == 0x3000)
        return len;
    return 0;
}

/* The next word of line, which shrinks to what follows it; empty at the end. */
static struct slice next_word(struct slice *line)
{
    size_t at = 0, len;

    while (at < line->n && (len = space_len(line->p + at, line->n - at)))
        at += len;
    struct slice word = {line->p + at, 0};
    while (at + word.n < line->n && !space_len(word.p + word.n, line->n - at - word.n))
        word.n++;
    *line = (struct slice){word.p + word.n, line->n - at - word.n};
    return word;
}

static struct slice next_line(struct slice *text)
{
    struct slice line = {text->p, 0};

    while (line.n < text->n && text->p[line.n] != '\n' && text->p[line.n] != '\r')
        line.n++;
    size_t skip = line.n + (line.n < text->n);
    if (line.n + 1 < text->n && text->p[line.n] == '\r' && text->p[line.n + 1] == '\n')
        skip++;
    *text = (struct slice){text->p + skip, text->n - skip};
    return line;
}

/* merges.txt: a comment in the first line, then two words a line. */
static enum status parse_merges(struct vocab *v, struct slice text, struct slice **merge, size_t *n,
                                struct err *err)
{
    size_t cap = 0, nbad = 0;
    bool first = true;

    for (; text.n; first = false) {
        struct slice line = next_line(&text);
        struct slice a = next_word(&line), b = next_word(&line), more = next_word(&line);

        if (a.n == 0 || (first && a.p[0] == '#'))
            continue;
        if (b.n == 0 || more.n) {
            nbad++;
            continue;
        }
        char *p = arena_alloc(&v->arena, a.n + b.n + 2);
        if (!p || !arena_grow(&v->arena, (void **)merge, *n, &cap, sizeof **merge))
            return fail_nomem(err);
        memcpy(p, a.p, a.n);
        p[a.n] = ' ';
        memcpy(p + a.n + 1, b.p, b.n);
        (*merge)[(*n)++] = (struct slice){p, a.n + b.n + 1};
    }
    return nbad ? notes_add(v->notes, err, "merges.txt: %zu lines are no pair of words and were left out",
                            nbad)
                : OK;
}

static enum status put_merges(struct vocab *v, struct err *err)
{
    struct slice *merge = v->tok->merge;
    size_t n = v->tok->nmerge;
    const char *path = n ? NULL : source_beside(v->in->source, "merges.txt");
    struct buf text;
    enum status s = OK;

    buf_init(&text, MERGES_MAX_BYTES);
    if (path)
        s = file_load(path, &text, err);
    if (path && !s && !utf8_valid(text.p ? text.p : "", text.n))
        s = fail(err, E_FORMAT, "%s: it is not UTF-8", path);
    if (path && !s) {
        merge = NULL;
        s = parse_merges(v, (struct slice){text.p, text.n}, &merge, &n, err);
    }
    if (!s && n)
        s = meta_set_strs(v->out, "tokenizer.ggml.merges", merge, n, err);
    else if (!s)
        s = notes_add(v->notes, err, "the tokenizer has no merges: the file may not work");
    buf_free(&text);
    return s;
}

/* ---- the whole ---- */

static enum status find_pre(struct vocab *v, const char **name, struct err *err)
{
    struct pretok p;
    enum status s;

    *name = v->in->pre;
    if (*name)
        return OK;
    s = pretok_find(v->tok, v->config, &p, err);
    if (s)
        return s;
    *name = p.name;
    if (p.by_hash)
        return OK;
    return notes_add(
        v->notes, err,
        "the vocabulary is no published one (fingerprint %.16s), so the pre-tokenizer gets the name "
        "of its kind, %s",
        p.hash, p.name);
}

enum status vocab_put_bpe(struct vocab *v, struct err *err)
{
    struct tokenizer *t = v->tok;
    struct token_list l = {0};
    const char *pre = NULL;
    enum status s;

    if (!t)
        return fail(err, E_FORMAT, "%s: tokenizer.json is missing", v->in->source->path);
    if ((t->type[0] && strcmp(t->type, "BPE") != 0) || t->affixes || t->ntoken == 0)
        return fail(err, E_UNSUPPORTED, "%s: model: type=%s: only byte-level BPE can be converted", t->path,
                    t->type[0] ? t->type : "(none)");
    if ((s = tokenizer_add_config(t, v->config, err)) || (s = make_list(v, &l, err)) ||
        (s = find_pre(v, &pre, err)) || (s = meta_set_str(v->out, "tokenizer.ggml.model", "gpt2", err)) ||
        (s = meta_set_str(v->out, "tokenizer.ggml.pre", pre, err)) || (s = vocab_put_list(v, &l, err)) ||
        (s = put_merges(v, err)))
        return s;
    return vocab_put_specials(v, &(struct special_request){0}, err);
}
