/* SPDX-License-Identifier: Apache-2.0 */
/* The terminal: results on standard output, messages and progress on standard error. */
#ifndef CLI_TTY_H
#define CLI_TTY_H

#include "core/str.h"

/* Call first. Makes sure that descriptors 0 to 2 are taken, so that no opened file becomes "standard
 * output", and that a reader who left (a closed pipe) is no signal. */
void tty_init(void);

/* Writes all of b to standard output. A reader who left is no failure; a full disk is E_IO. Fails when
 * the buffer itself failed. */
enum status tty_print(const struct buf *b, struct err *err);

/* "scion <command>: text" on standard error; command may be NULL. */
void tty_message(const char *command, const char *text);

/* The same for a failure: "scion <command>: sentence [TAG]". */
void tty_error(const char *command, const struct err *err);

/* Appends bytes as printable UTF-8: control bytes and invalid sequences as \xNN. */
void tty_add_printable(struct buf *b, const char *p, size_t n);

/* "1.5 GB" (powers of 1000) and "752 M" into out; both return out. */
#define TTY_NUMBER_MAX 32
const char *tty_bytes(uint64_t n, char out[TTY_NUMBER_MAX]);
const char *tty_count(uint64_t n, char out[TTY_NUMBER_MAX]);

enum tty_progress_mode {
    TTY_PROGRESS_AUTO,  /* a line that redraws itself on a terminal; nothing elsewhere */
    TTY_PROGRESS_PLAIN, /* a line every 30 seconds */
    TTY_PROGRESS_NONE,
};

/* Progress on standard error: share, bytes, rate and time left. Zero it, set label and mode, call it as
 * work proceeds, end with tty_progress_end(). */
struct tty_progress {
    const char *label;
    enum tty_progress_mode mode;
    uint64_t start_ns, drawn_ns; /* monotonic */
    bool shown;                  /* a redrawn line stands there */
};
void tty_progress(struct tty_progress *p, uint64_t done, uint64_t total); /* bytes */
void tty_progress_end(struct tty_progress *p);                            /* clears the redrawn line */

#endif
