/* cache_read.c -- a block reads a new buffer, and a new block copies the old one to it.
 *
 *     block C(..) { C[i, j] = .. B[k, j] .. }  ->  block C_read(..) { B_cache[k, j] = B[k, j] }  block C(..) { .. B_cache[k, j] .. }
 *
 * The copy stands before the outermost loop of the block and takes all of the buffer; compute_at brings it to where a part is
 * read, and then the new buffer holds no more than that part.
 *
 * needs: a buffer that the block reads, that is whole before the outermost loop and is not written under it; scope "global",
 *        "local" or "register"
 * refuses: a block without such a buffer; one made in the function of which not all is written by one block
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_cache_read(tni_step *step) {
  tni_region *r = &step->s->region;
  tni_read_place at;
  tn_status status = tni_find_read(step, step->args[2].text, &at);
  if (status) return status;
  const tn_buffer *old = at.buffer;
  const tn_stmt *block = at.block;
  const char *name = tni_arena_format(&r->arena, "%s_cache", old->name);
  const tn_buffer *made = name ? tni_buffer(r, name, old->type, at.scope, old->rank, old->shape) : NULL;
  if (!made) return TN_E_NOMEM;
  const tn_stmt *reader = tni_block_like(r, block, block->as.block.iters, block->as.block.where, block->as.block.init,
                                         tni_with_buffer(r, block->as.block.body, old, made, TNI_LOADS));
  return tni_put_before(step, &at, tni_copy_nest(r, at.copy_name, old, made), reader, made);
}

tn_status tn_cache_read(tn_schedule *s, tn_block_ref block, int32_t read, const char *scope, tn_block_ref *out,
                        tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_int(read), tni_of_text(scope)};
  return tni_perform(s, TNI_PRIMITIVE_cache_read, 3, args, 1, out, NULL, err);
}
