/* power.c -- pow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

/* log2 of a >= 0 in f64, to 2^-35 of itself; -inf at 0, inf at inf. */
static expr log2_double(const maker *m, expr a) {
  /* log2(1 + f) / f */
  static const double c[] = {1.4426950408687036,  -0.7213475208688324,  0.48089836139494496, -0.36067367481188484,
                             0.28853729351643903, -0.2404531665422155,  0.2061753584519893,  -0.18030057786598078,
                             0.15876980055691892, -0.14315671975761343, 0.1447486656293318,  -0.1428382660626897,
                             0.07736886564595225};
  expr f, infinity = constant(m, INFINITY);
  expr k = to_f64(m, tni_math_split_exponent(m, a, &f));
  expr g = to_f64(m, f);
  expr value = fused(m, POLYNOMIAL(m, c, g), g, k);
  expr edge = choose(m, equal(m, a, infinity), constant64(m, INFINITY), value);
  return choose(m, equal(m, a, constant(m, 0)), constant64(m, -INFINITY), edge);
}

/* 2^z of an f64 as f32, rounded once; error below 2^-29. */
static expr exp2_single(const maker *m, expr z) {
  static const double c[] = {1.0000000005550704,   0.6931472057670629,    0.24022646885911886,   0.05550328711927786,
                             0.009618489262611371, 0.0013399957587501461, 0.00015345784065226575};
  expr low = constant64(m, -400), high = constant64(m, 400), magic = constant64(m, MAGIC64);
  z = choose(m, less(m, z, low), low, z);
  z = choose(m, less(m, high, z), high, z);
  expr shifted = add(m, z, magic);
  expr r = sub(m, z, sub(m, shifted, magic));
  expr n = shift_left(m, tni_reinterpret(m->r, wide(m, TN_I64), shifted), integer64(m, 52));
  expr scale = tni_reinterpret(m->r, wide(m, TN_F64), add(m, n, integer64(m, INT64_C(0x3ff) << 52)));
  return to_f32(m, mul(m, POLYNOMIAL(m, c, r), scale));
}

/* Is y an integer (inf counts as an even one)? *odd tells an odd one. */
static expr is_integer(const maker *m, expr y, expr *odd) {
  expr half = mul(m, y, constant(m, 0.5));
  expr whole = equal(m, tni_op1(m->r, TN_OP_trunc, y), y);
  *odd = both(m, whole, unequal(m, tni_op1(m->r, TN_OP_trunc, half), half));
  return whole;
}

expr tni_math_pow(const maker *m, expr x, expr y) {
  expr one = constant(m, 1), zero = constant(m, 0), nan = constant(m, NAN), odd;
  expr a = magnitude(m, x);
  expr size = exp2_single(m, mul(m, log2_double(m, a), to_f64(m, y)));
  size = choose(m, equal(m, a, one), one, size); /* also for y = inf */
  expr whole = is_integer(m, y, &odd);
  expr sign = choose(m, odd, sign_of(m, x), integer(m, 0));
  expr value = flip_sign(m, size, sign);
  expr negative = both(m, less(m, x, zero), less(m, constant(m, -INFINITY), x));
  value = choose(m, both(m, negative, tni_op1(m->r, TN_OP_not, whole)), nan, value);
  value = choose(m, either(m, unequal(m, x, x), unequal(m, y, y)), nan, value);
  return choose(m, either(m, equal(m, y, zero), equal(m, x, one)), one, value);
}
