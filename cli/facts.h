/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint says of itself, in the same terms whatever its format. */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include "cli/report.h"
#include "formats/source.h"

enum mtp_state {
    MTP_ABSENT,   /* neither described nor there */
    MTP_PROMISED, /* described, but no tensor of it is there */
    MTP_PRESENT,
};

struct facts {
    const char *format;             /* "huggingface", "mlx", "safetensors" or "gguf" */
    const char *architecture;       /* NULL when nothing names it */
    uint64_t layers;                /* without those of the MTP head; 0 = not said */
    uint64_t experts, experts_used; /* per layer; 0 = none */
    uint64_t mtp_layers;            /* as described */
    uint64_t mtp_tensors;
    enum mtp_state mtp;
    const char *tokenizer; /* its kind; NULL when there is none */
    const char *pre;       /* pre-tokenizer; NULL when not said */
    uint64_t tokens;
    uint64_t file_nbytes;
    struct report_totals totals;
    struct notes notes;
};

/* Names for the states: "absent", "promised", "present". */
const char *mtp_state_name(enum mtp_state s);

/* Strings are the source's or lie in its arena. Reads the tokenizer of a folder: its failures are
 * E_FORMAT, E_IO. */
enum status facts_read(struct source *s, struct facts *f, struct err *err);

#endif
