/* SPDX-License-Identifier: Apache-2.0 */
#include "vocab/pretok_ids.h"

#include "vocab/bpe.h"

/* White space of all lengths, emoji, digits in runs, Khmer, Chinese, Cyrillic, quotes, contractions. */
static const char fixed_text[] =
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n🚀 (normal) 😶\u200d🌫\ufe0f (multiple"
    " emojis concatenated) ✅ 🦙🦙 3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3"
    " កាន់តែពិសេសអាច😁 ?我想在apple工作1314151天～ ------===="
    "=== нещо на Български ''''''```````\"\"\"\"......!!!!!!?\?\?\?\?\? I've been '"
    "told he's there, 'RE you sure? 'M not sure I'll make it, 'D you like some tea? We'Ve a'lL";

#define TEXT_LEN   431
#define TEXT_SPACE 34 /* leading bytes of white space */
_Static_assert(sizeof fixed_text == TEXT_LEN + 1, "the fixed string has 431 bytes");

#define MAX_AROUND 32 /* special tokens before the text, and after it */

struct slice pretok_text(void)
{
    return (struct slice){fixed_text, TEXT_LEN};
}

const char *json_type_of(const struct json *v)
{
    const char *type = json_str(json_get(v, "type"));

    return type ? type : "";
}

bool json_is_true(const struct json *v, const char *key, bool missing)
{
    bool b = missing;

    json_bool(json_get(v, key), &b);
    return b;
}

struct piece {
    size_t start, n;
    const struct added_token *added; /* NULL: text for the model */
};

struct pieces {
    struct piece piece[TEXT_LEN];
    size_t n;
    const struct added_token *cut[TEXT_LEN]; /* the added token that starts at a byte */
};

static void add_piece(struct pieces *p, size_t start, size_t n, const struct added_token *added)
{
    if (n)
        p->piece[p->n++] = (struct piece){start, n, added};
}

/* "34 4 1*50": the pieces from byte `from` on. */
static void add_constant_pieces(struct pieces *p, const char *lengths, size_t from)
{
    size_t at = 0;

    while (*lengths) {
        char *end;
        size_t n = strtoul(lengths, &end, 10), times = 1;

        if (*end == '*')
            times = strtoul(end + 1, &end, 10);
        for (; times; times--, at += n) {
            require(n && at + n <= TEXT_LEN);
            if (at >= from)
                add_piece(p, at, n, NULL);
        }
        lengths = end + (*end == ' ');
    }
    require(at == TEXT_LEN);
}

/* The longest added token at a byte, among those that see the raw or the normalized text. */
static const struct added_token *longest_at(const struct tokenizer *t, size_t at, size_t room,
                                            bool normalized)
{
    const struct added_token *best = NULL;

    for (size_t i = 0; i < t->nadded; i++) {
        const struct added_token *a = &t->added[i];

        if (a->normalized == normalized && a->text.n && a->text.n <= room &&
            (!best || a->text.n > best->text.n) && memcmp(fixed_text + at, a->text.p, a->text.n) == 0)
            best = a;
    }
    return best;
}

/* Marks the added tokens in the text, leftmost and longest first: those that see the raw text, then in the
 * gaps those that see the normalized one. False when there is none. */
static bool find_cuts(const struct tokenizer *t, struct pieces *p)
{
    bool taken[TEXT_LEN] = {false}, any = false;

    for (int normalized = 0; normalized <= 1; normalized++) {
        for (size_t at = 0; at < TEXT_LEN; at++) {
            size_t room = 0;

            while (at + room < TEXT_LEN && !taken[at + room])
                room++;
            const struct added_token *a = room ? longest_at(t, at, room, normalized) : NULL;
            if (!a)
                continue;
            p->cut[at] = a;
            memset(&taken[at], true, a->text.n);
            any = true;
            at += a->text.n - 1;
        }
    }
    return any;
}

/* Cuts in the leading white space: each gap is one piece, but the last one leaves its last blank alone. */
static enum status split_space(const struct tokenizer *t, const struct split *f, struct pieces *p,
                               struct err *err)
{
    size_t gap = 0;

    for (size_t at = 0; at < TEXT_LEN; at++) {
        const struct added_token *a = p->cut[at];

        if (!a)
            continue;
        if (!f->whitespace || a->trims || at + a->text.n >= TEXT_SPACE)
            return fail(err, E_UNSUPPORTED,
                        "%s: added_tokens: token=%.*s: it occurs in the text of the "
                        "fingerprint and changes its split; give the pre-tokenizer's name with --pre",
                        t->path, (int)a->text.n, a->text.p);
        add_piece(p, gap, at - gap, NULL);
        add_piece(p, at, a->text.n, a);
        gap = at + a->text.n;
    }
    add_piece(p, gap, TEXT_SPACE - 1 - gap, NULL);
    add_piece(p, TEXT_SPACE - 1, 1, NULL);
    add_constant_pieces(p, f->lengths, TEXT_SPACE);
    return OK;
}

static enum status split_text(const struct tokenizer *t, const struct split *f, struct pieces *p,
                              struct err *err)
{
    if (find_cuts(t, p))
        return split_space(t, f, p, err);
    add_constant_pieces(p, f->lengths, 0);
    return OK;
}

/* ---- the ids ---- */

struct id_list {
    uint32_t around[2][MAX_AROUND]; /* before and after the text, from the text outwards */
    size_t naround[2];
    uint32_t id[TEXT_LEN];
    size_t n;
};

static enum status put_around(struct id_list *l, bool after, uint64_t id, struct err *err)
{
    if (l->naround[after] == MAX_AROUND || id >= TOKENIZER_MAX_TOKENS)
        return fail(err, E_UNSUPPORTED,
                    "post_processor: more than %d special tokens on one side, or a bad id", MAX_AROUND);
    l->around[after][l->naround[after]++] = (uint32_t)id;
    return OK;
}

/* The ids of one special token of a TemplateProcessing. */
static enum status put_template_token(struct id_list *l, const struct json *v, const char *name, bool after,
                                      struct err *err)
{
    const struct json *ids = json_get(json_get(json_get(v, "special_tokens"), name), "ids");
    uint32_t in_order[MAX_AROUND];
    size_t n = 0;
    enum status s = OK;

    for (const struct json *i = json_first(ids); i; i = json_after(i)) {
        int64_t id;

        if (!json_int(i, &id) || id < 0 || id >= (int64_t)TOKENIZER_MAX_TOKENS || n == MAX_AROUND)
            return fail(err, E_FORMAT, "post_processor: special_tokens: %s: bad ids", name);
        in_order[n++] = (uint32_t)id;
    }
    for (size_t i = 0; i < n && !s; i++)
        s = put_around(l, after, in_order[after ? i : n - 1 - i], err);
    return s;
}

static enum status put_template(struct id_list *l, const struct json *v, struct err *err)
{
    const char *before[MAX_AROUND];
    size_t nbefore = 0;
    bool after = false;
    enum status s = OK;

    for (const struct json *e = json_first(json_get(v, "single")); e && !s; e = json_after(e)) {
        const char *name = json_str(json_get(json_get(e, "SpecialToken"), "id"));

        if (!name)
            after = true; // the text itself
        else if (after)
            s = put_template_token(l, v, name, true, err);
        else if (nbefore < MAX_AROUND)
            before[nbefore++] = name;
        else
            s = fail(err, E_UNSUPPORTED, "post_processor: more than %d special tokens", MAX_AROUND);
    }
    while (nbefore && !s)
        s = put_template_token(l, v, before[--nbefore], false, err);
    return s;
}

/* RobertaProcessing and BertProcessing: "cls": [text, id] and "sep": [text, id]. */
static enum status put_pair(struct id_list *l, const struct json *v, struct err *err)
{
    static const char *const keys[] = {"cls", "sep"};
    enum status s = OK;

    for (size_t i = 0; i < 2 && !s; i++) {
        int64_t id;

        if (!json_int(json_after(json_first(json_get(v, keys[i]))), &id) || id < 0)
            return fail(err, E_FORMAT, "post_processor: %s: not a text and an id", keys[i]);
        s = put_around(l, i == 1, (uint64_t)id, err);
    }
    return s;
}

static enum status put_processor(struct id_list *l, const struct json *v, struct err *err)
{
    const char *type = json_type_of(v);
    enum status s = OK;

    if (strcmp(type, "TemplateProcessing") == 0)
        return put_template(l, v, err);
    if (strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0)
        return put_pair(l, v, err);
    for (const struct json *p = json_first(json_get(v, "processors")); p && !s; p = json_after(p))
        s = put_processor(l, p, err);
    return s;
}

/* Llama's tokenizer class makes its own template from two switches, whatever tokenizer.json says. */
static enum status put_llama_template(struct id_list *l, const struct tokenizer *t, const struct json *config,
                                      struct err *err)
{
    const char *bos = tokenizer_special_text(json_get(config, "bos_token"));
    const char *eos = tokenizer_special_text(json_get(config, "eos_token"));
    enum status s = OK;
    uint32_t id;

    if (json_is_true(config, "add_bos_token", true) && bos && tokenizer_find(t, slice_of(bos), &id))
        s = put_around(l, false, id, err);
    if (!s && json_is_true(config, "add_eos_token", false) && eos && tokenizer_find(t, slice_of(eos), &id))
        s = put_around(l, true, id, err);
    return s;
}

static enum status put_specials(struct id_list *l, const struct tokenizer *t, const struct json *config,
                                struct err *err)
{
    const char *class = json_str(json_get(config, "tokenizer_class"));

    if (class && (strcmp(class, "LlamaTokenizerFast") == 0 || strcmp(class, "LlamaTokenizer") == 0))
        return put_llama_template(l, t, config, err);
    return put_processor(l, t->post_processor, err);
}

static enum status encode(const struct tokenizer *t, const struct pieces *p, struct id_list *l,
                          struct err *err)
{
    struct bpe bpe;
    enum status s = bpe_init(&bpe, t, err);

    if (s)
        return s;
    for (size_t i = 0; i < p->n && !s; i++) {
        const struct piece *piece = &p->piece[i];

        if (piece->added)
            l->id[l->n++] = piece->added->id;
        else
            s = bpe_encode(&bpe, (struct slice){fixed_text + piece->start, piece->n}, l->id, &l->n, err);
    }
    bpe_free(&bpe);
    return s;
}

/* SHA-256 of the ids as Python prints a list. */
static enum status hash_ids(const struct id_list *l, char out[SHA256_HEX], struct err *err)
{
    struct buf b;
    const char *comma = "";

    buf_init(&b, (TEXT_LEN + 2 * MAX_AROUND) * 16);
    buf_add_char(&b, '[');
    for (size_t i = l->naround[0]; i-- > 0; comma = ", ")
        buf_printf(&b, "%s%" PRIu32, comma, l->around[0][i]);
    for (size_t i = 0; i < l->n; i++, comma = ", ")
        buf_printf(&b, "%s%" PRIu32, comma, l->id[i]);
    for (size_t i = 0; i < l->naround[1]; i++, comma = ", ")
        buf_printf(&b, "%s%" PRIu32, comma, l->around[1][i]);
    buf_add_char(&b, ']');
    enum status s = buf_check(&b, "the ids", err);
    if (!s)
        sha256_hex(b.p, b.n, out);
    buf_free(&b);
    return s;
}

enum status pretok_hash(const struct tokenizer *t, const struct json *config, const struct split *split,
                        char out[SHA256_HEX], struct err *err)
{
    struct pieces p = {.n = 0};
    struct id_list l = {.n = 0};
    enum status s;

    if ((s = split_text(t, split, &p, err)) || (s = encode(t, &p, &l, err)))
        return s;
    if ((s = put_specials(&l, t, config, err)))
        return wrap(err, "%s", t->path);
    return hash_ids(&l, out, err);
}
