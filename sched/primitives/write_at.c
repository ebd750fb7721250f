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
static tn_status check_accesses(tni_step *step, const tni_accesses *all, const tn_buffer *made, const tn_expr *loop,
                                const char *name) {
  tni_region *r = &step->s->region;
  if (all->opaque) return tni_step_refuse(step, loop, "not all accesses of the function are known");
  for (size_t i = 0; i < all->count; i++) {
    const tni_access *x = &all->items[i];
    int depth = 0;
    if (x->buffer != made) continue;
    while (depth == 0 || x->loops[depth - 1]->as.loop.var != loop) depth++;
    for (int k = 0; x->write && k < depth; k++)
      if (tni_feeds_reduction(step->s->ctx, x, x->loops[k]->as.loop.var))
        return tni_step_refuse(step, x->loops[k]->as.loop.var,
                               "the loop runs steps of a reduction into the buffer\nneeds: a loop outside of all of them");
    if (x->write || tni_is_covered(r, all, x, depth)) continue;
    if (x->block && strcmp(x->block->as.block.name, name) == 0)
      return tni_step_refuse(step, loop, "it is not known that an iteration writes all of the box around what it writes");
    return tni_step_refuse(step, loop,
                           "it is not known that an iteration has written what it reads of the buffer");
  }
  return TN_OK;
}

/* The copy at the end of the loop. */
static tn_status make(tni_step *step, const tn_stmt *loop, const tn_buffer *old, const tn_buffer *made, const char *name,
                      const tn_stmt **out) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  tni_accesses all;
  tni_box box;
  bool found, ok = tni_accesses_collect(r, s->func->body, &all);
  tn_status status = TN_OK;
  ok = ok && tni_box_below(s, &all, loop, old, true, &box, &found);
  tni_accesses_destroy(&all);
  if (!ok) return TN_E_NOMEM;
  if (!found) return tni_step_refuse(step, loop->as.loop.var, "not all accesses of the function are known");
  const tn_stmt *both[] = {tni_with_buffer(r, loop->as.loop.body, old, made, TNI_LOADS | TNI_STORES),
                           tni_copy_box(s, name, made, old, loop, &box)};
  const tn_stmt *with =
      tni_for_like(r, loop, loop->as.loop.var, loop->as.loop.extent, loop->as.loop.kind, tni_seq(r, 2, both));
  *out = tni_alloc_stmt(r, made, tni_replace(r, s->func->body, loop, with));
  ok = *out && tni_accesses_collect(r, *out, &all);
  if (ok) status = check_accesses(step, &all, made, loop->as.loop.var, name);
  if (*out) tni_accesses_destroy(&all);
  return ok ? status : TN_E_NOMEM;
}

tn_status tni_apply_write_at(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *loop = tni_arg_loop(step, 0), *block = loop ? tni_arg_block(step, 1) : NULL, *body = NULL;
  if (!block) return TN_E_REFUSED;
  int64_t which = step->args[3].number;
  int scope = tni_cache_scope(step->args[2].text);
  if (scope < 0)
    return tni_step_refuse(step, NULL, "`%s` is not a scope: global, local or register", step->args[2].text);
  if (!tni_is_below(loop, block))
    return tni_step_refuse(step, loop->as.loop.var, "the block is not below the loop\nneeds: a loop around it");
  tni_reads writes = tni_writes_of(block);
  if (which < 0 || (size_t)which >= writes.count)
    return tni_step_refuse(step, block, "the block stores to %zu buffers: there is no number %lld", writes.count,
                           (long long)which);
  const tn_buffer *old = writes.items[which];
  if (tni_uses_of(s->ctx, s->func->body, old).loose)
    return tni_step_refuse(step, block, "the buffer is used outside of blocks");
  if (tni_is_allocated_in(loop, old))
    return tni_step_refuse(step, old, "the buffer is allocated in the loop\nneeds: the alloc outside of the loop");
  const char *why = tni_why_no_cache(s, old, scope);
  if (why) return tni_step_refuse(step, block, "%s", why);
  const char *base = tni_arena_format(&r->arena, "%s_write", block->as.block.name);
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  const char *called = tni_arena_format(&r->arena, "%s_cache", old->name);
  const tn_buffer *made = called ? tni_buffer(r, called, old->type, (enum tni_scope)scope, old->rank, old->shape) : NULL;
  if (!name || !made) return TN_E_NOMEM;
  tn_status status = make(step, loop, old, made, name, &body);
  if (!status) status = tni_give_block(step, name);
  return status ? status : tni_step_accept(step, body);
}

tn_status tn_write_at(tn_schedule *s, tn_loop loop, tn_block_ref block, const char *scope, int32_t store, tn_block_ref *out,
                      tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_handle(block), tni_of_text(scope), tni_of_int(store)};
  return tni_perform(s, TNI_PRIMITIVE_write_at, 4, args, 1, out, NULL, err);
}
