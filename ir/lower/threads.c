/* threads.c -- the grid of threads on a CPU: blocks run in parallel, the threads of a block in order.
 *
 *     for b in 0..n bind block.x { for t in 0..32 bind thread.x { S } }
 *       ->
 *     for b in 0..n parallel { for t in 0..32 { S } }
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "lower.h"

static const tn_stmt *unbind(void *self, tni_region *r, const tn_stmt *s) {
  (void)self;
  if (s->kind != TNI_FOR || !tni_is_bound(s->as.loop.kind)) return s;
  enum tni_loop_kind kind = tni_is_thread_bound(s->as.loop.kind) ? TNI_SERIAL : TNI_PARALLEL;
  return tni_for_like(r, s, s->as.loop.var, s->as.loop.extent, kind, s->as.loop.body);
}

const tn_stmt *tni_lower_threads(tni_region *r, const tn_stmt *body) {
  if (!body) return NULL;
  return tni_stmt_rewrite(r, body, NULL, unbind, NULL);
}
