/* reverse_compute_at.c -- a consumer under a loop of its producers, for just what an iteration has completed.
 *
 *     for o in 0..n/4 { for j in 0..4 { block T(..) { T[o*4 + j] = .. } } }
 *     for i in 0..n { block Y(..) { Y[i] = f(T[i]) } }
 *       ->                                                                   reverse_compute_at(Y, o)
 *     for o in 0..n/4 { for j in 0..4 { block T(..) { T[o*4 + j] = .. } }  for a in 0..4 { block Y(o*4 + a) .. } }
 *
 * A dimension that an iteration completes is read at any subscript; one of which it brings a part, at an iterator of
 * the block, which then ranges over that part. Parts that lie outside the iterator's domain are guarded.
 *
 * needs: a block behind the loop, of stores to elements of its own; producers below the loop that run each instance
 *        once, and complete their reductions there; nothing between that uses what the block writes, or writes what
 *        else it reads
 * refuses: a reduction of which an iteration brings a part, or whose steps would change their order
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_reverse_compute_at(tni_step *step) {
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  tni_meeting m;
  if (!block || !loop) return TN_E_REFUSED;
  tn_status status = tni_meet(step, block, loop, false, &m);
  return status ? status : tni_step_accept(step, tni_move_consumer(&m));
}

tn_status tn_reverse_compute_at(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_reverse_compute_at, 2, args, 0, NULL, NULL, err);
}
