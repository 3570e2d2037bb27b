/* SPDX-License-Identifier: Apache-2.0 */
/* Heads that come into GGUF files and go: names, order, bytes, types, and what the metadata counts. */
#include "convert/add_head.h"

#include "plan/exec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define H      32
#define NTRUNK 2 /* blocks */
#define ALIGN  32

static char dir[] = "/tmp/scion-add-head-XXXXXX";
static char target_path[64], donor_path[64], out_path[64];

static int make_dir(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(target_path, sizeof target_path, "%s/target.gguf", dir);
    snprintf(donor_path, sizeof donor_path, "%s/donor", dir);
    snprintf(out_path, sizeof out_path, "%s/out.gguf", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(target_path);
    unlink(donor_path);
    unlink(out_path);
    return rmdir(dir);
}

/* ---- models ---- */

struct row {
    const char *name; /* of a block: what follows "blk.N." or "mtp." */
    uint64_t shape[2];
};

static const struct row linear[] = {{"attn_norm.weight", {H}}, {"ssm_a", {4}}, {0}};
static const struct row full[] = {{"attn_norm.weight", {H}}, {"attn_q.weight", {64, H}}, {0}};
static const struct row head_rows[] = {{"nextn.eh_proj.weight", {H, 2 * H}},
                                       {"nextn.enorm.weight", {H}},
                                       {"nextn.hnorm.weight", {H}},
                                       {"nextn.shared_head_norm.weight", {H}},
                                       {"attn_norm.weight", {H}},
                                       {"post_attention_norm.weight", {H}},
                                       {"attn_q.weight", {64, H}},
                                       {"attn_k.weight", {16, H}},
                                       {"attn_v.weight", {16, H}},
                                       {"attn_output.weight", {H, 32}},
                                       {"attn_q_norm.weight", {16}},
                                       {"attn_k_norm.weight", {16}},
                                       {"ffn_gate.weight", {64, H}},
                                       {"ffn_up.weight", {64, H}},
                                       {"ffn_down.weight", {H, 64}},
                                       {0}};
#define NHEAD (ARRAY_LEN(head_rows) - 1)

/* A GGUF file that grows: matrices have `type`, vectors are f32; bytes count up from `fill`. */
struct file_text {
    struct buf infos, data;
    enum dtype type;
    unsigned char fill;
    uint64_t ntensor;
};

static void add_text(struct buf *b, const char *s)
{
    buf_add_u64(b, strlen(s));
    buf_add_str(b, s);
}

static void add_u32(struct buf *b, const char *key, uint32_t v)
{
    add_text(b, key);
    buf_add_u32(b, META_U32);
    buf_add_u32(b, v);
}

static uint32_t gguf_id(enum dtype t)
{
    return t == DT_F32 ? 0 : t == DT_F16 ? 1 : t == DT_Q8_0 ? 8 : 30;
}

static void add_tensor(struct file_text *f, const char *name, const uint64_t shape[2])
{
    uint32_t rank = shape[1] ? 2 : 1;
    enum dtype type = rank == 2 ? f->type : DT_F32;
    uint64_t nbytes = 0;

    assert_true(dtype_nbytes(type, shape[0] * (rank == 2 ? shape[1] : 1), &nbytes));
    add_text(&f->infos, name);
    buf_add_u32(&f->infos, rank);
    for (uint32_t i = rank; i-- > 0;)
        buf_add_u64(&f->infos, shape[i]);
    buf_add_u32(&f->infos, gguf_id(type));
    buf_add_u64(&f->infos, f->data.n);
    for (uint64_t i = 0; i < nbytes; i++)
        buf_add_char(&f->data, (char)(f->fill++ & 0x3f)); // small finite numbers in all types
    while (f->data.n % ALIGN)
        buf_add_char(&f->data, 0);
    f->ntensor++;
}

static void add_block(struct file_text *f, unsigned block, const struct row *rows)
{
    char name[64];

    for (; rows->name; rows++) {
        snprintf(name, sizeof name, "blk.%u.%s", block, rows->name);
        add_tensor(f, name, rows->shape);
    }
}

static void begin(struct file_text *f, enum dtype type, unsigned char fill)
{
    *f = (struct file_text){.type = type, .fill = fill};
    buf_init(&f->infos, MIB);
    buf_init(&f->data, MIB);
}

static void save(struct file_text *f, const char *path, const struct buf *keys, uint64_t nkey)
{
    struct buf b;
    FILE *out = fopen(path, "wb");

    buf_init(&b, MIB);
    buf_add(&b, "GGUF", 4);
    buf_add_u32(&b, 3);
    buf_add_u64(&b, f->ntensor);
    buf_add_u64(&b, nkey);
    buf_add(&b, keys->p, keys->n);
    buf_add(&b, f->infos.p, f->infos.n);
    while (b.n % ALIGN)
        buf_add_char(&b, 0);
    buf_add(&b, f->data.p, f->data.n);
    assert_non_null(out);
    assert_int_equal(fwrite(b.p, 1, b.n, out), b.n);
    assert_int_equal(fclose(out), 0);
    buf_free(&b);
    buf_free(&f->infos);
    buf_free(&f->data);
}

enum { WITH_HEAD = 1, WITH_ARRAY = 2, HEAD_ONLY = 4, SORTED = 8, SPLIT_KEYS = 16 };

/* A model of two blocks, or of `trunk` and nothing of them but their number. */
static void write_gguf(const char *path, enum dtype type, unsigned trunk, unsigned flags)
{
    const uint64_t embedding[] = {8, H};
    bool head = flags & (WITH_HEAD | HEAD_ONLY);
    struct file_text f;
    struct buf keys;
    uint64_t nkey = 4;

    begin(&f, type, (unsigned char)flags);
    buf_init(&keys, MIB);
    add_text(&keys, "general.architecture");
    buf_add_u32(&keys, META_STR);
    add_text(&keys, "qwen35");
    add_u32(&keys, "qwen35.block_count", trunk + head);
    if (head && ++nkey)
        add_u32(&keys, "qwen35.nextn_predict_layers", 1);
    add_u32(&keys, "qwen35.embedding_length", H);
    add_u32(&keys, "general.file_type", 7);
    if (flags & WITH_ARRAY && ++nkey) {
        add_text(&keys, "qwen35.attention.head_count_kv");
        buf_add_u32(&keys, META_ARRAY);
        buf_add_u32(&keys, META_U32);
        buf_add_u64(&keys, trunk + head);
        for (uint32_t i = 0; i < trunk + head; i++)
            buf_add_u32(&keys, 10 * (i + 1));
    }
    if (flags & SPLIT_KEYS && ++nkey)
        add_u32(&keys, "split.tensors.count", 99);
    add_tensor(&f, "token_embd.weight", embedding);
    for (unsigned i = 0; i < NTRUNK && !(flags & HEAD_ONLY); i++) {
        unsigned block = flags & SORTED ? i : NTRUNK - 1 - i; // sorted as llama-quantize does

        add_block(&f, block, block == 0 ? linear : full);
    }
    if (head)
        add_block(&f, trunk, head_rows);
    save(&f, path, &keys, nkey);
    buf_free(&keys);
}

/* A head as a checkpoint has it, in bf16: all elements are 0.25. */
static void write_donor(void)
{
    static const char *const names[NHEAD] = {"fc",
                                             "pre_fc_norm_embedding",
                                             "pre_fc_norm_hidden",
                                             "norm",
                                             "layers.0.input_layernorm",
                                             "layers.0.post_attention_layernorm",
                                             "layers.0.self_attn.q_proj",
                                             "layers.0.self_attn.k_proj",
                                             "layers.0.self_attn.v_proj",
                                             "layers.0.self_attn.o_proj",
                                             "layers.0.self_attn.q_norm",
                                             "layers.0.self_attn.k_norm",
                                             "layers.0.mlp.gate_proj",
                                             "layers.0.mlp.up_proj",
                                             "layers.0.mlp.down_proj"};
    struct buf header;
    uint64_t at = 0;
    FILE *out = fopen(donor_path, "wb");

    buf_init(&header, MIB);
    for (size_t i = 0; i < NHEAD; i++) {
        const uint64_t *shape = head_rows[i].shape;
        uint64_t n = 2 * shape[0] * (shape[1] ? shape[1] : 1);

        buf_printf(&header, "%s\"mtp.%s.weight\":{\"dtype\":\"BF16\",\"shape\":[%" PRIu64, i ? "," : "{",
                   names[i], shape[0]);
        if (shape[1])
            buf_printf(&header, ",%" PRIu64, shape[1]);
        buf_printf(&header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, at + n);
        at += n;
    }
    buf_add_char(&header, '}');
    assert_non_null(out);
    uint64_t n = header.n;
    assert_int_equal(fwrite(&n, sizeof n, 1, out), 1);
    assert_int_equal(fwrite(header.p, 1, header.n, out), header.n);
    for (uint64_t i = 0; i < at; i += 2)
        assert_int_equal(fwrite("\x80\x3e", 1, 2, out), 2);
    assert_int_equal(fclose(out), 0);
    buf_free(&header);
}

/* ---- a graft ---- */

struct graft {
    struct source *target, *donor, *out;
    struct head head;
    struct hparams hp;
    struct plan plan;
};

static void must(enum status s, const struct err *err)
{
    if (s != OK)
        fail_msg("%s", err->text);
}

static void open_models(struct graft *g, bool with_donor)
{
    struct err err = {0};

    *g = (struct graft){0};
    plan_init(&g->plan);
    must(source_open(&g->target, target_path, &err), &err);
    must(hparams_read_gguf(&g->hp, g->target, &err), &err);
    g->hp.n_layer = NTRUNK;
    if (!with_donor)
        return;
    must(source_open(&g->donor, donor_path, &err), &err);
    must(head_read(&g->head, g->donor, NULL, &err), &err);
    assert_int_equal(g->head.ntensor, NHEAD);
}

static void run(struct graft *g)
{
    struct exec_options o = {.max_memory = 64 * MIB, .threads = 2, .force = true};
    struct exec_result result;
    struct err err = {0};

    must(exec_run(&g->plan, &o, &result, &err), &err);
    must(source_open(&g->out, out_path, &err), &err);
}

static void add_head(struct graft *g, bool absolute)
{
    struct add_head_options o = {
        .donor = g->donor, .head = &g->head, .hp = &g->hp, .absolute = absolute, .out = out_path};
    struct err err = {0};

    /* What an HF donor's shapes are checked against, and these files do not tell. */
    static const struct {
        const char *name;
        uint64_t value;
    } known[] = {{"H", H}, {"NH", 2}, {"NKV", 1}, {"HD", 16}, {"F", 64}};
    for (size_t i = 0; g->hp.symbols[i].name; i++)
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            if (strcmp(g->hp.symbols[i].name, known[k].name) == 0) {
                g->hp.symbol[i].set = true;
                g->hp.symbol[i].value = known[k].value;
            }
    must(add_head_gguf(&g->plan, g->target, &o, &err), &err);
    run(g);
}

static void close_models(struct graft *g)
{
    plan_free(&g->plan);
    source_close(g->target);
    source_close(g->donor);
    source_close(g->out);
    unlink(out_path);
}

static uint64_t number(const struct source *s, const char *key)
{
    uint64_t v = UINT64_MAX;

    (void)meta_u64(meta_find(&s->meta, key), &v);
    return v;
}

static void read_tensor(const struct source *s, const char *name, struct buf *b)
{
    const struct tensor *t = source_find(s, name);
    struct err err = {0};

    if (!t)
        fail_msg("%s: no tensor %s", s->path, name);
    buf_init(b, MIB);
    must(file_read_at(s->files[0].file, buf_extend(b, t->nbytes), t->nbytes, t->off, &err), &err);
}

static void assert_same_tensor(const struct source *a, const char *name, const struct source *b,
                               const char *other)
{
    struct buf x, y;

    read_tensor(a, name, &x);
    read_tensor(b, other, &y);
    assert_int_equal(source_find(a, name)->dtype, source_find(b, other)->dtype);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
    buf_free(&x);
    buf_free(&y);
}

static void assert_trunk(const struct graft *g)
{
    static const char *const names[] = {"token_embd.weight", "blk.0.attn_norm.weight", "blk.0.ssm_a",
                                        "blk.1.attn_norm.weight", "blk.1.attn_q.weight"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_same_tensor(g->out, names[i], g->target, names[i]);
}

static void assert_counts(const struct graft *g, uint64_t ntensor, uint64_t blocks, uint64_t heads)
{
    assert_int_equal(g->out->ntensor, ntensor);
    assert_int_equal(number(g->out, "qwen35.block_count"), blocks);
    assert_int_equal(number(g->out, "qwen35.nextn_predict_layers"), heads);
    assert_int_equal(number(g->out, "general.file_type"), 7);
}

/* ---- tests ---- */

static void test_gguf_donor(void **state)
{
    char name[64], other[64];
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_Q8_0, NTRUNK, SPLIT_KEYS);
    write_gguf(donor_path, DT_F16, 5, HEAD_ONLY); // of a deeper trunk: the head moves
    open_models(&g, true);
    add_head(&g, true);
    assert_counts(&g, 5 + NHEAD, 3, 1);
    assert_trunk(&g);
    for (size_t i = 0; i < NHEAD; i++) {
        snprintf(name, sizeof name, "blk.2.%s", head_rows[i].name);
        snprintf(other, sizeof other, "blk.5.%s", head_rows[i].name);
        assert_same_tensor(g.out, name, g.donor, other);
    }
    assert_string_equal(g.out->tensors[0].name, "token_embd.weight"); // in no order, so the head is last
    assert_string_equal(g.out->tensors[5].name, "blk.2.nextn.eh_proj.weight");
    assert_int_equal(number(g.out, "split.tensors.count"), UINT64_MAX);
    close_models(&g);
}

static void test_order(void **state)
{
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_Q8_0, NTRUNK, SORTED);
    write_gguf(donor_path, DT_F16, NTRUNK, HEAD_ONLY);
    open_models(&g, true);
    add_head(&g, true);
    assert_string_equal(g.out->tensors[0].name, g.target->tensors[0].name);
    for (size_t i = 5; i + 1 < g.out->ntensor; i++) // of the head
        assert_true(strcmp(g.out->tensors[i].name, g.out->tensors[i + 1].name) < 0);
    close_models(&g);
}

/* The head's element is that of the last block with full attention, not of the last. */
static void test_arrays(void **state)
{
    static const uint32_t want[] = {10, 20, 20};
    const struct meta_kv *kv;
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_Q8_0, NTRUNK, WITH_ARRAY);
    write_gguf(donor_path, DT_F16, NTRUNK, HEAD_ONLY);
    open_models(&g, true);
    add_head(&g, true);
    kv = meta_find(&g.out->meta, "qwen35.attention.head_count_kv");
    assert_int_equal(kv->count, 3);
    assert_memory_equal(kv->data, want, sizeof want);
    close_models(&g);
}

static void test_another_head(void **state)
{
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_Q8_0, NTRUNK, WITH_HEAD | WITH_ARRAY);
    write_gguf(donor_path, DT_BF16, NTRUNK, HEAD_ONLY);
    open_models(&g, true);
    add_head(&g, true);
    assert_counts(&g, 5 + NHEAD, 3, 1);
    assert_trunk(&g);
    assert_same_tensor(g.out, "blk.2.attn_q.weight", g.donor, "blk.2.attn_q.weight");
    assert_int_equal(g.plan.ndropped, NHEAD);
    close_models(&g);
}

static void test_no_head(void **state)
{
    static const uint32_t want[] = {10, 20};
    struct add_head_options o = {.out = out_path};
    struct err err = {0};
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_Q8_0, NTRUNK, WITH_HEAD | WITH_ARRAY);
    open_models(&g, false);
    o.hp = &g.hp;
    must(add_head_gguf(&g.plan, g.target, &o, &err), &err);
    run(&g);
    assert_counts(&g, 5, 2, UINT64_MAX);
    assert_trunk(&g);
    const struct meta_kv *kv = meta_find(&g.out->meta, "qwen35.attention.head_count_kv");
    assert_int_equal(kv->count, 2);
    assert_memory_equal(kv->data, want, sizeof want);
    close_models(&g);
}

static void test_head_alone(void **state)
{
    struct err err = {0};
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_Q8_0, NTRUNK, WITH_HEAD);
    open_models(&g, false);
    must(take_head_gguf(&g.plan, g.target, &g.hp, out_path, &err), &err);
    run(&g);
    assert_counts(&g, 1 + NHEAD, 3, 1); // all else is the whole file's
    assert_same_tensor(g.out, "token_embd.weight", g.target, "token_embd.weight");
    assert_same_tensor(g.out, "blk.2.attn_q.weight", g.target, "blk.2.attn_q.weight");
    assert_null(source_find(g.out, "blk.1.attn_q.weight"));
    close_models(&g);
}

/* The values of a tensor of f32 are all x. */
static void assert_all(const struct source *s, const char *name, float x)
{
    struct buf b;

    read_tensor(s, name, &b);
    assert_int_equal(source_find(s, name)->dtype, DT_F32);
    for (size_t i = 0; i < b.n; i += sizeof x) {
        float got;

        memcpy(&got, b.p + i, sizeof got);
        assert_true(got == x);
    }
    buf_free(&b);
}

/* A checkpoint's head gets the target's float type; its norms get the 1 that they lack. */
static void test_converted(void **state)
{
    static const struct {
        enum dtype target, head;
    } types[] = {{DT_F16, DT_F16}, {DT_BF16, DT_BF16}, {DT_F32, DT_F32}, {DT_Q8_0, DT_BF16}};

    (void)state;
    write_donor();
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        for (int absolute = 0; absolute <= 1; absolute++) {
            struct graft g;

            write_gguf(target_path, types[i].target, NTRUNK, 0);
            open_models(&g, true);
            assert_int_equal(add_head_quantizes(g.target, g.donor), types[i].target == DT_Q8_0);
            add_head(&g, absolute);
            assert_counts(&g, 5 + NHEAD, 3, 1);
            assert_trunk(&g);
            assert_int_equal(source_find(g.out, "blk.2.ffn_down.weight")->dtype, types[i].head);
            assert_all(g.out, "blk.2.attn_norm.weight", absolute ? 0.25f : 1.25f);
            assert_all(g.out, "blk.2.nextn.enorm.weight", absolute ? 0.25f : 1.25f);
            close_models(&g);
        }
    }
}

static void test_gguf_is_not_quantized(void **state)
{
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_Q8_0, NTRUNK, 0);
    write_gguf(donor_path, DT_F16, NTRUNK, HEAD_ONLY);
    open_models(&g, true);
    assert_false(add_head_quantizes(g.target, g.donor));
    close_models(&g);
}

/* What does not fit the target is an error also here. */
static void test_misshapen(void **state)
{
    struct add_head_options o = {.out = out_path};
    struct err err = {0};
    struct graft g;

    (void)state;
    write_gguf(target_path, DT_F16, NTRUNK, 0);
    write_donor();
    open_models(&g, true);
    for (size_t i = 0; g.hp.symbols[i].name; i++) {
        g.hp.symbol[i].set = true;
        g.hp.symbol[i].value = 48;
    }
    o.donor = g.donor;
    o.head = &g.head;
    o.hp = &g.hp;
    assert_int_equal(add_head_gguf(&g.plan, g.target, &o, &err), E_FORMAT);
    if (!strstr(err.text, "shape=[32, 64]"))
        fail_msg("%s", err.text);
    close_models(&g);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gguf_donor), cmocka_unit_test(test_order),
        cmocka_unit_test(test_arrays),     cmocka_unit_test(test_another_head),
        cmocka_unit_test(test_no_head),    cmocka_unit_test(test_head_alone),
        cmocka_unit_test(test_converted),  cmocka_unit_test(test_gguf_is_not_quantized),
        cmocka_unit_test(test_misshapen),
    };

    return cmocka_run_group_tests_name("add_head", tests, make_dir, remove_dir);
}
