/* extern.c -- calls out of a kernel: functions of the environment, externals of the host.
 *
 *     f(a, b)   ->   values = {{INT, a}, {FLOAT, b}}; status = env->call_external(env, index of f, values, 2, &result);
 *                    if status != 0 leave with it; result
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stddef.h>

#include "llvm.h"

LLVMValueRef tni_ll_env_function(tni_ll_function *f, size_t offset, const char *name) {
  tni_ll_module *m = f->m;
  LLVMValueRef index = tni_ll_index(m, (int64_t)offset);
  LLVMValueRef slot = LLVMBuildInBoundsGEP2(m->b, m->i8, f->env, &index, 1, "");
  return LLVMBuildLoad2(m->b, m->ptr, slot, name);
}

/* A value as a tn_value holds it: its tag, and a type of 8 bytes. */
static LLVMValueRef widest(tni_ll_module *m, tn_type type, LLVMValueRef value, int32_t *tag) {
  if (TN_TYPE_CODE(type) == kDLOpaqueHandle) return *tag = TN_VALUE_POINTER, value;
  if (tni_ll_is_float(type)) return *tag = TN_VALUE_FLOAT, tni_ll_cast(m, TN_F64, type, value);
  *tag = TN_VALUE_INT;
  return LLVMBuildIntCast2(m->b, value, m->i64, tni_ll_is_signed(type), "");
}

static LLVMValueRef field(tni_ll_module *m, LLVMValueRef values, unsigned i, unsigned offset) {
  LLVMValueRef bytes = tni_ll_index(m, (int64_t)(i * sizeof(tn_value) + offset));
  return LLVMBuildInBoundsGEP2(m->b, m->i8, values, &bytes, 1, "");
}

static void store_value(tni_ll_module *m, LLVMValueRef values, unsigned i, tn_type type, LLVMValueRef value) {
  int32_t tag;
  LLVMValueRef wide = widest(m, type, value, &tag);
  LLVMBuildStore(m->b, LLVMConstInt(m->i64, (uint64_t)tag, 0), field(m, values, i, 0)); /* the tag, and reserved = 0 */
  LLVMBuildStore(m->b, wide, field(m, values, i, offsetof(tn_value, as)));
}

static LLVMValueRef load_result(tni_ll_module *m, LLVMValueRef result, tn_type type) {
  LLVMValueRef place = field(m, result, 0, offsetof(tn_value, as));
  if (TN_TYPE_CODE(type) == TN_CODE_VOID) return NULL;
  if (TN_TYPE_CODE(type) == kDLOpaqueHandle) return LLVMBuildLoad2(m->b, m->ptr, place, "");
  if (tni_ll_is_float(type)) return tni_ll_cast(m, type, TN_F64, LLVMBuildLoad2(m->b, m->f64, place, ""));
  LLVMValueRef wide = LLVMBuildLoad2(m->b, m->i64, place, "");
  return tni_ll_cast(m, type, TN_I64, wide);
}

/* The number of the external in its program, or -1. */
static int32_t external_index(const tn_func *func, const char *name) {
  const tn_program *p = func->program;
  for (size_t i = 0; p && i < p->extern_count; i++) {
    if (strcmp(p->externs[i].name, name) == 0) return (int32_t)i;
  }
  return -1;
}

static LLVMValueRef call_external(tni_ll_function *f, int32_t index, LLVMValueRef values, unsigned count,
                                  LLVMValueRef result) {
  tni_ll_module *m = f->m;
  LLVMTypeRef params[] = {m->ptr, m->i32, m->ptr, m->i32, m->ptr};
  LLVMValueRef args[] = {f->env, LLVMConstInt(m->i32, (uint64_t)index, 0), values, LLVMConstInt(m->i32, count, 0),
                         result};
  LLVMValueRef function = tni_ll_env_function(f, offsetof(tn_env, call_external), "call_external");
  return LLVMBuildCall2(m->b, LLVMFunctionType(m->i32, params, 5, 0), function, args, 5, "");
}

LLVMValueRef tni_ll_call(tni_ll_function *f, const tn_expr *x) {
  tni_ll_module *m = f->m;
  int32_t index = external_index(f->func, x->as.name);
  if (index < 0 || TN_TYPE_LANES(x->type) > 1) {
    tni_ll_fail(m, index < 0 ? TN_E_NOT_FOUND : TN_E_UNSUPPORTED, f->func->name,
                index < 0 ? "no external function `%s`" : "a vector of calls of `%s`", x->as.name);
    return NULL;
  }
  LLVMValueRef values = tni_ll_alloca(f, m->value_type, x->nargs ? x->nargs : 1, 16, "values");
  LLVMValueRef result = tni_ll_alloca(f, m->value_type, 1, 16, "result");
  for (unsigned i = 0; i < x->nargs; i++) store_value(m, values, i, x->arg[i]->type, tni_ll_expr(f, x->arg[i]));
  LLVMBuildStore(m->b, LLVMConstNull(m->value_type), result);
  LLVMValueRef status = call_external(f, index, values, x->nargs, result);
  tni_ll_forget_tiles(f);
  tni_ll_check(f, status);
  return load_result(m, result, x->type);
}
