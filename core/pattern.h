/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions: whether one occurs anywhere in a text. The syntax is ECMAScript's, on bytes, as the
 * C++ standard library reads it (ECMA-262 "Patterns" and the bracket classes that C++ adds): alternatives,
 * groups, . [] [^] [[:alpha:]] * + ? {m,n} ^ $ \d \D \w \W \s \S \b \B \t \n \v \f \r \0 \xHH and escaped
 * characters. Back references and look-ahead are not supported. Searching takes time in proportion to both
 * lengths, and no memory beyond the stack.
 */
#ifndef CORE_PATTERN_H
#define CORE_PATTERN_H

#include "core/arena.h"

struct pattern;

/* The compiled pattern lies in the arena; text is not kept. E_USAGE (the sentence names the pattern and the
 * place), E_LIMIT, E_NOMEM. */
enum status pattern_new(struct arena *a, const char *text, const struct pattern **out, struct err *err);

bool pattern_search(const struct pattern *p, const char *s);

#endif
