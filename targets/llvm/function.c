/* function.c -- kernels: signature, attributes, and the thunk by which plans call those of many pointers.
 *
 *     NAME(env, PARAMS...)      buffers as noalias pointers, scalars by their C type
 *     NAME.packed(env, args)    loads the pointers from an array and calls NAME
 *
 * A kernel whose code others share calls that: see share.c. Of a module with variants these are NAME.TARGET and
 * NAME.TARGET.packed, which only the module sees: see variant.c.
 *
 * Captures are not promised (captures(none)): a parallel loop stores the pointers in its closure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "llvm.h"

static void add_string(tni_ll_module *m, LLVMValueRef function, const char *key, const char *value) {
  LLVMAttributeRef attribute =
      LLVMCreateStringAttribute(m->llvm, key, (unsigned)strlen(key), value, (unsigned)strlen(value));
  LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, attribute);
}

static void add_enum(tni_ll_module *m, LLVMValueRef function, LLVMAttributeIndex index, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(function, index, LLVMCreateEnumAttribute(m->llvm, kind, 0));
}

void tni_ll_function_attributes(tni_ll_module *m, LLVMValueRef function) {
  char bits[16];
  snprintf(bits, sizeof bits, "%d", (int)m->target->vector_bits);
  add_enum(m, function, LLVMAttributeFunctionIndex, "nounwind");
  add_string(m, function, "frame-pointer", "all");
  add_string(m, function, "no-trapping-math", "true");
  add_string(m, function, "prefer-vector-width", bits);
  add_string(m, function, "target-cpu", m->target->cpu);
  add_string(m, function, "target-features", m->target->features);
  if (m->target->maker[0] && tni_llvm_host_cpu[0]) add_string(m, function, "tune-cpu", tni_llvm_host_cpu);
}

LLVMValueRef tni_ll_internal(tni_ll_module *m, const char *name, const char *what, unsigned k, LLVMTypeRef type) {
  const char *full = tni_arena_format(&m->arena, "%s.%s.%u", name, what, k);
  if (!full) return NULL;
  LLVMValueRef function = LLVMAddFunction(m->module, full, type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  tni_ll_function_attributes(m, function);
  return function;
}

void tni_ll_glue_attributes(tni_ll_module *m, LLVMValueRef function) {
  if (m->target->isa != TNI_ISA_X86_64) return; /* others have no quicker way */
  add_enum(m, function, LLVMAttributeFunctionIndex, "noinline");
  add_enum(m, function, LLVMAttributeFunctionIndex, "optnone");
}

void tni_ll_pure_attributes(tni_ll_module *m, LLVMValueRef function) {
  add_enum(m, function, LLVMAttributeFunctionIndex, "memory"); /* 0: none */
  add_enum(m, function, LLVMAttributeFunctionIndex, "willreturn");
}

/* Not nonnull: an empty tensor may have no memory. */
void tni_ll_buffer_attributes(tni_ll_module *m, LLVMValueRef function, unsigned index) {
  add_enum(m, function, index + 1, "noalias");
}

bool tni_takes_pointers(const tn_func *func) {
  for (uint32_t i = 0; i < func->param_count; i++)
    if (!func->params[i].buffer) return false;
  return true;
}

bool tni_has_thunk(const tn_func *func) { return func->param_count > TNI_MOST_POINTERS && tni_takes_pointers(func); }

void tni_ll_parameter_attributes(tni_ll_module *m, LLVMValueRef function, const tn_func *func, size_t count) {
  add_enum(m, function, 1, "nonnull");
  for (uint32_t i = 0; i < count; i++)
    if (func->params[i].buffer) tni_ll_buffer_attributes(m, function, i + 1);
}

static tn_type parameter_type(const tni_param *p) { return p->buffer ? TN_POINTER : p->scalar->type; }

static LLVMValueRef declare(tni_ll_module *m, const tn_func *func, const char *symbol) {
  LLVMTypeRef *params = TNI_NEW_ARRAY(&m->arena, LLVMTypeRef, func->param_count + 1);
  if (!params) return NULL;
  params[0] = m->ptr;
  for (uint32_t i = 0; i < func->param_count; i++)
    params[i + 1] = tni_ll_memory_type(m, parameter_type(&func->params[i]));
  LLVMValueRef function =
      LLVMAddFunction(m->module, symbol, LLVMFunctionType(m->i32, params, func->param_count + 1, 0));
  if (m->variants) LLVMSetLinkage(function, LLVMInternalLinkage);
  tni_ll_function_attributes(m, function);
  tni_ll_parameter_attributes(m, function, func, func->param_count);
  return function;
}

void tni_ll_bind_parameters(tni_ll_function *f, const tn_func *func, size_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const tni_param *p = &func->params[i];
    LLVMValueRef value = tni_ll_from_memory(f->m, parameter_type(p), LLVMGetParam(f->value, i + 1));
    tni_ll_entry *entry = tni_ll_scope_add(&f->scope, p->buffer ? (const void *)p->buffer : p->scalar, value);
    if (!entry) return;
    entry->binding = true;
    if (p->buffer) entry->align = p->buffer->align ? p->buffer->align : (uint32_t)tn_type_bytes(p->buffer->type);
  }
}

void tni_ll_forward(tni_ll_module *m, LLVMValueRef callee, LLVMValueRef *args) {
  unsigned count = LLVMCountParams(callee), nest = LLVMGetEnumAttributeKindForName("nest", 4);
  LLVMValueRef call = LLVMBuildCall2(m->b, LLVMGlobalGetValueType(callee), callee, args, count, "");
  unsigned nobuiltin = LLVMGetEnumAttributeKindForName("nobuiltin", 9); /* whatever the kernel is called */
  LLVMAddCallSiteAttribute(call, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(m->llvm, nobuiltin, 0));
  if (LLVMGetEnumAttributeAtIndex(callee, count, nest))
    LLVMAddCallSiteAttribute(call, count, LLVMCreateEnumAttribute(m->llvm, nest, 0));
  LLVMSetTailCall(call, 1);
  LLVMBuildRet(m->b, call);
}

void tni_ll_unpack(tni_ll_module *m, LLVMValueRef function, LLVMValueRef kernel, uint32_t count) {
  LLVMValueRef *args = TNI_NEW_ARRAY(&m->arena, LLVMValueRef, LLVMCountParams(kernel));
  if (!args) return;
  tni_ll_glue_attributes(m, function);
  LLVMPositionBuilderAtEnd(m->b, LLVMAppendBasicBlockInContext(m->llvm, function, "entry"));
  args[0] = LLVMGetParam(function, 0);
  for (uint32_t i = 0; i < count; i++) {
    LLVMValueRef index = tni_ll_index(m, i);
    args[i + 1] =
        LLVMBuildLoad2(m->b, m->ptr, LLVMBuildGEP2(m->b, m->ptr, LLVMGetParam(function, 1), &index, 1, ""), "");
  }
  if (LLVMCountParams(kernel) > count + 1) args[count + 1] = LLVMGetParam(function, 2);
  tni_ll_forward(m, kernel, args);
}

/* Without memory NULL. */
static LLVMValueRef declare_packed(tni_ll_module *m, const char *symbol) {
  const char *name = tni_arena_format(&m->arena, "%s.packed", symbol);
  LLVMTypeRef params[] = {m->ptr, m->ptr};
  if (!name) return NULL;
  LLVMValueRef function = LLVMAddFunction(m->module, name, LLVMFunctionType(m->i32, params, 2, 0));
  if (m->variants) LLVMSetLinkage(function, LLVMInternalLinkage);
  tni_ll_function_attributes(m, function);
  return function;
}

/* NAME, or NAME.TARGET of variants. NULL without memory. */
static const char *symbol_of(tni_ll_module *m, const tn_func *func) {
  return m->variants ? tni_arena_format(&m->arena, "%s.%s", func->name, m->target->name) : func->name;
}

/* Not what LLVM calls itself, nor what something else of the module has. */
static bool check_name(tni_ll_module *m, const char *name, const char *symbol) {
  static const char *const reserved[] = {"memcpy", "memmove", "memset"};
  for (size_t i = 0; i < TNI_COUNT(reserved); i++) {
    if (strcmp(name, reserved[i]) == 0) {
      tni_ll_fail(m, TN_E_INVALID, name, "a function cannot have this name: compiled code calls the C library's");
      return false;
    }
  }
  if (!LLVMGetNamedFunction(m->module, symbol)) return true;
  tni_ll_fail(m, TN_E_INVALID, name, "two functions of one name");
  return false;
}

void tni_ll_define(tni_ll_module *m, const tn_func *func) {
  tni_ll_function f;
  if (func->level != TNI_LEVEL_LOOP) {
    tni_ll_fail(m, TN_E_INVALID, func->name, "only functions on the loop level have code");
    return;
  }
  if (m->target->isa == TNI_ISA_NVPTX && !tni_ll_runs_in_warp(m, func->body)) {
    tni_ll_fail(m, TN_E_UNSUPPORTED, func->name,
                "code for %s is run by the threads of a warp together: it sums products of tiles, and writes nothing else",
                m->target->name);
    return;
  }
  const char *symbol = symbol_of(m, func);
  if (!symbol || !check_name(m, func->name, symbol)) return;
  LLVMValueRef kernel = declare(m, func, symbol);
  if (!kernel) return;
  bool has_plan = m->target->isa != TNI_ISA_NVPTX; /* whose names have no dots */
  bool packed = tni_has_thunk(func) && has_plan;
  if (func->shared && !m->variants) {
    tni_ll_share(m, func, kernel, packed ? declare_packed(m, symbol) : NULL);
    return;
  }
  tni_ll_function_begin(&f, m, func, kernel);
  if (!f.unwind) return;
  tni_ll_bind_parameters(&f, func, func->param_count);
  if (tni_ll_only_forks(func->body)) tni_ll_glue_attributes(m, kernel);
  tni_ll_stmt(&f, func->body);
  tni_ll_function_end(&f);
  LLVMValueRef thunk = packed && m->status == TN_OK ? declare_packed(m, symbol) : NULL;
  if (thunk) tni_ll_unpack(m, thunk, kernel, func->param_count);
}
