/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree: libcjson's, built only from text that the strict scan accepted. libcjson keeps no trace of how
 * a number was written and reads at most 63 characters of it, so the scan remembers every number in
 * document order and the finished tree gets them back: valuedouble the value, valueint whether the text
 * was integral, valuestring the text itself where a double cannot hold the integer.
 */
#include "core/json.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "core/file.h"
#include "core/json_int.h"

#define CJSON_NUMBER_MAX 63
#define TREE_MAX_VALUES  (8u << 20)         /* a value of two bytes takes 80 in the tree */
#define EXACT_INT_MAX    9007199254740992.0 /* 2^53 */

struct number {
    double value;
    const char *text;
    size_t n;
};

/* One parse: what the scan found. */
struct scan {
    const char *text;
    size_t n;
    struct number *number;
    size_t nnumber, cap;
    char *cleaned; /* the text without what libcjson cannot read, when there was any */
    size_t nvalue;
};

static const cJSON *node(const struct json *v)
{
    return (const cJSON *)(const void *)v;
}

static const struct json *value(const cJSON *n)
{
    return (const struct json *)(const void *)n;
}

static bool is_integral(struct slice lexeme)
{
    for (size_t i = 0; i < lexeme.n; i++)
        if (lexeme.p[i] != '-' && (lexeme.p[i] < '0' || lexeme.p[i] > '9'))
            return false;
    return true;
}

/* Remembers a number; one that libcjson cannot read becomes a 0 in a copy of the text. */
static enum status scan_number(struct scan *sc, const struct json_reader *r, struct err *err)
{
    struct slice lexeme = json_token_text(r);
    double v = json_token_number(r);

    if (sc->nnumber == sc->cap) {
        size_t cap = sc->cap ? 2 * sc->cap : 64;
        struct number *bigger = realloc(sc->number, cap * sizeof *bigger);

        if (!bigger)
            return fail_nomem(err);
        sc->number = bigger;
        sc->cap = cap;
    }
    sc->number[sc->nnumber++] = (struct number){v, lexeme.p, lexeme.n};
    if (isfinite(v) && lexeme.n <= CJSON_NUMBER_MAX)
        return OK;
    if (!sc->cleaned) {
        sc->cleaned = malloc(sc->n);
        if (!sc->cleaned)
            return fail_nomem(err);
        memcpy(sc->cleaned, sc->text, sc->n);
    }
    char *at = sc->cleaned + (lexeme.p - sc->text);
    memset(at, ' ', lexeme.n);
    at[0] = '0';
    return OK;
}

static enum status scan_all(struct scan *sc, struct json_reader *r, const char *name, struct err *err)
{
    enum json_token token;
    enum status s;

    while ((s = json_next(r, &token, err)) == OK && token != JSON_END) {
        if (token == JSON_KEY || token == JSON_OBJECT_END || token == JSON_ARRAY_END)
            continue;
        if (++sc->nvalue > TREE_MAX_VALUES)
            return fail(err, E_LIMIT, "%s:%" PRIu64 ": more than the limit of %u values", name,
                        json_token_offset(r), TREE_MAX_VALUES);
        if (token == JSON_NUMBER && (s = scan_number(sc, r, err)) != OK)
            return s;
    }
    return s;
}

/* The node after n in document order, below root; up[] holds the way down. */
static cJSON *walk_next(cJSON *n, cJSON **up, unsigned *depth)
{
    if (n->child) {
        up[(*depth)++] = n;
        return n->child;
    }
    while (*depth && !n->next)
        n = up[--*depth];
    return *depth ? n->next : NULL;
}

static bool restore_numbers(cJSON *root, const struct scan *sc)
{
    cJSON *up[JSON_MAX_DEPTH];
    unsigned depth = 0;
    size_t i = 0;

    for (cJSON *n = root; n; n = walk_next(n, up, &depth)) {
        if (!cJSON_IsNumber(n))
            continue;
        const struct number *num = &sc->number[i++];

        n->valuedouble = num->value;
        n->valueint = is_integral((struct slice){num->text, num->n});
        if (!n->valueint || fabs(num->value) < EXACT_INT_MAX)
            continue;
        n->valuestring = cJSON_malloc(num->n + 1);
        if (!n->valuestring)
            return false;
        memcpy(n->valuestring, num->text, num->n);
        n->valuestring[num->n] = '\0';
    }
    require(i == sc->nnumber);
    return true;
}

enum status json_parse(const char *text, size_t n, const char *name, bool allow_nan, struct json **out,
                       struct err *err)
{
    struct scan sc = {.text = text, .n = n};
    struct json_reader *r = json_reader_new(text, n, name);
    cJSON *root = NULL;
    enum status s = OK;

    if (!r)
        return fail_nomem(err);
    if (allow_nan)
        json_reader_allow_nan(r);
    s = scan_all(&sc, r, name, err);
    if (s == OK) {
        root = cJSON_ParseWithLengthOpts(sc.cleaned ? sc.cleaned : text, n, NULL, false);
        /* What the scan accepted libcjson can parse; only memory can fail it. */
        if (!root || !restore_numbers(root, &sc)) {
            cJSON_Delete(root);
            s = fail_nomem(err);
        }
    }
    if (s == OK)
        *out = (struct json *)(void *)root;
    json_reader_free(r);
    free(sc.number);
    free(sc.cleaned);
    return s;
}

enum status json_load(const char *path, size_t max, struct json **out, struct err *err)
{
    struct buf b;

    buf_init(&b, max);
    enum status s = file_load(path, &b, err);
    if (s == OK)
        s = json_parse(b.p, b.n, path, true, out, err);
    buf_free(&b);
    return s;
}

void json_free(struct json *v)
{
    cJSON_Delete((cJSON *)(void *)v);
}

enum json_kind json_kind(const struct json *v)
{
    switch (node(v)->type & 0xFF) {
    case cJSON_True:
    case cJSON_False:
        return JSON_K_BOOL;
    case cJSON_Number:
        return JSON_K_NUMBER;
    case cJSON_String:
        return JSON_K_STRING;
    case cJSON_Array:
        return JSON_K_ARRAY;
    case cJSON_Object:
        return JSON_K_OBJECT;
    default:
        return JSON_K_NULL;
    }
}

const char *json_kind_name(enum json_kind k)
{
    static const char *const names[] = {
        [JSON_K_NULL] = "null",       [JSON_K_BOOL] = "a boolean", [JSON_K_NUMBER] = "a number",
        [JSON_K_STRING] = "a string", [JSON_K_ARRAY] = "an array", [JSON_K_OBJECT] = "an object",
    };

    return names[k];
}

static bool is_kind(const struct json *v, enum json_kind k)
{
    return v && json_kind(v) == k;
}

const struct json *json_get(const struct json *v, const char *key)
{
    if (!is_kind(v, JSON_K_OBJECT))
        return NULL;
    for (const cJSON *c = node(v)->child; c; c = c->next)
        if (strcmp(c->string, key) == 0)
            return value(c);
    return NULL;
}

const struct json *json_first(const struct json *v)
{
    return is_kind(v, JSON_K_OBJECT) || is_kind(v, JSON_K_ARRAY) ? value(node(v)->child) : NULL;
}

const struct json *json_after(const struct json *child)
{
    return value(node(child)->next);
}

const char *json_key(const struct json *child)
{
    return node(child)->string;
}

size_t json_count(const struct json *v)
{
    size_t n = 0;

    for (const struct json *c = json_first(v); c; c = json_after(c))
        n++;
    return n;
}

const char *json_str(const struct json *v)
{
    return is_kind(v, JSON_K_STRING) ? node(v)->valuestring : NULL;
}

bool json_num(const struct json *v, double *out)
{
    if (!is_kind(v, JSON_K_NUMBER))
        return false;
    *out = node(v)->valuedouble;
    return true;
}

bool json_bool(const struct json *v, bool *out)
{
    if (!is_kind(v, JSON_K_BOOL))
        return false;
    *out = (node(v)->type & 0xFF) == cJSON_True;
    return true;
}

bool json_int(const struct json *v, int64_t *out)
{
    double d;

    /* Above 2^53 a double may be a rounded neighbour; 2^53 itself may come from 2^53 + 1. */
    if (!json_num(v, &d) || !(fabs(d) <= EXACT_INT_MAX) || d != trunc(d))
        return false;
    const char *exact = node(v)->valuestring;
    if (exact && strcmp(exact + (exact[0] == '-'), "9007199254740992") != 0)
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_same(const struct json *a, const struct json *b)
{
    return a && b ? cJSON_Compare(node(a), node(b), true) : a == b;
}

bool json_written_as_int(const struct json *v)
{
    return is_kind(v, JSON_K_NUMBER) && node(v)->valueint;
}

/* As it was written: an integer keeps all its digits, and NaN and the infinities their Python names. */
static void put_number(struct json_writer *w, const cJSON *n)
{
    double v = n->valuedouble;

    if (n->valuestring)
        json_put_raw(w, n->valuestring);
    else if (n->valueint)
        json_put_i64(w, (int64_t)v);
    else if (isfinite(v))
        json_put_f64(w, v);
    else
        json_put_raw(w, isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
}

static void put_leaf(struct json_writer *w, const cJSON *n)
{
    if (cJSON_IsNumber(n))
        put_number(w, n);
    else if (cJSON_IsString(n))
        json_put_str(w, n->valuestring);
    else if (cJSON_IsBool(n))
        json_put_bool(w, cJSON_IsTrue(n));
    else
        json_put_null(w);
}

void json_put_tree(struct json_writer *w, const struct json *v)
{
    const cJSON *up[JSON_MAX_DEPTH];
    unsigned depth = 0;

    for (const cJSON *n = node(v);;) {
        bool is_object = cJSON_IsObject(n), is_open = is_object || cJSON_IsArray(n);

        if (depth && n->string)
            json_put_key(w, n->string);
        if (is_open)
            json_open(w, is_object ? '{' : '[');
        else
            put_leaf(w, n);
        if (n->child) {
            up[depth++] = n;
            n = n->child;
            continue;
        }
        if (is_open)
            json_close(w, is_object ? '}' : ']');
        while (depth && !n->next) {
            n = up[--depth];
            json_close(w, cJSON_IsObject(n) ? '}' : ']');
        }
        if (depth == 0)
            return;
        n = n->next;
    }
}

const char *json_library(void)
{
    return cJSON_Version();
}
