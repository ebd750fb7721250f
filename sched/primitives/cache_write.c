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
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *path[TNI_MAX_PATH], *stores[TNI_MAX_STATES], *block = tni_arg_block(step, 0);
  int64_t which = step->args[2].number;
  int scope = tni_cache_scope(step->args[1].text);
  if (!block) return TN_E_REFUSED;
  if (scope < 0)
    return tni_step_refuse(step, NULL, "`%s` is not a scope: global, local or register", step->args[1].text);
  int32_t count = tni_block_stores(s->ctx, block, stores);
  if (!count) return tni_step_refuse(step, block, "the block does more than store one element to each of some buffers");
  if (which < 0 || which >= count)
    return tni_step_refuse(step, block, "the block stores to %d buffers: there is no number %lld", count,
                           (long long)which);
  const tn_stmt *store = stores[which];
  const tn_buffer *old = store->as.store.buffer;
  tni_uses uses = tni_uses_of(s->ctx, s->func->body, old);
  if (uses.writers != 1 || uses.loose)
    return tni_step_refuse(step, store, "the block is not the only writer of the buffer");
  const char *why = tni_why_not_reduction(s->ctx, block);
  if (!why) why = tni_why_not_whole(s, block);
  if (!why) why = tni_why_no_cache(s, old, scope);
  if (why) return tni_step_refuse(step, store, "%s", why);
  int depth = tni_path_to(s->func->body, block, path), top = 0;
  while (top < depth - 1 && path[top]->kind != TNI_FOR) top++;
  if (top < depth - 1 && tni_is_allocated_in(path[top], old))
    return tni_step_refuse(step, store, "the buffer is allocated under the block's outermost loop");
  if (top < depth - 1 && uses.readers > (tni_uses_of(s->ctx, block, old).readers ? 1 : 0) &&
      tni_uses_of(s->ctx, path[top], old).readers > (tni_uses_of(s->ctx, block, old).readers ? 1 : 0))
    return tni_step_refuse(step, store, "the buffer is read under the same outermost loop");
  const char *name = tni_arena_format(&r->arena, "%s_cache", old->name);
  const tn_buffer *made = name ? tni_buffer(r, name, old->type, (enum tni_scope)scope, old->rank, old->shape) : NULL;
  const char *base = tni_arena_format(&r->arena, "%s_write", block->as.block.name);
  const char *copy_name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  if (!made || !copy_name) return TN_E_NOMEM;
  const tn_stmt *nest = tni_with_buffer(r, path[top], old, made, TNI_LOADS | TNI_STORES);
  const tn_stmt *both[] = {nest, tni_copy_nest(r, copy_name, made, old)};
  const tn_stmt *body = tni_replace(r, s->func->body, path[top], tni_seq(r, 2, both));
  tn_status status = tni_give_block(step, copy_name);
  return status ? status : tni_step_accept(step, body ? tni_alloc_stmt(r, made, body) : NULL);
}

tn_status tn_cache_write(tn_schedule *s, tn_block_ref block, const char *scope, tn_block_ref *out, tn_error **err) {
  return tn_cache_write_store(s, block, 0, scope, out, err);
}

tn_status tn_cache_write_store(tn_schedule *s, tn_block_ref block, int32_t store, const char *scope, tn_block_ref *out,
                               tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_text(scope), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_cache_write, 3, args, 1, out, NULL, err);
}
