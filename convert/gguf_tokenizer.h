/* SPDX-License-Identifier: Apache-2.0 */
/* From a GGUF file's tokenizer.* keys back to the files of a Hugging Face folder: the inverse of
 * vocab/vocab.h for byte-level BPE and SentencePiece. */
#ifndef CONVERT_GGUF_TOKENIZER_H
#define CONVERT_GGUF_TOKENIZER_H

#include "core/notes.h"
#include "formats/source.h"

/* Texts of files; one that is empty is not to be written. */
struct gguf_tokenizer_files {
    struct buf tokenizer; /* tokenizer.json of byte-level BPE */
    struct buf spm;    /* tokenizer.model of a vocabulary with scores; both are empty where the vocabulary is
                          of another kind (a note) */
    struct buf config; /* tokenizer_config.json */
    struct buf chat_template; /* chat_template.jinja; empty also where tokenizer_config.json has it */
    struct buf generation;    /* generation_config.json */
};

/* Converted again, the files give the same keys, but for what no file can say: tokens of type "unused" with a
 * text of their own become normal ones. Notes tell what was assumed. E_FORMAT for lists that contradict each
 * other. On failure there is nothing to free. */
enum status gguf_tokenizer_write(const struct source *gguf, struct gguf_tokenizer_files *out,
                                 struct notes *notes, struct err *err);
void gguf_tokenizer_free(struct gguf_tokenizer_files *f);

#endif
