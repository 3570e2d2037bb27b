/* SPDX-License-Identifier: Apache-2.0 */
/* Size expressions: integers and symbols with + - * / (without a remainder), no parentheses. */
#ifndef ARCH_EXPR_H
#define ARCH_EXPR_H

#include "core/str.h"

struct expr_symbols {
    void *ctx;
    /* Value of a symbol; a failure ends the evaluation. */
    enum status (*value)(void *ctx, struct slice name, uint64_t *v, struct err *err);
};

/* E_FORMAT for a division by zero or with a remainder, a negative or a too large result: the numbers come
 * from a config. A text that is no expression is E_BUG. */
enum status expr_eval(struct slice text, const struct expr_symbols *symbols, uint64_t *v, struct err *err);

#endif
