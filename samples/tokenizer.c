/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A synthetic byte-level BPE tokenizer of the config's vocabulary. Token 256 + k is its parent's text and one
 * more byte: all strings in order of length, so every text is its own, and each has exactly one merge.
 */
#include "core/utf8.h"
#include "samples/sample.h"

#define TEXT_MAX  (512 * MIB)
#define NBYTE     256
#define VOCAB_MAX 4000000
#define NUNUSED   3 /* ids at the end that no token has: embeddings are padded */

static const struct special {
    const char *text;
    bool special;
} specials[] = {
    {"<|endoftext|>", true}, {"<|im_start|>", true}, {"<|im_end|>", true},
    {"<think>", false},      {"</think>", false},
};

/* GPT-2's visible stand-in for a byte. */
static uint32_t byte_symbol(unsigned b)
{
    uint32_t next = 256;

    for (unsigned i = 0; i <= b; i++) {
        bool visible = (i >= '!' && i <= '~') || (i >= 0xa1 && i <= 0xac) || i >= 0xae;

        if (i == b)
            return visible ? b : next;
        next += !visible;
    }
    return 0;
}

static void add_token(struct buf *b, uint64_t id)
{
    char symbol[4];

    if (id >= NBYTE)
        add_token(b, (id - NBYTE) / NBYTE);
    buf_add(b, symbol, utf8_encode(byte_symbol((unsigned)(id % NBYTE)), symbol));
}

/* The token's text into a small buffer; valid until the next call with the same buffer. */
static const char *token_text(struct buf *b, uint64_t id)
{
    b->n = 0;
    add_token(b, id);
    return b->failed ? "" : b->p;
}

static void put_str(struct json_writer *w, const char *key, const char *value)
{
    json_put_key(w, key);
    json_put_str(w, value);
}

static void put_bool(struct json_writer *w, const char *key, bool value)
{
    json_put_key(w, key);
    json_put_bool(w, value);
}

static bool is_llama(const struct sample *s)
{
    return strcmp(s->hp.arch->name, "llama") == 0;
}

static const char *split_regex(const struct sample *s)
{
    if (is_llama(s))
        return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| "
               "?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
               "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    if (str_starts(s->hp.arch->name, "qwen35"))
        return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| "
               "?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
           "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
}

static void put_byte_level(struct json_writer *w)
{
    json_open(w, '{');
    put_str(w, "type", "ByteLevel");
    put_bool(w, "add_prefix_space", false);
    put_bool(w, "trim_offsets", false);
    put_bool(w, "use_regex", false);
    json_close(w, '}');
}

static void put_pre_tokenizer(const struct sample *s, struct json_writer *w)
{
    json_put_key(w, "pre_tokenizer");
    json_open(w, '{');
    put_str(w, "type", "Sequence");
    json_put_key(w, "pretokenizers");
    json_open(w, '[');
    json_open(w, '{');
    put_str(w, "type", "Split");
    json_put_key(w, "pattern");
    json_open(w, '{');
    put_str(w, "Regex", split_regex(s));
    json_close(w, '}');
    put_str(w, "behavior", "Isolated");
    put_bool(w, "invert", false);
    json_close(w, '}');
    put_byte_level(w);
    json_close(w, ']');
    json_close(w, '}');
}

static void put_model(const struct sample *s, struct json_writer *w, uint64_t ntoken)
{
    struct buf a, b;

    buf_init(&a, 64 * KIB);
    buf_init(&b, 64 * KIB);
    json_put_key(w, "model");
    json_open(w, '{');
    put_str(w, "type", "BPE");
    put_bool(w, "byte_fallback", false);
    put_bool(w, "ignore_merges", is_llama(s));
    json_put_key(w, "vocab");
    json_open(w, '{');
    for (uint64_t id = 0; id < ntoken; id++) {
        json_put_key(w, token_text(&a, id));
        json_put_u64(w, id);
    }
    json_close(w, '}');
    json_put_key(w, "merges");
    json_open(w, '[');
    for (uint64_t id = NBYTE; id < ntoken; id++) {
        json_open(w, '[');
        json_put_str(w, token_text(&a, (id - NBYTE) / NBYTE));
        json_put_str(w, token_text(&b, id % NBYTE));
        json_close(w, ']');
    }
    json_close(w, ']');
    json_close(w, '}');
    buf_free(&a);
    buf_free(&b);
}

static void put_added(struct json_writer *w, uint64_t first)
{
    json_put_key(w, "added_tokens");
    json_open(w, '[');
    for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
        json_open(w, '{');
        json_put_key(w, "id");
        json_put_u64(w, first + i);
        put_str(w, "content", specials[i].text);
        put_bool(w, "single_word", false);
        put_bool(w, "lstrip", false);
        put_bool(w, "rstrip", false);
        put_bool(w, "normalized", false);
        put_bool(w, "special", specials[i].special);
        json_close(w, '}');
    }
    json_close(w, ']');
}

/* Qwen's tokenizers normalize to NFC, Llama's do not. */
static void put_normalizer(const struct sample *s, struct json_writer *w)
{
    json_put_key(w, "normalizer");
    if (is_llama(s)) {
        json_put_null(w);
        return;
    }
    json_open(w, '{');
    put_str(w, "type", "NFC");
    json_close(w, '}');
}

static void put_piece(struct json_writer *w, const char *kind, const char *id)
{
    json_open(w, '{');
    json_put_key(w, kind);
    json_open(w, '{');
    put_str(w, "id", id);
    json_put_key(w, "type_id");
    json_put_u64(w, 0);
    json_close(w, '}');
    json_close(w, '}');
}

/* Llama's begins every text with a special token. */
static void put_post_processor(const struct sample *s, struct json_writer *w, uint64_t first_special)
{
    static const char *const sequences[] = {"single", "pair"};

    json_put_key(w, "post_processor");
    if (!is_llama(s)) {
        put_byte_level(w);
        return;
    }
    json_open(w, '{');
    put_str(w, "type", "TemplateProcessing");
    for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
        json_put_key(w, sequences[i]);
        json_open(w, '[');
        put_piece(w, "SpecialToken", specials[0].text);
        put_piece(w, "Sequence", "A");
        if (i == 1)
            put_piece(w, "Sequence", "B");
        json_close(w, ']');
    }
    json_put_key(w, "special_tokens");
    json_open(w, '{');
    json_put_key(w, specials[0].text);
    json_open(w, '{');
    put_str(w, "id", specials[0].text);
    json_put_key(w, "ids");
    json_open(w, '[');
    json_put_u64(w, first_special);
    json_close(w, ']');
    json_put_key(w, "tokens");
    json_open(w, '[');
    json_put_str(w, specials[0].text);
    json_close(w, ']');
    json_close(w, '}');
    json_close(w, '}');
    json_close(w, '}');
}

static enum status write_tokenizer(const struct sample *s, uint64_t ntoken, struct err *err)
{
    struct buf text;
    struct json_writer w = {.out = &text};

    buf_init(&text, TEXT_MAX);
    json_open(&w, '{');
    put_str(&w, "version", "1.0");
    put_added(&w, ntoken);
    put_normalizer(s, &w);
    put_pre_tokenizer(s, &w);
    put_post_processor(s, &w, ntoken);
    json_put_key(&w, "decoder");
    put_byte_level(&w);
    put_model(s, &w, ntoken);
    json_close(&w, '}');
    enum status st = buf_check(&text, "tokenizer.json", err);
    if (st == OK)
        st = sample_write(s, "tokenizer.json", text.p, text.n, err);
    buf_free(&text);
    return st;
}

static enum status write_text(const struct sample *s, const char *name, const char *text, struct err *err)
{
    return sample_write(s, name, text, strlen(text), err);
}

enum status sample_check_vocab(const struct sample *s, struct err *err)
{
    uint64_t vocab = 0, least = NBYTE + ARRAY_LEN(specials) + NUNUSED;
    enum status st = hparams_eval(&s->hp, "V", &vocab, err);

    if (st == OK && (vocab < least || vocab > VOCAB_MAX))
        st = fail(err, E_FORMAT, "%s: vocab_size=%" PRIu64 ": must be %" PRIu64 " to %d", s->hp.name, vocab,
                  least, VOCAB_MAX);
    return st;
}

enum status sample_tokenizer(const struct sample *s, struct err *err)
{
    static const char config[] =
        "{\n  \"add_bos_token\": false,\n  \"bos_token\": null,\n  \"eos_token\": \"<|im_end|>\",\n"
        "  \"pad_token\": \"<|endoftext|>\",\n  \"unk_token\": null,\n"
        "  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
        "  \"chat_template\": \"{% for message in messages %}<|im_start|>{{ message.role }}\\n{{ "
        "message.content "
        "}}<|im_end|>\\n{% endfor %}\"\n}\n";
    static const char generation[] = "{\n  \"do_sample\": true,\n  \"temperature\": 0.6,\n  \"top_k\": 20,\n"
                                     "  \"top_p\": 0.95\n}\n";
    static const char preprocessor[] =
        "{\n  \"image_mean\": [0.5, 0.5, 0.5],\n  \"image_std\": [0.5, 0.5, 0.5]\n}\n";
    uint64_t vocab = 0;
    enum status st = hparams_eval(&s->hp, "V", &vocab, err);

    if (st == OK)
        st = write_tokenizer(s, vocab - ARRAY_LEN(specials) - NUNUSED, err);
    if (st == OK)
        st = write_text(s, "tokenizer_config.json", config, err);
    if (st == OK)
        st = write_text(s, "generation_config.json", generation, err);
    if (st == OK && json_get(s->config, "vision_config"))
        st = write_text(s, "preprocessor_config.json", preprocessor, err);
    return st;
}
