/* maker.h -- what the definitions of the math operators are written with: short names for nodes, and the pieces that
 * several of them share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_MATH_MAKER_H
#define TNI_MATH_MAKER_H

#include <math.h>

#include "ir.h"

/* Where the nodes go, and how wide they are. */
typedef struct maker {
  tni_region *r;
  uint32_t lanes;
} maker;

typedef const tn_expr *expr;

/* ---- short names ----------------------------------------------------------------------------------------------- */

static inline tn_type wide(const maker *m, tn_type type) { return TN_TYPE_WITH_LANES(type, m->lanes); }

static inline expr constant(const maker *m, double v) {
  return tni_broadcast(m->r, tni_const_float(m->r, TN_F32, v), m->lanes);
}
static inline expr constant64(const maker *m, double v) {
  return tni_broadcast(m->r, tni_const_float(m->r, TN_F64, v), m->lanes);
}
static inline expr integer(const maker *m, int64_t v) { return tni_broadcast(m->r, tni_const_int(m->r, TN_I32, v), m->lanes); }
static inline expr integer64(const maker *m, int64_t v) {
  return tni_broadcast(m->r, tni_const_int(m->r, TN_I64, v), m->lanes);
}

static inline expr add(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_add, a, b); }
static inline expr sub(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_sub, a, b); }
static inline expr mul(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_mul, a, b); }
static inline expr divide(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_div, a, b); }
static inline expr fused(const maker *m, expr a, expr b, expr c) { return tni_op3(m->r, TN_OP_fma, a, b, c); }
static inline expr magnitude(const maker *m, expr a) { return tni_op1(m->r, TN_OP_abs, a); }
static inline expr both(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_and, a, b); }
static inline expr either(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_or, a, b); }
static inline expr differ(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_xor, a, b); }
static inline expr shift_left(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_shl, a, b); }
static inline expr less(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_lt, a, b); }
static inline expr equal(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_eq, a, b); }
static inline expr unequal(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_ne, a, b); }
static inline expr choose(const maker *m, expr c, expr a, expr b) { return tni_op3(m->r, TN_OP_select, c, a, b); }

static inline expr bits_of(const maker *m, expr a) { return tni_reinterpret(m->r, wide(m, TN_I32), a); }
static inline expr float_of(const maker *m, expr a) { return tni_reinterpret(m->r, wide(m, TN_F32), a); }
static inline expr to_f32(const maker *m, expr a) { return tni_cast(m->r, wide(m, TN_F32), a); }
static inline expr to_f64(const maker *m, expr a) { return tni_cast(m->r, wide(m, TN_F64), a); }

/* x, but not below `low`, or not above `high`. */
static inline expr at_least(const maker *m, expr x, double low) {
  return choose(m, less(m, x, constant(m, low)), constant(m, low), x);
}
static inline expr at_most(const maker *m, expr x, double high) {
  return choose(m, less(m, constant(m, high), x), constant(m, high), x);
}

/* The sign bit of x, and a with its sign bit flipped where `sign` has one. */
static inline expr sign_of(const maker *m, expr x) { return both(m, bits_of(m, x), integer(m, INT32_MIN)); }
static inline expr flip_sign(const maker *m, expr a, expr sign) { return float_of(m, differ(m, bits_of(m, a), sign)); }

/* c[0] + c[1] x + ... by Horner's rule, with the constants of x's type. */
static inline expr horner(const maker *m, const double *c, size_t count, expr x) {
  bool is_double = x && TN_TYPE_BITS(x->type) == 64;
  expr sum = is_double ? constant64(m, c[count - 1]) : constant(m, c[count - 1]);
  for (size_t i = count - 1; i-- > 0;) sum = fused(m, sum, x, is_double ? constant64(m, c[i]) : constant(m, c[i]));
  return sum;
}
#define POLYNOMIAL(m, c, x) horner(m, c, TNI_COUNT(c), x)

/* Adding it rounds a small number to an integer, which then stands in the low bits. */
#define MAGIC 0x1.8p23
#define MAGIC64 0x1.8p52

/* ln 2 in two parts; the first has 15 bits, so that n times it is exact for the n that occur. */
#define LN2_HIGH 0x1.62e4p-1
#define LN2_LOW 0x1.7f7d1cf79abcap-20
#define LOG2_E 0x1.71547652b82fep0

/* ---- exponential.c ---------------------------------------------------------------------------------------------- */

/* x = n ln 2 + r with |r| <= ln 2 / 2 (and a little). *n_bits has n in its low bits. */
expr tni_math_reduce_exp(const maker *m, expr x, expr *n_bits);
/* 2^n for n in -126..127. */
expr tni_math_power_of_two(const maker *m, expr n_bits);

/* ---- logarithm.c ------------------------------------------------------------------------------------------------ */

/* x = (1 + f) 2^k for x > 0 and finite, subnormals too: f in [sqrt(1/2) - 1, sqrt(2) - 1). */
expr tni_math_split_exponent(const maker *m, expr x, expr *f);

/* ---- the definitions, one for each operator ---------------------------------------------------------------------- */

#define TNI_MATH_UNARY(OP) OP(exp) OP(log) OP(tanh) OP(erf) OP(sigmoid) OP(sin) OP(cos)
#define TNI_MATH_PROTOTYPE(name) expr tni_math_##name(const maker *m, expr x);
TNI_MATH_UNARY(TNI_MATH_PROTOTYPE)
#undef TNI_MATH_PROTOTYPE
expr tni_math_pow(const maker *m, expr x, expr y);

#endif
