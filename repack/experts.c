/* SPDX-License-Identifier: Apache-2.0 */
#include "repack/experts.h"

#define LISTED_MAX 12

static const struct {
    const char *name, *short_name; /* NULL: has none */
} projections[EXPERT_PROJ_COUNT] = {
    [EXPERT_GATE] = {"gate_proj", "w1"},
    [EXPERT_UP] = {"up_proj", "w3"},
    [EXPERT_DOWN] = {"down_proj", "w2"},
    [EXPERT_GATE_UP] = {"gate_up_proj", NULL},
};

/* Modules whose numbered experts have the short names. */
static const char *const short_parents[] = {"block_sparse_moe", "feed_forward", "ffn"};

const char *expert_proj_name(enum expert_proj proj)
{
    return projections[proj].name;
}

/* Length of what stands before the next dot. */
static size_t word(const char *s)
{
    return strcspn(s, ".");
}

static bool is_word(const char *s, size_t n, const char *text)
{
    return text && strlen(text) == n && memcmp(s, text, n) == 0;
}

/* A number as it is counted: no sign, no leading zeros. */
static bool parse_number(const char *s, size_t n, uint32_t *number)
{
    *number = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9' || *number >= EXPERTS_MAX)
            return false;
        *number = *number * 10 + (uint32_t)(s[i] - '0');
    }
    return n > 0 && (n == 1 || s[0] != '0');
}

/* What follows "experts." or "switch_mlp.". */
static bool parse_rest(const char *s, struct expert_name *e)
{
    size_t n = word(s);

    e->numbered = !e->switch_mlp && s[n] == '.' && parse_number(s, n, &e->number);
    if (e->numbered) {
        s += n + 1;
        n = word(s);
    }
    for (int p = 0; p < EXPERT_PROJ_COUNT; p++) {
        bool named = is_word(s, n, projections[p].name) && !(e->numbered && p == EXPERT_GATE_UP);

        if (named || (e->numbered && is_word(s, n, projections[p].short_name))) {
            e->proj = (enum expert_proj)p;
            e->part = s + n;
            return true;
        }
    }
    return false;
}

bool experts_parse(const char *name, struct expert_name *e)
{
    for (const char *s = name; *s; s += word(s), s += *s == '.') {
        size_t n = word(s);

        *e = (struct expert_name){.parent = {name, s > name ? (size_t)(s - name) - 1 : 0},
                                  .switch_mlp = is_word(s, n, "switch_mlp")};
        if (s > name && s[n] == '.' && (e->switch_mlp || is_word(s, n, "experts")) &&
            parse_rest(s + n + 1, e))
            return true;
    }
    return false;
}

static bool has_short_names(struct slice parent)
{
    size_t start = parent.n;

    while (start > 0 && parent.p[start - 1] != '.')
        start--;
    for (size_t i = 0; i < ARRAY_LEN(short_parents); i++)
        if (is_word(parent.p + start, parent.n - start, short_parents[i]))
            return true;
    return false;
}

const char *experts_print(struct arena *a, const struct expert_name *e)
{
    int n = (int)e->parent.n;

    if (!e->numbered)
        return arena_printf(a, "%.*s.%s.%s%s", n, e->parent.p, e->switch_mlp ? "switch_mlp" : "experts",
                            projections[e->proj].name, e->part);
    return arena_printf(
        a, "%.*s.experts.%" PRIu32 ".%s%s", n, e->parent.p, e->number,
        has_short_names(e->parent) ? projections[e->proj].short_name : projections[e->proj].name, e->part);
}

bool experts_fits(const struct expert_name *e, enum experts_layout layout)
{
    switch (layout) {
    case EXPERTS_SPLIT:
        return e->numbered;
    case EXPERTS_STACKED:
        return e->switch_mlp && e->proj != EXPERT_GATE_UP;
    case EXPERTS_FUSED:
        break;
    }
    return !e->numbered && !e->switch_mlp && (e->proj == EXPERT_GATE_UP || e->proj == EXPERT_DOWN);
}

size_t experts_missing(const struct tensor *const *tensor, size_t n, char list[EXPERTS_LIST_MAX])
{
    size_t nmissing = 0, w = 0;

    list[0] = '\0';
    for (size_t e = 0; e < n; e++) {
        if (tensor[e])
            continue;
        if (nmissing++ < LISTED_MAX)
            w += (size_t)snprintf(list + w, EXPERTS_LIST_MAX - w, "%s%zu", w ? ", " : "", e);
    }
    if (nmissing > LISTED_MAX)
        snprintf(list + w, EXPERTS_LIST_MAX - w, ", ...");
    return nmissing;
}
