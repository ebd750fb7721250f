/* threads.c -- the grid of threads on a CPU: blocks run in parallel, the threads of a block in order.
 *
 *     for b in 0..n bind block.x { for t in 0..32 bind thread.x { S } }
 *       ->
 *     for b in 0..n parallel { for t in 0..32 { S } }
 *
 * A copy is done where it starts: until somebody waits for it nobody looks at where it goes, or changes where it comes from, so
 * that no time is better, and none is earlier than what a program that forgets to wait might see. Commits and waits go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

static const tn_stmt *unbind(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind == TNI_COMMIT || s->kind == TNI_WAIT) return tni_seq(r, 0, NULL);
  if (s->kind == TNI_COPY)
    return tni_store(r, s->as.store.buffer, s->as.store.count, s->as.store.index, s->as.store.value, s->as.store.where);
  if (s->kind != TNI_FOR || !tni_is_bound(s->as.loop.kind)) return s;
  enum tni_loop_kind kind = tni_is_thread_bound(s->as.loop.kind) ? TNI_SERIAL : TNI_PARALLEL;
  return tni_for_like(r, s, s->as.loop.var, s->as.loop.extent, kind, s->as.loop.body);
}

const tn_stmt *tni_lower_threads(tni_region *r, const tn_stmt *body) {
  if (!body) return NULL;
  return tni_stmt_rewrite(r, body, NULL, unbind, NULL);
}
