/* hyperbolic.c -- sinh, cosh and tanh, and their inverses.
 *
 *     sinh(n ln 2 + r) = sinh(n ln 2) cosh r + cosh(n ln 2) sinh r        and cosh alike
 *     tanh a  = e / (e + 2)                  with e = exp(2a) - 1
 *     asinh a = log1p(a + a^2 / (1 + sqrt(1 + a^2)))
 *     acosh x = log1p(t + sqrt(2t + t^2))    with t = x - 1
 *     atanh a = log1p(2a / (1 - a)) / 2
 *
 * a is |x|. asinh and acosh of a large number are its logarithm and ln 2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

/* 2 (own + (own (cosh r - 1) + other sinh r)): half of cosh |x| from own = cosh(n ln 2) / 2 and other = sinh(n ln 2) / 2, and the
 * other way round for sinh. Halves, because the whole may be inf. */
static expr hyperbola(const maker *m, expr x, bool want_sinh) {
  /* (sinh r / r - 1) / r^2 and (cosh r - 1) / r^2 in r^2; errors below 2^-32 and 2^-63 */
  static const double s32[] = {0x1.555556p-3, 0x1.110f8ap-7, 0x1.a35d58p-13};
  static const double s64[] = {0x1.5555555555555p-3,  0x1.1111111111484p-7,  0x1.a01a019d9a435p-13,
                               0x1.71de4629d1c75p-19, 0x1.ae334c17f66bap-26, 0x1.ab4fa8c464f2cp-33};
  static const double c32[] = {0x1p-1, 0x1.5555p-5, 0x1.6d30dap-10};
  static const double c64[] = {0x1p-1,
                               0x1.5555555555556p-5,
                               0x1.6c16c16c15fdbp-10,
                               0x1.a01a01a82e1d8p-16,
                               0x1.27e4d7cef0514p-22,
                               0x1.1f797d022d43fp-29};
  expr a = at_most(m, magnitude(m, x), either_constant(m, 89.5, 710.5)), low, n_bits;
  expr r = tni_math_reduce_exp(m, a, &low, &n_bits), z = mul(m, r, r);
  expr cubic = mul(m, POLYNOMIAL(m, s, z), z), cosh_less_1 = mul(m, POLYNOMIAL(m, c, z), z);
  expr sinh_r = is_zero(m, low) ? fused(m, cubic, r, r) : add(m, r, fused(m, cubic, r, low));
  expr up = tni_math_power_of_two(m, sub(m, n_bits, integer(m, 2))); /* e^(n ln 2) / 4 */
  /* e^(-n ln 2) / 4, which is nothing to `up` from n = 60 on */
  expr bounded = tni_op2(m->r, TN_OP_min, n_bits, add(m, as_integer(m, rounder(m)), integer(m, 60)));
  expr down = tni_math_power_of_two(m, sub(m, integer(m, -2), bounded));
  expr sum = add(m, up, down), difference = sub(m, up, down);
  expr own = want_sinh ? difference : sum, other = want_sinh ? sum : difference;
  expr half = add(m, own, fused(m, own, cosh_less_1, mul(m, other, sinh_r)));
  return add(m, half, half);
}

expr tni_math_sinh(const maker *m, expr x) {
  return tni_math_unless_tiny(m, x, signed_as(m, hyperbola(m, x, true), x));
}
expr tni_math_cosh(const maker *m, expr x) { return hyperbola(m, x, false); }

expr tni_math_tanh(const maker *m, expr x) {
  expr a = at_most(m, magnitude(m, x), either_constant(m, 10, 20)), low, n_bits; /* their tanh rounds to 1 */
  expr r = tni_math_reduce_exp(m, add(m, a, a), &low, &n_bits), p = tni_math_exp_rest(m, r, low);
  expr scale = tni_math_power_of_two(m, n_bits);
  expr e = fused(m, p, scale, sub(m, scale, constant(m, 1)));
  return signed_as(m, quotient(m, e, add(m, e, constant(m, 2))), x);
}

/* log1p(small), or log(2 large) where `large` is so large that 1 is nothing to its square. */
static expr log_of_sum(const maker *m, expr small, expr large) {
  expr one = constant(m, 1), is_large = less(m, either_constant(m, 0x1p13, 0x1p28), large);
  expr value = tni_math_log1p(m, choose(m, is_large, sub(m, large, one), small));
  return add(m, value, choose(m, is_large, constant(m, 0x1.62e42fefa39efp-1), constant(m, 0)));
}

expr tni_math_asinh(const maker *m, expr x) {
  expr a = magnitude(m, x), one = constant(m, 1);
  expr hypotenuse = root(m, fused(m, a, a, one));
  expr small = add(m, a, quotient(m, mul(m, a, a), add(m, one, hypotenuse)));
  return signed_as(m, log_of_sum(m, small, a), x);
}

expr tni_math_acosh(const maker *m, expr x) {
  expr one = constant(m, 1), t = sub(m, x, one);
  expr value = log_of_sum(m, add(m, t, root(m, fused(m, t, t, add(m, t, t)))), x);
  return choose(m, less(m, x, one), constant(m, NAN), value);
}

expr tni_math_atanh(const maker *m, expr x) {
  expr a = magnitude(m, x);
  expr twice = tni_math_log1p(m, quotient(m, add(m, a, a), sub(m, constant(m, 1), a)));
  return signed_as(m, mul(m, twice, constant(m, 0.5)), x);
}
