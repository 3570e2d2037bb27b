/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/expr.h"

struct cursor {
    struct slice text;
    size_t at;
    const struct expr_symbols *symbols;
};

static bool is_name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static char peek(const struct cursor *c)
{
    return c->at < c->text.n ? c->text.p[c->at] : '\0';
}

static enum status factor(struct cursor *c, uint64_t *v, struct err *err)
{
    size_t start = c->at;

    while (is_name_char(peek(c)))
        c->at++;
    struct slice name = {c->text.p + start, c->at - start};
    if (name.n == 0)
        return fail(err, E_BUG, "'%.*s' is no size expression", (int)c->text.n, c->text.p);
    if (name.p[0] < '0' || name.p[0] > '9')
        return c->symbols->value(c->symbols->ctx, name, v, err);
    *v = 0;
    for (size_t i = 0; i < name.n; i++)
        *v = *v * 10 + (uint64_t)(name.p[i] - '0');
    return OK;
}

static enum status impossible(const struct cursor *c, struct err *err)
{
    return fail(err, E_FORMAT, "%.*s is no whole number that fits 64 bits", (int)c->text.n, c->text.p);
}

static enum status product(struct cursor *c, uint64_t *v, struct err *err)
{
    enum status s = factor(c, v, err);

    while (s == OK && (peek(c) == '*' || peek(c) == '/')) {
        char op = c->text.p[c->at++];
        uint64_t right;

        s = factor(c, &right, err);
        if (s == OK && op == '/' && (right == 0 || *v % right != 0))
            s = impossible(c, err);
        else if (s == OK && op == '/')
            *v /= right;
        else if (s == OK && !mul_ok(*v, right, v))
            s = impossible(c, err);
    }
    return s;
}

enum status expr_eval(struct slice text, const struct expr_symbols *symbols, uint64_t *v, struct err *err)
{
    struct cursor c = {text, 0, symbols};
    enum status s = product(&c, v, err);

    while (s == OK && c.at < text.n) {
        char op = text.p[c.at++];
        uint64_t right;

        if (op != '+' && op != '-')
            return fail(err, E_BUG, "'%.*s' is no size expression", (int)text.n, text.p);
        s = product(&c, &right, err);
        if (s == OK && (op == '+' ? !add_ok(*v, right, v) : __builtin_sub_overflow(*v, right, v)))
            s = impossible(&c, err);
    }
    return s;
}
