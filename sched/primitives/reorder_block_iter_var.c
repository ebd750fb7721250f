/* reorder_block_iter_var.c -- the iterators of a block in another order.
 *
 *     block B(a: 0..n = i, b: 0..m = j) { S }   reorder_block_iter_var(B, [1, 0])  ->  block B(b: 0..m = j, a: 0..n = i) { S }
 *
 * What the block does does not depend on the order: the bindings stay with their iterators.
 *
 * refuses: an order that is not each number from 0 on once
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static bool is_permutation(const tni_arg *order, int32_t count) {
  for (size_t i = 0; i < order->count; i++) {
    if (order->numbers[i] < 0 || order->numbers[i] >= count) return false;
    for (size_t k = 0; k < i; k++)
      if (order->numbers[k] == order->numbers[i]) return false;
  }
  return order->count == (size_t)count;
}

tn_status tni_apply_reorder_block_iter_var(tni_step *step) {
  tni_region *r = &step->s->region;
  const tn_stmt *block = tni_arg_block(step, 0);
  const tni_arg *order = &step->args[1];
  if (!block) return TN_E_REFUSED;
  int32_t count = block->as.block.count;
  if (!is_permutation(order, count))
    return tni_step_refuse(step, block, "the order must be each of the numbers 0 to %d once", (int)count - 1);
  tni_iter *iters = TNI_NEW_ARRAY(&r->arena, tni_iter, count);
  for (int32_t i = 0; iters && i < count; i++) iters[i] = block->as.block.iters[order->numbers[i]];
  const tn_stmt *made =
      iters ? tni_block_like(r, block, iters, block->as.block.where, block->as.block.init, block->as.block.body) : NULL;
  return tni_step_keep(step, tni_replace(r, step->s->func->body, block, made));
}

tn_status tn_reorder_block_iter_var(tn_schedule *s, tn_block_ref block, size_t count, const int64_t *order,
                                    tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_ints(count, order)};
  return tni_perform(s, TNI_PRIMITIVE_reorder_block_iter_var, 2, args, 0, NULL, NULL, err);
}
