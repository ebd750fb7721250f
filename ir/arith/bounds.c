/* bounds.c -- constant bounds of index expressions from the ranges of their variables.
 *
 * Interval arithmetic with saturation at TNI_INF. A budget bounds the work on shared nodes: past it an expression is
 * unbounded, which is always right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { BUDGET = 4096 };

static const tni_interval everything = {-TNI_INF, TNI_INF};

static bool is_finite(int64_t x) { return x > -TNI_INF && x < TNI_INF; }

static tni_interval multiply(tni_interval a, tni_interval b) {
  __int128 p[] = {(__int128)a.lo * b.lo, (__int128)a.lo * b.hi, (__int128)a.hi * b.lo, (__int128)a.hi * b.hi};
  __int128 lo = p[0], hi = p[0];
  for (int i = 1; i < 4; i++) {
    lo = p[i] < lo ? p[i] : lo;
    hi = p[i] > hi ? p[i] : hi;
  }
  return (tni_interval){tni_clamp(lo), tni_clamp(hi)};
}

static tni_interval divide(tni_interval a, int64_t d) {
  return (tni_interval){is_finite(a.lo) ? tni_floor_div(a.lo, d) : -TNI_INF, is_finite(a.hi) ? tni_floor_div(a.hi, d) : TNI_INF};
}

static tni_interval remainder_of(tni_interval a, int64_t d) {
  if (is_finite(a.lo) && is_finite(a.hi) && tni_floor_div(a.lo, d) == tni_floor_div(a.hi, d))
    return (tni_interval){a.lo - d * tni_floor_div(a.lo, d), a.hi - d * tni_floor_div(a.hi, d)};
  return (tni_interval){0, d - 1};
}

static tni_interval of_type(tn_type type) {
  uint32_t bits = TN_TYPE_BITS(type);
  if (TN_TYPE_CODE(type) == kDLBool) return (tni_interval){0, 1};
  if (TN_TYPE_CODE(type) == kDLUInt && bits < 62) return (tni_interval){0, (INT64_C(1) << bits) - 1};
  if (TN_TYPE_CODE(type) == kDLInt && bits < 62)
    return (tni_interval){-(INT64_C(1) << (bits - 1)), (INT64_C(1) << (bits - 1)) - 1};
  return everything;
}

static tni_interval of_var(const tni_facts *facts, const tn_expr *x) {
  for (size_t i = facts->count; i > 0; i--)
    if (facts->ranges[i - 1].var == x) return (tni_interval){facts->ranges[i - 1].lo, facts->ranges[i - 1].hi};
  return everything;
}

static tni_interval bound(const tni_facts *facts, const tn_expr *x, int *budget) {
  if (--*budget < 0) return everything;
  tni_interval a, b;
#define A (a = bound(facts, x->arg[0], budget))
#define B (b = bound(facts, x->arg[1], budget))
  switch (x->op) {
  case TN_OP_const: return (tni_interval){tni_clamp(x->as.i), tni_clamp(x->as.i)};
  case TN_OP_var: return of_var(facts, x);
  case TN_OP_add: A, B; return (tni_interval){tni_clamp((__int128)a.lo + b.lo), tni_clamp((__int128)a.hi + b.hi)};
  case TN_OP_sub: A, B; return (tni_interval){tni_clamp((__int128)a.lo - b.hi), tni_clamp((__int128)a.hi - b.lo)};
  case TN_OP_neg: A; return (tni_interval){-a.hi, -a.lo};
  case TN_OP_mul: A, B; return multiply(a, b);
  case TN_OP_floordiv:
  case TN_OP_floormod:
    A, B;
    if (b.lo != b.hi || b.lo <= 0 || !is_finite(b.lo)) return everything;
    return x->op == TN_OP_floordiv ? divide(a, b.lo) : remainder_of(a, b.lo);
  case TN_OP_min: A, B; return (tni_interval){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
  case TN_OP_max: A, B; return (tni_interval){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
  case TN_OP_select:
    B;
    a = bound(facts, x->arg[2], budget);
    return (tni_interval){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
  case TN_OP_cast:
    if (tni_type_is_float(x->arg[0]->type)) return everything;
    return TN_TYPE_CODE(x->arg[0]->type) == TN_CODE_INDEX ? A : of_type(x->arg[0]->type);
  default: return everything;
  }
#undef A
#undef B
}

tni_interval tni_interval_of(const tni_facts *facts, const tn_expr *x) {
  int budget = BUDGET;
  return bound(facts, x, &budget);
}

void tni_bounds(const tni_facts *facts, const tn_expr *x, int64_t *lo, int64_t *hi) {
  tni_interval b = tni_interval_of(facts, x);
  *lo = b.lo;
  *hi = b.hi;
}
