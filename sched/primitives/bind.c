/* bind.c -- a loop over an axis of a GPU's grid: its iterations are blocks, or the threads of a block.
 *
 *     for i in 0..n { S }  ->  for i in 0..n bind block.x { S }      and block.y, block.z, thread.x, thread.y, thread.z
 *
 * On a CPU the blocks run in parallel, and the threads of each one after the other.
 *
 * needs: a serial loop whose iterations may run at the same time (ir/race.c); for threads a constant extent
 * refuses: an axis that a loop around or below is bound to; blocks inside threads; blocks below an alloc that their threads share,
 *          threads around one; loops with barriers, or copies that go on: who waits for whom is said by the threads there are
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct search {
  enum tni_loop_kind kind;
  const tn_stmt *same, *blocks, *waits; /* what is found below */
  const tn_buffer *shared;
} search;

static bool see(void *self, const tn_stmt *s) {
  search *q = self;
  if (s->kind == TNI_FOR && s->as.loop.kind == q->kind) q->same = s;
  if (s->kind == TNI_FOR && tni_is_bound(s->as.loop.kind) && !tni_is_thread_bound(s->as.loop.kind)) q->blocks = s;
  if (s->kind == TNI_BARRIER || s->kind == TNI_COPY || s->kind == TNI_COMMIT || s->kind == TNI_WAIT) q->waits = s;
  if (s->kind == TNI_ALLOC && s->as.alloc.buffer->scope == TNI_SCOPE_SHARED) q->shared = s->as.alloc.buffer;
  return true;
}

static tn_status refuse_same(tni_step *step, const tn_stmt *loop) {
  return tni_step_refuse(step, loop->as.loop.var,
                         "this loop is bound to the axis already\n"
                         "needs: another axis, or the two loops fused");
}

static tn_status check_below(tni_step *step, const tn_stmt *loop, enum tni_loop_kind kind) {
  search q = {.kind = kind};
  tni_stmt_visit(loop->as.loop.body, see, &q);
  if (q.same) return refuse_same(step, q.same);
  if (q.blocks && tni_is_thread_bound(kind))
    return tni_step_refuse(step, q.blocks->as.loop.var,
                           "this loop over blocks would stand inside one over threads\n"
                           "needs: loops over blocks around those over threads");
  if (q.waits)
    return tni_step_refuse(step, q.waits,
                           "threads wait here\n"
                           "needs: loops to be bound before there are barriers and copies that go on");
  if (q.shared && tni_is_thread_bound(kind))
    return tni_step_refuse(step, q.shared,
                           "threads share this buffer, and each of them would have one\n"
                           "needs: its alloc around the loop, or another scope");
  return TN_OK;
}

static tn_status check_above(tni_step *step, const tn_stmt *loop, enum tni_loop_kind kind) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(step->s->func->body, loop, path);
  for (int i = 0; i < depth - 1; i++) {
    if (path[i]->kind == TNI_FOR && path[i]->as.loop.kind == kind) return refuse_same(step, path[i]);
    if (path[i]->kind == TNI_FOR && tni_is_thread_bound(path[i]->as.loop.kind) && !tni_is_thread_bound(kind))
      return tni_step_refuse(step, path[i]->as.loop.var,
                             "the loop over blocks would stand inside this one over threads\n"
                             "needs: loops over blocks around those over threads");
    if (path[i]->kind == TNI_ALLOC && path[i]->as.alloc.buffer->scope == TNI_SCOPE_SHARED && !tni_is_thread_bound(kind))
      return tni_step_refuse(step, path[i]->as.alloc.buffer,
                             "the threads of a block share this buffer, and all blocks would\n"
                             "needs: the loop over blocks to stand around the alloc");
  }
  return TN_OK;
}

tn_status tni_apply_bind(tni_step *step) {
  enum tni_loop_kind kind = (enum tni_loop_kind)(TNI_BLOCK_X + step->args[1].number);
  const tn_stmt *loop = tni_arg_loop(step, 0);
  if (!loop) return TN_E_REFUSED;
  if (tni_is_thread_bound(kind) && !tni_is_const(loop->as.loop.extent))
    return tni_step_refuse(step, loop->as.loop.var,
                           "a loop over threads needs a constant extent\n"
                           "needs: a split, to bind the inner loop");
  tn_status status = check_above(step, loop, kind);
  if (!status) status = check_below(step, loop, kind);
  return status ? status : tni_set_concurrent(step, loop, kind);
}

tn_status tn_bind(tn_schedule *s, tn_loop loop, enum tn_loop_kind axis, tn_error **err) {
  bool bound = axis >= TN_BLOCK_X && axis <= TN_THREAD_Z;
  tni_arg args[] = {tni_of_handle(loop), tni_of_text(bound ? tni_loop_kind_names[axis] : "")};
  return tni_perform(s, TNI_PRIMITIVE_bind, 2, args, 0, NULL, NULL, err);
}
