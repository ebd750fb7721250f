/* strict.c -- what of a verified function is proven, and what is not known: every subscript inside its buffer, every
 * binding inside the range of its iterator, all iterations of every concurrent loop apart from one another (apart.c). Whether
 * copies are waited for before somebody looks is not asked.
 *
 * Known at a place: the ranges of loops and iterators around, conditions of ifs, whiles, blocks and accesses, what is asserted
 * or assumed, that extents of buffers are not negative. A condition that reads memory counts while nothing under it can
 * change that memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "verify/verify.h"

typedef struct strict {
  const tn_func *func;
  tn_context *ctx;
  tni_prover prover;
  tni_map nodes; /* of the statement at hand */
  tni_findings *unknown; /* or NULL */
  tni_map *open;         /* or NULL */
  size_t proven;
  tni_apart apart; /* once a loop is concurrent */
  bool asked;
  const tn_stmt *stmt; /* at hand */
  bool failed;         /* no memory */
} strict;

/* ---- answers ---- */

/* `node` is what tni_strict adds, `mark` the expression that may be outside. */
static void leave_open(strict *s, const void *node, const tn_expr *mark, const char *kind, const char *name) {
  if (s->open) s->failed |= tni_map_add(s->open, node, 0, NULL) == TNI_MAP_NONE;
  if (s->unknown) /* a constant may stand in the statement more than once */
    tni_findings_add(s->unknown, s->func, s->stmt, tni_is_const(mark) ? NULL : mark,
                     "it is not known whether this %s of `%s` is inside 0..its extent: a condition around it, or an "
                     "assume, can tell",
                     kind, name);
}

static void leave_race_open(strict *s, const tn_stmt *loop, const char *why, const void *mark) {
  const tn_expr *var = loop->as.loop.var;
  if (s->open) s->failed |= tni_map_add(s->open, var, 0, NULL) == TNI_MAP_NONE;
  if (!s->unknown) return;
  tni_findings_add(s->unknown, s->func, loop, var,
                   "it is not known whether the iterations of this loop may run at the same time: %s", why);
  if (mark != var) tni_findings_add_place(s->unknown, s->func, NULL, mark);
}

/* ---- conditions that last ---- */

typedef struct last_search {
  const tn_expr *cond;
  tn_context *ctx;
  const tn_buffer *stored;
  bool changed;
} last_search;

static void see_read(void *self, const tn_expr *x) {
  last_search *q = self;
  q->changed |= x->op == TN_OP_load && x->as.buffer == q->stored;
}

static bool see_store(void *self, const tn_stmt *s) {
  last_search *q = self;
  if (tni_is_write(s)) {
    q->stored = s->as.store.buffer;
    tni_expr_visit(q->ctx, q->cond, see_read, q);
  }
  return !q->changed;
}

/* Is the value of x the same all the time that `inside` runs? */
static bool lasts(const strict *s, const tn_expr *x, const tn_stmt *inside) {
  last_search q = {.cond = x, .ctx = s->ctx};
  if (tni_expr_calls(x)) return false;
  if (!tni_expr_reads(x) || !inside) return true;
  if (tni_stmt_holds(inside, TNI_HOLDS_CALL)) return false;
  tni_stmt_visit(inside, see_store, &q);
  return !q.changed;
}

static void know(strict *s, const tn_expr *cond, bool holds, const tn_stmt *inside) {
  if (holds && cond->op == TN_OP_and && cond->type == TN_BOOL) {
    know(s, cond->arg[0], holds, inside);
    know(s, cond->arg[1], holds, inside);
  } else if (lasts(s, cond, inside)) {
    tni_prover_know(&s->prover, cond, holds);
  }
}

/* ---- accesses ---- */

/* Is subscript i surely inside? On the loop level the only one, of all of the buffer's memory. */
static bool is_inside(strict *s, const tn_buffer *buffer, int32_t i, const tn_expr *index) {
  tn_expr size = {.op = TN_OP_const, .type = TN_INDEX, .as.i = tni_buffer_constant_size(buffer)};
  const tn_expr *extent = &size;
  if (s->func->level == TNI_LEVEL_TENSOR) return tni_prover_is_inside(&s->prover, index, 1, &buffer->shape[i]);
  if (tni_is_row_major(buffer)) return tni_prover_is_inside(&s->prover, index, buffer->rank, buffer->shape);
  return tni_prover_is_inside(&s->prover, index, 1, &extent);
}

/* `node` is the load, or the statement that stores. */
static void check_access(strict *s, const void *node, const tn_buffer *buffer, int32_t count,
                         const tn_expr *const *index, const tn_expr *where) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  const tn_expr *open = NULL;
  if (count) tni_prover_bind_lanes(&s->prover, TN_TYPE_LANES(index[0]->type));
  if (where) tni_prover_know(&s->prover, where, true);
  for (int32_t i = 0; i < count && !open; i++)
    if (!is_inside(s, buffer, i, index[i])) open = index[i];
  s->proven += !open;
  if (open) leave_open(s, node, open, "subscript", buffer->name);
  tni_prover_pop(&s->prover, mark);
}

/* All loads under x that were not seen in this statement. */
static void check_expr(strict *s, const tn_expr *x) {
  size_t n = s->nodes.count;
  if (x && !tni_map_add_dag(&s->nodes, x)) s->failed = true;
  for (; n < s->nodes.count && !s->failed; n++) {
    const tn_expr *node = s->nodes.entries[n].key;
    if (node->op == TN_OP_load)
      check_access(s, node, node->as.buffer, tni_load_count(node), node->arg, tni_load_where(node));
  }
}

/* ---- statements ---- */

static void check_stmt(strict *s, const tn_stmt *t);

static void check_inside(strict *s, const tn_stmt *t, tni_prover_mark mark) {
  if (t) check_stmt(s, t);
  tni_prover_pop(&s->prover, mark);
}

static void check_race(strict *s, const tn_stmt *t) {
  const void *mark;
  if (!s->asked) tni_apart_init(&s->apart, s->func);
  s->asked = true;
  const char *why = tni_apart_why_not(&s->apart, t, &mark);
  s->failed |= s->apart.failed;
  s->proven += !why;
  if (why && !s->failed) leave_race_open(s, t, why, mark);
}

static void check_for(strict *s, const tn_stmt *t) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  if (tni_is_concurrent(t->as.loop.kind)) check_race(s, t);
  check_expr(s, t->as.loop.extent);
  if (lasts(s, t->as.loop.extent, t->as.loop.body))
    tni_prover_bind(&s->prover, t->as.loop.var, t->as.loop.extent);
  else
    tni_prover_know_extent(&s->prover, t->as.loop.var);
  check_inside(s, t->as.loop.body, mark);
}

static void check_block(strict *s, const tn_stmt *t) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  check_expr(s, t->as.block.where);
  if (t->as.block.where) know(s, t->as.block.where, true, t);
  for (int32_t i = 0; i < t->as.block.count; i++) {
    const tni_iter *iter = &t->as.block.iters[i];
    check_expr(s, iter->binding);
    check_expr(s, iter->extent);
    bool inside = tni_prover_is_inside(&s->prover, iter->binding, 1, &iter->extent);
    s->proven += inside;
    if (!inside) leave_open(s, iter->var, iter->binding, "binding", iter->var->as.name);
  }
  for (int32_t i = 0; i < t->as.block.count; i++)
    if (lasts(s, t->as.block.iters[i].extent, t))
      tni_prover_bind(&s->prover, t->as.block.iters[i].var, t->as.block.iters[i].extent);
    else
      tni_prover_know_extent(&s->prover, t->as.block.iters[i].var);
  for (int32_t i = 0; t->as.block.where && i < t->as.block.count; i++) { /* which is about loops */
    const tni_iter *iter = &t->as.block.iters[i];
    if (lasts(s, iter->binding, t) && lasts(s, iter->extent, t))
      tni_prover_bind_inside(&s->prover, iter->var, iter->extent, iter->binding);
  }
  if (t->as.block.init) check_stmt(s, t->as.block.init);
  check_inside(s, t->as.block.body, mark);
}

/* A vector's value is loaded in all lanes, also where nothing is stored. */
static void check_store(strict *s, const tn_stmt *t) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  check_expr(s, t->as.store.where);
  if (t->as.store.where && t->as.store.where->type == TN_BOOL) tni_prover_know(&s->prover, t->as.store.where, true);
  for (int32_t i = 0; i < t->as.store.count; i++) check_expr(s, t->as.store.index[i]);
  check_expr(s, t->as.store.value);
  check_access(s, t, t->as.store.buffer, t->as.store.count, t->as.store.index, t->as.store.where);
  tni_prover_pop(&s->prover, mark);
}

static void check_if(strict *s, const tn_stmt *t) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  check_expr(s, t->as.cond.cond);
  know(s, t->as.cond.cond, true, t->as.cond.then);
  check_inside(s, t->as.cond.then, mark);
  if (!t->as.cond.otherwise) return;
  know(s, t->as.cond.cond, false, t->as.cond.otherwise);
  check_inside(s, t->as.cond.otherwise, mark);
}

static void check_while(strict *s, const tn_stmt *t) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  check_expr(s, t->as.repeat.cond);
  know(s, t->as.repeat.cond, true, t->as.repeat.body);
  check_inside(s, t->as.repeat.body, mark);
}

static void check_alloc(strict *s, const tn_stmt *t) {
  const tn_buffer *buffer = t->as.alloc.buffer;
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  for (int32_t i = 0; i < buffer->rank; i++) {
    check_expr(s, buffer->shape[i]);
    if (lasts(s, buffer->shape[i], t->as.alloc.body)) tni_prover_know_extent(&s->prover, buffer->shape[i]);
  }
  check_inside(s, t->as.alloc.body, mark);
}

static void check_let(strict *s, const tn_stmt *t) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  check_expr(s, t->as.let.value);
  if (lasts(s, t->as.let.value, t->as.let.body)) tni_prover_bind_value(&s->prover, t->as.let.var, t->as.let.value);
  check_inside(s, t->as.let.body, mark);
}

static void check_claim(strict *s, const tn_stmt *t) {
  tni_prover_mark mark = tni_prover_mark_of(&s->prover);
  check_expr(s, t->as.claim.cond);
  know(s, t->as.claim.cond, true, t->as.claim.body);
  check_inside(s, t->as.claim.body, mark);
}

static void check_stmt(strict *s, const tn_stmt *t) {
  s->stmt = t;
  tni_map_clear(&s->nodes);
  switch (t->kind) {
  case TNI_FOR: check_for(s, t); break;
  case TNI_BLOCK: check_block(s, t); break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: check_store(s, t); break;
  case TNI_IF: check_if(s, t); break;
  case TNI_WHILE: check_while(s, t); break;
  case TNI_EVALUATE: check_expr(s, t->as.evaluate.call); break;
  case TNI_ALLOC: check_alloc(s, t); break;
  case TNI_LET: check_let(s, t); break;
  case TNI_ASSERT:
  case TNI_ASSUME: check_claim(s, t); break;
  case TNI_SEQ:
    for (int32_t i = 0; i < t->as.seq.count; i++) check_stmt(s, t->as.seq.stmts[i]);
    break;
  case TNI_BARRIER:
  case TNI_COMMIT:
  case TNI_WAIT:
  case TNI_PREFETCH: /* its subscripts may be outside */
  case TNI_STMT_KIND_COUNT: break;
  }
}

/* ---- functions ---- */

static void know_params(strict *s) {
  for (uint32_t i = 0; i < s->func->param_count; i++)
    for (int32_t d = 0; s->func->params[i].buffer && d < s->func->params[i].buffer->rank; d++)
      tni_prover_know_extent(&s->prover, s->func->params[i].buffer->shape[d]);
}

/* False: no memory. */
static bool run(strict *s, const tn_func *func) {
  s->func = func;
  s->ctx = func->program->ctx;
  tni_prover_init(&s->prover, s->ctx);
  tni_map_init(&s->nodes, s->ctx);
  know_params(s);
  if (func->body) check_stmt(s, func->body);
  bool good = !s->failed && !s->prover.failed;
  if (s->asked) tni_apart_destroy(&s->apart);
  tni_map_destroy(&s->nodes);
  tni_prover_destroy(&s->prover);
  return good;
}

bool tni_strict(const tn_func *func, tni_map *open) { return run(&(strict){.open = open}, func); }

tn_status tn_func_check(const tn_func *func, size_t *proven, size_t *unknown, tn_error **err) {
  tni_findings findings;
  strict s = {.unknown = &findings};
  if (proven) *proven = 0;
  if (unknown) *unknown = 0;
  tn_status status = tni_verify(func, err);
  if (status) return status;
  tni_findings_init(&findings, func->program->ctx);
  bool good = run(&s, func);
  if (proven) *proven = s.proven;
  if (unknown) *unknown = findings.count;
  status = good ? tni_findings_fail(&findings, err) : tni_fail_nomem(err);
  tni_findings_destroy(&findings);
  return status;
}
