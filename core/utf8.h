/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include "core/base.h"

/* Bytes (1 to 4) of the valid sequence at s, or 0 when the n bytes there start with none. */
size_t utf8_sequence(const char *s, size_t n);

/* Whether all n bytes are valid UTF-8. */
bool utf8_valid(const char *s, size_t n);

/* The code point at s, which must start a valid sequence; *len gets its bytes. */
uint32_t utf8_decode(const char *s, size_t *len);

/* Writes cp (a valid scalar value) at out, which has room for 4 bytes; returns the bytes used. */
size_t utf8_encode(uint32_t cp, char *out);

#endif
