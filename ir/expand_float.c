/* expand_float.c -- default expansions on floating point that need more than a line.
 *
 *     trunc    the float of the integer; from 2^(p - 1) upwards all are integers
 *     round    |x| + 2^(p - 1) - 2^(p - 1)
 *     min      compare and select; zeros by the or of their bits (max: and)
 *     fma      f64: product and sum without error as two and three parts, the rest rounded to odd; others: through f64
 *     ldexp    the power in three steps, of which only the last can round
 *     fmod     long division: m 2^k mod n by squaring, in integers
 *
 * Sources: T. J. Dekker, A floating-point technique for extending the available precision (1971): the exact product.
 * D. E. Knuth, The Art of Computer Programming 2, 4.2.2: the exact sum. S. Boldo, G. Melquiond, Emulation of a FMA and
 * correctly rounded sums: proved algorithms using rounding to odd (2008): the fma, here with operands scaled so that
 * nothing overflows or is lost, and with one more step for results below the normal numbers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <math.h>

#include "expand.h"

/* ---- parts of a number ----------------------------------------------------------------------------------------- */

static int fraction_bits(const maker *m) { return bits_of(m) == 64 ? 52 : 23; }
static int bias(const maker *m) { return bits_of(m) == 64 ? 1023 : 127; }
static expr real(const maker *m, double value) { return number(m, m->type, value); }
static expr whole(const maker *m, int64_t value) { return pattern(m, signed_of(m), (uint64_t)value); }
static expr raw(const maker *m, expr a) { return as(m, signed_of(m), a); }
static expr cooked(const maker *m, expr bits) { return as(m, m->type, bits); }

static expr magnitude(const maker *m, expr a) { return tni_op1(m->r, TN_OP_abs, a); }
static expr is_finite(const maker *m, expr a) { return less(m, magnitude(m, a), real(m, INFINITY)); }
static expr sign_mask(const maker *m) { return pattern(m, signed_of(m), UINT64_C(1) << (bits_of(m) - 1)); }

/* |a| with the sign of b. */
static expr with_sign(const maker *m, expr a, expr b) {
  return cooked(m, either(m, raw(m, magnitude(m, a)), both(m, raw(m, b), sign_mask(m))));
}

/* 2^e for an integer e in the range of the normal numbers. */
static expr power_of_two(const maker *m, expr e) {
  return cooked(m, left(m, add(m, e, whole(m, bias(m))), whole(m, fraction_bits(m))));
}

/* The exponent field of a number that is not negative. */
static expr exponent_field(const maker *m, expr a) { return right(m, raw(m, a), whole(m, fraction_bits(m))); }

/* ---- rounding to integers -------------------------------------------------------------------------------------- */

static expr cut(const maker *m, expr a, expr limit) {
  expr size = cast(m, m->type, cast(m, signed_of(m), magnitude(m, a)));
  return choose(m, less(m, magnitude(m, a), limit), with_sign(m, size, a), a);
}

expr tni_expand_rounding(const maker *m, enum tn_op op, expr a) {
  expr limit = real(m, ldexp(1, fraction_bits(m))), one = real(m, 1);
  if (op == TN_OP_round) {
    expr size = sub(m, add(m, magnitude(m, a), limit), limit);
    return choose(m, less(m, magnitude(m, a), limit), with_sign(m, size, a), a);
  }
  expr t = cut(m, a, limit);
  if (op == TN_OP_floor) return choose(m, less(m, a, t), sub(m, t, one), t);
  if (op == TN_OP_ceil) return choose(m, less(m, t, a), add(m, t, one), t);
  return t;
}

/* ---- min, max -------------------------------------------------------------------------------------------------- */

expr tni_expand_extreme(const maker *m, bool larger, expr a, expr b) {
  expr bits = larger ? both(m, raw(m, a), raw(m, b)) : either(m, raw(m, a), raw(m, b));
  expr other = choose(m, equal(m, a, b), cooked(m, bits), b);
  expr first = larger ? less(m, b, a) : less(m, a, b);
  return choose(m, either(m, first, unequal(m, a, a)), a, other);
}

/* ---- fma ------------------------------------------------------------------------------------------------------- */

/* a + b and what the addition lost. */
static expr two_sum(const maker *m, expr a, expr b, expr *rest) {
  expr sum = add(m, a, b), part = sub(m, sum, a);
  *rest = add(m, sub(m, a, sub(m, sum, part)), sub(m, b, part));
  return sum;
}

/* a + b rounded to odd: when inexact, the neighbour whose last bit is 1, so that rounding it to at least two bits less
 * is rounding the exact sum. Infinities stay (their rest is NaN). */
static expr add_odd(const maker *m, expr a, expr b) {
  expr rest, zero = real(m, 0), one = whole(m, 1);
  expr sum = two_sum(m, a, b, &rest), bits = raw(m, sum);
  expr up = less(m, zero, rest), inexact = either(m, up, less(m, rest, zero));
  expr even = equal(m, both(m, bits, one), whole(m, 0));
  expr odd = choose(m, equal(m, up, less(m, zero, sum)), add(m, bits, one), sub(m, bits, one));
  return cooked(m, choose(m, both(m, inexact, even), odd, bits));
}

/* a b and what the multiplication lost; no part of it may leave the normal numbers. f64. */
static expr two_product(const maker *m, expr a, expr b, expr *rest) {
  expr split = real(m, 0x1p27 + 1), g = mul(m, a, split), h = mul(m, b, split);
  expr a1 = sub(m, g, sub(m, g, a)), a2 = sub(m, a, a1);
  expr b1 = sub(m, h, sub(m, h, b)), b2 = sub(m, b, b1);
  expr product = mul(m, a, b);
  expr high = add(m, sub(m, mul(m, a1, b1), product), mul(m, a1, b2));
  *rest = add(m, add(m, high, mul(m, a2, b1)), mul(m, a2, b2));
  return product;
}

/* a = significand 2^*exponent with a significand in [1, 2) and a's sign, for finite a other than 0. f64. */
static expr split_float(const maker *m, expr a, expr *exponent) {
  expr tiny = less(m, magnitude(m, a), real(m, 0x1p-1022));
  expr normal = choose(m, tiny, mul(m, a, real(m, 0x1p54)), a);
  *exponent = sub(m, exponent_field(m, magnitude(m, normal)), choose(m, tiny, whole(m, 1023 + 54), whole(m, 1023)));
  return cooked(m, either(m, both(m, raw(m, normal), whole(m, (int64_t)0x800fffffffffffff)), raw(m, real(m, 1))));
}

static expr clamp(const maker *m, expr a, int64_t low, int64_t high) {
  a = choose(m, less(m, a, whole(m, low)), whole(m, low), a);
  return choose(m, less(m, whole(m, high), a), whole(m, high), a);
}

/* (high + low) 2^scale, rounded once. Where that is below the normal numbers, `unit` is added first, the power of two
 * whose last bit, so scaled, is that of the smallest number: this is the place to round at. */
static expr round_scaled(const maker *m, expr high, expr low, expr scale) {
  expr normal = add(m, high, low), rest;
  expr field = sub(m, whole(m, 1), scale); /* of 2^(-1022 - scale) */
  expr least = cooked(m, left(m, choose(m, less(m, field, whole(m, 0)), whole(m, 0), field), whole(m, 52)));
  expr small = less(m, magnitude(m, normal), least);
  expr unit = choose(m, small, with_sign(m, least, normal), real(m, 0));
  expr sum = two_sum(m, unit, high, &rest);
  expr rounded = sub(m, add(m, sum, add_odd(m, rest, low)), unit);
  expr half = right(m, scale, whole(m, 1));
  expr value = mul(m, mul(m, rounded, power_of_two(m, half)), power_of_two(m, sub(m, scale, half)));
  return with_sign(m, value, normal);
}

/* a b + c for finite operands other than 0. The product has 106 bits and lies in [1, 4) times 2^(i + j); c is brought
 * to that scale, or so far from it that it (or the product) only tells which way to round. */
static expr fma_of_normals(const maker *m, expr a, expr b, expr c) {
  enum { FAR = 130 };
  expr i, j, k, product_rest, sum_rest, high_rest;
  expr x = split_float(m, a, &i), y = split_float(m, b, &j), z = split_float(m, c, &k);
  expr e = add(m, i, j), distance = sub(m, k, e);
  expr scale = choose(m, less(m, whole(m, FAR), distance), sub(m, k, whole(m, FAR)), e);
  expr addend = mul(m, z, power_of_two(m, clamp(m, distance, -FAR, FAR)));
  expr product = two_product(m, x, y, &product_rest);
  expr sum = two_sum(m, addend, product_rest, &sum_rest);
  expr high = two_sum(m, product, sum, &high_rest);
  return round_scaled(m, high, add_odd(m, sum_rest, high_rest), scale);
}

static expr fma_in_f64(const maker *m, expr a, expr b, expr c) {
  expr zero = real(m, 0), product = mul(m, a, b);
  expr finite = both(m, is_finite(m, a), is_finite(m, b));
  expr nonzero = both(m, unequal(m, a, zero), unequal(m, b, zero)), alone = equal(m, c, zero);
  expr special = choose(m, both(m, finite, inverse(m, is_finite(m, c))), c, add(m, product, c));
  special = choose(m, both(m, both(m, finite, nonzero), alone), product, special);
  expr normal = both(m, both(m, finite, nonzero), both(m, is_finite(m, c), inverse(m, alone)));
  return choose(m, normal, fma_of_normals(m, a, b, c), special);
}

/* The product of two numbers of at most 24 bits is exact in f64, and a sum rounded to odd there has bits enough. */
expr tni_expand_fma(const maker *m, expr a, expr b, expr c) {
  if (bits_of(m) == 64) return fma_in_f64(m, a, b, c);
  const maker wide = {.r = m->r, .type = like(m, TN_F64), .result = like(m, TN_F64)};
  expr product = mul(m, cast(m, wide.type, a), cast(m, wide.type, b));
  return cast(m, m->type, add_odd(&wide, product, cast(m, wide.type, c)));
}

/* ---- ldexp ----------------------------------------------------------------------------------------------------- */

/* a * 2^n for a finite n. Downwards in steps that leave at least the digits of a to the last one: where a step rounds
 * already, the result is less than half of the least number. */
static expr scaled(const maker *m, expr a, expr n) {
  int digits = fraction_bits(m) + 1, down = bias(m) - 1 - digits, up = bias(m);
  for (int i = 0; i < 2; i++) {
    expr small = less(m, n, whole(m, 1 - bias(m))), large = less(m, whole(m, bias(m)), n);
    expr lower = mul(m, a, real(m, ldexp(1, -down))), higher = mul(m, a, real(m, ldexp(1, up)));
    a = choose(m, small, lower, choose(m, large, higher, a));
    n = choose(m, small, add(m, n, whole(m, down)), choose(m, large, sub(m, n, whole(m, up)), n));
  }
  return mul(m, a, power_of_two(m, n));
}

expr tni_expand_ldexp(const maker *m, expr a, expr b) {
  expr zero = real(m, 0), infinity = real(m, INFINITY), most = real(m, 2 * bias(m) + fraction_bits(m) + 1);
  expr n = tni_op1(m->r, TN_OP_floor, b), least = tni_op1(m->r, TN_OP_neg, most);
  n = choose(m, less(m, most, n), most, choose(m, less(m, n, least), least, n)); /* beyond: 0 or inf already */
  expr end = choose(m, less(m, zero, b), infinity, zero); /* 2^b of an infinite b */
  expr at_end = choose(m, unequal(m, a, a), end, mul(m, a, end));
  expr value = choose(m, is_finite(m, b), scaled(m, a, cast(m, signed_of(m), n)), at_end);
  return choose(m, unequal(m, b, b), b, value);
}

/* ---- fmod ------------------------------------------------------------------------------------------------------ */

/* The significand as an i64; *field is the exponent's (1 for subnormals, which have its scale). */
static expr integer_significand(const maker *m, expr a, expr *field) {
  expr bits = raw(m, a), e = exponent_field(m, a), hidden = whole(m, INT64_C(1) << fraction_bits(m));
  expr fraction = both(m, bits, sub(m, hidden, whole(m, 1)));
  expr tiny = equal(m, e, whole(m, 0));
  *field = choose(m, tiny, whole(m, 1), e);
  return cast(m, like(m, TN_I64), choose(m, tiny, fraction, either(m, fraction, hidden)));
}

static expr modulo(const maker *m, expr a, expr n) { return tni_op2(m->r, TN_OP_mod, a, n); }
static expr whole64(const maker *m, int64_t value) { return pattern(m, like(m, TN_I64), (uint64_t)value); }

/* a b mod n in i64. Of 24 bits the product fits. Of 53, f64 guesses the quotient to within a few; what is left then is
 * small, so that its low 64 bits tell it. */
static expr product_modulo(const maker *m, expr a, expr b, expr n) {
  tn_type f64 = like(m, TN_F64);
  if (bits_of(m) == 32) return modulo(m, mul(m, a, b), n);
  expr guess = quotient(m, mul(m, cast(m, f64, a), cast(m, f64, b)), cast(m, f64, n));
  expr left_over = sub(m, mul(m, a, b), mul(m, cast(m, like(m, TN_I64), guess), n));
  return tni_op2(m->r, TN_OP_floormod, left_over, n);
}

/* 2^k mod n: the upper bits of k are the start, each other one is a squaring, and a doubling where it is set. */
static expr power_modulo(const maker *m, expr k, expr n) {
  int steps = bits_of(m) == 64 ? 6 : 3; /* k is below 2099 or 278: the start is at most 2^34 */
  expr one = whole64(m, 1);
  expr p = modulo(m, left(m, one, right(m, k, whole64(m, steps))), n);
  for (int i = steps - 1; i >= 0; i--) {
    expr bit = both(m, right(m, k, whole64(m, i)), one);
    expr doubled = left(m, product_modulo(m, p, p, n), bit);
    p = choose(m, less(m, doubled, n), doubled, sub(m, doubled, n));
  }
  return p;
}

/* |a| = p 2^i and |b| = n 2^j with integers p, n and i >= j: the remainder is (p 2^(i - j) mod n) 2^j. */
static expr fmod_of_normals(const maker *m, expr a, expr b) {
  expr i, j;
  expr p = integer_significand(m, a, &i), n = integer_significand(m, b, &j);
  expr distance = sub(m, i, j);
  distance = choose(m, less(m, distance, whole(m, 0)), whole(m, 0), distance);
  expr power = power_modulo(m, cast(m, like(m, TN_I64), distance), n);
  expr r = cast(m, m->type, product_modulo(m, modulo(m, p, n), power, n));
  expr scale = cooked(m, left(m, j, whole(m, fraction_bits(m))));
  return mul(m, mul(m, r, real(m, ldexp(1, -fraction_bits(m)))), scale);
}

expr tni_expand_fmod(const maker *m, expr a, expr b) {
  expr x = magnitude(m, a), y = magnitude(m, b);
  expr r = choose(m, less(m, x, y), x, fmod_of_normals(m, x, y));
  expr defined = both(m, is_finite(m, a), less(m, real(m, 0), y));
  return choose(m, defined, with_sign(m, r, a), real(m, NAN));
}
