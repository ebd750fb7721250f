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

/* ---- tensors ---- */

static tn_status check_tensor(const tn_function *f, uint32_t i, const tn_value *args, tn_error **err) {
  char place[PLACE];
  int64_t shape[TN_MAX_RANK], strides[TN_MAX_RANK];
  tni_tensor_form form;
  char reason[TNI_FORM_REASON];
  if (args[i].tag != TN_VALUE_TENSOR || !args[i].as.tensor) return refuse(f, i, err, "a tensor");
  if (!tni_param_form(f->func, i, args, shape, strides, &form, reason))
    return tni_fail(f->module->ctx, err, TN_E_INVALID, "call", place_of(f, i, place), "%s", reason);
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
