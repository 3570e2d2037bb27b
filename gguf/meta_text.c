/* SPDX-License-Identifier: Apache-2.0 */
#include "gguf/meta_text.h"

#include <float.h>
#include <fnmatch.h>
#include <math.h>

#include "core/json.h"
#include "core/utf8.h"

#define VALUE_MAX (1 * GIB)
#define SHOWN     60 // bytes of a text, in a message

struct type {
    enum meta_type type, elem; /* elem: of an array */
};

/* What loaders expect, for keys whose values look like something else ("1.0" as a version) or too like it
 * (10000 as a frequency). The first pattern that fits decides. */
static const struct {
    const char *pattern;
    struct type type;
    bool weak; /* another type may be said */
} expected[] = {
    {"general.architecture", {META_STR, META_STR}},
    {"general.type", {META_STR, META_STR}},
    {"general.name", {META_STR, META_STR}},
    {"general.basename", {META_STR, META_STR}},
    {"general.finetune", {META_STR, META_STR}},
    {"general.version", {META_STR, META_STR}},
    {"general.size_label", {META_STR, META_STR}},
    {"general.description", {META_STR, META_STR}},
    {"general.author", {META_STR, META_STR}},
    {"general.organization", {META_STR, META_STR}},
    {"general.license", {META_STR, META_STR}},
    {"general.alignment", {META_U32, META_U32}},
    {"general.file_type", {META_U32, META_U32}},
    {"general.quantization_version", {META_U32, META_U32}},
    {"general.*.count", {META_U32, META_U32}},
    {"general.sampling.top_k", {META_I32, META_I32}},
    {"general.sampling.*_last_n", {META_I32, META_I32}},
    {"general.sampling.mirostat", {META_I32, META_I32}},
    {"general.sampling.sequence", {META_STR, META_STR}},
    {"general.sampling.*", {META_F32, META_F32}, true},
    {"general.tags", {META_ARRAY, META_STR}},
    {"general.languages", {META_ARRAY, META_STR}},
    {"general.datasets", {META_ARRAY, META_STR}},
    {"general.*", {META_STR, META_STR}, true},
    {"tokenizer.chat_templates", {META_ARRAY, META_STR}},
    {"tokenizer.chat_template", {META_STR, META_STR}},
    {"tokenizer.chat_template*", {META_STR, META_STR}},
    {"tokenizer.ggml.tokens", {META_ARRAY, META_STR}},
    {"tokenizer.ggml.merges", {META_ARRAY, META_STR}},
    {"tokenizer.ggml.scores", {META_ARRAY, META_F32}},
    {"tokenizer.ggml.token_type", {META_ARRAY, META_I32}},
    {"tokenizer.ggml.*_token_id", {META_U32, META_U32}},
    {"tokenizer.ggml.eog_token_ids", {META_ARRAY, META_I32}},
    {"tokenizer.ggml.add_*", {META_BOOL, META_BOOL}},
    {"tokenizer.ggml.model", {META_STR, META_STR}},
    {"tokenizer.ggml.pre", {META_STR, META_STR}},
    {"*.rope.scaling.type", {META_STR, META_STR}},
    {"*.rope.scaling.original_context_length", {META_U32, META_U32}},
    {"*.rope.scaling.finetuned", {META_BOOL, META_BOOL}},
    {"*.rope.scaling.*", {META_F32, META_F32}},
    {"*.rope.freq_base*", {META_F32, META_F32}},
    {"*.rope.scale_linear", {META_F32, META_F32}},
    {"*_epsilon", {META_F32, META_F32}},
    {"*_scale", {META_F32, META_F32}, true},
    {"*.scale", {META_F32, META_F32}, true},
    {"*.block_count", {META_U32, META_U32}},
    {"*.nextn_predict_layers", {META_U32, META_U32}},
    {"*.context_length", {META_U32, META_U32}},
    {"*.embedding_length", {META_U32, META_U32}},
    {"*.vocab_size", {META_U32, META_U32}},
    {"*.expert_count", {META_U32, META_U32}},
    {"*.expert_used_count", {META_U32, META_U32}},
    {"*_softcapping", {META_F32, META_F32}},
};

const char *meta_text_type(const struct meta_kv *kv, char out[META_TEXT_TYPE_MAX])
{
    bool list = kv->type == META_ARRAY;

    snprintf(out, META_TEXT_TYPE_MAX, "%s%s", meta_type_name(list ? kv->elem : kv->type), list ? "[]" : "");
    return out;
}

/* ---- one value ---- */

struct reading {
    const char *key;
    struct buf out;
};

static enum status refuse(const struct reading *r, struct slice text, const char *must, struct err *err)
{
    return fail(err, E_USAGE, "%s=%.*s%s: must be %s", r->key, (int)min_u64(text.n, SHOWN), text.p,
                text.n > SHOWN ? "..." : "", must);
}

/* Of the integer types, how many bits and whether signed. */
static bool is_signed(enum meta_type t)
{
    return t == META_I8 || t == META_I16 || t == META_I32 || t == META_I64;
}

static bool is_integer(enum meta_type t)
{
    return is_signed(t) || t == META_U8 || t == META_U16 || t == META_U32 || t == META_U64;
}

/* Digits with an optional minus sign as magnitude and sign. */
static bool read_digits(struct slice text, bool *negative, uint64_t *v)
{
    size_t i = *negative = text.n > 0 && text.p[0] == '-';
    size_t first = i;

    for (*v = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        if (!mul_ok(*v, 10, v) || !add_ok(*v, (uint64_t)(text.p[i] - '0'), v))
            return false;
    return i == text.n && i > first;
}

/* Whether the number fits the type. */
static bool fits(enum meta_type t, bool negative, uint64_t v)
{
    unsigned bits = 8 * meta_type_size(t);

    if (is_signed(t))
        return v <= (UINT64_C(1) << (bits - 1)) - !negative;
    return (v == 0 || !negative) && v <= UINT64_MAX >> (64 - bits);
}

static void put_bytes(struct buf *out, uint64_t bits, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add_char(out, (char)(unsigned char)(bits >> (8 * i)));
}

static enum status put_integer(struct reading *r, enum meta_type t, struct slice text, struct err *err)
{
    bool negative;
    uint64_t v;

    if (!read_digits(text, &negative, &v) || !fits(t, negative, v)) {
        char must[64];

        snprintf(must, sizeof must, "a whole number that a %s can hold", meta_type_name(t));
        return refuse(r, text, must, err);
    }
    put_bytes(&r->out, negative ? 0 - v : v, meta_type_size(t));
    return OK;
}

/* A decimal number, and nothing else that strtod() would take. */
static bool read_float(struct slice text, double *v)
{
    char copy[64], *end;

    if (text.n == 0 || text.n >= sizeof copy)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (!strchr("0123456789+-.eE", text.p[i]) || !text.p[i])
            return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    *v = strtod(copy, &end);
    return *end == '\0' && isfinite(*v);
}

static enum status put_float(struct reading *r, enum meta_type t, struct slice text, struct err *err)
{
    uint64_t bits = 0;
    double v;

    if (!read_float(text, &v) || (t == META_F32 && !isfinite((float)v)))
        return refuse(r, text, "a decimal number that fits the type", err);
    float narrow = (float)v;
    memcpy(&bits, t == META_F32 ? (const void *)&narrow : &v, meta_type_size(t));
    put_bytes(&r->out, bits, meta_type_size(t));
    return OK;
}

static enum status put_scalar(struct reading *r, enum meta_type t, struct slice text, struct err *err)
{
    if (is_integer(t))
        return put_integer(r, t, text, err);
    if (t == META_F32 || t == META_F64)
        return put_float(r, t, text, err);
    if (t == META_BOOL) {
        if (!slice_eq(text, "true") && !slice_eq(text, "false"))
            return refuse(r, text, "true or false", err);
        buf_add_char(&r->out, slice_eq(text, "true"));
        return OK;
    }
    if (!utf8_valid(text.p, text.n))
        return refuse(r, text, "UTF-8", err);
    buf_add_u64(&r->out, text.n);
    buf_add(&r->out, text.p, text.n);
    return OK;
}

/* ---- what a text looks like ---- */

static enum meta_type guess(struct slice text)
{
    bool negative;
    uint64_t v;
    double d;

    if (slice_eq(text, "true") || slice_eq(text, "false"))
        return META_BOOL;
    if (read_digits(text, &negative, &v)) {
        if (negative)
            return fits(META_I32, negative, v) ? META_I32 : META_I64;
        return fits(META_U32, negative, v) ? META_U32 : META_U64;
    }
    return read_float(text, &d) ? META_F32 : META_STR;
}

/* ---- lists ---- */

/* A type that holds the values of both; META_ARRAY: there is none. Lists of numbers hold signed ones, as
 * llama.cpp's do. */
static enum meta_type join(enum meta_type a, enum meta_type b)
{
    if (a == META_TYPE_COUNT || a == b)
        return b;
    if (a == META_ARRAY || a == META_STR || b == META_STR || a == META_BOOL || b == META_BOOL)
        return META_ARRAY;
    return a == META_F32 || b == META_F32 ? META_F32 : META_I64;
}

static enum meta_type guess_element(enum json_token token, struct slice text)
{
    bool negative;
    uint64_t v;

    if (token != JSON_NUMBER)
        return token == JSON_STRING ? META_STR : META_BOOL;
    if (!read_digits(text, &negative, &v))
        return META_F32;
    return fits(META_I32, negative, v) ? META_I32 : META_I64;
}

static enum status refuse_list(const struct reading *r, const char *text, struct err *err)
{
    return refuse(r, slice_of(text), "a JSON list of strings, of numbers, or of true and false", err);
}

/* One element; with t META_TYPE_COUNT only *seen is told what type it looks like. */
static enum status take_element(struct reading *r, enum json_token token, struct slice text, enum meta_type t,
                                enum meta_type *seen, struct err *err)
{
    if (token == JSON_TRUE || token == JSON_FALSE)
        text = slice_of(token == JSON_TRUE ? "true" : "false");
    if (t == META_TYPE_COUNT) {
        *seen = join(*seen, guess_element(token, text));
        return OK;
    }
    if ((token == JSON_STRING) != (t == META_STR))
        return refuse(r, text, t == META_STR ? "a list of strings in quotes" : "a list without strings", err);
    return put_scalar(r, t, text, err);
}

/* Walks the list once: to put its elements, or to see what type they have. */
static enum status walk_list(struct reading *r, const char *text, enum meta_type t, uint64_t *count,
                             enum meta_type *seen, struct err *err)
{
    struct json_reader *json = json_reader_new(text, strlen(text), r->key);
    struct err why = {0};
    enum json_token token;
    enum status s = json ? OK : fail_nomem(err);

    *count = 0;
    if (s == OK && (json_next(json, &token, &why) != OK || token != JSON_ARRAY))
        s = refuse_list(r, text, err);
    while (s == OK) {
        if (json_next(json, &token, &why) != OK) {
            s = refuse_list(r, text, err);
            break;
        }
        if (token == JSON_ARRAY_END)
            break;
        if (token != JSON_STRING && token != JSON_NUMBER && token != JSON_TRUE && token != JSON_FALSE)
            s = refuse_list(r, text, err);
        else
            s = take_element(r, token, json_token_text(json), t, seen, err);
        ++*count;
    }
    if (s == OK && (json_next(json, &token, &why) != OK || token != JSON_END))
        s = refuse_list(r, text, err);
    json_reader_free(json);
    return why.status == E_NOMEM ? fail_nomem(err) : s;
}

static enum status put_list(struct reading *r, const char *text, struct meta_kv *kv, struct err *err)
{
    enum meta_type seen = META_TYPE_COUNT;

    if (kv->elem == META_TYPE_COUNT) {
        enum status s = walk_list(r, text, META_TYPE_COUNT, &kv->count, &seen, err);

        if (s != OK)
            return s;
        if (seen == META_ARRAY)
            return refuse_list(r, text, err);
        if (seen == META_TYPE_COUNT)
            return refuse(r, slice_of(text), "a list with a type, such as str[]:[], when it is empty", err);
        kv->elem = seen;
    }
    return walk_list(r, text, kv->elem, &kv->count, &seen, err);
}

/* ---- types ---- */

/* Takes "u32:" or "str[]:" off the text. */
static bool take_type_name(const char **text, struct type *type)
{
    for (enum meta_type t = 0; t < META_TYPE_COUNT; t++) {
        size_t n = strlen(meta_type_name(t));

        if (t == META_ARRAY || strncmp(*text, meta_type_name(t), n) != 0)
            continue;
        bool list = strncmp(*text + n, "[]", 2) == 0;
        n += list ? 2 : 0;
        if ((*text)[n] != ':')
            continue;
        *type = (struct type){list ? META_ARRAY : t, t};
        *text += n + 1;
        return true;
    }
    return false;
}

static bool is_type(struct type t, struct type other)
{
    return t.type == other.type && (t.type != META_ARRAY || t.elem == other.elem);
}

/* What the text itself does not say. */
static struct type guess_type(const char *text, size_t row, const struct meta_kv *old)
{
    if (old)
        return (struct type){old->type, old->elem};
    if (row < ARRAY_LEN(expected))
        return expected[row].type;
    return *text == '[' ? (struct type){META_ARRAY, META_TYPE_COUNT}
                        : (struct type){guess(slice_of(text)), META_TYPE_COUNT};
}

static enum status choose_type(const char *key, const char **text, const struct meta_kv *old, struct type *t,
                               struct err *err)
{
    char name[META_TEXT_TYPE_MAX];
    size_t row = 0;

    while (row < ARRAY_LEN(expected) && fnmatch(expected[row].pattern, key, 0) != 0)
        row++;
    bool only = row < ARRAY_LEN(expected) && !expected[row].weak;
    if (!take_type_name(text, t)) {
        *t = guess_type(*text, row, old);
        return OK;
    }
    if (!only || is_type(*t, expected[row].type) || (old && is_type(*t, (struct type){old->type, old->elem})))
        return OK;
    const struct meta_kv want = {.type = expected[row].type.type, .elem = expected[row].type.elem};
    return fail(err, E_USAGE, "%s: loaders expect the type %s", key, meta_text_type(&want, name));
}

enum status meta_text_read(struct arena *a, const char *key, const char *text, const struct meta_kv *old,
                           struct meta_kv *kv, struct err *err)
{
    struct reading r = {.key = key};
    struct type t;
    enum status s = choose_type(key, &text, old, &t, err);

    if (s != OK)
        return s;
    if (t.type == META_ARRAY && t.elem == META_ARRAY)
        return fail(err, E_USAGE, "%s: is a list of lists, which cannot be typed in", key);
    buf_init(&r.out, VALUE_MAX);
    *kv = (struct meta_kv){.key = key, .type = t.type, .elem = t.elem, .count = 1};
    s = t.type == META_ARRAY ? put_list(&r, text, kv, err) : put_scalar(&r, t.type, slice_of(text), err);
    if (s == OK)
        s = buf_check(&r.out, "a metadata value", err);
    unsigned char *data = s == OK ? arena_alloc(a, r.out.n) : NULL;
    if (s == OK && !data)
        s = fail_nomem(err);
    if (s == OK && r.out.n)
        memcpy(data, r.out.p, r.out.n);
    kv->data = data;
    kv->nbytes = r.out.n;
    buf_free(&r.out);
    return s;
}
