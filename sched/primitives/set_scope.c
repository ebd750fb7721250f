/* set_scope.c -- a buffer made in the function lives elsewhere.
 *
 *     alloc T: f32[8, 4]  ->  alloc T: f32[8, 4] in register
 *
 * needs: a buffer that the block stores to, made in the function; register: constant extents, nobody who asks for its
 *        lines, and no outlined loop inside of its scope that uses it; shared: a place inside of all loops over blocks
 *        and outside of those over threads, which then meet in it
 * refuses: shared buffers of functions in which threads wait: who waits for what was said for the scope there is
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

typedef struct search {
  tn_context *ctx;
  const tn_buffer *buffer;
  const tn_stmt *prefetch, *outlined, *blocks;
} search;

static bool see(void *self, const tn_stmt *s) {
  search *q = self;
  if (s->kind == TNI_PREFETCH && s->as.store.buffer == q->buffer) q->prefetch = s;
  if (s->kind != TNI_FOR) return true;
  tni_uses uses = tni_uses_of(q->ctx, s, q->buffer);
  if (s->as.loop.kind == TNI_OUTLINED && (uses.readers || uses.writers || uses.loose)) q->outlined = s;
  if (tni_is_bound(s->as.loop.kind) && !tni_is_thread_bound(s->as.loop.kind)) q->blocks = s;
  return true;
}

static tn_status check_register(tni_step *step, const tn_buffer *b, const search *below) {
  for (int32_t d = 0; d < b->rank; d++)
    if (!tni_is_const(b->shape[d]))
      return tni_step_refuse(step, b, "a buffer in registers has constant extents\n"
                                      "needs: scope global or local");
  if (below->prefetch)
    return tni_step_refuse(step, below->prefetch, "this asks for lines of memory, which registers have not");
  if (below->outlined)
    return tni_step_refuse(step, below->outlined->as.loop.var,
                           "this loop is a function of its own, which is given memory\n"
                           "needs: scope global or local, or to be outlined later");
  return TN_OK;
}

static tn_status check_shared(tni_step *step, const tn_stmt *alloc, const search *below) {
  const tn_stmt *path[TNI_MAX_PATH];
  for (int i = tni_path_to(step->s->func->body, alloc, path); i > 0; i--)
    if (path[i - 1]->kind == TNI_FOR && tni_is_thread_bound(path[i - 1]->as.loop.kind))
      return tni_step_refuse(step, path[i - 1]->as.loop.var,
                             "threads share a buffer that is allocated outside of their loops");
  if (below->blocks)
    return tni_step_refuse(step, below->blocks->as.loop.var,
                           "the threads of a block share the buffer, and all blocks would\n"
                           "needs: the loop over blocks to stand around the alloc");
  return TN_OK;
}

tn_status tni_apply_set_scope(tni_step *step) {
  tn_schedule *s = step->s;
  const tn_stmt *block = tni_arg_block(step, 0), *alloc = block ? tni_arg_made(step, block, 2) : NULL;
  if (!alloc) return TN_E_REFUSED;
  enum tni_scope scope = (enum tni_scope)step->args[1].number;
  const tn_buffer *b = alloc->as.alloc.buffer;
  search below = {.ctx = s->ctx, .buffer = b};
  tni_stmt_visit(alloc->as.alloc.body, see, &below);
  const tn_stmt *waits = tni_first_sync(s->func->body);
  if (waits && scope != b->scope && (scope == TNI_SCOPE_SHARED || b->scope == TNI_SCOPE_SHARED))
    return tni_step_refuse(step, waits, "threads wait here, for what they do to buffers in the scopes that these have");
  tn_status status = scope == TNI_SCOPE_REGISTER ? check_register(step, b, &below)
                     : scope == TNI_SCOPE_SHARED ? check_shared(step, alloc, &below)
                                                 : TN_OK;
  if (status) return status;
  tn_buffer form = *b;
  form.scope = scope;
  const tn_stmt *made = tni_alloc_swapped(&s->region, alloc, tni_buffer_make(&s->region, &form));
  const tn_stmt *body = tni_replace(&s->region, s->func->body, alloc, made);
  return waits ? tni_step_keep(step, body) : tni_step_accept(step, body);
}

tn_status tn_set_scope(tn_schedule *s, tn_block_ref block, const char *scope, int32_t store, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(scope ? scope : ""), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_set_scope, 3, args, 0, NULL, NULL, err);
}
