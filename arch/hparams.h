/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint's config.json read with its architecture's tables: the numbers that shapes and metadata
 * follow from. */
#ifndef ARCH_HPARAMS_H
#define ARCH_HPARAMS_H

#include "arch/arch.h"
#include "core/json.h"

#define HPARAMS_MAX_SYMBOLS 40

struct hparams {
    const struct arch *arch;
    const struct json *root; /* borrowed: config.json */
    const struct json *text; /* the section that wins over root: text_config or vision_config; or root */
    const struct symbol *symbols;
    const char *name; /* the config's path, for errors; borrowed */
    const char *hf_class;
    bool wrapper;      /* text_config exists: inside a vision-language wrapper */
    uint64_t n_layer;  /* of the trunk */
    uint64_t promised; /* head layers that the config promises */
    uint64_t n_mtp;    /* head layers that the output has; set by whoever plans it */
    struct {
        bool set;
        uint64_t value;
    } symbol[HPARAMS_MAX_SYMBOLS]; /* parallel to symbols */
};

/* Reads config (which must outlive hp). `name` is the config's path, for errors. E_UNSUPPORTED for an
 * unknown architecture (naming it, and the nearest known), E_FORMAT for missing or impossible values. */
enum status hparams_read(struct hparams *hp, const struct json *config, const char *name, struct err *err);

/* The same from a GGUF file's metadata, as far as it tells: config and promise stay empty, n_layer counts the
 * blocks before the head that the metadata promises. E_UNSUPPORTED for an architecture without a table. */
struct source;
enum status hparams_read_gguf(struct hparams *hp, const struct source *s, struct err *err);

/* The first of "a|b|c" that the config has, text_config winning over the root; NULL when it has none. A
 * null counts as there, as for the reference converter. */
const struct json *hparams_find(const struct hparams *hp, const char *keys);

/* As numbers, with what the model's class assumes where the config has nothing or null. *found tells
 * whether there is a value. E_FORMAT when it is no number, or no integer in [0, 2^53]. */
enum status hparams_num(const struct hparams *hp, const char *keys, bool *found, double *v, struct err *err);
enum status hparams_u64(const struct hparams *hp, const char *keys, bool *found, uint64_t *v,
                        struct err *err);

/* A rope parameter: rope_parameters (or rope_scaling, or their full_attention part), else the old top-level
 * key of that meaning; NULL when there is none. Keys are rope_parameters' own: "rope_theta". */
const struct json *hparams_rope(const struct hparams *hp, const char *key);

/* E_FORMAT for a value of the config: "config.json: head_dim="x": must be <must>". */
enum status hparams_refuse(const struct hparams *hp, const struct json *v, const char *must, struct err *err);

/* Value of an expression over the symbols; E_FORMAT naming the config key when a symbol has no value. */
enum status hparams_eval(const struct hparams *hp, const char *expr, uint64_t *v, struct err *err);

/* The symbols of an expression (or of several, with commas) with their config keys and values, into out:
 * "num_attention_heads=4, head_dim=64"; returns out. */
#define HPARAMS_TEXT_MAX 256
const char *hparams_describe(const struct hparams *hp, const char *expr, char out[HPARAMS_TEXT_MAX]);

/* A rule's source shape. */
enum status hparams_shape(const struct hparams *hp, const char *shape, uint64_t out[TENSOR_MAX_RANK],
                          uint32_t *rank, struct err *err);

/* IN_LINEAR or IN_FULL for a trunk layer, IN_HEAD for a block behind them. */
unsigned hparams_layer_kind(const struct hparams *hp, uint64_t block);

/* The metadata that follows from the config: generic keys, then the architecture's own. */
enum status hparams_to_meta(const struct hparams *hp, struct meta *out, struct err *err);

/* The architecture's vision tower as hparams of its own: same config, symbols over vision_config. */
enum status hparams_vision(const struct hparams *text, struct hparams *vision, struct err *err);

/* "<arch>.<suffix>" into out; returns out. */
#define META_KEY_MAX 128
const char *hparams_key(const struct hparams *hp, const char *suffix, char out[META_KEY_MAX]);

#endif
