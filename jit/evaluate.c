/* evaluate.c -- the evaluator that constant folding asks: small functions are interpreted, large ones compiled.
 *
 * Both give the same bits. Compiling costs some 8 ms whatever the size, interpreting some 2 ns for each operator that
 * runs. The function's program is compiled whole: it holds little else.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "jit.h"

enum { MAX_NODES = 64 };

/* Nodes of an expression, as a tree, up to `room`. */
static int count_nodes(const tn_expr *x, int room) {
  int count = 1;
  for (uint32_t i = 0; x && i < x->nargs && count < room; i++) count += count_nodes(x->arg[i], room - count);
  return count;
}

static double work_of(const tn_stmt *s) {
  double work = 0;
  if (!s) return 0;
  switch (s->kind) {
  case TNI_FOR:
    return (tni_is_const(s->as.loop.extent) ? (double)s->as.loop.extent->as.i : 1) * work_of(s->as.loop.body);
  case TNI_BLOCK: /* init runs once for many runs of the body */
    return 1 + s->as.block.count + work_of(s->as.block.body);
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: return 1 + s->as.store.count + count_nodes(s->as.store.value, MAX_NODES);
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) work += work_of(s->as.seq.stmts[i]);
    return work;
  case TNI_IF: return 1 + work_of(s->as.cond.then) + work_of(s->as.cond.otherwise);
  case TNI_WHILE: return 1 + work_of(s->as.repeat.body);
  case TNI_ALLOC:
  case TNI_LET:
  case TNI_ASSERT:
  case TNI_ASSUME: return 1 + work_of(tni_rest(s));
  default: return 1;
  }
}

double tni_estimate_work(const tn_func *func) { return work_of(func->body); }

/* *ran is false when there is no code to run. */
static tn_status run_compiled(tn_cache *cache, const tn_func *func, void *const *buffers, bool *ran, tn_error **err) {
  tn_module *m;
  const tn_function *f;
  const tn_compile_desc desc = {.struct_size = sizeof desc, .cache = cache};
  *ran = false;
  tn_status status = tn_compile(func->program, &desc, &m, err);
  if (status) return status;
  status = tn_module_function(m, func->name, &f, err);
  if (!status && f->kernel.code) {
    *ran = true;
    status = f->kernel.call(f->kernel.code, &m->env, buffers);
    if (status) status = tni_kernel_error(m, &m->failure, status, func->name, err);
  }
  tn_module_destroy(m);
  return status;
}

tn_status tni_evaluate_func(void *self, const tn_func *func, void *const *buffers, tn_error **err) {
  if (tni_estimate_work(func) > TNI_COMPILE_WORK) {
    bool ran;
    tn_error *error = NULL;
    tn_status status = run_compiled(self, func, buffers, &ran, &error);
    if (ran || status == TN_E_NOMEM) {
      if (err)
        *err = error;
      else
        tn_error_destroy(error);
      return status;
    }
    tn_error_destroy(error);
  }
  return tni_evaluate_interpreted(self, func, buffers, err);
}
