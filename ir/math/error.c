/* error.c -- the error function.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

expr tni_math_erf(const maker *m, expr x) {
  /* erf(a) / a - 1 in a^2, error below 2^-30 */
  static const double near[] = {0x1.06eba8p-3, -0x1.812740p-2,  0x1.ce2d64p-4, -0x1.b801200p-6,
                                0x1.544aacp-8, -0x1.a612d6p-11, 0x1.4f90e6p-14};
  /* -log2(1 - erf(a)), error below 2^-29 of erf */
  static const double far[] = {0x1.27ffdep-12, 0x1.a07cp+0,   0x1.d6a93p-1,   0x1.3314aap-3,
                               -0x1.06b0eep-5, 0x1.1fbc12p-8, -0x1.286ab4p-12};
  /* 2^r, error below 2^-22, of which 1 - erf is a sixth at most */
  static const double power[] = {0x1.000002p+0, 0x1.62e432p-1, 0x1.ebf866p-3,
                                 0x1.c6add4p-5, 0x1.3d3662p-7, 0x1.5fa382p-10};
  expr one = constant(m, 1);
  expr a = at_most(m, magnitude(m, x), 4); /* erf(4) rounds to 1 */
  expr inner = fused(m, POLYNOMIAL(m, near, mul(m, a, a)), a, a);
  expr exponent = tni_op1(m->r, TN_OP_neg, POLYNOMIAL(m, far, a));
  expr shifted = add(m, exponent, constant(m, MAGIC));
  expr r = sub(m, exponent, sub(m, shifted, constant(m, MAGIC)));
  expr tail = mul(m, POLYNOMIAL(m, power, r), tni_math_power_of_two(m, bits_of(m, shifted)));
  expr value = choose(m, less(m, a, constant(m, 0.93)), inner, sub(m, one, tail));
  return flip_sign(m, value, sign_of(m, x));
}
