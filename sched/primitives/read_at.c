/* read_at.c -- what an iteration of a loop reads of a buffer is copied first.
 *
 *     for i { block C(..) { .. B[i + r] .. }  block D(..) { .. B[i] .. } }                   read_at(i, C, 0, "local")
 *       ->
 *     for i { for c in 0..3 { block C_read(b: 0..n = i + c) { B_cache[b] = B[b] } }
 *             block C(..) { .. B_cache[i + r] .. }  block D(..) { .. B_cache[i] .. } }
 *
 * The copy is of the smallest box around all that the blocks below the loop read of it, the given one or others; they all
 * read the copy. A dimension of which that is not known is copied whole. Where the box lies outside of the buffer nothing is
 * copied.
 *
 * needs: a buffer used in blocks alone, that is not written below the loop, and of which the box is written before the loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

/* Is all that the new block reads written before? A parameter's elements are. */
static tn_status check_filled(tni_step *step, const tn_stmt *body, const char *name, const tn_buffer *buffer) {
  tni_region *r = &step->s->region;
  tni_accesses all;
  if (tni_is_param(step->s->func, buffer)) return TN_OK;
  bool ok = tni_accesses_collect(r, body, &all), covered = !all.opaque;
  for (size_t i = 0; ok && i < all.count; i++) {
    const tni_access *x = &all.items[i];
    if (x->buffer == buffer && x->block && strcmp(x->block->as.block.name, name) == 0)
      covered &= tni_is_covered(r, &all, x, 0);
  }
  tni_accesses_destroy(&all);
  if (!ok) return TN_E_NOMEM;
  return covered ? TN_OK
                 : tni_step_refuse(step, buffer, "it is not known that all that would be copied is written before the loop");
}

tn_status tni_apply_read_at(tni_step *step) {
  tn_schedule *s = step->s;
  tni_box_copy at;
  const tn_stmt *body = NULL;
  tn_status status = tni_find_box_copy(step, false, 2, 3, &at);
  if (status) return status;
  if (tni_uses_of(s->ctx, at.loop, at.old).writers)
    return tni_step_refuse(step, at.block, "the buffer is written below the loop\nneeds: a loop further in");
  status = tni_make_box_copy(step, &at, &body);
  if (!status) status = check_filled(step, body, at.name, at.old);
  if (!status) status = tni_give_block(step, at.name);
  return status ? status : tni_step_accept(step, body);
}

tn_status tn_read_at(tn_schedule *s, tn_loop loop, tn_block_ref block, int32_t read, const char *scope, tn_block_ref *out,
                     tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_handle(block), tni_of_int(read), tni_of_text(scope)};
  return tni_perform(s, TNI_PRIMITIVE_read_at, 4, args, 1, out, NULL, err);
}
