/* error.c -- the error function erf and its complement erfc.
 *
 *     erfc a = t G(t) e^(-a^2)       t = c / (c + a); e^(-a^2) with the square in two parts
 *     erf a  = a + a N(a^2)          a small
 *            = 1 - erfc a            else; on f32 erfc there is the fourth power of a polynomial
 *
 * a is |x|. Where it is small erfc is 1 - erf a.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

/* erfc of an a >= 1/2; 0 from 10.2 (f32) or 27.5 upwards. */
static expr complement(const maker *m, expr a) {
  /* e^(a^2) erfc(a) / t in t - 1/2, with c = 3 and 4 and a >= 1/2; relative errors below 2^-26 and 2^-54 */
  static const double g32[] = {
      0x1.6e9828p-2, 0x1.2d883p-1, 0x1.92eddp-1, 0x1.a7e3e6p-1, 0x1.4667dep-1, 0x1.25194ep-2, -0x1.b390a2p-6,
      -0x1.0ae756p-3, -0x1.3d07fcp-5, 0x1.90d2a2p-5};
  static const double g64[] = {
      0x1.18932bf08e154p-2, 0x1.f3fe31ecb49bfp-2, 0x1.8be202d26c743p-1, 0x1.14eacb1ad0346p0, 0x1.52cac2370f0e4p0,
      0x1.645fd8a4bc0bp0, 0x1.38dbd2c921641p0, 0x1.b00c052c19ed6p-1, 0x1.908f470419a2dp-2, 0x1.269b529807c43p-5,
      -0x1.dd283bfff1ee6p-4, -0x1.72cdae5b8f55fp-4, -0x1.e7f4947d77753p-9, 0x1.3c6fa2ad2f0fcp-5, 0x1.3b0eea8f2045bp-6,
      -0x1.7e6b849a6b326p-7, -0x1.c5e20fdcd9818p-7, 0x1.470f25dd25d4fp-9, 0x1.0566d97f79571p-7,
      -0x1.6e15c768f7a4ap-13, -0x1.bb4a8a500d94ep-9};
  expr c = either_constant(m, 3, 4), low, n_bits;
  a = at_most(m, a, either_constant(m, 10.2, 27.5));
  expr d = add(m, c, a), d_low = sub(m, a, sub(m, d, c)), t = quotient(m, c, d);
  expr g = mul(m, POLYNOMIAL(m, g, sub(m, t, constant(m, 0.5))), t);
  /* g belongs to a rounded t, that is, to a + e; g'(a) = 2a g - 2 / sqrt(pi) */
  expr e = fused(m, negate(m, t), d_low, fused(m, negate(m, t), d, c));
  e = mul(m, e, mul(m, d, either_constant(m, -1.0 / 3, -0.25)));
  g = fused(m, e, fused(m, add(m, a, a), g, constant(m, -0x1.20dd750429b6dp0)), g);
  expr square = mul(m, a, a), rest = fused(m, a, a, negate(m, square));
  expr s = tni_math_reduce_exp(m, negate(m, square), &low, &n_bits), r = sub(m, s, rest);
  expr lost = sub(m, sub(m, s, r), rest);
  low = is_zero(m, low) ? lost : add(m, low, lost);
  return tni_math_scale(m, fused(m, g, tni_math_exp_rest(m, r, low), g), n_bits);
}

/* erf of 0 <= a <= 1. */
static expr near_zero(const maker *m, expr a) {
  /* erf(a) / a - 1 in a^2, errors below 2^-30 and 2^-56 */
  static const double n32[] = {0x1.06eba8p-3, -0x1.81274p-2,  0x1.ce2d52p-4, -0x1.b7fec4p-6,
                               0x1.542fecp-8, -0x1.a5197ap-11, 0x1.4c5cb4p-14};
  static const double n64[] = {0x1.06eba8214db69p-3,  -0x1.812746b0379fdp-2,  0x1.ce2f21a04362dp-4, -0x1.b82ce312abf08p-6,
                               0x1.565bcd12991cp-8,   -0x1.c02db49b09506p-11, 0x1.f9a335388d2f5p-14,
                               -0x1.f4d333884b5c9p-17, 0x1.b9ee95850f6bfp-20, -0x1.5f9828c55d5cep-23,
                               0x1.fc78cbccf045ap-27, -0x1.46794feaf949ep-30, 0x1.29783041ef512p-34};
  return fused(m, POLYNOMIAL(m, n, mul(m, a, a)), a, a);
}

/* 1 - erf of 0.92 <= a <= 4, to 2^-28 of erf. */
static expr short_complement(const maker *m, expr a) {
  static const double c[] = {0x1.ffe716p-1, -0x1.1f7576p-2, -0x1.fadf36p-4, 0x1.8292p-6,    0x1.23df9cp-7,
                             0x1.afa5d4p-8, -0x1.969adap-8, 0x1.cd8a98p-10, -0x1.db865cp-13, 0x1.80c7bap-17};
  expr root4 = HORNER(m, c, a), root2 = mul(m, root4, root4);
  return mul(m, root2, root2);
}

expr tni_math_erf(const maker *m, expr x) {
  expr a = at_most(m, magnitude(m, x), either_constant(m, 4, 6)); /* their erf rounds to 1 */
  expr tail = is_double(m) ? complement(m, a) : short_complement(m, a);
  expr is_near = less(m, a, constant(m, 1));
  return signed_as(m, choose(m, is_near, near_zero(m, a), sub(m, constant(m, 1), tail)), x);
}

expr tni_math_erfc(const maker *m, expr x) {
  expr a = magnitude(m, x), near = sub(m, constant(m, 1), near_zero(m, a));
  expr value = choose(m, less(m, a, constant(m, 0.5)), near, complement(m, a));
  return choose(m, less(m, x, constant(m, 0)), sub(m, constant(m, 2), value), value);
}
