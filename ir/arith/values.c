/* values.c -- the values that an expression takes: an interval and a residue, each making the other tighter.
 *
 *     i in 0..9, i*4 + 2           2..38, 2 (mod 4)
 *     n is 0 (mod 16), n in 1..40  16..32
 *
 * One walk over the DAG, arguments first. A few nodes are remembered, so that shared ones are looked at once; a budget
 * bounds the work on those that were forgotten: past it nothing is known, which is always right.
 *
 * Index is a mathematical integer. Data integers wrap: their results count only where the exact ones fit the type.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "arith.h"

enum { BUDGET = 4096 };

static const tni_values anything = {{-TNI_INF, TNI_INF}, {1, 0}};

static tni_values number(int64_t c) {
  if (c > -TNI_INF && c < TNI_INF) return (tni_values){{c, c}, {0, c}};
  return (tni_values){{tni_clamp(c), tni_clamp(c)}, {1, 0}};
}
static tni_values between(int64_t lo, int64_t hi) { return (tni_values){{lo, hi}, {1, 0}}; }

static bool is_finite(int64_t x) { return x > -TNI_INF && x < TNI_INF; }

/* Interval ends on the residue; one number is its own residue. Where no value is left both stay as they are. */
static tni_values reduce(tni_values v) {
  tni_interval tight = v.in;
  int64_t m = v.is.mod;
  if (m == 0) tight = (tni_interval){v.is.rem, v.is.rem};
  if (m > 1 && is_finite(v.in.lo)) tight.lo = v.in.lo + (v.is.rem - v.in.lo % m + 2 * m) % m;
  if (m > 1 && is_finite(v.in.hi)) tight.hi = v.in.hi - (v.in.hi % m - v.is.rem + 2 * m) % m;
  if (tight.lo > tight.hi || (m == 0 && (v.in.lo > tight.hi || v.in.hi < tight.lo))) return v;
  v.in = tight;
  if (tight.lo == tight.hi && is_finite(tight.lo)) v.is = (tni_residue){0, tight.lo};
  return v;
}

static tni_values either(tni_values a, tni_values b) {
  return (tni_values){tni_interval_hull(a.in, b.in), tni_residue_either(a.is, b.is)};
}

/* What is known of the node as such, beside what its parts say. */
static tni_values with_facts(const tni_facts *facts, const tn_expr *x, tni_values v) {
  const tni_range *known = tni_facts_find(facts, x);
  if (!known) return v;
  tni_values both = v;
  both.in.lo = known->lo > v.in.lo ? known->lo : v.in.lo;
  both.in.hi = known->hi < v.in.hi ? known->hi : v.in.hi;
  if (both.in.lo > both.in.hi || !tni_residue_both(v.is, known->is, &both.is)) return v;
  return reduce(both);
}

/* ---- types ---- */

static bool is_index(const tn_expr *x) { return TN_TYPE_CODE(x->type) == TN_CODE_INDEX; }

static tni_values of_type(tn_type type) {
  uint32_t bits = TN_TYPE_BITS(type);
  if (TN_TYPE_CODE(type) == kDLBool) return between(0, 1);
  if (TN_TYPE_CODE(type) == kDLUInt && bits < 62) return between(0, (INT64_C(1) << bits) - 1);
  if (TN_TYPE_CODE(type) == kDLInt && bits < 62)
    return between(-(INT64_C(1) << (bits - 1)), (INT64_C(1) << (bits - 1)) - 1);
  return anything;
}

/* The exact values, if the type holds them all: else it wraps. u64 is told apart from i64 nowhere, so it is not followed. */
static tni_values fit(tn_type type, tni_values exact) {
  if (TN_TYPE_CODE(type) == TN_CODE_INDEX) return exact;
  tni_values whole = of_type(type);
  bool wide = TN_TYPE_CODE(type) == kDLInt && is_finite(exact.in.lo) && is_finite(exact.in.hi);
  bool inside = exact.in.lo >= whole.in.lo && exact.in.hi <= whole.in.hi;
  return inside && (is_finite(whole.in.hi) || wide) ? exact : whole;
}

/* ---- operators ---- */

typedef struct operands {
  tni_values a, b;
} operands;

static tni_values add(operands v) { return (tni_values){tni_interval_add(v.a.in, v.b.in), tni_residue_add(v.a.is, v.b.is)}; }
static tni_values negate(tni_values a) { return (tni_values){tni_interval_neg(a.in), tni_residue_neg(a.is)}; }
static tni_values multiply(operands v) {
  return (tni_values){tni_interval_mul(v.a.in, v.b.in), tni_residue_mul(v.a.is, v.b.is)};
}

static bool may_be_zero(tni_values b) { return b.in.lo <= 0 && b.in.hi >= 0 && b.is.rem == 0; }

static tni_values floor_quotient(operands v) {
  tni_residue is = v.b.is.mod == 0 ? tni_residue_div(v.a.is, v.b.is.rem) : (tni_residue){1, 0};
  return (tni_values){tni_interval_div(v.a.in, v.b.in, true), is};
}

static tni_values floor_rest(operands v) {
  bool known = v.b.is.mod == 0 || !may_be_zero(v.b);
  return (tni_values){tni_interval_mod(v.a.in, v.b.in), known ? tni_residue_mod(v.a.is, v.b.is) : (tni_residue){1, 0}};
}

/* Truncating division is flooring division where both have one sign. */
static tni_values quotient(operands v) {
  if (v.a.in.lo >= 0 && v.b.in.lo >= 0) return floor_quotient(v);
  return (tni_values){tni_interval_div(v.a.in, v.b.in, false), {1, 0}};
}

static tni_values rest(operands v) {
  if (v.a.in.lo >= 0 && v.b.in.lo >= 0) return floor_rest(v);
  return (tni_values){tni_interval_rest(v.a.in, v.b.in), {1, 0}};
}

static tni_values smaller(operands v) {
  int64_t lo = v.a.in.lo < v.b.in.lo ? v.a.in.lo : v.b.in.lo, hi = v.a.in.hi < v.b.in.hi ? v.a.in.hi : v.b.in.hi;
  return (tni_values){{lo, hi}, tni_residue_either(v.a.is, v.b.is)};
}

static tni_values larger(operands v) {
  int64_t lo = v.a.in.lo > v.b.in.lo ? v.a.in.lo : v.b.in.lo, hi = v.a.in.hi > v.b.in.hi ? v.a.in.hi : v.b.in.hi;
  return (tni_values){{lo, hi}, tni_residue_either(v.a.is, v.b.is)};
}

static tni_values bits_and(operands v) {
  operands by = v;
  if (v.b.is.mod == 0 && v.b.is.rem >= 0 && (v.b.is.rem & (v.b.is.rem + 1)) == 0) { /* the last bits: a remainder */
    by.b = number(v.b.is.rem + 1);
    return floor_rest(by);
  }
  return (tni_values){tni_interval_and(v.a.in, v.b.in), {1, 0}};
}

/* By a constant number of bits: a product, a quotient. */
static tni_values shift(operands v, bool left) {
  if (v.b.is.mod != 0 || v.b.is.rem < 0 || v.b.is.rem >= TNI_INF_BITS)
    return !left && v.a.in.lo >= 0 ? between(0, v.a.in.hi) : anything;
  v.b = number(INT64_C(1) << v.b.is.rem);
  return left ? multiply(v) : floor_quotient(v);
}

/* ---- conditions ---- */

/* Of 0 and 1, what `a < b - gap` may be. */
static tni_values less(tni_values a, tni_values b, int gap) {
  if (a.in.hi < TNI_INF && b.in.lo > -TNI_INF && a.in.hi + gap <= b.in.lo) return number(1);
  if (a.in.lo > -TNI_INF && b.in.hi < TNI_INF && a.in.lo + gap > b.in.hi) return number(0);
  return between(0, 1);
}

static tni_values equal(tni_values a, tni_values b) {
  tni_residue both;
  if (a.is.mod == 0 && b.is.mod == 0) return number(a.is.rem == b.is.rem);
  if (a.in.lo > b.in.hi || b.in.lo > a.in.hi || !tni_residue_both(a.is, b.is, &both)) return number(0);
  return between(0, 1);
}

static tni_values opposite(tni_values a) { return a.is.mod == 0 ? number(!a.is.rem) : between(0, 1); }

static bool is_order(const tn_expr *x) { return x->op == TN_OP_lt || x->op == TN_OP_le || x->op == TN_OP_eq; }

static tni_values values(tni_scan *s, const tn_expr *x);

/* The values of x where the condition holds (or does not): x may be a side of it. */
static tni_values where(tni_scan *s, const tn_expr *x, const tn_expr *cond, bool holds) {
  tni_values v = values(s, x);
  if (!is_order(cond) || (cond->op == TN_OP_eq && !holds) || (cond->arg[0] != x && cond->arg[1] != x)) return v;
  bool first = cond->arg[0] == x, strict = (cond->op == TN_OP_lt) == holds && cond->op != TN_OP_eq;
  tni_interval other = values(s, cond->arg[first]).in, in = v.in;
  bool upper = cond->op == TN_OP_eq || first == holds, lower = cond->op == TN_OP_eq || first != holds;
  if (upper && is_finite(other.hi) && other.hi - strict < in.hi) in.hi = other.hi - strict;
  if (lower && is_finite(other.lo) && other.lo + strict > in.lo) in.lo = other.lo + strict;
  if (in.lo <= in.hi) v.in = in;
  return reduce(v);
}

static tni_values selected(tni_scan *s, const tn_expr *x) {
  tni_values cond = values(s, x->arg[0]);
  if (cond.is.mod == 0) return values(s, x->arg[cond.is.rem ? 1 : 2]);
  return either(where(s, x->arg[1], x->arg[0], true), where(s, x->arg[2], x->arg[0], false));
}

/* A cast to bool is != 0. */
static tni_values converted(tni_scan *s, const tn_expr *x) {
  tni_values a = tni_type_is_float(TN_TYPE_WITH_LANES(x->arg[0]->type, 1)) ? of_type(x->type) : values(s, x->arg[0]);
  if (TN_TYPE_CODE(x->type) == kDLBool) return opposite(equal(a, number(0)));
  if (is_index(x) && TN_TYPE_CODE(x->arg[0]->type) == kDLUInt && TN_TYPE_BITS(x->arg[0]->type) >= 62) return anything;
  return a;
}

/* Any lane of a ramp. */
static tni_values ramp(tni_scan *s, const tn_expr *x) {
  operands step = {values(s, x->arg[1]), between(0, (int64_t)TN_TYPE_LANES(x->type) - 1)};
  operands sum = {values(s, x->arg[0]), multiply(step)};
  return add(sum);
}

static tni_values of_node(tni_scan *s, const tn_expr *x) {
  bool compares = x->nargs == 2 && TN_TYPE_CODE(x->arg[0]->type) == kDLUInt && TN_TYPE_BITS(x->arg[0]->type) >= 62;
  operands v = {anything, anything};
  switch (x->op) {
  case TN_OP_const: return tni_type_is_float(x->type) ? anything : number(x->as.i);
  case TN_OP_select: return selected(s, x);
  case TN_OP_cast: return converted(s, x);
  case TN_OP_broadcast: return values(s, x->arg[0]);
  case TN_OP_ramp: return ramp(s, x);
  case TN_OP_var:
  case TN_OP_load:
  case TN_OP_call: return of_type(x->type);
  default: break;
  }
  if (x->nargs < 1 || x->nargs > 2 || compares || tni_type_is_float(TN_TYPE_WITH_LANES(x->arg[0]->type, 1)))
    return of_type(x->type);
  v.a = values(s, x->arg[0]);
  if (x->nargs == 2) v.b = values(s, x->arg[1]);
  switch (x->op) {
  case TN_OP_add: return add(v);
  case TN_OP_sub: v.b = negate(v.b); return add(v);
  case TN_OP_neg: return negate(v.a);
  case TN_OP_mul: return multiply(v);
  case TN_OP_floordiv: return floor_quotient(v);
  case TN_OP_floormod: return floor_rest(v);
  case TN_OP_div: return quotient(v);
  case TN_OP_mod: return rest(v);
  case TN_OP_min: return smaller(v);
  case TN_OP_max: return larger(v);
  case TN_OP_abs: return (tni_values){tni_interval_abs(v.a.in), {1, 0}};
  case TN_OP_and: return bits_and(v);
  case TN_OP_or: return (tni_values){tni_interval_or(v.a.in, v.b.in), {1, 0}};
  case TN_OP_xor: return (tni_values){tni_interval_xor(v.a.in, v.b.in), {1, 0}};
  case TN_OP_not: return TN_TYPE_CODE(x->type) == kDLBool ? opposite(v.a) : add((operands){negate(v.a), number(-1)});
  case TN_OP_shl: return shift(v, true);
  case TN_OP_shr: return shift(v, false);
  case TN_OP_lt: return less(v.a, v.b, 1);
  case TN_OP_le: return less(v.a, v.b, 0);
  case TN_OP_eq: return equal(v.a, v.b);
  case TN_OP_ne: return opposite(equal(v.a, v.b));
  default: return of_type(x->type);
  }
}

static tni_values values(tni_scan *s, const tn_expr *x) {
  if (x->op == TN_OP_const && x->type == TN_INDEX) return number(x->as.i);
  size_t slot = (x->hash ^ x->hash >> 16) % TNI_SCAN_SLOTS;
  if (s->taken >> slot & 1 && s->keys[slot] == x) return s->known[slot];
  if (--s->budget < 0) return anything;
  tni_values v = with_facts(s->facts, x, reduce(fit(x->type, of_node(s, x))));
  s->taken |= UINT64_C(1) << slot;
  s->keys[slot] = x;
  s->known[slot] = v;
  return v;
}

void tni_scan_init(tni_scan *s, const tni_facts *facts) {
  s->facts = facts;
  s->taken = 0;
}

tni_values tni_values_of(tni_scan *s, const tn_expr *x) {
  s->budget = BUDGET;
  return values(s, x);
}

void tni_bounds(const tni_facts *facts, const tn_expr *x, int64_t *lo, int64_t *hi) {
  tni_scan s;
  tni_scan_init(&s, facts);
  tni_interval in = tni_values_of(&s, x).in;
  *lo = in.lo;
  *hi = in.hi;
}

void tni_modular(const tni_facts *facts, const tn_expr *x, int64_t *mod, int64_t *rem) {
  tni_scan s;
  tni_scan_init(&s, facts);
  tni_residue is = tni_values_of(&s, x).is;
  *mod = is.mod;
  *rem = is.rem;
}
