/* function.c -- compiled functions: the direct pointer and the packed call.
 *
 * A packed call is checked in full before the kernel sees anything; then libffi spreads the values over the C signature.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "jit.h"

enum { MAX_PARAMS = 256 };

static tn_type param_type(const tni_param *p) { return p->buffer ? TN_POINTER : p->scalar->type; }

static tn_status make_function(tn_module *m, const tn_func *func, tn_function *f, tn_error **err) {
  tn_type types[MAX_PARAMS];
  char symbol[300];
  *f = (tn_function){.module = m, .func = func};
  if (func->param_count > MAX_PARAMS)
    return tni_fail(m->ctx, err, TN_E_LIMIT, "load", func->name, "more than %d parameters", MAX_PARAMS);
  for (uint32_t i = 0; i < func->param_count; i++)
    types[i] = param_type(&func->params[i]);
  *(void **)&f->direct = tni_library_find(m->library, func->name);
  snprintf(symbol, sizeof symbol, "%s.packed", func->name);
  *(void **)&f->packed = tni_library_find(m->library, symbol);
  if (!f->direct)
    return tni_fail(m->ctx, err, TN_E_COMPILER, "load", func->name, "the symbol is missing in the loaded code");
  return tni_caller_create(m->ctx, TN_I32, func->param_count, types, &f->caller, err);
}

tn_status tni_functions_create(tn_module *m, tn_error **err) {
  size_t count = m->work->func_count;
  m->functions = tni_alloc_zero(m->ctx, count * sizeof *m->functions);
  if (count && !m->functions)
    return tni_fail_nomem(err);
  m->function_count = count;
  tn_status status = TN_OK;
  for (size_t i = 0; i < count && !status; i++)
    status = make_function(m, m->work->funcs[i], &m->functions[i], err);
  return status;
}

void tni_functions_destroy(tn_module *m) {
  for (size_t i = 0; i < m->function_count; i++)
    tni_caller_destroy(m->functions[i].caller);
  tni_free(m->ctx, m->functions, m->function_count * sizeof *m->functions);
}

tn_status tn_module_function(const tn_module *m, const char *name, const tn_function **out, tn_error **err) {
  *out = NULL;
  if (err)
    *err = NULL;
  for (size_t i = 0; i < m->function_count; i++)
    if (strcmp(m->functions[i].func->name, name) == 0) {
      *out = &m->functions[i];
      return TN_OK;
    }
  return tni_fail(m->ctx, err, TN_E_NOT_FOUND, "call", name, "the module has no function of that name");
}

void (*tn_function_pointer(const tn_function *f))(void) { return f->direct; }
const tn_env *tn_function_env(const tn_function *f) { return &f->module->env; }

/* ---- checks ---- */

/* An extent with the call's index arguments put in: a constant, or -1. */
static int64_t extent_of(tni_region *r, const tn_func *func, const tn_expr *extent, const tn_value *args) {
  const tn_expr *vars[MAX_PARAMS], *values[MAX_PARAMS];
  size_t count = 0;
  if (tni_is_const(extent))
    return extent->as.i;
  for (uint32_t i = 0; i < func->param_count; i++)
    if (func->params[i].scalar && func->params[i].scalar->type == TN_INDEX) {
      vars[count] = func->params[i].scalar;
      values[count++] = tni_index(r, args[i].as.i);
    }
  tni_subst subst = {count, vars, values};
  const tn_expr *x = tni_expr_subst(r, extent, &subst);
  return x && tni_is_const(x) ? x->as.i : -1;
}

static tn_status check_tensor(const tn_function *f, uint32_t i, const tn_value *args, tni_region *r, tn_error **err) {
  const tn_buffer *b = f->func->params[i].buffer;
  char what[128];
  int64_t shape[TN_MAX_RANK];
  snprintf(what, sizeof what, "argument %u (`%s`)", i, b->name);
  for (int32_t d = 0; d < b->rank; d++)
    shape[d] = extent_of(r, f->func, b->shape[d], args);
  return tni_tensor_check(f->module->ctx, args[i].as.tensor, what, b->type, b->rank, shape, err);
}

static tn_status check_argument(const tn_function *f, uint32_t i, const tn_value *args, tni_region *r, tn_error **err) {
  const tni_param *p = &f->func->params[i];
  const char *name = p->buffer ? p->buffer->name : p->scalar->as.name, *want = NULL;
  if (p->buffer) {
    if (args[i].tag == TN_VALUE_TENSOR && args[i].as.tensor)
      return check_tensor(f, i, args, r, err);
    want = "a tensor";
  } else if (tni_type_is_float(p->scalar->type)) {
    want = args[i].tag == TN_VALUE_FLOAT || args[i].tag == TN_VALUE_INT ? NULL : "a number";
  } else if (args[i].tag != TN_VALUE_INT) {
    want = "an integer";
  } else if (p->scalar->type == TN_INDEX && (args[i].as.i < 0 || args[i].as.i > INT64_C(1) << 40)) {
    want = "an index in 0..2^40";
  }
  return want ? tni_fail(f->module->ctx, err, TN_E_INVALID, "call", f->func->name, "argument %u (`%s`) must be %s", i, name, want)
              : TN_OK;
}

static tn_status check_arguments(const tn_function *f, const tn_value *args, size_t count, tn_error **err) {
  tn_context *ctx = f->module->ctx;
  if (count != f->func->param_count)
    return tni_fail(ctx, err, TN_E_INVALID, "call", f->func->name, "%zu arguments were given, it takes %u", count,
                    f->func->param_count);
  tni_region region;
  tni_region_init(&region, ctx, NULL);
  tn_status status = TN_OK;
  for (uint32_t i = 0; i < count && !status; i++) /* scalars first: shapes are made of them */
    if (f->func->params[i].scalar)
      status = check_argument(f, i, args, &region, err);
  for (uint32_t i = 0; i < count && !status; i++)
    if (f->func->params[i].buffer)
      status = check_argument(f, i, args, &region, err);
  tni_region_destroy(&region);
  return status;
}

tn_status tn_function_call(const tn_function *f, const tn_value *args, size_t count, tn_value *result, tn_error **err) {
  tn_value returned = {0};
  if (result)
    *result = returned;
  if (err)
    *err = NULL;
  tn_status status = check_arguments(f, args, count, err);
  if (status)
    return status;
  tni_host_failure failure = {0};
  atomic_store(&failure.index, -1);
  struct tni_env_self self = {f->module, &failure};
  tn_env env;
  tni_env_init(&env, &self);
  status = tni_caller_call(f->caller, f->func->name, f->direct, &env, args, count, &returned, err);
  if (status)
    return status;
  status = (tn_status)returned.as.i;
  return status ? tni_kernel_error(f->module, &failure, status, f->func->name, err) : TN_OK;
}
