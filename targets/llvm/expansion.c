/* expansion.c -- nodes that are emitted as their expansions: in place, but long ones once a module, as a function
 *
 *     private <4 x double> @0(<4 x double> a, <4 x double> b, <4 x double> c)
 *
 * for each operator and type, which reads no memory and always returns: equal calls are merged and leave loops.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

enum { MAX_OPERANDS = 3 };

/* Hundreds of instructions: fma on f64 where the target has none, and the remainder of floats. */
static bool is_long(const tn_expr *x) {
  bool is_float = tni_ll_is_float(x->type);
  return is_float && (x->op == TN_OP_mod || (x->op == TN_OP_fma && TN_TYPE_BITS(x->type) == 64));
}

static const tn_expr *expand(const tni_ll_function *f, const tn_expr *x) {
  if (!(tni_ops[x->op].flags & TN_OPF_MATH)) return tni_expand(&f->m->region, x);
  return tni_math_expand(&f->m->region, x, tni_target_emits(f->m->target, TN_OP_ldexp, tni_math_type(x->type)));
}

static LLVMValueRef emit_in_place(tni_ll_function *f, const tn_expr *x) {
  const tn_expr *y = expand(f, x);
  f->m->arena.failed |= !y;
  return y ? tni_ll_expr(f, y) : NULL;
}

static LLVMValueRef declare(tni_ll_module *m, const tn_expr *x) {
  LLVMTypeRef params[MAX_OPERANDS];
  for (uint32_t i = 0; i < x->nargs; i++) params[i] = tni_ll_type(m, x->arg[i]->type);
  LLVMValueRef function =
      LLVMAddFunction(m->module, "", LLVMFunctionType(tni_ll_type(m, x->type), params, x->nargs, 0));
  LLVMSetLinkage(function, LLVMPrivateLinkage);
  tni_ll_function_attributes(m, function);
  tni_ll_pure_attributes(m, function);
  return function;
}

/* The function's body: the node over variables, which are its parameters. */
static void define(tni_ll_function *f, const tn_expr *x, LLVMValueRef function) {
  tni_ll_module *m = f->m;
  tni_ll_function inner = {.m = m, .func = f->func, .value = function};
  const tn_expr *vars[MAX_OPERANDS];
  LLVMBasicBlockRef outer = LLVMGetInsertBlock(m->b);
  tni_ll_scope_init(&inner.scope, &m->arena);
  for (uint32_t i = 0; i < x->nargs; i++) {
    vars[i] = tni_var(&m->region, "x", x->arg[i]->type);
    tni_ll_entry *entry = tni_ll_scope_add(&inner.scope, vars[i], LLVMGetParam(function, i));
    if (entry) entry->binding = true;
  }
  LLVMPositionBuilderAtEnd(m->b, tni_ll_block(&inner, "entry"));
  const tn_expr *y = tni_op(&m->region, (enum tn_op)x->op, x->nargs, vars);
  LLVMValueRef value = y ? emit_in_place(&inner, y) : NULL;
  m->arena.failed |= !y;
  LLVMBuildRet(m->b, value ? value : LLVMGetPoison(tni_ll_type(m, x->type)));
  LLVMPositionBuilderAtEnd(m->b, outer);
}

static LLVMValueRef function_of(tni_ll_function *f, const tn_expr *x) {
  tni_ll_module *m = f->m;
  for (tni_ll_shared *s = m->shared; s; s = s->next)
    if (s->op == x->op && s->type == x->type) return s->function;
  tni_ll_shared *made = TNI_NEW(&m->arena, tni_ll_shared);
  if (!made) return NULL;
  *made = (tni_ll_shared){.next = m->shared, .op = x->op, .type = x->type, .function = declare(m, x)};
  m->shared = made;
  define(f, x, made->function);
  return made->function;
}

LLVMValueRef tni_ll_expansion(tni_ll_function *f, const tn_expr *x) {
  LLVMValueRef args[MAX_OPERANDS];
  if (!is_long(x)) return emit_in_place(f, x);
  for (uint32_t i = 0; i < x->nargs; i++) args[i] = tni_ll_expr(f, x->arg[i]);
  LLVMValueRef function = function_of(f, x);
  return function ? LLVMBuildCall2(f->m->b, LLVMGlobalGetValueType(function), function, args, x->nargs, "") : NULL;
}
