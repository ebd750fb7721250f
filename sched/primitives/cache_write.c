/* cache_write.c -- a block writes a new buffer, and a new block copies it to the old one.
 *
 *     block C(..) { C[i, j] = .. }  ->  block C(..) { C_cache[i, j] = .. }  block C_write(..) { C[i, j] = C_cache[i, j] }
 *
 * The copy stands behind the outermost loop of the block; blocks that read C stay behind the copy.
 *
 * Of a block that stores to several buffers, one: the one of that number, from 0.
 *
 * needs: the only writer of its buffer, of all of it; scope "global", "local" or "register"
 * refuses: a block that reads other elements of the buffer than the one it accumulates; a buffer read, or allocated, under the
 *          same outermost loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

tn_status tni_apply_cache_write(tni_step *step) {
  tni_region *r = &step->s->region;
  tni_write_place at;
  tn_status status = tni_find_write(step, 2, step->args[1].text, true, &at);
  if (status) return status;
  const tn_buffer *old = at.store->as.store.buffer;
  const char *name = tni_arena_format(&r->arena, "%s_cache", old->name);
  const tn_buffer *made = name ? tni_buffer(r, name, old->type, at.scope, old->rank, old->shape) : NULL;
  if (!made) return TN_E_NOMEM;
  return tni_put_behind(step, &at, tni_with_buffer(r, at.top, old, made, TNI_LOADS | TNI_STORES),
                        tni_copy_nest(r, at.copy_name, made, old), made);
}

tn_status tn_cache_write(tn_schedule *s, tn_block_ref block, const char *scope, tn_block_ref *out, tn_error **err) {
  return tn_cache_write_store(s, block, 0, scope, out, err);
}

tn_status tn_cache_write_store(tn_schedule *s, tn_block_ref block, int32_t store, const char *scope, tn_block_ref *out,
                               tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(scope), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_cache_write, 3, args, 1, out, NULL, err);
}
