/* facts.c -- what is known at a place: ranges and residues of expressions, and conditions that hold or do not.
 *
 *     a*i + rest < n               a bound of each term from the ranges of the others
 *     x // c < n, min(x, y) > n    bounds of x, and of y
 *     x % c == r                   the residue of x
 *
 * A condition is kept as it is too, for prove.c, which can add up several.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_DEPTH = 8 };

void tni_facts_init(tni_facts *facts, tn_context *ctx) { *facts = (tni_facts){.ctx = ctx}; }

void tni_facts_destroy(tni_facts *facts) {
  tni_free(facts->ctx, facts->ranges, facts->capacity * sizeof *facts->ranges);
  tni_free(facts->ctx, facts->known, facts->known_capacity * sizeof *facts->known);
}

static bool push(tni_facts *facts, tni_range range) {
  if (!tni_reserve(facts->ctx, (void **)&facts->ranges, &facts->capacity, facts->count + 1, sizeof *facts->ranges))
    return false;
  facts->ranges[facts->count++] = range;
  return true;
}

bool tni_facts_push(tni_facts *facts, const tn_expr *x, int64_t lo, int64_t hi) {
  return push(facts, (tni_range){.x = x, .lo = lo, .hi = hi, .is = {1, 0}});
}

bool tni_facts_copy(tni_facts *facts, const tni_facts *from) {
  bool ok = true;
  for (size_t i = 0; ok && i < from->count; i++) ok = push(facts, from->ranges[i]);
  for (size_t i = 0; ok && i < from->known_count; i++)
    ok = tni_facts_know(facts, from->known[i].cond, from->known[i].holds);
  return ok;
}

void tni_facts_pop(tni_facts *facts, size_t to_count) { facts->count = to_count; }

const tni_range *tni_facts_find(const tni_facts *facts, const tn_expr *x) {
  for (size_t i = facts->count; i > 0; i--)
    if (facts->ranges[i - 1].x == x) return &facts->ranges[i - 1];
  return NULL;
}

static bool is_bool(const tn_expr *x) { return TN_TYPE_CODE(x->type) == kDLBool; }

bool tni_facts_know(tni_facts *facts, const tn_expr *cond, bool holds) {
  if (cond->op == (holds ? TN_OP_and : TN_OP_or) && is_bool(cond))
    return tni_facts_know(facts, cond->arg[0], holds) && tni_facts_know(facts, cond->arg[1], holds);
  if (cond->op == TN_OP_not) return tni_facts_know(facts, cond->arg[0], !holds);
  if (!tni_reserve(facts->ctx, (void **)&facts->known, &facts->known_capacity, facts->known_count + 1,
                   sizeof *facts->known))
    return false;
  facts->known[facts->known_count++] = (tni_known){cond, holds};
  return true;
}

/* ---- ranges from conditions ---- */

/* An end times a number; what is open stays so, on the side that the signs tell. */
static int64_t times(int64_t x, int64_t c) { return tni_clamp((__int128)x * c); }

/* The expression lies in lo..hi, and has that residue, too. What says nothing new, or cannot be, is passed over. */
static bool narrow(tni_facts *facts, const tn_expr *x, int64_t lo, int64_t hi, tni_residue is, int depth) {
  const tni_range *old = tni_facts_find(facts, x);
  tni_range now = old ? *old : (tni_range){.x = x, .lo = -TNI_INF, .hi = TNI_INF, .is = {1, 0}};
  bool divided = x->op == TN_OP_floordiv && tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0;
  if (tni_is_const(x) || depth > MAX_DEPTH) return true;
  tni_range before = now;
  now.lo = lo > now.lo ? lo : now.lo;
  now.hi = hi < now.hi ? hi : now.hi;
  if (!tni_residue_both(now.is, is, &now.is) || now.lo > now.hi) return true;
  if (now.lo == before.lo && now.hi == before.hi && now.is.mod == before.is.mod) return true;
  if (!push(facts, now)) return false;
  tni_residue none = {1, 0};
  if (divided) {
    int64_t d = x->arg[1]->as.i, last = times(hi, d);
    return narrow(facts, x->arg[0], times(lo, d), last < TNI_INF - d ? last + d - 1 : TNI_INF, none, depth + 1);
  }
  if (x->op == TN_OP_min)
    return narrow(facts, x->arg[0], lo, TNI_INF, none, depth + 1) && narrow(facts, x->arg[1], lo, TNI_INF, none, depth + 1);
  if (x->op == TN_OP_max)
    return narrow(facts, x->arg[0], -TNI_INF, hi, none, depth + 1) &&
           narrow(facts, x->arg[1], -TNI_INF, hi, none, depth + 1);
  return true;
}

bool tni_facts_bind(tni_facts *facts, const tn_expr *var, const tn_expr *extent) {
  int64_t lo, hi;
  tni_bounds(facts, extent, &lo, &hi);
  if (lo < 1 && hi >= 1 && !narrow(facts, extent, 1, TNI_INF, (tni_residue){1, 0}, 0)) return false;
  return push(facts, (tni_range){.x = var,
                                 .hi = hi >= TNI_INF ? TNI_INF : hi > 0 ? hi - 1 : 0,
                                 .is = {1, 0},
                                 .extent = tni_is_const(extent) ? NULL : extent});
}

/* The largest value of a term; open: TNI_INF. */
static int64_t largest(const tni_facts *facts, const tni_term *t) {
  int64_t lo, hi;
  tni_bounds(facts, t->x, &lo, &hi);
  return times(t->coef > 0 ? hi : lo, t->coef);
}

/* A sum that is never negative bounds each term by the largest values of the others. */
static bool learn_sum(tni_facts *facts, const tni_linear *sum) {
  __int128 finite = sum->constant;
  int open = 0, which = -1;
  for (int i = 0; i < sum->count; i++) {
    int64_t most = largest(facts, &sum->terms[i]);
    if (most >= TNI_INF)
      open++, which = i;
    else
      finite += most;
  }
  for (int i = 0; i < sum->count && open <= 1; i++) {
    const tni_term *t = &sum->terms[i];
    if (open && i != which) continue;
    int64_t others = tni_clamp(finite - (open ? 0 : largest(facts, t)));
    if (others <= -TNI_INF || others >= TNI_INF) continue;
    int64_t lo = t->coef > 0 ? -tni_floor_div(others, t->coef) : -TNI_INF;
    int64_t hi = t->coef < 0 ? tni_floor_div(others, -t->coef) : TNI_INF;
    if (!narrow(facts, t->x, lo, hi, (tni_residue){1, 0}, 0)) return false;
  }
  return true;
}

/* a + distance <= b */
static bool learn_order(tni_facts *facts, const tn_expr *a, const tn_expr *b, int64_t distance) {
  tni_linear sum = {.constant = -distance};
  int64_t lo, hi;
  tni_linear_add(&sum, b, 1);
  tni_linear_add(&sum, a, -1);
  if (!sum.overflow && !learn_sum(facts, &sum)) return false;
  tni_bounds(facts, b, &lo, &hi);
  if (!narrow(facts, a, -TNI_INF, hi >= TNI_INF ? TNI_INF : hi - distance, (tni_residue){1, 0}, 0)) return false;
  tni_bounds(facts, a, &lo, &hi);
  return narrow(facts, b, lo <= -TNI_INF ? -TNI_INF : lo + distance, TNI_INF, (tni_residue){1, 0}, 0);
}

static bool learn_equal(tni_facts *facts, const tn_expr *a, const tn_expr *b) {
  bool rest = a->op == TN_OP_floormod && tni_is_const(a->arg[1]) && a->arg[1]->as.i > 0 && tni_is_const(b);
  if (rest && !narrow(facts, a->arg[0], -TNI_INF, TNI_INF, tni_residue_make(a->arg[1]->as.i, b->as.i), 0)) return false;
  return learn_order(facts, a, b, 0) && learn_order(facts, b, a, 0);
}

static bool learn_compare(tni_facts *facts, const tn_expr *a, const tn_expr *b, enum tn_op op, bool holds) {
  switch (op) {
  case TN_OP_lt: return holds ? learn_order(facts, a, b, 1) : learn_order(facts, b, a, 0);
  case TN_OP_le: return holds ? learn_order(facts, a, b, 0) : learn_order(facts, b, a, 1);
  case TN_OP_eq: return !holds || learn_equal(facts, a, b);
  case TN_OP_ne: return holds || learn_equal(facts, a, b);
  default: return true;
  }
}

static bool learn(tni_facts *facts, const tn_expr *cond, bool holds) {
  if (cond->op == (holds ? TN_OP_and : TN_OP_or) && cond->type == TN_BOOL)
    return learn(facts, cond->arg[0], holds) && learn(facts, cond->arg[1], holds);
  if (cond->op == TN_OP_not && cond->type == TN_BOOL) return learn(facts, cond->arg[0], !holds);
  if (tni_expr_reads(cond)) return true;
  if (!tni_facts_know(facts, cond, holds)) return false;
  if (cond->nargs != 2 || cond->arg[0]->type != TN_INDEX) return true;
  return learn_compare(facts, cond->arg[0], cond->arg[1], cond->op, holds);
}

bool tni_facts_learn(tni_facts *facts, const tn_expr *cond, bool holds) {
  return cond->type != TN_BOOL || learn(facts, cond, holds);
}
