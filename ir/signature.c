/* signature.c -- what a function takes: its parameters, and the sizes that scalar arguments give to buffers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

size_t tn_func_param_count(const tn_func *func) { return func->param_count; }

void tn_func_param(const tn_func *func, size_t i, tn_param_info *out) {
  const tni_param *p = &func->params[i];
  *out = (tn_param_info){.name = p->buffer ? p->buffer->name : p->scalar->as.name,
                         .type = p->buffer ? p->buffer->type : p->scalar->type,
                         .is_buffer = p->buffer != NULL,
                         .rank = p->buffer ? p->buffer->rank : 0};
}

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

/* The argument of a scalar parameter, as the kernel will see it. */
static bool scalar_value(const tn_func *func, const tn_value *args, const tn_expr *var, tni_scalar *out) {
  for (uint32_t i = 0; i < func->param_count; i++) {
    if (func->params[i].scalar != var) continue;
    if (tni_type_is_float(var->type))
      out->f = tni_round_to(var->type, args[i].tag == TN_VALUE_INT ? (double)args[i].as.i : args[i].as.f);
    else
      out->i = args[i].as.i;
    return true;
  }
  return false;
}

/* `index` is a mathematical integer: a result beyond 64 bits is none that a shape can have. */
static bool overflows(const tn_expr *x, const tni_scalar *a) {
  int64_t result;
  if (x->type != TN_INDEX) return false;
  switch (x->op) {
  case TN_OP_add: return __builtin_add_overflow(a[0].i, a[1].i, &result);
  case TN_OP_sub: return __builtin_sub_overflow(a[0].i, a[1].i, &result);
  case TN_OP_mul: return __builtin_mul_overflow(a[0].i, a[1].i, &result);
  default: return false;
  }
}

bool tni_eval_size(const tn_func *func, const tn_value *args, const tn_expr *x, tni_scalar *out) {
  tni_scalar a[3];
  if (x->op == TN_OP_const) {
    if (tni_type_is_float(x->type))
      out->f = x->as.f;
    else
      out->i = x->as.i;
    return true;
  }
  if (x->op == TN_OP_var) return scalar_value(func, args, x, out);
  if (x->nargs == 0 || x->nargs > TNI_COUNT(a)) return false;
  for (uint32_t i = 0; i < x->nargs; i++)
    if (!tni_eval_size(func, args, x->arg[i], &a[i])) return false;
  if (x->op == TN_OP_cast) {
    *out = tni_eval_cast(x->type, x->arg[0]->type, a[0]);
  } else if (x->op == TN_OP_reinterpret) {
    *out = tni_eval_reinterpret(x->type, x->arg[0]->type, a[0]);
  } else if (x->op >= TN_OP_COUNT || tni_ops[x->op].typing == TNI_TYPING_OTHER || tni_ops[x->op].flags & TN_OPF_MATH) {
    return false;
  } else {
    *out = tni_eval_op(x->op, x->arg[x->op == TN_OP_select]->type, a);
  }
  return !overflows(x, a);
}

tn_status tn_func_param_shape(const tn_func *func, size_t i, const tn_value *args, size_t count, int64_t *shape,
                              tn_error **err) {
  tn_context *ctx = func->program->ctx;
  if (err) *err = NULL;
  if (i >= func->param_count || !func->params[i].buffer || count != func->param_count)
    return tni_fail(ctx, err, TN_E_INVALID, "call", func->name,
                    "the shape of parameter %zu with %zu arguments: the function has %u parameters%s", i, count,
                    func->param_count,
                    i < func->param_count && !func->params[i].buffer ? ", and this is a scalar" : "");
  const tn_buffer *b = func->params[i].buffer;
  for (int32_t d = 0; d < b->rank; d++) {
    tni_scalar extent;
    if (!tni_eval_size(func, args, b->shape[d], &extent) || extent.i < 0)
      return tni_fail(ctx, err, TN_E_INVALID, "call", func->name,
                      "with these arguments dimension %d of `%s` has no extent", d, b->name);
    shape[d] = extent.i;
  }
  return TN_OK;
}
