/* known.c -- what a prover knows: ranges of variables, bound one inside the other, and sums that are not negative.
 *
 *     for i in 0..n        0 <= i <= n - 1, and n - 1 >= 0 where it runs
 *     a < b                b - a - 1 >= 0
 *     a == b               both differences
 *
 * Constant bounds of the same are kept beside them (facts.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith/prove.h"

void tni_prover_init(tni_prover *v, tn_context *ctx) {
  *v = (tni_prover){.ctx = ctx};
  tni_facts_init(&v->intervals, ctx);
}

void tni_prover_destroy(tni_prover *v) {
  tni_facts_destroy(&v->intervals);
  tni_free(v->ctx, v->ranges, v->range_capacity * sizeof *v->ranges);
  tni_free(v->ctx, v->facts, v->fact_capacity * sizeof *v->facts);
}

tni_prover_mark tni_prover_mark_of(const tni_prover *v) {
  return (tni_prover_mark){v->range_count, v->fact_count, v->intervals.count};
}

void tni_prover_pop(tni_prover *v, tni_prover_mark mark) {
  v->range_count = mark.ranges;
  v->fact_count = mark.facts;
  tni_facts_pop(&v->intervals, mark.intervals);
}

static void add_fact(tni_prover *v, const tni_poly *sum) {
  if (sum->failed || (sum->count == 0 && sum->constant >= 0)) return;
  if (!tni_reserve(v->ctx, (void **)&v->facts, &v->fact_capacity, v->fact_count + 1, sizeof *v->facts)) {
    v->failed = true;
    return;
  }
  v->facts[v->fact_count].sum = *sum;
  tni_poly_tighten(&v->facts[v->fact_count++].sum);
}

static void add_range(tni_prover *v, const tn_expr *var, const tni_poly *first, const tni_poly *last) {
  if (!tni_reserve(v->ctx, (void **)&v->ranges, &v->range_capacity, v->range_count + 1, sizeof *v->ranges)) {
    v->failed = true;
    return;
  }
  v->ranges[v->range_count].var = var;
  tni_poly_copy(&v->ranges[v->range_count].first, first);
  tni_poly_copy(&v->ranges[v->range_count++].last, last);
}

void tni_prover_bind(tni_prover *v, const tn_expr *var, const tn_expr *extent) {
  tni_poly first = tni_poly_number(0), last = tni_poly_of(extent);
  int64_t lo, hi;
  tni_poly_add_constant(&last, -1, 1);
  add_range(v, var, &first, &last);
  tni_bounds(&v->intervals, extent, &lo, &hi);
  v->failed |= !tni_facts_push(&v->intervals, var, 0, hi >= TNI_INF ? TNI_INF : hi > 0 ? hi - 1 : 0);
  add_fact(v, &last); /* what runs has an extent of 1 or more */
}

void tni_prover_bind_value(tni_prover *v, const tn_expr *var, const tn_expr *value) {
  tni_poly p = tni_poly_of(value);
  int64_t lo, hi;
  add_range(v, var, &p, &p);
  if (var->type != TN_INDEX) return;
  tni_bounds(&v->intervals, value, &lo, &hi);
  v->failed |= !tni_facts_push(&v->intervals, var, lo, hi);
}

void tni_prover_bind_inside(tni_prover *v, const tn_expr *var, const tn_expr *extent, const tn_expr *value) {
  tni_poly x = tni_poly_of(value), below = tni_poly_of(extent);
  tni_poly_add(&below, &x, -1);
  tni_poly_add_constant(&below, -1, 1);
  add_fact(v, &x);
  int64_t lo, hi, least, most;
  add_fact(v, &below);
  tni_prover_bind_value(v, var, value);
  if (var->type != TN_INDEX) return;
  tni_bounds(&v->intervals, value, &lo, &hi); /* of whole tiles: the last one is cut */
  tni_bounds(&v->intervals, extent, &least, &most);
  if (lo < 0) lo = 0;
  if (most < TNI_INF && hi > most - 1) hi = most > 0 ? most - 1 : 0;
  v->failed |= !tni_facts_push(&v->intervals, var, lo, hi < lo ? lo : hi);
}

void tni_prover_know_extent(tni_prover *v, const tn_expr *x) {
  tni_poly p = tni_poly_of(x);
  add_fact(v, &p);
}

/* An open end is known by no number. */
static tni_poly of_end(int64_t c) {
  tni_poly p = tni_poly_number(c);
  p.failed = c <= -TNI_INF || c >= TNI_INF;
  return p;
}

static void know_range(tni_prover *v, const tni_range *range) {
  tni_poly first = of_end(range->lo), last = of_end(range->hi);
  bool named = range->x->op == TN_OP_var;
  if (!named || range->extent) {
    tni_poly x = tni_poly_of(range->x), below = of_end(range->hi);
    tni_poly_add(&below, &x, -1);
    tni_poly_add(&x, &first, -1);
    if (!named) add_fact(v, &x);
    add_fact(v, &below);
  }
  if (!named) return;
  if (range->extent) {
    last = tni_poly_of(range->extent);
    tni_poly_add_constant(&last, -1, 1);
    add_fact(v, &last);
  }
  add_range(v, range->x, &first, &last);
}

void tni_prover_know_facts(tni_prover *v, const tni_facts *facts) {
  v->failed |= !tni_facts_copy(&v->intervals, facts);
  for (size_t i = 0; i < facts->count; i++) know_range(v, &facts->ranges[i]);
  for (size_t i = 0; i < facts->known_count; i++) tni_prover_know(v, facts->known[i].cond, facts->known[i].holds);
}

/* b - a - gap >= 0 */
static void know_order(tni_prover *v, const tn_expr *a, const tn_expr *b, int64_t gap) {
  tni_poly p = tni_poly_of(b), q = tni_poly_of(a);
  tni_poly_add(&p, &q, -1);
  tni_poly_add_constant(&p, -gap, 1);
  add_fact(v, &p);
}

static void know_equal(tni_prover *v, const tn_expr *a, const tn_expr *b) {
  know_order(v, a, b, 0);
  know_order(v, b, a, 0);
}

void tni_prover_know(tni_prover *v, const tn_expr *cond, bool holds) {
  const tn_expr *a = cond->nargs ? cond->arg[0] : NULL, *b = cond->nargs == 2 ? cond->arg[1] : NULL;
  if (tni_is_const(cond) && (cond->as.i != 0) != holds) {
    tni_poly never = tni_poly_number(-1);
    add_fact(v, &never);
  } else if (cond->op == TN_OP_broadcast || cond->op == TN_OP_not) {
    tni_prover_know(v, a, holds == (cond->op == TN_OP_broadcast));
  } else if (cond->op == (holds ? TN_OP_and : TN_OP_or) && TN_TYPE_CODE(cond->type) == kDLBool) {
    tni_prover_know(v, a, holds);
    tni_prover_know(v, b, holds);
  } else if (b && tni_is_integer(a)) {
    switch (cond->op) {
    case TN_OP_lt: holds ? know_order(v, a, b, 1) : know_order(v, b, a, 0); break;
    case TN_OP_le: holds ? know_order(v, a, b, 0) : know_order(v, b, a, 1); break;
    case TN_OP_eq:
      if (holds) know_equal(v, a, b);
      break;
    case TN_OP_ne:
      if (!holds) know_equal(v, a, b);
      break;
    default: break;
    }
  }
}

void tni_prover_bind_lanes(tni_prover *v, uint32_t lanes) {
  tni_poly first = tni_poly_number(0), last = tni_poly_number((int64_t)lanes - 1);
  add_range(v, &tni_lane_atom, &first, &last);
  v->failed |= !tni_facts_push(&v->intervals, &tni_lane_atom, 0, (int64_t)lanes - 1);
}
