/* math.c -- the math operators, defined by the other operators. Interpreter and compiled code both run these definitions,
 * so they agree bit for bit; a C library's functions only measure the error (bounds.h).
 *
 * A definition works lane by lane and has no branches: what holds on a part of the arguments only is computed for all and
 * selected. A NaN gives NaN; infinities, zeros and exact results are C's. Clamps are written as compare and select, which
 * let NaN pass. The files hold one family of functions each.
 *
 * The polynomials are minimax fits with coefficients that are numbers of the type, made for these files.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "maker.h"

static expr define(const maker *m, enum tn_op op, const expr *v) {
  switch (op) {
#define UNARY(name, ...)                                                                                               \
  case TN_OP_##name: return tni_math_##name(m, v[0]);
#define BINARY(name, ...)                                                                                              \
  case TN_OP_##name: return tni_math_##name(m, v[0], v[1]);
    TNI_MATH_BOUNDS(UNARY, BINARY)
#undef UNARY
#undef BINARY
  default: assert(!"not a math operator"); return NULL;
  }
}

tn_type tni_math_type(tn_type type) {
  return TN_TYPE_WITH_LANES(TN_TYPE_BITS(type) == 64 ? TN_F64 : TN_F32, TN_TYPE_LANES(type));
}

const tn_expr *tni_math_expand(tni_region *r, const tn_expr *x, bool has_ldexp) {
  assert(x->op < TN_OP_COUNT && (tni_ops[x->op].flags & TN_OPF_MATH));
  tn_type type = tni_math_type(x->type);
  const maker m = {.r = r, .type = type, .result = type, .has_ldexp = has_ldexp};
  expr v[2];
  for (int i = 0; i < x->nargs; i++) v[i] = cast(&m, type, x->arg[i]);
  return cast(&m, x->type, define(&m, (enum tn_op)x->op, v));
}
