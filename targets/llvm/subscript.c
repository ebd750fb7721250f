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

/* The number that one lane of x is; false: x has other nodes than sums, products and quotients of constants. */
static bool number_in(const tn_expr *x, int64_t lane, int64_t *out, int depth) {
  int64_t a, b;
  if (x->op == TN_OP_const) return *out = x->as.i, true;
  if (depth == 0 || x->nargs < 1 || x->nargs > 2 || !number_in(x->arg[0], lane, &a, depth - 1)) return false;
  if (x->op == TN_OP_broadcast) return *out = a, true;
  if (x->nargs != 2 || !number_in(x->arg[1], lane, &b, depth - 1)) return false;
  switch (x->op) {
  case TN_OP_ramp: return !__builtin_mul_overflow(b, lane, &b) && !__builtin_add_overflow(a, b, out);
  case TN_OP_add: return !__builtin_add_overflow(a, b, out);
  case TN_OP_sub: return !__builtin_sub_overflow(a, b, out);
  case TN_OP_mul: return !__builtin_mul_overflow(a, b, out);
  case TN_OP_floordiv: return b > 0 && a >= 0 ? *out = a / b, true : false;
  case TN_OP_floormod: return b > 0 && a >= 0 ? *out = a % b, true : false;
  default: return false;
  }
}

/* How far a lane of x is from lane 0. */
static bool distance_of(const tn_expr *x, int64_t lane, int64_t *out, int depth) {
  int64_t a, b;
  if (depth == 0) return false;
  if (TN_TYPE_LANES(x->type) <= 1 || x->op == TN_OP_broadcast) return *out = 0, true;
  if (x->op == TN_OP_ramp) return tni_is_const(x->arg[1]) && !__builtin_mul_overflow(x->arg[1]->as.i, lane, out);
  if (x->op == TN_OP_mul && number_in(x->arg[1], 0, &b, depth) && x->arg[1]->op == TN_OP_broadcast)
    return distance_of(x->arg[0], lane, &a, depth - 1) && !__builtin_mul_overflow(a, b, out);
  if (x->op == TN_OP_add || x->op == TN_OP_sub) {
    if (!distance_of(x->arg[0], lane, &a, depth - 1) || !distance_of(x->arg[1], lane, &b, depth - 1)) return false;
    return x->op == TN_OP_add ? !__builtin_add_overflow(a, b, out) : !__builtin_sub_overflow(a, b, out);
  }
  return number_in(x, 0, &a, depth) && number_in(x, lane, &b, depth) && !__builtin_sub_overflow(b, a, out);
}

bool tni_ll_distances(const tn_expr *x, int64_t *out) {
  for (uint32_t lane = 0; lane < TN_TYPE_LANES(x->type); lane++)
    if (!distance_of(x, lane, &out[lane], WALK_DEPTH)) return false;
  return true;
}

LLVMValueRef tni_ll_first_lane(tni_ll_function *f, const tn_expr *x) {
  int64_t number;
  if (TN_TYPE_LANES(x->type) <= 1) return tni_ll_expr(f, x);
  if (x->op == TN_OP_ramp || x->op == TN_OP_broadcast) return tni_ll_expr(f, x->arg[0]);
  if (number_in(x, 0, &number, WALK_DEPTH)) return tni_ll_index(f->m, number);
  LLVMValueRef a = tni_ll_first_lane(f, x->arg[0]), b = tni_ll_first_lane(f, x->arg[1]);
  if (x->op == TN_OP_mul) return LLVMBuildNSWMul(f->m->b, a, b, "");
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
