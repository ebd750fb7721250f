/* decompose_reduction.c -- the init of a reduction becomes a block of its own before a loop.
 *
 *     for i { for k { block C(i, reduce k) { init { I } S } } }   decompose_reduction(C, k)
 *       ->
 *     for i { block C_init(i) { I }  for k { block C(i, reduce k) { S } } }
 *
 * The new block runs where the first step would have run: a guard is kept as it is there, and so is a step that an
 * extent may leave none of.
 *
 * needs: a block with init below the loop; all loops that feed its reduce iterators at or below it, and nothing else
 *        there that uses the buffers, or stores what init reads; each element summed up once below the loop
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sched.h"

static const tn_stmt *make_init(const tni_reduce_nest *n, const char *name, const tn_expr *where) {
  tni_region *r = &n->s->region;
  tni_copied_iters copies;
  if (!tni_copy_iters(n, &copies) || (where && !(where = tni_over_copies(n, where)))) return NULL;
  tni_subst rename = {(size_t)copies.count, copies.old_vars, copies.new_vars};
  return tni_copy_loops(n, tni_block(r, name, copies.count, copies.iters, where, NULL,
                                     tni_stmt_subst(r, n->block->as.block.init, &rename)));
}

tn_status tni_apply_decompose_reduction(tni_step *step) {
  tn_schedule *s = step->s;
  tni_region *r = &s->region;
  tni_reduce_nest n;
  const tn_stmt *block = tni_arg_block(step, 0), *loop = block ? tni_arg_loop(step, 1) : NULL;
  const tn_expr *where = NULL;
  if (!block || !loop) return TN_E_REFUSED;
  if (!block->as.block.init) return tni_step_refuse(step, block, "the block has no init");
  tn_status status = tni_open_reduce_nest(step, block, loop, &n);
  if (status) return status;
  const char *why = tni_why_not_reduction(s->ctx, block);
  if (!why) why = tni_why_not_apart(&n);
  if (why) return tni_step_refuse(step, block, "%s", why);
  if (!tni_first_step_runs(&n, NULL, &where)) return TN_E_NOMEM;
  if (where && tni_is_int(where, 0)) return tni_step_refuse(step, block, "its guard never lets the first step run");
  const char *base = tni_arena_format(&r->arena, "%s_init", block->as.block.name);
  const char *name = base ? tni_free_block_name(r, s->func->body, base) : NULL;
  const tn_stmt *update =
      tni_block_like(r, block, block->as.block.iters, block->as.block.where, NULL, block->as.block.body);
  if (!name || !update) return TN_E_NOMEM;
  const tn_stmt *both[] = {make_init(&n, name, where), tni_replace(r, loop, block, update)};
  const tn_stmt *body = tni_replace(r, s->func->body, loop, tni_seq(r, 2, both));
  status = tni_give_block(step, name);
  return status ? status : tni_step_accept(step, body);
}

tn_status tn_decompose_reduction(tn_schedule *s, tn_block_ref block, tn_loop loop, tn_block_ref *out, tn_error **err) {
  tni_arg args[] = {tni_of_handle(block), tni_of_handle(loop)};
  return tni_perform(s, TNI_PRIMITIVE_decompose_reduction, 2, args, 1, out, NULL, err);
}
