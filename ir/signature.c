/* signature.c -- what a function takes: its parameters, and the sizes that scalar arguments give to buffers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

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
  if (x->op < TN_OP_COUNT && tni_ops[x->op].typing == TNI_TYPING_CONVERT) {
    *out = tni_eval_convert((enum tn_op)x->op, x->type, x->arg[0]->type, a[0]);
  } else if (!tni_op_has_rule(x->op) || tni_ops[x->op].flags & TN_OPF_MATH) {
    return false;
  } else {
    *out = tni_eval_op(x->op, x->arg[x->op == TN_OP_select]->type, a);
  }
  return !overflows(x, a);
}

/* A size from 0 on; else why not: `what`, number k of them (negative: the only one). */
static bool take_size(const tn_func *func, const tn_value *args, const tn_expr *x, const char *what, int32_t k,
                      int64_t *out, char reason[TNI_FORM_REASON]) {
  char number[16] = "";
  tni_scalar value;
  bool known = tni_eval_size(func, args, x, &value);
  *out = known ? value.i : -1;
  if (*out >= 0) return true;
  if (k >= 0) snprintf(number, sizeof number, " %d", k);
  if (known)
    snprintf(reason, TNI_FORM_REASON, "with these arguments %s%s is %lld", what, number, (long long)*out);
  else
    snprintf(reason, TNI_FORM_REASON, "with these arguments %s%s cannot be computed", what, number);
  return false;
}

bool tni_param_form(const tn_func *func, size_t i, const tn_value *args, int64_t *shape, int64_t *strides,
                    tni_tensor_form *out, char reason[TNI_FORM_REASON]) {
  const tn_buffer *b = func->params[i].buffer;
  int32_t rank = tni_memory_rank(b);
  bool good = true;
  *out = (tni_tensor_form){.type = b->type, .rank = rank, .shape = shape, .align = b->align};
  out->has_offset = b->offset != NULL;
  out->strides = b->strides ? strides : NULL;
  for (int32_t d = 0; d < b->rank && good; d++)
    good = take_size(func, args, b->shape[d], "the extent of dimension", d, &shape[d], reason);
  for (int32_t k = 0; b->layout && k < rank && good; k++)
    good = take_size(func, args, b->layout->shape[k], "the extent of memory's dimension", k, &shape[k], reason);
  for (int32_t k = 0; b->strides && k < rank && good; k++)
    good = take_size(func, args, b->strides[k], "the stride of dimension", k, &strides[k], reason);
  return good && (!b->offset || take_size(func, args, b->offset, "the offset", -1, &out->offset, reason));
}

tn_status tn_func_param_form(const tn_func *func, size_t i, const tn_value *args, size_t count, tn_param_form *out,
                             tn_error **err) {
  tn_context *ctx = func->program->ctx;
  tni_tensor_form form;
  char reason[TNI_FORM_REASON];
  if (err) *err = NULL;
  *out = (tn_param_form){0};
  if (i >= func->param_count || !func->params[i].buffer || count != func->param_count)
    return tni_fail(ctx, err, TN_E_INVALID, "call", func->name,
                    "the form of parameter %zu with %zu arguments: the function has %u parameters%s", i, count,
                    func->param_count,
                    i < func->param_count && !func->params[i].buffer ? ", and this is a scalar" : "");
  const char *name = func->params[i].buffer->name;
  if (!tni_param_form(func, i, args, out->shape, out->strides, &form, reason))
    return tni_fail(ctx, err, TN_E_INVALID, "call", func->name, "`%s`: %s", name, reason);
  out->rank = form.rank;
  out->offset = form.offset;
  out->align = (uint32_t)(form.align ? form.align : tn_type_bytes(form.type));
  int64_t span = tni_span(form.rank, form.shape, form.strides), step = 1;
  if (span < 0 || __builtin_add_overflow(span, form.offset, &out->elements))
    return tni_fail(ctx, err, TN_E_INVALID, "call", func->name, "`%s`: the memory is too large to address", name);
  for (int32_t k = form.rank; !form.strides && k-- > 0; step *= form.shape[k]) out->strides[k] = span ? step : 0;
  return TN_OK;
}
