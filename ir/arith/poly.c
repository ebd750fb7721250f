/* poly.c -- index expressions as sums of products. What is no sum or product is an atom, as variables are:
 *
 *     (i + 1) * n + min(a, b)   ->   1 i*n + 1 n + 1 min(a, b)
 *
 * d * (x // d) + x % d is x from the start. A vector is its lane number tni_lane_atom.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith/prove.h"

const tn_expr tni_lane_atom = {.op = TN_OP_var, .type = TN_INDEX, .as = {.name = "lane"}};

enum { MAX_NODES = 400 };

static bool is_huge(int64_t x) { return x > INT64_C(1) << TNI_POLY_BITS || x < -(INT64_C(1) << TNI_POLY_BITS); }

int tni_compare_atoms(const tn_expr *a, const tn_expr *b) {
  if (a == b) return 0;
  if ((a->op == TN_OP_var) != (b->op == TN_OP_var)) return a->op == TN_OP_var ? -1 : 1;
  uint32_t p = a->op == TN_OP_var ? a->uid : a->hash, q = b->op == TN_OP_var ? b->uid : b->hash;
  return p != q ? (p < q ? -1 : 1) : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

static bool same_atoms(const tni_monomial *a, const tni_monomial *b) {
  return a->degree == b->degree && memcmp(a->atoms, b->atoms, (size_t)a->degree * sizeof *a->atoms) == 0;
}

static void set_number(tni_poly *p, int64_t c) {
  p->failed = false;
  p->count = 0;
  p->constant = c;
}

void tni_poly_copy(tni_poly *to, const tni_poly *p) {
  memcpy(to, p, offsetof(tni_poly, terms) + (size_t)p->count * sizeof *p->terms);
}

void tni_poly_add_constant(tni_poly *p, int64_t c, int64_t scale) {
  int64_t product;
  p->failed |= __builtin_mul_overflow(c, scale, &product) ||
               __builtin_add_overflow(p->constant, product, &p->constant) || is_huge(p->constant);
}

static void add_monomial(tni_poly *p, const tni_monomial *t, int64_t scale) {
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
  if (p->count == TNI_POLY_TERMS) {
    p->failed = true;
    return;
  }
  p->terms[p->count] = *t;
  p->terms[p->count++].coef = coef;
}

void tni_poly_add(tni_poly *p, const tni_poly *q, int64_t scale) {
  p->failed |= q->failed;
  tni_poly_add_constant(p, q->constant, scale);
  for (int i = 0; i < q->count && !p->failed; i++) add_monomial(p, &q->terms[i], scale);
}

static bool multiply_monomials(const tni_monomial *a, const tni_monomial *b, tni_monomial *out) {
  int i = 0, k = 0;
  if (a->degree + b->degree > TNI_POLY_DEGREE || __builtin_mul_overflow(a->coef, b->coef, &out->coef)) return false;
  for (out->degree = 0; i < a->degree || k < b->degree;)
    out->atoms[out->degree++] = k == b->degree || (i < a->degree && tni_compare_atoms(a->atoms[i], b->atoms[k]) <= 0)
                                    ? a->atoms[i++]
                                    : b->atoms[k++];
  return true;
}

void tni_poly_add_product(tni_poly *p, const tni_poly *a, const tni_poly *b) {
  p->failed |= a->failed || b->failed;
  if (p->failed) return;
  tni_poly_add_constant(p, a->constant, b->constant);
  for (int i = 0; i < a->count; i++) add_monomial(p, &a->terms[i], b->constant);
  for (int k = 0; k < b->count; k++) add_monomial(p, &b->terms[k], a->constant);
  for (int i = 0; i < a->count && !p->failed; i++)
    for (int k = 0; k < b->count && !p->failed; k++) {
      tni_monomial t;
      if (multiply_monomials(&a->terms[i], &b->terms[k], &t))
        add_monomial(p, &t, 1);
      else
        p->failed = true;
    }
}

static void add_atom(tni_poly *p, const tn_expr *x, int64_t scale) {
  add_monomial(p, &(tni_monomial){.coef = 1, .degree = 1, .atoms = {x}}, scale);
}

/* Does the cast to index keep the value? */
static bool keeps_value(const tn_expr *cast) {
  tn_type from = TN_TYPE_WITH_LANES(cast->arg[0]->type, 1);
  return tni_is_index(cast) && (TN_TYPE_CODE(from) == kDLInt || TN_TYPE_CODE(from) == TN_CODE_INDEX ||
                                (TN_TYPE_CODE(from) == kDLUInt && TN_TYPE_BITS(from) < 64));
}

/* p += scale * x. Of a vector: of its lane `tni_lane_atom`. */
static void add_expr(tni_poly *p, const tn_expr *x, int64_t scale, int *budget);

static void add_factors(tni_poly *p, const tn_expr *x, const tn_expr *y, int64_t scale, int *budget) {
  tni_poly a, b;
  set_number(&a, 0);
  set_number(&b, 0);
  add_expr(&a, x, scale, budget);
  add_expr(&b, y, 1, budget);
  tni_poly_add_product(p, &a, &b);
}

static void add_expr(tni_poly *p, const tn_expr *x, int64_t scale, int *budget) {
  p->failed |= --*budget < 0 || is_huge(scale);
  if (p->failed) return;
  switch (x->op) {
  case TN_OP_const:
    p->failed |= !tni_is_integer(x);
    tni_poly_add_constant(p, x->as.i, scale);
    return;
  case TN_OP_broadcast: add_expr(p, x->arg[0], scale, budget); return;
  case TN_OP_cast:
    if (!keeps_value(x)) break;
    add_expr(p, x->arg[0], scale, budget);
    return;
  case TN_OP_ramp:
    if (!tni_is_index(x)) break;
    add_expr(p, x->arg[0], scale, budget);
    add_factors(p, x->arg[1], &tni_lane_atom, scale, budget);
    return;
  case TN_OP_add:
  case TN_OP_sub:
    if (!tni_is_index(x)) break;
    add_expr(p, x->arg[0], scale, budget);
    add_expr(p, x->arg[1], x->op == TN_OP_add ? scale : -scale, budget);
    return;
  case TN_OP_neg:
    if (!tni_is_index(x)) break;
    add_expr(p, x->arg[0], -scale, budget);
    return;
  case TN_OP_mul:
    if (!tni_is_index(x)) break;
    add_factors(p, x->arg[0], x->arg[1], scale, budget);
    return;
  default: break;
  }
  add_atom(p, x, scale);
}

int64_t tni_divisor_of(const tn_expr *x) {
  const tn_expr *d = x->arg[1]->op == TN_OP_broadcast ? x->arg[1]->arg[0] : x->arg[1];
  return tni_is_const(d) && d->as.i > 0 && !is_huge(d->as.i) ? d->as.i : 0;
}

/* Are they c * d * (x // d) and c * (x % d), for a number d? */
static bool are_parts(const tni_monomial *quotient, const tni_monomial *remainder) {
  const tn_expr *q = quotient->atoms[0], *r = remainder->atoms[0];
  int64_t d = quotient->degree == 1 && remainder->degree == 1 && q->op == TN_OP_floordiv ? tni_divisor_of(q) : 0, want;
  return d && r->op == TN_OP_floormod && tni_is_index(q) && q->arg[0] == r->arg[0] && q->arg[1] == r->arg[1] &&
         !__builtin_mul_overflow(remainder->coef, d, &want) && want == quotient->coef;
}

/* d * (x // d) + x % d is x. */
static bool join_parts(tni_poly *p, int *budget) {
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

tni_poly tni_poly_of(const tn_expr *x) {
  tni_poly p;
  set_number(&p, 0);
  int budget = MAX_NODES;
  add_expr(&p, x, 1, &budget);
  while (join_parts(&p, &budget)) {}
  return p;
}

tni_poly tni_poly_number(int64_t c) {
  tni_poly p;
  set_number(&p, c);
  return p;
}

void tni_poly_tighten(tni_poly *p) {
  int64_t g = 0;
  for (int i = 0; i < p->count; i++) g = tni_gcd(g, p->terms[i].coef);
  if (g <= 1) return;
  for (int i = 0; i < p->count; i++) p->terms[i].coef /= g;
  p->constant = tni_floor_div(p->constant, g);
}

bool tni_poly_divide(tni_poly *p, int64_t d) {
  bool all = p->constant % d == 0;
  for (int i = 0; i < p->count; i++) all = all && p->terms[i].coef % d == 0;
  for (int i = 0; i < p->count && all; i++) p->terms[i].coef /= d;
  if (all) p->constant /= d;
  return all;
}

bool tni_poly_split(const tni_poly *p, const tn_expr *atom, tni_poly *factor, tni_poly *rest) {
  *factor = *rest = tni_poly_number(0);
  rest->constant = p->constant;
  for (int i = 0; i < p->count; i++) {
    tni_monomial t = {.coef = p->terms[i].coef};
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
      tni_poly_add_constant(factor, t.coef, 1);
  }
  return !factor->failed && !rest->failed;
}
