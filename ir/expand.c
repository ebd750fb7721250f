/* expand.c -- derived operators as expressions of the core ones.
 *
 * A DERIVED row of the op table has one function here, expand_NAME: its meaning on every type that its typing rule
 * allows, bit for bit what eval.c says. A MATH row is defined in ir/math/. A back end emits what it does better by
 * itself, and in the place of any other node that is not basic it emits the node's expansion.
 *
 * Floats of 16 bits and less are computed in f32 and rounded to the type after each operator, derived or core: 24 bits
 * are at least twice theirs plus 2, so that rounding twice does no harm. Not so fma, which has an expansion for them, and
 * neg and abs, which only look at the sign bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "expand.h"

/* ---- division -------------------------------------------------------------------------------------------------- */

static expr zero(const maker *m) { return tni_zero(m->r, m->type); }
static expr is_zero(const maker *m, expr a) { return equal(m, a, zero(m)); }
static expr is_negative(const maker *m, expr a) { return less(m, a, zero(m)); }

static expr remainder_of(const maker *m, expr a, expr b) { return tni_op2(m->r, TN_OP_mod, a, b); }

static expr expand_mod(const maker *m, const expr *v) {
  if (is_float(m)) return tni_expand_fmod(m, v[0], v[1]);
  expr r = sub(m, v[0], mul(m, v[1], quotient(m, v[0], v[1])));
  return choose(m, is_zero(m, v[1]), zero(m), r);
}

/* Where the remainder r of a by b is not 0 and has the other sign than b: floor is one below truncation. */
static expr is_below(const maker *m, expr r, expr b) {
  return both(m, unequal(m, r, zero(m)), differ(m, is_negative(m, r), is_negative(m, b)));
}

/* bool: 0 // 1 is 0, 1 // 1 is 1, x // 0 is 0. */
static expr expand_floordiv(const maker *m, const expr *v) {
  if (is_bool(m)) return both(m, v[0], v[1]);
  expr q = quotient(m, v[0], v[1]);
  if (!is_signed(m)) return q;
  return choose(m, is_below(m, remainder_of(m, v[0], v[1]), v[1]), sub(m, q, number(m, m->type, 1)), q);
}

static expr expand_floormod(const maker *m, const expr *v) {
  if (is_bool(m)) return zero(m);
  expr r = remainder_of(m, v[0], v[1]);
  return is_signed(m) ? choose(m, is_below(m, r, v[1]), add(m, r, v[1]), r) : r;
}

/* ---- order and sign -------------------------------------------------------------------------------------------- */

static expr expand_min(const maker *m, const expr *v) {
  return is_float(m) ? tni_expand_extreme(m, false, v[0], v[1]) : choose(m, less(m, v[0], v[1]), v[0], v[1]);
}
static expr expand_max(const maker *m, const expr *v) {
  return is_float(m) ? tni_expand_extreme(m, true, v[0], v[1]) : choose(m, less(m, v[0], v[1]), v[1], v[0]);
}

static expr sign_bit(const maker *m) { return pattern(m, unsigned_of(m), UINT64_C(1) << (bits_of(m) - 1)); }

/* The float with these bits, which are a's but for the sign; in types without a negative zero 0 and NaN have none. */
static expr with_bits(const maker *m, expr a, expr bits) {
  expr changed = as(m, m->type, bits);
  if (bits_of(m) > 16 || tni_float_format_of(m->type)->negative_zero) return changed;
  expr rest = both(m, as(m, unsigned_of(m), a), inverse(m, sign_bit(m)));
  return choose(m, equal(m, rest, tni_zero(m->r, unsigned_of(m))), a, changed);
}

static expr expand_neg(const maker *m, const expr *v) {
  if (!is_float(m)) return sub(m, zero(m), v[0]);
  expr bits = as(m, unsigned_of(m), v[0]);
  return with_bits(m, v[0], differ(m, bits, sign_bit(m)));
}

static expr expand_abs(const maker *m, const expr *v) {
  if (!is_float(m)) return is_signed(m) ? choose(m, is_negative(m, v[0]), sub(m, zero(m), v[0]), v[0]) : v[0];
  expr bits = as(m, unsigned_of(m), v[0]);
  return with_bits(m, v[0], both(m, bits, inverse(m, sign_bit(m))));
}

/* ---- integers of a fixed width ---------------------------------------------------------------------------------- */

static expr expand_shr_round(const maker *m, const expr *v) {
  expr one = number(m, m->type, 1);
  expr half = both(m, right(m, v[0], sub(m, v[1], one)), one); /* what stands below the last bit that stays */
  expr beyond = less(m, number(m, m->type, bits_of(m) - 1), v[1]); /* as a number of 2 bits, 2 is negative */
  expr inside = both(m, less(m, zero(m), v[1]), inverse(m, beyond));
  expr rounded = add(m, right(m, v[0], v[1]), half);
  return choose(m, inside, rounded, choose(m, is_zero(m, v[1]), v[0], zero(m)));
}

/* The upper 64 bits of a product of u64, from the four products of their halves. */
static expr multiply_high(const maker *m, expr a, expr b) {
  expr half = pattern(m, m->type, 32), mask = pattern(m, m->type, UINT32_MAX);
  expr a0 = both(m, a, mask), a1 = right(m, a, half), b0 = both(m, b, mask), b1 = right(m, b, half);
  expr outer = mul(m, a0, b1), inner = mul(m, a1, b0);
  expr carry = add(m, right(m, mul(m, a0, b0), half), add(m, both(m, outer, mask), both(m, inner, mask)));
  expr high = add(m, mul(m, a1, b1), add(m, right(m, outer, half), right(m, inner, half)));
  return add(m, high, right(m, carry, half));
}

static expr expand_mulhi(const maker *m, const expr *v) {
  if (bits_of(m) < 64) {
    tn_type wide = like(m, TN_TYPE(TN_TYPE_CODE(m->type), 2 * TN_TYPE_BITS(m->type), 1));
    expr product = mul(m, cast(m, wide, v[0]), cast(m, wide, v[1]));
    return cast(m, m->type, right(m, product, number(m, wide, bits_of(m))));
  }
  const maker u = {.r = m->r, .type = unsigned_of(m), .result = unsigned_of(m)};
  expr high = cast(m, m->type, multiply_high(&u, cast(m, u.type, v[0]), cast(m, u.type, v[1])));
  if (!is_signed(m)) return high;
  high = sub(m, high, choose(m, is_negative(m, v[0]), v[1], zero(m)));
  return sub(m, high, choose(m, is_negative(m, v[1]), v[0], zero(m)));
}

/* The greatest value of the type; of signed ones, the least where `below`. */
static expr limit(const maker *m, expr below) {
  if (!is_signed(m)) return pattern(m, m->type, UINT64_MAX);
  expr least = pattern(m, m->type, UINT64_C(1) << (bits_of(m) - 1));
  return choose(m, below, least, inverse(m, least));
}

/* Signed: the sum (difference) has the wrong sign when it has neither that of a nor that of b (-b). */
static expr expand_add_sat(const maker *m, const expr *v) {
  expr sum = add(m, v[0], v[1]);
  if (!is_signed(m)) return choose(m, less(m, sum, v[0]), limit(m, NULL), sum);
  expr wrong = is_negative(m, both(m, differ(m, v[0], sum), differ(m, v[1], sum)));
  return choose(m, wrong, limit(m, is_negative(m, v[0])), sum);
}
static expr expand_sub_sat(const maker *m, const expr *v) {
  expr rest = sub(m, v[0], v[1]);
  if (!is_signed(m)) return choose(m, less(m, v[0], v[1]), zero(m), rest);
  expr wrong = is_negative(m, both(m, differ(m, v[0], v[1]), differ(m, v[0], rest)));
  return choose(m, wrong, limit(m, is_negative(m, v[0])), rest);
}

/* Counts in fields of 2, 4, 8 ... bits, each the sum of two of half the width. */
static expr expand_popcount(const maker *m, const expr *v) {
  tn_type u = unsigned_of(m);
  expr x = cast(m, u, v[0]);
  for (int width = 1; width < bits_of(m); width *= 2) {
    expr mask = pattern(m, u, UINT64_MAX / ((UINT64_C(1) << width) + 1));
    x = add(m, both(m, x, mask), both(m, right(m, x, number(m, u, width)), mask));
  }
  return cast(m, m->type, x);
}

static expr count(const maker *m, expr x) { return cast(m, m->type, tni_op1(m->r, TN_OP_popcount, x)); }

/* With a 1 in every bit below the highest, the zeros are those above it. */
static expr expand_clz(const maker *m, const expr *v) {
  tn_type u = unsigned_of(m);
  expr x = cast(m, u, v[0]);
  for (int width = 1; width < bits_of(m); width *= 2) x = either(m, x, right(m, x, number(m, u, width)));
  return count(m, inverse(m, x));
}

/* x - 1 has ones where x has zeros below its lowest 1. */
static expr expand_ctz(const maker *m, const expr *v) {
  return count(m, both(m, inverse(m, v[0]), sub(m, v[0], number(m, m->type, 1))));
}

/* ---- saturating casts ------------------------------------------------------------------------------------------- */

/* The finite numbers of a type end here; those of large floats beyond all integers. */
static __int128 highest(tn_type type) {
  if (TN_TYPE_CODE(type) == kDLBool) return 1;
  if (tni_type_is_float(type)) return (__int128)(tni_float_largest(type) < 0x1p64 ? tni_float_largest(type) : 0x1p64);
  return ((__int128)1 << (TN_TYPE_BITS(type) - tni_type_is_signed(type))) - 1;
}
static __int128 lowest(tn_type type) {
  if (tni_type_is_scale(type)) return 0;
  if (tni_type_is_float(type)) return -highest(type);
  return tni_type_is_signed(type) ? -highest(type) - 1 : 0;
}

static expr at_most(const maker *m, expr a, expr high) { return choose(m, less(m, high, a), high, a); }
static expr at_least(const maker *m, expr a, expr low) { return choose(m, less(m, a, low), low, a); }

/* An integer between the ends of the result's type, where those lie within its own. */
static expr bounded_integer(const maker *m, expr a) {
  __int128 high = highest(m->result), low = lowest(m->result);
  if (high < highest(m->type)) a = at_most(m, a, pattern(m, m->type, (uint64_t)high));
  if (low > lowest(m->type)) a = at_least(m, a, pattern(m, m->type, (uint64_t)(int64_t)low));
  return a;
}

/* A float: in f32 or f64, which have the ends of both types. NaN passes. */
static expr bounded_float(const maker *m, expr a) {
  bool is_double = bits_of(m) == 64 || TN_TYPE_BITS(m->result) == 64;
  tn_type wide = like(m, is_double ? TN_F64 : TN_F32);
  a = at_most(m, cast(m, wide, a), number(m, wide, tni_float_largest(m->result)));
  return at_least(m, a, number(m, wide, tni_float_least(m->result)));
}

static expr expand_cast_sat(const maker *m, const expr *v) {
  bool to_float = tni_type_is_float(m->result), to_bool = TN_TYPE_CODE(m->result) == kDLBool;
  if (!is_float(m) && !to_bool) return cast(m, m->result, bounded_integer(m, v[0]));
  return cast(m, m->result, to_float ? bounded_float(m, v[0]) : v[0]);
}

/* ---- floats ---------------------------------------------------------------------------------------------------- */

static expr expand_fma(const maker *m, const expr *v) { return tni_expand_fma(m, v[0], v[1], v[2]); }
static expr expand_ldexp(const maker *m, const expr *v) { return tni_expand_ldexp(m, v[0], v[1]); }
static expr expand_floor(const maker *m, const expr *v) { return tni_expand_rounding(m, TN_OP_floor, v[0]); }
static expr expand_ceil(const maker *m, const expr *v) { return tni_expand_rounding(m, TN_OP_ceil, v[0]); }
static expr expand_trunc(const maker *m, const expr *v) { return tni_expand_rounding(m, TN_OP_trunc, v[0]); }
static expr expand_round(const maker *m, const expr *v) { return tni_expand_rounding(m, TN_OP_round, v[0]); }

/* ---- one node -------------------------------------------------------------------------------------------------- */

static bool is_short(tn_type type) { return tni_type_is_float(type) && TN_TYPE_BITS(type) < 32; }

/* Has the operator to be left to f32? */
static bool is_through_f32(enum tn_op op, tn_type type) {
  enum tni_typing typing = (enum tni_typing)tni_ops[op].typing;
  if (!is_short(type) || tni_ops[op].flags & TN_OPF_MATH) return false;
  if (op == TN_OP_fma || op == TN_OP_neg || op == TN_OP_abs) return false;
  return typing == TNI_TYPING_SAME || typing == TNI_TYPING_FLOAT || typing == TNI_TYPING_COMPARE;
}

static expr through_f32(const maker *m, expr x) {
  expr args[3];
  for (int i = 0; i < x->nargs; i++) args[i] = cast(m, like(m, TN_F32), x->arg[i]);
  expr y = tni_op(m->r, (enum tn_op)x->op, x->nargs, args);
  return tni_ops[x->op].typing == TNI_TYPING_COMPARE ? y : cast(m, m->type, y);
}

bool tni_is_basic(const tn_expr *x) {
  if (x->op >= TN_OP_COUNT || x->nargs == 0) return true;
  enum tn_op op = (enum tn_op)x->op;
  return !(tni_ops[op].flags & TN_OPF_DERIVED) && !is_through_f32(op, tni_operand_type(x));
}

const tn_expr *tni_expand(tni_region *r, const tn_expr *x) {
  const maker m = {.r = r, .type = tni_operand_type(x), .result = x->type};
  if (is_through_f32((enum tn_op)x->op, m.type)) return through_f32(&m, x);
  switch ((enum tn_op)x->op) {
#define EXPAND_CORE(name) break
#define EXPAND_DERIVED(name) return expand_##name(&m, x->arg)
#define EXPAND_MATH(name) return tni_math_expand(r, x, false)
#define EXPAND(name, arity, typing, origin, flags, meaning)                                                            \
  case TN_OP_##name: EXPAND_##origin(name);
    TN_OPS(EXPAND)
#undef EXPAND
  case TN_OP_COUNT: break;
  }
  assert(!"a core operator");
  return NULL;
}
