/* write_at.c -- what an iteration of a loop writes to a buffer is copied out at its end.
 *
 *     for i { for j { block C(..) { C[i, j] = .. } }  block D(..) { .. C[i, 0] .. } }        write_at(i, C, "local")
 *       ->
 *     for i { for j { block C(..) { C_cache[i, j] = .. } }  block D(..) { .. C_cache[i, 0] .. }
 *             for c { block C_write(a: 0..n = i, b: 0..m = c) { C[a, b] = C_cache[a, b] } } }
 *
 * All that is done to the buffer below the loop is done to the new one. What is copied is the box that the iteration
 * writes, all of it.
 *
 * needs: a buffer used in blocks alone, made outside of the loop; a box that each iteration writes whole, before it reads
 *        of it; all steps of a reduction into it below the loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* Does an iteration write what it reads of the buffer, and what it copies out? */
static tn_status check_access(tni_step *step, const tni_accesses *all, const tni_access *x, const tni_box_copy *at) {
  const tn_expr *loop = at->loop->as.loop.var;
  int depth = 0;
  while (depth == 0 || x->loops[depth - 1]->as.loop.var != loop) depth++;
  for (int k = 0; x->write && k < depth; k++)
    if (tni_feeds_reduction(step->s->ctx, x, x->loops[k]->as.loop.var))
      return tni_step_refuse(step, x->loops[k]->as.loop.var,
                             "the loop runs steps of a reduction into the buffer\nneeds: a loop outside of all of them");
  if (x->write || tni_is_covered(&step->s->region, all, x, depth)) return TN_OK;
  if (x->block && strcmp(x->block->as.block.name, at->name) == 0)
    return tni_step_refuse(step, loop, "it is not known that an iteration writes all of the box around what it writes");
  return tni_step_refuse(step, loop, "it is not known that an iteration has written what it reads of the buffer");
}

static tn_status check_accesses(tni_step *step, const tn_stmt *body, const tni_box_copy *at) {
  tni_accesses all;
  tn_status status = tni_accesses_collect(&step->s->region, body, &all) ? TN_OK : TN_E_NOMEM;
  for (size_t i = 0; i < all.count && !status; i++)
    if (all.items[i].buffer == at->made) status = check_access(step, &all, &all.items[i], at);
  tni_accesses_destroy(&all);
  return status;
}

tn_status tni_apply_write_at(tni_step *step) {
  tni_box_copy at;
  const tn_stmt *body = NULL;
  tn_status status = tni_find_box_copy(step, true, 3, 2, &at);
  if (status) return status;
  if (tni_is_allocated_in(at.loop, at.old))
    return tni_step_refuse(step, at.old, "the buffer is allocated in the loop\nneeds: the alloc outside of the loop");
  status = tni_make_box_copy(step, &at, &body);
  if (!status) status = check_accesses(step, body, &at);
  if (!status) status = tni_give_block(step, at.name);
  return status ? status : tni_step_accept(step, body);
}

tn_status tn_write_at(tn_schedule *s, tn_loop loop, tn_block_ref block, const char *scope, int32_t store, tn_block_ref *out,
                      tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_handle(block), tni_of_text(scope), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_write_at, 4, args, 1, out, NULL, err);
}
