/* relax.c -- the interval that an index expression covers while some loops run: base .. base + width, the base over what
 * stands still.
 *
 *     v in 0..n            0, n - 1
 *     a + b, c*a           sums; for c < 0 from the other end
 *     x // c               base // c, as many as the width may cross: (width + c - 1) // c
 *     x % c                base % c + the same width, if the base is known modulo c and nothing wraps around
 *     min(a, b)            min of the bases, the larger width; and so max
 *     select(c, a, b)      when the bases differ by a number
 *     anything else        its constant bounds
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_DEPTH = 32, BUDGET = 500 };
#define WIDEST (INT64_C(1) << 40)

typedef struct relaxer {
  const tni_simplifier *s;
  const tni_loops *loops;
  int *budget; /* of nodes: what is shared is looked at again */
} relaxer;

static bool relax(const relaxer *q, const tn_expr *x, int depth, tni_reach *out);

static bool is_still(const relaxer *q, const tn_expr *x) {
  for (size_t i = 0; i < q->loops->count; i++)
    if (tni_expr_uses(q->s->r->arena.ctx, x, q->loops->vars[i])) return false;
  return true;
}

static bool by_values(const relaxer *q, const tn_expr *x, tni_reach *out) {
  tni_interval in = tni_values_of(q->s->scan, x).in;
  if (in.lo <= -TNI_INF || in.hi >= TNI_INF || in.hi - in.lo > WIDEST || in.hi < in.lo) return false;
  *out = (tni_reach){tni_index(q->s->r, in.lo), in.hi - in.lo};
  return out->base != NULL;
}

/* All terms of a sum. */
static bool relax_sum(const relaxer *q, const tn_expr *x, int depth, tni_reach *out) {
  tni_linear l = {0}, base = {0};
  __int128 width = 0;
  tni_linear_add(&l, x, 1);
  tni_linear_add_constant(&base, l.constant, 1);
  for (int i = 0; i < l.count && !l.overflow; i++) {
    tni_reach part;
    int64_t coef = l.terms[i].coef;
    if (l.terms[i].x == x || !relax(q, l.terms[i].x, depth, &part)) return false;
    width += (__int128)part.width * (coef < 0 ? -(__int128)coef : coef);
    tni_linear_add(&base, part.base, coef);
    if (coef < 0) tni_linear_add_constant(&base, part.width, coef);
  }
  if (l.overflow || base.overflow || width > WIDEST) return false;
  *out = (tni_reach){tni_sum(q->s, tni_linear_expr(q->s->r, &base)), (int64_t)width};
  return out->base != NULL;
}

static bool relax_quotient(const relaxer *q, const tn_expr *x, int depth, tni_reach *out) {
  tni_reach a;
  int64_t c = tni_is_const(x->arg[1]) ? x->arg[1]->as.i : 0;
  if (c <= 0 || !relax(q, x->arg[0], depth, &a)) return false;
  tni_residue is = tni_values_of(q->s->scan, a.base).is;
  int64_t last = is.mod % c == 0 ? is.rem % c + a.width : a.width + c - 1; /* where in its c the base lies, at most */
  if (is.mod == 0) last = is.rem - c * tni_floor_div(is.rem, c) + a.width;
  *out = (tni_reach){tni_divide(q->s, a.base, c), last / c};
  return out->base != NULL;
}

static bool relax_remainder(const relaxer *q, const tn_expr *x, int depth, tni_reach *out) {
  tni_reach a;
  int64_t c = tni_is_const(x->arg[1]) ? x->arg[1]->as.i : 0;
  if (c <= 0 || !relax(q, x->arg[0], depth, &a)) return false;
  const tn_expr *first = tni_modulo(q->s, a.base, c);
  int64_t most = first ? tni_values_of(q->s->scan, first).in.hi : TNI_INF;
  *out = (tni_reach){first, a.width};
  return first && most + a.width < c;
}

static bool relax_extreme(const relaxer *q, const tn_expr *x, int depth, tni_reach *out) {
  tni_reach a, b;
  if (!relax(q, x->arg[0], depth, &a) || !relax(q, x->arg[1], depth, &b)) return false;
  const tn_expr *base = tni_op2(q->s->r, x->op, a.base, b.base);
  *out = (tni_reach){base && base->op == x->op ? tni_extreme(q->s, base) : base, a.width > b.width ? a.width : b.width};
  return out->base != NULL;
}

bool tni_reach_hull(const tni_simplifier *s, tni_reach a, tni_reach b, tni_reach *out) {
  const tn_expr *d = tni_sum(s, tni_sub(s->r, b.base, a.base));
  if (!d || !tni_is_const(d) || d->as.i > WIDEST || d->as.i < -WIDEST) return false;
  int64_t low = d->as.i < 0 ? d->as.i : 0, high = d->as.i + b.width > a.width ? d->as.i + b.width : a.width;
  *out = (tni_reach){tni_sum(s, tni_add(s->r, a.base, tni_index(s->r, low))), high - low};
  return out->base != NULL;
}

static bool relax_node(const relaxer *q, const tn_expr *x, int depth, tni_reach *out) {
  tni_reach a, b;
  switch (x->op) {
  case TN_OP_var:
    for (size_t i = 0; i < q->loops->count; i++)
      if (q->loops->vars[i] == x) *out = (tni_reach){tni_index(q->s->r, 0), q->loops->extents[i] - 1};
    return out->base != NULL;
  case TN_OP_add:
  case TN_OP_sub:
  case TN_OP_neg:
  case TN_OP_mul: return relax_sum(q, x, depth, out);
  case TN_OP_floordiv: return relax_quotient(q, x, depth, out);
  case TN_OP_floormod: return relax_remainder(q, x, depth, out);
  case TN_OP_min:
  case TN_OP_max: return relax_extreme(q, x, depth, out);
  case TN_OP_select:
    return relax(q, x->arg[1], depth, &a) && relax(q, x->arg[2], depth, &b) && tni_reach_hull(q->s, a, b, out);
  default: return false;
  }
}

static bool relax(const relaxer *q, const tn_expr *x, int depth, tni_reach *out) {
  if (is_still(q, x)) {
    *out = (tni_reach){x, 0};
    return true;
  }
  *out = (tni_reach){NULL, 0};
  return (depth < MAX_DEPTH && --*q->budget > 0 && relax_node(q, x, depth + 1, out) && out->width <= WIDEST) || by_values(q, x, out);
}

bool tni_relax(const tni_simplifier *s, const tn_expr *x, const tni_loops *loops, tni_reach *out) {
  int budget = BUDGET;
  relaxer q = {s, loops, &budget};
  return relax(&q, x, 0, out);
}
