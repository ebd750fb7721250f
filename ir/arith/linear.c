/* linear.c -- index expressions as sums of coefficient * term + constant.
 *
 * Terms are variables and what is not linear; they stand in order of creation (variables) and structure (the rest).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_COEF_BITS = 61, MAX_STEPS = 512 };

static int order(int64_t a, int64_t b) { return a < b ? -1 : a > b; }

/* Of two nodes that are not the same. Only the first arguments that differ are looked at. */
static int compare_nodes(const tn_expr *a, const tn_expr *b) {
  if (a->op != b->op) return order(a->op, b->op);
  if (a->type != b->type) return order(a->type, b->type);
  if (a->nargs != b->nargs) return order(a->nargs, b->nargs);
  for (int i = 0; i < a->nargs; i++)
    if (a->arg[i] != b->arg[i]) return tni_compare_exprs(a->arg[i], b->arg[i]);
  if (a->op == TN_OP_call) return strcmp(a->as.name, b->as.name);
  if (a->op == TN_OP_load || a->op == TNI_OP_ADDRESS) return order(a->as.buffer->uid, b->as.buffer->uid);
  return order(a->as.i, b->as.i);
}

int tni_compare_exprs(const tn_expr *a, const tn_expr *b) {
  if (a == b) return 0;
  if ((a->op == TN_OP_var) != (b->op == TN_OP_var)) return a->op == TN_OP_var ? -1 : 1;
  return a->op == TN_OP_var ? order(a->uid, b->uid) : compare_nodes(a, b);
}

void tni_linear_add_constant(tni_linear *l, int64_t c, int64_t scale) {
  int64_t product;
  l->overflow |=
      __builtin_mul_overflow(c, scale, &product) || __builtin_add_overflow(l->constant, product, &l->constant);
}

void tni_linear_remove(tni_linear *l, int i) {
  l->count--;
  memmove(&l->terms[i], &l->terms[i + 1], (size_t)(l->count - i) * sizeof(tni_term));
}

void tni_linear_add_term(tni_linear *l, const tn_expr *x, int64_t coef) {
  int i = 0;
  if (coef == 0) return;
  for (; i < l->count; i++)
    if (l->terms[i].x == x) {
      l->overflow |= __builtin_add_overflow(l->terms[i].coef, coef, &l->terms[i].coef);
      if (l->terms[i].coef == 0) tni_linear_remove(l, i);
      return;
    }
  if (l->count == TNI_LINEAR_TERMS) {
    l->overflow = true;
    return;
  }
  for (i = 0; i < l->count && tni_compare_exprs(x, l->terms[i].x) > 0; i++)
    ;
  memmove(&l->terms[i + 1], &l->terms[i], (size_t)(l->count - i) * sizeof(tni_term));
  l->terms[i] = (tni_term){x, coef};
  l->count++;
}

static bool is_huge(int64_t x) { return x > INT64_C(1) << MAX_COEF_BITS || x < -(INT64_C(1) << MAX_COEF_BITS); }

void tni_linear_add(tni_linear *l, const tn_expr *x, int64_t scale) {
  int64_t product;
  l->overflow |= ++l->steps > MAX_STEPS;
  if (l->overflow) return;
  switch (x->op) {
  case TN_OP_const: tni_linear_add_constant(l, x->as.i, scale); return;
  case TN_OP_add:
    tni_linear_add(l, x->arg[0], scale);
    tni_linear_add(l, x->arg[1], scale);
    return;
  case TN_OP_sub:
    tni_linear_add(l, x->arg[0], scale);
    tni_linear_add(l, x->arg[1], -scale);
    return;
  case TN_OP_neg: tni_linear_add(l, x->arg[0], -scale); return;
  case TN_OP_mul:
    for (int i = 0; i < 2; i++)
      if (tni_is_const(x->arg[i])) {
        l->overflow |= __builtin_mul_overflow(scale, x->arg[i]->as.i, &product) || is_huge(product);
        if (!l->overflow) tni_linear_add(l, x->arg[1 - i], product);
        return;
      }
    break;
  default: break;
  }
  tni_linear_add_term(l, x, scale);
}

void tni_linear_add_linear(tni_linear *l, const tni_linear *m, int64_t scale) {
  int64_t coef;
  l->overflow |= m->overflow;
  tni_linear_add_constant(l, m->constant, scale);
  for (int i = 0; i < m->count; i++) {
    l->overflow |= __builtin_mul_overflow(m->terms[i].coef, scale, &coef) || is_huge(coef);
    if (!l->overflow) tni_linear_add_term(l, m->terms[i].x, coef);
  }
}

bool tni_linear_equal(const tni_linear *a, const tni_linear *b) {
  if (a->overflow || b->overflow || a->count != b->count || a->constant != b->constant) return false;
  for (int i = 0; i < a->count; i++)
    if (a->terms[i].x != b->terms[i].x || a->terms[i].coef != b->terms[i].coef) return false;
  return true;
}

/* ---- written as an expression ---- */

/* The term that a sum begins with: the first positive one, so that others can be subtracted; -1: the constant is before all. */
static int first_term(const tni_linear *l) {
  int first = 0;
  while (first < l->count && l->terms[first].coef < 0) first++;
  if (first < l->count) return first;
  return l->constant != 0 || l->count == 0 ? -1 : 0;
}

static const tn_expr *times(tni_region *r, const tn_expr *x, int64_t coef) {
  return coef == 1 ? x : tni_mul(r, x, tni_index(r, coef));
}

static bool is_times(const tn_expr *product, const tn_expr *x, int64_t coef) {
  if (coef == 1) return product == x;
  return product->op == TN_OP_mul && product->arg[0] == x && tni_is_int(product->arg[1], coef);
}

const tn_expr *tni_linear_expr(tni_region *r, const tni_linear *l) {
  int first = first_term(l);
  const tn_expr *sum = first < 0 ? tni_index(r, l->constant) : times(r, l->terms[first].x, l->terms[first].coef);
  for (int i = 0; i < l->count; i++) {
    int64_t coef = l->terms[i].coef;
    if (i == first) continue;
    sum = coef < 0 ? tni_sub(r, sum, times(r, l->terms[i].x, -coef)) : tni_add(r, sum, times(r, l->terms[i].x, coef));
  }
  return first < 0 || !l->constant ? sum : tni_add(r, sum, tni_index(r, l->constant));
}

bool tni_is_linear_expr(const tni_linear *l, const tn_expr *x) {
  int first = first_term(l);
  if (first >= 0 && l->constant) {
    if (x->op != TN_OP_add || !tni_is_int(x->arg[1], l->constant)) return false;
    x = x->arg[0];
  }
  for (int i = l->count; i-- > 0;) {
    int64_t coef = l->terms[i].coef;
    if (i == first) continue;
    if (x->op != (coef < 0 ? TN_OP_sub : TN_OP_add) || !is_times(x->arg[1], l->terms[i].x, coef < 0 ? -coef : coef))
      return false;
    x = x->arg[0];
  }
  return first < 0 ? tni_is_int(x, l->constant) : is_times(x, l->terms[first].x, l->terms[first].coef);
}

/* ---- parts over some variables ---- */

bool tni_affine(tni_region *r, const tn_expr *x, size_t count, const tn_expr *const *vars, int64_t *coefs,
                const tn_expr **rest) {
  tni_linear l;
  tni_linear_init(&l);
  tni_facts none = {.ctx = r->arena.ctx};
  x = tni_simplify(r, &none, x);
  if (!x) return false;
  tni_linear_add(&l, x, 1);
  for (size_t v = 0; v < count; v++) coefs[v] = 0;
  for (int i = 0; i < l.count;) {
    size_t v = 0;
    while (v < count && vars[v] != l.terms[i].x) v++;
    if (v < count) {
      coefs[v] = l.terms[i].coef;
      tni_linear_remove(&l, i);
    } else {
      for (v = 0; v < count; v++)
        if (tni_expr_uses(r->arena.ctx, l.terms[i].x, vars[v])) return false;
      i++;
    }
  }
  *rest = tni_linear_expr(r, &l);
  return !l.overflow && *rest;
}

bool tni_separate(tni_region *r, const tni_facts *facts, const tn_expr *x, size_t count, const tn_expr *const *vars,
                  const tn_expr **base, size_t *term_count, tni_term *terms, size_t room) {
  tni_linear l;
  tni_linear_init(&l);
  x = tni_simplify(r, facts, x);
  *term_count = 0;
  if (!x) return false;
  tni_linear_add(&l, x, 1);
  for (int i = 0; i < l.count;) {
    bool inner = false;
    for (size_t v = 0; v < count && !inner; v++) inner = tni_expr_uses(r->arena.ctx, l.terms[i].x, vars[v]);
    if (!inner) {
      i++;
      continue;
    }
    if (*term_count == room) return false;
    terms[(*term_count)++] = (tni_term){l.terms[i].x, l.terms[i].coef};
    tni_linear_remove(&l, i);
  }
  *base = tni_linear_expr(r, &l);
  return !l.overflow && *base;
}
