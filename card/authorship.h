/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a GGUF file says of its model's origin (general.name, .license, .base_model ...) and of the
 * sampling it was made for. The sources, the first that tells winning: the model card's front matter,
 * config.json's _name_or_path, the folder's name; then generation_config.json for sampling only; then
 * what the user sets, which replaces. The heuristics and the order of keys are those of gguf-py
 * (metadata.py at llama.cpp commit 3f545becc).
 *
 * Where gguf-py would stop (a version that YAML takes for a number, a list where text belongs) a scalar
 * is written as it stands in the card, and anything else is left out with a note.
 */
#ifndef CARD_AUTHORSHIP_H
#define CARD_AUTHORSHIP_H

#include "card/card.h"
#include "card/size_label.h"
#include "core/json.h"
#include "core/notes.h"
#include "formats/meta.h"

enum authorship_type {
    AUTHORSHIP_TEXT,
    AUTHORSHIP_COUNT,
    AUTHORSHIP_REAL,
    AUTHORSHIP_LIST,
    AUTHORSHIP_SOURCES,
};

enum authorship_field {
#define X(id, type, key) id,
#include "card/authorship.def"
#undef X
    AUTHORSHIP_NFIELD
};

/* Values by field; NULL where nothing is known. They live in the arenas given to build and override. */
struct authorship {
    const struct card *field[AUTHORSHIP_NFIELD];
};

/* What the user sets. Zero it and set arena, which must outlive every authorship built from it. */
struct authorship_overrides {
    struct arena *arena;
    const struct card *field[AUTHORSHIP_NFIELD];
    bool is_set[AUTHORSHIP_NFIELD]; /* a set field without a value takes the key out */
};

/* One --metadata argument, "general.name=Tiny". The tags and languages keys take one item each time. A
 * value that is empty takes the key out. E_USAGE: a key that is none, a value of another type. */
enum status authorship_override(struct authorship_overrides *o, const char *key_value, struct err *err);

/* The same from a JSON object in gguf-py's form, keys as in the file plus "general.base_models" and
 * "general.datasets" (lists of objects); null takes a key out. Keys that gguf-py does not read, such as
 * general.license, are left out with a note. name starts every error. E_USAGE, E_NOMEM. */
enum status authorship_override_json(struct authorship_overrides *o, const struct json *object,
                                     const char *name, struct notes *notes, struct err *err);

struct authorship_in {
    const char *readme_path;       /* NULL: none */
    const struct json *config;     /* config.json as it is; may be NULL */
    const struct json *generation; /* generation_config.json; may be NULL */
    const char *dir_name;          /* of the model's folder, as the user wrote it: its last component */
    const char *model_name;        /* overrides all other names; may be NULL */
    const struct authorship_overrides *overrides; /* may be NULL */
    struct size_label_count params; /* of the tensors to be written; zero for a vocabulary alone */
};

/* Values live in arena, or are borrowed from overrides. A README that cannot be read or understood is a
 * note, never an error. E_NOMEM is the only failure. */
enum status authorship_build(struct authorship *a, const struct authorship_in *in, struct notes *notes,
                             struct arena *arena, struct err *err);

/* Adds general.sampling.* and general.name ... general.languages to out, in the file's order. */
enum status authorship_to_meta(const struct authorship *a, struct meta *out, struct notes *notes,
                               struct err *err);

/* A field's key and type; the key of SOURCES is the prefix of its groups. */
const char *authorship_key(enum authorship_field f);
enum authorship_type authorship_type(enum authorship_field f);

/* What a text field is written as, "" included; NULL where nothing can be written. A license list is
 * joined with commas, in the arena. E_NOMEM. */
enum status authorship_text(const struct authorship *a, enum authorship_field f, const char **text,
                            struct arena *arena, struct err *err);

/* The i-th key that is read from generation_config.json, and the metadata that it becomes; false past the
 * last one. */
bool authorship_sampling_at(size_t i, const char **name, const char **meta_key);

#endif
