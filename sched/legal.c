/* legal.c -- checks that several primitives share: do loops that run at the same time still may (ir/race.c)? May a producer
 * move to its readers?
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* ---- loops that run at the same time ---- */

typedef struct still_check {
  tn_schedule *s;
  const tn_func *made;
  const void *mark;
  const char *why;
} still_check;

/* How many conditions are around the loop? */
static int conditions_around(const tn_stmt *root, const tn_stmt *loop) {
  const tn_stmt *path[TNI_MAX_PATH];
  int count = 0;
  for (int i = tni_path_to(root, loop, path); i > 0; i--)
    count += path[i - 1]->kind == TNI_IF || path[i - 1]->kind == TNI_WHILE;
  return count;
}

/* Has the function of the schedule the loop, as it is, under no fewer conditions? What is private may not be under more. A loop
 * around a barrier, copy or wait is around all that changes (step.c), and in it the same is touched from one of these to the next. */
static bool is_unchanged(const still_check *q, const tn_stmt *loop) {
  if (tni_first_sync(loop)) return true;
  return tni_is_below(q->s->func->body, loop) &&
         conditions_around(q->s->func->body, loop) == conditions_around(q->made->body, loop);
}

static bool check_still(void *self, const tn_stmt *s) {
  still_check *q = self;
  const void *mark;
  if (s->kind == TNI_FOR && !q->why && tni_is_concurrent(s->as.loop.kind) &&
      !is_unchanged(q, s) && tni_why_not_concurrent(&q->s->region, q->made, s, &mark)) {
    q->mark = s->as.loop.var;
    q->why = "iterations of this loop run at the same time, and might then touch the same element";
  }
  return !q->why && s->kind != TNI_BLOCK;
}

const char *tni_why_not_concurrent_still(tn_schedule *s, const tn_func *made, const void **mark) {
  still_check q = {.s = s, .made = made};
  tni_stmt_visit(made->body, check_still, &q);
  *mark = q.mark;
  return q.why;
}

/* ---- instances that change places ---- */

const char *tni_why_not_own_element(tn_schedule *s, const tn_stmt *block, const void **mark) {
  const tn_stmt *stores[TNI_MAX_STATES];
  *mark = block;
  int32_t count = tni_block_stores(s->ctx, block, stores);
  if (!count) return "the block does more than store one element to each of some buffers";
  if (block->as.block.init && !tni_init_fits(s->ctx, block)) return "init stores something else than the block";
  for (int32_t k = 0; k < count; k++)
    if (!tni_reads_own_element(s->ctx, block, stores[k])) return "the block reads elements that other iterations write";
  return NULL;
}

/* ---- producers that move to their readers ---- */

typedef struct order_search {
  tn_schedule *s;
  const tn_stmt *block;
  const tn_buffer *buffer;
  const tn_stmt *path[TNI_MAX_PATH]; /* to the block */
  int depth;
  bool after;
  const tn_stmt *bad_reader, *rewriter, *carrier;
} order_search;

/* The innermost loop around both the block and s; NULL: none. */
static const tn_stmt *shared_loop(const order_search *q, const tn_stmt *s) {
  for (int i = q->depth; i > 0; i--)
    if (q->path[i - 1]->kind == TNI_FOR && tni_is_below(q->path[i - 1], s)) return q->path[i - 1];
  return NULL;
}

/* A store, or the block it is in, to something that the block reads. */
static void see_input_written(order_search *q, const tn_stmt *s) {
  const tn_stmt *loop = shared_loop(q, s);
  if (q->after)
    q->rewriter = s;
  else if (loop && !tni_is_private_to(&q->s->region, q->s->func->body, q->buffer, loop))
    q->carrier = s;
}

typedef struct input_search {
  tn_context *ctx;
  const tn_stmt *block;
  const tn_buffer *own;
  bool writes;
} input_search;

static bool see_input_store(void *self, const tn_stmt *s) {
  input_search *q = self;
  q->writes |=
      tni_is_write(s) && s->as.store.buffer != q->own && tni_uses_of(q->ctx, q->block, s->as.store.buffer).readers;
  return true;
}

static bool see_order(void *self, const tn_stmt *s) {
  order_search *q = self;
  if (s == q->block) {
    q->after = true;
    return false;
  }
  if (s->kind != TNI_BLOCK && !tni_is_write(s)) return true;
  if (s->kind == TNI_BLOCK && !q->after && tni_uses_of(q->s->ctx, s, q->buffer).readers) q->bad_reader = s;
  input_search inputs = {q->s->ctx, q->block, q->buffer, false};
  tni_stmt_visit(s, see_input_store, &inputs);
  if (inputs.writes) see_input_written(q, s);
  return false;
}

typedef struct outside_search {
  tn_context *ctx;
  const tn_stmt *block;
  bool gives;
} outside_search;

static void see_given(void *self, const tn_expr *x) {
  outside_search *q = self;
  q->gives |= x->op == TNI_OP_ADDRESS && tni_uses_of(q->ctx, q->block, x->as.buffer).readers;
}

/* Does no reader of the buffer see more of it than the block writes? Otherwise *mark is one that may. */
static bool reads_what_is_written(tn_schedule *s, const tn_stmt *block, const tn_buffer *buffer, const void **mark) {
  tni_accesses all;
  bool ok = tni_accesses_collect(&s->region, s->func->body, &all) && !all.opaque;
  for (size_t i = 0; i < all.count && ok; i++) {
    const tni_access *x = &all.items[i];
    if (x->write || x->buffer != buffer || x->block == block) continue;
    ok = tni_is_covered(&s->region, &all, x, 0);
    if (!ok) *mark = x->load ? x->load : (const void *)x->store;
  }
  tni_accesses_destroy(&all);
  return ok;
}

/* Is the buffer of a store the block's own? */
static const char *why_not_own(tn_schedule *s, const tn_buffer *buffer) {
  if (tni_is_param(s->func, buffer)) return "the block writes a parameter, which the caller sees";
  tni_uses uses = tni_uses_of(s->ctx, s->func->body, buffer);
  if (uses.writers != 1 || uses.loose)
    return "the buffer is written or used by others than this block and blocks that read it";
  return NULL;
}

/* May what is done between the block and the readers of the buffer come before it? */
static const char *why_ordered(tn_schedule *s, const tn_stmt *block, const tn_buffer *buffer, const void **mark) {
  order_search q = {.s = s, .block = block, .buffer = buffer};
  q.depth = tni_path_to(s->func->body, block, q.path);
  tni_stmt_visit(s->func->body, see_order, &q);
  *mark = q.bad_reader ? q.bad_reader : q.rewriter ? q.rewriter : q.carrier;
  return q.bad_reader ? "this reader stands before the block"
         : q.rewriter ? "an input of the block is written again here"
         : q.carrier  ? "an input of the block is written here again in the next iteration of a loop around both"
                      : NULL;
}

const char *tni_why_not_movable(tn_schedule *s, const tn_stmt *block, const tn_stmt *stays, const void **mark) {
  const tn_stmt *stores[TNI_MAX_STATES];
  int32_t count = tni_block_stores(s->ctx, block, stores);
  const char *why = NULL;
  bool whole;
  *mark = block;
  for (int32_t k = 0; k < count && !why; k++) { /* none: tni_why_not_reduction tells */
    *mark = stores[k];
    why = why_not_own(s, stores[k]->as.store.buffer);
  }
  if (why || (why = tni_why_not_reduction(s->ctx, block)) || (why = tni_why_not_its_box(s, block, stays, &whole))) return why;
  for (int32_t k = 0; k < count && !whole; k++)
    if (!reads_what_is_written(s, block, stores[k]->as.store.buffer, mark))
      return "the block writes a part of the buffer, and more of it may be read";
  outside_search outside = {.ctx = s->ctx, .block = block};
  if (tni_stmt_holds(block, TNI_HOLDS_CALL)) return "the block calls an external";
  if (tni_stmt_holds(s->func->body, TNI_HOLDS_ADDRESS)) tni_stmt_visit_exprs(s->ctx, s->func->body, see_given, &outside);
  if (outside.gives) return "an input of the block is given to an external";
  for (int32_t k = 0; k < count && !why; k++) why = why_ordered(s, block, stores[k]->as.store.buffer, mark);
  return why;
}
