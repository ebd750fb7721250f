/* hyperbolic.c -- tanh.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

expr tni_math_tanh(const maker *m, expr x) {
  /* (e^r - 1 - r) / r^2, error below 2^-31 of e^r - 1 */
  static const double q[] = {0x1p-1, 0x1.555554p-3, 0x1.5554f8p-5, 0x1.1112d6p-7, 0x1.6d3a5ep-10, 0x1.9e77eep-13};
  expr n_bits;
  expr a = at_most(m, magnitude(m, x), 10); /* tanh(10) rounds to 1 */
  expr r = tni_math_reduce_exp(m, add(m, a, a), &n_bits);
  expr p = fused(m, POLYNOMIAL(m, q, r), mul(m, r, r), r);
  expr scale = tni_math_power_of_two(m, n_bits);
  expr e = fused(m, p, scale, sub(m, scale, constant(m, 1)));
  return flip_sign(m, divide(m, e, add(m, e, constant(m, 2))), sign_of(m, x));
}
