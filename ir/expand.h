/* expand.h -- short names for making expressions, shared by the files of default expansions.
 *
 * All works lane by lane on operands of m->type, without branches; constants are broadcast to its lanes. NULL (no
 * memory) passes through.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TNI_EXPAND_H
#define TNI_EXPAND_H

#include "ir.h"

typedef const tn_expr *expr;

/* Where the nodes go, the type of the operands, with lanes, and that of the result. */
typedef struct maker {
  tni_region *r;
  tn_type type, result;
  bool has_ldexp; /* nodes may be ldexp of that type: whoever asked emits it as it is */
} maker;

/* ---- types ----------------------------------------------------------------------------------------------------- */

/* Another element in the lanes of the operands. */
static inline tn_type like(const maker *m, tn_type element) {
  return TN_TYPE_WITH_LANES(element, TN_TYPE_LANES(m->type));
}
static inline int bits_of(const maker *m) { return (int)TN_TYPE_BITS(m->type); }
static inline bool is_float(const maker *m) { return tni_type_is_float(m->type); }
static inline bool is_bool(const maker *m) { return TN_TYPE_CODE(m->type) == kDLBool; }
static inline bool is_signed(const maker *m) { return tni_type_is_signed(m->type); }
/* The integers of the operands' size. */
static inline tn_type unsigned_of(const maker *m) { return like(m, TN_TYPE(kDLUInt, TN_TYPE_BITS(m->type), 1)); }
static inline tn_type signed_of(const maker *m) { return like(m, TN_TYPE(kDLInt, TN_TYPE_BITS(m->type), 1)); }

/* ---- nodes ----------------------------------------------------------------------------------------------------- */

/* The number in all lanes of a type: integers wrap, floats round. */
static inline expr number(const maker *m, tn_type type, double value) {
  tn_type lane = TN_TYPE_WITH_LANES(type, 1);
  expr x = tni_type_is_float(lane) ? tni_const_float(m->r, lane, value) : tni_const_int(m->r, lane, (int64_t)value);
  return tni_broadcast(m->r, x, TN_TYPE_LANES(type));
}
/* The same for integers that a double does not hold. */
static inline expr pattern(const maker *m, tn_type type, uint64_t bits) {
  return tni_broadcast(m->r, tni_const_int(m->r, TN_TYPE_WITH_LANES(type, 1), (int64_t)bits), TN_TYPE_LANES(type));
}

static inline expr add(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_add, a, b); }
static inline expr sub(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_sub, a, b); }
static inline expr mul(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_mul, a, b); }
static inline expr quotient(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_div, a, b); }
static inline expr both(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_and, a, b); }
static inline expr either(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_or, a, b); }
static inline expr differ(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_xor, a, b); }
static inline expr inverse(const maker *m, expr a) { return tni_op1(m->r, TN_OP_not, a); }
static inline expr left(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_shl, a, b); }
static inline expr right(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_shr, a, b); }
static inline expr less(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_lt, a, b); }
static inline expr equal(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_eq, a, b); }
static inline expr unequal(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_ne, a, b); }
static inline expr choose(const maker *m, expr c, expr a, expr b) { return tni_op3(m->r, TN_OP_select, c, a, b); }
static inline expr cast(const maker *m, tn_type type, expr a) { return tni_cast(m->r, type, a); }
static inline expr as(const maker *m, tn_type type, expr a) { return tni_reinterpret(m->r, type, a); }

/* ---- expand_float.c -------------------------------------------------------------------------------------------- */

/* On f32 and f64 (fma: on all floats). */
expr tni_expand_rounding(const maker *m, enum tn_op op, expr a);
expr tni_expand_extreme(const maker *m, bool larger, expr a, expr b);
expr tni_expand_fma(const maker *m, expr a, expr b, expr c);
expr tni_expand_ldexp(const maker *m, expr a, expr b);
expr tni_expand_fmod(const maker *m, expr a, expr b);

#endif
