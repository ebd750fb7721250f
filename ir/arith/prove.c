/* prove.c -- is a sum never negative? The prover behind the strict checks of the verifier.
 *
 * A question "x < n?" becomes "is n - 1 - x >= 0?", over polynomials whose atoms are variables and what is no sum or
 * product. The atoms are taken away one after the other, what is bound innermost first: where the factor of an atom is
 * known to be >= 0 its lower bound stands for it, where it is <= 0 its upper bound:
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
 * d * (x // d) + x % d is x from the start. What is left is a number. Sums are integers: they are divided by what divides all their factors, rounding down. All
 * choices are tried, within a budget; "no" means unknown.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

enum { MAX_MONOMIALS = 24, MAX_DEGREE = 4, MAX_DEPTH = 20, BUDGET = 400, MAX_NODES = 400, MAX_COEF_BITS = 60 };

typedef struct monomial {
  int64_t coef;
  int degree;
  const tn_expr *atoms[MAX_DEGREE]; /* in order */
} monomial;

/* It is large, and most have few terms: those behind the last are neither set nor copied. */
typedef struct poly {
  bool failed; /* too long, or too large numbers */
  int count;
  int64_t constant;
  monomial terms[MAX_MONOMIALS];
} poly;

struct tni_prover_range {
  const tn_expr *var;
  poly first, last; /* first <= var <= last */
};
struct tni_prover_fact {
  poly sum; /* >= 0 */
};

/* The lane of a vector access: 0..lanes. */
static const tn_expr lane_atom = {.op = TN_OP_var, .type = TN_INDEX, .as = {.name = "lane"}};

/* ---- polynomials ---- */

static bool is_huge(int64_t x) { return x > INT64_C(1) << MAX_COEF_BITS || x < -(INT64_C(1) << MAX_COEF_BITS); }

/* Variables by creation, then everything else by structure. */
static int compare_atoms(const tn_expr *a, const tn_expr *b) {
  if (a == b) return 0;
  if ((a->op == TN_OP_var) != (b->op == TN_OP_var)) return a->op == TN_OP_var ? -1 : 1;
  uint32_t p = a->op == TN_OP_var ? a->uid : a->hash, q = b->op == TN_OP_var ? b->uid : b->hash;
  return p != q ? (p < q ? -1 : 1) : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

static bool same_atoms(const monomial *a, const monomial *b) {
  return a->degree == b->degree && memcmp(a->atoms, b->atoms, (size_t)a->degree * sizeof *a->atoms) == 0;
}

static void set_number(poly *p, int64_t c) {
  p->failed = false;
  p->count = 0;
  p->constant = c;
}

static void copy_poly(poly *to, const poly *p) {
  memcpy(to, p, offsetof(poly, terms) + (size_t)p->count * sizeof *p->terms);
}

static void add_constant(poly *p, int64_t c, int64_t scale) {
  int64_t product;
  p->failed |= __builtin_mul_overflow(c, scale, &product) ||
               __builtin_add_overflow(p->constant, product, &p->constant) || is_huge(p->constant);
}

static void add_monomial(poly *p, const monomial *t, int64_t scale) {
  int64_t coef;
  p->failed |= __builtin_mul_overflow(t->coef, scale, &coef) || is_huge(coef);
  if (p->failed || coef == 0) return;
  for (int i = 0; i < p->count; i++)
    if (same_atoms(&p->terms[i], t)) {
      p->terms[i].coef += coef;
      p->failed |= is_huge(p->terms[i].coef);
      if (p->terms[i].coef == 0) p->terms[i] = p->terms[--p->count];
      return;
    }
  if (p->count == MAX_MONOMIALS) {
    p->failed = true;
    return;
  }
  p->terms[p->count] = *t;
  p->terms[p->count++].coef = coef;
}

/* p += scale * q */
static void add_poly(poly *p, const poly *q, int64_t scale) {
  p->failed |= q->failed;
  add_constant(p, q->constant, scale);
  for (int i = 0; i < q->count && !p->failed; i++) add_monomial(p, &q->terms[i], scale);
}

static bool multiply_monomials(const monomial *a, const monomial *b, monomial *out) {
  int i = 0, k = 0;
  if (a->degree + b->degree > MAX_DEGREE || __builtin_mul_overflow(a->coef, b->coef, &out->coef)) return false;
  for (out->degree = 0; i < a->degree || k < b->degree;)
    out->atoms[out->degree++] = k == b->degree || (i < a->degree && compare_atoms(a->atoms[i], b->atoms[k]) <= 0)
                                    ? a->atoms[i++]
                                    : b->atoms[k++];
  return true;
}

/* p += a * b */
static void add_product(poly *p, const poly *a, const poly *b) {
  p->failed |= a->failed || b->failed;
  if (p->failed) return;
  add_constant(p, a->constant, b->constant);
  for (int i = 0; i < a->count; i++) add_monomial(p, &a->terms[i], b->constant);
  for (int k = 0; k < b->count; k++) add_monomial(p, &b->terms[k], a->constant);
  for (int i = 0; i < a->count && !p->failed; i++)
    for (int k = 0; k < b->count && !p->failed; k++) {
      monomial t;
      if (multiply_monomials(&a->terms[i], &b->terms[k], &t))
        add_monomial(p, &t, 1);
      else
        p->failed = true;
    }
}

static void add_atom(poly *p, const tn_expr *x, int64_t scale) {
  add_monomial(p, &(monomial){.coef = 1, .degree = 1, .atoms = {x}}, scale);
}

static bool is_index(const tn_expr *x) { return TN_TYPE_CODE(x->type) == TN_CODE_INDEX; }
static bool is_int(const tn_expr *x) { return is_index(x) || tni_type_is_int(TN_TYPE_WITH_LANES(x->type, 1)); }

/* Does the cast to index keep the value? */
static bool keeps_value(const tn_expr *cast) {
  tn_type from = TN_TYPE_WITH_LANES(cast->arg[0]->type, 1);
  return is_index(cast) && (TN_TYPE_CODE(from) == kDLInt || TN_TYPE_CODE(from) == TN_CODE_INDEX ||
                            (TN_TYPE_CODE(from) == kDLUInt && TN_TYPE_BITS(from) < 64));
}

/* p += scale * x. Of a vector: of its lane `lane_atom`. */
static void add_expr(poly *p, const tn_expr *x, int64_t scale, int *budget);

static void add_factors(poly *p, const tn_expr *x, const tn_expr *y, int64_t scale, int *budget) {
  poly a, b;
  set_number(&a, 0);
  set_number(&b, 0);
  add_expr(&a, x, scale, budget);
  add_expr(&b, y, 1, budget);
  add_product(p, &a, &b);
}

static void add_expr(poly *p, const tn_expr *x, int64_t scale, int *budget) {
  p->failed |= --*budget < 0 || is_huge(scale);
  if (p->failed) return;
  switch (x->op) {
  case TN_OP_const:
    p->failed |= !is_int(x);
    add_constant(p, x->as.i, scale);
    return;
  case TN_OP_broadcast: add_expr(p, x->arg[0], scale, budget); return;
  case TN_OP_cast:
    if (!keeps_value(x)) break;
    add_expr(p, x->arg[0], scale, budget);
    return;
  case TN_OP_ramp:
    if (!is_index(x)) break;
    add_expr(p, x->arg[0], scale, budget);
    add_factors(p, x->arg[1], &lane_atom, scale, budget);
    return;
  case TN_OP_add:
  case TN_OP_sub:
    if (!is_index(x)) break;
    add_expr(p, x->arg[0], scale, budget);
    add_expr(p, x->arg[1], x->op == TN_OP_add ? scale : -scale, budget);
    return;
  case TN_OP_neg:
    if (!is_index(x)) break;
    add_expr(p, x->arg[0], -scale, budget);
    return;
  case TN_OP_mul:
    if (!is_index(x)) break;
    add_factors(p, x->arg[0], x->arg[1], scale, budget);
    return;
  default: break;
  }
  add_atom(p, x, scale);
}

/* The number that x divides by, if it is one that is positive; else 0. */
static int64_t divisor_of(const tn_expr *x) {
  const tn_expr *d = x->arg[1]->op == TN_OP_broadcast ? x->arg[1]->arg[0] : x->arg[1];
  return tni_is_const(d) && d->as.i > 0 && !is_huge(d->as.i) ? d->as.i : 0;
}

/* Are they c * d * (x // d) and c * (x % d), for a number d? */
static bool are_parts(const monomial *quotient, const monomial *remainder) {
  const tn_expr *q = quotient->atoms[0], *r = remainder->atoms[0];
  int64_t d = quotient->degree == 1 && remainder->degree == 1 && q->op == TN_OP_floordiv ? divisor_of(q) : 0, want;
  return d && r->op == TN_OP_floormod && is_index(q) && q->arg[0] == r->arg[0] && q->arg[1] == r->arg[1] &&
         !__builtin_mul_overflow(remainder->coef, d, &want) && want == quotient->coef;
}

/* d * (x // d) + x % d is x. */
static bool join_parts(poly *p, int *budget) {
  for (int i = 0; i < p->count; i++)
    for (int k = 0; k < p->count; k++)
      if (are_parts(&p->terms[i], &p->terms[k])) {
        const tn_expr *x = p->terms[k].atoms[0]->arg[0];
        int64_t coef = p->terms[k].coef;
        p->terms[i > k ? i : k] = p->terms[p->count - 1];
        p->terms[i > k ? k : i] = p->terms[p->count - 2];
        p->count -= 2;
        add_expr(p, x, coef, budget);
        return !p->failed;
      }
  return false;
}

static poly poly_of(const tn_expr *x) {
  poly p;
  set_number(&p, 0);
  int budget = MAX_NODES;
  add_expr(&p, x, 1, &budget);
  while (join_parts(&p, &budget)) {}
  return p;
}

static poly of_number(int64_t c) {
  poly p;
  set_number(&p, c);
  return p;
}

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/* p >= 0 says the same when divided by what divides all factors, since what they stand before are integers. */
static void tighten(poly *p) {
  int64_t g = 0;
  for (int i = 0; i < p->count; i++)
    for (int64_t c = p->terms[i].coef < 0 ? -p->terms[i].coef : p->terms[i].coef; c;) {
      int64_t t = g % c;
      g = c;
      c = t;
    }
  if (g <= 1) return;
  for (int i = 0; i < p->count; i++) p->terms[i].coef /= g;
  p->constant = floor_div(p->constant, g);
}

/* p = factor * atom + rest. False: not linear in the atom. */
static bool split(const poly *p, const tn_expr *atom, poly *factor, poly *rest) {
  *factor = *rest = of_number(0);
  rest->constant = p->constant;
  for (int i = 0; i < p->count; i++) {
    monomial t = {.coef = p->terms[i].coef};
    int found = 0;
    for (int k = 0; k < p->terms[i].degree; k++)
      if (p->terms[i].atoms[k] == atom && !found)
        found++;
      else if (p->terms[i].atoms[k] == atom)
        return false;
      else
        t.atoms[t.degree++] = p->terms[i].atoms[k];
    if (!found)
      add_monomial(rest, &t, 1);
    else if (t.degree)
      add_monomial(factor, &t, 1);
    else
      add_constant(factor, t.coef, 1);
  }
  return !factor->failed && !rest->failed;
}

/* Constant bounds: of one index by bounds.c, of a lane by what it is made of. */
static void interval_of(const tni_prover *v, const tn_expr *x, int depth, int64_t *lo, int64_t *hi) {
  int64_t d = x->op == TN_OP_floordiv || x->op == TN_OP_floormod ? divisor_of(x) : 0;
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
  poly p = poly_of(x->arg[0]);
  __int128 low = p.constant, high = p.constant;
  for (int i = 0; i < p.count; i++) {
    int64_t a, b, coef = p.terms[i].coef;
    interval_of(v, p.terms[i].atoms[0], depth + 1, &a, &b);
    p.failed |= p.terms[i].degree > 1 || a <= -TNI_INF || b >= TNI_INF;
    low += (__int128)coef * (coef > 0 ? a : b);
    high += (__int128)coef * (coef > 0 ? b : a);
  }
  if (p.failed || low <= -TNI_INF || high >= TNI_INF) return;
  *lo = floor_div((int64_t)low, d);
  *hi = floor_div((int64_t)high, d);
}

/* ---- proving ---- */

static bool never_negative(tni_prover *v, const poly *goal, int depth);

/* A goal with an atom that is to be taken away: factor * atom + rest >= 0. */
typedef struct elimination {
  tni_prover *v;
  const tn_expr *atom;
  const poly *factor, *rest;
  bool upper; /* the factor is <= 0: an upper bound of the atom is wanted */
  int depth;
} elimination;

static bool divides(int64_t d, const poly *p) {
  bool all = p->constant % d == 0;
  for (int i = 0; i < p->count; i++) all = all && p->terms[i].coef % d == 0;
  return all;
}

/* scale * atom <= n (upper), >= n (lower); scale > 0. */
static bool with_bound(const elimination *e, const poly *n, int64_t scale) {
  poly goal = of_number(0), factor = *e->factor;
  if (scale > 1 && divides(scale, &factor)) {
    for (int i = 0; i < factor.count; i++) factor.terms[i].coef /= scale;
    factor.constant /= scale;
    scale = 1;
  }
  add_product(&goal, &factor, n);
  add_poly(&goal, e->rest, scale);
  add_constant(&goal, scale - 1, 1); /* scale * p > -scale is enough */
  return never_negative(e->v, &goal, e->depth + 1);
}

static bool with_expr(const elimination *e, const tn_expr *x) {
  poly p = poly_of(x);
  return with_bound(e, &p, 1);
}

static bool with_number(const elimination *e, int64_t c) {
  poly p = of_number(c);
  return with_bound(e, &p, 1);
}

/* Any of the operands bounds the atom, and their mean: 2 * min(a, b) <= a + b. */
static bool with_any(const elimination *e) {
  poly sum = poly_of(e->atom->arg[0]), other = poly_of(e->atom->arg[1]);
  if (with_bound(e, &sum, 1) || with_bound(e, &other, 1)) return true;
  add_poly(&sum, &other, 1);
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
  poly n = poly_of(e->atom->arg[0]);
  int64_t lo, hi, c = divisor_of(e->atom);
  if (!c) return false;
  interval_of(e->v, e->atom, 0, &lo, &hi);
  if ((e->upper ? hi < TNI_INF : lo > -TNI_INF) && with_number(e, e->upper ? hi : lo)) return true;
  if (!e->upper) add_constant(&n, 1 - c, 1);
  return with_bound(e, &n, c);
}

static bool with_remainder(const elimination *e) {
  poly last = poly_of(e->atom->arg[1]), whole = poly_of(e->atom->arg[0]);
  add_constant(&last, -1, 1);
  if (!never_negative(e->v, &last, e->depth + 1)) return false;
  if (!e->upper) return with_number(e, 0);
  return with_bound(e, &last, 1) || (never_negative(e->v, &whole, e->depth + 1) && with_bound(e, &whole, 1));
}

static bool with_type(const elimination *e) {
  tn_type type = TN_TYPE_WITH_LANES(e->atom->type, 1);
  int bits = (int)TN_TYPE_BITS(type);
  if (TN_TYPE_CODE(type) == kDLBool) return with_number(e, e->upper);
  if (TN_TYPE_CODE(type) == kDLUInt && !e->upper) return with_number(e, 0);
  if (bits >= MAX_COEF_BITS || (TN_TYPE_CODE(type) != kDLInt && TN_TYPE_CODE(type) != kDLUInt)) return false;
  if (TN_TYPE_CODE(type) == kDLUInt) return with_number(e, (INT64_C(1) << bits) - 1);
  return with_number(e, e->upper ? (INT64_C(1) << (bits - 1)) - 1 : -(INT64_C(1) << (bits - 1)));
}

/* By what the atom is. */
static bool with_meaning(const elimination *e) {
  const tn_expr *x = e->atom;
  for (size_t i = e->v->range_count; x->op == TN_OP_var && i > 0; i--)
    if (e->v->ranges[i - 1].var == x)
      return with_bound(e, e->upper ? &e->v->ranges[i - 1].last : &e->v->ranges[i - 1].first, 1);
  if (!is_int(x)) return x->op == TN_OP_cast ? false : with_type(e);
  switch (x->op) {
  case TN_OP_min: return e->upper ? with_any(e) : with_both(e);
  case TN_OP_max: return e->upper ? with_both(e) : with_any(e);
  case TN_OP_select: return with_select(e);
  case TN_OP_floordiv: return with_quotient(e);
  case TN_OP_floormod: return with_remainder(e);
  case TN_OP_cast:
    if (is_index(x) && TN_TYPE_CODE(x->arg[0]->type) == kDLBool) return with_number(e, e->upper);
    return with_type(e);
  default: return with_type(e);
  }
}

/* m * atom + r >= 0 bounds the atom by -r / m: below where m > 0, above where m < 0. */
static bool with_facts(const elimination *e) {
  for (size_t i = e->v->fact_count; i > 0; i--) {
    poly m, r, bound = of_number(0);
    if (!split(&e->v->facts[i - 1].sum, e->atom, &m, &r) || m.count || m.constant == 0) continue;
    if ((m.constant < 0) != e->upper) continue;
    add_poly(&bound, &r, e->upper ? 1 : -1);
    if (with_bound(e, &bound, e->upper ? -m.constant : m.constant)) return true;
  }
  return false;
}

/* Is the variable inside of another atom of p? */
static bool is_hidden(const tni_prover *v, const poly *p, const tn_expr *var) {
  for (int i = 0; i < p->count; i++)
    for (int k = 0; k < p->terms[i].degree; k++)
      if (p->terms[i].atoms[k]->op != TN_OP_var && tni_expr_uses(v->ctx, p->terms[i].atoms[k], var)) return true;
  return false;
}

/* Where an atom stands in the order of elimination: variables innermost first, those that other atoms are made of after
 * these, parameters last. */
static size_t rank_of(const tni_prover *v, const poly *p, const tn_expr *x) {
  if (x->op != TN_OP_var) return v->range_count + 1;
  for (size_t i = v->range_count; i > 0; i--)
    if (v->ranges[i - 1].var == x) return is_hidden(v, p, x) ? i : v->range_count + 1 + i;
  return 0;
}

static const tn_expr *choose_atom(const tni_prover *v, const poly *p) {
  const tn_expr *best = p->terms[0].atoms[0];
  size_t best_rank = rank_of(v, p, best);
  for (int i = 0; i < p->count; i++)
    for (int k = 0; k < p->terms[i].degree; k++) {
      const tn_expr *x = p->terms[i].atoms[k];
      size_t rank = rank_of(v, p, x);
      if (rank > best_rank || (rank == best_rank && compare_atoms(x, best) > 0)) {
        best = x;
        best_rank = rank;
      }
    }
  return best;
}

/* Is the goal a fact plus a number that is not negative? */
static bool follows(const tni_prover *v, const poly *goal) {
  for (size_t i = v->fact_count; i > 0; i--) {
    poly d = *goal;
    add_poly(&d, &v->facts[i - 1].sum, -1);
    if (!d.failed && d.count == 0 && d.constant >= 0) return true;
  }
  return false;
}

static bool never_negative(tni_prover *v, const poly *goal, int depth) {
  poly p = *goal, factor, rest;
  if (p.failed || depth > MAX_DEPTH || --v->budget < 0) return false;
  tighten(&p);
  if (p.count == 0) return p.constant >= 0;
  if (follows(v, &p)) return true;
  elimination e = {v, choose_atom(v, &p), &factor, &rest, .depth = depth};
  if (!split(&p, e.atom, &factor, &rest)) return false;
  if (factor.count == 0) {
    e.upper = factor.constant < 0;
  } else if (!never_negative(v, &factor, depth + 1)) {
    poly negated = of_number(0);
    add_poly(&negated, &factor, -1);
    if (!never_negative(v, &negated, depth + 1)) return false;
    e.upper = true;
  }
  return with_meaning(&e) || with_facts(&e);
}

static bool ask(tni_prover *v, const poly *goal) {
  v->budget = BUDGET;
  for (size_t i = 0; i < v->fact_count; i++) /* where something is known that cannot be, nothing runs */
    if (v->facts[i].sum.count == 0) return true;
  return never_negative(v, goal, 0);
}

/* ---- facts ---- */

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

static void add_fact(tni_prover *v, const poly *sum) {
  if (sum->failed || (sum->count == 0 && sum->constant >= 0)) return;
  if (!tni_reserve(v->ctx, (void **)&v->facts, &v->fact_capacity, v->fact_count + 1, sizeof *v->facts)) {
    v->failed = true;
    return;
  }
  v->facts[v->fact_count].sum = *sum;
  tighten(&v->facts[v->fact_count++].sum);
}

static void add_range(tni_prover *v, const tn_expr *var, const poly *first, const poly *last) {
  if (!tni_reserve(v->ctx, (void **)&v->ranges, &v->range_capacity, v->range_count + 1, sizeof *v->ranges)) {
    v->failed = true;
    return;
  }
  v->ranges[v->range_count].var = var;
  copy_poly(&v->ranges[v->range_count].first, first);
  copy_poly(&v->ranges[v->range_count++].last, last);
}

void tni_prover_bind(tni_prover *v, const tn_expr *var, const tn_expr *extent) {
  poly first = of_number(0), last = poly_of(extent);
  int64_t lo, hi;
  add_constant(&last, -1, 1);
  add_range(v, var, &first, &last);
  tni_bounds(&v->intervals, extent, &lo, &hi);
  v->failed |= !tni_facts_push(&v->intervals, var, 0, hi >= TNI_INF ? TNI_INF : hi > 0 ? hi - 1 : 0);
  add_fact(v, &last); /* what runs has an extent of 1 or more */
}

void tni_prover_bind_value(tni_prover *v, const tn_expr *var, const tn_expr *value) {
  poly p = poly_of(value);
  int64_t lo, hi;
  add_range(v, var, &p, &p);
  if (var->type != TN_INDEX) return;
  tni_bounds(&v->intervals, value, &lo, &hi);
  v->failed |= !tni_facts_push(&v->intervals, var, lo, hi);
}

void tni_prover_know_extent(tni_prover *v, const tn_expr *x) {
  poly p = poly_of(x);
  add_fact(v, &p);
}

/* An open end is known by no number. */
static poly of_end(int64_t c) {
  poly p = of_number(c);
  p.failed = c <= -TNI_INF || c >= TNI_INF;
  return p;
}

static void know_range(tni_prover *v, const tni_range *range) {
  poly first = of_end(range->lo), last = of_end(range->hi);
  bool named = range->x->op == TN_OP_var;
  if (!named || range->extent) {
    poly x = poly_of(range->x), below = of_end(range->hi);
    add_poly(&below, &x, -1);
    add_poly(&x, &first, -1);
    if (!named) add_fact(v, &x);
    add_fact(v, &below);
  }
  if (!named) return;
  if (range->extent) {
    last = poly_of(range->extent);
    add_constant(&last, -1, 1);
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
  poly p = poly_of(b), q = poly_of(a);
  add_poly(&p, &q, -1);
  add_constant(&p, -gap, 1);
  add_fact(v, &p);
}

static void know_equal(tni_prover *v, const tn_expr *a, const tn_expr *b) {
  know_order(v, a, b, 0);
  know_order(v, b, a, 0);
}

void tni_prover_know(tni_prover *v, const tn_expr *cond, bool holds) {
  const tn_expr *a = cond->nargs ? cond->arg[0] : NULL, *b = cond->nargs == 2 ? cond->arg[1] : NULL;
  if (tni_is_const(cond) && (cond->as.i != 0) != holds) {
    poly never = of_number(-1);
    add_fact(v, &never);
  } else if (cond->op == TN_OP_broadcast || cond->op == TN_OP_not) {
    tni_prover_know(v, a, holds == (cond->op == TN_OP_broadcast));
  } else if (cond->op == (holds ? TN_OP_and : TN_OP_or) && TN_TYPE_CODE(cond->type) == kDLBool) {
    tni_prover_know(v, a, holds);
    tni_prover_know(v, b, holds);
  } else if (b && is_int(a)) {
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
  poly first = of_number(0), last = of_number((int64_t)lanes - 1);
  add_range(v, &lane_atom, &first, &last);
  v->failed |= !tni_facts_push(&v->intervals, &lane_atom, 0, (int64_t)lanes - 1);
}

/* ---- questions ---- */

bool tni_prover_never_less(tni_prover *v, const tn_expr *a, const tn_expr *b, int64_t gap) {
  poly p = poly_of(a), q = poly_of(b);
  add_poly(&p, &q, -1);
  add_constant(&p, -gap, 1);
  return ask(v, &p);
}

bool tni_prover_is_inside(tni_prover *v, const tn_expr *x, int32_t count, const tn_expr *const *extents) {
  poly index = poly_of(x), last = of_number(1);
  int64_t lo, hi;
  tni_bounds(&v->intervals, x, &lo, &hi);
  if (lo >= 0 && count == 1 && tni_is_const(extents[0]) && hi < extents[0]->as.i) return true;
  if (!ask(v, &index)) return false;
  for (int32_t i = 0; i < count; i++) {
    poly e = poly_of(extents[i]), product = of_number(0);
    add_product(&product, &last, &e);
    last = product;
  }
  add_constant(&last, -1, 1);
  add_poly(&last, &index, -1);
  return ask(v, &last);
}
