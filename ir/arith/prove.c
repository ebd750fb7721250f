/* prove.c -- is a sum never negative? The prover behind the strict checks of the verifier.
 *
 * A question "x < n?" becomes "is n - 1 - x >= 0?", over polynomials (poly.c), under what is known (known.c). Atoms are taken
 * away one after the other, what is bound innermost first: where the factor of an atom is known to be >= 0 its lower bound
 * stands for it, where it is <= 0 its upper bound:
 *
 *     m*n - 1 - i*n - j,  j <= n - 1   ->   m*n - i*n - n,  i <= m - 1, 0 <= n   ->   0
 *
 *     atom                bounds
 *     variable            0 and its extent - 1, or its value; any fact that is linear in it
 *     x // c, c > 0       x - c + 1 <= c * atom <= x
 *     x % c, c > 0        0 and c - 1; x when 0 <= x
 *     min, max, select    either operand, or both
 *     a data integer      what its type holds; any fact that is linear in it
 *
 * What is left is a number. Sums are integers: they are divided by what divides all their factors, rounding down. All
 * choices are tried, within a budget; "no" means unknown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith/prove.h"

enum { MAX_DEPTH = 20, BUDGET = 400 };

/* Constant bounds: of one index by bounds.c, of a lane by what it is made of. */
static void interval_of(const tni_prover *v, const tn_expr *x, int depth, int64_t *lo, int64_t *hi) {
  int64_t d = x->op == TN_OP_floordiv || x->op == TN_OP_floormod ? tni_divisor_of(x) : 0;
  *lo = -TNI_INF;
  *hi = TNI_INF;
  if (x->type == TN_INDEX) {
    tni_bounds(&v->intervals, x, lo, hi);
    return;
  }
  if (!d || depth > MAX_DEPTH) return;
  if (x->op == TN_OP_floormod) {
    *lo = 0;
    *hi = d - 1;
    return;
  }
  tni_poly p = tni_poly_of(x->arg[0]);
  __int128 low = p.constant, high = p.constant;
  for (int i = 0; i < p.count; i++) {
    int64_t a, b, coef = p.terms[i].coef;
    interval_of(v, p.terms[i].atoms[0], depth + 1, &a, &b);
    p.failed |= p.terms[i].degree > 1 || a <= -TNI_INF || b >= TNI_INF;
    low += (__int128)coef * (coef > 0 ? a : b);
    high += (__int128)coef * (coef > 0 ? b : a);
  }
  if (p.failed || low <= -TNI_INF || high >= TNI_INF) return;
  *lo = tni_floor_div((int64_t)low, d);
  *hi = tni_floor_div((int64_t)high, d);
}

/* ---- proving ---- */

static bool never_negative(tni_prover *v, const tni_poly *goal, int depth);

/* A goal with an atom that is to be taken away: factor * atom + rest >= 0. */
typedef struct elimination {
  tni_prover *v;
  const tn_expr *atom;
  const tni_poly *factor, *rest;
  bool upper; /* the factor is <= 0: an upper bound of the atom is wanted */
  int depth;
} elimination;

/* scale * atom <= n (upper), >= n (lower); scale > 0. */
static bool with_bound(const elimination *e, const tni_poly *n, int64_t scale) {
  tni_poly goal = tni_poly_number(0), factor = *e->factor;
  if (scale > 1 && tni_poly_divide(&factor, scale)) scale = 1;
  tni_poly_add_product(&goal, &factor, n);
  tni_poly_add(&goal, e->rest, scale);
  tni_poly_add_constant(&goal, scale - 1, 1); /* scale * p > -scale is enough */
  return never_negative(e->v, &goal, e->depth + 1);
}

static bool with_expr(const elimination *e, const tn_expr *x) {
  tni_poly p = tni_poly_of(x);
  return with_bound(e, &p, 1);
}

static bool with_number(const elimination *e, int64_t c) {
  tni_poly p = tni_poly_number(c);
  return with_bound(e, &p, 1);
}

/* Any of the operands bounds the atom, and their mean: 2 * min(a, b) <= a + b. */
static bool with_any(const elimination *e) {
  tni_poly sum = tni_poly_of(e->atom->arg[0]), other = tni_poly_of(e->atom->arg[1]);
  if (with_bound(e, &sum, 1) || with_bound(e, &other, 1)) return true;
  tni_poly_add(&sum, &other, 1);
  return with_bound(e, &sum, 2);
}

static bool with_both(const elimination *e) { return with_expr(e, e->atom->arg[0]) && with_expr(e, e->atom->arg[1]); }

static bool with_select(const elimination *e) {
  bool good = true;
  for (int i = 1; i <= 2 && good; i++) {
    tni_prover_mark mark = tni_prover_mark_of(e->v);
    tni_prover_know(e->v, e->atom->arg[0], i == 1);
    good = with_expr(e, e->atom->arg[i]);
    tni_prover_pop(e->v, mark);
  }
  return good;
}

static bool with_quotient(const elimination *e) {
  tni_poly n = tni_poly_of(e->atom->arg[0]);
  int64_t lo, hi, c = tni_divisor_of(e->atom);
  if (!c) return false;
  interval_of(e->v, e->atom, 0, &lo, &hi);
  if ((e->upper ? hi < TNI_INF : lo > -TNI_INF) && with_number(e, e->upper ? hi : lo)) return true;
  if (!e->upper) tni_poly_add_constant(&n, 1 - c, 1);
  return with_bound(e, &n, c);
}

static bool with_remainder(const elimination *e) {
  tni_poly last = tni_poly_of(e->atom->arg[1]), whole = tni_poly_of(e->atom->arg[0]);
  tni_poly_add_constant(&last, -1, 1);
  if (!never_negative(e->v, &last, e->depth + 1)) return false;
  if (!e->upper) return with_number(e, 0);
  return with_bound(e, &last, 1) || (never_negative(e->v, &whole, e->depth + 1) && with_bound(e, &whole, 1));
}

static bool with_type(const elimination *e) {
  tn_type type = TN_TYPE_WITH_LANES(e->atom->type, 1);
  int bits = (int)TN_TYPE_BITS(type);
  if (TN_TYPE_CODE(type) == kDLBool) return with_number(e, e->upper);
  if (TN_TYPE_CODE(type) == kDLUInt && !e->upper) return with_number(e, 0);
  if (bits >= TNI_POLY_BITS || (TN_TYPE_CODE(type) != kDLInt && TN_TYPE_CODE(type) != kDLUInt)) return false;
  if (TN_TYPE_CODE(type) == kDLUInt) return with_number(e, (INT64_C(1) << bits) - 1);
  return with_number(e, e->upper ? (INT64_C(1) << (bits - 1)) - 1 : -(INT64_C(1) << (bits - 1)));
}

/* By what the atom is. */
static bool with_meaning(const elimination *e) {
  const tn_expr *x = e->atom;
  for (size_t i = e->v->range_count; x->op == TN_OP_var && i > 0; i--)
    if (e->v->ranges[i - 1].var == x)
      return with_bound(e, e->upper ? &e->v->ranges[i - 1].last : &e->v->ranges[i - 1].first, 1);
  if (!tni_is_integer(x)) return x->op == TN_OP_cast ? false : with_type(e);
  switch (x->op) {
  case TN_OP_min: return e->upper ? with_any(e) : with_both(e);
  case TN_OP_max: return e->upper ? with_both(e) : with_any(e);
  case TN_OP_select: return with_select(e);
  case TN_OP_floordiv: return with_quotient(e);
  case TN_OP_floormod: return with_remainder(e);
  case TN_OP_cast:
    if (tni_is_index(x) && TN_TYPE_CODE(x->arg[0]->type) == kDLBool) return with_number(e, e->upper);
    return with_type(e);
  default: return with_type(e);
  }
}

/* m * atom + r >= 0 bounds the atom by -r / m: below where m > 0, above where m < 0. */
static bool with_facts(const elimination *e) {
  for (size_t i = e->v->fact_count; i > 0; i--) {
    tni_poly m, r, bound = tni_poly_number(0);
    if (!tni_poly_split(&e->v->facts[i - 1].sum, e->atom, &m, &r) || m.count || m.constant == 0) continue;
    if ((m.constant < 0) != e->upper) continue;
    tni_poly_add(&bound, &r, e->upper ? 1 : -1);
    if (with_bound(e, &bound, e->upper ? -m.constant : m.constant)) return true;
  }
  return false;
}

/* Is the variable inside of another atom of p? */
static bool is_hidden(const tni_prover *v, const tni_poly *p, const tn_expr *var) {
  for (int i = 0; i < p->count; i++)
    for (int k = 0; k < p->terms[i].degree; k++)
      if (p->terms[i].atoms[k]->op != TN_OP_var && tni_expr_uses(v->ctx, p->terms[i].atoms[k], var)) return true;
  return false;
}

/* Where an atom stands in the order of elimination: variables innermost first, those that other atoms are made of after
 * these, parameters last. */
static size_t rank_of(const tni_prover *v, const tni_poly *p, const tn_expr *x) {
  if (x->op != TN_OP_var) return v->range_count + 1;
  for (size_t i = v->range_count; i > 0; i--)
    if (v->ranges[i - 1].var == x) return is_hidden(v, p, x) ? i : v->range_count + 1 + i;
  return 0;
}

static const tn_expr *choose_atom(const tni_prover *v, const tni_poly *p) {
  const tn_expr *best = p->terms[0].atoms[0];
  size_t best_rank = rank_of(v, p, best);
  for (int i = 0; i < p->count; i++)
    for (int k = 0; k < p->terms[i].degree; k++) {
      const tn_expr *x = p->terms[i].atoms[k];
      size_t rank = rank_of(v, p, x);
      if (rank > best_rank || (rank == best_rank && tni_compare_atoms(x, best) > 0)) {
        best = x;
        best_rank = rank;
      }
    }
  return best;
}

/* Is the goal a fact plus a number that is not negative? */
static bool follows(const tni_prover *v, const tni_poly *goal) {
  for (size_t i = v->fact_count; i > 0; i--) {
    tni_poly d = *goal;
    tni_poly_add(&d, &v->facts[i - 1].sum, -1);
    if (!d.failed && d.count == 0 && d.constant >= 0) return true;
  }
  return false;
}

static bool never_negative(tni_prover *v, const tni_poly *goal, int depth) {
  tni_poly p = *goal, factor, rest;
  if (p.failed || depth > MAX_DEPTH || --v->budget < 0) return false;
  tni_poly_tighten(&p);
  if (p.count == 0) return p.constant >= 0;
  if (follows(v, &p)) return true;
  elimination e = {v, choose_atom(v, &p), &factor, &rest, .depth = depth};
  if (!tni_poly_split(&p, e.atom, &factor, &rest)) return false;
  if (factor.count == 0) {
    e.upper = factor.constant < 0;
  } else if (!never_negative(v, &factor, depth + 1)) {
    tni_poly negated = tni_poly_number(0);
    tni_poly_add(&negated, &factor, -1);
    if (!never_negative(v, &negated, depth + 1)) return false;
    e.upper = true;
  }
  return with_meaning(&e) || with_facts(&e);
}

static bool ask(tni_prover *v, const tni_poly *goal) {
  v->budget = BUDGET;
  for (size_t i = 0; i < v->fact_count; i++) /* where something is known that cannot be, nothing runs */
    if (v->facts[i].sum.count == 0) return true;
  return never_negative(v, goal, 0);
}

/* ---- questions ---- */

bool tni_prover_never_less(tni_prover *v, const tn_expr *a, const tn_expr *b, int64_t gap) {
  tni_poly p = tni_poly_of(a), q = tni_poly_of(b);
  tni_poly_add(&p, &q, -1);
  tni_poly_add_constant(&p, -gap, 1);
  return ask(v, &p);
}

bool tni_prover_is_inside(tni_prover *v, const tn_expr *x, int32_t count, const tn_expr *const *extents) {
  tni_poly index = tni_poly_of(x), last = tni_poly_number(1);
  int64_t lo, hi;
  tni_bounds(&v->intervals, x, &lo, &hi);
  if (lo >= 0 && count == 1 && tni_is_const(extents[0]) && hi < extents[0]->as.i) return true;
  if (!ask(v, &index)) return false;
  for (int32_t i = 0; i < count; i++) {
    tni_poly e = tni_poly_of(extents[i]), product = tni_poly_number(0);
    tni_poly_add_product(&product, &last, &e);
    last = product;
  }
  tni_poly_add_constant(&last, -1, 1);
  tni_poly_add(&last, &index, -1);
  return ask(v, &last);
}
