/* simplify.c -- index expressions in canonical form, and conditions decided.
 *
 * An index expression is kept as a linear form (linear.c), on which these rules work:
 *
 *     (d*q + r) // d   -> q + r // d          and  r // d -> 0  when 0 <= r < d
 *     (d*q + r) %  d   -> r % d               and  r %  d -> r  when 0 <= r < d
 *     (x // a) // b    -> x // (a*b)
 *     (c*q + r) // (c*d) -> q // d,  (c*q + r) % (c*d) -> c*(q % d) + r      when 0 <= r < c
 *     m * (x // m) + x % m            -> x    (and multiples; so what fuse takes apart comes together)
 *     a < b                           -> true or false when the bounds of b - a say so
 *
 * Only `index`, a mathematical integer, is treated so; data integers wrap and are left alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

static bool is_index(const tn_expr *x) { return x->type == TN_INDEX; }

typedef struct simplifier {
  tni_region *r;
  const tni_facts *facts;
} simplifier;

static const tn_expr *divide(const simplifier *s, const tn_expr *x, int64_t d);
static const tn_expr *modulo(const simplifier *s, const tn_expr *x, int64_t d);

/* Finds c*m * (y // m) beside c * (y % m) and makes them c * y. */
static bool join_remainders(const simplifier *s, tni_linear *l) {
  for (int i = 0; i < l->count; i++) {
    const tn_expr *x = l->terms[i].x;
    int64_t want;
    if (x->op != TN_OP_floormod || !tni_is_const(x->arg[1]) ||
        __builtin_mul_overflow(l->terms[i].coef, x->arg[1]->as.i, &want))
      continue;
    const tn_expr *quotient = divide(s, x->arg[0], x->arg[1]->as.i);
    for (int k = 0; quotient && k < l->count; k++)
      if (l->terms[k].x == quotient && l->terms[k].coef == want) {
        int64_t coef = l->terms[i].coef;
        tni_linear_remove(l, k > i ? k : i);
        tni_linear_remove(l, k > i ? i : k);
        tni_linear_add(l, x->arg[0], coef);
        return true;
      }
  }
  return false;
}

static const tn_expr *canonical(const simplifier *s, const tn_expr *x) {
  tni_linear l = {0};
  tni_linear_add(&l, x, 1);
  while (!l.overflow && join_remainders(s, &l))
    ;
  return l.overflow ? x : tni_linear_expr(s->r, &l);
}

/* Splits x into d * q + rest, where the rest has what d does not divide; its constant lies in 0..d. */
static bool split_by(const tn_expr *x, int64_t d, tni_linear *q, tni_linear *rest) {
  tni_linear l = {0};
  tni_linear_add(&l, x, 1);
  *q = *rest = (tni_linear){0};
  if (l.overflow) return false;
  for (int i = 0; i < l.count; i++)
    if (l.terms[i].coef % d == 0)
      tni_linear_add_term(q, l.terms[i].x, l.terms[i].coef / d);
    else
      tni_linear_add_term(rest, l.terms[i].x, l.terms[i].coef);
  q->constant = tni_floor_div(l.constant, d);
  rest->constant = l.constant - d * q->constant;
  return true;
}

/* The largest g that divides d and every coefficient of l. */
static int64_t common_divisor(const tni_linear *l, int64_t d) {
  for (int i = 0; i < l->count; i++) d = tni_gcd(l->terms[i].coef, d);
  return d;
}

static bool within(const simplifier *s, const tn_expr *x, int64_t d) {
  int64_t lo, hi;
  if (!x) return false;
  tni_bounds(s->facts, x, &lo, &hi);
  return lo >= 0 && hi < d;
}

/* Writes l as c*q + low with 0 <= low < c, for a c > 1 among the coefficients that divides d. */
static bool split_low(const simplifier *s, const tni_linear *l, int64_t d, int64_t *c, tni_linear *q, tni_linear *low) {
  for (int i = 0; i < l->count; i++) {
    *c = l->terms[i].coef;
    if (*c <= 1 || *c >= d || d % *c != 0) continue;
    *q = *low = (tni_linear){0};
    for (int k = 0; k < l->count; k++)
      if (l->terms[k].coef % *c == 0)
        tni_linear_add_term(q, l->terms[k].x, l->terms[k].coef / *c);
      else
        tni_linear_add_term(low, l->terms[k].x, l->terms[k].coef);
    q->constant = tni_floor_div(l->constant, *c);
    low->constant = l->constant - *c * q->constant;
    if (within(s, tni_linear_expr(s->r, low), *c)) return true;
  }
  return false;
}

/* rest // d for a rest that is not within 0..d. */
static const tn_expr *divide_rest(const simplifier *s, tni_linear *rest, int64_t d) {
  int64_t c;
  tni_linear q, low;
  if (split_low(s, rest, d, &c, &q, &low)) return divide(s, tni_linear_expr(s->r, &q), d / c);
  int64_t g = common_divisor(rest, d);
  if (g > 1) {
    for (int i = 0; i < rest->count; i++) rest->terms[i].coef /= g;
    rest->constant = tni_floor_div(rest->constant, g);
    return divide(s, tni_linear_expr(s->r, rest), d / g);
  }
  const tn_expr *x = tni_linear_expr(s->r, rest);
  if (x && x->op == TN_OP_floordiv && tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 && x->arg[1]->as.i < (1 << 30) &&
      d < (1 << 30))
    return divide(s, x->arg[0], x->arg[1]->as.i * d);
  return tni_op2(s->r, TN_OP_floordiv, x, tni_index(s->r, d));
}

static const tn_expr *divide(const simplifier *s, const tn_expr *x, int64_t d) {
  tni_linear q, rest;
  if (!x || d <= 0 || !split_by(x, d, &q, &rest))
    return x ? tni_op2(s->r, TN_OP_floordiv, x, tni_index(s->r, d)) : NULL;
  if (!within(s, tni_linear_expr(s->r, &rest), d)) {
    const tn_expr *part = divide_rest(s, &rest, d);
    if (!part) return NULL;
    tni_linear_add(&q, part, 1);
  }
  return q.overflow ? tni_op2(s->r, TN_OP_floordiv, x, tni_index(s->r, d)) : tni_linear_expr(s->r, &q);
}

static const tn_expr *modulo(const simplifier *s, const tn_expr *x, int64_t d) {
  tni_linear q, rest;
  if (!x || d <= 0 || !split_by(x, d, &q, &rest))
    return x ? tni_op2(s->r, TN_OP_floormod, x, tni_index(s->r, d)) : NULL;
  const tn_expr *part = tni_linear_expr(s->r, &rest);
  if (!part || within(s, part, d)) return part;
  int64_t c;
  tni_linear low;
  if (split_low(s, &rest, d, &c, &q, &low))
    return tni_add(s->r, tni_mul(s->r, modulo(s, tni_linear_expr(s->r, &q), d / c), tni_index(s->r, c)), tni_linear_expr(s->r, &low));
  return tni_op2(s->r, TN_OP_floormod, part, tni_index(s->r, d));
}

/* ---- conditions ---- */

static bool known(const tni_facts *facts, const tn_expr *cond) {
  for (size_t i = 0; i < facts->known_count; i++)
    if (facts->known[i] == cond) return true;
  return false;
}

/* Bounds of b - a, after simplification. */
static bool difference(const simplifier *s, const tn_expr *a, const tn_expr *b, int64_t *lo, int64_t *hi) {
  const tn_expr *d = tni_sub(s->r, b, a);
  d = d ? canonical(s, d) : NULL;
  if (!d) return false;
  tni_bounds(s->facts, d, lo, hi);
  return true;
}

/* 1 true, 0 false, -1 unknown. */
static int decide(const simplifier *s, const tn_expr *x) {
  int64_t lo, hi;
  if (known(s->facts, x)) return 1;
  if (x->nargs != 2 || !is_index(x->arg[0]) || !is_index(x->arg[1]) || !difference(s, x->arg[0], x->arg[1], &lo, &hi)) return -1;
  switch (x->op) {
  case TN_OP_lt: return lo >= 1 ? 1 : hi < 1 ? 0 : -1;
  case TN_OP_le: return lo >= 0 ? 1 : hi < 0 ? 0 : -1;
  case TN_OP_eq: return lo == 0 && hi == 0 ? 1 : lo > 0 || hi < 0 ? 0 : -1;
  case TN_OP_ne: return lo == 0 && hi == 0 ? 0 : lo > 0 || hi < 0 ? 1 : -1;
  default: return -1;
  }
}

/* A lane of an index vector made of ramps and broadcasts; NULL for other vectors. */
static const tn_expr *lane_of(tni_region *r, const tn_expr *x, int64_t lane) {
  if (x->op == TN_OP_broadcast) return x->arg[0];
  if (x->op == TN_OP_ramp) return tni_add(r, x->arg[0], tni_mul(r, x->arg[1], tni_index(r, lane)));
  return NULL;
}

/* A comparison of index vectors is decided when its first and last lanes are, the same way: between them it is linear. Only
 * lt and le are so. */
static int decide_vector(const simplifier *s, const tn_expr *x) {
  if ((x->op != TN_OP_lt && x->op != TN_OP_le) || TN_TYPE_CODE(x->arg[0]->type) != TN_CODE_INDEX) return -1;
  int answers[2];
  for (int i = 0; i < 2; i++) {
    int64_t lane = i ? (int64_t)TN_TYPE_LANES(x->type) - 1 : 0;
    const tn_expr *a = lane_of(s->r, x->arg[0], lane), *b = lane_of(s->r, x->arg[1], lane);
    const tn_expr *cond = a && b ? tni_op2(s->r, x->op, a, b) : NULL;
    if (!cond) return -1;
    answers[i] = tni_is_const(cond) ? (int)cond->as.i : decide(s, cond);
  }
  return answers[0] == answers[1] ? answers[0] : -1;
}

/* min and max of index where one operand always wins. */
static const tn_expr *decide_extreme(const simplifier *s, const tn_expr *x) {
  int64_t lo, hi;
  if (!difference(s, x->arg[0], x->arg[1], &lo, &hi)) return NULL;
  bool first_is_small = lo >= 0, second_is_small = hi <= 0;
  if (!first_is_small && !second_is_small) return x;
  return x->arg[(x->op == TN_OP_min) == first_is_small ? 0 : 1];
}

static const tn_expr *simplify_node(void *self, tni_region *r, const tn_expr *x) {
  const simplifier *s = self;
  if (x->type == TN_BOOL && x->nargs) {
    int answer = decide(s, x);
    return answer < 0 ? x : tni_bool(r, answer);
  }
  if (TN_TYPE_CODE(x->type) == kDLBool && x->nargs == 2) {
    int answer = decide_vector(s, x);
    return answer < 0 ? x : tni_broadcast(r, tni_bool(r, answer), TN_TYPE_LANES(x->type));
  }
  if (!is_index(x)) return x;
  switch (x->op) {
  case TN_OP_add:
  case TN_OP_sub:
  case TN_OP_mul:
  case TN_OP_neg: return canonical(s, x);
  case TN_OP_floordiv:
    return tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 ? divide(s, x->arg[0], x->arg[1]->as.i) : x;
  case TN_OP_floormod:
    return tni_is_const(x->arg[1]) && x->arg[1]->as.i > 0 ? modulo(s, x->arg[0], x->arg[1]->as.i) : x;
  case TN_OP_min:
  case TN_OP_max: return decide_extreme(s, x);
  default: return x;
  }
}

const tn_expr *tni_simplify(tni_region *r, const tni_facts *facts, const tn_expr *x) {
  simplifier s = {r, facts};
  return tni_expr_rewrite(r, x, simplify_node, &s);
}

bool tni_prove(tni_region *r, const tni_facts *facts, const tn_expr *cond) {
  const tn_expr *x = cond ? tni_simplify(r, facts, cond) : NULL;
  return x && tni_is_int(x, 1);
}
