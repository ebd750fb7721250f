/* exponential.c -- exp and sigmoid.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

expr tni_math_reduce_exp(const maker *m, expr x, expr *n_bits) {
  expr shifted = fused(m, x, constant(m, LOG2_E), constant(m, MAGIC));
  expr n = sub(m, shifted, constant(m, MAGIC));
  *n_bits = bits_of(m, shifted);
  return fused(m, n, constant(m, -LN2_LOW), fused(m, n, constant(m, -LN2_HIGH), x));
}

/* p * 2^n for n in -252..252: half of n at a time, so that only the last product can round or overflow. */
static expr scale_twice(const maker *m, expr p, expr n_bits) {
  expr one = integer(m, 0x3f800000);
  expr n = shift_left(m, n_bits, integer(m, 23));
  expr half = both(m, tni_op2(m->r, TN_OP_shr, n, integer(m, 1)), integer(m, -0x800000));
  expr first = mul(m, p, float_of(m, add(m, half, one)));
  return mul(m, first, float_of(m, add(m, sub(m, n, half), one)));
}

expr tni_math_power_of_two(const maker *m, expr n_bits) {
  return float_of(m, add(m, shift_left(m, n_bits, integer(m, 23)), integer(m, 0x3f800000)));
}

/* exp of an x between -104, where it is 0, and 89, where it is inf. */
static expr bounded_exp(const maker *m, expr x) {
  /* e^r, error below 2^-28 of it */
  static const double c[] = {1, 1, 0x1.fffffcp-2, 0x1.555492p-3, 0x1.5558b4p-5, 0x1.1239ap-7, 0x1.6a496p-10};
  expr n_bits;
  expr r = tni_math_reduce_exp(m, x, &n_bits);
  return scale_twice(m, POLYNOMIAL(m, c, r), n_bits);
}

expr tni_math_exp(const maker *m, expr x) { return bounded_exp(m, at_most(m, at_least(m, x, -104), 89)); }

expr tni_math_sigmoid(const maker *m, expr x) {
  expr one = constant(m, 1);
  expr down = tni_op1(m->r, TN_OP_neg, magnitude(m, x));
  expr z = bounded_exp(m, at_least(m, down, -104));
  return divide(m, choose(m, less(m, x, constant(m, 0)), z, one), add(m, one, z));
}
