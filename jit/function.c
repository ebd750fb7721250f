/* function.c -- compiled functions: the direct pointer and the packed call.
 *
 * A packed call is checked in full (arguments.c) before the kernel sees anything; then libffi spreads the values over
 * the C signature.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

enum { MAX_PARAMS = 256 };

static tn_type param_type(const tni_param *p) { return p->buffer ? TN_POINTER : p->scalar->type; }

/* As plans call it: itself, where the runtime can, or its thunk. False: no memory. */
static bool find_kernel(tn_module *m, const tn_func *func, tn_function *f) {
  if (!tni_takes_pointers(func)) return true;
  f->kernel = (tni_callee){.code = f->direct};
  if (!tni_has_thunk(func)) {
    f->kernel.call = tni_caller_of(func->param_count);
    return true;
  }
  const char *symbol = tni_arena_format(&m->arena, "%s.packed", func->name);
  f->kernel.call = tni_call_packed;
  if (symbol) *(void **)&f->kernel.code = tni_library_find(m->library, symbol);
  return symbol;
}

static tn_status make_function(tn_module *m, const tn_func *func, tn_function *f, tn_error **err) {
  tn_type types[MAX_PARAMS];
  *f = (tn_function){.module = m, .func = func};
  if (func->param_count > MAX_PARAMS)
    return tni_fail(m->ctx, err, TN_E_LIMIT, "load", func->name, "more than %d parameters", MAX_PARAMS);
  for (uint32_t i = 0; i < func->param_count; i++) types[i] = param_type(&func->params[i]);
  *(void **)&f->direct = tni_library_find(m->library, func->name);
  f->written = TNI_NEW_ARRAY(&m->arena, bool, func->param_count);
  if (!f->written || !find_kernel(m, func, f)) return tni_fail_nomem(err);
  tni_find_written(m->ctx, func, f->written);
  for (uint32_t i = 0; i < func->param_count; i++)
    f->has_offsets |= func->params[i].buffer && func->params[i].buffer->offset;
  if (!f->direct)
    return tni_fail(m->ctx, err, TN_E_COMPILER, "load", func->name, "the symbol is missing in the loaded code");
  return tni_caller_create(m->ctx, TN_I32, func->param_count, types, &f->caller, err);
}

tn_status tni_functions_create(tn_module *m, tn_error **err) {
  size_t count = m->work->func_count;
  m->functions = tni_alloc_zero(m->ctx, count * sizeof *m->functions);
  if (count && !m->functions) return tni_fail_nomem(err);
  m->function_count = count;
  tn_status status = TN_OK;
  for (size_t i = 0; i < count && !status; i++) status = make_function(m, m->work->funcs[i], &m->functions[i], err);
  return status;
}

void tni_functions_destroy(tn_module *m) {
  for (size_t i = 0; i < m->function_count; i++) tni_caller_destroy(m->functions[i].caller);
  tni_free(m->ctx, m->functions, m->function_count * sizeof *m->functions);
}

tn_status tn_module_function(const tn_module *m, const char *name, const tn_function **out, tn_error **err) {
  *out = NULL;
  if (err) *err = NULL;
  for (size_t i = 0; i < m->function_count; i++)
    if (strcmp(m->functions[i].func->name, name) == 0) {
      *out = &m->functions[i];
      return TN_OK;
    }
  return tni_fail(m->ctx, err, TN_E_NOT_FOUND, "call", name, "the module has no function of that name");
}

void (*tn_function_pointer(const tn_function *f))(void) { return f->direct; }
const tn_env *tn_function_env(const tn_function *f) { return &f->module->env; }

/* ---- the packed call ---- */

/* Tensors as the pointers that the kernel takes. */
static void take_offsets(const tn_func *func, const tn_value *args, tn_value *out) {
  for (uint32_t i = 0; i < func->param_count; i++) {
    const tn_buffer *b = func->params[i].buffer;
    out[i] = b && b->offset ? tn_value_pointer(args[i].as.tensor->data) : args[i];
  }
}

tn_status tn_function_call(const tn_function *f, const tn_value *args, size_t count, tn_value *result, tn_error **err) {
  tn_value returned = {0}, pointers[MAX_PARAMS];
  if (result) *result = returned;
  if (err) *err = NULL;
  tn_status status = tni_check_arguments(f, args, count, err);
  if (status) return status;
  tni_host_failure failure = {0};
  struct tni_env_self self = {f->module, &failure};
  tn_env env;
  tni_env_init(&env, &self);
  if (f->has_offsets) {
    take_offsets(f->func, args, pointers);
    args = pointers;
  }
  status = tni_caller_call(f->caller, f->func->name, f->direct, &env, args, count, &returned, err);
  if (status) return status;
  status = (tn_status)returned.as.i;
  return status ? tni_kernel_error(f->module, &failure, status, f->func->name, err) : TN_OK;
}
