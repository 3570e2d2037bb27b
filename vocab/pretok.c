/* SPDX-License-Identifier: Apache-2.0 */
#include "vocab/pretok.h"

#include "vocab/pretok_ids.h"
#include "core/nearest.h"

#define MAX_STEPS 12
#define SPLIT     "split "
#define PUNCT     "punctuation "

struct family {
    const char *name, *base, *plain;
    struct split split; /* lengths NULL: not verified */
    const char *step[MAX_STEPS + 1];
};

#define STEPS(...)                                                                                           \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    }
#define FAMILY(name, base, plain, whitespace, steps, lengths)                                                \
    {name, base, plain, {lengths, whitespace}, steps},
#define UNVERIFIED(name, steps) {name, name, name, {NULL, false}, steps},
static const struct family families[] = {
#include "vocab/pretok.def"
};
#undef FAMILY
#undef UNVERIFIED

struct known_hash {
    const char *hash, *name;
    bool bpe;
};

#define HASH(hash, name, bpe) {hash, name, bpe},
static const struct known_hash hashes[] = {
#include "vocab/pretok.def"
};
#undef HASH

#define NAME(name) name,
static const char *const more_names[] = {
#include "vocab/pretok.def"
};
#undef NAME

const char *pretok_by_hash(const char *hash)
{
    for (size_t i = ARRAY_LEN(hashes); i-- > 0;)
        if (strcmp(hashes[i].hash, hash) == 0)
            return hashes[i].name;
    return NULL;
}

/* ---- names ---- */

enum status pretok_check_name(const char *name, struct err *err)
{
    const char *known[ARRAY_LEN(hashes) + ARRAY_LEN(more_names)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(hashes); i++)
        if (hashes[i].bpe)
            known[n++] = hashes[i].name;
    for (size_t i = 0; i < ARRAY_LEN(more_names); i++)
        known[n++] = more_names[i];
    for (size_t i = 0; i < n; i++)
        if (strcmp(known[i], name) == 0)
            return OK;
    const char *near = nearest_of(name, known, n);
    if (!near)
        return fail(err, E_USAGE, "--pre %s: no loader knows a pre-tokenizer of that name", name);
    return fail(err, E_USAGE, "--pre %s: no loader knows a pre-tokenizer of that name; the nearest is %s",
                name, near);
}

/* ---- which family ---- */

struct steps {
    struct arena arena;
    const char *step[MAX_STEPS];
    size_t n;
};

/* Anything without a form of its own: its JSON text, which names no family. */
static const char *other_step(struct arena *a, const struct json *v, struct err *err)
{
    struct buf b;
    const char *text = NULL;

    buf_init(&b, MIB);
    struct json_writer w = {.out = &b};
    json_put_tree(&w, v);
    if (!buf_check(&b, "a pre-tokenizer", err) && !(text = arena_strndup(a, b.p, b.n)))
        fail_nomem(err);
    buf_free(&b);
    return text;
}

/* The canonical form of one pre-tokenizer; NULL on failure. */
static const char *step_of(struct arena *a, const struct json *v, struct err *err)
{
    const char *type = json_type_of(v), *text = NULL;
    const char *regex = json_str(json_get(json_get(v, "pattern"), "Regex"));
    const char *behavior = json_str(json_get(v, "behavior"));

    if (strcmp(type, "Split") == 0 && regex && behavior) {
        // where the expression covers the text, dropping what it does not match changes nothing
        bool invert = json_is_true(v, "invert", false);
        bool isolated = strcmp(behavior, "Isolated") == 0 || (invert && strcmp(behavior, "Removed") == 0);

        if (!isolated)
            return other_step(a, v, err);
        text = arena_printf(a, SPLIT "%s", regex);
    } else if (strcmp(type, "ByteLevel") == 0 && !json_is_true(v, "add_prefix_space", true)) {
        text = json_is_true(v, "use_regex", true) ? "bytes with regex" : "bytes";
    } else if (strcmp(type, "Digits") == 0) {
        text = json_is_true(v, "individual_digits", false) ? "digits one by one" : "digits";
    } else if (strcmp(type, "Punctuation") == 0 && behavior) {
        text = arena_printf(a, PUNCT "%s", behavior);
    } else {
        return other_step(a, v, err);
    }
    if (!text)
        fail_nomem(err);
    return text;
}

static enum status collect_steps(struct steps *s, const struct json *v, struct err *err)
{
    const struct json *parts = json_get(v, "pretokenizers");

    if (strcmp(json_type_of(v), "Sequence") == 0 && parts) {
        enum status st = OK;

        for (const struct json *p = json_first(parts); p && !st; p = json_after(p))
            st = collect_steps(s, p, err);
        return st;
    }
    if (s->n == MAX_STEPS)
        return fail(err, E_UNSUPPORTED, "its pre_tokenizer has more than %d steps", MAX_STEPS);
    s->step[s->n] = step_of(&s->arena, v, err);
    return s->step[s->n++] ? OK : err->status;
}

static const struct family *match(const struct steps *s)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        size_t n = 0;

        while (n < s->n && families[i].step[n] && strcmp(families[i].step[n], s->step[n]) == 0)
            n++;
        if (n == s->n && n > 0 && (n == MAX_STEPS || !families[i].step[n]))
            return &families[i];
    }
    return NULL;
}

static enum status fail_unknown(const struct tokenizer *t, const struct steps *s, struct err *err)
{
    struct buf b;
    char hex[SHA256_HEX];

    buf_init(&b, 16 * MIB);
    for (size_t i = 0; i < s->n; i++) {
        buf_add_str(&b, s->step[i]);
        buf_add_char(&b, '\n');
    }
    enum status st = buf_check(&b, "the pre-tokenizers", err);
    if (!st) {
        sha256_hex(b.p ? b.p : "", b.n, hex);
        st = fail(err, E_UNSUPPORTED,
                  "%s: pre_tokenizer: fingerprint=%.16s: how it splits text is not known here; "
                  "give its name with --pre (%.300s)",
                  t->path, hex, s->n ? s->step[0] : "there is none");
    }
    buf_free(&b);
    return st;
}

static enum status find_family(const struct tokenizer *t, const struct family **out, struct err *err)
{
    struct steps s = {.n = 0};

    arena_init(&s.arena, 64 * MIB);
    enum status st = t->pre_tokenizer ? collect_steps(&s, t->pre_tokenizer, err) : OK;
    if (!st) {
        *out = match(&s);
        if (!*out)
            st = fail_unknown(t, &s, err);
        else if (!(*out)->split.lengths)
            st = fail(err, E_UNSUPPORTED,
                      "%s: pre_tokenizer: it looks like %s's, which is not verified here; "
                      "if it is, give --pre %s",
                      t->path, (*out)->name, (*out)->name);
    }
    arena_free(&s.arena);
    return st;
}

/* Whether the normalizer leaves the fixed string as it is: none, or NFC. */
static bool normalizer_keeps_text(const struct json *v)
{
    const struct json *parts = json_get(v, "normalizers");

    if (!v || strcmp(json_type_of(v), "NFC") == 0)
        return true;
    if (strcmp(json_type_of(v), "Sequence") != 0)
        return false;
    for (const struct json *p = json_first(parts); p; p = json_after(p))
        if (!normalizer_keeps_text(p))
            return false;
    return true;
}

enum status pretok_find(const struct tokenizer *t, const struct json *config, struct pretok *out,
                        struct err *err)
{
    const struct family *f = NULL;
    enum status s;

    if (!normalizer_keeps_text(t->normalizer))
        return fail(err, E_UNSUPPORTED,
                    "%s: normalizer: type=%s: what it does to the text of the fingerprint is not known here; "
                    "give the pre-tokenizer's name with --pre",
                    t->path, json_type_of(t->normalizer));
    if ((s = find_family(t, &f, err)) || (s = pretok_hash(t, config, &f->split, out->hash, err)))
        return s;
    out->family = f->name;
    out->name = pretok_by_hash(out->hash);
    out->by_hash = out->name;
    if (!out->name)
        out->name = t->ignore_merges ? f->base : f->plain;
    return OK;
}

/* ---- the way back ---- */

static const struct {
    const char *name, *family;
    bool ignore_merges;
} alikes[] = {
#define LIKE(name, family, ignore_merges) {name, family, ignore_merges},
#include "vocab/pretok.def"
#undef LIKE
};

static const char *const composed[] = {
#define COMPOSED(family) family,
#include "vocab/pretok.def"
#undef COMPOSED
};

static const struct family *family_of(struct slice name, bool *ignore_merges)
{
    const char *family = NULL;

    *ignore_merges = false;
    for (size_t i = 0; i < ARRAY_LEN(alikes); i++) {
        if (slice_eq(name, alikes[i].name)) {
            family = alikes[i].family;
            *ignore_merges = alikes[i].ignore_merges;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        const struct family *f = &families[i];

        if (family && strcmp(f->name, family) == 0)
            return f;
        if (!family && (slice_eq(name, f->base) || slice_eq(name, f->plain))) {
            *ignore_merges = strcmp(f->base, f->plain) != 0 && slice_eq(name, f->base);
            return f;
        }
    }
    return NULL;
}

bool pretok_by_name(struct slice name, struct pretok_kind *out)
{
    bool ignore_merges;
    const struct family *f = family_of(name, &ignore_merges);

    *out = (struct pretok_kind){f ? f->step : families[0].step, ignore_merges, false};
    for (size_t i = 0; f && i < ARRAY_LEN(composed); i++)
        out->nfc |= strcmp(f->name, composed[i]) == 0;
    return f;
}

static void put_text(struct json_writer *w, const char *key, const char *value)
{
    json_put_key(w, key);
    json_put_str(w, value);
}

static void put_flag(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

/* The inverse of step_of(). */
void pretok_put_step(const char *step, struct json_writer *w)
{
    json_open(w, '{');
    if (str_starts(step, SPLIT)) {
        put_text(w, "type", "Split");
        json_put_key(w, "pattern");
        json_open(w, '{');
        put_text(w, "Regex", step + strlen(SPLIT));
        json_close(w, '}');
        put_text(w, "behavior", "Isolated");
        put_flag(w, "invert", false);
    } else if (str_starts(step, PUNCT)) {
        put_text(w, "type", "Punctuation");
        put_text(w, "behavior", step + strlen(PUNCT));
    } else if (str_starts(step, "digits")) {
        put_text(w, "type", "Digits");
        put_flag(w, "individual_digits", strcmp(step, "digits") != 0);
    } else {
        put_text(w, "type", "ByteLevel");
        put_flag(w, "add_prefix_space", false);
        put_flag(w, "trim_offsets", false);
        put_flag(w, "use_regex", strcmp(step, "bytes") != 0);
    }
    json_close(w, '}');
}

void pretok_put(const struct pretok_kind *k, struct json_writer *w)
{
    json_open(w, '{');
    put_text(w, "type", "Sequence");
    json_put_key(w, "pretokenizers");
    json_open(w, '[');
    for (size_t i = 0; k->step[i]; i++)
        pretok_put_step(k->step[i], w);
    json_close(w, ']');
    json_close(w, '}');
}
