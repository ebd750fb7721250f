/* arc.c -- asin, acos, atan and atan2.
 *
 *     asin a = a + a^3 P(a^2)                        a <= 1/2
 *            = pi/2 - 2 asin(sqrt((1 - a) / 2))      above
 *     atan(p / q) = t + t^3 P(t^2)                   t = p / q <= tan(pi/8)
 *            = pi/4 + atan((p - q) / (p + q))        up to tan(3 pi/8)
 *            = pi/2 + atan(-q / p)                   above
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

#define HALF_PI 0x1.921fb54442d18p0
/* What HALF_PI leaves of pi/2, rounded to each type. */
static expr half_pi_low(const maker *m) { return either_constant(m, -0x1.777a5cp-25, 0x1.1a62633145c07p-54); }

/* asin of |x|, or of sqrt((1 - |x|) / 2) where |x| > 1/2: *is_high tells. */
static expr arc_of_part(const maker *m, expr x, expr *is_high) {
  /* (asin a / a - 1) / a^2 in a^2; errors below 2^-30 and 2^-58 of asin */
  static const double p32[] = {0x1.555554p-3, 0x1.3334cep-4, 0x1.6d3e6ap-5, 0x1.ffbf34p-6, 0x1.0fe1b2p-6, 0x1.1acb92p-5};
  static const double p64[] = {0x1.5555555555556p-3,  0x1.3333333332d9ep-4, 0x1.6db6db6e48dffp-5, 0x1.f1c71c1187edcp-6,
                               0x1.6e8bb383c0f08p-6,  0x1.1c4d0fc1b6611p-6, 0x1.c9d336dfb8093p-7, 0x1.77ff42ab33e23p-7,
                               0x1.5336524f21216p-7,  0x1.5dc12cbf2be13p-8, 0x1.224dcb39fe444p-6, -0x1.f6744bcd118afp-7,
                               0x1.dc69054313cd5p-6};
  expr a = magnitude(m, x);
  *is_high = less(m, constant(m, 0.5), a);
  expr reduced = fused(m, a, constant(m, -0.5), constant(m, 0.5));
  expr z = choose(m, *is_high, reduced, mul(m, a, a));
  expr part = choose(m, *is_high, root(m, reduced), a);
  return fused(m, mul(m, POLYNOMIAL(m, p, z), z), part, part);
}

expr tni_math_asin(const maker *m, expr x) {
  expr is_high, arc = arc_of_part(m, x, &is_high);
  expr high = add(m, sub(m, constant(m, HALF_PI), add(m, arc, arc)), half_pi_low(m));
  return signed_as(m, choose(m, is_high, high, arc), x);
}

/* pi/2 - asin x; 2 asin(...) above 1/2; pi - 2 asin(...) below -1/2. */
expr tni_math_acos(const maker *m, expr x) {
  expr is_high, arc = arc_of_part(m, x, &is_high), twice = add(m, arc, arc);
  expr low = sub(m, constant(m, HALF_PI), sub(m, signed_as(m, arc, x), half_pi_low(m)));
  expr low_of_two = add(m, half_pi_low(m), half_pi_low(m));
  expr negative = sub(m, constant(m, 2 * HALF_PI), sub(m, twice, low_of_two));
  expr high = choose(m, less(m, x, constant(m, 0)), negative, twice);
  return choose(m, is_high, high, low);
}

/* atan(p / q) for p, q >= 0, not both 0 and not both inf. */
static expr arc_of_quotient(const maker *m, expr p, expr q) {
  /* (atan t / t - 1) / t^2 in t^2; errors below 2^-28 and 2^-63 of atan */
  static const double p32[] = {-0x1.555554p-2, 0x1.999714p-3, -0x1.241eap-3, 0x1.b80038p-4, -0x1.082ca8p-4};
  static const double p64[] = {-0x1.5555555555555p-2, 0x1.9999999999815p-3,  -0x1.2492492481cbep-3,
                               0x1.c71c71bca8eaep-4,  -0x1.745d15680755cp-4, 0x1.3b137c240395fp-4,
                               -0x1.110d2f18fa6c8p-4, 0x1.e17f3cbf8f697p-5,  -0x1.abcc3d95a56bbp-5,
                               0x1.72169dbe3710ap-5,  -0x1.14bd80caef62ep-5, 0x1.fb81f769ab5efp-7};
  expr high = less(m, mul(m, q, constant(m, 0x1.3504f333f9de6p1)), p);         /* q tan(3 pi/8) */
  expr middle = less(m, mul(m, q, constant(m, 0x1.a827999fcef32p-2)), p);      /* q tan(pi/8) */
  expr top = choose(m, high, negate(m, q), choose(m, middle, sub(m, p, q), p));
  expr bottom = choose(m, high, p, choose(m, middle, add(m, p, q), q));
  expr t = quotient(m, top, bottom), z = mul(m, t, t);
  expr rest = mul(m, mul(m, POLYNOMIAL(m, p, z), z), t);
  expr low = choose(m, high, half_pi_low(m), mul(m, half_pi_low(m), constant(m, 0.5)));
  expr base = choose(m, high, constant(m, HALF_PI), constant(m, HALF_PI / 2));
  return choose(m, middle, add(m, base, add(m, t, add(m, rest, low))), add(m, t, rest));
}

expr tni_math_atan(const maker *m, expr x) {
  return signed_as(m, arc_of_quotient(m, magnitude(m, x), constant(m, 1)), x);
}

/* The angle of the point (x, y): `y` is the first operand, as in C. */
expr tni_math_atan2(const maker *m, expr y, expr x) {
  expr infinity = constant(m, INFINITY), one = constant(m, 1), zero = constant(m, 0);
  expr p = magnitude(m, y), q = magnitude(m, x);
  expr infinite = both(m, equal(m, p, infinity), equal(m, q, infinity));
  expr origin = both(m, equal(m, p, zero), equal(m, q, zero));
  /* no sum may overflow: p and q are made smaller where they are large; what becomes 0 by that is nothing to the other */
  expr large = either_constant(m, 0x1p100, 0x1p1000), shrink = either_constant(m, 0x1p-8, 0x1p-8);
  expr factor = choose(m, either(m, less(m, large, p), less(m, large, q)), shrink, one);
  p = choose(m, infinite, one, mul(m, p, factor));
  q = choose(m, either(m, infinite, origin), one, mul(m, q, factor));
  expr arc = arc_of_quotient(m, p, q);
  expr beyond = sub(m, constant(m, 2 * HALF_PI), sub(m, arc, add(m, half_pi_low(m), half_pi_low(m))));
  expr left = unequal(m, sign_of(m, x), integer(m, 0));
  return signed_as(m, choose(m, left, beyond, arc), y);
}
