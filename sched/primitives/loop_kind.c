/* loop_kind.c -- how a loop's iterations run: on several threads, in the lanes of vectors, written out.
 *
 *     for i in 0..n { S }  ->  for i in 0..n parallel { S }     and vectorized, unrolled
 *
 * needs: parallel, vectorize: iterations that may run at the same time (ir/race.c): none that feed a reduction, whose steps go
 *        one after the other, but reduce statements by one operator; vectorize: a constant extent up to 64; unroll: up to 1024,
 *        and with the unrolled loops around and below it up to 16384 copies of what is inside
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

enum { MAX_UNROLL = 1024, MAX_COPIES = 16384, MAX_VECTOR = 64 };

static tn_status set_kind(tni_step *step, const tn_stmt *loop, enum tni_loop_kind kind) {
  tni_region *r = &step->s->region;
  const tn_stmt *made = tni_for_like(r, loop, loop->as.loop.var, loop->as.loop.extent, kind, loop->as.loop.body);
  return tni_step_keep(step, tni_replace(r, step->s->func->body, loop, made));
}

static tn_status refuse_not_serial(tni_step *step, const tn_stmt *loop) {
  return tni_step_refuse(step, loop->as.loop.var,
                         "the loop is not serial any more\n"
                         "needs: to be split before, so that each part has its own kind");
}

typedef struct reduce_search {
  tn_context *ctx;
  const tn_expr *var;
  const tn_stmt *block;
} reduce_search;

static bool see_reduction(void *self, const tn_stmt *s) {
  reduce_search *q = self;
  for (int32_t i = 0; s->kind == TNI_BLOCK && i < s->as.block.count && !q->block; i++)
    if (s->as.block.iters[i].reduce && tni_expr_uses(q->ctx, s->as.block.iters[i].binding, q->var)) q->block = s;
  return !q->block;
}

/* What an extent reads that its loop's body stores to. */
typedef struct extent_search {
  tn_context *ctx;
  const tn_stmt *body;
  const tn_buffer *read, *written;
} extent_search;

static bool see_store(void *self, const tn_stmt *s) {
  extent_search *q = self;
  if (s->kind == TNI_STORE && s->as.store.buffer == q->read) q->written = q->read;
  return !q->written;
}

static void see_extent(void *self, const tn_expr *x) {
  extent_search *q = self;
  if (x->op != TN_OP_load || q->written) return;
  q->read = x->as.buffer;
  tni_stmt_visit(q->body, see_store, q);
}

tn_status tni_set_concurrent(tni_step *step, const tn_stmt *loop, enum tni_loop_kind kind) {
  const void *mark;
  extent_search counted = {.ctx = step->s->ctx, .body = loop->as.loop.body};
  reduce_search fed = {.ctx = step->s->ctx, .var = loop->as.loop.var};
  if (loop->as.loop.kind != TNI_SERIAL) return refuse_not_serial(step, loop);
  tni_stmt_visit(loop, see_reduction, &fed);
  if (fed.block)
    return tni_step_refuse(step, fed.block,
                           "the loop feeds a reduce iterator of this block\n"
                           "needs: rfactor over the loop, and then the loop of the partial results");
  tni_expr_visit(step->s->ctx, loop->as.loop.extent, see_extent, &counted);
  if (counted.written)
    return tni_step_refuse(step, loop->as.loop.var, "how often the loop runs is read from `%s`, which it writes",
                           counted.written->name);
  const char *why = tni_why_not_concurrent(&step->s->region, step->s->func, loop, &mark);
  if (why) return tni_step_refuse(step, mark, "%s", why);
  tn_status status = tni_step_runs_at_once(step, loop);
  return status ? status : set_kind(step, loop, kind);
}

tn_status tni_apply_parallel(tni_step *step) {
  const tn_stmt *loop = tni_arg_loop(step, 0);
  return loop ? tni_set_concurrent(step, loop, TNI_PARALLEL) : TN_E_REFUSED;
}

tn_status tni_apply_vectorize(tni_step *step) {
  const tn_stmt *loop = tni_arg_loop(step, 0);
  if (!loop) return TN_E_REFUSED;
  const tn_expr *extent = loop->as.loop.extent;
  if (loop->as.loop.kind == TNI_SERIAL && (!tni_is_const(extent) || extent->as.i > MAX_VECTOR))
    return tni_step_refuse(step, loop->as.loop.var,
                           "a vectorized loop needs a constant extent up to %d\n"
                           "needs: a split, to vectorize the inner loop",
                           MAX_VECTOR);
  return tni_set_concurrent(step, loop, TNI_VECTORIZED);
}


/* How often an unrolled loop writes out its body. */
static int64_t copies_of(const tn_stmt *s) {
  bool unrolled = s->kind == TNI_FOR && s->as.loop.kind == TNI_UNROLLED && tni_is_const(s->as.loop.extent);
  return unrolled && s->as.loop.extent->as.i <= MAX_UNROLL ? s->as.loop.extent->as.i : 1;
}

static int64_t times(int64_t a, int64_t b) { return b > 0 && a > MAX_COPIES / b ? MAX_COPIES + 1 : a * b; }

/* The most often that the unrolled loops below s write out a statement. */
static int64_t copies_below(const tn_stmt *s) {
  int64_t most = 1, other;
  switch (s->kind) {
  case TNI_FOR: return times(copies_of(s), copies_below(s->as.loop.body));
  case TNI_SEQ:
    for (int32_t i = 0; i < s->as.seq.count; i++) {
      int64_t n = copies_below(s->as.seq.stmts[i]);
      most = n > most ? n : most;
    }
    return most;
  case TNI_IF:
    most = copies_below(s->as.cond.then);
    other = s->as.cond.otherwise ? copies_below(s->as.cond.otherwise) : 1;
    return other > most ? other : most;
  case TNI_WHILE: return copies_below(s->as.repeat.body);
  default: return tni_rest(s) ? copies_below(tni_rest(s)) : 1;
  }
}

static int64_t copies_around(const tn_stmt *root, const tn_stmt *loop) {
  const tn_stmt *path[TNI_MAX_PATH];
  int64_t n = 1;
  int depth = tni_path_to(root, loop, path);
  for (int i = 0; i < depth; i++) n = times(n, copies_of(path[i]));
  return n;
}

tn_status tni_apply_unroll(tni_step *step) {
  const tn_stmt *loop = tni_arg_loop(step, 0);
  if (!loop) return TN_E_REFUSED;
  if (loop->as.loop.kind != TNI_SERIAL) return refuse_not_serial(step, loop);
  const tn_expr *extent = loop->as.loop.extent;
  if (!tni_is_const(extent) || extent->as.i > MAX_UNROLL)
    return tni_step_refuse(step, loop->as.loop.var,
                           "an unrolled loop needs a constant extent up to %d\n"
                           "needs: a split, to unroll the inner loop",
                           MAX_UNROLL);
  int64_t around = copies_around(step->s->func->body, loop), below = copies_below(loop->as.loop.body);
  if (times(times(around, extent->as.i), below) > MAX_COPIES)
    return tni_step_refuse(step, loop->as.loop.var,
                           "the unrolled loops would make more than %d copies of what is inside\n"
                           "needs: smaller ones, or one that is not unrolled",
                           MAX_COPIES);
  return set_kind(step, loop, TNI_UNROLLED);
}

static tn_status call(tn_schedule *s, enum tni_primitive_id id, tn_loop loop, tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop)};
  return tni_perform(s, id, 1, args, 0, NULL, NULL, err);
}

tn_status tn_parallel(tn_schedule *s, tn_loop loop, tn_error **err) {
  return call(s, TNI_PRIMITIVE_parallel, loop, err);
}
tn_status tn_vectorize(tn_schedule *s, tn_loop loop, tn_error **err) {
  return call(s, TNI_PRIMITIVE_vectorize, loop, err);
}
tn_status tn_unroll(tn_schedule *s, tn_loop loop, tn_error **err) { return call(s, TNI_PRIMITIVE_unroll, loop, err); }
