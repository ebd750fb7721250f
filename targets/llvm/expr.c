/* expr.c -- expressions into values: each node of the DAG is emitted once where that is the same.
 *
 * A remembered value holds to the end of the scope it was made in, so the code dominates its uses. What reads memory
 * holds until the next write: see `epoch`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "llvm.h"

static LLVMValueRef emit_const(tni_ll_module *m, const tn_expr *x) {
  if (tni_ll_is_short(x->type)) return tni_ll_int(m, x->type, (int64_t)tni_float_to_bits(x->type, x->as.f));
  return tni_ll_is_float(x->type) ? tni_ll_float(m, x->type, x->as.f) : tni_ll_int(m, x->type, x->as.i);
}

/* base + stride * (0, 1, 2, ...) */
static LLVMValueRef emit_ramp(tni_ll_function *f, const tn_expr *x, LLVMValueRef base, LLVMValueRef stride) {
  tni_ll_module *m = f->m;
  uint32_t lanes = TN_TYPE_LANES(x->type);
  LLVMValueRef steps[TNI_LL_MAX_LANES];
  for (uint32_t i = 0; i < lanes; i++) steps[i] = tni_ll_int(m, TN_TYPE_WITH_LANES(x->type, 1), i);
  LLVMValueRef iota = LLVMConstVector(steps, lanes);
  LLVMValueRef from = tni_ll_splat(m, base, lanes), by = tni_ll_splat(m, stride, lanes);
  if (TN_TYPE_CODE(x->type) == TN_CODE_INDEX) {
    return LLVMBuildNSWAdd(m->b, from, LLVMBuildNSWMul(m->b, iota, by, ""), "");
  }
  return LLVMBuildAdd(m->b, from, LLVMBuildMul(m->b, iota, by, ""), "");
}

/* A scalar as a vector of one lane. */
static LLVMValueRef as_vector(tni_ll_module *m, tn_type type, LLVMValueRef value) {
  if (TN_TYPE_LANES(type) > 1) return value;
  LLVMValueRef poison = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(value), 1));
  return LLVMBuildInsertElement(m->b, poison, value, tni_ll_index(m, 0), "");
}

static LLVMValueRef emit_shuffle(tni_ll_module *m, const tn_expr *x, LLVMValueRef *args) {
  LLVMValueRef numbers[TNI_LL_MAX_LANES];
  tn_type type = x->arg[0]->type;
  uint32_t count = TN_TYPE_LANES(x->type), each = TN_TYPE_LANES(type);
  if (count == 1)
    return LLVMBuildExtractElement(m->b, args[x->as.lanes[0] / each], tni_ll_index(m, x->as.lanes[0] % each), "");
  for (uint32_t i = 0; i < count; i++) numbers[i] = LLVMConstInt(m->i32, x->as.lanes[i], 0);
  LLVMValueRef a = as_vector(m, type, args[0]);
  LLVMValueRef b = x->nargs > 1 ? as_vector(m, type, args[1]) : LLVMGetPoison(LLVMTypeOf(a));
  return LLVMBuildShuffleVector(m->b, a, b, LLVMConstVector(numbers, count), "");
}

static LLVMValueRef emit_with_args(tni_ll_function *f, const tn_expr *x) {
  LLVMValueRef args[3];
  assert(x->nargs <= TNI_COUNT(args));
  for (unsigned i = 0; i < x->nargs; i++) args[i] = tni_ll_expr(f, x->arg[i]);
  switch (x->op) {
  case TN_OP_cast: return tni_ll_cast(f->m, x->type, x->arg[0]->type, args[0]);
  case TN_OP_reinterpret: return LLVMBuildBitCast(f->m->b, args[0], tni_ll_type(f->m, x->type), "");
  case TN_OP_ramp: return emit_ramp(f, x, args[0], args[1]);
  case TN_OP_broadcast: return tni_ll_splat(f->m, args[0], TN_TYPE_LANES(x->type));
  case TN_OP_shuffle: return emit_shuffle(f->m, x, args);
  default: return tni_ll_op(f, x, args);
  }
}

static bool is_native(const tni_ll_function *f, const tn_expr *x) {
  return tni_is_basic(x) || tni_target_emits(f->m->target, (enum tn_op)x->op, tni_operand_type(x));
}

static LLVMValueRef emit(tni_ll_function *f, const tn_expr *x) {
  LLVMValueRef unit = tni_ll_unit(f, x);
  if (unit) return unit;
  if (!is_native(f, x)) return tni_ll_expansion(f, x);
  switch (x->op) {
  case TN_OP_load: f->impure = true; return tni_ll_load(f, x);
  case TN_OP_call: f->impure = true; return tni_ll_call(f, x);
  case TNI_OP_ADDRESS: return tni_ll_address(f, x->as.buffer);
  case TN_OP_var:
    tni_ll_fail(f->m, TN_E_COMPILER, f->func->name, "variable `%s` is not bound", x->as.name);
    return NULL;
  default: return emit_with_args(f, x);
  }
}

LLVMValueRef tni_ll_expr(tni_ll_function *f, const tn_expr *x) {
  if (TN_TYPE_LANES(x->type) > TNI_LL_MAX_LANES) {
    tni_ll_fail(f->m, TN_E_LIMIT, f->func->name, "a vector of more than %d lanes", TNI_LL_MAX_LANES);
    return LLVMGetPoison(f->m->i64);
  }
  if (x->op == TN_OP_const) return emit_const(f->m, x);
  tni_ll_entry *known = tni_ll_scope_find(&f->scope, x);
  if (known && (known->epoch == 0 || known->epoch == f->epoch)) {
    f->impure |= known->epoch != 0;
    return known->value;
  }
  bool outer_impure = f->impure;
  f->impure = false;
  LLVMValueRef value = emit(f, x);
  if (!value) value = LLVMGetPoison(tni_ll_type(f->m, x->type));
  tni_ll_entry *entry = tni_ll_scope_add(&f->scope, x, value);
  if (entry) entry->epoch = f->impure ? f->epoch : 0;
  f->impure |= outer_impure;
  return value;
}

enum { NONNEG_DEPTH = 12 }; /* expressions are DAGs: a walk that does not remember must be shallow */

static bool is_nonneg(const tni_ll_function *f, const tn_expr *x, int depth) {
  const tni_ll_entry *entry;
  if (depth == 0) return false;
  bool index = TN_TYPE_CODE(x->type) == TN_CODE_INDEX; /* sums of others wrap */
  switch (x->op) {
  case TN_OP_const: return !tni_ll_is_float(x->type) && x->as.i >= 0;
  case TN_OP_var: entry = tni_ll_scope_find(&f->scope, x); return entry && entry->nonneg;
  case TN_OP_add:
  case TN_OP_mul:
  case TN_OP_ramp: return index && is_nonneg(f, x->arg[0], depth - 1) && is_nonneg(f, x->arg[1], depth - 1);
  case TN_OP_min:
  case TN_OP_floordiv: return is_nonneg(f, x->arg[0], depth - 1) && is_nonneg(f, x->arg[1], depth - 1);
  case TN_OP_max: return is_nonneg(f, x->arg[0], depth - 1) || is_nonneg(f, x->arg[1], depth - 1);
  case TN_OP_floormod: return is_nonneg(f, x->arg[1], depth - 1);
  case TN_OP_broadcast: return is_nonneg(f, x->arg[0], depth - 1);
  default: return false;
  }
}

bool tni_ll_nonneg(const tni_ll_function *f, const tn_expr *x) { return is_nonneg(f, x, NONNEG_DEPTH); }
