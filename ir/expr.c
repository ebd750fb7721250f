/* expr.c -- constructors of expressions. They fold constants, identities and operators over broadcasts:
 *
 *     op(const, ...)                 -> const                       (not for MATH operators)
 *     op(broadcast a, broadcast b)   -> broadcast(op(a, b))
 *     x + 0, x - 0, x * 1, x / 1     -> x                           (x + 0 on integers only: -0 + 0 is +0)
 *     x * 0                          -> 0                           (integers only)
 *     select(true, a, b)             -> a, and the like on bool
 *     (x + c) + d                    -> x + (c + d)                 (integers; constants go to the right)
 *
 * All of them keep every value, bit for bit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "ir.h"

/* ---- leaves ---- */

const tn_expr *tni_const_int(tni_region *r, tn_type type, int64_t value) {
  tn_expr head = {.op = TN_OP_const, .type = type};
  assert(TN_TYPE_LANES(type) == 1 && !tni_type_is_float(type));
  head.as.i = tni_wrap(type, value);
  return tni_region_intern(r, &head, 0, NULL);
}

const tn_expr *tni_const_float(tni_region *r, tn_type type, double value) {
  tn_expr head = {.op = TN_OP_const, .type = type};
  assert(TN_TYPE_LANES(type) == 1 && tni_type_is_float(type));
  head.as.f = tni_round_to(type, value);
  if (head.as.f != head.as.f) head.as.i = INT64_C(0x7ff8000000000000); /* one NaN, so that equal is identical */
  return tni_region_intern(r, &head, 0, NULL);
}

const tn_expr *tni_index(tni_region *r, int64_t value) { return tni_const_int(r, TN_INDEX, value); }
const tn_expr *tni_bool(tni_region *r, bool value) { return tni_const_int(r, TN_BOOL, value); }

const tn_expr *tni_zero(tni_region *r, tn_type type) {
  tn_type lane = TN_TYPE_WITH_LANES(type, 1);
  const tn_expr *zero = tni_type_is_float(lane) ? tni_const_float(r, lane, 0) : tni_const_int(r, lane, 0);
  return tni_broadcast(r, zero, TN_TYPE_LANES(type));
}

const tn_expr *tni_var(tni_region *r, const char *name, tn_type type) {
  tn_expr *x = TNI_NEW(&r->arena, tn_expr);
  if (!x) return NULL;
  x->op = TN_OP_var;
  x->depth = r->depth;
  x->type = type;
  x->uid = r->next_uid++;
  x->hash = x->uid * 0x9e3779b1u;
  x->as.name = tni_arena_text(&r->arena, name);
  return x->as.name ? x : NULL;
}

/* ---- folding ---- */

static bool any_null(size_t count, const tn_expr *const *args) {
  for (size_t i = 0; i < count; i++)
    if (!args[i]) return true;
  return false;
}

static bool all_have_op(size_t count, const tn_expr *const *args, uint16_t op) {
  for (size_t i = 0; i < count; i++)
    if (args[i]->op != op) return false;
  return true;
}

static const tn_expr *from_scalar(tni_region *r, tn_type type, tni_scalar value) {
  return tni_type_is_float(type) ? tni_const_float(r, type, value.f) : tni_const_int(r, type, value.i);
}

static tni_scalar to_scalar(const tn_expr *x) {
  tni_scalar s;
  if (tni_type_is_float(x->type))
    s.f = x->as.f;
  else
    s.i = x->as.i;
  return s;
}

static const tn_expr *fold_constants(tni_region *r, enum tn_op op, tn_type type, size_t count,
                                     const tn_expr *const *args) {
  tni_scalar values[3];
  for (size_t i = 0; i < count; i++) values[i] = to_scalar(args[i]);
  tn_type operand = args[tni_ops[op].typing == TNI_TYPING_SELECT ? 1 : 0]->type;
  return from_scalar(r, type, tni_eval_op(op, operand, values));
}

static const tn_expr *fold_broadcasts(tni_region *r, enum tn_op op, size_t count, const tn_expr *const *args) {
  const tn_expr *inner[3];
  for (size_t i = 0; i < count; i++) inner[i] = args[i]->arg[0];
  return tni_broadcast(r, tni_op(r, op, count, inner), TN_TYPE_LANES(args[0]->type));
}

/* Constant operands of any number type: is x the value 0 or 1, in all lanes? */
static bool is_value(const tn_expr *x, int value) {
  if (x->op == TN_OP_broadcast) x = x->arg[0];
  if (x->op != TN_OP_const) return false;
  return tni_type_is_float(x->type) ? x->as.f == value && !(value == 0 && x->as.i != 0) : x->as.i == value;
}

static bool is_int_const(const tn_expr *x) { return x->op == TN_OP_const && !tni_type_is_float(x->type); }

/* Rules that hold for integers, index and bool alike. NULL: none applies. */
static const tn_expr *fold_integer(tni_region *r, enum tn_op op, const tn_expr *a, const tn_expr *b) {
  bool is_bool = TN_TYPE_CODE(a->type) == kDLBool;
  switch (op) {
  case TN_OP_add:
    if (is_value(b, 0)) return a;
    if (is_int_const(b) && a->op == TN_OP_add && is_int_const(a->arg[1]))
      return tni_op2(r, TN_OP_add, a->arg[0], tni_op2(r, TN_OP_add, a->arg[1], b));
    return NULL;
  case TN_OP_sub:
    if (a == b) return tni_zero(r, a->type);
    return is_int_const(b) && !is_value(b, 0) ? tni_op2(r, TN_OP_add, a, tni_op1(r, TN_OP_neg, b)) : NULL;
  case TN_OP_mul: return is_value(b, 0) ? b : NULL;
  case TN_OP_floordiv: return is_value(b, 1) ? a : NULL;
  case TN_OP_floormod:
  case TN_OP_mod: return is_value(b, 1) ? tni_zero(r, a->type) : NULL;
  case TN_OP_and:
    if (is_bool && (is_value(b, 1) || is_value(a, 1))) return is_value(b, 1) ? a : b;
    return is_value(b, 0) ? b : is_value(a, 0) || a == b ? a : NULL;
  case TN_OP_or:
    if (is_bool && (is_value(b, 1) || is_value(a, 1))) return is_value(b, 1) ? b : a;
    return is_value(b, 0) || a == b ? a : is_value(a, 0) ? b : NULL;
  case TN_OP_eq:
  case TN_OP_le: return a == b ? tni_broadcast(r, tni_bool(r, true), TN_TYPE_LANES(a->type)) : NULL;
  case TN_OP_ne:
  case TN_OP_lt: return a == b ? tni_broadcast(r, tni_bool(r, false), TN_TYPE_LANES(a->type)) : NULL;
  default: return NULL;
  }
}

/* Rules for every number. */
static const tn_expr *fold_identity(enum tn_op op, const tn_expr *a, const tn_expr *b) {
  switch (op) {
  case TN_OP_sub: return is_value(b, 0) ? a : NULL;
  case TN_OP_mul: return is_value(b, 1) ? a : is_value(a, 1) ? b : NULL;
  case TN_OP_div: return is_value(b, 1) ? a : NULL;
  case TN_OP_min:
  case TN_OP_max: return a == b ? a : NULL;
  default: return NULL;
  }
}

/* The argument that folding leaves; NULL if a call of an external would go with another one. */
static const tn_expr *without_calls(size_t count, const tn_expr *const *args, const tn_expr *folded) {
  bool calls = false;
  for (size_t i = 0; folded && i < count; i++) calls |= args[i] != folded && tni_expr_calls(args[i]);
  return calls ? NULL : folded;
}

static const tn_expr *fold(tni_region *r, enum tn_op op, size_t count, const tn_expr *const *args) {
  if (op == TN_OP_select) {
    bool first = is_value(args[0], 1) || args[1] == args[2];
    return without_calls(3, args, first ? args[1] : is_value(args[0], 0) ? args[2] : NULL);
  }
  if (op == TN_OP_not && args[0]->op == TN_OP_not) return args[0]->arg[0];
  if (count != 2) return NULL;
  const tn_expr *folded = fold_identity(op, args[0], args[1]);
  if (!folded && !tni_type_is_float(args[0]->type)) folded = fold_integer(r, op, args[0], args[1]);
  return without_calls(2, args, folded);
}

/* ---- operators ---- */

static bool is_constant_like(const tn_expr *x) {
  return x->op == TN_OP_const || (x->op == TN_OP_broadcast && x->arg[0]->op == TN_OP_const);
}

const tn_expr *tni_op(tni_region *r, enum tn_op op, size_t count, const tn_expr *const *args) {
  if (any_null(count, args)) return NULL;
  const char *why;
  tn_type type = tni_op_type(op, args, &why);
  assert(type != 0 && count == tni_ops[op].arity);
  bool math = tni_ops[op].flags & TN_OPF_MATH;
  if (!math && all_have_op(count, args, TN_OP_const)) return fold_constants(r, op, type, count, args);
  if (all_have_op(count, args, TN_OP_broadcast)) return fold_broadcasts(r, op, count, args);
  const tn_expr *order[3];
  if (count == 2 && (tni_ops[op].flags & TN_OPF_COMM) && !tni_type_is_float(args[0]->type) &&
      is_constant_like(args[0]) && !is_constant_like(args[1])) {
    order[0] = args[1];
    order[1] = args[0];
    args = order;
  }
  const tn_expr *folded = math ? NULL : fold(r, op, count, args);
  if (folded) return folded;
  tn_expr head = {.op = (uint8_t)op, .type = type};
  return tni_region_intern(r, &head, count, args);
}

const tn_expr *tni_op1(tni_region *r, enum tn_op op, const tn_expr *a) { return tni_op(r, op, 1, &a); }

const tn_expr *tni_op2(tni_region *r, enum tn_op op, const tn_expr *a, const tn_expr *b) {
  const tn_expr *args[] = {a, b};
  return tni_op(r, op, 2, args);
}

const tn_expr *tni_op3(tni_region *r, enum tn_op op, const tn_expr *a, const tn_expr *b, const tn_expr *c) {
  const tn_expr *args[] = {a, b, c};
  return tni_op(r, op, 3, args);
}

const tn_expr *tni_add(tni_region *r, const tn_expr *a, const tn_expr *b) { return tni_op2(r, TN_OP_add, a, b); }
const tn_expr *tni_sub(tni_region *r, const tn_expr *a, const tn_expr *b) { return tni_op2(r, TN_OP_sub, a, b); }
const tn_expr *tni_mul(tni_region *r, const tn_expr *a, const tn_expr *b) { return tni_op2(r, TN_OP_mul, a, b); }
const tn_expr *tni_and(tni_region *r, const tn_expr *a, const tn_expr *b) { return tni_op2(r, TN_OP_and, a, b); }

const tn_expr *tni_conj(tni_region *r, const tn_expr *a, const tn_expr *b) {
  if (!a || !b) return a ? a : b;
  return tni_and(r, a, b);
}

const tn_expr *tni_convert(tni_region *r, enum tn_op op, tn_type type, const tn_expr *a) {
  bool same = a && a->type == type; /* saturation does away with infinities */
  if (!a || (same && (op != TN_OP_cast_sat || !tni_type_is_float(type)))) return a;
  assert(op == TN_OP_reinterpret
             ? TN_TYPE_BITS(type) * TN_TYPE_LANES(type) == TN_TYPE_BITS(a->type) * TN_TYPE_LANES(a->type)
             : TN_TYPE_LANES(type) == TN_TYPE_LANES(a->type));
  if (a->op == TN_OP_const) return from_scalar(r, type, tni_eval_convert(op, type, a->type, to_scalar(a)));
  if (a->op == TN_OP_broadcast && TN_TYPE_LANES(type) == TN_TYPE_LANES(a->type))
    return tni_broadcast(r, tni_convert(r, op, TN_TYPE_WITH_LANES(type, 1), a->arg[0]), TN_TYPE_LANES(type));
  tn_expr head = {.op = (uint8_t)op, .type = type};
  return tni_region_intern(r, &head, 1, &a);
}

const tn_expr *tni_cast(tni_region *r, tn_type type, const tn_expr *a) { return tni_convert(r, TN_OP_cast, type, a); }
const tn_expr *tni_cast_sat(tni_region *r, tn_type type, const tn_expr *a) {
  return tni_convert(r, TN_OP_cast_sat, type, a);
}
const tn_expr *tni_reinterpret(tni_region *r, tn_type type, const tn_expr *a) {
  return tni_convert(r, TN_OP_reinterpret, type, a);
}

/* ---- memory, calls, vectors ---- */

const tn_expr *tni_load(tni_region *r, tn_type type, const tn_buffer *buffer, size_t count, const tn_expr *const *index,
                        const tn_expr *where) {
  const tn_expr *args[TN_MAX_RANK + 1];
  if (!buffer || any_null(count, index)) return NULL;
  for (size_t i = 0; i < count; i++) args[i] = index[i];
  if (where && is_value(where, 1)) where = NULL;
  if (where && is_value(where, 0)) return tni_zero(r, type);
  if (where) args[count] = where;
  tn_expr head = {.op = TN_OP_load, .type = type, .as.buffer = buffer};
  return tni_region_intern(r, &head, count + (where != NULL), args);
}

const tn_expr *tni_address(tni_region *r, const tn_buffer *buffer) {
  tn_expr head = {.op = TNI_OP_ADDRESS, .type = TN_POINTER, .as.buffer = buffer};
  return buffer ? tni_region_intern(r, &head, 0, NULL) : NULL;
}

const tn_expr *tni_call(tni_region *r, tn_type type, const char *name, size_t count, const tn_expr *const *args) {
  const char *kept = name ? tni_arena_text(&r->arena, name) : NULL;
  tn_expr head = {.op = TN_OP_call, .type = type, .as.name = kept};
  return kept ? tni_region_intern(r, &head, count, args) : NULL;
}

const tn_expr *tni_ramp(tni_region *r, const tn_expr *base, const tn_expr *stride, uint32_t lanes) {
  if (!base || !stride) return NULL;
  if (lanes == 1) return base;
  if (tni_is_int(stride, 0)) return tni_broadcast(r, base, lanes);
  tn_expr head = {.op = TN_OP_ramp, .type = TN_TYPE_WITH_LANES(base->type, lanes)};
  const tn_expr *args[] = {base, stride};
  return tni_region_intern(r, &head, 2, args);
}

const tn_expr *tni_broadcast(tni_region *r, const tn_expr *a, uint32_t lanes) {
  if (!a || lanes == 1) return a;
  assert(TN_TYPE_LANES(a->type) == 1);
  tn_expr head = {.op = TN_OP_broadcast, .type = TN_TYPE_WITH_LANES(a->type, lanes)};
  return tni_region_intern(r, &head, 1, &a);
}

const tn_expr *tni_with_args(tni_region *r, const tn_expr *x, const tn_expr *const *args) {
  if (any_null(x->nargs, args)) return NULL;
  uint32_t lanes = x->nargs ? TN_TYPE_LANES(args[0]->type) : 1;
  switch (x->op) {
  case TN_OP_const:
  case TN_OP_var:
  case TNI_OP_ADDRESS: return x;
  case TN_OP_cast:
  case TN_OP_cast_sat:
  case TN_OP_reinterpret: return tni_convert(r, (enum tn_op)x->op, TN_TYPE_WITH_LANES(x->type, lanes), args[0]);
  case TN_OP_load: {
    size_t count = (size_t)tni_load_count(x);
    uint32_t width = count ? TN_TYPE_LANES(args[0]->type) : 1;
    return tni_load(r, TN_TYPE_WITH_LANES(x->type, width), x->as.buffer, count, args,
                    count < x->nargs ? args[count] : NULL);
  }
  case TN_OP_call: return tni_call(r, x->type, x->as.name, x->nargs, args);
  case TN_OP_ramp: return tni_ramp(r, args[0], args[1], TN_TYPE_LANES(x->type));
  case TN_OP_broadcast: return tni_broadcast(r, args[0], TN_TYPE_LANES(x->type));
  case TN_OP_shuffle: return tni_shuffle(r, x->nargs, args, TN_TYPE_LANES(x->type), x->as.lanes);
  default: return tni_op(r, x->op, x->nargs, args);
  }
}
