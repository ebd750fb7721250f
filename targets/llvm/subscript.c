/* subscript.c -- what is known of a flat subscript without running it.
 *
 * Expressions are DAGs: the walks do not remember, so they are shallow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "access.h"

enum { WALK_DEPTH = 12, ALL_ZERO = 32 };

static unsigned zero_bits(const tn_expr *x, int depth) {
  unsigned a, b;
  if (depth == 0) return 0;
  switch (x->op) {
  case TN_OP_const: return x->as.i ? (unsigned)__builtin_ctzll((uint64_t)x->as.i) : ALL_ZERO;
  case TN_OP_ramp:
  case TN_OP_broadcast: return zero_bits(x->arg[0], depth - 1);
  case TN_OP_add:
  case TN_OP_sub:
  case TN_OP_mul:
    a = zero_bits(x->arg[0], depth - 1);
    b = zero_bits(x->arg[1], depth - 1);
    return x->op == TN_OP_mul ? a + b : a < b ? a : b;
  default: return 0;
  }
}

unsigned tni_ll_zero_bits(const tn_expr *x) { return x ? zero_bits(x, WALK_DEPTH) : ALL_ZERO; }

static bool is_linear(const tn_expr *x, int64_t *stride, int depth) {
  int64_t s, t;
  if (depth == 0) return false;
  if (TN_TYPE_LANES(x->type) <= 1 || x->op == TN_OP_broadcast) return *stride = 0, true;
  switch (x->op) {
  case TN_OP_ramp: return x->arg[1]->op == TN_OP_const ? (*stride = x->arg[1]->as.i, true) : false;
  case TN_OP_add:
  case TN_OP_sub:
    if (!is_linear(x->arg[0], &s, depth - 1) || !is_linear(x->arg[1], &t, depth - 1)) return false;
    *stride = x->op == TN_OP_add ? s + t : s - t;
    return true;
  default: return false;
  }
}

bool tni_ll_is_linear(const tn_expr *x, int64_t *stride) {
  *stride = 0;
  return !x || is_linear(x, stride, WALK_DEPTH);
}

LLVMValueRef tni_ll_first_lane(tni_ll_function *f, const tn_expr *x) {
  if (TN_TYPE_LANES(x->type) <= 1) return tni_ll_expr(f, x);
  if (x->op == TN_OP_ramp || x->op == TN_OP_broadcast) return tni_ll_expr(f, x->arg[0]);
  LLVMValueRef a = tni_ll_first_lane(f, x->arg[0]), b = tni_ll_first_lane(f, x->arg[1]);
  return x->op == TN_OP_add ? LLVMBuildNSWAdd(f->m->b, a, b, "") : LLVMBuildNSWSub(f->m->b, a, b, "");
}

/* By its form: constants stand last in a sum. */
bool tni_ll_distance(const tn_expr *from, const tn_expr *to, int64_t *out) {
  int64_t x = 0, y = 0;
  if (tni_is_const(from) && tni_is_const(to)) return *out = to->as.i - from->as.i, true;
  if (from->op == TN_OP_add && tni_is_const(from->arg[1])) x = from->arg[1]->as.i, from = from->arg[0];
  if (to->op == TN_OP_add && tni_is_const(to->arg[1])) y = to->arg[1]->as.i, to = to->arg[0];
  *out = y - x;
  return from == to;
}
