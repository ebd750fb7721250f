/* logarithm.c -- log.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

expr tni_math_split_exponent(const maker *m, expr x, expr *f) {
  expr root = integer(m, 0x3f3504f3); /* sqrt(1/2) */
  expr tiny = less(m, x, constant(m, 0x1p-126));
  expr normal = choose(m, tiny, mul(m, x, constant(m, 0x1p23)), x);
  expr i = sub(m, bits_of(m, normal), root);
  expr mantissa = float_of(m, add(m, both(m, i, integer(m, 0x7fffff)), root));
  *f = sub(m, mantissa, constant(m, 1));
  expr k = to_f32(m, tni_op2(m->r, TN_OP_shr, i, integer(m, 23)));
  return add(m, k, choose(m, tiny, constant(m, -23), constant(m, 0)));
}

expr tni_math_log(const maker *m, expr x) {
  /* (log(1 + f) - f + f^2 / 2) / f^3, error below 2^-27 of log(1 + f) */
  static const double p[] = {0x1.555554p-2, -0x1.000226p-2, 0x1.99a01ap-3, -0x1.547288p-3,
                             0x1.22d96ep-3, -0x1.0d82a4p-3, 0x1.055ce8p-3, -0x1.38c2a6p-4};
  expr f, infinity = constant(m, INFINITY), zero = constant(m, 0);
  expr k = tni_math_split_exponent(m, x, &f);
  expr high = fused(m, k, constant(m, LN2_HIGH), f);
  expr lost = sub(m, f, sub(m, high, mul(m, k, constant(m, LN2_HIGH))));
  expr rest = fused(m, POLYNOMIAL(m, p, f), f, constant(m, -0.5));
  rest = fused(m, rest, mul(m, f, f), mul(m, k, constant(m, LN2_LOW)));
  expr value = add(m, high, add(m, lost, rest));
  expr edge = choose(m, equal(m, x, zero), constant(m, -INFINITY), constant(m, NAN));
  return choose(m, less(m, zero, x), choose(m, less(m, x, infinity), value, x), edge);
}
