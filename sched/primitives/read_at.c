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

/* The copy at the beginning of the loop, and its readers. */
static tn_status make(tni_step *step, const tn_stmt *loop, const tn_buffer *old, const tn_buffer *made, const char *name,
                      const tn_stmt **out) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  tni_accesses all;
  tni_box box;
  bool found, ok = tni_accesses_collect(r, s->func->body, &all);
  ok = ok && tni_box_below(s, &all, loop, old, false, &box, &found);
  tni_accesses_destroy(&all);
  if (!ok) return TN_E_NOMEM;
  if (all.opaque || !found) return tni_step_refuse(step, loop->as.loop.var, "not all accesses of the function are known");
  const tn_stmt *both[] = {tni_copy_box(s, name, old, made, loop, &box),
                           tni_with_buffer(r, loop->as.loop.body, old, made, TNI_LOADS)};
  const tn_stmt *with =
      tni_for_like(r, loop, loop->as.loop.var, loop->as.loop.extent, loop->as.loop.kind, tni_seq(r, 2, both));
  *out = tni_alloc_stmt(r, made, tni_replace(r, s->func->body, loop, with));
  return *out ? TN_OK : TN_E_NOMEM;
}

tn_status tni_apply_read_at(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  const tn_stmt *loop = tni_arg_loop(step, 0), *block = loop ? tni_arg_block(step, 1) : NULL, *body = NULL;
  if (!block) return TN_E_REFUSED;
  int64_t which = step->args[2].number;
  int scope = tni_cache_scope(step->args[3].text);
  if (scope < 0)
    return tni_step_refuse(step, NULL, "`%s` is not a scope: global, local or register", step->args[3].text);
  if (!tni_is_below(loop, block))
    return tni_step_refuse(step, loop->as.loop.var, "the block is not below the loop\nneeds: a loop around it");
  tni_reads reads = tni_reads_of(s->ctx, block);
  if (which < 0 || (size_t)which >= reads.count)
    return tni_step_refuse(step, block, "the block reads %zu buffers: there is no number %lld", reads.count,
                           (long long)which);
  const tn_buffer *old = reads.items[which];
  if (tni_uses_of(s->ctx, s->func->body, old).loose)
    return tni_step_refuse(step, block, "the buffer is used outside of blocks");
  if (tni_uses_of(s->ctx, loop, old).writers)
    return tni_step_refuse(step, block, "the buffer is written below the loop\nneeds: a loop further in");
  const char *why = tni_why_no_cache(s, old, scope);
  if (why) return tni_step_refuse(step, block, "%s", why);
  const char *base = tni_arena_format(&r->arena, "%s_read", block->as.block.name);
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  const char *called = tni_arena_format(&r->arena, "%s_cache", old->name);
  const tn_buffer *made = called ? tni_buffer(r, called, old->type, (enum tni_scope)scope, old->rank, old->shape) : NULL;
  if (!name || !made) return TN_E_NOMEM;
  tn_status status = make(step, loop, old, made, name, &body);
  if (!status) status = check_filled(step, body, name, old);
  if (!status) status = tni_give_block(step, name);
  return status ? status : tni_step_accept(step, body);
}

tn_status tn_read_at(tn_schedule *s, tn_loop loop, tn_block_ref block, int32_t read, const char *scope, tn_block_ref *out,
                     tn_error **err) {
  tni_arg args[] = {tni_of_handle(loop), tni_of_handle(block), tni_of_int(read), tni_of_text(scope)};
  return tni_perform(s, TNI_PRIMITIVE_read_at, 4, args, 1, out, NULL, err);
}
