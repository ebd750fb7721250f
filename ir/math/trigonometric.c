/* trigonometric.c -- sin and cos.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

/* a = n pi/2 + r for 0 <= a < 2^50; *quadrant is n in the lowest bits. |r| is at most pi/4, and 0.1 more where a is so
 * large that 2/pi has not bits enough. The first product's difference is exact: a multiple of 2^-52 below 1. */
static expr reduce_turn(const maker *m, expr a, expr *quadrant) {
  expr d = to_f64(m, a), magic = constant64(m, MAGIC64);
  expr shifted = fused(m, d, constant64(m, 0x1.45f306dc9c883p-1), magic);
  expr n = sub(m, shifted, magic);
  expr r = fused(m, n, constant64(m, -0x1.921fb54442d18p0), d);
  r = fused(m, n, constant64(m, -0x1.1a62633145c07p-54), r);
  *quadrant = tni_cast(m->r, wide(m, TN_I32), tni_reinterpret(m->r, wide(m, TN_I64), shifted));
  return r;
}

static expr sine_polynomial(const maker *m, expr r, expr s) {
  /* (sin r - r) / r^3 in s = r^2, error below 2^-34 of sin r up to r = 0.95 */
  static const double c[] = {-0x1.5555552c2d4c8p-3, 0x1.1110f5d61b2d2p-7, -0x1.a0037a187dea0p-13,
                             0x1.6a7cacbda2800p-19};
  return fused(m, POLYNOMIAL(m, c, s), mul(m, r, s), r);
}

static expr cosine_polynomial(const maker *m, expr s) {
  /* cos r in s = r^2, error below 2^-39 of it */
  static const double c[] = {
      1, -0.5, 0x1.555555368ba23p-5, -0x1.6c16a3c5ddaccp-10, 0x1.a006364701200p-16, -0x1.2258f07f45000p-22};
  return POLYNOMIAL(m, c, s);
}

/* sin(|x| + turn * pi/2), its sign bit flipped by `sign`. */
static expr expand_wave(const maker *m, expr x, int turn, expr sign) {
  expr a = magnitude(m, x), quadrant;
  expr huge = choose(m, less(m, a, constant(m, INFINITY)), constant(m, 0), constant(m, NAN));
  expr r = reduce_turn(m, choose(m, less(m, a, constant(m, 0x1p50)), a, huge), &quadrant);
  expr s = mul(m, r, r);
  quadrant = add(m, quadrant, integer(m, turn));
  expr odd = unequal(m, both(m, quadrant, integer(m, 1)), integer(m, 0));
  expr value = to_f32(m, choose(m, odd, cosine_polynomial(m, s), sine_polynomial(m, r, s)));
  expr second = shift_left(m, both(m, quadrant, integer(m, 2)), integer(m, 30));
  return flip_sign(m, value, differ(m, second, sign));
}

expr tni_math_sin(const maker *m, expr x) { return expand_wave(m, x, 0, sign_of(m, x)); }
expr tni_math_cos(const maker *m, expr x) { return expand_wave(m, x, 1, integer(m, 0)); }
