/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/spm.h"

/* Fields of the messages, and what the numbers mean. */
enum { PIECE = 1, TRAINER = 2, NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum {
    MODEL_TYPE = 3,
    VOCAB_SIZE = 4,
    BYTE_FALLBACK = 35,
    UNK_ID = 40,
    UNK_PIECE = 45
}; // bos, eos, pad follow
enum { NORMALIZER_NAME = 1, DUMMY_PREFIX = 3, EXTRA_WHITESPACES = 4, ESCAPE_WHITESPACES = 5 };

#define MODEL_BPE 2

/* ---- the wire ---- */

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        buf_add_char(b, (char)(v | 128));
    buf_add_char(b, (char)v);
}

static void put_number(struct buf *b, uint64_t field, uint64_t v)
{
    put_varint(b, field << 3);
    put_varint(b, v);
}

static void put_bytes(struct buf *b, uint64_t field, struct slice bytes)
{
    put_varint(b, field << 3 | 2);
    put_varint(b, bytes.n);
    buf_add(b, bytes.p, bytes.n);
}

static void put_float(struct buf *b, uint64_t field, float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    put_varint(b, field << 3 | 5);
    for (unsigned shift = 0; shift < 32; shift += 8)
        buf_add_char(b, (char)(bits >> shift));
}

/* ---- messages ---- */

static void put_piece(struct buf *b, const struct spm_piece *p)
{
    put_bytes(b, PIECE_TEXT, p->text);
    put_float(b, PIECE_SCORE, p->score);
    if (p->type != SPM_NORMAL)
        put_number(b, PIECE_TYPE, p->type);
}

/* A piece that there is none of has the id -1. */
static void put_trainer(struct buf *b, const struct spm *spm, const struct spm_settings *s)
{
    const uint32_t ids[] = {s->unk, s->bos, s->eos, s->pad};
    bool bytes = false;

    for (size_t i = 0; i < spm->n; i++)
        bytes |= spm->piece[i].type == SPM_BYTE;
    put_number(b, MODEL_TYPE, MODEL_BPE);
    put_number(b, VOCAB_SIZE, spm->n);
    put_number(b, BYTE_FALLBACK, bytes);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        put_number(b, UNK_ID + i, ids[i] < spm->n ? ids[i] : UINT64_MAX);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        if (ids[i] < spm->n)
            put_bytes(b, UNK_PIECE + i, spm->piece[ids[i]].text);
}

static void put_normalizer(struct buf *b, const struct spm_settings *s)
{
    put_bytes(b, NORMALIZER_NAME, slice_of("identity"));
    put_number(b, DUMMY_PREFIX, s->add_dummy_prefix);
    put_number(b, EXTRA_WHITESPACES, s->remove_extra_whitespaces);
    put_number(b, ESCAPE_WHITESPACES, true);
}

void spm_write(const struct spm *spm, const struct spm_settings *settings, struct buf *out)
{
    struct buf message;

    buf_init(&message, SPM_MAX_BYTES);
    for (size_t i = 0; i < spm->n; i++) {
        message.n = 0;
        put_piece(&message, &spm->piece[i]);
        put_bytes(out, PIECE, (struct slice){message.p, message.n});
    }
    message.n = 0;
    put_trainer(&message, spm, settings);
    put_bytes(out, TRAINER, (struct slice){message.p, message.n});
    message.n = 0;
    put_normalizer(&message, settings);
    put_bytes(out, NORMALIZER, (struct slice){message.p, message.n});
    out->failed |= message.failed;
    buf_free(&message);
}
