/* simplify.c -- expressions in canonical form: index arithmetic as sums, and what can be said of the rest.
 *
 * Each node is looked at once, its arguments first. What the rules of divide.c and decide.c leave is put in order here:
 *
 *     c*m*(x // m) + c*(x % m)           ->  c*x           so that what split takes apart comes together
 *     c*x - c*(x % m)                    ->  c*m*(x // m)
 *     c*x - c*m*(x // m)                 ->  c*(x % m)
 *     m*(x // m)                         ->  x - r         where x is r modulo m
 *     x << k, x >> k, x & 2^k - 1, ~x    ->  x * 2^k, x // 2^k, x % 2^k, -x - 1
 *     x / d, mod(x, d), abs(x)           ->  x // d, x % d, x or -x                   where the signs are known
 *     select(a < b, a, b)                ->  min(a, b)
 *     cast(index, cast(T, x))            ->  x             where T holds all values of x
 *
 * Only `index`, a mathematical integer, is treated so. Data integers wrap: of them only conditions that are decided by values
 * (values.c) go, and !(a < b) is b <= a.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_FACTORS = 8 };

static bool is_index(const tn_expr *x) { return x->type == TN_INDEX; }

/* ---- products ---- */

typedef struct factors {
  int count;
  int64_t number;
  const tn_expr *items[MAX_FACTORS];
} factors;

/* False: too many, or too large a number. */
static bool collect_factors(factors *f, const tn_expr *x) {
  int i = f->count;
  if (tni_is_const(x)) return !__builtin_mul_overflow(f->number, x->as.i, &f->number);
  if (x->op == TN_OP_mul) return collect_factors(f, x->arg[0]) && collect_factors(f, x->arg[1]);
  if (f->count++ == MAX_FACTORS) return false;
  for (; i > 0 && tni_compare_exprs(f->items[i - 1], x) > 0; i--) f->items[i] = f->items[i - 1];
  f->items[i] = x;
  return true;
}

const tn_expr *tni_product(tni_region *r, const tn_expr *a, const tn_expr *b) {
  factors f = {.number = 1};
  if (!a || !b) return NULL;
  if (!collect_factors(&f, a) || !collect_factors(&f, b)) return tni_mul(r, a, b);
  const tn_expr *x = f.count ? f.items[0] : tni_index(r, 1);
  for (int i = 1; i < f.count; i++) x = tni_mul(r, x, f.items[i]);
  return tni_mul(r, x, tni_index(r, f.number));
}

/* ---- sums ---- */

/* Does l hold c times the terms of m? Its constant need not. */
static bool has_multiple(const tni_linear *l, const tni_linear *m, int64_t c) {
  int found = 0;
  for (int i = 0; i < m->count; i++)
    for (int k = 0; k < l->count; k++) {
      int64_t want;
      found += l->terms[k].x == m->terms[i].x && !__builtin_mul_overflow(m->terms[i].coef, c, &want) &&
               l->terms[k].coef == want;
    }
  return m->count > 0 && found == m->count;
}

/* What division a term is part of: coef * (x // m) or coef * (x % m), m > 0. */
typedef struct parts {
  const tn_expr *x, *m;
  int64_t number; /* m, if it is one; else 0 */
  int64_t coef;
} parts;

static bool is_part(const tni_simplifier *s, const tni_term *t, enum tn_op op, parts *p) {
  if (t->x->op != op) return false;
  *p = (parts){t->x->arg[0], t->x->arg[1], tni_is_const(t->x->arg[1]) ? t->x->arg[1]->as.i : 0, t->coef};
  return tni_is_const(p->m) ? p->number > 0 : tni_values_of(s->scan, p->m).in.lo > 0;
}

/* c*m*(x // m) as a linear form. */
static tni_linear whole_part(const tni_simplifier *s, const parts *p, int64_t c) {
  const tn_expr *quotient = tni_product(s->r, tni_divide_by(s, p->x, p->m), p->m);
  const tn_expr *sum = p->number && quotient ? tni_sum(s, quotient) : quotient;
  tni_linear l;
  tni_linear_init(&l);
  l.overflow = !sum;
  if (sum) tni_linear_add(&l, sum, c);
  return l;
}

/* c*m*(x // m) + c*(x % m) -> c*x  and  c*x - c*(x % m) -> c*m*(x // m) */
static bool join_remainder(const tni_simplifier *s, tni_linear *l) {
  for (int i = 0; i < l->count; i++) {
    parts p;
    if (!is_part(s, &l->terms[i], TN_OP_floormod, &p)) continue;
    tni_linear whole = whole_part(s, &p, p.coef), x;
    tni_linear_init(&x);
    tni_linear_add(&x, p.x, 1);
    bool joins = !whole.overflow && has_multiple(l, &whole, 1);
    if (!joins && (x.overflow || !has_multiple(l, &x, -p.coef))) continue;
    tni_linear_remove(l, i);
    if (joins) {
      tni_linear_add_linear(l, &whole, -1);
      tni_linear_add_linear(l, &x, p.coef);
    } else {
      tni_linear_add_linear(l, &x, p.coef);
      tni_linear_add_linear(l, &whole, -1);
    }
    return true;
  }
  return false;
}

/* Is it a sum without that term? */
static bool is_without(const tn_expr *sum, const tn_expr *term) {
  tni_linear l;
  tni_linear_init(&l);
  bool found = false;
  tni_linear_add(&l, sum, 1);
  for (int i = 0; i < l.count; i++) found |= l.terms[i].x == term;
  return !l.overflow && !found;
}

/* c*m*(y % n) + c*(x % m) -> c*(z % (m*n)), where m*y + x % m is z without a remainder: y is x // m, or so much more. */
static bool join_digits(const tni_simplifier *s, tni_linear *l) {
  parts low, high;
  int64_t want, whole;
  for (int i = 0; i < l->count; i++) {
    if (!is_part(s, &l->terms[i], TN_OP_floormod, &low) || !low.number) continue;
    for (int k = 0; k < l->count; k++) {
      if (k == i || !is_part(s, &l->terms[k], TN_OP_floormod, &high) || !high.number) continue;
      if (__builtin_mul_overflow(low.coef, low.number, &want) || high.coef != want) continue;
      if (__builtin_mul_overflow(low.number, high.number, &whole)) continue;
      const tn_expr *digit = l->terms[i].x;
      const tn_expr *z = tni_sum(s, tni_add(s->r, tni_mul(s->r, high.x, tni_index(s->r, low.number)), digit));
      if (!z || !is_without(z, digit)) continue;
      tni_linear_remove(l, i > k ? i : k);
      tni_linear_remove(l, i > k ? k : i);
      tni_linear_add(l, tni_modulo(s, z, whole), low.coef);
      return true;
    }
  }
  return false;
}

/* c*x - c*m*(x // m) -> c*(x % m)  and  m*(x // m) -> x - r */
static bool join_quotient(const tni_simplifier *s, tni_linear *l) {
  for (int i = 0; i < l->count; i++) {
    parts p;
    if (!is_part(s, &l->terms[i], TN_OP_floordiv, &p) || !p.number || p.coef % p.number != 0) continue;
    tni_linear x;
    tni_linear_init(&x);
    int64_t c = -(p.coef / p.number);
    tni_residue is = tni_values_of(s->scan, p.x).is;
    bool known = is.mod != 0 && is.mod % p.number == 0;
    tni_linear_add(&x, p.x, 1);
    if (x.overflow || (!known && !has_multiple(l, &x, c))) continue;
    tni_linear_remove(l, i);
    tni_linear_add_linear(l, &x, -c);
    if (known)
      tni_linear_add_constant(l, is.rem % p.number, c);
    else
      tni_linear_add(l, tni_modulo(s, p.x, p.number), c);
    return true;
  }
  return false;
}

const tn_expr *tni_sum(const tni_simplifier *s, const tn_expr *x) {
  tni_linear l;
  tni_linear_init(&l);
  if (!x) return NULL;
  tni_linear_add(&l, x, 1);
  for (int i = 0; i < TNI_LINEAR_TERMS && !l.overflow && (join_remainder(s, &l) || join_quotient(s, &l) || join_digits(s, &l)); i++)
    ;
  if (s->r->arena.failed) return NULL;
  return l.overflow || tni_is_linear_expr(&l, x) ? x : tni_linear_expr(s->r, &l);
}

/* ---- other operators on index ---- */

static bool is_never_negative(const tni_simplifier *s, const tn_expr *x) { return tni_values_of(s->scan, x).in.lo >= 0; }

/* By a constant number of bits that keeps the value. */
static bool is_shift(const tn_expr *x) {
  return tni_is_const(x->arg[1]) && x->arg[1]->as.i >= 0 && x->arg[1]->as.i < TNI_INF_BITS;
}

static const tn_expr *shifted(const tni_simplifier *s, const tn_expr *x) {
  if (!is_shift(x)) return x;
  int64_t c = INT64_C(1) << x->arg[1]->as.i;
  return x->op == TN_OP_shl ? tni_sum(s, tni_mul(s->r, x->arg[0], tni_index(s->r, c))) : tni_divide(s, x->arg[0], c);
}

/* x & 2^k - 1 */
static const tn_expr *masked(const tni_simplifier *s, const tn_expr *x) {
  int64_t c = tni_is_const(x->arg[1]) ? x->arg[1]->as.i : -1;
  return c < 0 || c >= TNI_INF || (c & (c + 1)) != 0 ? x : tni_modulo(s, x->arg[0], c + 1);
}

static const tn_expr *truncating(const tni_simplifier *s, const tn_expr *x) {
  if (!is_never_negative(s, x->arg[0]) || !is_never_negative(s, x->arg[1])) return x;
  return x->op == TN_OP_div ? tni_divide_by(s, x->arg[0], x->arg[1]) : tni_modulo_by(s, x->arg[0], x->arg[1]);
}

static const tn_expr *magnitude(const tni_simplifier *s, const tn_expr *x) {
  tni_interval in = tni_values_of(s->scan, x->arg[0]).in;
  if (in.lo >= 0) return x->arg[0];
  return in.hi <= 0 ? tni_sum(s, tni_op1(s->r, TN_OP_neg, x->arg[0])) : x;
}

/* select(a < b, a, b) -> min(a, b), and the like */
static const tn_expr *selected(const tni_simplifier *s, const tn_expr *x) {
  const tn_expr *cond = x->arg[0];
  if (cond->op != TN_OP_lt && cond->op != TN_OP_le) return x;
  bool least = cond->arg[0] == x->arg[1] && cond->arg[1] == x->arg[2];
  bool most = cond->arg[0] == x->arg[2] && cond->arg[1] == x->arg[1];
  if (!least && !most) return x;
  const tn_expr *made = tni_op2(s->r, least ? TN_OP_min : TN_OP_max, cond->arg[0], cond->arg[1]);
  return made && (made->op == TN_OP_min || made->op == TN_OP_max) ? tni_extreme(s, made) : made;
}

/* cast(index, cast(T, x)) */
static const tn_expr *converted(const tni_simplifier *s, const tn_expr *x) {
  const tn_expr *inner = x->arg[0];
  if (inner->op != TN_OP_cast || inner->arg[0]->type != TN_INDEX || !tni_type_is_int(inner->type)) return x;
  int64_t bits = (int64_t)TN_TYPE_BITS(inner->type) - (TN_TYPE_CODE(inner->type) == kDLInt);
  tni_interval in = tni_values_of(s->scan, inner->arg[0]).in;
  int64_t end = bits < TNI_INF_BITS ? INT64_C(1) << bits : TNI_INF;
  return in.lo >= (TN_TYPE_CODE(inner->type) == kDLInt ? -end : 0) && in.hi < end && in.lo > -TNI_INF ? inner->arg[0] : x;
}

static const tn_expr *simplify_index(const tni_simplifier *s, const tn_expr *x) {
  switch (x->op) {
  case TN_OP_add:
  case TN_OP_sub:
  case TN_OP_neg: return tni_sum(s, x);
  case TN_OP_mul:
    if (tni_is_const(x->arg[0]) || tni_is_const(x->arg[1])) return tni_sum(s, x);
    return tni_product(s->r, x->arg[0], x->arg[1]);
  case TN_OP_floordiv: return tni_divide_by(s, x->arg[0], x->arg[1]);
  case TN_OP_floormod: return tni_modulo_by(s, x->arg[0], x->arg[1]);
  case TN_OP_div:
  case TN_OP_mod: return truncating(s, x);
  case TN_OP_min:
  case TN_OP_max: return tni_extreme(s, x);
  case TN_OP_abs: return magnitude(s, x);
  case TN_OP_shl:
  case TN_OP_shr: return shifted(s, x);
  case TN_OP_and: return masked(s, x);
  case TN_OP_not: return tni_sum(s, tni_sub(s->r, tni_index(s->r, -1), x->arg[0]));
  case TN_OP_select: return selected(s, x);
  case TN_OP_cast: return converted(s, x);
  default: return x;
  }
}

static const tn_expr *simplify_node(void *self, tni_region *r, const tn_expr *x) {
  const tni_simplifier *s = self;
  if (is_index(x) && x->op != TN_OP_const) {
    tni_values v = tni_values_of(s->scan, x);
    if (v.is.mod == 0 && !tni_expr_reads(x)) return tni_index(r, v.is.rem);
    return simplify_index(s, x);
  }
  return TN_TYPE_CODE(x->type) == kDLBool && x->nargs ? tni_condition(s, x) : x;
}

const tn_expr *tni_simplify(tni_region *r, const tni_facts *facts, const tn_expr *x) {
  tni_scan scan;
  tni_simplifier s = {r, &scan};
  tni_scan_init(&scan, facts);
  return tni_expr_rewrite(r, x, simplify_node, &s);
}

const tn_expr *tni_simplify_more(const tni_simplifier *s, tni_rewrites *done, const tn_expr *x) {
  return tni_expr_rewrite_more(s->r, done, x, simplify_node, (void *)s);
}
