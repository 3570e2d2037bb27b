/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random numbers as a pure function of a seed, a name and an index: no state, so any part of a stream can be
 * made anywhere, in any order. Mixing: the finalizer of SplitMix64 (Steele, Lea, Flood 2014) over a counter
 * in steps of the golden ratio.
 */
#ifndef CORE_RNG_H
#define CORE_RNG_H

#include "core/base.h"

/* The stream that belongs to a name. Independent of machine and library versions. */
static inline uint64_t rng_key(uint64_t seed, const char *name)
{
    uint64_t h = seed ^ 0xcbf29ce484222325u;

    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

/* 64 random bits: number `index` of the stream. */
static inline uint64_t rng_bits(uint64_t key, uint64_t index)
{
    uint64_t z = key + (index + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Nearly normal with mean 0 and variance 1: four uniform 16-bit numbers added up, within +-3.46. */
static inline float rng_normal(uint64_t key, uint64_t index)
{
    uint64_t bits = rng_bits(key, index);
    uint32_t sum = (uint32_t)(bits & 0xffff) + (uint32_t)(bits >> 16 & 0xffff) +
                   (uint32_t)(bits >> 32 & 0xffff) + (uint32_t)(bits >> 48);

    return ((float)sum - 131070.0f) * (1.0f / 37837.0f);
}

#endif
