/* share.c -- kernels whose code is that of another function, with their numbers for its last parameters.
 *
 *     NAME.shared.K(env, PARAMS..., numbers)     the code, once; numbers are the address of theirs
 *     NAME(env, PARAMS...)                       calls it with its own; so does NAME.packed, where there is one
 *
 * The address comes in the register of static chains, so that all other arguments stay where they are.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "llvm.h"

struct tni_ll_code {
  tni_ll_code *next;
  const tn_func *func;
  LLVMValueRef value, packed; /* packed: NULL where plans need none */
};

static void mark_numbers(tni_ll_module *m, LLVMValueRef function, unsigned param) {
  unsigned nest = LLVMGetEnumAttributeKindForName("nest", 4);
  LLVMAddAttributeAtIndex(function, param + 1, LLVMCreateEnumAttribute(m->llvm, nest, 0));
}

/* The function's type with one more pointer. */
static LLVMTypeRef with_numbers(tni_ll_module *m, LLVMTypeRef type) {
  unsigned count = LLVMCountParamTypes(type);
  LLVMTypeRef *params = TNI_NEW_ARRAY(&m->arena, LLVMTypeRef, count + 1);
  if (!params) return NULL;
  LLVMGetParamTypes(type, params);
  params[count] = m->ptr;
  return LLVMFunctionType(m->i32, params, count + 1, 0);
}

/* ---- the code ------------------------------------------------------------------------------------------------------ */

/* They are not below 0: ir/form.c. */
static void bind_numbers(tni_ll_function *f, const tn_func *func, size_t count) {
  tni_ll_module *m = f->m;
  LLVMValueRef numbers = LLVMGetParam(f->value, LLVMCountParams(f->value) - 1);
  for (size_t i = 0; i < count; i++) {
    LLVMValueRef index = tni_ll_index(m, (int64_t)i), at = LLVMBuildGEP2(m->b, m->i64, numbers, &index, 1, "");
    LLVMValueRef number = LLVMBuildLoad2(m->b, m->i64, at, "");
    tni_ll_entry *entry = tni_ll_scope_add(&f->scope, func->params[func->param_count - count + i].scalar, number);
    if (entry) entry->binding = entry->nonneg = entry->number = true;
  }
}

static LLVMValueRef define_code(tni_ll_module *m, const tn_func *entry, LLVMTypeRef type) {
  tni_ll_function f;
  const tn_func *func = entry->shared->func;
  size_t count = entry->shared->number_count;
  LLVMTypeRef all = with_numbers(m, type);
  LLVMValueRef function = all ? tni_ll_internal(m, func->name, "shared", m->outlined++, all) : NULL;
  if (!function) return NULL;
  tni_ll_parameter_attributes(m, function, func, func->param_count - count);
  mark_numbers(m, function, LLVMCountParams(function) - 1);
  tni_ll_function_begin(&f, m, func, function);
  if (!f.unwind) return NULL;
  f.has_numbers = true;
  tni_ll_bind_parameters(&f, func, func->param_count - count);
  bind_numbers(&f, func, count);
  tni_ll_stmt(&f, func->body);
  tni_ll_function_end(&f);
  return function;
}

/* NAME.shared.K.packed */
static LLVMValueRef define_packed(tni_ll_module *m, const tn_func *func, LLVMValueRef code) {
  LLVMTypeRef params[] = {m->ptr, m->ptr, m->ptr};
  LLVMValueRef function =
      tni_ll_internal(m, func->name, "packed", m->outlined++, LLVMFunctionType(m->i32, params, 3, 0));
  if (!function) return NULL;
  mark_numbers(m, function, 2);
  tni_ll_unpack(m, function, code, LLVMCountParams(code) - 2);
  return function;
}

static const tni_ll_code *code_of(tni_ll_module *m, const tn_func *entry, LLVMTypeRef type) {
  for (const tni_ll_code *c = m->codes; c; c = c->next)
    if (c->func == entry->shared->func) return c;
  tni_ll_code *made = TNI_NEW(&m->arena, tni_ll_code);
  if (!made) return NULL;
  *made = (tni_ll_code){.next = m->codes, .func = entry->shared->func, .value = define_code(m, entry, type)};
  if (made->value && tni_has_thunk(entry)) made->packed = define_packed(m, entry->shared->func, made->value);
  return m->codes = made;
}

/* ---- entries ------------------------------------------------------------------------------------------------------- */

/* Their address; none of no numbers, since the loader of objects from a cache wants no empty section. */
static LLVMValueRef add_numbers(tni_ll_module *m, const tni_shared *shared) {
  if (shared->number_count == 0) return LLVMConstNull(m->ptr);
  LLVMValueRef *numbers = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, shared->number_count);
  if (!numbers) return NULL;
  for (size_t i = 0; i < shared->number_count; i++) numbers[i] = tni_ll_index(m, shared->numbers[i]);
  LLVMValueRef value = LLVMConstArray2(m->i64, numbers, shared->number_count);
  LLVMValueRef global = LLVMAddGlobal(m->module, LLVMTypeOf(value), "numbers");
  LLVMSetInitializer(global, value);
  LLVMSetGlobalConstant(global, 1);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  return global;
}

/* The function's body: a call of the code with its own arguments and the numbers. */
static void define_entry(tni_ll_module *m, LLVMValueRef function, LLVMValueRef code, LLVMValueRef numbers) {
  unsigned count = LLVMCountParams(function);
  LLVMValueRef *args = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, count + 1);
  if (!args) return;
  tni_ll_glue_attributes(m, function);
  LLVMPositionBuilderAtEnd(m->b, LLVMAppendBasicBlockInContext(m->llvm, function, "entry"));
  LLVMGetParams(function, args);
  args[count] = numbers;
  tni_ll_forward(m, code, args);
}

void tni_ll_share(tni_ll_module *m, const tn_func *func, LLVMValueRef kernel, LLVMValueRef packed) {
  const tni_ll_code *code = code_of(m, func, LLVMGlobalGetValueType(kernel));
  LLVMValueRef numbers = add_numbers(m, func->shared);
  if (!code || !code->value || !numbers || m->status != TN_OK) return;
  define_entry(m, kernel, code->value, numbers);
  if (packed && code->packed) define_entry(m, packed, code->packed, numbers);
}
