/* SPDX-License-Identifier: Apache-2.0 */
/* Hyper-parameters from a GGUF file: the key rules read backwards. */
#include "arch/hparams.h"
#include "arch/keys.h"
#include "formats/source.h"

/* Whether two lists "a|b|c" have a name in common. */
static bool share_name(const char *a, const char *b)
{
    for (const char *p = a; *p;) {
        size_t n = strcspn(p, "|");

        for (const char *q = b; *q;) {
            size_t m = strcspn(q, "|");

            if (m == n && memcmp(p, q, n) == 0)
                return true;
            q += m + (q[m] == '|');
        }
        p += n + (p[n] == '|');
    }
    return false;
}

/* The metadata key that holds the symbol's value, or NULL. */
static const char *key_of(const struct symbol *sym, const struct key_rule *rules)
{
    for (; rules && rules->key; rules++) {
        if (rules->kind == KEY_U32 && sym->keys && share_name(sym->keys, rules->from))
            return rules->key;
        if (rules->kind == KEY_EXPR && strcmp(sym->name, rules->from) == 0)
            return rules->key;
    }
    return NULL;
}

static bool read_key(const struct hparams *hp, const struct source *s, const char *suffix, uint64_t *v)
{
    char key[META_KEY_MAX];

    return suffix && meta_u64(meta_find(&s->meta, hparams_key(hp, suffix, key)), v);
}

static void read_symbols(struct hparams *hp, const struct source *s)
{
    const struct tensor *words = source_find(s, "token_embd.weight");

    for (size_t i = 0; hp->symbols[i].name; i++) {
        const struct symbol *sym = &hp->symbols[i];
        const char *key = key_of(sym, keys_generic);

        if (strcmp(sym->name, "V") == 0 && words && words->rank == 2) {
            hp->symbol[i].value = words->shape[0];
            hp->symbol[i].set = true;
            continue;
        }
        hp->symbol[i].set = read_key(hp, s, key ? key : key_of(sym, hp->arch->keys), &hp->symbol[i].value);
    }
}

enum status hparams_read_gguf(struct hparams *hp, const struct source *s, struct err *err)
{
    struct slice name = {0};
    uint64_t blocks = 0, promised = 0;

    *hp = (struct hparams){.name = s->path};
    (void)meta_str(meta_find(&s->meta, "general.architecture"), &name);
    for (size_t i = 0; arch_at(i) && !hp->arch; i++)
        if (slice_eq(name, arch_at(i)->name))
            hp->arch = arch_at(i);
    if (!hp->arch)
        return fail(err, E_UNSUPPORTED, "%s: general.architecture=%.*s: is not known", s->path,
                    (int)min_u64(name.n, 64), name.n ? name.p : "");
    hp->hf_class = hp->arch->name;
    hp->symbols = hp->arch->symbols;
    read_symbols(hp, s);
    (void)read_key(hp, s, "nextn_predict_layers", &promised);
    if (!read_key(hp, s, "block_count", &blocks) || blocks <= promised || blocks > UINT32_MAX)
        return fail(err, E_FORMAT,
                    "%s: %s.block_count=%" PRIu64 ": must be more than the %" PRIu64
                    " of nextn_predict_layers",
                    s->path, hp->arch->name, blocks, promised);
    hp->n_layer = blocks - promised;
    return OK;
}
