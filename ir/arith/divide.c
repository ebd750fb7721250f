/* divide.c -- quotients and remainders in canonical form.
 *
 * What is divided is a sum; every rule takes something out of it, or makes the division smaller. d > 0, and all letters are
 * integers:
 *
 *     x // -d  ->  -x // d                x % -d  ->  -(-x % d)            x // 0, x % 0  ->  0
 *     (d*q + r) // d  ->  q + r // d      (d*q + r) % d  ->  r % d
 *     r // d  ->  k                       r % d  ->  r - d*k               k*d <= r < (k + 1)*d
 *     (c*q + r) // (c*d)  ->  q // d      (c*q + r) % (c*d)  ->  c*(q % d) + r        0 <= r < c
 *     (x // a + k) // d  ->  (x + a*k) // (a*d)                            for a number k
 *     x % (d*m) // d  ->  x // d % m      (x % (d*m) + y) % d  ->  (x + y) % d
 *     (n*q + r) // n  ->  q               (n*q + r) % n  ->  r             0 <= r < n, for an expression n
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

/* Divisors beyond are left alone: products of two stay exact. */
#define LARGEST (INT64_C(1) << 31)

static const tn_expr *plain(const tni_simplifier *s, enum tn_op op, const tn_expr *x, int64_t d) {
  return tni_op2(s->r, op, x, tni_index(s->r, d));
}

static const tn_expr *negated(const tni_simplifier *s, const tn_expr *x) {
  return tni_sum(s, tni_mul(s->r, x, tni_index(s->r, -1)));
}

/* Is x // d one number, *k? */
static bool has_one_quotient(const tni_simplifier *s, const tn_expr *x, int64_t d, int64_t *k) {
  tni_interval in = tni_values_of(s->scan, x).in;
  if (in.lo <= -TNI_INF || in.hi >= TNI_INF || in.lo > in.hi) return false;
  *k = tni_floor_div(in.lo, d);
  return *k == tni_floor_div(in.hi, d);
}

/* ---- d*q + r ---- */

/* coef * x where x is known modulo d / gcd(coef, d): x = d' * (x // d') + number. */
static bool split_known(const tni_simplifier *s, const tn_expr *x, int64_t coef, int64_t d, tni_linear *q,
                        tni_linear *rest) {
  int64_t g = tni_gcd(coef, d), part = d / g;
  tni_residue is = tni_values_of(s->scan, x).is;
  if (part == 1 || is.mod == 0 || is.mod % part != 0) return false;
  tni_linear_add(q, plain(s, TN_OP_floordiv, x, part), coef / g);
  tni_linear_add_constant(rest, is.rem % part, coef);
  return true;
}

/* l = d*q + rest. The rest keeps its coefficients, which tell of the loops that were fused; its constant lies in 0..d. */
static void split_by(const tni_simplifier *s, const tni_linear *l, int64_t d, tni_linear *q, tni_linear *rest) {
  *q = *rest = (tni_linear){0};
  for (int i = 0; i < l->count; i++) {
    int64_t coef = l->terms[i].coef;
    if (coef % d == 0)
      tni_linear_add_term(q, l->terms[i].x, coef / d);
    else if (!split_known(s, l->terms[i].x, coef, d, q, rest))
      tni_linear_add_term(rest, l->terms[i].x, coef);
  }
  tni_linear_add_constant(rest, l->constant, 1);
  int64_t whole = tni_floor_div(rest->constant, d);
  tni_linear_add_constant(q, whole, 1);
  rest->constant -= whole * d;
}

bool tni_split_low(const tni_simplifier *s, const tni_linear *l, int64_t c, tni_linear *q, tni_linear *low) {
  int64_t k;
  *q = *low = (tni_linear){0};
  for (int i = 0; i < l->count; i++)
    if (l->terms[i].coef % c == 0)
      tni_linear_add_term(q, l->terms[i].x, l->terms[i].coef / c);
    else
      tni_linear_add_term(low, l->terms[i].x, l->terms[i].coef);
  q->constant = tni_floor_div(l->constant, c);
  low->constant = l->constant - c * q->constant;
  const tn_expr *part = tni_linear_expr(s->r, low);
  if (!part || !has_one_quotient(s, part, c, &k)) return false;
  tni_linear_add_constant(q, k, 1);
  tni_linear_add_constant(low, k, -c);
  return !q->overflow && !low->overflow;
}

/* The same for a c > 1 among the coefficients that divides d. */
static bool split_low(const tni_simplifier *s, const tni_linear *l, int64_t d, int64_t *c, tni_linear *q,
                      tni_linear *low) {
  for (int i = 0; i < l->count; i++) {
    *c = l->terms[i].coef < 0 ? -l->terms[i].coef : l->terms[i].coef;
    if (*c > 1 && *c < d && d % *c == 0 && tni_split_low(s, l, *c, q, low)) return true;
  }
  return false;
}

/* The largest g that divides d and every coefficient. */
static int64_t common_divisor(const tni_linear *l, int64_t d) {
  for (int i = 0; i < l->count; i++) d = tni_gcd(l->terms[i].coef, d);
  return d;
}

static bool divides_by_number(const tn_expr *x, enum tn_op op) {
  return x->op == op && tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 && x->arg[1]->as.i < LARGEST;
}

/* ---- quotients ---- */

/* (x // a + k) // d -> (x + a*k) // (a*d) */
static const tn_expr *divide_nested(const tni_simplifier *s, const tni_linear *rest, int64_t d) {
  const tn_expr *x = rest->count == 1 && rest->terms[0].coef == 1 ? rest->terms[0].x : NULL;
  if (!x || !divides_by_number(x, TN_OP_floordiv) || x->arg[1]->as.i * d >= LARGEST) return NULL;
  int64_t a = x->arg[1]->as.i;
  return tni_divide(s, tni_sum(s, tni_add(s->r, x->arg[0], tni_index(s->r, rest->constant * a))), a * d);
}

/* x % (d*m) // d -> x // d % m */
static const tn_expr *divide_remainder(const tni_simplifier *s, const tn_expr *x, int64_t d) {
  if (!divides_by_number(x, TN_OP_floormod) || x->arg[1]->as.i % d != 0) return NULL;
  return tni_modulo(s, tni_divide(s, x->arg[0], d), x->arg[1]->as.i / d);
}

/* rest // d, for a rest that d divides nothing of. */
static const tn_expr *divide_rest(const tni_simplifier *s, tni_linear *rest, int64_t d) {
  int64_t c, k;
  tni_linear q, low;
  const tn_expr *x = tni_linear_expr(s->r, rest), *made;
  if (!x) return NULL;
  if (has_one_quotient(s, x, d, &k)) return tni_index(s->r, k);
  if (split_low(s, rest, d, &c, &q, &low)) return tni_divide(s, tni_linear_expr(s->r, &q), d / c);
  int64_t g = common_divisor(rest, d);
  if (g > 1) {
    for (int i = 0; i < rest->count; i++) rest->terms[i].coef /= g;
    rest->constant = tni_floor_div(rest->constant, g);
    return tni_divide(s, tni_linear_expr(s->r, rest), d / g);
  }
  if ((made = divide_nested(s, rest, d)) || (made = divide_remainder(s, x, d))) return made;
  return plain(s, TN_OP_floordiv, x, d);
}

const tn_expr *tni_divide(const tni_simplifier *s, const tn_expr *x, int64_t d) {
  tni_linear l = {0}, q, rest;
  if (!x || d == 1) return x;
  if (d == 0) return tni_index(s->r, 0);
  if (d >= LARGEST || d <= -LARGEST) return plain(s, TN_OP_floordiv, x, d);
  if (d < 0) return tni_divide(s, negated(s, x), -d);
  tni_linear_add(&l, x, 1);
  if (l.overflow) return plain(s, TN_OP_floordiv, x, d);
  split_by(s, &l, d, &q, &rest);
  const tn_expr *part = rest.overflow ? NULL : divide_rest(s, &rest, d);
  if (part) tni_linear_add(&q, part, 1);
  if (!part || q.overflow) return s->r->arena.failed ? NULL : plain(s, TN_OP_floordiv, x, d);
  return tni_sum(s, tni_linear_expr(s->r, &q));
}

/* ---- remainders ---- */

/* c*(x % m) in a sum modulo d is c*x when d divides c*m. False: there is none. */
static bool open_remainders(tni_linear *rest, int64_t d) {
  for (int i = 0; i < rest->count; i++) {
    const tn_expr *x = rest->terms[i].x;
    int64_t coef = rest->terms[i].coef, span;
    if (!divides_by_number(x, TN_OP_floormod) || __builtin_mul_overflow(coef, x->arg[1]->as.i, &span) || span % d != 0)
      continue;
    tni_linear_remove(rest, i);
    tni_linear_add(rest, x->arg[0], coef);
    return !rest->overflow;
  }
  return false;
}

/* rest % d, for a rest that d divides nothing of. */
static const tn_expr *modulo_rest(const tni_simplifier *s, tni_linear *rest, int64_t d) {
  int64_t c, k;
  tni_linear q, low;
  const tn_expr *x = tni_linear_expr(s->r, rest);
  if (!x) return NULL;
  if (has_one_quotient(s, x, d, &k)) {
    tni_linear_add_constant(rest, k, -d);
    return tni_linear_expr(s->r, rest);
  }
  if (split_low(s, rest, d, &c, &q, &low)) {
    const tn_expr *high = tni_modulo(s, tni_linear_expr(s->r, &q), d / c);
    return tni_sum(s, tni_add(s->r, tni_mul(s->r, high, tni_index(s->r, c)), tni_linear_expr(s->r, &low)));
  }
  return plain(s, TN_OP_floormod, x, d);
}

const tn_expr *tni_modulo(const tni_simplifier *s, const tn_expr *x, int64_t d) {
  tni_linear l = {0}, q, rest;
  if (!x) return NULL;
  if (d == 0 || d == 1 || d == -1) return tni_index(s->r, 0);
  if (d >= LARGEST || d <= -LARGEST) return plain(s, TN_OP_floormod, x, d);
  if (d < 0) return negated(s, tni_modulo(s, negated(s, x), -d));
  tni_linear_add(&l, x, 1);
  if (l.overflow) return plain(s, TN_OP_floormod, x, d);
  split_by(s, &l, d, &q, &rest);
  if (open_remainders(&rest, d)) return tni_modulo(s, tni_sum(s, tni_linear_expr(s->r, &rest)), d);
  return rest.overflow ? plain(s, TN_OP_floormod, x, d) : modulo_rest(s, &rest, d);
}

/* ---- by an expression ---- */

/* x without one factor n; NULL: it is none. */
static const tn_expr *without_factor(tni_region *r, const tn_expr *x, const tn_expr *n) {
  if (x == n) return tni_index(r, 1);
  if (x->op != TN_OP_mul) return NULL;
  const tn_expr *a = without_factor(r, x->arg[0], n), *b = a ? NULL : without_factor(r, x->arg[1], n);
  return a ? tni_product(r, a, x->arg[1]) : b ? tni_product(r, x->arg[0], b) : NULL;
}

/* x = q * d + rest, where d is k * n. */
static void split_by_expr(const tni_simplifier *s, const tni_linear *l, const tn_expr *n, int64_t k, tni_linear *q,
                          tni_linear *rest) {
  *q = (tni_linear){0};
  *rest = (tni_linear){.constant = l->constant};
  for (int i = 0; i < l->count; i++) {
    const tn_expr *left = l->terms[i].coef % k == 0 ? without_factor(s->r, l->terms[i].x, n) : NULL;
    if (left)
      tni_linear_add(q, left, l->terms[i].coef / k);
    else
      tni_linear_add_term(rest, l->terms[i].x, l->terms[i].coef);
  }
}

static bool is_below(const tni_simplifier *s, const tn_expr *rest, const tn_expr *d) {
  const tn_expr *zero = tni_index(s->r, 0);
  const tn_expr *above = rest && zero ? tni_op2(s->r, TN_OP_le, zero, rest) : NULL;
  const tn_expr *below = above ? tni_op2(s->r, TN_OP_lt, rest, d) : NULL;
  return below && tni_decide_simple(s, above) == TNI_PROVEN && tni_decide_simple(s, below) == TNI_PROVEN;
}

/* The parts of x by d > 0: x // d is q + rest // d, where `inside` tells that the last is 0. */
static bool take_apart(const tni_simplifier *s, const tn_expr *x, const tn_expr *d, const tn_expr **q,
                       const tn_expr **rest, bool *inside) {
  tni_linear l = {0}, n = {0}, quotient, left;
  tni_linear_add(&l, x, 1);
  tni_linear_add(&n, d, 1);
  if (l.overflow || n.overflow || tni_values_of(s->scan, d).in.lo < 1) return false;
  bool product = n.count == 1 && n.constant == 0 && n.terms[0].coef > 0;
  split_by_expr(s, &l, product ? n.terms[0].x : d, product ? n.terms[0].coef : 1, &quotient, &left);
  if (quotient.overflow || left.overflow) return false;
  *q = tni_linear_expr(s->r, &quotient);
  *rest = tni_linear_expr(s->r, &left);
  *inside = *q && is_below(s, *rest, d);
  return *q && *rest;
}

/* The number that x always is, as -1 // i is for i in 1..3, or x. */
static const tn_expr *number_or(const tni_simplifier *s, const tn_expr *x) {
  if (!x) return NULL;
  tni_interval in = tni_values_of(s->scan, x).in;
  return in.lo == in.hi ? tni_index(s->r, in.lo) : x;
}

const tn_expr *tni_divide_by(const tni_simplifier *s, const tn_expr *x, const tn_expr *d) {
  const tn_expr *q, *rest;
  bool inside;
  if (!x || !d) return NULL;
  if (tni_is_const(d)) return tni_divide(s, x, d->as.i);
  if (!take_apart(s, x, d, &q, &rest, &inside)) return s->r->arena.failed ? NULL : tni_op2(s->r, TN_OP_floordiv, x, d);
  return inside ? q : tni_sum(s, tni_add(s->r, q, number_or(s, tni_op2(s->r, TN_OP_floordiv, rest, d))));
}

const tn_expr *tni_modulo_by(const tni_simplifier *s, const tn_expr *x, const tn_expr *d) {
  const tn_expr *q, *rest;
  bool inside;
  if (!x || !d) return NULL;
  if (tni_is_const(d)) return tni_modulo(s, x, d->as.i);
  if (!take_apart(s, x, d, &q, &rest, &inside)) return s->r->arena.failed ? NULL : tni_op2(s->r, TN_OP_floormod, x, d);
  return inside ? rest : number_or(s, tni_op2(s->r, TN_OP_floormod, rest, d));
}
