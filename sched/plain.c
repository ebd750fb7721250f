/* plain.c -- blocks whose loops are their iterators: as a definition makes them, before they are split, moved or guarded.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* Is the loop one iterator of the block, all of it? */
static bool is_iterator(const tn_stmt *block, const tn_stmt *loop) {
  for (int32_t i = 0; i < block->as.block.count; i++)
    if (block->as.block.iters[i].binding == loop->as.loop.var)
      return block->as.block.iters[i].extent == loop->as.loop.extent && tni_is_const(loop->as.loop.extent);
  return false;
}

const tn_stmt *tni_plain_nest(tn_schedule *s, const tn_stmt *block, const char **why) {
  const tn_stmt *path[TNI_MAX_PATH];
  int depth = tni_path_to(s->func->body, block, path), top = 0;
  while (top < depth - 1 && path[top]->kind != TNI_FOR) top++;
  *why = NULL;
  for (int i = top; i < depth - 1; i++)
    if (path[i]->kind != TNI_FOR || path[i]->as.loop.kind != TNI_SERIAL || !is_iterator(block, path[i]))
      *why = "a loop above the block is not all of one of its iterators, serial and of constant extent, or something else stands "
             "there\nneeds: to be done before its loops are split, moved or annotated";
  if (depth - 1 - top != block->as.block.count)
    *why = "the block has not one loop for each of its iterators\nneeds: to be done before its loops are split or fused";
  if (block->as.block.where) *why = "the block has a guard";
  return *why ? NULL : path[top];
}
