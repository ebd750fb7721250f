/* trigonometric.c -- sin, cos and tan.
 *
 *     x = (n + r) pi/2                    |r| <= 1/2 and a little, n counted modulo 4
 *     sin x, cos x = +-sin, +-cos of the rest, by the last two bits of n
 *
 * f32 is computed in f64 and rounded once, for every finite x: 2/pi is taken without the bits that only add whole turns
 * to x, of which there are the more the larger x is. f64 is reduced by pi/2 in three parts, which is enough up to 2^50;
 * from there upwards sin is 0 and cos is 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "maker.h"

/* sin and cos of the rest, f64, and the number of quarter turns in the low bits of an integer. */
typedef struct turn {
  expr sine, cosine, quadrant;
} turn;

/* ---- f32 ------------------------------------------------------------------------------------------------------- */

/* 2/pi in two parts, without multiples of 2^(25-s) in the class of 2^s <= x: x is a multiple of 2^(s-23). */
static const struct {
  double from, high, low;
} two_over_pi[] = {
    {0, 0x1.45f306dc9c883p-1, -0x1.6b01ec5417056p-55},
    {0x1p50, -0x1.1b1bbead603d9p-28, 0x1.5f47d4d377037p-82},
    {0x1p76, -0x1.5ac07b1505c16p-53, 0x1.a6ee06db14acdp-107},
    {0x1p102, -0x1.505c1596447e5p-81, 0x1.b14acc9e21c82p-135},
};

/* a (f32) times 2/pi as r quarter turns and a whole number of them. Within a class of 26 exponents the number stays
 * below 2^51, the difference is exact, and the low part adds 1/16 at most. */
static expr reduce_in_quarters(const maker *d, expr a, expr *quadrant) {
  expr high = constant(d, two_over_pi[0].high), low = constant(d, two_over_pi[0].low);
  for (size_t i = 1; i < TNI_COUNT(two_over_pi); i++) {
    expr below = less(d, a, number(d, like(d, TN_F32), two_over_pi[i].from));
    high = choose(d, below, high, constant(d, two_over_pi[i].high));
    low = choose(d, below, low, constant(d, two_over_pi[i].low));
  }
  expr x = cast(d, d->type, a);
  expr shifted = fused(d, x, high, rounder(d));
  *quadrant = as_integer(d, shifted);
  return fused(d, x, low, fused(d, x, high, negate(d, sub(d, shifted, rounder(d)))));
}

static turn turn_of_single(const maker *m, const maker *d, expr x) {
  /* sin(r pi/2) / r and cos(r pi/2) in r^2; relative errors below 2^-35 and 2^-41 */
  static const double s[] = {0x1.921fb5442814p0, -0x1.4abbce4253812p-1, 0x1.466badb4e86dep-4, -0x1.32c5561a5a5dap-8,
                             0x1.4a77b464e7991p-13};
  static const double c[] = {0x1.ffffffffff59ap-1, -0x1.3bd3cc9b9f951p0,  0x1.03c1f05c29d91p-2,
                             -0x1.55d3a98e0790dp-6, 0x1.e1deaf5d9ae35p-11, -0x1.9f2f5039a6dc7p-16};
  turn t;
  expr r = reduce_in_quarters(d, magnitude(m, x), &t.quadrant), z = mul(d, r, r);
  t.sine = mul(d, HORNER(d, s, z), r);
  t.cosine = HORNER(d, c, z);
  return t;
}

/* ---- f64 ------------------------------------------------------------------------------------------------------- */

/* a - n pi/2 as r + *low, for 0 <= a < 2^50. The first difference is exact: a multiple of 2^-53 below 1, or of what a is a
 * multiple of. The product with the second part is taken in two, and their sum keeps what it loses. */
static expr reduce_by_half_pi(const maker *m, expr a, expr *low, expr *quadrant) {
  expr second = constant(m, 0x1.1a62633145c07p-54);
  expr shifted = fused(m, a, constant(m, 0x1.45f306dc9c883p-1), rounder(m));
  expr n = sub(m, shifted, rounder(m));
  expr first = fused(m, n, constant(m, -0x1.921fb54442d18p0), a);
  expr product = mul(m, n, second), product_low = fused(m, n, second, negate(m, product));
  expr r = sub(m, first, product), part = sub(m, r, first);
  expr lost = sub(m, sub(m, first, sub(m, r, part)), add(m, product, part));
  *low = fused(m, n, constant(m, 0x1.f1976b7ed8fbcp-110), sub(m, lost, product_low));
  *quadrant = as_integer(m, shifted);
  return r;
}

static turn turn_of_double(const maker *m, expr x) {
  /* (sin r / r - 1) / r^2 and (cos r - 1 + r^2 / 2) / r^4 in r^2; errors below 2^-60 */
  static const double s[] = {-0x1.5555555555555p-3, 0x1.111111111101ep-7,  -0x1.a01a019fe88bap-13, 0x1.71de3a104913bp-19,
                             -0x1.ae63f827062fep-26, 0x1.60e5f05e5b2dap-33, -0x1.8d694e7b3766cp-41};
  static const double c[] = {0x1.5555555555555p-5,  -0x1.6c16c16c168cap-10, 0x1.a01a019f3823fp-16,
                             -0x1.27e4fa02af779p-22, 0x1.1eeb578692166p-29,  -0x1.907340f51a304p-37};
  turn t;
  expr a = magnitude(m, x), one = constant(m, 1), low;
  expr huge = choose(m, less(m, a, constant(m, INFINITY)), constant(m, 0), constant(m, NAN));
  expr r = reduce_by_half_pi(m, choose(m, less(m, a, constant(m, 0x1p50)), a, huge), &low, &t.quadrant);
  expr z = mul(m, r, r), half = mul(m, z, constant(m, 0.5)), about = sub(m, one, half);
  t.sine = add(m, r, fused(m, mul(m, HORNER(m, s, z), z), r, mul(m, low, about)));
  expr rest = fused(m, mul(m, z, z), HORNER(m, c, z), negate(m, mul(m, r, low)));
  t.cosine = add(m, about, add(m, sub(m, sub(m, one, about), half), rest));
  return t;
}

/* ---- the operators --------------------------------------------------------------------------------------------- */

static turn turn_of(const maker *m, const maker *d, expr x) {
  return is_double(m) ? turn_of_double(m, x) : turn_of_single(m, d, x);
}

static expr is_odd(const maker *d, expr quadrant) {
  return unequal(d, both(d, quadrant, integer(d, 1)), integer(d, 0));
}

/* sin(|x| + first * pi/2): the sign bit is the second of the quadrant. */
static expr wave(const maker *m, expr x, int first) {
  maker d = in_double(m);
  turn t = turn_of(m, &d, x);
  expr quadrant = add(&d, t.quadrant, integer(&d, first));
  expr value = choose(&d, is_odd(&d, quadrant), t.cosine, t.sine);
  expr sign = shift_left(&d, both(&d, quadrant, integer(&d, 2)), 62);
  return cast(m, m->type, flip_sign(&d, value, sign));
}

expr tni_math_sin(const maker *m, expr x) { return signed_as(m, wave(m, x, 0), x); }
expr tni_math_cos(const maker *m, expr x) { return wave(m, x, 1); }

expr tni_math_tan(const maker *m, expr x) {
  maker d = in_double(m);
  turn t = turn_of(m, &d, x);
  expr odd = is_odd(&d, t.quadrant);
  expr top = choose(&d, odd, negate(&d, t.cosine), t.sine), bottom = choose(&d, odd, t.sine, t.cosine);
  return signed_as(m, cast(m, m->type, quotient(&d, top, bottom)), x);
}
