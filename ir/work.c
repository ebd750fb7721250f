/* work.c -- what a function computes and moves, from its definition.
 *
 * Loops count as often as their constant extents say; conditions are taken as true, both arms of an if as run, the body
 * of a while as run once. An expression counts each of its different nodes once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ir.h"

typedef struct counter {
  const tn_func *func;
  tn_context *ctx;
  tni_work *out;
  double times; /* that the statement at hand runs */
} counter;

static bool is_number(tn_type type) { return tni_type_is_float(type) || tni_type_is_int(type); }

/* Arithmetic that the node does for each lane. */
static int operations_of(const tn_expr *x) {
  if (!is_number(x->type)) return 0;
  switch (x->op) {
  case TN_OP_const:
  case TN_OP_var:
  case TN_OP_load:
  case TN_OP_call:
  case TNI_OP_ADDRESS:
  case TN_OP_select:
  case TN_OP_cast:
  case TN_OP_cast_sat:
  case TN_OP_reinterpret:
  case TN_OP_ramp:
  case TN_OP_broadcast:
  case TN_OP_shuffle: return 0;
  case TN_OP_fma: return 2;
  default: return 1;
  }
}

static double elements_bytes(tn_type type, double count) {
  return count * (double)(TN_TYPE_BITS(type) * TN_TYPE_LANES(type)) / 8;
}

static void count_access(counter *c, const tn_buffer *buffer, tn_type type, bool write) {
  for (uint32_t i = 0; i < c->func->param_count; i++)
    if (c->func->params[i].buffer == buffer) {
      double *bytes = write ? &c->out->written[i] : &c->out->read[i];
      *bytes += elements_bytes(type, c->times);
    }
}

static void count_node(void *self, const tn_expr *x) {
  counter *c = self;
  c->out->operations += c->times * operations_of(x) * TN_TYPE_LANES(x->type);
  if (x->op == TN_OP_load) count_access(c, x->as.buffer, x->type, false);
}

static void count_expr(counter *c, const tn_expr *x) {
  if (x) tni_expr_visit(c->ctx, x, count_node, c);
}

static void count_stmt(counter *c, const tn_stmt *s);

/* The same as often as `times` says. */
static void count_times(counter *c, const tn_stmt *s, double times) {
  double before = c->times;
  c->times = times;
  count_stmt(c, s);
  c->times = before;
}

static double extent_of(const tn_expr *x) { return tni_is_const(x) ? (double)x->as.i : 1; }

/* The init once for each sum. */
static void count_block(counter *c, const tn_stmt *s) {
  double runs = 1;
  for (int32_t i = 0; i < s->as.block.count; i++)
    if (s->as.block.iters[i].reduce) runs *= extent_of(s->as.block.iters[i].extent);
  if (s->as.block.init) count_times(c, s->as.block.init, runs > 0 ? c->times / runs : 0);
  count_stmt(c, s->as.block.body);
}

static void count_store(counter *c, const tn_stmt *s) {
  const tn_expr *value = s->as.store.value;
  for (int32_t i = 0; i < s->as.store.count; i++) count_expr(c, s->as.store.index[i]);
  count_expr(c, value);
  if (s->kind == TNI_REDUCE && is_number(value->type)) c->out->operations += c->times * TN_TYPE_LANES(value->type);
  count_access(c, s->as.store.buffer, value->type, true);
}

static void count_stmt(counter *c, const tn_stmt *s) {
  if (!s) return;
  switch (s->kind) {
  case TNI_FOR: count_times(c, s->as.loop.body, c->times * extent_of(s->as.loop.extent)); break;
  case TNI_BLOCK: count_block(c, s); break;
  case TNI_STORE:
  case TNI_REDUCE:
  case TNI_COPY: count_store(c, s); break;
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) count_stmt(c, s->as.seq.stmts[i]);
    break;
  case TNI_IF:
    count_expr(c, s->as.cond.cond);
    count_stmt(c, s->as.cond.then);
    count_stmt(c, s->as.cond.otherwise);
    break;
  case TNI_WHILE:
    count_expr(c, s->as.repeat.cond);
    count_stmt(c, s->as.repeat.body);
    break;
  case TNI_LET: count_expr(c, s->as.let.value); count_stmt(c, s->as.let.body); break;
  case TNI_ALLOC:
  case TNI_ASSERT:
  case TNI_ASSUME: count_stmt(c, tni_rest(s)); break;
  default: break;
  }
}

/* No more than the whole buffer, which a cache holds meanwhile. */
static double at_most_whole(const tn_buffer *b, double bytes) {
  double count = 1;
  for (int32_t d = 0; d < b->rank; d++) {
    if (!tni_is_const(b->shape[d])) return bytes;
    count *= (double)b->shape[d]->as.i;
  }
  double whole = elements_bytes(b->type, count);
  return bytes < whole ? bytes : whole;
}

bool tni_func_work(const tn_func *func, tni_arena *arena, tni_work *out) {
  *out = (tni_work){.read = TNI_NEW_ARRAY(arena, double, func->param_count),
                    .written = TNI_NEW_ARRAY(arena, double, func->param_count)};
  if (!out->read || !out->written) return false;
  counter c = {func, func->program->ctx, out, 1};
  count_stmt(&c, func->body);
  for (uint32_t i = 0; i < func->param_count; i++) {
    const tn_buffer *b = func->params[i].buffer;
    if (!b) continue;
    out->read[i] = at_most_whole(b, out->read[i]);
    out->written[i] = at_most_whole(b, out->written[i]);
  }
  return true;
}
