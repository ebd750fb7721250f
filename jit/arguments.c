/* arguments.c -- the check of a packed call: nothing reaches the kernel before all of it holds.
 *
 *     count      that of the signature
 *     scalars    a number for floating types, else an integer in the range of the type; an index is in 0..2^40
 *     tensors    CPU, type, rank, shape, strides, offset, alignment (tni_tensor_check_form), with the scalars put into them
 *     memory     a tensor that the function may write shares none with another one, nor has two elements in one place
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "jit.h"

enum { MAX_INDEX_BITS = 40, PLACE = 160 };

/* "matmul: argument 1 (`B`)" */
static const char *place_of(const tn_function *f, uint32_t i, char text[PLACE]) {
  const tni_param *p = &f->func->params[i];
  snprintf(text, PLACE, "%.60s: argument %u (`%.60s`)", f->func->name, i,
           p->buffer ? p->buffer->name : p->scalar->as.name);
  return text;
}

static tn_status refuse(const tn_function *f, uint32_t i, tn_error **err, const char *want) {
  char place[PLACE];
  return tni_fail(f->module->ctx, err, TN_E_INVALID, "call", place_of(f, i, place), "must be %s", want);
}

/* ---- scalars ---- */

static tn_status check_scalar(const tn_function *f, uint32_t i, const tn_value *value, tn_error **err) {
  tn_type type = f->func->params[i].scalar->type;
  if (tni_type_is_float(type))
    return value->tag == TN_VALUE_FLOAT || value->tag == TN_VALUE_INT ? TN_OK : refuse(f, i, err, "a number");
  if (value->tag != TN_VALUE_INT) return refuse(f, i, err, "an integer");
  int64_t x = value->as.i;
  if (type == TN_INDEX)
    return x >= 0 && x <= INT64_C(1) << MAX_INDEX_BITS ? TN_OK : refuse(f, i, err, "an index in 0..2^40");
  if (type == TN_BOOL) return x == 0 || x == 1 ? TN_OK : refuse(f, i, err, "a bool, 0 or 1");
  if (tni_wrap(type, x) == x) return TN_OK;
  char want[48], name[16];
  snprintf(want, sizeof want, "an integer in the range of %s", tn_type_text(type, name));
  return refuse(f, i, err, want);
}

/* ---- shapes ---- */

/* The argument of a scalar parameter, as the kernel will see it. */
static bool scalar_value(const tn_function *f, const tn_value *args, const tn_expr *var, tni_scalar *out) {
  for (uint32_t i = 0; i < f->func->param_count; i++) {
    if (f->func->params[i].scalar != var) continue;
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

/* The value of an expression over scalar parameters; the verifier bounds its size. False: it has none. */
static bool evaluate(const tn_function *f, const tn_value *args, const tn_expr *x, tni_scalar *out) {
  tni_scalar a[3];
  if (x->op == TN_OP_const) {
    if (tni_type_is_float(x->type))
      out->f = x->as.f;
    else
      out->i = x->as.i;
    return true;
  }
  if (x->op == TN_OP_var) return scalar_value(f, args, x, out);
  if (x->nargs == 0 || x->nargs > TNI_COUNT(a)) return false;
  for (uint32_t i = 0; i < x->nargs; i++)
    if (!evaluate(f, args, x->arg[i], &a[i])) return false;
  if (x->op < TN_OP_COUNT && tni_ops[x->op].typing == TNI_TYPING_CONVERT) {
    *out = tni_eval_convert((enum tn_op)x->op, x->type, x->arg[0]->type, a[0]);
  } else if (!tni_op_has_rule(x->op) || tni_ops[x->op].flags & TN_OPF_MATH) {
    return false;
  } else {
    *out = tni_eval_op(x->op, x->arg[x->op == TN_OP_select]->type, a);
  }
  return !overflows(x, a);
}

/* The value of one of a declaration's expressions: `what`, number k of them (negative: the only one). */
static tn_status evaluate_size(const tn_function *f, uint32_t i, const tn_value *args, const tn_expr *x,
                               const char *what, int32_t k, int64_t *out, tn_error **err) {
  char place[PLACE], number[16] = "";
  tni_scalar value;
  bool known = evaluate(f, args, x, &value);
  *out = known ? value.i : -1;
  if (*out >= 0) return TN_OK;
  if (k >= 0) snprintf(number, sizeof number, " %d", k);
  if (!known)
    return tni_fail(f->module->ctx, err, TN_E_INVALID, "call", place_of(f, i, place),
                    "with these arguments %s%s cannot be computed", what, number);
  return tni_fail(f->module->ctx, err, TN_E_INVALID, "call", place_of(f, i, place), "with these arguments %s%s is %lld",
                  what, number, (long long)*out);
}

/* The form that a tensor must have with these arguments. */
static tn_status evaluate_form(const tn_function *f, uint32_t i, const tn_value *args, int64_t *shape, int64_t *strides,
                               tni_tensor_form *out, tn_error **err) {
  const tn_buffer *b = f->func->params[i].buffer;
  int32_t rank = tni_memory_rank(b);
  *out = (tni_tensor_form){.type = b->type, .rank = rank, .shape = shape, .align = b->align};
  out->has_offset = b->offset != NULL;
  out->strides = b->strides ? strides : NULL;
  tn_status status = TN_OK;
  for (int32_t d = 0; d < b->rank && !status; d++)
    status = evaluate_size(f, i, args, b->shape[d], "the extent of dimension", d, &shape[d], err);
  for (int32_t k = 0; b->layout && k < rank && !status; k++)
    status = evaluate_size(f, i, args, b->layout->shape[k], "the extent of memory's dimension", k, &shape[k], err);
  for (int32_t k = 0; b->strides && k < rank && !status; k++)
    status = evaluate_size(f, i, args, b->strides[k], "the stride of dimension", k, &strides[k], err);
  return !status && b->offset ? evaluate_size(f, i, args, b->offset, "the offset", -1, &out->offset, err) : status;
}

static tn_status check_tensor(const tn_function *f, uint32_t i, const tn_value *args, tn_error **err) {
  char place[PLACE];
  int64_t shape[TN_MAX_RANK], strides[TN_MAX_RANK];
  tni_tensor_form form;
  if (args[i].tag != TN_VALUE_TENSOR || !args[i].as.tensor) return refuse(f, i, err, "a tensor");
  tn_status status = evaluate_form(f, i, args, shape, strides, &form, err);
  if (status) return status;
  /* The place is formatted only when the check fails: the check is cheap, formatting is not. */
  if (tni_tensor_check_form(f->module->ctx, args[i].as.tensor, "", &form, NULL))
    return tni_tensor_check_form(f->module->ctx, args[i].as.tensor, place_of(f, i, place), &form, err);
  if (f->written[i] && form.strides && tni_strides_overlap(form.rank, shape, strides))
    return tni_fail(f->module->ctx, err, TN_E_INVALID, "call", place_of(f, i, place),
                    "is written, and its strides put two elements in one place");
  return TN_OK;
}

/* ---- memory ---- */

bool tni_memory_overlaps(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
  uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
  return a_bytes && b_bytes && x < y + b_bytes && y < x + a_bytes;
}

static tn_status check_memory(const tn_function *f, const tn_value *args, tn_error **err) {
  const tn_func *func = f->func;
  char place[PLACE];
  for (uint32_t i = 0; i < func->param_count; i++) {
    if (!f->written[i]) continue;
    const void *at = tni_tensor_pointer(args[i].as.tensor);
    size_t bytes = tni_tensor_bytes(args[i].as.tensor);
    for (uint32_t k = 0; k < func->param_count; k++)
      if (k != i && func->params[k].buffer &&
          tni_memory_overlaps(at, bytes, tni_tensor_pointer(args[k].as.tensor), tni_tensor_bytes(args[k].as.tensor)))
        return tni_fail(f->module->ctx, err, TN_E_INVALID, "call", place_of(f, i, place),
                        "is written, and overlaps argument %u (`%.60s`)", k, func->params[k].buffer->name);
  }
  return TN_OK;
}

typedef struct writes {
  const tn_func *func;
  bool *written;
} writes;

static void mark(const writes *w, const tn_buffer *buffer) {
  for (uint32_t i = 0; i < w->func->param_count; i++)
    if (w->func->params[i].buffer == buffer) w->written[i] = true;
}

static bool mark_store(void *self, const tn_stmt *s) {
  if (tni_is_write(s)) mark(self, s->as.store.buffer);
  return true;
}

static void mark_address(void *self, const tn_expr *x) {
  if (x->op == TNI_OP_ADDRESS) mark(self, x->as.buffer);
}

void tni_find_written(tn_context *ctx, const tn_func *func, bool *written) {
  writes w = {func, written};
  if (!func->body) return;
  tni_stmt_visit(func->body, mark_store, &w);
  tni_stmt_visit_exprs(ctx, func->body, mark_address, &w);
}

/* ---- all ---- */

tn_status tni_check_arguments(const tn_function *f, const tn_value *args, size_t count, tn_error **err) {
  const tn_func *func = f->func;
  tn_status status = TN_OK;
  if (count != func->param_count)
    return tni_fail(f->module->ctx, err, TN_E_INVALID, "call", func->name, "%zu arguments were given, it takes %u",
                    count, func->param_count);
  for (uint32_t i = 0; i < count && !status; i++) /* scalars first: shapes are made of them */
    if (func->params[i].scalar) status = check_scalar(f, i, &args[i], err);
  for (uint32_t i = 0; i < count && !status; i++)
    if (func->params[i].buffer) status = check_tensor(f, i, args, err);
  return status ? status : check_memory(f, args, err);
}
