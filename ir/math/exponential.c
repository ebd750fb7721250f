/* exponential.c -- exp, exp2, expm1 and sigmoid.
 *
 *     e^x = 2^n e^r       x = n ln 2 + r, ln 2 in two parts
 *     e^r = 1 + r + r^2 Q(r)
 *
 * 2^n is made of bits and multiplied in two steps, so that subnormal results round once; or by ldexp.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

#define LOG2_E 0x1.71547652b82fep0

expr tni_math_reduce_exp(const maker *m, expr x, expr *low, expr *n_bits) {
  expr shifted = fused(m, x, constant(m, LOG2_E), rounder(m));
  expr n = sub(m, shifted, rounder(m)), down = negate(m, ln2_low(m));
  expr high = fused(m, n, negate(m, ln2_high(m)), x); /* exact */
  expr r = fused(m, n, down, high);
  *low = is_double(m) ? fused(m, n, down, sub(m, high, r)) : constant(m, 0);
  *n_bits = as_integer(m, shifted);
  return r;
}

expr tni_math_exp_rest(const maker *m, expr r, expr low) {
  /* (e^r - 1 - r) / r^2; errors below 2^-31 and 2^-61 of e^r - 1 */
  static const double q32[] = {0x1p-1, 0x1.555554p-3, 0x1.5554f8p-5, 0x1.1112d6p-7, 0x1.6d3a5ep-10, 0x1.9e77eep-13};
  static const double q64[] = {0x1p-1,
                               0x1.5555555555557p-3,
                               0x1.5555555555551p-5,
                               0x1.1111111110033p-7,
                               0x1.6c16c16c1918ep-10,
                               0x1.a01a01ac35ba8p-13,
                               0x1.a01a0194e1dbcp-16,
                               0x1.71de0153c07fbp-19,
                               0x1.27e5072c19915p-22,
                               0x1.af4f970cdf878p-26,
                               0x1.1f293d5afdf89p-29};
  expr value = POLYNOMIAL(m, q, r), square = mul(m, r, r);
  return is_zero(m, low) ? fused(m, value, square, r) : add(m, r, fused(m, value, square, low));
}

expr tni_math_power_of_two(const maker *m, expr n_bits) {
  return as_number(m, add(m, shift_left(m, n_bits, fraction_bits(m)), one_bits(m)));
}

/* Half of n at a time: only the last product can round or overflow. The p is a normal number: ldexp is the same. */
expr tni_math_scale(const maker *m, expr p, expr n_bits) {
  if (m->has_ldexp) return tni_op2(m->r, TN_OP_ldexp, p, sub(m, as_number(m, n_bits), rounder(m)));
  expr n = shift_left(m, n_bits, fraction_bits(m));
  expr half = both(m, right(m, n, integer(m, 1)), integer(m, -(INT64_C(1) << fraction_bits(m))));
  expr first = mul(m, p, as_number(m, add(m, half, one_bits(m))));
  return mul(m, first, as_number(m, add(m, sub(m, n, half), one_bits(m))));
}

/* e^(r + low) for the r of the reduction. */
static expr exp_of_rest(const maker *m, expr r, expr low) {
  /* error below 2^-28 */
  static const double c[] = {1, 1, 0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558b4p-5, 0x1.1239ap-7, 0x1.6a496p-10};
  return is_double(m) ? add(m, constant(m, 1), tni_math_exp_rest(m, r, low)) : HORNER(m, c, r);
}

/* Below it exp is 0. */
static expr lowest(const maker *m) { return either_constant(m, -104, -746); }

/* exp of an x between lowest() and 89, or 710, where it is inf. */
static expr bounded_exp(const maker *m, expr x) {
  expr low, n_bits, r = tni_math_reduce_exp(m, x, &low, &n_bits);
  return tni_math_scale(m, exp_of_rest(m, r, low), n_bits);
}

expr tni_math_exp(const maker *m, expr x) {
  return bounded_exp(m, at_most(m, at_least(m, x, lowest(m)), either_constant(m, 89, 710)));
}

expr tni_math_exp2(const maker *m, expr x) {
  static const double ln2 = 0x1.62e42fefa39efp-1;
  double high = is_double(m) ? ln2 : (float)ln2, low = is_double(m) ? 0x1.abc9e3b39803fp-56 : ln2 - high;
  expr a = at_most(m, at_least(m, x, either_constant(m, -151, -1077)), either_constant(m, 129, 1025));
  expr shifted = add(m, a, rounder(m));
  expr rest = sub(m, a, sub(m, shifted, rounder(m)));
  expr r = mul(m, rest, constant(m, high)), lost = fused(m, rest, constant(m, high), negate(m, r));
  lost = fused(m, rest, constant(m, low), lost);
  if (!is_double(m)) r = add(m, r, lost);
  return tni_math_scale(m, exp_of_rest(m, r, lost), as_integer(m, shifted));
}

expr tni_math_unless_tiny(const maker *m, expr x, expr value) {
  return choose(m, less(m, magnitude(m, x), either_constant(m, 0x1p-25, 0x1p-54)), x, value);
}

/* 2 (p 2^(n-1) + (2^(n-1) - 1/2)) with p = e^r - 1: 2^(n-1), because 2^n may be inf. From the lowest argument down the
 * result is -1. */
expr tni_math_expm1(const maker *m, expr x) {
  expr a = at_most(m, at_least(m, x, either_constant(m, -18, -40)), either_constant(m, 89, 710)), low, n_bits;
  expr r = tni_math_reduce_exp(m, a, &low, &n_bits), p = tni_math_exp_rest(m, r, low);
  expr half = tni_math_power_of_two(m, sub(m, n_bits, integer(m, 1)));
  expr value = fused(m, p, half, sub(m, half, constant(m, 0.5)));
  return tni_math_unless_tiny(m, x, add(m, value, value));
}

expr tni_math_sigmoid(const maker *m, expr x) {
  expr one = constant(m, 1);
  expr z = bounded_exp(m, at_least(m, negate(m, magnitude(m, x)), lowest(m)));
  return quotient(m, choose(m, less(m, x, constant(m, 0)), z, one), add(m, one, z));
}
