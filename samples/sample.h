/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of mksample share. */
#ifndef SAMPLES_SAMPLE_H
#define SAMPLES_SAMPLE_H

#include "arch/names.h"

enum sample_nvfp4 { SAMPLE_NO_NVFP4, SAMPLE_MODELOPT, SAMPLE_COMPRESSED_TENSORS };

struct sample_options {
    const char *config, *out;
    bool sparse, no_mtp, per_expert;
    enum sample_nvfp4 nvfp4;
    uint64_t shards, seed;
};

struct sample_tensor {
    const char *name; /* as the checkpoint spells it */
    enum dtype dtype;
    uint32_t rank;
    uint64_t shape[TENSOR_MAX_RANK];
    uint64_t nelem, nbytes;
};

struct sample {
    struct arena arena;
    const struct sample_options *options;
    struct json *config;
    struct hparams hp;
    struct sample_tensor *tensors; /* sorted by name */
    size_t n, cap;
};

/* tensors.c: every tensor that the architecture's tables ask for. */
enum status sample_list(struct sample *s, struct err *err);

/* nvfp4.c: the format's name; putting the parts of packed weights in their place, unsorted; what config.json
 * says of that. */
bool sample_nvfp4_find(const char *name, enum sample_nvfp4 *format);
enum status sample_pack(struct sample *s, struct err *err);
void sample_add_claim(const struct sample *s, struct buf *config);

/* values.c: elements [first, first + n) of a tensor in its type. */
void sample_values(const struct sample *s, const struct sample_tensor *t, uint64_t first, size_t n,
                   void *out);

/* tokenizer.c: whether a tokenizer of the config's vocabulary can be made; and tokenizer.json,
 * tokenizer_config.json, generation_config.json, and what a vision tower needs. */
enum status sample_check_vocab(const struct sample *s, struct err *err);
enum status sample_tokenizer(const struct sample *s, struct err *err);

/* files.c: a small file in the output folder, and the shards with their index. */
enum status sample_write(const struct sample *s, const char *name, const char *text, size_t n,
                         struct err *err);
enum status sample_shards(const struct sample *s, struct err *err);

#endif
