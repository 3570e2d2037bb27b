/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statuses and the error sentence.
 *
 * A fallible function returns `enum status` and takes `struct err *` last. On success it leaves *err
 * untouched; on failure *err holds one complete sentence. Callers put their own context in front with
 * wrap(), so the user reads one chain from the outside in.
 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include "core/base.h"

enum status {
#define X(name, code, tag) name,
#include "core/status.def"
#undef X
    STATUS_COUNT
};

#define ERR_TEXT_MAX 2048

/* Start from `struct err err = {0}`. The text is always terminated and printable UTF-8. */
struct err {
    enum status status;
    char text[ERR_TEXT_MAX];
};

/* Process exit code of a status. */
int status_exit_code(enum status s);

/* Its tag, such as "FORMAT". */
const char *status_tag(enum status s);

/* Sets the sentence and returns s. Control bytes and invalid UTF-8 are shown as \xNN; a text that
 * does not fit ends in "...". */
enum status fail(struct err *err, enum status s, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " in front of the sentence and returns err->status. */
enum status wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The sentence for a failed system call: "<what>: <strerror(errno)>", E_IO, or E_NOMEM where that is the
 * reason. Reads errno first. */
enum status fail_errno(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The sentence for a refused allocation. */
enum status fail_nomem(struct err *err);

/* Our own invariants, in release builds too; never a judgement on file contents. */
#define require(cond) ((cond) ? (void)0 : require_failed(#cond, __FILE__, __LINE__))
_Noreturn void require_failed(const char *cond, const char *file, int line);

#endif
