/* decide.c -- conditions: decided, or in canonical form; and the smaller and the larger of several.
 *
 * A comparison is a sum against 0, and is decided by its values, by the facts (prove.c), or in the end written anew:
 *
 *     a < b, a <= b                 0 <= b - a - 1, 0 <= b - a
 *     0 <= c*q + r, 0 <= r < c      0 <= q                           i*4 + j < n*4  ->  i < n
 *     x // d <= y, y <= x // d      0 <= d*y + d - 1 - x, 0 <= x - d*y
 *     0 <= y - x + k                what is subtracted stands on the left: x <= y, x < y, x < y + k + 1, x - k <= y
 *     c*x == k                      false, or divided by c           i*4 == j*4 + 8  ->  i == j + 2
 *     a <= x && a <= x + 3          a <= x, and the like for ||; false or true where the two leave nothing, or all
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { MAX_OPERANDS = 8, MAX_TRIES = 3 };

static bool is_index(const tn_expr *x) { return x->type == TN_INDEX; }
static bool is_comparison(const tn_expr *x) {
  return (x->op == TN_OP_lt || x->op == TN_OP_le || x->op == TN_OP_eq || x->op == TN_OP_ne) && is_index(x->arg[0]);
}
static bool is_equation(const tn_expr *x) { return x->op == TN_OP_eq || x->op == TN_OP_ne; }

/* b - a, less 1 for a < b: what is compared with 0. */
static tni_linear gap_of(const tni_simplifier *s, const tn_expr *x) {
  const tn_expr *d = tni_sum(s, tni_sub(s->r, x->arg[1], x->arg[0]));
  tni_linear l = {.overflow = !d};
  if (d) tni_linear_add(&l, d, 1);
  tni_linear_add_constant(&l, -(x->op == TN_OP_lt), 1);
  return l;
}

/* ---- deciding ---- */

static enum tni_truth truth(bool proven, bool refuted) { return proven ? TNI_PROVEN : refuted ? TNI_REFUTED : TNI_UNKNOWN; }

static enum tni_truth opposite(enum tni_truth t) { return t == TNI_UNKNOWN ? t : t == TNI_PROVEN ? TNI_REFUTED : TNI_PROVEN; }

static enum tni_truth by_values(const tn_expr *x, tni_values gap) {
  tni_residue both;
  bool zero = gap.is.mod == 0 && gap.is.rem == 0;
  bool never = gap.in.lo > 0 || gap.in.hi < 0 || !tni_residue_both(gap.is, (tni_residue){0, 0}, &both);
  if (!is_equation(x)) return truth(gap.in.lo >= 0, gap.in.hi < 0);
  enum tni_truth equal = truth(zero, never);
  return x->op == TN_OP_eq ? equal : opposite(equal);
}

/* x % m as x - m*(x // m): then the parts of different divisions can cancel. */
static const tn_expr *without_remainders(const tni_simplifier *s, const tni_linear *l) {
  tni_linear open = *l;
  bool changed = false;
  for (int i = 0; i < l->count; i++) {
    const tn_expr *x = l->terms[i].x;
    if (x->op != TN_OP_floormod || !tni_is_const(x->arg[1]) || x->arg[1]->as.i <= 0) continue;
    const tn_expr *quotient = tni_mul(s->r, tni_divide(s, x->arg[0], x->arg[1]->as.i), x->arg[1]);
    if (!quotient) return NULL;
    tni_linear_add_term(&open, x, -l->terms[i].coef);
    tni_linear_add(&open, x->arg[0], l->terms[i].coef);
    tni_linear_add(&open, quotient, -l->terms[i].coef);
    changed = true;
  }
  return changed && !open.overflow ? tni_linear_expr(s->r, &open) : NULL;
}

static bool is_given(const tni_facts *facts, const tn_expr *x, enum tni_truth *answer) {
  for (size_t i = facts->known_count; i > 0; i--)
    if (facts->known[i - 1].cond == x) {
      *answer = facts->known[i - 1].holds ? TNI_PROVEN : TNI_REFUTED;
      return true;
    }
  return false;
}

/* Is there more to know than ranges? */
static bool has_symbolic_facts(const tni_facts *facts) {
  bool any = facts->known_count > 0;
  for (size_t i = 0; i < facts->count && !any; i++) any = facts->ranges[i].extent != NULL;
  return any;
}

/* Does an operator stand beside a variable that is in it? Then the values of the two go together. */
static bool is_correlated(tn_context *ctx, const tni_linear *gap) {
  for (int i = 0; i < gap->count; i++)
    for (int k = 0; k < gap->count; k++)
      if (gap->terms[i].x->op == TN_OP_var && gap->terms[k].x->op != TN_OP_var &&
          tni_expr_uses(ctx, gap->terms[k].x, gap->terms[i].x))
        return true;
  return false;
}

/* What prove.c finds: the comparison, or its opposite, from several facts together. */
static enum tni_truth by_facts(const tni_facts *facts, const tn_expr *x) {
  const tn_expr *a = x->arg[0], *b = x->arg[1];
  enum tni_truth answer = TNI_UNKNOWN;
  tni_prover v;
  tni_prover_init(&v, facts->ctx);
  tni_prover_know_facts(&v, facts);
  if (x->op == TN_OP_lt || x->op == TN_OP_le) {
    bool strict = x->op == TN_OP_lt;
    answer = truth(tni_prover_never_less(&v, b, a, strict), tni_prover_never_less(&v, a, b, !strict));
  } else {
    bool below = tni_prover_never_less(&v, b, a, 0), above = tni_prover_never_less(&v, a, b, 0);
    bool never = (below && tni_prover_never_less(&v, b, a, 1)) || (above && tni_prover_never_less(&v, a, b, 1));
    answer = truth(below && above, never);
    if (x->op == TN_OP_ne) answer = opposite(answer);
  }
  if (v.failed) answer = TNI_UNKNOWN;
  tni_prover_destroy(&v);
  return answer;
}

static enum tni_truth decide(const tni_simplifier *s, const tn_expr *x, const tni_linear *gap) {
  enum tni_truth answer = TNI_UNKNOWN;
  const tn_expr *d = gap->overflow ? NULL : tni_linear_expr(s->r, gap);
  if (is_given(s->scan->facts, x, &answer) || !d) return answer;
  answer = by_values(x, tni_values_of(s->scan, d));
  const tn_expr *open = answer == TNI_UNKNOWN ? without_remainders(s, gap) : NULL;
  if (open) answer = by_values(x, tni_values_of(s->scan, open));
  if (answer != TNI_UNKNOWN) return answer;
  const tni_facts *facts = s->scan->facts;
  return has_symbolic_facts(facts) || is_correlated(facts->ctx, gap) ? by_facts(facts, x) : TNI_UNKNOWN;
}

enum tni_truth tni_decide_simple(const tni_simplifier *s, const tn_expr *x) {
  if (tni_is_const(x)) return x->as.i ? TNI_PROVEN : TNI_REFUTED;
  tni_linear gap = gap_of(s, x);
  return decide(s, x, &gap);
}

/* ---- canonical comparisons ---- */

/* The largest coefficient below `limit`, then the common divisor of all, then 1. */
static int64_t next_factor(const tni_linear *l, int64_t limit) {
  int64_t c = 1, g = 0;
  for (int i = 0; i < l->count; i++) {
    int64_t size = l->terms[i].coef < 0 ? -l->terms[i].coef : l->terms[i].coef;
    if (size > c && size < limit) c = size;
    g = tni_gcd(g, size);
  }
  return c > 1 || g >= limit ? c : g;
}

/* 0 <= c*q + r -> 0 <= q where r // c is 0 */
static bool drop_low_part(const tni_simplifier *s, tni_linear *gap) {
  tni_linear q, low;
  for (int64_t c = next_factor(gap, INT64_MAX); c > 1; c = next_factor(gap, c))
    if (tni_split_low(s, gap, c, &q, &low)) {
      *gap = q;
      return true;
    }
  return false;
}

/* A lone quotient by a number is multiplied out. */
static bool drop_quotient(tni_linear *gap) {
  int which = -1;
  for (int i = 0; i < gap->count; i++) {
    const tn_expr *x = gap->terms[i].x;
    if (x->op != TN_OP_floordiv || !tni_is_const(x->arg[1])) continue;
    if (which >= 0 || x->arg[1]->as.i <= 0 || (gap->terms[i].coef != 1 && gap->terms[i].coef != -1)) return false;
    which = i;
  }
  if (which < 0) return false;
  const tn_expr *x = gap->terms[which].x;
  int64_t coef = gap->terms[which].coef, d = x->arg[1]->as.i;
  tni_linear others = *gap, made = {0};
  tni_linear_remove(&others, which);
  tni_linear_add_linear(&made, &others, d);
  tni_linear_add(&made, x->arg[0], coef);
  tni_linear_add_constant(&made, coef < 0 ? d - 1 : 0, 1);
  if (made.overflow) return false;
  *gap = made;
  return true;
}

/* The positive terms of l, or the negative ones with their signs turned. */
static const tn_expr *side(tni_region *r, const tni_linear *l, bool positive, int64_t constant) {
  tni_linear out = {.constant = constant};
  for (int i = 0; i < l->count; i++)
    if ((l->terms[i].coef > 0) == positive)
      tni_linear_add_term(&out, l->terms[i].x, positive ? l->terms[i].coef : -l->terms[i].coef);
  return tni_linear_expr(r, &out);
}

static bool has_terms(const tni_linear *l, bool positive) {
  for (int i = 0; i < l->count; i++)
    if ((l->terms[i].coef > 0) == positive) return true;
  return false;
}

/* 0 <= gap */
static const tn_expr *order_of(tni_region *r, const tni_linear *gap) {
  int64_t k = gap->constant;
  if (!has_terms(gap, false)) return tni_op2(r, TN_OP_le, tni_index(r, -k), side(r, gap, true, 0));
  if (!has_terms(gap, true)) return tni_op2(r, TN_OP_lt, side(r, gap, false, 0), tni_index(r, k + 1));
  if (k == 0) return tni_op2(r, TN_OP_le, side(r, gap, false, 0), side(r, gap, true, 0));
  if (k > 0) return tni_op2(r, TN_OP_lt, side(r, gap, false, 0), side(r, gap, true, k + 1));
  return tni_op2(r, TN_OP_lt, side(r, gap, false, -k - 1), side(r, gap, true, 0));
}

/* gap == 0, or != 0: the first term on the left, a constant on the right when it stands alone there. */
static const tn_expr *equation_of(tni_region *r, enum tn_op op, tni_linear *gap) {
  int64_t g = 0;
  for (int i = 0; i < gap->count; i++) g = tni_gcd(g, gap->terms[i].coef);
  if (gap->count == 0) return NULL;
  if (gap->constant % g != 0) return tni_bool(r, op == TN_OP_ne);
  if (gap->terms[0].coef < 0) g = -g;
  for (int i = 0; i < gap->count; i++) gap->terms[i].coef /= g;
  gap->constant /= g;
  int64_t k = gap->constant;
  bool left = k > 0 && has_terms(gap, false);
  return tni_op2(r, op, side(r, gap, true, left ? k : 0), side(r, gap, false, left ? 0 : -k));
}

/* Written anew, it may be seen to be decided: `tries` bounds how often. */
static const tn_expr *comparison(const tni_simplifier *s, const tn_expr *x, int tries) {
  tni_linear gap = gap_of(s, x);
  enum tni_truth answer = decide(s, x, &gap);
  if (answer != TNI_UNKNOWN) return tni_expr_reads(x) ? x : tni_bool(s->r, answer == TNI_PROVEN);
  if (gap.overflow || gap.count == 0) return s->r->arena.failed ? NULL : x;
  while (!is_equation(x) && (drop_low_part(s, &gap) || drop_quotient(&gap))) {}
  const tn_expr *made = is_equation(x) ? equation_of(s->r, x->op, &gap) : order_of(s->r, &gap);
  return tries > 0 && made && made != x && is_comparison(made) ? comparison(s, made, tries - 1) : made;
}

/* ---- several conditions ---- */

/* Two orders over the same terms, or the same with turned signs, as one. NULL: they are others. */
static const tn_expr *merged(const tni_simplifier *s, const tn_expr *x) {
  const tn_expr *a = x->arg[0], *b = x->arg[1];
  bool both = x->op == TN_OP_and;
  if (!is_comparison(a) || !is_comparison(b) || is_equation(a) || is_equation(b)) return NULL;
  tni_linear p = gap_of(s, a), q = gap_of(s, b), turned = {0};
  int64_t k = p.constant, m = q.constant;
  tni_linear_add_linear(&turned, &q, -1);
  p.constant = q.constant = turned.constant = 0;
  if (tni_linear_equal(&p, &q)) return (k <= m) == both ? a : b;
  if (!tni_linear_equal(&p, &turned)) return NULL;
  /* -k <= t and t <= m */
  if (both && (__int128)k + m < 0) return tni_bool(s->r, false);
  return !both && (__int128)k + m >= -1 ? tni_bool(s->r, true) : NULL;
}

/* !(a < b) -> b <= a, of integers */
static const tn_expr *turned(const tni_simplifier *s, const tn_expr *x) {
  const tn_expr *a = x->arg[0];
  if (a->nargs != 2 || tni_type_is_float(TN_TYPE_WITH_LANES(a->arg[0]->type, 1))) return x;
  const tn_expr *made;
  switch (a->op) {
  case TN_OP_lt: made = tni_op2(s->r, TN_OP_le, a->arg[1], a->arg[0]); break;
  case TN_OP_le: made = tni_op2(s->r, TN_OP_lt, a->arg[1], a->arg[0]); break;
  case TN_OP_eq: made = tni_op2(s->r, TN_OP_ne, a->arg[0], a->arg[1]); break;
  case TN_OP_ne: made = tni_op2(s->r, TN_OP_eq, a->arg[0], a->arg[1]); break;
  default: return x;
  }
  return made && is_comparison(made) ? comparison(s, made, MAX_TRIES) : made;
}

/* A lane of an index vector made of ramps and broadcasts; NULL for other vectors. */
static const tn_expr *lane_of(tni_region *r, const tn_expr *x, int64_t lane) {
  if (x->op == TN_OP_broadcast) return x->arg[0];
  if (x->op == TN_OP_ramp) return tni_add(r, x->arg[0], tni_mul(r, x->arg[1], tni_index(r, lane)));
  return NULL;
}

/* A comparison of index vectors is decided when its first and last lanes are, the same way: between them it is linear. Only
 * lt and le are so. */
static enum tni_truth decide_vector(const tni_simplifier *s, const tn_expr *x) {
  if ((x->op != TN_OP_lt && x->op != TN_OP_le) || TN_TYPE_CODE(x->arg[0]->type) != TN_CODE_INDEX) return TNI_UNKNOWN;
  enum tni_truth answers[2];
  for (int i = 0; i < 2; i++) {
    int64_t lane = i ? (int64_t)TN_TYPE_LANES(x->type) - 1 : 0;
    const tn_expr *a = lane_of(s->r, x->arg[0], lane), *b = lane_of(s->r, x->arg[1], lane);
    const tn_expr *cond = a && b ? tni_op2(s->r, x->op, a, b) : NULL;
    if (!cond) return TNI_UNKNOWN;
    answers[i] = tni_decide_simple(s, cond);
  }
  return answers[0] == answers[1] ? answers[0] : TNI_UNKNOWN;
}

const tn_expr *tni_condition(const tni_simplifier *s, const tn_expr *x) {
  if (TN_TYPE_LANES(x->type) > 1) {
    enum tni_truth answer = decide_vector(s, x);
    return answer == TNI_UNKNOWN ? x : tni_broadcast(s->r, tni_bool(s->r, answer == TNI_PROVEN), TN_TYPE_LANES(x->type));
  }
  if (is_comparison(x)) return comparison(s, x, MAX_TRIES);
  enum tni_truth answer = TNI_UNKNOWN;
  tni_values v = tni_values_of(s->scan, x);
  if (v.is.mod == 0) answer = v.is.rem ? TNI_PROVEN : TNI_REFUTED;
  if (answer != TNI_UNKNOWN || is_given(s->scan->facts, x, &answer))
    return tni_expr_reads(x) ? x : tni_bool(s->r, answer == TNI_PROVEN);
  if (x->op == TN_OP_not) return turned(s, x);
  const tn_expr *made = x->op == TN_OP_and || x->op == TN_OP_or ? merged(s, x) : NULL;
  return made ? made : x;
}

enum tni_truth tni_decide(tni_region *r, const tni_facts *facts, const tn_expr *cond) {
  const tn_expr *x = cond && cond->type == TN_BOOL ? tni_simplify(r, facts, cond) : NULL;
  return x && tni_is_const(x) ? truth(x->as.i != 0, x->as.i == 0) : TNI_UNKNOWN;
}

bool tni_implies(tni_region *r, const tni_facts *facts, const tn_expr *given, const tn_expr *cond) {
  tni_facts all;
  tni_facts_init(&all, r->arena.ctx);
  bool so = given && tni_facts_copy(&all, facts) && tni_facts_learn(&all, given, true) && tni_prove(r, &all, cond);
  tni_facts_destroy(&all);
  return so;
}

/* ---- min and max ---- */

typedef struct operands {
  int count;
  const tn_expr *items[MAX_OPERANDS];
} operands;

static bool collect_operands(operands *o, const tn_expr *x, enum tn_op op) {
  if (x->op == op) return collect_operands(o, x->arg[0], op) && collect_operands(o, x->arg[1], op);
  if (o->count == MAX_OPERANDS) return false;
  o->items[o->count++] = x;
  return true;
}

/* Is a never above b? */
static bool never_above(const tni_simplifier *s, const tn_expr *a, const tn_expr *b) {
  const tn_expr *x = tni_op2(s->r, TN_OP_le, a, b);
  return x && tni_decide_simple(s, x) == TNI_PROVEN;
}

/* Takes out operands that others always beat. */
static void drop_beaten(const tni_simplifier *s, operands *o, bool least) {
  for (int i = 0; i < o->count; i++)
    for (int k = 0; k < o->count; k++) {
      if (i == k || !never_above(s, o->items[least ? k : i], o->items[least ? i : k])) continue;
      memmove(&o->items[i], &o->items[i + 1], (size_t)(--o->count - i) * sizeof *o->items);
      i--;
      break;
    }
}

/* Numbers last. */
static bool comes_before(const tn_expr *a, const tn_expr *b) {
  return tni_is_const(a) != tni_is_const(b) ? tni_is_const(b) : tni_compare_exprs(a, b) < 0;
}

const tn_expr *tni_extreme(const tni_simplifier *s, const tn_expr *x) {
  operands o = {0};
  if (!collect_operands(&o, x, x->op)) return x;
  drop_beaten(s, &o, x->op == TN_OP_min);
  for (int i = 1; i < o.count; i++)
    for (int k = i; k > 0 && comes_before(o.items[k], o.items[k - 1]); k--) {
      const tn_expr *t = o.items[k];
      o.items[k] = o.items[k - 1];
      o.items[k - 1] = t;
    }
  const tn_expr *made = o.items[0];
  for (int i = 1; i < o.count; i++) made = tni_op2(s->r, x->op, made, o.items[i]);
  return made;
}
