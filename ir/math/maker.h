/* maker.h -- what the definitions of the math operators are written with: short names for nodes, and the pieces that
 * several files share.
 *
 * A definition is written once for f32 and f64: a maker knows the type, constants and integers are of it, and a
 * polynomial NAME is two arrays, NAME32 and NAME64. What needs more digits than f32 has is computed by a maker of f64.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_MATH_MAKER_H
#define TNI_MATH_MAKER_H

#include <math.h>

#include "bounds.h"
#include "expand.h"

/* ---- numbers: of m->type, which is f32 or f64 with lanes -------------------------------------------------------- */

static inline bool is_double(const maker *m) { return bits_of(m) == 64; }
/* A maker of f64 with as many lanes. */
static inline maker in_double(const maker *m) {
  return (maker){.r = m->r, .type = like(m, TN_F64), .result = like(m, TN_F64)};
}

static inline expr constant(const maker *m, double v) { return number(m, m->type, v); }
/* a in f32, b in f64. */
static inline expr either_constant(const maker *m, double a, double b) { return constant(m, is_double(m) ? b : a); }
/* Is it the constant 0, which needs no sum? */
static inline bool is_zero(const maker *m, expr a) { return a && a == constant(m, 0); }
/* An integer as wide as the numbers. */
static inline expr integer(const maker *m, int64_t v) { return pattern(m, signed_of(m), (uint64_t)v); }

static inline expr as_integer(const maker *m, expr a) { return as(m, signed_of(m), a); }
static inline expr as_number(const maker *m, expr a) { return as(m, m->type, a); }
static inline expr shift_left(const maker *m, expr a, int bits) { return left(m, a, integer(m, bits)); }

static inline expr root(const maker *m, expr a) { return tni_op1(m->r, TN_OP_sqrt, a); }
static inline expr negate(const maker *m, expr a) { return tni_op1(m->r, TN_OP_neg, a); }
static inline expr magnitude(const maker *m, expr a) { return tni_op1(m->r, TN_OP_abs, a); }
static inline expr fused(const maker *m, expr a, expr b, expr c) { return tni_op3(m->r, TN_OP_fma, a, b, c); }

/* x, but not below `low`, or not above `high`; a NaN passes. */
static inline expr at_least(const maker *m, expr x, expr low) { return choose(m, less(m, x, low), low, x); }
static inline expr at_most(const maker *m, expr x, expr high) { return choose(m, less(m, high, x), high, x); }

/* The sign bit of x; a with its sign bit flipped where `sign` has one; a with the sign of x, for an a without. */
static inline expr sign_of(const maker *m, expr x) {
  return both(m, as_integer(m, x), integer(m, is_double(m) ? INT64_MIN : INT32_MIN));
}
static inline expr flip_sign(const maker *m, expr a, expr sign) {
  return as_number(m, differ(m, as_integer(m, a), sign));
}
static inline expr signed_as(const maker *m, expr a, expr x) { return flip_sign(m, a, sign_of(m, x)); }

/* ---- polynomials ----------------------------------------------------------------------------------------------- */

/* c[0] + c[1] x + ... by Horner's rule. */
static inline expr horner(const maker *m, const double *c, size_t count, expr x) {
  expr sum = constant(m, c[count - 1]);
  for (size_t i = count - 1; i-- > 0;) sum = fused(m, sum, x, constant(m, c[i]));
  return sum;
}
#define HORNER(m, c, x) horner(m, c, TNI_COUNT(c), x)
#define POLYNOMIAL(m, c, x) (is_double(m) ? HORNER(m, c##64, x) : HORNER(m, c##32, x))

/* ---- the layout of numbers ------------------------------------------------------------------------------------- */

static inline int fraction_bits(const maker *m) { return is_double(m) ? 52 : 23; }
/* The bits of 1. */
static inline expr one_bits(const maker *m) { return integer(m, is_double(m) ? INT64_C(0x3ff) << 52 : 0x3f800000); }
/* Adding it rounds a small number to an integer, which then stands in the low bits. */
static inline expr rounder(const maker *m) { return either_constant(m, 0x1.8p23, 0x1.8p52); }

/* ---- exponential.c --------------------------------------------------------------------------------------------- */

/* ln 2 in two parts; the first has so few bits that n times it is exact for the n that occur. */
static inline expr ln2_high(const maker *m) { return either_constant(m, 0x1.62e4p-1, 0x1.62e42fefa38p-1); }
static inline expr ln2_low(const maker *m) { return either_constant(m, 0x1.7f7d1cf79abcap-20, 0x1.ef35793c7673p-45); }

/* x = n ln 2 + r + *low with |r| <= ln 2 / 2 (and a little); *low is what r lost by rounding, on f32 just 0. *n_bits has n
 * in its low bits. */
expr tni_math_reduce_exp(const maker *m, expr x, expr *low, expr *n_bits);
/* e^(r + low) - 1 for the r of the reduction; low may be 0. */
expr tni_math_exp_rest(const maker *m, expr r, expr low);
/* 2^n for n in -126..127, or -1022..1023. */
expr tni_math_power_of_two(const maker *m, expr n_bits);
/* p * 2^n for n in -252..252, or -2044..2044, rounded once. */
expr tni_math_scale(const maker *m, expr p, expr n_bits);
/* `value`, or x where x is so small that f(x) is x: for f with f'(0) = 1 that would lose subnormals and -0. */
expr tni_math_unless_tiny(const maker *m, expr x, expr value);

/* ---- logarithm.c ----------------------------------------------------------------------------------------------- */

/* x = (1 + f) 2^k for x > 0 and finite, subnormals too: f in [sqrt(1/2) - 1, sqrt(2) - 1). */
expr tni_math_split_exponent(const maker *m, expr x, expr *f);

/* ---- the definitions: one for each row of bounds.h ------------------------------------------------------------- */

#define TNI_MATH_UNARY(name, ...) expr tni_math_##name(const maker *m, expr x);
#define TNI_MATH_BINARY(name, ...) expr tni_math_##name(const maker *m, expr x, expr y);
TNI_MATH_BOUNDS(TNI_MATH_UNARY, TNI_MATH_BINARY)
#undef TNI_MATH_UNARY
#undef TNI_MATH_BINARY

#endif
