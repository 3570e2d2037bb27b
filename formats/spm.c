/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/spm.h"

#include "core/file.h"
#include "core/utf8.h"

/* Protobuf's wire types. */
enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* A message, or a part of one: bytes from at to end of the file. */
struct cursor {
    const char *name;
    const unsigned char *file;
    size_t at, end;
};

/* One field as read: its number, how it was stored, and its value or bytes. */
struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;  /* not for WIRE_BYTES */
    size_t start, n; /* of the bytes */
};

static enum status fail_at(const struct cursor *c, struct err *err, const char *reason)
{
    return fail(err, E_FORMAT, "%s:%zu: %s", c->name, c->at, reason);
}

static enum status read_varint(struct cursor *c, uint64_t *v, struct err *err)
{
    *v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (c->at == c->end)
            return fail_at(c, err, "the message ends within a number");
        unsigned char byte = c->file[c->at];

        if (shift == 63 && byte > 1)
            return fail_at(c, err, "a number has more than 64 bits");
        *v |= (uint64_t)(byte & 127) << shift;
        c->at++;
        if (byte < 128)
            return OK;
    }
    return fail_at(c, err, "a number has more than 64 bits");
}

static enum status read_fixed(struct cursor *c, size_t n, uint64_t *v, struct err *err)
{
    if (c->end - c->at < n)
        return fail_at(c, err, "the message ends within a number");
    *v = 0;
    for (size_t i = 0; i < n; i++)
        *v |= (uint64_t)c->file[c->at + i] << 8 * i;
    c->at += n;
    return OK;
}

static enum status read_bytes(struct cursor *c, struct field *f, struct err *err)
{
    uint64_t n;
    enum status s = read_varint(c, &n, err);

    if (s)
        return s;
    if (n > c->end - c->at)
        return fail(err, E_FORMAT, "%s:%zu: length=%" PRIu64 ": only %zu bytes are left", c->name, c->at, n,
                    c->end - c->at);
    f->start = c->at;
    f->n = (size_t)n;
    c->at += f->n;
    return OK;
}

/* The next field of a message that is not at its end. */
static enum status read_field(struct cursor *c, struct field *f, struct err *err)
{
    uint64_t tag;
    enum status s = read_varint(c, &tag, err);

    if (s)
        return s;
    *f = (struct field){.number = tag >> 3};
    if (f->number == 0 || f->number >= UINT64_C(1) << 29)
        return fail_at(c, err, "no valid field number: this is no SentencePiece model");
    switch (tag & 7) {
    case WIRE_VARINT:
        f->wire = WIRE_VARINT;
        return read_varint(c, &f->value, err);
    case WIRE_FIXED64:
        f->wire = WIRE_FIXED64;
        return read_fixed(c, 8, &f->value, err);
    case WIRE_BYTES:
        f->wire = WIRE_BYTES;
        return read_bytes(c, f, err);
    case WIRE_FIXED32:
        f->wire = WIRE_FIXED32;
        return read_fixed(c, 4, &f->value, err);
    default:
        return fail(err, E_FORMAT, "%s:%zu: wire type=%" PRIu64 ": not in use", c->name, c->at, tag & 7);
    }
}

static enum status read_piece_field(const struct cursor *c, const struct field *f, struct spm_piece *p,
                                    struct err *err)
{
    static const enum wire expected[] = {WIRE_BYTES, WIRE_FIXED32, WIRE_VARINT};

    if (f->number > ARRAY_LEN(expected))
        return OK;
    if (f->wire != expected[f->number - 1])
        return fail(err, E_FORMAT, "%s:%zu: pieces: field=%" PRIu64 ": stored as another kind of value",
                    c->name, c->at, f->number);
    if (f->number == 1) {
        p->text = (struct slice){(const char *)c->file + f->start, f->n};
    } else if (f->number == 2) {
        uint32_t bits = (uint32_t)f->value;

        memcpy(&p->score, &bits, sizeof bits);
        if (p->score != p->score)
            return fail_at(c, err, "pieces: score=NaN");
    } else {
        if (f->value < SPM_NORMAL || f->value > SPM_BYTE)
            return fail(err, E_FORMAT, "%s:%zu: pieces: type=%" PRIu64 ": unknown", c->name, c->at, f->value);
        p->type = (enum spm_type)f->value;
    }
    return OK;
}

static enum status read_piece(struct cursor c, struct spm_piece *p, struct arena *arena, struct err *err)
{
    *p = (struct spm_piece){.type = SPM_NORMAL};
    while (c.at < c.end) {
        struct field f = {0};
        enum status s = read_field(&c, &f, err);

        if (s || (s = read_piece_field(&c, &f, p, err)))
            return s;
    }
    if (p->text.n == 0)
        return fail_at(&c, err, "pieces: a piece without text");
    if (!utf8_valid(p->text.p, p->text.n))
        return fail_at(&c, err, "pieces: a text that is not UTF-8");
    p->text.p = arena_strndup(arena, p->text.p, p->text.n);
    return p->text.p ? OK : fail_nomem(err);
}

enum status spm_parse(struct spm *out, struct slice bytes, const char *name, struct arena *arena,
                      struct err *err)
{
    struct cursor c = {name, (const unsigned char *)bytes.p, 0, bytes.n};
    size_t cap = 0;

    *out = (struct spm){0};
    while (c.at < c.end) {
        struct field f = {0};
        enum status s = read_field(&c, &f, err);

        if (s)
            return s;
        if (f.number != 1)
            continue;
        if (f.wire != WIRE_BYTES)
            return fail_at(&c, err, "pieces: no message: this is no SentencePiece model");
        if (!arena_grow(arena, (void **)&out->piece, out->n, &cap, sizeof *out->piece))
            return fail_nomem(err);
        struct cursor inner = {name, c.file, f.start, f.start + f.n};
        if ((s = read_piece(inner, &out->piece[out->n], arena, err)))
            return s;
        out->n++;
    }
    return out->n ? OK : fail_at(&c, err, "no pieces: this is no SentencePiece model");
}

enum status spm_read(struct spm *out, const char *path, struct arena *arena, struct err *err)
{
    struct buf b;

    buf_init(&b, SPM_MAX_BYTES);
    enum status s = file_load(path, &b, err);
    if (!s)
        s = spm_parse(out, (struct slice){b.p, b.n}, path, arena, err);
    buf_free(&b);
    return s;
}
