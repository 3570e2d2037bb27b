/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The speed of each type's encoder and decoder, in millions of values per second and thread of processor
 * time; beside it, where a libggml-base is given, that of ggml's own functions on the same rows. Both take
 * turns, and each first in every other round. Prints tab-separated rows; asserts nothing.
 */
#include <dlfcn.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "core/rng.h"
#include "kernels/floats.h"
#include "quantize/codecs.h"

#define NCOL       4096
#define NROW       16
#define N          ((size_t)NROW * NCOL)
#define MAX_ROUNDS 99
#define TURN       0.02 /* seconds that a measurement takes at least */

static const char usage[] = "usage: kern [-l LIBGGML_BASE] [-n ROUNDS] [-t TYPE]\n"
                            "\n"
                            "  -l FILE    a libggml-base.so to measure beside (default: none)\n"
                            "  -n ROUNDS  whose median is printed (default 5)\n"
                            "  -t TYPE    one type alone (default: all)\n";

/* ---- the library that is measured beside ---- */

typedef size_t ggml_encode(int type, const float *x, void *out, int64_t start, int64_t nrow, int64_t ncol,
                           const float *weights);
typedef void ggml_decode(const void *in, float *x, int64_t n);

struct peer {
    void *lib;
    ggml_encode *encode;
    const char *(*type_name)(int type);
    bool (*needs_weights)(int type);
};

static void *symbol(struct peer *p, const char *name)
{
    void *address = dlsym(p->lib, name);

    if (!address) {
        fprintf(stderr, "kern: the library has no %s\n", name);
        exit(2);
    }
    return address;
}

static struct peer peer_open(const char *path)
{
    struct peer p = {.lib = dlopen(path, RTLD_NOW | RTLD_LOCAL)};

    if (!p.lib) {
        fprintf(stderr, "kern: %s\n", dlerror());
        exit(2);
    }
    *(void **)&p.encode = symbol(&p, "ggml_quantize_chunk");
    *(void **)&p.type_name = symbol(&p, "ggml_type_name");
    *(void **)&p.needs_weights = symbol(&p, "ggml_quantize_requires_imatrix");
    return p;
}

static ggml_decode *peer_decoder(struct peer *p, enum dtype t)
{
    char name[64];
    ggml_decode *decode;

    if (t == DT_F16)
        snprintf(name, sizeof name, "ggml_fp16_to_fp32_row");
    else if (t == DT_BF16)
        snprintf(name, sizeof name, "ggml_bf16_to_fp32_row");
    else
        snprintf(name, sizeof name, "dequantize_row_%s", p->type_name(dtype_gguf_id(t)));
    *(void **)&decode = symbol(p, name);
    return decode;
}

/* ---- jobs ---- */

/* What is measured: a type's values into bytes, or back where `decode` is set. */
struct job {
    enum dtype type;
    bool is_decode;
    const char *what;
    const float *x, *weights;
    void *bytes, *peer_bytes;
    float *values;
    struct peer *peer; /* NULL: none */
    ggml_decode *peer_decode;
};

static void run_ours(const struct job *j)
{
    const struct codec *c = codec_find(j->type);

    if (j->is_decode)
        c->decode(j->bytes, j->values, N);
    else
        c->encode(j->x, j->bytes, NROW, NCOL, j->weights);
}

static void run_peer(const struct job *j)
{
    if (j->is_decode)
        j->peer_decode(j->bytes, j->values, N);
    else
        j->peer->encode(dtype_gguf_id(j->type), j->x, j->peer_bytes, 0, NROW, NCOL, j->weights);
}

static double processor_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Millions of values per second. */
static double speed(void (*run)(const struct job *), const struct job *j)
{
    double start = processor_time(), spent;
    size_t times = 0;

    do {
        run(j);
        times++;
        spent = processor_time() - start;
    } while (spent < TURN);
    return (double)times * (double)N / spent * 1e-6;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

static void measure(const struct job *j, size_t nround)
{
    double ours[MAX_ROUNDS], peers[MAX_ROUNDS], ratio[MAX_ROUNDS];
    bool has_peer =
        j->peer && !(j->peer->needs_weights(dtype_gguf_id(j->type)) && !j->weights && !j->is_decode);

    run_ours(j); // what is built at first use, and the caches
    if (has_peer)
        run_peer(j);
    for (size_t r = 0; r < nround; r++) {
        if (r % 2 == 0)
            ours[r] = speed(run_ours, j);
        if (has_peer)
            peers[r] = speed(run_peer, j);
        if (r % 2 != 0)
            ours[r] = speed(run_ours, j);
        ratio[r] = has_peer ? ours[r] / peers[r] : 0.0;
    }
    printf("%s\t%s\t%.1f", dtype_name(j->type), j->what, median(ours, nround));
    if (has_peer)
        printf("\t%.1f\t%.2f\n", median(peers, nround), median(ratio, nround));
    else
        printf("\t\t\n");
    fflush(stdout);
}

static void measure_type(struct job j, const float *weights, size_t nround)
{
    const struct codec *c = codec_find(j.type);
    uint64_t nbytes;

    if (!c->encode || !c->decode || dtype_gguf_id(j.type) < 0 || j.type == DT_F32 ||
        !dtype_nbytes(j.type, N, &nbytes))
        return;
    c->encode(j.x, j.bytes, NROW, NCOL, NULL);
    c->encode(j.x, j.peer_bytes, NROW, NCOL, weights);
    bool weights_count = memcmp(j.bytes, j.peer_bytes, nbytes) != 0;
    j.what = "encode";
    measure(&j, nround);
    if (weights_count) {
        j.what = "encode, weighted";
        j.weights = weights;
        measure(&j, nround);
    }
    j.what = "decode";
    j.is_decode = true;
    if (j.peer)
        j.peer_decode = peer_decoder(j.peer, j.type);
    measure(&j, nround);
}

/* ---- the program ---- */

static void *allocate(size_t n)
{
    void *p = malloc(n);

    if (!p) {
        fprintf(stderr, "kern: out of memory\n");
        exit(6);
    }
    return p;
}

int main(int argc, char **argv)
{
    struct peer peer = {0};
    enum dtype only = DT_COUNT;
    size_t nround = 5;
    int option;

    while ((option = getopt(argc, argv, "l:n:t:")) != -1) {
        if (option == 'l')
            peer = peer_open(optarg);
        else if (option == 'n')
            nround = strtoul(optarg, NULL, 10);
        else if (option == 't')
            only = dtype_find(optarg);
        if (option == '?' || nround < 1 || nround > MAX_ROUNDS || (option == 't' && only == DT_COUNT)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    float *x = allocate(N * sizeof *x), *weights = allocate(NCOL * sizeof *weights);
    uint64_t key = rng_key(1, "kern");
    for (size_t i = 0; i < N; i++)
        x[i] = f32_from_bf16(bf16_from_f32(0.02f * rng_normal(key, i)));
    for (size_t i = 0; i < NCOL; i++)
        weights[i] = expf(1.5f * rng_normal(key, N + i));
    struct job job = {.x = x, .peer = peer.lib ? &peer : NULL};
    job.bytes = allocate(N * sizeof *x);
    job.peer_bytes = allocate(N * sizeof *x);
    job.values = allocate(N * sizeof *x);
    printf("type\tjob\tscion_Mvalues/s\tggml_Mvalues/s\tscion/ggml\n");
    for (enum dtype t = 0; t < DT_COUNT; t++) {
        job.type = t;
        if (only == DT_COUNT || t == only)
            measure_type(job, weights, nround);
    }
    free(x);
    free(weights);
    free(job.bytes);
    free(job.peer_bytes);
    free(job.values);
    return 0;
}
