/* bounds.c -- constant bounds of index expressions from the ranges of their variables.
 *
 * Interval arithmetic with saturation at TNI_INF. A budget bounds the work on shared nodes: past it an expression is
 * unbounded, which is always right.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

void tni_facts_init(tni_facts *facts, tn_context *ctx) { *facts = (tni_facts){.ctx = ctx}; }

void tni_facts_destroy(tni_facts *facts) {
  tni_free(facts->ctx, facts->ranges, facts->capacity * sizeof *facts->ranges);
  tni_free(facts->ctx, facts->known, facts->known_capacity * sizeof *facts->known);
}

bool tni_facts_push(tni_facts *facts, const tn_expr *var, int64_t lo, int64_t hi) {
  if (!tni_reserve(facts->ctx, (void **)&facts->ranges, &facts->capacity, facts->count + 1, sizeof *facts->ranges))
    return false;
  facts->ranges[facts->count++] = (tni_range){var, lo, hi};
  return true;
}

void tni_facts_pop(tni_facts *facts, size_t to_count) { facts->count = to_count; }

bool tni_facts_know(tni_facts *facts, const tn_expr *cond) {
  if (cond->op == TN_OP_and && TN_TYPE_CODE(cond->type) == kDLBool)
    return tni_facts_know(facts, cond->arg[0]) && tni_facts_know(facts, cond->arg[1]);
  if (!tni_reserve(facts->ctx, (void **)&facts->known, &facts->known_capacity, facts->known_count + 1,
                   sizeof *facts->known))
    return false;
  facts->known[facts->known_count++] = cond;
  return true;
}

/* ---- intervals ---- */

typedef struct interval {
  int64_t lo, hi;
} interval;

enum { BUDGET = 4096 };

static const interval everything = {-TNI_INF, TNI_INF};

static int64_t clamp(__int128 x) { return x > TNI_INF ? TNI_INF : x < -TNI_INF ? -TNI_INF : (int64_t)x; }
static bool is_finite(int64_t x) { return x > -TNI_INF && x < TNI_INF; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static interval multiply(interval a, interval b) {
  __int128 p[] = {(__int128)a.lo * b.lo, (__int128)a.lo * b.hi, (__int128)a.hi * b.lo, (__int128)a.hi * b.hi};
  __int128 lo = p[0], hi = p[0];
  for (int i = 1; i < 4; i++) {
    lo = p[i] < lo ? p[i] : lo;
    hi = p[i] > hi ? p[i] : hi;
  }
  return (interval){clamp(lo), clamp(hi)};
}

static interval divide(interval a, int64_t d) {
  return (interval){is_finite(a.lo) ? floor_div(a.lo, d) : -TNI_INF, is_finite(a.hi) ? floor_div(a.hi, d) : TNI_INF};
}

static interval remainder_of(interval a, int64_t d) {
  if (is_finite(a.lo) && is_finite(a.hi) && floor_div(a.lo, d) == floor_div(a.hi, d))
    return (interval){a.lo - d * floor_div(a.lo, d), a.hi - d * floor_div(a.hi, d)};
  return (interval){0, d - 1};
}

static interval of_type(tn_type type) {
  uint32_t bits = TN_TYPE_BITS(type);
  if (TN_TYPE_CODE(type) == kDLBool) return (interval){0, 1};
  if (TN_TYPE_CODE(type) == kDLUInt && bits < 62) return (interval){0, (INT64_C(1) << bits) - 1};
  if (TN_TYPE_CODE(type) == kDLInt && bits < 62)
    return (interval){-(INT64_C(1) << (bits - 1)), (INT64_C(1) << (bits - 1)) - 1};
  return everything;
}

static interval of_var(const tni_facts *facts, const tn_expr *x) {
  for (size_t i = facts->count; i > 0; i--)
    if (facts->ranges[i - 1].var == x) return (interval){facts->ranges[i - 1].lo, facts->ranges[i - 1].hi};
  return everything;
}

static interval bound(const tni_facts *facts, const tn_expr *x, int *budget) {
  if (--*budget < 0) return everything;
  interval a, b;
#define A (a = bound(facts, x->arg[0], budget))
#define B (b = bound(facts, x->arg[1], budget))
  switch (x->op) {
  case TN_OP_const: return (interval){clamp(x->as.i), clamp(x->as.i)};
  case TN_OP_var: return of_var(facts, x);
  case TN_OP_add: A, B; return (interval){clamp((__int128)a.lo + b.lo), clamp((__int128)a.hi + b.hi)};
  case TN_OP_sub: A, B; return (interval){clamp((__int128)a.lo - b.hi), clamp((__int128)a.hi - b.lo)};
  case TN_OP_neg: A; return (interval){-a.hi, -a.lo};
  case TN_OP_mul: A, B; return multiply(a, b);
  case TN_OP_floordiv:
  case TN_OP_floormod:
    A, B;
    if (b.lo != b.hi || b.lo <= 0 || !is_finite(b.lo)) return everything;
    return x->op == TN_OP_floordiv ? divide(a, b.lo) : remainder_of(a, b.lo);
  case TN_OP_min: A, B; return (interval){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
  case TN_OP_max: A, B; return (interval){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
  case TN_OP_select:
    B;
    a = bound(facts, x->arg[2], budget);
    return (interval){a.lo < b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
  case TN_OP_cast:
    if (tni_type_is_float(x->arg[0]->type)) return everything;
    return TN_TYPE_CODE(x->arg[0]->type) == TN_CODE_INDEX ? A : of_type(x->arg[0]->type);
  default: return everything;
  }
#undef A
#undef B
}

/* ---- ranges from conditions ---- */

/* The variable lies in lo..hi, too. */
static bool narrow(tni_facts *facts, const tn_expr *var, int64_t lo, int64_t hi) {
  interval old = of_var(facts, var);
  if (var->op != TN_OP_var || (lo <= old.lo && hi >= old.hi)) return true;
  return tni_facts_push(facts, var, lo > old.lo ? lo : old.lo, hi < old.hi ? hi : old.hi);
}

/* a + distance <= b */
static bool learn_order(tni_facts *facts, const tn_expr *a, const tn_expr *b, int64_t distance) {
  int budget = BUDGET;
  interval low = bound(facts, a, &budget), high = bound(facts, b, &budget);
  return narrow(facts, a, -TNI_INF, clamp((__int128)high.hi - distance)) &&
         narrow(facts, b, clamp((__int128)low.lo + distance), TNI_INF);
}

bool tni_facts_learn(tni_facts *facts, const tn_expr *cond) {
  if (cond->op == TN_OP_and && cond->type == TN_BOOL)
    return tni_facts_learn(facts, cond->arg[0]) && tni_facts_learn(facts, cond->arg[1]);
  if (tni_expr_reads(facts->ctx, cond)) return true;
  if (!tni_facts_know(facts, cond)) return false;
  if (cond->nargs != 2 || cond->arg[0]->type != TN_INDEX) return true;
  const tn_expr *a = cond->arg[0], *b = cond->arg[1];
  switch (cond->op) {
  case TN_OP_lt: return learn_order(facts, a, b, 1);
  case TN_OP_le: return learn_order(facts, a, b, 0);
  case TN_OP_eq: return learn_order(facts, a, b, 0) && learn_order(facts, b, a, 0);
  default: return true;
  }
}

void tni_bounds(const tni_facts *facts, const tn_expr *x, int64_t *lo, int64_t *hi) {
  int budget = BUDGET;
  interval b = bound(facts, x, &budget);
  *lo = b.lo;
  *hi = b.hi;
}
