/* power.c -- pow, cbrt and rsqrt.
 *
 *     x^y = 2^(y log2 |x|), negated where x < 0 and y is odd
 *
 * On f32 in f64, rounded once; on f64 the logarithm and the product are sums of two numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

/* ---- pow on f32 ------------------------------------------------------------------------------------------------ */

/* log2 of a >= 0 (f32) in f64, to 2^-35 of itself; -inf at 0, inf at inf. */
static expr log2_in_double(const maker *m, const maker *d, expr a) {
  /* log2(1 + f) / f */
  static const double c[] = {1.4426950408687036,  -0.7213475208688324,  0.48089836139494496, -0.36067367481188484,
                             0.28853729351643903, -0.2404531665422155,  0.2061753584519893,  -0.18030057786598078,
                             0.15876980055691892, -0.14315671975761343, 0.1447486656293318,  -0.1428382660626897,
                             0.07736886564595225};
  expr f, infinity = constant(m, INFINITY);
  expr k = cast(d, d->type, tni_math_split_exponent(m, a, &f));
  expr g = cast(d, d->type, f);
  expr value = fused(d, HORNER(d, c, g), g, k);
  expr edge = choose(d, equal(m, a, infinity), constant(d, INFINITY), value);
  return choose(d, equal(m, a, constant(m, 0)), constant(d, -INFINITY), edge);
}

/* 2^z of an f64 as f32, rounded once; error below 2^-29. */
static expr exp2_of_double(const maker *m, const maker *d, expr z) {
  static const double c[] = {1.0000000005550704,   0.6931472057670629,    0.24022646885911886,   0.05550328711927786,
                             0.009618489262611371, 0.0013399957587501461, 0.00015345784065226575};
  z = at_most(d, at_least(d, z, constant(d, -400)), constant(d, 400));
  expr shifted = add(d, z, rounder(d));
  expr r = sub(d, z, sub(d, shifted, rounder(d)));
  return cast(m, m->type, mul(d, HORNER(d, c, r), tni_math_power_of_two(d, as_integer(d, shifted))));
}

static expr power_of_single(const maker *m, expr a, expr y) {
  maker d = in_double(m);
  return exp2_of_double(m, &d, mul(&d, log2_in_double(m, &d, a), cast(&d, d.type, y)));
}

/* ---- pow on f64 ------------------------------------------------------------------------------------------------ */

/* A number of twice the digits: the sum of both, of which `low` is below half a unit of `high`, or nearly. */
typedef struct pair {
  expr high, low;
} pair;

static pair product(const maker *m, expr a, expr b) {
  expr high = mul(m, a, b);
  return (pair){high, fused(m, a, b, negate(m, high))};
}
/* With |a| >= |b|, or a = 0. */
static pair sum(const maker *m, expr a, expr b) {
  expr high = add(m, a, b);
  return (pair){high, sub(m, b, sub(m, high, a))};
}
static pair product_of_pairs(const maker *m, pair a, pair b) {
  pair p = product(m, a.high, b.high);
  p.low = fused(m, a.high, b.low, fused(m, a.low, b.high, p.low));
  return p;
}
static pair sum_of_pairs(const maker *m, pair a, pair b) {
  pair s = sum(m, a.high, b.high);
  s.low = add(m, s.low, add(m, a.low, b.low));
  return s;
}
static pair constant_pair(const maker *m, double high, double low) {
  return (pair){constant(m, high), constant(m, low)};
}

/* log2 of a finite a > 0, to 2^-65 of itself: k + A s + B s^3 + s^5 T(s^2) with s = f / (2 + f). */
static pair log2_in_pair(const maker *m, expr a) {
  /* the rest of 2 atanh(s) / ln 2 in s^2, error below 2^-71 of the logarithm */
  static const double t[] = {0x1.2776c50ef9bfep-1, 0x1.a61762a7ae41fp-2, 0x1.484b13d735a5ap-2, 0x1.0c9a85003aac2p-2,
                             0x1.c68f04d8d9245p-3, 0x1.8a06270c03542p-3, 0x1.593a669ac6a9cp-3, 0x1.604285882ccfep-3};
  expr f, k = tni_math_split_exponent(m, a, &f), two = constant(m, 2), zero = constant(m, 0);
  expr d = add(m, two, f), d_low = sub(m, f, sub(m, d, two));
  expr inverse_of_d = quotient(m, constant(m, 1), d);
  pair s = {mul(m, f, inverse_of_d), NULL};
  expr rest = fused(m, negate(m, s.high), d, f);
  s.low = mul(m, fused(m, negate(m, s.high), d_low, rest), inverse_of_d);
  pair z = product_of_pairs(m, s, s), cube = product_of_pairs(m, z, s);
  expr tail = mul(m, HORNER(m, t, z.high), mul(m, z.high, cube.high));
  pair first = product_of_pairs(m, s, constant_pair(m, 0x1.71547652b82fep1, 0x1.777d0ffda0d24p-55));
  pair second = product_of_pairs(m, cube, constant_pair(m, 0x1.ec709dc3a03fdp-1, 0x1.d27f05548af0cp-55));
  second = sum_of_pairs(m, second, (pair){tail, constant(m, 0)});
  return sum_of_pairs(m, (pair){k, zero}, sum_of_pairs(m, first, second));
}

/* 2^(z.high + z.low) for z.high in -1100..1100. */
static expr exp2_of_pair(const maker *m, pair z) {
  expr shifted = add(m, z.high, rounder(m));
  expr r = sub(m, z.high, sub(m, shifted, rounder(m)));
  pair v = product(m, r, constant(m, 0x1.62e42fefa39efp-1));
  v.low = fused(m, r, constant(m, 0x1.abc9e3b39803fp-56), fused(m, z.low, constant(m, 0x1.62e42fefa39efp-1), v.low));
  expr one = constant(m, 1), p = tni_math_exp_rest(m, v.high, constant(m, 0));
  p = fused(m, v.low, add(m, one, p), p); /* e^low is 1 + low */
  return tni_math_scale(m, add(m, one, p), as_integer(m, shifted));
}

/* A y beyond 2^65 gives 0 or inf as 2^65 does: log2 of the a next to 1 is 2^-53. */
static expr power_of_double(const maker *m, expr a, expr y) {
  expr zero = constant(m, 0), infinity = constant(m, INFINITY), limit = constant(m, 1100);
  expr bounded = at_most(m, at_least(m, y, constant(m, -0x1p65)), constant(m, 0x1p65));
  pair z = product_of_pairs(m, log2_in_pair(m, a), (pair){bounded, zero});
  expr inside = less(m, magnitude(m, z.high), limit);
  z.low = choose(m, inside, z.low, zero);
  z.high = at_most(m, at_least(m, z.high, negate(m, limit)), limit);
  expr up = less(m, zero, y), value = exp2_of_pair(m, z);
  value = choose(m, equal(m, a, infinity), choose(m, up, infinity, zero), value);
  return choose(m, equal(m, a, zero), choose(m, up, zero, infinity), value);
}

/* ---- pow ------------------------------------------------------------------------------------------------------- */

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
  expr size = is_double(m) ? power_of_double(m, a, y) : power_of_single(m, a, y);
  size = choose(m, equal(m, a, one), one, size); /* also for y = inf */
  expr whole = is_integer(m, y, &odd);
  expr sign = choose(m, odd, sign_of(m, x), integer(m, 0));
  expr value = flip_sign(m, size, sign);
  expr negative = both(m, less(m, x, zero), less(m, constant(m, -INFINITY), x));
  value = choose(m, both(m, negative, inverse(m, whole)), nan, value);
  value = choose(m, either(m, unequal(m, x, x), unequal(m, y, y)), nan, value);
  return choose(m, either(m, equal(m, y, zero), equal(m, x, one)), one, value);
}

/* ---- roots ----------------------------------------------------------------------------------------------------- */

expr tni_math_rsqrt(const maker *m, expr x) { return quotient(m, constant(m, 1), root(m, x)); }

/* A third of the bits of a positive number; on f64 of their upper half, which is enough. */
static expr third_of_bits(const maker *m, expr a) {
  if (!is_double(m)) return quotient(m, as_integer(m, a), integer(m, 3));
  expr upper = right(m, as_integer(m, a), integer(m, 32));
  return both(m, mul(m, upper, integer(m, 0x55555556)), integer(m, -(INT64_C(1) << 32)));
}

/* y = 1 / cbrt(a) from the bits of a, to 2^-5; two steps of y += y (e/3 + 2e^2/9 + 14e^3/81) with e = 1 - a y^3; then a y^2,
 * corrected by the cube's own error. */
expr tni_math_cbrt(const maker *m, expr x) {
  expr a = magnitude(m, x), tiny = less(m, a, either_constant(m, 0x1p-126, 0x1p-1022));
  a = choose(m, tiny, mul(m, a, either_constant(m, 0x1p24, 0x1p54)), a);
  expr start = integer(m, is_double(m) ? INT64_C(0x553ef0ff00000000) : 0x54a2fa8c);
  expr y = as_number(m, sub(m, start, third_of_bits(m, a)));
  for (int i = 0; i < 2; i++) {
    expr e = fused(m, negate(m, mul(m, a, y)), mul(m, y, y), constant(m, 1));
    expr step = fused(m, fused(m, constant(m, 14.0 / 81), e, constant(m, 2.0 / 9)), e, constant(m, 1.0 / 3));
    y = fused(m, mul(m, step, e), y, y);
  }
  expr c = mul(m, a, mul(m, y, y)), square = mul(m, c, c);
  expr excess = fused(m, square, c, negate(m, a)), slope = mul(m, mul(m, y, y), constant(m, 1.0 / 3));
  excess = fused(m, fused(m, c, c, negate(m, square)), c, excess);
  c = fused(m, negate(m, excess), slope, c);
  c = choose(m, tiny, mul(m, c, either_constant(m, 0x1p-8, 0x1p-18)), c);
  expr finite = both(m, less(m, constant(m, 0), magnitude(m, x)), less(m, magnitude(m, x), constant(m, INFINITY)));
  return choose(m, finite, signed_as(m, c, x), x);
}
