/* rename.h -- gives all variables and buffers of a function one name, in place: what is printed then shows the form alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEST_SCHED_RENAME_H
#define TEST_SCHED_RENAME_H

#include "sched.h"

typedef struct renamer {
  tn_context *ctx;
  const char *var, *buffer;
} renamer;

static inline void rename_buffer(const renamer *r, const tn_buffer *b);

static inline void rename_node(void *self, const tn_expr *x) {
  const renamer *r = self;
  if (x->op == TN_OP_var) ((tn_expr *)(uintptr_t)x)->as.name = r->var;
  if (x->op == TN_OP_load || x->op == TNI_OP_ADDRESS) ((tn_buffer *)(uintptr_t)x->as.buffer)->name = r->buffer;
}

static inline void rename_expr(const renamer *r, const tn_expr *x) {
  if (x) tni_expr_visit(r->ctx, x, rename_node, (void *)(uintptr_t)r);
}

static inline void rename_buffer(const renamer *r, const tn_buffer *b) {
  const tn_expr *parts[TNI_BUFFER_EXPRS];
  ((tn_buffer *)(uintptr_t)b)->name = r->buffer;
  for (int32_t i = tni_buffer_exprs(b, parts); i > 0; i--) rename_expr(r, parts[i - 1]);
  for (int32_t d = 0; d < b->rank && b->layout; d++) rename_expr(r, b->layout->vars[d]);
}

static inline bool rename_bound(void *self, const tn_stmt *s) {
  const renamer *r = self;
  if (s->kind == TNI_FOR) rename_expr(r, s->as.loop.var);
  if (s->kind == TNI_LET) rename_expr(r, s->as.let.var);
  if (s->kind == TNI_ALLOC) rename_buffer(r, s->as.alloc.buffer);
  if (tni_is_write(s)) rename_buffer(r, s->as.store.buffer);
  for (int32_t i = 0; s->kind == TNI_BLOCK && i < s->as.block.count; i++) rename_expr(r, s->as.block.iters[i].var);
  return true;
}

static inline void rename_all(tn_context *ctx, const tn_func *func, const char *var, const char *buffer) {
  renamer r = {ctx, var, buffer};
  for (uint32_t i = 0; i < func->param_count; i++) {
    if (func->params[i].buffer) rename_buffer(&r, func->params[i].buffer);
    rename_expr(&r, func->params[i].scalar);
  }
  if (!func->body) return;
  tni_stmt_visit(func->body, rename_bound, &r);
  tni_stmt_visit_exprs(ctx, func->body, rename_node, &r);
}

#endif
