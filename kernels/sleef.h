/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementary functions with the bits that torch gives on most machines: the float32 routines of the SLEEF
 * library (sleef.org; the 1.0-ULP variants with fused multiply-add), written here from their description.
 */
#ifndef KERNELS_SLEEF_H
#define KERNELS_SLEEF_H

/* e^x: argument reduction by ln 2 in two parts, a polynomial of degree 6. 0 below -104, infinite above 100.
 */
float exp_f32(float x);

/* x^y for finite x > 0: exp(y * log x) with both carried in two floats. */
float pow_f32(float x, float y);

#endif
